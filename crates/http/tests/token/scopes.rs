//! Scopes of a token request (RFC 6749 §3.3).

use lydian_primitives::limits;
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, JWT_API, POST_APP};

use crate::by_post;

/// What is granted for a scope parameter.
async fn granted(server: &TestServer, scope: &str) -> String {
    let reply = server.send(TestServer::token_request(APP).parameter("scope", scope)).await;
    assert_eq!(reply.status, 200, "{scope:?}: {}", reply.text());
    reply.json()["scope"].as_str().expect("the scope is always said").to_owned()
}

async fn check_invalid(server: &TestServer, scope: &str) {
    let request = TestServer::token_request(APP).parameter("scope", scope);
    server.send(request).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn oau_12_scopes_are_separated_by_spaces_in_any_order_and_each_counts_once() {
    let server = TestServer::start().await;
    for scope in ["read write", "write read", " write  read ", "read read write"] {
        assert_eq!(granted(&server, scope).await, "read write", "{scope:?}");
    }
}

#[tokio::test]
async fn oau_12_malformed_scopes_are_invalid() {
    let server = TestServer::start().await;
    for scope in ["read\twrite", "read\nwrite", "\"read\"", "re\\ad", "r\u{e9}ad", "read\0", " ", "   "] {
        check_invalid(&server, scope).await;
    }
    check_invalid(&server, &"a".repeat(limits::SCOPE_BYTES_MAX + 1)).await;
    let many: Vec<String> = (0..=limits::SCOPES_MAX).map(|number| format!("s{number}")).collect();
    check_invalid(&server, &many.join(" ")).await;
}

#[tokio::test]
async fn oau_12_case_is_kept_and_matters() {
    let server = TestServer::start().await;
    for scope in ["Read", "READ", "read:all", "rea"] {
        check_invalid(&server, scope).await;
    }
}

#[tokio::test]
async fn oau_12_scopes_that_the_client_may_not_have_are_dropped_and_nothing_left_is_invalid() {
    let server = TestServer::start().await;
    check_invalid(&server, "admin").await;
    check_invalid(&server, "introspect").await;
    check_invalid(&server, "openid profile").await;
    let at_api = by_post(POST_APP).parameter("resource", API);
    server.send(at_api.clone().parameter("scope", "write")).await.refused(400, "invalid_scope");
    let reply = server.send(at_api.parameter("scope", "write read only-opaque")).await;
    assert_eq!(reply.json()["scope"], "read", "a client gets no more than it is registered for");
}

#[tokio::test]
async fn oau_13_the_granted_scope_is_always_said() {
    let server = TestServer::start().await;
    assert_eq!(granted(&server, "read").await, "read");
    assert_eq!(granted(&server, "read admin").await, "read");
    assert_eq!(granted(&server, "read write openid").await, "read write");
}

#[tokio::test]
async fn w44_the_scope_is_sorted_and_separated_by_single_spaces() {
    let server = TestServer::start().await;
    let reply =
        server.send(TestServer::token_request(APP).parameter("scope", "write  only-opaque read")).await;
    let answer = reply.json();
    assert_eq!(answer["scope"], "only-opaque read write");
    let members = server.introspect(APP, answer["access_token"].as_str().unwrap()).await.active();
    assert_eq!(members["scope"], "only-opaque read write");
}

#[tokio::test]
async fn an_absent_scope_means_all_that_the_client_may_have_at_the_chosen_api() {
    let server = TestServer::start().await;
    let at = |resource: &str| server.send(TestServer::token_request(APP).parameter("resource", resource));
    assert_eq!(at(API).await.json()["scope"], "only-opaque read write");
    assert_eq!(at(JWT_API).await.json()["scope"], "only-jwt read write");
    let issuer = server.send(TestServer::token_request(API_CLIENT)).await;
    assert_eq!(issuer.json()["scope"], "internal_oauth2_introspect introspect");
}

#[tokio::test]
async fn a_scope_that_the_api_no_longer_defines_is_no_longer_issued() {
    let server = TestServer::start().await;
    let document = format!("[[api]]\naudience = {API:?}\nscopes = [\"read\"]\n");
    server.apply(&document).await;
    let reply = server.send(TestServer::token_request(APP).parameter("resource", API)).await;
    assert_eq!(reply.json()["scope"], "read");
    let gone = TestServer::token_request(APP).parameter("resource", API).parameter("scope", "write");
    server.send(gone).await.refused(400, "invalid_scope");
}
