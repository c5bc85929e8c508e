//! Private keys and the making of signed tokens.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use lydian_primitives::{base64url, limits};
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Mechanism};
use crate::key_error::KeyError;
use crate::verifying::{PublicKey, VerifyingKey};

/// A private key together with its public key, bound to one algorithm.
///
/// Both halves are one object, so that no call can pair a private key with a foreign public key. The private half
/// does not print, and aws-lc-rs erases it when it is dropped.
pub struct SigningKey {
    key_pair: KeyPair,
    verifying_key: VerifyingKey,
    kid: Box<str>,
    /// The header up to the value of `typ`, and all that follows it.
    header_parts: (String, String),
}

enum KeyPair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new key. RSA keys have 2048 bits for SHA-256, 3072 for SHA-384 and 4096 for SHA-512.
    ///
    /// Its `kid` is its thumbprint (RFC 7638). The randomness comes from aws-lc-rs, which offers no other source.
    ///
    /// # Errors
    ///
    /// [`KeyError::Generation`] when aws-lc-rs fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let key_pair = match algorithm.mechanism() {
            Mechanism::Rsa { generate, .. } => RsaKeyPair::generate(*generate).map(KeyPair::Rsa),
            Mechanism::Ecdsa { sign, .. } => EcdsaKeyPair::generate(sign).map(KeyPair::Ecdsa),
            Mechanism::Ed25519 => Ed25519KeyPair::generate().map(KeyPair::Ed25519),
        };
        Self::new(algorithm, key_pair.map_err(|_| KeyError::Generation)?)
    }

    /// Reads an unencrypted PKCS#8 document (RFC 5958).
    ///
    /// # Errors
    ///
    /// [`KeyError::PrivateKeyRejected`] when it holds no key for `algorithm`; RSA keys are held to the same rules as
    /// public ones.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let key_pair = match algorithm.mechanism() {
            Mechanism::Rsa { .. } => RsaKeyPair::from_pkcs8(der).map(KeyPair::Rsa),
            Mechanism::Ecdsa { sign, .. } => EcdsaKeyPair::from_pkcs8(sign, der).map(KeyPair::Ecdsa),
            Mechanism::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(KeyPair::Ed25519),
        };
        Self::new(algorithm, key_pair.map_err(|_| KeyError::PrivateKeyRejected)?)
    }

    fn new(algorithm: Algorithm, key_pair: KeyPair) -> Result<Self, KeyError> {
        let public_key = key_pair.public_key(algorithm)?;
        let kid = public_key.thumbprint();
        let verifying_key = VerifyingKey::bind(&public_key, algorithm, Some(&kid))?;
        let header_parts = header_parts(algorithm, &kid);
        Ok(Self { key_pair, verifying_key, kid: kid.into(), header_parts })
    }

    /// The key as an unencrypted PKCS#8 document (RFC 5958).
    ///
    /// # Errors
    ///
    /// [`KeyError::Serialization`] when aws-lc-rs fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.key_pair {
            KeyPair::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|document| document.as_ref().to_vec())
            }
            KeyPair::Ecdsa(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            KeyPair::Ed25519(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
        }
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Serialization)
    }

    /// Its `kid`: the thumbprint of the public key (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying_key.algorithm()
    }

    /// The public half.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Signs `payload` as a compact JWS with the header members `alg`, `typ` and `kid` (RFC 7515 §7.1).
    ///
    /// # Errors
    ///
    /// [`KeyError::TypNotPlain`], [`KeyError::PayloadEmpty`] and [`KeyError::PayloadTooLong`] for what our own
    /// verifier would refuse; [`KeyError::Signing`] when aws-lc-rs fails.
    pub fn sign_compact(&self, typ: &str, payload: &[u8]) -> Result<String, KeyError> {
        check_typ_and_payload(typ, payload)?;
        self.sign_parts(&[&self.header_parts.0, typ, &self.header_parts.1].concat(), payload)
    }

    /// Signs `payload` as a compact JWS whose header brings the public key, as proofs of possession do (RFC 9449 §4.2).
    ///
    /// # Errors
    ///
    /// As [`Self::sign_compact`].
    pub fn sign_compact_with_jwk(&self, typ: &str, payload: &[u8]) -> Result<String, KeyError> {
        check_typ_and_payload(typ, payload)?;
        let (name, jwk) = (self.algorithm().name(), self.verifying_key.to_jwk_json());
        self.sign_parts(&format!(r#"{{"typ":"{typ}","alg":"{name}","jwk":{jwk}}}"#), payload)
    }

    fn sign_parts(&self, header: &str, payload: &[u8]) -> Result<String, KeyError> {
        let mut text = String::with_capacity((header.len() + payload.len()) * 4 / 3 + 720);
        base64url::encode_into(header.as_bytes(), &mut text);
        text.push('.');
        base64url::encode_into(payload, &mut text);
        let signature = self.signature(text.as_bytes())?;
        text.push('.');
        base64url::encode_into(&signature, &mut text);
        if text.len() > limits::JWT_BYTES_MAX {
            return Err(KeyError::PayloadTooLong);
        }
        Ok(text)
    }

    /// The raw signature over `message`.
    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        // aws-lc-rs takes this parameter for the sake of compatibility and uses its own generator.
        let random = SystemRandom::new();
        match (&self.key_pair, self.algorithm().mechanism()) {
            (KeyPair::Rsa(pair), Mechanism::Rsa { sign, .. }) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*sign, &random, message, &mut signature).map_err(|_| KeyError::Signing)?;
                Ok(signature)
            }
            (KeyPair::Ecdsa(pair), _) => {
                let signature = pair.sign(&random, message).map_err(|_| KeyError::Signing)?;
                Ok(signature.as_ref().to_vec())
            }
            (KeyPair::Ed25519(pair), _) => Ok(pair.sign(message).as_ref().to_vec()),
            (KeyPair::Rsa(_), _) => Err(KeyError::Signing),
        }
    }
}

