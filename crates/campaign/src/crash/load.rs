//! The load: clients that issue, introspect and revoke, and an administrator who disables, enables, cuts and revokes.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use super::auditor::Auditor;
use super::journal::{Journal, Line};
use crate::client::{Client, Reply};
use crate::server::{self, Server};

/// The client that may see every token.
pub(crate) const AUDITOR: (&str, &str) = ("auditor", SECRET);

/// Fixtures of a campaign on this machine alone.
const SECRET: &str = "campaign-fixture-0123456789abcdef0123456789";

/// Clients that the administrator disables and cuts.
const VICTIMS: [&str; 3] = ["victim-0", "victim-1", "victim-2"];

/// The application, which owns most tokens.
pub(crate) const APP: (&str, &str) = ("app", SECRET);

/// The API with opaque tokens.
pub(crate) const OPAQUE_API: &str = "https://opaque.example/";

/// The APIs: opaque tokens, JWTs with a record, JWTs without.
pub(crate) const APIS: [&str; 3] = [OPAQUE_API, "https://jwt.example/", "https://bare.example/"];

/// Threads that use the server.
const CLIENTS: usize = 8;

/// Tokens that a thread remembers from before.
const REMEMBERED: usize = 200;

/// What was done.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) issued: AtomicU64,
    pub(crate) introspected: AtomicU64,
    pub(crate) revoked: AtomicU64,
    pub(crate) commands: AtomicU64,
    violations: Mutex<Vec<String>>,
}

impl Counts {
    fn violation(&self, text: String) {
        self.violations.lock().expect("no thread panics while it counts").push(text);
    }

    /// The violations since the last time.
    pub(crate) fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.violations.lock().expect("no thread panics while it counts"))
    }
}

/// Makes the records in a new data directory.
///
/// # Errors
///
/// When `lydian apply` refuses them.
pub(crate) fn set_up(data: &Path, place: &Path) -> Result<()> {
    let mut document = String::new();
    for (audience, format) in
        APIS.into_iter().zip(["", "token_format = \"jwt\"", "token_format = \"jwt\"\nrecord = false"])
    {
        document.push_str(&format!(
            "[[api]]\naudience = {audience:?}\nscopes = [\"read\"]\naccess_token_seconds = 86400\n{format}\n"
        ));
    }
    let allowed: Vec<String> = APIS.iter().map(|audience| format!("{audience:?} = [\"read\"]")).collect();
    for client_id in ["app"].into_iter().chain(VICTIMS) {
        document.push_str(&format!(
            "[[client]]\nclient_id = {client_id:?}\nclient_secret = {SECRET:?}\ngrant_types = [\"client_credentials\"]\nallowed = {{ {} }}\n",
            allowed.join(", ")
        ));
    }
    document.push_str(&format!(
        "[[client]]\nclient_id = {:?}\nclient_secret = {SECRET:?}\nintrospect_any = true\n",
        AUDITOR.0
    ));
    let file = place.join("records.toml");
    std::fs::write(&file, document).context("write the document")?;
    let path = file.to_str().context("the path is text")?;
    let output = server::command(data, &["apply", "-f", path])?.output().context("run lydian apply")?;
    if !output.status.success() {
        bail!("the records were refused: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Who uses the server beside the clients.
#[derive(Clone, Copy)]
pub(crate) struct Users {
    /// An administrator with commands. They go on with the files themselves when the server is gone.
    pub(crate) administrator: bool,
}

/// Uses the server for so long, and kills it in the middle of everything.
pub(crate) fn run(
    server: &Server,
    before: &Auditor,
    journal: &Journal,
    counts: &Counts,
    users: Users,
    life: Duration,
    seed: u64,
) {
    let over = AtomicBool::new(false);
    let load = Load { server, before, journal, counts, over: &over };
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || load.client(Rng::with_seed(seed.wrapping_add(number as u64))));
        }
        if users.administrator {
            scope.spawn(move || load.administrator(Rng::with_seed(seed ^ 0xad)));
        }
        // The life of the server is part of the campaign.
        std::thread::sleep(life);
        // The threads notice by themselves.
        let _ = server.signal(rustix::process::Signal::KILL);
        over.store(true, Ordering::Relaxed);
    });
}

/// A token that a thread knows.
struct Known {
    /// The intent that issued it.
    intent: u64,
    text: String,
    /// Whether the application owns it.
    is_apps: bool,
}

#[derive(Clone, Copy)]
struct Load<'a> {
    server: &'a Server,
    before: &'a Auditor,
    journal: &'a Journal,
    counts: &'a Counts,
    over: &'a AtomicBool,
}

