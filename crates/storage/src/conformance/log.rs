//! The log: its rows, their order, and what the observer is given.

use std::collections::BTreeSet;
use std::sync::Arc;

use lydian_domain::{AccessToken, Client, Grant, Realm, Session, SigningKeyRecord, TokenId, User};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::{CutKind, Event, LogPosition, Reach, RecordKind, Seq};

use super::Backend;
use super::fixtures::*;
use crate::{Change, Record, Write};

pub async fn each_write_adds_the_rows_that_it_needs(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let changed = |kind, record: u64| vec![Event::RecordChanged { kind, record: u128::from(record) }];
    let token = token_id(3);
    let revoked = Event::Revoked { token: u128::from(token.as_number()), expires_at: NOW };
    let expected = vec![
        (Write::PutRealm(realm(1)), changed(RecordKind::Realm, realm_id(1).as_number())),
        (Write::PutApi(api(1)), changed(RecordKind::Api, api_id(1).as_number())),
        (Write::PutClient(client(1)), changed(RecordKind::Client, client_id(1).as_number())),
        (Write::PutSigningKey(signing_key(1)), changed(RecordKind::Key, key_id(1).as_number())),
        (Write::PutUser(Box::new(user(1))), vec![]),
        (
            Write::PutUser(Box::new(user(1))),
            vec![Event::UserChanged { user: u128::from(user_id(1).as_number()) }],
        ),
        (Write::PutSession(session(1)), vec![]),
        (Write::PutGrant(grant(1)), vec![]),
        (Write::PutGrant(grant(1)), vec![]),
        (Write::PutAccessToken(access_token(token_id(1))), vec![]),
        (Write::PutRefreshToken(refresh_token(token_id(2))), vec![]),
        (Write::PutSetting { name: "setting", value: vec![] }, vec![]),
        (Write::UseAssertion { client: client_id(1), digest: [1; 32], expires_at: NOW }, vec![]),
        (Write::RevokeToken { token, expires_at: NOW, reach: Reach::default() }, vec![revoked]),
    ];
    let mut after = Seq::ZERO;
    for (write, events) in expected {
        store.write(vec![write.clone()]).await;
        let rows = store.storage.log_after(after, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.event).collect::<Vec<_>>(), events, "{write:?}");
        after = store.storage.head().await.unwrap().seq;
    }
    for (kind, subject, _) in cuttable() {
        store.write(vec![cut(kind, subject)]).await;
        let rows = store.storage.log_after(after, 10).await.unwrap();
        let expected = Event::Cut { kind, subject: u128::from(subject) };
        assert_eq!(rows.iter().map(|row| row.event).collect::<Vec<_>>(), [expected]);
        after = after.next();
    }
}

pub async fn rows_say_whom_they_concern(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let (realm_number, api_number) = (realm_id(1).as_number(), api_id(1).as_number());
    let records = vec![
        Write::PutRealm(realm(1)),
        Write::PutApi(api(1)),
        Write::PutClient(client(1)),
        Write::PutSigningKey(signing_key(1)),
        Write::PutUser(Box::new(user(1))),
        Write::PutSession(session(1)),
        Write::PutGrant(grant(1)),
        Write::PutGrant(standing_grant(2, Some(api_id(1)))),
        Write::PutGrant(standing_grant(3, None)),
    ];
    let mut after = store.write(records).await.seq;
    let everything = Reach::realm(realm_number);
    let token = token_id(3);
    let to_one = Reach::api(realm_number, api_number);
    let expected = [
        (cut(CutKind::Client, client_id(1).as_number()), everything.named(&client(1).client_id)),
        (cut(CutKind::Key, key_id(1).as_number()), everything.named(&signing_key(1).kid)),
        (cut(CutKind::Realm, realm_number), everything),
        (cut(CutKind::Session, session_id(1).as_number()), everything),
        (cut(CutKind::User, user_id(1).as_number()), everything),
        (cut(CutKind::Grant, grant_id(1).as_number()), everything),
        (cut(CutKind::Grant, grant_id(2).as_number()), to_one),
        (cut(CutKind::Grant, grant_id(3).as_number()), Reach::api(realm_number, Reach::ISSUER)),
        (cut(CutKind::Session, 4_711), Reach::default()),
        (Write::RevokeToken { token, expires_at: NOW, reach: to_one }, to_one),
        (Write::PutUser(Box::new(user(1))), everything),
        (Write::PutApi(api(1)), Reach { api: Some(api_number), ..Reach::default() }),
    ];
    for (write, reach) in expected {
        store.write(vec![write.clone()]).await;
        let rows = store.storage.log_after(after, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.reach).collect::<Vec<_>>(), [reach], "{write:?}");
        after = after.next();
    }
    // What concerns a deleted user is known although the row is gone.
    store.write(vec![Write::DeleteUser(user_id(1))]).await;
    let rows = store.storage.log_after(after, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.reach).collect::<Vec<_>>(), [everything; 2]);
}

