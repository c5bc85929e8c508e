//! Sequence numbers of token ids are handed out once.

use std::collections::BTreeSet;
use std::sync::Arc;

use lydian_primitives::{Hour, Timestamp};
use tokio::task::JoinSet;

use super::Backend;
use super::fixtures::*;

pub async fn sequence_numbers_never_repeat_across_openings(backend: &impl Backend) {
    let mut store = Store::open(backend).await;
    let mut expected = 0;
    for count in [1, 10, 65_536, 1] {
        assert_eq!(store.storage.allocate_sequences(hour(), count).await.unwrap(), expected);
        expected += count;
        store = store.reopen(backend).await;
    }
    // Each hour has its own numbers.
    assert_eq!(store.storage.allocate_sequences(hour().next(), 1).await.unwrap(), 0);
    assert_eq!(store.storage.allocate_sequences(hour(), 1).await.unwrap(), expected);
}

pub async fn sequence_numbers_never_repeat_under_concurrency(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let mut tasks = JoinSet::new();
    for task in 0..8_u32 {
        let storage = Arc::clone(&store.storage);
        tasks.spawn(async move {
            let mut blocks = Vec::new();
            for round in 0..50 {
                let count = 1 + (task + round) % 7;
                let first = storage.allocate_sequences(hour(), count).await.unwrap();
                blocks.extend(first..first + count);
            }
            blocks
        });
    }
    let numbers: Vec<u32> = tasks.join_all().await.concat();
    let different: BTreeSet<u32> = numbers.iter().copied().collect();
    assert_eq!(different.len(), numbers.len());
}

pub async fn the_last_number_of_an_hour_is_handed_out_and_none_after_it(backend: &impl Backend) {
    let store = Store::open(backend).await;
    assert_eq!(store.storage.allocate_sequences(hour(), u32::MAX).await.unwrap(), 0);
    let too_many = store.storage.allocate_sequences(hour(), 2).await.unwrap_err();
    assert!(!too_many.outcome_is_unknown());
    assert_eq!(store.storage.allocate_sequences(hour(), 1).await.unwrap(), u32::MAX);
    assert!(store.storage.allocate_sequences(hour(), 1).await.is_err());
    assert_eq!(store.storage.allocate_sequences(hour().next(), 1).await.unwrap(), 0);
}

pub async fn numbers_of_a_forgotten_hour_are_not_handed_out_again(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let past = Hour::from_number(hour().as_number() - 1).unwrap();
    for hour in [past, hour()] {
        assert_eq!(store.storage.allocate_sequences(hour, 5).await.unwrap(), 0);
    }
    assert_eq!(store.storage.forget(hour(), Timestamp::EPOCH, 100).await.unwrap(), 1);
    assert!(store.storage.allocate_sequences(past, 1).await.is_err());
    let store = store.reopen(backend).await;
    assert!(store.storage.allocate_sequences(past, 1).await.is_err());
    assert_eq!(store.storage.allocate_sequences(hour(), 1).await.unwrap(), 5);
}
