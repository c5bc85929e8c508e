//! What public suites for OpenID Connect expect of a server, in our own words.

use lydian_test_kit::fixtures::{AUDITOR, JWT_API};
use lydian_test_kit::{Request, TestServer};
use serde_json::Value;

use crate::browser::{Browser, text};
use crate::fixtures::{ALICE, Ask, BOB, OTHER_WEB, OTHER_WEB_CALLBACK, WEB_CALLBACK, start};
use crate::identity::verified;

/// The claims of the ID token that comes of this request, whatever pages lie between.
async fn id_token(server: &TestServer, browser: &mut Browser, ask: &Ask) -> Value {
    let tokens = browser.tokens(server, ask).await;
    verified(server, text(&tokens, "id_token")).1
}

#[tokio::test]
async fn oidc_without_a_response_type_the_client_is_told() {
    let server = start().await;
    let returned = Browser::default().ask(&server, &Ask::web().without("response_type")).await.unwrap_err();
    returned.refused("invalid_request");
}

#[tokio::test]
async fn oidc_prompt_none_shows_no_page_with_a_session_and_without_one() {
    let server = start().await;
    let mut browser = Browser::default();
    let silent = Ask::web().with("prompt", "none");
    browser.ask(&server, &silent).await.unwrap_err().refused("login_required");
    let first = id_token(&server, &mut browser, &Ask::web()).await;
    server.advance_seconds(100);
    let returned = browser.ask(&server, &silent).await.unwrap_err();
    let tokens = server.send(silent.redeem(&returned.code())).await.json();
    let (_, second) = verified(&server, text(&tokens, "id_token"));
    assert_eq!((&second["sub"], &second["auth_time"]), (&first["sub"], &first["auth_time"]));
    // Where somebody would have to agree, nobody is asked.
    let more = silent.scope("openid read write");
    browser.ask(&server, &more).await.unwrap_err().refused("consent_required");
}

#[tokio::test]
async fn oidc_prompt_login_asks_again_and_the_time_of_sign_in_moves() {
    let server = start().await;
    let mut browser = Browser::default();
    let first = id_token(&server, &mut browser, &Ask::web()).await;
    server.advance_seconds(5);
    for prompt in ["login", "select_account"] {
        let ask = Ask::web().with("prompt", prompt);
        let page = browser.ask(&server, &ask).await.unwrap();
        assert!(page.offers("sign-in"), "{}", page.text);
        server.advance_seconds(5);
        let second = id_token(&server, &mut browser, &ask).await;
        assert_eq!(second["sub"], first["sub"]);
        assert!(second["auth_time"].as_u64() > first["auth_time"].as_u64(), "{second}");
    }
}

#[tokio::test]
async fn oidc_prompt_consent_asks_a_person_who_has_agreed() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    let page = browser.ask(&server, &Ask::web().with("prompt", "consent")).await.unwrap();
    assert!(page.offers("allow"), "{}", page.text);
    let both = browser.ask(&server, &Ask::web().with("prompt", "login consent")).await.unwrap();
    let page = browser.sign_in(&server, &both, ALICE, crate::fixtures::PASSWORD).await.unwrap();
    assert!(page.offers("allow"), "{}", page.text);
    browser.press(&server, &page, "allow").await.unwrap_err().code();
}

#[tokio::test]
async fn oidc_max_age_asks_again_when_the_sign_in_is_older() {
    let server = start().await;
    let mut browser = Browser::default();
    let first = id_token(&server, &mut browser, &Ask::web()).await;
    server.advance_seconds(1);
    browser.ask(&server, &Ask::web().with("max_age", "1")).await.unwrap_err().code();
    server.advance_seconds(1);
    let page = browser.ask(&server, &Ask::web().with("max_age", "1")).await.unwrap();
    assert!(page.offers("sign-in"), "{}", page.text);
    browser
        .ask(&server, &Ask::web().with("max_age", "1").with("prompt", "none"))
        .await
        .unwrap_err()
        .refused("login_required");
    let again = id_token(&server, &mut browser, &Ask::web().with("max_age", "1")).await;
    assert_eq!(again["auth_time"].as_u64(), first["auth_time"].as_u64().map(|at| at + 2));
    let same = id_token(&server, &mut browser, &Ask::web().with("max_age", "10000")).await;
    assert_eq!(same["auth_time"], again["auth_time"]);
    // Zero asks each time.
    let page = browser.ask(&server, &Ask::web().with("max_age", "0")).await.unwrap();
    assert!(page.offers("sign-in"), "{}", page.text);
    id_token(&server, &mut browser, &Ask::web().with("max_age", "0")).await;
}

