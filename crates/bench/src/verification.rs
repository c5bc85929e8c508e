//! The least that a signature costs: aws-lc-rs verifying the same bytes in a loop.
//!
//! Keys are parsed once, tokens are split and decoded before the clock runs, and nothing is looked at but the
//! signature.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::machine::{pin_to, thread_cpu};

/// A token, ready to be verified: what was signed, and the signature.
#[derive(Clone, Debug)]
struct Signed {
    input: Vec<u8>,
    signature: Vec<u8>,
}

/// Tokens and the key that signed them all.
#[derive(Debug)]
pub struct Verification {
    key: ParsedPublicKey,
    algorithm: String,
    tokens: Vec<Signed>,
}

impl Verification {
    /// Prepares the verification of these tokens (RFC 7515 §5.2) with the key of the set that their header names.
    ///
    /// # Errors
    ///
    /// A token is no JWT, its key is not in the set, or the algorithm is not one of those measured.
    pub fn prepare(jwk_set: &Value, jwts: &[String]) -> Result<Self> {
        let first = jwts.first().context("there is no token to verify")?;
        let header = first.split('.').next().unwrap_or_default();
        let header: Value = serde_json::from_slice(&decode(header)?).context("read the header of a token")?;
        let key = find_key(jwk_set, &header["kid"])?;
        let algorithm = header["alg"].as_str().unwrap_or_default().to_owned();
        let key = match algorithm.as_str() {
            "ES256" => ec_key(key, &ECDSA_P256_SHA256_FIXED)?,
            "EdDSA" => ParsedPublicKey::new(&ED25519, member(key, "x")?).context("parse the Ed25519 key")?,
            "PS256" => rsa_key(key, &RSA_PSS_2048_8192_SHA256)?,
            "RS256" => rsa_key(key, &RSA_PKCS1_2048_8192_SHA256)?,
            other => bail!("verification with {other} is not measured"),
        };
        let tokens = jwts.iter().map(|jwt| split(jwt)).collect::<Result<_>>()?;
        Ok(Self { key, algorithm, tokens })
    }

    /// The algorithm of the tokens (RFC 7518 §3.1).
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Verifies for as long as `duration` on `core` and returns the CPU time of one verification in microseconds.
    ///
    /// # Errors
    ///
    /// A signature is wrong, or the core cannot be had.
    pub fn microseconds(&self, duration: Duration, core: usize) -> Result<f64> {
        thread::scope(|scope| {
            let verify = || {
                pin_to(core)?;
                self.verify_for(duration)
            };
            match scope.spawn(verify).join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Whether the signature of the token with this number is right.
    pub fn verify_one(&self, number: usize) -> bool {
        let token = &self.tokens[number];
        self.key.verify_sig(&token.input, &token.signature).is_ok()
    }

    fn verify_for(&self, duration: Duration) -> Result<f64> {
        let (started, cpu) = (Instant::now(), thread_cpu());
        let mut verified = 0_u64;
        for token in self.tokens.iter().cycle() {
            let outcome = self.key.verify_sig(&token.input, &token.signature);
            ensure!(outcome.is_ok(), "a signature of the product is wrong");
            verified += 1;
            if started.elapsed() >= duration {
                break;
            }
        }
        Ok((thread_cpu() - cpu).as_secs_f64() * 1e6 / verified as f64)
    }
}

fn find_key<'a>(jwk_set: &'a Value, kid: &Value) -> Result<&'a Value> {
    let keys = jwk_set["keys"].as_array().context("the key set has no keys")?;
    keys.iter().find(|key| &key["kid"] == kid).with_context(|| format!("the key set has no key {kid}"))
}

/// A point of an elliptic curve, uncompressed (RFC 7518 §6.2.1).
fn ec_key(key: &Value, algorithm: &'static dyn VerificationAlgorithm) -> Result<ParsedPublicKey> {
    let mut point = vec![4];
    point.extend(member(key, "x")?);
    point.extend(member(key, "y")?);
    ParsedPublicKey::new(algorithm, point).context("parse the elliptic curve key")
}

fn rsa_key(key: &Value, parameters: &'static RsaParameters) -> Result<ParsedPublicKey> {
    let components = PublicKeyComponents { n: member(key, "n")?, e: member(key, "e")? };
    let parsed = components.to_parsed_public_key(parameters);
    parsed.ok().context("parse the RSA key")
}

fn member(key: &Value, name: &str) -> Result<Vec<u8>> {
    decode(key[name].as_str().with_context(|| format!("the key has no {name}"))?)
}

fn split(jwt: &str) -> Result<Signed> {
    let (input, signature) = jwt.rsplit_once('.').context("a token is no JWT")?;
    Ok(Signed { input: input.as_bytes().to_vec(), signature: decode(signature)? })
}

fn decode(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).context("decode base64url")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    };
    use serde_json::json;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn jwt(algorithm: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let header = json!({"alg": algorithm, "kid": "1"}).to_string();
        let input = format!("{}.{}", encode(header), encode(r#"{"sub":"x"}"#));
        let signature = encode(sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    fn elliptic() -> (Value, String) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let key = json!({"kid": "1", "kty": "EC", "x": encode(&point[1..33]), "y": encode(&point[33..])});
        let token = jwt("ES256", |input| pair.sign(&SystemRandom::new(), input).unwrap().as_ref().to_vec());
        (json!({ "keys": [{"kid": "0"}, key] }), token)
    }

    #[test]
    fn signatures_of_both_kinds_are_verified() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // RSAPublicKey (RFC 8017 A.1.1): after nine bytes of lengths a modulus of 256 bytes, at the end the exponent.
        let der = pair.public_key().as_ref().to_vec();
        let (modulus, exponent) = (&der[9..9 + 256], &der[der.len() - 3..]);
        let key = json!({"kid": "1", "kty": "RSA", "n": encode(modulus), "e": encode(exponent)});
        let rsa = jwt("RS256", |input| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).unwrap();
            signature
        });
        let (elliptic_keys, elliptic_token) = elliptic();
        for (keys, token, algorithm) in
            [(elliptic_keys, elliptic_token, "ES256"), (json!({ "keys": [key] }), rsa, "RS256")]
        {
            let verification = Verification::prepare(&keys, &[token]).unwrap();
            assert_eq!(verification.algorithm(), algorithm);
            assert!(verification.verify_for(Duration::ZERO).unwrap() >= 0.0);
        }
    }

    #[test]
    fn a_wrong_signature_is_an_error_and_not_a_figure() {
        let (_, token) = elliptic();
        let (other_keys, _) = elliptic();
        let verification = Verification::prepare(&other_keys, &[token]).unwrap();
        assert!(verification.verify_for(Duration::ZERO).is_err());
    }

    #[test]
    fn an_unknown_key_or_token_is_refused() {
        let (keys, token) = elliptic();
        assert!(Verification::prepare(&json!({ "keys": [] }), std::slice::from_ref(&token)).is_err());
        assert!(Verification::prepare(&keys, &["opaque".to_owned()]).is_err());
        assert!(Verification::prepare(&keys, &[]).is_err());
    }
}
