//! Introspection: find the facts of a token, then decide (RFC 7662).

use std::sync::Arc;

use lydian_domain::authenticate::AuthenticatedClient;
use lydian_domain::authentication::{Authentication, AuthenticationMethods};
use lydian_domain::introspect::{self, HORIZON, Inactive, Inspected, ParentRows, Visible, World};
use lydian_domain::secrets::{SubjectKind, TokenKind};
use lydian_domain::{
    AccessToken, Audience, Client, GrantId, SessionId, TokenForm, TokenFormat, TokenId, UserId, token_string,
};
use lydian_jose::{Claims, Compact};
use lydian_oauth_types::{ScopeSet, TokenTypeHint};
use lydian_primitives::prf::PrfKey;
use lydian_primitives::{Timestamp, base64url, limits};
use lydian_revocation::Seq;
use lydian_storage::{Parents, StoredRefreshToken, Unavailable};

use crate::directory::{ApiState, RealmState};
use crate::error::ServiceError;
use crate::facts::{Facts, UserFacts};
use crate::{Moment, Service};

/// A token that is good now and visible to the caller, with everything that its answer shows.
pub struct ActiveToken<'a> {
    /// What the caller sees.
    pub visible: &'a Visible<'a>,
    /// The realm.
    pub realm: &'a RealmState,
    /// The client that owns the token.
    pub client: &'a Client,
    /// The API that it is for; `None` for the issuer.
    pub api: Option<&'a ApiState>,
    /// The name of its user.
    pub username: Option<&'a str>,
    /// The subject identifier of its user.
    pub subject: Option<&'a str>,
    /// How its user had proved who it is; access tokens alone say so.
    pub authentication: Option<Authentication>,
    /// The handle that `jti` shows.
    pub jti: [u8; 16],
    /// The handle of its grant for its audience; refresh tokens show none.
    pub grant_handle: Option<[u8; 16]>,
}

/// A token of ours, found by its string.
pub(crate) enum Found {
    Access(Arc<Facts>),
    Refresh(Box<StoredRefreshToken>),
    /// Nothing of ours; whether it even had the shape of a token decides nothing.
    Unknown,
}

