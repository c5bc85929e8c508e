//! Tests of `introspect`.

use lydian_revocation::{CutKind, Event};
use proptest::prelude::*;

use super::*;
use crate::TokenId;
use crate::records::{ApiId, KeyId, RealmId};
use crate::test_fixtures::*;

fn cut(kind: CutKind) -> Event {
    Event::Cut { kind, subject: subject_of(kind) }
}

fn revoked(token: TokenId, expires_at: Timestamp) -> Event {
    Event::Revoked { token: u128::from(token.as_number()), expires_at }
}

/// A client that may see every token of its realm.
fn permitted() -> Client {
    Client { introspect_any: true, ..client(98) }
}

// Every reason.

#[test]
fn int_07_every_reason_is_provoked_by_one_fault_alone() {
    let faults: [(Inactive, Case); 13] = [
        (Inactive::ApiGone, Case { api: None, ..case() }),
        (Inactive::ClientGone, Case { owner: None, ..case() }),
        (Inactive::Dead(Death::Cut(CutKind::Realm, CUT)), case().after(cut(CutKind::Realm))),
        (Inactive::Expired, case().at_second(3_600)),
        (Inactive::KeyGone, Case { key: None, ..jwt_case() }),
        (Inactive::MarkedDead(CUT), Case { realm_cut_at: CUT, ..case() }),
        (Inactive::NotForCaller, case().asked_by(client(98))),
        (Inactive::NotYetValid, Case { now: ISSUED.minus_seconds(AHEAD + 1), ..case() }),
        (Inactive::ParentMissing, Case { grant: None, ..long_lived() }),
        (Inactive::RefreshTokenIdle, refresh_case().at_second(7_200)),
        (Inactive::RefreshTokenReplaced, refresh_case().with(|case| case.grant = Some(without_leaf()))),
        (Inactive::SessionOver, long_lived().with(|case| case.session = Some(ended_session()))),
        (Inactive::UserDisabled, long_lived().with(Case::disable_user)),
    ];
    let mut provoked = [false; REASONS];
    for (reason, case) in faults {
        case.is(reason);
        provoked[number_of(reason)] = true;
    }
    // No token, no decision: this one comes from whoever looked for the token.
    provoked[number_of(Inactive::Unknown)] = true;
    assert_eq!(provoked, [true; REASONS]);
}

/// How far ahead of now a time of issue may lie.
const AHEAD: u64 = lydian_primitives::limits::ISSUED_AHEAD_SECONDS_MAX;
const REASONS: usize = 14;

/// A reason that is added finds no number here, and then no fault above.
fn number_of(reason: Inactive) -> usize {
    match reason {
        Inactive::ApiGone => 0,
        Inactive::ClientGone => 1,
        Inactive::Dead(_) => 2,
        Inactive::Expired => 3,
        Inactive::KeyGone => 4,
        Inactive::MarkedDead(_) => 5,
        Inactive::NotForCaller => 6,
        Inactive::NotYetValid => 7,
        Inactive::ParentMissing => 8,
        Inactive::RefreshTokenIdle => 9,
        Inactive::RefreshTokenReplaced => 10,
        Inactive::SessionOver => 11,
        Inactive::Unknown => 12,
        Inactive::UserDisabled => 13,
    }
}

fn without_leaf() -> Grant {
    Grant { refresh_token: None, ..grant() }
}

/// A session that ends at the second at which the cases ask.
fn ended_session() -> Session {
    Session { expires_at: ISSUED.plus_seconds(10), ..session() }
}

#[test]
fn int_09_a_good_token_of_each_kind_is_active() {
    for case in [case(), jwt_case(), long_lived(), own_case(), refresh_case()] {
        case.is_active();
    }
}

#[test]
fn the_first_cause_is_the_one_that_is_told() {
    let mut case = case().asked_by(client(98)).at_second(3_600);
    (case.token.revoked_at, case.owner, case.api) = (Some(AFTER), None, None);
    case.events.push(cut(CutKind::User));
    case.is(Inactive::NotForCaller);
    case.caller = permitted();
    case.is(Inactive::Expired);
    case.now = ISSUED;
    case.is(Inactive::Dead(Death::Cut(CutKind::User, CUT)));
    case.events.clear();
    case.is(Inactive::MarkedDead(AFTER));
    case.token.revoked_at = None;
    case.is(Inactive::ClientGone);
    case.owner = Some(client(OWNER.as_number()));
    case.is(Inactive::ApiGone);
}

