//! Reading and verifying compact JWS (RFC 7515 §7.1), the form that every JWT of ours has.
//!
//! A [`Compact`] is parsed and not verified: it shows its header and nothing of its claims. Verification gives a
//! [`Verified`], which is made of the very bytes that the signature covers.

use std::fmt;
use std::sync::Arc;

use lydian_primitives::{base64url, limits};
use memchr::memchr_iter;

use crate::algorithm::Algorithm;
use crate::claims::{Claims, ClaimsError};
use crate::json::{Json, JsonError, Kind, Value};
use crate::jwk_set::JwkSet;
use crate::verifying::VerifyingKey;

/// The header members of the base texts, which `crit` may not name (RFC 7515 §4.1.11, RFC 7516 §4.1, RFC 7518 §4).
const BASE_MEMBERS: [&str; 20] = [
    "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit", "enc", "zip", "epk",
    "apu", "apv", "iv", "tag", "p2s", "p2c",
];

/// Verifies a compact JWS with the one key of `keys` that it names, or without `kid` with those of its algorithm.
///
/// Its algorithm must be in `allowed`, the caller's list for this purpose, and be the one that the key is bound to.
/// Nothing in the header but `kid` takes part in the choice: `jwk`, `jku`, `x5c` and `x5u` bring no keys here.
///
/// # Errors
///
/// [`JwsError::KeyUnknown`] when no key matches, which is the moment to fetch a key set anew; any other variant
/// refuses the token.
pub fn verify_with_set<T: AsRef<[u8]> + ?Sized>(
    text: &T,
    keys: &JwkSet,
    allowed: &[Algorithm],
) -> Result<Verified, JwsError> {
    let token = Compact::parse(text)?;
    let algorithm = token.header.algorithm;
    if !allowed.contains(&algorithm) {
        return Err(JwsError::AlgorithmNotAllowed);
    }
    let payload = match token.header.kid() {
        Some(kid) => match keys.find(kid, algorithm) {
            Some(key) => token.verified_payload(key)?,
            None if keys.has_kid(kid) => return Err(JwsError::AlgorithmMismatch),
            None => return Err(JwsError::KeyUnknown),
        },
        None => token.payload_verified_with_any(keys)?,
    };
    Ok(Verified { payload, header: token.header })
}

/// A compact JWS that was parsed and not yet verified.
pub struct Compact<'a> {
    signing_input: &'a [u8],
    payload: &'a [u8],
    signature: Vec<u8>,
    header: Header,
}

impl<'a> Compact<'a> {
    /// Splits the text, decodes header and signature, and checks all that can be checked without a key.
    ///
    /// # Errors
    ///
    /// The first rule that the text breaks, as [`JwsError`] says.
    pub fn parse<T: AsRef<[u8]> + ?Sized>(text: &'a T) -> Result<Self, JwsError> {
        Self::parse_with(text, |_| None)
    }

