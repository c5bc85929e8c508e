use lydian_oauth_types::Form;

use super::*;
use crate::authentication::{AuthenticationMethod, AuthenticationMethods};
use crate::records::ClientAuthorization;
use crate::test_fixtures::{API, ISSUED, OWNER, REALM, USER, client, scope};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn registered(redirect_uris: &[&str]) -> Client {
    let redirect_uris = redirect_uris.iter().map(|uri| (*uri).to_owned()).collect();
    let authorization = ClientAuthorization { redirect_uris, ..ClientAuthorization::default() };
    Client { authorization, ..client(1) }
}

fn web() -> Client {
    registered(&["https://app.example/cb"])
}

/// A good request with these pairs put in or, with an empty value, taken out.
fn read(client: &Client, changes: &[(&str, &str)]) -> Result<AuthorizationRequest, Refusal> {
    let mut pairs = vec![
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let text = text.join("&");
    let form = Form::parse(text.as_bytes(), &["resource"]).unwrap();
    request(client, return_to(client, &form)?, &form)
}

#[track_caller]
fn check(changes: &[(&str, &str)], refusal: Refusal) {
    assert_eq!(read(&web(), changes).unwrap_err(), refusal, "{changes:?}");
}

#[test]
fn a_request_is_read_with_everything_that_it_says() {
    let request = read(
        &web(),
        &[
            ("scope", "openid read"),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("prompt", "login consent"),
            ("max_age", "60"),
            ("response_mode", "form_post"),
            ("resource", "https://api.example/"),
            ("claims", "{}"),
            ("display", "touch"),
            ("unknown", "value"),
        ],
    )
    .unwrap();
    assert_eq!(request.client_id, "client-1");
    assert_eq!(request.return_to.state.as_deref(), Some("a state"));
    assert_eq!(request.return_to.response_mode, ResponseMode::FormPost);
    assert_eq!(request.scope, Some(scope("openid read")));
    assert_eq!(request.nonce.as_deref(), Some("a nonce"));
    assert_eq!(request.prompt, Prompt { none: false, login: true, consent: true });
    assert_eq!((request.max_age, request.resources), (Some(60), vec!["https://api.example/".to_owned()]));
    assert_eq!(base64url::encode(&request.code_challenge), CHALLENGE);
}

#[test]
fn what_is_wrong_is_named() {
    check(&[("redirect_uri", "")], Refusal::RedirectUriMissing);
    check(&[("redirect_uri", "https://app.example/cb?x=1")], Refusal::RedirectUriUnregistered);
    check(&[("response_type", "")], Refusal::ResponseTypeMissing);
    for other in ["token", "id_token", "code id_token", "none", "Code", "code code"] {
        check(&[("response_type", other)], Refusal::ResponseTypeUnsupported);
    }
    check(&[("response_mode", "fragment")], Refusal::ResponseModeUnsupported);
    check(&[("code_challenge", "")], Refusal::CodeChallengeMissing);
    check(&[("code_challenge_method", "")], Refusal::CodeChallengeMethodUnsupported);
    check(&[("code_challenge_method", "plain")], Refusal::CodeChallengeMethodUnsupported);
    check(&[("code_challenge", "short")], Refusal::CodeChallengeMalformed);
    check(&[("request", "eyJ")], Refusal::RequestObjectUnsupported);
    check(&[("request_uri", "urn:x")], Refusal::RequestUriUnsupported);
    check(&[("max_age", "-1")], Refusal::MaxAgeMalformed);
    check(&[("max_age", "1.5")], Refusal::MaxAgeMalformed);
    check(&[("prompt", "none login")], Refusal::PromptMalformed);
    check(&[("prompt", "maybe")], Refusal::PromptMalformed);
    check(&[("claims", "[]")], Refusal::ClaimsMalformed);
    check(&[("scope", "a\"b")], Refusal::ScopeMalformed);
    check(&[("nonce", &"n".repeat(513))], Refusal::NonceTooLong);
    check(&[("state", &"s".repeat(4_097))], Refusal::StateTooLong);
    let disabled = Client { enabled: false, ..web() };
    assert_eq!(read(&disabled, &[]).unwrap_err(), Refusal::ClientDisabled);
}

#[test]
fn a_long_state_and_nonce_come_back_whole() {
    let (state, nonce) = ("s".repeat(4_096), "n".repeat(512));
    let request = read(&web(), &[("state", &state), ("nonce", &nonce)]).unwrap();
    assert_eq!((request.return_to.state, request.nonce), (Some(state), Some(nonce)));
}

#[test]
fn redirect_addresses_compare_byte_by_byte() {
    for other in [
        "https://app.example/cb/",
        "https://app.example/cb?",
        "https://app.example/CB",
        "https://APP.example/cb",
        "https://app.example:443/cb",
        "https://app.example/./cb",
        "https://app.example/c%62",
        "https://app.example/cb#",
        "http://app.example/cb",
        "https://app.example.evil.example/cb",
        "https://app.example@evil.example/cb",
    ] {
        assert!(!redirects_match("https://app.example/cb", other), "{other}");
    }
    assert!(redirects_match("https://app.example/cb", "https://app.example/cb"));
}

#[test]
fn a_loopback_address_may_have_any_port_and_nothing_else_may_differ() {
    for (registered, presented) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51000/cb"),
        ("http://127.0.0.1:8080/cb?x=1", "http://127.0.0.1:1/cb?x=1"),
        ("http://[::1]/cb", "http://[::1]:65535/cb"),
        ("http://127.0.0.1", "http://127.0.0.1:9"),
    ] {
        assert!(redirects_match(registered, presented), "{presented}");
    }
    for presented in [
        "http://127.0.0.1:51000/other",
        "http://127.0.0.1:70000/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.12/cb",
        "https://127.0.0.1:51000/cb",
        "http://localhost:51000/cb",
        "http://[::1]:51000/cb",
    ] {
        assert!(!redirects_match("http://127.0.0.1/cb", presented), "{presented}");
    }
    assert!(!redirects_match("http://localhost:8080/cb", "http://localhost:8081/cb"));
}

