//! The registered error codes (RFC 6749 §5.2, RFC 6750 §3.1, RFC 8707 §2).

/// A registered value of the member `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
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
    /// We cannot answer now (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable,
    /// The client may not use this grant type (RFC 6749 §5.2).
    UnauthorizedClient,
    /// The grant type is not offered (RFC 6749 §5.2).
    UnsupportedGrantType,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 11] = [
        Self::InsufficientScope,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::InvalidToken,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
    ];

    /// Its spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}
