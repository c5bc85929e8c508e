//! Revoking one token (RFC 7009 §2).

use lydian_primitives::Clock;
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::fixtures::{
    API, API_CLIENT, APP, AUDITOR, BARE_API, Credentials, JWT_API, OTHER_API_CLIENT, POST_APP, PUBLIC_CLIENT,
};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::{Reply, Request, TestServer};

fn revocation(client: Credentials, token: &str) -> Request {
    Request::post("/oauth2/revoke").basic(client.client_id, client.client_secret).parameter("token", token)
}

#[track_caller]
fn check_done(reply: &Reply) {
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
}

#[tokio::test]
async fn rev_01_w26_w27_w39_access_and_refresh_tokens_of_every_form_can_be_revoked() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let own = server.issue(APP, audience).await;
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        for token in [own, granted.access_token, granted.refresh_token] {
            server.introspect(APP, &token).await.active();
            check_done(&server.revoke(APP, &token).await);
            for caller in [APP, AUDITOR] {
                server.introspect(caller, &token).await.inactive();
            }
        }
    }
}

#[tokio::test]
async fn rev_01_a_token_that_nobody_has_introspected_can_be_revoked() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let token = server.issue(APP, audience).await;
        check_done(&server.revoke(APP, &token).await);
        server.introspect(APP, &token).await.inactive();
    }
}

#[tokio::test]
async fn rev_01_a_revocation_kills_its_token_and_no_other() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let (token, twin) = (server.issue(APP, audience).await, server.issue(APP, audience).await);
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        check_done(&server.revoke(APP, &token).await);
        server.introspect(APP, &token).await.inactive();
        server.introspect(APP, &twin).await.active();
        server.introspect(APP, &granted.access_token).await.active();
    }
}

#[tokio::test]
async fn rev_01_a_revoked_bearer_credential_opens_nothing_any_more() {
    let server = TestServer::start().await;
    let bearer = server.introspect_token(API_CLIENT).await;
    let request = Request::post("/oauth2/introspect").bearer(&bearer).parameter("token", "unknown");
    server.send(request.clone()).await.inactive();
    check_done(&server.revoke(API_CLIENT, &bearer).await);
    server.send(request).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn rev_02_int_12_rev_09_w18_a_wrong_or_future_hint_changes_nothing() {
    let server = TestServer::start().await;
    let hints = ["access_token", "refresh_token", "id_token", "urn:example:future", "", " "];
    for (index, hint) in hints.into_iter().enumerate() {
        for (audience, realm_user) in [(API, "o"), (JWT_API, "j"), (BARE_API, "b")] {
            let name: &'static str = format!("{realm_user}{index}").leak();
            let granted = Seed::of(APP, Some(audience), "read").named(name).put(&server).await;
            for token in [&granted.access_token, &granted.refresh_token] {
                server.introspect(APP, token).await.active();
                let request = revocation(APP, token).parameter("token_type_hint", hint);
                check_done(&server.send(request).await);
                server.introspect(APP, token).await.inactive();
            }
        }
    }
}

#[tokio::test]
async fn rev_04_d22_another_clients_token_is_refused_and_stays_active() {
    let server = TestServer::start().await;
    let public = Request::post("/oauth2/revoke").parameter("client_id", PUBLIC_CLIENT);
    for audience in [API, JWT_API, BARE_API] {
        let own = server.issue(APP, audience).await;
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        for token in [&own, &granted.access_token, &granted.refresh_token] {
            // The API that the token is for, one that sees every token, and a stranger: none of them owns it.
            for client in [API_CLIENT, AUDITOR, OTHER_API_CLIENT] {
                let reply = server.revoke(client, token).await.refused(400, "invalid_grant");
                assert_eq!(reply.header("www-authenticate"), None);
            }
            server.send(public.clone().parameter("token", token)).await.refused(400, "invalid_grant");
            server.introspect(APP, token).await.active();
        }
    }
}

#[tokio::test]
async fn rev_04_another_realms_token_is_unknown_here_and_stays_active() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    server.introspect(APP, &token).await.active();
    let in_acme = Request::post("/t/acme/oauth2/revoke")
        .basic(
            lydian_test_kit::fixtures::ACME_APP.client_id,
            lydian_test_kit::fixtures::ACME_APP.client_secret,
        )
        .parameter("token", &token);
    check_done(&server.send(in_acme).await);
    server.introspect(APP, &token).await.active();
}

