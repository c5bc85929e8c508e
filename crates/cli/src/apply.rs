//! `lydian apply`: realms, APIs and clients as a file says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lydian_server::offline::OpenStore;
use lydian_service::Settings;
use lydian_service::apply::{self, ApplyDocumentError, Document, Outcome, Verdict};

use crate::Sources;
use crate::output;

/// The arguments of `lydian apply`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// The file that says which realms, APIs and clients there are
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let document = read(&arguments.file).map_err(|error| output::failed("read the file", &error))?;
    let config = arguments.sources.load()?;
    let runtime = output::runtime(1)?;
    let outcome = runtime.block_on(async {
        let settings = |issuer: Option<String>| {
            Settings::with_issuer(issuer.unwrap_or_else(|| "https://localhost:9443".to_owned()))
        };
        let store = OpenStore::open(&config.data_dir, settings)
            .await
            .map_err(|error| output::failed("open the store", &error))?;
        let outcome = store.service.apply_document(&document, arguments.dry_run).await;
        let closed = store.close().await;
        let outcome = outcome.map_err(|error| output::failed("apply the file", &error))?;
        closed.map_err(|error| output::failed("close the store", &error))?;
        Ok::<Outcome, ExitCode>(outcome)
    })?;
    output::print(&if arguments.json {
        json(&outcome, arguments.dry_run)
    } else {
        text(&outcome, arguments.dry_run)
    })?;
    Ok(ExitCode::SUCCESS)
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
    Ok(document)
}

fn text(outcome: &Outcome, dry_run: bool) -> String {
    let rows: Vec<Vec<String>> = outcome
        .lines
        .iter()
        .map(|line| vec![line.verdict.to_string(), line.record.clone(), line.differences.join("; ")])
        .collect();
    let mut text = output::table(&["what", "record", "differences"], &rows);
    let count = |verdict| outcome.lines.iter().filter(|line| line.verdict == verdict).count();
    let (made, changed, unchanged) =
        (count(Verdict::Made), count(Verdict::Changed), count(Verdict::Unchanged));
    text.push_str(&format!("\n\n{made} made, {changed} changed, {unchanged} unchanged"));
    if dry_run {
        text.push_str(" (dry run: nothing was written)");
        return text;
    }
    if !outcome.secrets.is_empty() {
        let rows: Vec<Vec<String>> = outcome
            .secrets
            .iter()
            .map(|made| vec![made.realm.to_string(), made.client_id.clone(), made.secret.expose().to_owned()])
            .collect();
        text.push_str("\n\nThese secrets are shown this once; keep them now.\n\n");
        text.push_str(&output::table(&["realm", "client_id", "client_secret"], &rows));
    }
    text
}

fn json(outcome: &Outcome, dry_run: bool) -> String {
    let lines: Vec<_> = outcome
        .lines
        .iter()
        .map(|line| {
            serde_json::json!({
                "verdict": line.verdict.to_string(),
                "record": line.record,
                "differences": line.differences,
            })
        })
        .collect();
    // The secrets of a dry run will never be: the real run makes others.
    let secrets = if dry_run { &[] } else { outcome.secrets.as_slice() };
    let secrets: Vec<_> = secrets
        .iter()
        .map(|made| {
            serde_json::json!({
                "realm": made.realm.as_str(),
                "client_id": made.client_id,
                "client_secret": made.secret.expose(),
            })
        })
        .collect();
    serde_json::json!({ "records": lines, "secrets": secrets }).to_string()
}
