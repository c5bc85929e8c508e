//! No secret is ever written to a log, at whatever level (RFC 6749 §10.3, RFC 9700 §4).

use std::io::Write;
use std::sync::{Arc, Mutex};

use lydian_jose::{Algorithm, SigningKey};
use lydian_test_kit::fixtures::{
    API, API_CLIENT, APP, AUDITOR, BARE_API, CASCADE_APP, Credentials, ISSUER, JWT_API, POST_APP,
};
use lydian_test_kit::seed::{self, Seed};
use lydian_test_kit::server::START;
use lydian_test_kit::{Request, TestServer, WatchedStorage, forge};
use serde_json::json;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// Captures every event and span of the whole process from now on.
    fn install() -> Self {
        let captured = Self::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else has installed one");
        captured
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("logs are UTF-8")
    }
}

/// Values that must never be seen, with the parts of them that are secret too.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, value: &str) {
        self.0.push(value.to_owned());
    }

    /// A token; of a JWT the signature and the payload alone are secret too.
    fn token(&mut self, token: &str) {
        self.add(token);
        if token.split('.').count() == 3 {
            self.0.extend(token.split('.').skip(1).map(str::to_owned));
            let claims = forge::claims_of(token);
            for handle in ["jti", "lyd_grant", "lyd_session", "lyd_subject"] {
                if let Some(handle) = claims[handle].as_str() {
                    self.add(handle);
                }
            }
        } else {
            // Handle and random part.
            self.0.extend([token[5..26].to_owned(), token[26..].to_owned()]);
        }
    }

    fn client(&mut self, client: Credentials) {
        use base64::Engine;
        self.add(client.client_secret);
        let pair = format!("{}:{}", client.client_id, client.client_secret);
        self.add(&base64::prelude::BASE64_STANDARD.encode(pair));
    }
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that signs assertions, and one of them.
async fn assertion(server: &TestServer) -> String {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    server.apply(&seed::signing_client("signing", &key, "")).await;
    let now = START.as_unix_seconds();
    let claims = json!({ "iss": "signing", "sub": "signing", "aud": ISSUER, "exp": now + 60, "jti": "assertion-jti-1" });
    key.sign_compact("JWT", claims.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn oau_28_d34_no_secret_is_logged_whatever_happens() {
    let captured = Captured::install();
    let mut secrets = Secrets::default();
    for client in [APP, API_CLIENT, AUDITOR, POST_APP, CASCADE_APP] {
        secrets.client(client);
    }
    let plain = TestServer::start().await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as _);

    let assertion = assertion(&server).await;
    secrets.add(&assertion);
    secrets.add(assertion.rsplit('.').next().unwrap());
    secrets.add("assertion-jti-1");
    let bearer = server.introspect_token(API_CLIENT).await;
    secrets.token(&bearer);
    let mut tokens = Vec::new();
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&plain).await;
        tokens.extend([server.issue(APP, audience).await, granted.access_token, granted.refresh_token]);
    }
    tokens.iter().for_each(|token| secrets.token(token));

    let guess = "a-wrong-secret-0123456789abcdef0123456789";
    secrets.add(guess);
    for fail in [true, false] {
        watched.fail_reads(fail);
        watched.fail_writes(fail);
        for token in &tokens {
            let post = || Request::post("/oauth2/introspect").parameter("token", token);
            let revoke = |client| {
                Request::post("/oauth2/revoke").parameter("token", token).parameter("client_id", client)
            };
            let by_assertion = post()
                .parameter("client_assertion_type", ASSERTION_TYPE)
                .parameter("client_assertion", &assertion);
            for request in [
                post(),
                post().basic(AUDITOR.client_id, AUDITOR.client_secret),
                post().basic(AUDITOR.client_id, guess),
                post().bearer(&bearer),
                post().bearer(token),
                post().parameter("token", token),
                post().basic(API_CLIENT.client_id, API_CLIENT.client_secret).header("cookie", token),
                post()
                    .parameter("client_id", POST_APP.client_id)
                    .parameter("client_secret", POST_APP.client_secret),
                post().parameter("client_id", POST_APP.client_id).parameter("client_secret", guess),
                by_assertion.clone(),
                by_assertion.parameter("client_secret", POST_APP.client_secret),
                Request::post(&format!("/oauth2/introspect?token={token}"))
                    .basic(APP.client_id, APP.client_secret),
                Request::of("GET", &format!("/oauth2/introspect?token={token}")),
                Request::of("GET", &format!("/{token}")),
                post().content_type("application/json"),
                TestServer::token_request(APP).parameter("resource", token),
                TestServer::token_request(APP).parameter("scope", token),
                TestServer::token_request(APP).parameter("grant_type", token),
                revoke(APP.client_id),
                revoke("post-app").parameter("client_secret", POST_APP.client_secret),
                revoke(CASCADE_APP.client_id).basic(CASCADE_APP.client_id, CASCADE_APP.client_secret),
            ] {
                server.send(request).await;
            }
        }
    }
    server.service.node().ledger().give_up_lease();
    server.introspect(AUDITOR, &tokens[0]).await;
    server.service.node().hold_lease();
    for token in &tokens {
        server.revoke(APP, token).await;
        server.introspect(AUDITOR, token).await.inactive();
    }
    let endpoints = format!("{:?} {:?}", server.service.node(), server.realm(None).realm);
    let text = captured.text();
    // The capture works: what these requests must leave in the log is there.
    for expected in ["a request was refused", "a request could not be answered", "ClientCredentialsWrong"] {
        assert!(text.contains(expected), "nothing says {expected:?}");
    }
    for secret in &secrets.0 {
        assert!(secret.len() >= 14, "{secret:?} is too short to look for");
        assert!(!text.contains(secret.as_str()), "the log holds {secret:?}");
        assert!(!endpoints.contains(secret.as_str()), "a value prints {secret:?}");
    }
}
