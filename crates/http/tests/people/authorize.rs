//! The authorization endpoint under requests that are wrong: what is shown to the person, and what goes back to the client.

use lydian_test_kit::Request;
use lydian_test_kit::fixtures::{API, ISSUER, JWT_API};

use crate::browser::{Browser, Returned};
use crate::fixtures::{ALICE, Ask, LOOPBACK_CALLBACK, PASSWORD, SPA, WEB_CALLBACK, start};

const UNREGISTERED: &str = "The address to return to is not registered for this application.";

#[tokio::test]
async fn oau_09_oau_10_oau_11_nobody_is_sent_to_an_address_that_is_not_registered_byte_by_byte() {
    let server = start().await;
    let mut browser = Browser::default();
    // Signed in and agreed: nothing but the address stands between the request and a code.
    browser.code(&server, &Ask::web()).await;
    for address in [
        "https://evil.example.com/callback",
        "https://web.example.com/callback/",
        "https://web.example.com/callback?a=b",
        "https://web.example.com/callback?",
        "https://web.example.com/callback#",
        "https://web.example.com/callback#fragment",
        "https://web.example.com/callback/../callback",
        "https://web.example.com/callback/..;/x",
        "https://web.example.com//callback",
        "https://web.example.com/Callback",
        "https://WEB.example.com/callback",
        "HTTPS://web.example.com/callback",
        "http://web.example.com/callback",
        "https://web.example.com:443/callback",
        "https://web.example.com:8443/callback",
        "https://user@web.example.com/callback",
        "https://web.example.com@evil.example.com/callback",
        "https://web.example.com\\@evil.example.com/callback",
        "https://web.example.com.evil.example.com/callback",
        "https://evil.example.com/https://web.example.com/callback",
        "https://web.example.com%2f.evil.example.com/callback",
        "https://web.example.com/%63allback",
        " https://web.example.com/callback",
        "https://web.example.com/callback ",
        "https://web.example.com/callback\r\nset-cookie: a=b",
        "//web.example.com/callback",
        "/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://other.example.com/callback",
        LOOPBACK_CALLBACK,
    ] {
        let ask = Ask::web().with("redirect_uri", address);
        browser.send(&server, ask.get()).await.refused(400, UNREGISTERED);
        browser.send(&server, ask.post()).await.refused(400, UNREGISTERED);
    }
    for (ask, phrase) in [
        (Ask::web().without("redirect_uri"), "redirect"),
        (Ask::web().with("redirect_uri", ""), "redirect"),
        (Ask::web().without("client_id"), "client"),
        (Ask::web().with("client_id", "nobody"), "client"),
        (Ask::web().and("redirect_uri", "https://evil.example.com/"), "twice"),
        (Ask::web().and("client_id", SPA), "twice"),
        (Ask::web().and("state", "another"), "twice"),
        (Ask::web().with("response_mode", "fragment"), "mode"),
        (Ask::web().with("response_mode", "web_message"), "mode"),
    ] {
        let page = browser.send(&server, ask.get()).await;
        assert_eq!((page.reply.status, page.location()), (400, None), "{phrase}");
        assert!(page.problem.is_some(), "{}", page.text);
    }
}

#[tokio::test]
async fn an_application_of_this_machine_may_choose_its_port_and_nothing_else() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::spa()).await;
    for address in [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:49152/callback",
        "http://127.0.0.1:65535/callback",
    ] {
        let ask = Ask::of(SPA, address);
        let returned = browser.ask(&server, &ask).await.unwrap_err();
        assert_eq!(returned.address, address);
        // The code is bound to the very port that was asked for.
        let code = returned.code();
        let other = Ask::of(SPA, "http://127.0.0.1:2/callback");
        server.send(other.redeem(&code)).await.refused(400, "invalid_grant");
        assert_eq!(server.send(ask.redeem(&code)).await.status, 200);
    }
    for address in [
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:80@evil.example.com/callback",
        "http://127.0.0.1.evil.example.com/callback",
        "http://127.0.0.2/callback",
        "http://localhost/callback",
        "http://[::1]/callback",
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/callback?a=b",
        "https://127.0.0.1:49152/callback",
        "https://spa.example.com:8443/",
    ] {
        browser.send(&server, Ask::of(SPA, address).get()).await.refused(400, UNREGISTERED);
    }
}