    /// As [`Self::parse`], for those who have read headers before: nearly all tokens of a key have the same one, byte for byte.
    ///
    /// `known` gets the header as it stands in the text, and gives the header that [`Header::read`] made of these very bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_with<'h, T: AsRef<[u8]> + ?Sized>(
        text: &'a T,
        known: impl FnOnce(&[u8]) -> Option<&'h Header>,
    ) -> Result<Self, JwsError> {
        let text = text.as_ref();
        if text.len() > limits::JWT_BYTES_MAX {
            return Err(JwsError::TooLong);
        }
        let (first, second) = find_separators(text)?;
        let header = text.get(..first).unwrap_or_default();
        let payload = text.get(first + 1..second).unwrap_or_default();
        let signature = text.get(second + 1..).unwrap_or_default();
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(JwsError::PartEmpty);
        }
        let header = match known(header) {
            Some(known) => known.clone(),
            None => Header::read(header)?,
        };
        let signature = base64url::decode(signature).ok_or(JwsError::SignatureEncoding)?;
        Ok(Self { signing_input: text.get(..second).unwrap_or_default(), payload, signature, header })
    }

    /// The header. Nobody has vouched for it yet.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes that the signature covers, as received (RFC 7515 §5.2).
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input
    }

    /// Verifies the signature with `key` and only then decodes the payload.
    ///
    /// # Errors
    ///
    /// [`JwsError::AlgorithmMismatch`] when the header names another algorithm than the key is bound to,
    /// [`JwsError::KidMismatch`] when both have a `kid` and they differ, [`JwsError::SignatureLength`] and
    /// [`JwsError::SignatureWrong`], and [`JwsError::PayloadEncoding`] when the payload is not canonical base64url.
    pub fn verify(&self, key: &VerifyingKey) -> Result<Verified, JwsError> {
        let payload = self.verified_payload(key)?;
        Ok(Verified { payload, header: self.header.clone() })
    }

    /// As [`Self::verify`], for those who need the parsed form no more: nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub fn into_verified(self, key: &VerifyingKey) -> Result<Verified, JwsError> {
        let payload = self.verified_payload(key)?;
        Ok(Verified { payload, header: self.header })
    }

    fn verified_payload(&self, key: &VerifyingKey) -> Result<Vec<u8>, JwsError> {
        if self.header.algorithm != key.algorithm() {
            return Err(JwsError::AlgorithmMismatch);
        }
        if let (Some(named), Some(kid)) = (self.header.kid(), key.kid())
            && named != kid
        {
            return Err(JwsError::KidMismatch);
        }
        key.verify_signature(self.signing_input, &self.signature)?;
        base64url::decode(self.payload).ok_or(JwsError::PayloadEncoding)
    }

    /// For a token without `kid`: a bounded number of keys that are bound to its algorithm (RFC 7515 §6).
    fn payload_verified_with_any(&self, keys: &JwkSet) -> Result<Vec<u8>, JwsError> {
        let mut refusal = JwsError::KeyUnknown;
        let candidates = keys.keys().iter().filter(|key| key.algorithm() == self.header.algorithm);
        for key in candidates.take(limits::KEYS_TRIED_MAX) {
            match self.verified_payload(key) {
                Ok(payload) => return Ok(payload),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compact(..)")
    }
}

/// Where the two separators are; every other byte is of the base64url alphabet (RFC 7515 §7.1).
fn find_separators(text: &[u8]) -> Result<(usize, usize), JwsError> {
    // No branch within the loop: the compiler makes it look at many bytes at once.
    let is_forbidden = |byte: u8| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let is_digit = byte.wrapping_sub(b'0') < 10;
        !(is_letter | is_digit | (byte == b'-') | (byte == b'_') | (byte == b'.'))
    };
    if text.iter().fold(false, |found, byte| found | is_forbidden(*byte)) {
        // The first fault is the one that is named, in the order of the text.
        return Err(first_fault(text, is_forbidden));
    }
    let mut separators = memchr_iter(b'.', text);
    match (separators.next(), separators.next(), separators.next(), separators.next(), separators.next()) {
        (Some(first), Some(second), None, ..) => Ok((first, second)),
        (.., Some(_), None) => Err(JwsError::Encrypted),
        _ => Err(JwsError::PartCount),
    }
}

/// A fifth separator counts before a forbidden byte when it comes first.
fn first_fault(text: &[u8], is_forbidden: impl Fn(u8) -> bool) -> JwsError {
    let forbidden = text.iter().position(|byte| is_forbidden(*byte));
    match (memchr_iter(b'.', text).nth(4), forbidden) {
        (Some(fifth), Some(forbidden)) if fifth < forbidden => JwsError::PartCount,
        _ => JwsError::CharacterForbidden,
    }
}

/// The protected header of a compact JWS (RFC 7515 §4).
#[derive(Clone)]
pub struct Header {
    algorithm: Algorithm,
    document: Arc<Json>,
}

