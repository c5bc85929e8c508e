use std::time::Duration;

use lydian_primitives::{BootInstant, Timestamp};
use lydian_revocation::{CutKind, Death, Event, LeaseTerms, Ledger, Link, LogPosition, LogRow, Renewal, Seq};

use super::support::*;
use crate::{
    Facts, Presented, Profile, Rejection, Requirements, RevocationView, Standing, Watermarks, coordinates,
    decide, introspection_facts, verify,
};

fn profile_with_feed() -> Profile {
    builder().with_feed().build().unwrap()
}

/// A token as the authorization server of the feed mints it, at log position 5.
fn minted() -> Vec<(&'static str, &'static str)> {
    vec![
        ("minted_at", "5"),
        ("lyd_grant", "\"AAAAAAAAAAAAAAAAAAAAAw\""),
        ("lyd_session", "\"AAAAAAAAAAAAAAAAAAAABQ\""),
        ("lyd_subject", "\"AAAAAAAAAAAAAAAAAAAABA\""),
    ]
}

fn facts() -> Facts {
    verify(&token_with(&minted()), &keys(), &profile_with_feed()).unwrap()
}

fn ledger(events: &[(u64, Event)]) -> Ledger {
    let ledger = Ledger::new(LogPosition { seq: Seq::from_number(9), link: Link::NONE });
    ledger.hold_lease();
    for (seq, event) in events {
        ledger.restore(&LogRow {
            reach: lydian_revocation::Reach::default(),
            seq: Seq::from_number(*seq),
            link: Link::NONE,
            event_id: u128::from(*seq),
            at: at(NOW),
            event: *event,
        });
    }
    ledger
}

fn decide_under(facts: &Facts, profile: &Profile, revocation: RevocationView<'_>) -> Option<Rejection> {
    let keys = keys();
    let standing = Standing { profile, keys: &keys, revocation, now: at(NOW) };
    rejection_of(decide(facts, &Requirements::none(), &Presented::BEARER, &standing))
}

fn with_feed(facts: &Facts, ledger: &Ledger) -> Option<Rejection> {
    let view = ledger.view(BootInstant::from_nanoseconds(1)).expect("the lease is held");
    decide_under(facts, &profile_with_feed(), RevocationView::Feed(view))
}

#[test]
fn v28_a_revoked_token_is_refused_although_its_facts_are_at_hand() {
    let facts = facts();
    assert_eq!(with_feed(&facts, &ledger(&[])), None);
    let expires_at = at(EXPIRES_AT);
    let revoked = Event::Revoked { token: 7, expires_at };
    let death = Death::Revoked(Seq::from_number(3));
    assert_eq!(with_feed(&facts, &ledger(&[(3, revoked)])), Some(Rejection::Revoked(death)));
    let other = Event::Revoked { token: 8, expires_at };
    assert_eq!(with_feed(&facts, &ledger(&[(3, other)])), None);
}

#[test]
fn v29_one_cut_kills_what_was_minted_before_it_in_each_dimension() {
    let facts = facts();
    let key = facts.coordinates().key.unwrap();
    for (kind, subject) in [
        (CutKind::Grant, 3),
        (CutKind::Session, 5),
        (CutKind::User, 4),
        (CutKind::Client, coordinates::of_client("app")),
        (CutKind::Key, key),
        (CutKind::Realm, coordinates::of_issuer(ISSUER)),
    ] {
        let cut = Event::Cut { kind, subject };
        for (position, is_dead) in [(4, false), (5, false), (6, true)] {
            let death = Death::Cut(kind, Seq::from_number(position));
            let expected = is_dead.then_some(Rejection::Revoked(death));
            assert_eq!(with_feed(&facts, &ledger(&[(position, cut)])), expected, "{kind:?} at {position}");
        }
        // The later of two counts, in whatever order they come.
        let death = Some(Rejection::Revoked(Death::Cut(kind, Seq::from_number(8))));
        assert_eq!(with_feed(&facts, &ledger(&[(8, cut), (2, cut)])), death);
        assert_eq!(with_feed(&facts, &ledger(&[(2, cut), (8, cut)])), death);
        let other = Event::Cut { kind, subject: subject ^ 1 };
        assert_eq!(with_feed(&facts, &ledger(&[(8, other)])), None, "{kind:?} of another");
    }
}

