//! What the metadata say (RFC 8414 §2, Discovery §3).

use std::collections::BTreeSet;

use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{APP, ISSUER, JWT_API};
use lydian_test_kit::forge;
use serde_json::{Value, json};

use crate::metadata;

/// The scopes that the issuer itself defines.
const OF_THE_ISSUER: &str =
    "address email internal_oauth2_introspect introspect offline_access openid phone profile";

fn words<'a>(document: &'a Value, member: &str) -> Vec<&'a str> {
    let list = document[member].as_array().unwrap_or_else(|| panic!("{member} is a list"));
    list.iter().map(|word| word.as_str().expect("a text")).collect()
}

#[tokio::test]
async fn asm_03_no_list_is_empty() {
    let server = TestServer::start().await;
    for realm in [None, Some("acme")] {
        let document = metadata(&server, realm).await;
        let empty: Vec<&String> = document
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, value)| value.is_null() || value.as_array().is_some_and(Vec::is_empty))
            .map(|(name, _)| name)
            .collect();
        assert!(empty.is_empty(), "{empty:?}");
    }
    // A realm in which there is nothing to ask for still has no empty list more.
    server.apply("[[realm]]\nname = \"empty\"\n").await;
    let document = metadata(&server, Some("empty")).await;
    assert_eq!(words(&document, "scopes_supported").join(" "), OF_THE_ISSUER);
}

#[tokio::test]
async fn asm_04_the_issuer_is_the_one_of_the_url_and_of_all_tokens() {
    let server = TestServer::start().await;
    assert_eq!(metadata(&server, None).await["issuer"], ISSUER);
    assert_eq!(metadata(&server, Some("acme")).await["issuer"], format!("{ISSUER}/t/acme"));
    let token = server.issue(APP, JWT_API).await;
    assert_eq!(forge::claims_of(&token)["iss"], ISSUER);
    assert_eq!(server.introspect(APP, &token).await.active()["iss"], ISSUER);
}

#[tokio::test]
async fn asm_04_another_issuer_changes_every_address_alike() {
    for issuer in
        ["https://login.example.com", "https://login.example.com:8443", "https://login.example.com/"]
    {
        let server = TestServer::start_with(|settings| settings.issuer = issuer.to_owned()).await;
        let base = issuer.trim_end_matches('/');
        for (realm, own, base) in [
            (None, issuer.to_owned(), base.to_owned()),
            (Some("acme"), format!("{base}/t/acme"), format!("{base}/t/acme")),
        ] {
            let document = metadata(&server, realm).await;
            assert_eq!(document["issuer"], own);
            for (member, path) in [
                ("token_endpoint", "token"),
                ("introspection_endpoint", "introspect"),
                ("revocation_endpoint", "revoke"),
                ("jwks_uri", "jwks"),
                ("authorization_endpoint", "authorize"),
                ("userinfo_endpoint", "userinfo"),
                ("end_session_endpoint", "logout"),
            ] {
                assert_eq!(document[member], format!("{base}/oauth2/{path}"), "{member}");
            }
        }
    }
}

#[tokio::test]
async fn asm_06_methods_and_algorithms_of_authentication_are_given() {
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = words(&document, &format!("{endpoint}_endpoint_auth_methods_supported"));
        for method in ["client_secret_basic", "client_secret_post", "private_key_jwt"] {
            assert!(methods.contains(&method), "{endpoint}: {method}");
        }
        assert_eq!(methods.contains(&"Bearer"), endpoint == "introspection");
        let algorithms = words(&document, &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
        let expected =
            ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
        assert_eq!(
            algorithms.iter().copied().collect::<BTreeSet<_>>(),
            expected.into_iter().collect::<BTreeSet<_>>()
        );
        assert_eq!(algorithms.len(), expected.len(), "each once");
    }
    // Who is known by name alone may exchange a code and give a token back, and may not ask about one.
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = words(&document, &format!("{endpoint}_endpoint_auth_methods_supported"));
        assert_eq!(methods.contains(&"none"), endpoint != "introspection", "{endpoint}");
    }
}

#[tokio::test]
async fn asm_07_the_scopes_of_all_enabled_apis_are_named_and_follow_their_changes() {
    let server = TestServer::start().await;
    let scopes = async || words(&metadata(&server, None).await, "scopes_supported").join(" ");
    let with = |others: &str| {
        let mut all: Vec<&str> = OF_THE_ISSUER.split(' ').chain(others.split(' ')).collect();
        all.sort_unstable();
        all.join(" ")
    };
    assert_eq!(scopes().await, with("only-jwt only-opaque read write"));
    server.apply(&format!("[[api]]\naudience = {JWT_API:?}\nenabled = false\n")).await;
    assert_eq!(scopes().await, with("only-opaque read write"));
    server.apply("[[api]]\naudience = \"https://new.example.com/\"\nscopes = [\"new\"]\n").await;
    assert_eq!(scopes().await, with("new only-opaque read write"));
}

#[tokio::test]
async fn r_05_asm_09_the_grant_types_are_those_that_work() {
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    let expected = json!([
        "authorization_code",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "refresh_token"
    ]);
    assert_eq!(document["grant_types_supported"], expected);
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["response_modes_supported"], json!(["query", "form_post"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert!(document.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn dis_02_what_defaults_to_true_and_is_not_offered_is_said() {
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    for member in ["request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(document[member], json!(false), "{member}");
    }
    assert_eq!(document["claims_parameter_supported"], json!(true));
}
