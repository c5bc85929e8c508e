//! The store as others hold it: reads on the calling thread, writes through the writer.

use std::fmt;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use lydian_domain::{
    ApiId, ClientId, Consent, DeviceAuthorization, Factor, Grant, GrantId, KeyId, RealmId, Session,
    SessionId, TokenId, User, UserId,
};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::{LogPosition, LogRow, Seq};
use lydian_storage::{
    Answer, ApplyError, Change, Issued, LogObserver, OrphanCursor, Orphans, Parents, ReadStorage, Record,
    Storage, StoredAccessToken, StoredCode, StoredDevice, StoredRefreshToken, StoredSession, Unavailable,
};
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::log;
use crate::open::{self, FILE_NAME, OpenError};
use crate::options::Options;
use crate::pool::ReadPool;
use crate::queue::{Item, Queue};
use crate::reads;
use crate::writer::{Pace, Shared, Writer};

/// A SQLite database in a data directory, with one writer.
///
/// Answers of reads are ready at once: a lookup costs a few microseconds on the calling thread. Whoever opens the directory must
/// own it alone; the lock on it is the caller's.
pub struct EmbeddedStorage {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStorage {
    /// Opens the database in `directory`, or makes it.
    ///
    /// After a stop that was not clean the file is checked for damage first.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub fn open(directory: &Path, options: Options) -> Result<Arc<Self>, OpenError> {
        let connection = open::open_database(directory)?;
        let path = directory.join(FILE_NAME);
        let unusable = |source| OpenError::Unusable { path: path.clone(), source };
        let readers = (0..options.read_connections.max(1))
            .map(|_| open::open_reader(&path))
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(unusable)?;
        let head = log::read_head(&connection).map_err(unusable)?;
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            pool: ReadPool::new(readers),
            observer: RwLock::new(options.observer),
            closed: watch::Sender::new(None),
            faults: options.faults.clone(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            directory: directory.to_owned(),
            entropy: options.entropy,
            faults: options.faults,
            connection: Some(connection),
            head,
            lost_track: false,
            pace: Pace::default(),
            checkpoint_tried_at: 0,
        };
        let writer = std::thread::Builder::new()
            .name("lydian-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io { path: directory.to_owned(), source })?;
        Ok(Arc::new(Self { shared, writer: Mutex::new(Some(writer)) }))
    }

    /// Replaces the observer of the log.
    ///
    /// The new one learns of the rows that are committed from now on; what came before, it reads itself.
    pub fn set_observer(&self, observer: Arc<dyn LogObserver>) {
        *self.shared.observer.write() = observer;
    }

    fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Answer<'_, T> {
        Box::pin(ready(self.shared.pool.read(doing, |connection| {
            self.shared.faults.before_read()?;
            read(connection)
        })))
    }
}

impl ReadStorage for EmbeddedStorage {
    fn load_records(&self) -> Answer<'_, Vec<Record>> {
        self.read("load the records", reads::all_records)
    }

    fn find_access_token(&self, id: TokenId) -> Answer<'_, Option<StoredAccessToken>> {
        self.read("read an access token", |connection| reads::access_token(connection, id))
    }

    fn find_refresh_token(&self, id: TokenId) -> Answer<'_, Option<StoredRefreshToken>> {
        self.read("read a refresh token", |connection| reads::refresh_token(connection, id))
    }

    fn load_parents(
        &self,
        grant: GrantId,
        session: Option<SessionId>,
        user: Option<UserId>,
    ) -> Answer<'_, Parents> {
        self.read("read a grant", |connection| reads::parents(connection, grant, session, user))
    }

    fn find_standing_grant(&self, client: ClientId, api: Option<ApiId>) -> Answer<'_, Option<GrantId>> {
        self.read("read a standing grant", |connection| reads::standing_grant(connection, client, api))
    }

    fn find_username(&self, user: UserId) -> Answer<'_, Option<String>> {
        self.read("read a user name", |connection| reads::username(connection, user))
    }

    fn find_authorization_code(&self, id: TokenId) -> Answer<'_, Option<StoredCode>> {
        self.read("read an authorization code", |connection| reads::authorization_code(connection, id))
    }

    fn find_device(&self, id: TokenId) -> Answer<'_, Option<StoredDevice>> {
        self.read("read a device authorization", |connection| reads::device(connection, id))
    }

    fn find_device_by_user_code(
        &self,
        realm: RealmId,
        user_code: String,
    ) -> Answer<'_, Option<DeviceAuthorization>> {
        self.read("read a device authorization", |connection| {
            reads::device_by_user_code(connection, realm, &user_code)
        })
    }

    fn find_session(&self, id: SessionId) -> Answer<'_, Option<StoredSession>> {
        self.read("read a session", |connection| reads::session(connection, id))
    }

    fn find_user(&self, user: UserId) -> Answer<'_, Option<User>> {
        self.read("read a user", |connection| reads::user(connection, user))
    }

    fn find_user_by_name(&self, realm: RealmId, username: String) -> Answer<'_, Option<User>> {
        self.read("read a user", |connection| reads::user_by_name(connection, realm, &username))
    }

    fn find_users_by_email(&self, realm: RealmId, email: String, limit: usize) -> Answer<'_, Vec<User>> {
        self.read("read users", |connection| reads::users_by_email(connection, realm, &email, limit))
    }

    fn find_user_by_subject(&self, realm: RealmId, subject: String) -> Answer<'_, Option<User>> {
        self.read("read a user", |connection| reads::user_by_subject(connection, realm, &subject))
    }

    fn list_users(&self, realm: RealmId, after: UserId, limit: usize) -> Answer<'_, Vec<User>> {
        self.read("list users", |connection| reads::users(connection, realm, after, limit))
    }

    fn find_consents(&self, user: UserId, client: ClientId) -> Answer<'_, Vec<Consent>> {
        self.read("read what a user agreed to", |connection| reads::consents(connection, user, client))
    }

    fn list_grants(&self, user: UserId, after: GrantId, limit: usize) -> Answer<'_, Vec<Grant>> {
        self.read("list grants", |connection| reads::grants_of_user(connection, user, after, limit))
    }

    fn list_sessions(&self, user: UserId, after: SessionId, limit: usize) -> Answer<'_, Vec<Session>> {
        self.read("list sessions", |connection| reads::sessions_of_user(connection, user, after, limit))
    }

    fn list_factors(&self, user: UserId) -> Answer<'_, Vec<Factor>> {
        self.read("list second factors", |connection| reads::factors_of_user(connection, user))
    }

    fn find_passkey(&self, realm: RealmId, credential: Vec<u8>) -> Answer<'_, Option<Factor>> {
        self.read("read a passkey", |connection| reads::passkey(connection, realm, &credential))
    }

    fn count_recovery_codes(&self, user: UserId) -> Answer<'_, usize> {
        self.read("count recovery codes", |connection| reads::recovery_codes_left(connection, user))
    }

    fn find_setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        self.read("read a setting", |connection| reads::setting(connection, name))
    }

    fn head(&self) -> Answer<'_, LogPosition> {
        self.read("read the head of the log", |connection| {
            log::read_head(connection).map(|head| head.position)
        })
    }

    fn log_after(&self, seq: Seq, limit: usize) -> Answer<'_, Vec<LogRow>> {
        self.read("read the log", |connection| log::rows_after(connection, seq, limit))
    }

    fn log_position_at(&self, at: Timestamp) -> Answer<'_, Seq> {
        self.read("search the log", |connection| log::position_at(connection, at))
    }

    fn scan_access_tokens(
        &self,
        realm: RealmId,
        grant: GrantId,
        after: TokenId,
        scan: usize,
    ) -> Answer<'_, (Vec<StoredAccessToken>, Option<TokenId>)> {
        self.read("list access tokens", |connection| {
            reads::scan_access_tokens(connection, realm, grant, after, scan)
        })
    }

    fn issued_under_key(&self, key: KeyId, hour: Hour) -> Answer<'_, Vec<Issued>> {
        self.read("count issued tokens", |connection| reads::issued_under_key(connection, key, hour))
    }
}

