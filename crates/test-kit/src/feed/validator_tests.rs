use std::time::Duration;

use lydian_primitives::Timestamp;
use lydian_revocation::Link;
use lydian_revocation::feed::DigestValue;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(seq: u64) -> LogPosition {
    LogPosition { seq: Seq::from_number(seq), link: Link::from_bits(seq * 31) }
}

fn event(seq: u64, kind: FeedKind, key: u128) -> FeedEvent {
    FeedEvent { seq: Seq::from_number(seq), kind, key, until: Timestamp::from_unix_seconds(7_200) }
}

fn batch(after: u64, through: u64, events: Vec<FeedEvent>) -> Batch {
    Batch { epoch: 1, after: at(after), through: at(through), digest: None, events }
}

fn grant(head: u64, last: u64) -> LeaseGrant {
    let lease = Duration::from_secs(2);
    LeaseGrant { epoch: 1, head: at(head), last: Seq::from_number(last), lease }
}

fn now(seconds: u64) -> BootInstant {
    BootInstant::from_nanoseconds(seconds * SECOND)
}

/// One that stands at 10 and holds a lease until second 2.
fn fresh() -> Validator {
    let mut validator = Validator::new(1);
    validator.load(SnapshotHeader { epoch: 1, position: at(10) }, &[], ViewDigest::default());
    validator.granted(now(0), grant(10, 10)).unwrap();
    validator
}

fn token(token: u128, minted_at: u64) -> TokenFacts {
    TokenFacts { token, minted_at: Seq::from_number(minted_at), client: 5, grant: 6, ..TokenFacts::default() }
}

#[test]
fn nothing_is_said_before_a_snapshot_and_a_lease() {
    let mut validator = Validator::new(1);
    assert_eq!(validator.judge(&token(1, 0), now(0)), Verdict::NotFresh);
    assert_eq!(validator.take(&batch(0, 5, vec![])), Err(Fault::Gap));
    assert_eq!(validator.granted(now(0), grant(10, 0)), Err(Fault::Diverged));
    validator.load(SnapshotHeader { epoch: 1, position: at(10) }, &[], ViewDigest::default());
    assert_eq!(validator.judge(&token(1, 0), now(0)), Verdict::NotFresh);
}

#[test]
fn a_lease_counts_from_before_it_was_asked_for_and_ends_at_its_instant() {
    let validator = fresh();
    assert_eq!(validator.judge(&token(1, 0), BootInstant::from_nanoseconds(2 * SECOND - 1)), Verdict::Good);
    assert_eq!(validator.judge(&token(1, 0), now(2)), Verdict::NotFresh);
}

#[test]
fn a_lease_is_taken_only_when_everything_that_it_is_made_of_is_applied() {
    let mut validator = fresh();
    validator.granted(now(1), grant(14, 12)).unwrap();
    assert!(!validator.is_fresh(now(2)));
    validator.take(&batch(10, 11, vec![event(11, FeedKind::Token, 7)])).unwrap();
    assert!(!validator.is_fresh(now(2)));
    validator.take(&batch(11, 12, vec![event(12, FeedKind::Token, 8)])).unwrap();
    assert!(validator.is_fresh(now(2)) && !validator.is_fresh(now(3)));
    // With the lease it knows its view up to the head, and says so.
    assert_eq!(validator.request().applied, at(14));
}

#[test]
fn what_is_missing_is_noticed_and_what_comes_twice_changes_nothing() {
    let mut validator = fresh();
    assert_eq!(validator.take(&batch(11, 12, vec![event(12, FeedKind::Token, 8)])), Err(Fault::Gap));
    assert_eq!(validator.judge(&token(8, 0), now(1)), Verdict::Good);
    let first = batch(10, 12, vec![event(12, FeedKind::Token, 8)]);
    for _ in 0..3 {
        validator.take(&first).unwrap();
    }
    assert_eq!((validator.judge(&token(8, 0), now(1)), validator.sizes()), (Verdict::Revoked, (1, 0)));
    let older = batch(8, 11, vec![event(9, FeedKind::Token, 9)]);
    validator.take(&older).unwrap();
    assert_eq!(validator.position().seq, Seq::from_number(12));
}

