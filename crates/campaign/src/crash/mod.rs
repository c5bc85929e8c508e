//! R1: the server is killed at random, again and again, while clients and an administrator use it. Nothing that was acknowledged may
//! be lost, nothing that was revoked may come back, and it must be ready again within two seconds.

pub(crate) mod auditor;
pub(crate) mod journal;
pub(crate) mod load;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use self::auditor::{Auditor, LIVES_KEPT_WHOLE};
use self::journal::{Journal, Line};
use self::load::{AUDITOR, Counts, Users};
use crate::client::{Client, Reply};
use crate::hostile::process;
use crate::run::{Options, Report, Size, progress};
use crate::server::{self, Server};

const GATE_ROUNDS: u64 = 200;
const FULL_ROUNDS: u64 = 1_000;

/// From start to the line `ready: ...`, at most.
const READY_MAX: Duration = Duration::from_secs(2);

/// Rounds between two checks of a copy of the files.
const CHECK_EVERY: u64 = 50;

/// So many tokens are audited, beside those of the last lives and those whose fate is not settled.
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
    let mut auditor = Auditor::default();
    let mut rng = Rng::with_seed(options.seed);
    let counts = Counts::default();
    let mut report = Report::default();
    let (mut ready, mut audits, mut most_kept) = (Vec::new(), Vec::new(), 0);
    let (mut kills, mut audited, mut checks, mut memory_at_half) = (0_u64, 0, 0_u64, 0);
    let bar = progress("crash", rounds);
    for round in 0..=rounds {
        let server = Server::start(&data, &log)?;
        ready.push(server.ready_after);
        let begin = Instant::now();
        audited += audit(&server, &mut auditor, &journal, &mut rng)?;
        audits.push(begin.elapsed());
        most_kept = most_kept.max(auditor.tokens().len());
        report
            .violations
            .extend(auditor.take_violations().into_iter().map(|it| format!("after {round} kills: {it}")));
        if round == rounds / 2 {
            memory_at_half = own_memory()?;
        }
        if round == rounds {
            if server.stop()?.code() != Some(0) {
                report.violations.push("the last server did not stop well".to_owned());
            }
            break;
        }
        let life = Duration::from_millis(rng.u64(50..longest));
        load::run(&server, &auditor, &journal, &counts, Users { administrator: true }, life, rng.u64(..));
        server.kill()?;
        kills += 1;
        journal.write(&Line::Killed);
        report.violations.extend(counts.take_violations());
        if round % CHECK_EVERY == CHECK_EVERY - 1 {
            checks += 1;
            report.violations.extend(check_copy(&data, place.path())?);
        }
        if report.violations.len() > 20 {
            // More of the same says nothing more.
            break;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let (first, last) = audits.split_at(audits.len() / 2);
    let halves = format!("{:.1?} / {:.1?}", spread(first)[0], spread(last)[0]);
    let slow = ready.iter().filter(|time| **time > READY_MAX).count();
    if slow > 0 {
        report.violations.push(format!("{slow} starts took longer than {READY_MAX:?}"));
    }
    let mut figures = vec![
        ("seed", options.seed.to_string()),
        ("kills", kills.to_string()),
        ("tokens acknowledged", counts.issued.load(Ordering::Relaxed).to_string()),
        ("introspections", counts.introspected.load(Ordering::Relaxed).to_string()),
        ("revocations sent", counts.revoked.load(Ordering::Relaxed).to_string()),
        ("administrator's commands", counts.commands.load(Ordering::Relaxed).to_string()),
        ("revocations and cuts acknowledged", auditor.kills_acknowledged.to_string()),
        ("intents without an answer", auditor.unknown.to_string()),
        ("unanswered cuts without effect", auditor.cuts_without_effect.to_string()),
        ("audited", audited.to_string()),
        ("lost", auditor.lost.to_string()),
        ("revived", auditor.revived.to_string()),
        ("copies checked whole", checks.to_string()),
        ("tokens kept at most", most_kept.to_string()),
        ("ready p50 / p99 / max", in_words(&ready)),
        ("audit p50 / p99 / max", in_words(&audits)),
        ("audit p50 in the first half / in the second", halves),
        ("memory of the campaign at half / at the end", format!("{memory_at_half} / {} MiB", own_memory()?)),
    ];
    figures.iter_mut().for_each(|(name, value)| report.figure(name, value));
    Ok(report)
}

/// What this process has in memory, in MiB.
fn own_memory() -> Result<u64> {
    Ok(process::resident_bytes(std::process::id())? / (1024 * 1024))
}

/// The median, the 99th percentile and the longest.
fn spread(times: &[Duration]) -> [Duration; 3] {
    let mut times = times.to_vec();
    times.sort();
    [50, 99, 100]
        .map(|part| times.get((times.len().saturating_sub(1)) * part / 100).copied().unwrap_or_default())
}

/// The median, the 99th percentile and the longest, for people.
pub(crate) fn in_words(times: &[Duration]) -> String {
    let [median, late, longest] = spread(times);
    format!("{median:.1?} / {late:.1?} / {longest:.1?}")
}

/// Asks the server about the tokens of the last lives, those whose fate is not settled, and some others. How many it asked about.
///
/// The answers go through the journal as those of the load do: the auditor has one set of rules.
pub(crate) fn audit(server: &Server, auditor: &mut Auditor, journal: &Journal, rng: &mut Rng) -> Result<u64> {
    auditor.read(&journal.take()?);
    let first_whole = auditor.life().saturating_sub(LIVES_KEPT_WHOLE);
    let (mut chosen, older): (Vec<_>, Vec<_>) =
        auditor.tokens().iter().partition(|(_, token)| token.life >= first_whole || token.is_unsettled());
    chosen.extend((0..OLDER_AUDITED.min(older.len())).map(|_| older[rng.usize(..older.len())]));
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..AUDIT_THREADS {
            scope.spawn(|| {
                let client = Client::new(&server.url);
                while let Some((intent, token)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let asked_at = journal.lines();
                    let reply = client.post("/oauth2/introspect", AUDITOR, &[("token", &token.text)]);
                    let Reply::Answered { status: 200, body, .. } = reply else {
                        failed.store(true, Ordering::Relaxed);
                        return;
                    };
                    journal.write(&Line::seen(**intent, asked_at, &body));
                }
            });
        }
    });
    if failed.into_inner() {
        bail!("the server that was started again did not answer the audit");
    }
    let audited = chosen.len() as u64;
    auditor.read(&journal.take()?);
    auditor.forget(rng);
    Ok(audited)
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
