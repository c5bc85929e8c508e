//! Is this token good *now*, for this caller? The one decision that every answer and every explanation comes from.

use std::borrow::Cow;
use std::time::Duration;

use lydian_oauth_types::{ScopeSet, words};
use lydian_primitives::{Timestamp, limits};
use lydian_revocation::{CutKind, Death, Seq, TokenCoordinates, View};

use crate::records::{
    AccessToken, Api, Audience, AuthorizationCode, Client, ClientId, Grant, KeyState, RealmId, RefreshToken,
    Session, SigningKeyRecord, TokenForm, User,
};

/// How long the ledger remembers. Tokens that live longer are compared with the rows of their parents each time.
pub const HORIZON: Duration = Duration::from_secs(limits::REVOCATION_HORIZON_SECONDS);

/// Why a token is not active, for people who are entitled to know. The caller sees `{"active":false}` whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inactive {
    /// Its API is disabled or gone.
    ApiGone,
    /// Its client is disabled or gone.
    ClientGone,
    /// It was cut or revoked, by the ledger.
    Dead(Death),
    /// It has expired.
    Expired,
    /// The key that signed it is retired or gone.
    KeyGone,
    /// It was cut or revoked, as its row or the row of a parent says.
    MarkedDead(Seq),
    /// The caller is neither its audience nor its owner, and has no wider permission.
    NotForCaller,
    /// It begins to be good later.
    NotYetValid,
    /// A row that it depends on is missing.
    ParentMissing,
    /// The refresh token was replaced, or the grant has none.
    RefreshTokenReplaced,
    /// The refresh token was not used for too long.
    RefreshTokenIdle,
    /// Its session has ended.
    SessionOver,
    /// No token of ours has this string.
    Unknown,
    /// Its user is disabled.
    UserDisabled,
}

impl Inactive {
    /// Its stable word, for programs and explanations.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ApiGone => "api_gone",
            Self::ClientGone => "client_gone",
            Self::Dead(Death::Cut(kind, _)) => match kind {
                CutKind::Client => "cut_client",
                CutKind::Grant => "cut_grant",
                CutKind::Key => "cut_key",
                CutKind::Realm => "cut_realm",
                CutKind::Session => "cut_session",
                CutKind::User => "cut_user",
            },
            Self::Dead(Death::Revoked(_)) => "revoked",
            Self::Expired => "expired",
            Self::KeyGone => "key_retired",
            Self::MarkedDead(_) => "marked_dead",
            Self::NotForCaller => "not_for_caller",
            Self::NotYetValid => "not_yet_valid",
            Self::ParentMissing => "parent_missing",
            Self::RefreshTokenReplaced => "refresh_token_replaced",
            Self::RefreshTokenIdle => "refresh_token_idle",
            Self::SessionOver => "session_over",
            Self::Unknown => "unknown",
            Self::UserDisabled => "user_disabled",
        }
    }
}

/// A token with the facts that answers show.
#[derive(Clone, Copy, Debug)]
pub enum Inspected<'a> {
    /// An access token.
    Access(&'a AccessToken),
    /// A refresh token.
    Refresh(&'a RefreshToken),
}

impl Inspected<'_> {
    fn client(&self) -> ClientId {
        match self {
            Self::Access(token) => token.client,
            Self::Refresh(token) => token.client,
        }
    }

    fn realm(&self) -> RealmId {
        match self {
            Self::Access(token) => token.realm,
            Self::Refresh(token) => token.realm,
        }
    }
}

/// The rows whose state decides over a token that lives long, read under the lease. A missing row means dead.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParentRows<'a> {
    /// Its grant.
    pub grant: Option<&'a Grant>,
    /// Its session, if it has one.
    pub session: Option<&'a Session>,
    /// Its user, if it has one.
    pub user: Option<&'a User>,
}

/// The state of the world at one instant of the request.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The ledger under its lease.
    pub view: View<'a>,
    /// The wall clock, and no earlier than the forgetting mark.
    pub now: Timestamp,
    /// The position at which the realm was cut.
    pub realm_cut_at: Seq,
    /// The client that owns the token.
    pub client: Option<&'a Client>,
    /// The API that the token is for; `None` for the issuer, or when the API is gone.
    pub api: Option<&'a Api>,
    /// The key that signed the token.
    pub key: Option<&'a SigningKeyRecord>,
    /// The rows of its parents, for tokens that live beyond the horizon and for refresh tokens.
    pub parents: Option<ParentRows<'a>>,
}

