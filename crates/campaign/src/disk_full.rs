//! R4: the file system of the data directory is full for a while. Writes are refused and say so, everything else goes on, nothing that
//! was acknowledged is lost, and the server recovers without a restart.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use crate::client::{Client, Reply};
use crate::crash::auditor::Auditor;
use crate::crash::journal::{Journal, Line};
use crate::crash::load::{self, AUDITOR};
use crate::run::{Options, Report, Size, progress};
use crate::server::Server;

const GATE_ROUNDS: u64 = 3;
const FULL_ROUNDS: u64 = 50;

/// The size of the file system.
const MEBIBYTES: u64 = 64;

/// How soon after there is room again writes must be taken.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Live tokens that are asked about while the disk is full.
const LIVE: usize = 20;

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let rounds = options.rounds(GATE_ROUNDS, FULL_ROUNDS);
    let held = Duration::from_secs(if options.size == Size::Gate { 5 } else { 60 });
    let place = tempfile::tempdir().context("make a place")?;
    let mut report = Report::default();
    let Some(small) = SmallDisk::mount(place.path())? else {
        println!(
            "*** SKIPPED: disk-full needs the right to mount a file system, and this process does not have it"
        );
        report.figure("SKIPPED", "no file system can be mounted here");
        return Ok(report);
    };
    report.figure("seed", options.seed);
    report.figure("file system", small.kind);
    let data = small.mounted.join("data");
    load::set_up(&data, place.path())?;
    let journal = Journal::create(&place.path().join("journal"))?;
    let mut auditor = Auditor::default();
    let mut rng = Rng::with_seed(options.seed);
    let server = Server::start(&data, &place.path().join("log"))?;
    let client = Client::new(&server.url);
    let (mut refused, mut taken, mut answered) = (0_u64, 0_u64, 0_u64);
    let mut recoveries = Vec::new();
    let mut audited = 0;
    let bar = progress("disk-full", rounds);
    for round in 0..rounds {
        let mut live = Vec::new();
        while live.len() < LIVE {
            match issue(&client, &journal) {
                Attempt::Done(token) => live.push(token),
                other => bail!("round {round}: a token was asked for while there is room: {other:?}"),
            }
        }
        let filler = small.mounted.join("filler");
        fill(&filler)?;
        let begin = Instant::now();
        while begin.elapsed() < held {
            for (intent, token) in &live[..LIVE / 2] {
                let asked_at = journal.lines();
                match client.post("/oauth2/introspect", AUDITOR, &[("token", token)]) {
                    Reply::Answered { status: 200, body, .. } => {
                        journal.write(&Line::seen(*intent, asked_at, &body));
                        answered += 1;
                    }
                    other => report
                        .violations
                        .push(format!("round {round}: introspection while it is full: {other:?}")),
                }
            }
            match client.get("/oauth2/jwks") {
                Reply::Answered { status: 200, .. } => answered += 1,
                other => {
                    report.violations.push(format!("round {round}: the key set while it is full: {other:?}"))
                }
            }
            let (intent, token) = &live[LIVE / 2 + rng.usize(..LIVE / 2)];
            for attempt in [issue(&client, &journal), revoke(&client, &journal, *intent, token)] {
                match attempt {
                    Attempt::Done(_) => taken += 1,
                    Attempt::Refused => refused += 1,
                    Attempt::Wrong(what) => {
                        report.violations.push(format!("round {round}: a write while it is full: {what}"))
                    }
                }
            }
            if report.violations.len() > 20 {
                bail!("it goes wrong in round {round}: {}", report.violations.join("; "));
            }
        }
        fs::remove_file(&filler).context("free the space")?;
        let freed = Instant::now();
        loop {
            match issue(&client, &journal) {
                Attempt::Done(_) => break,
                Attempt::Refused if freed.elapsed() < RECOVERY_MAX * 2 => {}
                other => bail!("round {round}: it did not recover: {other:?}"),
            }
        }
        recoveries.push(freed.elapsed());
        audited += crate::crash::audit(&server, &mut auditor, &journal, &mut rng)?;
        report.violations.extend(auditor.take_violations());
        bar.inc(1);
    }
    bar.finish_and_clear();
    if refused == 0 {
        report.violations.push("no write was refused: the disk was never full".to_owned());
    }
    let slowest = recoveries.iter().max().copied().unwrap_or_default();
    if slowest > RECOVERY_MAX {
        report.violations.push(format!("a recovery took {slowest:?}"));
    }
    // Everything is as it was after the next start.
    server.kill()?;
    journal.write(&Line::Killed);
    let server = Server::start(&data, &place.path().join("log"))?;
    audited += crate::crash::audit(&server, &mut auditor, &journal, &mut rng)?;
    report.violations.extend(auditor.take_violations());
    report.figure("rounds", rounds);
    report.figure("held full", format!("{held:?} each"));
    report.figure("writes refused with 503", refused);
    report.figure("writes taken into what room was left", taken);
    report.figure("reads answered while full", answered);
    report.figure("audited / lost / revived", format!("{audited} / {} / {}", auditor.lost, auditor.revived));
    report.figure("slowest recovery", format!("{slowest:?}"));
    server.stop()?;
    drop(small);
    Ok(report)
}

