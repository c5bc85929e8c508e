//! Why an operation was not performed, in fixed words.

use std::fmt;

use lydian_service::ServiceError;
use lydian_service::administration::AdministrationError;
use lydian_service::apply::ApplyDocumentError;
use serde::{Deserialize, Serialize};

/// Why an operation was not performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationError {
    /// The kind, for programs.
    pub error: ErrorKind,
    /// What is wrong and what to do, for people.
    pub error_description: String,
}

/// The kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// What was asked cannot be done as things stand.
    Conflict,
    /// The parameters make no sense.
    InvalidRequest,
    /// There is no such thing.
    NotFound,
    /// It cannot be done now; whether it was done may be unknown.
    TemporarilyUnavailable,
}

impl ErrorKind {
    /// The HTTP status that says it.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TemporarilyUnavailable => 503,
        }
    }
}

impl OperationError {
    /// An error of this kind.
    pub fn new(error: ErrorKind, description: impl Into<String>) -> Self {
        Self { error, error_description: description.into() }
    }

    /// The parameters make no sense.
    pub fn invalid(description: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, description)
    }

    /// There is no such thing.
    pub fn not_found(description: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, description)
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error_description)
    }
}

impl std::error::Error for OperationError {}

impl From<AdministrationError> for OperationError {
    fn from(error: AdministrationError) -> Self {
        let kind = match &error {
            AdministrationError::Conflict(_) => ErrorKind::Conflict,
            AdministrationError::Invalid(_) => ErrorKind::InvalidRequest,
            AdministrationError::NotFound(_) => ErrorKind::NotFound,
            AdministrationError::Unavailable(_) => ErrorKind::TemporarilyUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ServiceError> for OperationError {
    fn from(error: ServiceError) -> Self {
        let kind = match &error {
            ServiceError::Refused(_) => ErrorKind::InvalidRequest,
            ServiceError::TooManyRequests(_) | ServiceError::Unavailable(_) => {
                ErrorKind::TemporarilyUnavailable
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ApplyDocumentError> for OperationError {
    fn from(error: ApplyDocumentError) -> Self {
        let kind = match &error {
            ApplyDocumentError::Invalid(_) => ErrorKind::InvalidRequest,
            ApplyDocumentError::Unavailable(_) => ErrorKind::TemporarilyUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}