impl Service {
    /// Answers one introspection: `render` gets the token if it is good now and the caller may see it.
    ///
    /// # Errors
    ///
    /// "Too many requests" for a caller that sends many strings that are no tokens; unavailable when we do not know.
    pub async fn introspect<R>(
        &self,
        realm: &Arc<RealmState>,
        caller: &AuthenticatedClient,
        token: &str,
        hint: Option<TokenTypeHint>,
        moment: &Moment,
        render: impl FnOnce(Result<&ActiveToken<'_>, Inactive>) -> R,
    ) -> Result<R, ServiceError> {
        let found = self.find_token_for(caller.client(), realm, token, hint, moment).await?;
        self.introspect_found(realm, caller.client(), &found, moment, render).await
    }

    /// Decides over a token that was found, for one caller.
    pub(crate) async fn introspect_found<R>(
        &self,
        realm: &Arc<RealmState>,
        caller: &Client,
        found: &Found,
        moment: &Moment,
        render: impl FnOnce(Result<&ActiveToken<'_>, Inactive>) -> R,
    ) -> Result<R, ServiceError> {
        match found {
            Found::Unknown => Ok(render(Err(Inactive::Unknown))),
            Found::Access(facts) => self.introspect_access_token(realm, caller, facts, moment, render).await,
            Found::Refresh(stored) => self.introspect_refresh_token(realm, caller, stored, moment, render),
        }
    }

    async fn introspect_access_token<R>(
        &self,
        realm: &Arc<RealmState>,
        caller: &Client,
        facts: &Facts,
        moment: &Moment,
        render: impl FnOnce(Result<&ActiveToken<'_>, Inactive>) -> R,
    ) -> Result<R, ServiceError> {
        let parents = self.load_parents_if_needed(&facts.token).await?;
        let token = &facts.token;
        let (client, api) = (realm.client(token.client), self.api_of(realm, token));
        let world = self.world(
            realm,
            token,
            client.map(|client| &**client),
            api,
            parents.as_ref().map(rows),
            moment,
        )?;
        Ok(match introspect::introspect(caller, Inspected::Access(token), &world) {
            Err(inactive) => render(Err(inactive)),
            Ok(visible) => match client {
                None => render(Err(Inactive::ClientGone)),
                Some(client) => render(Ok(&ActiveToken {
                    visible: &visible,
                    realm,
                    client,
                    api,
                    username: facts.user.as_ref().map(|user| &*user.username),
                    subject: facts.user.as_ref().map(|user| &*user.subject),
                    authentication: facts.user.as_ref().and_then(|user| user.authentication),
                    jti: facts.jti,
                    grant_handle: Some(facts.grant_handle),
                })),
            },
        })
    }

    fn introspect_refresh_token<R>(
        &self,
        realm: &Arc<RealmState>,
        caller: &Client,
        stored: &StoredRefreshToken,
        moment: &Moment,
        render: impl FnOnce(Result<&ActiveToken<'_>, Inactive>) -> R,
    ) -> Result<R, ServiceError> {
        let token = &stored.token;
        let client = realm.client(token.client);
        let world = self.world_of_refresh_token(realm, stored, moment)?;
        Ok(match (introspect::introspect(caller, Inspected::Refresh(token), &world), client) {
            (Err(inactive), _) => render(Err(inactive)),
            (Ok(_), None) => render(Err(Inactive::ClientGone)),
            (Ok(visible), Some(client)) => {
                let user = stored.parents.user.as_ref();
                render(Ok(&ActiveToken {
                    visible: &visible,
                    realm,
                    client,
                    api: None,
                    username: user.map(|user| user.username.as_str()),
                    subject: user.map(|user| user.subject.as_str()),
                    authentication: None,
                    jti: realm.secrets.token_handles().of_token(token.id),
                    grant_handle: None,
                }))
            }
        })
    }

    /// Whether an access token is good now, whoever asks.
    pub(crate) async fn judge_access_token(
        &self,
        realm: &Arc<RealmState>,
        facts: &Facts,
        moment: &Moment,
    ) -> Result<Result<(), Inactive>, ServiceError> {
        let parents = self.load_parents_if_needed(&facts.token).await?;
        let token = &facts.token;
        let client = realm.client(token.client).map(|client| &**client);
        let parents = parents.as_ref().map(rows);
        let world = self.world(realm, token, client, self.api_of(realm, token), parents, moment)?;
        Ok(introspect::is_good(Inspected::Access(token), &world))
    }

    /// Whether a token that was found is good now, whoever asks.
    pub(crate) async fn judge_found(
        &self,
        realm: &Arc<RealmState>,
        found: &Found,
        moment: &Moment,
    ) -> Result<Result<(), Inactive>, ServiceError> {
        match found {
            Found::Unknown => Ok(Err(Inactive::Unknown)),
            Found::Access(facts) => self.judge_access_token(realm, facts, moment).await,
            Found::Refresh(stored) => {
                let world = self.world_of_refresh_token(realm, stored, moment)?;
                Ok(introspect::is_good(Inspected::Refresh(&stored.token), &world))
            }
        }
    }

    fn world_of_refresh_token<'a>(
        &'a self,
        realm: &'a RealmState,
        stored: &'a StoredRefreshToken,
        moment: &Moment,
    ) -> Result<World<'a>, ServiceError> {
        Ok(World {
            view: self.view(moment.boot_now)?,
            now: moment.now,
            realm_cut_at: realm.realm.cut_at,
            client: realm.client(stored.token.client).map(|client| &**client),
            api: None,
            key: None,
            parents: Some(rows(&stored.parents)),
        })
    }

    /// The state of the world at the instant of the request: the lease at that instant, the ledger as it is now.
    ///
    /// The lease comes first and the ledger after it, whatever was read in between: rows can only be older than the ledger
    /// (rules 6 and 14 of the lease protocol). The instant is the one at which the answer counts.
    fn world<'a>(
        &'a self,
        realm: &'a RealmState,
        token: &AccessToken,
        client: Option<&'a Client>,
        api: Option<&'a ApiState>,
        parents: Option<ParentRows<'a>>,
        moment: &Moment,
    ) -> Result<World<'a>, ServiceError> {
        let key = match token.form {
            TokenForm::Jwt(key) => realm.key(key).map(|entry| &entry.record),
            TokenForm::Opaque => None,
        };
        Ok(World {
            view: self.view(moment.boot_now)?,
            now: moment.now,
            realm_cut_at: realm.realm.cut_at,
            client,
            api: api.map(|state| &state.api),
            key,
            parents,
        })
    }

