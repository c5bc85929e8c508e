//! What administrators do one thing at a time: look, change, disable, delete, revoke, explain.
//!
//! The endpoints' use cases act for a client; these act for whoever runs the server. Whole sets of records are set by
//! [`crate::apply`].

pub mod examination;
pub mod explain;
pub mod factors;
pub mod keys;
pub mod records;
pub mod removal;
pub mod revoke;
pub mod users;

use std::fmt;
use std::sync::Arc;

use lydian_domain::RealmName;
use lydian_primitives::Timestamp;
use lydian_storage::{ApplyError, Conflict, Unavailable};

use crate::Service;
use crate::directory::RealmState;
use crate::error::ServiceError;

/// Why an administrator's request was not carried out. Nothing was changed then, unless the store's answer was lost.
#[derive(Debug)]
pub enum AdministrationError {
    /// It cannot be done as things stand; the text says why and what to do.
    Conflict(String),
    /// It makes no sense.
    Invalid(String),
    /// There is no such thing.
    NotFound(String),
    /// The store cannot be used now.
    Unavailable(Unavailable),
}

impl fmt::Display for AdministrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(text) | Self::Invalid(text) | Self::NotFound(text) => f.write_str(text),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for AdministrationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(unavailable) => unavailable.source(),
            Self::Conflict(_) | Self::Invalid(_) | Self::NotFound(_) => None,
        }
    }
}

impl From<Unavailable> for AdministrationError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<ApplyError> for AdministrationError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Unavailable(unavailable) => Self::Unavailable(unavailable),
            ApplyError::Conflict(Conflict::RecordChanged | Conflict::SettingChanged) => Self::Conflict(
                "somebody else changed it at the same time: look at it and try again".to_owned(),
            ),
            ApplyError::Conflict(conflict) => Self::Conflict(conflict.to_string()),
        }
    }
}

impl From<ServiceError> for AdministrationError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Refused(refusal) => Self::Invalid(refusal.description().to_owned()),
            ServiceError::TooManyRequests(_) => Self::Conflict(error.to_string()),
            ServiceError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

/// An instant for people, in the one form that sorts (RFC 3339).
pub(crate) fn instant(at: Timestamp) -> String {
    /// 9999-12-31T23:59:59Z, the last instant that the form can say.
    const LAST: u64 = 253_402_300_799;
    let seconds = at.as_unix_seconds().min(LAST);
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
        .to_string()
}

impl Service {
    /// The named realm, or all of them.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::NotFound`].
    pub(crate) fn realms_for_administrator(
        &self,
        name: Option<&RealmName>,
    ) -> Result<Vec<Arc<RealmState>>, AdministrationError> {
        Ok(match name {
            Some(_) => vec![self.realm_for_administrator(name)?],
            None => self.directory().realms().into_iter().cloned().collect(),
        })
    }

    /// The realm of this name, enabled or not; the default realm when none is named.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::NotFound`].
    pub(crate) fn realm_for_administrator(
        &self,
        name: Option<&RealmName>,
    ) -> Result<Arc<RealmState>, AdministrationError> {
        let name = name.map_or(RealmName::DEFAULT, RealmName::as_str);
        let directory = self.directory();
        let state = directory.find_any(name).cloned();
        state.ok_or_else(|| AdministrationError::NotFound(format!("there is no realm {name}")))
    }
}
