//! Where something stands in the log.

use std::fmt;
use std::num::NonZeroU64;

/// The number of a row in the log: it grows by one with each row, in the order of commits.
///
/// Zero is the position before the first row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(
    /// The number with the top bit set: never zero, so that an optional position is no larger than a position.
    NonZeroU64,
);

/// The bit that no number has.
const MARK: u64 = 1 << 63;

impl Seq {
    /// The position before the first row.
    pub const ZERO: Self = Self::from_number(0);

    /// The position with this number; it fits the signed integers of the stores.
    pub const fn from_number(number: u64) -> Self {
        match NonZeroU64::new(number | MARK) {
            Some(marked) => Self(marked),
            // The marked number is never zero.
            None => Self(NonZeroU64::MAX),
        }
    }

    /// Its number.
    pub const fn as_number(self) -> u64 {
        self.0.get() & !MARK
    }

    /// Its number as the signed integer of the stores.
    pub const fn as_stored(self) -> i64 {
        self.as_number() as i64
    }

    /// Reads back what [`Self::as_stored`] wrote.
    pub const fn from_stored(number: i64) -> Self {
        Self::from_number(number as u64)
    }

    /// The position of the next row.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_number(self.as_number() + 1)
    }
}

impl Default for Seq {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({})", self.as_number())
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_number().fmt(f)
    }
}

/// Random bits of one row: the same number with another link names another history (`lease-protocol`, rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Link(u64);

impl Link {
    /// The link of the empty log.
    pub const NONE: Self = Self(0);

    /// The link with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn as_bits(self) -> u64 {
        self.0
    }
}

/// A row of the log, by number and link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct LogPosition {
    /// Its number.
    pub seq: Seq,
    /// Its random bits.
    pub link: Link,
}
