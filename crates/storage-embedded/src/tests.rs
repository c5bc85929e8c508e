//! Tests of what this backend alone promises. What every backend promises is in `tests/conformance.rs`.

use std::fs::{self, Permissions};
use std::future::poll_fn;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use lydian_domain::{
    AccessToken, Audience, ClientId, GrantId, Realm, RealmId, RealmName, TokenForm, TokenId,
};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Timestamp, limits};
use lydian_revocation::{CutKind, LogRow, Seq};
use lydian_storage::{ApplyError, Change, LogObserver, ReadStorage, Record, Storage, Write};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, StatementStatus};
use tempfile::TempDir;

use crate::faults::{CommitFault, Faults};
use crate::open::{self, FILE_NAME};
use crate::{EmbeddedStorage, OpenError, Options, reads};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(directory: &Path) -> Arc<EmbeddedStorage> {
    EmbeddedStorage::open(directory, Options::default()).unwrap()
}

fn refused(directory: &Path) -> OpenError {
    EmbeddedStorage::open(directory, Options::default()).map(drop).unwrap_err()
}

fn change(writes: Vec<Write>) -> Change {
    Change { preconditions: vec![], writes, at: NOW }
}

fn setting(value: Vec<u8>) -> Change {
    change(vec![Write::PutSetting { name: "setting", value }])
}

fn put_realm() -> Write {
    Write::PutRealm(Realm::with_defaults(RealmId::from_number(1), RealmName::default_realm()))
}

fn token(sequence: u32) -> AccessToken {
    AccessToken {
        id: TokenId::from_parts(NOW.hour(), 1, sequence),
        realm: RealmId::from_number(1),
        client: ClientId::from_number(2),
        user: None,
        session: None,
        grant: GrantId::from_number(3),
        audience: Audience::Issuer,
        scope: ScopeSet::empty(),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(60),
        minted_at: Seq::ZERO,
        form: TokenForm::Opaque,
        digest: None,
        revoked_at: None,
    }
}

/// A second connection, as another tool would have it.
fn tool(directory: &Path) -> Connection {
    Connection::open(directory.join(FILE_NAME)).unwrap()
}

/// Marks the file as it is left by a stop that was not clean.
fn leave_unclean(directory: &Path) {
    tool(directory).execute("UPDATE file_state SET in_use = 1", []).unwrap();
}

fn mode(directory: &Path, suffix: &str) -> u32 {
    fs::metadata(directory.join(format!("{FILE_NAME}{suffix}"))).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn s4_the_files_are_for_their_owner_alone() {
    let directory = directory();
    let storage = open(directory.path());
    storage.apply(change(vec![put_realm()])).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(directory.path(), suffix), 0o600, "{suffix:?}");
    }
    storage.close().await.unwrap();
    assert_eq!(mode(directory.path(), ""), 0o600);
}