/// What became of a write.
#[derive(Debug)]
enum Attempt {
    /// It was acknowledged.
    Done((u64, String)),
    /// 503 with `Retry-After`.
    Refused,
    /// Anything else.
    Wrong(String),
}

fn issue(client: &Client, journal: &Journal) -> Attempt {
    let intent = journal.intend(|intent| Line::Issue { intent, client: "app".to_owned() });
    let form = [("grant_type", "client_credentials"), ("resource", load::OPAQUE_API)];
    match client.post("/oauth2/token", load::APP, &form) {
        Reply::Answered { status: 200, body, .. } => {
            let token = body["access_token"].as_str().unwrap_or_default().to_owned();
            journal.write(&Line::Issued { intent, token: token.clone() });
            Attempt::Done((intent, token))
        }
        Reply::Answered { status: 503, retry_after: true, .. } => Attempt::Refused,
        other => Attempt::Wrong(format!("{other:?}")),
    }
}

fn revoke(client: &Client, journal: &Journal, token: u64, text: &str) -> Attempt {
    let intent = journal.intend(|intent| Line::Revoke { intent, token });
    match client.post("/oauth2/revoke", load::APP, &[("token", text)]) {
        Reply::Answered { status: 200, .. } => {
            journal.write(&Line::Acknowledged { intent });
            Attempt::Done((intent, String::new()))
        }
        Reply::Answered { status: 503, retry_after: true, .. } => Attempt::Refused,
        other => Attempt::Wrong(format!("{other:?}")),
    }
}

/// Fills the file system to its last byte.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path).context("make the filler")?;
    for size in [1024 * 1024, 4096, 512] {
        let chunk = vec![0x5a; size];
        while file.write_all(&chunk).is_ok() {}
    }
    // A file system that allocates late says only now that there is no room.
    let _ = file.sync_all();
    Ok(())
}

/// A small file system of its own. It is unmounted with its owner.
struct SmallDisk {
    mounted: PathBuf,
    kind: &'static str,
}

impl SmallDisk {
    /// Mounts ext4 in a file, or memory where that is not possible; `None` where nothing is.
    fn mount(place: &Path) -> Result<Option<Self>> {
        let mounted = place.join("small");
        fs::create_dir(&mounted).context("make the mount point")?;
        let image = place.join("image");
        File::create(&image)
            .and_then(|file| file.set_len(MEBIBYTES * 1024 * 1024))
            .context("make the image")?;
        let runs = |program: &str, arguments: &[&Path]| {
            Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
        };
        let is_made = runs("mkfs.ext4", &[Path::new("-q"), Path::new("-m"), Path::new("0"), &image]);
        if is_made && runs("mount", &[Path::new("-o"), Path::new("loop"), &image, &mounted]) {
            return Ok(Some(Self { mounted, kind: "ext4 on a loop device, 64 MiB" }));
        }
        let size = format!("size={MEBIBYTES}m");
        let arguments =
            [Path::new("-t"), Path::new("tmpfs"), Path::new("-o"), Path::new(&size), Path::new("none")];
        if runs("mount", &[&arguments[..], &[&mounted]].concat()) {
            return Ok(Some(Self { mounted, kind: "tmpfs, 64 MiB: no loop device here" }));
        }
        Ok(None)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a server that has not ended yet does not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.mounted).status();
    }
}
