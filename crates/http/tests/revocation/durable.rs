//! 200 means durable and known everywhere; anything less is 503 (RFC 7009 §2.2.1).

use std::sync::Arc;

use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, JWT_API};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::{Reply, TestServer, WatchedStorage};

#[track_caller]
fn check_unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
    let wait: u64 = reply.header("retry-after").expect("a 503 says when to come back").parse().unwrap();
    assert!((1..=60).contains(&wait));
}

async fn start() -> (TestServer, Arc<WatchedStorage>, TestServer) {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    (plain, watched, server)
}

async fn tokens(server: &TestServer) -> Vec<String> {
    let mut tokens = Vec::new();
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(server).await;
        tokens.extend([granted.access_token, granted.refresh_token]);
    }
    tokens
}

#[tokio::test]
async fn rev_10_a_revocation_that_was_not_written_is_no_success() {
    let (plain, watched, server) = start().await;
    for token in tokens(&plain).await {
        server.introspect(APP, &token).await.active();
        watched.fail_writes(true);
        check_unavailable(&server.revoke(APP, &token).await);
        server.introspect(APP, &token).await.active();
        watched.fail_writes(false);
        assert_eq!(server.revoke(APP, &token).await.status, 200);
        server.introspect(APP, &token).await.inactive();
    }
}

#[tokio::test]
async fn rev_10_a_token_that_cannot_be_read_is_not_called_unknown() {
    let (plain, watched, server) = start().await;
    let tokens = tokens(&plain).await;
    watched.fail_reads(true);
    for token in &tokens {
        check_unavailable(&server.revoke(APP, token).await);
    }
    watched.fail_reads(false);
    for token in &tokens {
        server.introspect(APP, token).await.active();
    }
}

#[tokio::test]
async fn rev_10_a_write_whose_outcome_is_unknown_is_no_success() {
    let (plain, watched, server) = start().await;
    for token in tokens(&plain).await {
        watched.lose_answers(true);
        check_unavailable(&server.revoke(APP, &token).await);
        watched.lose_answers(false);
        // It did happen, so nobody is told that the token lives.
        server.introspect(APP, &token).await.inactive();
        assert_eq!(server.revoke(APP, &token).await.status, 200);
    }
}

#[tokio::test]
async fn rev_10_without_a_lease_nothing_is_acknowledged() {
    let (plain, watched, server) = start().await;
    let tokens = tokens(&plain).await;
    server.service.node().ledger().give_up_lease();
    for token in tokens.iter().map(String::as_str).chain(["unknown"]) {
        check_unavailable(&server.revoke(APP, token).await);
    }
    assert_eq!(watched.asked().1, 0);
    server.service.node().hold_lease();
    for token in &tokens {
        server.introspect(APP, token).await.active();
    }
}

#[tokio::test]
async fn rev_11_rev_08_an_acknowledged_revocation_outlives_a_restart() {
    let server = TestServer::start().await;
    let mut revoked = tokens(&server).await;
    for audience in [API, JWT_API, BARE_API] {
        revoked.push(server.issue(APP, audience).await);
    }
    for token in &revoked {
        server.introspect(APP, token).await.json();
        assert_eq!(server.revoke(APP, token).await.status, 200);
    }
    let kept = server.issue(APP, BARE_API).await;
    let server = server.restart().await;
    for token in &revoked {
        server.introspect(AUDITOR, token).await.inactive();
    }
    server.introspect(AUDITOR, &kept).await.active();
    let server = server.restart().await;
    for token in &revoked {
        server.introspect(AUDITOR, token).await.inactive();
    }
}

#[tokio::test]
async fn rev_11_a_revocation_that_is_the_first_row_of_the_horizon_outlives_a_restart() {
    let server = TestServer::start().await;
    // The rows of the fixtures lie before the horizon, and the revocation is the first one within.
    server.advance_seconds(10);
    let granted = Seed::of(APP, Some(BARE_API), "read").living(86_400).put(&server).await;
    let kept = Seed::of(APP, Some(BARE_API), "read").living(86_400).named("kept").put(&server).await;
    assert_eq!(server.revoke(APP, &granted.access_token).await.status, 200);
    server.advance_seconds(86_399);
    let server = server.restart().await;
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
    server.introspect(AUDITOR, &kept.access_token).await.active();
}
