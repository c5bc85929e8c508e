//! Tests of upgrades (R30): a store of each released schema version is opened, and interrupted at each statement on its way.
//!
//! `tests/fixtures/README.md` says how the fixture of a new version is made; nothing here changes for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lydian_domain::TokenId;
use lydian_domain::secrets::WrappingKey;
use lydian_primitives::SecretBytes;
use lydian_revocation::{CutKind, Seq};
use lydian_storage::conformance::fixtures::{
    NOW, access_token, change, client_id, cut, grant_id, hour, key_id, realm_id, session_id, signing_key,
    token_id, user_id,
};
use lydian_storage::{ApplyError, Conflict, Precondition, ReadStorage, Record, Storage, Write};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::open::{self, FILE_NAME, MIGRATIONS};
use crate::{EmbeddedStorage, OpenError, Options};

/// A later version than any: what steps do that move many rows, so that parts of them reach the disk before the commit.
const MOVES_ROWS: &str = "CREATE TABLE moved (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
     INSERT INTO moved (id, filler) SELECT value, zeroblob(4000) FROM generated;
     ALTER TABLE settings RENAME TO old_settings;
     CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL, moved INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     INSERT INTO settings (name, value, moved) SELECT name, value, 1 FROM old_settings;
     DROP TABLE old_settings;";

fn fixture(version: usize) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/schema-{version:04}.sql"))
}

/// A data directory with the store of a version.
fn store_of(version: usize) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let dump = fs::read_to_string(fixture(version))
        .unwrap_or_else(|error| panic!("schema version {version} has no fixture ({error}): make one"));
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&dump).unwrap();
    assert_eq!(version_of(&connection), version as i64, "the fixture says another version than its name");
    drop(connection);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    directory
}

fn version_of(connection: &Connection) -> i64 {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// What a machine finds in a directory after its power went.
fn copy_of_files(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{FILE_NAME}{suffix}");
        if directory.join(&name).exists() {
            fs::copy(directory.join(&name), copy.path().join(&name)).unwrap();
        }
    }
    copy
}

fn open_store(directory: &Path) -> std::sync::Arc<EmbeddedStorage> {
    EmbeddedStorage::open(directory, Options::default()).unwrap()
}

