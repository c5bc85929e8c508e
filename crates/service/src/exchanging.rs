//! The token endpoint's use cases for people: a code or a refresh token is exchanged for tokens (RFC 6749 §4.1.3 and §6).

use std::sync::Arc;

use lydian_domain::audience;
use lydian_domain::authenticate::{AssertionUse, AuthenticatedClient};
use lydian_domain::introspect::World;
use lydian_domain::issue::{self, Granter};
use lydian_domain::policy;
use lydian_domain::redeem::{self, Presented, Rejection};
use lydian_domain::refresh::{self, Exchange};
use lydian_domain::revoke::Revocation;
use lydian_domain::secrets::TokenKind;
use lydian_domain::{Client, Grant, RefreshToken, Refusal, Rotation, SessionId, User, token_string};
use lydian_oauth_types::GrantType;
use lydian_primitives::{Mint, Secret, Timestamp, limits};
use lydian_storage::{
    ApplyError, Change, Conflict, Parents, Precondition, StoredCode, StoredRefreshToken, Unavailable, Write,
};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::id_tokens::IdTokenSources;
use crate::introspection::rows;
use crate::issuing::{IssuedToken, TokenRequest};
use crate::{Moment, Service};

/// The prefix of authorization codes.
pub(crate) const CODE_PREFIX: &str = "lyc";

/// The longest grace window that can be set, in seconds.
pub const REFRESH_GRACE_SECONDS_MAX: u64 = 60;

/// What a client presents to redeem a code.
#[derive(Clone, Copy, Debug)]
pub struct CodeRequest<'a> {
    /// The parameter `code`.
    pub code: &'a str,
    /// The parameter `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// The parameter `code_verifier`.
    pub code_verifier: Option<&'a str>,
}

/// What the first tokens under a grant are made of.
#[derive(Clone, Copy)]
pub(crate) struct FirstTokens<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) user: &'a User,
    /// The parameters `resource` of the token request.
    pub(crate) resources: &'a [&'a str],
    pub(crate) nonce: Option<&'a str>,
    /// The session in which the person agreed.
    pub(crate) session: Option<SessionId>,
}

/// A refresh token that is made, with what is written of it.
struct MadeRefreshToken {
    text: Secret,
    record: RefreshToken,
}

