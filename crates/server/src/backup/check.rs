//! Checking: is a database whole, do its keys open, is a backup what its manifest says?

use std::path::Path;

use lydian_domain::secrets::WrappingKey;
use lydian_primitives::SecretBytes;
use lydian_service::install;
use lydian_storage_embedded::{FILE_NAME, backup};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::restore::{self, Opened};
use super::seal::RecoveryKey;
use super::{BackupError, Manifest, io_error, refused};
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

/// Checks a backup whole: it is opened into a private place, which goes again whatever comes of it. `None` when a signal asked this
/// process to end meanwhile: the work then goes on in vain until the process does.
///
/// # Errors
///
/// [`BackupError`] when it cannot be opened: that too is an answer.
pub async fn check_backup(
    from: &Path,
    key: RecoveryKey,
    told: impl FnMut(u64) + Send + 'static,
) -> Result<Option<CheckedBackup>, BackupError> {
    let temporary = std::env::temp_dir();
    let mut end = End::listen().map_err(io_error(&temporary))?;
    let place = data_directory::private_place().map_err(io_error(&temporary))?;
    let (backup, file) = (from.to_owned(), place.path().join(FILE_NAME));
    let checking = tokio::task::spawn_blocking(move || check_in(&backup, &key, &file, told));
    let checked = tokio::select! {
        checked = checking => Some(checked.map_err(|error| refused(from, error.to_string()))?),
        () = end.asked() => None,
    };
    place.close().map_err(io_error(&temporary))?;
    checked.transpose()
}

fn check_in(
    from: &Path,
    key: &RecoveryKey,
    file: &Path,
    told: impl FnMut(u64),
) -> Result<CheckedBackup, BackupError> {
    let Opened { manifest, wrapping_key } = restore::open(from, key, file, told)?;
    let mut findings = compare(&manifest, file)?;
    findings.extend(examine_database(file, &WrappingKey::new(SecretBytes::new(*wrapping_key)))?);
    Ok(CheckedBackup { manifest, findings })
}

/// The signals that end a command: without them heard, it would leave behind what it has opened.
struct End([Signal; 3]);

impl End {
    fn listen() -> std::io::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hang_up] = kinds.map(signal);
        Ok(Self([terminate?, interrupt?, hang_up?]))
    }

    async fn asked(&mut self) {
        let [terminate, interrupt, hang_up] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// Where a manifest says something else of a database than the database does.
pub(super) fn compare(manifest: &Manifest, file: &Path) -> Result<Vec<String>, BackupError> {
    let facts = backup::facts(file)?;
    let generation =
        backup::setting(file, install::STORE_GENERATION)?.and_then(|bytes| bytes.first().copied());
    let issuer = backup::setting(file, install::ISSUER)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let none = || "none".to_owned();
    let both = [
        (
            "generation",
            manifest.store_generation.to_string(),
            generation.map_or_else(none, |it| it.to_string()),
        ),
        ("schema version", manifest.schema_version.to_string(), facts.schema_version.to_string()),
        ("log position", manifest.log_position.to_string(), facts.head.seq.as_number().to_string()),
        ("issuer", manifest.issuer.clone().unwrap_or_else(none), issuer.unwrap_or_else(none)),
    ];
    let differ = both.into_iter().filter(|(_, told, found)| told != found);
    Ok(differ
        .map(|(what, told, found)| format!("its manifest gives {what} {told}, and its database has {found}"))
        .collect())
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

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
