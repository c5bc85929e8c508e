//! What the server believes of a passkey, and everything that it does not: a software authenticator tells the truth and lies.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use lydian_domain::factors::webauthn::{self, Expected, Fault, Made};
use lydian_domain::{Factor, FactorId, FactorKind, RealmId, UserId};
use lydian_primitives::{Timestamp, base64url};
use lydian_test_kit::authenticator::{Authenticator, COPIED, USER_PRESENT, USER_VERIFIED};
use serde_json::{Value, json};

const ORIGIN: &str = "https://login.example.com";
const CHALLENGE: [u8; 32] = [7; 32];

fn expected(user_verification: bool) -> Expected<'static> {
    Expected { challenge: &CHALLENGE, origin: ORIGIN, relying_party: "login.example.com", user_verification }
}

fn authenticator() -> Authenticator {
    Authenticator::new(ORIGIN, 1)
}

fn asks_for_new() -> String {
    let challenge = base64url::encode(&CHALLENGE);
    json!({ "rp": { "id": "login.example.com" }, "user": { "id": "aGFuZGxl" }, "challenge": challenge })
        .to_string()
}

fn asks() -> String {
    json!({ "rpId": "login.example.com", "challenge": base64url::encode(&CHALLENGE) }).to_string()
}

fn make(authenticator: &mut Authenticator) -> Result<Made, Fault> {
    webauthn::register(&authenticator.create(&asks_for_new()), &expected(false))
}

fn factor(made: Made) -> Factor {
    Factor {
        id: FactorId::from_number(1),
        realm: RealmId::from_number(1),
        user: UserId::from_number(1),
        name: String::new(),
        created_at: Timestamp::EPOCH,
        last_used_at: None,
        mark: made.counter.into(),
        kind: FactorKind::Passkey(made.passkey),
    }
}

fn prove(answer: &str, factor: &Factor, user_verification: bool) -> Result<(u32, bool), Fault> {
    let assertion = webauthn::assertion(answer)?;
    let proven = webauthn::prove(&assertion, factor, &expected(user_verification))?;
    Ok((proven.counter, proven.user_verified))
}

/// An authenticator with a registered passkey.
fn registered() -> (Authenticator, Factor) {
    let mut authenticator = authenticator();
    let factor = factor(make(&mut authenticator).unwrap());
    (authenticator, factor)
}

#[test]
fn a_passkey_is_registered_and_proves_itself() {
    let mut authenticator = authenticator();
    let made = make(&mut authenticator).unwrap();
    assert_eq!((made.counter, made.user_verified), (1, true));
    assert_eq!(made.passkey.credential, [1; 32]);
    assert_eq!(made.passkey.public_key, authenticator.cose_key());
    assert_eq!(made.passkey.transports, ["hybrid", "internal"], "known ones alone are kept");
    assert!(!made.passkey.is_copied && made.passkey.is_discoverable);
    let factor = factor(made);
    assert_eq!(prove(&authenticator.get(&asks()), &factor, true), Ok((2, true)));
    authenticator.flags = USER_PRESENT;
    assert_eq!(prove(&authenticator.get(&asks()), &factor, false), Ok((3, false)));
}

#[test]
fn a_passkey_that_may_be_copied_says_so() {
    let mut authenticator = authenticator();
    authenticator.flags |= COPIED;
    assert!(make(&mut authenticator).unwrap().passkey.is_copied);
    // A copy of what may not be copied is nonsense.
    authenticator.flags = USER_PRESENT | 1 << 4;
    assert_eq!(make(&mut authenticator), Err(Fault::Malformed));
}

#[test]
fn each_lie_is_found_at_both_ceremonies() {
    type Lie = fn(&mut Authenticator);
    let lies: [(Lie, Fault); 6] = [
        (|one| one.origin = "https://login.example.com.evil.example".to_owned(), Fault::Origin),
        (|one| one.origin = "https://login.example.com:444".to_owned(), Fault::Origin),
        (|one| one.origin = "http://login.example.com".to_owned(), Fault::Origin),
        (|one| one.cross_origin = true, Fault::CrossOrigin),
        (|one| one.relying_party = Some("example.com".to_owned()), Fault::RelyingParty),
        (|one| one.flags = USER_VERIFIED, Fault::UserAbsent),
    ];
    for (lie, fault) in lies {
        let (mut liar, factor) = registered();
        lie(&mut liar);
        assert_eq!(prove(&liar.get(&asks()), &factor, false), Err(fault));
        let mut liar = authenticator();
        lie(&mut liar);
        assert_eq!(make(&mut liar), Err(fault));
    }
}

#[test]
fn a_user_who_was_not_checked_is_refused_where_that_is_needed() {
    let (mut authenticator, factor) = registered();
    authenticator.flags = USER_PRESENT;
    assert_eq!(prove(&authenticator.get(&asks()), &factor, true), Err(Fault::UserNotVerified));
}

#[test]
fn another_challenge_is_refused() {
    let other = asks().replace(&base64url::encode(&CHALLENGE), &base64url::encode(&[8; 32]));
    let (mut authenticator, factor) = registered();
    assert_eq!(prove(&authenticator.get(&other), &factor, false), Err(Fault::Challenge));
    let empty = asks().replace(&base64url::encode(&CHALLENGE), "");
    assert_eq!(prove(&authenticator.get(&empty), &factor, false), Err(Fault::Challenge));
}

