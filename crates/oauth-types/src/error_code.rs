//! The registered error codes (RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 8707 §2, OpenID Connect Core §3.1.2.6, RFC 8628 §3.5).

/// A registered value of the member `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The resource owner or the server refused (RFC 6749 §4.1.2.1).
    AccessDenied,
    /// The person has not decided yet (RFC 8628 §3.5).
    AuthorizationPending,
    /// Consent is needed, and nobody may be asked (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// The device code has expired (RFC 8628 §3.5).
    ExpiredToken,
    /// Valid credentials that do not reach far enough (RFC 6750 §3.1).
    InsufficientScope,
    /// Client authentication failed (RFC 6749 §5.2).
    InvalidClient,
    /// A grant is invalid, expired, revoked, or was issued to another client (RFC 6749 §5.2).
    InvalidGrant,
    /// The request is malformed (RFC 6749 §5.2).
    InvalidRequest,
    /// A scope is unknown, malformed, or exceeds what may be granted (RFC 6749 §5.2).
    InvalidScope,
    /// A resource is unknown, malformed, or not open to the client (RFC 8707 §2).
    InvalidTarget,
    /// An access token used as a credential is not valid (RFC 6750 §3.1).
    InvalidToken,
    /// We made a mistake (RFC 6749 §4.1.2.1).
    ServerError,
    /// The device asks too often (RFC 8628 §3.5).
    SlowDown,
    /// We cannot answer now (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable,
    /// A sign-in is needed, and nobody may be asked (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// Request objects are not supported (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// References to requests are not supported (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// The client may not use this grant type (RFC 6749 §5.2).
    UnauthorizedClient,
    /// The person cannot prove who it is as the request insists (OpenID Connect Core Unmet Authentication Requirements 1.0).
    UnmetAuthenticationRequirements,
    /// The grant type is not offered (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// The response type is not offered (RFC 6749 §4.1.2.1).
    UnsupportedResponseType,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 21] = [
        Self::AccessDenied,
        Self::AuthorizationPending,
        Self::ConsentRequired,
        Self::ExpiredToken,
        Self::InsufficientScope,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::InvalidToken,
        Self::LoginRequired,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::ServerError,
        Self::SlowDown,
        Self::TemporarilyUnavailable,
        Self::UnauthorizedClient,
        Self::UnmetAuthenticationRequirements,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
    ];

    /// Its spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::AuthorizationPending => "authorization_pending",
            Self::ConsentRequired => "consent_required",
            Self::ExpiredToken => "expired_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::LoginRequired => "login_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::ServerError => "server_error",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }
}
