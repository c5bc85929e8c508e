//! Who is calling: client authentication (RFC 6749 §2.3, RFC 7523) and callers by Bearer token (RFC 7662 §2.1).

use std::sync::Arc;

use lydian_jose::{Claims, ClaimsError};
use lydian_oauth_types::{ClientAuthMethod, words};
use lydian_primitives::{Secret, Timestamp, limits};

use crate::introspect::Visible;
use crate::records::{Audience, Client, ClientId, ClientSecretHash};
use crate::refusal::Refusal;
use crate::secrets;

/// A client whose credentials were checked. Only this module makes one.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    client: Arc<Client>,
    by: AuthenticatedBy,
}

/// By what a client was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticatedBy {
    /// An access token that was issued to it, with the scope `introspect`.
    BearerToken,
    /// Its own credentials.
    Credentials(ClientAuthMethod),
}

impl AuthenticatedClient {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it was authenticated against this very record: any change of a client makes a new one.
    pub fn is_for(&self, record: &Arc<Client>) -> bool {
        Arc::ptr_eq(&self.client, record)
    }

    /// By what it was authenticated.
    pub fn by(&self) -> AuthenticatedBy {
        self.by
    }
}

/// Checks the secret of a client. `client` is `None` when no client has the presented name.
///
/// # Errors
///
/// A [`Refusal`] whose answer is the same for every cause; an unknown client costs as much time as a known one.
pub fn authenticate_by_secret(
    client: Option<&Arc<Client>>,
    method: ClientAuthMethod,
    secret: &Secret,
) -> Result<AuthenticatedClient, Refusal> {
    let Some(client) = client else {
        let nobody =
            ClientSecretHash { salt: [0; 12], digest: lydian_primitives::Digest::from_bytes([0; 32]) };
        // The outcome is thrown away: this only spends the time that a known client would have cost.
        let _ = std::hint::black_box(nobody.matches(secret));
        return Err(Refusal::ClientUnknown);
    };
    // Every secret is looked at, so that the time does not tell which one of two matches.
    let matches = client.secrets.iter().fold(false, |found, hash| found | hash.matches(secret));
    if !matches {
        return Err(Refusal::ClientCredentialsWrong);
    }
    if !client.auth_methods.contains(&method) {
        return Err(Refusal::ClientMethodNotRegistered);
    }
    if !client.enabled {
        return Err(Refusal::ClientDisabled);
    }
    Ok(AuthenticatedClient { client: Arc::clone(client), by: AuthenticatedBy::Credentials(method) })
}

/// Identifies a public client by its name alone (RFC 6749 §3.2.1). It proves nothing, so it may do little.
///
/// # Errors
///
/// A [`Refusal`] for an unknown, disabled or confidential client: who has credentials must use them.
pub fn identify_public_client(client: Option<&Arc<Client>>) -> Result<AuthenticatedClient, Refusal> {
    let client = client.ok_or(Refusal::ClientUnknown)?;
    if client.is_confidential() || !client.auth_methods.contains(&ClientAuthMethod::None) {
        return Err(Refusal::ClientMethodNotRegistered);
    }
    if !client.enabled {
        return Err(Refusal::ClientDisabled);
    }
    let by = AuthenticatedBy::Credentials(ClientAuthMethod::None);
    Ok(AuthenticatedClient { client: Arc::clone(client), by })
}

/// What an assertion must be addressed to.
#[derive(Clone, Copy, Debug)]
pub struct AssertionAudiences<'a> {
    /// Our issuer identifier.
    pub issuer: &'a str,
    /// The address of the token endpoint, for clients that are registered to use it.
    pub token_endpoint: &'a str,
}

