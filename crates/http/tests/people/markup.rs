//! Markup in parameters and records: it is shown as text or not at all. Each page that the browser of these tests reads is searched for
//! scripts, handlers and foreign pages besides.

use crate::browser::{Browser, Page};
use crate::fixtures::{ALICE, Ask, PASSWORD, start};

const MARKUP: &str =
    "\"'></title></script><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>{{7*7}}";

/// Whether an element came out of the markup.
#[track_caller]
fn check(page: &Page) {
    for element in &page.elements {
        let from_markup = element.name == "svg" || element.name == "img" || element.get("src") == "x";
        assert!(!from_markup, "{element:?}: {}", page.reply.text());
        assert!(element.name != "script" || element.get("src").starts_with("assets/"), "{element:?}");
    }
    assert!(!page.reply.text().contains("<script>alert"), "{}", page.reply.text());
}

#[tokio::test]
async fn markup_in_a_parameter_does_not_become_markup_of_a_page() {
    let server = start().await;
    for name in [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "login_hint",
        "ui_locales",
        "acr_values",
        "id_token_hint",
        "claims",
        "response_mode",
        "display",
        "resource",
        "request",
        "request_uri",
        "flow",
        "error",
        "error_description",
    ] {
        for ask in [Ask::web(), Ask::web().with("response_mode", "form_post")] {
            let mut browser = Browser::default();
            let page = browser.send(&server, ask.with(name, MARKUP).get()).await;
            if page.location().is_none() {
                check(&page);
            }
        }
    }
    for path in ["sign-in", "consent", "continue", "logout"] {
        for name in [
            "flow",
            "username",
            "password",
            "decision",
            "state",
            "post_logout_redirect_uri",
            "id_token_hint",
            "ui_locales",
        ] {
            let mut browser = Browser::default();
            browser.ask(&server, &Ask::web()).await.unwrap();
            let path = format!("/oauth2/{path}");
            let query =
                url::form_urlencoded::Serializer::new(String::new()).append_pair(name, MARKUP).finish();
            let request = match path.as_str() {
                "/oauth2/continue" => lydian_test_kit::Request::of("GET", &format!("{path}?{query}")),
                _ => lydian_test_kit::Request::post(&path).body(query),
            };
            check(&browser.send(&server, request).await);
        }
    }
}

#[tokio::test]
async fn what_a_person_typed_and_what_a_client_gives_back_is_text() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web().with("state", MARKUP).with("login_hint", MARKUP);
    let page = browser.ask(&server, &ask).await.unwrap();
    check(&page);
    assert_eq!(page.form("sign-in").input("username"), MARKUP);
    let failed = browser.sign_in(&server, &page, MARKUP, "wrong").await.unwrap();
    check(&failed);
    assert_eq!(failed.form("sign-in").input("username"), MARKUP);
    let page = browser.sign_in(&server, &failed, ALICE, PASSWORD).await.unwrap();
    browser.press(&server, &page, "allow").await.unwrap_err();
    let page = browser.send(&server, ask.with("response_mode", "form_post").get()).await;
    check(&page);
    assert_eq!(page.form("continue").input("state"), MARKUP);
}

#[tokio::test]
async fn markup_in_records_is_shown_as_text() {
    let server = start().await;
    let name = "<b>Evil</b><script>alert(1)</script>\"'&amp;";
    server
        .apply(&format!(
            "[[realm]]\nname = \"default\"\nbrand_name = {name:?}\n[[client]]\nclient_id = \"web\"\nname = {name:?}\n\
             [[api]]\naudience = {:?}\nname = {name:?}\n[[user]]\nusername = \"<b>eve</b><script>\"\npassword = {PASSWORD:?}\n",
            lydian_test_kit::fixtures::API
        ))
        .await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let check_text = |page: &Page| {
        check(page);
        assert!(page.text.contains(name), "{}", page.text);
        assert!(page.elements.iter().all(|element| element.name != "b"), "{}", page.reply.text());
    };
    check_text(&page);
    let page = browser.sign_in(&server, &page, "<b>eve</b><script>", PASSWORD).await.unwrap();
    check_text(&page);
    assert!(page.text.contains("<b>eve</b><script>"), "{}", page.text);
    let page = browser.send(&server, lydian_test_kit::Request::of("GET", "/oauth2/logout")).await;
    check_text(&page);
}
