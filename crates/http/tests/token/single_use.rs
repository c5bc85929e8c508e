//! One assertion from many hands at once: exactly one of them gets a token (RFC 7523 §3, OpenID Connect Core §9).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::assertions::{Signing, claims, request};

const RIVALS: usize = 32;
const ROUNDS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jwt_05_of_many_parallel_uses_of_one_assertion_exactly_one_wins() {
    let signing = Signing::start_unlimited().await;
    let address = signing.server.address();
    for round in 0..ROUNDS {
        let assertion = signing.signed(&claims(&round.to_string()));
        let barrier = Arc::new(Barrier::new(RIVALS));
        let mut rivals = JoinSet::new();
        for _ in 0..RIVALS {
            let (request, barrier) = (request(&assertion), Arc::clone(&barrier));
            rivals.spawn(async move {
                barrier.wait().await;
                request.send(address).await
            });
        }
        let mut statuses: HashMap<u16, usize> = HashMap::new();
        for reply in rivals.join_all().await {
            *statuses.entry(reply.status).or_default() += 1;
            if reply.status != 200 {
                reply.refused(401, "invalid_client");
            }
        }
        assert_eq!(statuses.get(&200), Some(&1), "round {round}: {statuses:?}");
    }
}