/// A token that is good now and that the caller may see, with what the caller may see of it.
#[derive(Clone, Debug)]
pub struct Visible<'a> {
    /// The token.
    pub token: Inspected<'a>,
    /// The scopes that the caller sees.
    pub scope: Cow<'a, ScopeSet>,
}

impl<'a> Visible<'a> {
    /// The access token, if it is one.
    pub fn as_access_token(&self) -> Option<&'a AccessToken> {
        match self.token {
            Inspected::Access(token) => Some(token),
            Inspected::Refresh(_) => None,
        }
    }
}

/// Decides over one token for one caller.
///
/// # Errors
///
/// [`Inactive`]: what the caller sees of it is the same for every variant (RFC 7662 §2.2).
pub fn introspect<'a>(
    caller: &Client,
    token: Inspected<'a>,
    world: &World<'_>,
) -> Result<Visible<'a>, Inactive> {
    let sight = sight(caller, &token).ok_or(Inactive::NotForCaller)?;
    is_good(token, world)?;
    let scope = match (sight, token) {
        (Sight::Whole, Inspected::Access(access)) => Cow::Borrowed(&access.scope),
        (Sight::Whole, Inspected::Refresh(refresh)) => Cow::Borrowed(&refresh.scope),
        (Sight::OwnScopes, Inspected::Access(access)) => narrow(&access.scope, world.api),
        (Sight::OwnScopes, Inspected::Refresh(_)) => return Err(Inactive::NotForCaller),
    };
    Ok(Visible { token, scope })
}

/// Whether a token is good now, whoever asks.
///
/// # Errors
///
/// [`Inactive`], first cause first.
pub fn is_good(token: Inspected<'_>, world: &World<'_>) -> Result<(), Inactive> {
    match token {
        Inspected::Access(access) => access_token_is_good(access, world),
        Inspected::Refresh(refresh) => refresh_token_is_good(refresh, world),
    }
}

fn access_token_is_good(token: &AccessToken, world: &World<'_>) -> Result<(), Inactive> {
    is_its_time(token.issued_at, token.expires_at, world.now)?;
    if let Some(death) = world.view.death_of(&token.coordinates()) {
        return Err(Inactive::Dead(death));
    }
    if let Some(position) = token.revoked_at {
        return Err(Inactive::MarkedDead(position));
    }
    owner_stands(token.minted_at, world)?;
    if let Audience::Api(id) = token.audience {
        match world.api {
            Some(api) if api.id == id && api.enabled => {}
            _ => return Err(Inactive::ApiGone),
        }
    }
    if let TokenForm::Jwt(id) = token.form {
        match world.key {
            Some(key) if key.id == id && key.state != KeyState::Retired => {
                not_cut(token.minted_at, key.cut_at)?
            }
            _ => return Err(Inactive::KeyGone),
        }
    }
    if token.expires_at.seconds_since(token.issued_at) > HORIZON.as_secs() {
        let parents = world.parents.ok_or(Inactive::ParentMissing)?;
        parents_stand(token.minted_at, token.session.is_some(), token.user.is_some(), &parents, world.now)?;
    }
    Ok(())
}

/// Whether a grant that was opened at a position and not used yet stands, with its session, its user and its client.
///
/// # Errors
///
/// [`Inactive`], first cause first.
pub fn grant_is_good(grant: &Grant, opened_at: Seq, world: &World<'_>) -> Result<(), Inactive> {
    let coordinates = TokenCoordinates {
        token: u128::MAX,
        minted_at: opened_at,
        realm: u128::from(grant.realm.as_number()),
        client: u128::from(grant.client.as_number()),
        grant: u128::from(grant.id.as_number()),
        user: grant.user.map(|user| u128::from(user.as_number())),
        session: grant.session.map(|session| u128::from(session.as_number())),
        key: None,
    };
    if let Some(death) = world.view.death_of(&coordinates) {
        return Err(Inactive::Dead(death));
    }
    owner_stands(opened_at, world)?;
    let parents = world.parents.ok_or(Inactive::ParentMissing)?;
    parents_stand(opened_at, grant.session.is_some(), grant.user.is_some(), &parents, world.now)
}

/// Whether what an authorization code depends on stands. Its own life is the token endpoint's business.
///
/// # Errors
///
/// [`Inactive`], first cause first.
pub fn code_is_good(code: &AuthorizationCode, world: &World<'_>) -> Result<(), Inactive> {
    if let Some(death) = world.view.death_of(&code.coordinates()) {
        return Err(Inactive::Dead(death));
    }
    owner_stands(code.minted_at, world)?;
    parents_stand(code.minted_at, true, true, &world.parents.ok_or(Inactive::ParentMissing)?, world.now)
}

