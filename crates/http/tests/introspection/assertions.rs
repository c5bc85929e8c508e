//! Callers by `private_key_jwt` (RFC 7523 §3, RFC 7662 §2.1).

use lydian_jose::{Algorithm, SigningKey};
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, ISSUER};
use lydian_test_kit::server::START;
use lydian_test_kit::{Reply, Request, TestServer, forge, seed};
use serde_json::{Value, json};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const CLIENT: &str = "assertion-api";

/// A server with a client that signs assertions, and a token that this client may see.
struct Signing {
    server: TestServer,
    key: SigningKey,
    token: String,
}

impl Signing {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        server.apply(&client(CLIENT, &key, "")).await;
        let token = server.issue(APP, API).await;
        Self { server, key, token }
    }

    fn request(&self, assertion: &str) -> Request {
        Request::post("/oauth2/introspect")
            .parameter("client_assertion_type", TYPE)
            .parameter("client_assertion", assertion)
            .parameter("token", &self.token)
    }

    async fn ask(&self, assertion: &str) -> Reply {
        self.server.send(self.request(assertion)).await
    }

    fn signed(&self, claims: &Value) -> String {
        self.key.sign_compact("JWT", claims.to_string().as_bytes()).unwrap()
    }
}

/// A document with a client of the API that signs with this key.
fn client(client_id: &str, key: &SigningKey, more: &str) -> String {
    seed::signing_client(client_id, key, &format!("api = {API:?}\n{more}"))
}

fn claims() -> Value {
    let now = START.as_unix_seconds();
    json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "1" })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

#[track_caller]
fn check_refused(name: &str, reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (401, Some("invalid_client")), "{name}");
    let schemes = ["Basic realm=\"lydian\", charset=\"UTF-8\"", "Bearer realm=\"lydian\""];
    assert_eq!(reply.headers("www-authenticate"), schemes, "{name}");
}

#[tokio::test]
async fn int_02_a_caller_by_assertion_is_admitted_and_may_repeat_it_until_it_expires() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&claims());
    for _ in 0..3 {
        signing.ask(&assertion).await.active();
    }
    signing.server.send(signing.request(&assertion).parameter("client_id", CLIENT)).await.active();
    let revocation = Request::post("/oauth2/revoke")
        .parameter("client_assertion_type", TYPE)
        .parameter("client_assertion", &assertion)
        .parameter("token", "unknown");
    assert_eq!(signing.server.send(revocation).await.status, 200);
    signing.server.advance_seconds(59);
    signing.ask(&assertion).await.active();
    signing.server.advance_seconds(1);
    check_refused("expired by zero seconds", &signing.ask(&assertion).await);
}

#[tokio::test]
async fn int_03_bad_assertions_are_refused_in_one_voice() {
    let signing = Signing::start().await;
    let now = START.as_unix_seconds();
    let token_endpoint = format!("{ISSUER}/oauth2/token");
    let endpoint = format!("{ISSUER}/oauth2/introspect");
    for (name, claims) in [
        ("of another issuer", with("iss", API_CLIENT.client_id)),
        ("of an unknown issuer", with("iss", "nobody")),
        ("for another subject", with("sub", API_CLIENT.client_id)),
        ("without issuer", without("iss")),
        ("without subject", without("sub")),
        ("without audience", without("aud")),
        ("without expiry", without("exp")),
        ("without jti", without("jti")),
        ("with an empty jti", with("jti", "")),
        ("for the token endpoint", with("aud", token_endpoint)),
        ("for this endpoint", with("aud", endpoint)),
        ("for our issuer with a slash", with("aud", format!("{ISSUER}/"))),
        ("for two audiences", with("aud", json!([ISSUER, "https://other.example"]))),
        ("for our issuer twice", with("aud", json!([ISSUER, ISSUER]))),
        ("for another realm", with("aud", format!("{ISSUER}/t/acme"))),
        ("expired", with("exp", now)),
        ("that lives too long", with("exp", now + 311)),
        ("with a text as expiry", with("exp", (now + 60).to_string())),
        ("issued in the future", with("iat", now + 11)),
        ("good in the future", with("nbf", now + 11)),
    ] {
        check_refused(name, &signing.ask(&signing.signed(&claims)).await);
    }
    signing.ask(&signing.signed(&with("aud", json!([ISSUER])))).await.active();
    signing.ask(&signing.signed(&with("exp", now + 310))).await.active();
    signing.ask(&signing.signed(&with("iat", now + 10))).await.active();
}