    /// Finds a token for a caller, and slows the caller down when it sends many strings that are none of ours.
    ///
    /// Live, expired and revoked tokens never count. While a caller has to wait, they are answered all the same as long as that costs
    /// little: what is in memory, and opaque strings, whose handle tells a stranger without a lookup. A JWT that was not seen before
    /// costs a signature, and waits.
    pub(crate) async fn find_token_for(
        &self,
        caller: &Client,
        realm: &Arc<RealmState>,
        token: &str,
        hint: Option<TokenTypeHint>,
        moment: &Moment,
    ) -> Result<Found, ServiceError> {
        let caller_id = (realm.realm.id, caller.id);
        let admitted = self.unknown_tokens.check(&caller_id, moment.boot_now);
        if let Err(wait) = admitted
            && is_jwt_shaped(token)
            && self.node.facts().find(self.node.facts().key_of(token), realm.realm.id).is_none()
        {
            return Err(ServiceError::TooManyRequests(wait));
        }
        let found = self.find_token(realm, token, hint, moment).await?;
        if matches!(found, Found::Unknown) && !was_ours(realm, token, moment.now) {
            admitted.map_err(ServiceError::TooManyRequests)?;
            self.unknown_tokens.count(&caller_id, moment.boot_now);
        }
        Ok(found)
    }

