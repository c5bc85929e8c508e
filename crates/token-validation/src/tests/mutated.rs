//! Any single change of a valid token is refused.

use lydian_jose::Algorithm;
use proptest::prelude::*;

use super::support::*;
use crate::{Profile, verify};

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];

fn accepts(token: &str) -> bool {
    let profile = Profile::builder(ISSUER, [AUDIENCE], ALGORITHMS).build().unwrap();
    let keys = keys_of(&ALGORITHMS.map(key));
    verify(token, &keys, &profile).is_ok()
}

fn token(algorithm: Algorithm) -> String {
    key(algorithm).sign_compact("at+jwt", claims_with(&[]).as_bytes()).unwrap()
}

#[test]
fn v04_every_other_character_at_every_place_is_refused() {
    let token = token(Algorithm::EdDsa);
    assert!(accepts(&token));
    let mut count = 0;
    for place in 0..token.len() {
        for other in [
            b'A',
            b'Q',
            b'_',
            b'-',
            b'.',
            b'=',
            b' ',
            b'9',
            token.as_bytes()[place] ^ 1,
            token.as_bytes()[place] ^ 32,
        ] {
            if other == token.as_bytes()[place] || !other.is_ascii() {
                continue;
            }
            let mut bytes = token.clone().into_bytes();
            bytes[place] = other;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(!accepts(&changed), "{other} at {place}");
            count += 1;
        }
    }
    assert!(count > 3_000, "{count}");
}

#[test]
fn v04_every_token_that_is_cut_off_or_longer_is_refused() {
    for algorithm in ALGORITHMS {
        let token = token(algorithm);
        assert!(accepts(&token));
        for end in 0..token.len() {
            assert!(!accepts(&token[..end]), "{algorithm:?} {end}");
        }
        for place in 0..=token.len() {
            let longer = format!("{}A{}", &token[..place], &token[place..]);
            assert!(!accepts(&longer), "{algorithm:?} {place}");
        }
    }
}

#[test]
fn v04_parts_of_two_tokens_do_not_mix() {
    let parts: Vec<Vec<String>> = ALGORITHMS
        .iter()
        .map(|algorithm| token(*algorithm).split('.').map(str::to_owned).collect())
        .collect();
    let mut accepted = 0;
    for header in &parts {
        for payload in &parts {
            for signature in &parts {
                let mixed = format!("{}.{}.{}", header[0], payload[1], signature[2]);
                accepted += usize::from(accepts(&mixed));
            }
        }
    }
    // The payloads are equal: header and signature must be of one token.
    assert_eq!(accepted, ALGORITHMS.len() * ALGORITHMS.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn v04_random_changes_are_refused(algorithm in 0_usize..4, place: prop::sample::Index, bit in 0_u8..7, swap: bool) {
        let token = token_of(algorithm);
        let mut bytes = token.clone().into_bytes();
        let place = place.index(bytes.len());
        if swap {
            let next = (place + 1) % bytes.len();
            bytes.swap(place, next);
        } else {
            bytes[place] ^= 1 << bit;
        }
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(accepts(&changed), changed == *token);
    }

    #[test]
    fn no_token_makes_the_verifier_panic(token: String) {
        prop_assert!(!accepts(&token));
    }
}

/// One token of each algorithm: signing anew for each case takes long.
fn token_of(algorithm: usize) -> &'static String {
    static TOKENS: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| ALGORITHMS.iter().map(|algorithm| token(*algorithm)).collect());
    &TOKENS[algorithm]
}
