//! The bound: nothing is accepted after the end of the last lease that was made without the revocation.

use std::time::Duration;

use lydian_primitives::Clock;
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::Verdict;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP};

use crate::support::{Follower, facts};

#[tokio::test]
async fn v32_a_validator_whose_network_is_silent_accepts_nothing_after_its_lease() {
    let server = TestServer::start().await;
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    let token = server.issue(APP, API).await;
    let token = (facts(&server, API_CLIENT, &token).await, token);
    follower.renew(&server).await.unwrap();
    let length = server.service.node().feed().terms().length;
    // The last renewal was answered in time, the revocation came just after it, and nothing arrives any more.
    assert_eq!(server.revoke(APP, &token.1).await.status, 200);
    server.clock.advance(length - Duration::from_nanos(1));
    assert_eq!(follower.judge(&server, &token.0), Verdict::Good, "within the bound, and said to be so");
    server.clock.advance(Duration::from_nanos(1));
    assert_eq!(follower.judge(&server, &token.0), Verdict::NotFresh);
}

#[tokio::test]
async fn v32_an_answer_that_was_under_way_for_long_grants_nothing() {
    let server = TestServer::start().await;
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    let token = server.issue(APP, API).await;
    let token = (facts(&server, API_CLIENT, &token).await, token);
    let asked_at = server.clock.boot_now();
    let grant = follower.client.lease(&follower.validator.request()).await.unwrap();
    assert_eq!(server.revoke(APP, &token.1).await.status, 200);
    server.clock.advance(server.service.node().feed().terms().length);
    follower.validator.granted(asked_at, grant).unwrap();
    assert_eq!(follower.judge(&server, &token.0), Verdict::NotFresh);
}

#[tokio::test]
async fn v32_whatever_was_acknowledged_before_a_lease_was_asked_for_is_part_of_it() {
    let server = TestServer::start().await;
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    for round in 0..50 {
        let token = server.issue(APP, API).await;
        let token = (facts(&server, API_CLIENT, &token).await, token);
        follower.renew(&server).await.unwrap();
        assert_eq!(server.revoke(APP, &token.1).await.status, 200);
        let seq = server.service.node().feed().head().seq;
        let grant = follower.client.lease(&follower.validator.request()).await.unwrap();
        assert!(grant.last >= seq && grant.head.seq >= seq, "{round}");
        while follower.validator.position().seq < seq {
            follower.read().await;
        }
        assert_eq!(follower.judge(&server, &token.0), Verdict::Revoked);
    }
}