    /// Finds a token of ours by its string. Its form decides where the search begins; the hint changes nothing (RFC 7662 §2.1).
    pub(crate) async fn find_token(
        &self,
        realm: &Arc<RealmState>,
        token: &str,
        hint: Option<TokenTypeHint>,
        moment: &Moment,
    ) -> Result<Found, ServiceError> {
        // The prefix tells the kind of every string, so that there is no order of search that a hint could change.
        let _ = hint;
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Ok(Found::Unknown);
        }
        if let Some(facts) = self.find_access_token(realm, token, moment).await? {
            return Ok(Found::Access(facts));
        }
        let stored = self.find_refresh_token(realm, token).await?;
        Ok(stored.map_or(Found::Unknown, |stored| Found::Refresh(Box::new(stored))))
    }

    /// The facts of an access token, from memory or from the store.
    pub(crate) async fn find_access_token(
        &self,
        realm: &Arc<RealmState>,
        token: &str,
        moment: &Moment,
    ) -> Result<Option<Arc<Facts>>, ServiceError> {
        let key = self.node.facts().key_of(token);
        if let Some(facts) = self.node.facts().find(key, realm.realm.id) {
            if !self.is_stale(&facts, moment)? {
                return Ok(Some(facts));
            }
            self.node.facts().drop_facts(key);
        }
        self.read_access_token(realm, token, key, moment).await
    }

    /// Whether what is known of the token's user was changed since it was read.
    fn is_stale(&self, facts: &Facts, moment: &Moment) -> Result<bool, ServiceError> {
        let Some(user) = facts.token.user else {
            return Ok(false);
        };
        Ok(self.view(moment.boot_now)?.user_changed_since(u128::from(user.as_number()), facts.read_at))
    }

    async fn read_access_token(
        &self,
        realm: &Arc<RealmState>,
        token: &str,
        key: PrfKey,
        moment: &Moment,
    ) -> Result<Option<Arc<Facts>>, ServiceError> {
        // The position first, the rows after it: facts never look newer than they are.
        let read_at = self.view(moment.boot_now)?.applied();
        let found = if is_jwt_shaped(token) {
            self.read_jwt(realm, token).await?
        } else {
            self.read_opaque(realm, token).await?
        };
        let Some((mut token, user)) = found else {
            return Ok(None);
        };
        token.digest = None;
        token.scope = self.scopes.shared(&token.scope);
        let handles = realm.handles(self.api_of(realm, &token));
        let facts = Arc::new(Facts {
            key,
            jti: realm.secrets.token_handles().of_token(token.id),
            grant_handle: handles.of_subject(SubjectKind::Grant, token.grant.as_number()),
            token,
            user: user.map(Box::new),
            read_at,
        });
        // Of a token that outlives the ledger's memory, only its row remembers the revocation: it is read each time.
        if !outlives_ledger(&facts.token) {
            self.node.facts().keep(Arc::clone(&facts));
        }
        Ok(Some(facts))
    }

    async fn read_opaque(&self, realm: &RealmState, token: &str) -> Result<Option<Read>, ServiceError> {
        let Some(parts) = token_string::parse_opaque(&realm.realm.access_token_prefix, token) else {
            return Ok(None);
        };
        let Some(id) = realm.secrets.token_handles().token_of(parts.handle) else {
            return Ok(None);
        };
        let read = self.read_row(realm, token, parts.generation, id).await?;
        Ok(read.filter(|(access, _)| access.form == TokenForm::Opaque))
    }

    /// A row whose digest is the digest of this whole string.
    async fn read_row(
        &self,
        realm: &RealmState,
        token: &str,
        generation: u8,
        id: TokenId,
    ) -> Result<Option<Read>, ServiceError> {
        let Some(presented) = realm.secrets.digest(TokenKind::Access, generation, token) else {
            return Ok(None);
        };
        let Some(stored) = self.storage.find_access_token(id).await? else {
            return Ok(None);
        };
        let matches = stored.token.realm == realm.realm.id
            && stored.token.digest.as_ref().is_some_and(|digest| {
                digest.generation == presented.generation && digest.digest.matches(&presented.digest)
            });
        if !matches {
            return Ok(None);
        }
        let user = stored.username.zip(stored.subject);
        let authentication = stored.authentication;
        let user = user.map(|(username, subject)| UserFacts {
            username: username.into(),
            subject: subject.into(),
            authentication,
        });
        Ok(Some((stored.token, user)))
    }

    /// Verifies a JWT of ours: the signature first, then the claims, then the row if there is one.
    async fn read_jwt(&self, realm: &RealmState, token: &str) -> Result<Option<Read>, ServiceError> {
        let Some((claims, form, typ)) = verify_jwt(realm, token) else {
            return Ok(None);
        };
        let Some(mut access) = token_of_claims(realm, &claims, form) else {
            return Ok(None);
        };
        let api = self.api_of(realm, &access);
        let record = match api.map(|state| &state.api.token_format) {
            Some(TokenFormat::Jwt { record, typ: expected, .. }) if typ == *expected => *record,
            // A JWT for an API that now has opaque tokens, or another `typ`: what it was is still written in its row.
            Some(_) => true,
            None => return Ok(None),
        };
        if record {
            let generation = self.generation_of_row(realm, access.id).await?;
            let Some(generation) = generation else {
                return Ok(None);
            };
            let read = self.read_row(realm, token, generation, access.id).await?;
            return Ok(read.filter(|(access, _)| access.form == form));
        }
        access.digest = None;
        let user = match access.user {
            Some(user) => {
                let Some(username) = self.storage.find_username(user).await? else {
                    return Ok(None);
                };
                let Ok(subject) = claims.required_string("sub") else {
                    return Ok(None);
                };
                Some(UserFacts {
                    username: username.into(),
                    subject: subject.into(),
                    authentication: authentication_of_claims(&claims),
                })
            }
            None => None,
        };
        Ok(Some((access, user)))
    }

    /// A JWT does not name the generation of its pepper: the row does.
    async fn generation_of_row(&self, realm: &RealmState, id: TokenId) -> Result<Option<u8>, Unavailable> {
        if realm.secrets.generation() == 0 {
            return Ok(Some(0));
        }
        let stored = self.storage.find_access_token(id).await?;
        Ok(stored.and_then(|stored| stored.token.digest).map(|digest| digest.generation))
    }

    /// The rows behind a refresh token: never answered from memory alone.
    pub(crate) async fn find_refresh_token(
        &self,
        realm: &RealmState,
        token: &str,
    ) -> Result<Option<StoredRefreshToken>, ServiceError> {
        let Some(parts) = token_string::parse_opaque(&realm.realm.refresh_token_prefix, token) else {
            return Ok(None);
        };
        let Some(id) = realm.secrets.token_handles().token_of(parts.handle) else {
            return Ok(None);
        };
        let Some(presented) = realm.secrets.digest(TokenKind::Refresh, parts.generation, token) else {
            return Ok(None);
        };
        let stored = self.storage.find_refresh_token(id).await?;
        Ok(stored.filter(|stored| {
            let digest = &stored.token.digest;
            stored.token.realm == realm.realm.id
                && digest.generation == presented.generation
                && digest.digest.matches(&presented.digest)
        }))
    }

    fn api_of<'a>(&self, realm: &'a RealmState, token: &AccessToken) -> Option<&'a ApiState> {
        match token.audience {
            Audience::Api(id) => realm.api(id).map(|state| &**state),
            Audience::Issuer => None,
        }
    }

    /// Tokens that live beyond the horizon are compared with the rows of their parents each time.
    async fn load_parents_if_needed(&self, token: &AccessToken) -> Result<Option<Parents>, ServiceError> {
        if !outlives_ledger(token) {
            return Ok(None);
        }
        Ok(Some(self.storage.load_parents(token.grant, token.session, token.user).await?))
    }
}

