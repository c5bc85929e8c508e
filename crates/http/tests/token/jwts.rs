//! JWT access tokens as a resource server reads them (RFC 9068 §2): with the published keys and nothing else.

use std::collections::BTreeSet;

use lydian_jose::{Algorithm, JwkSet, Verified, verify_with_set};
use lydian_primitives::Clock;
use lydian_test_kit::fixtures::{API, APP, BARE_API, ISSUER, JWT_API, JWT_API_CLIENT};
use lydian_test_kit::{Request, TestServer, forge};
use serde_json::{Value, json};

/// The published keys of a realm.
pub(crate) async fn published_keys(server: &TestServer, realm: &str) -> JwkSet {
    let reply = server.send(Request::of("GET", &format!("{realm}/oauth2/jwks"))).await;
    assert_eq!(reply.status, 200);
    let reading = JwkSet::parse(&reply.body).expect("the set can be read");
    assert!(reading.skipped.is_empty());
    reading.keys
}

/// Verifies a token with the published keys.
async fn verified(server: &TestServer, token: &str) -> Verified {
    let keys = published_keys(server, "").await;
    verify_with_set(token, &keys, &Algorithm::ALL).expect("a published key verifies the token")
}

fn api_with(name: &str, settings: &str) -> (String, String) {
    let audience = format!("https://{name}.example.com/");
    let document = format!(
        "[[api]]\naudience = {audience:?}\nscopes = [\"read\"]\ntoken_format = \"jwt\"\n{settings}\n[[client]]\nclient_id = \"app\"\nallowed = {{ {audience:?} = [\"read\"] }}\ndefault_api = {audience:?}\n"
    );
    (audience, document)
}

#[tokio::test]
async fn atp_02_atp_03_w57_a_jwt_has_its_type_and_exactly_these_claims() {
    let server = TestServer::start().await;
    let now = server.clock.now().as_unix_seconds();
    for audience in [JWT_API, BARE_API] {
        let token = server.issue(APP, audience).await;
        let header = forge::header_of(&token);
        let kid = server.realm(None).active_key(Algorithm::Es256).unwrap().record.kid.clone();
        assert_eq!(header, json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }));
        let verified = verified(&server, &token).await;
        let claims: Value = serde_json::from_slice(verified.payload()).unwrap();
        let scope = if audience == JWT_API { "only-jwt read write" } else { "read write" };
        assert_eq!(
            claims,
            json!({
                "iss": ISSUER,
                "sub": "app",
                "aud": audience,
                "exp": now + 900,
                "nbf": now,
                "iat": now,
                "jti": claims["jti"],
                "client_id": "app",
                "azp": "app",
                "scope": scope,
                "aut": "APPLICATION",
                "minted_at": claims["minted_at"],
                "lyd_grant": claims["lyd_grant"],
            })
        );
        for handle in ["jti", "lyd_grant"] {
            assert_eq!(claims[handle].as_str().map(str::len), Some(22), "{handle}");
        }
        assert!(claims["minted_at"].is_u64());
        let read = verified.claims().expect("the claims are well formed");
        assert_eq!(read.audience().unwrap(), Some(vec![audience]));
    }
}

#[tokio::test]
async fn atp_01_r_03_each_algorithm_is_the_choice_of_an_api_and_verifies_with_the_published_key() {
    let server = TestServer::start().await;
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        let (audience, document) = api_with(&name.to_lowercase(), &format!("algorithm = \"{name}\""));
        server.apply(&document).await;
        let token = server.issue(APP, &audience).await;
        assert_eq!(forge::header_of(&token)["alg"], name);
        let verified = verified(&server, &token).await;
        assert_eq!(verified.header().algorithm(), algorithm);
        server.introspect(APP, &token).await.active();
    }
    // Another API keeps its own.
    server.apply(&format!("[[client]]\nclient_id = \"app\"\nallowed = {{ {JWT_API:?} = [\"read\"] }}\ndefault_api = {JWT_API:?}\n")).await;
    assert_eq!(forge::header_of(&server.issue(APP, JWT_API).await)["alg"], "ES256");
}

#[tokio::test]
async fn atp_01_r_07_there_is_no_way_to_ask_for_an_unsigned_or_symmetric_token() {
    let server = TestServer::start().await;
    for algorithm in ["none", "HS256", "es256", ""] {
        let (_, document) = api_with("odd", &format!("algorithm = {algorithm:?}"));
        assert!(lydian_service::apply::parse(&document).is_err(), "{algorithm:?}");
    }
    let request = TestServer::token_request(APP).parameter("resource", JWT_API).parameter("alg", "none");
    assert_eq!(forge::header_of(&server.issued(request).await)["alg"], "ES256");
}

#[tokio::test]
async fn atp_02_the_type_may_be_plain_for_validators_that_insist_and_nothing_else() {
    let server = TestServer::start().await;
    let (audience, document) = api_with("plain", "typ = \"JWT\"");
    server.apply(&document).await;
    let token = server.issue(APP, &audience).await;
    assert_eq!(forge::header_of(&token)["typ"], "JWT");
    server.introspect(APP, &token).await.active();
    let (_, document) = api_with("plain", "typ = \"id+jwt\"");
    let document = lydian_service::apply::parse(&document).unwrap();
    assert!(server.service.apply_document(&document, false).await.is_err());
}

