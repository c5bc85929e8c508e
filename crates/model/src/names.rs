//! Who takes part in a story: two realms with their APIs and clients, and what each may do.

use std::fmt;

/// A realm of the stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Realm {
    /// The realm that is always there.
    Default,
    /// A realm that can be disabled.
    Acme,
}

impl Realm {
    /// Every realm.
    pub const ALL: [Self; 2] = [Self::Default, Self::Acme];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Acme => "acme",
        }
    }
}

/// An API of the stories, by what its tokens are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// Opaque tokens that live an hour.
    Opaque,
    /// JWTs with a row, signed with ES256, that live a quarter of an hour.
    Jwt,
    /// JWTs without a row, signed with EdDSA, that live a quarter of an hour.
    Bare,
    /// Opaque tokens that live longer than the ledger remembers.
    Long,
    /// The API of the realm [`Realm::Acme`], with opaque tokens that live an hour.
    Acme,
}

impl Api {
    /// Every API.
    pub const ALL: [Self; 5] = [Self::Opaque, Self::Jwt, Self::Bare, Self::Long, Self::Acme];

    /// The realm in which it lies.
    pub const fn realm(self) -> Realm {
        match self {
            Self::Acme => Realm::Acme,
            Self::Opaque | Self::Jwt | Self::Bare | Self::Long => Realm::Default,
        }
    }

    /// Its audience identifier.
    pub const fn audience(self) -> &'static str {
        match self {
            Self::Opaque => "https://opaque.example.com/",
            Self::Jwt => "https://jwt.example.com/",
            Self::Bare => "https://bare.example.com/",
            Self::Long => "https://long.example.com/",
            Self::Acme => "https://acme.example.com/",
        }
    }

    /// Whether its tokens are JWTs.
    pub const fn has_jwts(self) -> bool {
        matches!(self, Self::Jwt | Self::Bare)
    }

    /// How long its tokens live at first, in seconds.
    pub const fn lifetime(self) -> u64 {
        match self {
            Self::Opaque | Self::Acme => 3_600,
            Self::Jwt | Self::Bare => 900,
            Self::Long => 30 * 3_600,
        }
    }

    /// The rest of its entry in the document.
    const fn entry(self) -> &'static str {
        match self {
            Self::Opaque | Self::Acme => "",
            Self::Jwt => "token_format = \"jwt\"",
            Self::Bare => "token_format = \"jwt\"\nalgorithm = \"EdDSA\"\nrecord = false",
            Self::Long => "access_token_seconds = 108000",
        }
    }
}

/// For whom a token is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// For an API.
    Api(Api),
    /// For the issuer of the client's realm.
    Issuer,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 6] = [
        Self::Api(Api::Opaque),
        Self::Api(Api::Jwt),
        Self::Api(Api::Bare),
        Self::Api(Api::Long),
        Self::Api(Api::Acme),
        Self::Issuer,
    ];

    /// The API, if it is one.
    pub const fn api(self) -> Option<Api> {
        match self {
            Self::Api(api) => Some(api),
            Self::Issuer => None,
        }
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(api) => api.fmt(f),
            Self::Issuer => f.write_str("Issuer"),
        }
    }
}

/// A client of the stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// May have everything at every API of its realm.
    App,
    /// May read at some APIs; its revocations take the whole family along.
    Family,
    /// Holds the credentials of [`Api::Opaque`].
    OpaqueApi,
    /// Holds the credentials of [`Api::Jwt`].
    JwtApi,
    /// Holds the credentials of [`Api::Bare`].
    BareApi,
    /// Holds the credentials of [`Api::Long`].
    LongApi,
    /// May see every token of its realm.
    Auditor,
    /// The application of the realm [`Realm::Acme`].
    AcmeApp,
    /// May see every token of the realm [`Realm::Acme`].
    AcmeAuditor,
}

impl Client {
    /// Every client.
    pub const ALL: [Self; 9] = [
        Self::App,
        Self::Family,
        Self::OpaqueApi,
        Self::JwtApi,
        Self::BareApi,
        Self::LongApi,
        Self::Auditor,
        Self::AcmeApp,
        Self::AcmeAuditor,
    ];

    /// The clients that ask for tokens.
    pub const APPLICATIONS: [Self; 3] = [Self::App, Self::Family, Self::AcmeApp];

