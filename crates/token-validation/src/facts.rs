//! What was established about a token once and can never change: its signature and its claims, or the issuer's word.
//!
//! Facts are no verdict. They may be kept for as long as the token lives; [`crate::decide`] judges them anew on each request. Both
//! ways of establishing them, [`crate::verify`] and [`crate::introspection_facts`], end here.

use std::fmt;

use lydian_jose::json::{Elements, Position, Value};
use lydian_jose::{Claims, ClaimsError, NumericDate};
use lydian_oauth_types::{Scope, ScopeSet};
use lydian_primitives::limits;
use lydian_revocation::{Seq, TokenCoordinates};

use crate::confirmation::Confirmation;
use crate::coordinates;
use crate::keys::KeyName;
use crate::profile::{Profile, ProfileId};

/// What is known of one token.
pub struct Facts {
    pub(crate) profile: ProfileId,
    pub(crate) origin: Origin,
    pub(crate) expires_at: Option<NumericDate>,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) authenticated_at: Option<NumericDate>,
    audience: Option<Position>,
    scope: Option<Position>,
    acr: Option<Position>,
    pub(crate) confirmation: Confirmation,
    pub(crate) token_type: Option<TokenType>,
    pub(crate) coordinates: TokenCoordinates,
    claims: Claims,
}

/// How facts were established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The issuer said so, when everything up to this position of its log had been applied here before it was asked.
    Introspected {
        /// Of no meaning without a feed.
        asked_at: Seq,
    },
    /// The token is signed, with this key.
    Signed {
        /// The key.
        key: KeyName,
    },
}

/// The type of an access token, by the word of its issuer (RFC 7662 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 6750.
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// Where the members stand that are read here, found in one pass over the document.
#[derive(Default)]
pub(crate) struct Members<'a> {
    pub(crate) active: Option<Value<'a>>,
    pub(crate) iss: Option<Value<'a>>,
    pub(crate) token_type: Option<Value<'a>>,
    /// Whether a claim is there that marks another kind of JWT: ID and logout tokens, security events, DPoP proofs, introspection
    /// answers, status lists.
    pub(crate) is_of_another_kind: bool,
    acr: Option<Value<'a>>,
    aud: Option<Value<'a>>,
    auth_time: Option<Value<'a>>,
    client_id: Option<Value<'a>>,
    cnf: Option<Value<'a>>,
    exp: Option<Value<'a>>,
    iat: Option<Value<'a>>,
    jti: Option<Value<'a>>,
    lyd_grant: Option<Value<'a>>,
    lyd_session: Option<Value<'a>>,
    lyd_subject: Option<Value<'a>>,
    minted_at: Option<Value<'a>>,
    nbf: Option<Value<'a>>,
    scope: Option<Value<'a>>,
    scp: Option<Value<'a>>,
    sid: Option<Value<'a>>,
    sub: Option<Value<'a>>,
}

impl<'a> Members<'a> {
    pub(crate) fn find(claims: &'a Claims) -> Self {
        let mut found = Self::default();
        for (name, value) in claims.members() {
            // By length first: a name is compared with the few that it could be.
            let place = match name.len() {
                3 => match name {
                    "acr" => Some(&mut found.acr),
                    "aud" => Some(&mut found.aud),
                    "cnf" => Some(&mut found.cnf),
                    "exp" => Some(&mut found.exp),
                    "iat" => Some(&mut found.iat),
                    "iss" => Some(&mut found.iss),
                    "jti" => Some(&mut found.jti),
                    "nbf" => Some(&mut found.nbf),
                    "scp" => Some(&mut found.scp),
                    "sid" => Some(&mut found.sid),
                    "sub" => Some(&mut found.sub),
                    "htm" | "htu" => {
                        found.is_of_another_kind = true;
                        None
                    }
                    _ => None,
                },
                5 => match name {
                    "scope" => Some(&mut found.scope),
                    "nonce" => {
                        found.is_of_another_kind = true;
                        None
                    }
                    _ => None,
                },
                6 => match name {
                    "active" => Some(&mut found.active),
                    "c_hash" | "events" | "s_hash" => {
                        found.is_of_another_kind = true;
                        None
                    }
                    _ => None,
                },
                7 => match name {
                    "at_hash" => {
                        found.is_of_another_kind = true;
                        None
                    }
                    _ => None,
                },
                9 => match name {
                    "auth_time" => Some(&mut found.auth_time),
                    "client_id" => Some(&mut found.client_id),
                    "lyd_grant" => Some(&mut found.lyd_grant),
                    "minted_at" => Some(&mut found.minted_at),
                    _ => None,
                },
                10 => match name {
                    "token_type" => Some(&mut found.token_type),
                    _ => None,
                },
                11 => match name {
                    "lyd_session" => Some(&mut found.lyd_session),
                    "lyd_subject" => Some(&mut found.lyd_subject),
                    "status_list" => {
                        found.is_of_another_kind = true;
                        None
                    }
                    _ => None,
                },
                19 => match name {
                    "token_introspection" => {
                        found.is_of_another_kind = true;
                        None
                    }
                    _ => None,
                },
                _ => None,
            };
            if let Some(place) = place {
                *place = Some(value);
            }
        }
        found
    }

