//! R44: secrets go through the server by the thousand, at trace level, and none of them may be found afterwards: not in its log, its
//! metrics, its answers to errors, its database, the database's log file, or a backup.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use serde_json::Value;

use crate::client::{Client, Reply};
use crate::crash::load;
use crate::run::{Options, Report, Size, progress};
use crate::server::{self, Server};

const GATE_REQUESTS: u64 = 10_000;
const FULL_REQUESTS: u64 = 1_000_000;

/// So many bytes of a secret are looked for: what is shorter could be there by chance.
const MARK: usize = 16;

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let requests = options.rounds(GATE_REQUESTS, FULL_REQUESTS);
    let place = tempfile::tempdir().context("make a place")?;
    let data = place.path().join("data");
    let log = place.path().join("log");
    load::set_up(&data, place.path())?;
    let mut command = Server::command(&data)?;
    command.env("LYDIAN_LOG_LEVEL", "trace");
    let server = Server::start_command(command, &data, &log)?;
    let marks = Marks::default();
    [load::APP.1, load::AUDITOR.1].into_iter().for_each(|secret| marks.add(secret));
    let bar = progress("leaks", requests);
    let errors = Mutex::new(String::new());
    let threads = if options.size == Size::Gate { 2 } else { 4 };
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (server, marks, errors, bar) = (&server, &marks, &errors, &bar);
            scope.spawn(move || {
                let client = Client::new(&server.url);
                let mut rng = Rng::with_seed(options.seed.wrapping_add(thread));
                for _ in 0..requests / threads {
                    one(&client, &mut rng, marks, errors);
                    bar.inc(1);
                }
            });
        }
    });
    let tokens = marks.len();
    // The operators' side: metrics while it runs, a backup, explanations.
    let metrics = match Client::new(&server.operations()?).get_text("/metrics") {
        Some(text) => text,
        None => bail!("the metrics were not answered"),
    };
    let explained = marks.tokens.lock().expect("no thread panics while it adds").clone();
    for token in explained.iter().take(20) {
        let output = server::command(&data, &["explain", token, "--json"])?.output().context("explain")?;
        errors
            .lock()
            .expect("no thread panics while it adds")
            .push_str(&String::from_utf8_lossy(&output.stdout));
    }
    let backup = place.path().join("backup");
    let key = place.path().join("recovery.key");
    let arguments = [
        "backup",
        "--to",
        backup.to_str().context("the path is text")?,
        "--recovery-key-file",
        key.to_str().context("the path is text")?,
    ];
    if !server::command(&data, &arguments)?.output().context("make a backup")?.status.success() {
        bail!("no backup was made");
    }
    // What lies on the disk at this moment, and what lies there after a kill.
    server.kill()?;
    bar.finish_and_clear();

    let mut report = Report::default();
    let mut looked_at = 0_usize;
    let mut look = |name: String, bytes: &[u8], report: &mut Report| {
        looked_at += bytes.len();
        for found in marks.find(bytes) {
            report.violations.push(format!("{name}: {found} of a secret"));
        }
    };
    look("the metrics".to_owned(), metrics.as_bytes(), &mut report);
    look(
        "answers".to_owned(),
        errors.into_inner().expect("no thread panics while it adds").as_bytes(),
        &mut report,
    );
    for path in files(place.path())? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The document with the secrets of the fixtures is what an administrator wrote.
        if name == "records.toml" || name == "recovery.key" {
            continue;
        }
        look(name, &fs::read(&path).with_context(|| format!("read {}", path.display()))?, &mut report);
    }
    let logged = String::from_utf8_lossy(&fs::read(&log).context("read the log")?).into_owned();
    let log_length = logged.len();
    if !logged.contains("TRACE") && !logged.contains("DEBUG") {
        report.violations.push("nothing below the level info was logged: nothing was shown".to_owned());
    }
    report.violations.truncate(20);
    report.figure("seed", options.seed);
    report.figure("requests", requests);
    report.figure("secrets looked for", tokens);
    report.figure("bytes looked at", looked_at);
    report.figure("of them log", log_length);
    report.figure("found", report.violations.len());
    Ok(report)
}