#[tokio::test]
async fn oidc_id_token_hint_works_silently_for_its_person_and_for_nobody_else() {
    let server = start().await;
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &Ask::web()).await;
    let hint = text(&tokens, "id_token").to_owned();
    let silent = Ask::web().with("prompt", "none").with("id_token_hint", &hint);
    browser.ask(&server, &silent).await.unwrap_err().code();
    let mut bobs = Browser::default();
    bobs.go(&server, &Ask::web(), BOB).await.code();
    bobs.ask(&server, &silent).await.unwrap_err().refused("login_required");
    let page = bobs.ask(&server, &Ask::web().with("id_token_hint", &hint)).await.unwrap();
    assert!(page.offers("sign-in"), "{}", page.text);
    // An access token is no hint: it tells nothing.
    let access = browser.tokens(&server, &Ask::web().resource(JWT_API)).await;
    let ask = Ask::web().with("prompt", "none").with("id_token_hint", text(&access, "access_token"));
    bobs.ask(&server, &ask).await.unwrap_err().code();
}

#[tokio::test]
async fn oidc_a_code_that_is_used_twice_ends_the_access_token_at_userinfo_too() {
    let server = start().await;
    let mut browser = Browser::default();
    for ask in [Ask::web(), Ask::web().resource(JWT_API)] {
        let code = browser.code(&server, &ask).await;
        let tokens = server.send(ask.redeem(&code)).await.json();
        let userinfo = || Request::of("GET", "/oauth2/userinfo").bearer(text(&tokens, "access_token"));
        assert_eq!(server.send(userinfo()).await.status, 200);
        server.advance_seconds(30);
        server.send(ask.redeem(&code)).await.refused(400, "invalid_grant");
        server.send(userinfo()).await.refused(401, "invalid_token");
    }
}

#[tokio::test]
async fn oidc_parameters_that_are_unknown_or_not_used_are_no_error() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    for (name, value) in [
        ("extra", "foobar"),
        ("display", "page"),
        ("display", "popup"),
        ("ui_locales", "se"),
        ("ui_locales", "de en"),
        ("claims_locales", "se"),
        ("login_hint", "somebody@example.com"),
        ("acr_values", "1 2"),
        ("acr_values", "urn:lydian:acr:one-factor"),
        ("id_token_hint", "x"),
        ("claims", "{}"),
    ] {
        let returned = browser.ask(&server, &Ask::web().with(name, value)).await.unwrap_err();
        assert!(returned.parameters.contains_key("code"), "{name}={value}: {returned:?}");
    }
}

#[tokio::test]
async fn oidc_an_acr_value_that_is_offered_comes_back_in_the_id_token() {
    let server = start().await;
    let ask = Ask::web().with("acr_values", "urn:lydian:acr:one-factor");
    let claims = id_token(&server, &mut Browser::default(), &ask).await;
    assert_eq!(claims["acr"], "urn:lydian:acr:one-factor");
}

#[tokio::test]
async fn oau_07_oidc_the_authorization_endpoint_accepts_post() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = browser.send(&server, Ask::web().post()).await;
    assert_eq!((page.reply.status, page.offers("sign-in")), (200, true));
    browser.code(&server, &Ask::web()).await;
    let page = browser.send(&server, Ask::web().post()).await;
    assert_eq!(page.reply.status, 303);
    assert!(page.location().unwrap().starts_with(&format!("{WEB_CALLBACK}?code=")));
}

#[tokio::test]
async fn oidc_the_order_of_scopes_and_parameters_does_not_matter_and_the_nonce_may_be_left_out() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web().scope("openid email read")).await;
    for ask in [
        Ask::web().scope("read openid email"),
        Ask::web().scope("email read openid").without("client_id").and("client_id", "web"),
        Ask::web().scope("openid email read").without("response_type").and("response_type", "code"),
    ] {
        let tokens = browser.tokens(&server, &ask).await;
        assert_eq!(tokens["scope"], "email openid read");
    }
    let claims = id_token(&server, &mut browser, &Ask::web().without("nonce")).await;
    assert!(claims.get("nonce").is_none(), "{claims}");
}

#[tokio::test]
async fn oidc_the_id_token_carries_no_profile_that_was_not_asked_for_there() {
    let server = start().await;
    let ask = Ask::web().scope("openid profile email address phone");
    let claims = id_token(&server, &mut Browser::default(), &ask).await;
    for claim in ["name", "email", "address", "phone_number", "preferred_username", "updated_at"] {
        assert!(claims.get(claim).is_none(), "{claim}: {claims}");
    }
}

