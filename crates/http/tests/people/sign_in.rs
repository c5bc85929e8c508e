//! Signing in by password: who guesses learns nothing and is slowed down, and nobody is locked out for ever.

use std::net::Ipv4Addr;

use lydian_test_kit::TestServer;

use crate::browser::{Browser, Page};
use crate::fixtures::{ALICE, Ask, BOB, PASSWORD, start};

const WRONG: &str = "wrong password";

/// Tries to sign in with a page of its own; returns what the person sees.
async fn attempt(server: &TestServer, browser: &mut Browser, username: &str, password: &str) -> Page {
    let page = browser.ask(server, &Ask::web()).await.unwrap();
    attempt_on(server, browser, &page, username, password).await
}

async fn attempt_on(
    server: &TestServer,
    browser: &mut Browser,
    page: &Page,
    username: &str,
    password: &str,
) -> Page {
    let form = page.form("sign-in").clone().with("username", username).with("password", password);
    browser.send(server, form.press("sign-in")).await
}

/// The page without what is the person's own: the name that it typed, and the request that the form carries.
fn neutral(page: &Page, username: &str) -> String {
    let form = page.form("passkey");
    let (flow, pending) = (form.input("flow").to_owned(), form.input("pending").to_owned());
    let options: serde_json::Value = serde_json::from_str(&page.passkey_options()).unwrap();
    let challenge = options["challenge"].as_str().unwrap().to_owned();
    let text = page.reply.text().replace(&flow, "FLOW").replace(&pending, "PENDING");
    text.replace(&challenge, "CHALLENGE").replace(username, "NAME")
}

#[tokio::test]
async fn an_unknown_a_disabled_and_a_known_person_get_the_same_page() {
    let server = start().await;
    server
        .apply("[[user]]\nusername = \"carol\"\nenabled = false\npassword = \"a password of hers\"\n")
        .await;
    // Somebody whose password nobody has.
    server.apply("[[user]]\nusername = \"dave\"\n").await;
    let mut browser = Browser::default();
    let known = attempt(&server, &mut browser, ALICE, WRONG).await;
    assert_eq!((known.reply.status, known.form("sign-in").input("username")), (200, ALICE));
    assert_eq!(known.form("sign-in").input("password"), "");
    assert!(known.problem.is_some(), "{}", known.text);
    let expected = neutral(&known, ALICE);
    for (username, password) in [
        ("nobody-at-all", WRONG),
        ("nobody-at-all", PASSWORD),
        ("carol", "a password of hers"),
        ("carol", WRONG),
        ("dave", WRONG),
        (BOB, ""),
        (BOB, &"a".repeat(1_025)),
        ("a-name-that-is-too-long-".repeat(10).as_str(), WRONG),
    ] {
        let page = attempt(&server, &mut browser, username, password).await;
        assert_eq!(page.reply.status, 200, "{username}");
        assert_eq!(neutral(&page, username), expected, "{username}");
        let names: Vec<&str> = page.reply.headers.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<&str> = known.reply.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, expected, "{username}");
    }
    assert_eq!(browser.cookie(crate::browser::SESSION), None);
}

#[tokio::test]
async fn the_name_is_taken_without_regard_to_case_and_spaces_around_it_and_the_password_is_not() {
    let server = start().await;
    for username in ["ALICE@example.com", " alice@example.com ", "Alice@Example.COM"] {
        let page = attempt(&server, &mut Browser::default(), username, PASSWORD).await;
        assert_eq!(page.reply.status, 303, "{username}");
    }
    for password in [PASSWORD.to_uppercase(), format!(" {PASSWORD}"), format!("{PASSWORD} ")] {
        let page = attempt(&server, &mut Browser::default(), ALICE, &password).await;
        assert_eq!(page.reply.status, 200, "{password}");
    }
}

#[tokio::test]
async fn who_fails_too_often_waits_and_recovers() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    for _ in 0..10 {
        let failed = attempt_on(&server, &mut browser, &page, ALICE, WRONG).await;
        assert_eq!(failed.reply.status, 200);
    }
    // The right password is not looked at either, whoever's browser it is, and however the name is written.
    for username in [ALICE, "ALICE@EXAMPLE.COM"] {
        let refused = attempt(&server, &mut Browser::default(), username, PASSWORD).await;
        assert_eq!(refused.reply.status, 429);
        let seconds: u64 = refused.reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
        assert!(refused.offers("sign-in") && refused.problem.is_some(), "{}", refused.text);
    }
    // Who knows the password and comes from another address is not kept out by the guesser.
    let page = browser.clone().ask(&server, &Ask::web()).await.unwrap();
    let form = page.form("sign-in").clone().with("username", ALICE).with("password", PASSWORD);
    let from_elsewhere = form.press("sign-in").source(Ipv4Addr::new(127, 0, 0, 2));
    assert_eq!(browser.clone().send(&server, from_elsewhere).await.reply.status, 303);
    // Somebody else at the same address is not concerned.
    assert_eq!(attempt(&server, &mut Browser::default(), BOB, PASSWORD).await.reply.status, 303);
    server.advance_seconds(30);
    assert_eq!(attempt(&server, &mut browser.clone(), ALICE, PASSWORD).await.reply.status, 303);
    // One attempt each half minute has come back, and not more.
    server.advance_seconds(1);
    assert_eq!(attempt(&server, &mut browser, ALICE, WRONG).await.reply.status, 200);
    assert_eq!(attempt(&server, &mut browser, ALICE, PASSWORD).await.reply.status, 429);
    server.advance_seconds(300);
    assert_eq!(attempt(&server, &mut browser, ALICE, PASSWORD).await.reply.status, 303);
}

#[tokio::test]
async fn names_that_nobody_has_are_slowed_down_just_the_same() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(attempt_on(&server, &mut browser, &page, "nobody-at-all", WRONG).await.reply.status);
    }
    assert_eq!(statuses, [[200; 10].as_slice(), &[429; 2]].concat());
}

#[tokio::test]
async fn who_signs_in_often_with_the_right_password_is_never_slowed_down() {
    let server = start().await;
    for number in 0..15 {
        let page = attempt(&server, &mut Browser::default(), ALICE, PASSWORD).await;
        assert_eq!(page.reply.status, 303, "sign-in {number}");
    }
    // Nor does it wipe out what was wrong before.
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    for _ in 0..5 {
        attempt_on(&server, &mut browser, &page, ALICE, WRONG).await;
    }
    assert_eq!(attempt(&server, &mut Browser::default(), ALICE, PASSWORD).await.reply.status, 303);
    for _ in 0..5 {
        assert_eq!(attempt_on(&server, &mut browser, &page, ALICE, WRONG).await.reply.status, 200);
    }
    assert_eq!(attempt_on(&server, &mut browser, &page, ALICE, WRONG).await.reply.status, 429);
}

#[tokio::test]
async fn a_person_who_failed_goes_on_with_the_same_request() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web().with("state", "kept");
    let page = browser.ask(&server, &ask).await.unwrap();
    let page = attempt_on(&server, &mut browser, &page, ALICE, WRONG).await;
    let page = browser.sign_in(&server, &page, ALICE, PASSWORD).await.unwrap();
    let returned = browser.press(&server, &page, "allow").await.unwrap_err();
    assert_eq!(returned.get("state"), "kept");
    assert_eq!(server.send(ask.redeem(&returned.code())).await.status, 200);
}
