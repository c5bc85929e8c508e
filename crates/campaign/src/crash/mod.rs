//! R1: the server is killed at random, again and again, while clients and an administrator use it. Nothing that was acknowledged may
//! be lost, nothing that was revoked may come back, and it must be ready again within two seconds.

pub(crate) mod auditor;
pub(crate) mod journal;
pub(crate) mod load;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use self::auditor::{Expected, Findings, Token};
use self::journal::{Journal, Line};
use self::load::{AUDITOR, Counts, Users};
use crate::client::{Client, Reply};
use crate::run::{Options, Report, Size, progress};
use crate::server::{self, Server};

const GATE_ROUNDS: u64 = 200;
const FULL_ROUNDS: u64 = 1_000;

/// From start to the line `ready: ...`, at most.
const READY_MAX: Duration = Duration::from_secs(2);

/// Rounds between two checks of a copy of the files.
const CHECK_EVERY: u64 = 50;

/// All tokens of so many rounds are audited, and a sample of the older ones.
const ROUNDS_AUDITED_WHOLE: u64 = 3;
const OLDER_AUDITED: usize = 300;

/// Threads of the audit.
const AUDIT_THREADS: usize = 4;

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let rounds = options.rounds(GATE_ROUNDS, FULL_ROUNDS);
    let longest = if options.size == Size::Gate { 400 } else { 1_500 };
    let place = tempfile::tempdir().context("make a place")?;
    // The journal lies on another file system where there is one: it must not share the fate of the data.
    let memory = Path::new("/dev/shm");
    let elsewhere = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let elsewhere = elsewhere.context("make a place for the journal")?;
    let data = place.path().join("data");
    let log = place.path().join("log");
    load::set_up(&data, place.path())?;
    let journal = Journal::create(&elsewhere.path().join("journal"))?;
    let mut reader = journal.reader()?;
    let mut rng = Rng::with_seed(options.seed);
    let counts = Counts::default();
    let mut report = Report::default();
    let mut ready = Vec::new();
    let (mut audited, mut lost, mut revived, mut checks) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut jtis: HashMap<String, u64> = HashMap::new();
    let bar = progress("crash", rounds);
    for round in 0..=rounds {
        let server = Server::start(&data, &log)?;
        ready.push(server.ready_after);
        let findings = auditor::audit(reader.all()?);
        let outcome = audit(&server, &findings, round, &mut rng, &mut jtis)?;
        audited += outcome.audited;
        lost += outcome.lost;
        revived += outcome.revived;
        report.violations.extend(outcome.violations);
        if round == rounds {
            report.violations.extend(findings.violations.clone());
            report.figure("kills acknowledged", findings.kills_acknowledged);
            report.figure("intents without an answer", findings.unknown);
            if server.stop()?.code() != Some(0) {
                report.violations.push("the last server did not stop well".to_owned());
            }
            break;
        }
        let life = Duration::from_millis(rng.u64(50..longest));
        load::run(&server, &findings, &journal, &counts, Users { administrator: true }, life, rng.u64(..));
        server.kill()?;
        journal.write(&Line::Killed);
        report.violations.extend(counts.take_violations());
        if round % CHECK_EVERY == CHECK_EVERY - 1 {
            checks += 1;
            report.violations.extend(check_copy(&data, place.path())?);
        }
        if report.violations.len() > 20 {
            bail!("it goes wrong in round {round}: {}", report.violations.join("; "));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    ready.sort();
    let at = |part: usize| ready[(ready.len() - 1) * part / 100];
    let slow = ready.iter().filter(|time| **time > READY_MAX).count();
    if slow > 0 {
        report.violations.push(format!("{slow} starts took longer than {READY_MAX:?}"));
    }
    let mut figures = vec![
        ("seed", options.seed.to_string()),
        ("kills", rounds.to_string()),
        ("tokens acknowledged", counts.issued.load(Ordering::Relaxed).to_string()),
        ("introspections", counts.introspected.load(Ordering::Relaxed).to_string()),
        ("revocations sent", counts.revoked.load(Ordering::Relaxed).to_string()),
        ("administrator's commands", counts.commands.load(Ordering::Relaxed).to_string()),
        ("audited", audited.to_string()),
        ("lost", lost.to_string()),
        ("revived", revived.to_string()),
        ("copies checked whole", checks.to_string()),
        ("ready p50 / p99 / max", format!("{:?} / {:?} / {:?}", at(50), at(99), at(100))),
    ];
    figures.iter_mut().for_each(|(name, value)| report.figure(name, value));
    Ok(report)
}

/// What one audit found.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) audited: u64,
    pub(crate) lost: u64,
    pub(crate) revived: u64,
    pub(crate) violations: Vec<String>,
}

/// Asks the server about the tokens of the journal.
pub(crate) fn audit(
    server: &Server,
    findings: &Findings,
    round: u64,
    rng: &mut Rng,
    jtis: &mut HashMap<String, u64>,
) -> Result<Outcome> {
    let (recent, older): (Vec<&Token>, Vec<&Token>) =
        findings.tokens.iter().partition(|token| token.round + ROUNDS_AUDITED_WHOLE >= round);
    let mut chosen = recent;
    chosen.extend((0..OLDER_AUDITED.min(older.len())).map(|_| older[rng.usize(..older.len())]));
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new((Outcome::default(), Vec::new()));
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..AUDIT_THREADS {
            scope.spawn(|| {
                let client = Client::new(&server.url);
                while let Some(token) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let reply = client.post("/oauth2/introspect", AUDITOR, &[("token", &token.text)]);
                    let Reply::Answered { status: 200, body, .. } = reply else {
                        failed.store(true, Ordering::Relaxed);
                        return;
                    };
                    let active = body["active"].as_bool().unwrap_or(false);
                    let mut outcome = outcome.lock().expect("no thread panics while it counts");
                    outcome.0.audited += 1;
                    match (token.expected, active) {
                        (Expected::Active, false) => {
                            outcome.0.lost += 1;
                            outcome
                                .0
                                .violations
                                .push(format!("round {round}: token {} was lost", token.intent));
                        }
                        (Expected::Dead, true) => {
                            outcome.0.revived += 1;
                            outcome
                                .0
                                .violations
                                .push(format!("round {round}: token {} came back", token.intent));
                        }
                        _ => {}
                    }
                    if let Some(jti) = body["jti"].as_str() {
                        outcome.1.push((jti.to_owned(), token.intent));
                    }
                }
            });
        }
    });
    if failed.into_inner() {
        bail!("round {round}: the restarted server did not answer the audit");
    }
    let (mut outcome, seen) = outcome.into_inner().expect("no thread panics while it counts");
    for (jti, intent) in seen {
        let first = *jtis.entry(jti).or_insert(intent);
        if first != intent {
            outcome.violations.push(format!("tokens {first} and {intent} share a jti"));
        }
    }
    Ok(outcome)
}

/// Checks a copy of the files with the product's own check; the files themselves are left as the kill left them.
fn check_copy(data: &Path, place: &Path) -> Result<Vec<String>> {
    let copy = place.join("copy");
    std::fs::create_dir(&copy).context("make the copy")?;
    for entry in std::fs::read_dir(data).context("read the data directory")? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), copy.join(entry.file_name())).context("copy a file")?;
        }
    }
    let output = server::command(&copy, &["check"])?.output().context("run lydian check")?;
    std::fs::remove_dir_all(&copy).context("remove the copy")?;
    Ok(if output.status.success() {
        Vec::new()
    } else {
        vec![format!("a copy is not whole: {}", String::from_utf8_lossy(&output.stdout))]
    })
}