// Time.

#[test]
fn w25_int_09_a_token_is_refused_from_the_second_at_which_it_expires() {
    case().at_second(3_599).is_active();
    case().at_second(3_600).is(Inactive::Expired);
    case().at_second(3_601).is(Inactive::Expired);
    refresh_case().unhurried().at_second(86_399).is_active();
    refresh_case().unhurried().at_second(86_400).is(Inactive::Expired);
    refresh_case().unhurried().at_second(86_401).is(Inactive::Expired);
}

#[test]
fn w30_a_token_that_begins_later_than_clocks_differ_is_not_yet_valid() {
    for case in [case, jwt_case, own_case, long_lived, refresh_case] {
        let before = |seconds| Case { now: ISSUED.minus_seconds(seconds), ..case() };
        before(0).is_active();
        before(AHEAD).is_active();
        before(AHEAD + 1).is(Inactive::NotYetValid);
    }
}

// Cuts and revocations.

#[test]
fn int_09_each_kind_of_cut_in_the_ledger_kills_what_was_minted_before_it_and_nothing_later() {
    for kind in CutKind::ALL {
        for case in [jwt_case, refresh_case] {
            if kind == CutKind::Key && case().refresh.is_some() {
                continue;
            }
            let cut_when_minted_at = |position| case().after(cut(kind)).minted_at(position);
            cut_when_minted_at(MINTED).is(Inactive::Dead(Death::Cut(kind, CUT)));
            cut_when_minted_at(CUT).is_active();
            cut_when_minted_at(AFTER).is_active();
        }
    }
}

#[test]
fn a_cut_of_somebody_else_kills_nothing() {
    for kind in CutKind::ALL {
        for case in [jwt_case, refresh_case, long_lived] {
            case().after(Event::Cut { kind, subject: 4_711 }).is_active();
        }
    }
}

#[test]
fn a_cut_reaches_only_tokens_that_have_its_subject() {
    case().after(cut(CutKind::Key)).is_active();
    refresh_case().after(cut(CutKind::Key)).is_active();
    for kind in [CutKind::Session, CutKind::User] {
        own_case().after(cut(kind)).is_active();
    }
}

#[test]
fn a_cut_in_a_row_kills_what_was_minted_before_it_and_nothing_later() {
    let long_jwt = || long_lived().with(|case| case.token.form = TokenForm::Jwt(KEY));
    for kind in CutKind::ALL {
        for case in [long_jwt as fn() -> Case, refresh_case] {
            if kind == CutKind::Key && case().refresh.is_some() {
                continue;
            }
            let cut_when_minted_at =
                |position| case().minted_at(position).with(|case| case.cut_row(kind, CUT));
            cut_when_minted_at(MINTED).is(Inactive::MarkedDead(CUT));
            cut_when_minted_at(CUT).is_active();
            cut_when_minted_at(AFTER).is_active();
        }
    }
}

#[test]
fn a_cut_of_client_realm_or_key_outlives_the_ledger_for_short_tokens_too() {
    for kind in [CutKind::Client, CutKind::Key, CutKind::Realm] {
        let mut case = Case { has_parents: false, ..jwt_case() };
        case.cut_row(kind, CUT);
        case.is(Inactive::MarkedDead(CUT));
        case.minted_at(CUT).is_active();
    }
}

#[test]
fn w26_a_revoked_access_token_is_dead_by_the_ledger_and_by_its_row() {
    let event = revoked(access_token().id, access_token().expires_at);
    for case in [case, jwt_case, own_case, long_lived] {
        case().after(event).is(Inactive::Dead(Death::Revoked(CUT)));
        // A revocation names one token: when it was minted does not matter.
        case().after(event).minted_at(AFTER).is(Inactive::Dead(Death::Revoked(CUT)));
        case().with(|case| case.token.revoked_at = Some(AFTER)).is(Inactive::MarkedDead(AFTER));
        case().after(revoked(refresh_token().id, ISSUED.plus_seconds(60))).is_active();
    }
}

