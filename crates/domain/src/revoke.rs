//! What dies when a client revokes a token (RFC 7009 §2.1).

use lydian_primitives::Timestamp;
use lydian_revocation::Reach;

use crate::introspect::Inspected;
use crate::records::{Client, GrantId, RevocationCascade};
use crate::refusal::Refusal;
use crate::token_id::TokenId;

/// What is to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The family: its refresh token and all its access tokens.
    Grant(GrantId),
    /// One token.
    Token {
        /// Which one.
        id: TokenId,
        /// When it would have expired.
        expires_at: Timestamp,
        /// Who can hold it.
        reach: Reach,
    },
}

/// Decides what a revocation kills.
///
/// An access token goes alone, and a refresh token takes its family along (RFC 7009 §2.1), unless the client registered that
/// everything goes together.
///
/// # Errors
///
/// [`Refusal::TokenOfAnotherClient`] when the token was issued to somebody else; nothing is revoked then.
pub fn revoke(client: &Client, token: Inspected<'_>) -> Result<Revocation, Refusal> {
    let (owner, grant) = match token {
        Inspected::Access(access) => (access.client, access.grant),
        Inspected::Refresh(refresh) => (refresh.client, refresh.grant),
    };
    if owner != client.id {
        return Err(Refusal::TokenOfAnotherClient);
    }
    match (token, client.revocation_cascade) {
        (Inspected::Refresh(_), _) | (_, RevocationCascade::Grant) => Ok(Revocation::Grant(grant)),
        (Inspected::Access(access), RevocationCascade::Standard) => {
            Ok(Revocation::Token { id: access.id, expires_at: access.expires_at, reach: access.reach() })
        }
    }
}

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
