//! Scripts of applications in browsers (S30).

use lydian_test_kit::{Reply, Request, TestServer};

const SPA: &str = r#"
[[client]]
client_id = "spa"
auth_methods = ["none"]
grant_types = ["authorization_code"]
redirect_uris = ["https://spa.example/callback", "http://127.0.0.1/callback", "com.example.app:/callback"]
"#;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.apply(SPA).await;
    server
}

fn allowed(reply: &Reply) -> Option<&str> {
    assert!(reply.header("access-control-allow-credentials").is_none());
    reply.header("access-control-allow-origin")
}

async fn ask(server: &TestServer, path: &str, origin: &str) -> Reply {
    let request = Request::of("OPTIONS", path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    server.send(request).await
}

#[tokio::test]
async fn s30_a_script_of_a_registered_origin_may_ask_and_read() {
    let server = server().await;
    for path in ["/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke", "/oauth2/par"] {
        for origin in ["https://spa.example", "http://127.0.0.1", "http://127.0.0.1:5173"] {
            let asked = ask(&server, path, origin).await;
            assert_eq!((asked.status, allowed(&asked)), (204, Some(origin)), "{path}");
            assert_eq!(asked.header("vary"), Some("Origin"));
            let sent = server.send(Request::post(path).header("origin", origin)).await;
            assert!(sent.status >= 400, "it says nothing: {path}");
            assert_eq!(allowed(&sent), Some(origin), "{path}");
        }
    }
}

#[tokio::test]
async fn s30_no_other_script_may() {
    let server = server().await;
    for origin in [
        "https://evil.example",
        "https://spa.example.evil.example",
        "https://spa.example:8443",
        "http://spa.example",
        "http://localhost",
        "null",
        "com.example.app://",
        "*",
    ] {
        let asked = ask(&server, "/oauth2/token", origin).await;
        assert_eq!((asked.status, allowed(&asked)), (405, None), "{origin}");
        let sent = server.send(Request::post("/oauth2/token").header("origin", origin)).await;
        assert_eq!(allowed(&sent), None, "{origin}");
        // A cache must not hand an answer for nobody to somebody.
        assert_eq!(sent.header("vary"), Some("Origin"));
    }
    // Another realm has other applications.
    let asked = ask(&server, "/t/acme/oauth2/token", "https://spa.example").await;
    assert_eq!((asked.status, allowed(&asked)), (405, None));
}

#[tokio::test]
async fn s30_a_disabled_application_is_no_longer_let_in() {
    let server = server().await;
    server.apply("[[client]]\nclient_id = \"spa\"\nenabled = false\n").await;
    let asked = ask(&server, "/oauth2/token", "https://spa.example").await;
    assert_eq!((asked.status, allowed(&asked)), (405, None));
}

#[tokio::test]
async fn s30_introspection_and_pages_are_no_business_of_scripts() {
    let server = server().await;
    for path in ["/oauth2/introspect", "/oauth2/authorize", "/oauth2/sign-in", "/oauth2/account"] {
        let asked = ask(&server, path, "https://spa.example").await;
        assert_eq!((asked.status, allowed(&asked)), (405, None), "{path}");
        let sent = server.send(Request::post(path).header("origin", "https://spa.example")).await;
        assert_eq!(allowed(&sent), None, "{path}");
    }
}
