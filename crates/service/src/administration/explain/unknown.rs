//! What a string is of which introspection knows nothing.

use lydian_domain::{AccessToken, KeyState, RealmName, TokenForm, TokenId, token_string};
use lydian_jose::{Claims, Compact};
use lydian_primitives::limits;

use crate::administration::AdministrationError;
use crate::directory::RealmState;
use crate::introspection::{is_jwt_shaped, token_of_claims};
use crate::{Moment, Service};

/// A stable word and a sentence.
type Told = (&'static str, String);

impl Service {
    /// Why no token of ours has this string.
    pub(super) async fn why_unknown(
        &self,
        realm: Option<&RealmName>,
        token: &str,
        moment: &Moment,
    ) -> Result<Told, AdministrationError> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Ok((
                "too_long",
                format!("It is longer than {} bytes: no token of ours is.", limits::TOKEN_BYTES_MAX),
            ));
        }
        let mut best: Option<Told> = None;
        for state in self.realms_for_administrator(realm)? {
            let told = if is_jwt_shaped(token) {
                why_no_jwt(&state, token)
            } else {
                self.why_no_opaque(&state, token, moment).await?
            };
            match told {
                Some(told) => return Ok(told),
                None => {
                    best = best.or_else(|| looks_like(&state, token));
                }
            }
        }
        Ok(best.unwrap_or_else(|| {
            ("not_a_token", "It does not have the form of any token of this server.".to_owned())
        }))
    }

    async fn why_no_opaque(
        &self,
        realm: &RealmState,
        token: &str,
        moment: &Moment,
    ) -> Result<Option<Told>, AdministrationError> {
        let handles = realm.secrets.token_handles();
        let id_of = |prefix: &str| -> Option<TokenId> {
            handles.token_of(token_string::parse_opaque(prefix, token)?.handle)
        };
        let access = id_of(&realm.realm.access_token_prefix);
        let refresh = id_of(&realm.realm.refresh_token_prefix);
        let Some(id) = access.or(refresh) else { return Ok(None) };
        let stored = if access.is_some() {
            self.storage.find_access_token(id).await?.is_some()
        } else {
            self.storage.find_refresh_token(id).await?.is_some()
        };
        let name = &realm.realm.name;
        Ok(Some(if stored {
            (
                "altered",
                format!(
                    "It names a token of the realm {name}, and is not that token: its other characters were changed or guessed."
                ),
            )
        } else if id.expiry().next().start() <= moment.now {
            (
                "expired_and_forgotten",
                format!(
                    "It was a token of the realm {name}; it expired before {} and was forgotten since.",
                    crate::administration::instant(id.expiry().next().start())
                ),
            )
        } else if id.store_generation() != self.node.store_generation() {
            (
                "of_another_store",
                format!(
                    "It was issued by generation {} of this store, which is generation {} now: a restore lies between.",
                    id.store_generation(),
                    self.node.store_generation()
                ),
            )
        } else {
            ("not_in_store", format!("It names a token of the realm {name} that the store does not have."))
        }))
    }
}

/// Our prefix with something else after it.
fn looks_like(realm: &RealmState, token: &str) -> Option<Told> {
    let record = &realm.realm;
    let prefixes = [&record.access_token_prefix, &record.refresh_token_prefix];
    let prefix = prefixes
        .into_iter()
        .find(|prefix| token.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('_')))?;
    Some((
        "mistyped",
        format!(
            "It begins like a token of ours ({prefix}_) and its checksum or its handle does not fit: it was mistyped, cut off or made up."
        ),
    ))
}

/// Why a JWT is none of this realm's; `None` when it does not even claim to be.
fn why_no_jwt(realm: &RealmState, token: &str) -> Option<Told> {
    let name = &realm.realm.name;
    let compact = match Compact::parse(token) {
        Ok(compact) => compact,
        Err(error) => return Some(("malformed_jwt", format!("It looks like a JWT and is none: {error}."))),
    };
    let kid = compact.header().kid()?.to_owned();
    let entry = realm.key_by_kid(&kid)?;
    let Some(typ) = compact.header().typ().map(str::to_owned) else {
        return Some(("wrong_typ", "It has no typ: access tokens of ours have one.".to_owned()));
    };
    let Ok(verified) = compact.verify(entry.key.verifying_key()) else {
        return Some((
            "bad_signature",
            format!("It names the key {kid} of the realm {name}, and its signature is not of that key."),
        ));
    };
    let Ok(claims) = verified.claims() else {
        return Some((
            "malformed_claims",
            "Its signature is ours, and its claims are not well-formed.".to_owned(),
        ));
    };
    Some(why_not_ours(realm, &claims, &typ))
}

/// A JWT that we signed, and that is no access token that we know.
fn why_not_ours(realm: &RealmState, claims: &Claims, typ: &str) -> Told {
    let name = &realm.realm.name;
    match claims.required_string("iss") {
        Ok(issuer) if issuer != realm.issuer => {
            return (
                "other_issuer",
                format!(
                    "It was issued under the name {issuer}; the realm {name} is called {} now.",
                    realm.issuer
                ),
            );
        }
        Err(_) => return ("other_issuer", "It names no issuer.".to_owned()),
        Ok(_) => {}
    }
    if let Ok(Some(audiences)) = claims.audience() {
        let known = |audience: &&str| **audience == realm.issuer || realm.api_by_audience(audience).is_some();
        if let Some(audience) = audiences.iter().find(|audience| !known(audience)) {
            return ("api_gone", format!("It is for {audience}, and the realm {name} has no such API."));
        }
    }
    if let Ok(client_id) = claims.required_string("client_id")
        && realm.client_by_name(client_id).is_none()
    {
        return (
            "client_gone",
            format!("It was issued to the client {client_id}, which the realm {name} no longer has."),
        );
    }
    (
        "not_in_store",
        format!(
            "We signed it (typ {typ}), and the store has no record of it: it expired and was forgotten, or is no access token."
        ),
    )
}

/// The token of a JWT that a retired key of this realm signed.
pub(super) fn token_under_retired_key(realm: &RealmState, token: &str) -> Option<AccessToken> {
    if !is_jwt_shaped(token) || token.len() > limits::TOKEN_BYTES_MAX {
        return None;
    }
    let compact = Compact::parse(token).ok()?;
    let entry = realm.key_by_kid(compact.header().kid()?)?;
    if entry.record.state != KeyState::Retired {
        return None;
    }
    let claims = compact.verify(entry.key.verifying_key()).ok()?.claims().ok()?;
    token_of_claims(realm, &claims, TokenForm::Jwt(entry.record.id))
}
