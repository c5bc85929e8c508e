use super::*;

const DAY: u64 = 86_400;
const THEN: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const POLICY: RotationPolicy = RotationPolicy { rotation_seconds: 90 * DAY, prepublication_seconds: DAY };

fn id(number: u64) -> KeyId {
    KeyId::from_number(number)
}

/// A key that has stood in its state since [`THEN`], and that this process has seen ever since.
fn key(number: u64, state: KeyState, now: Timestamp) -> KeyStanding {
    let seen_for = Duration::from_secs(now.seconds_since(THEN));
    KeyStanding { id: id(number), state, changed_at: THEN, seen_for, last_expiry: None }
}

/// What is due after this many seconds for keys in these states.
fn after(seconds: u64, states: &[KeyState]) -> Vec<RotationStep> {
    let now = THEN.plus_seconds(seconds);
    let keys: Vec<_> = (1..).zip(states).map(|(number, state)| key(number, *state, now)).collect();
    due(&keys, POLICY, now, true)
}

#[test]
fn a_successor_is_published_ahead_of_the_schedule_and_signs_on_it() {
    use KeyState::{Active, Prepublished};
    assert_eq!(after(89 * DAY - 1, &[Active]), []);
    assert_eq!(after(89 * DAY, &[Active]), [RotationStep::Prepublish]);
    assert_eq!(after(DAY - 1, &[Active, Prepublished]), []);
    assert_eq!(after(DAY, &[Active, Prepublished]), [RotationStep::Activate(id(2))]);
}

#[test]
fn a_key_signs_only_after_this_process_has_published_it_for_as_long_as_caches_may_keep_the_set() {
    let now = THEN.plus_seconds(365 * DAY);
    let successor = |seconds| KeyStanding {
        seen_for: Duration::from_secs(seconds),
        ..key(2, KeyState::Prepublished, now)
    };
    let steps = |seconds| due(&[key(1, KeyState::Active, now), successor(seconds)], POLICY, now, true);
    assert_eq!(steps(PUBLICATION_SECONDS_MIN - 1), [], "the wall clock has jumped by a year");
    assert_eq!(steps(PUBLICATION_SECONDS_MIN), [RotationStep::Activate(id(2))]);
}

#[test]
fn a_key_published_under_a_clock_that_was_ahead_signs_all_the_same() {
    let ahead = KeyStanding {
        changed_at: THEN.plus_seconds(3_650 * DAY),
        ..key(2, KeyState::Prepublished, THEN.plus_seconds(DAY))
    };
    let active = key(1, KeyState::Active, THEN.plus_seconds(DAY));
    let steps = due(&[active, ahead], POLICY, THEN.plus_seconds(DAY), true);
    assert_eq!(steps, [RotationStep::Activate(id(2))]);
}

#[test]
fn a_key_stays_published_for_the_longest_lifetime_that_its_tokens_can_have() {
    let end = HORIZON.as_secs() + limits::KEY_RETIREMENT_MARGIN_SECONDS;
    assert_eq!(after(end - 1, &[KeyState::Active, KeyState::Retiring]), []);
    assert_eq!(after(end, &[KeyState::Active, KeyState::Retiring]), [RotationStep::Retire(id(2))]);
}

#[test]
fn a_key_stays_published_while_a_token_was_counted_that_lives() {
    let last_expiry = Some(THEN.plus_seconds(3 * DAY).hour());
    let steps = |now: Timestamp| {
        due(&[KeyStanding { last_expiry, ..key(1, KeyState::Retiring, now) }], POLICY, now, false)
    };
    let end = THEN.plus_seconds(3 * DAY).hour().next().start();
    let end = end.plus_seconds(limits::KEY_RETIREMENT_MARGIN_SECONDS);
    assert_eq!(steps(end.minus_seconds(1)), []);
    assert_eq!(steps(end), [RotationStep::Retire(id(1))]);
}

#[test]
fn what_is_needed_has_an_active_key_at_all_times() {
    assert_eq!(after(0, &[]), [RotationStep::Create]);
    assert_eq!(after(0, &[KeyState::Retiring]), [RotationStep::Create]);
    assert_eq!(after(0, &[KeyState::Prepublished]), [RotationStep::Activate(id(1))]);
    assert_eq!(due(&[], POLICY, THEN, false), []);
}

#[test]
fn without_a_schedule_only_what_an_administrator_published_goes_on() {
    let never = RotationPolicy { rotation_seconds: 0, ..POLICY };
    let now = THEN.plus_seconds(3_650 * DAY);
    let (active, successor) = (key(1, KeyState::Active, now), key(2, KeyState::Prepublished, now));
    assert_eq!(due(&[active], never, now, true), []);
    assert_eq!(due(&[active, successor], never, now, true), [RotationStep::Activate(id(2))]);
}

#[test]
fn the_bounds_of_a_policy_are_checked() {
    for (rotation, prepublication) in
        [(0, PUBLICATION_SECONDS_MIN), (90 * DAY, DAY), (DAY, DAY), (ROTATION_SECONDS_MAX, DAY)]
    {
        assert_eq!(RotationPolicy::check(rotation, prepublication), Ok(()), "{rotation} {prepublication}");
    }
    for (rotation, prepublication) in [
        (90 * DAY, PUBLICATION_SECONDS_MIN - 1),
        (DAY - 1, PUBLICATION_SECONDS_MIN),
        (DAY, DAY + 1),
        (ROTATION_SECONDS_MAX + 1, DAY),
        (0, ROTATION_SECONDS_MAX + 1),
    ] {
        assert!(RotationPolicy::check(rotation, prepublication).is_err(), "{rotation} {prepublication}");
    }
}
