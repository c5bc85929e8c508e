//! Tests of `introspect`.

use lydian_revocation::{CutKind, Event, Ledger};
use proptest::prelude::*;

use super::*;
use crate::records::ApiId;
use crate::test_fixtures::*;

/// Everything that a decision reads; a test changes what matters to it.
struct Case {
    caller: Client,
    owner: Option<Client>,
    api: Option<Api>,
    key: Option<SigningKeyRecord>,
    grant: Option<Grant>,
    session: Option<Session>,
    user: Option<User>,
    has_parents: bool,
    realm_cut_at: Seq,
    ledger: Ledger,
    now: Timestamp,
    token: AccessToken,
    refresh: Option<RefreshToken>,
}

/// An API's client asks about a good token of its API.
fn case() -> Case {
    Case {
        caller: Client { api: Some(API), ..client(99) },
        owner: Some(client(OWNER.as_number())),
        api: Some(api(API, "https://api.example/", "read write")),
        key: None,
        grant: Some(grant()),
        session: Some(session()),
        user: Some(user()),
        has_parents: true,
        realm_cut_at: Seq::ZERO,
        ledger: ledger(1, &[]),
        now: ISSUED.plus_seconds(10),
        token: access_token(),
        refresh: None,
    }
}

/// The owner asks about its living refresh token.
fn refresh_case() -> Case {
    Case { caller: client(OWNER.as_number()), refresh: Some(refresh_token()), ..case() }
}

fn long_lived() -> Case {
    let mut case = case();
    case.token.expires_at = ISSUED.plus_seconds(86_401);
    case
}

impl Case {
    fn decide(&self) -> Result<ScopeSet, Inactive> {
        let parents = ParentRows {
            grant: self.grant.as_ref(),
            session: self.session.as_ref(),
            user: self.user.as_ref(),
        };
        let world = World {
            view: view(&self.ledger),
            now: self.now,
            realm_cut_at: self.realm_cut_at,
            client: self.owner.as_ref(),
            api: self.api.as_ref(),
            key: self.key.as_ref(),
            parents: self.has_parents.then_some(parents),
        };
        let token = match &self.refresh {
            Some(refresh) => Inspected::Refresh(refresh),
            None => Inspected::Access(&self.token),
        };
        introspect(&self.caller, token, &world).map(|visible| visible.scope.into_owned())
    }

    #[track_caller]
    fn check(&self, expected: Result<&str, Inactive>) {
        assert_eq!(self.decide(), expected.map(scope));
    }
}

#[test]
fn int_09_a_good_token_is_active_for_its_api() {
    case().check(Ok("openid read"));
}

#[test]
fn int_09_a_token_is_refused_from_the_second_at_which_it_expires() {
    let at = |seconds| Case { now: ISSUED.plus_seconds(seconds), ..case() };
    at(3_599).check(Ok("openid read"));
    at(3_600).check(Err(Inactive::Expired));
    at(3_601).check(Err(Inactive::Expired));
}

#[test]
fn w30_a_token_that_begins_later_than_clocks_differ_is_not_yet_valid() {
    let before = |seconds| Case { now: ISSUED.minus_seconds(seconds), ..case() };
    before(2).check(Ok("openid read"));
    before(3).check(Err(Inactive::NotYetValid));
}

#[test]
fn int_09_each_kind_of_cut_in_the_ledger_kills_what_was_minted_before_it() {
    for kind in CutKind::ALL {
        let event = Event::Cut { kind, subject: subject_of(kind) };
        let mut case = Case { ledger: ledger(6, &[event]), key: Some(key(KeyState::Active)), ..case() };
        case.token.form = TokenForm::Jwt(KEY);
        case.check(Err(Inactive::Dead(Death::Cut(kind, Seq::from_number(6)))));
        case.token.minted_at = Seq::from_number(6);
        case.check(Ok("openid read"));
    }
}

#[test]
fn w26_a_revoked_token_is_dead_by_the_ledger_and_by_its_row() {
    let token = u128::from(access_token().id.as_number());
    let event = Event::Revoked { token, expires_at: access_token().expires_at };
    Case { ledger: ledger(6, &[event]), ..case() }
        .check(Err(Inactive::Dead(Death::Revoked(Seq::from_number(6)))));
    let mut marked = case();
    marked.token.revoked_at = Some(Seq::from_number(9));
    marked.check(Err(Inactive::MarkedDead(Seq::from_number(9))));
}

#[test]
fn w34_a_disabled_or_missing_client_makes_its_tokens_inactive() {
    Case { owner: None, ..case() }.check(Err(Inactive::ClientGone));
    let disabled = Client { enabled: false, ..client(OWNER.as_number()) };
    Case { owner: Some(disabled), ..case() }.check(Err(Inactive::ClientGone));
}

