//! `revoke`: kills a token, or everything of a grant, client, key or realm.

use std::time::Duration;

use lydian_domain::RealmName;
use lydian_service::administration::revoke::{Revocable, Revoked};
use serde::{Deserialize, Serialize};

use crate::{AdminApi, Operation, OperationError};

/// Kills a token, or everything that was minted so far for a grant, client, key or realm.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The realm; a token is looked for in every realm without it, anything else in the default realm.
    pub realm: Option<RealmName>,
    /// What dies.
    pub subject: Subject,
    /// For how many seconds to wait until validators know it too.
    #[serde(default)]
    pub wait_seconds: Option<u64>,
}

/// What dies.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Everything minted for the client of this `client_id`.
    Client(String),
    /// The family of this grant, by its number.
    Grant(u64),
    /// Everything signed with the key of this `kid`.
    Key(String),
    /// Everything minted in the realm.
    Realm,
    /// The token with this string.
    Token(String),
}

/// What was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeOutcome {
    /// The realm in which it was found.
    pub realm: String,
    /// What was killed, for people: `client default/app`.
    pub revoked: String,
    /// Whether it was dead before.
    pub was_dead: bool,
    /// The position in the log: whatever was minted before it is dead.
    pub position: u64,
    /// Which validators know it, if they were waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<Validators>,
}

/// Which validators know a revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// How many hold a lease.
    pub connected: u64,
    /// How many of them know it.
    pub applied: u64,
    /// Whether nobody can accept any more what was killed: the leases of the others have ended too.
    pub complete: bool,
}

impl Operation for Revoke {
    const NAME: &'static str = "revoke";
    type Outcome = RevokeOutcome;

    async fn perform(self, api: &AdminApi) -> Result<RevokeOutcome, OperationError> {
        let subject = match &self.subject {
            Subject::Client(client_id) => Revocable::Client(client_id),
            Subject::Grant(number) => Revocable::Grant(*number),
            Subject::Key(kid) => Revocable::Key(kid),
            Subject::Realm => Revocable::Realm,
            Subject::Token(token) => Revocable::Token(token),
        };
        let Revoked { realm, what, was_dead, position } =
            api.service().revoke_as_administrator(self.realm.as_ref(), subject).await?;
        let validators = match self.wait_seconds {
            None => None,
            Some(seconds) => {
                let node = api.service().node();
                let longest = Duration::from_secs(seconds);
                let told = node.feed().propagated(position, longest, || node.clock().boot_now()).await;
                Some(Validators {
                    connected: told.connected,
                    applied: told.applied,
                    complete: told.is_complete(),
                })
            }
        };
        let position = position.as_number();
        Ok(RevokeOutcome { realm: realm.to_string(), revoked: what, was_dead, position, validators })
    }
}
