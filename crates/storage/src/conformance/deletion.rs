//! Deletion: a record goes with its name, and what it owned goes after it.

use lydian_domain::{Client, Factor, Grant, Session, SigningKeyRecord, User};
use lydian_revocation::RecordKind;

use super::Backend;
use super::fixtures::*;
use crate::{Change, OrphanCursor, OwnedKind, Precondition, Record, Write};

/// Rows that one step may look at, where the number does not matter.
const ALL: usize = 1_000;

fn delete(kind: RecordKind, id: u64) -> Write {
    Write::Delete { kind, id }
}

/// A realm with one of everything, beside another with the same.
fn two_realms() -> Vec<Write> {
    let of = |number: u64| {
        let realm_of = realm_id(number);
        vec![
            Write::PutRealm(realm(number)),
            Write::PutApi(lydian_domain::Api { realm: realm_of, ..api(number) }),
            Write::PutClient(Client { realm: realm_of, ..client(number) }),
            Write::PutSigningKey(SigningKeyRecord { realm: realm_of, ..signing_key(number) }),
            Write::PutUser(Box::new(User { realm: realm_of, ..user(number) })),
            Write::PutSession(Session { realm: realm_of, user: user_id(number), ..session(number) }),
            Write::PutGrant(Grant {
                realm: realm_of,
                client: client_id(number),
                user: Some(user_id(number)),
                session: Some(session_id(number)),
                ..grant(number)
            }),
        ]
    };
    [of(1), of(2)].concat()
}

/// Sweeps from the beginning to the end; the counts by kind, in order.
async fn sweep(store: &Store, scan: usize) -> Vec<(OwnedKind, usize)> {
    let mut removed = std::collections::BTreeMap::new();
    let mut next = Some(OrphanCursor::default());
    while let Some(after) = next {
        let step = store.storage.sweep_orphans(after, scan).await.unwrap();
        assert!(step.removed.iter().map(|(_, count)| count).sum::<usize>() <= scan, "{step:?}");
        for (kind, count) in step.removed {
            *removed.entry(kind).or_default() += count;
        }
        next = step.next;
    }
    removed.into_iter().collect()
}

pub async fn a_deleted_record_is_gone_and_the_observer_hears_of_it(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(two_realms()).await;
    let kinds = [
        (RecordKind::Api, api_id(1).as_number()),
        (RecordKind::Client, client_id(1).as_number()),
        (RecordKind::Key, key_id(1).as_number()),
        (RecordKind::Realm, realm_id(1).as_number()),
    ];
    for (kind, id) in kinds {
        let before = store.storage.load_records().await.unwrap().len();
        store.write(vec![delete(kind, id)]).await;
        assert_eq!(store.storage.load_records().await.unwrap().len(), before - 1, "{kind:?}");
        let Some(Told::Committed(_, records)) = store.observer.told().pop() else {
            panic!("nothing was told")
        };
        assert_same(&records, &vec![Record::Removed { kind, id }]);
        let changed = Precondition::RecordUnchanged { kind, id, version: 3 };
        assert!(!store.holds(changed).await, "{kind:?}: what is gone is not unchanged");
    }
    let store = store.reopen(backend).await;
    assert_eq!(store.storage.load_records().await.unwrap().len(), 4, "the other realm's");
}

pub async fn names_of_deleted_records_are_never_given_again(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(two_realms()).await;
    let free = [
        Precondition::AudienceFree { realm: realm_id(1), audience: api(1).audience },
        Precondition::ClientIdFree { realm: realm_id(1), client_id: client(1).client_id },
        Precondition::RealmNameFree { name: realm(1).name.as_str().to_owned() },
    ];
    let writes = vec![
        delete(RecordKind::Api, api_id(1).as_number()),
        delete(RecordKind::Client, client_id(1).as_number()),
        delete(RecordKind::Realm, realm_id(1).as_number()),
    ];
    store.write(writes).await;
    let store = store.reopen(backend).await;
    for precondition in free {
        assert!(!store.holds(precondition.clone()).await, "{precondition:?}");
    }
    let elsewhere = Precondition::ClientIdFree { realm: realm_id(2), client_id: client(1).client_id };
    assert!(store.holds(elsewhere).await, "another realm may use the name");
}

pub async fn a_sweep_removes_what_lost_its_owner_and_nothing_else(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(two_realms()).await;
    let standing = Grant { client: client_id(1), ..standing_grant(3, Some(api_id(1))) };
    store.write(vec![Write::PutGrant(standing)]).await;
    assert_eq!(sweep(&store, ALL).await, []);
    store.write(vec![delete(RecordKind::Client, client_id(1).as_number())]).await;
    assert_eq!(sweep(&store, ALL).await, [(OwnedKind::Grant, 2)]);
    store.write(vec![delete(RecordKind::Realm, realm_id(1).as_number())]).await;
    let of_the_realm =
        [(OwnedKind::Api, 1), (OwnedKind::Key, 1), (OwnedKind::Session, 1), (OwnedKind::User, 1)];
    let codes = |number| Write::ReplaceRecoveryCodes {
        realm: realm_id(2),
        user: user_id(number),
        digests: vec![[1; 32], [2; 32]],
    };
    let factor = |number| Factor { realm: realm_id(2), user: user_id(number), ..passkey(number) };
    let factors = [2, 7].map(|number| Write::PutFactor(Box::new(factor(number))));
    assert_eq!(sweep(&store, ALL).await, of_the_realm);
    store.write([factors.to_vec(), vec![codes(2), codes(7)]].concat()).await;
    assert_eq!(sweep(&store, ALL).await, [(OwnedKind::Factor, 1), (OwnedKind::RecoveryCode, 2)]);
    assert_eq!(store.storage.list_factors(user_id(2)).await.unwrap().len(), 1);
    assert_eq!(sweep(&store, ALL).await, []);
    assert_eq!(store.storage.load_records().await.unwrap().len(), 4, "the other realm's");
    let parents =
        store.storage.load_parents(grant_id(2), Some(session_id(2)), Some(user_id(2))).await.unwrap();
    assert!(parents.grant.is_some() && parents.session.is_some() && parents.user.is_some());
}

pub async fn a_sweep_in_small_steps_finds_the_same(backend: &impl Backend) {
    for scan in [1, 2, 3, 7] {
        let store = Store::open(backend).await;
        store.write(two_realms()).await;
        store.write(vec![delete(RecordKind::Realm, realm_id(1).as_number())]).await;
        let found = sweep(&store, scan).await;
        assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), 6, "{scan}: {found:?}");
        assert_eq!(store.storage.load_records().await.unwrap().len(), 4);
    }
}

pub async fn deleting_what_is_not_there_is_refused_by_its_version(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let id = client_id(1).as_number();
    let unchanged = Precondition::RecordUnchanged { kind: RecordKind::Client, id, version: 3 };
    let change =
        Change { preconditions: vec![unchanged], writes: vec![delete(RecordKind::Client, id)], at: NOW };
    assert_eq!(store.conflict(change).await, crate::Conflict::RecordChanged);
    assert_eq!(store.observer.told().len(), 0);
}

pub async fn tokens_of_what_was_deleted_stay_until_their_hour(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(two_realms()).await;
    let token = access_token(token_id(1));
    store.write(vec![Write::PutAccessToken(token.clone())]).await;
    store.write(vec![delete(RecordKind::Realm, realm_id(1).as_number())]).await;
    sweep(&store, ALL).await;
    assert!(store.storage.find_access_token(token.id).await.unwrap().is_some());
}
