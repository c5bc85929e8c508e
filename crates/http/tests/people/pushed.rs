//! Pushed authorization requests (RFC 9126), and who may grant what.

use lydian_test_kit::fixtures::{API, AUDITOR};
use lydian_test_kit::{Reply, Request, TestServer};

use crate::browser::{Browser, text};
use crate::fixtures::{ALICE, Ask, BOB, OTHER_WEB, SPA, WEB, as_client, start};

async fn push(server: &TestServer, client_id: &str, ask: &Ask) -> Reply {
    let request = Request::post("/oauth2/par").body(ask.get().path().split_once('?').unwrap().1);
    // Who names itself in the form needs no more, and who has a secret shows it.
    let request = if client_id == SPA { request } else { as_client(request, client_id) };
    server.send(request).await
}

fn referring(client_id: &str, request_uri: &str) -> Request {
    let pairs = [("client_id", client_id), ("request_uri", request_uri)];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Request::of("GET", &format!("/oauth2/authorize?{query}"))
}

#[tokio::test]
async fn a_pushed_request_makes_one_code_however_often_its_page_is_loaded() {
    let server = start().await;
    let ask = Ask::web();
    let pushed = push(&server, WEB.client_id, &ask).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let pushed = pushed.json();
    assert_eq!(pushed["expires_in"], 90);
    let request_uri = text(&pushed, "request_uri");
    assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    let mut browser = Browser::default();
    for _ in 0..2 {
        assert!(browser.send(&server, referring(WEB.client_id, request_uri)).await.offers("sign-in"));
    }
    let page = browser.send(&server, referring(WEB.client_id, request_uri)).await;
    let page = browser.sign_in(&server, &page, ALICE, crate::fixtures::PASSWORD).await.unwrap();
    let returned = browser.press(&server, &page, "allow").await.unwrap_err();
    assert_eq!(returned.get("state"), "a state");
    assert_eq!(server.send(ask.redeem(&returned.code())).await.status, 200);
    let again = browser.send(&server, referring(WEB.client_id, request_uri)).await;
    let returned = browser.follow(&server, again).await.unwrap_err();
    returned.refused("invalid_request");
}

#[tokio::test]
async fn a_reference_is_good_for_its_client_and_its_time_alone() {
    let server = start().await;
    let pushed = push(&server, WEB.client_id, &Ask::web()).await.json();
    let request_uri = text(&pushed, "request_uri");
    let mut browser = Browser::default();
    for (client_id, request_uri) in [
        (OTHER_WEB.client_id, request_uri.to_owned()),
        (WEB.client_id, format!("{request_uri}A")),
        (WEB.client_id, "urn:ietf:params:oauth:request_uri:x".to_owned()),
    ] {
        let page = browser.send(&server, referring(client_id, &request_uri)).await;
        assert_eq!((page.reply.status, page.location()), (400, None), "{client_id} {request_uri}");
    }
    server.advance_seconds(89);
    assert!(browser.send(&server, referring(WEB.client_id, request_uri)).await.offers("sign-in"));
    server.advance_seconds(1);
    assert_eq!(browser.send(&server, referring(WEB.client_id, request_uri)).await.reply.status, 400);
}

#[tokio::test]
async fn what_the_authorization_endpoint_would_refuse_is_refused_when_it_is_pushed() {
    let server = start().await;
    for (ask, error) in [
        (Ask::web().with("redirect_uri", "https://evil.example/"), "invalid_request"),
        (Ask::web().with("response_type", "token"), "unsupported_response_type"),
        (Ask::web().without("code_challenge"), "invalid_request"),
        (Ask::web().with("code_challenge_method", "plain"), "invalid_request"),
        (Ask::web().with("request_uri", "urn:x"), "invalid_request"),
    ] {
        push(&server, WEB.client_id, &ask).await.refused(400, error);
    }
    let stranger = Request::post("/oauth2/par").body(Ask::web().get().path().split_once('?').unwrap().1);
    server.send(stranger).await.refused(401, "invalid_client");
    assert_eq!(push(&server, SPA, &Ask::spa()).await.status, 201, "a public client may push");
}

#[tokio::test]
async fn a_client_that_must_push_cannot_ask_in_the_open() {
    let server = start().await;
    server
        .apply(&format!(
            "[[client]]\nclient_id = {:?}\nrequire_pushed_authorization_requests = true\n",
            WEB.client_id
        ))
        .await;
    let mut browser = Browser::default();
    browser.ask(&server, &Ask::web()).await.unwrap_err().refused("invalid_request");
    let pushed = push(&server, WEB.client_id, &Ask::web()).await.json();
    let page = browser.send(&server, referring(WEB.client_id, text(&pushed, "request_uri"))).await;
    assert!(page.offers("sign-in"));
}

#[tokio::test]
async fn a_scope_that_names_a_role_is_for_people_who_have_it() {
    let server = start().await;
    server
        .apply(&format!(
            "[[api]]\naudience = {API:?}\n[api.scope_details.read]\ndescription = \"look at your things\"\n\
             [api.scope_details.write]\nroles = [\"editor\"]\ngroups = [\"staff\"]\n\
             [[user]]\nusername = {BOB:?}\nprofile = {{ groups = [\"staff\"] }}\n"
        ))
        .await;
    let ask = Ask::web().scope("openid read write");
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    let tokens = alice.tokens(&server, &ask).await;
    assert_eq!(tokens["scope"], "openid read");
    let code = bob.go(&server, &ask, BOB).await.code();
    let tokens = server.send(ask.redeem(&code)).await.json();
    assert_eq!(tokens["scope"], "openid read write");
    alice.ask(&server, &Ask::web().scope("openid write")).await.unwrap_err().refused("access_denied");
    // Who leaves the group has nothing left of it, and gets no more.
    server.apply(&format!("[[user]]\nusername = {BOB:?}\nprofile = {{ }}\n")).await;
    server.introspect(AUDITOR, text(&tokens, "access_token")).await.inactive();
    server.send(ask.refresh(text(&tokens, "refresh_token"))).await.refused(400, "invalid_grant");
}
