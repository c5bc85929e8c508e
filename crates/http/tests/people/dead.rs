//! What ends tokens between two uses: each is dead at introspection, at UserInfo and at refresh, and the explanation names the cause.

use lydian_service::administration::records::{Kind, RecordName};
use lydian_test_kit::fixtures::{API, AUDITOR, BARE_API, ISSUER, JWT_API};
use lydian_test_kit::{Request, TestServer};
use serde_json::Value;

use crate::browser::{Browser, text};
use crate::fixtures::{ALICE, Ask, WEB, start};

/// Asserts that nothing of these tokens is good any more, and why.
async fn check(what: &str, server: &TestServer, tokens: &Value, reasons: [&str; 2], refusal: (u16, &str)) {
    for (kind, reason) in ["access_token", "refresh_token"].into_iter().zip(reasons) {
        let token = text(tokens, kind);
        let reply = server.introspect(AUDITOR, token).await;
        assert_eq!(reply.text(), "{\"active\":false}", "{what}: {kind}");
        let told = server.service.explain(None, token, None).await.unwrap();
        assert_eq!((told.active, told.reason.as_str()), (false, reason), "{what}: {kind}: {told:?}");
    }
    let userinfo = Request::of("GET", "/oauth2/userinfo").bearer(text(tokens, "access_token"));
    let reply = server.send(userinfo).await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (401, Some("invalid_token")), "{what}");
    let reply = server.send(Ask::web().refresh(text(tokens, "refresh_token"))).await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (refusal.0, Some(refusal.1)), "{what}");
}

#[tokio::test]
async fn oau_26_what_an_administrator_changes_ends_the_tokens_and_is_named_as_the_cause() {
    let invalid_grant = (400, "invalid_grant");
    let user = |change: &str| format!("[[user]]\nusername = {ALICE:?}\n{change}\n");
    for (what, document, reasons, refusal) in [
        ("the person is disabled", user("enabled = false"), ["cut_user"; 2], invalid_grant),
        ("the password changed", user("password = \"another password\""), ["cut_user"; 2], invalid_grant),
        ("a role is gone", user("profile = { name = \"Alice\" }"), ["cut_user"; 2], invalid_grant),
        (
            "a role came",
            user("profile = { roles = [\"reader\", \"writer\"] }"),
            ["cut_user"; 2],
            invalid_grant,
        ),
        (
            "a group came",
            user("profile = { roles = [\"reader\"], groups = [\"all\"] }"),
            ["cut_user"; 2],
            invalid_grant,
        ),
        (
            "the client is disabled",
            "[[client]]\nclient_id = \"web\"\nenabled = false\n".to_owned(),
            ["cut_client"; 2],
            (401, "invalid_client"),
        ),
    ] {
        for api in [API, JWT_API, BARE_API] {
            let server = start().await;
            let tokens = Browser::default().tokens(&server, &Ask::web().resource(api)).await;
            // The facts of the access token are in memory.
            server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
            server.apply(&document).await;
            check(what, &server, &tokens, reasons, refusal).await;
            // Undone, it brings nothing back.
            server.apply(&user("enabled = true")).await;
            server.apply("[[client]]\nclient_id = \"web\"\nenabled = true\n").await;
            check(what, &server, &tokens, reasons, invalid_grant).await;
        }
    }
}

