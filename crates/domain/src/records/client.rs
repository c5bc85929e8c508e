//! Clients: who may ask for tokens, and who may ask about them.

use std::collections::{BTreeMap, BTreeSet};

use lydian_jose::Algorithm;
use lydian_oauth_types::{ClientAuthMethod, GrantType, ScopeSet};
use lydian_primitives::{Digest, Id};
use lydian_revocation::Seq;
use serde::{Deserialize, Serialize};

use super::api::ApiId;
use super::realm::{RealmId, SigningAlgorithm, no_id};

/// The id of a client's record. Its name on the wire is [`Client::client_id`].
pub type ClientId = Id<Client>;

/// A client (RFC 6749 §1.1, §2). The credentials of an API are its client's credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// Its id, never reused.
    #[serde(skip, default = "no_id")]
    pub id: ClientId,
    /// The realm to which it belongs.
    #[serde(skip, default = "no_id")]
    pub realm: RealmId,
    /// Its name on the wire, unique within the realm, never reused.
    pub client_id: String,
    /// Its name for people.
    pub name: String,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Everything minted for it before this position is dead.
    #[serde(skip)]
    pub cut_at: Seq,
    /// Grows with each change of this record.
    #[serde(skip)]
    pub version: u64,
    /// How it may authenticate. A public client has `none` alone.
    pub auth_methods: BTreeSet<ClientAuthMethod>,
    /// Its secrets: more than one while a new one takes over.
    pub secrets: Vec<ClientSecretHash>,
    /// Its public keys as a JWK Set document, for `private_key_jwt`.
    pub jwks: Option<String>,
    /// Whether the token endpoint's address is accepted as audience of its assertions, beside the issuer.
    pub assertion_audience_token_endpoint: bool,
    /// The grant types that it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// The scopes that it may have at each API.
    #[serde(with = "allowed_by_number")]
    pub allowed: BTreeMap<ApiId, ScopeSet>,
    /// The scopes of the issuer that it may have (`introspect` and identity scopes).
    pub issuer_scopes: ScopeSet,
    /// The API meant when a request names neither `resource` nor a scope that decides.
    #[serde(with = "optional_number")]
    pub default_api: Option<ApiId>,
    /// The API whose credentials these are.
    #[serde(with = "optional_number")]
    pub api: Option<ApiId>,
    /// Whether it may see every token of its realm: the explicit permission of an administrator.
    pub introspect_any: bool,
    /// Lifetime of access tokens issued to it, in seconds, when it is shorter than the API's.
    pub access_token_seconds: Option<u64>,
    /// What goes with a token that this client revokes.
    pub revocation_cascade: RevocationCascade,
    /// What it registered for people who sign in.
    #[serde(default)]
    pub authorization: ClientAuthorization,
}

/// What a client registered for the authorization endpoint, and how its users' tokens are handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientAuthorization {
    /// Where the browser may be sent back to, compared byte by byte (RFC 9700 §2.1), but for the port of a loopback address.
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent after a logout (OpenID Connect RP-Initiated Logout §3.1).
    pub post_logout_redirect_uris: Vec<String>,
    /// The algorithm of its ID tokens (`id_token_signed_response_alg`).
    pub id_token_algorithm: SigningAlgorithm,
    /// Whether people are not asked, because the client belongs to the house.
    pub skip_consent: bool,
    /// Whether its people need a second factor; who has none adds one at the next sign-in.
    pub require_second_factor: bool,
    /// Whether it must push its requests (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// Whether its refresh tokens are replaced at each use.
    pub rotate_refresh_tokens: bool,
    /// The address of its logo.
    pub logo_uri: Option<String>,
    /// The address of its privacy policy.
    pub policy_uri: Option<String>,
    /// The address of its terms of service.
    pub tos_uri: Option<String>,
}

impl Default for ClientAuthorization {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            // What a client expects that says nothing (OpenID Connect Registration §2).
            id_token_algorithm: SigningAlgorithm(Algorithm::Rs256),
            skip_consent: false,
            require_second_factor: false,
            require_pushed_authorization_requests: false,
            rotate_refresh_tokens: true,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
        }
    }
}

impl Client {
    /// Whether it can keep a secret (RFC 6749 §2.1).
    pub fn is_confidential(&self) -> bool {
        self.auth_methods.iter().any(|method| *method != ClientAuthMethod::None)
    }
}

/// The salted SHA-256 of a client secret. Secrets have 256 random bits, so a slow hash would add nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "StoredSecretHash", into = "StoredSecretHash")]
pub struct ClientSecretHash {
    /// Random bytes that precede the secret.
    pub salt: [u8; 12],
    /// SHA-256 of salt and secret.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
struct StoredSecretHash {
    salt: [u8; 12],
    digest: [u8; 32],
}

impl From<StoredSecretHash> for ClientSecretHash {
    fn from(stored: StoredSecretHash) -> Self {
        Self { salt: stored.salt, digest: Digest::from_bytes(stored.digest) }
    }
}

impl From<ClientSecretHash> for StoredSecretHash {
    fn from(hash: ClientSecretHash) -> Self {
        Self { salt: hash.salt, digest: *hash.digest.as_bytes() }
    }
}

/// What goes with a token that its client revokes (RFC 7009 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationCascade {
    /// Each revocation kills the whole grant: an access token takes its refresh token along.
    Grant,
    /// An access token goes alone; a refresh token takes its access tokens along.
    #[default]
    Standard,
}

mod allowed_by_number {
    use super::{ApiId, BTreeMap, ScopeSet};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<ApiId, ScopeSet>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let map: BTreeMap<u64, &ScopeSet> =
            map.iter().map(|(api, scopes)| (api.as_number(), scopes)).collect();
        map.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<ApiId, ScopeSet>, D::Error> {
        let map = BTreeMap::<u64, ScopeSet>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(api, scopes)| (ApiId::from_number(api), scopes)).collect())
    }
}

mod optional_number {
    use lydian_primitives::Id;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T, S: Serializer>(id: &Option<Id<T>>, serializer: S) -> Result<S::Ok, S::Error> {
        id.map(Id::as_number).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Id<T>>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Id::from_number))
    }
}
