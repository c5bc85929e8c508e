//! `backup.snapshot`: a copy of the database as it is at one moment, for a backup.

use serde::{Deserialize, Serialize};

use crate::{AdminApi, ErrorKind, Operation, OperationError, SnapshotFacts};

/// Copies the database into a file in the data directory; whoever asked seals it and removes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {}

impl Operation for Snapshot {
    const NAME: &'static str = "backup.snapshot";
    type Outcome = SnapshotFacts;

    async fn perform(self, api: &AdminApi) -> Result<SnapshotFacts, OperationError> {
        // The counts of issued tokens are in memory until they are written.
        api.service()
            .write_issued_counts()
            .await
            .map_err(|error| OperationError::new(ErrorKind::TemporarilyUnavailable, error.to_string()))?;
        let taken = api.host().snapshot().await;
        taken.map_err(|why| OperationError::new(ErrorKind::TemporarilyUnavailable, why))
    }
}
