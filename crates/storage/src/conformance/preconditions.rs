//! A change happens when all of its preconditions hold; otherwise the first that does not is named, and nothing happens.

use lydian_domain::{Api, Client, Grant, Realm, SigningKeyRecord, User};
use lydian_revocation::RecordKind;

use super::Backend;
use super::fixtures::*;
use crate::{ApplyError, Conflict, Precondition, Write};

pub async fn a_precondition_that_holds_lets_the_change_happen(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for case in each_precondition(1) {
        store.write(case.before).await;
        let marked = change(vec![case.precondition.clone()], vec![case.consume, mark(1)]);
        assert!(store.storage.apply(marked).await.is_ok(), "{:?}", case.precondition);
        assert!(is_marked(&store, 1).await, "{:?}", case.precondition);
        store.write(vec![mark(0)]).await;
    }
}

pub async fn a_precondition_that_does_not_hold_is_named_and_nothing_is_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for case in each_precondition(1) {
        store.write(case.before).await;
        store.write(vec![case.consume]).await;
        let refused = change(vec![case.precondition.clone()], vec![mark(1), Write::PutRealm(realm(1))]);
        let before = store.everything().await;
        assert_eq!(store.conflict(refused).await, case.conflict);
        assert_eq!(store.everything().await, before, "{:?}", case.precondition);
        assert!(!is_marked(&store, 1).await, "{:?}", case.precondition);
    }
    let gone = Precondition::RecordUnchanged { kind: RecordKind::Realm, id: 1, version: 0 };
    assert_eq!(store.conflict(change(vec![gone], vec![mark(1)])).await, Conflict::RecordChanged);
    let value = |value| change(vec![Precondition::SettingIs { name: "setting", value }], vec![]);
    assert_eq!(store.conflict(value(Some(vec![]))).await, Conflict::SettingChanged);
    store.write(vec![Write::PutSetting { name: "setting", value: vec![] }]).await;
    assert_eq!(store.conflict(value(None)).await, Conflict::SettingChanged);
    let unknown_grant = Precondition::CurrentRefreshToken { grant: grant_id(9), token: token_id(9) };
    assert_eq!(store.conflict(change(vec![unknown_grant], vec![])).await, Conflict::NotCurrentRefreshToken);
}

pub async fn one_precondition_of_several_is_enough_to_refuse(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(vec![Write::PutRealm(realm(1))]).await;
    let holds = Precondition::RealmNameFree { name: "free".to_owned() };
    let fails = Precondition::RealmNameFree { name: "realm-1".to_owned() };
    for preconditions in [vec![holds.clone(), fails.clone()], vec![fails, holds]] {
        assert_eq!(store.conflict(change(preconditions, vec![mark(1)])).await, Conflict::RealmNameTaken);
        assert!(!is_marked(&store, 1).await);
    }
}

pub async fn of_two_rivals_in_one_batch_the_first_wins(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for case in each_precondition(1) {
        store.write(case.before).await;
        let rival = |number| {
            store
                .storage
                .apply(change(vec![case.precondition.clone()], vec![case.consume.clone(), mark(number)]))
        };
        let held = store.hold().await;
        let (first, second) = (rival(1), rival(2));
        held.release().await;
        assert!(first.await.is_ok(), "{:?}", case.precondition);
        match second.await {
            Err(ApplyError::Conflict(conflict)) => assert_eq!(conflict, case.conflict),
            other => panic!("{:?}: {other:?}", case.precondition),
        }
        assert!(is_marked(&store, 1).await, "{:?}", case.precondition);
    }
}

pub async fn a_precondition_sees_the_writes_of_the_changes_before_it(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let held = store.hold().await;
    let made = store.storage.apply(change(vec![], vec![Write::PutRealm(realm(1))]));
    let precondition = Precondition::RecordUnchanged {
        kind: RecordKind::Realm,
        id: realm_id(1).as_number(),
        version: realm(1).version,
    };
    let depends = store.storage.apply(change(vec![precondition], vec![mark(1)]));
    held.release().await;
    assert!(made.await.is_ok() && depends.await.is_ok());
    assert!(is_marked(&store, 1).await);
}

pub async fn a_refused_change_leaves_its_neighbours_in_the_batch_alone(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(vec![Write::PutRealm(realm(1))]).await;
    let taken = Precondition::RealmNameFree { name: "realm-1".to_owned() };
    let held = store.hold().await;
    let before = store.storage.apply(change(vec![], vec![Write::PutApi(api(1))]));
    let refused = store.storage.apply(change(vec![taken], vec![Write::PutApi(api(2))]));
    let after = store.storage.apply(change(vec![], vec![Write::PutApi(api(3))]));
    held.release().await;
    let (before, after) = (before.await.unwrap(), after.await.unwrap());
    assert!(matches!(refused.await, Err(ApplyError::Conflict(Conflict::RealmNameTaken))));
    assert_eq!(after.seq, before.seq.next());
    assert_eq!(store.storage.load_records().await.unwrap().len(), 3);
}

