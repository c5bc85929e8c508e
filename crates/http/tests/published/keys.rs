//! The published keys (RFC 7517 §5, §9.2).

use std::collections::BTreeSet;

use lydian_domain::KeyState;
use lydian_jose::{Algorithm, JwkSet, JwsError, verify_with_set};
use lydian_test_kit::fixtures::{APP, JWT_API};
use lydian_test_kit::{TestServer, forge, seed};
use serde_json::Value;

use crate::{JWKS, get};

/// The members that would give a private or symmetric key away.
const SECRET_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

async fn keys(server: &TestServer, path: &str) -> Vec<Value> {
    let reply = get(server, path).await;
    assert_eq!(reply.status, 200);
    let set = reply.json();
    assert_eq!(set.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
    set["keys"].as_array().unwrap().clone()
}

#[track_caller]
fn check_public(keys: &[Value]) {
    let mut names = BTreeSet::new();
    for key in keys {
        for member in SECRET_MEMBERS {
            assert!(key.get(member).is_none(), "{member} is published");
        }
        assert_eq!(key["use"], "sig");
        let algorithm = Algorithm::from_name(key["alg"].as_str().unwrap()).expect("a known algorithm");
        assert_eq!(key["kty"], algorithm.key_type().name());
        assert!(names.insert(key["kid"].as_str().expect("each key has a name").to_owned()));
    }
}

#[tokio::test]
async fn jwk_05_each_key_has_a_name_a_use_and_an_algorithm_and_nothing_private() {
    let server = TestServer::start().await;
    for algorithm in ["RS256", "EdDSA", "ES384", "ES512"] {
        let audience = format!("https://{}.example.com/", algorithm.to_lowercase());
        let api = format!(
            "[[api]]\naudience = {audience:?}\nscopes = [\"read\"]\ntoken_format = \"jwt\"\nalgorithm = {algorithm:?}\n"
        );
        server.apply(&api).await;
    }
    let published = keys(&server, JWKS).await;
    assert_eq!(published.len(), 5);
    check_public(&published);
    check_public(&keys(&server, "/t/acme/oauth2/jwks").await);
    let reading = JwkSet::parse(&get(&server, JWKS).await.body).unwrap();
    assert!(reading.skipped.is_empty(), "a strict reader takes them all");
}

#[tokio::test]
async fn jwk_05_a_key_is_named_by_its_thumbprint() {
    let server = TestServer::start().await;
    let reading = JwkSet::parse(&get(&server, JWKS).await.body).unwrap();
    for key in reading.keys.keys() {
        assert_eq!(key.kid(), Some(key.thumbprint()));
    }
}

#[tokio::test]
async fn w61_jwk_06_an_old_key_stays_verifiable_until_it_is_retired() {
    let server = TestServer::start().await;
    let token = server.issue(APP, JWT_API).await;
    let old = seed::active_key(&server, Algorithm::Es256).record.kid.clone();
    assert_eq!(forge::header_of(&token)["kid"], old);
    let verified = async || {
        let set = JwkSet::parse(&get(&server, JWKS).await.body).unwrap().keys;
        verify_with_set(&token, &set, &Algorithm::ALL).map(|_| ())
    };

    server.advance_seconds(1);
    let new = seed::add_key(&server, Algorithm::Es256).await;
    let next = server.issue(APP, JWT_API).await;
    assert_eq!(forge::header_of(&next)["kid"], new, "the newest active key signs");
    for state in [KeyState::Active, KeyState::Retiring] {
        seed::set_key_state(&server, &old, state).await;
        assert_eq!(verified().await, Ok(()), "{state:?}");
        server.introspect(APP, &token).await.active();
        assert_eq!(keys(&server, JWKS).await.len(), 2);
    }
    seed::set_key_state(&server, &old, KeyState::Retired).await;
    assert_eq!(verified().await, Err(JwsError::KeyUnknown));
    server.introspect(APP, &token).await.inactive();
    server.introspect(APP, &next).await.active();
    check_public(&keys(&server, JWKS).await);
}

#[tokio::test]
async fn jwk_06_a_key_is_published_before_it_signs() {
    let server = TestServer::start().await;
    let old = seed::active_key(&server, Algorithm::Es256).record.kid.clone();
    server.advance_seconds(1);
    let new = seed::add_key(&server, Algorithm::Es256).await;
    seed::set_key_state(&server, &new, KeyState::Prepublished).await;
    let names: Vec<Value> = keys(&server, JWKS).await.iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(names, [old.as_str(), new.as_str()]);
    assert_eq!(forge::header_of(&server.issue(APP, JWT_API).await)["kid"], old);
}

#[tokio::test]
async fn w2_jwt_04_each_realm_publishes_its_own_keys() {
    let server = TestServer::start().await;
    server.apply("[[realm]]\nname = \"second\"\n").await;
    let mut all = BTreeSet::new();
    let mut count = 0;
    for path in [JWKS, "/t/acme/oauth2/jwks", "/t/second/oauth2/jwks"] {
        let keys = keys(&server, path).await;
        assert!(!keys.is_empty(), "{path}");
        count += keys.len();
        all.extend(keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()));
    }
    assert_eq!(all.len(), count);
}
