//! Forgetting: what expired before an hour began goes, and nothing else.

use lydian_domain::{Audience, Grant, Rotation, Session, TokenId};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::Seq;

use super::Backend;
use super::fixtures::*;
use super::log::{check_positions, write_at};
use crate::{Precondition, Write};

const ALL: usize = 1_000;

fn hour_before() -> Hour {
    Hour::from_number(hour().as_number() - 1).unwrap()
}

pub async fn tokens_go_when_their_hour_is_over_and_not_before(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let last_of_the_hour_before = TokenId::from_parts(hour_before(), 255, u32::MAX);
    let first_of_the_hour = TokenId::first_of(hour());
    let ids = [last_of_the_hour_before, first_of_the_hour, TokenId::first_of(hour().next())];
    for id in ids {
        store
            .write(vec![Write::PutAccessToken(access_token(id)), Write::PutRefreshToken(refresh_token(id))])
            .await;
    }
    let there = async || {
        let mut there = Vec::new();
        for id in ids {
            let access = store.storage.find_access_token(id).await.unwrap().is_some();
            let refresh = store.storage.find_refresh_token(id).await.unwrap().is_some();
            assert_eq!(access, refresh, "{id:?}");
            there.push(access);
        }
        there
    };
    assert_eq!(forget(&store, hour_before()).await, 0);
    assert_eq!(there().await, [true, true, true]);
    assert_eq!(forget(&store, hour()).await, 2);
    assert_eq!(there().await, [false, true, true]);
    assert_eq!(forget(&store, hour().next()).await, 2);
    assert_eq!(there().await, [false, false, true]);
    assert_eq!(forget(&store, hour().next()).await, 0);
}

pub async fn tokens_that_do_not_expire_are_never_reached(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let first = TokenId::first_of(Hour::NEVER);
    let last = TokenId::from_parts(Hour::NEVER, 255, u32::MAX);
    let expiring = TokenId::from_parts(Hour::LAST, 255, u32::MAX);
    for id in [first, last, expiring] {
        store
            .write(vec![Write::PutAccessToken(access_token(id)), Write::PutRefreshToken(refresh_token(id))])
            .await;
    }
    assert_eq!(store.storage.allocate_sequences(Hour::NEVER, 7).await.unwrap(), 0);
    assert_eq!(forget(&store, Hour::NEVER).await, 2);
    assert!(store.storage.find_access_token(expiring).await.unwrap().is_none());
    for id in [first, last] {
        assert!(store.storage.find_access_token(id).await.unwrap().is_some());
        assert!(store.storage.find_refresh_token(id).await.unwrap().is_some());
    }
    assert_eq!(store.storage.allocate_sequences(Hour::NEVER, 1).await.unwrap(), 7);
}

pub async fn used_assertions_counters_and_log_rows_go_by_their_times(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let start = hour().start();
    let (before, at) = (start.minus_seconds(1), start);
    let use_assertion =
        |expires_at| Write::UseAssertion { client: client_id(1), digest: [1; 32], expires_at };
    let issue = |hour| Write::AddIssued {
        audience: Audience::Issuer,
        realm: realm_id(1),
        key: key_id(1),
        hour,
        count: 1,
    };
    store.write(vec![use_assertion(before), use_assertion(at), issue(hour_before()), issue(hour())]).await;
    write_at(&store, &[100, 101, 102]).await;
    let unused =
        |expires_at| Precondition::AssertionUnused { client: client_id(1), digest: [1; 32], expires_at };
    // One assertion, one counter, two rows of the log.
    let log_before = Timestamp::from_unix_seconds(102);
    assert_eq!(store.storage.forget(hour(), log_before, ALL).await.unwrap(), 4);
    assert!(store.holds(unused(before)).await);
    assert!(!store.holds(unused(at)).await);
    let issued = store.storage.issued_under_key(key_id(1), hour_before()).await.unwrap();
    assert_eq!(issued.iter().map(|issued| issued.hour).collect::<Vec<_>>(), [hour()]);
    let rows = store.storage.log_after(Seq::ZERO, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq.as_number()).collect::<Vec<_>>(), [3]);
}

