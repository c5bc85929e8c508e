use std::sync::Arc;
use std::time::Duration;

use lydian_primitives::{BootInstant, SystemEntropy};

use super::support::*;
use crate::{FactCache, Facts};

const NOW_BOOT: BootInstant = BootInstant::from_nanoseconds(1_000);

fn cache(entries: usize) -> FactCache {
    FactCache::new(entries, &SystemEntropy)
}

fn keep(cache: &FactCache, token: &str, facts: &Arc<Facts>) {
    cache.keep(cache.key_of(token), Arc::clone(facts), BootInstant::FOREVER);
}

fn finds(cache: &FactCache, token: &str) -> bool {
    cache.find(cache.key_of(token), profile().id(), NOW_BOOT).is_some()
}

#[test]
fn v20_facts_are_found_by_the_exact_bytes_of_the_token_alone() {
    let (cache, facts) = (cache(64), Arc::new(facts_with(&[])));
    keep(&cache, "token", &facts);
    assert!(finds(&cache, "token"));
    for other in ["toke", "token ", "Token", "tokeN", "", "token\0"] {
        assert!(!finds(&cache, other), "{other:?}");
    }
    assert!(!format!("{cache:?}").contains("alice"));
}

#[test]
fn v21_facts_are_gone_at_the_instant_at_which_they_end() {
    let (cache, facts) = (cache(8), Arc::new(facts_with(&[])));
    let key = cache.key_of("token");
    let until = NOW_BOOT.plus(Duration::from_nanos(10));
    cache.keep(key, Arc::clone(&facts), until);
    assert!(cache.find(key, profile().id(), NOW_BOOT.plus(Duration::from_nanos(9))).is_some());
    assert!(cache.find(key, profile().id(), until).is_none());
    // They made room, and do not come back.
    assert!(cache.is_empty());
    assert!(cache.find(key, profile().id(), NOW_BOOT).is_none());
}

#[test]
fn v60_facts_of_another_profile_are_not_found() {
    let (cache, facts) = (cache(8), Arc::new(facts_with(&[])));
    keep(&cache, "token", &facts);
    let changed = builder().leeway_seconds(1).build().unwrap();
    assert!(cache.find(cache.key_of("token"), changed.id(), NOW_BOOT).is_none());
    assert!(cache.is_empty());
}

#[test]
fn v23_memory_is_bounded_and_what_is_used_stays() {
    let (cache, facts) = (cache(8), Arc::new(facts_with(&[])));
    keep(&cache, "kept", &facts);
    for number in 0..10_000 {
        assert!(finds(&cache, "kept"), "after {number}");
        keep(&cache, &format!("token {number}"), &facts);
        assert!(cache.len() <= 8);
    }
}

#[test]
fn keeping_twice_and_dropping_count_once() {
    let (cache, facts) = (cache(8), Arc::new(facts_with(&[])));
    keep(&cache, "token", &facts);
    keep(&cache, "token", &facts);
    assert_eq!(cache.len(), 1);
    cache.drop_facts(cache.key_of("token"));
    cache.drop_facts(cache.key_of("token"));
    assert!(cache.is_empty() && !finds(&cache, "token"));
}
