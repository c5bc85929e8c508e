//! Client authentication by `private_key_jwt` where the assertion is used up (RFC 7523 §3, OpenID Connect Core §9).

use lydian_jose::{Algorithm, SigningKey};
use lydian_primitives::limits;
use lydian_service::limiter::Rate;
use lydian_test_kit::fixtures::{self, API, API_CLIENT, APP, ISSUER};
use lydian_test_kit::seed::{self, Write};
use lydian_test_kit::server::START;
use lydian_test_kit::{Reply, Request, TestServer, forge};
use serde_json::{Value, json};

use crate::{BASIC, unauthenticated};

/// The one type of client assertions.
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const CLIENT: &str = "signing-app";

/// A server with a client that signs assertions.
pub(crate) struct Signing {
    pub(crate) server: TestServer,
    pub(crate) key: SigningKey,
}

impl Signing {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Failures cost nothing: for tests that fail often on purpose.
    pub(crate) async fn start_unlimited() -> Self {
        let unlimited = Rate { per_second: 1_000_000, burst: 1_000_000 };
        Self::start_with(|settings| settings.limits.failed_authentications = unlimited).await
    }

    async fn start_with(change: impl FnOnce(&mut lydian_service::Settings)) -> Self {
        let server = TestServer::start_with(change).await;
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        server.apply(&client(CLIENT, &[&key], "")).await;
        Self { server, key }
    }

    pub(crate) fn signed(&self, claims: &Value) -> String {
        self.key.sign_compact("JWT", claims.to_string().as_bytes()).unwrap()
    }

    pub(crate) async fn ask(&self, assertion: &str) -> Reply {
        self.server.send(request(assertion)).await
    }

    async fn check_accepted(&self, name: &str, assertion: &str) {
        let reply = self.ask(assertion).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    }
}

/// A document with a client that signs with these keys.
pub(crate) fn client(client_id: &str, keys: &[&SigningKey], more: &str) -> String {
    format!(
        "[[client]]\nclient_id = {client_id:?}\nauth_methods = [\"private_key_jwt\"]\ngrant_types = [\"client_credentials\"]\nallowed = {{ {API:?} = [\"read\"] }}\ndefault_api = {API:?}\njwks = {}\n{more}\n",
        fixtures::jwks_of(keys)
    )
}

pub(crate) fn request(assertion: &str) -> Request {
    unauthenticated().parameter("client_assertion_type", TYPE).parameter("client_assertion", assertion)
}

/// The claims of a good assertion with this `jti`.
pub(crate) fn claims(jti: &str) -> Value {
    let now = START.as_unix_seconds();
    json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims(&format!("with {name}"));
    claims[name] = value.into();
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims(&format!("without {name}"));
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

#[track_caller]
fn check_refused(name: &str, reply: &Reply) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (401, Some("invalid_client")), "{name}");
    assert_eq!(reply.headers("www-authenticate"), [BASIC], "{name}");
    assert_eq!(reply.json()["error_description"], "client authentication failed", "{name}");
}

#[tokio::test]
async fn oau_20_a_client_by_assertion_gets_a_token() {
    let signing = Signing::start().await;
    let reply = signing.ask(&signing.signed(&claims("1"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();
    let members = signing.server.introspect(API_CLIENT, &token).await.active();
    assert_eq!((members["client_id"].as_str(), members["sub"].as_str()), (Some(CLIENT), Some(CLIENT)));
    let named = request(&signing.signed(&claims("2"))).parameter("client_id", CLIENT);
    assert_eq!(signing.server.send(named).await.status, 200);
}

#[tokio::test]
async fn jwt_05_an_assertion_is_used_once() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&claims("1"));
    signing.check_accepted("first", &assertion).await;
    for _ in 0..3 {
        check_refused("again", &signing.ask(&assertion).await);
    }
    // The id and the expiry are remembered, not the text: another spelling of the same claims is used up too.
    let payload = claims("1").to_string();
    let spelled_otherwise = forge::es256(&signing.key, r#"{"alg":"ES256"}"#, payload.as_bytes());
    check_refused("signed again", &signing.ask(&spelled_otherwise).await);
    signing.check_accepted("another jti", &signing.signed(&claims("2"))).await;
    signing.server.advance_seconds(59);
    check_refused("in its last second", &signing.ask(&assertion).await);
}

#[tokio::test]
async fn jwt_05_a_used_assertion_stays_used_over_a_restart() {
    let Signing { server, key } = Signing::start().await;
    let assertion = key.sign_compact("JWT", claims("1").to_string().as_bytes()).unwrap();
    assert_eq!(server.send(request(&assertion)).await.status, 200);
    let server = server.restart().await;
    check_refused("after a restart", &server.send(request(&assertion)).await);
}

#[tokio::test]
async fn jwt_05_an_assertion_is_not_used_up_by_a_request_that_is_refused() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&claims("1"));
    for (name, value, error) in
        [("scope", "nothing", "invalid_scope"), ("resource", "nowhere", "invalid_target")]
    {
        let refused = request(&assertion).parameter(name, value);
        signing.server.send(refused).await.refused(400, error);
    }
    signing.check_accepted("after refusals", &assertion).await;
}

