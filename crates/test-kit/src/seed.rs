//! Users, sessions, grants and their tokens, put straight into the store: what a sign-in would have left there.

use std::sync::Arc;

use lydian_domain::issue::{self, ClaimSources};
use lydian_domain::secrets::TokenKind;
use lydian_domain::{
    AccessToken, Audience, BrowserSession, ClientId, Grant, GrantId, KeyId, KeyState, RefreshToken, Rotation,
    Session, SessionId, SigningKeyRecord, TokenForm, TokenFormat, TokenId, User, UserId, UserProfile,
    token_string,
};
use lydian_jose::{Algorithm, SigningKey};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Clock, Entropy, Mint, SystemEntropy, Timestamp};
use lydian_revocation::{CutKind, Seq};
use lydian_service::install::key_label;
use lydian_service::{ApiState, KeyEntry, RealmState};
pub use lydian_storage::{Change, LogObserver, Parents, Record, Write};

use crate::fixtures::Credentials;
use crate::server::TestServer;

/// What a user granted to a client, with the tokens that came of it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The user.
    pub user: UserId,
    /// The subject identifier of the user.
    pub subject: String,
    /// The session.
    pub session: SessionId,
    /// The grant.
    pub grant: GrantId,
    /// The string of the access token.
    pub access_token: String,
    /// Its id.
    pub access_token_id: TokenId,
    /// The string of the refresh token.
    pub refresh_token: String,
    /// Its id.
    pub refresh_token_id: TokenId,
}

/// What to seed.
#[derive(Clone, Debug)]
pub struct Seed {
    /// To whom the tokens are issued.
    pub client: Credentials,
    /// The audience of the access token; `None` for the issuer. The API decides over its form.
    pub audience: Option<&'static str>,
    /// What was granted.
    pub scope: &'static str,
    /// The realm; `None` for the default realm.
    pub realm: Option<&'static str>,
    /// The name of the user. Each seeding makes a new user, so two in one realm need two names.
    pub username: &'static str,
    /// How long from now the tokens begin to be good, in seconds.
    pub begins_in_seconds: u64,
    /// The lifetime of the access token, in seconds.
    pub access_token_seconds: u64,
    /// The lifetime of the refresh token, in seconds.
    pub refresh_token_seconds: u64,
    /// The lifetime of the session, in seconds.
    pub session_seconds: u64,
}

impl Seed {
    /// Tokens for a user, with default lifetimes.
    pub fn of(client: Credentials, audience: Option<&'static str>, scope: &'static str) -> Self {
        Self {
            client,
            audience,
            scope,
            realm: None,
            username: "admin@example.com",
            begins_in_seconds: 0,
            access_token_seconds: 7_600,
            refresh_token_seconds: 86_400,
            session_seconds: 43_200,
        }
    }

    /// The same for a user of this name.
    #[must_use]
    pub fn named(self, username: &'static str) -> Self {
        Self { username, ..self }
    }

    /// The same with an access token that lives so long.
    #[must_use]
    pub fn living(self, access_token_seconds: u64) -> Self {
        Self { access_token_seconds, ..self }
    }

