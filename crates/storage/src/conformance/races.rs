//! Rivals that start together: each single-use thing is used once.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Backend;
use super::fixtures::*;
use crate::{ApplyError, Write};

const ROUNDS: u64 = 200;
const RIVALS: usize = 6;

pub async fn r12_one_of_many_rivals_wins_each_single_use_precondition(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for round in 0..ROUNDS {
        for case in each_precondition(round) {
            store.write(case.before).await;
            let barrier = Arc::new(Barrier::new(RIVALS));
            let mut rivals = JoinSet::new();
            for number in 0..RIVALS as u8 {
                let (storage, barrier) = (Arc::clone(&store.storage), Arc::clone(&barrier));
                let mark = Write::PutSetting { name: "winner", value: vec![number] };
                let change = change(vec![case.precondition.clone()], vec![case.consume.clone(), mark]);
                rivals.spawn(async move {
                    barrier.wait().await;
                    (number, storage.apply(change).await)
                });
            }
            let mut winners = Vec::new();
            for (number, outcome) in rivals.join_all().await {
                match outcome {
                    Ok(_) => winners.push(number),
                    Err(ApplyError::Conflict(conflict)) => assert_eq!(conflict, case.conflict),
                    Err(ApplyError::Unavailable(unavailable)) => panic!("{unavailable}"),
                }
            }
            assert_eq!(winners.len(), 1, "round {round}: {:?}", case.precondition);
            assert_eq!(store.storage.find_setting("winner").await.unwrap(), Some(winners));
        }
    }
}