#[test]
fn w27_a_revoked_refresh_token_is_dead_by_the_ledger_and_by_its_row() {
    let event = revoked(refresh_token().id, refresh_token().expires_at);
    refresh_case().after(event).is(Inactive::Dead(Death::Revoked(CUT)));
    let marked = RefreshToken { revoked_at: Some(AFTER), ..refresh_token() };
    Case { refresh: Some(marked), ..refresh_case() }.is(Inactive::MarkedDead(AFTER));
    refresh_case().after(revoked(access_token().id, ISSUED.plus_seconds(60))).is_active();
}

// Client, API, key.

#[test]
fn w34_a_disabled_or_missing_client_makes_its_tokens_inactive() {
    for case in [case, jwt_case, own_case, long_lived, refresh_case] {
        Case { owner: None, ..case() }.is(Inactive::ClientGone);
        case().with(Case::disable_owner).is(Inactive::ClientGone);
    }
}

#[test]
fn w34_enabling_a_client_again_revives_nothing_and_admits_what_is_minted_then() {
    for case in [case, jwt_case, own_case, long_lived, refresh_case] {
        let enabled_again = || case().with(|case| case.cut_row(CutKind::Client, CUT));
        enabled_again().after(cut(CutKind::Client)).is(Inactive::Dead(Death::Cut(CutKind::Client, CUT)));
        enabled_again().is(Inactive::MarkedDead(CUT));
        enabled_again().after(cut(CutKind::Client)).minted_at(CUT).is_active();
        enabled_again().after(cut(CutKind::Client)).minted_at(AFTER).is_active();
    }
}

#[test]
fn a_disabled_missing_or_other_api_makes_the_token_inactive() {
    for caller in [Client { api: Some(API), ..client(99) }, client(OWNER.as_number()), permitted()] {
        let of = |api| Case { api, ..case() }.asked_by(caller.clone());
        of(None).is(Inactive::ApiGone);
        of(Some(Api { enabled: false, ..api(API, "https://api.example/", "read") })).is(Inactive::ApiGone);
        of(Some(api(OTHER_API, "https://other.example/", "read"))).is(Inactive::ApiGone);
    }
}

#[test]
fn refresh_tokens_and_tokens_for_the_issuer_depend_on_no_api() {
    Case { api: None, ..refresh_case() }.is_active();
    let mut case = Case { api: None, ..case() }.asked_by(client(OWNER.as_number()));
    case.token.audience = Audience::Issuer;
    case.is_active();
}

#[test]
fn w61_jwk_06_a_key_counts_until_it_is_retired() {
    let signed_with = |key| Case { key, ..jwt_case() };
    for state in [KeyState::Prepublished, KeyState::Active, KeyState::Retiring] {
        signed_with(Some(key(state))).is_active();
    }
    signed_with(Some(key(KeyState::Retired))).is(Inactive::KeyGone);
    signed_with(None).is(Inactive::KeyGone);
    let other = SigningKeyRecord { id: KeyId::from_number(61), ..key(KeyState::Active) };
    signed_with(Some(other)).is(Inactive::KeyGone);
}

#[test]
fn a_key_means_nothing_to_a_token_that_no_key_signed() {
    for case in [case, refresh_case] {
        Case { key: None, ..case() }.is_active();
        Case { key: Some(key(KeyState::Retired)), ..case() }.is_active();
        case().with(|case| case.cut_row(CutKind::Key, CUT)).is_active();
    }
}

// Users and sessions.

#[test]
fn w33_a_disabled_users_tokens_are_dead_by_the_cut_and_beyond_the_horizon_by_the_row() {
    let death = Inactive::Dead(Death::Cut(CutKind::User, CUT));
    for case in [case, jwt_case, long_lived, refresh_case] {
        case().with(Case::disable_user).after(cut(CutKind::User)).is(death);
    }
    for case in [long_lived, refresh_case] {
        case().with(Case::disable_user).is(Inactive::UserDisabled);
        Case { user: None, ..case() }.is(Inactive::ParentMissing);
    }
}

#[test]
fn w33_a_disabled_users_tokens_without_a_session_are_dead_too() {
    for case in [long_lived, refresh_case] {
        let mut case = case();
        case.token.session = None;
        case.refresh.iter_mut().for_each(|token| token.session = None);
        case.is_active();
        case.with(Case::disable_user).is(Inactive::UserDisabled);
    }
}

