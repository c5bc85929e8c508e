//! `lydian apply`: realms, APIs, clients and users as a file says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lydian_admin_api::operations::apply::{Applied, Apply};
use lydian_server::control::Absent;
use lydian_service::apply::{self, ApplyDocumentError, Document};

use crate::control::Target;
use crate::output;

/// The arguments of `lydian apply`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The file that says which realms, APIs, clients and users there are
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let document = read(&arguments.file).map_err(|error| output::failed("read the file", &error))?;
    let operation = Apply { document, dry_run: arguments.dry_run };
    let absent = if arguments.dry_run { Absent::Pretend } else { Absent::Make };
    let outcome = arguments.target.perform("apply the file", absent, operation)?;
    arguments.target.show(&outcome, || text(&outcome, arguments.dry_run))
}

/// Reads the document, and the secrets that it names by file.
fn read(path: &Path) -> Result<Document, ApplyDocumentError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| ApplyDocumentError::Invalid(vec![format!("{}: {error}", path.display())]))
    };
    let mut document = apply::parse(&read(path)?)?;
    let beside = path.parent().unwrap_or(Path::new("."));
    for client in &mut document.clients {
        let Some(file) = client.client_secret_file.take() else { continue };
        if client.client_secret.is_some() {
            let fault =
                format!("client {}: give client_secret or client_secret_file, not both", client.client_id);
            return Err(ApplyDocumentError::Invalid(vec![fault]));
        }
        client.client_secret = Some(read(&beside.join(file))?.trim_end_matches(['\r', '\n']).to_owned());
    }
    for user in &mut document.users {
        let Some(file) = user.password_file.take() else { continue };
        if user.password.is_some() {
            let fault = format!("user {}: give password or password_file, not both", user.username);
            return Err(ApplyDocumentError::Invalid(vec![fault]));
        }
        user.password = Some(read(&beside.join(file))?.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(document)
}

/// The outcome for people.
pub(crate) fn text(outcome: &Applied, dry_run: bool) -> String {
    let rows: Vec<Vec<String>> = outcome
        .records
        .iter()
        .map(|line| vec![line.verdict.clone(), line.record.clone(), line.differences.join("; ")])
        .collect();
    let mut text = output::table(&["what", "record", "differences"], &rows);
    let count = |verdict| outcome.records.iter().filter(|line| line.verdict == verdict).count();
    let (made, changed, unchanged) = (count("made"), count("changed"), count("unchanged"));
    text.push_str(&format!("\n\n{made} made, {changed} changed, {unchanged} unchanged"));
    if dry_run {
        text.push_str(" (dry run: nothing was written)");
        return text;
    }
    if !outcome.secrets.is_empty() {
        let rows: Vec<Vec<String>> = outcome
            .secrets
            .iter()
            .map(|made| vec![made.realm.clone(), made.client_id.clone(), made.client_secret.clone()])
            .collect();
        text.push_str("\n\nThese secrets are shown this once; keep them now.\n\n");
        text.push_str(&output::table(&["realm", "client_id", "client_secret"], &rows));
    }
    if !outcome.passwords.is_empty() {
        let rows: Vec<Vec<String>> = outcome
            .passwords
            .iter()
            .map(|made| vec![made.realm.clone(), made.username.clone(), made.password.clone()])
            .collect();
        text.push_str("\n\nThese passwords are shown this once; keep them now.\n\n");
        text.push_str(&output::table(&["realm", "username", "password"], &rows));
    }
    text
}
