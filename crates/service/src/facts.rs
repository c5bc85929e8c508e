//! The cache of token facts: what was verified or read once, found again by the exact bytes of the token.
//!
//! Facts, never verdicts: expiry, revocation, audience and visibility are decided anew on every request, hit or miss. Unknown
//! tokens never enter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lydian_domain::authentication::Authentication;
use lydian_domain::{AccessToken, RealmId};
use lydian_primitives::prf::{Prf, PrfKey};
use lydian_revocation::Seq;
use parking_lot::Mutex;

/// What is known of an access token once its string has been verified.
#[derive(Debug)]
pub struct Facts {
    /// The key under which these facts are kept.
    pub key: PrfKey,
    /// The token. Its digest is left out: the whole string was compared when it got its key.
    pub token: AccessToken,
    /// Who granted it, if a user did.
    pub user: Option<Box<UserFacts>>,
    /// The handle that `jti` shows.
    pub jti: [u8; 16],
    /// The handle of its grant for its audience.
    pub grant_handle: [u8; 16],
    /// The log position that had been applied before this was read.
    pub read_at: Seq,
}

/// What answers show of a user and a session.
#[derive(Clone, Debug)]
pub struct UserFacts {
    /// The name with which the user signs in.
    pub username: Box<str>,
    /// The stable subject identifier.
    pub subject: Box<str>,
    /// How the user had proved who it is when it granted.
    pub authentication: Option<Authentication>,
}

/// How many facts one bucket holds.
const WAYS: usize = 8;

/// So many entries let a token look for room elsewhere.
const NEARLY_FULL: usize = 5;

/// What one entry costs: the facts, the counters of their pointer, what the allocator adds, and the place in the bucket.
pub const FACT_BYTES: usize = size_of::<Facts>() + 32 + size_of::<Bucket>() / WAYS;

/// A bounded cache of facts: an array of small buckets, each with its own lock.
///
/// A token has two buckets and lies in the second one only when the first was nearly full, so that hardly any place stays empty while tokens are given up.
/// When both are full, the first gives up an entry that was not used for long. Memory is bounded by the number of entries, because
/// every entry has about the same size.
pub struct FactCache {
    prf: Prf,
    buckets: Box<[Bucket]>,
    entries: AtomicUsize,
}

/// Two cache lines: the lock and the tags in the first, so that most misses read one line.
#[derive(Default)]
#[repr(align(64))]
struct Bucket(Mutex<Ways>);

#[derive(Default)]
struct Ways {
    /// Sixteen bits of each key: they decide which facts are looked at. Zero for an empty place counts as any other tag.
    tags: [u16; WAYS],
    /// One bit per place: used since the hand passed.
    used: u8,
    /// The place at which the search for a victim goes on.
    hand: u8,
    facts: [Option<Arc<Facts>>; WAYS],
}

impl FactCache {
    /// A cache that uses at most about `bytes` of memory.
    pub fn new(bytes: u64, prf: Prf) -> Self {
        let entries = usize::try_from(bytes).unwrap_or(usize::MAX) / FACT_BYTES;
        let buckets = (entries / WAYS).max(1);
        Self { prf, buckets: (0..buckets).map(|_| Bucket::default()).collect(), entries: AtomicUsize::new(0) }
    }

    /// The key of a token string.
    pub fn key_of(&self, token: &str) -> PrfKey {
        self.prf.of(token.as_bytes())
    }

    /// The facts of a token, if they are there and belong to this realm.
    pub fn find(&self, key: PrfKey, realm: RealmId) -> Option<Arc<Facts>> {
        let found = self.buckets_of(key).into_iter().find_map(|bucket| {
            let mut ways = bucket.0.lock();
            let place = ways.find(key)?;
            ways.used |= 1 << place;
            ways.facts[place].as_ref().map(Arc::clone)
        });
        found.filter(|facts| facts.token.realm == realm)
    }