#[test]
fn w33_enabling_a_user_again_revives_nothing_and_admits_what_is_minted_then() {
    for case in [long_lived, refresh_case] {
        let enabled_again = || case().with(|case| case.cut_row(CutKind::User, CUT));
        enabled_again().is(Inactive::MarkedDead(CUT));
        enabled_again().after(cut(CutKind::User)).minted_at(CUT).is_active();
    }
}

#[test]
fn int_09_a_session_that_ends_takes_its_tokens_along_by_the_cut() {
    for case in [case, jwt_case, long_lived, refresh_case] {
        case().after(cut(CutKind::Session)).is(Inactive::Dead(Death::Cut(CutKind::Session, CUT)));
    }
    own_case().after(cut(CutKind::Session)).is_active();
}

#[test]
fn int_09_a_session_is_over_from_the_second_at_which_it_ends() {
    for case in [long_lived, refresh_case] {
        let case = || case().with(|case| case.session = Some(ended_session()));
        case().at_second(9).is_active();
        case().at_second(10).is(Inactive::SessionOver);
        case().at_second(11).is(Inactive::SessionOver);
    }
}

// Beyond the horizon.

#[test]
fn a_token_within_the_horizon_needs_no_rows_of_its_parents() {
    let without_rows = |seconds| {
        let mut case = Case { has_parents: false, ..case() };
        case.token.expires_at = ISSUED.plus_seconds(seconds);
        case
    };
    without_rows(3_600).is_active();
    without_rows(86_400).is_active();
    without_rows(86_401).is(Inactive::ParentMissing);
}

#[test]
fn a_token_beyond_the_horizon_needs_its_rows_to_the_last_second() {
    long_lived().unhurried().at_second(86_400).is_active();
    Case { has_parents: false, ..long_lived() }.at_second(86_400).is(Inactive::ParentMissing);
}

#[test]
fn a_token_that_depends_on_a_row_is_dead_without_it() {
    for case in [long_lived, refresh_case] {
        case().is_active();
        Case { has_parents: false, ..case() }.is(Inactive::ParentMissing);
        Case { grant: None, ..case() }.is(Inactive::ParentMissing);
        Case { session: None, ..case() }.is(Inactive::ParentMissing);
        Case { user: None, ..case() }.is(Inactive::ParentMissing);
    }
}

#[test]
fn a_token_without_session_or_user_does_not_depend_on_their_rows() {
    for case in [long_lived, refresh_case] {
        for (user, session) in [(None, None), (Some(USER), None), (None, Some(SESSION))] {
            let mut case = case();
            (case.token.user, case.token.session) = (user, session);
            case.refresh.iter_mut().for_each(|token| (token.user, token.session) = (user, session));
            case.user = case.user.filter(|_| user.is_some());
            case.session = case.session.filter(|_| session.is_some());
            case.is_active();
            case.grant = None;
            case.is(Inactive::ParentMissing);
        }
    }
}

// Refresh tokens.

#[test]
fn w43_a_living_refresh_token_is_active_for_its_owner_and_is_no_access_token() {
    refresh_case().is_active();
    let refresh = refresh_token();
    let visible = Visible { token: Inspected::Refresh(&refresh), scope: Cow::Borrowed(&refresh.scope) };
    assert!(visible.as_access_token().is_none(), "it has no aud and no aut to show");
}

#[test]
fn w40_what_a_caller_sees_of_an_access_token_is_the_token_itself() {
    let (case, ledger) = (case(), ledger(CUT.as_number(), &[]));
    let world = World {
        view: view(&ledger),
        now: case.now,
        realm_cut_at: Seq::ZERO,
        client: case.owner.as_ref(),
        api: case.api.as_ref(),
        key: None,
        parents: None,
    };
    let visible = introspect(&case.caller, case.inspected(), &world).unwrap();
    assert!(std::ptr::eq(visible.as_access_token().unwrap(), &case.token));
}

#[test]
fn w36_a_refresh_token_that_is_not_the_living_leaf_is_inactive() {
    let with_leaf = |leaf| {
        let grant = Grant { refresh_token: leaf, ..grant() };
        Case { grant: Some(grant), ..refresh_case() }
    };
    with_leaf(Some(refresh_token().id)).is_active();
    with_leaf(Some(access_token().id)).is(Inactive::RefreshTokenReplaced);
    with_leaf(None).is(Inactive::RefreshTokenReplaced);
}

