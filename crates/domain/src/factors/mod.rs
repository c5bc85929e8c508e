//! Second factors: codes of authenticator apps, recovery codes, and what a passkey says.
//!
//! Everything here is a decision over bytes that a stranger may have sent. Where a factor is kept is the store's business, which page asks
//! for it is the service's. Begin with [`totp::judge`] and [`webauthn::prove`].

pub mod cbor;
pub mod recovery;
pub mod totp;
pub mod webauthn;

/// The letters of Base32 (RFC 4648 §6).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base32 without padding (RFC 4648 §6): what people and authenticator apps can type.
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0_u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let block = u64::from_be_bytes(block);
        for letter in 0..(chunk.len() * 8).div_ceil(5) {
            text.push(char::from(ALPHABET[(block >> (35 - 5 * letter)) as usize & 31]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_standard() {
        // RFC 4648 §10, without padding.
        for (plain, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), encoded);
        }
    }
}