#[test]
fn another_key_proves_nothing() {
    let (_, factor) = registered();
    let mut other = authenticator();
    assert_eq!(prove(&other.get(&asks()), &factor, false), Err(Fault::Signature));
    other.credential = vec![9; 32];
    assert_eq!(prove(&other.get(&asks()), &factor, false), Err(Fault::UserHandle));
}

#[test]
fn a_counter_grows_or_is_not_used_at_all() {
    let (mut authenticator, mut factor) = registered();
    factor.mark = 10;
    for (counter, expected) in [
        (8, Err(Fault::Counter)),
        (9, Err(Fault::Counter)),
        (10, Ok((11, true))),
        (u32::MAX - 1, Ok((u32::MAX, true))),
    ] {
        authenticator.counter = counter;
        assert_eq!(prove(&authenticator.get(&asks()), &factor, true), expected, "{counter}");
    }
    authenticator.counter = 0;
    assert_eq!(prove(&authenticator.get(&asks()), &factor, true), Err(Fault::Counter), "it counted before");
    factor.mark = 0;
    assert_eq!(prove(&authenticator.get(&asks()), &factor, true), Ok((0, true)));
    authenticator.counter = 4;
    assert_eq!(prove(&authenticator.get(&asks()), &factor, true), Ok((5, true)));
}

/// Changes one byte at each place of a member of the response, in turn.
fn altered(answer: &str, member: &str, mut check: impl FnMut(usize, &str)) {
    let parsed: Value = serde_json::from_str(answer).unwrap();
    let bytes = base64url::decode(parsed["response"][member].as_str().unwrap().as_bytes()).unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let mut parsed = parsed.clone();
        parsed["response"][member] = base64url::encode(&changed).into();
        check(position, &parsed.to_string());
    }
}

#[test]
fn no_byte_of_what_is_signed_can_be_changed() {
    let (mut authenticator, factor) = registered();
    let answer = authenticator.get(&asks());
    for member in ["authenticatorData", "clientDataJSON", "signature"] {
        altered(&answer, member, |position, changed| {
            assert!(prove(changed, &factor, true).is_err(), "{member} {position}");
        });
    }
}

#[test]
fn an_attestation_cut_short_or_with_something_behind_it_is_refused() {
    let answer = authenticator().create(&asks_for_new());
    let parsed: Value = serde_json::from_str(&answer).unwrap();
    let object =
        base64url::decode(parsed["response"]["attestationObject"].as_str().unwrap().as_bytes()).unwrap();
    let with = |object: &[u8]| {
        let mut parsed = parsed.clone();
        parsed["response"]["attestationObject"] = base64url::encode(object).into();
        webauthn::register(&parsed.to_string(), &expected(false))
    };
    assert!(with(&object).is_ok());
    for length in 0..object.len() {
        assert!(with(&object[..length]).is_err(), "{length}");
    }
    assert_eq!(with(&[object.as_slice(), &[0]].concat()), Err(Fault::Malformed));
}

#[test]
fn keys_that_were_not_asked_for_or_are_none_are_refused() {
    let answer = authenticator().create(&asks_for_new());
    let key = |change: fn(&mut Vec<u8>)| {
        let parsed: Value = serde_json::from_str(&answer).unwrap();
        let text = parsed["response"]["attestationObject"].as_str().unwrap();
        let mut object = base64url::decode(text.as_bytes()).unwrap();
        change(&mut object);
        let mut parsed = parsed.clone();
        parsed["response"]["attestationObject"] = base64url::encode(&object).into();
        webauthn::register(&parsed.to_string(), &expected(false)).unwrap_err()
    };
    // The key is the last 77 bytes: kty, alg and curve at its beginning, then x and y.
    let cases: [fn(&mut Vec<u8>); 5] = [
        |object| {
            let at = object.len() - 77 + 2;
            object[at] = 0x01
        },
        |object| {
            let at = object.len() - 77 + 4;
            object[at] = 0x27
        },
        |object| {
            let at = object.len() - 77 + 6;
            object[at] = 0x02
        },
        |object| {
            let at = object.len() - 77 + 3;
            object[at] = 0x01
        },
        // Not a point of the curve.
        |object| {
            let at = object.len() - 1;
            object[at] ^= 1
        },
    ];
    for (number, change) in cases.into_iter().enumerate() {
        assert_eq!(key(change), Fault::Key, "case {number}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let (mut authenticator, _) = registered();
    let answer = authenticator.get(&asks());
    let too_long = answer.replace("\"id\"", &format!("\"{}\":1,\"id\"", "x".repeat(40_000)));
    for text in [
        "",
        "{}",
        "[]",
        "null",
        &"[".repeat(10_000),
        &answer.replace("public-key", "password"),
        &answer.replace("\"rawId\":\"", "\"rawId\":\"+"),
        &answer.replace("signature", "signatur"),
        &too_long,
    ] {
        assert_eq!(webauthn::assertion(text).map(|_| ()), Err(Fault::Malformed), "{text:.60}");
        assert_eq!(
            webauthn::register(text, &expected(false)).map(|_| ()),
            Err(Fault::Malformed),
            "{text:.60}"
        );
    }
    // One ceremony's answer is none to the other.
    let created = authenticator.create(&asks_for_new());
    assert_eq!(webauthn::assertion(&created).map(|_| ()), Err(Fault::Malformed));
}
