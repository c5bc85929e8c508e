//! The page on which people see and end what stands in their name.

use lydian_test_kit::fixtures::{AUDITOR, JWT_API};
use lydian_test_kit::{Request, TestServer};

use crate::browser::{Browser, Page, SESSION, text};
use crate::fixtures::{ALICE, Ask, BOB, OTHER_WEB, OTHER_WEB_CALLBACK, PASSWORD, WEB, start};
use crate::logout::is_signed_in;

const PATH: &str = "/oauth2/account";
const NEW_PASSWORD: &str = "another horse altogether";

pub(crate) async fn account(server: &TestServer, browser: &mut Browser) -> Page {
    browser.send(server, Request::of("GET", PATH)).await
}

pub(crate) async fn signed_in(server: &TestServer, username: &str, password: &str) -> Browser {
    let mut browser = Browser::default();
    let page = account(server, &mut browser).await;
    let page = browser.sign_in(server, &page, username, password).await.unwrap();
    assert_eq!((page.reply.status, page.problem.as_deref()), (200, None), "{}", page.text);
    browser
}

/// The forms that send this input, as those of rows do.
fn rows(page: &Page, name: &str) -> Vec<crate::browser::Form> {
    page.forms.iter().filter(|form| form.inputs.iter().any(|(known, _)| known == name)).cloned().collect()
}

fn submit(form: &crate::browser::Form) -> Request {
    let path = format!("/oauth2/{}", form.action);
    form.inputs.iter().fold(Request::post(&path), |request, (name, value)| request.parameter(name, value))
}

pub(crate) async fn change_password(
    server: &TestServer,
    browser: &mut Browser,
    current: &str,
    new: &str,
    repeated: &str,
) -> Page {
    let page = account(server, browser).await;
    let form = page
        .form("save-password")
        .clone()
        .with("current_password", current)
        .with("new_password", new)
        .with("repeat_password", repeated);
    let page = browser.send(server, form.press("save-password")).await;
    browser.follow(server, page).await.unwrap()
}

#[tokio::test]
async fn a_person_signs_in_to_its_own_account_without_any_application() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = account(&server, &mut browser).await;
    let wrong = browser.sign_in(&server, &page, ALICE, "wrong").await.unwrap();
    assert_eq!(wrong.problem.as_deref(), Some("The username or the password is wrong."));
    let page = browser.sign_in(&server, &wrong, ALICE, PASSWORD).await.unwrap();
    assert!(page.text.contains(ALICE), "{}", page.text);
    assert_eq!(rows(&page, "session").len(), 1);
    assert_eq!(rows(&page, "application").len(), 0);
}

#[tokio::test]
async fn ending_another_session_kills_what_was_granted_in_it_and_nothing_else() {
    let server = start().await;
    let (mut here, mut there) = (Browser::default(), Browser::default());
    let own = here.tokens(&server, &Ask::web()).await;
    server.advance_seconds(1);
    let other = there.tokens(&server, &Ask::web().resource(JWT_API)).await;
    let page = account(&server, &mut here).await;
    let sessions = rows(&page, "session");
    assert_eq!(sessions.len(), 2);
    // The latest sign-in comes first.
    let done = here.send(&server, submit(&sessions[0])).await;
    let done = here.follow(&server, done).await.unwrap();
    assert_eq!(rows(&done, "session").len(), 1);
    assert!(is_signed_in(&server, &mut here).await);
    server.introspect(AUDITOR, text(&own, "access_token")).await.active();
    server.introspect(WEB, text(&own, "refresh_token")).await.active();
    server.introspect(AUDITOR, text(&other, "access_token")).await.inactive();
    server.introspect(WEB, text(&other, "refresh_token")).await.inactive();
    assert!(!is_signed_in(&server, &mut there).await);
}

#[tokio::test]
async fn removing_an_application_kills_all_of_its_grants_and_asks_again() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let first = browser.tokens(&server, &ask).await;
    let offline = browser.tokens(&server, &ask.clone().scope("openid read offline_access")).await;
    let other_ask = Ask::of(OTHER_WEB.client_id, OTHER_WEB_CALLBACK);
    let other = browser.tokens(&server, &other_ask).await;
    // Nothing is asked for what was agreed to.
    assert!(browser.ask(&server, &ask).await.is_err());
    let page = account(&server, &mut browser).await;
    let applications = rows(&page, "application");
    let form = applications.iter().find(|form| form.input("application") == WEB.client_id).unwrap();
    assert_eq!(applications.len(), 2);
    let done = browser.send(&server, submit(form)).await;
    let done = browser.follow(&server, done).await.unwrap();
    assert_eq!(rows(&done, "application").len(), 1);
    for tokens in [&first, &offline] {
        server.introspect(AUDITOR, text(tokens, "access_token")).await.inactive();
        server.introspect(WEB, text(tokens, "refresh_token")).await.inactive();
    }
    server.introspect(AUDITOR, text(&other, "access_token")).await.active();
    let asked = browser.ask(&server, &ask).await.unwrap();
    assert!(asked.offers("allow"), "{}", asked.text);
}