fn refresh_token_is_good(token: &RefreshToken, world: &World<'_>) -> Result<(), Inactive> {
    is_its_time(token.issued_at, token.expires_at, world.now)?;
    if let Some(death) = world.view.death_of(&token.coordinates()) {
        return Err(Inactive::Dead(death));
    }
    if let Some(position) = token.revoked_at {
        return Err(Inactive::MarkedDead(position));
    }
    owner_stands(token.minted_at, world)?;
    let parents = world.parents.ok_or(Inactive::ParentMissing)?;
    parents_stand(token.minted_at, token.session.is_some(), token.user.is_some(), &parents, world.now)?;
    let grant = parents.grant.ok_or(Inactive::ParentMissing)?;
    if grant.refresh_token != Some(token.id) {
        return Err(Inactive::RefreshTokenReplaced);
    }
    if grant.idle_expires_at <= world.now {
        return Err(Inactive::RefreshTokenIdle);
    }
    Ok(())
}

/// It has begun and has not ended. Answers show the time of issue as `nbf`; the clock of the node that minted may be ahead, and a
/// clock that went back stands at the forgetting mark.
fn is_its_time(issued_at: Timestamp, expires_at: Timestamp, now: Timestamp) -> Result<(), Inactive> {
    if expires_at <= now {
        return Err(Inactive::Expired);
    }
    if issued_at > now.plus_seconds(limits::ISSUED_AHEAD_SECONDS_MAX) {
        return Err(Inactive::NotYetValid);
    }
    Ok(())
}

/// The client that owns the token stands, and neither it nor the realm was cut since.
fn owner_stands(minted_at: Seq, world: &World<'_>) -> Result<(), Inactive> {
    let client = world.client.filter(|client| client.enabled).ok_or(Inactive::ClientGone)?;
    not_cut(minted_at, client.cut_at)?;
    not_cut(minted_at, world.realm_cut_at)
}

fn parents_stand(
    minted_at: Seq,
    in_session: bool,
    by_user: bool,
    parents: &ParentRows<'_>,
    now: Timestamp,
) -> Result<(), Inactive> {
    let grant = parents.grant.ok_or(Inactive::ParentMissing)?;
    not_cut(minted_at, grant.cut_at)?;
    if in_session {
        let session = parents.session.ok_or(Inactive::ParentMissing)?;
        not_cut(minted_at, session.cut_at)?;
        if session.expires_at <= now {
            return Err(Inactive::SessionOver);
        }
    }
    if by_user {
        let user = parents.user.ok_or(Inactive::ParentMissing)?;
        if !user.enabled {
            return Err(Inactive::UserDisabled);
        }
        not_cut(minted_at, user.cut_at)?;
    }
    Ok(())
}

fn not_cut(minted_at: Seq, cut_at: Seq) -> Result<(), Inactive> {
    if minted_at < cut_at { Err(Inactive::MarkedDead(cut_at)) } else { Ok(()) }
}

/// How much of a token a caller sees.
#[derive(Clone, Copy)]
enum Sight {
    /// The scopes of its own API.
    OwnScopes,
    /// All of it.
    Whole,
}

/// A caller sees a token if it owns it, is in its audience, or holds the explicit permission.
fn sight(caller: &Client, token: &Inspected<'_>) -> Option<Sight> {
    // Every right ends at the border of the realm, the explicit permission too.
    if caller.realm != token.realm() {
        return None;
    }
    if token.client() == caller.id || caller.introspect_any {
        return Some(Sight::Whole);
    }
    match token {
        Inspected::Access(AccessToken { audience: Audience::Api(api), .. }) if caller.api == Some(*api) => {
            Some(Sight::OwnScopes)
        }
        // Refresh tokens and tokens for the issuer are nobody's business but their owner's (RFC 7662 §2.1).
        _ => None,
    }
}

/// The scopes that concern an API: those that it defines, and the identity scopes.
fn narrow<'a>(scope: &'a ScopeSet, api: Option<&Api>) -> Cow<'a, ScopeSet> {
    // The common case: a token with all the scopes of its API.
    if api.is_some_and(|api| api.scopes == *scope) {
        return Cow::Borrowed(scope);
    }
    let concerns = |scope: &str| {
        api.is_some_and(|api| api.scopes.contains(scope)) || words::IDENTITY_SCOPES.contains(&scope)
    };
    if scope.iter().all(concerns) {
        return Cow::Borrowed(scope);
    }
    Cow::Owned(scope.iter().filter(|scope| concerns(scope)).collect())
}

#[cfg(test)]
#[path = "introspect_tests.rs"]
mod tests;