    /// Keeps the facts of a token, in place of others when there is no room.
    pub fn keep(&self, facts: Arc<Facts>) {
        let key = facts.key;
        // Two requests may bring the same facts at once: the older copy goes first.
        self.drop_facts(key);
        let [first, second] = self.buckets_of(key);
        let entries = |bucket: &Bucket| bucket.0.lock().facts.iter().flatten().count();
        // The first bucket is found first; only when it fills up does the emptier one get the token.
        let bucket =
            if entries(first) <= NEARLY_FULL || entries(first) <= entries(second) { first } else { second };
        let mut ways = bucket.0.lock();
        let place = ways.empty().unwrap_or_else(|| ways.victim());
        ways.tags[place] = tag(key);
        // Not used yet: what is asked for once leaves before what is asked for again.
        ways.used &= !(1 << place);
        let replaced = ways.facts[place].replace(facts);
        drop(ways);
        if replaced.is_none() {
            self.entries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Drops the facts of a token, because they are out of date.
    pub fn drop_facts(&self, key: PrfKey) {
        for bucket in self.buckets_of(key) {
            let mut ways = bucket.0.lock();
            if let Some(place) = ways.find(key) {
                ways.facts[place] = None;
                self.entries.fetch_sub(1, Ordering::Relaxed);
            }
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

    fn buckets_of(&self, key: PrfKey) -> [&Bucket; 2] {
        // A multiplication spreads 32 bits of the key evenly over any number of buckets.
        let at = |bits: u64| &self.buckets[(((bits >> 32) * self.buckets.len() as u64) >> 32) as usize];
        [at(key.low()), at(key.high())]
    }
}

impl Ways {
    fn find(&self, key: PrfKey) -> Option<usize> {
        let tag = tag(key);
        (0..WAYS).find(|place| {
            self.tags[*place] == tag && self.facts[*place].as_ref().is_some_and(|facts| facts.key == key)
        })
    }

    fn empty(&self) -> Option<usize> {
        self.facts.iter().position(Option::is_none)
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

fn tag(key: PrfKey) -> u16 {
    key.low() as u16
}

#[cfg(test)]
mod tests {
    use lydian_domain::{Audience, ClientId, GrantId, TokenForm, TokenId};
    use lydian_oauth_types::ScopeSet;
    use lydian_primitives::{SystemEntropy, Timestamp};

    use super::*;

    fn facts(cache: &FactCache, token: &str) -> Arc<Facts> {
        Arc::new(Facts {
            key: cache.key_of(token),
            token: AccessToken {
                id: TokenId::from_number(7).unwrap(),
                realm: RealmId::from_number(1),
                client: ClientId::from_number(1),
                user: None,
                session: None,
                grant: GrantId::from_number(1),
                audience: Audience::Issuer,
                scope: ScopeSet::empty(),
                issued_at: Timestamp::EPOCH,
                expires_at: Timestamp::MAX,
                minted_at: Seq::ZERO,
                form: TokenForm::Opaque,
                digest: None,
                revoked_at: None,
            },
            user: None,
            jti: [0; 16],
            grant_handle: [0; 16],
            read_at: Seq::ZERO,
        })
    }

    fn cache(entries: usize) -> FactCache {
        FactCache::new((entries * FACT_BYTES) as u64, Prf::new(&SystemEntropy))
    }

    fn finds(cache: &FactCache, token: &str) -> bool {
        cache.find(cache.key_of(token), RealmId::from_number(1)).is_some()
    }

    #[test]
    fn facts_are_found_by_the_exact_bytes_of_the_token_alone() {
        let cache = cache(64);
        cache.keep(facts(&cache, "lya_token"));
        assert!(finds(&cache, "lya_token"));
        for other in ["lya_toke", "lya_token ", "LYA_token", ""] {
            assert!(!finds(&cache, other), "{other:?}");
        }
    }

    #[test]
    fn a_token_with_the_tag_of_another_is_not_taken_for_it() {
        // One bucket, so that nothing but the tag stands between two tokens.
        let cache = cache(WAYS);
        cache.keep(facts(&cache, "kept"));
        let tag_of = |token: &str| tag(cache.key_of(token));
        let mut others = (0..).map(|number| format!("token {number}"));
        let alike = others.find(|other| tag_of(other) == tag_of("kept")).unwrap();
        assert!(!finds(&cache, &alike));
        assert!(finds(&cache, "kept"));
    }

    #[test]
    fn w32_facts_of_another_realm_are_not_found() {
        let cache = cache(64);
        cache.keep(facts(&cache, "token"));
        assert!(cache.find(cache.key_of("token"), RealmId::from_number(2)).is_none());
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let cache = cache(WAYS);
        cache.keep(facts(&cache, "kept"));
        for number in 0..10_000 {
            assert!(finds(&cache, "kept"), "after {number}");
            cache.keep(facts(&cache, &format!("token {number}")));
            assert!(cache.len() <= WAYS);
        }
    }

    #[test]
    fn dropped_facts_are_gone_and_make_room() {
        let cache = cache(WAYS);
        cache.keep(facts(&cache, "token"));
        cache.keep(facts(&cache, "token"));
        assert_eq!(cache.len(), 1);
        cache.drop_facts(cache.key_of("token"));
        cache.drop_facts(cache.key_of("token"));
        assert!(cache.is_empty() && !finds(&cache, "token"));
    }

    #[test]
    fn hardly_a_token_is_lost_while_a_third_of_the_places_is_free() {
        let cache = cache(15_000);
        for number in 0..10_000 {
            cache.keep(facts(&cache, &format!("token {number}")));
        }
        let found = (0..10_000).filter(|number| finds(&cache, &format!("token {number}"))).count();
        assert!(found > 9_980, "{found}");
    }

    #[test]
    fn p8_a_cached_fact_takes_at_most_250_bytes() {
        const { assert!(FACT_BYTES <= 250) };
        assert_eq!(size_of::<Bucket>(), 128);
    }
}