#[tokio::test]
async fn oau_08_oau_18_r_05_res_02_what_is_wrong_beyond_the_address_goes_back_to_the_client_with_state_and_issuer()
 {
    let server = start().await;
    let (mut stranger, mut person) = (Browser::default(), Browser::default());
    person.code(&server, &Ask::web()).await;
    let ask = Ask::web;
    let mut too_many = ask();
    for number in 0..9 {
        too_many = too_many.and("resource", &format!("https://{number}.example.com/"));
    }
    for (what, ask, error) in [
        ("no response type", ask().without("response_type"), "invalid_request"),
        ("implicit", ask().with("response_type", "token"), "unsupported_response_type"),
        ("an ID token alone", ask().with("response_type", "id_token"), "unsupported_response_type"),
        ("hybrid", ask().with("response_type", "code id_token"), "unsupported_response_type"),
        ("nothing", ask().with("response_type", "none"), "unsupported_response_type"),
        ("capitals", ask().with("response_type", "CODE"), "unsupported_response_type"),
        ("no challenge", ask().without("code_challenge"), "invalid_request"),
        (
            "no challenge at all",
            ask().without("code_challenge").without("code_challenge_method"),
            "invalid_request",
        ),
        ("no method", ask().without("code_challenge_method"), "invalid_request"),
        ("plain", ask().with("code_challenge_method", "plain"), "invalid_request"),
        ("a method in small letters", ask().with("code_challenge_method", "s256"), "invalid_request"),
        ("a short challenge", ask().with("code_challenge", "abc"), "invalid_request"),
        (
            "a challenge with padding",
            ask().with("code_challenge", &format!("{}=", "A".repeat(43))),
            "invalid_request",
        ),
        ("a long challenge", ask().with("code_challenge", &"A".repeat(44)), "invalid_request"),
        ("a malformed scope", ask().scope("openid \"read\""), "invalid_scope"),
        ("an unknown scope", ask().scope("admin"), "invalid_scope"),
        ("scopes of no single API", ask().scope("only-opaque only-jwt"), "invalid_scope"),
        ("an unknown resource", ask().resource("https://nobody.example.com/"), "invalid_target"),
        ("a relative resource", ask().resource("/api"), "invalid_target"),
        ("a resource with a fragment", ask().resource("https://api.example.com/#x"), "invalid_target"),
        ("two resources", ask().resource(API).and("resource", JWT_API), "invalid_target"),
        ("too many resources", too_many, "invalid_request"),
        ("a request object", ask().with("request", "eyJ"), "request_not_supported"),
        (
            "a request by reference",
            ask().with("request_uri", "https://evil.example.com/r"),
            "request_uri_not_supported",
        ),
        ("an unknown prompt", ask().with("prompt", "perhaps"), "invalid_request"),
        ("none and login", ask().with("prompt", "none login"), "invalid_request"),
        ("an age that is no number", ask().with("max_age", "old"), "invalid_request"),
        ("an age below zero", ask().with("max_age", "-1"), "invalid_request"),
        ("claims that are no object", ask().with("claims", "[1]"), "invalid_request"),
        ("claims that are no JSON", ask().with("claims", "{"), "invalid_request"),
        ("a nonce of 513", ask().with("nonce", &"n".repeat(513)), "invalid_request"),
    ] {
        for browser in [&mut stranger, &mut person] {
            let page = browser.send(&server, ask.get()).await;
            assert_eq!(page.reply.status, 303, "{what}: {}", page.text);
            let returned = Returned::of(page.location().unwrap());
            assert_eq!((returned.address.as_str(), returned.get("error")), (WEB_CALLBACK, error), "{what}");
            returned.refused(error);
            let names: Vec<&str> = returned.parameters.keys().map(String::as_str).collect();
            assert_eq!(names, ["error", "error_description", "iss", "state"], "{what}");
        }
    }
    // Without a state none is made up.
    let returned = person.ask(&server, &Ask::web().without("state").scope("admin")).await.unwrap_err();
    assert!(!returned.parameters.contains_key("state"), "{returned:?}");
}

