//! Every reason for which a request is refused, and what the caller learns of it.
//!
//! A [`Rejection`] is for logs and metrics: its [`Rejection::code`] is stable. Its [`Outcome`] is what the caller learns, and has
//! fewer values on purpose: an expired, a revoked and an unknown token look the same from outside (RFC 6750 §3.1).

use std::fmt;

use lydian_jose::{ClaimsError, JwsError};
use lydian_revocation::Death;

use crate::dpop::ProofError;

/// Why a request was refused. Never shown to the caller as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The algorithm of the token is not one that the profile allows.
    AlgorithmNotAllowed,
    /// The introspection answer cannot be understood; the issuer is at fault (RFC 7662 §2.2).
    AnswerMalformed(ClaimsError),
    /// The token is for another audience, or for none (RFC 9068 §4).
    AudienceWrong,
    /// The sign-in behind the token is too long ago for this route (RFC 9470 §3).
    AuthenticationTooOld,
    /// The sign-in behind the token is not of the kind that this route wants (RFC 9470 §3).
    AuthenticationTooWeak,
    /// The credentials after the scheme do not follow its grammar (RFC 6750 §2.1).
    AuthorizationMalformed,
    /// There is more than one Authorization field (RFC 6750 §2).
    AuthorizationRepeated,
    /// The route wants a bound token and this one is not (RFC 8705 §7.2), or is not bound in the way that it wants.
    BindingMissing,
    /// A token that is bound to a key came as a Bearer token (RFC 9449 §7.2).
    BoundTokenAsBearer,
    /// The token is bound to a certificate and the connection has none (RFC 8705 §3).
    CertificateMissing,
    /// The token is bound to another certificate (RFC 8705 §3).
    CertificateOther,
    /// A claim is missing, has the wrong type or is out of range.
    Claims(ClaimsError),
    /// The token is bound to something that is not known here (RFC 7800 §3.1).
    ConfirmationUnknown,
    /// There are no credentials (RFC 6750 §3.1).
    CredentialsMissing,
    /// A watermark lies after the token's time of issue.
    CutByWatermark,
    /// The token has expired (RFC 7519 §4.1.4).
    Expired,
    /// The facts were established under another profile: establish them anew.
    FactsOfOtherProfile,
    /// Something that the facts show has changed since: establish them anew.
    FactsStale,
    /// The issuer says that the token is not active (RFC 7662 §2.2).
    Inactive,
    /// The token says that it is issued in the future (RFC 7519 §4.1.6).
    IssuedInFuture,
    /// The token is of another issuer (RFC 9068 §4).
    IssuerOther,
    /// Without a `kid`, several keys could have signed the token.
    KeyAmbiguous,
    /// The keys at hand are of another issuer than the profile.
    KeysOfOtherIssuer,
    /// No published key fits the token: the moment to fetch the key set anew.
    KeyUnknown,
    /// The key that signed the token is not published any more.
    KeyWithdrawn,
    /// The token lives longer than the profile allows.
    LifetimeTooLong,
    /// The token is not valid yet (RFC 7519 §4.1.5).
    NotYetValid,
    /// The DPoP proof is wrong (RFC 9449 §4.3).
    Proof(ProofError),
    /// The proof is of another key than the one that the token is bound to (RFC 9449 §7.1).
    ProofKeyOther,
    /// The memory of proofs is full, so that a repetition would not be noticed.
    ReplayMemoryFull,
    /// Nobody can say now whether the token was revoked.
    RevocationUnknown,
    /// The token was revoked, or everything of its kind was cut.
    Revoked(Death),
    /// The authentication scheme is not one that takes access tokens.
    SchemeUnknown,
    /// The token does not have the scopes that the route needs (RFC 6750 §3.1).
    ScopeInsufficient,
    /// A token came in the header and in the form or the query too (RFC 6750 §2).
    TokenInTwoPlaces,
    /// The token is no well-formed JWT, or its signature is wrong.
    TokenMalformed(JwsError),
    /// The token is longer than the profile allows.
    TokenTooLong,
    /// The token was issued longer ago than the profile allows.
    TooOld,
    /// The JWT is of another kind, such as an ID token (RFC 8725 §3.11), or is no access token for the issuer either.
    TypeOther,
    /// A token that is bound to no key came with the scheme DPoP (RFC 9449 §7.1).
    UnboundTokenAsDpop,
}

