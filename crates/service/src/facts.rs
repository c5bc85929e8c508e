//! The cache of token facts: what was verified or read once, found again by the exact bytes of the token.
//!
//! Facts, never verdicts: expiry, revocation, audience and visibility are decided anew on every request, hit or miss. Unknown
//! tokens never enter.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use lydian_domain::{AccessToken, RealmId};
use lydian_primitives::Entropy;
use lydian_revocation::Seq;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

/// What is known of an access token once its string has been verified.
#[derive(Debug)]
pub struct Facts {
    /// The token.
    pub token: AccessToken,
    /// Who granted it, if a user did.
    pub user: Option<UserFacts>,
    /// The log position that had been applied before this was read.
    pub read_at: Seq,
}

/// What answers show of a user.
#[derive(Clone, Debug)]
pub struct UserFacts {
    /// The name with which the user signs in.
    pub username: Box<str>,
    /// The stable subject identifier.
    pub subject: Box<str>,
}

/// The key of a token in the cache: a keyed 128-bit PRF over its exact bytes, so that equal keys mean equal strings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FactKey(u128);

/// A bounded cache of facts.
pub struct FactCache {
    /// Drawn anew at each start: nobody can search for two strings with one key.
    prf_key: Key,
    cache: Cache<FactKey, Arc<Facts>, FactWeight, FactHash>,
}

impl FactCache {
    /// A cache that uses about `bytes` of memory.
    pub fn new(bytes: u64, entropy: &dyn Entropy) -> Self {
        let mut key = [0_u8; 32];
        entropy.fill(&mut key);
        let (words, _) = key.as_chunks::<8>();
        let mut prf_key = [0_u64; 4];
        for (word, bytes) in prf_key.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(bytes / FACT_BYTES).unwrap_or(usize::MAX).max(1))
            .weight_capacity(bytes.max(FACT_BYTES))
            .ghost_allocation(0.0)
            .build()
            .expect("every required option is given");
        Self {
            prf_key: Key(prf_key),
            cache: Cache::with_options(options, FactWeight, FactHash, Default::default()),
        }
    }

    /// The key of a token string.
    pub fn key_of(&self, token: &str) -> FactKey {
        let [low, high] = HighwayHasher::new(self.prf_key).hash128(token.as_bytes());
        FactKey(u128::from(high) << 64 | u128::from(low))
    }

    /// The facts of a token, if they are there and belong to this realm.
    pub fn find(&self, key: FactKey, realm: RealmId) -> Option<Arc<Facts>> {
        self.cache.get(&key).filter(|facts| facts.token.realm == realm)
    }

    /// Keeps the facts of a token.
    pub fn keep(&self, key: FactKey, facts: Arc<Facts>) {
        self.cache.insert(key, facts);
    }

    /// Drops the facts of a token, because they are out of date.
    pub fn drop_facts(&self, key: FactKey) {
        self.cache.remove(&key);
    }

    /// How many tokens are there.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What one entry costs: the facts, the counters beside them, and its place in the table.
const FACT_BYTES: u64 = size_of::<Facts>() as u64 + 16 + 48;

#[derive(Clone)]
struct FactWeight;

impl Weighter<FactKey, Arc<Facts>> for FactWeight {
    fn weight(&self, _key: &FactKey, facts: &Arc<Facts>) -> u64 {
        // Scopes and names are beside the facts; scopes are counted once for each token although some share them.
        let names = facts.user.as_ref().map_or(0, |user| user.username.len() + user.subject.len());
        FACT_BYTES + (facts.token.scope.as_str().len() + 16 + names) as u64
    }
}

/// The key is a PRF already: its own bits are the hash.
#[derive(Clone, Default)]
struct FactHash;

impl BuildHasher for FactHash {
    type Hasher = KeyBits;

    fn build_hasher(&self) -> KeyBits {
        KeyBits(0)
    }
}

struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write(&mut self, _bytes: &[u8]) {
        debug_assert!(false, "only keys of facts are hashed here");
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use lydian_primitives::SystemEntropy;

    use super::*;

    #[test]
    fn the_key_covers_every_byte_and_differs_per_process() {
        let cache = FactCache::new(1_000_000, &SystemEntropy);
        let other = FactCache::new(1_000_000, &SystemEntropy);
        let token = "lya_0abcdefghijklmnopqrstuvwxyz0123456789";
        assert!(cache.key_of(token) == cache.key_of(token));
        assert!(cache.key_of(token) != other.key_of(token));
        for end in 0..token.len() {
            assert!(cache.key_of(token) != cache.key_of(&token[..end]));
        }
    }
}
