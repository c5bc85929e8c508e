//! Devices without a browser (RFC 8628).

use lydian_test_kit::fixtures::{API, AUDITOR, ISSUER};
use lydian_test_kit::{Reply, Request, TestServer};

use crate::browser::{Browser, Page, text};
use crate::fixtures::{ALICE, BOB, PASSWORD, WEB, start};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn start_with_television() -> TestServer {
    let server = start().await;
    server
        .apply(&format!(
            "[[client]]\nclient_id = \"tv\"\nname = \"The television\"\nauth_methods = [\"none\"]\n\
             grant_types = [{GRANT:?}, \"refresh_token\"]\nissuer_scopes = [\"openid\"]\n\
             allowed = {{ {API:?} = [\"read\"] }}\ndefault_api = {API:?}\n\
             [[client]]\nclient_id = \"radio\"\nauth_methods = [\"none\"]\ngrant_types = [{GRANT:?}]\n\
             allowed = {{ {API:?} = [\"read\"] }}\ndefault_api = {API:?}\n"
        ))
        .await;
    server
}

async fn begin(server: &TestServer) -> serde_json::Value {
    let request = Request::post("/oauth2/device_authorize").parameter("client_id", "tv");
    let reply = server.send(request.parameter("scope", "openid read")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn poll(server: &TestServer, client_id: &str, device_code: &str) -> Reply {
    let request = Request::post("/oauth2/token")
        .parameter("grant_type", GRANT)
        .parameter("client_id", client_id)
        .parameter("device_code", device_code);
    server.send(request).await
}

/// The page that asks for the code, for somebody who signs in first.
async fn page_for(server: &TestServer, browser: &mut Browser, username: &str, path: &str) -> Page {
    let page = browser.send(server, Request::of("GET", path)).await;
    if page.offers("sign-in") {
        browser.sign_in(server, &page, username, PASSWORD).await.unwrap()
    } else {
        page
    }
}

async fn type_code(server: &TestServer, browser: &mut Browser, page: &Page, user_code: &str) -> Page {
    let form = page.form("continue").clone().with("user_code", user_code);
    let page = browser.send(server, form.press("continue")).await;
    browser.follow(server, page).await.unwrap()
}

async fn decide(server: &TestServer, username: &str, user_code: &str, button: &str) -> Page {
    let mut browser = Browser::default();
    let page = page_for(server, &mut browser, username, "/oauth2/device").await;
    let page = type_code(server, &mut browser, &page, user_code).await;
    assert!(page.text.contains("The television") && page.text.contains(user_code), "{}", page.text);
    browser.press(server, &page, button).await.unwrap()
}

#[tokio::test]
async fn a_device_waits_until_its_person_agrees_and_gets_its_tokens_once() {
    let server = start_with_television().await;
    let device = begin(&server).await;
    let (device_code, user_code) = (text(&device, "device_code"), text(&device, "user_code"));
    assert_eq!(device["verification_uri"], format!("{ISSUER}/oauth2/device"));
    assert_eq!(device["verification_uri_complete"], format!("{ISSUER}/oauth2/device?user_code={user_code}"));
    assert_eq!((&device["expires_in"], &device["interval"]), (&600.into(), &5.into()));
    assert!(device_code.starts_with("lyd_") && user_code.len() == 9 && user_code.as_bytes()[4] == b'-');
    poll(&server, "tv", device_code).await.refused(400, "authorization_pending");
    poll(&server, "tv", device_code).await.refused(400, "slow_down");
    let done = decide(&server, ALICE, user_code, "allow").await;
    assert!(done.text.contains("Your device is connected."), "{}", done.text);
    poll(&server, "radio", device_code).await.refused(400, "invalid_grant");
    let reply = poll(&server, "tv", device_code).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let tokens = reply.json();
    let shown = server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
    assert_eq!((&shown["username"], &shown["client_id"]), (&ALICE.into(), &"tv".into()));
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string());
    poll(&server, "tv", device_code).await.refused(400, "invalid_grant");
    server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
    // The code leads nowhere any more.
    let mut browser = Browser::default();
    let page = page_for(&server, &mut browser, ALICE, "/oauth2/device").await;
    assert!(type_code(&server, &mut browser, &page, user_code).await.problem.is_some());
}

#[tokio::test]
async fn a_code_is_typed_in_any_case_or_comes_with_the_address() {
    let server = start_with_television().await;
    let device = begin(&server).await;
    let typed = text(&device, "user_code").to_lowercase().replace('-', " ");
    let mut browser = Browser::default();
    let path = format!("/oauth2/device?user_code={}", text(&device, "user_code"));
    // Who has to sign in first finds the code afterwards, and agrees to nothing by following an address.
    let page = page_for(&server, &mut browser, ALICE, &path).await;
    assert_eq!(page.form("continue").input("user_code"), text(&device, "user_code"));
    poll(&server, "tv", text(&device, "device_code")).await.refused(400, "authorization_pending");
    let page = type_code(&server, &mut browser, &page, &typed).await;
    assert!(page.offers("allow"), "{}", page.text);
}

#[tokio::test]
async fn a_person_that_refuses_ends_it() {
    let server = start_with_television().await;
    let device = begin(&server).await;
    let _ = decide(&server, ALICE, text(&device, "user_code"), "deny").await;
    poll(&server, "tv", text(&device, "device_code")).await.refused(400, "access_denied");
}

#[tokio::test]
async fn a_code_ends_with_its_second() {
    let server = start_with_television().await;
    let device = begin(&server).await;
    server.advance_seconds(599);
    poll(&server, "tv", text(&device, "device_code")).await.refused(400, "authorization_pending");
    server.advance_seconds(1);
    poll(&server, "tv", text(&device, "device_code")).await.refused(400, "expired_token");
    let mut browser = Browser::default();
    let page = page_for(&server, &mut browser, ALICE, "/oauth2/device").await;
    assert!(type_code(&server, &mut browser, &page, text(&device, "user_code")).await.problem.is_some());
}

#[tokio::test]
async fn what_ends_between_the_decision_and_the_device_leaves_no_token() {
    let disabled = |username: &str| format!("[[user]]\nusername = {username:?}\nenabled = false\n");
    let enabled = |username: &str| format!("[[user]]\nusername = {username:?}\nenabled = true\n");
    let server = start_with_television().await;
    let device = begin(&server).await;
    let _ = decide(&server, BOB, text(&device, "user_code"), "allow").await;
    server.apply(&disabled(BOB)).await;
    poll(&server, "tv", text(&device, "device_code")).await.refused(400, "invalid_grant");
    // Enabled again: what was granted before stays dead.
    server.apply(&enabled(BOB)).await;
    poll(&server, "tv", text(&device, "device_code")).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn thirty_two_polls_at_once_get_tokens_once() {
    let server = start_with_television().await;
    let device = begin(&server).await;
    let _ = decide(&server, ALICE, text(&device, "user_code"), "allow").await;
    let polls = (0..32).map(|_| poll(&server, "tv", text(&device, "device_code")));
    let mut successes = 0;
    for reply in futures_join(polls).await {
        match reply.status {
            200 => successes += 1,
            _ => drop(reply.refused(400, "invalid_grant")),
        }
    }
    assert_eq!(successes, 1);
}

async fn futures_join<F: Future<Output = Reply>>(all: impl Iterator<Item = F>) -> Vec<Reply> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(reply) => {
                done.push(reply);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn guessing_codes_is_slowed_down_and_recovers() {
    let server = start_with_television().await;
    let mut browser = Browser::default();
    let mut page = page_for(&server, &mut browser, ALICE, "/oauth2/device").await;
    let mut tries = 0;
    while page.reply.status == 200 {
        page = type_code(&server, &mut browser, &page, "BBBB-BBBB").await;
        tries += 1;
        assert!(tries <= 11, "nobody slows the guesser down");
    }
    assert_eq!((page.reply.status, tries), (429, 11));
    server.advance_seconds(10);
    let device = begin(&server).await;
    let page = page_for(&server, &mut browser, ALICE, "/oauth2/device").await;
    assert!(type_code(&server, &mut browser, &page, text(&device, "user_code")).await.offers("allow"));
}

#[tokio::test]
async fn a_device_code_is_no_other_kind_of_code() {
    let server = start_with_television().await;
    let device = begin(&server).await;
    let code = text(&device, "device_code");
    server.introspect(WEB, code).await.inactive();
    for wrong in ["", "x", &code[..code.len() - 1], &code.replace("lyd_", "lyc_")] {
        let reply = poll(&server, "tv", wrong).await;
        let expected = if wrong.is_empty() { "invalid_request" } else { "invalid_grant" };
        reply.refused(400, expected);
    }
    let not_allowed = Request::post("/oauth2/device_authorize").basic(WEB.client_id, WEB.client_secret);
    server.send(not_allowed).await.refused(400, "unauthorized_client");
}
