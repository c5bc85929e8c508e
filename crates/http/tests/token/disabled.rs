//! Disabling cuts for good, enabling admits what is new (RFC 6749 §10.4).

use lydian_test_kit::fixtures::{ACME_API_CLIENT, ACME_APP, API, APP, AUDITOR, BARE_API, JWT_API};
use lydian_test_kit::server::introspection;
use lydian_test_kit::{Request, TestServer};

const FORMS: [&str; 3] = [API, JWT_API, BARE_API];

#[tokio::test]
async fn w34_the_tokens_of_a_disabled_client_die_for_good_and_new_ones_live() {
    let server = TestServer::start().await;
    let mut old = Vec::new();
    for audience in FORMS {
        let token = server.issue(APP, audience).await;
        server.introspect(AUDITOR, &token).await.active();
        old.push(token);
    }
    let bystander = server.introspect_token(lydian_test_kit::fixtures::API_CLIENT).await;
    server.apply("[[client]]\nclient_id = \"app\"\nenabled = false\n").await;
    for token in &old {
        server.introspect(AUDITOR, token).await.inactive();
    }
    server.send(TestServer::token_request(APP)).await.refused(401, "invalid_client");
    server.send(introspection(APP, "x")).await.refused(401, "invalid_client");
    server.introspect(AUDITOR, &bystander).await.active();

    server.apply("[[client]]\nclient_id = \"app\"\nenabled = true\n").await;
    for audience in FORMS {
        let new = server.issue(APP, audience).await;
        server.introspect(AUDITOR, &new).await.active();
    }
    for token in &old {
        server.introspect(AUDITOR, token).await.inactive();
    }
    let server = server.restart().await;
    for token in &old {
        server.introspect(AUDITOR, token).await.inactive();
    }
}

#[tokio::test]
async fn w14_w34_a_disabled_realm_is_not_found_and_its_tokens_die_for_good() {
    let server = TestServer::start().await;
    let issue = || {
        Request::post("/t/acme/oauth2/token")
            .basic(ACME_APP.client_id, ACME_APP.client_secret)
            .parameter("grant_type", "client_credentials")
    };
    let introspect = |token: &str| {
        Request::post("/t/acme/oauth2/introspect")
            .basic(ACME_API_CLIENT.client_id, ACME_API_CLIENT.client_secret)
            .parameter("token", token)
    };
    let old = server.issued(issue()).await;
    server.send(introspect(&old)).await.active();
    server.apply("[[realm]]\nname = \"acme\"\nenabled = false\n").await;
    let revoke = Request::post("/t/acme/oauth2/revoke")
        .basic(ACME_APP.client_id, ACME_APP.client_secret)
        .parameter("token", &old);
    for request in [
        issue(),
        introspect(&old),
        revoke,
        Request::of("GET", "/t/acme/oauth2/jwks"),
        Request::of("GET", "/t/acme/.well-known/openid-configuration"),
        Request::of("GET", "/.well-known/oauth-authorization-server/t/acme"),
    ] {
        let unknown = server.send(Request::of("GET", "/t/nobody/oauth2/jwks")).await;
        assert_eq!(server.send(request).await.refused(404, "invalid_request").body, unknown.body);
    }
    server.introspect(AUDITOR, &server.issue(APP, API).await).await.active();

    server.apply("[[realm]]\nname = \"acme\"\nenabled = true\n").await;
    server.send(introspect(&old)).await.inactive();
    let new = server.issued(issue()).await;
    server.send(introspect(&new)).await.active();
}

#[tokio::test]
async fn a_client_that_loses_its_secret_or_its_grant_keeps_what_it_has_and_gets_no_more() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    server
        .apply(
            "[[client]]\nclient_id = \"app\"\nclient_secret = \"another-secret-0123456789abcdef0123456\"\n",
        )
        .await;
    server.send(TestServer::token_request(APP)).await.refused(401, "invalid_client");
    server.introspect(AUDITOR, &token).await.active();
    let renewed = lydian_test_kit::fixtures::Credentials {
        client_secret: "another-secret-0123456789abcdef0123456",
        ..APP
    };
    assert_eq!(server.send(TestServer::token_request(renewed)).await.status, 200);
    server.apply("[[client]]\nclient_id = \"app\"\ngrant_types = []\n").await;
    server.send(TestServer::token_request(renewed)).await.refused(400, "unauthorized_client");
}
