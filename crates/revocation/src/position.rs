//! Where something stands in the log.

use std::fmt;

/// The number of a row in the log: it grows by one with each row, in the order of commits.
///
/// Zero is the position before the first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The position before the first row.
    pub const ZERO: Self = Self(0);

    /// The position with this number; it fits the signed integers of the stores.
    pub const fn from_number(number: u64) -> Self {
        Self(number & (i64::MAX as u64))
    }

    /// Its number.
    pub const fn as_number(self) -> u64 {
        self.0
    }

    /// Its number as the signed integer of the stores.
    pub const fn as_stored(self) -> i64 {
        self.0 as i64
    }

    /// Reads back what [`Self::as_stored`] wrote.
    pub const fn from_stored(number: i64) -> Self {
        Self::from_number(number as u64)
    }

    /// The position of the next row.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