/// The text of the schema, of every table and index, in the words of SQLite.
fn schema_of(connection: &Connection) -> Vec<String> {
    let mut statement = connection
        .prepare("SELECT type || ' ' || name || ' ' || ifnull(sql, '') FROM sqlite_schema ORDER BY 1")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// Everything that the fixtures hold is there, means what it meant, and the store goes on where it was.
async fn assert_upgraded(directory: &Path, what: &str) {
    let storage = open_store(directory);
    let access = storage.find_access_token(token_id(1)).await.unwrap().expect(what);
    assert_eq!((access.token.client, access.token.grant), (client_id(1), grant_id(1)), "{what}");
    assert_eq!(access.token.revoked_at, Some(Seq::from_number(2)), "{what}");
    let was = access_token(token_id(1));
    assert_eq!((access.token.scope, access.token.minted_at), (was.scope, was.minted_at), "{what}");
    assert_eq!(access.token.digest.is_some(), was.digest.is_some(), "{what}");
    assert_eq!(access.username.as_deref(), Some("user-1@example"), "{what}");
    let refresh = storage.find_refresh_token(token_id(2)).await.unwrap().expect(what);
    assert_eq!(refresh.token.expires_at, NOW.plus_seconds(60), "{what}");

    let records = storage.load_records().await.unwrap();
    let cuts: Vec<(u64, Option<u64>)> = records
        .iter()
        .map(|record| match record {
            Record::Api(api) => (api.id.as_number(), None),
            Record::Client(client) => (client.id.as_number(), Some(client.cut_at.as_number())),
            Record::Key(key) => (key.id.as_number(), Some(key.cut_at.as_number())),
            Record::Realm(realm) => (realm.id.as_number(), Some(realm.cut_at.as_number())),
            Record::Removed { id, .. } => panic!("{what}: {id} was not removed"),
        })
        .collect();
    for expected in [
        (20_001, None),
        (30_001, Some(5)),
        (key_id(1).as_number(), Some(8)),
        (key_id(2).as_number(), Some(0)),
        (realm_id(1).as_number(), Some(10)),
    ] {
        assert!(cuts.contains(&expected), "{what}: {expected:?} in {cuts:?}");
    }
    assert_eq!(cuts.len(), 5, "{what}");
    let sealed = records.iter().find_map(|record| match record {
        Record::Key(key) if key.id == signing_key(2).id => Some(key.wrapped_private_key.clone()),
        _ => None,
    });
    let wrapping_key = WrappingKey::new(SecretBytes::new([0; 32]));
    let plain = wrapping_key.unwrap("fixture", &sealed.expect(what)).expect("what was sealed opens");
    assert_eq!(plain.as_slice(), b"nothing of value", "{what}");

    let parents = storage.load_parents(grant_id(1), Some(session_id(1)), Some(user_id(1))).await.unwrap();
    assert_eq!(parents.grant.map(|grant| grant.cut_at), Some(Seq::from_number(6)), "{what}");
    assert_eq!(parents.session.map(|session| session.cut_at), Some(Seq::from_number(11)), "{what}");
    assert_eq!(parents.user.map(|user| user.cut_at), Some(Seq::from_number(12)), "{what}");
    assert_eq!(storage.find_setting("setting").await.unwrap(), Some(vec![1]), "{what}");
    let issued = storage.issued_under_key(key_id(1), hour()).await.unwrap();
    assert_eq!(issued.iter().map(|issued| issued.count).collect::<Vec<_>>(), [3], "{what}");

    // What was used once stays used, and no number is given twice.
    let unused = Precondition::AssertionUnused { client: client_id(1), digest: [0; 32], expires_at: NOW };
    match storage.apply(change(vec![unused], vec![])).await {
        Err(ApplyError::Conflict(Conflict::AssertionUsed)) => {}
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(storage.allocate_sequences(hour(), 1).await.unwrap(), 1_000, "{what}");
    let rows = storage.log_after(Seq::ZERO, 100).await.unwrap();
    let head = storage.head().await.unwrap();
    // Each row is there, and later versions write more of them.
    assert!(rows.len() >= 13 && rows.len() as u64 == head.seq.as_number(), "{what}: {}", rows.len());
    assert_eq!(head, rows.last().unwrap().position(), "{what}");
    let next = storage.apply(change(vec![], vec![cut(CutKind::Realm, 10_001)])).await.unwrap();
    assert_eq!(next.seq, head.seq.next(), "{what}");
    let token = access_token(TokenId::from_parts(hour(), 3, 1_000));
    storage.apply(change(vec![], vec![Write::PutAccessToken(token.clone())])).await.unwrap();
    assert!(storage.find_access_token(token.id).await.unwrap().is_some(), "{what}");
    storage.close().await.unwrap();
}

#[tokio::test]
async fn r30_a_store_of_each_released_version_is_found_whole_by_this_one() {
    let fresh = tempfile::tempdir().unwrap();
    open_store(fresh.path()).close().await.unwrap();
    let ours = schema_of(&Connection::open(fresh.path().join(FILE_NAME)).unwrap());
    for version in 1..=MIGRATIONS.len() {
        let directory = store_of(version);
        assert_upgraded(directory.path(), &format!("from version {version}")).await;
        let connection = Connection::open(directory.path().join(FILE_NAME)).unwrap();
        assert_eq!(version_of(&connection), MIGRATIONS.len() as i64);
        assert_eq!(schema_of(&connection), ours, "from version {version}");
    }
    assert!(!fixture(MIGRATIONS.len() + 1).exists(), "a fixture has no migration");
}

/// The files as they were after each statement of the way from a version to the last of these steps.
fn interrupted(directory: &Path, steps: &[&str]) -> Vec<TempDir> {
    let path = directory.join(FILE_NAME);
    let connection = open::open_writer(&path).unwrap();
    // Few pages of its own, so that unfinished work spills into the files.
    connection.pragma_update(None, "cache_size", 10).unwrap();
    let mut copies = Vec::new();
    open::migrate(&connection, &path, steps, || copies.push(copy_of_files(directory))).unwrap();
    copies
}

#[tokio::test]
async fn r30_a_power_cut_after_any_statement_of_an_upgrade_loses_nothing() {
    // From nothing, too: the first start is an upgrade from version 0.
    let nothing = tempfile::tempdir().unwrap();
    let file = nothing.path().join(FILE_NAME);
    fs::write(&file, b"").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let copies = interrupted(nothing.path(), MIGRATIONS);
    assert!(copies.len() > 3 * MIGRATIONS.len());
    for copy in copies {
        open_store(copy.path()).close().await.unwrap();
    }
    for version in 1..MIGRATIONS.len() {
        let copies = interrupted(store_of(version).path(), MIGRATIONS);
        assert!(copies.len() > 3 * (MIGRATIONS.len() - version), "each step has statements");
        for (number, copy) in copies.iter().enumerate() {
            assert_upgraded(copy.path(), &format!("from version {version}, cut after statement {number}"))
                .await;
        }
    }
}

#[test]
fn r30_a_step_that_moves_rows_happens_whole_or_not_at_all() {
    let directory = store_of(MIGRATIONS.len());
    let path = directory.path().join(FILE_NAME);
    let rows: String = (0..500).map(|number| format!("INSERT INTO generated VALUES ({number});")).collect();
    Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("CREATE TABLE generated (value INTEGER); BEGIN; {rows} COMMIT;"))
        .unwrap();
    let steps: Vec<&str> = MIGRATIONS.iter().copied().chain([MOVES_ROWS]).collect();
    let before = schema_of(&Connection::open(&path).unwrap());
    let copies = interrupted(directory.path(), &steps);
    let after = schema_of(&Connection::open(&path).unwrap());
    assert_ne!(before, after);
    let spilled = |copy: &TempDir| {
        fs::metadata(copy.path().join(format!("{FILE_NAME}-wal"))).is_ok_and(|wal| wal.len() > 1_000_000)
    };
    let (last, unfinished) = copies.split_last().unwrap();
    assert!(unfinished.iter().any(spilled), "unfinished work was on the disk");
    for (number, copy) in unfinished.iter().enumerate() {
        let path = copy.path().join(FILE_NAME);
        let connection = open::open_writer(&path).unwrap();
        assert_eq!(version_of(&connection), MIGRATIONS.len() as i64, "statement {number}");
        assert_eq!(schema_of(&connection), before, "statement {number}");
        open::migrate(&connection, &path, &steps, || {}).unwrap();
        assert_eq!(schema_of(&connection), after, "statement {number}");
        let moved: (i64, i64) = connection
            .query_row("SELECT (SELECT count(*) FROM moved), (SELECT sum(moved) FROM settings)", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(moved, (500, 1), "statement {number}");
    }
    assert_eq!(schema_of(&Connection::open(last.path().join(FILE_NAME)).unwrap()), after);
}

#[test]
fn r30_a_program_of_each_version_refuses_the_next_one_and_leaves_its_file_alone() {
    for version in 1..=MIGRATIONS.len() {
        let directory = store_of(version);
        let path = directory.path().join(FILE_NAME);
        // The file as a running program has it, so that looking at it changes nothing.
        drop(open::open_writer(&path).unwrap());
        let before = fs::read(&path).unwrap();
        let connection = open::open_writer(&path).unwrap();
        match open::migrate(&connection, &path, &MIGRATIONS[..version - 1], || panic!("nothing may run")) {
            Err(OpenError::Newer { found, known, .. }) => assert_eq!((found, known), (version, version - 1)),
            other => panic!("{other:?}"),
        }
        drop(connection);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn r34_a_later_restore_of_the_same_backup_goes_on_beyond_the_earlier_one() {
    let [first, second] = [store_of(MIGRATIONS.len()), store_of(MIGRATIONS.len())];
    let detach = |directory: &Path, now| {
        crate::backup::detach(&directory.join(FILE_NAME), now, &lydian_primitives::SystemEntropy).unwrap()
    };
    let earlier = detach(first.path(), NOW.plus_seconds(60));
    let storage = open_store(first.path());
    let reached = storage.apply(change(vec![], vec![cut(CutKind::Realm, 10_001)])).await.unwrap();
    storage.close().await.unwrap();
    let later = detach(second.path(), NOW.plus_seconds(120));
    assert!(later.head.seq > reached.seq, "a cut there kills what the earlier one minted: {later:?}");
    assert_ne!(later.head.link, earlier.head.link);
}
