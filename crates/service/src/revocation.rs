//! Revocation (RFC 7009): find the token, decide what dies, commit, and acknowledge only then.

use std::sync::Arc;

use lydian_domain::authenticate::AuthenticatedClient;
use lydian_domain::introspect::Inspected;
use lydian_domain::revoke::{self, Revocation};
use lydian_oauth_types::TokenTypeHint;
use lydian_revocation::{CutKind, Seq};
use lydian_storage::{Change, Write};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::introspection::Found;
use crate::{Moment, Service};

impl Service {
    /// Revokes a token of this client. Unknown and dead tokens are a success (RFC 7009 §2.2).
    ///
    /// When it returns, no request that arrives afterwards is answered "active". It returns the position up to which validators must
    /// have applied the log to know it too.
    ///
    /// # Errors
    ///
    /// A refusal for a token of another client; unavailable when the revocation is not durable.
    pub async fn revoke(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        token: &str,
        hint: Option<TokenTypeHint>,
        moment: &Moment,
    ) -> Result<Seq, ServiceError> {
        let (revocation, marked, expires_at, coordinates) =
            match self.find_token_for(client.client(), realm, token, hint, moment).await? {
                // A repeat waits as the first one did (lease protocol, rule 9), whatever is left of the token.
                Found::Unknown => return Ok(moment.minted_at),
                Found::Access(facts) => {
                    let token = &facts.token;
                    let revocation = revoke::revoke(client.client(), Inspected::Access(token))?;
                    // The row of an access token says nothing about its family.
                    let marked = match revocation {
                        Revocation::Grant(_) => None,
                        Revocation::Token { .. } => token.revoked_at,
                    };
                    (revocation, marked, token.expires_at, token.coordinates())
                }
                Found::Refresh(stored) => {
                    let token = &stored.token;
                    let revocation = revoke::revoke(client.client(), Inspected::Refresh(token))?;
                    let grant_cut = stored.parents.grant.as_ref().map_or(Seq::ZERO, |grant| grant.cut_at);
                    let marked = token.revoked_at.or((token.minted_at < grant_cut).then_some(grant_cut));
                    (revocation, marked, token.expires_at, token.coordinates())
                }
            };
        let view = self.view(self.clock().boot_now())?;
        // Expired by the mark, which never goes back: a wall clock that is ahead kills nobody for good.
        let expired = expires_at <= self.node.mark();
        let dead = marked.is_some() || expired || view.death_of(&coordinates).is_some();
        // A row may be marked by a commit that memory has not followed yet: a repeat waits as the first one does (lease
        // protocol, rule 9). It kills again, because the answer to that comes after everything that was committed before.
        let is_known = marked.is_none_or(|position| position <= view.applied());
        // One token that is dead already needs no second death; a family is cut all the same, unless it was.
        if dead && is_known && (matches!(revocation, Revocation::Token { .. }) || marked.is_some()) {
            return Ok(view.applied());
        }
        self.kill(revocation, moment).await
    }

    /// Kills a token or a family, and returns the position of its death when every node knows it.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`] when it is not durable, or when that is not known.
    pub async fn kill(&self, revocation: Revocation, moment: &Moment) -> Result<Seq, ServiceError> {
        let write = match revocation {
            Revocation::Grant(grant) => Write::Cut { kind: CutKind::Grant, subject: grant.as_number() },
            Revocation::Token { id, expires_at, reach } => {
                Write::RevokeToken { token: id, expires_at, reach }
            }
        };
        let change = Change { preconditions: Vec::new(), writes: vec![write], at: moment.now };
        Ok(self.storage.apply(change).await?.seq)
    }
}
