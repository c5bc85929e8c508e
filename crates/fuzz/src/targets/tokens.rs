//! Strings and bytes that only this server makes: opaque tokens, handles, sealed secrets.

use lydian_domain::TokenId;
use lydian_domain::records::RealmId;
use lydian_domain::secrets::{RealmSecrets, RootKeys, SubjectKind, WrappingKey};
use lydian_domain::token_string::{format_jti, format_opaque, parse_jti, parse_opaque};
use lydian_primitives::{Entropy, Mint, SecretBytes, Timestamp, base64url};

use super::text_of;
use crate::outcome::Outcome;

/// What a secret is sealed for.
const LABEL: &str = "fuzz";

/// The string of an opaque token: what is read makes the same string again.
pub(crate) fn token_string(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    if let Some(handle) = parse_jti(text) {
        assert_eq!(format_jti(handle), text);
    }
    let Some(parts) = parse_opaque("lya", text) else {
        return Outcome::refused((text.len() == 75, text.starts_with("lya_")));
    };
    assert!(parse_opaque("lyr", text).is_none(), "a token of two kinds");
    let body = base64url::decode(&input[5..69]).expect("the body is base64url");
    let random: [u8; 32] = body[16..].try_into().expect("48 bytes");
    assert_eq!(format_opaque("lya", parts.generation, parts.handle, random), text);
    Outcome::accepted(parts.generation)
}

/// Tokens of three generations, and a `jti`.
pub(crate) fn token_string_seeds() -> Vec<Vec<u8>> {
    let token = |generation| format_opaque("lya", generation, [generation; 16], [9; 32]).into_bytes();
    vec![token(0), token(9), token(61), format_jti([1; 16]).into_bytes()]
}

/// A handle, and a number for one: both ways lead back, and no handle is of two kinds.
pub(crate) fn handle(input: &[u8]) -> Outcome {
    let secrets = realm_secrets();
    let cipher = secrets.token_handles();
    if let Some(number) = input.first_chunk::<8>() {
        let number = u64::from_be_bytes(*number);
        if let Some(id) = TokenId::from_number(number) {
            assert_eq!(cipher.token_of(cipher.of_token(id)), Some(id));
            assert_eq!(TokenId::from_stored(id.as_stored()), id);
            assert!(TokenId::first_of(id.expiry()) <= id);
        }
        let of_user = cipher.of_subject(SubjectKind::User, number);
        assert_eq!(cipher.subject_of(SubjectKind::User, of_user), Some(number));
        assert_eq!(cipher.subject_of(SubjectKind::Grant, of_user), None);
        assert_eq!(cipher.token_of(of_user), None);
    }
    let Some(handle) = input.first_chunk::<16>() else {
        return Outcome::refused("short");
    };
    match cipher.token_of(*handle) {
        None => Outcome::refused("foreign"),
        Some(id) => {
            assert_eq!(cipher.of_token(id), *handle, "two handles of one token");
            Outcome::accepted(id.store_generation())
        }
    }
}

/// Handles of tokens, each followed by nothing.
pub(crate) fn handle_seeds() -> Vec<Vec<u8>> {
    let secrets = realm_secrets();
    let handle = |number| {
        TokenId::from_number(number)
            .map(|id| secrets.token_handles().of_token(id).to_vec())
            .unwrap_or_default()
    };
    vec![handle(0), handle(1), handle(500_000 << 40 | 1 << 32 | 7), handle(u64::MAX >> 1)]
}

fn realm_secrets() -> RealmSecrets {
    let root = RootKeys { handle: SecretBytes::new([1; 32]), peppers: vec![SecretBytes::new([2; 32])] };
    RealmSecrets::derive(&root, RealmId::from_number(1))
}

/// A sealed secret: it opens only when it is one that was sealed, byte for byte, and for its own label alone.
pub(crate) fn wrapped_secret(input: &[u8]) -> Outcome {
    let key = WrappingKey::new(SecretBytes::new([7; 32]));
    match key.unwrap(LABEL, input) {
        Err(_) => Outcome::refused(input.len().min(29)),
        Ok(plain) => {
            assert!(
                wrapped_secret_seeds().iter().any(|sealed| sealed == input),
                "opened, and nobody sealed it"
            );
            assert!(key.unwrap("another label", input).is_err(), "opened for another label");
            Outcome::accepted(plain.len())
        }
    }
}

/// Sealed secrets of a few sizes.
pub(crate) fn wrapped_secret_seeds() -> Vec<Vec<u8>> {
    let key = WrappingKey::new(SecretBytes::new([7; 32]));
    let mint = Mint::new(Timestamp::EPOCH, &Fixed);
    [&b""[..], b"x", &[5; 32], &[6; 200]].iter().map(|plain| key.wrap(LABEL, plain, &mint)).collect()
}

/// The same bytes each time, so that the same secrets are sealed in each run.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(3);
    }
}
