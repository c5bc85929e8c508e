//! Wall-clock seconds and hours, as the tokens and the store use them.

use std::fmt;

/// A wall-clock instant in whole seconds since 1970-01-01T00:00:00Z (RFC 7519 §2, `NumericDate`).
///
/// Arithmetic saturates, so that no input can overflow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The first instant, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The largest instant the stores can hold (their integers are signed).
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The instant this many seconds after 1970; values beyond [`Self::MAX`] become [`Self::MAX`].
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        if seconds > Self::MAX.0 { Self::MAX } else { Self(seconds) }
    }

    /// Seconds since 1970.
    pub const fn as_unix_seconds(self) -> u64 {
        self.0
    }

    /// Seconds since 1970 as the signed integer of the stores.
    pub const fn as_stored(self) -> i64 {
        // At most `i64::MAX`, by construction.
        self.0 as i64
    }

    /// Reads back what [`Self::as_stored`] wrote; a negative value becomes the epoch.
    pub const fn from_stored(seconds: i64) -> Self {
        if seconds < 0 { Self::EPOCH } else { Self(seconds as u64) }
    }

    /// This instant moved `seconds` into the future.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self::from_unix_seconds(self.0.saturating_add(seconds))
    }

    /// This instant moved `seconds` into the past.
    #[must_use]
    pub const fn minus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to this instant; zero when `earlier` is later.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The hour in which this instant lies.
    pub const fn hour(self) -> Hour {
        let hour = self.0 / 3_600;
        if hour >= Hour::NEVER.0 as u64 { Hour::LAST } else { Hour(hour as u32) }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An hour since 1970, 23 bits wide: the part of a token's id that names its death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u32);

impl Hour {
    /// All ones: this token never expires. Sorts last, and no range delete may reach it.
    pub const NEVER: Self = Self((1 << 23) - 1);

    /// The last hour that a token with an expiry can name.
    pub const LAST: Self = Self(Self::NEVER.0 - 1);

    /// The hour with this number, or `None` beyond 23 bits.
    pub const fn from_number(hour: u32) -> Option<Self> {
        if hour <= Self::NEVER.0 { Some(Self(hour)) } else { None }
    }

    /// Hours since 1970.
    pub const fn as_number(self) -> u32 {
        self.0
    }

    /// The first second of this hour.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0 as u64 * 3_600)
    }

    /// The hour after this one; [`Self::LAST`] stays.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 >= Self::LAST.0 { self } else { Self(self.0 + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX.plus_seconds(1), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.minus_seconds(1), Timestamp::EPOCH);
        assert_eq!(Timestamp::from_unix_seconds(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_stored(-1), Timestamp::EPOCH);
    }

    #[test]
    fn an_hour_never_reaches_the_mark_for_never() {
        assert_eq!(Timestamp::MAX.hour(), Hour::LAST);
        assert_eq!(Hour::LAST.next(), Hour::LAST);
        assert_eq!(Hour::NEVER.as_number(), 0x7f_ffff);
        assert_eq!(Hour::from_number(1 << 23), None);
    }

    #[test]
    fn the_hour_changes_on_the_full_hour() {
        assert_eq!(Timestamp::from_unix_seconds(3_599).hour().as_number(), 0);
        assert_eq!(Timestamp::from_unix_seconds(3_600).hour().as_number(), 1);
        assert_eq!(Timestamp::from_unix_seconds(7_200).hour().start().as_unix_seconds(), 7_200);
    }
}
