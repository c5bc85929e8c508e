//! An issuer, its keys and its tokens, for tests.

use std::sync::LazyLock;

use lydian_jose::{Algorithm, JwkSet, SigningKey};
use lydian_primitives::{Timestamp, base64url};

use crate::{
    Facts, Grant, Keys, Presented, Profile, ProfileBuilder, Rejection, Requirements, RevocationView,
    Standing, Watermarks, decide, verify,
};

pub(super) const ISSUER: &str = "https://as.example";
pub(super) const AUDIENCE: &str = "https://api.example/orders";
/// When the tokens of the tests are issued.
pub(super) const ISSUED_AT: u64 = 1_700_000_000;
/// When they expire.
pub(super) const EXPIRES_AT: u64 = ISSUED_AT + 300;
/// In between.
pub(super) const NOW: u64 = ISSUED_AT + 100;

/// One key of each algorithm: RSA keys take long to make.
pub(super) fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        Algorithm::ALL.into_iter().map(|algorithm| SigningKey::generate(algorithm).unwrap()).collect()
    });
    &KEYS[algorithm as usize]
}

pub(super) fn keys_of(signing: &[&SigningKey]) -> Keys {
    let set = JwkSet::from_keys(signing.iter().map(|key| key.verifying_key().clone()).collect()).unwrap();
    Keys::new(ISSUER, &set)
}

pub(super) fn keys() -> Keys {
    keys_of(&[key(Algorithm::Es256)])
}

pub(super) fn builder() -> ProfileBuilder {
    Profile::builder(ISSUER, [AUDIENCE], [Algorithm::Es256])
}

pub(super) fn profile() -> Profile {
    builder().build().unwrap()
}

/// Claims as an object of JSON, changed by replacing, adding and (with an empty value) removing members.
pub(super) fn claims_with(changes: &[(&str, &str)]) -> String {
    let mut members: Vec<(String, String)> = [
        ("iss", format!("\"{ISSUER}\"")),
        ("sub", "\"alice\"".into()),
        ("aud", format!("\"{AUDIENCE}\"")),
        ("exp", EXPIRES_AT.to_string()),
        ("nbf", ISSUED_AT.to_string()),
        ("iat", ISSUED_AT.to_string()),
        ("jti", "\"AAAAAAAAAAAAAAAAAAAABw\"".into()),
        ("client_id", "\"app\"".into()),
        ("scope", "\"orders:read orders:write\"".into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, value) in changes {
        members.retain(|(other, _)| other != name);
        if !value.is_empty() {
            members.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

pub(super) fn sign(claims: &str) -> String {
    key(Algorithm::Es256).sign_compact("at+jwt", claims.as_bytes()).unwrap()
}

pub(super) fn token_with(changes: &[(&str, &str)]) -> String {
    sign(&claims_with(changes))
}

/// A token with a header of the test's choice: signed like any other, so that nothing but the header can be wrong.
pub(super) fn token_with_header(header: &str, claims: &str) -> String {
    sign_parts(&base64url::encode(header.as_bytes()), &base64url::encode(claims.as_bytes()))
}

/// Signs two parts as they are, with the key for ES256.
pub(super) fn sign_parts(header: &str, payload: &str) -> String {
    let key = aws_key();
    let input = format!("{header}.{payload}");
    let random = aws_lc_rs::rand::SystemRandom::new();
    let signature = key.sign(&random, input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature.as_ref()))
}

fn aws_key() -> aws_lc_rs::signature::EcdsaKeyPair {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let der = key(Algorithm::Es256).to_pkcs8().unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap()
}

pub(super) fn facts_with(changes: &[(&str, &str)]) -> Facts {
    verify(&token_with(changes), &keys(), &profile()).unwrap()
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

/// Decides about facts at a second, without a feed.
pub(super) fn decide_at<'f>(
    facts: &'f Facts,
    requirements: &Requirements,
    presented: &Presented<'_>,
    now: u64,
) -> Result<Grant<'f>, Rejection> {
    let (profile, keys, watermarks) = (profile(), keys(), Watermarks::new());
    let standing = Standing {
        profile: &profile,
        keys: &keys,
        revocation: RevocationView::NoFeed(&watermarks),
        now: at(now),
    };
    decide(facts, requirements, presented, &standing)
}

/// A grant has no `==`: all that tests compare is the rejection.
pub(super) fn rejection_of(decision: Result<Grant<'_>, Rejection>) -> Option<Rejection> {
    decision.err()
}
