//! Rotation by an administrator's word: planned, in an emergency, and what may not be retired.

use lydian_domain::KeyState;
use lydian_primitives::Clock;
use lydian_revocation::{CutKind, Event, Seq};
use lydian_service::administration::AdministrationError;
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, JWT_API};

use crate::{active_kid, keys_in, kid_of, pass, published};

#[tokio::test]
async fn an_emergency_kills_what_the_key_signed_and_says_how_much() {
    let server = TestServer::start().await;
    let first = active_kid(&server);
    server.service.rotate_keys(None, None, false).await.unwrap();
    let tokens = [server.issue(APP, JWT_API).await, server.issue(APP, BARE_API).await];
    let opaque = server.issue(APP, API).await;
    for token in &tokens {
        server.introspect(AUDITOR, token).await.active();
    }
    let before = server.service.stranded(None, Some(&first)).await.unwrap();
    assert_eq!(before[0].tokens, 2, "with a row and without one");
    assert_eq!(before[0].by_hour.iter().map(|hour| hour.tokens).sum::<u64>(), 2);
    let rotated = server.service.rotate_keys(None, None, true).await.unwrap();
    let removed = rotated[0].removed.as_ref().unwrap();
    assert_eq!((removed.kid.as_str(), removed.tokens), (first.as_str(), 2));
    for token in &tokens {
        server.introspect(AUDITOR, token).await.inactive();
    }
    server.introspect(AUDITOR, &opaque).await.active();
    let keys = published(&server).await;
    assert!(!keys.has_kid(&first) && keys.has_kid(&rotated[0].kid));
    assert_eq!(keys.keys().len(), 1, "the successor was sealed beside the key that got out");
    assert_eq!(kid_of(&server.issue(APP, JWT_API).await), rotated[0].kid);
    let key = server.realm(None).key_by_kid(&first).unwrap().record.clone();
    let rows = server.storage.log_after(Seq::ZERO, 1_000).await.unwrap();
    let cut = Event::Cut { kind: CutKind::Key, subject: u128::from(key.id.as_number()) };
    assert!(rows.iter().any(|row| row.event == cut), "followers of the log learn it from the log");
    assert!(key.cut_at > Seq::ZERO);
    let told = server.service.explain(None, &tokens[1], None).await.unwrap();
    assert!(!told.active && told.reason != "bad_signature" && told.reason != "unknown", "{told:?}");
}

#[tokio::test]
async fn a_key_that_a_live_token_may_carry_is_not_retired_without_force() {
    let server = TestServer::start().await;
    server.apply("[[realm]]\nname = \"default\"\nkey_prepublication_seconds = 360\n").await;
    let housekeeper = Housekeeper::default();
    let first = active_kid(&server);
    let retire = async |kid: &str, force| server.service.retire_key(None, kid, force).await;
    assert!(matches!(retire(&first, true).await, Err(AdministrationError::Conflict(_))), "it signs");
    assert!(matches!(retire("nobody", true).await, Err(AdministrationError::NotFound(_))));
    housekeeper.round(&server.service).await.unwrap();
    server.service.rotate_keys(None, None, false).await.unwrap();
    pass(&server, &housekeeper, 300, 60).await;
    let token = server.issue(APP, JWT_API).await;
    pass(&server, &housekeeper, 60, 60).await;
    assert_ne!(active_kid(&server), first);
    assert!(matches!(retire(&first, false).await, Err(AdministrationError::Conflict(_))));
    assert!(published(&server).await.has_kid(&first));
    server.introspect(AUDITOR, &token).await.active();
    assert_eq!(retire(&first, true).await.unwrap().tokens, 1);
    server.introspect(AUDITOR, &token).await.inactive();
    assert!(!published(&server).await.has_kid(&first));
    assert!(matches!(retire(&first, true).await, Err(AdministrationError::Conflict(_))), "it is retired");
}

#[tokio::test]
async fn rotating_twice_publishes_one_successor() {
    let server = TestServer::start().await;
    let rotate = async || server.service.rotate_keys(None, None, false).await.unwrap();
    let first = rotate().await;
    assert_eq!(rotate().await, first);
    let (one, other) = tokio::join!(rotate(), rotate());
    assert_eq!((one, other), (first.clone(), first.clone()));
    assert_eq!(keys_in(&server, KeyState::Prepublished).len(), 1);
    server.service.retire_key(None, &first[0].kid, false).await.unwrap();
    assert_eq!(keys_in(&server, KeyState::Prepublished).len(), 0);
    assert_ne!(rotate().await, first);
}

#[tokio::test]
async fn every_algorithm_in_use_rotates_or_the_one_that_is_named() {
    use lydian_jose::Algorithm;
    let server = TestServer::start().await;
    let now = server.clock.now().as_unix_seconds();
    server.apply(&format!("[[api]]\naudience = {JWT_API:?}\nalgorithm = \"EdDSA\"\n")).await;
    let rotated = server.service.rotate_keys(None, Some(Algorithm::EdDsa), true).await.unwrap();
    assert_eq!((rotated.len(), rotated[0].active_from), (1, now));
    assert_eq!(kid_of(&server.issue(APP, JWT_API).await), rotated[0].kid);
    assert_eq!(server.service.rotate_keys(None, None, false).await.unwrap().len(), 2);
    let absent = server.service.rotate_keys(None, Some(Algorithm::Rs256), false).await;
    assert!(matches!(absent, Err(AdministrationError::NotFound(_))));
}

#[tokio::test]
async fn the_policy_of_a_realm_has_bounds() {
    let server = TestServer::start().await;
    for policy in ["key_rotation_seconds = 3600", "key_prepublication_seconds = 300"] {
        let text = format!("[[realm]]\nname = \"default\"\n{policy}\n");
        let document = lydian_service::apply::parse(&text).unwrap();
        assert!(server.service.apply_document(&document, true).await.is_err(), "{policy}");
    }
}
