//! Making a backup: a snapshot by whoever has the store, then seals, then one rename.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use lydian_admin_api::SnapshotFacts;
use lydian_primitives::{Clock, Entropy, Mint, SystemClock, SystemEntropy, base64url};
use lydian_service::install;
use lydian_storage_embedded::backup;
use zeroize::Zeroizing;

use super::seal::{RecoveryKey, seal_stream};
use super::{
    BackupError, DATABASE, FORMAT, MANIFEST, Manifest, SNAPSHOT_PREFIX, WRAPPING_KEY, io_error, refused,
};
use crate::data_directory;

/// What was made.
#[derive(Debug)]
pub struct MadeBackup {
    /// What the backup is.
    pub manifest: Manifest,
    /// Where it lies.
    pub path: PathBuf,
}

/// Copies the database of a data directory, as it is at one moment, into a file beside it.
///
/// # Errors
///
/// [`BackupError`] when it cannot be read or written.
pub fn take_snapshot(directory: &Path, entropy: &dyn Entropy) -> Result<SnapshotFacts, BackupError> {
    remove_snapshots(directory);
    let mut random = [0; 8];
    entropy.fill(&mut random);
    let path = directory.join(format!("{SNAPSHOT_PREFIX}{:016x}.db", u64::from_le_bytes(random)));
    let taken = || -> Result<SnapshotFacts, BackupError> {
        let snapshot = backup::snapshot(directory, &path)?;
        let text = |name| -> Result<Option<String>, BackupError> {
            Ok(backup::setting(&path, name)?.and_then(|bytes| String::from_utf8(bytes).ok()))
        };
        let generation =
            backup::setting(&path, install::STORE_GENERATION)?.and_then(|bytes| bytes.first().copied());
        Ok(SnapshotFacts {
            path: path.clone(),
            issuer: text(install::ISSUER)?,
            schema_version: snapshot.schema_version,
            log_position: snapshot.head.seq.as_number(),
            store_generation: generation
                .ok_or_else(|| refused(&path, "the store has no generation: it is damaged"))?,
        })
    };
    taken().inspect_err(|_| remove_snapshots(directory))
}

/// Removes snapshots that nobody seals any more.
fn remove_snapshots(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(SNAPSHOT_PREFIX) {
            // What stays is tried again at the next snapshot.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Seals a snapshot and the wrapping key into a new directory. The snapshot is removed, whatever comes of it.
///
/// The directory appears whole or not at all. `told` hears how many bytes of the database were sealed.
///
/// # Errors
///
/// [`BackupError`] by cause.
pub fn make(
    data_directory: &Path,
    snapshot: &SnapshotFacts,
    key: &RecoveryKey,
    to: &Path,
    told: impl FnMut(u64),
) -> Result<MadeBackup, BackupError> {
    let made = seal_snapshot(data_directory, snapshot, key, to, told);
    // It is as secret as the database beside it, and needed no longer.
    let _ = fs::remove_file(&snapshot.path);
    made
}

fn seal_snapshot(
    data_directory: &Path,
    snapshot: &SnapshotFacts,
    key: &RecoveryKey,
    to: &Path,
    told: impl FnMut(u64),
) -> Result<MadeBackup, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(refused(to, "it exists already; a backup is made into a new directory"));
    }
    let name = to.file_name().ok_or_else(|| refused(to, "name a directory that is to be made"))?;
    let parent = match to.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    };
    let draft = parent.join(format!(".{}.draft", name.to_string_lossy()));
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io_error(&draft)(error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&draft).map_err(io_error(&draft))?;
    let sealed = seal_into(&draft, data_directory, snapshot, key, told).and_then(|manifest| {
        File::open(&draft).and_then(|directory| directory.sync_all()).map_err(io_error(&draft))?;
        fs::rename(&draft, to).map_err(io_error(to))?;
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(io_error(parent))?;
        Ok(MadeBackup { manifest, path: to.to_owned() })
    });
    sealed.inspect_err(|_| {
        let _ = fs::remove_dir_all(&draft);
    })
}

fn seal_into(
    draft: &Path,
    data_directory: &Path,
    snapshot: &SnapshotFacts,
    key: &RecoveryKey,
    told: impl FnMut(u64),
) -> Result<Manifest, BackupError> {
    let mut salt = [0; 32];
    SystemEntropy.fill(&mut salt);
    let database = draft.join(DATABASE);
    let mut plain = File::open(&snapshot.path).map_err(io_error(&snapshot.path))?;
    let mut sealed = Digesting::new(BufWriter::new(create(&database)?));
    let database_bytes =
        seal_stream(key, &salt, &mut plain, &mut sealed, told).map_err(io_error(&database))?;
    let database_sha256 = sealed.finish().map_err(io_error(&database))?;
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: SystemClock.now().as_unix_seconds(),
        issuer: snapshot.issuer.clone(),
        schema_version: snapshot.schema_version,
        log_position: snapshot.log_position,
        store_generation: snapshot.store_generation,
        salt: base64url::encode(&salt),
        database_sha256,
        database_bytes,
    };
    let bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest is made of strings and numbers");
    write_whole(&draft.join(MANIFEST), &bytes)?;
    let wrapping_key = Zeroizing::new(
        data_directory::read_wrapping_key(data_directory).map_err(BackupError::DataDirectory)?,
    );
    let mint = Mint::new(SystemClock.now(), &SystemEntropy);
    let wrapped = key.wrapping(&salt).wrap(&seal_label(&bytes), &*wrapping_key, &mint);
    write_whole(&draft.join(WRAPPING_KEY), &wrapped)?;
    Ok(manifest)
}

/// Under this label the wrapping key is sealed: it opens beside this manifest and no other.
pub(super) fn seal_label(manifest: &[u8]) -> String {
    format!("lydian backup {}", base64url::encode(digest::digest(&digest::SHA256, manifest).as_ref()))
}

fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_error(path))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error(path))
}

/// Writes through, and knows the SHA-256 of all that was written.
struct Digesting {
    to: BufWriter<File>,
    context: digest::Context,
}

impl Digesting {
    fn new(to: BufWriter<File>) -> Self {
        Self { to, context: digest::Context::new(&digest::SHA256) }
    }

    /// Everything is on the disk after it.
    fn finish(self) -> std::io::Result<String> {
        let file = self.to.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(base64url::encode(self.context.finish().as_ref()))
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.context.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}