/// What the caller learns. Each rejection has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// 401, and a challenge without `error`: nothing usable was presented (RFC 6750 §3.1).
    CredentialsWanted,
    /// 403 `insufficient_scope` (RFC 6750 §3.1).
    InsufficientScope,
    /// 401 `insufficient_user_authentication` (RFC 9470 §3).
    InsufficientUserAuthentication,
    /// 401 `invalid_dpop_proof` (RFC 9449 §7.1).
    InvalidDpopProof,
    /// 400 `invalid_request` (RFC 6750 §3.1).
    InvalidRequest,
    /// 401 `invalid_token` (RFC 6750 §3.1).
    InvalidToken,
    /// 503: we do not know, and that is not the caller's fault. Without a challenge, so that nobody throws a good token away.
    Unavailable,
    /// 401 `use_dpop_nonce`, with a nonce beside it (RFC 9449 §9).
    UseDpopNonce,
}

impl Rejection {
    /// Its stable name in logs and metrics. It may be counted by: there are few of them, and no input decides about their text.
    pub fn code(self) -> &'static str {
        match self {
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::AnswerMalformed(_) => "answer_malformed",
            Self::AudienceWrong => "audience_wrong",
            Self::AuthenticationTooOld => "authentication_too_old",
            Self::AuthenticationTooWeak => "authentication_too_weak",
            Self::AuthorizationMalformed => "authorization_malformed",
            Self::AuthorizationRepeated => "authorization_repeated",
            Self::BindingMissing => "binding_missing",
            Self::BoundTokenAsBearer => "bound_token_as_bearer",
            Self::CertificateMissing => "certificate_missing",
            Self::CertificateOther => "certificate_other",
            Self::Claims(ClaimsError::Missing(_)) => "claim_missing",
            Self::Claims(_) => "claim_malformed",
            Self::ConfirmationUnknown => "confirmation_unknown",
            Self::CredentialsMissing => "credentials_missing",
            Self::CutByWatermark => "cut_by_watermark",
            Self::Expired => "expired",
            Self::FactsOfOtherProfile => "facts_of_other_profile",
            Self::FactsStale => "facts_stale",
            Self::Inactive => "inactive",
            Self::IssuedInFuture => "issued_in_future",
            Self::IssuerOther => "issuer_other",
            Self::KeyAmbiguous => "key_ambiguous",
            Self::KeysOfOtherIssuer => "keys_of_other_issuer",
            Self::KeyUnknown => "key_unknown",
            Self::KeyWithdrawn => "key_withdrawn",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::NotYetValid => "not_yet_valid",
            Self::Proof(error) => error.code(),
            Self::ProofKeyOther => "proof_key_other",
            Self::ReplayMemoryFull => "replay_memory_full",
            Self::RevocationUnknown => "revocation_unknown",
            Self::Revoked(Death::Revoked(_)) => "revoked",
            Self::Revoked(Death::Cut(..)) => "cut",
            Self::SchemeUnknown => "scheme_unknown",
            Self::ScopeInsufficient => "scope_insufficient",
            Self::TokenInTwoPlaces => "token_in_two_places",
            Self::TokenMalformed(JwsError::SignatureWrong | JwsError::SignatureLength) => "signature_wrong",
            Self::TokenMalformed(_) => "token_malformed",
            Self::TokenTooLong => "token_too_long",
            Self::TooOld => "too_old",
            Self::TypeOther => "type_other",
            Self::UnboundTokenAsDpop => "unbound_token_as_dpop",
        }
    }

    /// What the caller learns.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::CredentialsMissing | Self::SchemeUnknown => Outcome::CredentialsWanted,
            Self::AuthorizationMalformed | Self::AuthorizationRepeated | Self::TokenInTwoPlaces => {
                Outcome::InvalidRequest
            }
            Self::AlgorithmNotAllowed
            | Self::AudienceWrong
            | Self::BindingMissing
            | Self::BoundTokenAsBearer
            | Self::CertificateMissing
            | Self::CertificateOther
            | Self::Claims(_)
            | Self::ConfirmationUnknown
            | Self::CutByWatermark
            | Self::Expired
            | Self::Inactive
            | Self::IssuedInFuture
            | Self::IssuerOther
            | Self::KeyAmbiguous
            | Self::KeyUnknown
            | Self::KeyWithdrawn
            | Self::LifetimeTooLong
            | Self::NotYetValid
            | Self::ProofKeyOther
            | Self::Revoked(_)
            | Self::TokenMalformed(_)
            | Self::TokenTooLong
            | Self::TooOld
            | Self::TypeOther
            | Self::UnboundTokenAsDpop => Outcome::InvalidToken,
            Self::Proof(error) if error.wants_nonce() => Outcome::UseDpopNonce,
            Self::Proof(_) => Outcome::InvalidDpopProof,
            Self::AuthenticationTooOld | Self::AuthenticationTooWeak => {
                Outcome::InsufficientUserAuthentication
            }
            Self::ScopeInsufficient => Outcome::InsufficientScope,
            Self::AnswerMalformed(_)
            | Self::FactsOfOtherProfile
            | Self::FactsStale
            | Self::KeysOfOtherIssuer
            | Self::ReplayMemoryFull
            | Self::RevocationUnknown => Outcome::Unavailable,
        }
    }
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::CredentialsWanted,
        Self::InsufficientScope,
        Self::InsufficientUserAuthentication,
        Self::InvalidDpopProof,
        Self::InvalidRequest,
        Self::InvalidToken,
        Self::Unavailable,
        Self::UseDpopNonce,
    ];

    /// The status of the answer (RFC 9110 §15).
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::CredentialsWanted
            | Self::InsufficientUserAuthentication
            | Self::InvalidDpopProof
            | Self::InvalidToken
            | Self::UseDpopNonce => 401,
            Self::InsufficientScope => 403,
            Self::Unavailable => 503,
        }
    }

    /// The value of `error` in the challenge, where there is one.
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::CredentialsWanted | Self::Unavailable => None,
            Self::InsufficientScope => Some("insufficient_scope"),
            Self::InsufficientUserAuthentication => Some("insufficient_user_authentication"),
            Self::InvalidDpopProof => Some("invalid_dpop_proof"),
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::UseDpopNonce => Some("use_dpop_nonce"),
        }
    }

    /// The fixed text of `error_description`: one for all reasons, and nothing of the request in it.
    pub const fn description(self) -> Option<&'static str> {
        match self {
            Self::CredentialsWanted | Self::Unavailable => None,
            Self::InsufficientScope => Some("the access token lacks a scope"),
            Self::InsufficientUserAuthentication => Some("a more recent or a stronger sign-in is required"),
            Self::InvalidDpopProof => Some("the DPoP proof is not valid"),
            Self::InvalidRequest => Some("the credentials are malformed"),
            Self::InvalidToken => Some("the access token is not valid"),
            Self::UseDpopNonce => Some("the DPoP proof lacks a current nonce"),
        }
    }
}

impl From<ClaimsError> for Rejection {
    fn from(error: ClaimsError) -> Self {
        Self::Claims(error)
    }
}

impl From<ProofError> for Rejection {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request refused: {}", self.code())
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AnswerMalformed(error) | Self::Claims(error) => Some(error),
            Self::Proof(error) => Some(error),
            Self::TokenMalformed(error) => Some(error),
            _ => None,
        }
    }
}
