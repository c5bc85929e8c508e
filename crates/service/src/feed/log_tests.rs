use lydian_primitives::Hour;
use lydian_revocation::Link;

use super::*;

const REALM: u64 = 1;
const API: u64 = 2;

fn row(seq: u64, event: Event, reach: Reach) -> LogRow {
    LogRow {
        seq: Seq::from_number(seq),
        link: Link::from_bits(seq * 31),
        event_id: u128::from(seq),
        at: Timestamp::from_unix_seconds(1_000_000),
        event,
        reach,
    }
}

fn revoked(seq: u64, api: u64) -> LogRow {
    let expires_at = Timestamp::from_unix_seconds(1_003_600 + seq);
    row(seq, Event::Revoked { token: u128::from(seq), expires_at }, Reach::api(REALM, api))
}

fn cut(seq: u64, kind: CutKind, reach: Reach) -> LogRow {
    row(seq, Event::Cut { kind, subject: 7 }, reach)
}

fn groups(realm: u64, api: u64) -> [Group; 3] {
    [Group::Everybody, Group::Realm(realm), Group::Api(api)]
}

fn log(rows: &[LogRow]) -> RecentLog {
    let mut log = RecentLog::new(LogPosition::default());
    log.append(rows, &|_, _| None);
    log
}

fn seqs(log: &RecentLog, groups: [Group; 3], after: u64) -> Vec<u64> {
    let found = log.events_after(&groups, Seq::from_number(after)).unwrap_or_else(|Missed| panic!("{after}"));
    assert_eq!(found.through, log.head());
    found.entries.iter().map(|entry| entry.seq.as_number()).collect()
}

#[test]
fn a_view_has_what_its_api_could_hold_and_what_nobody_knows_better() {
    let everywhere = Reach::default();
    let log = log(&[
        revoked(1, API),
        revoked(2, 3),
        cut(3, CutKind::User, Reach::realm(REALM)),
        cut(4, CutKind::User, Reach::realm(9)),
        cut(5, CutKind::Grant, everywhere),
        revoked(6, Reach::ISSUER),
        cut(7, CutKind::Grant, Reach::api(REALM, API)),
        row(
            8,
            Event::RecordChanged { kind: RecordKind::Api, record: 2 },
            Reach { api: Some(API), ..everywhere },
        ),
        row(9, Event::RecordChanged { kind: RecordKind::Realm, record: 1 }, everywhere),
    ]);
    assert_eq!(seqs(&log, groups(REALM, API), 0), [1, 3, 5, 7, 8]);
    assert_eq!(seqs(&log, groups(REALM, 3), 0), [2, 3, 5]);
    assert_eq!(seqs(&log, groups(9, 4), 0), [4, 5]);
    assert_eq!(seqs(&log, groups(REALM, API), 5), [7, 8]);
    assert_eq!(log.last(&groups(REALM, 3)), Seq::from_number(5));
    let everything = log.everything(&groups(REALM, API));
    let mut found: Vec<u64> = everything.entries().map(|entry| entry.seq.as_number()).collect();
    found.sort_unstable();
    assert_eq!(found, [1, 3, 5, 7, 8]);
}

#[test]
fn a_client_is_known_by_name_and_an_old_row_by_the_name_of_today() {
    let named = Reach::realm(REALM).named("app");
    let rows = [cut(1, CutKind::Client, named), cut(2, CutKind::Client, Reach::realm(REALM))];
    let mut log = RecentLog::new(LogPosition::default());
    log.append(&rows, &|kind, subject| (kind == CutKind::Client && subject == 7).then_some(4_711));
    let found = log.events_after(&groups(REALM, API), Seq::ZERO).unwrap_or_else(|Missed| panic!("kept"));
    let names: Vec<u128> = found.entries.iter().map(Entry::name).collect();
    assert_eq!(names, [lydian_revocation::name_key("app"), 4_711]);
}

#[test]
fn a_position_that_is_not_kept_or_was_never_here_is_missed() {
    let rows: Vec<LogRow> = (1..=limits::FEED_ROWS_MAX as u64 + 10).map(|seq| revoked(seq, API)).collect();
    let log = log(&rows);
    let missed = |after| log.events_after(&groups(REALM, API), Seq::from_number(after)).is_err();
    assert!(missed(0) && missed(9) && !missed(10));
    let head = log.head().seq.as_number();
    assert!(!missed(head) && missed(head + 1));
}

#[test]
fn a_batch_is_bounded_and_says_how_far_it_goes() {
    let many = limits::FEED_BATCH_EVENTS_MAX as u64;
    for (rows, cut_off) in [(many, false), (many + 1, true)] {
        let log = log(&(1..=rows).map(|seq| revoked(seq, API)).collect::<Vec<_>>());
        let found = log.events_after(&groups(REALM, API), Seq::ZERO).unwrap_or_else(|Missed| panic!("kept"));
        assert_eq!((found.entries.len() as u64, found.is_cut_off), (many, cut_off));
        assert_eq!(found.through.seq, Seq::from_number(many));
    }
}

#[test]
fn what_has_expired_leaves_and_what_lives_long_leaves_after_the_horizon() {
    let never = Hour::NEVER.start();
    let mut log = log(&[
        revoked(1, API),
        row(2, Event::Revoked { token: 2, expires_at: never }, Reach::api(REALM, API)),
    ]);
    let count = |log: &RecentLog| log.everything(&groups(REALM, API)).entries().count();
    log.forget(Timestamp::from_unix_seconds(1_003_600));
    assert_eq!(count(&log), 2);
    log.forget(Timestamp::from_unix_seconds(1_003_601));
    assert_eq!(count(&log), 1);
    log.forget(Timestamp::from_unix_seconds(1_000_000 + HORIZON.as_secs()));
    assert_eq!(count(&log), 0);
    // It is forgotten as state; the number stays the last one of the view.
    assert_eq!(log.last(&groups(REALM, API)), Seq::from_number(2));
}
