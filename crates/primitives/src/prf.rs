//! A keyed pseudo-random function by which this process recognises strings that it has verified before.

use std::fmt;

use highway::{HighwayHash, HighwayHasher, Key};

use crate::entropy::Entropy;

/// 128 bits of HighwayHash under a key drawn at each start: nobody can search for two strings with one value.
#[derive(Clone)]
pub struct Prf(Key);

/// The value of one string. Equal values mean equal strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrfKey([u64; 2]);

impl Prf {
    /// A function that nobody else has.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0_u8; 32];
        entropy.fill(&mut key);
        let (chunks, _) = key.as_chunks::<8>();
        let mut words = [0_u64; 4];
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        Self(Key(words))
    }

    /// The value of a string.
    pub fn of(&self, bytes: &[u8]) -> PrfKey {
        PrfKey(HighwayHasher::new(self.0).hash128(bytes))
    }
}

impl fmt::Debug for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prf(..)")
    }
}

impl PrfKey {
    /// Its first word.
    pub fn low(self) -> u64 {
        self.0[0]
    }

    /// Its second word.
    pub fn high(self) -> u64 {
        self.0[1]
    }
}

#[cfg(test)]
mod tests {
    use crate::entropy::SystemEntropy;

    use super::*;

    #[test]
    fn the_value_covers_every_byte_and_differs_per_process() {
        let (prf, other) = (Prf::new(&SystemEntropy), Prf::new(&SystemEntropy));
        let text = b"lya_0abcdefghijklmnopqrstuvwxyz0123456789";
        assert_eq!(prf.of(text), prf.of(text));
        assert_ne!(prf.of(text), other.of(text));
        for end in 0..text.len() {
            assert_ne!(prf.of(text), prf.of(&text[..end]), "{end}");
        }
    }
}