/// An assertion that may be used once until it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssertionUse {
    /// Whose it is.
    pub client: ClientId,
    /// The digest of its `jti`.
    pub digest: [u8; 32],
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Checks the claims of a client assertion whose signature was verified with a key of this client (RFC 7523 §3).
///
/// # Errors
///
/// [`Refusal::ClientAssertionInvalid`], or why the client may not use it.
pub fn authenticate_by_assertion(
    client: &Arc<Client>,
    claims: &Claims,
    audiences: AssertionAudiences<'_>,
    now: Timestamp,
) -> Result<(AuthenticatedClient, AssertionUse), Refusal> {
    let checked =
        check_assertion(client, claims, audiences, now).map_err(|_| Refusal::ClientAssertionInvalid)?;
    let Some(assertion_use) = checked else {
        return Err(Refusal::ClientAssertionInvalid);
    };
    if !client.auth_methods.contains(&ClientAuthMethod::PrivateKeyJwt) {
        return Err(Refusal::ClientMethodNotRegistered);
    }
    if !client.enabled {
        return Err(Refusal::ClientDisabled);
    }
    let by = AuthenticatedBy::Credentials(ClientAuthMethod::PrivateKeyJwt);
    Ok((AuthenticatedClient { client: Arc::clone(client), by }, assertion_use))
}

fn check_assertion(
    client: &Client,
    claims: &Claims,
    audiences: AssertionAudiences<'_>,
    now: Timestamp,
) -> Result<Option<AssertionUse>, ClaimsError> {
    let client_id = Some(client.client_id.as_str());
    if claims.string("iss")? != client_id || claims.string("sub")? != client_id {
        return Ok(None);
    }
    let Some(audience) = claims.audience()? else {
        return Ok(None);
    };
    let for_us = |value: &&str| {
        *value == audiences.issuer
            || (client.assertion_audience_token_endpoint && *value == audiences.token_endpoint)
    };
    // One audience: an assertion for several servers could be replayed by one of them at another (RFC 7523 update).
    if audience.len() != 1 || !audience.iter().all(for_us) {
        return Ok(None);
    }
    let (Some(expires), Some(jti)) = (claims.numeric_date("exp")?, claims.string("jti")?) else {
        return Ok(None);
    };
    let leeway = limits::CLIENT_ASSERTION_LEEWAY_SECONDS;
    let expires_at = expires.as_timestamp();
    let latest = now.plus_seconds(limits::CLIENT_ASSERTION_SECONDS_MAX + leeway);
    if expires_at <= now || expires_at > latest || jti.is_empty() {
        return Ok(None);
    }
    let earliest_wrong = now.plus_seconds(leeway);
    for name in ["nbf", "iat"] {
        if claims.numeric_date(name)?.is_some_and(|time| time.as_timestamp() > earliest_wrong) {
            return Ok(None);
        }
    }
    Ok(Some(AssertionUse { client: client.id, digest: secrets::sha256(jti.as_bytes()), expires_at }))
}

/// Admits a caller of the introspection endpoint by an access token: for the issuer, with the scope `introspect`.
///
/// Such a caller is the client that the token was issued to; the scope opens the endpoint and widens nothing.
///
/// # Errors
///
/// [`Refusal::BearerInactive`] when the token is not for us or not this client's, [`Refusal::BearerScopeMissing`] when it does
/// not reach.
pub fn authenticate_by_bearer(
    token: &Visible<'_>,
    client: &Arc<Client>,
) -> Result<AuthenticatedClient, Refusal> {
    let Some(access) = token.as_access_token() else {
        return Err(Refusal::BearerInactive);
    };
    if access.client != client.id {
        return Err(Refusal::BearerInactive);
    }
    if access.audience != Audience::Issuer {
        // The token is good, and for somebody else: whoever received it must not act with it here.
        return Err(Refusal::BearerInactive);
    }
    let opens = [words::INTROSPECT_SCOPE, words::INTROSPECT_SCOPE_OF_MIGRANTS];
    if !opens.iter().any(|scope| access.scope.contains(scope)) {
        return Err(Refusal::BearerScopeMissing);
    }
    if !client.is_confidential() {
        return Err(Refusal::ClientPublic);
    }
    Ok(AuthenticatedClient { client: Arc::clone(client), by: AuthenticatedBy::BearerToken })
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
mod tests;
