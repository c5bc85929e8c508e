//! Why a use case gave no answer.

use std::fmt;
use std::time::Duration;

use lydian_domain::Refusal;
use lydian_storage::{ApplyError, Unavailable};

/// Why a use case gave no answer.
#[derive(Debug)]
pub enum ServiceError {
    /// The caller is refused.
    Refused(Refusal),
    /// The caller asks too often; it may come back after this time.
    TooManyRequests(Duration),
    /// We cannot answer now: 503, never "inactive" and never a success.
    Unavailable(Unavailable),
}

impl ServiceError {
    /// This node holds no lease: it does not know what was revoked.
    pub(crate) fn no_lease() -> Self {
        Self::Unavailable(Unavailable::because("vouch for its ledger: this node holds no lease"))
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unavailable> for ServiceError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<ApplyError> for ServiceError {
    /// A conflict that the use case did not expect is not the caller's fault.
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Conflict(conflict) => {
                Self::Unavailable(Unavailable::new("settle a conflict", conflict))
            }
            ApplyError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(refusal.description()),
            Self::TooManyRequests(_) => f.write_str("the caller asks too often"),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(unavailable) => unavailable.source(),
            Self::Refused(_) | Self::TooManyRequests(_) => None,
        }
    }
}
