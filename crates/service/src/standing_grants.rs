//! The standing grants of clients for their own tokens: one per client and API.

use std::collections::HashMap;

use lydian_domain::{ApiId, ClientId, Grant, GrantId, RealmId, Rotation};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Mint, Timestamp, limits};
use lydian_revocation::Seq;
use lydian_storage::{ApplyError, Change, Conflict, Precondition, Storage, Unavailable, Write};
use parking_lot::RwLock;

/// The standing grants that this node has seen.
#[derive(Default)]
pub struct StandingGrants {
    known: RwLock<HashMap<(ClientId, Option<ApiId>), GrantId>>,
}

impl StandingGrants {
    /// The standing grant of a client at an API (`None`: at the issuer), made if there is none.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the store cannot be read or written.
    pub async fn find_or_make(
        &self,
        storage: &dyn Storage,
        realm: RealmId,
        client: ClientId,
        api: Option<ApiId>,
        mint: &Mint<'_>,
    ) -> Result<GrantId, Unavailable> {
        if let Some(grant) = self.known.read().get(&(client, api)) {
            return Ok(*grant);
        }
        for _ in 0..limits::CONFLICT_RETRIES_MAX {
            if let Some(grant) = storage.find_standing_grant(client, api).await? {
                self.known.write().insert((client, api), grant);
                return Ok(grant);
            }
            let grant = Grant {
                id: GrantId::from_number(mint.number()),
                realm,
                client,
                user: None,
                session: None,
                api,
                scope: ScopeSet::empty(),
                created_at: mint.now(),
                cut_at: Seq::ZERO,
                refresh_token: None,
                idle_expires_at: mint.now(),
                expires_at: Timestamp::MAX,
                authentication: None,
                claims: None,
                rotation: Rotation::default(),
            };
            let change = Change {
                preconditions: vec![Precondition::NoStandingGrant { client, api }],
                writes: vec![Write::PutGrant(grant)],
                at: mint.now(),
            };
            match storage.apply(change).await {
                // Read it back at the top of the loop: one place says which grant it is.
                Ok(_) | Err(ApplyError::Conflict(Conflict::HasStandingGrant)) => {}
                Err(ApplyError::Conflict(conflict)) => {
                    return Err(Unavailable::new("make a standing grant", conflict));
                }
                Err(ApplyError::Unavailable(unavailable)) => return Err(unavailable),
            }
        }
        Err(Unavailable::because("make a standing grant"))
    }
}
