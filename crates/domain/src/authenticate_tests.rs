//! Tests of `authenticate`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use lydian_jose::{Algorithm, Compact, SigningKey};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Clock, Mint, SystemClock, SystemEntropy};
use proptest::prelude::*;

use super::*;
use crate::introspect::Inspected;
use crate::records::AccessToken;
use crate::test_fixtures::{API, ISSUED, OWNER, access_token, client, refresh_token, scope};

const AUDIENCES: AssertionAudiences<'_> = AssertionAudiences {
    issuer: "https://login.example",
    token_endpoint: "https://login.example/oauth2/token",
};

fn mint() -> Mint<'static> {
    Mint::new(ISSUED, &SystemEntropy)
}

fn with_secrets(secrets: &[&Secret]) -> Arc<Client> {
    let secrets = secrets.iter().map(|secret| ClientSecretHash::of(secret, &mint())).collect();
    Arc::new(Client { secrets, ..client(1) })
}

fn outcome(client: Option<&Arc<Client>>, method: ClientAuthMethod, secret: &Secret) -> Result<(), Refusal> {
    authenticate_by_secret(client, method, secret).map(|_| ())
}

#[test]
fn the_right_secret_by_the_registered_method_is_enough() {
    let secret = mint().client_secret();
    let known = with_secrets(&[&secret]);
    let caller = authenticate_by_secret(Some(&known), ClientAuthMethod::ClientSecretBasic, &secret).unwrap();
    assert_eq!(caller.by(), AuthenticatedBy::Credentials(ClientAuthMethod::ClientSecretBasic));
    assert!(caller.is_for(&known));
    assert!(!caller.is_for(&Arc::new((*known).clone())), "another record is another record");
}

#[test]
fn oau_06_every_wrong_way_has_its_cause_and_no_caller_sees_it() {
    let (secret, other) = (mint().client_secret(), mint().client_secret());
    let basic = ClientAuthMethod::ClientSecretBasic;
    let known = with_secrets(&[&secret]);
    assert_eq!(outcome(None, basic, &secret), Err(Refusal::ClientUnknown));
    assert_eq!(outcome(Some(&known), basic, &other), Err(Refusal::ClientCredentialsWrong));
    assert_eq!(outcome(Some(&with_secrets(&[])), basic, &secret), Err(Refusal::ClientCredentialsWrong));
    let post = ClientAuthMethod::ClientSecretPost;
    assert_eq!(outcome(Some(&known), post, &secret), Err(Refusal::ClientMethodNotRegistered));
    let disabled = Arc::new(Client { enabled: false, ..(*known).clone() });
    assert_eq!(outcome(Some(&disabled), basic, &secret), Err(Refusal::ClientDisabled));
}

#[test]
fn oau_06_a_secret_that_is_wrong_says_nothing_about_the_client() {
    let (secret, other) = (mint().client_secret(), mint().client_secret());
    let disabled = Arc::new(Client { enabled: false, ..(*with_secrets(&[&secret])).clone() });
    for method in ClientAuthMethod::OFFERED {
        assert_eq!(outcome(Some(&disabled), method, &other), Err(Refusal::ClientCredentialsWrong));
    }
    for wrong in ["", " ", &secret.expose()[1..], &format!("{} ", secret.expose())] {
        let outcome = outcome(
            Some(&with_secrets(&[&secret])),
            ClientAuthMethod::ClientSecretBasic,
            &Secret::new(wrong.to_owned()),
        );
        assert_eq!(outcome, Err(Refusal::ClientCredentialsWrong), "{wrong:?}");
    }
}

/// The least time that many calls took, in nanoseconds: what disturbs a machine only adds to it.
fn least_time_of(mut calls: [&mut dyn FnMut(); 2]) -> [u64; 2] {
    let mut least = [u64::MAX; 2];
    for _ in 0..100 {
        for (call, least) in calls.iter_mut().zip(&mut least) {
            let begin = SystemClock.boot_now();
            (0..100).for_each(|_| call());
            let elapsed = SystemClock.boot_now().since(begin).as_nanos();
            *least = (*least).min(u64::try_from(elapsed).unwrap());
        }
    }
    least
}

