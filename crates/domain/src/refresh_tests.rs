use lydian_revocation::{CutKind, Event};

use super::*;
use crate::introspect::ParentRows;
use crate::records::{Client, ClientAuthorization, Rotation};
use crate::test_fixtures::*;
use crate::token_id::TokenId;

const GRACE: u64 = 10;

fn decide(case: &Case, token: &RefreshToken, grace: u64) -> Result<Exchange, Rejection> {
    let ledger = ledger(CUT.as_number(), &case.events);
    let parents =
        ParentRows { grant: case.grant.as_ref(), session: case.session.as_ref(), user: case.user.as_ref() };
    let world = World {
        view: view(&ledger),
        now: case.now,
        realm_cut_at: case.realm_cut_at,
        client: case.owner.as_ref(),
        api: None,
        key: None,
        parents: Some(parents),
    };
    exchange(token, &case.caller, case.grant.as_ref(), grace, &world)
}

const INVALID: Result<Exchange, Rejection> =
    Err(Rejection { refusal: Refusal::RefreshTokenInvalid, kills_grant: false });
const REUSED: Result<Exchange, Rejection> =
    Err(Rejection { refusal: Refusal::RefreshTokenReused, kills_grant: true });

/// The token was replaced ten seconds after its issue, and its successor was not used yet.
fn replaced() -> (Case, RefreshToken) {
    let case = refresh_case().with(|case| {
        case.grant.iter_mut().for_each(|grant| {
            grant.refresh_token = TokenId::from_number(refresh_token().id.as_number() + 1);
            grant.rotation = Rotation {
                previous: Some(refresh_token().id),
                rotated_at: Some(ISSUED.plus_seconds(10)),
                sealed_successor: Some(vec![1]),
            };
        });
    });
    (case, RefreshToken { replaced_at: Some(ISSUED.plus_seconds(10)), ..refresh_token() })
}

#[test]
fn the_living_leaf_is_replaced_or_kept_as_the_client_registered() {
    assert_eq!(decide(&refresh_case(), &refresh_token(), GRACE), Ok(Exchange::Replace));
    let authorization =
        ClientAuthorization { rotate_refresh_tokens: false, ..ClientAuthorization::default() };
    let keeps = Client { authorization, ..client(OWNER.as_number()) };
    assert_eq!(decide(&refresh_case().asked_by(keeps), &refresh_token(), GRACE), Ok(Exchange::Keep));
}

#[test]
fn another_client_gets_nothing_and_kills_nothing() {
    assert_eq!(decide(&refresh_case().asked_by(client(77)), &refresh_token(), GRACE), INVALID);
    let (case, token) = replaced();
    assert_eq!(decide(&case.asked_by(client(77)).at_second(1_000), &token, GRACE), INVALID);
}

#[test]
fn a_repeat_within_the_window_gets_the_successor_and_a_later_one_kills() {
    for (second, expected) in
        [(10, Ok(Exchange::Repeat)), (19, Ok(Exchange::Repeat)), (20, REUSED), (5_000, REUSED)]
    {
        let (case, token) = replaced();
        assert_eq!(decide(&case.at_second(second), &token, GRACE), expected, "{second}");
    }
    let (case, token) = replaced();
    assert_eq!(decide(&case.at_second(10), &token, 0), REUSED, "without a window every repeat is a theft");
}

#[test]
fn a_grandparent_within_the_window_is_refused_and_kills_nothing() {
    let (case, token) = replaced();
    let case = case.with(|case| {
        case.grant.iter_mut().for_each(|grant| grant.rotation.previous = grant.refresh_token);
    });
    assert_eq!(decide(&case.at_second(15), &token, GRACE), INVALID);
}

#[test]
fn a_successor_that_was_forgotten_is_not_made_anew() {
    let (case, token) = replaced();
    let case =
        case.with(|case| case.grant.iter_mut().for_each(|grant| grant.rotation.sealed_successor = None));
    assert_eq!(decide(&case.at_second(15), &token, GRACE), INVALID);
}

#[test]
fn what_was_cut_disabled_or_ran_out_gives_nothing() {
    for kind in [CutKind::Client, CutKind::Grant, CutKind::Realm, CutKind::Session, CutKind::User] {
        let event = Event::Cut { kind, subject: subject_of(kind) };
        assert_eq!(decide(&refresh_case().after(event), &refresh_token(), GRACE), INVALID, "{kind:?}");
        // A family that is dead already is not killed again.
        let (case, token) = replaced();
        assert_eq!(decide(&case.after(event).at_second(5_000), &token, GRACE), INVALID, "{kind:?}");
    }
    assert_eq!(decide(&refresh_case().with(Case::disable_user), &refresh_token(), GRACE), INVALID);
    assert_eq!(decide(&refresh_case().with(Case::disable_owner), &refresh_token(), GRACE), INVALID);
    assert_eq!(decide(&refresh_case().at_second(7_200), &refresh_token(), GRACE), INVALID, "idle");
    assert_eq!(decide(&refresh_case().unhurried().at_second(86_400), &refresh_token(), GRACE), INVALID);
}
