//! Public keys, each bound to one algorithm, read from and written as JWK (RFC 7517).

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaPublicKeyComponents};
use lydian_primitives::{base64url, limits};

use crate::algorithm::{Algorithm, KeyType, Mechanism};
use crate::json::{self, Json, Value};
use crate::jws::JwsError;
use crate::key_error::KeyError;
use crate::signing;
use crate::weak;

/// The shortest RSA modulus that is accepted, in bits (RFC 7518 §3.3).
const RSA_MODULUS_BITS_MIN: usize = 2048;
/// The longest RSA modulus that is accepted, in bits: longer ones cost too much to verify.
const RSA_MODULUS_BITS_MAX: usize = 8192;
/// The smallest RSA exponent that is accepted.
const RSA_EXPONENT_MIN: u64 = 65_537;
/// The longest RSA exponent that is accepted, in bits, as in aws-lc-rs.
const RSA_EXPONENT_BITS_MAX: usize = 33;

/// The members of a JWK that belong to private keys (RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];

/// A public key that verifies signatures of exactly one algorithm.
///
/// The algorithm comes from the key and its registration, never from a token (RFC 8725 §3.1).
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
    signature_bytes: usize,
    kid: Option<Box<str>>,
    thumbprint: Box<str>,
    /// The public members as JSON text, without braces.
    members: Box<str>,
}

impl VerifyingKey {
    /// Reads one public JWK whose algorithm follows from `alg` or from its curve.
    ///
    /// # Errors
    ///
    /// [`KeyError::Json`] when the text is not strict JSON, otherwise as [`Self::from_jwk_value`].
    pub fn parse_jwk(text: &[u8]) -> Result<Self, KeyError> {
        let document = Json::parse(text).map_err(KeyError::Json)?;
        Self::from_jwk_value(document.root())
    }

    /// Takes a public JWK whose algorithm follows from `alg` or from its curve.
    ///
    /// # Errors
    ///
    /// [`KeyError::AlgorithmAmbiguous`] for an RSA key without `alg`; use [`Self::from_jwk_value_for`] there.
    /// Any other variant says why the key is not usable to verify signatures (RFC 7517 §4, RFC 7518 §6).
    pub fn from_jwk_value(jwk: Value<'_>) -> Result<Self, KeyError> {
        let jwk = PublicJwk::read(jwk)?;
        let mut algorithms = jwk.algorithms.iter();
        match (algorithms.next(), algorithms.next()) {
            (Some(&algorithm), None) => jwk.bind(algorithm),
            _ => Err(KeyError::AlgorithmAmbiguous),
        }
    }

    /// Takes a public JWK and binds it to `algorithm`, which the caller chose from its own allow-list.
    ///
    /// # Errors
    ///
    /// [`KeyError::AlgorithmMismatch`] when the key is for another algorithm, otherwise as
    /// [`Self::from_jwk_value`].
    pub fn from_jwk_value_for(jwk: Value<'_>, algorithm: Algorithm) -> Result<Self, KeyError> {
        let jwk = PublicJwk::read(jwk)?;
        if !jwk.algorithms.contains(&algorithm) {
            return Err(KeyError::AlgorithmMismatch);
        }
        jwk.bind(algorithm)
    }

    /// Takes a public JWK once for each algorithm that it may serve: an RSA key without `alg` serves six.
    pub(crate) fn all_from_jwk_value(jwk: Value<'_>) -> Result<Vec<Self>, KeyError> {
        let jwk = PublicJwk::read(jwk)?;
        jwk.algorithms.iter().map(|&algorithm| jwk.bind(algorithm)).collect()
    }

