//! The form of a request, before anybody looks at the token (RFC 6749 §3.2, RFC 7662 §2.1).

use lydian_test_kit::fixtures::{ACME_API_CLIENT, ACME_APP, API, API_CLIENT, APP, Credentials};
use lydian_test_kit::server::introspection;
use lydian_test_kit::{Reply, Request, TestServer};

const PATH: &str = "/oauth2/introspect";
const FORM: &str = "application/x-www-form-urlencoded";

fn by(caller: Credentials) -> Request {
    Request::post(PATH).basic(caller.client_id, caller.client_secret)
}

/// A server, and a token that [`API_CLIENT`] sees.
async fn start() -> (TestServer, String) {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    (server, token)
}

#[tokio::test]
async fn int_01_gen_02_w17_d1_without_a_token_the_request_is_invalid() {
    let (server, _) = start().await;
    let requests = [
        by(API_CLIENT),
        by(API_CLIENT).parameter("token", ""),
        by(API_CLIENT).parameter("token", "   "),
        by(API_CLIENT).parameter("token", "\t\r\n"),
        by(API_CLIENT).body("token"),
        by(API_CLIENT).body("&&&"),
        by(API_CLIENT).parameter("token_type_hint", "access_token"),
        by(API_CLIENT).parameter("Token", "x"),
    ];
    for request in requests {
        let shown = format!("{request:?}");
        let reply = server.send(request).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_request")), "{shown}");
        assert_eq!(reply.header("www-authenticate"), None, "the caller is known: {shown}");
    }
}

#[tokio::test]
async fn int_01_gen_03_a_parameter_that_stands_twice_is_refused() {
    let (server, token) = start().await;
    for (name, value) in
        [("token", token.as_str()), ("token_type_hint", "access_token"), ("client_id", API_CLIENT.client_id)]
    {
        let once = by(API_CLIENT).parameter(name, value);
        let request = if name == "token" { once.clone() } else { once.parameter("token", &token) };
        server.send(request.clone()).await.active();
        server.send(request.parameter(name, value)).await.refused(400, "invalid_request");
    }
    let empty_and_full = by(API_CLIENT).parameter("token", "").parameter("token", &token);
    server.send(empty_and_full).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn gen_02_an_empty_parameter_counts_as_absent() {
    let (server, token) = start().await;
    for name in ["token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type"]
    {
        server.send(introspection(API_CLIENT, &token).parameter(name, "")).await.active();
    }
}

#[tokio::test]
async fn gen_04_unknown_parameters_and_headers_change_nothing() {
    let (server, token) = start().await;
    let plain = server.introspect(API_CLIENT, &token).await.active();
    for (name, value) in [("foo", "1"), ("required_claims", "sub"), ("callback", "x"), ("scope", "admin")] {
        let reply = server.send(introspection(API_CLIENT, &token).parameter(name, value)).await;
        assert_eq!(reply.active(), plain, "{name}");
    }
    for (name, value) in [
        ("Cookie", "atbv=646b0ed2-c501-4b17-9251-94112013a718"),
        ("Cookie", "JSESSIONID=0; commonAuthId=\"x\""),
        ("Accept", "application/json"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Origin", "https://evil.example"),
    ] {
        let reply = server.send(introspection(API_CLIENT, &token).header(name, value)).await;
        assert_eq!(reply.active(), plain, "{name}: {value}");
    }
}

#[tokio::test]
async fn gen_05_a_body_of_another_type_is_refused() {
    let (server, token) = start().await;
    let body = format!("token={token}");
    let send = |content_type: &'static str| {
        server.send(by(API_CLIENT).content_type(content_type).body(body.clone()))
    };
    for content_type in [
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
        "application/x-www-form-urlencoded; charset=latin1",
        "application/x-www-form-urlencoded, application/x-www-form-urlencoded",
    ] {
        send(content_type).await.refused(400, "invalid_request");
    }
    let json = by(API_CLIENT).content_type("application/json").body(format!("{{\"token\":\"{token}\"}}"));
    server.send(json).await.refused(400, "invalid_request");
    server
        .send(by(API_CLIENT).header("content-type", FORM).body(body.clone()))
        .await
        .refused(400, "invalid_request");
    for content_type in [
        FORM,
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\"",
    ] {
        send(content_type).await.active();
    }
}

#[tokio::test]
async fn gen_05_a_body_that_is_no_utf_8_form_is_refused() {
    let (server, token) = start().await;
    let bodies: [&[u8]; 6] =
        [b"token=%", b"token=%4", b"token=%zz", b"token=%ff", b"token=\xff", b"%ff=x&token=y"];
    for body in bodies {
        server.send(by(API_CLIENT).body(body)).await.refused(400, "invalid_request");
    }
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    server.send(by(API_CLIENT).body(format!("%74oken={encoded}"))).await.active();
}

#[tokio::test]
async fn gen_06_int_19_only_post_is_answered() {
    let (server, token) = start().await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let path = format!("{PATH}?token={token}");
        let request = Request::of(method, &path).basic(API_CLIENT.client_id, API_CLIENT.client_secret);
        let reply = server.send(request).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{method}");
        assert!(!reply.text().contains("active"), "{method}");
    }
}

#[tokio::test]
async fn gen_06_bea_03_a_token_in_the_address_is_never_used() {
    let (server, token) = start().await;
    let authenticated = |query: &str| {
        Request::post(&format!("{PATH}?{query}")).basic(API_CLIENT.client_id, API_CLIENT.client_secret)
    };
    for query in [
        format!("token={token}"),
        format!("%74oken={token}"),
        "client_secret=x".to_owned(),
        "access_token=x".to_owned(),
    ] {
        server.send(authenticated(&query)).await.refused(400, "invalid_request");
        let in_both = authenticated(&query).parameter("token", &token);
        server.send(in_both).await.refused(400, "invalid_request");
    }
    server.send(authenticated("trace=1").parameter("token", &token)).await.active();
}