impl Service {
    /// Redeems an authorization code, once (RFC 6749 §4.1.3).
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; a second use by the same client kills what came of the first.
    pub async fn redeem_code(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        assertion: Option<AssertionUse>,
        presented: CodeRequest<'_>,
        request: &TokenRequest<'_>,
        moment: &Moment,
    ) -> Result<IssuedToken, ServiceError> {
        issue::may_use(client, GrantType::AuthorizationCode)?;
        let client = client.client();
        let Some(StoredCode { code, parents }) = self.find_code(realm, presented.code).await? else {
            return Err(Refusal::CodeUnknown.into());
        };
        let world = self.world_of_parents(realm, code.client, &parents, moment)?;
        let beside =
            Presented { redirect_uri: presented.redirect_uri, code_verifier: presented.code_verifier };
        if let Err(rejection) = redeem::redeem(&code, client, beside, &world) {
            return Err(self.reject(rejection, code.grant, moment).await);
        }
        let (grant, user) = grant_and_user(&parents).ok_or(Refusal::CodeRevoked)?;
        let first = FirstTokens {
            grant,
            user,
            resources: &request.resources,
            nonce: code.nonce.as_deref(),
            session: Some(code.session),
        };
        let (issued, mut change) = self.make_first_tokens(realm, client, &first, moment).await?;
        change.preconditions.push(Precondition::CodeUnredeemed { code: code.id });
        change.writes.push(Write::RedeemCode { code: code.id, at: moment.now });
        use_assertion(&mut change, assertion);
        match self.storage.apply(change).await {
            Ok(_) => Ok(issued),
            Err(ApplyError::Conflict(Conflict::CodeRedeemed)) => {
                // Somebody was faster with the same code, client and verifier: that is a second use.
                let rejection = Rejection { refusal: Refusal::CodeReplayed, kills_grant: true };
                Err(self.reject(rejection, grant.id, moment).await)
            }
            Err(ApplyError::Conflict(Conflict::AssertionUsed)) => {
                Err(Refusal::ClientAssertionReplayed.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the first tokens under a grant, and the change that makes them durable.
    pub(crate) async fn make_first_tokens(
        &self,
        realm: &Arc<RealmState>,
        client: &Client,
        first: &FirstTokens<'_>,
        moment: &Moment,
    ) -> Result<(IssuedToken, Change), ServiceError> {
        let FirstTokens { grant, user, resources, nonce, session } = *first;
        let request = TokenRequest { scope: None, resources: resources.to_vec() };
        let chosen = audience::of_grant(client, grant, &request, &**realm, &realm.issuer)?;
        let chosen = policy::narrow(chosen, &user.profile)?;
        let mint = self.mint(moment);
        let granter = Granter {
            user: user.id,
            subject: &user.subject,
            session: grant.session,
            authentication: grant.authentication,
        };
        let made =
            self.make_access_token(realm, client, &chosen, grant.id, Some(granter), moment, &mint).await?;
        let (mut issued, token, record) = made.split();
        let refresh_token = if client.grant_types.contains(&GrantType::RefreshToken) {
            let expires_at = moment.now.plus_seconds(realm.realm.refresh_token_seconds);
            Some(self.make_refresh_token(realm, client, grant, expires_at, moment, &mint).await?)
        } else {
            None
        };
        let mut grant = grant.clone();
        grant.expires_at = token.expires_at;
        if let Some(refresh_token) = &refresh_token {
            grant.refresh_token = Some(refresh_token.record.id);
            grant.idle_expires_at = idle_end(realm, moment.now);
            grant.expires_at = refresh_token.record.expires_at.max(token.expires_at);
        }
        issued.id_token = self.id_token(
            realm,
            client,
            &IdTokenSources {
                user,
                grant: &grant,
                scope: &chosen.scope,
                nonce,
                session,
                access_token: issued.access_token.expose(),
                now: moment.now,
            },
        )?;
        let mut change = Change { preconditions: Vec::new(), writes: Vec::new(), at: moment.now };
        if let Some(session) = session {
            change.writes.push(Write::ExtendSession { session, expires_at: grant.expires_at });
        }
        self.count_issued(&token);
        if record {
            change.writes.push(Write::PutAccessToken(token));
        }
        if let Some(refresh_token) = refresh_token {
            change.writes.push(Write::PutRefreshToken(refresh_token.record));
            issued.refresh_token = Some(refresh_token.text);
        }
        change.writes.push(Write::PutGrant(grant));
        Ok((issued, change))
    }

    /// Exchanges a refresh token (RFC 6749 §6).
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; a token that was replaced before the grace window kills its family.
    pub async fn refresh(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        assertion: Option<AssertionUse>,
        presented: &str,
        request: &TokenRequest<'_>,
        moment: &Moment,
    ) -> Result<IssuedToken, ServiceError> {
        issue::may_use(client, GrantType::RefreshToken)?;
        // Rivals with the same token: one replaces it, the others repeat what it got.
        for _ in 0..limits::CONFLICT_RETRIES_MAX {
            let made =
                self.refresh_once(realm, client.client(), assertion, presented, request, moment).await?;
            if let Some(issued) = made {
                return Ok(issued);
            }
        }
        Err(Unavailable::because("exchange a refresh token: too many try at once").into())
    }

    /// One try; `None` when a rival changed the family meanwhile.
    async fn refresh_once(
        &self,
        realm: &Arc<RealmState>,
        client: &Client,
        assertion: Option<AssertionUse>,
        presented: &str,
        request: &TokenRequest<'_>,
        moment: &Moment,
    ) -> Result<Option<IssuedToken>, ServiceError> {
        let Some(stored) = self.find_refresh_token(realm, presented).await? else {
            return Err(Refusal::RefreshTokenInvalid.into());
        };
        let StoredRefreshToken { token, parents } = stored;
        let world = self.world_of_parents(realm, token.client, &parents, moment)?;
        let grace = realm.realm.sign_in.refresh_grace_seconds;
        let exchange = match refresh::exchange(&token, client, parents.grant.as_ref(), grace, &world) {
            Ok(exchange) => exchange,
            Err(rejection) => return Err(self.reject(rejection, token.grant, moment).await),
        };
        let (grant, user) = grant_and_user(&parents).ok_or(Refusal::RefreshTokenInvalid)?;
        let chosen = audience::of_grant(client, grant, request, &**realm, &realm.issuer)?;
        let chosen = policy::narrow(chosen, &user.profile)?;
        let mint = self.mint(moment);
        let granter = Granter {
            user: user.id,
            subject: &user.subject,
            session: grant.session,
            authentication: grant.authentication,
        };
        let made =
            self.make_access_token(realm, client, &chosen, grant.id, Some(granter), moment, &mint).await?;
        let (mut issued, access_token, record) = made.split();
        let mut change = Change { preconditions: Vec::new(), writes: Vec::new(), at: moment.now };
        // The rows that decide over a token stay as long as it lives.
        let mut changed = grant.clone();
        changed.expires_at = grant.expires_at.max(access_token.expires_at);
        let leaf = match exchange {
            Exchange::Keep => {
                changed.idle_expires_at = idle_end(realm, moment.now);
                issued.refresh_token = Some(Secret::new(presented.to_owned()));
                token.id
            }
            Exchange::Repeat => {
                let sealed = grant.rotation.sealed_successor.as_deref().unwrap_or_default();
                let successor = realm.secrets.open_successor(token.digest.generation, presented, sealed);
                issued.refresh_token = Some(successor.ok_or(Refusal::RefreshTokenInvalid)?);
                // The leaf of the family is the successor: it is still unused when this is made durable.
                grant.refresh_token.ok_or(Refusal::RefreshTokenInvalid)?
            }
            Exchange::Replace => {
                let successor =
                    self.make_refresh_token(realm, client, grant, token.expires_at, moment, &mint).await?;
                let sealed = realm.secrets.seal_successor(
                    token.digest.generation,
                    presented,
                    successor.text.expose(),
                    &mint,
                );
                changed.rotation = Rotation {
                    previous: Some(token.id),
                    rotated_at: Some(moment.now),
                    sealed_successor: sealed.filter(|_| grace > 0),
                };
                changed.refresh_token = Some(successor.record.id);
                changed.idle_expires_at = idle_end(realm, moment.now);
                change.writes.push(Write::ReplaceRefreshToken { token: token.id, at: moment.now });
                change.writes.push(Write::PutRefreshToken(successor.record));
                issued.refresh_token = Some(successor.text);
                token.id
            }
        };
        if let Some(session) = grant.session {
            change.writes.push(Write::ExtendSession { session, expires_at: changed.expires_at });
        }
        change.writes.push(Write::PutGrant(changed));
        change.preconditions.push(Precondition::CurrentRefreshToken { grant: grant.id, token: leaf });
        issued.id_token = self.id_token(
            realm,
            client,
            &IdTokenSources {
                user,
                grant,
                scope: &chosen.scope,
                nonce: None,
                session: grant.session,
                access_token: issued.access_token.expose(),
                now: moment.now,
            },
        )?;
        self.count_issued(&access_token);
        if record {
            change.writes.push(Write::PutAccessToken(access_token));
        }
        use_assertion(&mut change, assertion);
        match self.storage.apply(change).await {
            Ok(_) => Ok(Some(issued)),
            Err(ApplyError::Conflict(Conflict::NotCurrentRefreshToken)) => Ok(None),
            Err(ApplyError::Conflict(Conflict::AssertionUsed)) => {
                Err(Refusal::ClientAssertionReplayed.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Erases the sealed successors whose window is over.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; the next round tries again.
    pub(crate) async fn forget_successors(&self, now: Timestamp) -> Result<(), Unavailable> {
        let before = now.minus_seconds(REFRESH_GRACE_SECONDS_MAX);
        let change =
            Change { preconditions: Vec::new(), writes: vec![Write::ForgetSuccessors { before }], at: now };
        match self.storage.apply(change).await {
            Ok(_) => Ok(()),
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable),
            Err(ApplyError::Conflict(conflict)) => Err(Unavailable::new("erase successors", conflict)),
        }
    }

    /// The rows behind a code, used or not.
    async fn find_code(&self, realm: &RealmState, code: &str) -> Result<Option<StoredCode>, ServiceError> {
        let Some(parts) = token_string::parse_opaque(CODE_PREFIX, code) else {
            return Ok(None);
        };
        let Some(id) = realm.secrets.token_handles().token_of(parts.handle) else {
            return Ok(None);
        };
        let Some(presented) = realm.secrets.digest(TokenKind::Code, parts.generation, code) else {
            return Ok(None);
        };
        let stored = self.storage.find_authorization_code(id).await?;
        Ok(stored.filter(|stored| {
            let digest = &stored.code.digest;
            stored.code.realm == realm.realm.id
                && digest.generation == presented.generation
                && digest.digest.matches(&presented.digest)
        }))
    }

    pub(crate) fn world_of_parents<'a>(
        &'a self,
        realm: &'a RealmState,
        client: lydian_domain::ClientId,
        parents: &'a Parents,
        moment: &Moment,
    ) -> Result<World<'a>, ServiceError> {
        Ok(World {
            view: self.view(moment.boot_now)?,
            now: moment.now,
            realm_cut_at: realm.realm.cut_at,
            client: realm.client(client).map(|client| &**client),
            api: None,
            key: None,
            parents: Some(rows(parents)),
        })
    }

    async fn make_refresh_token(
        &self,
        realm: &RealmState,
        client: &Client,
        grant: &Grant,
        expires_at: Timestamp,
        moment: &Moment,
        mint: &Mint<'_>,
    ) -> Result<MadeRefreshToken, ServiceError> {
        let id = self.sequences.next(&*self.storage, expires_at.hour(), self.node.store_generation()).await?;
        let handle = realm.secrets.token_handles().of_token(id);
        let generation = realm.secrets.generation();
        let prefix = &realm.realm.refresh_token_prefix;
        let text = Secret::new(token_string::format_opaque(prefix, generation, handle, mint.bytes()));
        let digest = realm
            .secrets
            .digest(TokenKind::Refresh, generation, text.expose())
            .ok_or_else(|| Unavailable::because("find the pepper of today"))?;
        let record = RefreshToken {
            id,
            realm: realm.realm.id,
            client: client.id,
            user: grant.user,
            session: grant.session,
            grant: grant.id,
            scope: grant.scope.clone(),
            issued_at: moment.now,
            expires_at,
            minted_at: moment.minted_at,
            digest,
            revoked_at: None,
            replaced_at: None,
        };
        Ok(MadeRefreshToken { text, record })
    }

    /// The error for a rejection; when somebody used twice what is good once, the family is dead before it is answered.
    pub(crate) async fn reject(
        &self,
        rejection: Rejection,
        grant: lydian_domain::GrantId,
        moment: &Moment,
    ) -> ServiceError {
        if rejection.kills_grant
            && let Err(error) = self.kill(Revocation::Grant(grant), moment).await
        {
            return error;
        }
        rejection.refusal.into()
    }
}

pub(crate) fn grant_and_user(parents: &Parents) -> Option<(&Grant, &User)> {
    parents.grant.as_ref().zip(parents.user.as_ref())
}

fn idle_end(realm: &RealmState, now: Timestamp) -> Timestamp {
    now.plus_seconds(realm.realm.refresh_token_idle_seconds)
}

pub(crate) fn use_assertion(change: &mut Change, assertion: Option<AssertionUse>) {
    if let Some(AssertionUse { client, digest, expires_at }) = assertion {
        change.preconditions.push(Precondition::AssertionUnused { client, digest, expires_at });
        change.writes.push(Write::UseAssertion { client, digest, expires_at });
    }
}
