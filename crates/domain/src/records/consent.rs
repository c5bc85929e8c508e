//! Consent: what a person agreed to, remembered until it is taken back.

use lydian_oauth_types::ScopeSet;
use lydian_primitives::Timestamp;

use super::api::ApiId;
use super::client::ClientId;
use super::realm::RealmId;
use super::user::UserId;

/// What a person agreed that a client may do at one API, or with the person's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// Who agreed.
    pub user: UserId,
    /// To whom it was given.
    pub client: ClientId,
    /// For which API; `None` stands for the issuer: identity scopes alone.
    pub api: Option<ApiId>,
    /// What was agreed to.
    pub scope: ScopeSet,
    /// When it was last given.
    pub given_at: Timestamp,
}
