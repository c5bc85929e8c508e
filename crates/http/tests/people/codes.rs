//! Authorization codes: used once, by their own client, with their own redirect address and verifier (RFC 6749 §4.1.3, RFC 7636).

use lydian_test_kit::fixtures::{API, APP, AUDITOR};
use lydian_test_kit::{Reply, Request, TestServer};
use tokio::task::JoinSet;

use crate::browser::{Browser, text};
use crate::fixtures::{ALICE, Ask, OTHER_WEB, SPA_CALLBACK, VERIFIER, WEB_CALLBACK, start};

/// How many redeem one code at the same moment.
const RIVALS: usize = 32;

/// Another verifier than the one of the requests.
const OTHER_VERIFIER: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Sends these requests at the same moment.
pub(crate) async fn at_once(server: &TestServer, requests: Vec<Request>) -> Vec<Reply> {
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(requests.len()));
    let address = server.address();
    let mut running = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        let barrier = std::sync::Arc::clone(&barrier);
        running.spawn(async move {
            barrier.wait().await;
            (number, request.send(address).await)
        });
    }
    let mut replies = running.join_all().await;
    replies.sort_by_key(|(number, _)| *number);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// The same code of the same client, presented by somebody else.
fn of_another_client(code: &str) -> Request {
    Ask::of(OTHER_WEB.client_id, WEB_CALLBACK).redeem(code)
}

async fn dead(server: &TestServer, tokens: &serde_json::Value) {
    for kind in ["access_token", "refresh_token"] {
        server.introspect(AUDITOR, text(tokens, kind)).await.inactive();
    }
    let refused = server.send(Ask::web().refresh(text(tokens, "refresh_token"))).await;
    refused.refused(400, "invalid_grant");
}

