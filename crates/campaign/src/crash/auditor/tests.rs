use super::*;

const APP: &str = "app";

fn issue(intent: u64) -> Line {
    Line::Issue { intent, client: APP.to_owned() }
}

fn issued(intent: u64) -> Line {
    Line::Issued { intent, token: format!("token-{intent}") }
}

fn revoke(intent: u64, token: u64) -> Line {
    Line::Revoke { intent, token }
}

fn cut(intent: u64) -> Line {
    Line::Cut { intent, client: APP.to_owned() }
}

fn acknowledged(intent: u64) -> Line {
    Line::Acknowledged { intent }
}

fn seen(token: u64, asked_at: u64, active: bool) -> Line {
    Line::Seen { token, asked_at, active, jti: None }
}

fn read(lines: &[Line]) -> Auditor {
    let mut auditor = Auditor::default();
    auditor.read(lines);
    auditor
}

#[track_caller]
fn expected(lines: &[Line], token: u64, expected: Expected) {
    let auditor = read(lines);
    assert_eq!(auditor.tokens()[&token].expected(), expected, "{auditor:?}");
    assert!(auditor.violations.is_empty(), "{auditor:?}");
}

/// How many were lost and revived.
#[track_caller]
fn broken(lines: &[Line], lost: u64, revived: u64) {
    let auditor = read(lines);
    assert_eq!((auditor.lost, auditor.revived), (lost, revived), "{auditor:?}");
    assert_eq!(auditor.violations.len() as u64, lost + revived, "{auditor:?}");
}

#[test]
fn a_token_is_expected_by_what_was_sent_and_acknowledged() {
    let base = [issue(1), issued(1)];
    let with = |more: &[Line]| [&base[..], more].concat();
    expected(&base, 1, Expected::Active);
    expected(&with(&[revoke(9, 1)]), 1, Expected::Either);
    expected(&with(&[revoke(9, 1), acknowledged(9)]), 1, Expected::Dead);
    expected(&with(&[cut(9), acknowledged(9)]), 1, Expected::Dead);
    let of_another = Line::Cut { intent: 9, client: "other".to_owned() };
    expected(&with(&[of_another, acknowledged(9)]), 1, Expected::Active);
    // A cut that was over before the token was asked for does not concern it; one that overlaps may have come first or last.
    expected(&[cut(9), acknowledged(9), issue(1), issued(1)], 1, Expected::Active);
    expected(&[cut(9), issue(1), acknowledged(9), issued(1)], 1, Expected::Either);
    expected(&[issue(1), cut(9), issued(1), acknowledged(9)], 1, Expected::Either);
}

#[test]
fn a_lost_issue_is_found() {
    broken(&[issue(1), issued(1), Line::Killed, seen(1, 3, false)], 1, 0);
    broken(&[issue(1), issued(1), Line::Killed, seen(1, 3, true)], 0, 0);
    // What was asked for and not answered is owed nothing.
    broken(&[issue(1), Line::Killed, seen(1, 2, false)], 0, 0);
}

#[test]
fn a_revived_kill_is_found() {
    let base = [issue(1), issued(1), revoke(9, 1), acknowledged(9)];
    let with = |more: &[Line]| [&base[..], more].concat();
    broken(&with(&[Line::Killed, seen(1, 5, true)]), 0, 1);
    broken(&with(&[Line::Killed, seen(1, 5, false)]), 0, 0);
    // Asked before the acknowledgement, it may say either.
    broken(&with(&[seen(1, 3, true)]), 0, 0);
    broken(&with(&[seen(1, 4, true)]), 0, 1);
    broken(&[issue(1), issued(1), cut(9), acknowledged(9), Line::Killed, seen(1, 5, true)], 0, 1);
}

#[test]
fn what_was_in_flight_at_the_kill_is_excused_until_it_is_seen() {
    let base = [issue(1), issued(1), cut(9), Line::Killed];
    let with = |more: &[Line]| [&base[..], more].concat();
    expected(&base, 1, Expected::Either);
    expected(&with(&[seen(1, 4, false)]), 1, Expected::Dead);
    expected(&with(&[seen(1, 4, true)]), 1, Expected::Active);
    // Once seen it is fixed: an answer that was asked for later says the same.
    broken(&with(&[seen(1, 4, false), seen(1, 5, true)]), 0, 1);
    broken(&with(&[seen(1, 4, true), seen(1, 5, false)]), 1, 0);
    // So it is for answers that overlap, because the cut was over with the kill.
    broken(&with(&[seen(1, 4, false), seen(1, 4, true)]), 0, 1);
    // While the server lives, answers that overlap may differ.
    broken(&[issue(1), issued(1), revoke(9, 1), seen(1, 3, false), seen(1, 3, true)], 0, 0);
    broken(&[issue(1), issued(1), revoke(9, 1), seen(1, 3, false), seen(1, 4, true)], 0, 1);
}

