//! Making keys and tokens.

use aws_lc_rs::signature::UnparsedPublicKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use lydian_primitives::{base64url, limits};

use super::support::*;
use crate::{Algorithm, Compact, KeyError, KeyType, SigningKey, VerifyingKey};

#[test]
fn jws_09_a_signature_may_bring_its_key_which_counts_only_for_who_asks_for_it() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap();
        let proof = key.sign_compact_with_jwk("dpop+jwt", b"{}").unwrap();
        let compact = crate::Compact::parse(&proof).unwrap();
        let jwk = compact.header().member("jwk").unwrap();
        let brought = crate::VerifyingKey::from_jwk_value_for(jwk, algorithm).unwrap();
        assert_eq!(brought.thumbprint(), key.kid());
        assert!(compact.verify(&brought).is_ok());
        assert_eq!(key.sign_compact_with_jwk("a\"b", b"{}").err(), Some(KeyError::TypNotPlain));
        assert_eq!(key.sign_compact_with_jwk("a", b"").err(), Some(KeyError::PayloadEmpty));
    }
}

#[test]
fn jwt_07_what_we_sign_has_the_three_header_members_and_verifies() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let text = key.sign_compact("at+jwt", br#"{"sub":"alice"}"#).unwrap();
        let header = base64url::decode(text.split('.').next().unwrap().as_bytes()).unwrap();
        let expected = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, algorithm.name(), key.kid());
        assert_eq!(String::from_utf8(header).unwrap(), expected);
        let verified = Compact::parse(&text).unwrap().verify(key.verifying_key()).unwrap();
        assert_eq!(verified.payload(), br#"{"sub":"alice"}"#);
        assert_eq!(verified.header().kid(), Some(key.kid()));
        assert_eq!(verified.header().algorithm(), algorithm);
        assert_eq!(verified.claims().unwrap().string("sub"), Ok(Some("alice")));
    }
}

/// Checks our signature through aws-lc-rs alone: nothing of this crate but the JWK text takes part.
fn verify_independently(algorithm: Algorithm, jwk: &serde_json::Value, message: &[u8], signature: &[u8]) {
    let number = |name: &str| base64url::decode(jwk[name].as_str().unwrap().as_bytes()).unwrap();
    let rsa = |parameters: &RsaParameters| {
        RsaPublicKeyComponents { n: number("n"), e: number("e") }
            .verify(parameters, message, signature)
            .unwrap();
    };
    let raw = |algorithm: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).unwrap();
    };
    let point = || [vec![4], number("x"), number("y")].concat();
    match algorithm {
        Algorithm::Rs256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => raw(&ECDSA_P256_SHA256_FIXED, point()),
        Algorithm::Es384 => raw(&ECDSA_P384_SHA384_FIXED, point()),
        Algorithm::Es512 => raw(&ECDSA_P521_SHA512_FIXED, point()),
        Algorithm::EdDsa => raw(&ED25519, number("x")),
    }
}

#[test]
fn what_we_sign_verifies_without_our_verifier() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let text = key.sign_compact("JWT", b"{}").unwrap();
        let (message, signature) = text.rsplit_once('.').unwrap();
        let signature = base64url::decode(signature.as_bytes()).unwrap();
        verify_independently(algorithm, &jwk(key.verifying_key()), message.as_bytes(), &signature);
    }
}

#[test]
fn jws_14_new_rsa_keys_have_the_size_that_fits_their_hash() {
    for (algorithm, bytes) in [(Algorithm::Ps256, 256), (Algorithm::Rs384, 384), (Algorithm::Ps512, 512)] {
        let key = SigningKey::generate(algorithm).unwrap();
        assert_eq!(key.signature(b"message").unwrap().len(), bytes);
        assert_eq!(jwk(key.verifying_key())["e"], "AQAB");
    }
}

