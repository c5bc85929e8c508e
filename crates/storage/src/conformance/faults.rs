//! A disk that fails at any moment: all of a change or nothing, and no answer that the disk does not bear out (R3).

use lydian_primitives::Timestamp;
use lydian_revocation::CutKind;

use super::fixtures::*;
use super::{Backend, CommitFailure};
use crate::{ApplyError, Change, Write};

/// More statements than any change of the suite has.
const STATEMENTS_MAX: usize = 100;

pub async fn r3_a_change_whose_kth_statement_fails_leaves_nothing_and_its_neighbour_stays(
    backend: &impl Backend,
) {
    let store = Store::open(backend).await;
    let mut marks = 0_u64;
    let mut changes: Vec<Vec<Write>> = each_write(0).into_iter().map(|write| vec![write]).collect();
    changes.push(each_write(1));
    for (number, writes) in (1..).zip(changes) {
        let at = NOW.plus_seconds(number);
        let doomed = Change { preconditions: vec![], writes: writes.clone(), at };
        for statement in 0..STATEMENTS_MAX {
            let before = store.everything().await;
            let rows_before = store.observer.rows().len();
            backend.fail_statement(at, statement);
            // Nothing but the doomed change is in this batch: it leaves nothing.
            let alone = store.storage.apply(doomed.clone()).await;
            if !backend.clear_failures() {
                assert!(alone.is_ok(), "{writes:?}: {alone:?}");
                assert!(statement > 0, "each change has a statement: {writes:?}");
                break;
            }
            check_not_done(&alone);
            assert_eq!(store.everything().await, before, "statement {statement} of {writes:?}");
            assert_eq!(store.observer.rows().len(), rows_before);
            // Between two others it leaves nothing, and they stay.
            let held = store.hold().await;
            backend.fail_statement(at, statement);
            marks += 1;
            let mark = |name| {
                let value = marks.to_be_bytes().to_vec();
                store.storage.apply(change(vec![], vec![Write::PutSetting { name, value }]))
            };
            let earlier = mark("earlier");
            let between = store.storage.apply(doomed.clone());
            let later = mark("later");
            held.release().await;
            check_not_done(&between.await);
            assert!(earlier.await.is_ok() && later.await.is_ok());
            assert!(backend.clear_failures());
            for name in ["earlier", "later"] {
                let found = store.storage.find_setting(name).await.unwrap();
                assert_eq!(found, Some(marks.to_be_bytes().to_vec()));
            }
            let rows = store.storage.log_after(lydian_revocation::Seq::ZERO, 10_000).await.unwrap();
            assert!(rows.iter().all(|row| row.at != at), "statement {statement} of {writes:?}");
        }
    }
}

fn check_not_done(outcome: &Result<lydian_revocation::LogPosition, ApplyError>) {
    match outcome {
        Err(ApplyError::Unavailable(unavailable)) => assert!(!unavailable.outcome_is_unknown()),
        other => panic!("the change cannot have been made: {other:?}"),
    }
}

pub async fn r3_a_commit_that_failed_has_an_unknown_outcome_and_did_not_happen(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let position = store.write(vec![Write::PutRealm(realm(1))]).await;
    backend.fail_commit(CommitFailure::NotMade);
    check_unknown(
        store.storage.apply(change(vec![], vec![cut(CutKind::User, 5), Write::PutApi(api(1))])).await,
    );
    wait_until_written(&store).await;
    let told = store.observer.told();
    let lost = told.iter().position(|told| matches!(told, Told::LostTrack)).unwrap();
    assert!(matches!(told[lost + 1], Told::CaughtUp), "{told:?}");
    assert_eq!(store.storage.head().await.unwrap(), position);
    assert_eq!(store.storage.load_records().await.unwrap().len(), 1);
    assert_eq!(store.observer.rows().len(), 1);
    assert_eq!(store.write(vec![Write::PutApi(api(1))]).await.seq, position.seq.next());
}

pub async fn r3_a_commit_that_failed_and_happened_is_given_to_the_observer_before_it_hears_all_clear(
    backend: &impl Backend,
) {
    let store = Store::open(backend).await;
    let position = store.write(vec![Write::PutRealm(realm(1))]).await;
    backend.fail_commit(CommitFailure::Made);
    check_unknown(
        store.storage.apply(change(vec![], vec![cut(CutKind::User, 5), Write::PutApi(api(1))])).await,
    );
    wait_until_written(&store).await;
    let told = store.observer.told();
    let lost = told.iter().position(|told| matches!(told, Told::LostTrack)).unwrap();
    let caught_up = told.iter().position(|told| matches!(told, Told::CaughtUp)).unwrap();
    let [Told::Committed(rows, records)] = &told[lost + 1..caught_up] else { panic!("{told:?}") };
    assert_eq!(rows.first().map(|row| row.seq), Some(position.seq.next()));
    assert_eq!(rows.last().map(|row| row.position()), Some(store.storage.head().await.unwrap()));
    assert_same(records, &[crate::Record::Api(api(1))]);
    // The rows of all tellings together are the log.
    assert_eq!(
        store.observer.rows(),
        store.storage.log_after(lydian_revocation::Seq::ZERO, 10).await.unwrap()
    );
}

fn check_unknown(outcome: Result<lydian_revocation::LogPosition, ApplyError>) {
    match outcome {
        Err(ApplyError::Unavailable(unavailable)) => assert!(unavailable.outcome_is_unknown()),
        other => panic!("the outcome cannot be known: {other:?}"),
    }
}

/// Writes until the store takes writes again. It pauses after a failure; meanwhile it refuses at once.
async fn wait_until_written(store: &Store) {
    loop {
        let at = Timestamp::EPOCH;
        let writes = vec![Write::PutSetting { name: "again", value: vec![] }];
        match store.storage.apply(Change { preconditions: vec![], writes, at }).await {
            Ok(_) => return,
            Err(ApplyError::Unavailable(unavailable)) => assert!(!unavailable.outcome_is_unknown()),
            Err(ApplyError::Conflict(conflict)) => panic!("{conflict}"),
        }
        tokio::task::yield_now().await;
    }
}
