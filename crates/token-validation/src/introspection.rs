//! From an introspection answer to facts (RFC 7662 §2.2).

use lydian_jose::{Claims, ClaimsError};
use lydian_revocation::Seq;

use crate::facts::{Facts, Members, Origin};
use crate::profile::Profile;
use crate::rejection::Rejection;

/// Reads what the issuer answered about `token`. The facts have the form of those of a JWT, and [`crate::decide`] judges both alike.
///
/// `asked_at` is the position of the revocation feed that had been applied *before* the issuer was asked, `Seq::ZERO` without one.
/// Types are strict: `"active":"true"` is not true. The caller has checked that the answer came from the issuer: the connection
/// was authenticated, the status was 200, no redirect was followed.
///
/// # Errors
///
/// [`Rejection::Inactive`] when the issuer says so. [`Rejection::AnswerMalformed`] when the answer cannot be understood, which is
/// the issuer's fault and not the caller's.
pub fn introspection_facts(
    answer: Vec<u8>,
    token: &str,
    asked_at: Seq,
    profile: &Profile,
) -> Result<Facts, Rejection> {
    let claims = Claims::vouched_for(answer).map_err(Rejection::AnswerMalformed)?;
    let members = Members::find(&claims);
    let active = members.active.ok_or(Rejection::AnswerMalformed(ClaimsError::Missing("active")))?;
    let active = active.as_bool().ok_or(Rejection::AnswerMalformed(ClaimsError::WrongType("active")))?;
    if !active {
        return Err(Rejection::Inactive);
    }
    if let Some(issuer) = members.iss {
        let issuer = issuer.as_str().ok_or(Rejection::AnswerMalformed(ClaimsError::WrongType("iss")))?;
        if issuer != profile.issuer() {
            return Err(Rejection::IssuerOther);
        }
    }
    let facts = match Facts::read(&members, token, profile, Origin::Introspected { asked_at }) {
        Ok(facts) => facts,
        // A refresh token, or a kind of token that is none of ours: active, and no credential here.
        Err(ClaimsError::OutOfRange("token_type")) => return Err(Rejection::TypeOther),
        Err(error) => return Err(Rejection::AnswerMalformed(error)),
    };
    let facts = facts(claims);
    if facts.expires_at.is_none() && !profile.settings.accepts_answers_without_expiry {
        return Err(Rejection::AnswerMalformed(ClaimsError::Missing("exp")));
    }
    Ok(facts)
}
