//! Signing keys: look, rotate, retire, and how many tokens an emergency would strand.

use lydian_domain::RealmName;
use lydian_domain::records::realm::SigningAlgorithm;
use lydian_service::administration::keys::{ListedKey, RotatedKey, Stranded};
use serde::{Deserialize, Serialize};

use crate::{AdminApi, Operation, OperationError};

/// Lists signing keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListKeys {
    /// Of which realm; of all when absent.
    pub realm: Option<RealmName>,
}

/// The keys there are.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListedKeys {
    /// In order of realms, algorithms and age.
    pub keys: Vec<ListedKey>,
}

/// Removes a key from the key set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetireKey {
    /// Of which realm; of the default realm when absent.
    pub realm: Option<RealmName>,
    /// Which one.
    pub kid: String,
    /// Whether to remove it although live tokens carry it; they die.
    pub force: bool,
}

/// Has another key sign.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKeys {
    /// Of which realm; of the default realm when absent.
    pub realm: Option<RealmName>,
    /// For which algorithm; for all that the realm signs with when absent.
    pub algorithm: Option<SigningAlgorithm>,
    /// Whether the key that signs has got into wrong hands: it is removed at once, and what it signed dies.
    pub emergency: bool,
}

/// What was rotated.
#[derive(Debug, Serialize, Deserialize)]
pub struct RotatedKeys {
    /// One for each algorithm.
    pub rotated: Vec<RotatedKey>,
}

/// Counts the live tokens that carry a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowStranded {
    /// Of which realm; of the default realm when absent.
    pub realm: Option<RealmName>,
    /// Which key; each that is not retired when absent.
    pub kid: Option<String>,
}

/// What would be lost with keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct StrandedTokens {
    /// One for each key.
    pub keys: Vec<Stranded>,
}

impl Operation for ListKeys {
    const NAME: &'static str = "keys.list";
    type Outcome = ListedKeys;

    async fn perform(self, api: &AdminApi) -> Result<ListedKeys, OperationError> {
        Ok(ListedKeys { keys: api.service().list_keys(self.realm.as_ref()).await? })
    }
}

impl Operation for RetireKey {
    const NAME: &'static str = "keys.retire";
    type Outcome = Stranded;

    async fn perform(self, api: &AdminApi) -> Result<Stranded, OperationError> {
        Ok(api.service().retire_key(self.realm.as_ref(), &self.kid, self.force).await?)
    }
}

impl Operation for RotateKeys {
    const NAME: &'static str = "keys.rotate";
    type Outcome = RotatedKeys;

    async fn perform(self, api: &AdminApi) -> Result<RotatedKeys, OperationError> {
        let algorithm = self.algorithm.map(|algorithm| algorithm.0);
        let rotated = api.service().rotate_keys(self.realm.as_ref(), algorithm, self.emergency).await?;
        Ok(RotatedKeys { rotated })
    }
}

impl Operation for ShowStranded {
    const NAME: &'static str = "keys.stranded";
    type Outcome = StrandedTokens;

    async fn perform(self, api: &AdminApi) -> Result<StrandedTokens, OperationError> {
        Ok(StrandedTokens { keys: api.service().stranded(self.realm.as_ref(), self.kid.as_deref()).await? })
    }
}
