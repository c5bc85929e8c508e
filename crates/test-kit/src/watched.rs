//! A store that counts what is asked of it, and fails when a test says so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lydian_domain::{
    ApiId, ClientId, Consent, DeviceAuthorization, Factor, Grant, GrantId, KeyId, RealmId, Session,
    SessionId, TokenId, User, UserId,
};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::{LogPosition, LogRow, Seq};
use lydian_storage::{
    Answer, ApplyError, Change, Issued, OrphanCursor, Orphans, Parents, ReadStorage, Record, SharedStorage,
    Storage, StoredAccessToken, StoredCode, StoredDevice, StoredRefreshToken, StoredSession, Unavailable,
    Write,
};

/// A store in front of another one.
pub struct WatchedStorage {
    inner: SharedStorage,
    reads: AtomicUsize,
    writes: AtomicUsize,
    reads_fail: AtomicBool,
    writes_fail: AtomicBool,
    answers_are_lost: AtomicBool,
    sweeps_fail: AtomicBool,
    refused: Mutex<fn(&Write) -> bool>,
    interruption: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl WatchedStorage {
    /// Watches this store.
    pub fn over(inner: SharedStorage) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            reads_fail: AtomicBool::new(false),
            writes_fail: AtomicBool::new(false),
            answers_are_lost: AtomicBool::new(false),
            sweeps_fail: AtomicBool::new(false),
            refused: Mutex::new(|_| false),
            interruption: Mutex::new(None),
        })
    }

    /// How many reads and writes were asked for so far.
    pub fn asked(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.writes.load(Ordering::SeqCst))
    }

    /// Whether reads fail from now on.
    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Whether writes fail from now on; nothing is written then.
    pub fn fail_writes(&self, fail: bool) {
        self.writes_fail.store(fail, Ordering::SeqCst);
    }

    /// Changes with such a write fail from now on.
    pub fn refuse(&self, refused: fn(&Write) -> bool) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    /// Whether sweeps of orphans fail from now on.
    pub fn fail_sweeps(&self, fail: bool) {
        self.sweeps_fail.store(fail, Ordering::SeqCst);
    }

    /// Whether writes from now on happen, and nobody learns that they did.
    pub fn lose_answers(&self, lose: bool) {
        self.answers_are_lost.store(lose, Ordering::SeqCst);
    }

    /// Does this before the next read or write is passed on: something comes in between two steps of a request.
    pub fn interrupt(&self, interruption: impl FnOnce() + Send + 'static) {
        *self.planned() = Some(Box::new(interruption));
    }

    fn planned(&self) -> MutexGuard<'_, Option<Box<dyn FnOnce() + Send>>> {
        self.interruption.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come_in_between(&self) {
        let interruption = self.planned().take();
        if let Some(interruption) = interruption {
            interruption();
        }
    }

    fn read<'a, T: Send + 'a>(&'a self, ask: impl FnOnce(&'a dyn Storage) -> Answer<'a, T>) -> Answer<'a, T> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.come_in_between();
        if self.reads_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("read: the test forbids it")) });
        }
        ask(&*self.inner)
    }

    fn write<'a, T: Send + 'a, E: From<Unavailable> + Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a dyn Storage) -> Answer<'a, T, E>,
    ) -> Answer<'a, T, E> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.come_in_between();
        if self.writes_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("write: the test forbids it").into()) });
        }
        let answer = ask(&*self.inner);
        if self.answers_are_lost.load(Ordering::SeqCst) {
            return Box::pin(async {
                answer.await?;
                Err(Unavailable::because("say what became of a write").with_outcome_unknown().into())
            });
        }
        answer
    }
}