#[tokio::test]
async fn int_03_jwt_06_bad_signatures_and_types_are_refused() {
    let signing = Signing::start().await;
    let payload = claims().to_string();
    let payload = payload.as_bytes();
    let kid = signing.key.kid();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = signing.key.verifying_key().to_jwk_json();
    let good = signing.signed(&claims());
    let unsigned = |alg: &str| {
        forge::joined(&forge::signing_input(&format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), payload), b"")
    };
    for (name, assertion) in [
        ("another key", forge::es256(&other, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), payload)),
        ("another key without kid", forge::es256(&other, r#"{"alg":"ES256"}"#, payload)),
        ("an unknown kid", forge::es256(&signing.key, r#"{"alg":"ES256","kid":"x"}"#, payload)),
        ("the public key as a secret", forge::hs256(jwk.as_bytes(), r#"{"alg":"HS256"}"#, payload)),
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("the type of access tokens", signing.key.sign_compact("at+jwt", payload).unwrap()),
        ("the type of proofs", signing.key.sign_compact("dpop+jwt", payload).unwrap()),
        ("no JWT", "x".to_owned()),
        ("no JWT with dots", "a.b.c".to_owned()),
        ("too long", "a".repeat(16 * 1024 + 1)),
    ] {
        check_refused(name, &signing.ask(&assertion).await);
    }
    signing.ask(&forge::es256(&signing.key, r#"{"alg":"ES256"}"#, payload)).await.active();
    signing.ask(&signing.key.sign_compact("client-authentication+jwt", payload).unwrap()).await.active();
    signing.ask(&good).await.active();
}

#[tokio::test]
async fn int_03_an_assertion_beside_another_name_or_type_is_refused() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&claims());
    let token = &signing.token;
    let base = || Request::post("/oauth2/introspect").parameter("token", token);
    let named = signing.request(&assertion).parameter("client_id", API_CLIENT.client_id);
    check_refused("another client_id", &signing.server.send(named).await);
    let untyped = base().parameter("client_assertion", &assertion);
    check_refused("no type", &signing.server.send(untyped.clone()).await);
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let saml = untyped.parameter("client_assertion_type", saml);
    check_refused("another type", &signing.server.send(saml).await);
    let alone = base().parameter("client_assertion_type", TYPE);
    check_refused("no assertion", &signing.server.send(alone).await);
}

#[tokio::test]
async fn r_02_the_switch_admits_the_token_endpoint_as_audience() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&with("aud", format!("{ISSUER}/oauth2/token")));
    check_refused("the switch is off", &signing.ask(&assertion).await);
    let document = client(CLIENT, &signing.key, "assertion_audience_token_endpoint = true");
    signing.server.apply(&document).await;
    signing.ask(&assertion).await.active();
    signing.ask(&signing.signed(&claims())).await.active();
}

#[tokio::test]
async fn int_03_the_registered_method_is_the_only_one() {
    let signing = Signing::start().await;
    // The key is there, and the client is no longer registered to sign with it.
    let document = "[[client]]\nclient_id = \"assertion-api\"\nauth_methods = [\"client_secret_basic\"]\nclient_secret = \"0123456789abcdef0123456789abcdef\"\n";
    signing.ask(&signing.signed(&claims())).await.active();
    signing.server.apply(document).await;
    check_refused("another method", &signing.ask(&signing.signed(&claims())).await);
}

#[tokio::test]
async fn an_assertion_id_of_one_client_says_nothing_about_another_client() {
    let signing = Signing::start().await;
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    signing.server.apply(&client("second-api", &other, "")).await;
    let mut of_other = claims();
    of_other["iss"] = json!("second-api");
    of_other["sub"] = json!("second-api");
    let of_other = other.sign_compact("JWT", of_other.to_string().as_bytes()).unwrap();
    signing.ask(&signing.signed(&claims())).await.active();
    signing.ask(&of_other).await.active();
}
