//! Recovery codes: what lets a person in who lost everything else. Each is used once, and only digests of them are kept.

use lydian_primitives::{Mint, Secret, limits};

use super::base32;
use crate::records::UserId;
use crate::secrets::sha256;

/// The letters of a code: 80 random bits, which nobody finds by trying, not even with the digest in hand.
const LETTERS: usize = 16;

/// Makes a set of codes, as they are shown: groups of four letters.
pub fn make(mint: &Mint<'_>) -> Vec<Secret> {
    let code = || {
        let letters = base32(&mint.bytes::<10>()).to_lowercase();
        let groups: Vec<String> =
            letters.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        Secret::new(groups.join("-"))
    };
    (0..limits::RECOVERY_CODES).map(|_| code()).collect()
}

/// The digest under which a code of this person is kept; `None` for what can be no code.
pub fn digest_of(user: UserId, typed: &str) -> Option<[u8; 32]> {
    if typed.len() > limits::FACTOR_CODE_BYTES_MAX {
        return None;
    }
    // What people read wrongly from paper is read as it was meant: these digits are in no code.
    let letter = |character: char| match character.to_ascii_lowercase() {
        '0' => 'o',
        '1' => 'l',
        '8' => 'b',
        other => other,
    };
    let dashes = |character: &char| !character.is_whitespace() && *character != '-';
    let plain: String = typed.chars().filter(dashes).map(letter).collect();
    let well_formed =
        plain.len() == LETTERS && plain.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    well_formed.then(|| sha256(format!("lydian recovery code {user} {plain}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use lydian_primitives::{SystemEntropy, Timestamp};

    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_typed_and_for_its_person_alone() {
        let codes = make(&Mint::new(Timestamp::EPOCH, &SystemEntropy));
        assert_eq!(codes.len(), limits::RECOVERY_CODES);
        let (alice, bob) = (UserId::from_number(1), UserId::from_number(2));
        for code in &codes {
            let code = code.expose();
            assert_eq!((code.len(), code.split('-').count()), (19, 4), "{code}");
            let digest = digest_of(alice, code).unwrap();
            assert_eq!(digest_of(alice, &code.replace('-', " ").to_uppercase()), Some(digest));
            assert_eq!(digest_of(alice, &code.replace('-', "").replace('o', "0")), Some(digest));
            assert_ne!(digest_of(bob, code), Some(digest));
        }
        let mut digests: Vec<_> = codes.iter().filter_map(|code| digest_of(alice, code.expose())).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), limits::RECOVERY_CODES);
    }

    #[test]
    fn what_can_be_no_code_has_no_digest() {
        for typed in [
            "",
            "abcd",
            "abcd-efgh-ijkl-mno9",
            "abcd-efgh-ijkl-mnopq",
            "\u{e4}bcd-efgh-ijkl-mnop",
            &"a".repeat(65),
        ] {
            assert_eq!(digest_of(UserId::from_number(1), typed), None, "{typed}");
        }
    }
}