#[tokio::test]
async fn jwt_05_an_assertion_that_was_shown_to_a_reader_can_still_issue_once() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&claims("1"));
    let read = Request::post("/oauth2/introspect")
        .parameter("client_assertion_type", TYPE)
        .parameter("client_assertion", &assertion)
        .parameter("token", "unknown");
    signing.server.send(read.clone()).await.inactive();
    signing.check_accepted("issuing", &assertion).await;
    check_refused("issuing again", &signing.ask(&assertion).await);
    signing.server.send(read).await.inactive();
}

#[tokio::test]
async fn jwt_05_ids_of_one_client_say_nothing_about_another_client() {
    let signing = Signing::start().await;
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    signing.server.apply(&client("second-app", &[&other], "")).await;
    let mut of_other = claims("1");
    of_other["iss"] = json!("second-app");
    of_other["sub"] = json!("second-app");
    let of_other = other.sign_compact("JWT", of_other.to_string().as_bytes()).unwrap();
    signing.check_accepted("the first client", &signing.signed(&claims("1"))).await;
    signing.check_accepted("the second client", &of_other).await;
    check_refused("the second client again", &signing.ask(&of_other).await);
}

#[tokio::test]
async fn r_02_a_bad_claim_is_refused_in_one_voice() {
    let signing = Signing::start_unlimited().await;
    let now = START.as_unix_seconds();
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
        ("with a number as jti", with("jti", 7)),
        ("with an array as issuer", with("iss", json!([CLIENT]))),
        ("for the token endpoint", with("aud", format!("{ISSUER}/oauth2/token"))),
        ("for our issuer with a slash", with("aud", format!("{ISSUER}/"))),
        ("for our issuer in another case", with("aud", ISSUER.to_uppercase())),
        ("for nobody", with("aud", json!([]))),
        ("for two audiences", with("aud", json!([ISSUER, "https://other.example"]))),
        ("for another realm", with("aud", format!("{ISSUER}/t/acme"))),
        ("expired now", with("exp", now)),
        ("expired long ago", with("exp", 1)),
        ("that lives too long", with("exp", now + limits::CLIENT_ASSERTION_SECONDS_MAX + 11)),
        ("that lives for ever", with("exp", 9_007_199_254_740_991_u64)),
        ("with a text as expiry", with("exp", (now + 60).to_string())),
        ("with a negative expiry", with("exp", -1)),
        ("issued in the future", with("iat", now + 11)),
        ("good in the future", with("nbf", now + 11)),
        ("with a text as nbf", with("nbf", "0")),
    ] {
        check_refused(name, &signing.ask(&signing.signed(&claims)).await);
    }
    signing.check_accepted("one audience in an array", &signing.signed(&with("aud", json!([ISSUER])))).await;
    let longest = now + limits::CLIENT_ASSERTION_SECONDS_MAX + limits::CLIENT_ASSERTION_LEEWAY_SECONDS;
    signing.check_accepted("the longest life", &signing.signed(&with("exp", longest))).await;
    signing.check_accepted("a clock ahead", &signing.signed(&with("iat", now + 10))).await;
}

