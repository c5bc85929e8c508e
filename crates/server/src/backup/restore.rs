//! Restoring: everything is verified first, the store gets a new generation and a log that goes on far ahead, and every realm is cut.

use std::fs::{self, DirBuilder, File};
use std::io::BufReader;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use lydian_domain::secrets::WrappingKey;
use lydian_primitives::{Clock, SecretBytes, SystemClock, SystemEntropy, base64url};
use lydian_revocation::CutKind;
use lydian_service::install;
use lydian_storage::{Change, Precondition, ReadStorage, Record, Storage, Write};
use lydian_storage_embedded::{EmbeddedStorage, FILE_NAME, Options, backup};
use zeroize::Zeroizing;

use super::check::{compare, examine_database};
use super::make::seal_label;
use super::seal::{RecoveryKey, open_stream};
use super::{BackupError, DATABASE, Manifest, WRAPPING_KEY, io_error, refused};
use crate::data_directory::DataDirectory;

/// Where a restore works, within the data directory that it makes.
const DRAFT: &str = ".restore";

/// The last generation that ids of tokens can carry.
const LAST_GENERATION: u8 = 255;

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What was restored.
    pub manifest: Manifest,
    /// The generation of the store from now on.
    pub store_generation: u8,
    /// How many realms were cut: everything that was minted in them before is dead.
    pub realms_cut: usize,
}

/// A backup that was opened: the snapshot lies in a file, readable.
pub(super) struct Opened {
    pub(super) manifest: Manifest,
    pub(super) wrapping_key: Zeroizing<[u8; 32]>,
}

/// Opens a backup into a file that does not exist yet, after everything about it was verified.
pub(super) fn open(
    from: &Path,
    key: &RecoveryKey,
    into: &Path,
    told: impl FnMut(u64),
) -> Result<Opened, BackupError> {
    let (manifest, bytes) = Manifest::read(from)?;
    let salt = base64url::decode(manifest.salt.as_bytes())
        .ok_or_else(|| refused(from, "its manifest has no salt"))?;
    let path = from.join(WRAPPING_KEY);
    let sealed = fs::read(&path).map_err(io_error(&path))?;
    let unsealed = key.wrapping(&salt).unwrap(&seal_label(&bytes), &sealed).map_err(|_| {
        refused(
            &path,
            "the recovery key does not open it: it is another backup's key, or the backup was altered",
        )
    })?;
    let wrapping_key: [u8; 32] =
        unsealed.as_slice().try_into().map_err(|_| refused(&path, "it holds no wrapping key"))?;
    let path = from.join(DATABASE);
    let found = sha256_of(&path)?;
    if found != manifest.database_sha256 {
        return Err(refused(
            &path,
            "it is not the database of this backup: it was altered, cut off or exchanged",
        ));
    }
    let mut sealed = BufReader::new(File::open(&path).map_err(io_error(&path))?);
    let mut plain = fs::OpenOptions::new();
    let plain = std::os::unix::fs::OpenOptionsExt::mode(plain.write(true).create_new(true), 0o600);
    let mut plain = plain.open(into).map_err(io_error(into))?;
    let length = open_stream(key, &salt, &mut sealed, &mut plain, told).map_err(io_error(&path))?;
    plain.sync_all().map_err(io_error(into))?;
    if length != manifest.database_bytes {
        return Err(refused(&path, "it has another length than its manifest says"));
    }
    Ok(Opened { manifest, wrapping_key: Zeroizing::new(wrapping_key) })
}

fn sha256_of(path: &Path) -> Result<String, BackupError> {
    let mut file = BufReader::new(File::open(path).map_err(io_error(path))?);
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = std::io::Read::read(&mut file, &mut buffer).map_err(io_error(path))?;
        if length == 0 {
            return Ok(base64url::encode(context.finish().as_ref()));
        }
        context.update(&buffer[..length]);
    }
}

/// Restores a backup into a data directory that holds no database.
///
/// Unless `nothing_was_revoked_since`, every realm is cut: what was minted before is dead, so that nothing that was revoked after the
/// backup comes back. New tokens carry a new generation of the store: none has the id or the string of a token that the lost store
/// issued.
///
/// # Errors
///
/// [`BackupError`] by cause; the data directory has no database then.
pub async fn restore(
    from: &Path,
    data_directory: &Path,
    key: &RecoveryKey,
    nothing_was_revoked_since: bool,
    told: impl FnMut(u64),
) -> Result<Restored, BackupError> {
    let directory = DataDirectory::open(data_directory).map_err(BackupError::DataDirectory)?;
    let database = directory.path().join(FILE_NAME);
    if database.symlink_metadata().is_ok() {
        return Err(refused(&database, "there is a database already; restore into a new data directory"));
    }
    let draft = directory.path().join(DRAFT);
    remove_draft(&draft)?;
    DirBuilder::new().mode(0o700).create(&draft).map_err(io_error(&draft))?;
    let restored = restore_into(from, &directory, &draft, key, nothing_was_revoked_since, told).await;
    let removed = remove_draft(&draft);
    let restored = restored?;
    removed?;
    Ok(restored)
}

