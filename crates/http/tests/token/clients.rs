//! Client authentication by secret (RFC 6749 §2.3.1, §5.2).

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use lydian_http::Endpoints;
use lydian_primitives::limits;
use lydian_service::limiter::Rate;
use lydian_test_kit::fixtures::{API_CLIENT, APP, AUDITOR, Credentials, POST_APP, PUBLIC_CLIENT};
use lydian_test_kit::{Reply, Request, TestServer};

use crate::{BASIC, by_post, unauthenticated};

#[track_caller]
fn check_not_authenticated(name: &str, reply: &Reply) {
    let found = (reply.status, reply.json()["error"].as_str().map(str::to_owned));
    assert_eq!(found, (401, Some("invalid_client".to_owned())), "{name}");
    assert_eq!(reply.headers("www-authenticate"), [BASIC], "{name}");
}

/// An answer without the one header that tells the time.
fn whole(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let headers = reply.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (reply.status, headers, reply.text())
}

#[tokio::test]
async fn oau_01_name_and_secret_are_form_decoded_after_the_first_colon_split_them() {
    let server = TestServer::start().await;
    let secret = "a:b%c+d e&f=g\u{e9}/-0123456789abcdef0123456789";
    let document = format!(
        "[[client]]\nclient_id = \"odd.app~1\"\nclient_secret = {secret:?}\nissuer_scopes = [\"introspect\"]\ngrant_types = [\"client_credentials\"]\nauth_methods = [\"client_secret_basic\", \"client_secret_post\"]\n"
    );
    server.apply(&document).await;
    let pair = |text: &str| {
        let value = format!("Basic {}", BASE64_STANDARD.encode(text));
        server.send(unauthenticated().header("authorization", &value))
    };
    assert_eq!(server.send(unauthenticated().basic("odd.app~1", secret)).await.status, 200);
    let odd = Credentials { client_id: "odd.app~1", client_secret: secret };
    assert_eq!(server.send(by_post(odd)).await.status, 200);
    // A colon of the secret needs no encoding, and unreserved characters may be encoded.
    let half = "odd%2Eapp~1:a:b%25c%2Bd+e%26f%3Dg%C3%A9%2F-0123456789abcdef0123456789";
    assert_eq!(pair(half).await.status, 200);
    check_not_authenticated("not encoded", &pair(&format!("odd.app~1:{secret}")).await);
    check_not_authenticated("split at the last colon", &pair(&half.replacen(':', "%3A", 1)).await);
}

#[tokio::test]
async fn oau_02_the_method_that_is_registered_is_the_only_one() {
    let server = TestServer::start().await;
    let by_form = by_post(POST_APP).parameter("scope", "read");
    assert_eq!(server.send(by_form).await.status, 200);
    assert_eq!(server.send(TestServer::token_request(APP)).await.status, 200);
    check_not_authenticated("post, registered for basic", &server.send(by_post(APP)).await);
    let basic = TestServer::token_request(POST_APP);
    check_not_authenticated("basic, registered for post", &server.send(basic).await);
}

#[tokio::test]
async fn oau_03_s26_two_ways_of_authentication_in_one_request_are_refused() {
    let server = TestServer::start().await;
    let basic = || TestServer::token_request(APP);
    assert_eq!(server.send(basic().parameter("client_id", APP.client_id)).await.status, 200);
    for request in [
        basic().parameter("client_secret", APP.client_secret),
        basic().parameter("client_id", API_CLIENT.client_id),
        basic().parameter("client_assertion", "x"),
        basic().parameter("client_assertion_type", "x"),
        basic().basic(APP.client_id, APP.client_secret),
        basic().bearer("x"),
        by_post(POST_APP).parameter("client_assertion", "x"),
        by_post(POST_APP).parameter("client_assertion_type", "x"),
    ] {
        let reply = server.send(request).await.refused(400, "invalid_request");
        assert!(reply.headers("www-authenticate").is_empty());
    }
}

#[tokio::test]
async fn oau_05_who_is_not_authenticated_is_challenged() {
    let server = TestServer::start().await;
    let wrong = Credentials { client_secret: "wrong-secret-0123456789abcdef0123456789", ..APP };
    let (id, secret) = (APP.client_id, APP.client_secret);
    let long_name = "i".repeat(limits::CLIENT_ID_BYTES_MAX + 1);
    let long_secret = "s".repeat(limits::CLIENT_SECRET_BYTES_MAX + 1);
    for (name, request) in [
        ("nothing", unauthenticated()),
        ("a wrong secret", TestServer::token_request(wrong)),
        ("a secret cut short", unauthenticated().basic(id, &secret[1..])),
        ("a secret in another case", unauthenticated().basic(id, &secret.to_uppercase())),
        ("an empty secret", unauthenticated().basic(id, "")),
        ("an empty name", unauthenticated().basic("", secret)),
        ("a name in another case", unauthenticated().basic("APP", secret)),
        ("a secret of another client", unauthenticated().basic(AUDITOR.client_id, secret)),
        ("an unknown client", unauthenticated().basic("nobody", secret)),
        ("a public client with a secret", unauthenticated().basic(PUBLIC_CLIENT, secret)),
        ("a name that is too long", unauthenticated().basic(&long_name, secret)),
        ("a secret that is too long", unauthenticated().basic(id, &long_secret)),
        ("no base64", unauthenticated().header("authorization", "Basic !!!")),
        ("no colon", unauthenticated().header("authorization", "Basic eA==")),
        ("nothing after the scheme", unauthenticated().header("authorization", "Basic")),
        ("a secret alone", unauthenticated().parameter("client_secret", secret)),
        ("a wrong secret in the form", by_post(Credentials { client_secret: "x", ..POST_APP })),
        ("an unknown client in the form", by_post(Credentials { client_id: "nobody", ..POST_APP })),
    ] {
        check_not_authenticated(name, &server.send(request).await);
    }
}