#[test]
fn a_refresh_token_dies_of_idleness_at_its_second() {
    refresh_case().at_second(7_199).is_active();
    refresh_case().at_second(7_200).is(Inactive::RefreshTokenIdle);
    refresh_case().at_second(7_201).is(Inactive::RefreshTokenIdle);
}

#[test]
fn an_access_token_does_not_care_which_refresh_token_is_the_leaf() {
    long_lived().with(|case| case.grant = Some(without_leaf())).is_active();
    long_lived().at_second(7_200).is_active();
}

// Who may see what.

#[test]
fn int_10_a_caller_sees_what_it_owns_what_is_for_it_and_what_it_may() {
    let by = |caller| case().asked_by(caller);
    by(client(OWNER.as_number())).is_active();
    by(Client { api: Some(API), ..client(98) }).is_active();
    by(permitted()).is_active();
    by(Client { api: Some(OTHER_API), ..permitted() }).is_active();
    by(Client { api: Some(OTHER_API), ..client(OWNER.as_number()) }).is_active();
    by(Client { api: Some(OTHER_API), ..client(98) }).is(Inactive::NotForCaller);
    by(client(98)).is(Inactive::NotForCaller);
    // The number of an API that equals a client's own number opens nothing.
    by(client(API.as_number())).is(Inactive::NotForCaller);
}

#[test]
fn int_10_a_token_for_the_issuer_is_its_owners_alone() {
    let by = |caller| case().asked_by(caller).with(|case| case.token.audience = Audience::Issuer);
    by(client(OWNER.as_number())).is_active();
    by(permitted()).is_active();
    by(Client { api: Some(API), ..client(99) }).is(Inactive::NotForCaller);
    by(client(98)).is(Inactive::NotForCaller);
}

#[test]
fn int_10_what_a_client_was_registered_for_opens_nothing() {
    let may_ask_for_tokens = Client {
        allowed: [(API, scope("read write"))].into(),
        issuer_scopes: scope("introspect"),
        default_api: Some(API),
        ..client(98)
    };
    case().asked_by(may_ask_for_tokens).is(Inactive::NotForCaller);
}

#[test]
fn int_17_an_api_does_not_see_refresh_tokens_and_owner_and_permitted_clients_do() {
    let by = |caller| refresh_case().asked_by(caller);
    by(client(OWNER.as_number())).is_active();
    by(permitted()).is_active();
    by(Client { api: Some(API), ..client(99) }).is(Inactive::NotForCaller);
    by(client(98)).is(Inactive::NotForCaller);
}

#[test]
fn w32_a_token_of_another_realm_is_nobodys() {
    for case in [case, jwt_case, own_case, long_lived, refresh_case] {
        for caller in [client(OWNER.as_number()), Client { api: Some(API), ..client(99) }, permitted()] {
            case().asked_by(Client { realm: OTHER_REALM, ..caller.clone() }).is(Inactive::NotForCaller);
            let mut foreign = case().asked_by(caller);
            foreign.token.realm = OTHER_REALM;
            foreign.refresh.iter_mut().for_each(|refresh| refresh.realm = OTHER_REALM);
            foreign.is(Inactive::NotForCaller);
        }
    }
}

#[test]
fn int_10_a_stranger_learns_nothing_from_the_state_of_a_token() {
    for step in all_steps().into_iter().chain(WAITS.map(Step::Wait)) {
        for case in [case, jwt_case, own_case, long_lived, refresh_case] {
            case().asked_by(client(98)).suffer(&[step]).is(Inactive::NotForCaller);
        }
    }
}

#[test]
fn int_18_asking_a_hundred_times_changes_no_answer() {
    let (living, dead) = (refresh_case(), refresh_case().at_second(7_200));
    for _ in 0..100 {
        living.is_active();
        dead.is(Inactive::RefreshTokenIdle);
    }
}

// How much of it.