    /// Binds a public key to an algorithm of its type and curve.
    pub(crate) fn bind(
        public_key: &PublicKey,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        let (parsed, signature_bytes) = match (public_key, algorithm.mechanism()) {
            (PublicKey::Rsa { n, e }, Mechanism::Rsa { verify, .. }) => {
                let parsed = RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(verify)
                    .map_err(|_| KeyError::RsaModulusSize)?;
                (parsed, n.len())
            }
            (
                PublicKey::Ec { curve, point },
                Mechanism::Ecdsa { curve: expected, coordinate_bytes, verify, .. },
            ) if curve == expected => {
                let parsed = ParsedPublicKey::new(*verify, point).map_err(|_| KeyError::PointNotOnCurve)?;
                (parsed, 2 * coordinate_bytes)
            }
            (PublicKey::Ed25519 { point }, Mechanism::Ed25519) => {
                let parsed = ParsedPublicKey::new(&ED25519, point).map_err(|_| KeyError::PointNotOnCurve)?;
                (parsed, 64)
            }
            _ => return Err(KeyError::AlgorithmMismatch),
        };
        Ok(Self {
            algorithm,
            parsed,
            signature_bytes,
            kid: kid.map(Box::from),
            thumbprint: public_key.thumbprint().into(),
            members: public_key.members().into(),
        })
    }

    /// The algorithm that this key is bound to.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its `kid`, when it was given one (RFC 7517 §4.5).
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Its SHA-256 thumbprint in base64url (RFC 7638 §3).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The header that [`crate::SigningKey::sign_compact`] writes with this type, as it stands in tokens, when the key is named by its thumbprint.
    ///
    /// Who verifies many tokens can read it once ([`crate::Compact::parse_with`]). Other signers write other headers.
    pub fn usual_header(&self, typ: &str) -> Option<String> {
        let kid = self.kid().filter(|kid| *kid == self.thumbprint())?;
        let (before, after) = signing::header_parts(self.algorithm, kid);
        Some(base64url::encode([&before, typ, &after].concat().as_bytes()))
    }

    /// The key as a public JWK with `kid`, `use` and `alg`; a key without `kid` gets its thumbprint for one.
    pub fn to_jwk_json(&self) -> String {
        let mut jwk = String::with_capacity(self.members.len() + 128);
        jwk.push('{');
        jwk.push_str(&self.members);
        jwk.push_str(",\"kid\":");
        json::write_string(self.kid().unwrap_or(&self.thumbprint), &mut jwk);
        jwk.push_str(",\"use\":\"sig\",\"alg\":\"");
        jwk.push_str(self.algorithm.name());
        jwk.push_str("\"}");
        jwk
    }

