//! JWTs as attackers and faulty issuers make them: any header, any claims, any signature.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use lydian_jose::SigningKey;
use lydian_primitives::base64url;
use serde_json::Value;

/// The header of a JWT.
#[track_caller]
pub fn header_of(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a JWT. Nothing is verified.
#[track_caller]
pub fn claims_of(token: &str) -> Value {
    part(token, 1)
}

#[track_caller]
fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).expect("a JWT has three parts");
    let bytes = base64url::decode(text.as_bytes()).expect("the part is base64url");
    serde_json::from_slice(&bytes).expect("the part is JSON")
}

/// What is signed: header and payload in base64url.
pub fn signing_input(header: &str, payload: &[u8]) -> String {
    format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload))
}

/// The token of a signing input and a signature.
pub fn joined(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", base64url::encode(signature))
}

/// A token with this header, character by character, and a good ES256 signature of this key.
pub fn es256(key: &SigningKey, header: &str, payload: &[u8]) -> String {
    let der = key.to_pkcs8().expect("the key can be written");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).expect("it is a P-256 key");
    let input = signing_input(header, payload);
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).expect("the key signs");
    joined(&input, signature.as_ref())
}

/// A token with this header and an HS256 tag under this secret.
pub fn hs256(secret: &[u8], header: &str, payload: &[u8]) -> String {
    let input = signing_input(header, payload);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    joined(&input, tag.as_ref())
}
