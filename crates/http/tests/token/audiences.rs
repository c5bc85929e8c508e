//! For whom a token is when nobody says it (RFC 9068 §3, §5).

use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, ISSUER, JWT_API, POST_APP};
use serde_json::Value;

use crate::by_post;

async fn for_scope(server: &TestServer, scope: &str) -> Value {
    let token = server.issued(TestServer::token_request(APP).parameter("scope", scope)).await;
    server.introspect(APP, &token).await.active()
}

#[tokio::test]
async fn atp_10_without_a_resource_the_scope_or_the_clients_default_decides() {
    let server = TestServer::start().await;
    for (scope, audience) in [
        ("only-jwt", JWT_API),
        ("read only-jwt", JWT_API),
        ("only-opaque", API),
        ("read", API),
        ("read write", API),
        ("only-jwt admin", JWT_API),
    ] {
        assert_eq!(for_scope(&server, scope).await["aud"], audience, "{scope}");
    }
    let plain = server.issued(TestServer::token_request(APP)).await;
    assert_eq!(server.introspect(APP, &plain).await.active()["aud"], API);
    let own = server.issued(TestServer::token_request(API_CLIENT)).await;
    assert_eq!(server.introspect(API_CLIENT, &own).await.active()["aud"], ISSUER);
}

#[tokio::test]
async fn atp_10_without_a_default_a_client_says_what_it_wants() {
    let server = TestServer::start().await;
    // Nothing may be had at the issuer, and no API is its default.
    server.send(by_post(POST_APP)).await.refused(400, "invalid_scope");
    let token = server.issued(by_post(POST_APP).parameter("scope", "read")).await;
    assert_eq!(server.introspect(POST_APP, &token).await.status, 401, "it authenticates by form alone");
    let members = server.introspect(lydian_test_kit::fixtures::AUDITOR, &token).await.active();
    assert_eq!(members["aud"], API);
}

#[tokio::test]
async fn atp_11_scopes_of_different_apis_in_one_request_are_invalid() {
    let server = TestServer::start().await;
    for scope in ["only-jwt only-opaque", "read only-jwt only-opaque"] {
        let request = TestServer::token_request(APP).parameter("scope", scope);
        server.send(request).await.refused(400, "invalid_scope");
    }
}

#[tokio::test]
async fn atp_11_scopes_that_several_apis_define_are_invalid_without_a_default() {
    let server = TestServer::start().await;
    server.apply("[[client]]\nclient_id = \"app\"\ndefault_api = \"\"\n").await;
    let read = TestServer::token_request(APP).parameter("scope", "read");
    server.send(read.clone()).await.refused(400, "invalid_scope");
    let token = server.issued(read.parameter("resource", JWT_API)).await;
    assert_eq!(server.introspect(APP, &token).await.active()["aud"], JWT_API);
}

#[tokio::test]
async fn atp_11_scopes_of_the_issuer_and_of_an_api_do_not_share_a_token() {
    let server = TestServer::start().await;
    server.apply("[[client]]\nclient_id = \"app\"\nissuer_scopes = [\"introspect\"]\n").await;
    let both = TestServer::token_request(APP).parameter("scope", "introspect read");
    server.send(both).await.refused(400, "invalid_scope");
    assert_eq!(for_scope(&server, "introspect").await["aud"], ISSUER);
}

#[tokio::test]
async fn w47_the_audience_is_one_string() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API] {
        let token = server.issue(APP, audience).await;
        assert_eq!(server.introspect(APP, &token).await.active()["aud"], Value::from(audience));
    }
}
