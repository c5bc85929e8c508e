//! Properties of tokens and keys over random inputs.

use proptest::prelude::*;

use super::support::*;
use crate::json::Json;
use crate::{Algorithm, Compact, JwkSet, VerifyingKey, verify_with_set};

fn any_algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

/// Bytes that look like a token more often than chance would make them.
fn token_like() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,5}".prop_map(String::into_bytes),
        (".{0,60}", ".{0,60}", prop::collection::vec(any::<u8>(), 0..80)).prop_map(
            |(header, payload, signature)| {
                let encode = lydian_primitives::base64url::encode;
                let header = format!("{{\"alg\":\"ES256\"{header}}}");
                format!("{}.{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()), encode(&signature))
                    .into_bytes()
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn jws_01_what_is_signed_verifies_and_comes_back_unchanged(
        algorithm in any_algorithm(),
        payload in prop::collection::vec(any::<u8>(), 1..300),
    ) {
        let text = key(algorithm).sign_compact("JWT", &payload).unwrap();
        let verified = Compact::parse(&text).unwrap().verify(key(algorithm).verifying_key()).unwrap();
        prop_assert_eq!(verified.payload(), payload.as_slice());
    }

    #[test]
    fn jwt_12_any_change_of_one_byte_is_refused(
        algorithm in any_algorithm(),
        position in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"ABCDEFGHabcdefgh01234567-_.".to_vec())],
    ) {
        let mut text = key(algorithm).sign_compact("JWT", br#"{"sub":"alice","exp":1700000000}"#).unwrap().into_bytes();
        let position = position.index(text.len());
        prop_assume!(text[position] != byte);
        text[position] = byte;
        let keys = set_of(&[key(algorithm)]);
        prop_assert!(verify_with_set(&text, &keys, &Algorithm::ALL).is_err());
        if let Ok(token) = Compact::parse(&text) {
            prop_assert!(token.verify(key(algorithm).verifying_key()).is_err());
        }
    }

    #[test]
    fn jwt_12_any_byte_more_or_less_is_refused(
        algorithm in any_algorithm(),
        position in any::<prop::sample::Index>(),
        byte in prop::option::of(any::<u8>()),
    ) {
        let mut text = key(algorithm).sign_compact("JWT", b"{}").unwrap().into_bytes();
        let position = position.index(text.len());
        match byte {
            Some(byte) => text.insert(position, byte),
            None => {
                text.remove(position);
            }
        }
        prop_assert!(verify_with_set(&text, &set_of(&[key(algorithm)]), &Algorithm::ALL).is_err());
    }

    #[test]
    fn jws_03_no_bytes_make_the_parser_panic(text in token_like()) {
        if let Ok(token) = Compact::parse(&text) {
            for algorithm in Algorithm::ALL {
                prop_assert!(token.verify(key(algorithm).verifying_key()).is_err());
            }
        }
    }

    #[test]
    fn jwk_01_no_text_makes_the_key_reader_panic(
        kty in prop::sample::select(vec!["RSA", "EC", "OKP", "oct", ""]),
        crv in prop::sample::select(vec!["P-256", "P-384", "P-521", "Ed25519", ""]),
        first in prop::collection::vec(any::<u8>(), 0..300),
        second in prop::collection::vec(any::<u8>(), 0..70),
        junk in ".{0,20}",
    ) {
        let encode = lydian_primitives::base64url::encode;
        let (first, second) = (encode(&first), encode(&second));
        let jwk = format!(
            r#"{{"kty":"{kty}","crv":"{crv}","x":"{first}","y":"{second}","n":"{first}","e":"{second}"}}"#
        );
        let _ = VerifyingKey::parse_jwk(jwk.as_bytes());
        let _ = VerifyingKey::parse_jwk(junk.as_bytes());
        let _ = JwkSet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes());
        let _ = JwkSet::parse(format!(r#"{{"keys":[{junk}]}}"#).as_bytes());
        let _ = Json::parse(jwk.as_bytes());
    }
}