impl Header {
    /// Reads a header as it stands in a token, in base64url.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, as [`JwsError`] says.
    pub fn read(text: &[u8]) -> Result<Self, JwsError> {
        // Four characters decode to three bytes.
        if text.len() / 4 * 3 > limits::JOSE_HEADER_BYTES_MAX {
            return Err(JwsError::HeaderTooLong);
        }
        let bytes = base64url::decode(text).ok_or(JwsError::HeaderEncoding)?;
        let document = Json::from_vec(bytes).map_err(JwsError::HeaderJson)?;
        let header = document.root();
        if header.kind() != Kind::Object {
            return Err(JwsError::HeaderNotAnObject);
        }
        let algorithm = algorithm(header)?;
        if let Some(kid) = optional_str(header, "kid")?
            && kid.len() > limits::KID_BYTES_MAX
        {
            return Err(JwsError::KidTooLong);
        }
        optional_str(header, "typ")?;
        // Unencoded payloads have no place in a JWT (RFC 7797 §7); `true` says what holds anyway.
        if header.get("b64").is_some_and(|b64| b64.as_bool() != Some(true)) {
            return Err(JwsError::PayloadUnencoded);
        }
        check_crit(header)?;
        Ok(Self { algorithm, document: Arc::new(document) })
    }

    /// The algorithm that the token claims to be signed with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key, an opaque string (RFC 7515 §4.1.4).
    pub fn kid(&self) -> Option<&str> {
        self.document.root().get("kid").and_then(Value::as_str)
    }

    /// The media type of the token (RFC 7515 §4.1.9).
    pub fn typ(&self) -> Option<&str> {
        self.document.root().get("typ").and_then(Value::as_str)
    }

    /// Whether `typ` is present and names this type, without regard to case and to the prefix `application/`.
    pub fn typ_is(&self, expected: &str) -> bool {
        self.typ().is_some_and(|typ| {
            without_application_prefix(typ).eq_ignore_ascii_case(without_application_prefix(expected))
        })
    }

    /// Any other member. Members that carry keys are data here and never take part in the choice of a key.
    pub fn member(&self, name: &str) -> Option<Value<'_>> {
        self.document.root().get(name)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The type without the prefix that may be left out (RFC 7515 §4.1.9).
fn without_application_prefix(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    }
}

fn algorithm(header: Value<'_>) -> Result<Algorithm, JwsError> {
    let name = header.get("alg").ok_or(JwsError::AlgorithmMissing)?;
    let name = name.as_str().ok_or(JwsError::MemberWrongType("alg"))?;
    if name.eq_ignore_ascii_case("none") {
        return Err(JwsError::AlgorithmNone);
    }
    Algorithm::from_name(name).ok_or(JwsError::AlgorithmUnknown)
}

fn optional_str<'a>(header: Value<'a>, name: &'static str) -> Result<Option<&'a str>, JwsError> {
    header.get(name).map(|value| value.as_str().ok_or(JwsError::MemberWrongType(name))).transpose()
}

/// All rules of `crit`. No extension is implemented, so each `crit` breaks one of them (RFC 7515 §4.1.11).
fn check_crit(header: Value<'_>) -> Result<(), JwsError> {
    let Some(crit) = header.get("crit") else {
        return Ok(());
    };
    let wrong_type = JwsError::MemberWrongType("crit");
    let mut names = Vec::new();
    for name in crit.as_array().ok_or(wrong_type)? {
        names.push(name.as_str().ok_or(wrong_type)?);
    }
    if names.is_empty() {
        return Err(JwsError::CritEmpty);
    }
    if names.iter().any(|name| BASE_MEMBERS.contains(name)) {
        return Err(JwsError::CritNamesBaseMember);
    }
    if names.iter().any(|name| header.get(name).is_none()) {
        return Err(JwsError::CritNamesAbsentMember);
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(JwsError::CritRepeated);
    }
    Err(JwsError::CritUnknown)
}

/// A JWS whose signature was verified.
#[derive(Clone)]
pub struct Verified {
    payload: Vec<u8>,
    header: Header,
}

impl Verified {
    /// The bytes that were signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The header that was signed with them.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload as the claims set of a JWT (RFC 7519 §7.2).
    ///
    /// # Errors
    ///
    /// [`ClaimsError::Json`] and [`ClaimsError::NotAnObject`].
    pub fn claims(&self) -> Result<Claims, ClaimsError> {
        Claims::parse(self.payload.clone())
    }

    /// As [`Self::claims`], without a copy.
    ///
    /// # Errors
    ///
    /// As [`Self::claims`].
    pub fn into_claims(self) -> Result<Claims, ClaimsError> {
        Claims::parse(self.payload)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified(..)")
    }
}

