//! The keys of one issuer, as they are published now.

use std::fmt;

use lydian_jose::{Algorithm, Header, JwkSet, VerifyingKey};

use crate::coordinates;
use crate::verify::ACCESS_TOKEN_TYPE;

/// The public keys of one issuer. Keys of several issuers never lie in one set (RFC 8725 §3.8).
///
/// Each time that a key set is fetched makes a new value. Facts remember under which key they were established; whether it is still
/// published is asked on every request.
#[derive(Clone)]
pub struct Keys {
    issuer: Box<str>,
    keys: Box<[PublishedKey]>,
}

#[derive(Clone)]
pub(crate) struct PublishedKey {
    pub(crate) key: VerifyingKey,
    pub(crate) name: KeyName,
    /// The header that most tokens of this key have, as it stands there, and what was read from it.
    usual_header: Option<(Box<[u8]>, Header)>,
}

/// What a key is recognised by: its thumbprint as a number, and its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName {
    pub(crate) subject: u128,
    pub(crate) algorithm: Algorithm,
}

/// Why no key can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyChoiceError {
    Ambiguous,
    OtherAlgorithm,
    Unknown,
}

impl Keys {
    /// The keys that `issuer` publishes.
    pub fn new(issuer: &str, set: &JwkSet) -> Self {
        let named = |key: &VerifyingKey| {
            let subject = coordinates::of_key(key.thumbprint());
            let usual_header = key.usual_header(ACCESS_TOKEN_TYPE).and_then(|text| {
                let header = Header::read(text.as_bytes()).ok()?;
                Some((text.into_bytes().into(), header))
            });
            let name = KeyName { subject, algorithm: key.algorithm() };
            PublishedKey { key: key.clone(), name, usual_header }
        };
        Self { issuer: issuer.into(), keys: set.keys().iter().map(named).collect() }
    }

    /// Whose keys they are.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether this very key is published.
    pub fn has(&self, name: KeyName) -> bool {
        self.keys.iter().any(|published| published.name == name)
    }

    /// What was read from a header of exactly these bytes, if it is the usual one of a key.
    pub(crate) fn known_header(&self, text: &[u8]) -> Option<&Header> {
        let mut known = self.keys.iter().filter_map(|published| published.usual_header.as_ref());
        known.find(|(usual, _)| **usual == *text).map(|(_, header)| header)
    }

    /// The key for a token: the one that it names, or without a name the only one of its algorithm.
    ///
    /// A key without `kid` serves no token with one, and the other way round only when there is no doubt which key is meant.
    pub(crate) fn choose(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&PublishedKey, KeyChoiceError> {
        let mut of_algorithm = self.keys.iter().filter(|published| published.key.algorithm() == algorithm);
        let Some(kid) = kid else {
            return match (of_algorithm.next(), of_algorithm.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(KeyChoiceError::Unknown),
                (Some(_), Some(_)) => Err(KeyChoiceError::Ambiguous),
            };
        };
        let has_kid = |published: &&PublishedKey| published.key.kid() == Some(kid);
        match of_algorithm.find(has_kid) {
            Some(key) => Ok(key),
            None if self.keys.iter().any(|published| has_kid(&published)) => {
                Err(KeyChoiceError::OtherAlgorithm)
            }
            None => Err(KeyChoiceError::Unknown),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("issuer", &self.issuer).field("count", &self.keys.len()).finish()
    }
}