#[test]
fn what_was_in_flight_at_a_kill_excuses_no_later_token() {
    let later = [cut(9), Line::Killed, issue(1), issued(1)];
    expected(&later, 1, Expected::Active);
    broken(&[&later[..], &[seen(1, 4, false)]].concat(), 1, 0);
    let of_revocation =
        [issue(1), issued(1), revoke(9, 1), Line::Killed, issue(2), issued(2), seen(2, 6, false)];
    broken(&of_revocation, 1, 0);
}

#[test]
fn the_effect_of_a_cut_is_one_for_all_tokens_of_its_client() {
    let base = [issue(1), issued(1), issue(2), issued(2), issue(3), cut(9), issued(3), Line::Killed];
    let with = |more: &[Line]| [&base[..], more].concat();
    // It happened, so that what was issued before it is dead; what was issued beside it may be either.
    expected(&with(&[seen(1, 8, false)]), 2, Expected::Dead);
    expected(&with(&[seen(1, 8, false)]), 3, Expected::Either);
    expected(&with(&[seen(3, 8, false)]), 2, Expected::Dead);
    broken(&with(&[seen(1, 8, false), seen(2, 9, true)]), 0, 1);
    // It did not, so that it concerns nobody.
    expected(&with(&[seen(1, 8, true)]), 2, Expected::Active);
    expected(&with(&[seen(1, 8, true)]), 3, Expected::Active);
    broken(&with(&[seen(1, 8, true), seen(2, 9, false)]), 1, 0);
    // A token that was issued beside it says nothing of it when it lives.
    expected(&with(&[seen(3, 8, true)]), 2, Expected::Either);
    // With two that may have, one of them did, and nobody knows which.
    let two = [issue(1), issued(1), issue(2), issued(2), cut(8), cut(9), Line::Killed, seen(1, 7, false)];
    expected(&two, 2, Expected::Either);
}

#[test]
fn tokens_and_identifiers_are_given_once() {
    let again = Line::Issued { intent: 2, token: "token-1".to_owned() };
    assert_eq!(read(&[issue(1), issued(1), issue(2), again]).violations.len(), 1);
    let named = |token| Line::Seen { token, asked_at: 4, active: true, jti: Some("a".to_owned()) };
    let base = [issue(1), issued(1), issue(2), issued(2), named(1)];
    assert!(read(&[&base[..], &[named(1)]].concat()).violations.is_empty());
    assert_eq!(read(&[&base[..], &[named(2)]].concat()).violations.len(), 1);
}

#[test]
fn what_is_kept_stays_bounded_and_keeps_what_is_not_settled() {
    let mut rng = Rng::with_seed(1);
    let mut auditor = Auditor::default();
    let (mut intents, mut most) = (0, 0);
    for _ in 0..30 {
        for _ in 0..1_000 {
            auditor.read(&[issue(intents), issued(intents)]);
            intents += 1;
        }
        // Half of them die, and all is seen twice.
        for token in (intents - 1_000..intents).step_by(2) {
            let asked_at = auditor.at + 2;
            auditor.read(&[revoke(intents, token), acknowledged(intents)]);
            auditor.read(&[seen(token, asked_at, false), seen(token, asked_at + 1, false)]);
            intents += 1;
        }
        auditor.read(&[Line::Killed]);
        auditor.forget(&mut rng);
        most = most.max(auditor.tokens().len());
        assert!(auditor.kills.is_empty(), "{:?}", auditor.kills);
    }
    assert!(auditor.violations.is_empty());
    assert!(most <= ACTIVE_KEPT + DEAD_KEPT + 2_000, "{most}");
}

#[test]
fn what_is_owed_an_answer_is_kept_however_old_and_however_many() {
    let many = ACTIVE_KEPT as u64 + DEAD_KEPT as u64;
    let mut auditor = Auditor::default();
    for intent in 0..many {
        auditor.read(&[issue(intent), issued(intent)]);
    }
    auditor.read(&[cut(many)]);
    let kill_twenty_times = |auditor: &mut Auditor| {
        for _ in 0..20 {
            auditor.read(&[Line::Killed]);
            auditor.forget(&mut Rng::with_seed(1));
        }
    };
    kill_twenty_times(&mut auditor);
    assert_eq!(auditor.tokens().len() as u64, many, "nobody has said what became of them");
    // The cut happened, so that all of them are dead, and one of them was seen so.
    let asked_at = auditor.at;
    auditor.read(&[seen(0, asked_at, false)]);
    kill_twenty_times(&mut auditor);
    assert_eq!(auditor.tokens().len() as u64, many, "nobody has seen them dead");
    let (asked_at, all) = (auditor.at, 0..many);
    for intent in all.clone().chain(all) {
        auditor.read(&[seen(intent, asked_at, false)]);
    }
    kill_twenty_times(&mut auditor);
    assert_eq!(auditor.tokens().len(), DEAD_KEPT);
    assert!(auditor.violations.is_empty());
}