#[test]
fn an_address_is_registered_only_if_an_answer_can_safely_go_there() {
    for good in [
        "https://app.example/cb",
        "https://app.example/cb?tenant=1",
        "http://127.0.0.1/cb",
        "http://[::1]:7000/cb",
        "http://localhost:3000/cb",
        "com.example.app:/cb",
    ] {
        assert_eq!(redirect_fault(good), None, "{good}");
    }
    for bad in [
        "",
        "/cb",
        "https://app.example/cb#x",
        "https://app.example/cb#",
        "https://user@app.example/cb",
        "https://*.example/cb",
        "https://app.example/cb?state=1",
        "https://app.example/c b",
        "https:\\app.example\\cb",
        "http://app.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp:/cb",
    ] {
        assert!(redirect_fault(bad).is_some(), "{bad}");
    }
    assert!(redirect_fault(&format!("https://app.example/{}", "x".repeat(2_048))).is_some());
}

/// A situation in which a code is made, as each test changes it.
struct Given {
    request: AuthorizationRequest,
    client: Client,
    signed_in: Option<SignedIn<'static>>,
    expected_subject: Option<&'static str>,
    consents: Vec<Consent>,
    agreed: bool,
    required: bool,
}

fn given(changes: &[(&str, &str)]) -> Given {
    let methods = AuthenticationMethods::of(&[AuthenticationMethod::Password]);
    Given {
        request: read(&web(), changes).unwrap(),
        client: web(),
        signed_in: Some(SignedIn {
            authentication: Authentication { at: ISSUED.minus_seconds(100), methods },
            subject: "alice",
            in_this_flow: false,
            reachable: Acr::OneFactor,
        }),
        expected_subject: None,
        consents: vec![consent(Some(API), "read")],
        agreed: false,
        required: false,
    }
}

fn consent(api: Option<ApiId>, text: &str) -> Consent {
    Consent { realm: REALM, user: USER, client: OWNER, api, scope: scope(text), given_at: ISSUED }
}

impl Given {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self, scope_text: &str) -> Result<Next, Refusal> {
        next(&Situation {
            request: &self.request,
            client: &self.client,
            signed_in: self.signed_in.as_ref(),
            expected_subject: self.expected_subject,
            scope: &scope(scope_text),
            api: Some(API),
            consents: &self.consents,
            second_factor_required: self.required,
            agreed_in_this_flow: self.agreed,
            now: ISSUED,
        })
    }
}

fn fresh(given: &mut Given) {
    given.signed_in.iter_mut().for_each(|signed_in| signed_in.in_this_flow = true);
}

#[test]
fn who_is_signed_in_and_has_agreed_is_not_asked_again() {
    assert_eq!(given(&[]).next("read"), Ok(Next::Issue));
    assert_eq!(given(&[("prompt", "none")]).next("read"), Ok(Next::Issue));
    assert_eq!(given(&[("max_age", "100")]).next("read"), Ok(Next::Issue));
}

