//! What strangers send in the name of a second factor: codes, and what passkeys say.

use lydian_domain::factors::cbor::Reader;
use lydian_domain::factors::recovery;
use lydian_domain::factors::totp::{self, Verdict};
use lydian_domain::factors::webauthn::{self, Expected};
use lydian_domain::{Factor, FactorId, FactorKind, Passkey, RealmId, UserId};
use lydian_primitives::{Timestamp, base64url, limits};
use serde_json::json;

use super::text_of;
use crate::outcome::{Outcome, magnitude};

const EXPECTED: Expected<'static> = Expected {
    challenge: &[7; 32],
    origin: "https://login.example.com",
    relying_party: "login.example.com",
    user_verification: false,
};

/// The public key behind the answers of the corpus.
const PUBLIC_KEY: &str =
    "pQECAyYgASFYIHI40HZmG55Yp8n8qhNhMrC4ilDbUknlgz3B0PzYZnY9IlggJZqmDMAV_adGbh4f-lGxW9b_JRe5f0J4sXOn8qiRaM4";

/// One item of CBOR with all that it holds: what is read and what is left are the input, and an item costs a byte at least.
pub(crate) fn cbor(input: &[u8]) -> Outcome {
    let mut whole = Reader::of(input);
    let skipped = whole.skip();
    let read = input.len() - whole.rest().len();
    let mut items = Reader::of(&input[..read]);
    let mut count = 0_usize;
    while items.item().is_ok() {
        count += 1;
        assert!(count <= read, "an item without a byte");
    }
    match skipped {
        Err(error) => Outcome::refused(error),
        Ok(()) => {
            assert!(items.rest().is_empty(), "what was passed over reads item by item");
            Outcome::accepted((magnitude(count), whole.rest().is_empty()))
        }
    }
}

/// A typed code: it is accepted only if it is the code of a step nearby that was not used, and a recovery code has one digest however
/// it is typed.
pub(crate) fn factor_code(input: &[u8]) -> Outcome {
    let Some(typed) = text_of(input) else {
        return Outcome::refused("no text");
    };
    let (key, now) = (b"12345678901234567890", Timestamp::from_unix_seconds(1_111_111_111));
    let digest = recovery::digest_of(UserId::from_number(1), typed);
    if let Some(digest) = digest {
        assert_eq!(recovery::digest_of(UserId::from_number(1), &typed.to_ascii_uppercase()), Some(digest));
        assert_ne!(recovery::digest_of(UserId::from_number(2), typed), Some(digest));
    }
    match totp::judge(key, typed, now, totp::step_of(now) - 1) {
        Verdict::Accepted { step } => {
            let plain: String = typed.split_whitespace().collect();
            assert_eq!(plain, format!("{:06}", totp::code_at(key, step)));
            assert!(step.abs_diff(totp::step_of(now)) <= 1);
            Outcome::accepted("code")
        }
        _ if digest.is_some() => Outcome::accepted("recovery code"),
        verdict => Outcome::refused((verdict == Verdict::Used, magnitude(typed.len()))),
    }
}

/// The answer of a passkey as the script sends it: what is read is within its limits, and only what fits is registered.
pub(crate) fn passkey_answer(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("no text");
    };
    let read = webauthn::assertion(text);
    if let Ok(assertion) = &read {
        assert!((1..=limits::CREDENTIAL_ID_BYTES_MAX).contains(&assertion.credential.len()));
    }
    match (webauthn::register(text, &EXPECTED), read) {
        (Ok(made), _) => {
            check_made(&made);
            Outcome::accepted(("made", made.counter, made.user_verified))
        }
        (Err(_), Ok(assertion)) => Outcome::accepted(("read", assertion.user_handle.is_some())),
        (Err(one), Err(other)) => Outcome::refused((one, other)),
    }
}

/// An attestation object in an answer that is right otherwise.
pub(crate) fn passkey_attestation(input: &[u8]) -> Outcome {
    let client_data = json!({
        "type": "webauthn.create",
        "challenge": base64url::encode(EXPECTED.challenge),
        "origin": EXPECTED.origin,
    });
    let answer = json!({
        "rawId": base64url::encode(&credential_of(input).unwrap_or_default()),
        "type": "public-key",
        "response": {
            "clientDataJSON": base64url::encode(client_data.to_string().as_bytes()),
            "attestationObject": base64url::encode(input),
        },
    });
    match webauthn::register(&answer.to_string(), &EXPECTED) {
        Ok(made) => {
            check_made(&made);
            Outcome::accepted((magnitude(made.passkey.public_key.len()), made.passkey.is_copied))
        }
        Err(fault) => Outcome::refused(fault),
    }
}

/// What a passkey says at a sign-in: only what its key has signed proves anything.
pub(crate) fn passkey_assertion(input: &[u8]) -> Outcome {
    let assertion = match text_of(input).ok_or(webauthn::Fault::Malformed).and_then(webauthn::assertion) {
        Ok(assertion) => assertion,
        Err(fault) => return Outcome::refused(fault),
    };
    let passkey = Passkey {
        credential: assertion.credential.clone(),
        public_key: base64url::decode(PUBLIC_KEY.as_bytes()).unwrap_or_default(),
        transports: Vec::new(),
        is_copied: false,
        is_discoverable: true,
    };
    let factor = Factor {
        id: FactorId::from_number(1),
        realm: RealmId::from_number(1),
        user: UserId::from_number(1),
        name: String::new(),
        created_at: Timestamp::EPOCH,
        last_used_at: None,
        mark: 1,
        kind: FactorKind::Passkey(passkey),
    };
    match webauthn::prove(&assertion, &factor, &EXPECTED) {
        Ok(proven) => {
            assert_eq!((proven.counter, proven.user_verified), (2, true), "this key has signed one thing");
            Outcome::accepted(assertion.user_handle.is_some())
        }
        Err(fault) => Outcome::refused(fault),
    }
}

/// Whatever was registered can be asked for again, and is small.
fn check_made(made: &webauthn::Made) {
    assert!((1..=limits::CREDENTIAL_ID_BYTES_MAX).contains(&made.passkey.credential.len()));
    assert!(made.passkey.public_key.len() <= limits::CREDENTIAL_KEY_BYTES_MAX);
    assert!(Reader::of(&made.passkey.public_key).map().is_ok());
}

/// The credential id within an attestation object, where the format has it.
fn credential_of(object: &[u8]) -> Option<Vec<u8>> {
    let name = object.windows(8).position(|window| window == b"authData")?;
    let data = Reader::of(&object[name + 8..]).bytes().ok()?;
    let length = usize::from(u16::from_be_bytes([*data.get(53)?, *data.get(54)?]));
    data.get(55..55 + length).map(<[u8]>::to_vec)
}
