//! Closed lists of words: grant types, client authentication methods, token type hints.

use serde::{Deserialize, Serialize};

/// How a token is asked for (RFC 6749 §1.3, `grant_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8628 §3.4.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// RFC 6749 §6.
    RefreshToken,
}

impl GrantType {
    /// The grant types that the token endpoint offers.
    pub const OFFERED: [Self; 4] =
        [Self::AuthorizationCode, Self::ClientCredentials, Self::DeviceCode, Self::RefreshToken];

    /// Its spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The offered grant type of this spelling.
    pub fn offered(text: &str) -> Option<Self> {
        Self::OFFERED.into_iter().find(|grant_type| grant_type.as_str() == text)
    }
}

/// How a client proves who it is (OpenID Connect Core §9, RFC 6749 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMethod {
    /// The secret in the Authorization header.
    ClientSecretBasic,
    /// The secret in the form.
    ClientSecretPost,
    /// A public client: it names itself and proves nothing.
    None,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl ClientAuthMethod {
    /// The methods that prove something and that every endpoint with client authentication offers.
    pub const OFFERED: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// Its spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// What the sender believes a token to be (RFC 7009 §2.1): it changes where the search begins, never its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `access_token`.
    AccessToken,
    /// `refresh_token`.
    RefreshToken,
    /// Anything else, which is ignored.
    Unknown,
}

impl TokenTypeHint {
    /// Reads the parameter `token_type_hint`.
    pub fn parse(text: &str) -> Self {
        match text {
            "access_token" => Self::AccessToken,
            "refresh_token" => Self::RefreshToken,
            _ => Self::Unknown,
        }
    }
}

/// The value of `client_assertion_type` for `private_key_jwt` (RFC 7523 §2.2).
pub const CLIENT_ASSERTION_TYPE_JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The scope that opens the introspection endpoint to a Bearer token.
pub const INTROSPECT_SCOPE: &str = "introspect";

/// The same scope by the name that migrants send.
pub const INTROSPECT_SCOPE_OF_MIGRANTS: &str = "internal_oauth2_introspect";

/// The identity scopes of OpenID Connect (Core §5.4, §11), which belong to the issuer.
pub const IDENTITY_SCOPES: [&str; 6] = ["address", "email", "offline_access", "openid", "phone", "profile"];