pub async fn rows_are_consecutive_and_carry_random_links(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for number in 1..=20 {
        let writes = vec![Write::PutApi(api(number)), cut(CutKind::User, number)];
        let at = NOW.plus_seconds(number);
        store.storage.apply(Change { preconditions: vec![], writes, at }).await.unwrap();
    }
    let rows = store.storage.log_after(Seq::ZERO, 100).await.unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.seq.as_number()).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
    let links: BTreeSet<u64> = rows.iter().map(|row| row.link.as_bits()).collect();
    let event_ids: BTreeSet<u128> = rows.iter().map(|row| row.event_id).collect();
    assert_eq!((links.len(), event_ids.len()), (40, 40));
    // Both halves of the numbers are random, not only the lower one.
    assert!(links.iter().any(|link| link >> 32 != 0) && event_ids.iter().any(|id| id >> 64 != 0));
    assert!(rows.iter().all(|row| row.at == NOW.plus_seconds(row.seq.as_number().div_ceil(2))));
    let head = store.storage.head().await.unwrap();
    assert_eq!(Some(head), rows.last().map(|row| row.position()));
    assert_eq!(store.observer.rows(), rows);
}

pub async fn the_answer_is_the_position_after_the_change(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let none = Write::PutGrant(grant(1));
    assert_eq!(store.write(vec![none.clone()]).await, LogPosition::default());
    let first = store.write(vec![Write::PutRealm(realm(1)), Write::PutApi(api(1))]).await;
    assert_eq!(first.seq, Seq::from_number(2));
    assert_eq!(first, store.storage.head().await.unwrap());
    assert_eq!(store.write(vec![none]).await, first);
    assert_eq!(store.write(vec![]).await, first);
}

pub async fn the_log_is_read_in_pages(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write((1..=7).map(|number| cut(CutKind::User, number)).collect()).await;
    let page = async |after, limit| {
        let rows = store.storage.log_after(Seq::from_number(after), limit).await.unwrap();
        rows.iter().map(|row| row.seq.as_number()).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3).await, [1, 2, 3]);
    assert_eq!(page(3, 3).await, [4, 5, 6]);
    assert_eq!(page(6, 3).await, [7]);
    assert_eq!(page(7, 3).await, [0_u64; 0]);
    assert_eq!(page(0, 0).await, [0_u64; 0]);
}

pub async fn a_position_is_found_by_time_at_before_and_after_each_row(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let times = [100, 100, 105, 110, 110, 110, 200];
    write_at(&store, &times).await;
    check_positions(&store, &times, 1).await;
}

pub async fn a_position_is_found_by_time_when_the_wall_clock_went_back(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let times = [100, 200, 50, 60, 200, 150, 300, 299, 301];
    write_at(&store, &times).await;
    check_positions(&store, &times, 1).await;
    // The same after the store has been opened again.
    let store = store.reopen(backend).await;
    write_at(&store, &[10, 400]).await;
    check_positions(&store, &[times.as_slice(), &[10, 400]].concat(), 1).await;
}

/// Adds a row at each time.
pub(super) async fn write_at(store: &Store, times: &[u64]) {
    for at in times {
        let at = Timestamp::from_unix_seconds(*at);
        let change = Change { preconditions: vec![], writes: vec![cut(CutKind::User, 1)], at };
        store.storage.apply(change).await.unwrap();
    }
}

