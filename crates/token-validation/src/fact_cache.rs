//! Facts of tokens that were seen before, found again by the exact bytes of the token.
//!
//! Facts, never verdicts: a hit saves the signature or the question to the issuer, and is judged like a miss. Tokens that could not be
//! verified never enter, so that nobody fills the cache with rubbish.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lydian_primitives::prf::{Prf, PrfKey};
use lydian_primitives::{BootInstant, Entropy};
use parking_lot::Mutex;

use crate::facts::Facts;
use crate::profile::ProfileId;

/// How many facts one bucket holds.
const WAYS: usize = 8;

/// A bounded cache of facts: an array of small buckets, each with its own lock. Looking up allocates nothing.
///
/// The key of a token is 128 bits of a keyed function over all of its bytes, under a secret drawn by this process: equal keys mean
/// equal tokens, and nobody outside can search for two tokens with one key. The token itself is not kept.
pub struct FactCache {
    prf: Prf,
    buckets: Box<[Mutex<Bucket>]>,
    entries: AtomicUsize,
}

#[derive(Default)]
struct Bucket {
    entries: [Option<Entry>; WAYS],
    /// One bit per place: used since the hand passed.
    used: u8,
    /// The place at which the search for a victim goes on.
    hand: u8,
}

struct Entry {
    key: PrfKey,
    until: BootInstant,
    facts: Arc<Facts>,
}

impl FactCache {
    /// A cache for at most about `entries_max` tokens.
    pub fn new(entries_max: usize, entropy: &dyn Entropy) -> Self {
        let buckets = entries_max.div_ceil(WAYS).max(1);
        Self {
            prf: Prf::new(entropy),
            buckets: (0..buckets).map(|_| Mutex::default()).collect(),
            entries: AtomicUsize::new(0),
        }
    }

    /// The key of a token string.
    pub fn key_of(&self, token: &str) -> PrfKey {
        self.prf.of(token.as_bytes())
    }

    /// The facts of a token under this profile, if they are there and may still be used.
    ///
    /// Age is measured in boot time: no step of the wall clock lengthens the life of an answer.
    pub fn find(&self, key: PrfKey, profile: ProfileId, boot_now: BootInstant) -> Option<Arc<Facts>> {
        let mut bucket = self.bucket_of(key).lock();
        let place = bucket.find(key)?;
        let entry = bucket.entries[place].as_ref()?;
        // What was established under settings of yesterday counts for nothing today.
        if entry.until <= boot_now || entry.facts.profile() != profile {
            bucket.entries[place] = None;
            self.entries.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let facts = Arc::clone(&entry.facts);
        bucket.used |= 1 << place;
        Some(facts)
    }

    /// Keeps the facts of a token until `until`, in place of others when there is no room.
    pub fn keep(&self, key: PrfKey, facts: Arc<Facts>, until: BootInstant) {
        let mut bucket = self.bucket_of(key).lock();
        let place = bucket.find(key).or_else(|| bucket.empty()).unwrap_or_else(|| bucket.victim());
        // Not used yet: what is asked for once leaves before what is asked for again.
        bucket.used &= !(1 << place);
        if bucket.entries[place].replace(Entry { key, until, facts }).is_none() {
            self.entries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Drops the facts of a token, because they are out of date.
    pub fn drop_facts(&self, key: PrfKey) {
        let mut bucket = self.bucket_of(key).lock();
        if let Some(place) = bucket.find(key) {
            bucket.entries[place] = None;
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many tokens are there.
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bucket_of(&self, key: PrfKey) -> &Mutex<Bucket> {
        // A multiplication spreads 32 bits of the key evenly over any number of buckets.
        &self.buckets[(((key.low() >> 32) * self.buckets.len() as u64) >> 32) as usize]
    }
}

impl fmt::Debug for FactCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactCache").field("entries", &self.len()).finish_non_exhaustive()
    }
}

impl Bucket {
    fn find(&self, key: PrfKey) -> Option<usize> {
        self.entries.iter().position(|entry| entry.as_ref().is_some_and(|entry| entry.key == key))
    }

    fn empty(&self) -> Option<usize> {
        self.entries.iter().position(Option::is_none)
    }

    /// The next place whose entry was not used since the hand passed it.
    fn victim(&mut self) -> usize {
        loop {
            let place = usize::from(self.hand) % WAYS;
            self.hand = self.hand.wrapping_add(1);
            if self.used & (1 << place) == 0 {
                return place;
            }
            self.used &= !(1 << place);
        }
    }
}