    /// Puts everything into the store of the server.
    pub async fn put(&self, server: &TestServer) -> Granted {
        let realm = server.realm(self.realm);
        let now = server.clock.now();
        let mint = Mint::new(now, &SystemEntropy);
        let client = realm.client_by_name(self.client.client_id).expect("the client is there").id;
        let minted_at = server.service.node().ledger().applied().seq;
        let scope = ScopeSet::parse(self.scope).expect("the scope is well formed");
        let (user, session, grant) = (
            UserId::from_number(mint.number()),
            SessionId::from_number(mint.number()),
            GrantId::from_number(mint.number()),
        );
        let subject = format!("usr_{user}");
        let issued_at = now.plus_seconds(self.begins_in_seconds);
        let access_expires = issued_at.plus_seconds(self.access_token_seconds);
        let refresh_expires = issued_at.plus_seconds(self.refresh_token_seconds);
        let access_token_id = token_id(server, access_expires).await;
        let refresh_token_id = token_id(server, refresh_expires).await;
        let generation = realm.secrets.generation();
        let api = self.audience.map(|audience| realm.api_by_audience(audience).expect("the API is there"));
        let format = api.map_or(&TokenFormat::Opaque, |state| &state.api.token_format);
        let key = match format {
            TokenFormat::Jwt { algorithm, .. } => {
                Some(realm.active_key(algorithm.0).expect("the API has a signing key"))
            }
            TokenFormat::Opaque => None,
        };
        let mut token = AccessToken {
            id: access_token_id,
            realm: realm.realm.id,
            client,
            user: Some(user),
            session: Some(session),
            grant,
            audience: api.map_or(Audience::Issuer, |state| Audience::Api(state.api.id)),
            scope: scope.clone(),
            issued_at,
            expires_at: access_expires,
            minted_at,
            form: key.map_or(TokenForm::Opaque, |entry| TokenForm::Jwt(entry.record.id)),
            digest: None,
            revoked_at: None,
        };
        let access_token = match (format, key) {
            (TokenFormat::Jwt { typ, .. }, Some(entry)) => {
                sign(&realm, &token, self.client.client_id, &subject, api.map(|state| &**state), entry, typ)
            }
            _ => opaque(&realm, &realm.realm.access_token_prefix, access_token_id, &mint),
        };
        let refresh_token = opaque(&realm, &realm.realm.refresh_token_prefix, refresh_token_id, &mint);
        let digest = |kind, token: &str| realm.secrets.digest(kind, generation, token);
        token.digest = digest(TokenKind::Access, &access_token).map(Box::new);
        let mut writes = vec![
            Write::PutUser(Box::new(User {
                id: user,
                realm: realm.realm.id,
                subject: subject.clone(),
                username: self.username.to_owned(),
                enabled: true,
                cut_at: Seq::ZERO,
                version: 1,
                profile: UserProfile::default(),
                password: None,
            })),
            Write::PutSession(Session {
                id: session,
                realm: realm.realm.id,
                user,
                expires_at: now.plus_seconds(self.session_seconds),
                cut_at: Seq::ZERO,
                browser: BrowserSession::default(),
            }),
            Write::PutGrant(Grant {
                id: grant,
                realm: realm.realm.id,
                client,
                user: Some(user),
                session: Some(session),
                api: None,
                scope: scope.clone(),
                created_at: now,
                cut_at: Seq::ZERO,
                refresh_token: Some(refresh_token_id),
                idle_expires_at: now.plus_seconds(realm.realm.refresh_token_idle_seconds),
                expires_at: refresh_expires.max(token.expires_at),
                authentication: None,
                claims: None,
                rotation: Rotation::default(),
            }),
            Write::PutRefreshToken(RefreshToken {
                id: refresh_token_id,
                realm: realm.realm.id,
                client,
                user: Some(user),
                session: Some(session),
                grant,
                scope,
                issued_at,
                expires_at: refresh_expires,
                minted_at,
                digest: digest(TokenKind::Refresh, &refresh_token).expect("the generation is there"),
                revoked_at: None,
                replaced_at: None,
            }),
        ];
        if !matches!(format, TokenFormat::Jwt { record: false, .. }) {
            writes.push(Write::PutAccessToken(token));
        }
        put(server, writes).await;
        Granted {
            user,
            subject,
            session,
            grant,
            access_token,
            access_token_id,
            refresh_token,
            refresh_token_id,
        }
    }
}

/// The string of an opaque token with this id. Its random part is new, so no digest knows it yet.
pub fn opaque(realm: &RealmState, prefix: &str, id: TokenId, mint: &Mint<'_>) -> String {
    let handle = realm.secrets.token_handles().of_token(id);
    token_string::format_opaque(prefix, realm.secrets.generation(), handle, mint.bytes())
}

fn sign(
    realm: &RealmState,
    token: &AccessToken,
    client_id: &str,
    subject: &str,
    api: Option<&ApiState>,
    entry: &KeyEntry,
    typ: &str,
) -> String {
    let sources = ClaimSources {
        issuer: &realm.issuer,
        audience: api.map_or(realm.issuer.as_str(), |state| state.api.audience.as_str()),
        client_id,
        subject: Some(subject),
        authentication: None,
        reference_members: realm.realm.reference_members,
        token_handles: realm.secrets.token_handles(),
        subject_handles: &realm.handles(api),
    };
    let claims = issue::jwt_claims(token, &sources).expect("the token is small");
    entry.key.sign_compact(typ, &claims).expect("the key signs")
}

