//! Logging out (OpenID Connect RP-Initiated Logout 1.0): who may end a session, and where the browser goes then.

use lydian_test_kit::fixtures::{AUDITOR, ISSUER};
use lydian_test_kit::{Request, TestServer};

use crate::browser::{Browser, Page, Returned, SESSION, text};
use crate::fixtures::{Ask, BOB, OTHER_WEB, WEB_BYE, start};

const LOGGED_OUT: &str = "You are logged out.";
const PATH: &str = "/oauth2/logout";

fn request(parameters: &[(&str, &str)]) -> Request {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    Request::of("GET", &format!("{PATH}?{query}"))
}

async fn send(
    server: &TestServer,
    browser: &mut Browser,
    parameters: &[(&str, &str)],
) -> Result<Page, Returned> {
    let page = browser.send(server, request(parameters)).await;
    browser.follow(server, page).await
}

/// The person logs out by the page of ours.
pub(crate) async fn log_out(server: &TestServer, browser: &mut Browser) {
    let page = send(server, browser, &[]).await.unwrap();
    let page = browser.press(server, &page, "log-out").await.unwrap();
    assert_eq!((page.reply.status, page.text.contains(LOGGED_OUT)), (200, true), "{}", page.text);
    assert_eq!(browser.cookie(SESSION), None);
}