#[test]
fn a_cut_kills_what_was_minted_before_it_in_every_dimension() {
    for (kind, key) in [
        (FeedKind::Client, 5),
        (FeedKind::Grant, 6),
        (FeedKind::Key, 9),
        (FeedKind::Realm, 0),
        (FeedKind::Session, 7),
        (FeedKind::Subject, 8),
    ] {
        let mut validator = fresh();
        validator.take(&batch(10, 12, vec![event(12, kind, key)])).unwrap();
        let minted = |at| TokenFacts { session: Some(7), subject: Some(8), key: Some(9), ..token(1, at) };
        assert_eq!(validator.judge(&minted(11), now(1)), Verdict::Revoked, "{kind:?}");
        assert_eq!(validator.judge(&minted(12), now(1)), Verdict::Good, "{kind:?}");
        let other = TokenFacts { client: 50, grant: 60, ..token(1, 11) };
        let expected = if kind == FeedKind::Realm { Verdict::Revoked } else { Verdict::Good };
        assert_eq!(validator.judge(&other, now(1)), expected, "{kind:?}");
    }
}

/// Something that comes, and what a validator says of it.
type Case = Box<dyn Fn(&mut Validator) -> Result<(), Fault>>;

#[test]
fn another_history_ends_the_lease_wherever_it_shows() {
    let other = |seq| LogPosition { link: Link::from_bits(4_711), ..at(seq) };
    let mut cases: Vec<Case> = vec![
        Box::new(|one| one.take(&Batch { epoch: 2, ..batch(10, 12, vec![]) })),
        Box::new(|one| one.granted(now(1), LeaseGrant { epoch: 2, ..grant(10, 10) })),
    ];
    cases.push(Box::new(move |one| one.take(&Batch { after: other(10), ..batch(10, 12, vec![]) })));
    cases.push(Box::new(move |one| one.take(&Batch { through: other(10), ..batch(9, 10, vec![]) })));
    cases.push(Box::new(move |one| one.granted(now(1), LeaseGrant { head: other(10), ..grant(10, 10) })));
    for (index, case) in cases.iter().enumerate() {
        let mut validator = fresh();
        assert_eq!(case(&mut validator), Err(Fault::Diverged), "{index}");
        assert!(!validator.is_fresh(now(0)), "{index}");
    }
}

#[test]
fn a_copy_that_lost_something_is_found_by_its_digest() {
    let mut digest = ViewDigest::default();
    let (first, second) = (event(11, FeedKind::Token, 1), event(12, FeedKind::Token, 2));
    digest.add(&first);
    digest.add(&second);
    let say = |value: DigestValue| Batch { digest: Some(value), ..batch(10, 12, vec![first, second]) };
    let mut validator = fresh();
    validator.take(&say(digest.value(1))).unwrap();
    assert!(validator.is_fresh(now(1)));
    let mut validator = fresh();
    let lost = Batch { events: vec![second], ..say(digest.value(1)) };
    assert_eq!(validator.take(&lost), Err(Fault::Digest));
    assert!(!validator.is_fresh(now(1)));
}

#[test]
fn a_new_snapshot_takes_nothing_back() {
    let mut validator = fresh();
    validator.take(&batch(10, 12, vec![event(12, FeedKind::Token, 8)])).unwrap();
    validator.load(SnapshotHeader { epoch: 2, position: at(90) }, &[], ViewDigest::default());
    assert!(!validator.is_fresh(now(1)));
    validator.granted(now(1), LeaseGrant { epoch: 2, ..grant(90, 90) }).unwrap();
    assert_eq!(validator.judge(&token(8, 0), now(2)), Verdict::Revoked);
}