#[tokio::test]
async fn a_person_who_refuses_is_brought_back_and_gave_nothing() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let page = browser.sign_in(&server, &page, ALICE, PASSWORD).await.unwrap();
    let returned = browser.press(&server, &page, "deny").await.unwrap_err();
    returned.refused("access_denied");
    // It is asked again the next time.
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    assert!(page.offers("allow"), "{}", page.text);
    let returned = browser.press(&server, &page, "allow").await.unwrap_err();
    assert_eq!(server.send(Ask::web().redeem(&returned.code())).await.status, 200);
}

#[tokio::test]
async fn who_agreed_to_less_is_asked_for_the_rest_and_remembered_for_each_client_alone() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web().scope("openid read")).await;
    browser.ask(&server, &Ask::web().scope("read")).await.unwrap_err().code();
    for ask in [
        Ask::web().scope("openid read write"),
        Ask::web().scope("openid email"),
        // The same word at another API is another right.
        Ask::web().scope("openid read").resource(JWT_API),
        Ask::spa(),
        Ask::web().with("prompt", "consent"),
    ] {
        let page = browser.ask(&server, &ask).await.unwrap();
        assert!(page.offers("allow") && !page.offers("sign-in"), "{ask:?}: {}", page.text);
    }
    server.apply("[[client]]\nclient_id = \"spa\"\nskip_consent = true\n").await;
    browser.ask(&server, &Ask::spa()).await.unwrap_err().code();
}

#[tokio::test]
async fn oau_17_a_state_of_4096_and_a_nonce_of_512_characters_come_back_whole() {
    let server = start().await;
    let printable: String = (0x20..0x7f_u8).map(char::from).cycle().take(4_096).collect();
    let nonce = "n".repeat(512);
    for state in ["s".repeat(4_096), printable, "\u{e4}".repeat(2_048)] {
        let mut browser = Browser::default();
        let ask = Ask::web().with("state", &state).with("nonce", &nonce);
        // By POST, because such an address may be longer than the head of a request.
        let page = browser.send(&server, ask.post()).await;
        let returned = match browser.sign_in(&server, &page, ALICE, PASSWORD).await {
            Ok(page) => browser.press(&server, &page, "allow").await.unwrap_err(),
            // Agreed the first time.
            Err(returned) => returned,
        };
        assert!(returned.get("state") == state, "the state is another one");
        let tokens = server.send(ask.redeem(&returned.code())).await.json();
        let (_, claims) = crate::identity::verified(&server, crate::browser::text(&tokens, "id_token"));
        assert!(claims["nonce"] == *nonce, "the nonce is another one");
        // Silently, and by form, it is the same.
        let page = browser.send(&server, ask.with("response_mode", "form_post").post()).await;
        assert!(page.form("continue").input("state") == state, "the state is another one");
    }
    let page = Browser::default().send(&server, Ask::web().with("state", &"s".repeat(4_097)).post()).await;
    page.refused(400, "The request of the application is not valid.");
}

#[tokio::test]
async fn a_request_that_could_not_be_carried_through_the_pages_is_refused_at_once() {
    let server = start().await;
    for (name, value) in [
        ("state", "\u{1}".repeat(4_096)),
        ("claims", format!("{{\"userinfo\":{{\"{}\":null}}}}", "x".repeat(20_000))),
        ("login_hint", "l".repeat(20_000)),
        ("ui_locales", "en ".repeat(7_000)),
        ("acr_values", "a".repeat(20_000)),
        ("id_token_hint", "h".repeat(20_000)),
    ] {
        let mut browser = Browser::default();
        let page = browser.send(&server, Ask::web().with(name, &value).post()).await;
        let returned = browser.follow(&server, page).await.expect_err(name);
        assert_eq!(returned.get("error"), "invalid_request", "{name}");
    }
}

