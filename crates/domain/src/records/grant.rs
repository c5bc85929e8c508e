//! Grants: what was granted, and the family to which its tokens belong.

use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Id, Timestamp};
use lydian_revocation::Seq;

use super::api::ApiId;
use super::client::ClientId;
use super::realm::RealmId;
use super::user::{SessionId, UserId};
use crate::authentication::Authentication;
use crate::token_id::TokenId;

/// The id of a grant.
pub type GrantId = Id<Grant>;

/// What a user granted to a client, or the standing grant that a client has for its own tokens at one API.
///
/// Tokens carry no secondary index: what must be found by client, user or session is the grant, and its tokens die through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id, never reused.
    pub id: GrantId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// To whom it was given.
    pub client: ClientId,
    /// Who gave it; nobody for a standing grant.
    pub user: Option<UserId>,
    /// The session in which it was given.
    pub session: Option<SessionId>,
    /// The API of a standing grant; `None` stands for the issuer.
    pub api: Option<ApiId>,
    /// What was granted. A standing grant does not limit: the client's registration does.
    pub scope: ScopeSet,
    /// When it was given.
    pub created_at: Timestamp,
    /// Everything minted under it before this position is dead.
    pub cut_at: Seq,
    /// The refresh token that may be used next: the living leaf of the family.
    pub refresh_token: Option<TokenId>,
    /// When the refresh token dies of idleness.
    pub idle_expires_at: Timestamp,
    /// When its last token dies: it can be forgotten then. Standing grants have no end.
    pub expires_at: Timestamp,
    /// How the person who gave it had proved who it is.
    pub authentication: Option<Authentication>,
    /// The claims that the request asked for one by one (OpenID Connect Core §5.5), as JSON.
    pub claims: Option<String>,
    /// The last exchange of its refresh token.
    pub rotation: Rotation,
}

/// The last exchange of a refresh token for its successor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The refresh token that was replaced.
    pub previous: Option<TokenId>,
    /// When it was replaced.
    pub rotated_at: Option<Timestamp>,
    /// Its successor, sealed under a key that only the string of the replaced token gives: a repeat of a lost answer gets the same one.
    pub sealed_successor: Option<Vec<u8>>,
}