impl Storage for EmbeddedStorage {
    fn apply(&self, change: Change) -> Answer<'_, LogPosition, ApplyError> {
        let (answer, received) = oneshot::channel();
        if self.shared.queue.push(Item::Change { change, answer }).is_err() {
            return Box::pin(ready(Err(ApplyError::Unavailable(refused()))));
        }
        Box::pin(async { received.await.unwrap_or_else(|_| Err(ApplyError::Unavailable(abandoned()))) })
    }

    fn allocate_sequences(&self, hour: Hour, count: u32) -> Answer<'_, u32> {
        let (answer, received) = oneshot::channel();
        self.job(Item::Allocate { hour, count, answer }, received)
    }

    fn forget(&self, hour: Hour, log_before: Timestamp, rows: usize) -> Answer<'_, usize> {
        let (answer, received) = oneshot::channel();
        self.job(Item::Forget { hour, log_before, rows, answer }, received)
    }

    fn sweep_orphans(&self, after: OrphanCursor, scan: usize) -> Answer<'_, Orphans> {
        let (answer, received) = oneshot::channel();
        self.job(Item::SweepOrphans { after, scan, answer }, received)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.shared.queue.finish();
        let mut closed = self.shared.closed.subscribe();
        Box::pin(async move {
            let result = match closed.wait_for(Option::is_some).await {
                Ok(result) => result.clone(),
                Err(_) => None,
            };
            // The thread has said its last word: joining it takes no time.
            if let Some(writer) = self.writer.lock().take() {
                let _ended = writer.join();
            }
            match result {
                Some(Ok(())) => Ok(()),
                Some(Err(cause)) => Err(Unavailable::new("close", cause)),
                None => Err(Unavailable::because("close")),
            }
        })
    }
}

impl EmbeddedStorage {
    fn job<T: Send + 'static>(
        &self,
        item: Item,
        received: oneshot::Receiver<Result<T, Unavailable>>,
    ) -> Answer<'_, T> {
        if self.shared.queue.push(item).is_err() {
            return Box::pin(ready(Err(refused())));
        }
        Box::pin(async { received.await.unwrap_or_else(|_| Err(abandoned())) })
    }
}

impl Drop for EmbeddedStorage {
    fn drop(&mut self) {
        self.shared.queue.finish();
        let Some(writer) = self.writer.get_mut().take() else { return };
        // The writer itself may drop the last handle, with its observer.
        if writer.thread().id() != std::thread::current().id() {
            let _ended = writer.join();
        }
    }
}

impl fmt::Debug for EmbeddedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStorage").finish_non_exhaustive()
    }
}

/// The queue is full or closed: nothing was written.
fn refused() -> Unavailable {
    Unavailable::because("take a change: too many wait, or it is closed")
}

/// The writer ended before it answered.
fn abandoned() -> Unavailable {
    Unavailable::because("answer: its writer has ended").with_outcome_unknown()
}
