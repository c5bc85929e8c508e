//! Forms, methods, sizes and what answers look like, whoever asks (RFC 6749 §3.2, §5.1, §5.2, appendix B).

use lydian_oauth_types::ErrorCode;
use lydian_primitives::limits;
use lydian_test_kit::fixtures::{API, APP, JWT_API, POST_APP};
use lydian_test_kit::{Reply, Request, TestServer};

use crate::{PATH, unauthenticated};

fn basic(request: Request) -> Request {
    request.basic(APP.client_id, APP.client_secret)
}

async fn scope_of(server: &TestServer, request: Request) -> String {
    let reply = server.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["scope"].as_str().expect("the scope is always said").to_owned()
}

#[tokio::test]
async fn gen_02_a_parameter_that_is_present_but_empty_counts_as_absent() {
    let server = TestServer::start().await;
    let whole = scope_of(&server, TestServer::token_request(APP)).await;
    for empty in ["scope", "resource", "client_id", "client_secret", "client_assertion", "unknown"] {
        let request = TestServer::token_request(APP).parameter(empty, "");
        assert_eq!(scope_of(&server, request).await, whole, "{empty}");
    }
    let no_grant = basic(Request::post(PATH)).parameter("grant_type", "");
    server.send(no_grant).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn gen_03_a_known_parameter_sent_twice_is_an_error_and_resource_may_repeat() {
    let server = TestServer::start().await;
    let once = |name: &str| match name {
        "grant_type" => TestServer::token_request(APP),
        "client_secret" => unauthenticated().parameter("client_id", POST_APP.client_id),
        _ => TestServer::token_request(APP).parameter(name, "read"),
    };
    for (name, again) in [
        ("grant_type", "client_credentials"),
        ("scope", "read"),
        ("scope", ""),
        ("client_id", "read"),
        ("unknown", "x"),
    ] {
        let request = once(name).parameter(name, again);
        server.send(request).await.refused(400, "invalid_request");
    }
    let secrets = once("client_secret")
        .parameter("client_secret", POST_APP.client_secret)
        .parameter("client_secret", POST_APP.client_secret);
    server.send(secrets).await.refused(400, "invalid_request");
    let resources = TestServer::token_request(APP).parameter("resource", API).parameter("resource", API);
    assert_eq!(server.send(resources).await.status, 200);
}

#[tokio::test]
async fn gen_04_unknown_parameters_headers_and_cookies_change_nothing() {
    let server = TestServer::start().await;
    let plain = scope_of(&server, TestServer::token_request(APP)).await;
    let decorated = TestServer::token_request(APP)
        .parameter("foo", "1")
        .parameter("audience", "https://elsewhere.example/")
        .parameter("expires_in", "1000000")
        .parameter("sub", "somebody")
        .header("cookie", "atbv=646b0ed2-c501-4b17-9251-94112013a718; session=x")
        .header("x-unknown", "1");
    assert_eq!(scope_of(&server, decorated).await, plain);
    let query =
        basic(Request::post("/oauth2/token?foo=1&scope=read")).parameter("grant_type", "client_credentials");
    assert_eq!(scope_of(&server, query).await, plain, "the query is never used");
}

#[tokio::test]
async fn gen_05_a_body_of_another_type_is_refused() {
    let server = TestServer::start().await;
    let json = "{\"grant_type\":\"client_credentials\"}";
    for (content_type, body) in [
        ("application/json", json),
        ("", "grant_type=client_credentials"),
        ("text/plain", "grant_type=client_credentials"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/x-www-form-urlencoded; charset=iso-8859-1", "grant_type=client_credentials"),
        ("application/x-www-form-urlencodedx", "grant_type=client_credentials"),
    ] {
        let request = basic(Request::post(PATH)).content_type(content_type).body(body);
        server.send(request).await.refused(400, "invalid_request");
    }
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded;charset=\"utf-8\"",
    ] {
        let body = "grant_type=client_credentials";
        let request = basic(Request::post(PATH)).content_type(content_type).body(body);
        assert_eq!(server.send(request).await.status, 200, "{content_type}");
    }
}

#[tokio::test]
async fn gen_05_bad_encoding_is_refused() {
    let server = TestServer::start().await;
    for body in ["grant_type=%zz", "grant_type=%4", "grant_type=client_credentials&a=%ff", "%=1"] {
        let request = basic(Request::post(PATH)).body(body);
        server.send(request).await.refused(400, "invalid_request");
    }
    let raw = basic(Request::post(PATH)).body(b"grant_type=client_credentials&a=\xff".to_vec());
    server.send(raw).await.refused(400, "invalid_request");
    let encoded = basic(Request::post(PATH)).body("%67rant_type=client%5fcredentials&a=%c3%a9+x");
    assert_eq!(server.send(encoded).await.status, 200);
}

#[tokio::test]
async fn gen_06_only_post_is_answered() {
    let server = TestServer::start().await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
        let request = Request::of(method, PATH).basic(APP.client_id, APP.client_secret);
        // The answer to HEAD has no body to read an error from.
        let reply = if method == "HEAD" { continue } else { server.send(request).await };
        let reply = reply.refused(405, "invalid_request");
        assert_eq!(reply.header("allow"), Some("POST"), "{method}");
    }
    assert_eq!(server.send(TestServer::token_request(APP)).await.status, 200);
}