pub async fn what_people_left_behind_goes_when_its_end_is_over(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let start = hour().start();
    let (before, at) = (start.minus_seconds(1), start);
    let code = |hour| TokenId::from_parts(hour, 0, 7);
    let writes = vec![
        Write::PutUser(Box::new(user(1))),
        Write::PutAuthorizationCode(authorization_code(code(hour_before()))),
        Write::PutAuthorizationCode(authorization_code(code(hour()))),
        Write::PutGrant(Grant { expires_at: before, ..grant(1) }),
        Write::PutGrant(Grant { expires_at: at, ..grant(2) }),
        Write::PutGrant(Grant { expires_at: before, ..standing_grant(3, None) }),
        Write::PutSession(Session { expires_at: before, ..session(1) }),
        Write::PutSession(Session { expires_at: at, ..session(2) }),
    ];
    store.write(writes).await;
    let there = async || {
        let storage = &store.storage;
        let grants = storage.list_grants(user_id(1), grant_id(0), ALL).await.unwrap();
        let sessions = storage.list_sessions(user_id(1), session_id(0), ALL).await.unwrap();
        let mut codes = Vec::new();
        for hour in [hour_before(), hour()] {
            codes.push(storage.find_authorization_code(code(hour)).await.unwrap().is_some());
        }
        let grants: Vec<_> = grants.into_iter().map(|grant| grant.id).collect();
        let sessions: Vec<_> = sessions.into_iter().map(|session| session.id).collect();
        (codes, grants, sessions)
    };
    assert_eq!(forget(&store, hour_before()).await, 0);
    // A step deletes no more than it may.
    assert_eq!(store.storage.forget(hour(), Timestamp::EPOCH, 2).await.unwrap(), 2);
    assert_eq!(forget(&store, hour()).await, 1);
    assert_eq!(there().await, (vec![false, true], vec![grant_id(2)], vec![session_id(2)]));
    // A standing grant has no end.
    assert_eq!(store.storage.find_standing_grant(client_id(1), None).await.unwrap(), Some(grant_id(3)));
}

pub async fn sealed_successors_go_when_their_time_is_over(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let rotated = |number, rotated_at| {
        let rotation = Rotation { rotated_at: Some(rotated_at), ..grant(number).rotation };
        Write::PutGrant(Grant { rotation, ..grant(number) })
    };
    store.write(vec![rotated(1, NOW.minus_seconds(1)), rotated(2, NOW)]).await;
    store.write(vec![Write::ForgetSuccessors { before: NOW }]).await;
    let left: Vec<_> = store
        .storage
        .list_grants(user_id(1), grant_id(0), ALL)
        .await
        .unwrap()
        .into_iter()
        .map(|grant| (grant.rotation.sealed_successor.is_some(), grant.rotation.previous))
        .collect();
    assert_eq!(left, [(false, grant(1).rotation.previous), (true, grant(2).rotation.previous)]);
}

pub async fn a_step_deletes_at_most_the_rows_that_it_may(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let id = |sequence| TokenId::from_parts(hour_before(), 0, sequence);
    for sequence in 0..5 {
        let writes = vec![
            Write::PutAccessToken(access_token(id(sequence))),
            Write::PutRefreshToken(refresh_token(id(sequence))),
            Write::UseAssertion {
                client: client_id(1),
                digest: [sequence as u8; 32],
                expires_at: hour_before().start(),
            },
        ];
        store.write(writes).await;
    }
    let forget = async |rows| store.storage.forget(hour(), Timestamp::EPOCH, rows).await.unwrap();
    assert_eq!(forget(0).await, 0);
    assert_eq!(forget(4).await, 4);
    // The oldest go first.
    assert!(store.storage.find_access_token(id(3)).await.unwrap().is_none());
    assert!(store.storage.find_access_token(id(4)).await.unwrap().is_some());
    assert_eq!(forget(8).await, 8);
    assert_eq!(forget(8).await, 3);
    assert_eq!(forget(8).await, 0);
}

pub async fn log_positions_are_found_after_old_rows_went(backend: &impl Backend) {
    let store = Store::open(backend).await;
    write_at(&store, &[100, 90, 200, 150, 300]).await;
    let before = |seconds| store.storage.forget(hour(), Timestamp::from_unix_seconds(seconds), ALL);
    // The second row is older than the bound, and goes only with the rows before it.
    assert_eq!(before(95).await.unwrap(), 0);
    assert_eq!(before(101).await.unwrap(), 2);
    check_positions(&store, &[200, 150, 300], 3).await;
    assert_eq!(before(1_000).await.unwrap(), 3);
    assert_eq!(store.storage.log_position_at(Timestamp::EPOCH).await.unwrap(), Seq::from_number(6));
    write_at(&store, &[250]).await;
    assert_eq!(store.storage.head().await.unwrap().seq, Seq::from_number(6));
}

async fn forget(store: &Store, hour: Hour) -> usize {
    store.storage.forget(hour, Timestamp::EPOCH, ALL).await.unwrap()
}