    /// Verifies a raw signature over `message`.
    pub(crate) fn verify_signature(&self, message: &[u8], signature: &[u8]) -> Result<(), JwsError> {
        if signature.len() != self.signature_bytes {
            return Err(JwsError::SignatureLength);
        }
        self.parsed.verify_sig(message, signature).map_err(|_| JwsError::SignatureWrong)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// A public key that passed all checks on its numbers, not yet bound to an algorithm.
pub(crate) enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ec {
        curve: &'static str,
        /// Uncompressed: 4, x, y (SEC 1 §2.3.3).
        point: Vec<u8>,
    },
    Ed25519 {
        point: [u8; 32],
    },
}

impl PublicKey {
    /// Checks an RSA key in minimal big-endian numbers.
    pub(crate) fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, KeyError> {
        if n.first().is_none_or(|&byte| byte == 0) {
            return Err(KeyError::MemberNotMinimal("n"));
        }
        if e.first().is_none_or(|&byte| byte == 0) {
            return Err(KeyError::MemberNotMinimal("e"));
        }
        if !(RSA_MODULUS_BITS_MIN..=RSA_MODULUS_BITS_MAX).contains(&bits(&n)) {
            return Err(KeyError::RsaModulusSize);
        }
        if is_even(&n) {
            return Err(KeyError::RsaModulusEven);
        }
        if bits(&e) > RSA_EXPONENT_BITS_MAX || is_even(&e) {
            return Err(KeyError::RsaExponent);
        }
        if e.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)) < RSA_EXPONENT_MIN {
            return Err(KeyError::RsaExponent);
        }
        if weak::is_roca_modulus(&n) {
            return Err(KeyError::RsaModulusWeak);
        }
        Ok(Self::Rsa { n, e })
    }

    /// Checks an Ed25519 key. aws-lc-rs finds out when it verifies whether the point exists.
    pub(crate) fn ed25519(point: [u8; 32]) -> Result<Self, KeyError> {
        if weak::is_weak_ed25519_point(&point) {
            return Err(KeyError::SmallOrder);
        }
        Ok(Self::Ed25519 { point })
    }

    fn read(jwk: Value<'_>, key_type: KeyType) -> Result<Self, KeyError> {
        match key_type {
            KeyType::Rsa => Self::rsa(decoded(jwk, "n")?, decoded(jwk, "e")?),
            KeyType::Ec => {
                let curve_name = required_str(jwk, "crv")?;
                let (curve, coordinate_bytes) = ec_curve(curve_name).ok_or(KeyError::CurveUnknown)?;
                let x = coordinate(jwk, "x", coordinate_bytes)?;
                let y = coordinate(jwk, "y", coordinate_bytes)?;
                Ok(Self::Ec { curve, point: [&[4], x.as_slice(), &y].concat() })
            }
            KeyType::Okp => {
                if Algorithm::EdDsa.curve() != Some(required_str(jwk, "crv")?) {
                    return Err(KeyError::CurveUnknown);
                }
                let point = coordinate(jwk, "x", 32)?;
                Self::ed25519(point.try_into().map_err(|_| KeyError::CoordinateLength("x"))?)
            }
        }
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ec { .. } => KeyType::Ec,
            Self::Ed25519 { .. } => KeyType::Okp,
        }
    }

    fn curve(&self) -> Option<&'static str> {
        match self {
            Self::Rsa { .. } => None,
            Self::Ec { curve, .. } => Some(curve),
            Self::Ed25519 { .. } => Algorithm::EdDsa.curve(),
        }
    }

    /// The required members in lexical order, without white space and without braces.
    ///
    /// This order is the one that the thumbprint prescribes (RFC 7638 §3.3); as a JWK it is as good as any.
    fn members(&self) -> String {
        match self {
            Self::Rsa { n, e } => {
                format!(r#""e":"{}","kty":"RSA","n":"{}""#, base64url::encode(e), base64url::encode(n))
            }
            Self::Ec { curve, point } => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
                let (x, y) = (base64url::encode(x), base64url::encode(y));
                format!(r#""crv":"{curve}","kty":"EC","x":"{x}","y":"{y}""#)
            }
            Self::Ed25519 { point } => {
                format!(r#""crv":"Ed25519","kty":"OKP","x":"{}""#, base64url::encode(point))
            }
        }
    }

    /// RFC 7638 §3.
    pub(crate) fn thumbprint(&self) -> String {
        let document = format!("{{{}}}", self.members());
        base64url::encode(digest::digest(&digest::SHA256, document.as_bytes()).as_ref())
    }
}

/// A JWK that was read completely, with the algorithms that it may be bound to.
struct PublicJwk<'a> {
    public_key: PublicKey,
    kid: Option<&'a str>,
    algorithms: Vec<Algorithm>,
}

impl<'a> PublicJwk<'a> {
    fn read(jwk: Value<'a>) -> Result<Self, KeyError> {
        if jwk.as_object().is_none() {
            return Err(KeyError::NotAnObject);
        }
        let key_type = match required_str(jwk, "kty")? {
            "RSA" => KeyType::Rsa,
            "EC" => KeyType::Ec,
            "OKP" => KeyType::Okp,
            "oct" => return Err(KeyError::Symmetric),
            _ => return Err(KeyError::KeyTypeUnknown),
        };
        if jwk.get("k").is_some() {
            return Err(KeyError::Symmetric);
        }
        if PRIVATE_MEMBERS.iter().any(|name| jwk.get(name).is_some()) {
            return Err(KeyError::PrivateMember);
        }
        check_use(jwk)?;
        let kid = optional_str(jwk, "kid")?;
        if kid.is_some_and(|kid| kid.len() > limits::KID_BYTES_MAX) {
            return Err(KeyError::KidTooLong);
        }
        let public_key = PublicKey::read(jwk, key_type)?;
        let algorithms = algorithms(jwk, &public_key)?;
        Ok(Self { public_key, kid, algorithms })
    }

