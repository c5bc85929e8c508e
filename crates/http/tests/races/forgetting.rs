//! The rounds of housekeeping: the mark moves with the clock, and nothing is forgotten that can still matter (lease protocol,
//! rule 13).

use std::sync::Arc;

use lydian_domain::KeyState;
use lydian_jose::Algorithm;
use lydian_primitives::{Clock, Timestamp};
use lydian_service::administration::records::{Kind, RecordName};
use lydian_service::forgetting::{Housekeeper, Housekeeping};
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, CASCADE_APP};
use lydian_test_kit::seed::{Seed, Write};
use lydian_test_kit::server::START;
use lydian_test_kit::{TestServer, WatchedStorage};

/// Rounds at each hour, and one at the end.
async fn rounds_until(server: &TestServer, housekeeper: &Housekeeper, until: Timestamp) -> Housekeeping {
    let mut done = housekeeper.round(&server.service).await.unwrap();
    while server.clock.now() < until {
        server.advance_seconds(until.seconds_since(server.clock.now()).min(3_600));
        let round = housekeeper.round(&server.service).await.unwrap();
        done.rows_forgotten += round.rows_forgotten;
        done.entries_forgotten += round.entries_forgotten;
        done.clock_jumped |= round.clock_jumped;
    }
    done
}

#[tokio::test]
async fn a_clock_that_is_set_back_behind_the_mark_revives_nothing() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").living(100).put(&server).await;
    rounds_until(&server, &Housekeeper::default(), START.plus_seconds(100)).await;
    assert_eq!(server.service.node().mark(), START.plus_seconds(100));
    server.clock.set_wall(START);
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
    let server = server.restart().await;
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
}

#[tokio::test]
async fn a_mark_that_could_not_be_stored_is_not_gone_by() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let housekeeper = Housekeeper::default();
    housekeeper.round(&server.service).await.unwrap();
    server.advance_seconds(10);
    watched.fail_writes(true);
    housekeeper.round(&server.service).await.unwrap_err();
    assert_eq!(server.service.node().mark(), START);
    watched.fail_writes(false);
    housekeeper.round(&server.service).await.unwrap();
    assert_eq!(server.service.node().mark(), START.plus_seconds(10));
}

#[tokio::test]
async fn a_token_is_dropped_an_hour_after_the_mark_has_passed_its_hour() {
    let server = TestServer::start().await;
    let housekeeper = Housekeeper::default();
    let seed = Seed { refresh_token_seconds: 90_000, ..Seed::of(APP, Some(API), "read").living(100) };
    let granted = seed.put(&server).await;
    assert_eq!(server.revoke(APP, &granted.access_token).await.status, 200);
    let row = async || server.storage.find_access_token(granted.access_token_id).await.unwrap();
    let done = rounds_until(&server, &housekeeper, START.plus_seconds(7_199)).await;
    assert!(row().await.is_some(), "{done:?}");
    assert_eq!(done.entries_forgotten, 1, "memory forgets a token as soon as it has expired");
    let done = rounds_until(&server, &housekeeper, START.plus_seconds(7_200)).await;
    assert!(row().await.is_none(), "{done:?}");
    server.introspect(AUDITOR, &granted.refresh_token).await.active();
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_deletes_nothing_and_kills_nothing_for_good() {
    let server = TestServer::start().await;
    let housekeeper = Housekeeper::default();
    let granted = Seed::of(APP, Some(API), "read").put(&server).await;
    rounds_until(&server, &housekeeper, START.plus_seconds(10)).await;
    server.clock.set_wall(START.plus_seconds(30 * 86_400));
    for _ in 0..3 {
        let round = housekeeper.round(&server.service).await.unwrap();
        assert_eq!(round, Housekeeping { clock_jumped: true, ..Housekeeping::default() });
    }
    server.clock.set_wall(START.plus_seconds(20));
    assert!(!rounds_until(&server, &housekeeper, START.plus_seconds(30)).await.clock_jumped);
    server.introspect(AUDITOR, &granted.access_token).await.active();
}

#[tokio::test]
async fn what_was_revoked_outlives_rounds_and_a_restart() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(BARE_API), "read").living(86_400).put(&server).await;
    assert_eq!(server.revoke(APP, &granted.access_token).await.status, 200);
    rounds_until(&server, &Housekeeper::default(), START.plus_seconds(86_399)).await;
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
    let server = server.restart().await;
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
}

