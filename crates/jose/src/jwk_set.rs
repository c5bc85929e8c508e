//! Sets of public keys (RFC 7517 §5).

use std::fmt;

use lydian_primitives::limits;

use crate::algorithm::Algorithm;
use crate::json::{Json, JsonError};
use crate::key_error::KeyError;
use crate::verifying::VerifyingKey;

/// Public keys that verify signatures, at least one.
///
/// An RSA key without `alg` appears once for each algorithm that it may serve, so that every key here is bound to
/// one algorithm.
#[derive(Clone, Debug)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
}

/// What became of a JWK Set document.
#[derive(Clone, Debug)]
pub struct JwkSetReading {
    /// The keys that can be used.
    pub keys: JwkSet,
    /// The keys that cannot, in the order of the document.
    pub skipped: Vec<SkippedKey>,
}

/// A key of a JWK Set that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in `keys`, from 0.
    pub index: usize,
    /// Why it is not used.
    pub reason: KeyError,
}

impl JwkSet {
    /// Reads a JWK Set. Keys that are strange, private, symmetric or share a `kid` are skipped, each with a reason.
    ///
    /// # Errors
    ///
    /// [`JwkSetError`] when the document is not a JWK Set or no usable key is left: who verifies must not mistake
    /// an empty set for permission.
    pub fn parse(document: &[u8]) -> Result<JwkSetReading, JwkSetError> {
        if document.len() > limits::JWKS_BYTES_MAX {
            return Err(JwkSetError::TooLong);
        }
        let document = Json::parse(document).map_err(JwkSetError::Json)?;
        let root = document.root();
        if root.as_object().is_none() {
            return Err(JwkSetError::NotAnObject);
        }
        let jwks = root.get("keys").and_then(|keys| keys.as_array()).ok_or(JwkSetError::KeysMissing)?;
        if jwks.len() > limits::JWKS_KEYS_MAX {
            return Err(JwkSetError::TooManyKeys);
        }
        let mut usable = Vec::new();
        let mut skipped = Vec::new();
        for (index, jwk) in jwks.enumerate() {
            match VerifyingKey::all_from_jwk_value(jwk) {
                Ok(keys) => usable.push((index, keys)),
                Err(reason) => skipped.push(SkippedKey { index, reason }),
            }
        }
        let repeated = repeated_kids(usable.iter().filter_map(|(_, keys)| keys.first()?.kid()));
        let mut keys = Vec::new();
        for (index, bound_keys) in usable {
            let kid = bound_keys.first().and_then(|key| key.kid());
            if kid.is_some_and(|kid| repeated.iter().any(|other| other == kid)) {
                skipped.push(SkippedKey { index, reason: KeyError::KidRepeated });
            } else {
                keys.extend(bound_keys);
            }
        }
        skipped.sort_unstable_by_key(|skipped| skipped.index);
        if keys.is_empty() {
            return Err(JwkSetError::NoUsableKey(skipped));
        }
        Ok(JwkSetReading { keys: Self { keys }, skipped })
    }

    /// The set of these keys, such as our own.
    ///
    /// # Errors
    ///
    /// [`JwkSetError::KidRepeated`] when two keys share a `kid`, [`JwkSetError::NoUsableKey`] without keys.
    pub fn from_keys(keys: Vec<VerifyingKey>) -> Result<Self, JwkSetError> {
        if keys.is_empty() {
            return Err(JwkSetError::NoUsableKey(Vec::new()));
        }
        if keys.len() > limits::JWKS_KEYS_MAX {
            return Err(JwkSetError::TooManyKeys);
        }
        if !repeated_kids(keys.iter().filter_map(VerifyingKey::kid)).is_empty() {
            return Err(JwkSetError::KidRepeated);
        }
        Ok(Self { keys })
    }

    /// All keys, in the order of the document.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The key with this `kid` that is bound to this algorithm.
    pub fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.algorithm() == algorithm && key.kid() == Some(kid))
    }

    /// Whether a key has this `kid`, whatever its algorithm.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The set as a JWK Set document that holds public members alone (RFC 7517 §5).
    pub fn to_json(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(VerifyingKey::to_jwk_json).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }
}

fn repeated_kids<'a>(kids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut kids: Vec<&str> = kids.collect();
    kids.sort_unstable();
    let mut repeated: Vec<String> = Vec::new();
    for pair in kids.windows(2) {
        if let [first, second] = pair
            && first == second
        {
            repeated.push((*first).to_owned());
        }
    }
    repeated
}

/// Why a document gave no set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwkSetError {
    /// It is not strict JSON.
    Json(JsonError),
    /// It has no array `keys` (RFC 7517 §5.1).
    KeysMissing,
    /// Two keys share a `kid`.
    KidRepeated,
    /// None of its keys can be used, for these reasons.
    NoUsableKey(Vec<SkippedKey>),
    /// It is not a JSON object.
    NotAnObject,
    /// It is longer than `limits::JWKS_BYTES_MAX`.
    TooLong,
    /// It holds more keys than `limits::JWKS_KEYS_MAX`.
    TooManyKeys,
}

impl fmt::Display for JwkSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "read JWK Set",
            Self::KeysMissing => "JWK Set has no array of keys",
            Self::KidRepeated => "two keys of the JWK Set have the same kid",
            Self::NoUsableKey(_) => "JWK Set holds no usable key",
            Self::NotAnObject => "JWK Set is not a JSON object",
            Self::TooLong => "JWK Set is too long",
            Self::TooManyKeys => "JWK Set holds too many keys",
        })
    }
}

impl std::error::Error for JwkSetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}
