//! Authorization codes: used once, for one client, one redirect address and one verifier.

use lydian_oauth_types::ScopeSet;
use lydian_primitives::Timestamp;
use lydian_revocation::{Seq, TokenCoordinates};

use super::client::ClientId;
use super::grant::GrantId;
use super::realm::RealmId;
use super::token::TokenDigest;
use super::user::{SessionId, UserId};
use crate::token_id::TokenId;

/// An authorization code (RFC 6749 §4.1.2). Its row stays for a while after it was used, so that a second use is noticed.
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    /// Its id, which names the hour of its death.
    pub id: TokenId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// For whom it is.
    pub client: ClientId,
    /// Who agreed.
    pub user: UserId,
    /// The session in which it was made.
    pub session: SessionId,
    /// The grant that it opens, made with it.
    pub grant: GrantId,
    /// The redirect address of the request, to be repeated at the token endpoint (RFC 6749 §4.1.3).
    pub redirect_uri: String,
    /// The S256 challenge of the request (RFC 7636 §4.2).
    pub code_challenge: [u8; 32],
    /// What the grant permits; the token request can only narrow it.
    pub scope: ScopeSet,
    /// The `nonce` of the request (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<String>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// The first second at which it is not accepted.
    pub expires_at: Timestamp,
    /// The log position that had been applied before its state was read.
    pub minted_at: Seq,
    /// The digest of its string.
    pub digest: TokenDigest,
    /// When it was used.
    pub redeemed_at: Option<Timestamp>,
}

impl AuthorizationCode {
    /// What the ledger must know of it.
    pub fn coordinates(&self) -> TokenCoordinates {
        TokenCoordinates {
            token: u128::from(self.id.as_number()),
            minted_at: self.minted_at,
            realm: u128::from(self.realm.as_number()),
            client: u128::from(self.client.as_number()),
            grant: u128::from(self.grant.as_number()),
            user: Some(u128::from(self.user.as_number())),
            session: Some(u128::from(self.session.as_number())),
            key: None,
        }
    }
}