#[tokio::test]
async fn a_revoked_token_that_outlives_the_ledger_stays_revoked() {
    for restart in [false, true] {
        let mut server = TestServer::start().await;
        let seed = Seed { session_seconds: 3 * 86_400, ..Seed::of(APP, Some(API), "read") };
        let revoked = seed.clone().living(2 * 86_400).put(&server).await;
        let control = seed.named("control").living(2 * 86_400).put(&server).await;
        // Seen before it was revoked: what memory knows of it says nothing of that.
        server.introspect(AUDITOR, &revoked.access_token).await.active();
        assert_eq!(server.revoke(APP, &revoked.access_token).await.status, 200);
        rounds_until(&server, &Housekeeper::default(), START.plus_seconds(86_400 + 2 * 3_600)).await;
        assert_eq!(server.service.node().ledger().sizes().revoked, 0, "the ledger has forgotten it");
        if restart {
            server = server.restart().await;
        }
        server.introspect(AUDITOR, &revoked.access_token).await.inactive();
        server.introspect(AUDITOR, &control.access_token).await.active();
    }
}

#[tokio::test]
async fn counts_of_issued_tokens_that_could_not_be_written_are_kept() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    let housekeeper = Housekeeper::default();
    housekeeper.round(&server.service).await.unwrap();
    for _ in 0..3 {
        server.issue(APP, BARE_API).await;
    }
    watched.fail_writes(true);
    housekeeper.round(&server.service).await.unwrap_err();
    watched.fail_writes(false);
    housekeeper.round(&server.service).await.unwrap();
    housekeeper.round(&server.service).await.unwrap();
    let key = server.realm(None).active_key(Algorithm::Es256).unwrap().record.id;
    let issued = server.storage.issued_under_key(key, START.hour()).await.unwrap();
    assert_eq!(issued.iter().map(|issued| issued.count).sum::<u64>(), 3);
}

/// A step of a round that keeps failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Counts,
    Mark,
    Rotation,
    Sweep,
}

#[tokio::test]
async fn a_step_that_keeps_failing_keeps_no_other_step_of_the_round_from_being_made() {
    for failing in [Failing::Counts, Failing::Mark, Failing::Rotation, Failing::Sweep] {
        let plain = TestServer::start().await;
        let watched = WatchedStorage::over(Arc::clone(&plain.storage));
        let server = plain.through(Arc::clone(&watched) as _);
        let housekeeper = Housekeeper::default();
        let granted = Seed::of(APP, Some(API), "read").living(100).put(&server).await;
        rounds_until(&server, &housekeeper, START.plus_seconds(7_199)).await;
        // Now everything is due: counts, a successor of the signing key, and a row that the mark is about to pass.
        server.issue(APP, BARE_API).await;
        server.apply("[[realm]]\nname = \"default\"\nkey_rotation_seconds = 86400\n").await;
        server.advance_seconds(1);
        watched.fail_sweeps(failing == Failing::Sweep);
        // Deleting leaves the rest to housekeeping, if its own sweep fails.
        let name = RecordName { kind: Kind::Client, realm: None, name: CASCADE_APP.client_id.to_owned() };
        assert_eq!(server.service.delete_record(&name).await.is_err(), failing == Failing::Sweep);
        watched.refuse(match failing {
            Failing::Counts => |write| matches!(write, Write::AddIssued { .. }),
            Failing::Mark => |write| matches!(write, Write::PutSetting { .. }),
            Failing::Rotation => |write| matches!(write, Write::PutSigningKey(_)),
            Failing::Sweep => |_| false,
        });
        for _ in 0..2 {
            assert!(housekeeper.round(&server.service).await.is_err(), "{failing:?}");
        }
        let key = server.realm(None).active_key(Algorithm::Es256).unwrap().record.id;
        let counted = !server.storage.issued_under_key(key, START.hour()).await.unwrap().is_empty();
        let moved = server.service.node().mark() == START.plus_seconds(7_200);
        let rotated = server.realm(None).keys().any(|key| key.record.state == KeyState::Prepublished);
        let row = server.storage.find_access_token(granted.access_token_id).await.unwrap();
        assert_eq!(
            (counted, moved, rotated),
            (failing != Failing::Counts, failing != Failing::Mark, failing != Failing::Rotation),
            "{failing:?}"
        );
        assert_eq!(row.is_none(), moved, "{failing:?}: what the mark has passed is forgotten");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_rotated_hold_up_no_other_keys() {
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);
    // The algorithms take their turns in one order; the first of these two fails.
    server.apply(&format!("[[api]]\naudience = {BARE_API:?}\nalgorithm = \"EdDSA\"\n")).await;
    server.apply("[[realm]]\nname = \"default\"\nkey_rotation_seconds = 86400\n").await;
    watched.refuse(|write| matches!(write, Write::PutSigningKey(key) if key.algorithm == Algorithm::Es256));
    server.service.rotate_due_keys().await.unwrap_err();
    let successors: Vec<Algorithm> = server
        .realm(None)
        .keys()
        .filter(|key| key.record.state == KeyState::Prepublished)
        .map(|key| key.record.algorithm)
        .collect();
    assert_eq!(successors, [Algorithm::EdDsa]);
}
