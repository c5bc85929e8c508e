//! Checking: is a database whole, do its keys open, is a backup what its manifest says?

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use lydian_domain::secrets::WrappingKey;
use lydian_primitives::SecretBytes;
use lydian_service::install;
use lydian_storage_embedded::{FILE_NAME, backup};

use super::restore::{self, Opened};
use super::seal::RecoveryKey;
use super::{BackupError, Manifest, io_error};
use crate::data_directory;

/// What a check of a backup found.
#[derive(Debug)]
pub struct CheckedBackup {
    /// What the backup is.
    pub manifest: Manifest,
    /// What is wrong with it, one sentence each.
    pub findings: Vec<String>,
}

/// Checks the database of a data directory, in use or not.
///
/// # Errors
///
/// [`BackupError`] when it cannot be read at all.
pub fn check_directory(directory: &Path) -> Result<Vec<String>, BackupError> {
    let key = data_directory::read_wrapping_key(directory).map_err(BackupError::DataDirectory)?;
    examine_database(&directory.join(FILE_NAME), &WrappingKey::new(SecretBytes::new(key)))
}

/// Checks a backup whole: it is opened into a private place that is removed again.
///
/// # Errors
///
/// [`BackupError`] when it cannot be opened: that too is an answer.
pub fn check_backup(
    from: &Path,
    key: &RecoveryKey,
    told: impl FnMut(u64),
) -> Result<CheckedBackup, BackupError> {
    let place = std::env::temp_dir().join(format!("lydian-check-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&place).map_err(io_error(&place))?;
    let file = place.join(FILE_NAME);
    let checked = restore::open(from, key, &file, told).and_then(|Opened { manifest, wrapping_key }| {
        let findings = examine_database(&file, &WrappingKey::new(SecretBytes::new(*wrapping_key)))?;
        Ok(CheckedBackup { manifest, findings })
    });
    std::fs::remove_dir_all(&place).map_err(io_error(&place))?;
    checked
}

/// What is wrong with a database and the secrets in it.
pub(super) fn examine_database(file: &Path, wrapping_key: &WrappingKey) -> Result<Vec<String>, BackupError> {
    let mut findings = backup::examine(file)?;
    let check_value = backup::setting(file, install::CHECK_VALUE)?;
    if check_value.as_deref() != Some(wrapping_key.check_value().as_slice()) {
        findings.push("it was sealed under another wrapping key".to_owned());
        return Ok(findings);
    }
    for name in [install::HANDLE_KEY, install::PEPPERS] {
        let sealed = backup::setting(file, name)?.unwrap_or_default();
        if wrapping_key.unwrap(name, &sealed).is_err() {
            findings.push(format!("its {name} does not open"));
        }
    }
    for key in backup::wrapped_keys(file)? {
        if wrapping_key.unwrap(&install::key_label(key.realm, &key.kid), &key.wrapped).is_err() {
            findings.push(format!("the signing key {} does not open", key.kid));
        }
    }
    Ok(findings)
}
