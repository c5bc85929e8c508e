//! Fixed-length digests that compare in constant time.

use std::fmt;

use subtle::ConstantTimeEq;

/// A 256-bit digest of something secret. It has no `==`; ask [`Digest::matches`].
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are equal, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        let (mine, _) = self.0.as_chunks::<8>();
        let (theirs, _) = other.0.as_chunks::<8>();
        // All words are read before anything is decided: one comparison with zero, in constant time.
        let differences = mine
            .iter()
            .zip(theirs)
            .fold(0, |found, (one, other)| found | (u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other)));
        differences.ct_eq(&0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_only_when_every_byte_does() {
        let digest = Digest::from_bytes([7; 32]);
        assert!(digest.matches(&Digest::from_bytes([7; 32])));
        for position in 0..32 {
            let mut bytes = [7; 32];
            bytes[position] ^= 1;
            assert!(!digest.matches(&Digest::from_bytes(bytes)), "byte {position}");
        }
    }

    #[test]
    fn a_digest_does_not_print() {
        assert_eq!(format!("{:?}", Digest::from_bytes([1; 32])), "Digest(..)");
    }
}