#[tokio::test]
async fn a_profile_without_other_rights_ends_nothing() {
    let server = start().await;
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &Ask::web()).await;
    server
        .apply(&format!(
            "[[user]]\nusername = {ALICE:?}\nprofile = {{ name = \"Alice L.\", roles = [\"reader\"] }}\n"
        ))
        .await;
    server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
    let reply = server.send(Ask::web().refresh(text(&tokens, "refresh_token"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn oau_26_a_logout_ends_what_belongs_to_the_session_and_not_what_was_granted_beyond_it() {
    let server = start().await;
    let mut browser = Browser::default();
    let mut within = Vec::new();
    for api in [API, JWT_API, BARE_API] {
        within.push(browser.tokens(&server, &Ask::web().resource(api)).await);
    }
    let offline_ask = Ask::web().scope("openid read offline_access");
    let offline = browser.tokens(&server, &offline_ask).await;
    crate::logout::log_out(&server, &mut browser).await;
    for tokens in &within {
        check("logged out", &server, tokens, ["cut_session"; 2], (400, "invalid_grant")).await;
    }
    server.introspect(AUDITOR, text(&offline, "access_token")).await.active();
    let next = server.send(offline_ask.refresh(text(&offline, "refresh_token"))).await;
    assert_eq!(next.status, 200, "{}", next.text());
    // What outlives the session says nothing of it.
    let told = server.introspect(AUDITOR, text(&next.json(), "access_token")).await.active();
    assert!(told.get("lyd_session").is_none() && told.get("lyd_subject").is_some(), "{told}");
    // It does not outlive the person's rights.
    server.apply(&format!("[[user]]\nusername = {ALICE:?}\nenabled = false\n")).await;
    check("disabled", &server, &next.json(), ["cut_user"; 2], (400, "invalid_grant")).await;
}

#[tokio::test]
async fn a_removed_person_leaves_no_living_token_and_its_name_is_somebody_elses() {
    let server = start().await;
    let tokens = Browser::default().tokens(&server, &Ask::web()).await;
    let name = RecordName { kind: Kind::User, realm: None, name: ALICE.to_owned() };
    server.service.delete_record(&name).await.unwrap();
    check("removed", &server, &tokens, ["cut_user"; 2], (400, "invalid_grant")).await;
    server
        .apply(&format!("[[user]]\nusername = {ALICE:?}\npassword = {:?}\n", crate::fixtures::PASSWORD))
        .await;
    check("made anew", &server, &tokens, ["cut_user"; 2], (400, "invalid_grant")).await;
    let anew = Browser::default().tokens(&server, &Ask::web()).await;
    let sub = |token: &Value| crate::identity::verified(&server, text(token, "id_token")).1["sub"].clone();
    assert_ne!(sub(&anew), sub(&tokens), "a subject is never given away again");
}

#[tokio::test]
async fn what_the_client_revokes_is_dead_and_explained() {
    let server = start().await;
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &Ask::web()).await;
    assert_eq!(server.revoke(WEB, text(&tokens, "refresh_token")).await.status, 200);
    check("revoked", &server, &tokens, ["cut_grant"; 2], (400, "invalid_grant")).await;
    // The session goes on, and with it the next sign-in without a page.
    let next = browser.ask(&server, &Ask::web()).await.unwrap_err().code();
    assert_eq!(server.send(Ask::web().redeem(&next)).await.status, 200);
}

#[tokio::test]
async fn a_realm_that_is_disabled_answers_nobody_and_what_was_minted_before_stays_dead() {
    let server = start().await;
    server.apply(&crate::fixtures::acme()).await;
    let ask = Ask::spa().in_realm("acme").scope("openid");
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &ask).await;
    let code = browser.code(&server, &ask).await;
    let userinfo = || Request::of("GET", "/t/acme/oauth2/userinfo").bearer(text(&tokens, "access_token"));
    assert_eq!(server.send(userinfo()).await.status, 200);
    let acme = lydian_domain::RealmName::parse("acme").unwrap();
    server.apply("[[realm]]\nname = \"acme\"\nenabled = false\n").await;
    for request in [userinfo(), ask.get(), ask.redeem(&code), ask.refresh(text(&tokens, "refresh_token"))] {
        assert_eq!(server.send(request).await.status, 404);
    }
    for kind in ["access_token", "refresh_token"] {
        let told = server.service.explain(Some(&acme), text(&tokens, kind), None).await.unwrap();
        assert!(!told.active && ["cut_realm", "realm_disabled"].contains(&told.reason.as_str()), "{told:?}");
    }
    server.apply("[[realm]]\nname = \"acme\"\nenabled = true\n").await;
    server.send(userinfo()).await.refused(401, "invalid_token");
    server.send(ask.redeem(&code)).await.refused(400, "invalid_grant");
    server.send(ask.refresh(text(&tokens, "refresh_token"))).await.refused(400, "invalid_grant");
    browser
        .ask(&server, &ask.clone().with("prompt", "none"))
        .await
        .unwrap_err()
        .refused_in("acme", "login_required");
    let anew = browser.tokens(&server, &ask).await;
    assert_eq!(crate::identity::claims_of(text(&anew, "id_token"))["iss"], format!("{ISSUER}/t/acme"));
}
