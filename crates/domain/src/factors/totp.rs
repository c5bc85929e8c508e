//! Codes of authenticator apps (RFC 6238): six digits that change every half minute, each accepted once.

use aws_lc_rs::hmac;
use lydian_primitives::{Timestamp, limits};
use subtle::ConstantTimeEq;

use super::base32;

/// How long one code is shown, in seconds (RFC 6238 §5.2).
pub const STEP_SECONDS: u64 = 30;

/// The bytes of a key: as many as the hash has (RFC 4226 §4).
pub const KEY_BYTES: usize = 20;

/// How many steps an app may be early or late (RFC 6238 §6).
const STEPS_APART: u64 = 1;

const DIGITS: usize = 6;

/// What became of a typed code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is that of this step, which is later than every one that was accepted before.
    Accepted {
        /// The step, from now on the last one that was accepted.
        step: u64,
    },
    /// It was right, and is used up (RFC 6238 §5.2).
    Used,
    /// It is wrong.
    Wrong,
}

/// The code of a step (RFC 4226 §5.3).
pub fn code_at(key: &[u8], step: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 15);
    let word: [u8; 4] =
        tag[offset..offset + 4].try_into().expect("the tag has 20 bytes, the offset is below 16");
    (u32::from_be_bytes(word) & 0x7fff_ffff) % 10_u32.pow(DIGITS as u32)
}

/// The step of a time.
pub fn step_of(now: Timestamp) -> u64 {
    now.as_unix_seconds() / STEP_SECONDS
}

/// Judges a typed code; `last_step` is the last step that was accepted.
pub fn judge(key: &[u8], typed: &str, now: Timestamp, last_step: u64) -> Verdict {
    let Some(typed) = digits(typed) else {
        return Verdict::Wrong;
    };
    let step = step_of(now);
    let mut verdict = Verdict::Wrong;
    // Every step is looked at, so that the time tells nothing of which one it was.
    for step in step.saturating_sub(STEPS_APART)..=step.saturating_add(STEPS_APART) {
        if bool::from(code_at(key, step).ct_eq(&typed)) {
            verdict = match verdict {
                Verdict::Accepted { .. } => verdict,
                _ if step > last_step => Verdict::Accepted { step },
                _ => Verdict::Used,
            };
        }
    }
    verdict
}

/// The six digits of what was typed: people type spaces between them.
fn digits(typed: &str) -> Option<u32> {
    if typed.len() > limits::FACTOR_CODE_BYTES_MAX {
        return None;
    }
    let typed: String = typed.chars().filter(|character| !character.is_whitespace()).collect();
    (typed.len() == DIGITS && typed.bytes().all(|byte| byte.is_ascii_digit())).then(|| typed.parse().ok())?
}

/// The address that an app reads from a QR code.
pub fn otpauth(house: &str, username: &str, key: &[u8]) -> String {
    let escape = |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let (house, username) = (escape(house), escape(username));
    format!("otpauth://totp/{house}:{username}?secret={}&issuer={house}", base32(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, SHA-1; the last six of its eight digits.
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code_at(KEY, step_of(Timestamp::from_unix_seconds(seconds))), code, "{seconds}");
        }
    }

    #[track_caller]
    fn check(typed: &str, at: u64, last_step: u64, expected: Verdict) {
        assert_eq!(
            judge(KEY, typed, Timestamp::from_unix_seconds(at), last_step),
            expected,
            "{typed} at {at}"
        );
    }

    #[test]
    fn a_code_is_good_one_step_early_and_late_and_not_two() {
        let step = 1_111_111_111 / 30;
        let accepted = Verdict::Accepted { step };
        for at in [1_111_111_111, 1_111_111_111 - 30, 1_111_111_111 + 30] {
            check("050471", at, 0, accepted);
            check(" 050 471 ", at, 0, accepted);
        }
        check("050471", 1_111_111_111 - 60, 0, Verdict::Wrong);
        check("050471", 1_111_111_111 + 60, 0, Verdict::Wrong);
    }

    #[test]
    fn a_step_is_accepted_once_and_none_before_it() {
        let step = 1_111_111_111 / 30;
        check("050471", 1_111_111_111, step - 1, Verdict::Accepted { step });
        check("050471", 1_111_111_111, step, Verdict::Used);
        check("050471", 1_111_111_111, step + 1, Verdict::Used);
        check("050472", 1_111_111_111, step, Verdict::Wrong);
    }

    #[test]
    fn what_is_no_code_is_wrong() {
        for typed in [
            "",
            "05047",
            "0504711",
            "+50471",
            "-50471",
            "0x5047",
            "\u{666}\u{665}\u{660}\u{664}\u{667}\u{661}",
            &"0".repeat(100),
        ] {
            check(typed, 1_111_111_111, 0, Verdict::Wrong);
        }
    }

    #[test]
    fn the_address_for_apps_is_escaped() {
        assert_eq!(
            otpauth("Harbour & Town", "a b@example.com", b"foobar"),
            "otpauth://totp/Harbour%20%26%20Town:a%20b%40example.com?secret=MZXW6YTBOI&issuer=Harbour%20%26%20Town"
        );
    }
}
