//! Who guesses tokens or secrets has to wait (RFC 7009 §5).

use lydian_service::limiter::Rate;
use lydian_test_kit::fixtures::{API, APP, CASCADE_APP};
use lydian_test_kit::{Reply, Request, TestServer};

const RATE: Rate = Rate { per_second: 10, burst: 5 };

#[track_caller]
fn check_told_to_wait(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (429, Some("temporarily_unavailable")));
    assert_eq!(reply.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn rev_13_gen_17_a_client_that_guesses_tokens_has_to_wait() {
    let server = TestServer::start_with(|settings| settings.limits.unknown_tokens = RATE).await;
    let token = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    for _ in 0..20 {
        assert_eq!(server.revoke(APP, &token).await.status, 200, "a dead token is no guess");
    }
    for index in 0..5 {
        assert_eq!(server.revoke(APP, &format!("guess-{index}")).await.status, 200);
    }
    check_told_to_wait(&server.revoke(APP, "guess").await);
    // One allowance for both endpoints: otherwise there would be two.
    check_told_to_wait(&server.introspect(APP, "guess").await);
    assert_eq!(server.revoke(CASCADE_APP, "guess").await.status, 200);
    server.advance_seconds(1);
    assert_eq!(server.revoke(APP, "guess").await.status, 200);
}

#[tokio::test]
async fn rev_13_oau_04_who_guesses_a_secret_has_to_wait() {
    let server = TestServer::start_with(|settings| settings.limits.failed_authentications = RATE).await;
    let request = Request::post("/oauth2/revoke").basic(APP.client_id, "guess").parameter("token", "x");
    for _ in 0..5 {
        server.send(request.clone()).await.refused(401, "invalid_client");
    }
    check_told_to_wait(&server.send(request).await);
    assert_eq!(server.revoke(CASCADE_APP, "x").await.status, 200);
}
