//! What a realm publishes over real HTTP: its metadata (RFC 8414, OpenID Connect Discovery) and its keys (RFC 7517).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod caching;
mod crawl;
mod documents;
mod headers;
mod keys;
mod paths;
mod registries;

use lydian_test_kit::{Reply, Request, TestServer};
use serde_json::Value;

/// The metadata of the default realm.
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";

/// The keys of the default realm.
pub(crate) const JWKS: &str = "/oauth2/jwks";

/// The answer to GET.
pub(crate) async fn get(server: &TestServer, path: &str) -> Reply {
    server.send(Request::of("GET", path)).await
}

/// The metadata of a realm; `None` for the default realm.
pub(crate) async fn metadata(server: &TestServer, realm: Option<&str>) -> Value {
    let path = realm.map_or(METADATA.to_owned(), |realm| format!("{METADATA}/t/{realm}"));
    let reply = get(server, &path).await;
    assert_eq!(reply.status, 200, "{path}");
    reply.json()
}
