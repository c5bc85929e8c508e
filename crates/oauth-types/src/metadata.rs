//! The metadata document (RFC 8414 §2, OpenID Connect Discovery §3).

use serde::Serialize;

/// What the authorization server says of itself. Absent members are left out, empty lists too (RFC 8414 §3.2).
///
/// One value makes both well-known documents, so that they cannot differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerMetadata {
    /// RFC 8414 §2.
    pub issuer: String,
    /// RFC 8414 §2.
    pub token_endpoint: String,
    /// RFC 8414 §2.
    pub jwks_uri: String,
    /// RFC 8414 §2.
    pub introspection_endpoint: String,
    /// RFC 8414 §2.
    pub revocation_endpoint: String,
    /// RFC 8414 §2. Required there, and empty while there is no authorization endpoint.
    pub response_types_supported: Vec<String>,
    /// RFC 8414 §2; given always, because its default names the implicit grant.
    pub grant_types_supported: Vec<String>,
    /// RFC 8414 §2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// RFC 8414 §2.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 8414 §2.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// RFC 8414 §2.
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 8414 §2.
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// RFC 8414 §2.
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 8414 §2.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// OpenID Connect Discovery §3; its default is `true`, so it is said.
    pub request_uri_parameter_supported: bool,
    /// OpenID Connect Discovery §3.
    pub request_parameter_supported: bool,
    /// OpenID Connect Discovery §3.
    pub claims_parameter_supported: bool,
}
