//! Second factors, as administrators see and end them: for a person who lost its telephone.

use lydian_domain::Factor;
use lydian_storage::Write;
use serde::{Deserialize, Serialize};

use super::records::RecordName;
use super::{AdministrationError, instant};
use crate::Service;
use crate::factors::proving::factor_name;

/// A second factor of a user. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFactor {
    /// What names it.
    pub id: String,
    /// `authenticator` or `passkey`.
    pub kind: String,
    /// The name that the person gave it.
    pub name: String,
    /// When it was added.
    pub added_at: String,
    /// When it was last accepted.
    pub last_used_at: Option<String>,
}

/// The second factors of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFactors {
    /// Authenticator apps and passkeys.
    pub factors: Vec<ListedFactor>,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
}

impl ListedFactor {
    fn of(factor: &Factor) -> Self {
        Self {
            id: factor_name(factor),
            kind: factor.word().to_owned(),
            name: factor.name.clone(),
            added_at: instant(factor.created_at),
            last_used_at: factor.last_used_at.map(instant),
        }
    }
}

impl Service {
    /// The second factors of a user.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn list_factors(&self, name: &RecordName) -> Result<ListedFactors, AdministrationError> {
        let (_, user) = self.find_user_for_administrator(name).await?;
        let held = self.factors_of(&user).await?;
        Ok(ListedFactors {
            factors: held.factors.iter().map(ListedFactor::of).collect(),
            recovery_codes: held.recovery_codes,
        })
    }

    /// Removes one second factor of a user. Everything that was granted so far is dead, and every browser is signed out. With the last
    /// factor the recovery codes go. Returns what is left.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn remove_factor(
        &self,
        name: &RecordName,
        id: &str,
    ) -> Result<ListedFactors, AdministrationError> {
        let (state, user) = self.find_user_for_administrator(name).await?;
        let moment = self.moment()?;
        if self.remove_factor_of(&user, id, &moment).await?.is_none() {
            let (realm, username) = (&state.realm.name, &user.username);
            return Err(AdministrationError::NotFound(format!(
                "the user {realm}/{username} has no second factor {id}"
            )));
        }
        self.list_factors(name).await
    }

    /// Removes all second factors and recovery codes of a user, who signs in by password alone after that, or adds a new factor where one
    /// is demanded. Everything that was granted so far is dead, and every browser is signed out. Returns what was removed.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn reset_factors(&self, name: &RecordName) -> Result<ListedFactors, AdministrationError> {
        let removed = self.list_factors(name).await?;
        let (_, user) = self.find_user_for_administrator(name).await?;
        self.change_factors(&user, Write::DeleteFactorsOf(user.id), &self.moment()?).await?;
        Ok(removed)
    }
}
