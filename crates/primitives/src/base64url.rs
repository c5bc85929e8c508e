//! base64url without padding (RFC 4648 §5), strict: one text for each sequence of bytes.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Refuses padding, white space, `+`, `/` and trailing bits that are not zero (RFC 7515 §2).
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// The text for `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

/// Appends the text for `bytes` to `text`.
pub fn encode_into(bytes: &[u8], text: &mut String) {
    STRICT.encode_string(bytes, text);
}

/// Appends the text for a handle of 16 bytes, 22 characters, to `text`.
pub fn encode_array_into(bytes: [u8; 16], text: &mut Vec<u8>) {
    let mut buffer = [0_u8; 22];
    let length = STRICT.encode_slice(bytes, &mut buffer).unwrap_or(0);
    text.extend_from_slice(&buffer[..length]);
}

/// The bytes of `text`, or `None` when it is not the one canonical text for them.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STRICT.decode(text).ok()
}

/// The bytes of `text` when it is the canonical text for exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // The decoder wants room for its estimate, which may exceed the exact length by two.
    let mut buffer = [0_u8; 72];
    if N + 2 > buffer.len() || text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let length = STRICT.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..length)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jws_02_only_the_canonical_text_is_decoded() {
        for text in ["QQ==", "QQ=", "Q Q", "QQ\n", "Q+", "Q/", "QR", "Q", "\u{e9}A"] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(decode(b"QQ"), Some(vec![0x41]));
        assert_eq!(decode(b""), Some(Vec::new()));
    }

    #[test]
    fn arrays_have_exactly_their_length() {
        let text = encode(&[7; 48]);
        assert_eq!(text.len(), 64);
        assert_eq!(decode_array::<48>(text.as_bytes()), Some([7; 48]));
        assert_eq!(decode_array::<47>(text.as_bytes()), None);
        assert_eq!(decode_array::<16>(encode(&[9; 16]).as_bytes()), Some([9; 16]));
    }
}
