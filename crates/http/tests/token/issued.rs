//! Tokens as they are issued: fresh, different, alive for as long as is said (RFC 6749 §5.1, §10.10).

use std::collections::HashSet;
use std::sync::Arc;

use lydian_domain::token_string;
use lydian_primitives::Clock;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, BARE_API, JWT_API};
use lydian_test_kit::{Request, TestServer, forge};
use tokio::task::JoinSet;

#[tokio::test]
async fn d29_two_requests_give_two_tokens_and_both_stay_good() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let first = server.issue(APP, audience).await;
        let second = server.issue(APP, audience).await;
        assert_ne!(first, second, "{audience}");
        for token in [&first, &second] {
            server.introspect(APP, token).await.active();
        }
    }
}

/// The id of a token, as it is told outside of the server.
fn jti(token: &str) -> String {
    match token_string::parse_opaque("lya", token) {
        Some(parts) => token_string::format_jti(parts.handle),
        None => forge::claims_of(token)["jti"].as_str().expect("a JWT has an id").to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gen_16_ten_thousand_tokens_and_their_ids_are_all_different() {
    const TASKS: usize = 20;
    const EACH: usize = 500;
    let server = Arc::new(TestServer::start().await);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let server = Arc::clone(&server);
        let audience = [API, JWT_API, BARE_API, API][task % 4];
        tasks.spawn(async move {
            let mut tokens = Vec::with_capacity(EACH);
            for _ in 0..EACH {
                tokens.push(server.issue(APP, audience).await);
            }
            tokens
        });
    }
    let tokens: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    let ids: HashSet<String> = tokens.iter().map(|token| jti(token)).collect();
    let tokens: HashSet<String> = tokens.into_iter().collect();
    assert_eq!((tokens.len(), ids.len()), (TASKS * EACH, TASKS * EACH));
}

#[tokio::test]
async fn gen_16_an_opaque_token_has_256_random_bits_and_only_its_digest_is_stored() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    // Prefix, generation, 16 bytes of handle and 32 random bytes in base64url, checksum.
    assert_eq!(token.len(), "lya_".len() + 1 + 64 + 6);
    server.introspect(APP, &token).await.active();
    let random = token[26..].to_owned();
    let directory = server.directory().to_owned();
    let mut read = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(&token) && !holds(&random) && !holds(APP.client_secret));
        read += bytes.len();
    }
    assert!(read > 10_000, "the store was looked at");
}

#[tokio::test]
async fn bea_09_by_default_tokens_live_an_hour_at_most_and_always_have_an_audience() {
    let server = TestServer::start().await;
    for (request, lifetime) in [
        (TestServer::token_request(APP).parameter("resource", API), 3_600),
        (TestServer::token_request(APP).parameter("resource", JWT_API), 900),
        (TestServer::token_request(APP).parameter("resource", BARE_API), 900),
        (TestServer::token_request(API_CLIENT), 3_600),
    ] {
        let reply = server.send(request).await;
        let answer = reply.json();
        assert_eq!(answer["expires_in"], lifetime);
        let caller =
            if reply.json()["scope"].as_str().unwrap().contains("introspect") { API_CLIENT } else { APP };
        let members = server.introspect(caller, answer["access_token"].as_str().unwrap()).await.active();
        let (iat, exp) = (members["iat"].as_u64().unwrap(), members["exp"].as_u64().unwrap());
        assert_eq!(exp - iat, lifetime);
        assert!(members["aud"].as_str().is_some_and(|audience| !audience.is_empty()));
    }
}

#[tokio::test]
async fn w45_nbf_equals_iat_and_exp_is_the_lifetime_of_realm_api_and_client_later() {
    let server = TestServer::start().await;
    let check = async |expected: u64| {
        let now = server.clock.now().as_unix_seconds();
        let reply = server.send(TestServer::token_request(APP).parameter("resource", API)).await;
        let answer = reply.json();
        assert_eq!(answer["expires_in"], expected);
        let members = server.introspect(APP, answer["access_token"].as_str().unwrap()).await.active();
        let seconds = |name: &str| members[name].as_u64().expect("whole seconds");
        assert_eq!((seconds("iat"), seconds("nbf"), seconds("exp")), (now, now, now + expected));
    };
    check(3_600).await;
    server.apply("[[realm]]\nname = \"default\"\nopaque_access_token_seconds = 100\n").await;
    server.advance_seconds(7);
    check(100).await;
    server.apply(&format!("[[api]]\naudience = {API:?}\naccess_token_seconds = 60\n")).await;
    check(60).await;
    server.apply("[[client]]\nclient_id = \"app\"\naccess_token_seconds = 30\n").await;
    check(30).await;
    server.apply("[[client]]\nclient_id = \"app\"\naccess_token_seconds = 90\n").await;
    check(60).await;
}

#[tokio::test]
async fn w41_a_token_of_a_client_acts_for_the_application_in_each_form() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        let token = server.issue(APP, audience).await;
        let members = server.introspect(APP, &token).await.active();
        assert_eq!(members["aut"], "APPLICATION", "{audience}");
        assert!(members.get("username").is_none(), "{audience}");
    }
}

#[tokio::test]
async fn w39_a_token_is_good_from_the_moment_of_its_answer_until_the_moment_of_its_revocation() {
    let server = TestServer::start().await;
    for audience in [API, JWT_API, BARE_API] {
        for _ in 0..20 {
            let token = server.issue(APP, audience).await;
            server.introspect(APP, &token).await.active();
            assert_eq!(server.revoke(APP, &token).await.status, 200);
            server.introspect(APP, &token).await.inactive();
        }
    }
}

#[tokio::test]
async fn the_prefix_of_tokens_is_the_realms() {
    let server = TestServer::start().await;
    let before = server.issue(APP, API).await;
    server.apply("[[realm]]\nname = \"default\"\naccess_token_prefix = \"acme1\"\n").await;
    let after = server.issued(Request::clone(&TestServer::token_request(APP))).await;
    assert!(after.starts_with("acme1_"), "{}", after.split('_').next().unwrap());
    server.introspect(APP, &after).await.active();
    // The old prefix is no longer ours to read: that is why the guide warns of changing it.
    server.introspect(APP, &before).await.inactive();
}
