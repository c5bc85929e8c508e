//! Sessions of browsers: cookies, forms that another page sends, and somebody else's session.

use lydian_test_kit::{Request, TestServer};

use crate::browser::{Browser, Form, MARK, Page, SESSION};
use crate::fixtures::{ALICE, Ask, BOB, PASSWORD, start};
use crate::logout::is_signed_in;

const NOT_OURS: &str = "This form is too old or was not made for you.";
const EXPIRED: &str = "This request has expired.";

/// The form of the sign-in page, filled in.
async fn sign_in_form(server: &TestServer, browser: &mut Browser) -> Form {
    let page = browser.ask(server, &Ask::web()).await.unwrap();
    page.form("sign-in").clone().with("username", ALICE).with("password", PASSWORD)
}

/// The form of the consent page.
async fn consent_form(server: &TestServer, browser: &mut Browser) -> Form {
    let page = browser.ask(server, &Ask::web()).await.unwrap();
    let page = browser.sign_in(server, &page, ALICE, PASSWORD).await.unwrap();
    page.form("allow").clone()
}

#[tokio::test]
async fn oau_27_a_form_is_taken_from_the_browser_for_which_it_was_made_and_from_our_own_pages_alone() {
    let server = start().await;
    let (mut victim, mut attacker) = (Browser::default(), Browser::default());
    let of_attacker = sign_in_form(&server, &mut attacker).await;
    let sign_in = sign_in_form(&server, &mut victim).await;
    let mut strangers = vec![(sign_in, of_attacker, "sign-in")];
    let mut signed_in = Browser::default();
    let consent = consent_form(&server, &mut signed_in).await;
    strangers.push((consent, consent_form(&server, &mut attacker).await, "allow"));
    for (form, of_attacker, button) in strangers {
        let browser = if button == "allow" { &mut signed_in } else { &mut victim };
        let request = || form.press(button);
        let mut middle = form.input("flow").to_owned();
        let at = middle.len() / 2;
        middle.replace_range(at..=at, if &middle[at..=at] == "A" { "B" } else { "A" });
        let cut = form.input("flow")[..form.input("flow").len() - 4].to_owned();
        for (what, request) in [
            ("from another site", request().header("sec-fetch-site", "cross-site")),
            ("from a neighbour", request().header("sec-fetch-site", "same-site")),
            ("with the form of another browser", of_attacker.press(button)),
            ("with an altered flow", form.clone().with("flow", &middle).press(button)),
            ("with a flow cut short", form.clone().with("flow", &cut).press(button)),
            ("with an empty flow", form.clone().with("flow", "").press(button)),
        ] {
            let page = browser.send(&server, request).await;
            assert_eq!(page.problem.as_deref(), Some(NOT_OURS), "{button} {what}: {}", page.text);
            page.refused(400, NOT_OURS);
        }
        // The origin decides where a browser does not say from which site.
        for origin in [
            "https://evil.example.com",
            "https://localhost",
            "http://localhost:9443",
            "https://localhost:94430",
            "https://localhost:944",
        ] {
            let fields = form
                .inputs
                .iter()
                .fold(Request::post(&format!("/oauth2/{}", form.action)), |request, (name, value)| {
                    request.parameter(name, value)
                });
            let fields = if button == "allow" { fields.parameter("decision", "allow") } else { fields };
            browser.send(&server, fields.header("origin", origin)).await.refused(400, NOT_OURS);
        }
        Browser::default().send(&server, request()).await.refused(400, NOT_OURS);
        attacker.send(&server, request()).await.refused(400, NOT_OURS);
        let page = browser.send(&server, request().header("sec-fetch-site", "same-origin")).await;
        assert_eq!(page.reply.status, 303, "{button}: {}", page.text);
    }
}

#[tokio::test]
async fn the_form_of_one_page_is_none_of_another_kind_of_page() {
    let server = start().await;
    let mut browser = Browser::default();
    let consent = consent_form(&server, &mut browser).await;
    let logout = browser.send(&server, Request::of("GET", "/oauth2/logout")).await.form("log-out").clone();
    let flow = logout.input("flow").to_owned();
    browser.send(&server, consent.clone().with("flow", &flow).press("allow")).await.refused(400, NOT_OURS);
    let flow = consent.input("flow").to_owned();
    browser.send(&server, logout.with("flow", &flow).press("log-out")).await.refused(400, NOT_OURS);
    assert!(browser.cookie(SESSION).is_some());
    // Consent without a session asks who it is first.
    let mut nobody = Browser::default();
    let sign_in = sign_in_form(&server, &mut nobody).await;
    let request = Request::post("/oauth2/consent")
        .parameter("flow", sign_in.input("flow"))
        .parameter("decision", "allow");
    let page = nobody.send(&server, request).await;
    assert!(page.offers("sign-in") && page.location().is_none(), "{}", page.text);
}

