//! Minting access tokens: facts, strings, claims (RFC 6749 §4.4, RFC 9068 §2.2).

use lydian_oauth_types::{GrantType, ScopeSet};
use lydian_primitives::{Timestamp, base64url};
use lydian_revocation::Seq;
use serde::Serialize;

use crate::audience::Chosen;
use crate::authenticate::AuthenticatedClient;
use crate::authentication::Authentication;
use crate::records::{AccessToken, Client, GrantId, KeyId, Realm, SessionId, TokenForm, TokenFormat, UserId};
use crate::refusal::Refusal;
use crate::secrets::{HandleCipher, SubjectKind};
use crate::token_id::TokenId;
use crate::token_string;

/// The largest JWT that is issued, in bytes: gateways refuse larger headers (RFC 9068 §6).
pub const JWT_ISSUED_BYTES_MAX: usize = 8 * 1024;

/// Whether a client may use a grant type at all.
///
/// # Errors
///
/// [`Refusal::GrantTypeNotAllowed`]; `client_credentials` is for confidential clients only (RFC 6749 §4.4).
pub fn may_use(client: &AuthenticatedClient, grant_type: GrantType) -> Result<(), Refusal> {
    let client = client.client();
    if !client.grant_types.contains(&grant_type) {
        return Err(Refusal::GrantTypeNotAllowed);
    }
    if grant_type == GrantType::ClientCredentials && !client.is_confidential() {
        return Err(Refusal::GrantTypeNotAllowed);
    }
    Ok(())
}

/// How long a token for this choice lives, in seconds: the API's lifetime or the realm's, and no longer than the client's.
pub fn lifetime_seconds(realm: &Realm, client: &Client, chosen: &Chosen<'_>) -> u64 {
    let of_realm = match chosen.api.map(|api| &api.token_format) {
        Some(TokenFormat::Jwt { .. }) => realm.jwt_access_token_seconds,
        Some(TokenFormat::Opaque) | None => realm.opaque_access_token_seconds,
    };
    let lifetime = chosen.api.and_then(|api| api.access_token_seconds).unwrap_or(of_realm);
    client.access_token_seconds.map_or(lifetime, |limit| limit.min(lifetime))
}

/// Who granted a token, and in which session.
#[derive(Clone, Copy, Debug)]
pub struct Granter<'a> {
    /// Who.
    pub user: UserId,
    /// The subject identifier in `sub`.
    pub subject: &'a str,
    /// The session with which it ends, if it does.
    pub session: Option<SessionId>,
    /// How it had proved who it is when it granted.
    pub authentication: Option<Authentication>,
}

/// What is known when a token is minted.
#[derive(Clone, Debug)]
pub struct Minting<'a> {
    /// To whom it is issued.
    pub client: &'a Client,
    /// For whom it is, and what it permits.
    pub chosen: &'a Chosen<'a>,
    /// Its family.
    pub grant: GrantId,
    /// Who granted it; nobody for a client's own use.
    pub granter: Option<Granter<'a>>,
    /// Its id; the hour in it is the hour of `expires_at`.
    pub id: TokenId,
    /// When it is issued.
    pub now: Timestamp,
    /// The first second at which it is not accepted.
    pub expires_at: Timestamp,
    /// The log position that was applied before the state above was read.
    pub minted_at: Seq,
    /// The key that will sign it, if it is a JWT.
    pub key: Option<KeyId>,
}

/// The facts of a token. Its digest is still to come: it needs the string.
pub fn access_token(minting: &Minting<'_>) -> AccessToken {
    AccessToken {
        id: minting.id,
        realm: minting.client.realm,
        client: minting.client.id,
        user: minting.granter.map(|granter| granter.user),
        session: minting.granter.and_then(|granter| granter.session),
        grant: minting.grant,
        audience: minting.chosen.audience(),
        scope: minting.chosen.scope.clone(),
        issued_at: minting.now,
        expires_at: minting.expires_at,
        minted_at: minting.minted_at,
        form: minting.key.map_or(TokenForm::Opaque, TokenForm::Jwt),
        digest: None,
        revoked_at: None,
    }
}

