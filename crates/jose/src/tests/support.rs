//! Keys and small builders that the tests share.

use std::sync::LazyLock;

use lydian_primitives::base64url;

use crate::{Algorithm, Compact, JwkSet, JwsError, SigningKey, Verified, VerifyingKey};

/// One key per algorithm, made once: RSA keys take long to make.
pub(super) fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        // One RSA key of 2048 bits serves all six algorithms; the sizes that `generate` chooses have their own test.
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap();
        let make = |algorithm: Algorithm| match algorithm.curve() {
            None => SigningKey::from_pkcs8(algorithm, &rsa),
            Some(_) => SigningKey::generate(algorithm),
        };
        Algorithm::ALL.into_iter().map(|algorithm| make(algorithm).unwrap()).collect()
    });
    &KEYS[algorithm as usize]
}

/// A second ES256 key, for everything that must not be accepted from a stranger.
pub(super) fn stranger() -> &'static SigningKey {
    static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
    &STRANGER
}

/// A correctly signed token with exactly this header text, however wrong.
pub(super) fn forge(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let signing_input =
        format!("{}.{}", base64url::encode(header.as_ref()), base64url::encode(payload.as_ref()));
    let signature = key.signature(signing_input.as_bytes()).unwrap();
    format!("{signing_input}.{}", base64url::encode(&signature))
}

/// A token of the ES256 key with this header.
pub(super) fn token_with_header(header: impl AsRef<[u8]>) -> String {
    forge(key(Algorithm::Es256), header, "{}")
}

/// A token of the ES256 key with these claims.
pub(super) fn token_with_payload(payload: impl AsRef<[u8]>) -> String {
    forge(key(Algorithm::Es256), r#"{"alg":"ES256"}"#, payload)
}

/// What the ES256 key says about a token.
pub(super) fn verify(text: impl AsRef<[u8]>) -> Result<Verified, JwsError> {
    Compact::parse(text.as_ref())?.verify(key(Algorithm::Es256).verifying_key())
}

#[track_caller]
pub(super) fn refused(text: impl AsRef<[u8]>, expected: JwsError) {
    assert_eq!(verify(text.as_ref()).err(), Some(expected), "{}", String::from_utf8_lossy(text.as_ref()));
}

#[track_caller]
pub(super) fn accepted(text: impl AsRef<[u8]>) {
    assert_eq!(verify(text.as_ref()).err(), None, "{}", String::from_utf8_lossy(text.as_ref()));
}

/// A set of these keys.
pub(super) fn set_of(keys: &[&SigningKey]) -> JwkSet {
    JwkSet::from_keys(keys.iter().map(|key| key.verifying_key().clone()).collect()).unwrap()
}

/// The public JWK of a key as an editable value.
pub(super) fn jwk(key: &VerifyingKey) -> serde_json::Value {
    serde_json::from_str(&key.to_jwk_json()).unwrap()
}