pub async fn a_name_that_is_taken_is_refused_without_a_precondition_too(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let assertion = || Write::UseAssertion { client: client_id(1), digest: [1; 32], expires_at: NOW };
    let there = vec![
        Write::PutRealm(realm(1)),
        Write::PutApi(api(1)),
        Write::PutClient(client(1)),
        Write::PutSigningKey(signing_key(1)),
        Write::PutUser(Box::new(user(1))),
        Write::PutGrant(standing_grant(1, None)),
        Write::PutGrant(standing_grant(2, Some(api_id(1)))),
        assertion(),
    ];
    store.write(there).await;
    let taken = [
        (Write::PutRealm(Realm { id: realm_id(2), ..realm(1) }), Conflict::RealmNameTaken),
        (Write::PutApi(Api { id: api_id(2), ..api(1) }), Conflict::AudienceTaken),
        (Write::PutClient(Client { id: client_id(2), ..client(1) }), Conflict::ClientIdTaken),
        (Write::PutSigningKey(SigningKeyRecord { id: key_id(2), ..signing_key(1) }), Conflict::KidTaken),
        (
            Write::PutUser(Box::new(User { id: user_id(2), username: "b".into(), ..user(1) })),
            Conflict::SubjectTaken,
        ),
        (
            Write::PutUser(Box::new(User { id: user_id(2), subject: "b".into(), ..user(1) })),
            Conflict::UsernameTaken,
        ),
        (Write::PutGrant(standing_grant(3, None)), Conflict::HasStandingGrant),
        (Write::PutGrant(standing_grant(3, Some(api_id(1)))), Conflict::HasStandingGrant),
        (assertion(), Conflict::AssertionUsed),
    ];
    for (number, (write, expected)) in (1_u8..).zip(taken) {
        let before = store.everything().await;
        let refused = change(vec![], vec![Write::PutRealm(realm(5)), write.clone(), Write::PutApi(api(5))]);
        assert_eq!(store.conflict(refused.clone()).await, expected);
        assert_eq!(store.everything().await, before, "{write:?}");
        // Half-way through a batch the neighbours stay.
        let held = store.hold().await;
        let earlier = store.storage.apply(change(vec![], vec![mark(number)]));
        let refused = store.storage.apply(refused);
        let later = store
            .storage
            .apply(change(vec![], vec![Write::PutSetting { name: "later", value: vec![number] }]));
        held.release().await;
        assert!(
            matches!(refused.await, Err(ApplyError::Conflict(conflict)) if conflict == expected),
            "{write:?}"
        );
        assert!(earlier.await.is_ok() && later.await.is_ok());
        assert!(is_marked(&store, number).await);
        assert_eq!(store.storage.find_setting("later").await.unwrap(), Some(vec![number]));
    }
}

pub async fn names_are_free_in_another_realm(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let other = realm_id(2);
    let writes = vec![
        Write::PutApi(api(1)),
        Write::PutClient(client(1)),
        Write::PutSigningKey(signing_key(1)),
        Write::PutUser(Box::new(user(1))),
        Write::PutApi(Api { id: api_id(2), realm: other, ..api(1) }),
        Write::PutClient(Client { id: client_id(2), realm: other, ..client(1) }),
        Write::PutSigningKey(SigningKeyRecord { id: key_id(2), realm: other, ..signing_key(1) }),
        Write::PutUser(Box::new(User { id: user_id(2), realm: other, ..user(1) })),
        Write::PutGrant(Grant { client: client_id(2), realm: other, ..standing_grant(1, None) }),
    ];
    store.write(writes).await;
    let third = realm_id(3);
    assert!(store.holds(Precondition::AudienceFree { realm: third, audience: api(1).audience }).await);
    assert!(store.holds(Precondition::ClientIdFree { realm: third, client_id: client(1).client_id }).await);
}

pub async fn a_dropped_future_does_not_take_the_change_back(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let held = store.hold().await;
    drop(store.storage.apply(change(vec![], vec![mark(1)])));
    held.release().await;
    store.write(vec![Write::PutRealm(realm(1))]).await;
    assert!(is_marked(&store, 1).await);
}

/// A write that leaves a trace of its change.
fn mark(number: u8) -> Write {
    Write::PutSetting { name: "setting", value: vec![number] }
}

async fn is_marked(store: &Store, number: u8) -> bool {
    store.storage.find_setting("setting").await.unwrap() == Some(vec![number])
}