/// The grant, session and user of what was seeded, as the store has them now.
pub async fn parents(server: &TestServer, granted: &Granted) -> Parents {
    let loaded = server.storage.load_parents(granted.grant, Some(granted.session), Some(granted.user));
    loaded.await.expect("the store can be read")
}

/// Disables the user, as an administrator does: refused from now on, and cut.
pub async fn disable_user(server: &TestServer, granted: &Granted) {
    let user = parents(server, granted).await.user.expect("the user is there");
    let cut = Write::Cut { kind: CutKind::User, subject: user.id.as_number() };
    put(server, vec![Write::PutUser(Box::new(User { enabled: false, ..user })), cut]).await;
}

/// Gives a signing key of the default realm another state.
pub async fn set_key_state(server: &TestServer, kid: &str, state: KeyState) {
    let realm = server.realm(None);
    let record = realm.key_by_kid(kid).expect("the key is there").record.clone();
    let version = record.version + 1;
    put(server, vec![Write::PutSigningKey(SigningKeyRecord { state, version, ..record })]).await;
}

/// Adds an active signing key to the default realm; returns its `kid`.
pub async fn add_key(server: &TestServer, algorithm: Algorithm) -> String {
    let realm = server.realm(None);
    let key = SigningKey::generate(algorithm).expect("a new key");
    let now = server.clock.now();
    let mint = Mint::new(now, &SystemEntropy);
    let label = key_label(realm.realm.id, key.kid());
    let der = key.to_pkcs8().expect("the key can be written");
    let wrapping_key = &server.service.node().environment().wrapping_key;
    let record = SigningKeyRecord {
        id: KeyId::from_number(mint.number()),
        realm: realm.realm.id,
        kid: key.kid().to_owned(),
        algorithm,
        state: KeyState::Active,
        created_at: now,
        changed_at: now,
        cut_at: Seq::ZERO,
        wrapped_private_key: wrapping_key.wrap(&label, &der, &mint),
        version: 1,
    };
    put(server, vec![Write::PutSigningKey(record)]).await;
    key.kid().to_owned()
}

/// A document with a client that authenticates by assertions signed with this key.
pub fn signing_client(client_id: &str, key: &SigningKey, more: &str) -> String {
    let jwk: serde_json::Value =
        serde_json::from_str(&key.verifying_key().to_jwk_json()).expect("our own JWK is JSON");
    let members = jwk.as_object().expect("a JWK is an object").iter();
    let members: Vec<String> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!(
        "[[client]]\nclient_id = {client_id:?}\nauth_methods = [\"private_key_jwt\"]\njwks = {{ keys = [{{ {} }}] }}\n{more}\n",
        members.join(", ")
    )
}

/// The active signing key of the default realm for this algorithm.
pub fn active_key(server: &TestServer, algorithm: Algorithm) -> Arc<KeyEntry> {
    Arc::clone(server.realm(None).active_key(algorithm).expect("the key is there"))
}

/// Writes straight to the store.
pub async fn put(server: &TestServer, writes: Vec<Write>) {
    let change = Change { preconditions: Vec::new(), writes, at: server.clock.now() };
    server.storage.apply(change).await.expect("the store takes the change");
}

/// Cuts a subject: everything minted for it before now is dead.
pub async fn cut(server: &TestServer, kind: CutKind, subject: u64) {
    put(server, vec![Write::Cut { kind, subject }]).await;
}

/// The id of a client of the default realm.
pub fn client_id(server: &TestServer, client: Credentials) -> ClientId {
    server.realm(None).client_by_name(client.client_id).expect("the client is there").id
}

/// A token id that nothing has used, with this expiry.
pub async fn token_id(server: &TestServer, expires_at: Timestamp) -> TokenId {
    let hour = expires_at.hour();
    let sequence = server.storage.allocate_sequences(hour, 1).await.expect("a sequence number");
    TokenId::from_parts(hour, server.service.node().store_generation(), sequence)
}

/// Random bytes, for tokens that nobody issued.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes);
    bytes
}