    /// The realm in which it lies.
    pub const fn realm(self) -> Realm {
        match self {
            Self::AcmeApp | Self::AcmeAuditor => Realm::Acme,
            _ => Realm::Default,
        }
    }

    /// Its name on the wire. The two applications have one name in two realms.
    pub const fn client_id(self) -> &'static str {
        match self {
            Self::App | Self::AcmeApp => "app",
            Self::Family => "family",
            Self::OpaqueApi => "opaque-api",
            Self::JwtApi => "jwt-api",
            Self::BareApi => "bare-api",
            Self::LongApi => "long-api",
            Self::Auditor | Self::AcmeAuditor => "auditor",
        }
    }

    /// The API whose credentials these are.
    pub const fn api(self) -> Option<Api> {
        match self {
            Self::OpaqueApi => Some(Api::Opaque),
            Self::JwtApi => Some(Api::Jwt),
            Self::BareApi => Some(Api::Bare),
            Self::LongApi => Some(Api::Long),
            _ => None,
        }
    }

    /// Whether an administrator lets it see every token of its realm.
    pub const fn sees_everything(self) -> bool {
        matches!(self, Self::Auditor | Self::AcmeAuditor)
    }

    /// Whether one revocation takes the whole family along.
    pub const fn revokes_families(self) -> bool {
        matches!(self, Self::Family)
    }

    /// The scopes that it is registered for at an audience.
    pub fn may_have(self, audience: Audience) -> &'static [&'static str] {
        match (self, audience) {
            (Self::App | Self::AcmeApp, Audience::Issuer) => &["introspect"],
            (Self::App, Audience::Api(api)) if api.realm() == Realm::Default => &SCOPES,
            (Self::AcmeApp, Audience::Api(Api::Acme)) => &SCOPES,
            (Self::Family, Audience::Api(Api::Opaque | Api::Jwt | Api::Long)) => &["read"],
            _ => &[],
        }
    }

    /// The secret that it begins with.
    pub fn first_secret(self) -> String {
        format!("{self:?}-secret-of-at-least-32-characters")
    }

    fn entry(self) -> String {
        let mut entry = format!(
            "[[client]]\nrealm = {:?}\nclient_id = {:?}\nclient_secret = {:?}\ngrant_types = [\"client_credentials\"]\n",
            self.realm().name(),
            self.client_id(),
            self.first_secret()
        );
        let allowed: Vec<String> = Api::ALL
            .into_iter()
            .map(|api| (api, self.may_have(Audience::Api(api))))
            .filter(|(_, scopes)| !scopes.is_empty())
            .map(|(api, scopes)| format!("{:?} = {scopes:?}", api.audience()))
            .collect();
        entry.push_str(&format!("allowed = {{ {} }}\n", allowed.join(", ")));
        entry.push_str(&format!("issuer_scopes = {:?}\n", self.may_have(Audience::Issuer)));
        if let Some(api) = self.api() {
            entry.push_str(&format!("api = {:?}\n", api.audience()));
        }
        if self.sees_everything() {
            entry.push_str("introspect_any = true\n");
        }
        if self.revokes_families() {
            entry.push_str("revocation_cascade = \"grant\"\n");
        }
        entry
    }
}

/// The scopes of every API.
pub const SCOPES: [&str; 2] = ["read", "write"];

/// The longest lifetime of a JWT, in seconds: what lives longer is opaque.
pub const LONGEST_JWT_SECONDS: u64 = 24 * 3_600;

/// For how long a successor is published before it signs, in seconds.
pub const PREPUBLICATION_SECONDS: u64 = 360;

/// The document that makes everybody.
pub fn document() -> String {
    let realm = |realm: Realm| {
        format!(
            "[[realm]]\nname = {:?}\nkey_rotation_seconds = 86400\nkey_prepublication_seconds = {PREPUBLICATION_SECONDS}\n",
            realm.name()
        )
    };
    let api = |api: Api| {
        format!(
            "[[api]]\nrealm = {:?}\naudience = {:?}\nscopes = {SCOPES:?}\n{}\n",
            api.realm().name(),
            api.audience(),
            api.entry()
        )
    };
    let realms = Realm::ALL.into_iter().map(realm);
    realms.chain(Api::ALL.into_iter().map(api)).chain(Client::ALL.into_iter().map(Client::entry)).collect()
}
