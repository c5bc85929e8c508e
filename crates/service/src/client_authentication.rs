//! Client authentication: which client, by which proof (RFC 6749 §2.3, RFC 7523).

use std::net::IpAddr;
use std::sync::Arc;

use lydian_domain::Refusal;
use lydian_domain::authenticate::{
    self, AssertionAudiences, AssertionUse, AuthenticatedBy, AuthenticatedClient,
};
use lydian_domain::introspect::{Inspected, Visible};
use lydian_jose::{Algorithm, Compact, verify_with_set};
use lydian_oauth_types::ClientAuthMethod;
use lydian_primitives::{Secret, limits};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::{Moment, Service};

/// What a client presents to prove who it is.
#[derive(Clone, Debug)]
pub enum ClientCredentials<'a> {
    /// A signed assertion (RFC 7523 §2.2).
    Assertion {
        /// The assertion.
        assertion: &'a str,
        /// The parameter `client_id`, when it was sent: it must be the same client.
        client_id: Option<&'a str>,
    },
    /// The name alone: a public client.
    Name {
        /// The name on the wire.
        client_id: &'a str,
    },
    /// Name and secret.
    Secret {
        /// In which place they came.
        method: ClientAuthMethod,
        /// The name on the wire.
        client_id: &'a str,
        /// The secret.
        secret: &'a Secret,
    },
}