impl Load<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn client(&self, mut rng: Rng) {
        let client = Client::new(&self.server.url);
        let latest = self.before.tokens().iter().rev().take(REMEMBERED);
        let mut known: Vec<Known> = latest
            .map(|(intent, token)| Known {
                intent: *intent,
                text: token.text.clone(),
                is_apps: token.client == "app",
            })
            .collect();
        while !self.is_over() {
            match rng.u8(..100) {
                0..45 => known.extend(self.issue(&client, &mut rng)),
                45..85 if !known.is_empty() => {
                    self.introspect(&client, &known[rng.usize(..known.len())]);
                }
                85.. if !known.is_empty() => {
                    // Only its owner may revoke a token.
                    let token = &known[rng.usize(..known.len())];
                    if token.is_apps {
                        self.revoke(&client, token);
                    }
                }
                _ => {}
            }
        }
    }

    fn issue(&self, client: &Client, rng: &mut Rng) -> Option<Known> {
        let client_id = match rng.usize(..VICTIMS.len() + 3) {
            number if number < VICTIMS.len() => VICTIMS[number],
            _ => "app",
        };
        let resource = APIS[rng.usize(..APIS.len())];
        let intent = self.journal.intend(|intent| Line::Issue { intent, client: client_id.to_owned() });
        let form = [("grant_type", "client_credentials"), ("resource", resource)];
        match client.post("/oauth2/token", (client_id, SECRET), &form) {
            Reply::Answered { status: 200, body, .. } => {
                let token = body["access_token"].as_str().unwrap_or_default().to_owned();
                self.journal.write(&Line::Issued { intent, token: token.clone() });
                self.counts.issued.fetch_add(1, Ordering::Relaxed);
                return Some(Known { intent, text: token, is_apps: client_id == "app" });
            }
            // A victim may be disabled at this moment, and too many failures are slowed down.
            Reply::Answered { status: 401 | 429, .. } if client_id != "app" => {}
            Reply::Answered { status: 503, .. } | Reply::Lost => {}
            Reply::Answered { status, body, .. } => {
                self.counts.violation(format!("a token was asked for, and the answer is {status} {body}"));
            }
        }
        None
    }

    fn introspect(&self, client: &Client, token: &Known) {
        let asked_at = self.journal.lines();
        match client.post("/oauth2/introspect", AUDITOR, &[("token", &token.text)]) {
            Reply::Answered { status: 200, body, .. } => {
                self.journal.write(&Line::seen(token.intent, asked_at, &body));
                self.counts.introspected.fetch_add(1, Ordering::Relaxed);
            }
            Reply::Answered { status: 503, .. } | Reply::Lost => {}
            Reply::Answered { status, body, .. } => {
                self.counts.violation(format!("a token was introspected, and the answer is {status} {body}"));
            }
        }
    }

    fn revoke(&self, client: &Client, token: &Known) {
        let intent = self.journal.intend(|intent| Line::Revoke { intent, token: token.intent });
        self.counts.revoked.fetch_add(1, Ordering::Relaxed);
        match client.post("/oauth2/revoke", ("app", SECRET), &[("token", &token.text)]) {
            Reply::Answered { status: 200, .. } => self.journal.write(&Line::Acknowledged { intent }),
            Reply::Answered { status: 503, .. } | Reply::Lost => {}
            Reply::Answered { status, body, .. } => {
                self.counts.violation(format!("a token was revoked, and the answer is {status} {body}"));
            }
        }
    }

    fn administrator(&self, mut rng: Rng) {
        let data = self.server.data();
        while !self.is_over() {
            let victim = VICTIMS[rng.usize(..VICTIMS.len())];
            match rng.u8(..4) {
                0 => self.cut(server::command(data, &["client", "disable", victim]), victim),
                1 => self.cut(server::command(data, &["revoke", "--client", victim]), victim),
                2 => {
                    if let Ok(mut command) = server::command(data, &["client", "enable", victim]) {
                        self.counts.commands.fetch_add(1, Ordering::Relaxed);
                        // Whether it came through shows in who gets tokens.
                        let _ = command.output();
                    }
                }
                _ => {
                    let Some((issued_by, token)) = self.before.tokens().last_key_value() else { continue };
                    let intent = self.journal.intend(|intent| Line::Revoke { intent, token: *issued_by });
                    self.perform(server::command(data, &["revoke", "--token", &token.text]), intent);
                }
            }
        }
    }

    fn cut(&self, command: Result<Command>, client: &str) {
        let intent = self.journal.intend(|intent| Line::Cut { intent, client: client.to_owned() });
        self.perform(command, intent);
    }

    fn perform(&self, command: Result<Command>, intent: u64) {
        self.counts.commands.fetch_add(1, Ordering::Relaxed);
        let Ok(mut command) = command else { return };
        if command.output().is_ok_and(|output| output.status.success()) {
            self.journal.write(&Line::Acknowledged { intent });
        }
    }
}
