//! The token endpoint over real HTTP (RFC 6749 §3.2, §4.4): who may ask, for what, and what is issued.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod assertions;
mod audiences;
mod clients;
mod cross_origin;
mod disabled;
mod grants;
mod issued;
mod jwts;
mod realms;
mod requests;
mod resources;
mod scopes;
mod single_use;
mod store_failure;

use lydian_test_kit::Request;
use lydian_test_kit::fixtures::Credentials;

/// Where tokens are issued.
pub(crate) const PATH: &str = "/oauth2/token";

/// The one challenge of this endpoint.
pub(crate) const BASIC: &str = "Basic realm=\"lydian\", charset=\"UTF-8\"";

/// A request for a client's own token, still without credentials.
pub(crate) fn unauthenticated() -> Request {
    Request::post(PATH).parameter("grant_type", "client_credentials")
}

/// The same with name and secret in the form.
pub(crate) fn by_post(client: Credentials) -> Request {
    unauthenticated()
        .parameter("client_id", client.client_id)
        .parameter("client_secret", client.client_secret)
}