#[tokio::test]
async fn gen_06_oau_02_s26_parameters_and_secrets_in_the_query_are_refused() {
    let server = TestServer::start().await;
    let secret = format!("client_secret={}", POST_APP.client_secret);
    for query in [
        "grant_type=client_credentials",
        "client_id=post-app",
        secret.as_str(),
        "client%5Fsecret=x",
        "a=1&client_assertion=x",
        "token=x",
        "access_token=x",
        "password=x",
    ] {
        let path = format!("{PATH}?{query}");
        let request = basic(Request::post(&path)).parameter("grant_type", "client_credentials");
        server.send(request).await.refused(400, "invalid_request");
    }
    let all = format!("{PATH}?grant_type=client_credentials&client_id=post-app&{secret}");
    server.send(Request::post(&all)).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn gen_07_s28_no_answer_of_this_endpoint_may_be_kept() {
    let server = TestServer::start().await;
    let replies = [
        (200, server.send(TestServer::token_request(APP)).await),
        (400, server.send(TestServer::token_request(APP).parameter("scope", "\"")).await),
        (401, server.send(unauthenticated()).await),
        (405, server.send(Request::of("GET", PATH)).await),
    ];
    for (status, reply) in replies {
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("pragma"), Some("no-cache"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("etag"), None);
    }
}

/// The shape of every error (RFC 6749 §5.2).
#[track_caller]
fn check_error(reply: &Reply, marker: &str) {
    assert!((400..500).contains(&reply.status), "{}", reply.text());
    let error = reply.json();
    let members: Vec<&String> = error.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["error", "error_description"]);
    let code = error["error"].as_str().expect("the code is a string");
    assert!(ErrorCode::ALL.iter().any(|known| known.as_str() == code), "{code}");
    assert!(!reply.text().contains(marker), "an error echoes input: {}", reply.text());
    for (_, value) in &reply.headers {
        assert!(!value.contains(marker), "a header echoes input: {value}");
    }
}

#[tokio::test]
async fn gen_08_gen_09_errors_are_json_of_registered_codes_and_echo_nothing() {
    let server = TestServer::start().await;
    const MARKER: &str = "zq9";
    for nasty in ["\r\n", "\t", "\"", "\\", "\u{e9}", "\0", "<script>", "\u{202e}", "%0d%0a", "{}"] {
        let value = format!("{MARKER}{nasty}{MARKER}");
        for request in [
            TestServer::token_request(APP).parameter("scope", &value),
            TestServer::token_request(APP).parameter("resource", &value),
            TestServer::token_request(APP).parameter("client_secret", &value),
            TestServer::token_request(APP).parameter("client_id", &value),
            TestServer::token_request(APP).parameter("scope", "a").parameter("scope", &value),
            basic(Request::post(PATH)).parameter("grant_type", &value),
            unauthenticated().basic(&value, &value),
            unauthenticated().parameter("client_id", &value).parameter("client_secret", &value),
            unauthenticated().parameter("client_assertion_type", &value).parameter("client_assertion", "x"),
        ] {
            check_error(&server.send(request).await, MARKER);
        }
    }
}

#[tokio::test]
async fn gen_10_the_scheme_is_compared_without_case_and_other_schemes_are_refused() {
    use base64::Engine;
    let server = TestServer::start().await;
    let pair = format!("{}:{}", APP.client_id, APP.client_secret);
    let pair = base64::prelude::BASE64_STANDARD.encode(pair);
    for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
        let request = unauthenticated().header("authorization", &format!("{scheme} {pair}"));
        assert_eq!(server.send(request).await.status, 200, "{scheme}");
    }
    let token = server.issue(APP, API).await;
    for value in [format!("Bearer {token}"), "Negotiate x".to_owned(), pair, String::new()] {
        let request = unauthenticated().header("authorization", &value);
        let reply = server.send(request).await.refused(401, "invalid_client");
        assert_eq!(reply.headers("www-authenticate"), [crate::BASIC]);
    }
}

#[tokio::test]
async fn gen_17_a_body_above_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let server = TestServer::start().await;
    let start = "grant_type=client_credentials&padding=";
    let at_limit = format!("{start}{}", "a".repeat(limits::BODY_BYTES_MAX - start.len()));
    let above = format!("{at_limit}a");
    assert_eq!(server.send(basic(Request::post(PATH)).body(at_limit)).await.status, 200);
    server.send(basic(Request::post(PATH)).body(above)).await.refused(413, "invalid_request");
}

#[tokio::test]
async fn s26_more_parameters_than_a_form_may_have_are_refused() {
    let server = TestServer::start().await;
    let with = |count: usize| {
        let more = (1..count).map(|number| format!("&p{number}=1")).collect::<String>();
        basic(Request::post(PATH)).body(format!("grant_type=client_credentials{more}"))
    };
    assert_eq!(server.send(with(limits::FORM_PARAMETERS_MAX)).await.status, 200);
    server.send(with(limits::FORM_PARAMETERS_MAX + 1)).await.refused(400, "invalid_request");
    let resources = |count| {
        (0..count).fold(TestServer::token_request(APP), |request, _| request.parameter("resource", JWT_API))
    };
    assert_eq!(server.send(resources(limits::RESOURCES_MAX)).await.status, 200);
    server.send(resources(limits::RESOURCES_MAX + 1)).await.refused(400, "invalid_request");
}
