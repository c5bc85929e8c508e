//! A token leaves when it is durable, or not at all: 503 says so (RFC 9110 §15.6.4).

use std::sync::Arc;

use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, JWT_API};
use lydian_test_kit::{Reply, TestServer, WatchedStorage};

use crate::assertions::{Signing, claims, request};

#[track_caller]
fn check_unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
    let wait: u64 = reply.header("retry-after").expect("a 503 says when to come back").parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert!(!reply.text().contains("lya_") && reply.json().get("access_token").is_none());
    assert_eq!(reply.header("www-authenticate"), None);
}

#[tokio::test]
async fn d27_gen_17_a_store_that_cannot_be_written_issues_nothing() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let request = |audience: &str| TestServer::token_request(APP).parameter("resource", audience);
    for audience in [API, JWT_API] {
        watched.fail_writes(true);
        check_unavailable(&server.send(request(audience)).await);
        watched.fail_writes(false);
        let token = server.issued(request(audience)).await;
        server.introspect(AUDITOR, &token).await.active();
        // Also when everything but the token itself is there already.
        watched.fail_writes(true);
        check_unavailable(&server.send(request(audience)).await);
        watched.fail_writes(false);
    }
    watched.fail_writes(true);
    // Who is refused anyway needs no store.
    let wrong = crate::unauthenticated().basic(APP.client_id, "wrong");
    server.send(wrong).await.refused(401, "invalid_client");
    server.send(request(API).parameter("scope", "nothing")).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn a_token_without_a_record_is_issued_while_the_store_fails_and_is_good_afterwards() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    server.issue(APP, BARE_API).await;
    watched.fail_writes(true);
    let token = server.issue(APP, BARE_API).await;
    server.introspect(AUDITOR, &token).await.active();
    assert_eq!(server.revoke(APP, &token).await.status, 503);
    watched.fail_writes(false);
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    server.introspect(AUDITOR, &token).await.inactive();
}

#[tokio::test]
async fn an_outcome_that_is_not_known_is_no_success() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    server.issue(APP, API).await;
    watched.lose_answers(true);
    let request = || TestServer::token_request(APP).parameter("resource", API);
    check_unavailable(&server.send(request()).await);
    watched.lose_answers(false);
    let token = server.issued(request()).await;
    server.introspect(AUDITOR, &token).await.active();
}

#[tokio::test]
async fn jwt_05_an_assertion_is_used_up_with_the_token_that_it_gets_and_not_before() {
    let Signing { server: plain, key } = Signing::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let assertion = |jti| key.sign_compact("JWT", claims(jti).to_string().as_bytes()).unwrap();
    assert_eq!(server.send(request(&assertion("warm"))).await.status, 200);
    let (failed, lost) = (assertion("failed"), assertion("lost"));
    watched.fail_writes(true);
    check_unavailable(&server.send(request(&failed)).await);
    watched.fail_writes(false);
    assert_eq!(server.send(request(&failed)).await.status, 200, "nothing was written the first time");
    watched.lose_answers(true);
    check_unavailable(&server.send(request(&lost)).await);
    watched.lose_answers(false);
    server.send(request(&lost)).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn without_a_lease_nothing_is_issued() {
    let server = TestServer::start().await;
    server.service.node().ledger().give_up_lease();
    for audience in [API, JWT_API, BARE_API] {
        let request = TestServer::token_request(APP).parameter("resource", audience);
        check_unavailable(&server.send(request).await);
    }
    server.service.node().hold_lease();
    server.issue(APP, API).await;
}
