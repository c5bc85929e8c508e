//! From the bytes of a signed token to facts (RFC 9068 §4, RFC 8725).

use lydian_jose::{ClaimsError, Compact, JwsError};

use crate::facts::{Facts, Members, Origin};
use crate::keys::{KeyChoiceError, Keys};
use crate::profile::Profile;
use crate::rejection::Rejection;

/// The type of a JWT access token (RFC 9068 §2.1).
pub(crate) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Verifies a JWT access token against the keys of its issuer. What comes of it can be kept; [`crate::decide`] judges it.
///
/// Nothing of the claims is looked at before the signature is verified, and nothing in the header but `kid` takes part in the
/// choice of the key. Time plays no part: an expired token has facts too.
///
/// # Errors
///
/// [`Rejection::KeyUnknown`] is the moment to fetch the key set anew, and to try once more. All others are final for this token.
pub fn verify(token: &str, keys: &Keys, profile: &Profile) -> Result<Facts, Rejection> {
    if keys.issuer() != profile.issuer() {
        return Err(Rejection::KeysOfOtherIssuer);
    }
    if token.len() > profile.settings.token_bytes_max {
        return Err(Rejection::TokenTooLong);
    }
    let compact = Compact::parse_with(token, |text| keys.known_header(text)).map_err(refuse_jws)?;
    let header = compact.header();
    if !profile.algorithms().contains(&header.algorithm()) {
        return Err(Rejection::AlgorithmNotAllowed);
    }
    let is_typed = header.typ_is(ACCESS_TOKEN_TYPE);
    let is_legacy = profile.settings.accepts_legacy_type && (header.typ().is_none() || header.typ_is("JWT"));
    if !(is_typed || is_legacy) {
        return Err(Rejection::TypeOther);
    }
    let published = keys.choose(header.kid(), header.algorithm()).map_err(|error| match error {
        KeyChoiceError::Ambiguous => Rejection::KeyAmbiguous,
        KeyChoiceError::OtherAlgorithm => Rejection::AlgorithmNotAllowed,
        KeyChoiceError::Unknown => Rejection::KeyUnknown,
    })?;
    let claims = compact.into_verified(&published.key).map_err(refuse_jws)?.into_claims()?;

    let members = Members::find(&claims);
    let issuer = members.iss.ok_or(ClaimsError::Missing("iss"))?;
    let issuer = issuer.as_str().ok_or(ClaimsError::WrongType("iss"))?;
    if issuer != profile.issuer() {
        return Err(Rejection::IssuerOther);
    }
    // Without its own type an access token is told from other JWTs by what those have and it has not.
    if !is_typed && members.is_of_another_kind {
        return Err(Rejection::TypeOther);
    }
    members.check_required(profile)?;
    let facts = Facts::read(&members, token, profile, Origin::Signed { key: published.name })?;
    let facts = facts(claims);
    if facts.lifetime_seconds().is_some_and(|seconds| seconds > profile.settings.lifetime_seconds_max) {
        return Err(Rejection::LifetimeTooLong);
    }
    Ok(facts)
}

fn refuse_jws(error: JwsError) -> Rejection {
    match error {
        JwsError::AlgorithmNone | JwsError::AlgorithmUnknown | JwsError::AlgorithmMissing => {
            Rejection::AlgorithmNotAllowed
        }
        JwsError::TooLong => Rejection::TokenTooLong,
        other => Rejection::TokenMalformed(other),
    }
}
