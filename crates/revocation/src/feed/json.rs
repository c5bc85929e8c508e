//! Reading and writing the members that the feed's values are made of.

use std::fmt::{self, Write as _};

use lydian_jose::json::{Json, Kind, Value};
use lydian_primitives::base64url;

use crate::position::{Link, Seq};

/// Numbers beyond it are not exact in every reader of JSON (RFC 8259 §6).
pub(super) const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Why something of the feed cannot be read. Whoever cannot read it does not know what was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedError {
    /// It is no JSON object of at most the allowed length.
    Malformed,
    /// This member is missing, or is not what it must be.
    Member(&'static str),
    /// The numbers of events do not follow each other.
    Order,
    /// A line or frame is longer than it may be.
    TooLong,
    /// It ended before it was complete.
    Truncated,
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it is no JSON object"),
            Self::Member(name) => write!(f, "the member {name} is missing or malformed"),
            Self::Order => f.write_str("the numbers of events do not follow each other"),
            Self::TooLong => f.write_str("a line is too long"),
            Self::Truncated => f.write_str("it ended before it was complete"),
        }
    }
}

impl std::error::Error for FeedError {}

/// Reads an object of at most `bytes_max` bytes.
pub(super) fn object(text: &[u8], bytes_max: usize) -> Result<Json, FeedError> {
    if text.len() > bytes_max {
        return Err(FeedError::TooLong);
    }
    let json = Json::parse(text).map_err(|_| FeedError::Malformed)?;
    if json.root().kind() == Kind::Object { Ok(json) } else { Err(FeedError::Malformed) }
}

pub(super) fn number(value: Value<'_>, name: &'static str) -> Result<u64, FeedError> {
    value
        .get(name)
        .and_then(|value| value.as_u64())
        .filter(|number| *number <= NUMBER_MAX)
        .ok_or(FeedError::Member(name))
}

pub(super) fn seq(value: Value<'_>, name: &'static str) -> Result<Seq, FeedError> {
    number(value, name).map(Seq::from_number)
}

pub(super) fn epoch(value: Value<'_>) -> Result<u32, FeedError> {
    number(value, "epoch").and_then(|number| u32::try_from(number).map_err(|_| FeedError::Member("epoch")))
}

pub(super) fn link(value: Value<'_>, name: &'static str) -> Result<Link, FeedError> {
    bits(value, name).map(Link::from_bits)
}

/// 64 bits as sixteen hexadecimal digits in lower case.
pub(super) fn bits(value: Value<'_>, name: &'static str) -> Result<u64, FeedError> {
    let text = value.get(name).and_then(|value| value.as_str()).ok_or(FeedError::Member(name))?;
    let is_hex = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex {
        return Err(FeedError::Member(name));
    }
    u64::from_str_radix(text, 16).map_err(|_| FeedError::Member(name))
}

/// 128 bits in base64url: 22 characters.
pub(super) fn key(value: Value<'_>, name: &'static str) -> Result<u128, FeedError> {
    let text = value.get(name).and_then(|value| value.as_str()).ok_or(FeedError::Member(name))?;
    base64url::decode_array::<16>(text.as_bytes()).map(u128::from_be_bytes).ok_or(FeedError::Member(name))
}

pub(super) fn write_key(key: u128, text: &mut String) {
    base64url::encode_into(&key.to_be_bytes(), text);
}

pub(super) fn write_bits(bits: u64, text: &mut String) {
    write!(text, "{bits:016x}").expect("writing to a string succeeds");
}

pub(super) fn write_number(number: u64, text: &mut String) {
    write!(text, "{number}").expect("writing to a string succeeds");
}
