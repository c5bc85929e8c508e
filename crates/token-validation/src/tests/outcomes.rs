use std::collections::BTreeSet;

use lydian_jose::{ClaimsError, JwsError};
use lydian_revocation::{CutKind, Death, Seq};

use crate::dpop::ProofError;
use crate::{Outcome, Rejection};

const PROOF_ERRORS: [ProofError; 24] = [
    ProofError::AddressMalformed,
    ProofError::AddressOther,
    ProofError::AlgorithmNotAllowed,
    ProofError::Claims(ClaimsError::Missing("jti")),
    ProofError::Claims(ClaimsError::WrongType("jti")),
    ProofError::IdLength,
    ProofError::IssuedInFuture,
    ProofError::KeyMissing,
    ProofError::KeyUnusable,
    ProofError::Malformed,
    ProofError::MethodOther,
    ProofError::Missing,
    ProofError::MadeBeforeMemory,
    ProofError::NonceMissing,
    ProofError::NonceOther,
    ProofError::Repeated,
    ProofError::Replayed,
    ProofError::SignatureWrong,
    ProofError::TokenHashMissing,
    ProofError::TokenOther,
    ProofError::TooLong,
    ProofError::TooOld,
    ProofError::TypeOther,
    ProofError::Claims(ClaimsError::OutOfRange("iat")),
];

fn rejections() -> Vec<(Rejection, Outcome)> {
    let death = Death::Revoked(Seq::ZERO);
    let cut = Death::Cut(CutKind::User, Seq::ZERO);
    let mut all = vec![
        (Rejection::CredentialsMissing, Outcome::CredentialsWanted),
        (Rejection::SchemeUnknown, Outcome::CredentialsWanted),
        (Rejection::AuthorizationMalformed, Outcome::InvalidRequest),
        (Rejection::AuthorizationRepeated, Outcome::InvalidRequest),
        (Rejection::TokenInTwoPlaces, Outcome::InvalidRequest),
        (Rejection::AlgorithmNotAllowed, Outcome::InvalidToken),
        (Rejection::AudienceWrong, Outcome::InvalidToken),
        (Rejection::BindingMissing, Outcome::InvalidToken),
        (Rejection::BoundTokenAsBearer, Outcome::InvalidToken),
        (Rejection::CertificateMissing, Outcome::InvalidToken),
        (Rejection::CertificateOther, Outcome::InvalidToken),
        (Rejection::Claims(ClaimsError::Missing("exp")), Outcome::InvalidToken),
        (Rejection::Claims(ClaimsError::WrongType("exp")), Outcome::InvalidToken),
        (Rejection::ConfirmationUnknown, Outcome::InvalidToken),
        (Rejection::CutByWatermark, Outcome::InvalidToken),
        (Rejection::Expired, Outcome::InvalidToken),
        (Rejection::Inactive, Outcome::InvalidToken),
        (Rejection::IssuedInFuture, Outcome::InvalidToken),
        (Rejection::IssuerOther, Outcome::InvalidToken),
        (Rejection::KeyAmbiguous, Outcome::InvalidToken),
        (Rejection::KeyUnknown, Outcome::InvalidToken),
        (Rejection::KeyWithdrawn, Outcome::InvalidToken),
        (Rejection::LifetimeTooLong, Outcome::InvalidToken),
        (Rejection::NotYetValid, Outcome::InvalidToken),
        (Rejection::ProofKeyOther, Outcome::InvalidToken),
        (Rejection::Revoked(death), Outcome::InvalidToken),
        (Rejection::Revoked(cut), Outcome::InvalidToken),
        (Rejection::TokenMalformed(JwsError::PartCount), Outcome::InvalidToken),
        (Rejection::TokenMalformed(JwsError::SignatureWrong), Outcome::InvalidToken),
        (Rejection::TokenTooLong, Outcome::InvalidToken),
        (Rejection::TooOld, Outcome::InvalidToken),
        (Rejection::TypeOther, Outcome::InvalidToken),
        (Rejection::UnboundTokenAsDpop, Outcome::InvalidToken),
        (Rejection::ScopeInsufficient, Outcome::InsufficientScope),
        (Rejection::AuthenticationTooOld, Outcome::InsufficientUserAuthentication),
        (Rejection::AuthenticationTooWeak, Outcome::InsufficientUserAuthentication),
        (Rejection::AnswerMalformed(ClaimsError::NotAnObject), Outcome::Unavailable),
        (Rejection::FactsOfOtherProfile, Outcome::Unavailable),
        (Rejection::FactsStale, Outcome::Unavailable),
        (Rejection::KeysOfOtherIssuer, Outcome::Unavailable),
        (Rejection::ReplayMemoryFull, Outcome::Unavailable),
        (Rejection::RevocationUnknown, Outcome::Unavailable),
    ];
    for error in PROOF_ERRORS {
        let wants_nonce =
            matches!(error, ProofError::MadeBeforeMemory | ProofError::NonceMissing | ProofError::NonceOther);
        let outcome = if wants_nonce { Outcome::UseDpopNonce } else { Outcome::InvalidDpopProof };
        all.push((Rejection::Proof(error), outcome));
    }
    all
}

#[test]
fn v46_each_reason_has_a_name_of_its_own_and_one_outcome() {
    let mut codes = BTreeSet::new();
    for (rejection, outcome) in rejections() {
        assert_eq!(rejection.outcome(), outcome, "{rejection:?}");
        let code = rejection.code();
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        // Claims of the wrong type and out of range share a name.
        let is_twin = matches!(rejection, Rejection::Proof(ProofError::Claims(ClaimsError::OutOfRange(_))));
        assert!(codes.insert(code) || is_twin, "{code}");
        assert_eq!(rejection.to_string(), format!("request refused: {code}"));
    }
}

#[test]
fn v45_what_we_do_not_know_is_503_and_nothing_else_is() {
    for (rejection, outcome) in rejections() {
        let is_503 = rejection.outcome().status() == 503;
        assert_eq!(is_503, outcome == Outcome::Unavailable, "{rejection:?}");
    }
    let statuses: Vec<(u16, Option<&str>)> =
        Outcome::ALL.iter().map(|outcome| (outcome.status(), outcome.error())).collect();
    assert_eq!(
        statuses,
        [
            (401, None),
            (403, Some("insufficient_scope")),
            (401, Some("insufficient_user_authentication")),
            (401, Some("invalid_dpop_proof")),
            (400, Some("invalid_request")),
            (401, Some("invalid_token")),
            (503, None),
            (401, Some("use_dpop_nonce")),
        ]
    );
}