#[track_caller]
fn check_narrowing(of_token: &str, of_api: &str, expected: &str) {
    let with = |caller: Client| {
        let mut case = case().asked_by(caller);
        case.token.scope = scope(of_token);
        case.api = Some(api(API, "https://api.example/", of_api));
        case
    };
    with(Client { api: Some(API), ..client(99) }).check(Ok(expected));
    with(client(OWNER.as_number())).check(Ok(of_token));
    with(Client { api: Some(API), ..client(OWNER.as_number()) }).check(Ok(of_token));
    with(permitted()).check(Ok(of_token));
    with(Client { api: Some(API), ..permitted() }).check(Ok(of_token));
}

#[test]
fn int_11_an_api_sees_its_own_scopes_and_identity_and_the_owner_sees_all() {
    check_narrowing("foreign openid profile read", "read write", "openid profile read");
    check_narrowing("read write", "read write", "read write");
    check_narrowing("read", "read write", "read");
    check_narrowing("read write", "read", "read");
    check_narrowing("foreign", "read", "");
    check_narrowing("", "read", "");
    check_narrowing("read", "", "");
}

#[test]
fn int_11_scopes_are_compared_whole_and_with_case() {
    check_narrowing("rea read read:all", "read", "read");
    check_narrowing("READ read", "read", "read");
    check_narrowing("read", "read:all rea", "");
}

#[test]
fn int_11_every_identity_scope_is_shown_to_every_api() {
    check_narrowing(
        "address email offline_access openid phone profile",
        "read",
        "address email offline_access openid phone profile",
    );
    check_narrowing("introspect openid", "read", "openid");
}

#[test]
fn int_11_a_refresh_token_is_shown_whole_to_whoever_sees_it() {
    for caller in [client(OWNER.as_number()), permitted()] {
        let mut case = refresh_case().asked_by(caller);
        case.refresh = Some(RefreshToken { scope: scope("foreign openid read"), ..refresh_token() });
        case.check(Ok("foreign openid read"));
    }
}

// Whatever happens.

/// Something that happens to a token or to what it depends on, and never to its good.
#[derive(Clone, Copy, Debug)]
enum Step {
    Cut(CutKind),
    CutOfAnother(CutKind),
    CutRow(CutKind),
    DisableApi,
    DisableClient,
    DisableUser,
    DropApi,
    DropClient,
    DropGrant,
    DropKey,
    DropRows,
    DropSession,
    DropUser,
    EndSession,
    MarkRow,
    ReplaceRefreshToken,
    RetireKey,
    Revoke,
    RevokeAnother,
    Wait(u64),
}

fn all_steps() -> Vec<Step> {
    use Step::*;
    let cuts = CutKind::ALL.into_iter().flat_map(|kind| [Cut(kind), CutOfAnother(kind), CutRow(kind)]);
    let drops = [DropApi, DropClient, DropGrant, DropKey, DropRows, DropSession, DropUser];
    let others =
        [DisableApi, DisableClient, DisableUser, EndSession, MarkRow, ReplaceRefreshToken, RetireKey];
    cuts.chain(drops).chain(others).chain([Revoke, RevokeAnother]).collect()
}

/// Just before, at and after the ends of the fixtures, and long after all of them.
const WAITS: [u64; 7] = [1, 3_589, 3_600, 7_200, 43_200, 86_400, 100_000];

impl Step {
    fn happen(self, case: &mut Case) {
        let position = case.next_position();
        match self {
            Self::Cut(kind) => case.events.push(cut(kind)),
            Self::CutOfAnother(kind) => case.events.push(Event::Cut { kind, subject: 4_711 }),
            Self::CutRow(kind) => {
                // Takes the position of a row of the log, of which this ledger keeps nothing.
                case.events.push(Event::UserChanged { user: 4_711 });
                case.cut_row(kind, position);
            }
            Self::DisableApi => case.api.iter_mut().for_each(|api| api.enabled = false),
            Self::DisableClient => case.disable_owner(),
            Self::DisableUser => case.disable_user(),
            Self::DropApi => case.api = None,
            Self::DropClient => case.owner = None,
            Self::DropGrant => case.grant = None,
            Self::DropKey => case.key = None,
            Self::DropRows => case.has_parents = false,
            Self::DropSession => case.session = None,
            Self::DropUser => case.user = None,
            Self::EndSession => case.session.iter_mut().for_each(|session| session.expires_at = case.now),
            Self::MarkRow => {
                case.token.revoked_at = Some(position);
                case.refresh.iter_mut().for_each(|refresh| refresh.revoked_at = Some(position));
            }
            Self::ReplaceRefreshToken => {
                case.grant.iter_mut().for_each(|grant| grant.refresh_token = Some(access_token().id));
            }
            Self::RetireKey => case.key.iter_mut().for_each(|key| key.state = KeyState::Retired),
            Self::Revoke => case.events.push(match &case.refresh {
                Some(refresh) => revoked(refresh.id, refresh.expires_at),
                None => revoked(case.token.id, case.token.expires_at),
            }),
            Self::RevokeAnother => case.events.push(Event::Revoked { token: 4_711, expires_at: case.now }),
            Self::Wait(seconds) => case.now = case.now.plus_seconds(seconds),
        }
    }

