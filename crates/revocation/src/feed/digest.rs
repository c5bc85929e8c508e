//! A digest over what a view of the feed holds, by which two copies find that they differ.

use std::collections::BTreeMap;

use lydian_jose::json::Value;
use lydian_primitives::Timestamp;

use super::event::FeedEvent;
use super::json::{self, FeedError};

/// What a digest says at one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestValue {
    /// It covers the events whose `until` lies in this hour since 1970 or later.
    pub from_hour: u64,
    /// How many they are.
    pub count: u64,
    /// Their hashes, joined by exclusive or.
    pub xor: u64,
}

impl DigestValue {
    pub(super) fn write(&self, text: &mut String) {
        text.push_str("{\"from_hour\":");
        json::write_number(self.from_hour, text);
        text.push_str(",\"count\":");
        json::write_number(self.count, text);
        text.push_str(",\"xor\":\"");
        json::write_bits(self.xor, text);
        text.push_str("\"}");
    }

    pub(super) fn read(value: Value<'_>) -> Result<Self, FeedError> {
        Ok(Self {
            from_hour: json::number(value, "from_hour")?,
            count: json::number(value, "count")?,
            xor: json::bits(value, "xor")?,
        })
    }
}

/// The running digest of one copy: a few numbers per hour, whatever happens in it.
///
/// Both sides add each event once, when it is applied, to the hour of its `until`. So they compare although they forget at
/// different times, and no clock takes part.
#[derive(Clone, Debug, Default)]
pub struct ViewDigest {
    hours: BTreeMap<u64, (u64, u64)>,
}

impl ViewDigest {
    /// Adds an event.
    pub fn add(&mut self, event: &FeedEvent) {
        let (count, xor) = self.hours.entry(hour_of(event.until)).or_default();
        *count += 1;
        *xor ^= hash(event);
    }

    /// The digest of what ends in `from_hour` or later.
    pub fn value(&self, from_hour: u64) -> DigestValue {
        let mut value = DigestValue { from_hour, count: 0, xor: 0 };
        for (count, xor) in self.hours.range(from_hour..).map(|(_, sums)| sums) {
            value.count += count;
            value.xor ^= xor;
        }
        value
    }

    /// The first hour that a digest made at this forgetting mark covers: in every earlier one something may have left already.
    pub fn first_hour(mark: Timestamp) -> u64 {
        hour_of(mark) + 1
    }

    /// Forgets the hours before this one.
    pub fn forget_before(&mut self, hour: u64) {
        self.hours = self.hours.split_off(&hour);
    }
}

fn hour_of(time: Timestamp) -> u64 {
    time.as_unix_seconds() / 3_600
}

/// The hash of an event: number, kind (its place in the alphabetical list, from zero), both halves of the key, and `until`, each
/// mixed in by the finalizer of SplitMix64. It finds accidents; it need not resist an adversary, whom TLS keeps out.
fn hash(event: &FeedEvent) -> u64 {
    let words = [
        event.seq.as_number(),
        event.kind as u64,
        (event.key >> 64) as u64,
        event.key as u64,
        event.until.as_unix_seconds(),
    ];
    words.into_iter().fold(0, |state, word| {
        let mut mixed = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}
