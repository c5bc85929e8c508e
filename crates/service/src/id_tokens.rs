//! ID tokens (OpenID Connect Core §2) and the UserInfo answer (§5.3).

use std::sync::Arc;

use aws_lc_rs::digest;
use lydian_domain::claims::{self, ClaimsRequest};
use lydian_domain::secrets::SubjectKind;
use lydian_domain::{Client, Grant, Refusal, SessionId, User};
use lydian_jose::Algorithm;
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Timestamp, base64url};
use lydian_storage::Unavailable;
use serde_json::{Map, Value, json};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::{Moment, Service};

/// What an ID token says.
pub(crate) struct IdTokenSources<'a> {
    pub(crate) user: &'a User,
    pub(crate) grant: &'a Grant,
    pub(crate) scope: &'a ScopeSet,
    pub(crate) nonce: Option<&'a str>,
    /// The session, for `sid`; a grant that outlives it has none.
    pub(crate) session: Option<SessionId>,
    pub(crate) access_token: &'a str,
    pub(crate) now: Timestamp,
}

impl Service {
    /// The ID token beside an access token; `None` without the scope `openid`.
    pub(crate) fn id_token(
        &self,
        realm: &RealmState,
        client: &Client,
        sources: &IdTokenSources<'_>,
    ) -> Result<Option<String>, ServiceError> {
        if !sources.scope.contains("openid") {
            return Ok(None);
        }
        let algorithm = client.authorization.id_token_algorithm.0;
        let entry = realm
            .active_key(algorithm)
            .ok_or_else(|| Unavailable::because("find an active key for ID tokens"))?;
        let asked = asked(sources.grant).id_token;
        let mut members = claims::of_user(sources.user, &ScopeSet::empty(), &asked);
        let mut set = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        set("iss", json!(realm.issuer));
        set("sub", json!(sources.user.subject));
        set("aud", json!(client.client_id));
        set("azp", json!(client.client_id));
        set("iat", json!(sources.now.as_unix_seconds()));
        let expires_at = sources.now.plus_seconds(realm.realm.sign_in.id_token_seconds);
        set("exp", json!(expires_at.as_unix_seconds()));
        set("at_hash", json!(at_hash(algorithm, sources.access_token)));
        if let Some(session) = sources.session {
            let sid = realm.issuer_handles.of_subject(SubjectKind::Session, session.as_number());
            set("sid", json!(base64url::encode(&sid)));
        }
        if let Some(authentication) = sources.grant.authentication {
            set("auth_time", json!(authentication.at.as_unix_seconds()));
            set("acr", json!(authentication.methods.acr().as_str()));
            set("amr", json!(authentication.methods.amr()));
        }
        if let Some(nonce) = sources.nonce {
            set("nonce", json!(nonce));
        }
        let payload = Value::Object(members).to_string();
        let signed = entry.key.sign_compact("JWT", payload.as_bytes());
        Ok(Some(signed.map_err(|error| Unavailable::new("sign an ID token", error))?))
    }

    /// The claims of the person behind an access token (OpenID Connect Core §5.3.2).
    ///
    /// # Errors
    ///
    /// `invalid_token` for a token that is not good now or that no person granted, `insufficient_scope` without `openid`.
    pub async fn userinfo(
        &self,
        realm: &Arc<RealmState>,
        access_token: &str,
        moment: &Moment,
    ) -> Result<Map<String, Value>, ServiceError> {
        let Some(facts) = self.find_access_token(realm, access_token, moment).await? else {
            return Err(Refusal::BearerInactive.into());
        };
        if self.judge_access_token(realm, &facts, moment).await?.is_err() {
            return Err(Refusal::BearerInactive.into());
        }
        let token = &facts.token;
        let Some(user) = token.user else {
            return Err(Refusal::BearerInactive.into());
        };
        if !token.scope.contains("openid") {
            return Err(Refusal::UserInfoScopeMissing.into());
        }
        let parents = self.storage.load_parents(token.grant, None, Some(user)).await?;
        let Some((grant, user)) = parents.grant.zip(parents.user).filter(|(_, user)| user.enabled) else {
            return Err(Refusal::BearerInactive.into());
        };
        let mut members = claims::of_user(&user, &token.scope, &asked(&grant).userinfo);
        members.insert("sub".to_owned(), json!(user.subject));
        Ok(members)
    }
}

/// What the grant's request asked for one by one. It was well formed when it was stored.
fn asked(grant: &Grant) -> ClaimsRequest {
    grant.claims.as_deref().and_then(|claims| ClaimsRequest::parse(claims).ok()).unwrap_or_default()
}

/// The left half of the hash of the access token, with the hash of the algorithm that signs (OpenID Connect Core §3.1.3.6).
fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    let hash = match algorithm {
        Algorithm::Es384 | Algorithm::Ps384 | Algorithm::Rs384 => &digest::SHA384,
        Algorithm::EdDsa | Algorithm::Es512 | Algorithm::Ps512 | Algorithm::Rs512 => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let hashed = digest::digest(hash, access_token.as_bytes());
    base64url::encode(&hashed.as_ref()[..hashed.as_ref().len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half_of_the_hash() {
        // The example of OpenID Connect Core, appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(Algorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(Algorithm::EdDsa, token).len(), 43);
        assert_eq!(at_hash(Algorithm::Es384, token).len(), 32);
    }
}