/// Asks for every time, and compares with a plain search; `first` is the number of the first row.
pub(super) async fn check_positions(store: &Store, times: &[u64], first: usize) {
    for at in 0..=402 {
        let expected = first + times.iter().position(|time| *time >= at).unwrap_or(times.len());
        let found = store.storage.log_position_at(Timestamp::from_unix_seconds(at)).await.unwrap();
        assert_eq!(found.as_number() as usize, expected, "at {at}");
    }
}

pub async fn a_cut_moves_cut_at_and_a_put_keeps_it(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for (kind, subject, put) in cuttable() {
        store.write(vec![put.clone()]).await;
        assert_eq!(cut_at(&store, kind).await, Seq::ZERO, "{kind:?}");
        let first = store.write(vec![cut(kind, subject)]).await.seq;
        assert_eq!(cut_at(&store, kind).await, first, "{kind:?}");
        store.write(vec![put]).await;
        assert_eq!(cut_at(&store, kind).await, first, "{kind:?}");
        store.write(vec![with_cut_at(kind, Seq::from_number(4_711))]).await;
        assert_eq!(cut_at(&store, kind).await, first, "{kind:?}");
        let second = store.write(vec![cut(kind, subject)]).await.seq;
        assert!(second > first);
        assert_eq!(cut_at(&store, kind).await, second, "{kind:?}");
    }
}

pub async fn a_cut_of_something_without_a_record_is_logged(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for kind in CutKind::ALL {
        let position = store.write(vec![cut(kind, 5)]).await;
        let rows = store.storage.log_after(Seq::ZERO, 10).await.unwrap();
        let last = rows.last().unwrap();
        assert_eq!((last.position(), last.event), (position, Event::Cut { kind, subject: 5 }));
    }
}

pub async fn a_revocation_marks_the_row_of_the_token_and_keeps_the_first_mark(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let (access, refresh) = (token_id(1), token_id(2));
    let never = TokenId::from_parts(Hour::NEVER, 255, u32::MAX);
    let writes = vec![
        Write::PutAccessToken(access_token(access)),
        Write::PutAccessToken(access_token(never)),
        Write::PutAccessToken(AccessToken { id: token_id(4), ..access_token(access) }),
        Write::PutRefreshToken(refresh_token(refresh)),
    ];
    store.write(writes).await;
    let revoke = |token| vec![Write::RevokeToken { token, expires_at: NOW, reach: Reach::default() }];
    let access_revoked_at =
        async |id| store.storage.find_access_token(id).await.unwrap().unwrap().token.revoked_at;
    let refresh_revoked_at =
        async || store.storage.find_refresh_token(refresh).await.unwrap().unwrap().token.revoked_at;
    for id in [access, never] {
        assert_eq!(access_revoked_at(id).await, None);
        let first = store.write(revoke(id)).await.seq;
        assert_eq!(access_revoked_at(id).await, Some(first));
        store.write(revoke(id)).await;
        assert_eq!(access_revoked_at(id).await, Some(first));
    }
    assert_eq!((access_revoked_at(token_id(4)).await, refresh_revoked_at().await), (None, None));
    let first = store.write(revoke(refresh)).await.seq;
    store.write(revoke(refresh)).await;
    assert_eq!(refresh_revoked_at().await, Some(first));
}

pub async fn a_revocation_without_a_row_is_logged(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let expires_at = NOW.plus_seconds(77);
    let position = store
        .write(vec![Write::RevokeToken { token: token_id(1), expires_at, reach: Reach::default() }])
        .await;
    let rows = store.storage.log_after(Seq::ZERO, 10).await.unwrap();
    let event = Event::Revoked { token: u128::from(token_id(1).as_number()), expires_at };
    assert_eq!(rows.iter().map(|row| (row.position(), row.event)).collect::<Vec<_>>(), [(position, event)]);
    assert!(store.storage.find_access_token(token_id(1)).await.unwrap().is_none());
}

