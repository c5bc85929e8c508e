//! The strings of opaque tokens: `<prefix>_<generation><body><checksum>`.
//!
//! The prefix tells the kind, the generation names the pepper, the body is the handle and 256 random bits, and the checksum
//! lets secret scanners recognise a leaked token without asking anybody.

use lydian_primitives::base64url;

/// The digits of generations and checksums.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A handle of 16 bytes and 32 random bytes.
const BODY_BYTES: usize = 48;

/// [`BODY_BYTES`] in base64url.
const BODY_LENGTH: usize = 64;

/// A 32-bit checksum in base62.
const CHECKSUM_LENGTH: usize = 6;

/// What can be read from an opaque token without any key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpaqueParts {
    /// The generation of the pepper.
    pub generation: u8,
    /// The handle, still encrypted.
    pub handle: [u8; 16],
}

/// Makes the string of a token.
///
/// # Panics
///
/// When `generation` has no digit: there are 62.
pub fn format_opaque(prefix: &str, generation: u8, handle: [u8; 16], random: [u8; 32]) -> String {
    let mut body = [0; BODY_BYTES];
    body[..16].copy_from_slice(&handle);
    body[16..].copy_from_slice(&random);
    let mut token = String::with_capacity(prefix.len() + 2 + BODY_LENGTH + CHECKSUM_LENGTH);
    token.push_str(prefix);
    token.push('_');
    token.push(char::from(*BASE62.get(usize::from(generation)).expect("there are at most 62 generations")));
    base64url::encode_into(&body, &mut token);
    let checksum = checksum(token.as_bytes());
    token.extend(checksum.map(char::from));
    token
}

/// Reads the string of a token of this prefix; `None` when it is not one, was mistyped or cut short.
pub fn parse_opaque(prefix: &str, token: &str) -> Option<OpaqueParts> {
    let rest = token.strip_prefix(prefix)?.strip_prefix('_')?.as_bytes();
    if rest.len() != 1 + BODY_LENGTH + CHECKSUM_LENGTH {
        return None;
    }
    let (covered, found) = token.as_bytes().split_at(token.len() - CHECKSUM_LENGTH);
    if checksum(covered) != found {
        return None;
    }
    let generation = BASE62.iter().position(|digit| *digit == rest[0])?;
    let body: [u8; BODY_BYTES] = base64url::decode_array(&rest[1..=BODY_LENGTH])?;
    let (handle, _random) = body.split_first_chunk::<16>()?;
    Some(OpaqueParts { generation: u8::try_from(generation).ok()?, handle: *handle })
}

/// `jti`: the handle in base64url, 22 characters.
pub fn format_jti(handle: [u8; 16]) -> String {
    base64url::encode(&handle)
}

/// Reads a `jti` of ours.
pub fn parse_jti(jti: &str) -> Option<[u8; 16]> {
    base64url::decode_array(jti.as_bytes())
}

fn checksum(covered: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(covered) as usize;
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        format_opaque("lya", 0, [0xab; 16], [0x5c; 32])
    }

    #[test]
    fn a_token_has_prefix_generation_body_and_checksum() {
        let token = token();
        assert_eq!(token.len(), 75);
        assert!(token.starts_with("lya_0"));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
        assert_eq!(parse_opaque("lya", &token), Some(OpaqueParts { generation: 0, handle: [0xab; 16] }));
    }

    #[test]
    fn every_generation_is_read_back() {
        for generation in 0..62 {
            let token = format_opaque("lyr", generation, [1; 16], [2; 32]);
            assert_eq!(parse_opaque("lyr", &token).map(|parts| parts.generation), Some(generation));
        }
    }

    #[test]
    fn a_mistyped_truncated_or_extended_token_is_none_of_ours() {
        let token = token();
        for position in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'x' { b'y' } else { b'x' };
            assert_eq!(
                parse_opaque("lya", std::str::from_utf8(&bytes).unwrap()),
                None,
                "character {position}"
            );
            assert_eq!(parse_opaque("lya", &token[..position]), None, "cut at {position}");
        }
        assert_eq!(parse_opaque("lya", &format!("{token}x")), None);
        assert_eq!(parse_opaque("lya", ""), None);
        assert_eq!(parse_opaque("lyr", &token), None);
    }

    #[test]
    fn text_of_the_right_length_that_is_not_ascii_is_none_of_ours() {
        let text = format!("lya_{}", "\u{e9}".repeat(40));
        assert_eq!(parse_opaque("lya", &text), None);
        assert_eq!(parse_opaque("lya", &text[..text.len() - 2]), None);
    }

    #[test]
    fn a_jti_has_22_characters_and_leads_back() {
        let jti = format_jti([9; 16]);
        assert_eq!(jti.len(), 22);
        assert_eq!(parse_jti(&jti), Some([9; 16]));
        assert_eq!(parse_jti("short"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = parse_opaque("lya", &text);
            let _ = parse_jti(&text);
        }
    }
}
