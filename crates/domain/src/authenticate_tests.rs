//! Tests of `authenticate`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use lydian_jose::{Algorithm, Compact, SigningKey};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Mint, SystemEntropy};

use super::*;
use crate::introspect::Inspected;
use crate::records::AccessToken;
use crate::test_fixtures::{ISSUED, access_token, client, scope};

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
fn both_secrets_count_while_a_new_one_takes_over() {
    let (old, new) = (mint().client_secret(), mint().client_secret());
    let known = with_secrets(&[&old, &new]);
    for secret in [&old, &new] {
        assert_eq!(outcome(Some(&known), ClientAuthMethod::ClientSecretBasic, secret), Ok(()));
    }
}

#[test]
fn a_public_client_is_identified_and_a_confidential_one_must_authenticate() {
    let public = |enabled| {
        Arc::new(Client { auth_methods: BTreeSet::from([ClientAuthMethod::None]), enabled, ..client(1) })
    };
    assert!(identify_public_client(Some(&public(true))).is_ok());
    let refused = |client: Option<&Arc<Client>>| identify_public_client(client).map(|_| ()).unwrap_err();
    assert_eq!(refused(Some(&public(false))), Refusal::ClientDisabled);
    assert_eq!(refused(Some(&Arc::new(client(1)))), Refusal::ClientMethodNotRegistered);
    assert_eq!(refused(None), Refusal::ClientUnknown);
}

fn assertion_client() -> Client {
    Client { auth_methods: BTreeSet::from([ClientAuthMethod::PrivateKeyJwt]), ..client(1) }
}

fn claims(text: &str) -> Claims {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let token = key.sign_compact("JWT", text.as_bytes()).unwrap();
    Compact::parse(&token).unwrap().verify(key.verifying_key()).unwrap().claims().unwrap()
}

/// A good assertion with some members replaced; `null` leaves one out.
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
        if *value != "null" {
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

#[test]
fn a_good_assertion_authenticates_and_names_its_single_use() {
    let (_, used) =
        authenticate_by_assertion(&Arc::new(assertion_client()), &assertion(&[]), AUDIENCES, ISSUED).unwrap();
    assert_eq!((used.client, used.expires_at), (client(1).id, ISSUED.plus_seconds(60)));
    assert_eq!(used.digest, crate::secrets::sha256(b"j1"));
}

#[test]
fn an_assertion_without_a_claim_or_with_a_wrong_one_is_invalid() {
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        check_assertion(&[(name, "null")], INVALID);
        check_assertion(&[(name, "true")], INVALID);
        check_assertion(&[(name, "[]")], INVALID);
    }
    check_assertion(&[("iss", "\"client-2\"")], INVALID);
    check_assertion(&[("sub", "\"client-2\"")], INVALID);
    check_assertion(&[("jti", "\"\"")], INVALID);
    check_assertion(&[("exp", "\"1800000060\"")], INVALID);
}

#[test]
fn r_02_the_audience_is_the_issuer_alone() {
    let endpoint = "\"https://login.example/oauth2/token\"";
    check_assertion(&[("aud", "[\"https://login.example\"]")], Ok(()));
    check_assertion(&[("aud", "[\"https://login.example\",\"https://other.example\"]")], INVALID);
    check_assertion(&[("aud", "\"https://login.example/\"")], INVALID);
    check_assertion(&[("aud", endpoint)], INVALID);
    let switched = Client { assertion_audience_token_endpoint: true, ..assertion_client() };
    check_assertion_as(switched, &[("aud", endpoint)], Ok(()));
}

#[test]
fn an_assertion_lives_at_most_five_minutes_and_not_beyond_its_second() {
    let exp = |seconds: i64| ISSUED.plus_seconds(1_000).minus_seconds((1_000 - seconds) as u64).to_string();
    check_assertion(&[("exp", &exp(0))], INVALID);
    check_assertion(&[("exp", &exp(1))], Ok(()));
    check_assertion(&[("exp", &exp(310))], Ok(()));
    check_assertion(&[("exp", &exp(311))], INVALID);
}

#[test]
fn r_10_an_assertion_from_further_ahead_than_clocks_differ_is_invalid() {
    for name in ["iat", "nbf"] {
        check_assertion(&[(name, &ISSUED.plus_seconds(10).to_string())], Ok(()));
        check_assertion(&[(name, &ISSUED.plus_seconds(11).to_string())], INVALID);
        check_assertion(&[(name, "\"now\"")], INVALID);
    }
}

#[test]
fn an_assertion_needs_its_method_and_an_enabled_client() {
    check_assertion_as(client(1), &[], Err(Refusal::ClientMethodNotRegistered));
    check_assertion_as(Client { enabled: false, ..assertion_client() }, &[], Err(Refusal::ClientDisabled));
}

fn by_bearer(audience: Audience, scopes: &str, client: Client) -> Result<AuthenticatedBy, Refusal> {
    let token = AccessToken { audience, scope: scope(scopes), ..access_token() };
    let visible = Visible { token: Inspected::Access(&token), scope: Cow::Owned(ScopeSet::empty()) };
    authenticate_by_bearer(&visible, &Arc::new(client)).map(|caller| caller.by())
}

#[test]
fn w7_a_bearer_token_for_the_issuer_with_the_scope_opens_the_endpoint() {
    for scopes in ["introspect", "internal_oauth2_introspect", "introspect openid"] {
        assert_eq!(by_bearer(Audience::Issuer, scopes, client(1)), Ok(AuthenticatedBy::BearerToken));
    }
}

#[test]
fn int_04_a_bearer_token_for_somebody_else_or_without_the_scope_does_not() {
    let api = Audience::Api(crate::test_fixtures::API);
    assert_eq!(by_bearer(api, "introspect", client(1)), Err(Refusal::BearerInactive));
    assert_eq!(by_bearer(Audience::Issuer, "read", client(1)), Err(Refusal::BearerScopeMissing));
    assert_eq!(by_bearer(Audience::Issuer, "introspec", client(1)), Err(Refusal::BearerScopeMissing));
    let public = Client { auth_methods: BTreeSet::from([ClientAuthMethod::None]), ..client(1) };
    assert_eq!(by_bearer(Audience::Issuer, "introspect", public), Err(Refusal::ClientPublic));
}