/// One request with a secret in some place where a client may put one, or should not.
fn one(client: &Client, rng: &mut Rng, marks: &Marks, errors: &Mutex<String>) {
    let secret = |rng: &mut Rng| {
        let text: String = (0..40).map(|_| rng.alphanumeric()).collect();
        marks.add(&text);
        text
    };
    let reply = match rng.u8(..10) {
        0..4 => {
            let form = [("grant_type", "client_credentials"), ("resource", load::APIS[rng.usize(..3)])];
            let reply = client.post("/oauth2/token", load::APP, &form);
            if let Reply::Answered { status: 200, body, .. } = &reply {
                marks.add_token(body["access_token"].as_str().unwrap_or_default());
                return;
            }
            reply
        }
        4 => client.post("/oauth2/introspect", load::AUDITOR, &[("token", &secret(rng))]),
        5 => match marks.any_token(rng) {
            Some(token) => client.post("/oauth2/introspect", load::AUDITOR, &[("token", &token)]),
            None => return,
        },
        6 => client.post("/oauth2/token", ("app", &secret(rng)), &[("grant_type", "client_credentials")]),
        7 => {
            let assertion = format!("eyJhbGciOiJFUzI1NiJ9.{}.{}", secret(rng), secret(rng));
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let form = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", kind),
                ("client_assertion", assertion.as_str()),
            ];
            client.post_form("/oauth2/token", &form)
        }
        8 => client.post(
            &format!("/oauth2/introspect?token={}", secret(rng)),
            load::AUDITOR,
            &[("token", "x")],
        ),
        _ => {
            let token = secret(rng);
            match marks.any_token(rng).filter(|_| rng.bool()) {
                Some(bearer) => client.post_bearer("/oauth2/introspect", &bearer, &[("token", &token)]),
                None => client.post("/oauth2/revoke", load::APP, &[("token", &token)]),
            }
        }
    };
    if let Reply::Answered { body, .. } = reply
        && body != Value::Null
    {
        let mut errors = errors.lock().expect("no thread panics while it adds");
        errors.push_str(&body.to_string());
    }
}

/// What must not be found.
#[derive(Default)]
struct Marks {
    parts: Mutex<HashSet<[u8; MARK]>>,
    tokens: Mutex<Vec<String>>,
}

impl Marks {
    fn add(&self, secret: &str) {
        let mut parts = self.parts.lock().expect("no thread panics while it adds");
        // From its beginning, its middle and its end: a part that was cut off is a leak too.
        let bytes = secret.as_bytes();
        for at in [0, bytes.len() / 2, bytes.len().saturating_sub(MARK)] {
            if let Some(part) = bytes.get(at..).and_then(|rest| rest.first_chunk::<MARK>()) {
                parts.insert(*part);
            }
        }
    }

    fn add_token(&self, token: &str) {
        // The header of a JWT is no secret; its claims are shown to whoever may ask; its signature makes it a token.
        let secret = token.rsplit_once('.').map_or(token, |(_, signature)| signature);
        let mut parts = self.parts.lock().expect("no thread panics while it adds");
        let bytes = secret.as_bytes();
        for at in [bytes.len() / 2, bytes.len().saturating_sub(MARK + 6)] {
            if let Some(part) = bytes.get(at..).and_then(|rest| rest.first_chunk::<MARK>()) {
                parts.insert(*part);
            }
        }
        drop(parts);
        self.tokens.lock().expect("no thread panics while it adds").push(token.to_owned());
    }

    fn any_token(&self, rng: &mut Rng) -> Option<String> {
        let tokens = self.tokens.lock().expect("no thread panics while it adds");
        (!tokens.is_empty()).then(|| tokens[rng.usize(..tokens.len())].clone())
    }

    fn len(&self) -> usize {
        self.parts.lock().expect("no thread panics while it adds").len()
    }

    fn find(&self, bytes: &[u8]) -> Vec<String> {
        let parts = self.parts.lock().expect("no thread panics while it adds");
        let windows = bytes.windows(MARK).filter_map(|window| window.first_chunk::<MARK>());
        let found = windows.filter(|window| parts.contains(*window));
        found.take(3).map(|part| format!("{:?}", String::from_utf8_lossy(part))).collect()
    }
}

/// All files below a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_secret_is_found_wherever_it_stands() {
        let marks = Marks::default();
        let secret = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
        marks.add(secret);
        for text in [secret, &secret[..20], &secret[20..]] {
            assert!(!marks.find(format!("before {text} after").as_bytes()).is_empty(), "{text}");
        }
        assert!(marks.find(b"nothing of it is here at all, as far as one can see").is_empty());
        assert!(marks.find(&secret.as_bytes()[..8]).is_empty(), "eight characters say nothing");
    }
}
