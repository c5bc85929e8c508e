//! Reading the credentials of a request (RFC 6750 §2, RFC 9449 §7.1), as pure functions over the values of its fields.

use lydian_primitives::limits;

use crate::dpop::ProofError;
use crate::rejection::Rejection;

/// An authentication scheme that carries access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449.
    Dpop,
}

impl Scheme {
    /// Its name in the Authorization and WWW-Authenticate fields.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// The fields of a request that matter here, as they were received.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFields<'a> {
    /// The values of all Authorization fields.
    pub authorization: &'a [&'a [u8]],
    /// The values of all DPoP fields.
    pub dpop: &'a [&'a [u8]],
    /// Whether the form or the query has a parameter `access_token`. It is never read: tokens do not belong there (RFC 9700 §4.3.2).
    pub has_token_elsewhere: bool,
}

/// An access token as it came, not looked at yet.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The token: never empty, of the characters that tokens have, and no longer than `limits::TOKEN_BYTES_MAX`.
    pub token: &'a str,
    /// The DPoP proof that came with the scheme DPoP.
    pub proof: Option<&'a str>,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Reads the one access token of a request.
///
/// # Errors
///
/// [`Rejection::CredentialsMissing`] and [`Rejection::SchemeUnknown`] when nothing that is of use here was presented; otherwise the
/// rule that the fields break.
pub fn read_credentials<'a>(fields: &RequestFields<'a>) -> Result<Credentials<'a>, Rejection> {
    let field = match fields.authorization {
        [] => return Err(Rejection::CredentialsMissing),
        [one] => *one,
        [_, _, ..] => return Err(Rejection::AuthorizationRepeated),
    };
    let (scheme, token) = read_authorization(field)?;
    if fields.has_token_elsewhere {
        return Err(Rejection::TokenInTwoPlaces);
    }
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(Rejection::TokenTooLong);
    }
    let proof = match (scheme, fields.dpop) {
        (Scheme::Bearer, _) => None,
        (Scheme::Dpop, []) => return Err(ProofError::Missing.into()),
        (Scheme::Dpop, [one]) => Some(std::str::from_utf8(one).map_err(|_| ProofError::Malformed)?),
        (Scheme::Dpop, [_, _, ..]) => return Err(ProofError::Repeated.into()),
    };
    Ok(Credentials { scheme, token, proof })
}

/// `credentials = auth-scheme 1*SP token68` (RFC 9110 §11.4, RFC 6750 §2.1). Schemes compare without case.
fn read_authorization(field: &[u8]) -> Result<(Scheme, &str), Rejection> {
    let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
    let (scheme, rest) = field.split_at(end);
    let scheme = if scheme.eq_ignore_ascii_case(b"bearer") {
        Scheme::Bearer
    } else if scheme.eq_ignore_ascii_case(b"dpop") {
        Scheme::Dpop
    } else {
        return Err(Rejection::SchemeUnknown);
    };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).unwrap_or_default();
    if !is_token68(token) {
        return Err(Rejection::AuthorizationMalformed);
    }
    let token = std::str::from_utf8(token).map_err(|_| Rejection::AuthorizationMalformed)?;
    Ok((scheme, token))
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 9110 §11.2).
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let stem = token.get(..token.len() - padding).unwrap_or_default();
    !stem.is_empty() && stem.iter().all(|byte| IN_TOKEN68[usize::from(*byte)])
}

const IN_TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    table
};
