//! The Authorization header: Basic credentials of a client (RFC 6749 §2.3.1) and Bearer tokens (RFC 6750 §2.1).

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use lydian_primitives::{Secret, limits};

use crate::form;

/// Padding may be there or not; trailing bits must be zero.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why an Authorization header cannot be used. The scheme decides how the refusal is challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Basic credentials that cannot be read.
    BasicMalformed,
    /// A Bearer token outside of the grammar `b64token`.
    BearerMalformed,
    /// A scheme that is not offered.
    SchemeUnknown,
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BasicMalformed => "the Basic credentials are malformed",
            Self::BearerMalformed => "the Bearer token is malformed",
            Self::SchemeUnknown => "the authentication scheme is not offered",
        })
    }
}

impl std::error::Error for AuthorizationError {}

/// The client's name and secret as they came by Basic authentication.
#[derive(Clone, Debug)]
pub struct BasicCredentials {
    /// `client_id`, decoded.
    pub client_id: String,
    /// `client_secret`, decoded.
    pub client_secret: Secret,
}

/// What an Authorization header presents.
#[derive(Clone, Debug)]
pub enum Authorization<'a> {
    /// A client with its secret.
    Basic(BasicCredentials),
    /// An access token.
    Bearer(&'a str),
}

impl<'a> Authorization<'a> {
    /// Reads the value of one Authorization header. Schemes compare without case (RFC 9110 §11.1).
    ///
    /// # Errors
    ///
    /// [`AuthorizationError`] by scheme.
    pub fn parse(value: &'a [u8]) -> Result<Self, AuthorizationError> {
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at(end);
        let credentials = rest.get(1..).unwrap_or(&[]);
        if scheme.eq_ignore_ascii_case(b"basic") {
            return parse_basic(credentials).map(Self::Basic).ok_or(AuthorizationError::BasicMalformed);
        }
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return parse_bearer(credentials).map(Self::Bearer).ok_or(AuthorizationError::BearerMalformed);
        }
        Err(AuthorizationError::SchemeUnknown)
    }
}

/// Splits at the first colon, then decodes both halves as form values (RFC 6749 §2.3.1).
fn parse_basic(credentials: &[u8]) -> Option<BasicCredentials> {
    if credentials.len() > (limits::CLIENT_ID_BYTES_MAX + limits::CLIENT_SECRET_BYTES_MAX) * 4 {
        return None;
    }
    let pair = zeroize::Zeroizing::new(BASIC.decode(credentials).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let client_id = form::decode(&pair[..colon]).ok()?;
    let client_secret = form::decode(&pair[colon + 1..]).ok()?;
    let sizes_fit = client_id.len() <= limits::CLIENT_ID_BYTES_MAX
        && client_secret.len() <= limits::CLIENT_SECRET_BYTES_MAX;
    if !sizes_fit || client_id.is_empty() || client_secret.is_empty() {
        return None;
    }
    Some(BasicCredentials {
        client_id: client_id.into_owned(),
        client_secret: Secret::new(client_secret.into_owned()),
    })
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
fn parse_bearer(credentials: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(credentials).ok()?;
    let stem = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let well_formed = !stem.is_empty() && stem.bytes().all(allowed) && text.len() <= limits::TOKEN_BYTES_MAX;
    well_formed.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASIC.encode(pair))
    }

    #[track_caller]
    fn check_basic(pair: &str, client_id: &str, client_secret: &str) {
        let header = basic(pair);
        let Ok(Authorization::Basic(credentials)) = Authorization::parse(header.as_bytes()) else {
            panic!("{pair:?} was refused");
        };
        assert_eq!(
            (credentials.client_id.as_str(), credentials.client_secret.expose()),
            (client_id, client_secret)
        );
    }

    #[track_caller]
    fn check_error(header: &str, expected: AuthorizationError) {
        assert_eq!(Authorization::parse(header.as_bytes()).unwrap_err(), expected, "{header:?}");
    }

    #[test]
    fn oau_01_basic_splits_at_the_first_colon_and_decodes_both_halves() {
        check_basic("id:secret", "id", "secret");
        check_basic("id:a:b", "id", "a:b");
        check_basic("id:a%3Ab%25", "id", "a:b%");
        check_basic("i%3Ad:s", "i:d", "s");
        check_basic("id:a+b%20c%2B", "id", "a b c+");
        check_basic("id:%C3%A9", "id", "\u{e9}");
    }

    #[test]
    fn basic_that_cannot_be_read_is_malformed() {
        for header in ["Basic", "Basic ", "Basic !!!", &basic("nocolon"), &basic(":secret"), &basic("id:")] {
            check_error(header, AuthorizationError::BasicMalformed);
        }
        check_error(&basic("id:%zz"), AuthorizationError::BasicMalformed);
        check_error(&basic(&format!("{}:s", "i".repeat(257))), AuthorizationError::BasicMalformed);
        check_error(&basic(&format!("id:{}", "s".repeat(1_025))), AuthorizationError::BasicMalformed);
    }

    #[test]
    fn w16_schemes_compare_without_case() {
        for header in ["bearer abc", "BEARER abc", "Bearer abc"] {
            assert!(
                matches!(Authorization::parse(header.as_bytes()), Ok(Authorization::Bearer("abc"))),
                "{header}"
            );
        }
        let lower = basic("id:secret").replace("Basic", "basic");
        assert!(matches!(Authorization::parse(lower.as_bytes()), Ok(Authorization::Basic(_))));
    }

    #[test]
    fn bea_01_a_bearer_token_follows_the_grammar_b64token() {
        for header in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a\u{1}",
            "Bearer =",
            "Bearer a=b",
        ] {
            check_error(header, AuthorizationError::BearerMalformed);
        }
        assert!(matches!(Authorization::parse(b"Bearer a.b-c_d~e+f/g=="), Ok(Authorization::Bearer(_))));
    }

    #[test]
    fn other_schemes_are_unknown() {
        for header in ["", "Digest a", "Negotiate", "basic:", "Basi abc"] {
            check_error(header, AuthorizationError::SchemeUnknown);
        }
    }

    #[test]
    fn credentials_do_not_print() {
        let header = basic("id:hunter2");
        let printed = format!("{:?}", Authorization::parse(header.as_bytes()));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(value: Vec<u8>) {
            let _ = Authorization::parse(&value);
        }
    }
}
