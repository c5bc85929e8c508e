//! What the metadata say (RFC 8414 §2, Discovery §3).

use std::collections::BTreeSet;

use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{APP, ISSUER, JWT_API};
use lydian_test_kit::forge;
use serde_json::{Value, json};

use crate::metadata;

fn words<'a>(document: &'a Value, member: &str) -> Vec<&'a str> {
    let list = document[member].as_array().unwrap_or_else(|| panic!("{member} is a list"));
    list.iter().map(|word| word.as_str().expect("a text")).collect()
}

#[tokio::test]
async fn asm_03_no_list_is_empty_but_the_one_that_the_text_requires() {
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
        // RFC 8414 §2 requires this member, §3.2 leaves empty lists out: without an authorization endpoint both cannot hold.
        assert_eq!(empty, ["response_types_supported"]);
    }
    // A realm in which there is nothing to ask for still has no empty list more.
    server.apply("[[realm]]\nname = \"empty\"\n").await;
    let document = metadata(&server, Some("empty")).await;
    assert_eq!(words(&document, "scopes_supported"), ["internal_oauth2_introspect", "introspect"]);
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
            ] {
                assert_eq!(document[member], format!("{base}/oauth2/{path}"), "{member}");
            }
        }
    }
}

#[tokio::test]
async fn asm_06_methods_and_algorithms_of_authentication_are_given_and_none_of_them_is_none() {
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
    // Nobody needs to be known by name alone to get a token or to ask about one.
    for endpoint in ["token", "introspection"] {
        let methods = words(&document, &format!("{endpoint}_endpoint_auth_methods_supported"));
        assert!(!methods.contains(&"none"), "{endpoint}");
    }
}

#[tokio::test]
async fn asm_07_the_scopes_of_all_enabled_apis_are_named_and_follow_their_changes() {
    let server = TestServer::start().await;
    let scopes = async || words(&metadata(&server, None).await, "scopes_supported").join(" ");
    let introspection = "internal_oauth2_introspect introspect";
    assert_eq!(scopes().await, format!("{introspection} only-jwt only-opaque read write"));
    server.apply(&format!("[[api]]\naudience = {JWT_API:?}\nenabled = false\n")).await;
    assert_eq!(scopes().await, format!("{introspection} only-opaque read write"));
    server.apply("[[api]]\naudience = \"https://new.example.com/\"\nscopes = [\"new\"]\n").await;
    assert_eq!(scopes().await, format!("{introspection} new only-opaque read write"));
}

#[tokio::test]
async fn r_05_asm_09_the_grant_types_are_those_that_work() {
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    assert_eq!(document["grant_types_supported"], json!(["client_credentials"]));
    for later in
        ["authorization_endpoint", "registration_endpoint", "userinfo_endpoint", "end_session_endpoint"]
    {
        assert!(document.get(later).is_none(), "{later}");
    }
}

#[tokio::test]
async fn dis_02_what_defaults_to_true_and_is_not_offered_is_said() {
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    for member in
        ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"]
    {
        assert_eq!(document[member], json!(false), "{member}");
    }
}
