//! `apply`: realms, APIs, clients and users as a document says.

use lydian_service::apply::{Document, Outcome};
use serde::{Deserialize, Serialize};

use crate::{AdminApi, Operation, OperationError};

/// Makes realms, APIs, clients and users as the document says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The document; secrets that it names by file have been read into it.
    pub document: Document,
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// What applying did, or would do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Applied {
    /// One line for each record.
    pub records: Vec<AppliedRecord>,
    /// The secrets that were made; none for a dry run, whose secrets will never be.
    pub secrets: Vec<MadeSecret>,
    /// The passwords that were made; none for a dry run.
    pub passwords: Vec<MadePassword>,
}

/// What happened to one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRecord {
    /// `made`, `changed` or `unchanged`.
    pub verdict: String,
    /// Which record, for people: `client default/app`.
    pub record: String,
    /// What changed, as `member: old -> new`; never a secret.
    pub differences: Vec<String>,
}

/// A client secret that was made: shown once, here.
#[derive(Serialize, Deserialize)]
pub struct MadeSecret {
    /// The realm of the client.
    pub realm: String,
    /// The client's name on the wire.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
}

impl std::fmt::Debug for MadeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeSecret").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A password that was made: shown once, here.
#[derive(Serialize, Deserialize)]
pub struct MadePassword {
    /// The realm of the user.
    pub realm: String,
    /// The name with which the user signs in.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for MadePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadePassword").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Applied {
    /// What the use case says, as it goes over the wire.
    pub fn of(outcome: &Outcome, dry_run: bool) -> Self {
        let secrets = if dry_run { &[] } else { outcome.secrets.as_slice() };
        let passwords = if dry_run { &[] } else { outcome.passwords.as_slice() };
        Self {
            records: outcome
                .lines
                .iter()
                .map(|line| AppliedRecord {
                    verdict: line.verdict.to_string(),
                    record: line.record.clone(),
                    differences: line.differences.clone(),
                })
                .collect(),
            secrets: secrets
                .iter()
                .map(|made| MadeSecret {
                    realm: made.realm.to_string(),
                    client_id: made.client_id.clone(),
                    client_secret: made.secret.expose().to_owned(),
                })
                .collect(),
            passwords: passwords
                .iter()
                .map(|made| MadePassword {
                    realm: made.realm.to_string(),
                    username: made.username.clone(),
                    password: made.password.expose().to_owned(),
                })
                .collect(),
        }
    }
}

impl Operation for Apply {
    const NAME: &'static str = "apply";
    type Outcome = Applied;

    async fn perform(self, api: &AdminApi) -> Result<Applied, OperationError> {
        let outcome = api.service().apply_document(&self.document, self.dry_run).await?;
        Ok(Applied::of(&outcome, self.dry_run))
    }
}