/// The header before and after the value of `typ`. Neither name nor thumbprint holds a character that JSON would escape.
pub(crate) fn header_parts(algorithm: Algorithm, kid: &str) -> (String, String) {
    (format!(r#"{{"alg":"{}","typ":""#, algorithm.name()), format!(r#"","kid":"{kid}"}}"#))
}

fn check_typ_and_payload(typ: &str, payload: &[u8]) -> Result<(), KeyError> {
    if payload.is_empty() {
        return Err(KeyError::PayloadEmpty);
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if typ.is_empty() || typ.len() > limits::KID_BYTES_MAX || !typ.bytes().all(plain) {
        return Err(KeyError::TypNotPlain);
    }
    if payload.len() > limits::JWT_BYTES_MAX {
        return Err(KeyError::PayloadTooLong);
    }
    Ok(())
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifying_key", &self.verifying_key).finish_non_exhaustive()
    }
}

impl KeyPair {
    fn public_key(&self, algorithm: Algorithm) -> Result<PublicKey, KeyError> {
        match self {
            Self::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref()).ok_or(KeyError::PrivateKeyRejected)?;
                PublicKey::rsa(n, e)
            }
            Self::Ecdsa(pair) => {
                let curve = algorithm.curve().ok_or(KeyError::AlgorithmMismatch)?;
                Ok(PublicKey::Ec { curve, point: pair.public_key().as_ref().to_vec() })
            }
            Self::Ed25519(pair) => {
                let point =
                    pair.public_key().as_ref().try_into().map_err(|_| KeyError::PrivateKeyRejected)?;
                PublicKey::ed25519(point)
            }
        }
    }
}

/// The modulus and the exponent of an `RSAPublicKey` as aws-lc-rs writes it (RFC 8017 §A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = der_element(der, 0x30)?;
    let (n, rest) = der_element(sequence, 0x02)?;
    let (e, _) = der_element(rest, 0x02)?;
    Some((without_sign_byte(n), without_sign_byte(e)))
}

/// The contents of the first element, which must have this tag, and what follows it.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => {
            rest.split_first_chunk().map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// DER puts a zero byte before numbers whose top bit is set.
fn without_sign_byte(number: &[u8]) -> Vec<u8> {
    number.strip_prefix(&[0]).unwrap_or(number).to_vec()
}
