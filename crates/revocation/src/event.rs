//! What the log tells.

use lydian_primitives::Timestamp;

use crate::position::{Link, LogPosition, Seq};

/// Of what everything is dead that was minted before a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CutKind {
    /// All tokens of a client.
    Client,
    /// All tokens of a grant: the family.
    Grant,
    /// All tokens signed with a key.
    Key,
    /// All tokens of a realm.
    Realm,
    /// All tokens of a session.
    Session,
    /// All tokens of a user.
    User,
}

impl CutKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Client, Self::Grant, Self::Key, Self::Realm, Self::Session, Self::User];

    /// Its word in logs and explanations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Grant => "grant",
            Self::Key => "key",
            Self::Realm => "realm",
            Self::Session => "session",
            Self::User => "user",
        }
    }
}

/// The kinds of records that nodes keep in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// An API.
    Api,
    /// A client.
    Client,
    /// A signing key.
    Key,
    /// A realm.
    Realm,
}

/// One thing that happened, as every copy of the ledger must learn it.
///
/// Subjects and tokens are 128 bits wide: within the server their ids, outside of it handles that differ per API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Everything of the subject that was minted before this row is dead.
    Cut {
        /// What kind of subject.
        kind: CutKind,
        /// Which one.
        subject: u128,
    },
    /// A record that nodes keep in memory was made or changed.
    RecordChanged {
        /// What kind of record.
        kind: RecordKind,
        /// Which one.
        record: u128,
    },
    /// One token is dead.
    Revoked {
        /// Which one.
        token: u128,
        /// When it would have expired; the entry can go then.
        expires_at: Timestamp,
    },
    /// Facts about a user that answers show (the user name) changed.
    UserChanged {
        /// Which user.
        user: u128,
    },
}

/// Whom a row of the log concerns: who cannot hold what it names need not hear of it.
///
/// What is not known is `None`, and concerns everybody: a row too many costs a lookup, a row too few a revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The realm.
    pub realm: Option<u64>,
    /// The API for which the tokens are, when it is one API; [`Self::ISSUER`] for the issuer itself.
    pub api: Option<u64>,
    /// What the subject is called on the wire, when that is how validators know it (clients and keys): see [`name_key`].
    pub name: Option<u128>,
}

impl Reach {
    /// Stands in [`Self::api`] for the issuer itself.
    pub const ISSUER: u64 = 0;

    /// Everything of a realm.
    pub const fn realm(realm: u64) -> Self {
        Self { realm: Some(realm), api: None, name: None }
    }

    /// The tokens for one API of a realm.
    pub const fn api(realm: u64, api: u64) -> Self {
        Self { realm: Some(realm), api: Some(api), name: None }
    }

    /// The same for a subject that validators know by name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name_key(name)), ..self }
    }
}

/// The key of a client or signing key: the first 128 bits of SHA-256 over its `client_id` or `kid`.
pub fn name_key(name: &str) -> u128 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    digest.as_ref().iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

/// One row of the append-only log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its number, in the order of commits.
    pub seq: Seq,
    /// Its random bits.
    pub link: Link,
    /// The random id by which the writer finds it again after a commit of unknown outcome.
    pub event_id: u128,
    /// When it was written, by the writer's wall clock.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// Whom it concerns.
    pub reach: Reach,
}

impl LogRow {
    /// Its number and link.
    pub const fn position(&self) -> LogPosition {
        LogPosition { seq: self.seq, link: self.link }
    }
}
