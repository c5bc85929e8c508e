//! Grant types: what is offered, and to whom (RFC 6749 §4.4, §5.2).

use lydian_service::apply;
use lydian_test_kit::fixtures::{APP, AUDITOR, PUBLIC_CLIENT};
use lydian_test_kit::{Request, TestServer};

use crate::{PATH, unauthenticated};

#[tokio::test]
async fn oau_21_client_credentials_give_no_refresh_token_and_no_user() {
    let server = TestServer::start().await;
    let reply = server.send(TestServer::token_request(APP)).await;
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    for member in ["refresh_token", "id_token"] {
        assert!(answer.get(member).is_none(), "{member}");
    }
    let members = server.introspect(APP, answer["access_token"].as_str().unwrap()).await.active();
    assert_eq!(members["sub"], APP.client_id);
    assert!(members.get("username").is_none());
}

#[tokio::test]
async fn oau_21_client_credentials_are_for_confidential_clients_only() {
    let server = TestServer::start().await;
    let public = unauthenticated().parameter("client_id", PUBLIC_CLIENT);
    server.send(public).await.refused(400, "unauthorized_client");
    let document = format!(
        "[[client]]\nclient_id = {PUBLIC_CLIENT:?}\nauth_methods = [\"none\"]\ngrant_types = [\"client_credentials\"]\n"
    );
    let document = apply::parse(&document).unwrap();
    let refused = server.service.apply_document(&document, false).await.expect_err("it cannot be registered");
    assert!(refused.to_string().contains("confidential"), "{refused}");
}

#[tokio::test]
async fn oau_22_the_answer_has_four_members_of_the_right_types() {
    let server = TestServer::start().await;
    let reply = server.send(TestServer::token_request(APP)).await;
    let answer = reply.json();
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    for member in members {
        assert_eq!(reply.text().matches(&format!("\"{member}\":")).count(), 1, "{member} stands once");
    }
    assert!(answer["access_token"].as_str().is_some_and(|token| token.starts_with("lya_")));
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3_600);
    assert_eq!(answer["scope"], "only-opaque read write");
}

#[tokio::test]
async fn oau_23_the_right_error_for_each_fault_of_the_grant_type() {
    let server = TestServer::start().await;
    let app = || Request::post(PATH).basic(APP.client_id, APP.client_secret);
    server.send(app()).await.refused(400, "invalid_request");
    for unknown in ["client-credentials", "CLIENT_CREDENTIALS", " client_credentials", "x", "urn:x:y"] {
        let request = app().parameter("grant_type", unknown);
        server.send(request).await.refused(400, "unsupported_grant_type");
    }
    let not_allowed = TestServer::token_request(AUDITOR);
    server.send(not_allowed).await.refused(400, "unauthorized_client");
}

#[tokio::test]
async fn r_05_asm_09_grants_that_are_not_offered_do_not_exist() {
    let server = TestServer::start().await;
    for grant_type in [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        let request = Request::post(PATH)
            .basic(APP.client_id, APP.client_secret)
            .parameter("grant_type", grant_type)
            .parameter("username", "admin")
            .parameter("password", "admin")
            .parameter("code", "x")
            .parameter("refresh_token", "x");
        server.send(request).await.refused(400, "unsupported_grant_type");
    }
}
