//! Typed 63-bit ids of records.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU64;

/// The id of a record of kind `T`: positive, fits the signed integers of the stores, never reused.
pub struct Id<T> {
    /// The number with the top bit set: never zero, so that an optional id is no larger than an id.
    marked: NonZeroU64,
    kind: PhantomData<fn() -> T>,
}

/// The bit that no number has.
const MARK: u64 = 1 << 63;

impl<T> Id<T> {
    /// The id with this number; the top bit is dropped.
    pub const fn from_number(number: u64) -> Self {
        match NonZeroU64::new(number | MARK) {
            Some(marked) => Self { marked, kind: PhantomData },
            // The marked number is never zero.
            None => Self { marked: NonZeroU64::MAX, kind: PhantomData },
        }
    }

    /// Its number.
    pub const fn as_number(self) -> u64 {
        self.marked.get() & !MARK
    }

    /// Its number as the signed integer of the stores.
    pub const fn as_stored(self) -> i64 {
        self.as_number() as i64
    }

    /// Reads back what [`Self::as_stored`] wrote.
    pub const fn from_stored(number: i64) -> Self {
        Self::from_number(number as u64)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.marked == other.marked
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.marked.cmp(&other.marked)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.marked.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.as_number())
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_number().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_signed_integers_of_the_stores() {
        let id = Id::<()>::from_number(u64::MAX);
        assert!(id.as_stored() > 0);
        assert_eq!(Id::<()>::from_stored(id.as_stored()), id);
        assert_eq!(Id::<()>::from_number(0).as_number(), 0);
    }

    #[test]
    fn an_optional_id_is_no_larger_than_an_id() {
        assert_eq!(size_of::<Option<Id<()>>>(), 8);
    }
}
