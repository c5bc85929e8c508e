//! The seam to the store: single reads, and one conditional write.
//!
//! Reads are single lookups and paged lists. All writes go through [`Storage::apply`], which states what must still hold:
//! all of a [`Change`] happens, or a named [`Conflict`] and none of it. Every backend passes the suite in
//! `conformance` (a feature of this crate, for tests).
#![forbid(unsafe_code)]

pub mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod records;

use std::pin::Pin;
use std::sync::Arc;

use lydian_domain::{
    ApiId, ClientId, Consent, DeviceAuthorization, Factor, Grant, GrantId, KeyId, RealmId, Session,
    SessionId, TokenId, User, UserId,
};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::{LogPosition, LogRow, Seq};

pub use change::{Change, Conflict, Precondition, Write};
pub use error::{ApplyError, Unavailable};
pub use records::{
    Issued, OrphanCursor, Orphans, OwnedKind, Parents, Record, StoredAccessToken, StoredCode, StoredDevice,
    StoredRefreshToken, StoredSession,
};

/// The answer of a store, when it comes.
pub type Answer<'a, T, E = Unavailable> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Single lookups and paged lists.
///
/// A page begins after the given id (zero for the first page) and is in ascending order of ids, so that what is inserted
/// meanwhile neither repeats nor hides a record that was there.
pub trait ReadStorage: Send + Sync + 'static {
    /// All records that nodes keep in memory: realms, APIs, clients and keys, in this order.
    fn load_records(&self) -> Answer<'_, Vec<Record>>;

    /// The access token with this id, with the user name that its answer shows.
    fn find_access_token(&self, id: TokenId) -> Answer<'_, Option<StoredAccessToken>>;

    /// The refresh token with this id, with the rows that decide over it.
    fn find_refresh_token(&self, id: TokenId) -> Answer<'_, Option<StoredRefreshToken>>;

    /// The rows of grant, session and user whose state decides over tokens that live beyond the horizon.
    fn load_parents(
        &self,
        grant: GrantId,
        session: Option<SessionId>,
        user: Option<UserId>,
    ) -> Answer<'_, Parents>;

    /// The standing grant of a client at an API (`None`: at the issuer).
    fn find_standing_grant(&self, client: ClientId, api: Option<ApiId>) -> Answer<'_, Option<GrantId>>;

    /// The user name of a user; `None` when there is no such user.
    fn find_username(&self, user: UserId) -> Answer<'_, Option<String>>;

    /// The authorization code with this id, used or not, with the rows that decide over it.
    fn find_authorization_code(&self, id: TokenId) -> Answer<'_, Option<StoredCode>>;

    /// The device authorization with this id, with the rows of the grant that it opened.
    fn find_device(&self, id: TokenId) -> Answer<'_, Option<StoredDevice>>;

    /// The device authorization that waits under a user code, expired or not.
    fn find_device_by_user_code(
        &self,
        realm: RealmId,
        user_code: String,
    ) -> Answer<'_, Option<DeviceAuthorization>>;

    /// The session with this id and its user, whatever their state.
    fn find_session(&self, id: SessionId) -> Answer<'_, Option<StoredSession>>;

    /// A user by id.
    fn find_user(&self, user: UserId) -> Answer<'_, Option<User>>;

    /// A user by the name with which it signs in, as [`User::canonical_username`] makes it.
    fn find_user_by_name(&self, realm: RealmId, username: String) -> Answer<'_, Option<User>>;

    /// The users of a realm with this e-mail address in ASCII lower case, in order of their ids, at most `limit`.
    fn find_users_by_email(&self, realm: RealmId, email: String, limit: usize) -> Answer<'_, Vec<User>>;

    /// A user by its subject identifier.
    fn find_user_by_subject(&self, realm: RealmId, subject: String) -> Answer<'_, Option<User>>;

    /// A page of the users of a realm.
    fn list_users(&self, realm: RealmId, after: UserId, limit: usize) -> Answer<'_, Vec<User>>;

    /// Everything that a user agreed to for a client, at most one for each API of the realm.
    fn find_consents(&self, user: UserId, client: ClientId) -> Answer<'_, Vec<Consent>>;

    /// A page of the grants of a user, dead ones included.
    fn list_grants(&self, user: UserId, after: GrantId, limit: usize) -> Answer<'_, Vec<Grant>>;

    /// A page of the sessions of a user, ended ones included.
    fn list_sessions(&self, user: UserId, after: SessionId, limit: usize) -> Answer<'_, Vec<Session>>;

    /// The factors of a user, in ascending order of ids; [`FACTORS_MAX`](lydian_primitives::limits::FACTORS_MAX) at most.
    fn list_factors(&self, user: UserId) -> Answer<'_, Vec<Factor>>;

    /// The passkey of a realm with this credential id.
    fn find_passkey(&self, realm: RealmId, credential: Vec<u8>) -> Answer<'_, Option<Factor>>;

    /// How many recovery codes of a user are left.
    fn count_recovery_codes(&self, user: UserId) -> Answer<'_, usize>;

    /// A setting of the install.
    fn find_setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>>;

    /// The last row of the log.
    fn head(&self) -> Answer<'_, LogPosition>;

    /// Rows of the log after `seq`, in order, at most `limit`.
    fn log_after(&self, seq: Seq, limit: usize) -> Answer<'_, Vec<LogRow>>;

    /// The number of the first row of the log that was written at `at` or later; the number after the head if none was.
    fn log_position_at(&self, at: Timestamp) -> Answer<'_, Seq>;

    /// A page of the access tokens of a grant, found by a bounded scan of live ranges from `after` on.
    ///
    /// `scan` bounds the rows looked at; the answer says where to go on, `None` at the end.
    fn scan_access_tokens(
        &self,
        realm: RealmId,
        grant: GrantId,
        after: TokenId,
        scan: usize,
    ) -> Answer<'_, (Vec<StoredAccessToken>, Option<TokenId>)>;

    /// How many tokens were issued under a key, by hour of expiry, from `hour` on.
    fn issued_under_key(&self, key: KeyId, hour: Hour) -> Answer<'_, Vec<Issued>>;
}