#[test]
fn oau_06_an_unknown_client_costs_what_a_wrong_secret_costs() {
    let (secret, other) = (mint().client_secret(), mint().client_secret());
    let (known, basic) = (with_secrets(&[&secret]), ClientAuthMethod::ClientSecretBasic);
    let mut unknown = || _ = std::hint::black_box(outcome(None, basic, &other));
    let mut wrong = || _ = std::hint::black_box(outcome(Some(&known), basic, &other));
    let [unknown, wrong] = least_time_of([&mut unknown, &mut wrong]);
    assert!(unknown * 2 > wrong && wrong * 2 > unknown, "unknown {unknown} ns, wrong {wrong} ns");
}

#[test]
fn oau_06_the_place_of_the_right_secret_costs_nothing() {
    let secrets: Vec<Secret> = (0..8).map(|_| mint().client_secret()).collect();
    let known = with_secrets(&secrets.iter().collect::<Vec<_>>());
    let mut first =
        || _ = std::hint::black_box(outcome(Some(&known), ClientAuthMethod::ClientSecretBasic, &secrets[0]));
    let mut last =
        || _ = std::hint::black_box(outcome(Some(&known), ClientAuthMethod::ClientSecretBasic, &secrets[7]));
    let [first, last] = least_time_of([&mut first, &mut last]);
    assert!(first * 2 > last && last * 2 > first, "first {first} ns, last {last} ns");
}

#[test]
fn oau_02_a_method_counts_only_for_clients_that_are_registered_with_it() {
    let secret = mint().client_secret();
    let methods = [ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost];
    for registered in methods {
        let known = with_secrets(&[&secret]);
        let known = Arc::new(Client { auth_methods: BTreeSet::from([registered]), ..(*known).clone() });
        for used in methods {
            let caller = authenticate_by_secret(Some(&known), used, &secret);
            let expected = if used == registered {
                Ok(AuthenticatedBy::Credentials(used))
            } else {
                Err(Refusal::ClientMethodNotRegistered)
            };
            assert_eq!(caller.map(|caller| caller.by()), expected, "{registered:?} {used:?}");
        }
    }
}

#[test]
fn both_secrets_count_while_a_new_one_takes_over_and_the_old_one_no_longer_when_it_is_gone() {
    let (old, new, other) = (mint().client_secret(), mint().client_secret(), mint().client_secret());
    let basic = ClientAuthMethod::ClientSecretBasic;
    for known in [with_secrets(&[&old, &new]), with_secrets(&[&new, &old])] {
        for secret in [&old, &new] {
            assert_eq!(outcome(Some(&known), basic, secret), Ok(()));
        }
        assert_eq!(outcome(Some(&known), basic, &other), Err(Refusal::ClientCredentialsWrong));
    }
    let rotated = with_secrets(&[&new]);
    assert_eq!(outcome(Some(&rotated), basic, &new), Ok(()));
    assert_eq!(outcome(Some(&rotated), basic, &old), Err(Refusal::ClientCredentialsWrong));
}

fn with_methods(methods: &[ClientAuthMethod]) -> Client {
    Client { auth_methods: methods.iter().copied().collect(), ..client(1) }
}

