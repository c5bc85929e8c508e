//! Users (resource owners) and their sessions, as far as tokens depend on them.

use lydian_primitives::{Id, Timestamp};
use lydian_revocation::Seq;

use super::realm::RealmId;

/// The id of a user.
pub type UserId = Id<User>;

/// The id of a session.
pub type SessionId = Id<Session>;

/// A resource owner (RFC 6749 §1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id, never reused.
    pub id: UserId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// The stable subject identifier in `sub`, never reassigned.
    pub subject: String,
    /// The name with which the user signs in, shown as `username`.
    pub username: String,
    /// Whether the user may do anything.
    pub enabled: bool,
    /// Everything minted for this user before this position is dead.
    pub cut_at: Seq,
}

/// A browser sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, never reused.
    pub id: SessionId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// Who signed in.
    pub user: UserId,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Everything minted in it before this position is dead.
    pub cut_at: Seq,
}