#[test]
fn a_cut_in_the_record_of_client_or_realm_kills_after_the_ledger_has_forgotten_it() {
    let cut = Client { cut_at: Seq::from_number(6), ..client(OWNER.as_number()) };
    Case { owner: Some(cut), ..case() }.check(Err(Inactive::MarkedDead(Seq::from_number(6))));
    let same = Client { cut_at: MINTED, ..client(OWNER.as_number()) };
    Case { owner: Some(same), ..case() }.check(Ok("openid read"));
    Case { realm_cut_at: Seq::from_number(6), ..case() }
        .check(Err(Inactive::MarkedDead(Seq::from_number(6))));
}

#[test]
fn a_disabled_missing_or_other_api_makes_the_token_inactive() {
    Case { api: None, ..case() }.check(Err(Inactive::ApiGone));
    let disabled = Api { enabled: false, ..api(API, "https://api.example/", "read") };
    Case { api: Some(disabled), ..case() }.check(Err(Inactive::ApiGone));
    Case { api: Some(api(OTHER_API, "https://other.example/", "read")), ..case() }
        .check(Err(Inactive::ApiGone));
}

#[test]
fn jwk_06_a_key_counts_until_it_is_retired() {
    let signed = |key: Option<SigningKeyRecord>| {
        let mut case = Case { key, ..case() };
        case.token.form = TokenForm::Jwt(KEY);
        case
    };
    for state in [KeyState::Prepublished, KeyState::Active, KeyState::Retiring] {
        signed(Some(key(state))).check(Ok("openid read"));
    }
    signed(Some(key(KeyState::Retired))).check(Err(Inactive::KeyGone));
    signed(None).check(Err(Inactive::KeyGone));
    let other = SigningKeyRecord { id: crate::records::KeyId::from_number(61), ..key(KeyState::Active) };
    signed(Some(other)).check(Err(Inactive::KeyGone));
    let cut = SigningKeyRecord { cut_at: Seq::from_number(6), ..key(KeyState::Active) };
    signed(Some(cut)).check(Err(Inactive::MarkedDead(Seq::from_number(6))));
}

#[test]
fn a_token_within_the_horizon_needs_no_rows_of_its_parents() {
    Case { has_parents: false, ..case() }.check(Ok("openid read"));
    let mut at_the_horizon = Case { has_parents: false, ..case() };
    at_the_horizon.token.expires_at = ISSUED.plus_seconds(86_400);
    at_the_horizon.check(Ok("openid read"));
}

#[test]
fn a_token_beyond_the_horizon_is_compared_with_each_row_of_its_parents() {
    long_lived().check(Ok("openid read"));
    Case { has_parents: false, ..long_lived() }.check(Err(Inactive::ParentMissing));
    Case { grant: None, ..long_lived() }.check(Err(Inactive::ParentMissing));
    Case { session: None, ..long_lived() }.check(Err(Inactive::ParentMissing));
    Case { user: None, ..long_lived() }.check(Err(Inactive::ParentMissing));
    let cut = Seq::from_number(6);
    Case { grant: Some(Grant { cut_at: cut, ..grant() }), ..long_lived() }
        .check(Err(Inactive::MarkedDead(cut)));
    Case { session: Some(Session { cut_at: cut, ..session() }), ..long_lived() }
        .check(Err(Inactive::MarkedDead(cut)));
    Case { user: Some(User { cut_at: cut, ..user() }), ..long_lived() }.check(Err(Inactive::MarkedDead(cut)));
    let over = Session { expires_at: ISSUED.plus_seconds(10), ..session() };
    Case { session: Some(over), ..long_lived() }.check(Err(Inactive::SessionOver));
    let disabled = User { enabled: false, ..user() };
    Case { user: Some(disabled), ..long_lived() }.check(Err(Inactive::UserDisabled));
}

#[test]
fn a_clients_own_token_beyond_the_horizon_has_no_session_and_no_user() {
    let mut case = Case { session: None, user: None, ..long_lived() };
    (case.token.user, case.token.session) = (None, None);
    case.check(Ok("openid read"));
}

#[test]
fn w43_a_living_refresh_token_is_active_for_its_owner() {
    refresh_case().check(Ok("openid read"));
}

#[test]
fn w36_a_refresh_token_that_is_not_the_living_leaf_is_inactive() {
    let replaced = Grant { refresh_token: Some(access_token().id), ..grant() };
    Case { grant: Some(replaced), ..refresh_case() }.check(Err(Inactive::RefreshTokenReplaced));
    let none = Grant { refresh_token: None, ..grant() };
    Case { grant: Some(none), ..refresh_case() }.check(Err(Inactive::RefreshTokenReplaced));
}

#[test]
fn a_refresh_token_dies_of_idleness_age_session_user_and_missing_rows() {
    let at = |seconds| Case { now: ISSUED.plus_seconds(seconds), ..refresh_case() };
    at(7_199).check(Ok("openid read"));
    at(7_200).check(Err(Inactive::RefreshTokenIdle));
    at(86_400).check(Err(Inactive::Expired));
    Case { grant: None, ..refresh_case() }.check(Err(Inactive::ParentMissing));
    Case { has_parents: false, ..refresh_case() }.check(Err(Inactive::ParentMissing));
    let over = Session { expires_at: ISSUED.plus_seconds(10), ..session() };
    Case { session: Some(over), ..refresh_case() }.check(Err(Inactive::SessionOver));
    Case { user: Some(User { enabled: false, ..user() }), ..refresh_case() }
        .check(Err(Inactive::UserDisabled));
    Case { owner: None, ..refresh_case() }.check(Err(Inactive::ClientGone));
}

