//! Who sees which token, and how much of it (RFC 7662 §2.2, §4).

use lydian_test_kit::fixtures::{
    API, API_CLIENT, APP, AUDITOR, BARE_API, BARE_API_CLIENT, Credentials, JWT_API, JWT_API_CLIENT,
    OTHER_API, OTHER_API_CLIENT, PAGE_CLIENT_A,
};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::{Request, TestServer};

use crate::alike::{check_inactive, whole};

const CALLERS: [Credentials; 7] =
    [APP, AUDITOR, API_CLIENT, JWT_API_CLIENT, BARE_API_CLIENT, OTHER_API_CLIENT, PAGE_CLIENT_A];

/// Asserts that these callers see the token, and that all others learn nothing.
async fn check_seen_by(server: &TestServer, name: &'static str, token: &str, seen_by: &[Credentials]) {
    for caller in CALLERS {
        let sees = seen_by.iter().any(|one| one.client_id == caller.client_id);
        if sees {
            let reply = server.introspect(caller, token).await;
            assert!(reply.text().starts_with("{\"active\":true"), "{name} by {}", caller.client_id);
        } else {
            check_inactive(server, caller, &[(name, token.to_owned())]).await;
        }
    }
}

#[tokio::test]
async fn int_10_d15_a_caller_sees_what_it_owns_what_is_for_it_and_what_it_is_permitted() {
    let server = TestServer::start().await;
    for (audience, of_api) in [
        (API, API_CLIENT),
        (JWT_API, JWT_API_CLIENT),
        (BARE_API, BARE_API_CLIENT),
        (OTHER_API, OTHER_API_CLIENT),
    ] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        let seen_by = [APP, AUDITOR, of_api];
        check_seen_by(&server, audience, &granted.access_token, &seen_by).await;
        // Nothing that was kept in memory for one caller opens it to another one.
        check_seen_by(&server, audience, &granted.access_token, &seen_by).await;
    }
    for (audience, of_api) in [(API, API_CLIENT), (JWT_API, JWT_API_CLIENT), (BARE_API, BARE_API_CLIENT)] {
        let token = server.issue(APP, audience).await;
        check_seen_by(&server, audience, &token, &[APP, AUDITOR, of_api]).await;
    }
}

#[tokio::test]
async fn int_17_d16_a_refresh_token_is_seen_by_its_client_and_by_who_may_see_all() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        check_seen_by(&server, audience, &granted.refresh_token, &[APP, AUDITOR]).await;
    }
}

#[tokio::test]
async fn int_10_a_token_for_the_issuer_is_seen_by_its_client_and_by_who_may_see_all() {
    let server = TestServer::start().await;
    let caller = server.introspect_token(API_CLIENT).await;
    check_seen_by(&server, "introspect", &caller, &[API_CLIENT, AUDITOR]).await;
    let granted = Seed::of(APP, None, "openid").put(&server).await;
    check_seen_by(&server, "openid", &granted.access_token, &[APP, AUDITOR]).await;
}

#[tokio::test]
async fn int_10_a_caller_by_bearer_sees_what_its_client_sees_by_basic() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read write").put(&server).await;
    for client in [API_CLIENT, JWT_API_CLIENT, OTHER_API_CLIENT] {
        let bearer = server.introspect_token(client).await;
        for token in [&granted.access_token, &granted.refresh_token, &bearer] {
            let by_basic = server.introspect(client, token).await;
            let request = Request::post("/oauth2/introspect").bearer(&bearer).parameter("token", token);
            assert_eq!(whole(&server.send(request).await), whole(&by_basic), "{}", client.client_id);
        }
    }
}

#[tokio::test]
async fn int_11_an_api_sees_its_own_scopes_and_the_identity_scopes() {
    let server = TestServer::start().await;
    let all = "email foreign only-jwt only-opaque openid profile read";
    let cases = [
        (API, API_CLIENT, "email only-opaque openid profile read"),
        (JWT_API, JWT_API_CLIENT, "email only-jwt openid profile read"),
        (BARE_API, BARE_API_CLIENT, "email openid profile read"),
    ];
    for (audience, of_api, narrowed) in cases {
        let granted = Seed::of(APP, Some(audience), all).named(audience).put(&server).await;
        for (caller, expected) in [(of_api, narrowed), (APP, all), (AUDITOR, all), (of_api, narrowed)] {
            let members = server.introspect(caller, &granted.access_token).await.active();
            assert_eq!(members["scope"], expected, "{audience} by {}", caller.client_id);
        }
        for caller in [APP, AUDITOR] {
            let members = server.introspect(caller, &granted.refresh_token).await.active();
            assert_eq!(members["scope"], all);
        }
    }
}

#[tokio::test]
async fn int_11_an_api_sees_a_scope_from_the_moment_that_it_defines_it() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "later read").put(&server).await;
    let scope = async || server.introspect(API_CLIENT, &granted.access_token).await.active()["scope"].clone();
    assert_eq!(scope().await, "read");
    server
        .apply(&format!(
            "[[api]]\naudience = {API:?}\nscopes = [\"read\", \"later\", \"write\", \"only-opaque\"]\n"
        ))
        .await;
    assert_eq!(scope().await, "later read");
}

#[tokio::test]
async fn int_10_the_permission_to_see_all_ends_when_it_is_taken_away_and_at_the_realm() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").put(&server).await;
    server.introspect(AUDITOR, &granted.access_token).await.active();
    server.apply("[[client]]\nclient_id = \"auditor\"\nintrospect_any = false\n").await;
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
    server.introspect(AUDITOR, &granted.refresh_token).await.inactive();
}

#[tokio::test]
async fn int_10_a_client_speaks_for_an_api_as_long_as_it_is_its_client() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").put(&server).await;
    server.introspect(API_CLIENT, &granted.access_token).await.active();
    server.apply("[[client]]\nclient_id = \"api-client\"\napi = \"\"\n").await;
    server.introspect(API_CLIENT, &granted.access_token).await.inactive();
}
