//! A hint changes nothing (RFC 7662 §2.1).

use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP, BARE_API, JWT_API};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::server::introspection;

use crate::alike::whole;

#[tokio::test]
async fn int_12_w18_w19_w20_every_hint_gives_the_same_answer() {
    let server = TestServer::start().await;
    let mut tokens = vec!["unknown".to_owned()];
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        tokens.extend([granted.access_token, granted.refresh_token]);
    }
    for token in &tokens {
        let without = whole(&server.introspect(APP, token).await);
        assert_eq!(without.2.contains("true"), token != "unknown");
        for hint in
            ["access_token", "refresh_token", "bearer", "jwt", "foo", "Access_Token", " ", "\u{1f600}"]
        {
            let reply = server.send(introspection(APP, token).parameter("token_type_hint", hint)).await;
            assert_eq!(whole(&reply), without, "{hint}");
        }
    }
}
