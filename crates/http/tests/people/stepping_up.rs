//! Step-up: a session that is not strong enough for a request is asked for what is missing, and for nothing else.

use lydian_test_kit::authenticator::Authenticator;
use lydian_test_kit::fixtures::ISSUER;
use lydian_test_kit::{Request, TestServer};
use serde_json::{Value, json};

use crate::browser::{Browser, SESSION, text};
use crate::factors::*;
use crate::fixtures::{ALICE, Ask, BOB, start};

const SEVERAL: &str = "urn:lydian:acr:several-factors";
const RESISTANT: &str = "urn:lydian:acr:phishing-resistant";

fn essential(acr: &str) -> String {
    format!(r#"{{"id_token":{{"acr":{{"essential":true,"values":[{acr:?}]}}}}}}"#)
}

fn claims(tokens: &Value) -> Value {
    let payload = text(tokens, "id_token").split('.').nth(1).unwrap();
    serde_json::from_slice(&lydian_primitives::base64url::decode(payload.as_bytes()).unwrap()).unwrap()
}

/// A browser whose session has seen the password alone, of a person who has an authenticator app since then.
async fn weak(server: &TestServer) -> (Browser, Phone) {
    let mut browser = Browser::default();
    browser.code(server, &Ask::web()).await;
    let (phone, _) = with_phone(server).await;
    (browser, phone)
}

#[tokio::test]
async fn stepup_a_class_in_passing_asks_for_the_missing_factor_alone() {
    let server = start().await;
    let (mut browser, phone) = weak(&server).await;
    // Nothing is asked where nothing more is wanted.
    assert!(browser.ask(&server, &Ask::web()).await.is_err());
    let before = browser.cookie(SESSION).unwrap().to_owned();
    let ask = Ask::web().with("acr_values", SEVERAL);
    let page = browser.ask(&server, &ask).await.unwrap();
    assert!(page.offers("verify") && !page.offers("sign-in"), "{}", page.text);
    let answer = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    assert!(goes_on(&answer));
    assert_ne!(browser.cookie(SESSION), Some(before.as_str()));
    let tokens = tokens_after(&server, &mut browser, answer, &ask).await;
    let id = claims(&tokens);
    assert_eq!((&id["acr"], &id["amr"]), (&json!(SEVERAL), &json!(["mfa", "otp", "pwd"])));
    // The password was shown when it was shown.
    assert_eq!(id["auth_time"], lydian_test_kit::server::START.as_unix_seconds());
    // Strong now: nothing more is asked.
    assert!(browser.ask(&server, &ask).await.is_err());
    // The cookie before it is worth nothing.
    let mut old = Browser::default();
    old.set_cookie(SESSION, &before);
    assert!(old.send(&server, Request::of("GET", "/oauth2/account")).await.offers("sign-in"));
}

#[tokio::test]
async fn stepup_an_essential_class_asks_for_the_missing_factor_alone() {
    let server = start().await;
    let (mut browser, phone) = weak(&server).await;
    let ask = Ask::web().with("claims", &essential(SEVERAL));
    let page = browser.ask(&server, &ask).await.unwrap();
    assert!(page.offers("verify") && !page.offers("sign-in"), "{}", page.text);
    let answer = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    let id = claims(&tokens_after(&server, &mut browser, answer, &ask).await);
    assert_eq!(id["acr"], SEVERAL);
}

async fn break_session(server: &TestServer, browser: &mut Browser) {
    let page = browser.send(server, Request::of("GET", "/oauth2/account")).await;
    browser.press(server, &page, "log-out").await.unwrap();
}

#[tokio::test]
async fn stepup_what_cannot_be_met_is_refused_where_it_is_essential_and_forgotten_where_it_is_not() {
    let server = start().await;
    let mut bob = Browser::default();
    bob.go(&server, &Ask::web(), BOB).await;
    let returned = bob.ask(&server, &Ask::web().with("claims", &essential(SEVERAL))).await.unwrap_err();
    returned.refused("unmet_authentication_requirements");
    let returned = bob.ask(&server, &Ask::web().with("acr_values", SEVERAL)).await.unwrap_err();
    assert!(!returned.code().is_empty());
    // Nobody has to sign in to learn that a class is not offered.
    let returned = Browser::default().ask(&server, &Ask::web().with("claims", &essential("urn:other"))).await;
    returned.unwrap_err().refused("unmet_authentication_requirements");
    // An app does not reach what a key reaches.
    let (mut browser, _) = weak(&server).await;
    let returned = browser.ask(&server, &Ask::web().with("claims", &essential(RESISTANT))).await.unwrap_err();
    returned.refused("unmet_authentication_requirements");
    // Where nobody may be asked, nobody is.
    let silent = Ask::web().with("prompt", "none");
    let returned =
        browser.ask(&server, &silent.clone().with("claims", &essential(SEVERAL))).await.unwrap_err();
    returned.refused("login_required");
    assert!(!browser.ask(&server, &silent.with("acr_values", SEVERAL)).await.unwrap_err().code().is_empty());
}

#[tokio::test]
async fn stepup_a_key_is_asked_for_where_a_code_is_not_enough() {
    let server = start().await;
    let mut owner = Browser::default();
    let (phone, codes) = add_phone(&server, &mut owner, ALICE).await;
    let page = account(&server, &mut owner, ALICE).await;
    let page = owner.press(&server, &page, "add-passkey").await.unwrap();
    let mut authenticator = Authenticator::new(ISSUER, 1);
    let answer = authenticator.create(&page.passkey_options());
    let form = page.form("passkey").clone().with("credential", &answer).with("name", "Key");
    assert!(goes_on(&owner.send(&server, form.press("passkey")).await));
    server.advance_seconds(30);
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    assert!(goes_on(&type_code(&server, &mut browser, &page, &phone.code(&server)).await));
    let ask = Ask::web().with("acr_values", RESISTANT);
    let page = browser.ask(&server, &ask).await.unwrap();
    assert!(page.offers("passkey") && !page.offers("verify") && !page.offers("check-recovery-code"));
    // A forged form with a code does not do.
    let form = page.form("passkey");
    for (name, value) in [("code", phone.code_in(&server, 1)), ("recovery_code", codes[0].clone())] {
        let forged = Request::post("/oauth2/sign-in?do=second-factor")
            .parameter("flow", form.input("flow"))
            .parameter("pending", form.input("pending"))
            .parameter(name, &value);
        let refused = browser.send(&server, forged).await;
        assert!(refused.reply.status == 200 && refused.problem.is_some(), "{}", refused.text);
    }
    let answer = authenticator.get(&page.passkey_options());
    let request = page.form("passkey").clone().with("credential", &answer).press("passkey");
    let page = browser.send(&server, request).await;
    let id = claims(&tokens_after(&server, &mut browser, page, &ask).await);
    assert_eq!((&id["acr"], &id["amr"]), (&json!(RESISTANT), &json!(["hwk", "mfa", "otp", "pwd", "user"])));
}

#[tokio::test]
async fn stepup_the_page_is_for_the_session_that_was_asked() {
    let server = start().await;
    let (mut browser, phone) = weak(&server).await;
    let page = browser.ask(&server, &Ask::web().with("acr_values", SEVERAL)).await.unwrap();
    // The session ended meanwhile: what it had proved is gone with it.
    let mut ended = browser.clone();
    break_session(&server, &mut ended).await;
    let refused = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    assert_eq!(refused.reply.status, 400, "{}", refused.text);
    assert!(browser.send(&server, Request::of("GET", "/oauth2/account")).await.offers("sign-in"));
}

#[tokio::test]
async fn stepup_max_age_asks_for_the_whole_sign_in_again() {
    let server = start().await;
    let (mut browser, phone) = weak(&server).await;
    server.advance_seconds(100);
    let ask = Ask::web().with("max_age", "60").with("acr_values", SEVERAL);
    let page = browser.ask(&server, &ask).await.unwrap();
    assert!(page.offers("sign-in"), "{}", page.text);
    let page = browser.sign_in(&server, &page, ALICE, crate::fixtures::PASSWORD).await.unwrap();
    let answer = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    let id = claims(&tokens_after(&server, &mut browser, answer, &ask).await);
    let at = lydian_test_kit::server::START.as_unix_seconds() + 130;
    assert_eq!((&id["acr"], &id["auth_time"]), (&json!(SEVERAL), &json!(at)));
}

#[tokio::test]
async fn stepup_the_classes_are_published() {
    let server = start().await;
    let metadata = server.send(Request::of("GET", "/.well-known/openid-configuration")).await.json();
    assert_eq!(metadata["acr_values_supported"], json!(["urn:lydian:acr:one-factor", SEVERAL, RESISTANT]));
}