#[test]
fn v29_of_several_watermarks_the_highest_counts() {
    let facts = facts_with(&[("sid", "\"s1\"")]);
    let user = coordinates::of_handle("sub", "alice");
    let session = coordinates::of_handle("sid", "s1");
    let dimensions = [
        (CutKind::User, user),
        (CutKind::Session, session),
        (CutKind::Client, coordinates::of_client("app")),
        (CutKind::Realm, coordinates::of_issuer(ISSUER)),
        (CutKind::Key, facts.coordinates().key.unwrap()),
    ];
    let under =
        |watermarks: &Watermarks| decide_under(&facts, &profile(), RevocationView::NoFeed(watermarks));
    for (kind, subject) in dimensions {
        for (first, second) in [(ISSUED_AT + 1, ISSUED_AT - 50), (ISSUED_AT - 50, ISSUED_AT + 1)] {
            let mut watermarks = Watermarks::new();
            watermarks.raise(kind, subject, at(first));
            watermarks.raise(kind, subject, at(second));
            assert_eq!(under(&watermarks), Some(Rejection::CutByWatermark), "{kind:?}");
        }
        // Low marks in all other dimensions do not lower this one.
        let mut watermarks = Watermarks::new();
        for (other, subject) in dimensions {
            watermarks.raise(other, subject, at(ISSUED_AT - 1_000));
        }
        assert_eq!(under(&watermarks), None);
        watermarks.raise(kind, subject, at(ISSUED_AT + 1));
        assert_eq!(under(&watermarks), Some(Rejection::CutByWatermark), "{kind:?}");
    }
}

#[test]
fn v30_a_token_of_the_second_of_the_watermark_lives_and_of_the_second_before_is_dead() {
    let facts = facts_with(&[]);
    for (mark, is_dead) in [(ISSUED_AT, false), (ISSUED_AT + 1, true)] {
        let mut watermarks = Watermarks::new();
        watermarks.raise(CutKind::Client, coordinates::of_client("app"), at(mark));
        let rejection = decide_under(&facts, &profile(), RevocationView::NoFeed(&watermarks));
        assert_eq!(rejection == Some(Rejection::CutByWatermark), is_dead);
    }
    // A token that does not say when it was issued may be from before.
    let tolerant = builder().forgive(crate::ForgivenClaim::IssuedAt).build().unwrap();
    let facts = verify(&token_with(&[("iat", "")]), &keys(), &tolerant).unwrap();
    let mut watermarks = Watermarks::new();
    watermarks.raise(CutKind::Client, coordinates::of_client("app"), Timestamp::from_unix_seconds(1));
    let rejection = decide_under(&facts, &tolerant, RevocationView::NoFeed(&watermarks));
    assert_eq!(rejection, Some(Rejection::CutByWatermark));
}

#[test]
fn v29_a_watermark_is_forgotten_when_no_token_can_meet_it() {
    let mut watermarks = Watermarks::new();
    watermarks.raise(CutKind::Client, 1, at(1_000));
    assert_eq!(watermarks.forget(at(1_000 + 300 + 60), 300), 0);
    assert_eq!(watermarks.forget(at(1_000 + 300 + 61), 300), 1);
}

#[test]
fn v32_without_a_lease_nobody_says_that_a_token_is_good() {
    let (profile, facts) = (profile_with_feed(), facts());
    let unknown = Some(Rejection::RevocationUnknown);
    assert_eq!(decide_under(&facts, &profile, RevocationView::Unknown), unknown);
    // A slip of the caller does not lose the feed.
    assert_eq!(decide_under(&facts, &profile, RevocationView::NoFeed(&Watermarks::new())), unknown);
    // The lease ends at its instant, by boot time.
    let ledger = Ledger::new(LogPosition::default());
    let terms = LeaseTerms::with_length(Duration::from_secs(2));
    let asked_at = BootInstant::from_nanoseconds(1);
    ledger.adopt(Renewal::begin(asked_at), LogPosition::default(), terms).unwrap();
    let view_at = |seconds, nanoseconds| {
        let now = asked_at.plus(Duration::new(seconds, nanoseconds));
        ledger.view(now).map_or(RevocationView::Unknown, RevocationView::Feed)
    };
    assert_eq!(decide_under(&facts, &profile, view_at(1, 999_999_999)), None);
    assert_eq!(decide_under(&facts, &profile, view_at(2, 0)), unknown);
}

