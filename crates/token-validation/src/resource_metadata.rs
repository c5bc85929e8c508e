//! What a resource server says of itself (RFC 9728).

use std::fmt;

use lydian_primitives::limits;
use serde::{Deserialize, Serialize};

/// Where the metadata lies, between host and path (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata document. Absent members are left out, empty lists too (RFC 9728 §3.2); unknown ones are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceMetadata {
    /// The resource identifier, the one constant from which the address of this document is made too.
    pub resource: String,
    /// Issuers whose tokens are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<String>,
    /// Keys with which the resource signs its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Scopes that may be asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Where tokens may stand: `header` and nothing else here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    /// Algorithms with which the resource signs its answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_signing_alg_values_supported: Vec<String>,
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Its documentation, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
    /// Its policy, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<String>,
    /// Its terms of service, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_tos_uri: Option<String>,
    /// Whether tokens must be bound to certificates (RFC 8705 §3.3).
    #[serde(default, skip_serializing_if = "is_false")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Types of authorization details (RFC 9396 §10).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types_supported: Vec<String>,
    /// Algorithms of proofs (RFC 9449 §5.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether tokens must be bound to keys (RFC 9449 §5.2).
    #[serde(default, skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens_required: bool,
}

impl ResourceMetadata {
    /// Reads a document that was fetched from the well-known address of `resource`.
    ///
    /// # Errors
    ///
    /// [`MetadataError`]; then nothing of the document may be used (RFC 9728 §3.3).
    pub fn parse(document: &[u8], resource: &str) -> Result<Self, MetadataError> {
        if document.len() > limits::JWKS_BYTES_MAX {
            return Err(MetadataError::TooLong);
        }
        let metadata: Self = serde_json::from_slice(document).map_err(|_| MetadataError::Malformed)?;
        if metadata.resource != resource {
            return Err(MetadataError::ResourceOther);
        }
        metadata.check()?;
        Ok(metadata)
    }

    /// Whether it says nothing that it must not, as received or as we are about to publish it.
    ///
    /// # Errors
    ///
    /// The first member that is wrong.
    pub fn check(&self) -> Result<(), MetadataError> {
        if !is_resource(&self.resource) {
            return Err(MetadataError::ResourceMalformed);
        }
        let is_issuer = |issuer: &String| is_https(issuer) && !issuer.contains(['?', '#']);
        if !self.authorization_servers.iter().all(is_issuer) {
            return Err(MetadataError::AuthorizationServerMalformed);
        }
        if !self.jwks_uri.as_deref().is_none_or(is_https) {
            return Err(MetadataError::KeysNotHttps);
        }
        let algorithms = self.resource_signing_alg_values_supported.iter();
        let mut algorithms = algorithms.chain(&self.dpop_signing_alg_values_supported);
        // A proof is signed by the client alone: a shared secret has no place there, and `none` nowhere.
        if algorithms.any(|name| name.eq_ignore_ascii_case("none"))
            || self.dpop_signing_alg_values_supported.iter().any(|name| name.starts_with("HS"))
        {
            return Err(MetadataError::AlgorithmForbidden);
        }
        Ok(())
    }

    /// The address of the document for a resource: the well-known path between its host and its path (RFC 9728 §3.1).
    ///
    /// `None` for what is no resource identifier.
    pub fn address_for(resource: &str) -> Option<String> {
        if !is_resource(resource) {
            return None;
        }
        let after_scheme = resource.get("https://".len()..)?;
        let end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
        let (authority, rest) = after_scheme.split_at(end);
        // A slash that is the whole path is dropped; a query stays.
        let rest = match rest.strip_prefix('/') {
            Some(path) if path.is_empty() || path.starts_with('?') => path,
            _ => rest,
        };
        Some(format!("https://{authority}{WELL_KNOWN}{rest}"))
    }

    /// The document.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, lists of texts and booleans always serialise")
    }
}

/// An `https` address with a host, of visible ASCII.
fn is_https(address: &str) -> bool {
    let host_follows = |rest: &str| !rest.is_empty() && !rest.starts_with(['/', '?', '#']);
    address.strip_prefix("https://").is_some_and(host_follows)
        && address.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 9728 §1.2: `https`, and no fragment.
fn is_resource(resource: &str) -> bool {
    is_https(resource) && !resource.contains('#')
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Why a metadata document cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// It lists `none`, or a shared secret where a key of the client is meant.
    AlgorithmForbidden,
    /// An authorization server is no issuer identifier (RFC 8414 §2).
    AuthorizationServerMalformed,
    /// `jwks_uri` is no `https` address.
    KeysNotHttps,
    /// It is not JSON of this form, or names a member twice.
    Malformed,
    /// `resource` is no `https` address without a fragment.
    ResourceMalformed,
    /// `resource` is not, byte for byte, the one that was asked for (RFC 9728 §3.3).
    ResourceOther,
    /// It is too long.
    TooLong,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlgorithmForbidden => "resource metadata lists an algorithm that must not be used",
            Self::AuthorizationServerMalformed => {
                "resource metadata lists an authorization server that is no issuer"
            }
            Self::KeysNotHttps => "jwks_uri of the resource metadata is no https address",
            Self::Malformed => "resource metadata is malformed",
            Self::ResourceMalformed => "resource of the metadata is no https address without a fragment",
            Self::ResourceOther => "resource metadata is about another resource",
            Self::TooLong => "resource metadata is too long",
        })
    }
}

impl std::error::Error for MetadataError {}