    /// What RFC 9068 §2.2 requires beyond `iss`, by the first that is missing.
    pub(crate) fn check_required(&self, profile: &Profile) -> Result<(), ClaimsError> {
        use crate::profile::ForgivenClaim;
        let forgiven = &profile.settings.forgiven;
        let required = [
            ("exp", self.exp, None),
            ("aud", self.aud, None),
            ("sub", self.sub, Some(ForgivenClaim::Subject)),
            ("client_id", self.client_id, Some(ForgivenClaim::ClientId)),
            ("iat", self.iat, Some(ForgivenClaim::IssuedAt)),
            ("jti", self.jti, Some(ForgivenClaim::TokenId)),
        ];
        for (name, value, forgivable) in required {
            if value.is_none() && !forgivable.is_some_and(|claim| forgiven.contains(&claim)) {
                return Err(ClaimsError::Missing(name));
            }
        }
        Ok(())
    }
}

impl Facts {
    /// Reads what the members say. A member of the wrong type is an error and never counts as absent.
    pub(crate) fn read(
        members: &Members<'_>,
        token: &str,
        profile: &Profile,
        origin: Origin,
    ) -> Result<impl FnOnce(Claims) -> Self + use<>, ClaimsError> {
        let profile_id = profile.id();
        let expires_at = date(members.exp, "exp")?;
        let not_before = date(members.nbf, "nbf")?;
        let issued_at = date(members.iat, "iat")?;
        let authenticated_at = date(members.auth_time, "auth_time")?;
        check_audience(members.aud)?;
        let audience = members.aud.map(Value::position);
        let scope = scope(members, profile)?;
        let confirmation = Confirmation::read(members.cnf).ok_or(ClaimsError::WrongType("cnf"))?;
        text(members.sub, "sub")?;
        text(members.acr, "acr")?;
        let acr = members.acr.map(Value::position);
        let token_type = match text(members.token_type, "token_type")? {
            None => None,
            Some(name) if name.eq_ignore_ascii_case("bearer") => Some(TokenType::Bearer),
            Some(name) if name.eq_ignore_ascii_case("dpop") => Some(TokenType::Dpop),
            Some(_) => return Err(ClaimsError::OutOfRange("token_type")),
        };
        let coordinates = coordinates(members, token, profile, origin)?;
        Ok(move |claims| Self {
            profile: profile_id,
            origin,
            expires_at,
            not_before,
            issued_at,
            authenticated_at,
            audience,
            scope,
            acr,
            confirmation,
            token_type,
            coordinates,
            claims,
        })
    }

    /// How they were established.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The profile under which they were established.
    pub fn profile(&self) -> ProfileId {
        self.profile
    }

    /// When the token expires, as far as it says.
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.expires_at
    }

    /// To what the token is bound.
    pub fn confirmation(&self) -> Confirmation {
        self.confirmation
    }

    /// The scopes of the token, in the order in which it names them.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let value = self.scope.map(|position| self.claims.at(position));
        let listed = value.and_then(Value::as_str).unwrap_or_default();
        let array = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        listed.split(' ').filter(|scope| !scope.is_empty()).chain(array)
    }

    /// Whether the token has exactly this scope: set membership, never a search in the text.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|mine| mine == scope)
    }

    /// Whether the issuer said for whom the token is.
    pub fn has_audience(&self) -> bool {
        self.audience.is_some()
    }

    /// `sub`: whom the token is about.
    pub fn subject(&self) -> Option<&str> {
        self.claims.string("sub").ok().flatten()
    }

    /// `client_id`: to whom the token was issued.
    pub fn client_id(&self) -> Option<&str> {
        self.claims.string("client_id").ok().flatten()
    }

    /// `jti`.
    pub fn token_id(&self) -> Option<&str> {
        self.claims.string("jti").ok().flatten()
    }

    /// `acr`: of what kind the sign-in behind the token was.
    pub fn acr(&self) -> Option<&str> {
        self.claims.at(self.acr?).as_str()
    }

    /// All claims of the token, or all members of the answer about it.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the ledger must know of the token.
    pub fn coordinates(&self) -> &TokenCoordinates {
        &self.coordinates
    }

    /// Whether the token is for any of these audiences, compared as they are written.
    pub(crate) fn is_for<'a>(&self, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        let Some(mine) = self.audience.map(|position| self.claims.at(position)) else {
            return false;
        };
        match mine.as_str() {
            Some(one) => audiences.any(|audience| audience == one),
            None => audiences.any(|audience| {
                mine.as_array().is_some_and(|mut many| many.any(|one| one.as_str() == Some(audience)))
            }),
        }
    }

    /// How long the token lives by its own word, in seconds.
    pub(crate) fn lifetime_seconds(&self) -> Option<u64> {
        let (expires_at, issued_at) = (self.expires_at?, self.issued_at?);
        Some(expires_at.as_timestamp().seconds_since(issued_at.as_timestamp()))
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn text<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Option<&'a str>, ClaimsError> {
    value.map(|value| value.as_str().ok_or(ClaimsError::WrongType(name))).transpose()
}

