//! A concurrent map that costs one atomic load while it is empty.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::{DefaultHashBuilder, HashMap};
use parking_lot::RwLock;

const SHARDS: usize = 64;

/// A map split into shards, each behind its own lock, with its size beside it.
pub(crate) struct Sharded<K, V> {
    entries: AtomicUsize,
    hasher: DefaultHashBuilder,
    shards: [RwLock<HashMap<K, V, DefaultHashBuilder>>; SHARDS],
}

impl<K: Hash + Eq, V: Copy> Sharded<K, V> {
    pub(crate) fn new() -> Self {
        let hasher = DefaultHashBuilder::default();
        let shards = std::array::from_fn(|_| RwLock::new(HashMap::with_hasher(hasher.clone())));
        Self { entries: AtomicUsize::new(0), hasher, shards }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.load(Ordering::Acquire)
    }

    pub(crate) fn find(&self, key: &K) -> Option<V> {
        if self.len() == 0 {
            return None;
        }
        self.shard(key).read().get(key).copied()
    }

    /// Inserts or replaces: `merge` decides between what is there and what comes.
    pub(crate) fn merge(&self, key: K, value: V, merge: impl FnOnce(V, V) -> V) {
        // Count first: a reader that sees an empty map must not miss the entry that follows.
        self.entries.fetch_add(1, Ordering::AcqRel);
        let mut shard = self.shard(&key).write();
        let replaced = match shard.get_mut(&key) {
            Some(there) => {
                *there = merge(*there, value);
                true
            }
            None => {
                shard.insert(key, value);
                false
            }
        };
        drop(shard);
        if replaced {
            self.entries.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Keeps what `keep` wants; returns how many entries left.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> usize {
        let mut left = 0;
        for shard in &self.shards {
            let mut shard = shard.write();
            let before = shard.len();
            shard.retain(|key, value| keep(key, value));
            left += before - shard.len();
        }
        self.entries.fetch_sub(left, Ordering::AcqRel);
        left
    }

    fn shard(&self, key: &K) -> &RwLock<HashMap<K, V, DefaultHashBuilder>> {
        // The top bits choose the shard: the map inside uses the lower ones.
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash >> 58) as usize % SHARDS]
    }
}
