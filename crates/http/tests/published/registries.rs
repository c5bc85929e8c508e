//! The documents against the registries of IANA and the schema of the OpenID conformance suite.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lydian_test_kit::TestServer;
use serde_json::Value;

use crate::{JWKS, get, metadata};

/// A file of the vectors; `None` where they are not there.
fn vectors(name: &str) -> Option<Value> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    let path: PathBuf = folder.join(name);
    if !folder.exists() {
        eprintln!("SKIPPED: the vectors are not there: {}", path.display());
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

/// The names of a registry.
fn registered(registry: &str, member: &str) -> Option<BTreeSet<String>> {
    let records = vectors(&format!("iana/{registry}.json"))?;
    let records = records["records"].as_array().expect("a registry has records");
    let names: BTreeSet<String> =
        records.iter().filter_map(|record| record[member].as_str()).map(str::to_owned).collect();
    assert!(!names.is_empty(), "{registry}");
    Some(names)
}

#[tokio::test]
async fn asm_03_every_member_of_the_metadata_is_registered_in_this_spelling() {
    let Some(known) = registered("oauth-as-metadata", "name") else { return };
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    for member in document.as_object().unwrap().keys() {
        assert!(known.contains(member), "{member} is not registered");
    }
}

#[tokio::test]
async fn asm_06_every_method_and_algorithm_is_registered_in_this_spelling() {
    let (Some(methods), Some(types), Some(algorithms)) = (
        registered("oauth-token-endpoint-auth-methods", "value"),
        registered("oauth-access-token-types", "name"),
        registered("jose-algorithms", "value"),
    ) else {
        return;
    };
    let server = TestServer::start().await;
    let document = metadata(&server, None).await;
    for endpoint in ["token", "introspection", "revocation"] {
        let list = |what: &str| {
            let list = document[format!("{endpoint}_endpoint_auth_{what}_supported")].as_array().unwrap();
            list.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for method in list("methods") {
            // RFC 8414 §2: at introspection a type of access token may stand among the methods.
            let is_type = endpoint == "introspection" && types.contains(&method);
            assert!(methods.contains(&method) || is_type, "{endpoint}: {method}");
        }
        for algorithm in list("signing_alg_values") {
            assert!(algorithms.contains(&algorithm), "{algorithm}");
        }
    }
}

#[tokio::test]
async fn jwk_05_every_member_of_a_published_key_is_registered_as_public() {
    let Some(registry) = vectors("iana/jose-key-parameters.json") else { return };
    let records = registry["records"].as_array().unwrap();
    let server = TestServer::start().await;
    let keys = get(&server, JWKS).await.json();
    for key in keys["keys"].as_array().unwrap() {
        let kty = key["kty"].as_str().unwrap();
        for member in key.as_object().unwrap().keys() {
            let found = records.iter().find(|record| {
                let usage = record["usage"].as_str().unwrap_or_default();
                record["value"] == member.as_str()
                    && (usage == "*" || usage.split(", ").any(|one| one == kty))
                    || record["name"] == member.as_str() && (usage == "*" || usage == kty)
            });
            let found = found.unwrap_or_else(|| panic!("{kty}: {member} is not registered"));
            assert_eq!(found["class"], "Public", "{member}");
        }
    }
}

/// Checks a value against the part of JSON Schema that the metadata need. Another keyword fails the test: it would go unseen.
fn check_schema(name: &str, value: &Value, schema: &Value) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$comment" => {}
            "format" => {
                assert_eq!(rule, "uri", "{name}");
                let text = value.as_str().expect("a URI is a text");
                let (scheme, rest) = text.split_once("://").unwrap_or_else(|| panic!("{name}: {text}"));
                assert!(
                    scheme == "https" && !rest.is_empty() && !rest.contains(['#', '?', ' ']),
                    "{name}: {text}"
                );
            }
            "items" => {
                value.as_array().expect("a list").iter().for_each(|item| check_schema(name, item, rule))
            }
            "type" => {
                let is = match rule.as_str().expect("one type") {
                    "array" => value.is_array(),
                    "boolean" => value.is_boolean(),
                    "string" => value.is_string(),
                    other => panic!("{name}: the schema wants {other}"),
                };
                assert!(is, "{name} is no {rule}");
            }
            other => panic!("{name}: the schema has {other}, which this test does not know"),
        }
    }
}

#[tokio::test]
async fn asm_03_the_metadata_fit_the_schema_of_the_conformance_suite() {
    // Left out: what the schema says of members that need an authorization endpoint; none of them is there.
    let Some(schema) = vectors("oidf-conformance-schemas/oauth_authorization_server_metadata.schema.json")
    else {
        return;
    };
    let server = TestServer::start().await;
    for realm in [None, Some("acme")] {
        let document = metadata(&server, realm).await;
        assert_eq!(schema["additionalProperties"], false);
        for (member, value) in document.as_object().unwrap() {
            let rule = schema["properties"].get(member).unwrap_or_else(|| panic!("{member} is unknown"));
            check_schema(member, value, rule);
        }
    }
}