fn date(value: Option<Value<'_>>, name: &'static str) -> Result<Option<NumericDate>, ClaimsError> {
    value.map(|value| NumericDate::from_value(value, name)).transpose()
}

/// A string or an array of strings (RFC 7519 §4.1.3).
fn check_audience(aud: Option<Value<'_>>) -> Result<(), ClaimsError> {
    let Some(aud) = aud else {
        return Ok(());
    };
    let are_texts = |mut elements: Elements<'_>| elements.all(|element| element.as_str().is_some());
    if aud.as_str().is_some() || aud.as_array().is_some_and(are_texts) {
        return Ok(());
    }
    Err(ClaimsError::WrongType("aud"))
}

/// `scope` is one string with single spaces between (RFC 8693 §4.2); `scp` is an array, for issuers that write it so.
fn scope(members: &Members<'_>, profile: &Profile) -> Result<Option<Position>, ClaimsError> {
    if let Some(scope) = text(members.scope, "scope")? {
        if !scope.is_empty() {
            ScopeSet::check_list(scope).map_err(|_| ClaimsError::OutOfRange("scope"))?;
        }
        return Ok(members.scope.map(Value::position));
    }
    let Some(scp) = members.scp.filter(|_| profile.settings.reads_scp) else {
        return Ok(None);
    };
    let wrong_type = ClaimsError::WrongType("scp");
    let elements = scp.as_array().ok_or(wrong_type)?;
    if elements.len() > limits::SCOPES_MAX {
        return Err(ClaimsError::OutOfRange("scp"));
    }
    for element in elements {
        Scope::parse(element.as_str().ok_or(wrong_type)?).map_err(|_| ClaimsError::OutOfRange("scp"))?;
    }
    Ok(Some(scp.position()))
}

/// Where the token stands in the ledger. What it does not say is a number that no event names.
fn coordinates(
    members: &Members<'_>,
    token: &str,
    profile: &Profile,
    origin: Origin,
) -> Result<TokenCoordinates, ClaimsError> {
    let handle = |value, kind: &'static str| {
        Ok::<_, ClaimsError>(text(value, kind)?.map(|handle| coordinates::of_handle(kind, handle)))
    };
    let own = match handle(members.jti, "jti")? {
        Some(number) => number,
        None => coordinates::of_handle("token", token),
    };
    let minted_at = match members.minted_at {
        // Another issuer's token: each cut that names it counts, because no position says that it came later.
        None => Seq::ZERO,
        Some(value) => {
            let number = value.as_u64().ok_or(ClaimsError::WrongType("minted_at"))?;
            if number >= 1 << 63 {
                return Err(ClaimsError::OutOfRange("minted_at"));
            }
            Seq::from_number(number)
        }
    };
    // Other issuers speak of `sub` and `sid`; ours of handles that differ per API.
    let user = match handle(members.lyd_subject, "lyd_subject")? {
        Some(number) => Some(number),
        None => handle(members.sub, "sub")?,
    };
    let session = match handle(members.lyd_session, "lyd_session")? {
        Some(number) => Some(number),
        None => handle(members.sid, "sid")?,
    };
    Ok(TokenCoordinates {
        token: own,
        minted_at,
        realm: profile.realm,
        client: text(members.client_id, "client_id")?.map_or(0, coordinates::of_client),
        grant: handle(members.lyd_grant, "lyd_grant")?.unwrap_or(0),
        user,
        session,
        key: match origin {
            Origin::Signed { key } => Some(key.subject),
            Origin::Introspected { .. } => None,
        },
    })
}