/// A store that can be written.
pub trait Storage: ReadStorage {
    /// Makes a change: all of it, or an error and none of it. Returns the last row of the log as this change leaves it.
    ///
    /// The change is on its way when this returns, whether or not the future is polled.
    ///
    /// The answer comes after the change is durable and the [`LogObserver`] has applied its rows. Preconditions are read after the
    /// writes of the changes before it. Dropping the future does not take the change back.
    fn apply(&self, change: Change) -> Answer<'_, LogPosition, ApplyError>;

    /// Hands out `count` sequence numbers for tokens that expire in `hour`, never given before and never given again; the first of them.
    ///
    /// # Errors
    ///
    /// `Unavailable`, also when the 32 bits of the hour are used up.
    fn allocate_sequences(&self, hour: Hour, count: u32) -> Answer<'_, u32>;

    /// Deletes at most `rows` rows of what expired before `hour` began: tokens and codes by range of ids, grants and sessions of users,
    /// used assertions, counters of issued tokens, and rows of the log written before `log_before`. Never reaches tokens that do not expire.
    ///
    /// Returns how many rows left; fewer than `rows` means that nothing is left to forget.
    fn forget(&self, hour: Hour, log_before: Timestamp, rows: usize) -> Answer<'_, usize>;

    /// Looks at `scan` rows from `after` on, and deletes those whose realm, client or user is gone. Tokens leave with their hour.
    ///
    /// A sweep that went from the beginning to its end has found all that was orphaned when it began.
    fn sweep_orphans(&self, after: OrphanCursor, scan: usize) -> Answer<'_, Orphans>;

    /// Finishes what is queued and closes the store.
    fn close(&self) -> Answer<'_, ()>;
}

/// Who applies the log to what a node keeps in memory.
///
/// The backend calls it in the order of commits, after the commit and before any answer that depends on it.
pub trait LogObserver: Send + Sync + 'static {
    /// These rows are durable. `records` holds, read after the commit, every record that a row names by
    /// [`Event::RecordChanged`](lydian_revocation::Event::RecordChanged), or cuts when it is a realm, client or key; one that is
    /// gone is [`Record::Removed`].
    ///
    /// Records are to be published before the position of the rows (lease protocol, rule 12).
    fn committed(&self, rows: &[LogRow], records: Vec<Record>);

    /// The outcome of a commit is unknown: nothing may be answered from memory until [`Self::caught_up`].
    fn lost_track(&self);

    /// All rows of the log have been given to [`Self::committed`] again.
    fn caught_up(&self);
}

/// An observer for tools that keep nothing in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl LogObserver for NoObserver {
    fn committed(&self, _rows: &[LogRow], _records: Vec<Record>) {}
    fn lost_track(&self) {}
    fn caught_up(&self) {}
}

/// A store behind a pointer, as the service holds it.
pub type SharedStorage = Arc<dyn Storage>;