type Read = (AccessToken, Option<UserFacts>);

pub(crate) fn rows(parents: &Parents) -> ParentRows<'_> {
    ParentRows {
        grant: parents.grant.as_ref(),
        session: parents.session.as_ref(),
        user: parents.user.as_ref(),
    }
}

/// Whether a token lives longer than the ledger remembers.
fn outlives_ledger(token: &AccessToken) -> bool {
    token.expires_at.seconds_since(token.issued_at) > HORIZON.as_secs()
}

/// Three parts: opaque tokens have no dot.
pub(crate) fn is_jwt_shaped(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Whether a string that is found nowhere was a token of ours that has expired and was forgotten: who sends it does not guess.
fn was_ours(realm: &RealmState, token: &str, now: Timestamp) -> bool {
    let prefixes = [&realm.realm.access_token_prefix, &realm.realm.refresh_token_prefix];
    if let Some(parts) = prefixes.into_iter().find_map(|prefix| token_string::parse_opaque(prefix, token)) {
        let id = realm.secrets.token_handles().token_of(parts.handle);
        return id.is_some_and(|id| id.expiry().next().start() <= now);
    }
    let expired = |claims: Claims| {
        claims.required_numeric_date("exp").is_ok_and(|expires| expires.as_timestamp() <= now)
    };
    verify_jwt(realm, token).is_some_and(|(claims, _, _)| expired(claims))
}

/// Verifies the signature with the published key that `kid` names, and with no other.
fn verify_jwt(realm: &RealmState, token: &str) -> Option<(Claims, TokenForm, String)> {
    let compact = Compact::parse(token).ok()?;
    let entry = realm.key_by_kid(compact.header().kid()?)?;
    if !entry.record.state.is_published() {
        return None;
    }
    let typ = compact.header().typ()?.to_owned();
    let verified = compact.verify(entry.key.verifying_key()).ok()?;
    let claims = verified.claims().ok()?;
    Some((claims, TokenForm::Jwt(entry.record.id), typ))
}

/// How the person behind a JWT without a row had proved who it is.
fn authentication_of_claims(claims: &Claims) -> Option<Authentication> {
    let at = claims.numeric_date("auth_time").ok()??.as_timestamp();
    let methods = AuthenticationMethods::of_amr(claims.strings("amr").ok()??);
    Some(Authentication { at, methods })
}

/// The facts that a JWT of ours carries. Every claim that we write must be there with its type.
pub(crate) fn token_of_claims(realm: &RealmState, claims: &Claims, form: TokenForm) -> Option<AccessToken> {
    if claims.required_string("iss").ok()? != realm.issuer {
        return None;
    }
    let [audience] = claims.audience().ok()??[..] else {
        return None;
    };
    let api = if audience == realm.issuer { None } else { Some(realm.api_by_audience(audience)?) };
    let handles = realm.handles(api.map(|state| &**state));
    let client = realm.client_by_name(claims.required_string("client_id").ok()?)?;
    let handle = token_string::parse_jti(claims.required_string("jti").ok()?)?;
    let seconds = |name| claims.required_numeric_date(name).ok().map(|date| date.as_timestamp());
    let issued_at = seconds("iat")?;
    // Tokens of ours begin to be good when they are issued, and what their claims say and the answer says is one thing.
    if seconds("nbf")? != issued_at {
        return None;
    }
    let subject_of = |kind, name: &'static str| -> Option<Option<u64>> {
        let Some(text) = claims.string(name).ok()? else {
            return Some(None);
        };
        let handle = base64url::decode_array(text.as_bytes())?;
        handles.subject_of(kind, handle).map(Some)
    };
    Some(AccessToken {
        id: realm.secrets.token_handles().token_of(handle)?,
        realm: realm.realm.id,
        client: client.id,
        user: subject_of(SubjectKind::User, "lyd_subject")?.map(UserId::from_number),
        session: subject_of(SubjectKind::Session, "lyd_session")?.map(SessionId::from_number),
        grant: GrantId::from_number(subject_of(SubjectKind::Grant, "lyd_grant")??),
        audience: api.map_or(Audience::Issuer, |state| Audience::Api(state.api.id)),
        scope: ScopeSet::from_stored(claims.string("scope").ok()?.unwrap_or_default()),
        issued_at,
        expires_at: seconds("exp")?,
        minted_at: Seq::from_number(claims.unsigned("minted_at").ok()??),
        form,
        digest: None,
        revoked_at: None,
    })
}
