//! Users, sessions, grants and their tokens, put straight into the store: what a sign-in would have left there.

use lydian_domain::secrets::TokenKind;
use lydian_domain::{
    AccessToken, Audience, ClientId, Grant, GrantId, RefreshToken, Session, SessionId, TokenForm, TokenId,
    User, UserId, token_string,
};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Clock, Entropy, Mint, SystemEntropy, Timestamp};
use lydian_revocation::{CutKind, Seq};
use lydian_storage::{Change, Write};

use crate::fixtures::Credentials;
use crate::server::TestServer;

/// What a user granted to a client, with the tokens that came of it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The user.
    pub user: UserId,
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
    /// The audience of the access token; `None` for the issuer.
    pub audience: Option<&'static str>,
    /// What was granted.
    pub scope: &'static str,
    /// The name of the user.
    pub username: &'static str,
    /// The lifetime of the access token, in seconds.
    pub access_token_seconds: u64,
    /// The lifetime of the refresh token, in seconds.
    pub refresh_token_seconds: u64,
}

impl Seed {
    /// Tokens for a user, with default lifetimes.
    pub fn of(client: Credentials, audience: Option<&'static str>, scope: &'static str) -> Self {
        Self {
            client,
            audience,
            scope,
            username: "admin@example.com",
            access_token_seconds: 7_600,
            refresh_token_seconds: 86_400,
        }
    }

    /// Puts everything into the store of the server's default realm.
    pub async fn put(&self, server: &TestServer) -> Granted {
        let realm = server.realm(None);
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
        let access_expires = now.plus_seconds(self.access_token_seconds);
        let refresh_expires = now.plus_seconds(self.refresh_token_seconds);
        let access_token_id = token_id(server, access_expires).await;
        let refresh_token_id = token_id(server, refresh_expires).await;
        let generation = realm.secrets.generation();
        let text = |prefix: &str, id| {
            let handle = realm.secrets.token_handles().of_token(id);
            token_string::format_opaque(prefix, generation, handle, mint.bytes())
        };
        let access_token = text(&realm.realm.access_token_prefix, access_token_id);
        let refresh_token = text(&realm.realm.refresh_token_prefix, refresh_token_id);
        let digest = |kind, token: &str| realm.secrets.digest(kind, generation, token);
        let audience = match self.audience {
            None => Audience::Issuer,
            Some(audience) => {
                Audience::Api(realm.api_by_audience(audience).expect("the API is there").api.id)
            }
        };
        let writes = vec![
            Write::PutUser(User {
                id: user,
                realm: realm.realm.id,
                subject: format!("usr_{user}"),
                username: self.username.to_owned(),
                enabled: true,
                cut_at: Seq::ZERO,
            }),
            Write::PutSession(Session {
                id: session,
                realm: realm.realm.id,
                user,
                expires_at: now.plus_seconds(43_200),
                cut_at: Seq::ZERO,
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
            }),
            Write::PutAccessToken(AccessToken {
                id: access_token_id,
                realm: realm.realm.id,
                client,
                user: Some(user),
                session: Some(session),
                grant,
                audience,
                scope: scope.clone(),
                issued_at: now,
                expires_at: access_expires,
                minted_at,
                form: TokenForm::Opaque,
                digest: digest(TokenKind::Access, &access_token),
                revoked_at: None,
            }),
            Write::PutRefreshToken(RefreshToken {
                id: refresh_token_id,
                realm: realm.realm.id,
                client,
                user: Some(user),
                session: Some(session),
                grant,
                scope,
                issued_at: now,
                expires_at: refresh_expires,
                minted_at,
                digest: digest(TokenKind::Refresh, &refresh_token).expect("the generation is there"),
                revoked_at: None,
            }),
        ];
        put(server, writes).await;
        Granted { user, session, grant, access_token, access_token_id, refresh_token, refresh_token_id }
    }
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

async fn token_id(server: &TestServer, expires_at: Timestamp) -> TokenId {
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
