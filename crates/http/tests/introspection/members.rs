//! The members of an answer: names, types, values (RFC 7662 §2.2).

use lydian_test_kit::fixtures::{API, API_CLIENT, APP, AUDITOR, BARE_API, ISSUER, JWT_API};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::{Request, TestServer};
use serde_json::{Value, json};

/// Members of the registry (OAuth Token Introspection Response) and of ours that answers have today.
const TEXTS: [&str; 12] = [
    "aut",
    "token_type",
    "client_id",
    "username",
    "scope",
    "sub",
    "iss",
    "aud",
    "jti",
    "lyd_grant",
    "lyd_session",
    "lyd_subject",
];
const NUMBERS: [&str; 4] = ["iat", "nbf", "exp", "minted_at"];

async fn answers_of_every_kind(server: &TestServer) -> Vec<Value> {
    let mut answers = Vec::new();
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let granted = Seed::of(APP, Some(audience), "openid read").named(username).put(server).await;
        answers.push(server.introspect(APP, &granted.access_token).await.active());
        answers.push(server.introspect(APP, &granted.refresh_token).await.active());
        let token = server.issue(APP, audience).await;
        answers.push(server.introspect(APP, &token).await.active());
    }
    answers
}

#[tokio::test]
async fn int_06_int_13_int_27_each_member_has_its_registered_name_and_type() {
    let server = TestServer::start().await;
    for answer in answers_of_every_kind(&server).await {
        for (name, value) in answer.as_object().unwrap() {
            let fits = match name.as_str() {
                "active" => *value == Value::Bool(true),
                text if TEXTS.contains(&text) => value.as_str().is_some_and(|text| !text.is_empty()),
                number if NUMBERS.contains(&number) => value.is_u64(),
                _ => false,
            };
            assert!(fits, "{name}: {value}");
        }
        for name in ["client_id", "iss", "jti", "sub", "iat", "nbf", "exp"] {
            assert!(answer.get(name).is_some(), "{name} is missing: {answer}");
        }
    }
}

#[tokio::test]
async fn int_06_inactive_is_a_boolean_and_the_only_member() {
    let server = TestServer::start().await;
    let reply = server.introspect(APP, "unknown").await;
    assert_eq!(reply.json(), json!({ "active": false }));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn w1_an_answer_is_json_that_nobody_keeps() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    let reply = server.introspect(API_CLIENT, &token).await;
    reply.active();
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn w45_nbf_equals_iat_and_exp_is_the_configured_lifetime_later() {
    let server = TestServer::start().await;
    server.apply(&format!("[[api]]\naudience = {API:?}\naccess_token_seconds = 77\n")).await;
    server.advance_seconds(5);
    let token = server.issue(APP, API).await;
    let members = server.introspect(APP, &token).await.active();
    assert_eq!(members["nbf"], members["iat"]);
    assert_eq!(members["exp"].as_u64().unwrap() - members["iat"].as_u64().unwrap(), 77);
}

#[tokio::test]
async fn w44_the_scope_is_sorted_and_separated_by_spaces() {
    let server = TestServer::start().await;
    let request = TestServer::token_request(APP).parameter("resource", API).parameter("scope", "write read");
    let token = server.issued(request).await;
    assert_eq!(server.introspect(APP, &token).await.active()["scope"], "read write");
}

#[tokio::test]
async fn w44_an_empty_scope_is_left_out() {
    let server = TestServer::start().await;
    // The API defines no scope of this token, so it sees none.
    let granted = Seed::of(APP, Some(API), "only-jwt").put(&server).await;
    let seen = server.introspect(API_CLIENT, &granted.access_token).await.active();
    assert_eq!(seen.get("scope"), None);
    assert_eq!(server.introspect(APP, &granted.access_token).await.active()["scope"], "only-jwt");
}

#[tokio::test]
async fn a_name_that_json_must_escape_arrives_as_it_is() {
    let server = TestServer::start().await;
    let name = "a\"b\\c\nd\u{0}\u{1f600}";
    let granted = Seed::of(APP, Some(API), "read").named(name).put(&server).await;
    for token in [&granted.access_token, &granted.refresh_token] {
        assert_eq!(server.introspect(APP, token).await.active()["username"], name);
    }
}

#[tokio::test]
async fn int_27_a_handle_differs_between_apis_and_is_the_same_for_every_caller_of_one() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").put(&server).await;
    let one = server.introspect(API_CLIENT, &granted.access_token).await.active();
    let whole = server.introspect(AUDITOR, &granted.access_token).await.active();
    let mut seen = Vec::new();
    for member in ["jti", "lyd_grant", "lyd_session", "lyd_subject"] {
        assert_eq!(one[member], whole[member], "{member}");
        assert!(!seen.contains(&one[member]), "{member}");
        seen.push(one[member].clone());
    }
    let again = Seed::of(APP, Some(JWT_API), "read").named("other").put(&server).await;
    let other = server.introspect(AUDITOR, &again.access_token).await.active();
    assert!(seen.iter().all(|handle| !other.as_object().unwrap().values().any(|value| value == handle)));
}

#[tokio::test]
async fn int_26_asm_09_d6_the_metadata_names_the_endpoint_and_how_callers_authenticate() {
    let server = TestServer::start().await;
    for (path, issuer) in [
        ("/.well-known/oauth-authorization-server", ISSUER.to_owned()),
        ("/.well-known/oauth-authorization-server/t/acme", format!("{ISSUER}/t/acme")),
    ] {
        let metadata = server.send(Request::of("GET", path)).await.json();
        assert_eq!(metadata["introspection_endpoint"], format!("{issuer}/oauth2/introspect"));
        let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "Bearer"]);
        assert_eq!(metadata["introspection_endpoint_auth_methods_supported"], methods);
        let algorithms = metadata["introspection_endpoint_auth_signing_alg_values_supported"].as_array();
        let algorithms = algorithms.expect("JWT methods need algorithms");
        assert!(algorithms.contains(&json!("ES256")) && algorithms.contains(&json!("RS256")));
        assert!(!algorithms.iter().any(|name| name == "none" || name.as_str().unwrap().starts_with("HS")));
    }
}