/// What a caller of the introspection endpoint presents.
#[derive(Clone, Debug)]
pub enum Presented<'a> {
    /// An access token with the scope `introspect`.
    Bearer(&'a str),
    /// Credentials of its own.
    Client(ClientCredentials<'a>),
}

impl Service {
    /// Authenticates a client where an assertion is used up (token endpoint): the returned use belongs into the change that issues.
    ///
    /// # Errors
    ///
    /// A refusal whose answer does not tell why, or "too many requests" after many failures of this address for this client.
    pub fn authenticate_client(
        &self,
        realm: &RealmState,
        credentials: &ClientCredentials<'_>,
        peer: IpAddr,
        moment: &Moment,
    ) -> Result<(AuthenticatedClient, Option<AssertionUse>), ServiceError> {
        match credentials {
            ClientCredentials::Assertion { assertion, client_id } => {
                self.authenticate_by_assertion(realm, assertion, *client_id, peer, moment)
            }
            ClientCredentials::Name { client_id } => {
                let source = (realm.realm.id, peer, *client_id);
                self.failed_authentications
                    .check(&source, moment.boot_now)
                    .map_err(ServiceError::TooManyRequests)?;
                authenticate::identify_public_client(realm.client_by_name(client_id))
                    .map(|client| (client, None))
                    .map_err(|refusal| self.failed(&source, refusal, moment))
            }
            ClientCredentials::Secret { method, client_id, secret } => {
                let source = (realm.realm.id, peer, *client_id);
                self.failed_authentications
                    .check(&source, moment.boot_now)
                    .map_err(ServiceError::TooManyRequests)?;
                authenticate::authenticate_by_secret(realm.client_by_name(client_id), *method, secret)
                    .map(|client| (client, None))
                    .map_err(|refusal| self.failed(&source, refusal, moment))
            }
        }
    }

    /// Authenticates a client on the read path, where an assertion may be repeated until it expires.
    ///
    /// Nothing is remembered of it: only the client that signed it can be authenticated by it, however often it comes.
    ///
    /// # Errors
    ///
    /// As [`Self::authenticate_client`].
    pub fn authenticate_reader(
        &self,
        realm: &RealmState,
        credentials: &ClientCredentials<'_>,
        peer: IpAddr,
        moment: &Moment,
    ) -> Result<AuthenticatedClient, ServiceError> {
        let (client, _) = self.authenticate_client(realm, credentials, peer, moment)?;
        Ok(client)
    }

    /// The caller whose Basic credentials were verified before in exactly this header, against the record that stands now.
    pub fn known_caller(&self, realm: &RealmState, header: &[u8]) -> Option<AuthenticatedClient> {
        self.known_callers.find(self.known_callers.key_of(header), realm)
    }

    /// Remembers a header whose Basic credentials were verified.
    pub fn remember_caller(&self, header: &[u8], caller: &AuthenticatedClient) {
        self.known_callers.remember(self.known_callers.key_of(header), caller);
    }

    /// Authenticates a caller of the introspection endpoint.
    ///
    /// # Errors
    ///
    /// As [`Self::authenticate_client`]; for Bearer tokens `invalid_token` or `insufficient_scope`.
    pub async fn authenticate_introspector(
        &self,
        realm: &Arc<RealmState>,
        presented: &Presented<'_>,
        peer: IpAddr,
        moment: &Moment,
    ) -> Result<AuthenticatedClient, ServiceError> {
        let caller = match presented {
            Presented::Client(credentials) => self.authenticate_reader(realm, credentials, peer, moment)?,
            Presented::Bearer(token) => self.authenticate_bearer(realm, token, peer, moment).await?,
        };
        if !caller.client().is_confidential() {
            return Err(Refusal::ClientPublic.into());
        }
        Ok(caller)
    }

    async fn authenticate_bearer(
        &self,
        realm: &Arc<RealmState>,
        token: &str,
        peer: IpAddr,
        moment: &Moment,
    ) -> Result<AuthenticatedClient, ServiceError> {
        let source = (realm.realm.id, peer, "bearer");
        self.failed_authentications.check(&source, moment.boot_now).map_err(ServiceError::TooManyRequests)?;
        let refuse = |refusal| self.failed(&source, refusal, moment);
        let Some(facts) = self.find_access_token(realm, token, moment).await? else {
            return Err(refuse(Refusal::BearerInactive));
        };
        let Some(owner) = realm.client(facts.token.client) else {
            return Err(refuse(Refusal::BearerInactive));
        };
        if self.judge_access_token(realm, &facts, moment).await?.is_err() {
            // The token was ours once: whoever sends it does not guess.
            return Err(Refusal::BearerInactive.into());
        }
        let visible = Visible {
            token: Inspected::Access(&facts.token),
            scope: std::borrow::Cow::Borrowed(&facts.token.scope),
        };
        let caller = authenticate::authenticate_by_bearer(&visible, owner).map_err(ServiceError::Refused)?;
        debug_assert_eq!(caller.by(), AuthenticatedBy::BearerToken, "nothing else was presented");
        Ok(caller)
    }

    fn authenticate_by_assertion(
        &self,
        realm: &RealmState,
        assertion: &str,
        client_id: Option<&str>,
        peer: IpAddr,
        moment: &Moment,
    ) -> Result<(AuthenticatedClient, Option<AssertionUse>), ServiceError> {
        let invalid = Refusal::ClientAssertionInvalid;
        if assertion.len() > limits::JWT_BYTES_MAX {
            return Err(invalid.into());
        }
        let named = claimed_issuer(assertion);
        let source = (realm.realm.id, peer, named.as_deref().unwrap_or_default());
        self.failed_authentications.check(&source, moment.boot_now).map_err(ServiceError::TooManyRequests)?;
        let refuse = |refusal| self.failed(&source, refusal, moment);
        let client =
            named.as_deref().and_then(|name| realm.client_by_name(name)).ok_or_else(|| refuse(invalid))?;
        if client_id.is_some_and(|client_id| client_id != client.client_id) {
            return Err(refuse(invalid));
        }
        let keys = realm.client_keys(client.id).ok_or_else(|| refuse(invalid))?;
        let verified = verify_with_set(assertion, keys, &Algorithm::ALL).map_err(|_| refuse(invalid))?;
        // An access token or an ID token is no assertion, whoever signed it (RFC 8725 §3.11).
        let typ_fits = verified.header().typ().is_none()
            || ["JWT", "client-authentication+jwt"].iter().any(|typ| verified.header().typ_is(typ));
        if !typ_fits {
            return Err(refuse(invalid));
        }
        let claims = verified.claims().map_err(|_| refuse(invalid))?;
        let audiences = AssertionAudiences { issuer: &realm.issuer, token_endpoint: &realm.token_endpoint };
        let (client, assertion) =
            authenticate::authenticate_by_assertion(client, &claims, audiences, moment.now)
                .map_err(refuse)?;
        Ok((client, Some(assertion)))
    }

    fn failed(&self, source: &impl std::hash::Hash, refusal: Refusal, moment: &Moment) -> ServiceError {
        self.failed_authentications.count(source, moment.boot_now);
        ServiceError::Refused(refusal)
    }
}

/// The client that an assertion claims to come from, before anything is verified: it only chooses the keys to verify with.
fn claimed_issuer(assertion: &str) -> Option<String> {
    Compact::parse(assertion).ok()?;
    let payload = assertion.split('.').nth(1)?;
    let payload = lydian_primitives::base64url::decode(payload.as_bytes())?;
    let claims = lydian_jose::json::Json::from_vec(payload).ok()?;
    claims.root().get("iss")?.as_str().map(str::to_owned)
}