/// Whether the browser is recognised still.
pub(crate) async fn is_signed_in(server: &TestServer, browser: &mut Browser) -> bool {
    let returned = browser.ask(server, &Ask::web().scope("openid").with("prompt", "none")).await.unwrap_err();
    match returned.parameters.get("error").map(String::as_str) {
        // Who is known and has not agreed is known all the same.
        None | Some("consent_required") => true,
        Some("login_required") => false,
        Some(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn oidc_logout_with_a_hint_and_a_registered_address_goes_there_with_the_state() {
    let server = start().await;
    for by_post in [false, true] {
        let mut browser = Browser::default();
        let tokens = browser.tokens(&server, &Ask::web()).await;
        let session = browser.cookie(SESSION).unwrap().to_owned();
        let hint = text(&tokens, "id_token");
        let parameters =
            [("id_token_hint", hint), ("post_logout_redirect_uri", WEB_BYE), ("state", "a state & more")];
        let page = if by_post {
            let form = parameters
                .iter()
                .fold(Request::post(PATH), |form, (name, value)| form.parameter(name, value));
            browser.send(&server, form).await
        } else {
            browser.send(&server, request(&parameters)).await
        };
        assert_eq!(page.reply.status, 303);
        let returned = Returned::of(page.location().unwrap());
        assert_eq!(returned.address, WEB_BYE);
        assert_eq!(
            returned.parameters.into_iter().collect::<Vec<_>>(),
            [("state".to_owned(), "a state & more".to_owned())]
        );
        assert_eq!(browser.cookie(SESSION), None);
        assert!(!is_signed_in(&server, &mut browser).await);
        // The cookie that somebody has kept opens nothing either.
        browser.set_cookie(SESSION, &session);
        assert!(!is_signed_in(&server, &mut browser).await);
        for kind in ["access_token", "refresh_token"] {
            server.introspect(AUDITOR, text(&tokens, kind)).await.inactive();
        }
    }
    // Without a state the address comes as it is registered, byte by byte.
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &Ask::web()).await;
    let parameters = [("id_token_hint", text(&tokens, "id_token")), ("post_logout_redirect_uri", WEB_BYE)];
    let page = browser.send(&server, request(&parameters)).await;
    assert_eq!(page.location(), Some(WEB_BYE));
}

#[tokio::test]
async fn oidc_logout_goes_nowhere_without_proof_of_who_asks_and_an_address_that_is_registered() {
    let server = start().await;
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &Ask::web()).await;
    let hint = text(&tokens, "id_token").to_owned();
    let access = browser.tokens(&server, &Ask::web().resource(lydian_test_kit::fixtures::JWT_API)).await;
    let of_other = Ask::of(OTHER_WEB.client_id, crate::fixtures::OTHER_WEB_CALLBACK);
    let of_other = browser.tokens(&server, &of_other).await;
    let (head, rest) = hint.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = format!("{}.{payload}.", lydian_primitives::base64url::encode(br#"{"alg":"none"}"#));
    let foreign = {
        let key = lydian_jose::SigningKey::generate(lydian_jose::Algorithm::Es256).unwrap();
        let claims = format!(r#"{{"iss":"{ISSUER}","sub":"x","aud":"web"}}"#);
        key.sign_compact("JWT", claims.as_bytes()).unwrap()
    };
    let cut = format!("{head}.{payload}.{}", &signature[..signature.len() - 2]);
    let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("no hint", vec![("post_logout_redirect_uri", WEB_BYE), ("state", "s")]),
        (
            "no hint, and the client by name",
            vec![("post_logout_redirect_uri", WEB_BYE), ("client_id", "web")],
        ),
        ("a hint with alg none", vec![("post_logout_redirect_uri", WEB_BYE), ("id_token_hint", &none)]),
        ("a hint of somebody else", vec![("post_logout_redirect_uri", WEB_BYE), ("id_token_hint", &foreign)]),
        ("a hint cut short", vec![("post_logout_redirect_uri", WEB_BYE), ("id_token_hint", &cut)]),
        ("no token at all", vec![("post_logout_redirect_uri", WEB_BYE), ("id_token_hint", "x")]),
        (
            "an access token as hint",
            vec![("post_logout_redirect_uri", WEB_BYE), ("id_token_hint", text(&access, "access_token"))],
        ),
        ("no parameters", vec![]),
        ("state alone", vec![("state", "s")]),
    ];
    for (name, parameters) in &cases {
        let page = send(&server, &mut browser, parameters)
            .await
            .unwrap_or_else(|returned| panic!("{name}: {returned:?}"));
        assert!(page.offers("log-out") && page.offers("stay"), "{name}: {}", page.text);
        // The question asked is no answer: the person stays, and is signed in.
        let stays = browser.press(&server, &page, "stay").await.unwrap();
        assert!(stays.reply.status == 200 && browser.cookie(SESSION).is_some(), "{name}");
        assert!(is_signed_in(&server, &mut browser).await, "{name}");
        // Agreed, it ends the session and goes nowhere all the same.
        let page = send(&server, &mut browser, parameters).await.unwrap();
        let page = browser
            .press(&server, &page, "log-out")
            .await
            .unwrap_or_else(|returned| panic!("{name}: {returned:?}"));
        assert!(page.text.contains(LOGGED_OUT), "{name}: {}", page.text);
        browser.go(&server, &Ask::web(), crate::fixtures::ALICE).await.code();
    }
    // With a good hint the person is not asked; the browser goes nowhere that is not registered for that very client.
    let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("no address", vec![("id_token_hint", &hint)]),
        ("no address, but a state", vec![("id_token_hint", &hint), ("state", "s")]),
        (
            "an address that is not registered",
            vec![("id_token_hint", &hint), ("post_logout_redirect_uri", "https://evil.example.com/bye")],
        ),
        (
            "a redirect address of codes",
            vec![("id_token_hint", &hint), ("post_logout_redirect_uri", crate::fixtures::WEB_CALLBACK)],
        ),
        (
            "a query added",
            vec![("id_token_hint", &hint), ("post_logout_redirect_uri", "https://web.example.com/bye?a=b")],
        ),
        (
            "a slash added",
            vec![("id_token_hint", &hint), ("post_logout_redirect_uri", "https://web.example.com/bye/")],
        ),
        (
            "another client by name",
            vec![
                ("id_token_hint", &hint),
                ("client_id", OTHER_WEB.client_id),
                ("post_logout_redirect_uri", WEB_BYE),
            ],
        ),
        (
            "the hint of another client",
            vec![("id_token_hint", text(&of_other, "id_token")), ("post_logout_redirect_uri", WEB_BYE)],
        ),
    ];
    for (name, parameters) in &cases {
        browser.go(&server, &Ask::web(), crate::fixtures::ALICE).await.code();
        let page = send(&server, &mut browser, parameters)
            .await
            .unwrap_or_else(|returned| panic!("{name}: {returned:?}"));
        assert!(page.text.contains(LOGGED_OUT), "{name}: {}", page.text);
        assert!(!is_signed_in(&server, &mut browser).await, "{name}");
    }
    // Nobody is signed in: there is nothing to ask.
    let page = send(&server, &mut browser, &[]).await.unwrap();
    assert!(page.text.contains(LOGGED_OUT), "{}", page.text);
}

#[tokio::test]
async fn oidc_logout_with_the_hint_of_another_person_asks() {
    let server = start().await;
    let bobs = {
        let code = Browser::default().go(&server, &Ask::web(), BOB).await.code();
        server.send(Ask::web().redeem(&code)).await.json()
    };
    let mut browser = Browser::default();
    browser.tokens(&server, &Ask::web()).await;
    let parameters =
        [("id_token_hint", text(&bobs, "id_token")), ("post_logout_redirect_uri", WEB_BYE), ("state", "s")];
    let page = send(&server, &mut browser, &parameters).await.unwrap();
    assert!(page.text.contains(crate::fixtures::ALICE), "{}", page.text);
    assert!(is_signed_in(&server, &mut browser).await);
    let returned = browser.press(&server, &page, "log-out").await.unwrap_err();
    assert_eq!((returned.address.as_str(), returned.get("state")), (WEB_BYE, "s"));
    assert!(!is_signed_in(&server, &mut browser).await);
    server.introspect(AUDITOR, text(&bobs, "access_token")).await.active();
}

#[tokio::test]
async fn an_id_token_that_has_expired_is_a_hint_still() {
    let server = start().await;
    let mut browser = Browser::default();
    let tokens = browser.tokens(&server, &Ask::web()).await;
    server.advance_seconds(3_601);
    let parameters = [("id_token_hint", text(&tokens, "id_token")), ("post_logout_redirect_uri", WEB_BYE)];
    let returned = send(&server, &mut browser, &parameters).await.unwrap_err();
    assert_eq!(returned.address, WEB_BYE);
}

#[tokio::test]
async fn the_question_is_for_the_browser_that_was_asked() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.tokens(&server, &Ask::web()).await;
    let page = send(&server, &mut browser, &[]).await.unwrap();
    let form = page.form("log-out").clone();
    let not_ours = "This form is too old or was not made for you.";
    // An attacker's own question, sent from another place by the person's browser.
    let mut attacker = Browser::default();
    attacker.go(&server, &Ask::web(), BOB).await.code();
    let theirs = send(&server, &mut attacker, &[]).await.unwrap().form("log-out").clone();
    browser.send(&server, theirs.press("log-out")).await.refused(400, not_ours);
    let mut altered = form.input("flow").to_owned();
    altered.replace_range(10..11, if &altered[10..11] == "A" { "B" } else { "A" });
    browser.send(&server, form.clone().with("flow", &altered).press("log-out")).await.refused(400, not_ours);
    let cross = form.press("log-out").header("sec-fetch-site", "cross-site");
    browser.send(&server, cross).await.refused(400, not_ours);
    let by_get = request(&[("flow", form.input("flow")), ("decision", "log-out")]);
    browser.send(&server, by_get).await.refused(400, not_ours);
    let mut without_cookies = Browser::default();
    without_cookies.send(&server, form.press("log-out")).await.refused(400, not_ours);
    assert!(is_signed_in(&server, &mut browser).await);
    server.advance_seconds(1_801);
    browser.send(&server, form.press("log-out")).await.refused(400, "This request has expired.");
    assert!(is_signed_in(&server, &mut browser).await);
}

#[tokio::test]
async fn logging_out_ends_one_browser_and_no_other() {
    let server = start().await;
    let (mut here, mut there) = (Browser::default(), Browser::default());
    let ours = here.tokens(&server, &Ask::web()).await;
    let theirs = there.tokens(&server, &Ask::web()).await;
    log_out(&server, &mut here).await;
    assert!(is_signed_in(&server, &mut there).await);
    server.introspect(AUDITOR, text(&ours, "access_token")).await.inactive();
    server.introspect(AUDITOR, text(&theirs, "access_token")).await.active();
}
