//! The table of operations, and how one is found by its name.

pub mod apply;
pub mod backup;
pub mod doctor;
pub mod explain;
pub mod keys;
pub mod mail;
pub mod records;
pub mod revoke;
pub mod users;

use crate::{AdminApi, Operation, OperationError};

macro_rules! operations {
    ($($operation:ty),+ $(,)?) => {
        /// The names of all operations, in alphabetical order.
        pub const NAMES: &[&str] = &[$(<$operation as Operation>::NAME),+];

        impl AdminApi {
            /// Performs the operation of this name with parameters in JSON; its outcome in JSON.
            ///
            /// # Errors
            ///
            /// [`OperationError`] by cause.
            pub async fn answer(&self, name: &str, parameters: &[u8]) -> Result<Vec<u8>, OperationError> {
                match name {
                    $(<$operation as Operation>::NAME => self.answer_with::<$operation>(parameters).await,)+
                    _ => Err(OperationError::not_found("there is no operation of this name")),
                }
            }
        }
    };
}

operations! {
    apply::Apply,
    backup::Snapshot,
    doctor::Doctor,
    explain::Explain,
    keys::ListKeys,
    keys::RetireKey,
    keys::RotateKeys,
    keys::ShowStranded,
    mail::TestMail,
    records::Add,
    records::Delete,
    records::List,
    records::RotateSecret,
    records::SetEnabled,
    records::Show,
    revoke::Revoke,
    users::ListFactors,
    users::MakeResetLink,
    users::RemoveFactor,
    users::ResetFactors,
    users::SetPassword,
}

impl AdminApi {
    async fn answer_with<O: Operation>(&self, parameters: &[u8]) -> Result<Vec<u8>, OperationError> {
        let operation: O = serde_json::from_slice(parameters).map_err(|error| {
            // Its text names members and never values: parameters may be secret.
            tracing::debug!(
                operation = O::NAME,
                line = error.line(),
                column = error.column(),
                "parameters refused"
            );
            OperationError::invalid("the parameters are not what this operation takes")
        })?;
        let outcome = operation.perform(self).await?;
        Ok(serde_json::to_vec(&outcome).expect("outcomes are made of strings, numbers and lists"))
    }
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    #[test]
    fn names_are_in_order_and_differ() {
        assert!(NAMES.windows(2).all(|pair| pair[0] < pair[1]), "{NAMES:?}");
    }
}
