//! Keys and small builders that the tests share.

use std::sync::LazyLock;

use crate::{Algorithm, SigningKey};

/// One key per algorithm, made once: RSA keys take long to make.
pub(super) fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        // RSA keys of 2048 bits serve all six algorithms here; the sizes that `generate` chooses have their own test.
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap();
        let make = |algorithm: Algorithm| match algorithm.curve() {
            None => SigningKey::from_pkcs8(algorithm, &rsa),
            Some(_) => SigningKey::generate(algorithm),
        };
        Algorithm::ALL.into_iter().map(|algorithm| make(algorithm).unwrap()).collect()
    });
    &KEYS[algorithm as usize]
}
