//! Mutations: bits, blocks, splices, numbers at the borders, words of the format, and what is encoded within.

use fastrand::Rng;
use lydian_primitives::base64url;

/// Numbers at which readers of numbers break, as text.
const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "1",
    "-1",
    "00",
    "127",
    "255",
    "256",
    "32768",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
];

/// Bytes that end, quote, escape or are no text at all.
const BYTES: [u8; 20] = [
    0, 9, 10, 13, 32, b'"', b'%', b'&', b'+', b',', b'.', b'/', b':', b'=', b'\\', 0x7f, 0x80, 0xc3, 0xf4,
    0xff,
];

/// Changes `input` in one to four ways. `other` is another entry of the corpus, `words` are of the format.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&str], bytes_max: usize, rng: &mut Rng) {
    for _ in 0..1 + rng.usize(0..4) {
        change(input, other, words, rng);
    }
    input.truncate(bytes_max);
}

fn change(input: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut Rng) {
    let at = rng.usize(0..=input.len());
    match rng.u8(0..16) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(0..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = BYTES[rng.usize(0..BYTES.len())];
            }
        }
        3 => input.insert(at, BYTES[rng.usize(0..BYTES.len())]),
        4 => {
            let end = at + length(input.len() - at, rng);
            input.drain(at..end);
        }
        5 => {
            let block = block(input, rng).to_vec();
            insert(input, at, &block);
        }
        6 => {
            let block = block(input, rng).to_vec();
            overwrite(input, at, &block);
        }
        7 => {
            let block = block(other, rng).to_vec();
            insert(input, at, &block);
        }
        8 => {
            input.truncate(at);
            input.extend_from_slice(other.get(rng.usize(0..=other.len())..).unwrap_or_default());
        }
        9 | 10 if !words.is_empty() => {
            let at = behind_delimiter(input, at, rng);
            insert(input, at, words[rng.usize(0..words.len())].as_bytes());
        }
        11 if !words.is_empty() => {
            overwrite(input, at, words[rng.usize(0..words.len())].as_bytes());
        }
        12 => replace_number(input, at, rng),
        13 => change_encoded(input, at, other, words, rng),
        14 => {
            if at < input.len() {
                let escaped = format!("%{:02x}", input[at]);
                input.splice(at..=at, escaped.into_bytes());
            }
        }
        _ => {
            let times = 1 + rng.usize(0..64);
            let block = block(input, rng);
            let block = block[..block.len().min(16)].repeat(times);
            insert(input, at, &block);
        }
    }
}

/// In half of the cases the place behind the next delimiter: there a word is more often one of the format.
fn behind_delimiter(input: &[u8], at: usize, rng: &mut Rng) -> usize {
    let is_delimiter = |byte: &u8| b"{[,&=: \n".contains(byte);
    match input[at..].iter().position(is_delimiter) {
        Some(offset) if rng.bool() => at + offset + 1,
        _ => at,
    }
}

/// A length up to `most`; short ones are more likely.
fn length(most: usize, rng: &mut Rng) -> usize {
    let most = if rng.bool() { most.min(8) } else { most };
    rng.usize(0..=most)
}

fn block<'a>(from: &'a [u8], rng: &mut Rng) -> &'a [u8] {
    let start = rng.usize(0..=from.len());
    let rest = &from[start..];
    &rest[..length(rest.len(), rng)]
}

fn insert(input: &mut Vec<u8>, at: usize, block: &[u8]) {
    input.splice(at..at, block.iter().copied());
}

fn overwrite(input: &mut Vec<u8>, at: usize, block: &[u8]) {
    let end = input.len().min(at + block.len());
    input.splice(at..end, block.iter().copied());
}

/// Puts another number in the place of the first one from `at` on, with its sign.
fn replace_number(input: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let number = NUMBERS[rng.usize(0..NUMBERS.len())];
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else {
        return insert(input, at, number.as_bytes());
    };
    let digits = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    input.splice(start..start + digits, number.bytes());
}

/// Decodes the run of base64url around `at`, changes the bytes, and encodes them again.
fn change_encoded(input: &mut Vec<u8>, at: usize, other: &[u8], words: &[&str], rng: &mut Rng) {
    let is_encoded = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    let before = input[..at].iter().rev().take_while(|byte| is_encoded(byte)).count();
    let after = input[at..].iter().take_while(|byte| is_encoded(byte)).count();
    let run = at - before..at + after;
    if run.len() < 4 {
        return;
    }
    let Some(mut bytes) = base64url::decode(&input[run.clone()]) else {
        return;
    };
    // An encoded text within an encoded text ends here: each level needs a shorter run.
    change(&mut bytes, other, words, rng);
    input.splice(run, base64url::encode(&bytes).into_bytes());
}
