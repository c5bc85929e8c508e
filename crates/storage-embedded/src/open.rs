//! Opening the file: its rights, its version, its health, and what each connection is told.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, OpenFlags};

/// The name of the database within the data directory.
pub const FILE_NAME: &str = "lydian.db";

/// Marks the file as ours (`PRAGMA application_id`): "Lydi".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Lydi");

/// Each step takes the database from the version of its index to the next one.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
];

/// The smallest page of SQLite, in bytes; the first one holds the header.
const SMALLEST_PAGE: u64 = 512;

/// SQLite before this version has the WAL-reset bug; 3.52.0 was withdrawn.
const OLDEST_SQLITE: i32 = 3_051_003;
const WITHDRAWN_SQLITE: i32 = 3_052_000;

/// Pages of a connection's own cache, in KiB; the operating system caches the file beside it.
const READ_CACHE_KIB: i64 = 2_048;
const WRITE_CACHE_KIB: i64 = 8_192;

/// How long a statement waits for a lock: an online copy by another tool may hold one for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a store could not be opened, and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is damaged.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        finding: String,
    },
    /// The directory or the file cannot be used.
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file was written by a newer version of the product.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The version that this program knows.
        known: usize,
    },
    /// The file is no database, or not one of this product.
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file, or it is not a plain file.
    Permissions {
        /// The file.
        path: PathBuf,
    },
    /// This build contains a version of SQLite that must not be used.
    Sqlite {
        /// Its version.
        version: &'static str,
    },
    /// The database could not be prepared.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { path, finding } => {
                write!(f, "{} is damaged ({finding}): restore a backup", path.display())
            }
            Self::Io { path, .. } => {
                write!(f, "{} cannot be used: check that it exists and who owns it", path.display())
            }
            Self::Newer { path, found, known } => write!(
                f,
                "{} has schema version {found}, this program knows versions up to {known}: start the newer program, or restore \
                 a backup that was made before the upgrade",
                path.display()
            ),
            Self::NotOurs { path } => write!(
                f,
                "{} is not a database of this product: choose another data directory, or restore a backup",
                path.display()
            ),
            Self::Permissions { path } => write!(
                f,
                "{} must be a plain file that only its owner may read and write: chmod 600 it",
                path.display()
            ),
            Self::Sqlite { version } => {
                write!(f, "SQLite {version} must not be used: build with 3.51.3 or newer, and not 3.52.0")
            }
            Self::Unusable { path, .. } => {
                write!(f, "{} cannot be prepared: check the free space and the disk", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Unusable { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The writer's connection to a database that is of our version and healthy, marked as in use.
pub(crate) fn open_database(directory: &Path) -> Result<Connection, OpenError> {
    require_sqlite(rusqlite::version_number())?;
    let path = directory.join(FILE_NAME);
    create_private(&path)?;
    let connection = open_writer(&path).map_err(|error| classify(&path, error))?;
    let prepare = || -> Result<(), OpenError> {
        let sql = |error| classify(&path, error);
        require_ours(&connection, &path)?;
        migrate(&connection, &path, MIGRATIONS, || {})?;
        let in_use: bool = connection
            .query_row("SELECT in_use FROM file_state WHERE id = 1", [], |row| row.get(0))
            .map_err(sql)?;
        if in_use {
            check_health(&connection, &path)?;
        }
        // What an unfinished sync left in the log file only seems to be on disk: copying it into the database makes it so.
        connection
            .wal_checkpoint_v2(None::<&str>, rusqlite::wal::CheckpointMode::TRUNCATE)
            .map(drop)
            .map_err(sql)?;
        connection.execute("UPDATE file_state SET in_use = 1 WHERE id = 1", []).map(drop).map_err(sql)
    };
    prepare()?;
    require_private_files(&path)?;
    Ok(connection)
}

/// A connection that writes: it owns the checkpoints.
pub(crate) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "cache_size", -WRITE_CACHE_KIB)?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "cache_size", -READ_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Each connection has one user at a time, so that SQLite needs no mutex of its own.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A plan never depends on bound values: otherwise SQLite may compile a cached statement again for each lookup.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

pub(crate) fn require_sqlite(version: i32) -> Result<(), OpenError> {
    if version < OLDEST_SQLITE || version == WITHDRAWN_SQLITE {
        return Err(OpenError::Sqlite { version: rusqlite::version() });
    }
    Ok(())
}

/// Makes the file with the rights of its owner alone. SQLite gives the same rights to the files that it puts beside it.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        // Once more, because a umask may have taken even the owner's rights.
        Ok(file) => file
            .set_permissions(Permissions::from_mode(0o600))
            .map_err(|source| OpenError::Io { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            require_private_files(path)?;
            require_header(path)
        }
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

/// A file that is shorter than a header would be taken for an empty database, and overwritten.
fn require_header(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        // An empty file is what a first start leaves that was stopped at once.
        Ok(metadata) if metadata.len() == 0 || metadata.len() >= SMALLEST_PAGE => Ok(()),
        Ok(_) => Err(OpenError::NotOurs { path: path.to_owned() }),
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

/// The database and the files that SQLite keeps beside it are plain files for the owner alone.
fn require_private_files(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o077 == 0 => {}
            Ok(_) => return Err(OpenError::Permissions { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::Io { path, source }),
        }
    }
    Ok(())
}

fn require_ours(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sql = |error| classify(path, error);
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    if application == APPLICATION_ID {
        return Ok(());
    }
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql)?;
    if application != 0 || objects != 0 {
        return Err(OpenError::NotOurs { path: path.to_owned() });
    }
    Ok(())
}

/// Brings the schema to the version of the last step, each step in a transaction of its own. `ran` hears of each statement.
pub(crate) fn migrate(
    connection: &Connection,
    path: &Path,
    steps: &[&str],
    mut ran: impl FnMut(),
) -> Result<(), OpenError> {
    let sql = |error| classify(path, error);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > steps.len() {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: steps.len() });
    }
    for (version, step) in steps.iter().enumerate().skip(found) {
        let transaction = connection.unchecked_transaction().map_err(sql)?;
        let mut statements = Batch::new(&transaction, step);
        while let Some(mut statement) = statements.next().map_err(sql)? {
            statement.execute([]).map_err(sql)?;
            ran();
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
        ran();
        transaction.pragma_update(None, "user_version", version as i64 + 1).map_err(sql)?;
        ran();
        transaction.commit().map_err(sql)?;
        ran();
    }
    Ok(())
}

/// Looks for damage after a stop that was not clean.
fn check_health(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let finding: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| classify(path, error))?;
    if finding == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.to_owned(), finding }) }
}

pub(crate) fn classify(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotOurs { path },
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, finding: error.to_string() },
        _ => OpenError::Unusable { path, source: error },
    }
}