#[test]
fn an_answer_of_the_issuer_in_this_request_needs_no_lease() {
    let profile = profile_with_feed();
    let answer = claims_with(&[("active", "true")]);
    let introspected = introspection_facts(answer.into_bytes(), "t", Seq::ZERO, &profile).unwrap();
    assert_eq!(decide_under(&introspected, &profile, RevocationView::IssuerAsked), None);
    // A signature alone says nothing about revocation.
    let unknown = Some(Rejection::RevocationUnknown);
    assert_eq!(decide_under(&facts(), &profile, RevocationView::IssuerAsked), unknown);
}

#[test]
fn the_ledger_says_nothing_about_a_token_that_may_outlive_its_memory() {
    let profile = profile_with_feed();
    let until = |seconds: u64| (ISSUED_AT + seconds).to_string();
    let ledger = ledger(&[]);
    for (changes, expected) in [
        (vec![("exp", until(86_400))], None),
        (vec![("exp", until(86_401))], Some(Rejection::RevocationUnknown)),
        (vec![("iat", String::new())], Some(Rejection::RevocationUnknown)),
    ] {
        let mut changes: Vec<(&str, &str)> = changes.iter().map(|(name, value)| (*name, &**value)).collect();
        changes.push(("active", "true"));
        let answer = claims_with(&changes);
        let facts = introspection_facts(answer.into_bytes(), "t", Seq::ZERO, &profile).unwrap();
        assert_eq!(with_feed(&facts, &ledger), expected, "{changes:?}");
    }
}

#[test]
fn v22_an_answer_about_a_user_who_changed_since_is_stale() {
    let profile = profile_with_feed();
    let mut changes = minted();
    changes.push(("active", "true"));
    let asked_at = |seq| {
        let answer = claims_with(&changes).into_bytes();
        introspection_facts(answer, "t", Seq::from_number(seq), &profile).unwrap()
    };
    let ledger = ledger(&[(7, Event::UserChanged { user: 4 })]);
    assert_eq!(with_feed(&asked_at(6), &ledger), Some(Rejection::FactsStale));
    assert_eq!(with_feed(&asked_at(7), &ledger), None);
    // What a JWT says is as it was when it was minted.
    assert_eq!(with_feed(&facts(), &ledger), None);
}

#[test]
fn a_token_of_another_issuer_has_no_position_and_dies_by_any_cut_of_its_client() {
    let facts = verify(&token_with(&[]), &keys(), &profile_with_feed()).unwrap();
    let cut = Event::Cut { kind: CutKind::Client, subject: coordinates::of_client("app") };
    let death = Death::Cut(CutKind::Client, Seq::from_number(1));
    assert_eq!(with_feed(&facts, &ledger(&[(1, cut)])), Some(Rejection::Revoked(death)));
}

#[test]
fn v07_with_a_feed_a_token_has_no_leeway_at_its_end() {
    let (profile, keys, ledger) = (profile_with_feed(), keys(), ledger(&[]));
    let facts = facts();
    for (now, expected) in
        [(EXPIRES_AT - 1, None), (EXPIRES_AT, Some(Rejection::Expired)), (ISSUED_AT - 12, None)]
    {
        let revocation = RevocationView::Feed(ledger.view(BootInstant::from_nanoseconds(1)).unwrap());
        let standing = Standing { profile: &profile, keys: &keys, revocation, now: at(now) };
        let decision = decide(&facts, &Requirements::none(), &Presented::BEARER, &standing);
        assert_eq!(rejection_of(decision), expected, "at {now}");
    }
}
