//! The checks of one proof (RFC 9449 §4.3).

use std::fmt;

use lydian_jose::{Algorithm, Claims, ClaimsError, Compact, JwsError, VerifyingKey};
use lydian_primitives::{Digest, Timestamp, base64url, limits};

use super::htu::normalise_htu;
use super::nonce::{NonceStanding, Nonces};
use super::replay::ReplayKey;
use crate::certificate::sha256;

/// The type of a proof (RFC 9449 §4.2).
const PROOF_TYPE: &str = "dpop+jwt";

/// What holds for all proofs at one place.
#[derive(Clone, Debug)]
pub struct ProofRules {
    algorithms: Box<[Algorithm]>,
    age_seconds_max: u64,
    ahead_seconds_max: u64,
}

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedProof<'a> {
    /// The method of the request, as it stands there: methods have case.
    pub method: &'a str,
    /// The address of the request as the client sees it; its query and fragment do not matter.
    pub address: &'a str,
    /// The access token that the proof comes with; `None` at the token endpoint.
    pub access_token: Option<&'a str>,
    /// What the claim `nonce` must be.
    pub nonce: NonceRule<'a>,
}

/// What the claim `nonce` of a proof must be (RFC 9449 §8, §9).
#[derive(Clone, Copy, Debug)]
pub enum NonceRule<'a> {
    /// One of these.
    Demanded(&'a Nonces),
    /// Whatever it is: no nonces are given out.
    Ignored,
    /// One of these, if it is there.
    Offered(&'a Nonces),
}

/// A proof that passed all checks but two: whose key it is, and whether it came before.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedProof {
    thumbprint: Digest,
    replay_key: ReplayKey,
    issued_at: Timestamp,
    expires_at: Timestamp,
    covers_token: bool,
    nonce: Option<NonceStanding>,
}

impl ProofRules {
    /// Proofs with these algorithms, in the usual window of time. Symmetric algorithms are no values of [`Algorithm`].
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            algorithms: algorithms.into_iter().collect(),
            age_seconds_max: limits::DPOP_AGE_SECONDS_MAX,
            ahead_seconds_max: limits::DPOP_AHEAD_SECONDS_MAX,
        }
    }

    /// The algorithms, for the challenge and for metadata.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }
}

impl VerifiedProof {
    /// The thumbprint of its key (`jkt`, RFC 9449 §6.1), in base64url.
    pub fn thumbprint(&self) -> String {
        base64url::encode(self.thumbprint.as_bytes())
    }

    /// Whether its key has this thumbprint, in constant time.
    pub fn is_by(&self, thumbprint: &Digest) -> bool {
        self.thumbprint.matches(thumbprint)
    }

    /// What it is remembered by.
    pub fn replay_key(&self) -> ReplayKey {
        self.replay_key
    }

    /// When it was made, by the clock of the client.
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// The first second at which it is too old, so that it need not be remembered any more.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether it was made for the access token that it came with.
    pub fn covers_token(&self) -> bool {
        self.covers_token
    }

    /// Which of our nonces it carries.
    pub fn nonce(&self) -> Option<NonceStanding> {
        self.nonce
    }
}

/// Verifies a proof: the checks of RFC 9449 §4.3 from the second to the last. (The first, that there is one field, is
/// [`crate::read_credentials`]'s.)
///
/// # Errors
///
/// The first check that fails.
pub fn verify_proof(
    proof: &str,
    rules: &ProofRules,
    expected: &ExpectedProof<'_>,
    now: Timestamp,
) -> Result<VerifiedProof, ProofError> {
    if proof.len() > limits::DPOP_PROOF_BYTES_MAX {
        return Err(ProofError::TooLong);
    }
    let compact = Compact::parse(proof).map_err(|error| match error {
        JwsError::AlgorithmMissing | JwsError::AlgorithmNone | JwsError::AlgorithmUnknown => {
            ProofError::AlgorithmNotAllowed
        }
        _ => ProofError::Malformed,
    })?;
    let header = compact.header();
    if !header.typ_is(PROOF_TYPE) {
        return Err(ProofError::TypeOther);
    }
    let algorithm = header.algorithm();
    if !rules.algorithms.contains(&algorithm) {
        return Err(ProofError::AlgorithmNotAllowed);
    }
    let jwk = header.member("jwk").ok_or(ProofError::KeyMissing)?;
    let key = VerifyingKey::from_jwk_value_for(jwk, algorithm).map_err(|_| ProofError::KeyUnusable)?;
    let thumbprint = base64url::decode_array(key.thumbprint().as_bytes()).ok_or(ProofError::KeyUnusable)?;
    let thumbprint = Digest::from_bytes(thumbprint);
    let verified = compact.into_verified(&key).map_err(|_| ProofError::SignatureWrong)?;
    let claims = verified.into_claims().map_err(ProofError::Claims)?;
    check_claims(&claims, rules, expected, now, thumbprint)
}

