//! What the sender writes into headers changes no answer, and who may read answers from a browser (Fetch §3.2).

use lydian_test_kit::fixtures::{APP, ISSUER};
use lydian_test_kit::{Request, TestServer};

use crate::{JWKS, METADATA, get};

const ENDPOINTS: [&str; 3] = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];

#[tokio::test]
async fn s27_asm_04_no_header_of_the_request_gets_into_a_document() {
    let server = TestServer::start().await;
    for path in [METADATA, JWKS, "/.well-known/openid-configuration/t/acme"] {
        let plain = get(&server, path).await;
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/evil"),
            ("forwarded", "host=evil.example;proto=http"),
            ("x-original-url", "/evil"),
            ("x-host", "evil.example"),
            ("origin", "https://evil.example"),
            ("referer", "https://evil.example/"),
        ] {
            let reply = server.send(Request::of("GET", path).header(name, value)).await;
            assert_eq!((reply.status, &reply.body), (200, &plain.body), "{name}");
            assert_eq!(reply.header("etag"), plain.header("etag"), "{name}");
            assert!(reply.headers.iter().all(|(_, value)| !value.contains("evil")), "{name}");
        }
    }
}

#[tokio::test]
async fn s27_asm_04_the_host_of_the_request_is_never_reflected() {
    let server = TestServer::start().await;
    for path in [METADATA, JWKS, "/oauth2/token", "/nothing"] {
        let plain = get(&server, path).await;
        for host in ["evil.example", "evil.example:443", "127.0.0.1:1", "evil.example\t"] {
            let reply = Request::of("GET", path).host(host).send(server.address()).await;
            assert_eq!((reply.status, &reply.body), (plain.status, &plain.body), "{host}");
            assert!(reply.headers.iter().all(|(_, value)| !value.contains("evil")), "{host}");
        }
    }
    assert!(get(&server, METADATA).await.text().contains(ISSUER));
    // The whole address in the request line is a host too.
    let absolute = get(&server, &format!("http://evil.example{METADATA}")).await;
    assert!(!absolute.text().contains("evil"), "{}", absolute.text());
}

#[tokio::test]
async fn gen_12_scripts_of_other_origins_may_read_public_documents_and_nothing_else() {
    let server = TestServer::start().await;
    let origin = |request: Request| request.header("origin", "https://spa.example.com");
    for path in [METADATA, JWKS] {
        let reply = server.send(origin(Request::of("GET", path))).await;
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    let good = origin(TestServer::token_request(APP)).header("sec-fetch-mode", "cors");
    let mut replies = vec![server.send(good).await];
    for path in ENDPOINTS {
        replies.push(server.send(origin(Request::post(path))).await);
        let preflight = origin(Request::of("OPTIONS", path))
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        replies.push(server.send(preflight).await.refused(405, "invalid_request"));
    }
    for reply in replies {
        assert!(reply.headers.iter().all(|(name, _)| !name.starts_with("access-control-")));
    }
}

#[tokio::test]
async fn s28_public_documents_are_hardened_like_every_answer() {
    let server = TestServer::start().await;
    for path in [METADATA, JWKS, "/nothing", "/oauth2/token"] {
        let reply = get(&server, path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}: {name}");
        }
        assert_eq!(reply.header("server"), None);
        assert_eq!(reply.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn a_query_changes_no_document() {
    let server = TestServer::start().await;
    for path in [METADATA, JWKS] {
        let plain = get(&server, path).await;
        for query in ["?", "?x=1", "?issuer=https://evil.example", "?realm=acme", "?callback=x"] {
            assert_eq!(get(&server, &format!("{path}{query}")).await.body, plain.body, "{path}{query}");
        }
    }
}