    fn bind(&self, algorithm: Algorithm) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::bind(&self.public_key, algorithm, self.kid)
    }
}

/// The algorithms of this key: the one in `alg`, or all of its type and curve.
fn algorithms(jwk: Value<'_>, public_key: &PublicKey) -> Result<Vec<Algorithm>, KeyError> {
    let mut algorithms = Algorithm::ALL.to_vec();
    algorithms.retain(|algorithm| {
        algorithm.key_type() == public_key.key_type() && algorithm.curve() == public_key.curve()
    });
    if let Some(name) = optional_str(jwk, "alg")? {
        let named = Algorithm::from_name(name).ok_or(KeyError::AlgorithmUnknown)?;
        algorithms.retain(|&algorithm| algorithm == named);
    }
    if algorithms.is_empty() {
        return Err(KeyError::AlgorithmMismatch);
    }
    Ok(algorithms)
}

/// Whether the key may verify signatures (RFC 7517 §4.2, §4.3).
fn check_use(jwk: Value<'_>) -> Result<(), KeyError> {
    let key_use = optional_str(jwk, "use")?;
    if key_use.is_some_and(|key_use| key_use != "sig") {
        return Err(KeyError::UseNotSignature);
    }
    let Some(key_ops) = jwk.get("key_ops") else {
        return Ok(());
    };
    let wrong_type = KeyError::MemberWrongType("key_ops");
    let mut operations = Vec::new();
    for operation in key_ops.as_array().ok_or(wrong_type)? {
        operations.push(operation.as_str().ok_or(wrong_type)?);
    }
    operations.sort_unstable();
    if operations.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(KeyError::KeyOpsRepeated);
    }
    if !operations.contains(&"verify") {
        return Err(KeyError::KeyOpsWithoutVerify);
    }
    if key_use.is_some() && operations.iter().any(|&operation| operation != "verify" && operation != "sign") {
        return Err(KeyError::KeyOpsContradictUse);
    }
    Ok(())
}

/// The curve with this name and the bytes of its coordinates, from the table of algorithms.
fn ec_curve(name: &str) -> Option<(&'static str, usize)> {
    Algorithm::ALL.iter().find_map(|algorithm| match algorithm.mechanism() {
        Mechanism::Ecdsa { curve, coordinate_bytes, .. } if *curve == name => {
            Some((*curve, *coordinate_bytes))
        }
        _ => None,
    })
}

fn coordinate(jwk: Value<'_>, name: &'static str, bytes: usize) -> Result<Vec<u8>, KeyError> {
    let coordinate = decoded(jwk, name)?;
    if coordinate.len() != bytes {
        return Err(KeyError::CoordinateLength(name));
    }
    Ok(coordinate)
}

fn decoded(jwk: Value<'_>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(required_str(jwk, name)?.as_bytes()).ok_or(KeyError::MemberEncoding(name))
}

fn required_str<'a>(jwk: Value<'a>, name: &'static str) -> Result<&'a str, KeyError> {
    optional_str(jwk, name)?.ok_or(KeyError::MemberMissing(name))
}

fn optional_str<'a>(jwk: Value<'a>, name: &'static str) -> Result<Option<&'a str>, KeyError> {
    jwk.get(name).map(|value| value.as_str().ok_or(KeyError::MemberWrongType(name))).transpose()
}

/// The length of a minimal big-endian number.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}