fn check_claims(
    claims: &Claims,
    rules: &ProofRules,
    expected: &ExpectedProof<'_>,
    now: Timestamp,
    thumbprint: Digest,
) -> Result<VerifiedProof, ProofError> {
    let jti = claims.required_string("jti")?;
    if jti.is_empty() || jti.len() > limits::DPOP_JTI_BYTES_MAX {
        return Err(ProofError::IdLength);
    }
    if claims.required_string("htm")? != expected.method {
        return Err(ProofError::MethodOther);
    }
    let htu = normalise_htu(claims.required_string("htu")?).ok_or(ProofError::AddressMalformed)?;
    if normalise_htu(expected.address).is_none_or(|address| address != htu) {
        return Err(ProofError::AddressOther);
    }
    let issued_at = claims.required_numeric_date("iat")?;
    if issued_at > now.plus_seconds(rules.ahead_seconds_max) {
        return Err(ProofError::IssuedInFuture);
    }
    if issued_at.plus_seconds(rules.age_seconds_max) < now {
        return Err(ProofError::TooOld);
    }
    if claims.numeric_date("exp")?.is_some_and(|at| at <= now) {
        return Err(ProofError::TooOld);
    }
    if claims.numeric_date("nbf")?.is_some_and(|at| at > now.plus_seconds(rules.ahead_seconds_max)) {
        return Err(ProofError::IssuedInFuture);
    }
    let hash = claims.string("ath")?;
    if let Some(token) = expected.access_token {
        let hash = hash.ok_or(ProofError::TokenHashMissing)?;
        let hash = base64url::decode_array(hash.as_bytes()).ok_or(ProofError::TokenOther)?;
        if !sha256(token.as_bytes()).matches(&Digest::from_bytes(hash)) {
            return Err(ProofError::TokenOther);
        }
    }
    let nonce = claims.string("nonce")?;
    let nonce = match (expected.nonce, nonce) {
        (NonceRule::Ignored, _) | (NonceRule::Offered(_), None) => None,
        (NonceRule::Demanded(_), None) => return Err(ProofError::NonceMissing),
        (NonceRule::Demanded(nonces) | NonceRule::Offered(nonces), Some(nonce)) => {
            Some(nonces.check(nonce, now).ok_or(ProofError::NonceOther)?)
        }
    };
    let issued_at = issued_at.as_timestamp();
    Ok(VerifiedProof {
        thumbprint,
        replay_key: ReplayKey::of(&thumbprint, jti),
        issued_at,
        // A fraction of a second makes it good for a second more.
        expires_at: issued_at.plus_seconds(rules.age_seconds_max + 2),
        covers_token: expected.access_token.is_some(),
        nonce,
    })
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// `htu` is no address of a request.
    AddressMalformed,
    /// `htu` is another address than that of the request.
    AddressOther,
    /// The algorithm is not one that is allowed here, or is no asymmetric one.
    AlgorithmNotAllowed,
    /// A claim is missing, has the wrong type or is out of range.
    Claims(ClaimsError),
    /// `jti` is empty or too long.
    IdLength,
    /// The proof was made in the future, or is not valid yet.
    IssuedInFuture,
    /// The header has no `jwk`.
    KeyMissing,
    /// `jwk` is no public key that fits the algorithm.
    KeyUnusable,
    /// It is no compact JWS.
    Malformed,
    /// `htm` is another method than that of the request.
    MethodOther,
    /// There is no DPoP field.
    Missing,
    /// It was made before this process began to remember proofs, and no nonce shows that it is fresh.
    MadeBeforeMemory,
    /// A nonce is demanded and there is none.
    NonceMissing,
    /// The nonce is none of ours, or an old one.
    NonceOther,
    /// There is more than one DPoP field.
    Repeated,
    /// The proof came before.
    Replayed,
    /// The signature is not by the key in the header.
    SignatureWrong,
    /// `ath` is missing.
    TokenHashMissing,
    /// `ath` is the digest of another access token.
    TokenOther,
    /// The proof is longer than `limits::DPOP_PROOF_BYTES_MAX`.
    TooLong,
    /// The proof is too old.
    TooOld,
    /// `typ` is not `dpop+jwt`.
    TypeOther,
}

impl ProofError {
    /// Its stable name in logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AddressMalformed => "proof_address_malformed",
            Self::AddressOther => "proof_address_other",
            Self::AlgorithmNotAllowed => "proof_algorithm_not_allowed",
            Self::Claims(ClaimsError::Missing(_)) => "proof_claim_missing",
            Self::Claims(_) => "proof_claim_malformed",
            Self::IdLength => "proof_id_length",
            Self::IssuedInFuture => "proof_issued_in_future",
            Self::KeyMissing => "proof_key_missing",
            Self::KeyUnusable => "proof_key_unusable",
            Self::Malformed => "proof_malformed",
            Self::MethodOther => "proof_method_other",
            Self::Missing => "proof_missing",
            Self::MadeBeforeMemory => "proof_made_before_memory",
            Self::NonceMissing => "proof_nonce_missing",
            Self::NonceOther => "proof_nonce_other",
            Self::Repeated => "proof_repeated",
            Self::Replayed => "proof_replayed",
            Self::SignatureWrong => "proof_signature_wrong",
            Self::TokenHashMissing => "proof_token_hash_missing",
            Self::TokenOther => "proof_token_other",
            Self::TooLong => "proof_too_long",
            Self::TooOld => "proof_too_old",
            Self::TypeOther => "proof_type_other",
        }
    }

    /// Whether a nonce of ours would cure it: `use_dpop_nonce` in place of `invalid_dpop_proof` (RFC 9449 §8, §9).
    pub const fn wants_nonce(self) -> bool {
        matches!(self, Self::MadeBeforeMemory | Self::NonceMissing | Self::NonceOther)
    }
}

impl From<ClaimsError> for ProofError {
    fn from(error: ClaimsError) -> Self {
        Self::Claims(error)
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DPoP proof refused: {}", self.code())
    }
}

impl std::error::Error for ProofError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Claims(error) => Some(error),
            _ => None,
        }
    }
}