    fn is_about_keys(self) -> bool {
        use Step::*;
        matches!(self, DropKey | RetireKey | Cut(CutKind::Key) | CutRow(CutKind::Key))
    }
}

impl Case {
    /// The position that the next event will have.
    fn next_position(&self) -> Seq {
        Seq::from_number(CUT.as_number() + self.events.len() as u64)
    }

    fn suffer(mut self, steps: &[Step]) -> Self {
        steps.iter().for_each(|step| step.happen(&mut self));
        self
    }

    /// Who may see the token, in the words of the promise.
    fn is_visible(&self) -> bool {
        let is_for_callers_api = self.refresh.is_none()
            && matches!(self.token.audience, Audience::Api(api) if self.caller.api == Some(api));
        self.caller.realm == REALM
            && (self.caller.id == OWNER || self.caller.introspect_any || is_for_callers_api)
    }

    /// Whether it is good, condition by condition, for tokens as the fixtures make them.
    fn is_good_by_the_book(&self) -> bool {
        let (token, refresh) = (&self.token, self.refresh.as_ref());
        let signed = refresh.is_none() && token.form != TokenForm::Opaque;
        let by_user = token.user.is_some();
        let to_the_row = refresh.is_some() || token.expires_at > ISSUED.plus_seconds(86_400);
        let minted_at = refresh.map_or(token.minted_at, |refresh| refresh.minted_at);
        let expires_at = refresh.map_or(token.expires_at, |refresh| refresh.expires_at);
        let id = u128::from(refresh.map_or(token.id, |refresh| refresh.id).as_number());
        let killed = (CUT.as_number()..).zip(&self.events).any(|(position, event)| match *event {
            Event::Revoked { token, .. } => token == id,
            Event::Cut { kind, subject } => {
                let has_subject = match kind {
                    CutKind::Key => signed,
                    CutKind::Session | CutKind::User => by_user,
                    _ => true,
                };
                has_subject && subject == subject_of(kind) && minted_at.as_number() < position
            }
            _ => false,
        });
        let needs_api = refresh.is_none() && token.audience != Audience::Issuer;
        let needs_parents = to_the_row && by_user;
        let later = |cut_at: Seq| cut_at <= minted_at;
        let ahead = |end: Timestamp| self.now < end;
        let leaf_of = |row: &Grant, id| row.refresh_token == Some(id) && ahead(row.idle_expires_at);
        ahead(expires_at)
            && self.now.plus_seconds(AHEAD) >= ISSUED
            && !killed
            && token.revoked_at.is_none()
            && later(self.realm_cut_at)
            && self.owner.as_ref().is_some_and(|row| row.enabled && later(row.cut_at))
            && (!needs_api || self.api.as_ref().is_some_and(|row| row.enabled))
            && (!signed || self.key.as_ref().is_some_and(|row| row.state.is_published() && later(row.cut_at)))
            && (!to_the_row || self.has_parents && self.grant.as_ref().is_some_and(|row| later(row.cut_at)))
            && (!needs_parents
                || self.session.as_ref().is_some_and(|row| later(row.cut_at) && ahead(row.expires_at)))
            && (!needs_parents || self.user.as_ref().is_some_and(|row| row.enabled && later(row.cut_at)))
            && refresh.is_none_or(|token| self.grant.as_ref().is_some_and(|row| leaf_of(row, token.id)))
    }
}