#[test]
fn oau_20_a_public_client_is_identified_and_who_has_credentials_must_use_them() {
    let identify = |client: Client| identify_public_client(Some(&Arc::new(client))).map(|caller| caller.by());
    let public = || with_methods(&[ClientAuthMethod::None]);
    assert_eq!(identify(public()), Ok(AuthenticatedBy::Credentials(ClientAuthMethod::None)));
    assert_eq!(identify(Client { enabled: false, ..public() }), Err(Refusal::ClientDisabled));
    assert_eq!(identify(with_methods(&[])), Err(Refusal::ClientMethodNotRegistered));
    for method in ClientAuthMethod::OFFERED {
        assert_eq!(identify(with_methods(&[method])), Err(Refusal::ClientMethodNotRegistered));
        let both = with_methods(&[ClientAuthMethod::None, method]);
        assert_eq!(identify(both), Err(Refusal::ClientMethodNotRegistered), "{method:?}");
    }
    assert_eq!(identify_public_client(None).map(|_| ()), Err(Refusal::ClientUnknown));
}

fn assertion_client() -> Client {
    Client { auth_methods: BTreeSet::from([ClientAuthMethod::PrivateKeyJwt]), ..client(1) }
}

fn claims(text: &str) -> Claims {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let token = key.sign_compact("JWT", text.as_bytes()).unwrap();
    Compact::parse(&token).unwrap().verify(key.verifying_key()).unwrap().claims().unwrap()
}

/// A good assertion with some members replaced; no text at all leaves one out.
fn assertion(changes: &[(&str, &str)]) -> Claims {
    let mut members = vec![
        ("iss", "\"client-1\"".to_owned()),
        ("sub", "\"client-1\"".to_owned()),
        ("aud", "\"https://login.example\"".to_owned()),
        ("exp", ISSUED.plus_seconds(60).to_string()),
        ("jti", "\"j1\"".to_owned()),
    ];
    for (name, value) in changes {
        members.retain(|(known, _)| known != name);
        if !value.is_empty() {
            members.push((name, (*value).to_owned()));
        }
    }
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    claims(&format!("{{{}}}", members.join(",")))
}

#[track_caller]
fn check_assertion_as(client: Client, changes: &[(&str, &str)], expected: Result<(), Refusal>) {
    let outcome = authenticate_by_assertion(&Arc::new(client), &assertion(changes), AUDIENCES, ISSUED);
    assert_eq!(outcome.map(|_| ()), expected, "{changes:?}");
}

#[track_caller]
fn check_assertion(changes: &[(&str, &str)], expected: Result<(), Refusal>) {
    check_assertion_as(assertion_client(), changes, expected);
}

const INVALID: Result<(), Refusal> = Err(Refusal::ClientAssertionInvalid);

fn used(client: Client, changes: &[(&str, &str)]) -> (AuthenticatedClient, AssertionUse) {
    authenticate_by_assertion(&Arc::new(client), &assertion(changes), AUDIENCES, ISSUED).unwrap()
}

#[test]
fn jwt_05_a_good_assertion_authenticates_and_names_its_single_use() {
    let (caller, used) = used(assertion_client(), &[]);
    assert_eq!(caller.by(), AuthenticatedBy::Credentials(ClientAuthMethod::PrivateKeyJwt));
    assert_eq!(caller.client().id, client(1).id);
    assert_eq!((used.client, used.expires_at), (client(1).id, ISSUED.plus_seconds(60)));
    assert_eq!(used.digest, crate::secrets::sha256(b"j1"));
}

#[test]
fn jwt_05_the_use_of_an_assertion_depends_on_client_and_jti_alone() {
    let of = |changes: &[(&str, &str)]| used(assertion_client(), changes).1;
    let later = second(90);
    assert_eq!(of(&[]).digest, of(&[("exp", &later)]).digest);
    assert_ne!(of(&[]).digest, of(&[("jti", "\"j2\"")]).digest);
    let other = Client { id: OWNER, ..assertion_client() };
    assert_ne!(of(&[]).client, used(other, &[]).1.client);
}

