//! `lydian backup`, `lydian restore`, `lydian check`.

use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use lydian_admin_api::operations::backup::Snapshot;
use lydian_primitives::SystemEntropy;
use lydian_server::backup::{self, BackupError, Manifest, RecoveryKey};
use lydian_server::control::Absent;
use serde_json::json;

use crate::control::Target;
use crate::output;

/// The arguments of `lydian backup`.
#[derive(clap::Args)]
pub(crate) struct BackupArguments {
    /// The directory that is made
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The file with the key that opens backups; it is made when it is missing. Keep it elsewhere
    #[arg(long, value_name = "FILE")]
    recovery_key_file: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `lydian restore`.
#[derive(clap::Args)]
pub(crate) struct RestoreArguments {
    /// The directory that `lydian backup` made
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The file with the key that opens it
    #[arg(long, value_name = "FILE")]
    recovery_key_file: PathBuf,
    /// Let tokens live on that were issued before the backup. Say so only if it is true: what was revoked since comes back
    #[arg(long)]
    nothing_was_revoked_since: bool,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `lydian check`.
#[derive(clap::Args)]
pub(crate) struct CheckArguments {
    /// Check this backup instead of the data directory
    #[arg(long, value_name = "DIR", requires = "recovery_key_file")]
    backup: Option<PathBuf>,
    /// The file with the key that opens the backup
    #[arg(long, value_name = "FILE", requires = "backup")]
    recovery_key_file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// Makes a backup of a running or stopped server.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn back_up(arguments: &BackupArguments) -> Result<ExitCode, ExitCode> {
    let BackupArguments { to, recovery_key_file, target } = arguments;
    const DOING: &str = "make a backup";
    let fail = |error: BackupError| output::failed(DOING, &error);
    if to.symlink_metadata().is_ok() {
        output::complain(&format!(
            "lydian could not {DOING}: {} exists already; name a new directory",
            to.display()
        ));
        return Err(ExitCode::from(output::REFUSED));
    }
    let (key, key_was_made) =
        backup::read_or_make_recovery_key(recovery_key_file, &SystemEntropy).map_err(fail)?;
    let data_directory = target.data_directory()?;
    let made = target.with_server(DOING, Absent::Refuse, async |control| {
        let snapshot = control.perform(Snapshot {}).await.map_err(|error| output::failed(DOING, &error))?;
        let length = std::fs::metadata(&snapshot.path).map_or(0, |metadata| metadata.len());
        let bar = progress(target, "sealing", length);
        let made =
            backup::make(&data_directory, &snapshot, &key, to, |bytes| bar.set_position(bytes)).map_err(fail);
        bar.finish_and_clear();
        made
    })?;
    let outcome =
        json!({ "backup": made.path, "manifest": made.manifest, "recovery_key_made": key_was_made });
    target.show(&outcome, || {
        let mut text = format!("Backup: {}\n\n{}", made.path.display(), described(&made.manifest));
        if key_was_made {
            text.push_str(&format!(
                "\n\nThe recovery key was made: {}. Keep it elsewhere: with it alone the backup can be opened, and without it never.",
                recovery_key_file.display()
            ));
        }
        text
    })
}

/// Restores a backup into a new data directory.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn restore(arguments: &RestoreArguments) -> Result<ExitCode, ExitCode> {
    let RestoreArguments { from, recovery_key_file, nothing_was_revoked_since, target } = arguments;
    let fail = |error: BackupError| output::failed("restore", &error);
    let key: RecoveryKey = backup::read_recovery_key(recovery_key_file).map_err(fail)?;
    let data_directory = target.data_directory()?;
    let bar = progress(target, "opening", 0);
    let restored = output::runtime(1)?
        .block_on(backup::restore(from, &data_directory, &key, *nothing_was_revoked_since, |bytes| {
            bar.set_position(bytes);
        }))
        .map_err(fail);
    bar.finish_and_clear();
    let restored = restored?;
    let outcome = json!({
        "data_dir": data_directory,
        "manifest": restored.manifest,
        "store_generation": restored.store_generation,
        "realms_cut": restored.realms_cut,
    });
    target.show(&outcome, || {
        let tokens = if restored.realms_cut > 0 {
            format!("Every token that was issued before is dead ({} realms were cut): clients fetch new ones.", restored.realms_cut)
        } else {
            "Tokens that were issued before the backup live on. What was revoked since the backup is NOT revoked.".to_owned()
        };
        format!(
            "Restored into {}: generation {} of the store.\n\n{}\n\n{tokens}\nStart it with lydian serve --data-dir {}.",
            data_directory.display(),
            restored.store_generation,
            described(&restored.manifest),
            data_directory.display()
        )
    })
}

/// Checks a data directory or a backup; the exit status is 1 when something is wrong.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn check(arguments: &CheckArguments) -> Result<ExitCode, ExitCode> {
    let CheckArguments { backup: from, recovery_key_file, target } = arguments;
    let fail = |error: BackupError| output::failed("check", &error);
    let (what, manifest, findings) = match (from, recovery_key_file) {
        (Some(from), Some(file)) => {
            let key = backup::read_recovery_key(file).map_err(fail)?;
            let bar = progress(target, "opening", 0);
            let told = bar.clone();
            let runtime = output::runtime(1)?;
            let checking = backup::check_backup(from, key, move |bytes| told.set_position(bytes));
            let checked = runtime.block_on(checking).map_err(fail);
            bar.finish_and_clear();
            // Where a signal came in between, nobody waits for the rest.
            runtime.shutdown_background();
            let Some(checked) = checked? else {
                output::complain("lydian could not check: it was asked to stop");
                return Err(ExitCode::from(output::REFUSED));
            };
            (from.clone(), Some(checked.manifest), checked.findings)
        }
        _ => {
            let directory = target.data_directory()?;
            (directory.clone(), None, backup::check_directory(&directory).map_err(fail)?)
        }
    };
    let is_whole = findings.is_empty();
    let outcome = json!({ "checked": what, "whole": is_whole, "findings": findings, "manifest": manifest });
    let shown = target.show(&outcome, || {
        let mut text = if is_whole {
            format!("{} is whole.", what.display())
        } else {
            let rows: Vec<Vec<String>> = findings.iter().map(|finding| vec![finding.clone()]).collect();
            format!(
                "{}\n\nDo not write to it: copy it away, and restore the last backup that is whole.",
                output::table(&[&format!("wrong with {}", what.display())], &rows)
            )
        };
        if let Some(manifest) = &manifest {
            text.push_str(&format!("\n\n{}", described(manifest)));
        }
        text
    })?;
    if is_whole { Ok(shown) } else { Err(ExitCode::from(output::REFUSED)) }
}

fn described(manifest: &Manifest) -> String {
    let rows = [
        vec!["made".to_owned(), output::instant(manifest.made_at)],
        vec![
            "by".to_owned(),
            format!("lydian {}, schema version {}", manifest.program, manifest.schema_version),
        ],
        vec!["issuer".to_owned(), manifest.issuer.clone().unwrap_or_else(|| "none yet".to_owned())],
        vec!["log position".to_owned(), manifest.log_position.to_string()],
        vec!["generation".to_owned(), manifest.store_generation.to_string()],
        vec!["database".to_owned(), format!("{} bytes", manifest.database_bytes)],
    ];
    output::table(&["backup", ""], &rows)
}

/// A bar for people; indicatif shows none where standard error is no terminal.
fn progress(target: &Target, what: &'static str, length: u64) -> ProgressBar {
    if target.is_json() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:40} {bytes}/{total_bytes} {eta}")
        .expect("the template is fixed");
    ProgressBar::new(length).with_style(style).with_message(what)
}
