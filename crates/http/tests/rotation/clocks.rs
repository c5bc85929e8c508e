//! When keys change their state, also under clocks that lie.

use std::sync::Arc;

use lydian_domain::KeyState;
use lydian_domain::key_rotation::PUBLICATION_SECONDS_MIN;
use lydian_primitives::{Clock, limits};
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::fixtures::{APP, AUDITOR, JWT_API};
use lydian_test_kit::server::START;
use lydian_test_kit::{TestServer, WatchedStorage};

use crate::{active_kid, keys_in, kid_of, pass, published};

const SHORT: &str = "[[realm]]\nname = \"default\"\nkey_prepublication_seconds = 360\n";

/// A server whose realm publishes for the shortest time, after its first round of housekeeping.
async fn start() -> (TestServer, Housekeeper) {
    let server = TestServer::start().await;
    server.apply(SHORT).await;
    let housekeeper = Housekeeper::default();
    housekeeper.round(&server.service).await.unwrap();
    (server, housekeeper)
}

#[tokio::test]
async fn a_successor_signs_only_when_every_cache_of_the_key_set_can_know_it() {
    let (server, housekeeper) = start().await;
    let first = active_kid(&server);
    let rotated = server.service.rotate_keys(None, None, false).await.unwrap();
    assert_eq!(rotated[0].active_from, START.plus_seconds(PUBLICATION_SECONDS_MIN).as_unix_seconds());
    assert!(published(&server).await.has_kid(&rotated[0].kid));
    pass(&server, &housekeeper, PUBLICATION_SECONDS_MIN - 1, 7).await;
    assert_eq!(kid_of(&server.issue(APP, JWT_API).await), first);
    pass(&server, &housekeeper, 1, 1).await;
    assert_eq!(kid_of(&server.issue(APP, JWT_API).await), rotated[0].kid);
    assert_eq!(keys_in(&server, KeyState::Retiring)[0].kid, first);
    assert!(published(&server).await.has_kid(&first));
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_activates_nothing_early() {
    // The mark believes an hour at once, and refuses a year.
    for jump in [3_000, 365 * 86_400] {
        let (server, housekeeper) = start().await;
        let first = active_kid(&server);
        server.service.rotate_keys(None, None, false).await.unwrap();
        server.clock.set_wall(START.plus_seconds(jump));
        housekeeper.round(&server.service).await.unwrap();
        server.service.rotate_due_keys().await.unwrap();
        assert_eq!(active_kid(&server), first, "{jump}");
    }
}

#[tokio::test]
async fn after_a_restart_the_publication_is_measured_anew() {
    let (server, _) = start().await;
    let first = active_kid(&server);
    server.service.rotate_keys(None, None, false).await.unwrap();
    server.advance_seconds(PUBLICATION_SECONDS_MIN);
    let server = server.restart().await;
    let housekeeper = Housekeeper::default();
    housekeeper.round(&server.service).await.unwrap();
    assert_eq!(active_kid(&server), first);
    pass(&server, &housekeeper, PUBLICATION_SECONDS_MIN, 60).await;
    assert_ne!(active_kid(&server), first);
}

#[tokio::test]
async fn a_key_is_published_until_the_last_token_that_it_signed_has_expired() {
    let (server, housekeeper) = start().await;
    let first = active_kid(&server);
    server.apply(&format!("[[api]]\naudience = {JWT_API:?}\naccess_token_seconds = 86400\n")).await;
    server.service.rotate_keys(None, None, false).await.unwrap();
    pass(&server, &housekeeper, PUBLICATION_SECONDS_MIN - 1, 60).await;
    let last = server.issue(APP, JWT_API).await;
    assert_eq!(kid_of(&last), first);
    pass(&server, &housekeeper, 86_399, 60).await;
    assert!(published(&server).await.has_kid(&first));
    server.introspect(AUDITOR, &last).await.active();
    pass(&server, &housekeeper, 1, 1).await;
    server.introspect(AUDITOR, &last).await.inactive();
    assert!(published(&server).await.has_kid(&first), "clocks of validators may be behind");
    pass(&server, &housekeeper, limits::KEY_RETIREMENT_MARGIN_SECONDS + 7_200, 600).await;
    assert!(!published(&server).await.has_kid(&first));
    assert_eq!(keys_in(&server, KeyState::Retired)[0].kid, first);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_retires_nothing() {
    let (server, housekeeper) = start().await;
    let first = active_kid(&server);
    let token = server.issue(APP, JWT_API).await;
    server.service.rotate_keys(None, None, false).await.unwrap();
    pass(&server, &housekeeper, PUBLICATION_SECONDS_MIN, 60).await;
    assert_ne!(active_kid(&server), first);
    let now = server.clock.now();
    server.clock.set_wall(now.plus_seconds(30 * 86_400));
    housekeeper.round(&server.service).await.unwrap();
    server.service.rotate_due_keys().await.unwrap();
    server.clock.set_wall(now);
    assert!(published(&server).await.has_kid(&first));
    server.introspect(AUDITOR, &token).await.active();
}

#[tokio::test]
async fn a_step_that_could_not_be_written_is_made_in_the_next_round() {
    let plain = TestServer::start().await;
    plain.apply("[[realm]]\nname = \"default\"\nkey_rotation_seconds = 86400\n").await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let housekeeper = Housekeeper::default();
    server.advance_seconds(1);
    watched.fail_writes(true);
    server.service.rotate_due_keys().await.unwrap_err();
    assert_eq!(keys_in(&server, KeyState::Prepublished).len(), 0);
    watched.fail_writes(false);
    housekeeper.round(&server.service).await.unwrap();
    assert_eq!(keys_in(&server, KeyState::Prepublished).len(), 1);
    housekeeper.round(&server.service).await.unwrap();
    assert_eq!(keys_in(&server, KeyState::Prepublished).len(), 1);
}

#[tokio::test]
async fn without_an_active_key_the_next_round_makes_one() {
    let (server, housekeeper) = start().await;
    let first = active_kid(&server);
    lydian_test_kit::seed::set_key_state(&server, &first, KeyState::Retiring).await;
    // It verifies, and signs nothing more.
    let reply = server.send(TestServer::token_request(APP).parameter("resource", JWT_API)).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    housekeeper.round(&server.service).await.unwrap();
    assert_ne!(kid_of(&server.issue(APP, JWT_API).await), first);
    assert!(published(&server).await.has_kid(&first));
}
