use lydian_primitives::Digest;
use lydian_revocation::{CutKind, Event};

use super::*;
use crate::introspect::ParentRows;
use crate::records::TokenDigest;
use crate::test_fixtures::*;

/// The verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "https://app.example/cb";

fn challenge() -> [u8; 32] {
    lydian_primitives::base64url::decode_array(CHALLENGE.as_bytes()).unwrap()
}

fn code() -> AuthorizationCode {
    AuthorizationCode {
        id: refresh_token().id,
        realm: REALM,
        client: OWNER,
        user: USER,
        session: SESSION,
        grant: GRANT,
        redirect_uri: REDIRECT.to_owned(),
        code_challenge: challenge(),
        scope: scope("openid read"),
        nonce: None,
        issued_at: ISSUED,
        expires_at: ISSUED.plus_seconds(60),
        minted_at: refresh_token().minted_at,
        digest: TokenDigest { generation: 0, digest: Digest::from_bytes([0; 32]) },
        redeemed_at: None,
    }
}

const RIGHT: Presented<'static> = Presented { redirect_uri: Some(REDIRECT), code_verifier: Some(VERIFIER) };

fn decide(case: &Case, code: &AuthorizationCode, presented: Presented<'_>) -> Result<(), Rejection> {
    let ledger = ledger(CUT.as_number(), &case.events);
    let parents =
        ParentRows { grant: case.grant.as_ref(), session: case.session.as_ref(), user: case.user.as_ref() };
    let world = World {
        view: view(&ledger),
        now: case.now,
        realm_cut_at: case.realm_cut_at,
        client: case.owner.as_ref(),
        api: None,
        key: None,
        parents: case.has_parents.then_some(parents),
    };
    redeem(code, &case.caller, presented, &world)
}

fn own() -> Case {
    case().asked_by(client(OWNER.as_number()))
}

#[track_caller]
fn check(case: &Case, code: &AuthorizationCode, presented: Presented<'_>, refusal: Refusal) {
    let rejection = Rejection { refusal, kills_grant: refusal == Refusal::CodeReplayed };
    assert_eq!(decide(case, code, presented), Err(rejection));
}

#[test]
fn a_code_is_good_for_its_client_its_address_and_its_verifier() {
    assert_eq!(decide(&own(), &code(), RIGHT), Ok(()));
}

#[test]
fn a_code_of_another_client_is_refused_and_not_burnt() {
    check(&own().asked_by(client(77)), &code(), RIGHT, Refusal::CodeOfAnotherClient);
    let used = AuthorizationCode { redeemed_at: Some(ISSUED), ..code() };
    check(&own().asked_by(client(77)), &used, RIGHT, Refusal::CodeOfAnotherClient);
}

#[test]
fn another_redirect_address_is_refused() {
    for redirect_uri in [None, Some(""), Some("https://app.example/cb/"), Some("https://evil.example/")] {
        check(&own(), &code(), Presented { redirect_uri, ..RIGHT }, Refusal::RedirectUriMismatch);
    }
}

#[test]
fn a_missing_or_wrong_verifier_is_refused() {
    check(&own(), &code(), Presented { code_verifier: None, ..RIGHT }, Refusal::CodeVerifierMissing);
    let (longer, shorter) = (format!("{VERIFIER}A"), &VERIFIER[..42]);
    for verifier in ["", CHALLENGE, longer.as_str(), shorter, &"a".repeat(129)] {
        let presented = Presented { code_verifier: Some(verifier), ..RIGHT };
        check(&own(), &code(), presented, Refusal::CodeVerifierWrong);
    }
}

#[test]
fn a_verifier_has_43_to_128_unreserved_characters() {
    assert!(verifies(VERIFIER, &challenge()));
    let hash_of = |text: &str| -> [u8; 32] {
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().try_into().unwrap()
    };
    let of = |text: &str| verifies(text, &hash_of(text));
    assert!(of(&"a".repeat(43)) && of(&"~".repeat(128)));
    assert!(!of(&"a".repeat(42)) && !of(&"a".repeat(129)) && !of(&"+".repeat(43)));
}

#[test]
fn a_second_use_by_its_client_kills_the_grant_however_late() {
    let used = AuthorizationCode { redeemed_at: Some(ISSUED), ..code() };
    check(&own(), &used, RIGHT, Refusal::CodeReplayed);
    check(&own().at_second(10_000), &used, RIGHT, Refusal::CodeReplayed);
    // Who has the code and not its verifier kills nothing.
    check(&own(), &used, Presented { code_verifier: Some(CHALLENGE), ..RIGHT }, Refusal::CodeVerifierWrong);
}

#[test]
fn a_code_ends_with_its_second() {
    assert_eq!(decide(&own().at_second(59), &code(), RIGHT), Ok(()));
    check(&own().at_second(60), &code(), RIGHT, Refusal::CodeExpired);
    check(&own().at_second(61), &code(), RIGHT, Refusal::CodeExpired);
}

#[test]
fn what_was_cut_or_disabled_meanwhile_takes_the_code_along() {
    for kind in [CutKind::Client, CutKind::Grant, CutKind::Realm, CutKind::Session, CutKind::User] {
        let event = Event::Cut { kind, subject: subject_of(kind) };
        check(&own().after(event), &code(), RIGHT, Refusal::CodeRevoked);
        check(&own().with(|case| case.cut_row(kind, CUT)), &code(), RIGHT, Refusal::CodeRevoked);
    }
    check(&own().with(Case::disable_owner), &code(), RIGHT, Refusal::CodeRevoked);
    check(&own().with(Case::disable_user), &code(), RIGHT, Refusal::CodeRevoked);
    check(&own().with(|case| case.user = None), &code(), RIGHT, Refusal::CodeRevoked);
    check(&own().with(|case| case.session = None), &code(), RIGHT, Refusal::CodeRevoked);
    check(&own().with(|case| case.grant = None), &code(), RIGHT, Refusal::CodeRevoked);
}