impl ReadStorage for WatchedStorage {
    fn load_records(&self) -> Answer<'_, Vec<Record>> {
        self.read(|inner| inner.load_records())
    }

    fn find_access_token(&self, id: TokenId) -> Answer<'_, Option<StoredAccessToken>> {
        self.read(|inner| inner.find_access_token(id))
    }

    fn find_refresh_token(&self, id: TokenId) -> Answer<'_, Option<StoredRefreshToken>> {
        self.read(|inner| inner.find_refresh_token(id))
    }

    fn load_parents(
        &self,
        grant: GrantId,
        session: Option<SessionId>,
        user: Option<UserId>,
    ) -> Answer<'_, Parents> {
        self.read(|inner| inner.load_parents(grant, session, user))
    }

    fn find_standing_grant(&self, client: ClientId, api: Option<ApiId>) -> Answer<'_, Option<GrantId>> {
        self.read(|inner| inner.find_standing_grant(client, api))
    }

    fn find_username(&self, user: UserId) -> Answer<'_, Option<String>> {
        self.read(|inner| inner.find_username(user))
    }

    fn find_authorization_code(&self, id: TokenId) -> Answer<'_, Option<StoredCode>> {
        self.read(move |inner| inner.find_authorization_code(id))
    }

    fn find_device(&self, id: TokenId) -> Answer<'_, Option<StoredDevice>> {
        self.read(move |inner| inner.find_device(id))
    }

    fn find_device_by_user_code(
        &self,
        realm: RealmId,
        user_code: String,
    ) -> Answer<'_, Option<DeviceAuthorization>> {
        self.read(move |inner| inner.find_device_by_user_code(realm, user_code))
    }

    fn find_session(&self, id: SessionId) -> Answer<'_, Option<StoredSession>> {
        self.read(move |inner| inner.find_session(id))
    }

    fn find_user(&self, user: UserId) -> Answer<'_, Option<User>> {
        self.read(move |inner| inner.find_user(user))
    }

    fn find_user_by_name(&self, realm: RealmId, username: String) -> Answer<'_, Option<User>> {
        self.read(move |inner| inner.find_user_by_name(realm, username))
    }

    fn find_users_by_email(&self, realm: RealmId, email: String, limit: usize) -> Answer<'_, Vec<User>> {
        self.read(move |inner| inner.find_users_by_email(realm, email, limit))
    }

    fn find_user_by_subject(&self, realm: RealmId, subject: String) -> Answer<'_, Option<User>> {
        self.read(move |inner| inner.find_user_by_subject(realm, subject))
    }

    fn list_users(&self, realm: RealmId, after: UserId, limit: usize) -> Answer<'_, Vec<User>> {
        self.read(move |inner| inner.list_users(realm, after, limit))
    }

    fn find_consents(&self, user: UserId, client: ClientId) -> Answer<'_, Vec<Consent>> {
        self.read(move |inner| inner.find_consents(user, client))
    }

    fn list_grants(&self, user: UserId, after: GrantId, limit: usize) -> Answer<'_, Vec<Grant>> {
        self.read(move |inner| inner.list_grants(user, after, limit))
    }

    fn list_sessions(&self, user: UserId, after: SessionId, limit: usize) -> Answer<'_, Vec<Session>> {
        self.read(move |inner| inner.list_sessions(user, after, limit))
    }

    fn list_factors(&self, user: UserId) -> Answer<'_, Vec<Factor>> {
        self.read(move |inner| inner.list_factors(user))
    }

    fn find_passkey(&self, realm: RealmId, credential: Vec<u8>) -> Answer<'_, Option<Factor>> {
        self.read(move |inner| inner.find_passkey(realm, credential))
    }

    fn count_recovery_codes(&self, user: UserId) -> Answer<'_, usize> {
        self.read(move |inner| inner.count_recovery_codes(user))
    }

    fn find_setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        self.read(|inner| inner.find_setting(name))
    }

    fn head(&self) -> Answer<'_, LogPosition> {
        self.read(|inner| inner.head())
    }

    fn log_after(&self, seq: Seq, limit: usize) -> Answer<'_, Vec<LogRow>> {
        self.read(|inner| inner.log_after(seq, limit))
    }

    fn log_position_at(&self, at: Timestamp) -> Answer<'_, Seq> {
        self.read(|inner| inner.log_position_at(at))
    }

    fn scan_access_tokens(
        &self,
        realm: RealmId,
        grant: GrantId,
        after: TokenId,
        scan: usize,
    ) -> Answer<'_, (Vec<StoredAccessToken>, Option<TokenId>)> {
        self.read(|inner| inner.scan_access_tokens(realm, grant, after, scan))
    }

    fn issued_under_key(&self, key: KeyId, hour: Hour) -> Answer<'_, Vec<Issued>> {
        self.read(|inner| inner.issued_under_key(key, hour))
    }
}

impl Storage for WatchedStorage {
    fn apply(&self, change: Change) -> Answer<'_, LogPosition, ApplyError> {
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if change.writes.iter().any(refused) {
            return Box::pin(async { Err(Unavailable::because("write: the test forbids it").into()) });
        }
        self.write(|inner| inner.apply(change))
    }

    fn allocate_sequences(&self, hour: Hour, count: u32) -> Answer<'_, u32> {
        self.write(|inner| inner.allocate_sequences(hour, count))
    }

    fn forget(&self, hour: Hour, log_before: Timestamp, rows: usize) -> Answer<'_, usize> {
        self.write(|inner| inner.forget(hour, log_before, rows))
    }

    fn sweep_orphans(&self, after: OrphanCursor, scan: usize) -> Answer<'_, Orphans> {
        if self.sweeps_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("sweep: the test forbids it")) });
        }
        self.write(|inner| inner.sweep_orphans(after, scan))
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