#[tokio::test]
async fn s4_a_file_that_others_may_read_is_refused() {
    for (suffix, rights) in [("", 0o640), ("", 0o604), ("-wal", 0o660), ("-shm", 0o606)] {
        let directory = directory();
        open(directory.path()).close().await.unwrap();
        let path = directory.path().join(format!("{FILE_NAME}{suffix}"));
        if !suffix.is_empty() {
            fs::write(&path, b"").unwrap();
        }
        fs::set_permissions(&path, Permissions::from_mode(rights)).unwrap();
        match refused(directory.path()) {
            OpenError::Permissions { path: named } => assert_eq!(named, path),
            other => panic!("{suffix:?} {rights:o}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn s4_a_link_in_place_of_the_file_is_refused() {
    let (elsewhere, directory) = (directory(), directory());
    open(elsewhere.path()).close().await.unwrap();
    symlink(elsewhere.path().join(FILE_NAME), directory.path().join(FILE_NAME)).unwrap();
    assert!(matches!(refused(directory.path()), OpenError::Permissions { .. }));
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let directory = directory();
    let missing = directory.path().join("missing");
    match refused(&missing) {
        OpenError::Io { path, .. } => assert_eq!(path, missing.join(FILE_NAME)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let directory = directory();
    open(directory.path()).close().await.unwrap();
    tool(directory.path()).pragma_update(None, "user_version", 4_711).unwrap();
    let before = fs::read(directory.path().join(FILE_NAME)).unwrap();
    match refused(directory.path()) {
        error @ OpenError::Newer { found: 4_711, known, .. } => {
            assert_eq!(known, open::MIGRATIONS.len());
            assert!(error.to_string().contains("start the newer program"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(directory.path().join(FILE_NAME)).unwrap(), before);
}

#[tokio::test]
async fn a_database_that_is_one_step_newer_is_refused_too() {
    let directory = directory();
    open(directory.path()).close().await.unwrap();
    let file = tool(directory.path());
    let ours: u32 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    file.pragma_update(None, "user_version", ours + 1).unwrap();
    drop(file);
    match refused(directory.path()) {
        OpenError::Newer { found, known, .. } => {
            assert_eq!((found, known), (ours as usize + 1, ours as usize))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_not_ours_is_refused() {
    let random: Vec<u8> = (0..9_000_u32).map(|number| (number * 31 % 251) as u8).collect();
    for content in [b"hello".as_slice(), &random, &[0; 8_192]] {
        let directory = directory();
        write_private(directory.path(), content);
        assert!(matches!(refused(directory.path()), OpenError::NotOurs { .. }), "{} bytes", content.len());
    }
    let directory = directory();
    write_private(directory.path(), b"");
    tool(directory.path()).execute_batch("CREATE TABLE other (id INTEGER)").unwrap();
    assert!(matches!(refused(directory.path()), OpenError::NotOurs { .. }));
}

fn write_private(directory: &Path, content: &[u8]) {
    let path = directory.join(FILE_NAME);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused_or_unavailable_and_never_a_panic() {
    let whole = directory();
    let storage = open(whole.path());
    for sequence in 0..500 {
        storage.apply(change(vec![Write::PutAccessToken(token(sequence)), put_realm()])).await.unwrap();
    }
    storage.close().await.unwrap();
    leave_unclean(whole.path());
    let content = fs::read(whole.path().join(FILE_NAME)).unwrap();
    for length in (1..content.len()).step_by(4_096 / 3) {
        let directory = directory();
        write_private(directory.path(), &content[..length]);
        match EmbeddedStorage::open(directory.path(), Options::default()) {
            Err(OpenError::Damaged { .. } | OpenError::NotOurs { .. }) => {}
            other => panic!("{length} of {} bytes: {other:?}", content.len()),
        }
    }
}

#[tokio::test]
async fn s22_damage_is_looked_for_after_a_stop_that_was_not_clean() {
    let directory = directory();
    let storage = open(directory.path());
    for sequence in 0..2_000 {
        drop(storage.apply(change(vec![Write::PutAccessToken(token(sequence))])));
    }
    storage.close().await.unwrap();
    let path = directory.path().join(FILE_NAME);
    let mut content = fs::read(&path).unwrap();
    let page = content.len() / 4_096 - 2;
    content[page * 4_096..][..64].fill(0xff);
    fs::write(&path, content).unwrap();
    // After a clean stop nobody looks: opening stays fast.
    open(directory.path()).close().await.unwrap();
    leave_unclean(directory.path());
    match refused(directory.path()) {
        error @ OpenError::Damaged { .. } => assert!(error.to_string().contains("restore a backup")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_copy_of_the_files_at_any_moment_holds_what_was_acknowledged() {
    let directory = directory();
    let storage = open(directory.path());
    for sequence in 0..20 {
        let position =
            storage.apply(change(vec![Write::PutAccessToken(token(sequence)), put_realm()])).await.unwrap();
        // What a crash leaves behind.
        let copy = self::directory();
        for suffix in ["", "-wal"] {
            let name = format!("{FILE_NAME}{suffix}");
            fs::copy(directory.path().join(&name), copy.path().join(&name)).unwrap();
        }
        let copy = open(copy.path());
        assert_eq!(copy.head().await.unwrap(), position);
        assert!(copy.find_access_token(token(sequence).id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn s22_each_connection_is_told_what_keeps_data_safe() {
    let directory = directory();
    open(directory.path()).close().await.unwrap();
    let path = directory.path().join(FILE_NAME);
    let writer = open::open_writer(&path).unwrap();
    let reader = open::open_reader(&path).unwrap();
    for connection in [&writer, &reader] {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)),
            Ok("wal".to_owned())
        );
        // FULL is 2.
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("foreign_keys"), 1);
        assert_eq!(pragma("trusted_schema"), 0);
        assert_eq!(pragma("wal_autocheckpoint"), 0);
        // No memory map: SQLite answers with no row, or with zero.
        let mmap = connection.query_row("PRAGMA mmap_size", [], |row| row.get::<_, i64>(0));
        assert!(matches!(mmap, Ok(0) | Err(rusqlite::Error::QueryReturnedNoRows)));
    }
    assert!(reader.execute("UPDATE file_state SET in_use = 0", []).is_err());
    let loose: i64 = writer
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND NOT strict",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(loose, 0, "every table is strict");
}

#[test]
fn s22_a_sqlite_with_the_wal_reset_bug_is_refused() {
    for version in [3_007_000, 3_050_004, 3_051_002, 3_052_000] {
        assert!(matches!(open::require_sqlite(version), Err(OpenError::Sqlite { .. })), "{version}");
    }
    for version in [3_051_003, 3_052_001, 3_053_000, rusqlite::version_number()] {
        assert!(open::require_sqlite(version).is_ok(), "{version}");
    }
}

#[tokio::test]
async fn tokens_carry_no_secondary_index() {
    let directory = directory();
    let _storage = open(directory.path());
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name IN ('access_tokens', 'refresh_tokens')";
    assert_eq!(tool(directory.path()).query_row(sql, [], |row| row.get::<_, i64>(0)), Ok(0));
}

#[tokio::test]
async fn a_lookup_is_compiled_once() {
    let directory = directory();
    let storage = open(directory.path());
    for sequence in 0..10 {
        storage.apply(change(vec![Write::PutAccessToken(token(sequence))])).await.unwrap();
    }
    let reader = open::open_reader(&directory.path().join(FILE_NAME)).unwrap();
    for sequence in 0..10 {
        assert!(reads::access_token(&reader, token(sequence).id).unwrap().is_some());
    }
    let statement = reader.prepare_cached(reads::FIND_ACCESS_TOKEN).unwrap();
    assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    assert_eq!(statement.get_status(StatementStatus::Run), 10);
}

/// An observer that stands still until it is let go, and remembers what it was told.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    reached: AtomicBool,
    told: Mutex<Vec<&'static str>>,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self { closed: Mutex::new(true), ..Self::default() })
    }

    fn open(&self) {
        *self.closed.lock() = false;
        self.opened.notify_all();
    }
}

impl LogObserver for Gate {
    fn committed(&self, _rows: &[LogRow], _records: Vec<Record>) {
        self.told.lock().push("committed");
        self.reached.store(true, Ordering::Release);
        let mut closed = self.closed.lock();
        while *closed {
            self.opened.wait(&mut closed);
        }
    }

    fn lost_track(&self) {
        self.told.lock().push("lost track");
    }

    fn caught_up(&self) {
        self.told.lock().push("caught up");
    }
}

#[tokio::test]
async fn beyond_its_bound_the_queue_refuses_at_once() {
    let directory = directory();
    let gate = Gate::closed();
    let storage = EmbeddedStorage::open(
        directory.path(),
        Options { observer: Arc::<Gate>::clone(&gate), ..Options::default() },
    )
    .unwrap();
    let held = storage.apply(change(vec![put_realm()]));
    while !gate.reached.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let queued: Vec<_> = (0..limits::COMMIT_QUEUE_MAX).map(|_| storage.apply(setting(vec![]))).collect();
    let mut beyond = storage.apply(setting(vec![]));
    let answer = poll_fn(|context| Poll::Ready(beyond.as_mut().poll(context))).await;
    if answer.is_pending() {
        gate.open();
    }
    match answer {
        Poll::Ready(Err(ApplyError::Unavailable(unavailable))) => assert!(!unavailable.outcome_is_unknown()),
        other => panic!("{other:?}"),
    }
    // Numbers are still handed out: they have a lane of their own.
    let numbers = storage.allocate_sequences(NOW.hour(), 1);
    // Reads do not wait for the writer.
    assert_eq!(storage.head().await.unwrap().seq, Seq::from_number(1));
    gate.open();
    held.await.unwrap();
    assert_eq!(numbers.await.unwrap(), 0);
    for answer in queued {
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn r3_while_the_database_cannot_be_opened_again_reads_work_and_writes_are_refused() {
    let directory = directory();
    let (faults, gate) = (Faults::default(), Arc::new(Gate::default()));
    let storage = EmbeddedStorage::open(
        directory.path(),
        Options { observer: Arc::<Gate>::clone(&gate), faults: faults.clone(), ..Options::default() },
    )
    .unwrap();
    let position = storage.apply(change(vec![put_realm()])).await.unwrap();
    faults.fail_reopen(3);
    faults.fail_commit(CommitFault::Made);
    let cut = Write::Cut { kind: CutKind::User, subject: 7 };
    match storage.apply(change(vec![cut])).await {
        Err(ApplyError::Unavailable(unavailable)) => assert!(unavailable.outcome_is_unknown()),
        other => panic!("{other:?}"),
    }
    assert_eq!(*gate.told.lock(), ["committed", "lost track"]);
    assert_eq!(storage.load_records().await.unwrap().len(), 1);
    let mut refused = 0;
    while storage.apply(setting(vec![1])).await.is_err() {
        refused += 1;
        tokio::task::yield_now().await;
    }
    assert!(refused > 0);
    assert_eq!(*gate.told.lock(), ["committed", "lost track", "committed", "caught up"]);
    assert_eq!(storage.head().await.unwrap().seq, position.seq.next());
}

#[tokio::test]
async fn another_history_in_the_file_is_never_taken_for_the_own_one() {
    let directory = directory();
    let (faults, gate) = (Faults::default(), Arc::new(Gate::default()));
    let storage = EmbeddedStorage::open(
        directory.path(),
        Options { observer: Arc::<Gate>::clone(&gate), faults: faults.clone(), ..Options::default() },
    )
    .unwrap();
    storage.apply(change(vec![put_realm()])).await.unwrap();
    tool(directory.path()).execute("UPDATE head SET link = link + 1", []).unwrap();
    faults.fail_commit(CommitFault::NotMade);
    assert!(storage.apply(setting(vec![1])).await.is_err());
    for _ in 0..100 {
        assert!(storage.apply(setting(vec![1])).await.is_err());
    }
    assert_eq!(*gate.told.lock(), ["committed", "lost track"]);
}

#[tokio::test]
async fn a_store_that_is_dropped_finishes_its_queue_and_stops_cleanly() {
    let directory = directory();
    let storage = open(directory.path());
    for sequence in 0..100 {
        drop(storage.apply(change(vec![Write::PutAccessToken(token(sequence))])));
    }
    drop(storage);
    assert!(!directory.path().join(format!("{FILE_NAME}-wal")).exists());
    let in_use = "SELECT in_use FROM file_state";
    assert_eq!(tool(directory.path()).query_row(in_use, [], |row| row.get::<_, bool>(0)), Ok(false));
    assert!(open(directory.path()).find_access_token(token(99).id).await.unwrap().is_some());
}

/// An observer that holds the store which it observes, as a node does.
struct Owner {
    _store: Arc<EmbeddedStorage>,
}

impl LogObserver for Owner {
    fn committed(&self, _rows: &[LogRow], _records: Vec<Record>) {}
    fn lost_track(&self) {}
    fn caught_up(&self) {}
}

#[tokio::test]
async fn closing_lets_the_observer_go_even_when_it_owns_the_store() {
    let directory = directory();
    let storage = open(directory.path());
    let owner = Arc::new(Owner { _store: Arc::clone(&storage) });
    let observed = Arc::downgrade(&owner);
    storage.set_observer(owner);
    storage.apply(change(vec![put_realm()])).await.unwrap();
    storage.close().await.unwrap();
    assert!(observed.upgrade().is_none());
}

#[tokio::test]
async fn the_writer_may_drop_the_last_handle_of_its_store() {
    let directory = directory();
    let storage = open(directory.path());
    storage.set_observer(Arc::new(Owner { _store: Arc::clone(&storage) }));
    drop(storage.close());
    drop(storage);
    // Waiting for itself, the writer would never come to mark the file as closed.
    let tool = tool(directory.path());
    let started = Instant::now();
    while tool.query_row("SELECT in_use FROM file_state", [], |row| row.get(0)) != Ok(false) {
        assert!(started.elapsed() < Duration::from_secs(20), "the writer waits for itself");
        std::thread::yield_now();
    }
}

/// An observer with a bug.
struct Broken;

impl LogObserver for Broken {
    fn committed(&self, _rows: &[LogRow], _records: Vec<Record>) {
        panic!("this observer panics, as its test wants");
    }
    fn lost_track(&self) {}
    fn caught_up(&self) {}
}

#[tokio::test]
async fn when_the_writer_ends_nobody_waits_for_an_answer_that_cannot_come() {
    let directory = directory();
    let options = Options { observer: Arc::new(Broken), ..Options::default() };
    let storage = EmbeddedStorage::open(directory.path(), options).unwrap();
    match storage.apply(change(vec![put_realm()])).await {
        Err(ApplyError::Unavailable(unavailable)) => assert!(unavailable.outcome_is_unknown()),
        other => panic!("{other:?}"),
    }
    // The end of the writer is known once the store says that it did not close well.
    assert!(storage.close().await.is_err());
    match storage.apply(setting(vec![])).await {
        Err(ApplyError::Unavailable(unavailable)) => assert!(!unavailable.outcome_is_unknown()),
        other => panic!("{other:?}"),
    }
    // The change itself was durable before the observer saw it.
    drop(storage);
    assert_eq!(open(directory.path()).load_records().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_log_file_stays_small_while_much_is_written() {
    let directory = directory();
    let storage = open(directory.path());
    let mut largest = 0;
    for number in 0..200_u8 {
        storage.apply(setting(vec![number; 200_000])).await.unwrap();
        let size = fs::metadata(directory.path().join(format!("{FILE_NAME}-wal"))).unwrap().len();
        largest = largest.max(size);
    }
    // 40 MB were written.
    assert!(largest < 10_000_000, "{largest} bytes");
}

#[tokio::test]
async fn a_row_that_does_not_read_back_is_a_failure_and_never_absent() {
    let directory = directory();
    let storage = open(directory.path());
    storage.apply(change(vec![put_realm(), Write::PutAccessToken(token(1))])).await.unwrap();
    let tool = tool(directory.path());
    tool.execute("UPDATE realms SET settings = '{}'", []).unwrap();
    tool.execute("UPDATE access_tokens SET digest_generation = 1, digest = x'00'", []).unwrap();
    tool.execute("UPDATE log SET kind = 999", []).unwrap();
    assert!(storage.load_records().await.is_err());
    assert!(storage.find_access_token(token(1).id).await.is_err());
    assert!(storage.log_after(Seq::ZERO, 10).await.is_err());
}

#[test]
fn who_has_an_address_is_found_by_the_index_and_not_by_looking_at_everybody() {
    let directory = directory();
    drop(open(directory.path()));
    let explain = format!("EXPLAIN QUERY PLAN {}", reads::USERS_BY_EMAIL);
    let tool = tool(directory.path());
    let mut statement = tool.prepare(&explain).unwrap();
    let plan: Vec<String> = statement
        .query_map(rusqlite::params![1, "a@b.example", 1], |row| row.get("detail"))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert!(plan[0].contains("USING INDEX users_by_email (realm=? AND <expr>=?)"), "{plan:?}");
}

#[cfg(feature = "fill")]
#[tokio::test]
async fn a_filled_store_serves_and_never_hands_out_the_numbers_again() {
    let directory = directory();
    let filler = crate::fill::Filler::open(directory.path()).unwrap();
    assert_eq!(filler.access_tokens((0..120_000).map(token)).unwrap(), 120_000);
    let revoked = (0..1_000).map(|sequence| (token(sequence).id, NOW));
    assert_eq!(filler.revocations(revoked, NOW).unwrap(), 1_000);
    filler.finish().unwrap();
    let storage = open(directory.path());
    assert!(storage.find_access_token(token(119_999).id).await.unwrap().is_some());
    assert_eq!(storage.allocate_sequences(NOW.hour(), 1).await.unwrap(), 120_000);
    assert_eq!(storage.head().await.unwrap().seq, Seq::from_number(1_000));
    assert_eq!(storage.log_after(Seq::from_number(998), 10).await.unwrap().len(), 2);
    assert_eq!(storage.apply(change(vec![put_realm()])).await.unwrap().seq, Seq::from_number(1_001));
    let never = storage.allocate_sequences(lydian_primitives::Hour::NEVER, 1).await.unwrap();
    assert_eq!(never, 0);
}
