//! Why a key was refused or could not be used.

use std::fmt;

use crate::json::JsonError;

/// Why a key was refused or could not be used. Names within are names of members, never their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// `alg` is missing and the key type serves several algorithms.
    AlgorithmAmbiguous,
    /// `alg`, `kty` and `crv` do not belong together, or the key is bound to another algorithm.
    AlgorithmMismatch,
    /// `alg` is none of [`crate::Algorithm`].
    AlgorithmUnknown,
    /// A coordinate does not have the full length of its curve (RFC 7518 §6.2.1.2).
    CoordinateLength(&'static str),
    /// `crv` is none that we know.
    CurveUnknown,
    /// The key could not be made.
    Generation,
    /// It is not JSON, or names a member twice.
    Json(JsonError),
    /// `key_ops` and `use` contradict each other (RFC 7517 §4.3).
    KeyOpsContradictUse,
    /// `key_ops` names an operation twice (RFC 7517 §4.3).
    KeyOpsRepeated,
    /// `key_ops` does not hold `verify`.
    KeyOpsWithoutVerify,
    /// `kty` is none that we know.
    KeyTypeUnknown,
    /// Two usable keys of a set carry one `kid`: neither can be meant.
    KidRepeated,
    /// `kid` is longer than `limits::KID_BYTES_MAX`.
    KidTooLong,
    /// A member is not canonical base64url.
    MemberEncoding(&'static str),
    /// A member that the key type requires is missing.
    MemberMissing(&'static str),
    /// A number has leading zero bytes or no bytes at all (RFC 7518 §6.3.1).
    MemberNotMinimal(&'static str),
    /// A member has the wrong JSON type.
    MemberWrongType(&'static str),
    /// The JWK is not a JSON object (RFC 7517 §4).
    NotAnObject,
    /// There is no payload to sign.
    PayloadEmpty,
    /// The signed text would be longer than `limits::JWT_BYTES_MAX`.
    PayloadTooLong,
    /// The point is not on its curve.
    PointNotOnCurve,
    /// The JWK holds private members, where a public key is expected.
    PrivateMember,
    /// The private key is not one, or not one for this algorithm.
    PrivateKeyRejected,
    /// The RSA exponent is even, below 65537 or beyond 33 bits.
    RsaExponent,
    /// The RSA modulus is even.
    RsaModulusEven,
    /// The RSA modulus has fewer than 2048 or more than 8192 bits.
    RsaModulusSize,
    /// The RSA modulus has the fingerprint of CVE-2017-15361 (ROCA): it can be factored.
    RsaModulusWeak,
    /// The private key could not be written.
    Serialization,
    /// The signature could not be made.
    Signing,
    /// The Ed25519 point has small order or is not canonical.
    SmallOrder,
    /// The key is symmetric.
    Symmetric,
    /// `typ` would need escapes in the header.
    TypNotPlain,
    /// `use` is not `sig` (RFC 7517 §4.2).
    UseNotSignature,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoordinateLength(name) => {
                write!(f, "key member {name} does not have the length of its curve")
            }
            Self::MemberEncoding(name) => write!(f, "key member {name} is not canonical base64url"),
            Self::MemberMissing(name) => write!(f, "key member {name} is missing"),
            Self::MemberNotMinimal(name) => write!(f, "key member {name} is not minimal"),
            Self::MemberWrongType(name) => write!(f, "key member {name} has the wrong type"),
            Self::AlgorithmAmbiguous => f.write_str("key does not say which algorithm it is for"),
            Self::AlgorithmMismatch => f.write_str("key does not fit its algorithm"),
            Self::AlgorithmUnknown => f.write_str("key is for an unknown algorithm"),
            Self::CurveUnknown => f.write_str("key is on an unknown curve"),
            Self::Generation => f.write_str("generate key"),
            Self::Json(_) => f.write_str("read key"),
            Self::KeyOpsContradictUse => f.write_str("key_ops and use of the key contradict each other"),
            Self::KeyOpsRepeated => f.write_str("key_ops of the key names an operation twice"),
            Self::KeyOpsWithoutVerify => f.write_str("key_ops of the key does not hold verify"),
            Self::KeyTypeUnknown => f.write_str("key has an unknown type"),
            Self::KidRepeated => f.write_str("another key has the same kid"),
            Self::KidTooLong => f.write_str("kid is too long"),
            Self::NotAnObject => f.write_str("key is not a JSON object"),
            Self::PayloadEmpty => f.write_str("payload to sign is empty"),
            Self::PayloadTooLong => f.write_str("payload to sign is too long"),
            Self::PointNotOnCurve => f.write_str("point of the key is not on its curve"),
            Self::PrivateKeyRejected => f.write_str("private key is malformed or for another algorithm"),
            Self::PrivateMember => f.write_str("key holds private members"),
            Self::RsaExponent => f.write_str("RSA exponent is even, too small or too large"),
            Self::RsaModulusEven => f.write_str("RSA modulus is even"),
            Self::RsaModulusSize => f.write_str("RSA modulus is too short or too long"),
            Self::RsaModulusWeak => f.write_str("RSA modulus is known to be weak"),
            Self::Serialization => f.write_str("write private key"),
            Self::Signing => f.write_str("make signature"),
            Self::SmallOrder => f.write_str("Ed25519 point has small order or is not canonical"),
            Self::Symmetric => f.write_str("key is symmetric"),
            Self::TypNotPlain => f.write_str("typ holds characters that need escapes"),
            Self::UseNotSignature => f.write_str("use of the key is not sig"),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}