#[test]
fn an_assertion_without_a_claim_or_with_one_of_another_type_is_invalid() {
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        for value in ["", "null", "true", "[]", "{}", "[null]", "[[\"client-1\"]]", "{\"a\":1}"] {
            check_assertion(&[(name, value)], INVALID);
        }
    }
    for name in ["iss", "sub", "aud", "jti"] {
        for value in ["1", "\"\"", "[1]"] {
            check_assertion(&[(name, value)], INVALID);
        }
    }
    for name in ["exp", "iat", "nbf"] {
        for value in ["\"1800000060\"", "-1", "1e400", "null", "true", "[1800000060]", "9007199254740992"] {
            check_assertion(&[(name, value)], INVALID);
        }
    }
}

#[test]
fn an_assertion_speaks_for_the_client_that_signed_it_alone() {
    for name in ["iss", "sub"] {
        for value in
            ["\"client-2\"", "\"Client-1\"", "\"client-1 \"", "\"client-\"", "\"https://login.example\""]
        {
            check_assertion(&[(name, value)], INVALID);
        }
    }
    check_assertion(&[("iss", "\"client-2\""), ("sub", "\"client-2\"")], INVALID);
}

#[test]
fn a_jti_is_any_text_that_is_not_empty() {
    for jti in ["\" \"", "\"\\u0000\"", "\"\u{1f511}\"", &format!("\"{}\"", "j".repeat(2_000))] {
        check_assertion(&[("jti", jti)], Ok(()));
    }
}

#[test]
fn an_assertion_may_say_more_than_it_must() {
    check_assertion(&[("extra", "{\"a\":[1,null]}"), ("azp", "\"client-2\"")], Ok(()));
    let now = ISSUED.as_unix_seconds().to_string();
    check_assertion(&[("iat", &now), ("nbf", &now)], Ok(()));
}

const ISSUER: &str = "\"https://login.example\"";
const ENDPOINT: &str = "\"https://login.example/oauth2/token\"";

#[test]
fn r_02_the_audience_is_the_issuer_alone() {
    let switched = || Client { assertion_audience_token_endpoint: true, ..assertion_client() };
    let list = |audiences: &[&str]| format!("[{}]", audiences.join(","));
    for client in [assertion_client, switched] {
        check_assertion_as(client(), &[("aud", ISSUER)], Ok(()));
        check_assertion_as(client(), &[("aud", &list(&[ISSUER]))], Ok(()));
        for wrong in [
            list(&[]),
            list(&[ISSUER, "\"https://other.example\""]),
            list(&["\"https://other.example\"", ISSUER]),
            list(&[ISSUER, ISSUER]),
            list(&[ISSUER, ENDPOINT]),
            list(&[ENDPOINT, ENDPOINT]),
            list(&[&list(&[ISSUER])]),
            list(&[ISSUER, "1"]),
            "\"https://login.example/\"".to_owned(),
            "\"HTTPS://LOGIN.EXAMPLE\"".to_owned(),
            "\"https://login.exampl\"".to_owned(),
            "\"https://login.example/oauth2\"".to_owned(),
            "\"https://login.example/oauth2/introspect\"".to_owned(),
            "\"https://login.example/oauth2/token/\"".to_owned(),
            "\"https://other.example\"".to_owned(),
            "\"client-1\"".to_owned(),
        ] {
            check_assertion_as(client(), &[("aud", &wrong)], INVALID);
        }
    }
}

#[test]
fn r_02_the_token_endpoint_is_an_audience_only_for_clients_with_the_switch() {
    let switched = || Client { assertion_audience_token_endpoint: true, ..assertion_client() };
    for audience in [ENDPOINT.to_owned(), format!("[{ENDPOINT}]")] {
        check_assertion(&[("aud", &audience)], INVALID);
        check_assertion_as(switched(), &[("aud", &audience)], Ok(()));
    }
}

/// The second so far after (or before) the tests' now, as claims write it.
fn second(offset: i64) -> String {
    ISSUED.as_unix_seconds().checked_add_signed(offset).unwrap().to_string()
}

