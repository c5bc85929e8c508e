//! `explain`: why a token is or is not active.

use lydian_domain::RealmName;
use lydian_service::administration::explain::Explanation;
use serde::{Deserialize, Serialize};

use crate::{AdminApi, Operation, OperationError};

/// Explains a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The realm in which it is looked for; every realm when absent.
    pub realm: Option<RealmName>,
    /// The string of the token.
    pub token: String,
    /// For whom: a `client_id`, or the audience of an API; nobody in particular when absent.
    pub caller: Option<String>,
}

impl Operation for Explain {
    const NAME: &'static str = "explain";
    type Outcome = Explanation;

    async fn perform(self, api: &AdminApi) -> Result<Explanation, OperationError> {
        Ok(api.service().explain(self.realm.as_ref(), &self.token, self.caller.as_deref()).await?)
    }
}