#[test]
fn jwk_09_the_kid_of_a_new_key_is_its_thumbprint() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        assert_eq!(key.kid(), key.verifying_key().thumbprint());
        assert_eq!(key.verifying_key().kid(), Some(key.kid()));
        assert_eq!(key.kid().len(), 43);
    }
}

#[test]
fn private_keys_survive_pkcs_8() {
    for algorithm in Algorithm::ALL {
        let der = key(algorithm).to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &der).unwrap();
        assert_eq!(again.kid(), key(algorithm).kid());
        let text = again.sign_compact("JWT", b"{}").unwrap();
        assert!(Compact::parse(&text).unwrap().verify(key(algorithm).verifying_key()).is_ok());
    }
}

#[test]
fn jws_05_a_private_key_is_not_taken_for_another_algorithm_than_its_type_serves() {
    for made_for in Algorithm::ALL {
        let der = key(made_for).to_pkcs8().unwrap();
        for algorithm in Algorithm::ALL {
            let fits = algorithm.key_type() == made_for.key_type() && algorithm.curve() == made_for.curve();
            let error = SigningKey::from_pkcs8(algorithm, &der).err();
            let expected = if fits { None } else { Some(KeyError::PrivateKeyRejected) };
            assert_eq!(error, expected, "{made_for:?} as {algorithm:?}");
        }
    }
}

#[test]
fn what_is_no_private_key_is_refused() {
    let whole = key(Algorithm::Es256).to_pkcs8().unwrap();
    let public =
        base64url::decode(jwk(key(Algorithm::Es256).verifying_key())["x"].as_str().unwrap().as_bytes());
    let cases: [&[u8]; 5] = [
        b"",
        b"/etc/lydian/key.pem",
        &whole[..whole.len() - 1],
        &public.unwrap(),
        b"-----BEGIN PRIVATE KEY-----",
    ];
    for der in cases {
        for algorithm in Algorithm::ALL {
            assert_eq!(SigningKey::from_pkcs8(algorithm, der).err(), Some(KeyError::PrivateKeyRejected));
        }
    }
}

#[test]
fn jws_03_we_do_not_sign_what_our_verifier_would_refuse() {
    let key = key(Algorithm::Es256);
    assert_eq!(key.sign_compact("JWT", b""), Err(KeyError::PayloadEmpty));
    for typ in ["", "a\"b", "a\\b", "a b", "a\nb", "\u{e9}", "a\0", &"a".repeat(limits::KID_BYTES_MAX + 1)] {
        assert_eq!(key.sign_compact(typ, b"{}"), Err(KeyError::TypNotPlain), "{typ:?}");
    }
    let mut longest = 0;
    for length in 12_000..12_400 {
        match key.sign_compact("JWT", &vec![b' '; length]) {
            Ok(text) => {
                assert!(text.len() <= limits::JWT_BYTES_MAX && Compact::parse(&text).is_ok());
                longest = length;
            }
            Err(error) => {
                assert_eq!(error, KeyError::PayloadTooLong);
                assert_eq!(length, longest + 1);
                return;
            }
        }
    }
    panic!("no payload was too long");
}

#[test]
fn private_keys_do_not_print() {
    for algorithm in Algorithm::ALL {
        let printed = format!("{:?}", key(algorithm));
        assert!(printed.starts_with("SigningKey { verifying_key: VerifyingKey { algorithm: "), "{printed}");
        assert!(printed.len() < 300, "{printed}");
    }
}

#[test]
fn the_public_half_can_be_read_back_from_its_jwk() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let public = VerifyingKey::parse_jwk(key.verifying_key().to_jwk_json().as_bytes()).unwrap();
        assert_eq!(public.algorithm(), algorithm);
        assert_eq!(public.kid(), Some(key.kid()));
        assert_eq!(public.to_jwk_json(), key.verifying_key().to_jwk_json());
        assert_eq!(jwk(&public)["kty"], algorithm.key_type().name());
        assert_eq!(jwk(&public).get("crv").is_some(), algorithm.key_type() != KeyType::Rsa);
    }
}
