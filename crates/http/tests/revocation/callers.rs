//! Who may revoke: authentication as at the token endpoint (RFC 7009 §2.1).

use lydian_test_kit::fixtures::{ACME_APP, API, API_CLIENT, APP, PUBLIC_CLIENT};
use lydian_test_kit::{Reply, Request, TestServer};

const BASIC: &str = "Basic realm=\"lydian\", charset=\"UTF-8\"";

#[track_caller]
fn check_refused(name: &str, reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (401, Some("invalid_client")), "{name}");
    assert_eq!(reply.headers("www-authenticate"), [BASIC], "{name}");
}

#[tokio::test]
async fn rev_03_d23_d24_who_is_not_authenticated_revokes_nothing() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    let bearer = server.introspect_token(API_CLIENT).await;
    let base = || Request::post("/oauth2/revoke").parameter("token", &token);
    for (name, request) in [
        ("nobody", base()),
        ("a cookie", base().header("cookie", "JSESSIONID=1")),
        ("a wrong secret", base().basic(APP.client_id, "wrong-secret-0123456789abcdef0123456789")),
        ("an unknown client", base().basic("nobody", APP.client_secret)),
        ("a client of another realm", base().basic(ACME_APP.client_id, ACME_APP.client_secret)),
        ("a confidential client by its name alone", base().parameter("client_id", APP.client_id)),
        ("a public client with a secret", base().basic(PUBLIC_CLIENT, "x")),
        ("the token itself", base().bearer(&token)),
        ("a token that opens introspection", base().bearer(&bearer)),
        ("another scheme", base().header("authorization", "Digest x")),
        ("malformed Basic", base().header("authorization", "Basic !")),
        (
            "a bad assertion",
            base().parameter("client_assertion", "x").parameter("client_assertion_type", "y"),
        ),
    ] {
        check_refused(name, &server.send(request).await);
        server.introspect(APP, &token).await.active();
    }
}

#[tokio::test]
async fn rev_03_the_caller_is_judged_before_anything_of_the_token() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    check_refused("without a token", &server.send(Request::post("/oauth2/revoke")).await);
    let mut answers = Vec::new();
    for token in [token.as_str(), "unknown", ""] {
        let request = Request::post("/oauth2/revoke").basic("nobody", "x").parameter("token", token);
        let reply = server.send(request).await;
        answers.push((reply.status, reply.text(), reply.headers("www-authenticate").len()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn rev_03_a_disabled_client_revokes_nothing() {
    let server = TestServer::start().await;
    server.apply("[[client]]\nclient_id = \"cascade-app\"\nenabled = false\n").await;
    let reply = server.revoke(lydian_test_kit::fixtures::CASCADE_APP, "unknown").await;
    check_refused("disabled", &reply);
}