/// A token of any kind, minted before, at or after what happens to it, and asked about by anybody.
fn any_case() -> impl Strategy<Value = Start> {
    // Most see the token: whoever does not tells nothing about its state.
    let caller = prop_oneof![
        4 => Just((OWNER.as_number(), None, false, 1)),
        2 => Just((99, Some(API.as_number()), false, 1)),
        1 => (19_u64..22, proptest::option::of(9_u64..12), any::<bool>(), 1_u64..3),
    ];
    (any::<[bool; 4]>(), prop::bool::weighted(0.2), 4_u64..9, 0_u64..16, caller).prop_map(
        |(kind, for_issuer, minted_at, second, caller)| Start { kind, for_issuer, minted_at, second, caller },
    )
}

#[derive(Clone, Debug)]
struct Start {
    /// A refresh token, a JWT, a client's own, one that lives long.
    kind: [bool; 4],
    for_issuer: bool,
    minted_at: u64,
    /// When it is asked about, from five seconds before it was issued.
    second: u64,
    /// Number, API, permission, realm.
    caller: (u64, Option<u64>, bool, u64),
}

impl Start {
    fn case(&self) -> Case {
        let [refresh, jwt, own, long] = self.kind;
        let (number, api, introspect_any, realm) = self.caller;
        let (api, realm) = (api.map(ApiId::from_number), RealmId::from_number(realm));
        let mut case = if long { long_lived() } else { case() };
        case.caller = Client { api, introspect_any, realm, ..client(number) };
        case.now = ISSUED.minus_seconds(5).plus_seconds(self.second);
        case.refresh = refresh.then(refresh_token);
        if jwt {
            case.token.form = TokenForm::Jwt(KEY);
        }
        if own {
            (case.token.user, case.token.session) = (None, None);
            case.refresh.iter_mut().for_each(|token| (token.user, token.session) = (None, None));
        }
        if self.for_issuer {
            case.token.audience = Audience::Issuer;
        }
        case.minted_at(Seq::from_number(self.minted_at))
    }
}

fn some_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => proptest::sample::select(all_steps()),
        1 => proptest::sample::select(WAITS.to_vec()).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..4)
}

proptest! {
    #[test]
    fn int_09_a_token_is_active_exactly_when_every_condition_holds(start in any_case(), steps in some_steps()) {
        let case = start.case().suffer(&steps);
        prop_assert_eq!(case.decide().is_ok(), case.is_visible() && case.is_good_by_the_book());
    }

    #[test]
    fn no_cut_no_revocation_no_switch_and_no_time_brings_a_token_back(
        start in any_case(), before in some_steps(), after in some_steps(),
    ) {
        let mut steps = before;
        let first = start.case().suffer(&steps).decide();
        steps.extend(after);
        let later = start.case().suffer(&steps).decide();
        // What begins later does become active with time.
        let was_dead = first.is_err() && first != Err(Inactive::NotYetValid);
        prop_assert!(!was_dead || later.is_err(), "{:?} and then {:?}", first, later);
    }

    #[test]
    fn int_10_what_a_caller_may_see_depends_on_the_caller_and_never_on_the_state(
        start in any_case(), steps in some_steps(),
    ) {
        let case = start.case().suffer(&steps);
        prop_assert_eq!(case.decide() == Err(Inactive::NotForCaller), !case.is_visible());
    }

    #[test]
    fn r_09_jwt_and_opaque_tokens_are_decided_alike(start in any_case(), steps in some_steps()) {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !step.is_about_keys()).collect();
        let mut case = start.case().suffer(&steps);
        case.token.form = TokenForm::Opaque;
        let opaque = case.decide();
        case.token.form = TokenForm::Jwt(KEY);
        prop_assert_eq!(case.decide(), opaque);
    }

    #[test]
    fn int_11_no_api_sees_a_scope_that_is_neither_its_own_nor_of_identity(
        of_token in proptest::sample::subsequence(vec!["a", "b", "email", "openid", "z"], 0..=5),
        of_api in proptest::sample::subsequence(vec!["a", "b", "z"], 0..=3),
    ) {
        let concerns = |scope: &&str| of_api.contains(scope) || ["email", "openid"].contains(scope);
        let expected: Vec<&str> = of_token.iter().copied().filter(concerns).collect();
        check_narrowing(&of_token.join(" "), &of_api.join(" "), &expected.join(" "));
    }
}
