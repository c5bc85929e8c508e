//! Realms do not know each other: names, secrets, keys and tokens of one mean nothing in another.

use lydian_jose::{Algorithm, verify_with_set};
use lydian_test_kit::fixtures::{
    ACME_API_CLIENT, ACME_APP, API, API_CLIENT, APP, Credentials, ISSUER, JWT_API,
};
use lydian_test_kit::{Reply, Request, TestServer, forge};

use crate::jwts::published_keys;

fn token_request(realm: &str, client: Credentials) -> Request {
    Request::post(&format!("{realm}/oauth2/token"))
        .basic(client.client_id, client.client_secret)
        .parameter("grant_type", "client_credentials")
}

async fn introspect(server: &TestServer, realm: &str, caller: Credentials, token: &str) -> Reply {
    let request = Request::post(&format!("{realm}/oauth2/introspect"))
        .basic(caller.client_id, caller.client_secret)
        .parameter("token", token);
    server.send(request).await
}

#[tokio::test]
async fn w2_w12_one_name_in_two_realms_is_two_clients() {
    let server = TestServer::start().await;
    assert_eq!(APP.client_id, ACME_APP.client_id);
    for (realm, client) in [("", APP), ("/t/acme", ACME_APP)] {
        let token = server.issued(token_request(realm, client)).await;
        introspect(&server, realm, client, &token).await.active();
    }
    for (realm, client) in [("", ACME_APP), ("/t/acme", APP)] {
        server.send(token_request(realm, client)).await.refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn w32_jwt_04_a_token_of_one_realm_is_nothing_in_another() {
    let server = TestServer::start().await;
    let jwt_api = format!(
        "[[api]]\nrealm = \"acme\"\naudience = {JWT_API:?}\nscopes = [\"read\"]\ntoken_format = \"jwt\"\n[[client]]\nrealm = \"acme\"\nclient_id = \"app\"\nallowed = {{ {API:?} = [\"read\"], {JWT_API:?} = [\"read\"] }}\n"
    );
    server.apply(&jwt_api).await;
    for audience in [API, JWT_API] {
        let ours = server.issue(APP, audience).await;
        let theirs = server.issued(token_request("/t/acme", ACME_APP).parameter("resource", audience)).await;
        introspect(&server, "", APP, &ours).await.active();
        introspect(&server, "/t/acme", ACME_APP, &theirs).await.active();
        introspect(&server, "", APP, &theirs).await.inactive();
        introspect(&server, "/t/acme", ACME_APP, &ours).await.inactive();
        introspect(&server, "", API_CLIENT, &theirs).await.inactive();
        introspect(&server, "/t/acme", ACME_API_CLIENT, &ours).await.inactive();
    }
}

#[tokio::test]
async fn jwt_04_the_keys_of_realms_are_disjoint_and_verify_nothing_of_each_other() {
    let server = TestServer::start().await;
    let (ours, theirs) = (published_keys(&server, "").await, published_keys(&server, "/t/acme").await);
    assert!(!ours.keys().is_empty() && !theirs.keys().is_empty());
    for key in ours.keys() {
        assert!(!theirs.has_kid(key.kid().expect("each key has a name")));
    }
    let token = server.issue(APP, JWT_API).await;
    assert!(verify_with_set(&token, &ours, &Algorithm::ALL).is_ok());
    assert!(verify_with_set(&token, &theirs, &Algorithm::ALL).is_err());
    // A good token's claims under the other realm's key, issuer and all.
    let claims = forge::claims_of(&token).to_string();
    let acme = server.realm(Some("acme"));
    let forged = acme.active_key(Algorithm::Es256).unwrap().key.sign_compact("at+jwt", claims.as_bytes());
    let forged = forged.unwrap();
    assert!(verify_with_set(&forged, &theirs, &Algorithm::ALL).is_ok());
    for (realm, caller) in [("", APP), ("/t/acme", ACME_APP)] {
        introspect(&server, realm, caller, &forged).await.inactive();
    }
    introspect(&server, "", APP, &token).await.active();
}

#[tokio::test]
async fn w14_an_unknown_realm_is_not_found_whatever_is_sent() {
    let server = TestServer::start().await;
    for realm in ["/t/nobody", "/t/ACME", "/t/default", "/t/acme%20", "/t/acme/t/acme"] {
        server.send(token_request(realm, APP)).await.refused(404, "invalid_request");
        for path in ["/oauth2/jwks", "/.well-known/openid-configuration"] {
            server.send(Request::of("GET", &format!("{realm}{path}"))).await.refused(404, "invalid_request");
        }
    }
}

#[tokio::test]
async fn r_02_an_assertion_is_for_one_realm() {
    use lydian_jose::SigningKey;
    use serde_json::json;
    let server = TestServer::start().await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    for realm in ["default", "acme"] {
        let document = crate::assertions::client("twin", &[&key], &format!("realm = {realm:?}"));
        server.apply(&document).await;
    }
    let now = lydian_test_kit::server::START.as_unix_seconds();
    for (realm, audience, other) in
        [("", ISSUER.to_owned(), "/t/acme"), ("/t/acme", format!("{ISSUER}/t/acme"), "")]
    {
        let claims =
            json!({ "iss": "twin", "sub": "twin", "aud": audience, "exp": now + 60, "jti": audience });
        let assertion = key.sign_compact("JWT", claims.to_string().as_bytes()).unwrap();
        let ask = |realm: &str| {
            let request = Request::post(&format!("{realm}/oauth2/token"))
                .parameter("grant_type", "client_credentials")
                .parameter("client_assertion_type", crate::assertions::TYPE)
                .parameter("client_assertion", &assertion);
            server.send(request)
        };
        ask(other).await.refused(401, "invalid_client");
        assert_eq!(ask(realm).await.status, 200, "{realm}");
    }
}
