//! Backups of the embedded store: made while the server runs, encrypted, and restored so that nothing revoked comes back.
//!
//! A backup is a directory with three files: `manifest.json` says what it is, `database.sealed` is a snapshot of the database, and
//! `wrapping-key.sealed` the key without which the snapshot cannot be read. Both are sealed under a recovery key that the operator
//! keeps elsewhere. The seal of the wrapping key covers the manifest, and the manifest the database.

mod check;
mod make;
mod restore;
mod seal;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lydian_storage_embedded::OpenError;
use serde::{Deserialize, Serialize};

use crate::control::ControlError;
use crate::data_directory::DataDirectoryError;

pub use check::{CheckedBackup, check_backup, check_directory};
pub use make::{MadeBackup, make, take_snapshot};
pub use restore::{Restored, restore};
pub use seal::{RecoveryKey, read_or_make_recovery_key, read_recovery_key};

/// The format of the files; another number is another format.
const FORMAT: u32 = 1;

const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "database.sealed";
const WRAPPING_KEY: &str = "wrapping-key.sealed";

/// Snapshots lie in the data directory while they are sealed; what a killed command left behind goes at the next one.
const SNAPSHOT_PREFIX: &str = ".snapshot-";

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of the backup.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// When it was made, in seconds since 1970.
    pub made_at: u64,
    /// The issuer identifier of the server.
    pub issuer: Option<String>,
    /// The version of the database's schema.
    pub schema_version: i64,
    /// The last position of the log that is in it.
    pub log_position: u64,
    /// The generation of the store.
    pub store_generation: u8,
    /// Random bytes that go into the keys of this backup, in base64url.
    pub salt: String,
    /// SHA-256 of the sealed database, in base64url.
    pub database_sha256: String,
    /// The length of the database before it was sealed, in bytes.
    pub database_bytes: u64,
}

/// Why a backup was not made, checked or restored. The text says what to do.
#[derive(Debug)]
pub enum BackupError {
    /// The server could not be asked.
    Control(ControlError),
    /// A database could not be read or written.
    Database(OpenError),
    /// The data directory cannot be used.
    DataDirectory(DataDirectoryError),
    /// A file cannot be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Something is not as it must be.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(error) => error.fmt(f),
            Self::Database(error) => error.fmt(f),
            Self::DataDirectory(error) => error.fmt(f),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Refused { path, why } => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for BackupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Control(error) => error.source(),
            Self::Database(error) => error.source(),
            Self::DataDirectory(error) => error.source(),
            Self::Io { source, .. } => Some(source),
            Self::Refused { .. } => None,
        }
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        Self::Database(error)
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |source| BackupError::Io { path: path.to_owned(), source }
}

fn refused(path: &Path, why: impl Into<String>) -> BackupError {
    BackupError::Refused { path: path.to_owned(), why: why.into() }
}

impl Manifest {
    /// Reads the manifest of a backup; its bytes are what the seal of the wrapping key covers.
    fn read(backup: &Path) -> Result<(Self, Vec<u8>), BackupError> {
        let path = backup.join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(io_error(&path))?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|_| {
            refused(&path, "it is not the manifest of a backup; name the directory that lydian backup made")
        })?;
        if manifest.format != FORMAT {
            let why = format!(
                "its format is {}, and this program reads format {FORMAT}: use the program that made it",
                manifest.format
            );
            return Err(refused(&path, why));
        }
        Ok((manifest, bytes))
    }
}
