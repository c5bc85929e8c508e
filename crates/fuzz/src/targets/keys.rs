//! Keys of the targets: made from fixed numbers, so that an input that was found verifies in the next run too.

use std::sync::OnceLock;

use lydian_jose::{Algorithm, JwkSet, SigningKey};

/// An Ed25519 key whose signatures are always the same.
pub(crate) fn ed25519() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let before = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        key(Algorithm::EdDsa, &before)
    })
}

/// A P-256 key.
pub(crate) fn p256() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let before = [
            0x30, 0x41, 2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86,
            0x48, 0xce, 0x3d, 3, 1, 7, 4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20,
        ];
        key(Algorithm::Es256, &before)
    })
}

/// An RSA key, which cannot be made from a fixed number.
pub(crate) fn rsa() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::Rs256).expect("an RSA key can be made"))
}

/// The public halves of all of them.
pub(crate) fn set() -> &'static JwkSet {
    static SET: OnceLock<JwkSet> = OnceLock::new();
    SET.get_or_init(|| {
        let keys = [ed25519(), p256(), rsa()].map(|key| key.verifying_key().clone());
        JwkSet::from_keys(keys.to_vec()).expect("three keys with three names")
    })
}

/// The key with these bytes before its 32 secret ones in PKCS#8 (RFC 5958).
fn key(algorithm: Algorithm, before: &[u8]) -> SigningKey {
    let der = [before, &[7; 32]].concat();
    SigningKey::from_pkcs8(algorithm, &der).expect("the encoding is fixed")
}