#[tokio::test]
async fn a_page_that_was_left_open_for_half_an_hour_is_too_old() {
    let server = start().await;
    let mut browser = Browser::default();
    let in_time = sign_in_form(&server, &mut browser).await;
    server.advance_seconds(1_800);
    let page = browser.send(&server, in_time.press("sign-in")).await;
    assert_eq!(page.reply.status, 303);
    let mut browser = Browser::default();
    let late = sign_in_form(&server, &mut browser).await;
    server.advance_seconds(1_801);
    browser.send(&server, late.press("sign-in")).await.refused(400, EXPIRED);
    assert_eq!(browser.cookie(SESSION), None);
}

#[tokio::test]
async fn the_cookie_changes_at_each_sign_in_and_the_old_one_is_worth_nothing() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    let first = browser.cookie(SESSION).unwrap().to_owned();
    browser.go(&server, &Ask::web().with("prompt", "login"), ALICE).await.code();
    let second = browser.cookie(SESSION).unwrap().to_owned();
    assert_ne!(first, second);
    let mut old = browser.clone();
    old.set_cookie(SESSION, &first);
    assert!(!is_signed_in(&server, &mut old).await);
    assert!(is_signed_in(&server, &mut browser).await);
    // Another person in the same browser gets a session of its own.
    browser.go(&server, &Ask::web().with("prompt", "login"), BOB).await.code();
    assert_ne!(browser.cookie(SESSION).unwrap(), second);
}

#[tokio::test]
async fn a_cookie_that_somebody_else_has_set_is_not_taken_over() {
    let server = start().await;
    let mut attacker = Browser::default();
    attacker.go(&server, &Ask::web(), BOB).await.code();
    let planted = attacker.cookie(SESSION).unwrap().to_owned();
    // The victim's browser carries the attacker's session, and the victim signs in.
    let mut victim = Browser::default();
    victim.set_cookie(SESSION, &planted);
    let page = victim.ask(&server, &Ask::web().with("prompt", "login")).await.unwrap();
    let page = victim.sign_in(&server, &page, ALICE, PASSWORD).await.unwrap();
    assert!(page.text.contains(ALICE), "{}", page.text);
    assert_ne!(victim.cookie(SESSION).unwrap(), planted);
    // What the attacker holds is the attacker's still.
    let returned = attacker.ask(&server, &Ask::web()).await.unwrap_err();
    let tokens = server.send(Ask::web().redeem(&returned.code())).await.json();
    let told = server
        .introspect(lydian_test_kit::fixtures::AUDITOR, crate::browser::text(&tokens, "access_token"))
        .await;
    assert_eq!(told.active()["username"], BOB);
    // A cookie that nobody made, and one with a foreign end, are none.
    let good = victim.cookie(SESSION).unwrap().to_owned();
    let flipped = format!("{}{}", &good[..63], if good.ends_with('A') { "B" } else { "A" });
    let mixed = format!("{}{}", &planted[..22], &good[22..]);
    for cookie in ["x", &"A".repeat(64), &flipped, &good[..63], &format!("{good}A"), &mixed] {
        victim.set_cookie(SESSION, cookie);
        assert!(!is_signed_in(&server, &mut victim).await, "{cookie}");
    }
    victim.set_cookie(SESSION, &good);
    assert!(is_signed_in(&server, &mut victim).await);
}

#[tokio::test]
async fn a_cookie_that_is_sent_twice_is_none() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    let (mark, session) = (browser.cookie(MARK).unwrap(), browser.cookie(SESSION).unwrap());
    let silent = Ask::web().scope("openid").with("prompt", "none");
    for (cookies, is_signed_in) in [
        (vec![format!("{MARK}={mark}; {SESSION}={session}")], true),
        (vec![format!("{SESSION}={session};{MARK}={mark}; other=1")], true),
        (vec![format!("{SESSION}={session}; {SESSION}={session}")], false),
        (vec![format!("{SESSION}=x; {SESSION}={session}")], false),
        (vec![format!("{SESSION}={session}"), format!("{SESSION}=x")], false),
        // Names compare byte by byte, and without their prefix they protect nothing.
        (vec![format!("lydian-session={session}")], false),
        (vec![format!("__host-lydian-session={session}")], false),
        (vec![format!("{SESSION}-acme={session}")], false),
    ] {
        let request = cookies.iter().fold(silent.get(), |request, cookie| request.header("cookie", cookie));
        let page = Browser::default().send(&server, request).await;
        let location = page.location().unwrap();
        assert_eq!(location.contains("code="), is_signed_in, "{cookies:?}: {location}");
    }
    // A mark that stands twice binds no form.
    let mut browser = Browser::default();
    let form = sign_in_form(&server, &mut browser).await;
    let mark = browser.cookie(MARK).unwrap();
    let request = form.press("sign-in").header("cookie", &format!("{MARK}={mark}; {MARK}={mark}"));
    Browser::default().send(&server, request).await.refused(400, NOT_OURS);
}