#[tokio::test]
async fn rev_05_unknown_and_dead_tokens_are_a_success() {
    let server = TestServer::start().await;
    let mut tokens = vec![
        "x".to_owned(),
        "\0".to_owned(),
        "\u{1f600}".to_owned(),
        "a".repeat(16 * 1024 + 1),
        "94e325b7-77c8-32c2-a6ff-d7be430bf785".to_owned(),
        "a.b.c".to_owned(),
    ];
    for audience in [API, JWT_API, BARE_API] {
        let seed = Seed { refresh_token_seconds: 10, ..Seed::of(APP, Some(audience), "read").living(10) };
        let granted = seed.named(audience).put(&server).await;
        let revoked = server.issue(APP, audience).await;
        check_done(&server.revoke(APP, &revoked).await);
        tokens.extend([granted.access_token, granted.refresh_token, revoked]);
    }
    server.advance_seconds(10);
    // The mark passes their end: they have expired for good.
    Housekeeper::default().round(&server.service).await.unwrap();
    let before = server.service.node().ledger().applied();
    for token in &tokens {
        check_done(&server.revoke(APP, token).await);
        check_done(&server.revoke(APP, token).await);
        server.introspect(APP, token).await.inactive();
    }
    // One death is enough, and what expired needs none.
    let written = server.service.node().ledger().applied().seq.as_number() - before.seq.as_number();
    assert!(written <= 3, "{written} rows of the log were written for dead tokens");
}

#[tokio::test]
async fn a_token_that_only_a_clock_ahead_takes_for_expired_is_revoked_for_good() {
    let server = TestServer::start().await;
    let right = server.clock.now();
    for audience in [API, JWT_API, BARE_API] {
        let [revoked, control] = [server.issue(APP, audience).await, server.issue(APP, audience).await];
        server.clock.set_wall(right.plus_seconds(86_400));
        server.introspect(APP, &revoked).await.inactive();
        check_done(&server.revoke(APP, &revoked).await);
        server.clock.set_wall(right);
        server.introspect(APP, &revoked).await.inactive();
        server.introspect(APP, &control).await.active();
    }
}

#[tokio::test]
async fn rev_05_the_answer_for_a_live_and_for_an_unknown_token_is_the_same() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    let without_date = |reply: Reply| {
        let headers: Vec<_> = reply.headers.into_iter().filter(|(name, _)| name != "date").collect();
        (reply.status, headers, reply.body)
    };
    let live = without_date(server.revoke(APP, &token).await);
    let again = without_date(server.revoke(APP, &token).await);
    let unknown = without_date(server.revoke(APP, "unknown").await);
    assert_eq!(live, again);
    assert_eq!(live, unknown);
}

#[tokio::test]
async fn rev_03_a_public_client_revokes_its_own_tokens_by_its_name() {
    let server = TestServer::start().await;
    let public = Credentials { client_id: PUBLIC_CLIENT, client_secret: "" };
    let granted = Seed::of(public, Some(API), "read").put(&server).await;
    let request = |token: &str| {
        Request::post("/oauth2/revoke").parameter("client_id", PUBLIC_CLIENT).parameter("token", token)
    };
    server.introspect(AUDITOR, &granted.access_token).await.active();
    check_done(&server.send(request(&granted.access_token)).await);
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
    server.introspect(AUDITOR, &granted.refresh_token).await.active();
    check_done(&server.send(request(&granted.refresh_token)).await);
    server.introspect(AUDITOR, &granted.refresh_token).await.inactive();
}

#[tokio::test]
async fn rev_03_a_client_by_post_revokes_its_own_tokens() {
    let server = TestServer::start().await;
    let granted = Seed::of(POST_APP, Some(API), "read").put(&server).await;
    let request = Request::post("/oauth2/revoke")
        .parameter("client_id", POST_APP.client_id)
        .parameter("client_secret", POST_APP.client_secret)
        .parameter("token", &granted.access_token);
    check_done(&server.send(request).await);
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
}

#[tokio::test]
async fn rev_01_a_forged_token_with_a_live_handle_revokes_nothing() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").put(&server).await;
    for (prefix, token) in [("lya", &granted.access_token), ("lyr", &granted.refresh_token)] {
        let parts = lydian_domain::token_string::parse_opaque(prefix, token).unwrap();
        let random = lydian_test_kit::seed::random();
        let forged = lydian_domain::token_string::format_opaque(prefix, 0, parts.handle, random);
        check_done(&server.revoke(APP, &forged).await);
        server.introspect(APP, token).await.active();
    }
    for audience in [JWT_API, BARE_API] {
        let live = server.issue(APP, audience).await;
        let (signed, _) = live.rsplit_once('.').unwrap();
        let forged = lydian_test_kit::forge::joined(signed, &[1; 64]);
        check_done(&server.revoke(APP, &forged).await);
        server.introspect(APP, &live).await.active();
    }
}

#[tokio::test]
async fn rev_14_the_metadata_names_the_endpoint_and_how_clients_authenticate() {
    let server = TestServer::start().await;
    let metadata = server.send(Request::of("GET", "/.well-known/oauth-authorization-server")).await.json();
    assert_eq!(metadata["revocation_endpoint"], "https://localhost:9443/oauth2/revoke");
    let methods = &metadata["revocation_endpoint_auth_methods_supported"];
    for method in ["client_secret_basic", "client_secret_post", "private_key_jwt"] {
        assert!(methods.as_array().unwrap().iter().any(|known| known == method), "{methods}");
    }
    let algorithms = metadata["revocation_endpoint_auth_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.iter().any(|name| name == "ES256") && !algorithms.iter().any(|name| name == "none"));
}