#[test]
fn an_assertion_lives_at_most_five_minutes_and_not_beyond_its_second() {
    for (offset, expected) in [
        (-400, INVALID),
        (-1, INVALID),
        (0, INVALID),
        (1, Ok(())),
        (300, Ok(())),
        (310, Ok(())),
        (311, INVALID),
    ] {
        check_assertion(&[("exp", &second(offset))], expected);
    }
    check_assertion(&[("exp", "9007199254740991")], INVALID);
}

#[test]
fn a_fraction_of_a_second_does_not_lengthen_the_life_of_an_assertion() {
    let exp = |offset| format!("{}.999", second(offset));
    check_assertion(&[("exp", &exp(0))], INVALID);
    assert_eq!(used(assertion_client(), &[("exp", &exp(1))]).1.expires_at, ISSUED.plus_seconds(1));
}

#[test]
fn r_10_an_assertion_from_further_ahead_than_clocks_differ_is_invalid() {
    for name in ["iat", "nbf"] {
        for (offset, expected) in
            [(-100_000, Ok(())), (0, Ok(())), (1, Ok(())), (10, Ok(())), (11, INVALID), (61, INVALID)]
        {
            check_assertion(&[(name, &second(offset))], expected);
        }
        check_assertion(&[(name, "\"now\"")], INVALID);
    }
    check_assertion(&[("iat", &second(0)), ("nbf", &second(11))], INVALID);
    check_assertion(&[("iat", &second(11)), ("nbf", &second(0))], INVALID);
}

proptest! {
    #[test]
    fn an_assertion_is_good_within_its_times_and_never_outside(
        exp in -20_i64..340,
        iat in proptest::option::of(-20_i64..30),
        nbf in proptest::option::of(-20_i64..30),
    ) {
        let text = |offset: Option<i64>| offset.map(second).unwrap_or_default();
        let changes = [("exp", &*second(exp)), ("iat", &*text(iat)), ("nbf", &*text(nbf))];
        let outcome =
            authenticate_by_assertion(&Arc::new(assertion_client()), &assertion(&changes), AUDIENCES, ISSUED);
        let good = (1..=310).contains(&exp) && iat.is_none_or(|iat| iat <= 10) && nbf.is_none_or(|nbf| nbf <= 10);
        prop_assert_eq!(outcome.map(|_| ()), if good { Ok(()) } else { INVALID });
    }
}

#[test]
fn an_assertion_needs_its_method_and_an_enabled_client() {
    use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt};
    let other_methods = with_methods(&[ClientSecretBasic, ClientSecretPost, None]);
    check_assertion_as(other_methods.clone(), &[], Err(Refusal::ClientMethodNotRegistered));
    check_assertion_as(Client { enabled: false, ..assertion_client() }, &[], Err(Refusal::ClientDisabled));
    check_assertion_as(with_methods(&[ClientSecretBasic, PrivateKeyJwt]), &[], Ok(()));
    // What is wrong with the assertion comes first: the rest is told to nobody who cannot sign.
    check_assertion_as(other_methods, &[("aud", ENDPOINT)], INVALID);
    check_assertion_as(Client { enabled: false, ..assertion_client() }, &[("exp", &second(0))], INVALID);
}

fn by_bearer(audience: Audience, scopes: &str, client: Client) -> Result<AuthenticatedBy, Refusal> {
    let token = AccessToken { client: client.id, audience, scope: scope(scopes), ..access_token() };
    let visible = Visible { token: Inspected::Access(&token), scope: Cow::Owned(ScopeSet::empty()) };
    authenticate_by_bearer(&visible, &Arc::new(client)).map(|caller| caller.by())
}

#[test]
fn w7_a_bearer_token_for_the_issuer_with_the_scope_opens_the_endpoint() {
    let both = "internal_oauth2_introspect introspect";
    for scopes in ["introspect", "internal_oauth2_introspect", "introspect openid", both] {
        assert_eq!(by_bearer(Audience::Issuer, scopes, client(1)), Ok(AuthenticatedBy::BearerToken));
    }
}