#[tokio::test]
async fn a_new_password_ends_everything_but_this_browser() {
    let server = start().await;
    let (mut here, mut there) = (Browser::default(), Browser::default());
    let ask = Ask::web().scope("openid read offline_access");
    let tokens = here.tokens(&server, &ask).await;
    let _ = there.tokens(&server, &ask).await;
    let before = here.cookie(SESSION).unwrap().to_owned();
    let page = change_password(&server, &mut here, PASSWORD, NEW_PASSWORD, NEW_PASSWORD).await;
    assert_eq!((page.reply.status, page.problem.as_deref()), (200, None), "{}", page.text);
    assert_ne!(here.cookie(SESSION), Some(before.as_str()), "the cookie is another one");
    assert!(is_signed_in(&server, &mut here).await);
    assert!(!is_signed_in(&server, &mut there).await);
    server.introspect(AUDITOR, text(&tokens, "access_token")).await.inactive();
    server.introspect(WEB, text(&tokens, "refresh_token")).await.inactive();
    // What is granted from now on is good.
    let code = here.ask(&server, &ask).await.unwrap_err().code();
    let fresh = server.send(ask.redeem(&code)).await.json();
    server.introspect(AUDITOR, text(&fresh, "access_token")).await.active();
    let _ = signed_in(&server, ALICE, NEW_PASSWORD).await;
    let mut old = Browser::default();
    let page = account(&server, &mut old).await;
    assert!(old.sign_in(&server, &page, ALICE, PASSWORD).await.unwrap().problem.is_some());
}

#[tokio::test]
async fn a_password_that_cannot_be_taken_is_refused_and_nothing_changes() {
    let server = start().await;
    let mut browser = signed_in(&server, ALICE, PASSWORD).await;
    let long = "a".repeat(1_025);
    for (current, new, repeated) in [
        ("wrong", NEW_PASSWORD, NEW_PASSWORD),
        (PASSWORD, NEW_PASSWORD, "another horse"),
        (PASSWORD, "short", "short"),
        (PASSWORD, &long, &long),
        (PASSWORD, PASSWORD, PASSWORD),
        (PASSWORD, "PassWord1", "PassWord1"),
        (PASSWORD, "alice liddell 1852", "alice liddell 1852"),
    ] {
        let page = change_password(&server, &mut browser, current, new, repeated).await;
        assert!(page.problem.is_some(), "{new}: {}", page.text);
        assert!(is_signed_in(&server, &mut browser).await);
    }
    let _ = signed_in(&server, ALICE, PASSWORD).await;
}

#[tokio::test]
async fn a_password_that_attackers_try_first_is_refused_by_each_way_to_set_one() {
    use lydian_service::administration::records::{Kind, RecordName};
    use lydian_service::apply;
    let server = start().await;
    let mut browser = signed_in(&server, ALICE, PASSWORD).await;
    for (password, said, told) in [
        ("Password1", "This password is known to attackers. Please choose another.", "attackers try"),
        (
            "Liddell1852",
            "This password is a name that others know of you or of this service. Please choose another.",
            "a name of the user or of the realm",
        ),
    ] {
        let page = change_password(&server, &mut browser, PASSWORD, password, password).await;
        assert_eq!(page.problem.as_deref(), Some(said));
        let document = format!("[[user]]\nusername = {ALICE:?}\npassword = {password:?}\n");
        let document = apply::parse(&document).unwrap();
        let refused = server.service.apply_document(&document, false).await.unwrap_err();
        assert!(refused.to_string().contains(told), "{refused}");
        let name = RecordName { kind: Kind::User, realm: None, name: ALICE.to_owned() };
        let password = lydian_primitives::Secret::new(password.to_owned());
        assert!(server.service.set_password(&name, Some(password)).await.is_err());
    }
    let _ = signed_in(&server, ALICE, PASSWORD).await;
}

#[tokio::test]
async fn forms_of_another_browser_person_or_site_do_nothing() {
    let server = start().await;
    let mut alice = signed_in(&server, ALICE, PASSWORD).await;
    let mut bob = signed_in(&server, BOB, PASSWORD).await;
    let alices = rows(&account(&server, &mut alice).await, "session").remove(0);
    // Bob sends Alice's form, and his own with her session in it.
    let bobs = rows(&account(&server, &mut bob).await, "session").remove(0);
    let swapped = bobs.clone().with("session", alices.input("session"));
    for form in [alices.clone(), swapped] {
        assert_eq!(bob.send(&server, submit(&form)).await.reply.status, 400);
    }
    for request in [
        submit(&alices).header("sec-fetch-site", "cross-site"),
        submit(&alices).header("origin", "https://evil.example"),
        submit(&alices.clone().with("flow", "x")),
        Request::post("/oauth2/account?do=end-session").parameter("session", alices.input("session")),
        Request::of("GET", "/oauth2/account?do=log-out"),
    ] {
        let _ = alice.send(&server, request).await;
        assert!(is_signed_in(&server, &mut alice).await);
    }
    assert!(is_signed_in(&server, &mut bob).await);
}
