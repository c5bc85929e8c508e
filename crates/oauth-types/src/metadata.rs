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
    pub authorization_endpoint: String,
    /// RFC 8628 §4.
    pub device_authorization_endpoint: String,
    /// RFC 9126 §5.
    pub pushed_authorization_request_endpoint: String,
    /// RFC 9126 §5: each client says it for itself.
    pub require_pushed_authorization_requests: bool,
    /// RFC 8414 §2.
    pub token_endpoint: String,
    /// OpenID Connect Discovery §3.
    pub userinfo_endpoint: String,
    /// OpenID Connect RP-Initiated Logout §2.1.
    pub end_session_endpoint: String,
    /// RFC 8414 §2.
    pub jwks_uri: String,
    /// RFC 8414 §2.
    pub introspection_endpoint: String,
    /// RFC 8414 §2.
    pub revocation_endpoint: String,
    /// RFC 8414 §2: `code` and no other (RFC 9700 §2.1.2).
    pub response_types_supported: Vec<String>,
    /// RFC 8414 §2; given always, because its default names `fragment`.
    pub response_modes_supported: Vec<String>,
    /// RFC 8414 §2, RFC 7636 §6.2.
    pub code_challenge_methods_supported: Vec<String>,
    /// RFC 9207 §3.
    pub authorization_response_iss_parameter_supported: bool,
    /// OpenID Connect Discovery §3.
    pub subject_types_supported: Vec<String>,
    /// OpenID Connect Discovery §3.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// OpenID Connect Discovery §3.
    pub claims_supported: Vec<String>,
    /// OpenID Connect Discovery §3.
    pub acr_values_supported: Vec<String>,
    /// OpenID Connect Discovery §3.
    pub ui_locales_supported: Vec<String>,
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

/// Where validators learn of revocations, and for how long they may trust what they know: a document of its own, because the members of
/// [`ServerMetadata`] are registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedMetadata {
    /// The issuer identifier.
    pub issuer: String,
    /// Everything that can still matter, to begin with.
    pub snapshot_endpoint: String,
    /// What happens, as it happens.
    pub stream_endpoint: String,
    /// For how long what was applied may be trusted.
    pub lease_endpoint: String,
    /// Which validators have applied what.
    pub propagation_endpoint: String,
    /// How long a lease runs, in milliseconds.
    pub lease_ms: u64,
    /// How far clocks may drift apart meanwhile, in milliseconds: the bound is the sum of both.
    pub margin_ms: u64,
    /// For how long facts about a token may be kept with the feed, in seconds: what was revoked longer ago is not told any more.
    pub horizon_seconds: u64,
}