#[tokio::test]
async fn a_session_ends_by_idleness_by_age_and_by_what_happens_to_its_person() {
    const HOUR: u64 = 3_600;
    let server = start().await;
    let fresh = async || {
        let mut browser = Browser::default();
        browser.code(&server, &Ask::web()).await;
        browser
    };
    let mut idle = fresh().await;
    server.advance_seconds(2 * HOUR);
    assert!(!is_signed_in(&server, &mut idle).await);
    let mut busy = fresh().await;
    for _ in 0..11 {
        server.advance_seconds(HOUR);
        assert!(is_signed_in(&server, &mut busy).await);
    }
    server.advance_seconds(HOUR - 1);
    assert!(is_signed_in(&server, &mut busy).await);
    server.advance_seconds(1);
    assert!(!is_signed_in(&server, &mut busy).await);
    for change in ["password = \"another password\"", "enabled = false"] {
        server
            .apply(&format!("[[user]]\nusername = {ALICE:?}\nenabled = true\npassword = {PASSWORD:?}\n"))
            .await;
        let mut browser = fresh().await;
        server.apply(&format!("[[user]]\nusername = {ALICE:?}\n{change}\n")).await;
        assert!(!is_signed_in(&server, &mut browser).await, "{change}");
    }
}

#[tokio::test]
async fn a_session_of_one_realm_is_none_in_another() {
    let server = start().await;
    server
        .apply(&format!(
            "[[client]]\nrealm = \"acme\"\nclient_id = \"web\"\nauth_methods = [\"none\"]\ngrant_types = [\"authorization_code\"]\n\
             issuer_scopes = [\"openid\"]\nredirect_uris = [\"https://web.example.com/callback\"]\n\
             [[user]]\nrealm = \"acme\"\nusername = {ALICE:?}\npassword = {PASSWORD:?}\n"
        ))
        .await;
    let mut browser = Browser::default();
    let code = browser.code(&server, &Ask::web().scope("openid")).await;
    let query = Ask::web().scope("openid").with("prompt", "none").get().path().to_owned();
    let there = |browser: &Browser| {
        let mut browser = browser.clone();
        let request = Request::of("GET", &format!("/t/acme{query}"));
        let server = &server;
        async move { browser.send(server, request).await }
    };
    let location = |page: &Page| page.location().unwrap().to_owned();
    assert!(location(&there(&browser).await).contains("error=login_required"));
    // Not even under the name that the cookie has there.
    let session = browser.cookie(SESSION).unwrap().to_owned();
    browser.set_cookie("__Host-lydian-session-acme", &session);
    assert!(location(&there(&browser).await).contains("error=login_required"));
    let redeem = Request::post("/t/acme/oauth2/token")
        .parameter("client_id", "web")
        .parameter("grant_type", "authorization_code")
        .parameter("code", &code)
        .parameter("redirect_uri", crate::fixtures::WEB_CALLBACK)
        .parameter("code_verifier", crate::fixtures::VERIFIER);
    server.send(redeem).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn gen_13_each_page_forbids_framing_referrers_and_foreign_content() {
    let server = start().await;
    let mut browser = Browser::default();
    let sign_in = browser.ask(&server, &Ask::web()).await.unwrap();
    let consent = browser.sign_in(&server, &sign_in, ALICE, PASSWORD).await.unwrap();
    let log_out = browser.send(&server, Request::of("GET", "/oauth2/logout")).await;
    let error = browser.send(&server, Request::of("GET", "/oauth2/authorize")).await;
    let farewell = Browser::default().send(&server, Request::of("GET", "/oauth2/logout")).await;
    let redirect = browser.send(&server, consent.form("deny").press("deny")).await;
    for (page, target) in [
        (&sign_in, Some("; form-action 'self' https://web.example.com; ")),
        (&consent, Some("; form-action 'self' https://web.example.com; ")),
        (&log_out, Some("; form-action 'self'; ")),
        (&error, Some("; form-action 'self'; ")),
        (&farewell, Some("; form-action 'self'; ")),
        (&redirect, None),
    ] {
        let header = |name| page.reply.header(name).unwrap();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(target.is_none_or(|target| policy.contains(target)), "{policy}");
        assert_eq!((header("x-frame-options"), header("referrer-policy")), ("DENY", "no-referrer"));
        assert_eq!((header("x-content-type-options"), header("cache-control")), ("nosniff", "no-store"));
        // Another page may not read it.
        assert_eq!(page.reply.header("access-control-allow-origin"), None);
    }
}