#[tokio::test]
async fn an_answer_by_form_is_a_page_that_posts_to_the_client_and_to_nobody_else() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    let ask = Ask::web().with("response_mode", "form_post");
    for (ask, names) in [
        (ask.clone(), vec!["code", "iss", "state"]),
        (ask.clone().scope("admin"), vec!["error", "error_description", "iss", "state"]),
        (ask.clone().without("state"), vec!["code", "iss"]),
    ] {
        let page = browser.send(&server, ask.get()).await;
        assert_eq!(page.reply.status, 200);
        let form = page.form("continue");
        assert_eq!((form.action.as_str(), form.method.as_str()), (WEB_CALLBACK, "post"));
        let mut found: Vec<&str> = form.inputs.iter().map(|(name, _)| name.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, names);
        assert_eq!(form.input("iss"), ISSUER);
        let policy = page.reply.header("content-security-policy").unwrap();
        assert!(policy.contains("form-action 'self' https://web.example.com;"), "{policy}");
        if names.contains(&"code") {
            assert_eq!(server.send(ask.redeem(form.input("code"))).await.status, 200);
        }
    }
}

#[tokio::test]
async fn the_host_and_forwarded_headers_of_a_request_change_nothing() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    for ask in [Ask::web(), Ask::web().scope("admin")] {
        let request = ask.get().host("evil.example.com").header("x-forwarded-host", "evil.example.com");
        let request =
            request.header("forwarded", "host=evil.example.com").header("x-forwarded-proto", "http");
        let page = browser.send(&server, request).await;
        let returned = Returned::of(page.location().unwrap());
        assert_eq!((returned.address.as_str(), returned.get("iss")), (WEB_CALLBACK, ISSUER));
    }
    let mut stranger = Browser::default();
    let page = stranger.send(&server, Ask::web().get().host("evil.example.com")).await;
    assert!(!page.reply.text().contains("evil.example.com"), "{}", page.reply.text());
    // Links and forms stay beside the page.
    assert_eq!(page.form("sign-in").action, "sign-in");
    let form = page.form("sign-in").clone().with("username", ALICE).with("password", PASSWORD);
    let page = stranger.send(&server, form.press("sign-in").host("evil.example.com")).await;
    assert!(page.location().unwrap().starts_with("continue?"), "{:?}", page.location());
}

#[tokio::test]
async fn what_is_no_form_and_no_query_is_refused_by_a_page() {
    let server = start().await;
    let mut browser = Browser::default();
    let invalid = "The request of the application is not valid.";
    let json = Request::post("/oauth2/authorize").content_type("application/json").body("{}");
    browser.send(&server, json).await.refused(400, invalid);
    for query in ["client_id=%zz", "client_id=%ff", "a=1&a=2"] {
        let request = Request::of("GET", &format!("/oauth2/authorize?{query}"));
        browser.send(&server, request).await.refused(400, invalid);
    }
    let many: Vec<String> = (0..65).map(|number| format!("p{number}=x")).collect();
    let request = Request::of("GET", &format!("/oauth2/authorize?{}", many.join("&")));
    browser.send(&server, request).await.refused(400, invalid);
}

#[tokio::test]
async fn a_client_that_is_disabled_or_may_not_use_codes_gets_none() {
    let server = start().await;
    let mut browser = Browser::default();
    browser.code(&server, &Ask::web()).await;
    let open = Browser::default().ask(&server, &Ask::web()).await.unwrap();
    server.apply("[[client]]\nclient_id = \"web\"\ngrant_types = [\"refresh_token\"]\n").await;
    browser.ask(&server, &Ask::web()).await.unwrap_err().refused("unauthorized_client");
    server
        .apply("[[client]]\nclient_id = \"web\"\ngrant_types = [\"authorization_code\"]\nenabled = false\n")
        .await;
    let page = browser.send(&server, Ask::web().get()).await;
    assert_eq!((page.reply.status, page.location()), (400, None));
    assert!(page.problem.is_some() && !open.offers("allow"));
    server.apply("[[client]]\nclient_id = \"web\"\nenabled = true\n").await;
    // Without the grant type no refresh token is issued.
    let code = browser.ask(&server, &Ask::web()).await.unwrap_err().code();
    let tokens = server.send(Ask::web().redeem(&code)).await.json();
    assert!(tokens.get("refresh_token").is_none(), "{tokens}");
}
