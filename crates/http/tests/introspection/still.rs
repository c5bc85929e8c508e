//! Asking changes nothing, and what was answered is right when it is answered (RFC 7662 §4).

use std::sync::Arc;

use lydian_primitives::Clock;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, AUDITOR, BARE_API, JWT_API, OTHER_API_CLIENT};
use lydian_test_kit::seed::{self, Seed, Write};
use lydian_test_kit::{Request, TestServer, WatchedStorage};
use tokio::task::JoinSet;

#[tokio::test]
async fn w55_int_18_a_hundred_introspections_write_nothing_and_use_nothing_up() {
    let plain = TestServer::start().await;
    let mut tokens = vec!["unknown".to_owned()];
    let mut grants = Vec::new();
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&plain).await;
        tokens.extend([granted.access_token.clone(), granted.refresh_token.clone()]);
        grants.push(granted);
    }
    let bearer = plain.introspect_token(API_CLIENT).await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let head = plain.storage.head().await.unwrap();
    let mut rows = Vec::new();
    for granted in &grants {
        rows.push(row_of(&plain, granted).await);
    }
    let mut answers = Vec::new();
    for token in &tokens {
        answers.push(server.introspect(AUDITOR, token).await.text());
    }
    for _ in 0..100 {
        for (token, answer) in tokens.iter().zip(&answers) {
            assert_eq!(server.introspect(AUDITOR, token).await.text(), *answer);
        }
        let by_bearer = Request::post("/oauth2/introspect").bearer(&bearer).parameter("token", &tokens[1]);
        server.send(by_bearer).await.active();
    }
    assert_eq!(watched.asked().1, 0, "nothing was written");
    assert_eq!(plain.storage.head().await.unwrap(), head);
    for (granted, row) in grants.iter().zip(rows) {
        assert_eq!(row_of(&plain, granted).await, row);
    }
}

async fn row_of(server: &TestServer, granted: &seed::Granted) -> String {
    let stored = server.storage.find_refresh_token(granted.refresh_token_id).await.unwrap().unwrap();
    let access = server.storage.find_access_token(granted.access_token_id).await.unwrap();
    format!("{stored:?} {access:?}")
}

#[tokio::test]
async fn a_token_that_was_seen_is_answered_from_memory() {
    let plain = TestServer::start().await;
    let mut tokens = Vec::new();
    for audience in [API, JWT_API, BARE_API] {
        tokens.push(plain.issue(APP, audience).await);
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&plain).await;
        tokens.push(granted.access_token);
    }
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    for token in &tokens {
        server.introspect(AUDITOR, token).await.active();
    }
    let (reads, _) = watched.asked();
    assert!(reads > 0);
    for token in &tokens {
        server.introspect(AUDITOR, token).await.active();
        server.introspect(OTHER_API_CLIENT, token).await.inactive();
    }
    assert_eq!(watched.asked(), (reads, 0));
}

#[tokio::test]
async fn int_20_who_is_not_authenticated_costs_no_read() {
    let plain = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").put(&plain).await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    for token in [&granted.access_token, &granted.refresh_token] {
        for index in 0..50 {
            let request = Request::post("/oauth2/introspect").parameter("token", token);
            server.send(request.clone()).await.refused(401, "invalid_client");
            let name = format!("nobody-{index}");
            server.send(request.clone().basic(&name, "x")).await.refused(401, "invalid_client");
            server.send(request.bearer("x")).await;
        }
    }
    assert_eq!(watched.asked(), (0, 0));
}

#[tokio::test]
async fn int_20_a_forged_token_costs_no_read() {
    let plain = TestServer::start().await;
    let token = plain.issue(APP, API).await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let mut mistyped = token.clone();
    mistyped.replace_range(20..21, if &token[20..21] == "A" { "B" } else { "A" });
    for _ in 0..100 {
        let forged = lydian_domain::token_string::format_opaque("lya", 0, seed::random(), seed::random());
        server.introspect(AUDITOR, &forged).await.inactive();
        server.introspect(AUDITOR, &mistyped).await.inactive();
    }
    assert_eq!(watched.asked(), (0, 0));
    server.introspect(AUDITOR, &token).await.active();
}

#[tokio::test]
async fn int_28_w39_every_introspection_that_begins_after_the_revocation_was_answered_is_inactive() {
    let server = Arc::new(TestServer::start().await);
    for _ in 0..10 {
        for audience in [API, JWT_API, BARE_API] {
            let token = server.issue(APP, audience).await;
            let mut before = JoinSet::new();
            for _ in 0..4 {
                let (server, token) = (Arc::clone(&server), token.clone());
                before.spawn(async move { server.introspect(AUDITOR, &token).await.status });
            }
            assert_eq!(server.revoke(APP, &token).await.status, 200);
            let mut after = JoinSet::new();
            for _ in 0..4 {
                let (server, token) = (Arc::clone(&server), token.clone());
                after.spawn(async move { server.introspect(AUDITOR, &token).await.text() });
            }
            for text in after.join_all().await {
                assert_eq!(text, "{\"active\":false}");
            }
            assert!(before.join_all().await.into_iter().all(|status| status == 200));
        }
    }
}

#[tokio::test]
async fn the_username_is_the_one_that_the_user_has_now() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        let tokens = [&granted.access_token, &granted.refresh_token];
        for token in tokens {
            assert_eq!(server.introspect(APP, token).await.active()["username"], audience);
        }
        let user = seed::parents(&server, &granted).await.user.unwrap();
        let renamed = format!("{audience} renamed");
        let user = lydian_domain::User { username: renamed.clone(), ..user };
        seed::put(&server, vec![Write::PutUser(Box::new(user))]).await;
        for token in tokens {
            assert_eq!(server.introspect(APP, token).await.active()["username"], renamed.as_str());
        }
    }
}

#[tokio::test]
async fn facts_survive_neither_a_restart_nor_a_jump_of_the_clock_over_the_expiry() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    server.introspect(APP, &token).await.active();
    let server = server.restart().await;
    server.introspect(APP, &token).await.active();
    let expires_at = server.introspect(APP, &token).await.active()["exp"].as_u64().unwrap();
    server.advance_seconds(expires_at - server.clock.now().as_unix_seconds());
    server.introspect(APP, &token).await.inactive();
}
