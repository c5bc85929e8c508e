//! What is done with users beyond what is done with every record.

use lydian_primitives::Secret;
use lydian_service::administration::factors::ListedFactors;
use lydian_service::administration::records::RecordName;
use serde::{Deserialize, Serialize};

use super::apply::{Applied, AppliedRecord};
use crate::{AdminApi, Operation, OperationError};

/// Lists the second factors of a user.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFactors {
    /// Which user.
    pub record: RecordName,
}

/// Removes one second factor of a user, and ends all that was granted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveFactor {
    /// Which user.
    pub record: RecordName,
    /// Which factor, as the list names it.
    pub factor: String,
}

/// Removes all second factors and recovery codes of a user, and ends all that was granted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetFactors {
    /// Which user.
    pub record: RecordName,
}

/// Sets the password of a user, or makes a random one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// Which user.
    pub record: RecordName,
    /// The new password; a random one is made when it is absent.
    pub password: Option<String>,
}

impl std::fmt::Debug for SetPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetPassword").field("record", &self.record).finish_non_exhaustive()
    }
}

/// What became of a password.
#[derive(Serialize, Deserialize)]
pub struct PasswordSet {
    /// What changed.
    pub records: Vec<AppliedRecord>,
    /// The password, when it was made here: shown once.
    pub password: Option<String>,
}

impl std::fmt::Debug for PasswordSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordSet").field("records", &self.records).finish_non_exhaustive()
    }
}

impl Operation for ListFactors {
    const NAME: &'static str = "users.list_factors";
    type Outcome = ListedFactors;

    async fn perform(self, api: &AdminApi) -> Result<ListedFactors, OperationError> {
        Ok(api.service().list_factors(&self.record).await?)
    }
}

impl Operation for RemoveFactor {
    const NAME: &'static str = "users.remove_factor";
    type Outcome = ListedFactors;

    async fn perform(self, api: &AdminApi) -> Result<ListedFactors, OperationError> {
        Ok(api.service().remove_factor(&self.record, &self.factor).await?)
    }
}

impl Operation for ResetFactors {
    const NAME: &'static str = "users.reset_factors";
    type Outcome = ListedFactors;

    async fn perform(self, api: &AdminApi) -> Result<ListedFactors, OperationError> {
        Ok(api.service().reset_factors(&self.record).await?)
    }
}

impl Operation for SetPassword {
    const NAME: &'static str = "users.set_password";
    type Outcome = PasswordSet;

    async fn perform(self, api: &AdminApi) -> Result<PasswordSet, OperationError> {
        let password = self.password.map(Secret::new);
        let (outcome, made) = api.service().set_password(&self.record, password).await?;
        let password = made.map(|secret| secret.expose().to_owned());
        Ok(PasswordSet { records: Applied::of(&outcome, false).records, password })
    }
}

/// Makes a link with which a user chooses a new password, once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeResetLink {
    /// Which user.
    pub record: RecordName,
}

/// The link.
#[derive(Serialize, Deserialize)]
pub struct ResetLinkMade {
    /// Whose it is.
    pub username: String,
    /// The link: who has it has the account.
    pub link: String,
    /// When it does not work any more, in seconds since 1970.
    pub expires_at: u64,
}

impl std::fmt::Debug for ResetLinkMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResetLinkMade").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Operation for MakeResetLink {
    const NAME: &'static str = "users.make_reset_link";
    type Outcome = ResetLinkMade;

    async fn perform(self, api: &AdminApi) -> Result<ResetLinkMade, OperationError> {
        let made = api.service().make_reset_link(&self.record).await?;
        Ok(ResetLinkMade {
            username: made.username,
            link: made.link.expose().to_owned(),
            expires_at: made.expires_at.as_unix_seconds(),
        })
    }
}
