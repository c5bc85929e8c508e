//! `doctor`: looks at everything that can be looked at, and says what to do.

use lydian_service::administration::examination::Finding;
use serde::{Deserialize, Serialize};

use crate::{AdminApi, Operation, OperationError};

/// Looks at the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doctor {
    /// Whether to believe a wall clock that has jumped ahead.
    pub accept_clock: bool,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Findings {
    /// In the order in which they were looked at.
    pub findings: Vec<Finding>,
    /// The forgetting mark before and after the clock was accepted, in seconds since 1970.
    pub clock_accepted: Option<(u64, u64)>,
}

impl Operation for Doctor {
    const NAME: &'static str = "doctor";
    type Outcome = Findings;

    async fn perform(self, api: &AdminApi) -> Result<Findings, OperationError> {
        let clock_accepted = match self.accept_clock {
            true => {
                let (before, after) = api.service().accept_clock().await?;
                Some((before.as_unix_seconds(), after.as_unix_seconds()))
            }
            false => None,
        };
        let mut findings = api.host().examine();
        findings.extend(api.service().examine().await);
        Ok(Findings { findings, clock_accepted })
    }
}
