//! Ids of tokens: each names the hour of its death, so that forgetting is a range.

use std::fmt;

use lydian_primitives::Hour;

/// One zero bit, 23 bits hour of expiry, 8 bits store generation, 32 bits sequence within the hour.
///
/// Ids of later deaths are larger: inserts append, and what has expired is a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(u64);

impl TokenId {
    /// The id with these parts.
    pub const fn from_parts(expiry: Hour, store_generation: u8, sequence: u32) -> Self {
        Self((expiry.as_number() as u64) << 40 | (store_generation as u64) << 32 | sequence as u64)
    }

    /// The id with this number; `None` when the top bit is set.
    pub const fn from_number(number: u64) -> Option<Self> {
        if number >> 63 == 0 { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn as_number(self) -> u64 {
        self.0
    }

    /// Its number as the signed integer of the stores.
    pub const fn as_stored(self) -> i64 {
        self.0 as i64
    }

    /// Reads back what [`Self::as_stored`] wrote; the sign is dropped.
    pub const fn from_stored(number: i64) -> Self {
        Self(number as u64 & i64::MAX as u64)
    }

    /// The hour in which the token expires, or [`Hour::NEVER`].
    pub const fn expiry(self) -> Hour {
        match Hour::from_number((self.0 >> 40) as u32) {
            Some(hour) => hour,
            // 23 bits, because the top bit is zero.
            None => Hour::NEVER,
        }
    }

    /// The generation of the store that minted it.
    pub const fn store_generation(self) -> u8 {
        (self.0 >> 32) as u8
    }

    /// The smallest id of tokens that expire in this hour: everything below it has expired when the hour begins.
    pub const fn first_of(hour: Hour) -> Self {
        Self::from_parts(hour, 0, 0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_its_parts_and_fits_the_signed_integers_of_the_stores() {
        let id = TokenId::from_parts(Hour::NEVER, 255, u32::MAX);
        assert_eq!(id.as_number(), i64::MAX as u64);
        assert_eq!((id.expiry(), id.store_generation()), (Hour::NEVER, 255));
        assert_eq!(TokenId::from_stored(id.as_stored()), id);
        assert_eq!(TokenId::from_number(1 << 63), None);
    }

    #[test]
    fn ids_sort_by_the_hour_of_death_and_never_comes_last() {
        let hour = |number| Hour::from_number(number).unwrap();
        let early = TokenId::from_parts(hour(10), 255, u32::MAX);
        let late = TokenId::from_parts(hour(11), 0, 0);
        assert!(early < late);
        assert_eq!(late, TokenId::first_of(hour(11)));
        assert!(TokenId::from_parts(Hour::LAST, 255, u32::MAX) < TokenId::first_of(Hour::NEVER));
    }
}