#[tokio::test]
async fn gen_07_gen_08_every_answer_and_every_error_is_json_that_nobody_keeps() {
    let (server, token) = start().await;
    let replies = [
        (200, server.introspect(API_CLIENT, &token).await),
        (200, server.introspect(API_CLIENT, "unknown").await),
        (400, server.send(by(API_CLIENT)).await),
        (401, server.send(Request::post(PATH).parameter("token", &token)).await),
        (401, server.send(Request::post(PATH).bearer("x").parameter("token", &token)).await),
        (405, server.send(Request::of("GET", PATH)).await),
        (413, server.send(by(API_CLIENT).body(vec![b'a'; 64 * 1024 + 1])).await),
    ];
    for (status, reply) in replies {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("pragma"), Some("no-cache"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        if status >= 400 {
            let registered = ["invalid_request", "invalid_client", "invalid_token"];
            assert!(registered.contains(&reply.json()["error"].as_str().unwrap()), "{}", reply.text());
        }
    }
}

#[tokio::test]
async fn gen_09_nothing_that_was_sent_comes_back_in_an_error() {
    let (server, _) = start().await;
    let marks = ["MARK\r\nx: y", "MARK\t", "MARK\"", "MARK\\", "MARK\u{e9}", "MARK\u{1f600}", "MARK\u{0}"];
    for mark in marks {
        let requests = [
            Request::post(PATH).basic(mark, mark).parameter("token", mark),
            Request::post(PATH).parameter("client_id", mark).parameter("client_secret", mark),
            Request::post(PATH).parameter("client_assertion_type", mark).parameter("client_assertion", mark),
            by(API_CLIENT).parameter("token", mark).parameter("token", mark),
            by(API_CLIENT).parameter(mark, mark).parameter(mark, mark),
        ];
        for request in requests {
            let reply = server.send(request).await;
            assert!((400..500).contains(&reply.status), "{}", reply.text());
            check_no_echo(&reply);
        }
    }
}

#[track_caller]
fn check_no_echo(reply: &Reply) {
    // The client has checked the characters of `error_description` already.
    assert!(!reply.text().contains("MARK"), "{}", reply.text());
    for (name, value) in &reply.headers {
        assert!(!value.contains("MARK"), "{name}: {value}");
    }
}

#[tokio::test]
async fn gen_17_a_body_beyond_its_limit_is_refused_and_one_at_the_limit_is_read() {
    let (server, token) = start().await;
    let padded = |length: usize| {
        let mut body = format!("token={token}&pad=").into_bytes();
        body.resize(length, b'a');
        by(API_CLIENT).body(body)
    };
    server.send(padded(64 * 1024)).await.active();
    server.send(padded(64 * 1024 + 1)).await.refused(413, "invalid_request");
    server.send(padded(200 * 1024)).await.refused(413, "invalid_request");
}

#[tokio::test]
async fn gen_17_more_parameters_than_a_form_may_have_are_refused() {
    let (server, token) = start().await;
    let with = |count: usize| {
        let filler: String = (0..count).map(|index| format!("&p{index}=1")).collect();
        by(API_CLIENT).body(format!("token={token}{filler}"))
    };
    server.send(with(63)).await.active();
    server.send(with(64)).await.refused(400, "invalid_request");
    server.send(by(API_CLIENT).body("&".repeat(60_000) + "token=" + &token)).await.active();
}

#[tokio::test]
async fn w2_another_realm_has_its_own_endpoint_clients_and_tokens() {
    let server = TestServer::start().await;
    let of_acme = Request::post("/t/acme/oauth2/token")
        .basic(ACME_APP.client_id, ACME_APP.client_secret)
        .parameter("grant_type", "client_credentials");
    let of_acme = server.issued(of_acme).await;
    let of_default = server.issue(APP, API).await;
    let in_acme = |token: &str| {
        Request::post("/t/acme/oauth2/introspect")
            .basic(ACME_API_CLIENT.client_id, ACME_API_CLIENT.client_secret)
            .parameter("token", token)
    };
    let members = server.send(in_acme(&of_acme)).await.active();
    assert_eq!(members["iss"], "https://localhost:9443/t/acme");
    server.send(in_acme(&of_default)).await.inactive();
    server.introspect(API_CLIENT, &of_default).await.active();
    server.introspect(API_CLIENT, &of_acme).await.inactive();
    // Facts that are in memory by now belong to their realm all the same.
    server.send(in_acme(&of_default)).await.inactive();
    server.introspect(API_CLIENT, &of_acme).await.inactive();
}

#[tokio::test]
async fn w14_an_unknown_or_disabled_realm_is_nothing() {
    let (server, token) = start().await;
    let ask = |path: &str| {
        Request::post(path)
            .basic(ACME_API_CLIENT.client_id, ACME_API_CLIENT.client_secret)
            .parameter("token", &token)
    };
    server.send(ask("/t/acme/oauth2/introspect")).await.inactive();
    for path in ["/t/nowhere/oauth2/introspect", "/t/default/oauth2/introspect", "/t/ACME/oauth2/introspect"]
    {
        assert_eq!(server.send(ask(path)).await.status, 404, "{path}");
    }
    server.apply("[[realm]]\nname = \"acme\"\nenabled = false\n").await;
    assert_eq!(server.send(ask("/t/acme/oauth2/introspect")).await.status, 404);
}