#[test]
fn a_sign_in_is_asked_for_when_it_is_missing_old_or_demanded() {
    let nobody = |given: &mut Given| given.signed_in = None;
    assert_eq!(given(&[]).with(nobody).next("read"), Ok(Next::SignIn));
    assert_eq!(given(&[("prompt", "none")]).with(nobody).next("read"), Err(Refusal::LoginRequired));
    for demand in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "99"), ("max_age", "0")] {
        assert_eq!(given(&[demand]).next("read"), Ok(Next::SignIn), "{demand:?}");
        assert_eq!(given(&[demand]).with(fresh).next("read"), Ok(Next::Issue), "{demand:?}");
    }
    let silent_and_old = given(&[("prompt", "none"), ("max_age", "99")]);
    assert_eq!(silent_and_old.next("read"), Err(Refusal::LoginRequired));
}

const ONE: &str = "urn:lydian:acr:one-factor";
const SEVERAL: &str = "urn:lydian:acr:several-factors";
const RESISTANT: &str = "urn:lydian:acr:phishing-resistant";

/// What comes next for a person who is signed in by these methods and can reach this class.
fn with_factors(
    changes: &[(&str, &str)],
    methods: &[AuthenticationMethod],
    reachable: Acr,
    required: bool,
) -> Result<Next, Refusal> {
    let change = |given: &mut Given| {
        given.required = required;
        let signed_in = given.signed_in.as_mut().unwrap();
        (signed_in.authentication.methods, signed_in.reachable) =
            (AuthenticationMethods::of(methods), reachable);
    };
    given(changes).with(change).next("read")
}

const PASSWORD: &[AuthenticationMethod] = &[AuthenticationMethod::Password];
const TWO: &[AuthenticationMethod] = &[AuthenticationMethod::Password, AuthenticationMethod::OneTimePassword];

