//! Passkeys over HTTP: added on the account page, shown as a second factor or alone, each challenge good once.

use lydian_test_kit::authenticator::{Authenticator, COPIED, USER_PRESENT};
use lydian_test_kit::fixtures::ISSUER;
use lydian_test_kit::{Request, TestServer};
use serde_json::{Value, json};

use crate::browser::{Browser, Page, SESSION, text};
use crate::factors::*;
use crate::fixtures::{ALICE, Ask, BOB, PASSWORD, start};

const REFUSED: &str = "The passkey did not work. Try again, or sign in another way.";

/// Adds a passkey of this name; the page after that.
async fn add_passkey(
    server: &TestServer,
    browser: &mut Browser,
    username: &str,
    authenticator: &mut Authenticator,
    name: &str,
) -> Page {
    let page = account(server, browser, username).await;
    let page = browser.press(server, &page, "add-passkey").await.unwrap();
    let answer = authenticator.create(&page.passkey_options());
    let form = page.form("passkey").clone().with("credential", &answer).with("name", name);
    let page = browser.send(server, form.press("passkey")).await;
    browser.follow(server, page).await.unwrap()
}

/// Alice with a passkey.
async fn with_passkey(server: &TestServer) -> Authenticator {
    let mut authenticator = Authenticator::new(ISSUER, 1);
    add_passkey(server, &mut Browser::default(), ALICE, &mut authenticator, "Phone").await;
    authenticator
}

/// What is sent when the authenticator has answered the question of this page.
fn shows(page: &Page, authenticator: &mut Authenticator) -> Request {
    let answer = authenticator.get(&page.passkey_options());
    page.form("passkey").clone().with("credential", &answer).press("passkey")
}