fn remove_draft(draft: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(draft)(error)),
        _ => Ok(()),
    }
}

async fn restore_into(
    from: &Path,
    directory: &DataDirectory,
    draft: &Path,
    key: &RecoveryKey,
    nothing_was_revoked_since: bool,
    told: impl FnMut(u64),
) -> Result<Restored, BackupError> {
    let file = draft.join(FILE_NAME);
    let Opened { manifest, wrapping_key } = open(from, key, &file, told)?;
    let wrapping = WrappingKey::new(SecretBytes::new(*wrapping_key));
    refuse_another_key(directory.path(), &wrapping_key)?;
    let findings = compare(&manifest, &file)?.into_iter().chain(examine_database(&file, &wrapping)?);
    if let Some(finding) = findings.into_iter().next() {
        return Err(refused(from, format!("its database is damaged: {finding}")));
    }
    backup::detach(&file, SystemClock.now(), &SystemEntropy)?;
    let (store_generation, realms_cut) = prepare(draft, from, nothing_was_revoked_since).await?;
    // The key first: a database without it would be refused, and a key without a database is a first start.
    directory
        .write(crate::data_directory::WRAPPING_KEY, &*wrapping_key)
        .map_err(BackupError::DataDirectory)?;
    let database: PathBuf = directory.path().join(FILE_NAME);
    fs::rename(&file, &database).map_err(io_error(&database))?;
    File::open(directory.path())
        .and_then(|directory| directory.sync_all())
        .map_err(io_error(directory.path()))?;
    Ok(Restored { manifest, store_generation, realms_cut })
}

/// A wrapping key that is there may be all that opens another store. The key of this backup is what a restore left that was killed.
fn refuse_another_key(directory: &Path, wrapping_key: &[u8; 32]) -> Result<(), BackupError> {
    let path = directory.join(crate::data_directory::WRAPPING_KEY);
    match fs::read(&path).map(Zeroizing::new) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(&path)(error)),
        Ok(bytes) if bytes.as_slice() == wrapping_key => Ok(()),
        Ok(_) => Err(refused(
            &path,
            "there is a wrapping key already, and it is not the key of this backup: without it the store that it belongs to cannot \
             be read; restore into a new data directory, or move the key away first",
        )),
    }
}

/// Raises the generation and cuts every realm, in one change.
async fn prepare(
    draft: &Path,
    from: &Path,
    nothing_was_revoked_since: bool,
) -> Result<(u8, usize), BackupError> {
    let unavailable =
        |error: &dyn std::fmt::Display| refused(from, format!("its database cannot be used: {error}"));
    let storage: Arc<EmbeddedStorage> = EmbeddedStorage::open(draft, Options::default())?;
    let stored =
        storage.find_setting(install::STORE_GENERATION).await.map_err(|error| unavailable(&error))?;
    let generation = stored.as_ref().and_then(|bytes| bytes.first().copied()).unwrap_or(LAST_GENERATION);
    if generation == LAST_GENERATION {
        return Err(refused(
            from,
            "its store was restored 254 times, and the ids of its tokens can say no more: make a new install with lydian apply",
        ));
    }
    let records = storage.load_records().await.map_err(|error| unavailable(&error))?;
    let realms: Vec<u64> = records
        .iter()
        .filter_map(|record| match record {
            Record::Realm(realm) => Some(realm.id.as_number()),
            _ => None,
        })
        .collect();
    let mut writes = vec![Write::PutSetting { name: install::STORE_GENERATION, value: vec![generation + 1] }];
    if !nothing_was_revoked_since {
        writes.extend(realms.iter().map(|realm| Write::Cut { kind: CutKind::Realm, subject: *realm }));
    }
    let realms_cut = writes.len() - 1;
    let change = Change {
        preconditions: vec![Precondition::SettingIs { name: install::STORE_GENERATION, value: stored }],
        writes,
        at: SystemClock.now(),
    };
    storage.apply(change).await.map_err(|error| unavailable(&error))?;
    storage.close().await.map_err(|error| unavailable(&error))?;
    Ok((generation + 1, realms_cut))
}