#[tokio::test]
async fn oau_06_an_unknown_client_and_a_wrong_secret_get_the_same_answer() {
    let server = TestServer::start().await;
    server.apply("[[client]]\nclient_id = \"post-app\"\nenabled = false\n").await;
    let wrong = server.send(unauthenticated().basic(APP.client_id, "wrong")).await;
    let unknown = server.send(unauthenticated().basic("nobody", "wrong")).await;
    let other_method = server.send(TestServer::token_request(POST_APP)).await;
    let disabled = server.send(by_post(POST_APP)).await;
    let by_name = server.send(unauthenticated().parameter("client_id", APP.client_id)).await;
    for reply in [&unknown, &other_method, &disabled, &by_name] {
        assert_eq!(whole(reply), whole(&wrong));
    }
}

#[tokio::test]
async fn oau_20_confidential_clients_authenticate_and_public_ones_send_their_name() {
    let server = TestServer::start().await;
    let named = |client_id: &str| unauthenticated().parameter("client_id", client_id);
    check_not_authenticated("neither", &server.send(unauthenticated()).await);
    check_not_authenticated("a confidential name", &server.send(named(APP.client_id)).await);
    check_not_authenticated("an unknown name", &server.send(named("nobody")).await);
    // The public client is known by its name; what it may not do is another question.
    server.send(named(PUBLIC_CLIENT)).await.refused(400, "unauthorized_client");
}

#[tokio::test]
async fn oau_23_who_asks_is_settled_before_what_is_asked_for() {
    let server = TestServer::start().await;
    for request in [
        Request::post(crate::PATH).basic(APP.client_id, "wrong"),
        Request::post(crate::PATH).basic(APP.client_id, "wrong").parameter("grant_type", "password"),
        unauthenticated().basic(APP.client_id, "wrong").parameter("scope", "\""),
        unauthenticated().basic(APP.client_id, "wrong").parameter("resource", "x"),
    ] {
        check_not_authenticated("a wrong secret", &server.send(request).await);
    }
}

/// Sends a token request from an address, past the sockets.
async fn answer_from(endpoints: &Endpoints, address: &str, client_secret: &str) -> (u16, Option<String>) {
    let pair = BASE64_STANDARD.encode(format!("{}:{client_secret}", APP.client_id));
    let request = http::Request::post(crate::PATH)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Basic {pair}"))
        // What a client says of its own address changes nothing.
        .header("x-forwarded-for", "198.51.100.1")
        .body(Full::new(Bytes::from_static(b"grant_type=client_credentials")))
        .unwrap();
    let peer: IpAddr = address.parse().unwrap();
    let answer = endpoints.respond(request, peer).await;
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), wait)
}

#[tokio::test]
async fn oau_04_gen_17_guessing_is_slowed_down_and_locks_nobody_else_out() {
    let slow = Rate { per_second: 10, burst: 5 };
    let server = TestServer::start_with(|settings| settings.limits.failed_authentications = slow).await;
    let endpoints = Endpoints::new(Arc::clone(&server.service), Arc::clone(&server.counters));
    let right = APP.client_secret;
    for index in 0..5 {
        assert_eq!(answer_from(&endpoints, "192.0.2.1", &format!("guess-{index}")).await.0, 401);
    }
    assert_eq!(answer_from(&endpoints, "192.0.2.1", "guess").await, (429, Some("1".to_owned())));
    // Whether a guess was right is not told either; from everywhere else the client gets its tokens.
    assert_eq!(answer_from(&endpoints, "192.0.2.1", right).await, (429, Some("1".to_owned())));
    assert_eq!(answer_from(&endpoints, "192.0.2.2", right).await, (200, None));
    server.advance_seconds(1);
    assert_eq!(answer_from(&endpoints, "192.0.2.1", right).await, (200, None));
}

#[tokio::test]
async fn oau_04_success_costs_nothing_of_what_failures_may_cost() {
    let slow = Rate { per_second: 1, burst: 2 };
    let server = TestServer::start_with(|settings| settings.limits.failed_authentications = slow).await;
    for _ in 0..20 {
        assert_eq!(server.send(TestServer::token_request(APP)).await.status, 200);
    }
}