fn claims(tokens: &Value) -> Value {
    let payload = text(tokens, "id_token").split('.').nth(1).unwrap();
    serde_json::from_slice(&lydian_primitives::base64url::decode(payload.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_passkey_alone_signs_in_and_names_its_person() {
    let server = start().await;
    let mut authenticator = with_passkey(&server).await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let options: Value = serde_json::from_str(&page.passkey_options()).unwrap();
    assert_eq!(options["userVerification"], "required");
    assert_eq!((&options["rpId"], &options["allowCredentials"]), (&json!("localhost"), &json!([])));
    let page = browser.send(&server, shows(&page, &mut authenticator)).await;
    assert!(goes_on(&page));
    let id = claims(&tokens_after(&server, &mut browser, page, &Ask::web()).await);
    assert_eq!(id["amr"], json!(["hwk", "mfa", "user"]));
    assert_eq!(id["acr"], "urn:lydian:acr:phishing-resistant");
    let page = account(&server, &mut browser, ALICE).await;
    assert!(page.text.contains(ALICE) && page.text.contains("Phone"), "{}", page.text);
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_after_the_password() {
    let server = start().await;
    let mut authenticator = with_passkey(&server).await;
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    assert!(
        page.offers("passkey") && page.offers("check-recovery-code") && !page.offers("verify"),
        "{}",
        page.text
    );
    assert!(page.text.contains("A passkey needs scripts"), "{}", page.text);
    let options: Value = serde_json::from_str(&page.passkey_options()).unwrap();
    assert_eq!(options["allowCredentials"][0]["transports"], json!(["hybrid", "internal"]));
    // Presence is enough beside a password, and a key that may be copied is no hardware key.
    authenticator.flags = USER_PRESENT;
    let page = browser.send(&server, shows(&page, &mut authenticator)).await;
    let id = claims(&tokens_after(&server, &mut browser, page, &Ask::web()).await);
    assert_eq!(id["amr"], json!(["hwk", "mfa", "pwd"]));
}

#[tokio::test]
async fn a_copied_key_is_told_from_a_hardware_key() {
    let server = start().await;
    let mut authenticator = Authenticator::new(ISSUER, 1);
    authenticator.flags |= COPIED;
    add_passkey(&server, &mut Browser::default(), ALICE, &mut authenticator, "").await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let page = browser.send(&server, shows(&page, &mut authenticator)).await;
    let id = claims(&tokens_after(&server, &mut browser, page, &Ask::web()).await);
    assert_eq!(id["amr"], json!(["mfa", "swk", "user"]));
}

#[tokio::test]
async fn the_script_comes_from_our_own_origin_and_the_policy_stays_strict() {
    let server = start().await;
    let page = Browser::default().ask(&server, &Ask::web()).await.unwrap();
    let policy = page.reply.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let script = page.elements.iter().find(|element| element.name == "script").unwrap().get("src");
    let reply = server.send(Request::of("GET", &format!("/oauth2/{script}"))).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
}

#[tokio::test]
async fn every_lie_of_an_authenticator_is_refused_alone_and_as_a_second_factor() {
    let server = start().await;
    type Lie = fn(&mut Authenticator);
    let lies: [(&str, Lie); 6] = [
        ("another origin", |one| one.origin = "https://localhost:9444".to_owned()),
        ("another relying party", |one| one.relying_party = Some("example.com".to_owned())),
        ("nobody present", |one| one.flags = 4),
        ("within another page", |one| one.cross_origin = true),
        ("a counter that went back", |one| one.counter = 0),
        ("another credential", |one| one.credential = vec![9; 32]),
    ];
    let mut authenticator = with_passkey(&server).await;
    let (flags, credential) = (authenticator.flags, authenticator.credential.clone());
    for (what, lie) in lies {
        let counter = authenticator.counter;
        lie(&mut authenticator);
        let mut browser = Browser::default();
        let page = browser.ask(&server, &Ask::web()).await.unwrap();
        let refused = browser.send(&server, shows(&page, &mut authenticator)).await;
        assert_eq!((refused.reply.status, refused.problem.as_deref()), (200, Some(REFUSED)), "{what}");
        let page = after_password(&server, &mut browser, &Ask::web()).await;
        let refused = browser.send(&server, shows(&page, &mut authenticator)).await;
        assert_eq!((refused.reply.status, refused.problem.as_deref()), (200, Some(REFUSED)), "{what}");
        assert_eq!(browser.cookie(SESSION), None, "{what}");
        server.advance_seconds(60);
        (authenticator.flags, authenticator.counter) = (flags, counter);
        (authenticator.cross_origin, authenticator.relying_party) = (false, None);
        authenticator.origin = ISSUER.to_owned();
        authenticator.credential = credential.clone();
    }
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    assert!(goes_on(&browser.send(&server, shows(&page, &mut authenticator)).await));
}

#[tokio::test]
async fn alone_the_authenticator_must_have_checked_its_user_and_must_name_it() {
    let server = start().await;
    let mut authenticator = with_passkey(&server).await;
    let flags = authenticator.flags;
    let handle = authenticator.user_handle.clone();
    let mut browser = Browser::default();
    for (flags, handle) in
        [(USER_PRESENT, handle.clone()), (flags, None), (flags, Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned()))]
    {
        (authenticator.flags, authenticator.user_handle) = (flags, handle);
        let page = browser.ask(&server, &Ask::web()).await.unwrap();
        let refused = browser.send(&server, shows(&page, &mut authenticator)).await;
        assert_eq!(refused.problem.as_deref(), Some(REFUSED), "{flags}");
    }
    (authenticator.flags, authenticator.user_handle) = (flags, handle);
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    assert!(goes_on(&browser.send(&server, shows(&page, &mut authenticator)).await));
}

#[tokio::test]
async fn a_challenge_is_good_once_in_its_browser_and_for_ten_minutes() {
    let server = start().await;
    // An authenticator that does not count: nothing but the challenge tells one answer from the next.
    let mut authenticator = Authenticator::new(ISSUER, 1);
    authenticator.counter = 0;
    add_passkey(&server, &mut Browser::default(), ALICE, &mut authenticator, "").await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let request = shows(&page, &mut authenticator);
    // Somebody who has seen the answer sends it from elsewhere.
    let mut thief = Browser::default();
    thief.ask(&server, &Ask::web()).await.unwrap();
    assert_eq!(thief.send(&server, shows(&page, &mut authenticator)).await.reply.status, 400);
    assert_eq!(thief.cookie(SESSION), None);
    assert!(goes_on(&browser.send(&server, request).await));
    browser.set_cookie(SESSION, "gone");
    let again = browser.send(&server, shows(&page, &mut authenticator)).await;
    assert_eq!(again.problem.as_deref(), Some(REFUSED), "the challenge was used");
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    assert!(goes_on(&browser.send(&server, shows(&page, &mut authenticator)).await));
    let again = browser.send(&server, shows(&page, &mut authenticator)).await;
    assert_eq!(again.problem.as_deref(), Some(REFUSED), "the challenge was used");
    let mut late = Browser::default();
    let page = late.ask(&server, &Ask::web()).await.unwrap();
    server.advance_seconds(601);
    assert_eq!(late.send(&server, shows(&page, &mut authenticator)).await.reply.status, 400);
    // The answer to one question is none to another.
    let (one, other) =
        (late.ask(&server, &Ask::web()).await.unwrap(), late.ask(&server, &Ask::web()).await.unwrap());
    let answer = authenticator.get(&one.passkey_options());
    let crossed = other.form("passkey").clone().with("credential", &answer).press("passkey");
    assert_eq!(late.send(&server, crossed).await.problem.as_deref(), Some(REFUSED));
}

#[tokio::test]
async fn a_passkey_signs_in_its_own_person_as_long_as_that_is_enabled() {
    let server = start().await;
    let mut authenticator = with_passkey(&server).await;
    let mut of_bob = Authenticator::new(ISSUER, 2);
    add_passkey(&server, &mut Browser::default(), BOB, &mut of_bob, "").await;
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    let refused = browser.send(&server, shows(&page, &mut of_bob)).await;
    assert_eq!((refused.problem.as_deref(), browser.cookie(SESSION)), (Some(REFUSED), None));
    server.apply("[[user]]\nusername = \"alice@example.com\"\nenabled = false\n").await;
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let refused = browser.send(&server, shows(&page, &mut authenticator)).await;
    assert_eq!((refused.problem.as_deref(), browser.cookie(SESSION)), (Some(REFUSED), None));
}

#[tokio::test]
async fn a_passkey_that_was_removed_signs_nobody_in() {
    let server = start().await;
    let mut owner = Browser::default();
    let mut authenticator = Authenticator::new(ISSUER, 1);
    add_passkey(&server, &mut owner, ALICE, &mut authenticator, "Lost").await;
    let page = account(&server, &mut owner, ALICE).await;
    let form = page.forms.iter().find(|form| form.action.contains("remove-factor")).unwrap().clone();
    let asked = owner.send(&server, form.press("")).await;
    let form = asked.form("confirm-password").clone().with("password", PASSWORD);
    assert!(goes_on(&owner.send(&server, form.press("confirm-password")).await));
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let refused = browser.send(&server, shows(&page, &mut authenticator)).await;
    assert_eq!(refused.problem.as_deref(), Some(REFUSED));
}

#[tokio::test]
async fn a_passkey_is_added_once_and_its_name_is_text() {
    let server = start().await;
    let mut browser = Browser::default();
    let mut authenticator = Authenticator::new(ISSUER, 1);
    let name = "<img src=x onerror=alert(1)>\u{202e}\" &amp;";
    add_passkey(&server, &mut browser, ALICE, &mut authenticator, name).await;
    let page = account(&server, &mut browser, ALICE).await;
    assert!(page.text.contains("<img src=x onerror=alert(1)>"), "{}", page.text);
    assert!(page.elements.iter().all(|element| element.name != "img"));
    // The same authenticator again, for somebody else: its credential is taken.
    let mut bob = Browser::default();
    let refused = add_passkey(&server, &mut bob, BOB, &mut authenticator, "mine").await;
    assert!(refused.offers("passkey") && refused.problem.is_some(), "{}", refused.text);
    // An answer that lies adds nothing, and one question is answered once.
    let mut liar = Authenticator::new("https://evil.example", 3);
    assert!(add_passkey(&server, &mut bob, BOB, &mut liar, "x").await.problem.is_some());
    let user = server.storage.find_user_by_name(server.realm(None).realm.id, BOB.to_owned()).await;
    assert_eq!(server.storage.list_factors(user.unwrap().unwrap().id).await.unwrap(), []);
    let page = account(&server, &mut bob, BOB).await;
    let page = bob.press(&server, &page, "add-passkey").await.unwrap();
    for (number, expected) in [(4, true), (5, false)] {
        let answer = Authenticator::new(ISSUER, number).create(&page.passkey_options());
        let request =
            page.form("passkey").clone().with("credential", &answer).with("name", "n").press("passkey");
        let answer = bob.send(&server, request).await;
        assert_eq!(!recovery_codes(&answer).is_empty(), expected, "{number}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_passkey_opens_the_account_page_and_one_answer_sent_at_once_opens_one_session() {
    let server = start().await;
    let mut authenticator = Authenticator::new(ISSUER, 1);
    authenticator.counter = 0;
    add_passkey(&server, &mut Browser::default(), ALICE, &mut authenticator, "").await;
    let mut browser = Browser::default();
    let page = browser.send(&server, Request::of("GET", "/oauth2/account")).await;
    let request = shows(&page, &mut authenticator);
    let (mut one, mut other) = (browser.clone(), browser.clone());
    let (first, second) = tokio::join!(one.send(&server, request.clone()), other.send(&server, request));
    let winners: Vec<&Page> = [&first, &second].into_iter().filter(|page| goes_on(page)).collect();
    assert_eq!(winners.iter().map(|page| page.location()).collect::<Vec<_>>(), [Some("account")]);
    let sessions = [&one, &other].map(|browser| browser.cookie(SESSION).is_some());
    assert_eq!(sessions.iter().filter(|signed_in| **signed_in).count(), 1);
    // Somebody else's page does not send it either.
    let page = browser.send(&server, Request::of("GET", "/oauth2/account")).await;
    let crossed = shows(&page, &mut authenticator).header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(&server, crossed).await.reply.status, 400);
}

#[tokio::test]
async fn a_passkey_of_one_realm_is_none_in_another() {
    let server = start().await;
    let mut authenticator = with_passkey(&server).await;
    server.apply("[[realm]]\nname = \"acme\"\n").await;
    server.apply(&crate::fixtures::acme()).await;
    let mut browser = Browser::default();
    let ask = Ask::spa().scope("openid").in_realm("acme");
    let page = browser.ask(&server, &ask).await.unwrap();
    let refused = browser.send(&server, shows(&page, &mut authenticator)).await;
    assert_eq!((refused.reply.status, refused.problem.as_deref()), (200, Some(REFUSED)));
}
