//! Mail, as administrators try it.

use serde::{Deserialize, Serialize};

use crate::{AdminApi, ErrorKind, Operation, OperationError};

/// Sends a letter to an address, to try whether mail goes out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestMail {
    /// The address.
    pub address: String,
}

/// The mail server took it.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailSent {
    /// The address.
    pub address: String,
}

impl Operation for TestMail {
    const NAME: &'static str = "mail.test";
    type Outcome = MailSent;

    async fn perform(self, api: &AdminApi) -> Result<MailSent, OperationError> {
        let letter = api.service().test_letter(self.address.clone());
        api.host()
            .send_test_mail(letter)
            .await
            .map_err(|what| OperationError::new(ErrorKind::TemporarilyUnavailable, what))?;
        Ok(MailSent { address: self.address })
    }
}
