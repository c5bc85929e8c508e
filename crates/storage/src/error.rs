//! Why a store did not do what it was asked.

use std::fmt;

use crate::change::Conflict;

/// The store cannot answer now (503, never "inactive" and never a success).
#[derive(Debug)]
pub struct Unavailable {
    doing: &'static str,
    outcome_unknown: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Unavailable {
    /// A failure while `doing` something (`"read an access token"`), with its cause.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { doing, outcome_unknown: false, source: Some(source.into()) }
    }

    /// A failure without a further cause.
    pub fn because(doing: &'static str) -> Self {
        Self { doing, outcome_unknown: false, source: None }
    }

    /// The same failure, where the change may have happened all the same.
    #[must_use]
    pub fn with_outcome_unknown(mut self) -> Self {
        self.outcome_unknown = true;
        self
    }

    /// Whether the change may have happened all the same.
    pub fn outcome_is_unknown(&self) -> bool {
        self.outcome_unknown
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store could not {}", self.doing)
    }
}

impl std::error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum ApplyError {
    /// A precondition did not hold; nothing was written.
    Conflict(Conflict),
    /// The store could not do it now.
    Unavailable(Unavailable),
}

impl From<Unavailable> for ApplyError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Conflict(_) => None,
            Self::Unavailable(unavailable) => unavailable.source(),
        }
    }
}