/// Why a token was refused before or by its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwsError {
    /// The key is bound to another algorithm than the header names (RFC 8725 §3.1).
    AlgorithmMismatch,
    /// The header has no `alg` (RFC 7515 §4.1.1).
    AlgorithmMissing,
    /// The algorithm is `none` in some spelling (RFC 7518 §3.6).
    AlgorithmNone,
    /// The algorithm is not on the caller's list for this purpose.
    AlgorithmNotAllowed,
    /// The algorithm is none of [`Algorithm`], such as HMAC.
    AlgorithmUnknown,
    /// A byte is neither of the base64url alphabet nor a separator.
    CharacterForbidden,
    /// `crit` is empty (RFC 7515 §4.1.11).
    CritEmpty,
    /// `crit` names a member that the header does not have (RFC 7515 §4.1.11).
    CritNamesAbsentMember,
    /// `crit` names a member of the base texts (RFC 7515 §4.1.11).
    CritNamesBaseMember,
    /// `crit` names a member twice (RFC 7515 §4.1.11).
    CritRepeated,
    /// `crit` names an extension that is not implemented (RFC 7515 §4.1.11).
    CritUnknown,
    /// The text has five parts, as an encrypted token has (RFC 7516 §7.1).
    Encrypted,
    /// The header is not canonical base64url.
    HeaderEncoding,
    /// The header is not strict JSON.
    HeaderJson(JsonError),
    /// The header is not a JSON object.
    HeaderNotAnObject,
    /// The header is longer than `limits::JOSE_HEADER_BYTES_MAX`.
    HeaderTooLong,
    /// No key has the `kid` or, without one, the algorithm of the token.
    KeyUnknown,
    /// The header names another key than the one at hand.
    KidMismatch,
    /// `kid` is longer than `limits::KID_BYTES_MAX`.
    KidTooLong,
    /// A header member has the wrong JSON type.
    MemberWrongType(&'static str),
    /// The text does not have three parts.
    PartCount,
    /// The header, the payload or the signature is empty.
    PartEmpty,
    /// The payload is not canonical base64url.
    PayloadEncoding,
    /// `b64` says that the payload is not encoded (RFC 7797 §7).
    PayloadUnencoded,
    /// The signature is not canonical base64url.
    SignatureEncoding,
    /// The signature does not have the one length that key and algorithm fix.
    SignatureLength,
    /// The signature is not one of this key over this text.
    SignatureWrong,
    /// The text is longer than `limits::JWT_BYTES_MAX`.
    TooLong,
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlgorithmMismatch => "token names another algorithm than its key",
            Self::AlgorithmMissing => "token header has no alg",
            Self::AlgorithmNone => "token is not signed",
            Self::AlgorithmNotAllowed => "token algorithm is not allowed here",
            Self::AlgorithmUnknown => "token algorithm is unknown",
            Self::CharacterForbidden => "token holds a forbidden character",
            Self::CritEmpty => "crit of the token is empty",
            Self::CritNamesAbsentMember => "crit of the token names an absent member",
            Self::CritNamesBaseMember => "crit of the token names a member of the base texts",
            Self::CritRepeated => "crit of the token names a member twice",
            Self::CritUnknown => "crit of the token names an unknown extension",
            Self::Encrypted => "token is encrypted",
            Self::HeaderEncoding => "token header is not canonical base64url",
            Self::HeaderJson(_) => "read token header",
            Self::HeaderNotAnObject => "token header is not a JSON object",
            Self::HeaderTooLong => "token header is too long",
            Self::KeyUnknown => "no key for this token",
            Self::KidMismatch => "token names another key",
            Self::KidTooLong => "kid of the token is too long",
            Self::MemberWrongType(name) => return write!(f, "token header member {name} has the wrong type"),
            Self::PartCount => "token does not have three parts",
            Self::PartEmpty => "token has an empty part",
            Self::PayloadEncoding => "token payload is not canonical base64url",
            Self::PayloadUnencoded => "token payload is declared as not encoded",
            Self::SignatureEncoding => "token signature is not canonical base64url",
            Self::SignatureLength => "token signature has the wrong length",
            Self::SignatureWrong => "token signature is wrong",
            Self::TooLong => "token is too long",
        })
    }
}

impl std::error::Error for JwsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::HeaderJson(error) => Some(error),
            _ => None,
        }
    }
}
