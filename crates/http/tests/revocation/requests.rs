//! The form of a revocation request (RFC 7009 §2.1, RFC 6749 §3.2).

use lydian_test_kit::fixtures::{API, APP};
use lydian_test_kit::{Request, TestServer};

const PATH: &str = "/oauth2/revoke";

fn by_app() -> Request {
    Request::post(PATH).basic(APP.client_id, APP.client_secret)
}

async fn start() -> (TestServer, String) {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    (server, token)
}

#[tokio::test]
async fn rev_02_gen_02_without_a_token_the_request_is_invalid() {
    let (server, _) = start().await;
    for request in [
        by_app(),
        by_app().parameter("token", ""),
        by_app().parameter("token", " \t"),
        by_app().parameter("token_type_hint", "access_token"),
    ] {
        server.send(request).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn rev_02_gen_03_gen_05_gen_06_a_malformed_request_revokes_nothing() {
    let (server, token) = start().await;
    let good = by_app().parameter("token", &token);
    let body = format!("token={token}");
    for (status, request) in [
        (400, good.clone().parameter("token", &token)),
        (400, good.clone().parameter("token_type_hint", "a").parameter("token_type_hint", "b")),
        (400, by_app().content_type("application/json").body(format!("{{\"token\":\"{token}\"}}"))),
        (400, by_app().content_type("").body(body.clone())),
        (400, by_app().content_type("text/plain").body(body.clone())),
        (400, by_app().body(format!("{body}%"))),
        (413, by_app().body(format!("{body}&pad={}", "a".repeat(64 * 1024)))),
    ] {
        server.send(request).await.refused(status, "invalid_request");
        server.introspect(APP, &token).await.active();
    }
    let in_query = Request::post(&format!("{PATH}?token={token}")).basic(APP.client_id, APP.client_secret);
    server.send(in_query).await.refused(400, "invalid_request");
    for method in ["GET", "DELETE", "PUT"] {
        let request = Request::of(method, &format!("{PATH}?token={token}"));
        let reply = server.send(request.basic(APP.client_id, APP.client_secret)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    }
    server.introspect(APP, &token).await.active();
    assert_eq!(server.send(good).await.status, 200);
    server.introspect(APP, &token).await.inactive();
}

#[tokio::test]
async fn d23_there_is_no_jsonp_and_unknown_parameters_are_ignored() {
    let (server, token) = start().await;
    let request = by_app().parameter("token", &token).parameter("callback", "steal").parameter("foo", "1");
    let reply = server.send(request).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    let refused = Request::post(PATH).parameter("token", &token).parameter("callback", "steal");
    let refused = server.send(refused).await.refused(401, "invalid_client");
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert!(!refused.text().contains("steal"));
}

#[tokio::test]
async fn gen_07_no_answer_is_kept() {
    let (server, token) = start().await;
    for reply in [
        server.revoke(APP, &token).await,
        server.revoke(APP, "unknown").await,
        server.send(by_app()).await,
        server.send(Request::post(PATH)).await,
    ] {
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("pragma"), Some("no-cache"));
    }
}