#[tokio::test]
async fn oidc_the_algorithm_of_id_tokens_is_the_clients() {
    let server = start().await;
    let mut browser = Browser::default();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        server
            .apply(&format!(
                "[[client]]\nclient_id = \"web\"\nid_token_signed_response_alg = {algorithm:?}\n"
            ))
            .await;
        let tokens = browser.tokens(&server, &Ask::web()).await;
        assert_eq!(verified(&server, text(&tokens, "id_token")).0["alg"], algorithm);
    }
}

#[tokio::test]
async fn oidc_codes_and_tokens_are_long_and_never_the_same_and_their_answers_are_not_stored() {
    let server = start().await;
    let mut browser = Browser::default();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let code = browser.code(&server, &Ask::web()).await;
        let reply = server.send(Ask::web().redeem(&code)).await;
        assert_eq!(
            (reply.header("cache-control"), reply.header("pragma")),
            (Some("no-store"), Some("no-cache"))
        );
        let tokens = reply.json();
        for string in [code.as_str(), text(&tokens, "access_token"), text(&tokens, "refresh_token")] {
            assert!(string.len() >= 43, "{string}");
            assert!(seen.insert(string.to_owned()), "{string}");
        }
    }
}

#[tokio::test]
async fn oidc_a_code_and_a_refresh_token_are_bound_to_their_client() {
    let server = start().await;
    let mut browser = Browser::default();
    let other = Ask::of(OTHER_WEB.client_id, OTHER_WEB_CALLBACK);
    let code = browser.code(&server, &Ask::web()).await;
    server.send(other.redeem(&code)).await.refused(400, "invalid_grant");
    let tokens = browser.tokens(&server, &Ask::web()).await;
    server.send(other.refresh(text(&tokens, "refresh_token"))).await.refused(400, "invalid_grant");
    server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
}

#[tokio::test]
async fn oidc_a_refreshed_id_token_is_of_the_same_person_and_the_same_sign_in() {
    let server = start().await;
    let tokens = Browser::default().tokens(&server, &Ask::web()).await;
    let (_, first) = verified(&server, text(&tokens, "id_token"));
    server.advance_seconds(60);
    let refreshed = server.send(Ask::web().refresh(text(&tokens, "refresh_token"))).await.json();
    let (_, second) = verified(&server, text(&refreshed, "id_token"));
    for same in ["iss", "sub", "aud", "azp", "auth_time", "acr", "amr", "sid"] {
        assert_eq!(second[same], first[same], "{same}");
    }
    assert_eq!(second["iat"].as_u64(), first["iat"].as_u64().map(|at| at + 60));
    assert!(second.get("nonce").is_none() && second["at_hash"] != first["at_hash"], "{second}");
}

#[tokio::test]
async fn oidc_the_pages_have_plain_forms_with_stable_names() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let ids = |page: &crate::browser::Page| -> Vec<String> {
        let ids = page.elements.iter().map(|element| element.get("id"));
        ids.filter(|id| !id.is_empty()).collect()
    };
    assert_eq!(ids(&page), ["username", "password", "sign-in", "passkey", "forgot-password"]);
    let scripts = page.elements.iter().filter(|element| element.name == "script");
    assert!(scripts.map(|script| script.get("src")).all(|src| src.starts_with("assets/passkey-")));
    let page = browser.sign_in(&server, &page, ALICE, crate::fixtures::PASSWORD).await.unwrap();
    assert!(page.offers("allow") && page.offers("deny"));
    assert!(page.elements.iter().all(|element| element.name != "script"), "no script is needed");
    assert!(page.text.contains("The web application"));
    let page = browser.send(&server, Request::of("GET", "/oauth2/logout")).await;
    assert!(page.offers("log-out") && page.offers("stay"));
}

#[tokio::test]
async fn oidc_the_pages_name_the_application_with_its_logo_policy_and_terms() {
    let server = start().await;
    let (logo, policy, terms) = (
        "https://web.example.com/logo.png",
        "https://web.example.com/policy",
        "https://web.example.com/terms",
    );
    server
        .apply(&format!(
            "[[client]]\nclient_id = \"web\"\nlogo_uri = {logo:?}\npolicy_uri = {policy:?}\ntos_uri = {terms:?}\n"
        ))
        .await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let page = browser.sign_in(&server, &page, ALICE, crate::fixtures::PASSWORD).await.unwrap();
    let has = |name: &str, value: &str| page.elements.iter().any(|element| element.get(name) == value);
    assert!(has("src", logo) && has("href", policy) && has("href", terms), "{}", page.reply.text());
}