async fn alive(server: &TestServer, tokens: &serde_json::Value) {
    for kind in ["access_token", "refresh_token"] {
        server.introspect(AUDITOR, text(tokens, kind)).await.active();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn oau_16_of_many_who_redeem_one_code_at_once_exactly_one_succeeds_and_a_second_use_kills() {
    let codes: usize = std::env::var("LYDIAN_CODES").map_or(24, |text| text.parse().unwrap());
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let (mut successes, mut refused, mut killed, mut burnt) = (0, 0, 0, 0);
    for number in 0..codes {
        let code = browser.code(&server, &ask).await;
        // Of each three codes one has rivals who are all right, one a few, and one a single one among those who are wrong.
        let right = [RIVALS, RIVALS / 4, 1][number % 3];
        let requests = (0..RIVALS).map(|rival| match rival {
            _ if (rival * 7 + number) % RIVALS < right => ask.redeem(&code),
            _ if rival % 2 == 0 => ask.redeem_with(&code, WEB_CALLBACK, OTHER_VERIFIER),
            _ => of_another_client(&code),
        });
        let replies = at_once(&server, requests.collect()).await;
        let (good, bad): (Vec<Reply>, Vec<Reply>) =
            replies.into_iter().partition(|reply| reply.status == 200);
        assert_eq!(good.len(), 1, "code {number}: {right} were right");
        successes += good.len();
        for reply in bad {
            reply.refused(400, "invalid_grant");
            refused += 1;
        }
        let tokens = good[0].json();
        if right > 1 {
            dead(&server, &tokens).await;
            killed += 1;
        } else {
            alive(&server, &tokens).await;
            burnt +=
                usize::from(server.send(ask.refresh(text(&tokens, "refresh_token"))).await.status != 200);
        }
        server.send(ask.redeem(&code)).await.refused(400, "invalid_grant");
        dead(&server, &tokens).await;
    }
    // Read by the campaign of the same name.
    println!(
        "codes: codes={codes} rivals={RIVALS} successes={successes} refused={refused} killed={killed} burnt={burnt}"
    );
    assert_eq!(burnt, 0);
}

#[tokio::test]
async fn oau_15_a_second_use_kills_what_came_of_the_first_however_late_it_comes() {
    let server = start().await;
    let mut browser = Browser::default();
    for (later, resource) in [(0, API), (30, API), (3_000, API), (30, lydian_test_kit::fixtures::JWT_API)] {
        let ask = Ask::web().resource(resource);
        let code = browser.code(&server, &ask).await;
        let tokens = server.send(ask.redeem(&code)).await.json();
        server.advance_seconds(later);
        let refreshed = server.send(ask.refresh(text(&tokens, "refresh_token"))).await.json();
        server.send(ask.redeem(&code)).await.refused(400, "invalid_grant");
        dead(&server, &refreshed).await;
        server.introspect(AUDITOR, text(&tokens, "access_token")).await.inactive();
        // Another code of the same session is another grant.
        let other = browser.tokens(&server, &ask).await;
        alive(&server, &other).await;
    }
}

#[tokio::test]
async fn oau_14_oau_19_nobody_else_and_no_mistake_uses_a_code_up() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let code = browser.code(&server, &ask).await;
    let challenge =
        lydian_primitives::base64url::encode(&lydian_domain::secrets::sha256(VERIFIER.as_bytes()));
    let cases: Vec<(&str, Request)> = vec![
        ("another client", of_another_client(&code)),
        ("a public client", Ask::spa().redeem(&code)),
        ("a public client with the address of the code", Ask::of("spa", WEB_CALLBACK).redeem(&code)),
        ("no redirect address", ask.redeem_with(&code, "", VERIFIER)),
        ("another redirect address", ask.redeem_with(&code, SPA_CALLBACK, VERIFIER)),
        ("a redirect address with a slash", ask.redeem_with(&code, &format!("{WEB_CALLBACK}/"), VERIFIER)),
        ("no verifier", ask.redeem_with(&code, WEB_CALLBACK, "")),
        ("another verifier", ask.redeem_with(&code, WEB_CALLBACK, OTHER_VERIFIER)),
        ("the challenge as verifier", ask.redeem_with(&code, WEB_CALLBACK, &challenge)),
        ("a verifier that is too short", ask.redeem_with(&code, WEB_CALLBACK, "dBjftJeZ4CVP")),
        ("a verifier that is too long", ask.redeem_with(&code, WEB_CALLBACK, &"a".repeat(129))),
        ("a verifier with more behind it", ask.redeem_with(&code, WEB_CALLBACK, &format!("{VERIFIER}="))),
        ("a code cut short", ask.redeem(&code[..code.len() - 1])),
        ("a code with more behind it", ask.redeem(&format!("{code}A"))),
        ("a code in capitals", ask.redeem(&code.to_uppercase())),
        ("half a code", ask.redeem(&code[..code.len() / 2])),
    ];
    for (name, request) in cases {
        let reply = server.send(request).await;
        assert_eq!(reply.status, 400, "{name}: {}", reply.text());
        assert_eq!(reply.json()["error"], "invalid_grant", "{name}");
    }
    let reply = server.send(ask.redeem(&code)).await;
    assert_eq!(reply.status, 200, "the code was used up: {}", reply.text());
    alive(&server, &reply.json()).await;
    // What is wrong about a used code harms nobody either.
    server.send(of_another_client(&code)).await.refused(400, "invalid_grant");
    server.send(ask.redeem_with(&code, WEB_CALLBACK, OTHER_VERIFIER)).await.refused(400, "invalid_grant");
    server.send(ask.redeem_with(&code, SPA_CALLBACK, OTHER_VERIFIER)).await.refused(400, "invalid_grant");
    alive(&server, &reply.json()).await;
}

#[tokio::test]
async fn all_refusals_of_a_code_are_the_same_bytes() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let used = browser.code(&server, &ask).await;
    server.send(ask.redeem(&used)).await;
    let old = browser.code(&server, &ask).await;
    server.advance_seconds(60);
    let good = browser.code(&server, &ask).await;
    let mut bodies = Vec::new();
    for request in [
        ask.redeem("unknown"),
        ask.redeem(&used),
        ask.redeem(&old),
        of_another_client(&good),
        ask.redeem_with(&good, WEB_CALLBACK, OTHER_VERIFIER),
        ask.redeem_with(&good, SPA_CALLBACK, OTHER_VERIFIER),
    ] {
        bodies.push(server.send(request).await.refused(400, "invalid_grant").text());
    }
    for body in &bodies {
        assert_eq!(body, &bodies[0]);
    }
}

#[tokio::test]
async fn oau_14_a_code_dies_in_the_second_in_which_it_expires() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    browser.code(&server, &ask).await;
    for (seconds, status) in [(59, 200), (60, 400), (61, 400)] {
        let code = browser.code(&server, &ask).await;
        server.advance_seconds(seconds);
        assert_eq!(server.send(ask.redeem(&code)).await.status, status, "after {seconds} seconds");
    }
}

