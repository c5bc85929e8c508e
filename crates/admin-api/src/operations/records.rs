//! Realms, APIs and clients, one at a time.

use lydian_domain::RealmName;
use lydian_service::administration::records::{Kind, ListedRecord, RecordName, ShownRecord};
use lydian_service::administration::removal::Deleted;
use lydian_service::apply::Document;
use serde::{Deserialize, Serialize};

use super::apply::{Applied, MadeSecret};
use crate::{AdminApi, Operation, OperationError};

/// Makes one record, which must not be there yet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// A document with this one record.
    pub document: Document,
}

/// Deletes a record, whole; its name is never given again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Which one.
    pub record: RecordName,
}

/// Lists the records of a kind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// What kind.
    pub kind: Kind,
    /// Of which realm; of all when absent.
    pub realm: Option<RealmName>,
}

/// What there is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    /// In order of realms and names.
    pub records: Vec<ListedRecord>,
}

/// Makes a new secret for a client, or for the client that holds an API's credentials.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// Which client or API.
    pub record: RecordName,
    /// Whether the secret before it ends at once.
    pub replace: bool,
}

/// The secret that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rotated {
    /// Whose it is, and the secret: shown once, here.
    #[serde(flatten)]
    pub made: MadeSecret,
    /// How many secrets are good now, this one included.
    pub good: usize,
}

/// Enables or disables a record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetEnabled {
    /// Which one.
    pub record: RecordName,
    /// Whether it is to be enabled.
    pub enabled: bool,
}

/// Shows a record, whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Which one.
    pub record: RecordName,
}

impl Operation for Add {
    const NAME: &'static str = "records.add";
    type Outcome = Applied;

    async fn perform(self, api: &AdminApi) -> Result<Applied, OperationError> {
        Ok(Applied::of(&api.service().add_record(&self.document).await?, false))
    }
}

impl Operation for Delete {
    const NAME: &'static str = "records.delete";
    type Outcome = Deleted;

    async fn perform(self, api: &AdminApi) -> Result<Deleted, OperationError> {
        Ok(api.service().delete_record(&self.record).await?)
    }
}

impl Operation for List {
    const NAME: &'static str = "records.list";
    type Outcome = Listed;

    async fn perform(self, api: &AdminApi) -> Result<Listed, OperationError> {
        Ok(Listed { records: api.service().list_records(self.kind, self.realm.as_ref()).await? })
    }
}

impl Operation for RotateSecret {
    const NAME: &'static str = "records.rotate_secret";
    type Outcome = Rotated;

    async fn perform(self, api: &AdminApi) -> Result<Rotated, OperationError> {
        let rotated = api.service().rotate_secret(&self.record, self.replace).await?;
        let made = MadeSecret {
            realm: rotated.realm.to_string(),
            client_id: rotated.client_id,
            client_secret: rotated.secret.expose().to_owned(),
        };
        Ok(Rotated { made, good: rotated.good })
    }
}

impl Operation for SetEnabled {
    const NAME: &'static str = "records.set_enabled";
    type Outcome = Applied;

    async fn perform(self, api: &AdminApi) -> Result<Applied, OperationError> {
        Ok(Applied::of(&api.service().set_enabled(&self.record, self.enabled).await?, false))
    }
}

impl Operation for Show {
    const NAME: &'static str = "records.show";
    type Outcome = ShownRecord;

    async fn perform(self, api: &AdminApi) -> Result<ShownRecord, OperationError> {
        Ok(api.service().show_record(&self.record).await?)
    }
}