#[tokio::test]
async fn atp_04_w59_the_subject_is_the_client_and_nothing_that_is_sent_changes_it() {
    let server = TestServer::start().await;
    let request = TestServer::token_request(APP)
        .parameter("resource", JWT_API)
        .parameter("sub", "usr_0000000000000001")
        .parameter("subject", "admin")
        .parameter("username", "admin")
        .parameter("claims", "{\"sub\":\"admin\"}");
    let claims = forge::claims_of(&server.issued(request).await);
    assert_eq!(
        (&claims["sub"], &claims["client_id"], &claims["azp"]),
        (&json!("app"), &json!("app"), &json!("app"))
    );
    // What users are called cannot be registered as the name of a client.
    for client_id in ["usr_0000000000000001", "usr_", "a b", "a\"b", ""] {
        let document = format!("[[client]]\nclient_id = {client_id:?}\n");
        let document = lydian_service::apply::parse(&document).unwrap();
        assert!(server.service.apply_document(&document, false).await.is_err(), "{client_id:?}");
    }
}

#[tokio::test]
async fn atp_06_no_claim_speaks_of_a_person() {
    let server = TestServer::start().await;
    let claims = forge::claims_of(&server.issue(APP, JWT_API).await);
    let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "aud",
        "aut",
        "azp",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "lyd_grant",
        "minted_at",
        "nbf",
        "scope",
        "sub",
    ];
    assert_eq!(names, expected.into());
}

#[tokio::test]
async fn atp_07_atp_09_the_scope_is_the_apis_own_and_the_audience_is_the_resource() {
    let server = TestServer::start().await;
    let request = TestServer::token_request(APP)
        .parameter("resource", JWT_API)
        .parameter("scope", "read only-opaque only-jwt openid");
    let claims = forge::claims_of(&server.issued(request).await);
    assert_eq!((&claims["scope"], &claims["aud"]), (&json!("only-jwt read"), &json!(JWT_API)));
}

#[tokio::test]
async fn w42_introspection_shows_what_the_jwt_says() {
    let server = TestServer::start().await;
    for audience in [JWT_API, BARE_API] {
        let token = server.issue(APP, audience).await;
        let claims = forge::claims_of(&token);
        let members = server.introspect(APP, &token).await.active();
        assert_eq!(members["token_type"], "Bearer");
        for name in ["sub", "iss", "jti", "aud", "client_id", "scope", "exp", "iat", "nbf", "aut"] {
            assert_eq!(members[name], claims[name], "{name}");
        }
    }
}

#[tokio::test]
async fn w58_d28_asm_04_iss_is_the_issuer_of_the_metadata_and_not_the_token_endpoint() {
    let server = TestServer::start().await;
    let metadata = server.send(Request::of("GET", "/.well-known/oauth-authorization-server")).await.json();
    let claims = forge::claims_of(&server.issue(APP, JWT_API).await);
    assert_eq!(claims["iss"], metadata["issuer"]);
    assert_ne!(claims["iss"], metadata["token_endpoint"]);
    let opaque = server.issue(APP, API).await;
    assert_eq!(server.introspect(APP, &opaque).await.active()["iss"], metadata["issuer"]);
}

#[tokio::test]
async fn atp_24_a_token_that_gateways_would_refuse_is_not_issued() {
    let server = TestServer::start().await;
    let scopes: Vec<String> = (0..60).map(|number| format!("{number:02}-{}", "s".repeat(120))).collect();
    let list = scopes.iter().map(|scope| format!("{scope:?}")).collect::<Vec<_>>().join(", ");
    let large = |format: &str| {
        format!(
            "[[api]]\naudience = \"https://large.example.com/\"\nscopes = [{list}]\ntoken_format = {format:?}\n[[client]]\nclient_id = \"app\"\nallowed = {{ \"https://large.example.com/\" = [{list}] }}\ndefault_api = \"https://large.example.com/\"\n"
        )
    };
    server.apply(&large("jwt")).await;
    server.send(TestServer::token_request(APP)).await.refused(400, "invalid_request");
    let fewer = TestServer::token_request(APP).parameter("scope", &scopes[..30].join(" "));
    let token = server.issued(fewer).await;
    assert!(token.len() > 4_096 && token.len() <= 8_192, "{}", token.len());
    server.introspect(APP, &token).await.active();
    server.apply(&large("opaque")).await;
    let opaque = server.issued(TestServer::token_request(APP)).await;
    server.introspect(APP, &opaque).await.active();
}

#[tokio::test]
async fn a_jwt_is_for_its_api_alone_whoever_asks_with_it() {
    let server = TestServer::start().await;
    let token = server.issue(APP, JWT_API).await;
    server.introspect(JWT_API_CLIENT, &token).await.active();
    let as_caller = Request::post("/oauth2/introspect").bearer(&token).parameter("token", &token);
    server.send(as_caller).await.refused(401, "invalid_token");
}