#[tokio::test]
async fn artefacts_of_one_kind_are_not_taken_for_another() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let tokens = browser.tokens(&server, &ask).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let code = browser.code(&server, &ask).await;
    let own = server.issue(APP, API).await;
    let session = browser.cookie(crate::browser::SESSION).unwrap().to_owned();
    for other in [access, refresh, text(&tokens, "id_token"), &own, &session] {
        server.send(ask.redeem(other)).await.refused(400, "invalid_grant");
    }
    for other in [access, &code, text(&tokens, "id_token"), &own, &session] {
        server.send(ask.refresh(other)).await.refused(400, "invalid_grant");
    }
    for other in [&code, &session] {
        server.introspect(AUDITOR, other).await.inactive();
        let userinfo = Request::of("GET", "/oauth2/userinfo").bearer(other);
        server.send(userinfo).await.refused(401, "invalid_token");
    }
    // A prefix does not make one kind of another: the parts behind it belong to the kind.
    for (from, to) in [("lyc_", "lya_"), ("lyc_", "lyr_")] {
        server.introspect(AUDITOR, &code.replacen(from, to, 1)).await.inactive();
    }
    for token in [access, refresh] {
        let dressed = format!("lyc{}", &token[3..]);
        server.send(ask.redeem(&dressed)).await.refused(400, "invalid_grant");
    }
    // Revoking a code does nothing, and the code can still be used.
    assert_eq!(server.revoke(crate::fixtures::WEB, &code).await.status, 200);
    assert_eq!(server.send(ask.redeem(&code)).await.status, 200);
}

#[tokio::test]
async fn what_happens_between_code_and_tokens_is_seen() {
    for (what, document, status, error) in [
        (
            "the person is disabled",
            format!("[[user]]\nusername = {ALICE:?}\nenabled = false\n"),
            400,
            "invalid_grant",
        ),
        (
            "the password changed",
            format!("[[user]]\nusername = {ALICE:?}\npassword = \"another password\"\n"),
            400,
            "invalid_grant",
        ),
        (
            "a role is gone",
            format!("[[user]]\nusername = {ALICE:?}\nprofile = {{ name = \"Alice\" }}\n"),
            400,
            "invalid_grant",
        ),
        (
            "the client is disabled",
            "[[client]]\nclient_id = \"web\"\nenabled = false\n".to_owned(),
            401,
            "invalid_client",
        ),
        (
            "the client may not use codes any more",
            "[[client]]\nclient_id = \"web\"\ngrant_types = [\"refresh_token\"]\n".to_owned(),
            400,
            "unauthorized_client",
        ),
        (
            "the API is disabled",
            format!("[[api]]\naudience = {API:?}\nenabled = false\n"),
            400,
            "invalid_target",
        ),
    ] {
        let server = start().await;
        let mut browser = Browser::default();
        let ask = Ask::web();
        let code = browser.code(&server, &ask).await;
        server.apply(&document).await;
        let reply = server.send(ask.redeem(&code)).await;
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (status, Some(error)),
            "{what}: {}",
            reply.text()
        );
    }
    // The person logs out before the application redeems.
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let code = browser.code(&server, &ask).await;
    crate::logout::log_out(&server, &mut browser).await;
    server.send(ask.redeem(&code)).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_token_request_for_a_code_is_held_against_its_form() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let code = browser.code(&server, &ask).await;
    let base = || {
        crate::fixtures::as_client(Request::post("/oauth2/token"), "web")
            .parameter("grant_type", "authorization_code")
    };
    server.send(base()).await.refused(400, "invalid_request");
    server.send(ask.redeem(&code).parameter("code", &code)).await.refused(400, "invalid_request");
    server
        .send(ask.redeem(&code).parameter("resource", "https://other.example.com/"))
        .await
        .refused(400, "invalid_target");
    let implicit = crate::fixtures::as_client(Request::post("/oauth2/token"), "web");
    let password = implicit.parameter("grant_type", "password").parameter("username", ALICE);
    server.send(password).await.refused(400, "unsupported_grant_type");
    // None of it has used the code up.
    assert_eq!(server.send(ask.redeem(&code)).await.status, 200);
}