#[test]
fn w27_a_revoked_refresh_token_is_dead_by_ledger_row_and_grant() {
    let event = Event::Cut { kind: CutKind::Grant, subject: subject_of(CutKind::Grant) };
    Case { ledger: ledger(6, &[event]), ..refresh_case() }
        .check(Err(Inactive::Dead(Death::Cut(CutKind::Grant, Seq::from_number(6)))));
    let marked = RefreshToken { revoked_at: Some(Seq::from_number(9)), ..refresh_token() };
    Case { refresh: Some(marked), ..refresh_case() }.check(Err(Inactive::MarkedDead(Seq::from_number(9))));
    let cut = Grant { cut_at: Seq::from_number(6), ..grant() };
    Case { grant: Some(cut), ..refresh_case() }.check(Err(Inactive::MarkedDead(Seq::from_number(6))));
}

#[test]
fn int_17_an_api_does_not_see_refresh_tokens_and_a_permitted_client_does() {
    let by = |caller| Case { caller, ..refresh_case() };
    by(Client { api: Some(API), ..client(99) }).check(Err(Inactive::NotForCaller));
    by(client(98)).check(Err(Inactive::NotForCaller));
    by(Client { introspect_any: true, ..client(98) }).check(Ok("openid read"));
}

#[test]
fn int_10_a_caller_sees_what_it_owns_what_is_for_it_and_what_it_may() {
    let by = |caller| Case { caller, ..case() };
    by(client(OWNER.as_number())).check(Ok("openid read"));
    by(Client { introspect_any: true, ..client(98) }).check(Ok("openid read"));
    by(Client { api: Some(OTHER_API), ..client(98) }).check(Err(Inactive::NotForCaller));
    by(client(98)).check(Err(Inactive::NotForCaller));
}

#[test]
fn int_10_a_token_for_the_issuer_is_its_owners_alone() {
    let by = |caller| {
        let mut case = Case { caller, api: None, ..case() };
        case.token.audience = Audience::Issuer;
        case
    };
    by(client(OWNER.as_number())).check(Ok("openid read"));
    by(Client { api: Some(API), ..client(99) }).check(Err(Inactive::NotForCaller));
}

#[test]
fn int_11_an_api_sees_its_own_scopes_and_identity_and_the_owner_sees_all() {
    let with = |caller: Client| {
        let mut case = Case { caller, ..case() };
        case.token.scope = scope("openid profile read foreign");
        case
    };
    with(Client { api: Some(API), ..client(99) }).check(Ok("openid profile read"));
    with(client(OWNER.as_number())).check(Ok("foreign openid profile read"));
    with(Client { introspect_any: true, ..client(98) }).check(Ok("foreign openid profile read"));
}

#[test]
fn int_10_a_stranger_learns_nothing_from_the_state_of_a_token() {
    let stranger = || Case { caller: client(98), ..case() };
    let expired = Case { now: ISSUED.plus_seconds(9_999), ..stranger() };
    let orphaned = Case { owner: None, ..stranger() };
    for case in [stranger(), expired, orphaned] {
        case.check(Err(Inactive::NotForCaller));
    }
}

proptest! {
    #[test]
    fn no_cut_no_revocation_and_no_time_brings_a_token_back(
        kinds in proptest::collection::vec((0_usize..6, proptest::bool::ANY), 0..8),
        seconds in 0_u64..10_000,
    ) {
        let mut events: Vec<Event> = vec![Event::Revoked {
            token: u128::from(access_token().id.as_number()),
            expires_at: access_token().expires_at,
        }];
        events.extend(kinds.into_iter().map(|(kind, hits)| {
            let kind = CutKind::ALL[kind];
            Event::Cut { kind, subject: if hits { subject_of(kind) } else { 4_711 } }
        }));
        let dead = Case { ledger: ledger(6, &events), now: ISSUED.plus_seconds(seconds), ..case() };
        prop_assert!(dead.decide().is_err());
    }

    #[test]
    fn what_a_caller_may_see_depends_on_the_caller_and_never_on_the_state(
        api in proptest::option::of(9_u64..13),
        any in proptest::bool::ANY,
        number in 19_u64..22,
        seconds in 0_u64..7_200,
    ) {
        let caller = Client { api: api.map(ApiId::from_number), introspect_any: any, ..client(number) };
        let sees = any || number == OWNER.as_number() || api == Some(API.as_number());
        let decided = Case { caller, now: ISSUED.plus_seconds(seconds), ..case() }.decide();
        prop_assert_eq!(decided == Err(Inactive::NotForCaller), !sees);
        prop_assert_eq!(decided.is_ok(), sees && seconds < 3_600);
    }
}
