//! What a revocation takes along (RFC 7009 §2.1).

use lydian_primitives::Clock;
use lydian_revocation::Reach;
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, CASCADE_APP, Credentials, JWT_API};
use lydian_test_kit::seed::{self, Granted, Seed, Write};

async fn seeded(client: Credentials, audience: &'static str) -> (TestServer, Granted, Granted) {
    let server = TestServer::start().await;
    let granted = Seed::of(client, Some(audience), "read").named("one").put(&server).await;
    let neighbour = Seed::of(client, Some(audience), "read").named("two").put(&server).await;
    (server, granted, neighbour)
}

/// Asserts which of a grant's tokens are active.
async fn check(server: &TestServer, granted: &Granted, access: bool, refresh: bool) {
    for (token, expected) in [(&granted.access_token, access), (&granted.refresh_token, refresh)] {
        let reply = server.introspect(AUDITOR, token).await;
        assert_eq!(reply.json()["active"], expected, "{}", reply.text());
    }
}

#[tokio::test]
async fn rev_06_w27_d30_a_refresh_token_takes_its_access_tokens_along() {
    for audience in [API, JWT_API, BARE_API] {
        let (server, granted, neighbour) = seeded(APP, audience).await;
        check(&server, &granted, true, true).await;
        assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
        check(&server, &granted, false, false).await;
        check(&server, &neighbour, true, true).await;
        let server = server.restart().await;
        check(&server, &granted, false, false).await;
        check(&server, &neighbour, true, true).await;
    }
}

#[tokio::test]
async fn rev_07_w26_d30_an_access_token_goes_alone() {
    for audience in [API, JWT_API, BARE_API] {
        let (server, granted, neighbour) = seeded(APP, audience).await;
        assert_eq!(server.revoke(APP, &granted.access_token).await.status, 200);
        check(&server, &granted, false, true).await;
        check(&server, &neighbour, true, true).await;
        // The refresh token can still take the rest along.
        assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
        check(&server, &granted, false, false).await;
    }
}

#[tokio::test]
async fn rev_07_d30_a_client_may_have_registered_that_everything_goes_together() {
    for audience in [API, JWT_API, BARE_API] {
        let (server, granted, neighbour) = seeded(CASCADE_APP, audience).await;
        assert_eq!(server.revoke(CASCADE_APP, &granted.access_token).await.status, 200);
        check(&server, &granted, false, false).await;
        check(&server, &neighbour, true, true).await;
    }
}

#[tokio::test]
async fn rev_07_an_access_token_that_died_alone_can_still_take_everything_along() {
    for audience in [API, JWT_API, BARE_API] {
        let (server, granted, neighbour) = seeded(CASCADE_APP, audience).await;
        let expires_at = server.clock.now().plus_seconds(7_600);
        let alone =
            Write::RevokeToken { token: granted.access_token_id, expires_at, reach: Reach::default() };
        seed::put(&server, vec![alone]).await;
        check(&server, &granted, false, true).await;
        assert_eq!(server.revoke(CASCADE_APP, &granted.access_token).await.status, 200);
        check(&server, &granted, false, false).await;
        check(&server, &neighbour, true, true).await;
    }
}

#[tokio::test]
async fn rev_07_a_client_that_takes_all_along_takes_its_own_tokens_of_one_api_and_gets_new_ones() {
    let server = TestServer::start().await;
    let (one, two) = (server.issue(CASCADE_APP, API).await, server.issue(CASCADE_APP, API).await);
    let elsewhere = server.issue(CASCADE_APP, JWT_API).await;
    assert_eq!(server.revoke(CASCADE_APP, &one).await.status, 200);
    server.introspect(AUDITOR, &one).await.inactive();
    server.introspect(AUDITOR, &two).await.inactive();
    server.introspect(AUDITOR, &elsewhere).await.active();
    let fresh = server.issue(CASCADE_APP, API).await;
    server.introspect(AUDITOR, &fresh).await.active();
}

#[tokio::test]
async fn rev_06_a_refresh_token_of_a_grant_whose_access_token_is_dead_takes_the_grant_along() {
    let (server, granted, _) = seeded(APP, API).await;
    assert_eq!(server.revoke(APP, &granted.access_token).await.status, 200);
    assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
    assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
    check(&server, &granted, false, false).await;
}

#[tokio::test]
async fn rev_06_an_expired_refresh_token_still_takes_its_family_along() {
    let server = TestServer::start().await;
    let seed = Seed { refresh_token_seconds: 10, ..Seed::of(APP, Some(API), "read") };
    let granted = seed.put(&server).await;
    server.advance_seconds(10);
    // The mark follows the clock, and says for good that the token has expired.
    Housekeeper::default().round(&server.service).await.unwrap();
    check(&server, &granted, true, false).await;
    assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
    // Whoever revokes the leaf means the family, dead leaf or not.
    check(&server, &granted, false, false).await;
}
