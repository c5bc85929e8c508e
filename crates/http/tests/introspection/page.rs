//! The samples of the reference page, request by request and member by member.

use lydian_domain::{Client, ClientSecretHash};
use lydian_primitives::{Clock, Mint, Secret, SystemEntropy};
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, ISSUER, PAGE_CLIENT_A, PAGE_CLIENT_B};
use lydian_test_kit::seed::{self, Seed, Write};
use lydian_test_kit::server::START;
use lydian_test_kit::{Request, TestServer};
use serde_json::json;

/// The header of the page, as it stands there.
const PAGE_BASIC: &str = "Basic V3NvcTh0NG5IVzgwZ1NuUGZ5RHZSYmlDX19FYTp6MEM3OXpsb3B4OGk3QnlPdzhLMTVBOWRwbFlh";

/// The secret inside of [`PAGE_BASIC`].
const PAGE_SECRET: &str = "z0C79zlopx8i7ByOw8K15A9dplYa";

/// The cookie of the page. It binds nothing of ours, so it changes nothing.
const PAGE_COOKIE: &str = "atbv=646b0ed2-c501-4b17-9251-94112013a718";

/// Gives the page's first client the page's secret, which is shorter than what we would take from an operator.
async fn import_page_secret(server: &TestServer) {
    let client = Client::clone(server.realm(None).client_by_name(PAGE_CLIENT_A.client_id).unwrap());
    let mint = Mint::new(server.clock.now(), &SystemEntropy);
    let secrets = vec![ClientSecretHash::of(&Secret::new(PAGE_SECRET.to_owned()), &mint)];
    let version = client.version + 1;
    seed::put(server, vec![Write::PutClient(Client { secrets, version, ..client })]).await;
}

#[tokio::test]
async fn r_12_w40_the_page_shows_a_users_access_token_to_a_caller_by_bearer_with_a_cookie() {
    let server = TestServer::start().await;
    let granted = Seed::of(PAGE_CLIENT_B, Some(API), "openid profile").put(&server).await;
    let caller = server.introspect_token(API_CLIENT).await;
    let request = Request::post("/oauth2/introspect")
        .header("Cookie", PAGE_COOKIE)
        .bearer(&caller)
        .parameter("token", &granted.access_token);
    let members = server.send(request).await.active();
    let now = START.as_unix_seconds();
    assert_eq!(
        members,
        json!({
            "aut": "APPLICATION_USER",
            "nbf": now,
            "scope": "openid profile",
            "active": true,
            "token_type": "Bearer",
            "exp": now + 7_600,
            "iat": now,
            "client_id": "Wsoq8t4nHW80gSnPfyDvRbiC__Eb",
            "username": "admin@example.com",
            // Beside what the page shows.
            "sub": granted.subject,
            "iss": ISSUER,
            "aud": API,
            "jti": members["jti"],
            "minted_at": members["minted_at"],
            "lyd_grant": members["lyd_grant"],
            "lyd_session": members["lyd_session"],
            "lyd_subject": members["lyd_subject"],
        })
    );
    for handle in ["jti", "lyd_grant", "lyd_session", "lyd_subject"] {
        assert_eq!(members[handle].as_str().map(str::len), Some(22), "{handle}");
    }
}

#[tokio::test]
async fn r_12_w5_w20_w43_the_page_shows_a_refresh_token_to_its_client_by_basic() {
    let server = TestServer::start().await;
    import_page_secret(&server).await;
    let granted = Seed::of(PAGE_CLIENT_A, Some(API), "openid profile").put(&server).await;
    let request = Request::post("/oauth2/introspect")
        .header("Authorization", PAGE_BASIC)
        .parameter("token", &granted.refresh_token);
    let members = server.send(request).await.active();
    let now = START.as_unix_seconds();
    assert_eq!(
        members,
        json!({
            "nbf": now,
            "scope": "openid profile",
            "active": true,
            "token_type": "Refresh",
            "exp": now + 86_400,
            "iat": now,
            "client_id": "Wsoq8t4nHW80gSnPfyDvRbiC__Ea",
            "username": "admin@example.com",
            // Beside what the page shows.
            "sub": granted.subject,
            "iss": ISSUER,
            "jti": members["jti"],
            "minted_at": members["minted_at"],
        })
    );
}

#[tokio::test]
async fn int_07_the_page_shows_an_invalid_token_by_one_member() {
    let server = TestServer::start().await;
    import_page_secret(&server).await;
    let request = Request::post("/oauth2/introspect")
        .header("Authorization", PAGE_BASIC)
        .parameter("token", "94e325b7-77c8-32c2-a6ff-d7be430bf785");
    server.send(request).await.inactive();
}

#[tokio::test]
async fn w5_the_callers_of_the_page_see_one_answer_by_basic_and_by_bearer() {
    let server = TestServer::start().await;
    let granted = Seed::of(PAGE_CLIENT_B, Some(API), "openid profile").put(&server).await;
    let by_basic = server.introspect(API_CLIENT, &granted.access_token).await;
    let caller = server.introspect_token(API_CLIENT).await;
    let request = Request::post("/oauth2/introspect").bearer(&caller);
    let by_bearer = server.send(request.parameter("token", &granted.access_token)).await;
    assert_eq!(by_basic.active(), by_bearer.active());
}

#[tokio::test]
async fn w41_w47_d10_d11_a_clients_own_token_has_no_username_and_acts_for_the_application() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    let members = server.introspect(API_CLIENT, &token).await.active();
    let now = START.as_unix_seconds();
    assert_eq!(
        members,
        json!({
            "active": true,
            "aut": "APPLICATION",
            "token_type": "Bearer",
            "client_id": "app",
            "scope": "only-opaque read write",
            "iat": now,
            "nbf": now,
            "exp": now + 3_600,
            "sub": "app",
            "iss": ISSUER,
            "aud": API,
            "jti": members["jti"],
            "minted_at": members["minted_at"],
            "lyd_grant": members["lyd_grant"],
        })
    );
}

#[tokio::test]
async fn r_12_a_realm_may_leave_out_the_members_of_the_page_alone() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "openid read").put(&server).await;
    let tokens = [&granted.access_token, &granted.refresh_token];
    let mut before = Vec::new();
    for token in tokens {
        before.push(server.introspect(APP, token).await.active());
    }
    server.apply("[[realm]]\nname = \"default\"\nreference_members = false\n").await;
    before[0].as_object_mut().unwrap().remove("aut").unwrap();
    before[1].as_object_mut().unwrap().remove("token_type").unwrap();
    for (token, expected) in tokens.into_iter().zip(before) {
        assert_eq!(server.introspect(APP, token).await.active(), expected);
    }
}