#[test]
fn stepup_a_class_that_is_asked_for_in_passing_is_reached_where_it_can_be() {
    let check = |values: &str, methods, reachable, expected| {
        let found = with_factors(&[("acr_values", values)], methods, reachable, false);
        assert_eq!(found, Ok(expected), "{values} {methods:?} {reachable:?}");
    };
    check(SEVERAL, PASSWORD, Acr::OneFactor, Next::Issue);
    check(SEVERAL, PASSWORD, Acr::SeveralFactors, Next::SecondFactor(Acr::SeveralFactors));
    check(SEVERAL, TWO, Acr::SeveralFactors, Next::Issue);
    check(ONE, PASSWORD, Acr::PhishingResistant, Next::Issue);
    check("unknown 2", PASSWORD, Acr::PhishingResistant, Next::Issue);
    // The first that can be met counts.
    let both = format!("{RESISTANT} {SEVERAL}");
    check(&both, PASSWORD, Acr::SeveralFactors, Next::SecondFactor(Acr::SeveralFactors));
    check(&both, PASSWORD, Acr::PhishingResistant, Next::SecondFactor(Acr::PhishingResistant));
    check(&both, TWO, Acr::PhishingResistant, Next::SecondFactor(Acr::PhishingResistant));
    check(&format!("{ONE} {SEVERAL}"), PASSWORD, Acr::SeveralFactors, Next::Issue);
    // Nobody may be asked: what is there is good enough.
    let silent = [("acr_values", SEVERAL), ("prompt", "none")];
    assert_eq!(with_factors(&silent, PASSWORD, Acr::SeveralFactors, false), Ok(Next::Issue));
    // A member of the parameter claims that is not essential says the same.
    let claims = format!(r#"{{"id_token":{{"acr":{{"value":"{SEVERAL}"}}}}}}"#);
    let found = with_factors(&[("claims", &claims)], PASSWORD, Acr::SeveralFactors, false);
    assert_eq!(found, Ok(Next::SecondFactor(Acr::SeveralFactors)));
}

#[test]
fn stepup_an_essential_class_is_reached_or_refused() {
    let check = |values: &str, methods, reachable, expected| {
        let claims = format!(r#"{{"id_token":{{"acr":{{"essential":true,"values":[{values}]}}}}}}"#);
        let found = with_factors(&[("claims", &claims)], methods, reachable, false);
        assert_eq!(found, expected, "{values} {methods:?} {reachable:?}");
        let nobody = given(&[("claims", &claims), ("prompt", "none")]).with(|given| given.signed_in = None);
        let unknown = !values.contains("urn:lydian:acr:");
        let refusal = if unknown { Refusal::UnmetAuthenticationRequirements } else { Refusal::LoginRequired };
        assert_eq!(nobody.next("read"), Err(refusal), "{values}");
    };
    let unmet = Err(Refusal::UnmetAuthenticationRequirements);
    let quoted = |value: &str| format!("{value:?}");
    check(&quoted(SEVERAL), PASSWORD, Acr::OneFactor, unmet);
    check(&quoted(SEVERAL), PASSWORD, Acr::SeveralFactors, Ok(Next::SecondFactor(Acr::SeveralFactors)));
    check(&quoted(SEVERAL), TWO, Acr::SeveralFactors, Ok(Next::Issue));
    check(&quoted(RESISTANT), TWO, Acr::SeveralFactors, unmet);
    check(&quoted(RESISTANT), TWO, Acr::PhishingResistant, Ok(Next::SecondFactor(Acr::PhishingResistant)));
    check(&format!("\"x\",{}", quoted(ONE)), PASSWORD, Acr::OneFactor, Ok(Next::Issue));
    check("\"x\"", TWO, Acr::PhishingResistant, unmet);
    let claims = format!(r#"{{"id_token":{{"acr":{{"essential":true,"value":"{SEVERAL}"}}}}}}"#);
    let silent = [("claims", claims.as_str()), ("prompt", "none")];
    assert_eq!(with_factors(&silent, PASSWORD, Acr::SeveralFactors, false), Err(Refusal::LoginRequired));
}

#[test]
fn a_second_factor_that_is_demanded_is_shown_or_added() {
    let next = |methods, reachable| with_factors(&[], methods, reachable, true);
    assert_eq!(next(PASSWORD, Acr::OneFactor), Ok(Next::Enrol));
    assert_eq!(next(PASSWORD, Acr::PhishingResistant), Ok(Next::SecondFactor(Acr::SeveralFactors)));
    assert_eq!(next(TWO, Acr::SeveralFactors), Ok(Next::Issue));
    let silent = with_factors(&[("prompt", "none")], PASSWORD, Acr::OneFactor, true);
    assert_eq!(silent, Err(Refusal::LoginRequired));
}

#[test]
fn somebody_else_than_expected_signs_in() {
    let expects = |given: &mut Given| given.expected_subject = Some("bob");
    assert_eq!(given(&[]).with(expects).next("read"), Ok(Next::SignIn));
    assert_eq!(given(&[("prompt", "none")]).with(expects).next("read"), Err(Refusal::LoginRequired));
    // Who signs in as somebody else again gets no code for the wrong person.
    assert_eq!(given(&[]).with(expects).with(fresh).next("read"), Err(Refusal::LoginRequired));
    let alice = given(&[]).with(|given| given.expected_subject = Some("alice"));
    assert_eq!(alice.next("read"), Ok(Next::Issue));
}

#[test]
fn consent_is_asked_for_what_was_not_agreed_to() {
    assert_eq!(given(&[]).next("read write"), Ok(Next::Consent));
    assert_eq!(given(&[("prompt", "none")]).next("read write"), Err(Refusal::ConsentRequired));
    let agreed = |given: &mut Given| given.agreed = true;
    assert_eq!(given(&[]).with(agreed).next("read write"), Ok(Next::Issue));
    // What was agreed to at another API does not count; identity scopes were agreed to at the issuer.
    let elsewhere =
        |given: &mut Given| given.consents = vec![consent(Some(crate::test_fixtures::OTHER_API), "read")];
    assert_eq!(given(&[]).with(elsewhere).next("read"), Ok(Next::Consent));
    let identity = |given: &mut Given| given.consents.push(consent(None, "openid"));
    assert_eq!(given(&[]).with(identity).next("openid read"), Ok(Next::Issue));
}

#[test]
fn a_client_of_the_house_does_not_ask_unless_it_wants_to() {
    let house = |given: &mut Given| {
        given.client.authorization.skip_consent = true;
        given.consents.clear();
    };
    assert_eq!(given(&[]).with(house).next("read write"), Ok(Next::Issue));
    assert_eq!(given(&[("prompt", "consent")]).with(house).next("read"), Ok(Next::Consent));
    let agreed = |given: &mut Given| given.agreed = true;
    assert_eq!(given(&[("prompt", "consent")]).with(house).with(agreed).next("read"), Ok(Next::Issue));
}
