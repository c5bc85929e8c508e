//! Who fails too often has to wait, and nobody else has (RFC 7662 §4, RFC 6585 §4).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use lydian_http::Endpoints;
use lydian_service::Settings;
use lydian_service::limiter::Rate;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, Credentials, JWT_API, JWT_API_CLIENT};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::server::introspection;
use lydian_test_kit::{Reply, Request, TestServer};

/// Ten a second, five at once.
const RATE: Rate = Rate { per_second: 10, burst: 5 };

#[track_caller]
fn check_told_to_wait(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (429, Some("temporarily_unavailable")));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert!(!reply.text().contains("active"));
}

fn slow_down_strangers(settings: &mut Settings) {
    settings.limits.unknown_tokens = RATE;
}

fn slow_down_failures(settings: &mut Settings) {
    settings.limits.failed_authentications = RATE;
}

#[tokio::test]
async fn int_20_gen_17_a_caller_that_sends_many_strangers_has_to_wait() {
    let server = TestServer::start_with(slow_down_strangers).await;
    let token = server.issue(APP, API).await;
    for index in 0..5 {
        server.introspect(API_CLIENT, &format!("unknown-{index}")).await.inactive();
    }
    check_told_to_wait(&server.introspect(API_CLIENT, "unknown").await);
    // Whoever floods an API with strangers does not take its own tokens from it, nor from any other caller.
    server.introspect(API_CLIENT, &token).await.active();
    server.introspect(JWT_API_CLIENT, "unknown").await.inactive();
    server.introspect(APP, &token).await.active();
    server.clock.advance(Duration::from_millis(100));
    server.introspect(API_CLIENT, &token).await.active();
    server.introspect(API_CLIENT, "unknown").await.inactive();
    check_told_to_wait(&server.introspect(API_CLIENT, "unknown").await);
    server.advance_seconds(1);
    server.introspect(API_CLIENT, &token).await.active();
}

#[tokio::test]
async fn int_20_live_expired_revoked_and_foreign_tokens_never_count() {
    let server = TestServer::start_with(slow_down_strangers).await;
    let live = server.issue(APP, API).await;
    let revoked = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &revoked).await.status, 200);
    let short = Seed::of(APP, Some(API), "read").living(10).put(&server).await;
    let jwt = Seed::of(APP, Some(lydian_test_kit::fixtures::BARE_API), "read").named("b").living(10);
    let jwt = jwt.put(&server).await;
    server.advance_seconds(10);
    for _ in 0..20 {
        server.introspect(API_CLIENT, &live).await.active();
        server.introspect(API_CLIENT, &revoked).await.inactive();
        server.introspect(API_CLIENT, &short.access_token).await.inactive();
        server.introspect(API_CLIENT, &short.refresh_token).await.inactive();
        server.introspect(API_CLIENT, &jwt.access_token).await.inactive();
        server.introspect(JWT_API_CLIENT, &live).await.inactive();
    }
    for index in 0..5 {
        server.introspect(API_CLIENT, &format!("unknown-{index}")).await.inactive();
    }
    check_told_to_wait(&server.introspect(API_CLIENT, "unknown").await);
}

#[tokio::test]
async fn int_20_a_token_that_was_forgotten_after_its_expiry_does_not_count() {
    let server = TestServer::start_with(slow_down_strangers).await;
    let id_hour = {
        use lydian_primitives::Clock;
        server.clock.now().hour()
    };
    // Its hour is over and its row is gone: the handle alone tells that it was ours.
    let id = lydian_domain::TokenId::from_parts(id_hour, 1, 77);
    let realm = server.realm(None);
    let forgotten = lydian_domain::token_string::format_opaque(
        "lya",
        0,
        realm.secrets.token_handles().of_token(id),
        lydian_test_kit::seed::random(),
    );
    server.advance_seconds(3_600);
    for _ in 0..20 {
        server.introspect(API_CLIENT, &forgotten).await.inactive();
    }
}

#[tokio::test]
async fn int_20_a_jwt_that_was_seen_is_answered_while_a_new_one_has_to_wait() {
    let server = TestServer::start_with(slow_down_strangers).await;
    let (seen, unseen) = (server.issue(APP, JWT_API).await, server.issue(APP, JWT_API).await);
    server.introspect(JWT_API_CLIENT, &seen).await.active();
    for index in 0..5 {
        server.introspect(JWT_API_CLIENT, &format!("unknown-{index}")).await.inactive();
    }
    server.introspect(JWT_API_CLIENT, &seen).await.active();
    check_told_to_wait(&server.introspect(JWT_API_CLIENT, &unseen).await);
    server.advance_seconds(1);
    server.introspect(JWT_API_CLIENT, &unseen).await.active();
}