/// What the claims of a JWT need beside the facts of the token.
#[derive(Clone, Copy, Debug)]
pub struct ClaimSources<'a> {
    /// Our issuer identifier.
    pub issuer: &'a str,
    /// The audience as it goes on the wire.
    pub audience: &'a str,
    /// The client's name on the wire.
    pub client_id: &'a str,
    /// The user's subject identifier, if a user granted the token.
    pub subject: Option<&'a str>,
    /// How that user had proved who it is when it granted.
    pub authentication: Option<Authentication>,
    /// Whether `aut` is shown.
    pub reference_members: bool,
    /// The cipher behind `jti`.
    pub token_handles: &'a HandleCipher,
    /// The cipher behind the handles that this API sees.
    pub subject_handles: &'a HandleCipher,
}

/// The claims of a JWT access token (RFC 9068 §2.2), as JSON.
///
/// # Errors
///
/// [`Refusal::TokenTooLarge`] when the token would be larger than gateways accept.
pub fn jwt_claims(token: &AccessToken, sources: &ClaimSources<'_>) -> Result<Vec<u8>, Refusal> {
    #[derive(Serialize)]
    struct JwtClaims<'a> {
        iss: &'a str,
        sub: &'a str,
        aud: &'a str,
        exp: u64,
        nbf: u64,
        iat: u64,
        jti: String,
        client_id: &'a str,
        azp: &'a str,
        #[serde(skip_serializing_if = "ScopeSet::is_empty")]
        scope: &'a ScopeSet,
        #[serde(skip_serializing_if = "Option::is_none")]
        aut: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        auth_time: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        acr: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        amr: Option<Vec<&'static str>>,
        minted_at: u64,
        lyd_grant: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        lyd_session: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lyd_subject: Option<String>,
    }
    let authentication = sources.authentication.filter(|_| token.user.is_some());
    let handle = |kind, number| base64url::encode(&sources.subject_handles.of_subject(kind, number));
    let claims = JwtClaims {
        iss: sources.issuer,
        sub: sources.subject.unwrap_or(sources.client_id),
        aud: sources.audience,
        exp: token.expires_at.as_unix_seconds(),
        nbf: token.issued_at.as_unix_seconds(),
        iat: token.issued_at.as_unix_seconds(),
        jti: token_string::format_jti(sources.token_handles.of_token(token.id)),
        client_id: sources.client_id,
        azp: sources.client_id,
        scope: &token.scope,
        aut: sources.reference_members.then(|| aut(token)),
        // RFC 9068 §2.2.1: a refresh keeps what they were.
        auth_time: authentication.map(|authentication| authentication.at.as_unix_seconds()),
        acr: authentication.map(|authentication| authentication.methods.acr().as_str()),
        amr: authentication.map(|authentication| authentication.methods.amr()),
        minted_at: token.minted_at.as_number(),
        lyd_grant: handle(SubjectKind::Grant, token.grant.as_number()),
        lyd_session: token.session.map(|session| handle(SubjectKind::Session, session.as_number())),
        lyd_subject: token.user.map(|user| handle(SubjectKind::User, user.as_number())),
    };
    let claims = serde_json::to_vec(&claims).expect("strings and numbers always serialise");
    // Base64 makes four characters of three bytes; header and signature take the rest.
    if claims.len() / 3 * 4 > JWT_ISSUED_BYTES_MAX - 1024 {
        return Err(Refusal::TokenTooLarge);
    }
    Ok(claims)
}

/// `aut`: on whose behalf a token acts, in the words of the reference page.
pub fn aut(token: &AccessToken) -> &'static str {
    if token.user.is_some() { "APPLICATION_USER" } else { "APPLICATION" }
}

#[cfg(test)]
#[path = "issue_tests.rs"]
mod tests;