pub async fn rows_and_records_are_given_to_the_observer_before_the_answer(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let renamed = Client { name: "renamed".to_owned(), ..client(1) };
    let writes = vec![
        Write::PutRealm(realm(1)),
        Write::PutClient(client(1)),
        Write::PutClient(renamed.clone()),
        Write::PutSigningKey(signing_key(1)),
        Write::PutApi(api(1)),
        Write::PutUser(Box::new(user(1))),
    ];
    let position = store.write(writes).await;
    let mut published = published(&store);
    published.sort_by_key(|record| format!("{record:?}"));
    let expected = [
        Record::Api(api(1)),
        Record::Client(renamed.clone()),
        Record::Key(signing_key(1)),
        Record::Realm(realm(1)),
    ];
    assert_same(&published, &expected);
    assert_eq!(store.observer.rows().last().map(|row| row.position()), Some(position));
    // A cut publishes the record that it moved, when nodes keep it in memory.
    for (kind, subject, _) in cuttable() {
        let seq = store.write(vec![cut(kind, subject)]).await.seq;
        let records = self::published(&store);
        let expected: Vec<Record> = match kind {
            CutKind::Client => vec![Record::Client(Client { cut_at: seq, ..renamed.clone() })],
            CutKind::Key => vec![Record::Key(SigningKeyRecord { cut_at: seq, ..signing_key(1) })],
            CutKind::Realm => vec![Record::Realm(Realm { cut_at: seq, ..realm(1) })],
            CutKind::Grant | CutKind::Session | CutKind::User => vec![],
        };
        assert_same(&records, &expected);
    }
    // What adds no row tells nothing.
    let told = store.observer.told().len();
    store.write(vec![Write::PutGrant(grant(1))]).await;
    assert_eq!(store.observer.told().len(), told);
}

/// The records that the observer was given last.
fn published(store: &Store) -> Vec<Record> {
    match store.observer.told().pop() {
        Some(super::fixtures::Told::Committed(_, records)) => records,
        other => panic!("rows were expected: {other:?}"),
    }
}

pub async fn the_observer_gets_every_row_once_and_in_order(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (storage, observer) = (Arc::clone(&store.storage), Arc::clone(&store.observer));
        tasks.spawn(async move {
            for round in 0..50 {
                let writes = vec![cut(CutKind::User, task), cut(CutKind::Grant, round)];
                let position = storage.apply(change(vec![], writes)).await.unwrap();
                assert!(observer.rows().iter().any(|row| row.position() == position), "before the answer");
            }
        });
    }
    tasks.join_all().await;
    let numbers: Vec<u64> = store.observer.rows().iter().map(|row| row.seq.as_number()).collect();
    assert_eq!(numbers, (1..=800).collect::<Vec<u64>>());
}

async fn cut_at(store: &Store, kind: CutKind) -> Seq {
    let parents =
        store.storage.load_parents(grant_id(1), Some(session_id(1)), Some(user_id(1))).await.unwrap();
    let of_record = |wanted: CutKind, record: &Record| match (wanted, record) {
        (CutKind::Client, Record::Client(client)) => Some(client.cut_at),
        (CutKind::Key, Record::Key(key)) => Some(key.cut_at),
        (CutKind::Realm, Record::Realm(realm)) => Some(realm.cut_at),
        _ => None,
    };
    match kind {
        CutKind::Grant => parents.grant.unwrap().cut_at,
        CutKind::Session => parents.session.unwrap().cut_at,
        CutKind::User => parents.user.unwrap().cut_at,
        _ => {
            let records = store.storage.load_records().await.unwrap();
            records.iter().find_map(|record| of_record(kind, record)).unwrap()
        }
    }
}

/// A put that claims another position of the cut.
fn with_cut_at(kind: CutKind, cut_at: Seq) -> Write {
    match kind {
        CutKind::Client => Write::PutClient(Client { cut_at, ..client(1) }),
        CutKind::Grant => Write::PutGrant(Grant { cut_at, ..grant(1) }),
        CutKind::Key => Write::PutSigningKey(SigningKeyRecord { cut_at, ..signing_key(1) }),
        CutKind::Realm => Write::PutRealm(Realm { cut_at, ..realm(1) }),
        CutKind::Session => Write::PutSession(Session { cut_at, ..session(1) }),
        CutKind::User => Write::PutUser(Box::new(User { cut_at, ..user(1) })),
    }
}