#[tokio::test]
async fn r_02_the_switch_of_a_client_admits_the_token_endpoint_as_audience() {
    let signing = Signing::start().await;
    let for_endpoint = |jti: &str| {
        let mut claims = claims(jti);
        claims["aud"] = json!(format!("{ISSUER}/oauth2/token"));
        signing.signed(&claims)
    };
    check_refused("the switch is off", &signing.ask(&for_endpoint("1")).await);
    let document = client(CLIENT, &[&signing.key], "assertion_audience_token_endpoint = true");
    signing.server.apply(&document).await;
    signing.check_accepted("the switch is on", &for_endpoint("2")).await;
    signing.check_accepted("the issuer as before", &signing.signed(&claims("3"))).await;
    let mut elsewhere = claims("4");
    elsewhere["aud"] = json!(format!("{ISSUER}/t/acme/oauth2/token"));
    check_refused("another realm's endpoint", &signing.ask(&signing.signed(&elsewhere)).await);
}

#[tokio::test]
async fn r_07_jwt_06_bad_signatures_algorithms_and_types_are_refused() {
    let signing = Signing::start_unlimited().await;
    let payload = claims("1").to_string();
    let payload = payload.as_bytes();
    let kid = signing.key.kid();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = signing.key.verifying_key().to_jwk_json();
    let good = signing.signed(&claims("1"));
    let unsigned = |alg: &str| {
        forge::joined(&forge::signing_input(&format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), payload), b"")
    };
    let with_own_key = format!(r#"{{"alg":"ES256","jwk":{}}}"#, other.verifying_key().to_jwk_json());
    let access_token = signing.key.sign_compact("at+jwt", payload).unwrap();
    for (name, assertion) in [
        ("another key", forge::es256(&other, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), payload)),
        ("another key without kid", forge::es256(&other, r#"{"alg":"ES256"}"#, payload)),
        ("a key that it brings along", forge::es256(&other, &with_own_key, payload)),
        ("an unknown kid", forge::es256(&signing.key, r#"{"alg":"ES256","kid":"x"}"#, payload)),
        ("the public key as a secret", forge::hs256(jwk.as_bytes(), r#"{"alg":"HS256"}"#, payload)),
        ("another algorithm's name", forge::es256(&signing.key, r#"{"alg":"ES384"}"#, payload)),
        ("an algorithm in lower case", forge::es256(&signing.key, r#"{"alg":"es256"}"#, payload)),
        ("no algorithm", forge::es256(&signing.key, "{}", payload)),
        ("an unknown crit", forge::es256(&signing.key, r#"{"alg":"ES256","crit":["x"],"x":1}"#, payload)),
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("NONE", unsigned("NONE")),
        ("an empty algorithm", unsigned("")),
        ("an empty signature", unsigned("ES256")),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("without its signature", good.rsplit_once('.').unwrap().0.to_owned()),
        ("the type of access tokens", access_token),
        ("the type of proofs", signing.key.sign_compact("dpop+jwt", payload).unwrap()),
        ("no JWT", "x".to_owned()),
        ("no JWT with dots", "a.b.c".to_owned()),
        ("too long", "a".repeat(limits::JWT_BYTES_MAX + 1)),
    ] {
        check_refused(name, &signing.ask(&assertion).await);
    }
    signing.check_accepted("without kid", &forge::es256(&signing.key, r#"{"alg":"ES256"}"#, payload)).await;
    let typed = signing.key.sign_compact("client-authentication+jwt", claims("2").to_string().as_bytes());
    signing.check_accepted("its own type", &typed.unwrap()).await;
}

#[tokio::test]
async fn r_08_repeated_members_are_refused() {
    let signing = Signing::start().await;
    let good = claims("1").to_string();
    let header = r#"{"alg":"ES256"}"#;
    let twice = good.replacen('{', r#"{"iss":"signing-app","#, 1);
    let other_first = good.replacen('{', r#"{"sub":"somebody","#, 1);
    for (name, assertion) in [
        ("a claim twice", forge::es256(&signing.key, header, twice.as_bytes())),
        ("another claim first", forge::es256(&signing.key, header, other_first.as_bytes())),
        (
            "a header member twice",
            forge::es256(&signing.key, r#"{"alg":"ES256","alg":"ES256"}"#, good.as_bytes()),
        ),
    ] {
        check_refused(name, &signing.ask(&assertion).await);
    }
    signing.check_accepted("each once", &forge::es256(&signing.key, header, good.as_bytes())).await;
}

#[tokio::test]
async fn oau_20_an_assertion_beside_another_name_or_type_is_refused() {
    let signing = Signing::start().await;
    let assertion = signing.signed(&claims("1"));
    let named = request(&assertion).parameter("client_id", APP.client_id);
    check_refused("another client_id", &signing.server.send(named).await);
    let untyped = unauthenticated().parameter("client_assertion", &assertion);
    check_refused("no type", &signing.server.send(untyped.clone()).await);
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let saml = untyped.parameter("client_assertion_type", saml);
    check_refused("another type", &signing.server.send(saml).await);
    let alone = unauthenticated().parameter("client_assertion_type", TYPE);
    check_refused("no assertion", &signing.server.send(alone).await);
    signing.check_accepted("as it should be", &assertion).await;
}

#[tokio::test]
async fn oau_02_a_key_that_is_no_longer_registered_or_of_another_method_proves_nothing() {
    let signing = Signing::start().await;
    let next = SigningKey::generate(Algorithm::Es256).unwrap();
    signing.check_accepted("registered", &signing.signed(&claims("1"))).await;
    signing.server.apply(&client(CLIENT, &[&signing.key, &next], "")).await;
    signing.check_accepted("one of two", &signing.signed(&claims("2"))).await;
    signing.server.apply(&client(CLIENT, &[&next], "")).await;
    check_refused("replaced", &signing.ask(&signing.signed(&claims("3"))).await);
    let by_next = next.sign_compact("JWT", claims("4").to_string().as_bytes()).unwrap();
    signing.check_accepted("the new key", &by_next).await;
    let document = format!(
        "[[client]]\nclient_id = {CLIENT:?}\nauth_methods = [\"client_secret_basic\"]\nclient_secret = \"0123456789abcdef0123456789abcdef\"\n"
    );
    signing.server.apply(&document).await;
    let by_next = next.sign_compact("JWT", claims("5").to_string().as_bytes()).unwrap();
    check_refused("another method", &signing.ask(&by_next).await);
}

#[tokio::test]
async fn oau_02_a_client_whose_keys_are_gone_proves_nothing() {
    let signing = Signing::start().await;
    signing.check_accepted("registered", &signing.signed(&claims("1"))).await;
    let realm = signing.server.realm(None);
    let client = (**realm.client_by_name(CLIENT).unwrap()).clone();
    let version = client.version + 1;
    let without = lydian_domain::Client { jwks: None, version, ..client };
    seed::put(&signing.server, vec![Write::PutClient(without)]).await;
    check_refused("without keys", &signing.ask(&signing.signed(&claims("2"))).await);
}

#[tokio::test]
async fn oau_04_bad_assertions_in_one_clients_name_are_slowed_down() {
    let slow = Rate { per_second: 10, burst: 3 };
    let signing = Signing::start_with(|settings| settings.limits.failed_authentications = slow).await;
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let forged = |jti: &str| other.sign_compact("JWT", claims(jti).to_string().as_bytes()).unwrap();
    for jti in ["1", "2", "3"] {
        check_refused("forged", &signing.ask(&forged(jti)).await);
    }
    let reply = signing.ask(&forged("4")).await.refused(429, "temporarily_unavailable");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(signing.server.send(TestServer::token_request(APP)).await.status, 200);
    signing.server.advance_seconds(1);
    signing.check_accepted("after a second", &signing.signed(&claims("5"))).await;
}

#[tokio::test]
async fn jwt_08_private_and_symmetric_keys_cannot_be_registered() {
    let server = TestServer::start().await;
    let private = r#"{ keys = [{ kty = "EC", crv = "P-256", x = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", y = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", d = "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE" }] }"#;
    let symmetric =
        r#"{ keys = [{ kty = "oct", alg = "HS256", k = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" }] }"#;
    for jwks in [private, symmetric, "{ keys = [] }", "{}"] {
        let document =
            format!("[[client]]\nclient_id = \"x\"\nauth_methods = [\"private_key_jwt\"]\njwks = {jwks}\n");
        let document = lydian_service::apply::parse(&document).unwrap();
        let refused = server.service.apply_document(&document, false).await;
        assert!(refused.expect_err(jwks).to_string().contains("jwks"), "{jwks}");
    }
    let short = "[[client]]\nclient_id = \"x\"\nclient_secret = \"0123456789abcdef0123456789abcde\"\n";
    let short = lydian_service::apply::parse(short).unwrap();
    let refused = server.service.apply_document(&short, false).await.expect_err("31 characters are too few");
    assert!(refused.to_string().contains("client_secret"), "{refused}");
}
