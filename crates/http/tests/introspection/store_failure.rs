//! "I do not know" is 503 and never "inactive" (RFC 7662 §2.3, RFC 9110 §15.6.4).

use std::sync::Arc;

use lydian_test_kit::fixtures::{API, API_CLIENT, APP, BARE_API, JWT_API};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::{Reply, Request, TestServer, WatchedStorage};

#[track_caller]
fn check_unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
    let wait: u64 = reply.header("retry-after").expect("a 503 says when to come back").parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert!(!reply.text().contains("active"));
    assert_eq!(reply.header("www-authenticate"), None);
}

#[tokio::test]
async fn d7_int_22_a_store_that_cannot_be_read_is_no_verdict() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let mut tokens = Vec::new();
    for audience in [API, JWT_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&plain).await;
        tokens.extend([granted.access_token, granted.refresh_token]);
    }
    let bare = Seed::of(APP, Some(BARE_API), "read").named("bare").put(&plain).await;
    tokens.extend([bare.access_token, bare.refresh_token]);
    // Nobody has shown this one yet, so it is not in memory.
    let caller = Seed::of(API_CLIENT, None, "introspect").named("caller").put(&plain).await;
    watched.fail_reads(true);
    for token in &tokens {
        check_unavailable(&server.introspect(APP, token).await);
    }
    // The caller's own token cannot be read either: that is no 401.
    let by_bearer = Request::post("/oauth2/introspect").bearer(&caller.access_token);
    let by_bearer = by_bearer.parameter("token", &tokens[0]);
    check_unavailable(&server.send(by_bearer.clone()).await);
    // What needs no store is answered all the same.
    server.introspect(APP, "unknown").await.inactive();
    let wrong = Request::post("/oauth2/introspect").basic("nobody", "x").parameter("token", &tokens[0]);
    server.send(wrong).await.refused(401, "invalid_client");
    watched.fail_reads(false);
    for token in &tokens {
        server.introspect(APP, token).await.active();
    }
    server.send(by_bearer).await.active();
}

#[tokio::test]
async fn d7_facts_in_memory_are_answered_while_the_store_fails_and_judged_all_the_same() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let live = server.issue(APP, API).await;
    let revoked = server.issue(APP, API).await;
    for token in [&live, &revoked] {
        server.introspect(APP, token).await.active();
    }
    assert_eq!(server.revoke(APP, &revoked).await.status, 200);
    watched.fail_reads(true);
    watched.fail_writes(true);
    server.introspect(APP, &live).await.active();
    server.introspect(APP, &revoked).await.inactive();
    server.advance_seconds(3_600);
    server.introspect(APP, &live).await.inactive();
}

#[tokio::test]
async fn d7_int_22_without_a_lease_nothing_is_answered_from_memory_or_from_the_store() {
    let server = TestServer::start().await;
    let seen = server.issue(APP, API).await;
    server.introspect(APP, &seen).await.active();
    let mut tokens = vec![seen, "unknown".to_owned()];
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        tokens.extend([granted.access_token, granted.refresh_token]);
    }
    server.service.node().ledger().give_up_lease();
    for token in &tokens {
        check_unavailable(&server.introspect(APP, token).await);
    }
    server.service.node().hold_lease();
    server.introspect(APP, "unknown").await.inactive();
    tokens.retain(|token| token != "unknown");
    for token in &tokens {
        server.introspect(APP, token).await.active();
    }
}
