//! Callers by an access token with the scope `introspect` (RFC 6750 §3.1, RFC 7662 §2.1).

use lydian_test_kit::fixtures::{API, API_CLIENT, APP, Credentials, JWT_API, JWT_API_CLIENT, PUBLIC_CLIENT};
use lydian_test_kit::seed::{self, Seed};
use lydian_test_kit::{Request, TestServer};

use crate::callers::{Asked, BASIC, BEARER, BEARER_INVALID, BEARER_WEAK, PATH, check};

#[tokio::test]
async fn int_02_w7_a_caller_by_bearer_is_admitted_by_either_name_of_the_scope() {
    let asked = Asked::start().await;
    for scope in ["introspect", "internal_oauth2_introspect"] {
        let bearer = TestServer::token_request(API_CLIENT).parameter("scope", scope);
        let bearer = asked.server.issued(bearer).await;
        asked.bearer(&bearer).await.active();
    }
}

#[tokio::test]
async fn bea_02_an_access_token_in_the_form_is_no_credential() {
    let asked = Asked::start().await;
    let bearer = asked.server.introspect_token(API_CLIENT).await;
    let in_form = asked.request().parameter("access_token", &bearer);
    check(&asked.server.send(in_form).await, 401, "invalid_client", &[BASIC, BEARER]);
    asked.bearer(&bearer).await.active();
}

#[tokio::test]
async fn int_04_bea_06_bea_08_a_bearer_token_that_is_not_good_here_is_invalid() {
    let asked = Asked::start().await;
    let server = &asked.server;
    let good = server.introspect_token(API_CLIENT).await;
    let revoked = server.introspect_token(JWT_API_CLIENT).await;
    assert_eq!(server.revoke(JWT_API_CLIENT, &revoked).await.status, 200);
    let for_an_api = Seed::of(API_CLIENT, Some(API), "introspect read").named("a").put(server).await;
    let jwt = Seed::of(API_CLIENT, Some(JWT_API), "introspect read").named("b").put(server).await;
    let short = Seed::of(API_CLIENT, None, "introspect").named("c").living(60).put(server).await;
    server.introspect(API_CLIENT, &short.access_token).await.active();
    asked.bearer(&short.access_token).await.active();
    server.advance_seconds(60);
    let mut flipped = good.clone();
    flipped.replace_range(10..11, if &good[10..11] == "A" { "B" } else { "A" });
    for (name, token) in [
        ("revoked", revoked.as_str()),
        ("of another audience", &for_an_api.access_token),
        ("a JWT of another audience", &jwt.access_token),
        ("expired by zero seconds", &short.access_token),
        ("unknown", "54bd024f-5080-3db5-9422-785f5d610605"),
        ("mistyped", &flipped),
        ("no token68", "a b"),
        ("padding alone", "="),
    ] {
        let reply = asked.bearer(token).await;
        assert_eq!(reply.status, 401, "{name}");
        check(&reply, 401, "invalid_token", &[BEARER_INVALID]);
    }
    check(&asked.authorization("Bearer").await, 401, "invalid_token", &[BEARER_INVALID]);
    asked.bearer(&good).await.active();
}

#[tokio::test]
async fn w9_a_refresh_token_is_no_bearer_credential() {
    let asked = Asked::start().await;
    let granted = Seed::of(API_CLIENT, None, "introspect").put(&asked.server).await;
    asked.bearer(&granted.access_token).await.active();
    check(&asked.bearer(&granted.refresh_token).await, 401, "invalid_token", &[BEARER_INVALID]);
}

#[tokio::test]
async fn int_04_bea_07_d4_a_bearer_token_without_the_scope_is_too_weak() {
    let asked = Asked::start().await;
    for (scope, username) in
        [("openid profile", "a"), ("introspec", "b"), ("introspect2 introspect_any", "c")]
    {
        let granted = Seed::of(API_CLIENT, None, scope).named(username).put(&asked.server).await;
        let reply = asked.bearer(&granted.access_token).await;
        check(&reply, 403, "insufficient_scope", &[BEARER_WEAK]);
    }
}

#[tokio::test]
async fn int_05_a_users_token_does_not_open_the_endpoint_to_itself() {
    let asked = Asked::start().await;
    let granted = Seed::of(APP, None, "openid").put(&asked.server).await;
    let itself = Request::post(PATH).bearer(&granted.access_token).parameter("token", &granted.access_token);
    check(&asked.server.send(itself).await, 403, "insufficient_scope", &[BEARER_WEAK]);
    let caller = asked.server.introspect_token(API_CLIENT).await;
    let itself = Request::post(PATH).bearer(&caller).parameter("token", &caller);
    assert_eq!(asked.server.send(itself).await.active()["client_id"], API_CLIENT.client_id);
}

#[tokio::test]
async fn int_02_a_public_client_may_not_ask_by_bearer_either() {
    let asked = Asked::start().await;
    let public = Credentials { client_id: PUBLIC_CLIENT, client_secret: "" };
    let granted = Seed::of(public, None, "introspect").put(&asked.server).await;
    let reply = asked.bearer(&granted.access_token).await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (401, Some("invalid_client")));
}

#[tokio::test]
async fn int_10_the_scope_opens_the_endpoint_and_widens_nothing() {
    let asked = Asked::start().await;
    let caller = asked.server.introspect_token(JWT_API_CLIENT).await;
    asked.bearer(&caller).await.inactive();
}

#[tokio::test]
async fn w33_a_disabled_users_token_is_no_credential() {
    let asked = Asked::start().await;
    let granted = Seed::of(API_CLIENT, None, "introspect").put(&asked.server).await;
    asked.bearer(&granted.access_token).await.active();
    seed::disable_user(&asked.server, &granted).await;
    check(&asked.bearer(&granted.access_token).await, 401, "invalid_token", &[BEARER_INVALID]);
}
