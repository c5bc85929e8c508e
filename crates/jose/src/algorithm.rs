//! The signature algorithms, in one table that everything else reads.

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaParameters, RsaSignatureEncoding,
};

/// A digital signature algorithm for JWS (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// There is deliberately no `none` and no HMAC: a public key can never be taken for a shared secret here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519, under its old name `EdDSA` and under `Ed25519` (RFC 9864 §2.2).
    EdDsa,
}

impl Algorithm {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Its name in the `alg` member of headers and keys.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The algorithm with exactly this name; case matters (RFC 7515 §4.1.1).
    pub fn from_name(name: &str) -> Option<Self> {
        ALGORITHMS
            .iter()
            .find(|row| row.name == name || row.other_name == Some(name))
            .map(|row| row.algorithm)
    }

    /// The `kty` of its keys.
    pub fn key_type(self) -> KeyType {
        match self.row().mechanism {
            Mechanism::Rsa { .. } => KeyType::Rsa,
            Mechanism::Ecdsa { .. } => KeyType::Ec,
            Mechanism::Ed25519 => KeyType::Okp,
        }
    }

    /// The `crv` of its keys, for the algorithms that fix one.
    pub fn curve(self) -> Option<&'static str> {
        match self.row().mechanism {
            Mechanism::Rsa { .. } => None,
            Mechanism::Ecdsa { curve, .. } => Some(curve),
            Mechanism::Ed25519 => Some("Ed25519"),
        }
    }

    pub(crate) fn mechanism(self) -> &'static Mechanism {
        &self.row().mechanism
    }

    fn row(self) -> &'static Row {
        ALGORITHMS.get(self as usize).expect("the table has a row for each algorithm")
    }
}

/// The `kty` of a key (RFC 7518 §6.1, RFC 8037 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Elliptic curve.
    Ec,
    /// Octet key pair.
    Okp,
    /// RSA.
    Rsa,
}

impl KeyType {
    /// Its name in the `kty` member.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec => "EC",
            Self::Okp => "OKP",
            Self::Rsa => "RSA",
        }
    }
}

/// What aws-lc-rs needs to know about an algorithm.
pub(crate) enum Mechanism {
    Rsa {
        verify: &'static RsaParameters,
        sign: &'static RsaSignatureEncoding,
        generate: KeySize,
    },
    Ecdsa {
        curve: &'static str,
        /// Bytes of one coordinate; a signature is two of them (RFC 7518 §3.4).
        coordinate_bytes: usize,
        verify: &'static EcdsaVerificationAlgorithm,
        sign: &'static EcdsaSigningAlgorithm,
    },
    Ed25519,
}

struct Row {
    algorithm: Algorithm,
    name: &'static str,
    other_name: Option<&'static str>,
    mechanism: Mechanism,
}

const fn rsa(
    algorithm: Algorithm,
    name: &'static str,
    verify: &'static RsaParameters,
    sign: &'static RsaSignatureEncoding,
    generate: KeySize,
) -> Row {
    Row { algorithm, name, other_name: None, mechanism: Mechanism::Rsa { verify, sign, generate } }
}

const fn ecdsa(
    algorithm: Algorithm,
    name: &'static str,
    (curve, coordinate_bytes): (&'static str, usize),
    verify: &'static EcdsaVerificationAlgorithm,
    sign: &'static EcdsaSigningAlgorithm,
) -> Row {
    let mechanism = Mechanism::Ecdsa { curve, coordinate_bytes, verify, sign };
    Row { algorithm, name, other_name: None, mechanism }
}

/// One row per algorithm, in the order of [`Algorithm`].
#[rustfmt::skip]
static ALGORITHMS: [Row; 10] = [
    rsa(Algorithm::Rs256, "RS256", &signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PKCS1_SHA256, KeySize::Rsa2048),
    rsa(Algorithm::Rs384, "RS384", &signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PKCS1_SHA384, KeySize::Rsa3072),
    rsa(Algorithm::Rs512, "RS512", &signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PKCS1_SHA512, KeySize::Rsa4096),
    rsa(Algorithm::Ps256, "PS256", &signature::RSA_PSS_2048_8192_SHA256, &signature::RSA_PSS_SHA256, KeySize::Rsa2048),
    rsa(Algorithm::Ps384, "PS384", &signature::RSA_PSS_2048_8192_SHA384, &signature::RSA_PSS_SHA384, KeySize::Rsa3072),
    rsa(Algorithm::Ps512, "PS512", &signature::RSA_PSS_2048_8192_SHA512, &signature::RSA_PSS_SHA512, KeySize::Rsa4096),
    ecdsa(Algorithm::Es256, "ES256", ("P-256", 32), &signature::ECDSA_P256_SHA256_FIXED, &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
    ecdsa(Algorithm::Es384, "ES384", ("P-384", 48), &signature::ECDSA_P384_SHA384_FIXED, &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
    ecdsa(Algorithm::Es512, "ES512", ("P-521", 66), &signature::ECDSA_P521_SHA512_FIXED, &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
    Row { algorithm: Algorithm::EdDsa, name: "EdDSA", other_name: Some("Ed25519"), mechanism: Mechanism::Ed25519 },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jws_04_the_table_is_in_the_order_of_the_algorithms_and_names_are_unique() {
        for (position, algorithm) in Algorithm::ALL.into_iter().enumerate() {
            assert_eq!(algorithm as usize, position);
            assert_eq!(algorithm.row().algorithm, algorithm);
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn jws_17_ed25519_has_two_names() {
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        assert_eq!(Algorithm::from_name("EdDSA"), Some(Algorithm::EdDsa));
        assert_eq!(Algorithm::from_name("Ed448"), None);
    }

    #[test]
    fn jws_04_names_are_compared_with_case() {
        for name in
            ["rs256", "Rs256", "RS256 ", "", "none", "None", "NONE", "HS256", "ES256K", "ES521", "eddsa"]
        {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }
}
