//! Declarative administration: a document that says which realms, APIs, clients and users there are, and how they are set.
//!
//! Applying is idempotent: what is as it should be is left alone, what is missing is made, what differs is changed. What the
//! document does not name stays as it is. The plan is made first and can be shown without being carried out.

mod document;
mod entries;
mod plan;
mod users;

use std::fmt;

use lydian_domain::RealmName;
use lydian_primitives::{Mint, Secret};
use lydian_storage::{ApplyError, Change, Conflict, Unavailable};

pub use document::{ApiEntry, ClientEntry, Document, RealmEntry, TokenFormatWord, UserEntry};

use crate::Service;
use plan::Plan;

/// What applying a document did, or would do.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One line for each record that was made or changed, and for each that was as it should be.
    pub lines: Vec<Line>,
    /// The secrets that were made. They are shown here, once, and nowhere else.
    pub secrets: Vec<MadeSecret>,
    /// The passwords that were made. They are shown here, once, and nowhere else.
    pub passwords: Vec<MadePassword>,
}

/// What happened to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happened.
    pub verdict: Verdict,
    /// Which record, for people: `client default/app`.
    pub record: String,
    /// What changed, as `member: old -> new`; never a secret.
    pub differences: Vec<String>,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It differed.
    Changed,
    /// It was missing.
    Made,
    /// It was as it should be.
    Unchanged,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Made => "made",
            Self::Unchanged => "unchanged",
        })
    }
}

/// A client secret that was made.
#[derive(Debug)]
pub struct MadeSecret {
    /// The realm of the client.
    pub realm: RealmName,
    /// The client's name on the wire.
    pub client_id: String,
    /// The secret.
    pub secret: Secret,
}

/// A password that was made.
#[derive(Debug)]
pub struct MadePassword {
    /// The realm of the user.
    pub realm: RealmName,
    /// The name with which the user signs in.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Why a document cannot be applied. All faults are reported together.
#[derive(Debug)]
pub enum ApplyDocumentError {
    /// The document asks for what cannot be.
    Invalid(Vec<String>),
    /// The store cannot be written, or somebody else changed the same records at the same time.
    Unavailable(Unavailable),
}

impl fmt::Display for ApplyDocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(faults) => f.write_str(&faults.join("\n")),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for ApplyDocumentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(unavailable) => unavailable.source(),
            Self::Invalid(_) => None,
        }
    }
}

impl From<Unavailable> for ApplyDocumentError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// Reads a document.
///
/// # Errors
///
/// What is wrong with it, with line and column.
pub fn parse(text: &str) -> Result<Document, ApplyDocumentError> {
    toml::from_str(text).map_err(|error| ApplyDocumentError::Invalid(vec![error.to_string()]))
}

impl Service {
    /// Makes the records of the document as it says, in one change; with `dry_run` only says what would be done.
    ///
    /// # Errors
    ///
    /// [`ApplyDocumentError::Invalid`] with every fault of the document; nothing is changed then.
    pub async fn apply_document(
        &self,
        document: &Document,
        dry_run: bool,
    ) -> Result<Outcome, ApplyDocumentError> {
        // Without the lease memory may be out of date, and to say "unchanged" would be a guess.
        if self.node.ledger().view(self.clock().boot_now()).is_none() {
            return Err(Unavailable::because("compare the document: this node holds no lease").into());
        }
        let now = self.clock().now();
        let mint = Mint::new(now, self.entropy());
        let mut plan = Plan::new(self, &mint);
        for entry in &document.realms {
            plan.realm(entry);
        }
        for entry in &document.apis {
            plan.api(entry);
        }
        for entry in &document.clients {
            plan.client(entry);
        }
        for entry in &document.users {
            plan.user(entry).await?;
        }
        plan.keys();
        if !plan.faults.is_empty() {
            return Err(ApplyDocumentError::Invalid(plan.faults));
        }
        let Plan { preconditions, writes, outcome, .. } = plan;
        if dry_run || writes.is_empty() {
            return Ok(outcome);
        }
        match self.storage.apply(Change { preconditions, writes, at: now }).await {
            Ok(_) => Ok(outcome),
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
            // The names of deleted records are known to the store alone.
            Err(ApplyError::Conflict(
                conflict @ (Conflict::AudienceTaken
                | Conflict::ClientIdTaken
                | Conflict::RealmNameTaken
                | Conflict::UsernameTaken),
            )) => Err(ApplyDocumentError::Invalid(vec![conflict.to_string()])),
            Err(ApplyError::Conflict(conflict)) => Err(Unavailable::new(
                "apply the document: a record was changed at the same time, try again",
                conflict,
            )
            .into()),
        }
    }
}