fn with_secret(client: Credentials, secret: &str) -> Request {
    Request::post("/oauth2/introspect").basic(client.client_id, secret).parameter("token", "unknown")
}

#[tokio::test]
async fn oau_04_int_20_who_guesses_a_secret_has_to_wait_and_other_clients_do_not() {
    let server = TestServer::start_with(slow_down_failures).await;
    for index in 0..5 {
        server.send(with_secret(APP, &format!("guess-{index}"))).await.refused(401, "invalid_client");
    }
    check_told_to_wait(&server.send(with_secret(APP, "guess")).await);
    check_told_to_wait(&server.introspect(APP, "unknown").await);
    server.introspect(API_CLIENT, "unknown").await.inactive();
    // The right secret gets through again as soon as the failures are paid for.
    server.clock.advance(Duration::from_millis(100));
    server.introspect(APP, "unknown").await.inactive();
}

#[tokio::test]
async fn oau_04_an_unknown_client_is_slowed_down_like_a_known_one() {
    let server = TestServer::start_with(slow_down_failures).await;
    let nobody = Credentials { client_id: "nobody", client_secret: "x" };
    for _ in 0..5 {
        server.send(with_secret(nobody, "x")).await.refused(401, "invalid_client");
    }
    check_told_to_wait(&server.send(with_secret(nobody, "x")).await);
}

#[tokio::test]
async fn oau_04_guessing_bearer_tokens_is_slowed_down_and_dead_ones_do_not_count() {
    let server = TestServer::start_with(slow_down_failures).await;
    let by = |token: &str| Request::post("/oauth2/introspect").bearer(token).parameter("token", "unknown");
    let good = server.introspect_token(API_CLIENT).await;
    let dead = server.introspect_token(JWT_API_CLIENT).await;
    assert_eq!(server.revoke(JWT_API_CLIENT, &dead).await.status, 200);
    for _ in 0..20 {
        server.send(by(&dead)).await.refused(401, "invalid_token");
        server.send(by(&good)).await.inactive();
    }
    for index in 0..5 {
        server.send(by(&format!("guess-{index}"))).await.refused(401, "invalid_token");
    }
    check_told_to_wait(&server.send(by("guess")).await);
    server.introspect(API_CLIENT, "unknown").await.inactive();
}

/// Sends a request from an address, past the sockets.
async fn status_from(endpoints: &Endpoints, address: &str, client: Credentials, secret: &str) -> u16 {
    use base64::Engine;
    let pair = format!("{}:{secret}", client.client_id);
    let request = http::Request::post("/oauth2/introspect")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair)))
        // What a client says of its own address changes nothing.
        .header("x-forwarded-for", "198.51.100.1")
        .body(Full::new(Bytes::from_static(b"token=unknown")))
        .unwrap();
    let peer: IpAddr = address.parse().unwrap();
    endpoints.respond(request, peer).await.status().as_u16()
}

#[tokio::test]
async fn oau_04_gen_14_the_right_secret_from_another_address_still_works() {
    let server = TestServer::start_with(slow_down_failures).await;
    let endpoints = Endpoints::new(Arc::clone(&server.service), Arc::clone(&server.counters));
    for _ in 0..5 {
        assert_eq!(status_from(&endpoints, "192.0.2.1", APP, "guess").await, 401);
    }
    assert_eq!(status_from(&endpoints, "192.0.2.1", APP, APP.client_secret).await, 429);
    assert_eq!(status_from(&endpoints, "192.0.2.2", APP, APP.client_secret).await, 200);
    assert_eq!(status_from(&endpoints, "192.0.2.2", APP, "guess").await, 401);
}

#[tokio::test]
async fn int_20_the_default_limit_stops_a_scan() {
    let server = TestServer::start().await;
    let request = introspection(API_CLIENT, "x");
    server.send(request).await.inactive();
    let endpoints = Endpoints::new(Arc::clone(&server.service), Arc::clone(&server.counters));
    let mut statuses = Vec::new();
    for _ in 0..5_000 {
        statuses.push(status_from(&endpoints, "192.0.2.1", API_CLIENT, API_CLIENT.client_secret).await);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 4_999);
    assert_eq!(statuses.last(), Some(&429));
}
