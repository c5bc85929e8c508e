//! Answers that must not differ in a single byte.

use lydian_test_kit::fixtures::Credentials;
use lydian_test_kit::{Reply, TestServer};

/// All that a client can see of an answer, apart from the date.
pub(crate) fn whole(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let headers = reply.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (reply.status, headers, reply.text())
}

/// Asserts that each of these tokens is answered like a string that is no token at all (RFC 7662 §2.2).
pub(crate) async fn check_inactive(server: &TestServer, caller: Credentials, tokens: &[(&str, String)]) {
    let unknown = server.introspect(caller, "no-token-at-all").await;
    unknown.inactive();
    for (name, token) in tokens {
        let reply = server.introspect(caller, token).await;
        assert_eq!(whole(&reply), whole(&unknown), "{name}");
    }
}

/// Asserts that each of these tokens is active for this caller.
pub(crate) async fn check_active(server: &TestServer, caller: Credentials, tokens: &[(&str, String)]) {
    for (name, token) in tokens {
        let reply = server.introspect(caller, token).await;
        assert!(reply.text().starts_with("{\"active\":true"), "{name}: {}", reply.text());
    }
}