#[test]
fn int_04_a_bearer_token_for_an_api_does_not_open_the_endpoint_whatever_its_scopes() {
    for caller in [client(1), Client { api: Some(API), introspect_any: true, ..client(1) }] {
        for scopes in ["introspect", "internal_oauth2_introspect", "read"] {
            let outcome = by_bearer(Audience::Api(API), scopes, caller.clone());
            assert_eq!(outcome, Err(Refusal::BearerInactive));
        }
    }
}

#[test]
fn int_04_a_bearer_token_without_the_very_scope_does_not_open_the_endpoint() {
    for scopes in [
        "",
        "read",
        "introspec",
        "introspect_any",
        "introspect:all",
        "Introspect",
        "oauth2_introspect",
        "internal_oauth2_introspect2",
        "openid profile",
    ] {
        let outcome = by_bearer(Audience::Issuer, scopes, client(1));
        assert_eq!(outcome, Err(Refusal::BearerScopeMissing), "{scopes:?}");
    }
    // The permission of the client widens what it sees and opens nothing.
    let permitted = Client { introspect_any: true, issuer_scopes: scope("introspect"), ..client(1) };
    assert_eq!(by_bearer(Audience::Issuer, "read", permitted), Err(Refusal::BearerScopeMissing));
}

#[test]
fn int_04_the_scope_of_the_token_counts_and_not_what_was_shown_of_it() {
    let token = AccessToken { audience: Audience::Issuer, scope: scope("read"), ..access_token() };
    let shown = Visible { token: Inspected::Access(&token), scope: Cow::Owned(scope("introspect")) };
    let owner = Arc::new(client(OWNER.as_number()));
    assert_eq!(authenticate_by_bearer(&shown, &owner).map(|_| ()), Err(Refusal::BearerScopeMissing));
}

#[test]
fn int_04_a_bearer_token_speaks_for_nobody_but_the_client_that_it_was_issued_to() {
    let token = AccessToken { audience: Audience::Issuer, scope: scope("introspect"), ..access_token() };
    let visible = Visible { token: Inspected::Access(&token), scope: Cow::Borrowed(&token.scope) };
    let by = |number| authenticate_by_bearer(&visible, &Arc::new(client(number))).map(|caller| caller.by());
    assert_eq!(by(OWNER.as_number()), Ok(AuthenticatedBy::BearerToken));
    assert_eq!(by(1), Err(Refusal::BearerInactive));
}

#[test]
fn w9_a_refresh_token_is_no_credential() {
    let token = refresh_token();
    let visible = Visible { token: Inspected::Refresh(&token), scope: Cow::Owned(scope("introspect")) };
    let owner = Arc::new(client(OWNER.as_number()));
    assert_eq!(authenticate_by_bearer(&visible, &owner).map(|_| ()), Err(Refusal::BearerInactive));
}

#[test]
fn a_public_client_has_no_bearer_token_that_opens_the_endpoint() {
    for scopes in ["introspect", "internal_oauth2_introspect"] {
        let outcome = by_bearer(Audience::Issuer, scopes, with_methods(&[ClientAuthMethod::None]));
        assert_eq!(outcome, Err(Refusal::ClientPublic));
    }
}

#[test]
fn an_authenticated_caller_is_the_record_that_was_asked() {
    let secret = mint().client_secret();
    let record = with_secrets(&[&secret]);
    let caller = authenticate_by_secret(Some(&record), ClientAuthMethod::ClientSecretBasic, &secret).unwrap();
    assert!(std::ptr::eq(caller.client(), &*record));
    assert!(caller.is_for(&record));
    let changed = Arc::new(Client { version: 2, ..(*record).clone() });
    assert!(!caller.is_for(&changed), "any change of a client makes another record");
}
