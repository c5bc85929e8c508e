//! R2: the power is cut under load, and the disk loses what was not synced. Everything acknowledged must be there afterwards.
//!
//! A preloaded library (`preload.c`, built with the C compiler of this machine) writes down what the server does to its files; the
//! campaign works out what a disk may have kept, and starts the server on that.

pub(crate) mod disk;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use self::disk::{Disk, Image};
use crate::crash::auditor::Auditor;
use crate::crash::journal::{Journal, Line};
use crate::crash::load::{self, Counts, Users};
use crate::run::{Options, Report, progress};
use crate::server::{self, Server};

const GATE_CUTS: u64 = 50;
const FULL_CUTS: u64 = 2_000;

/// From start to the line `ready: ...`, at most.
const READY_MAX: Duration = Duration::from_secs(2);

const PRELOAD: &str = include_str!("preload.c");

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let cuts = options.rounds(GATE_CUTS, FULL_CUTS);
    let place = tempfile::tempdir().context("make a place")?;
    let library = build(place.path())?;
    let data = place.path().canonicalize()?.join("data");
    let log = place.path().join("log");
    load::set_up(&data, place.path())?;
    let journal = Journal::create(&place.path().join("journal"))?;
    let mut auditor = Auditor::default();
    let operations = place.path().join("operations");
    let mut image = read_image(&data)?;
    let mut rng = Rng::with_seed(options.seed);
    let (counts, mut report) = (Counts::default(), Report::default());
    let mut ready = Vec::new();
    let (mut audited, mut syncs, mut writes) = (0_u64, 0_u64, 0_u64);
    let bar = progress("power", cuts);
    for round in 0..=cuts {
        write_image(&data, &image)?;
        let _ = fs::remove_file(&operations);
        let mut command = Server::command(&data)?;
        command.env("LD_PRELOAD", &library).env("DISK_DIRECTORY", &data).env("DISK_JOURNAL", &operations);
        let server = Server::start_command(command, &data, &log)?;
        ready.push(server.ready_after);
        audited += crate::crash::audit(&server, &mut auditor, &journal, &mut rng)?;
        report.violations.extend(auditor.take_violations());
        if round == cuts {
            server.kill()?;
            break;
        }
        let life = Duration::from_millis(rng.u64(30..300));
        // Commands of an administrator would write past the library when the server is gone.
        load::run(&server, &auditor, &journal, &counts, Users { administrator: false }, life, rng.u64(..));
        server.kill()?;
        journal.write(&Line::Killed);
        report.violations.extend(counts.take_violations());
        let done = disk::read_journal(&fs::read(&operations).context("read what was done to the disk")?)?;
        let mut disk = Disk::of(&data, &image);
        done.iter().for_each(|operation| disk.perform(operation));
        if disk.syncs == 0 {
            bail!("the library saw no sync: it does not stand between the server and its files");
        }
        syncs += disk.syncs;
        writes += done.len() as u64 - disk.syncs;
        image = disk.cut(&mut rng);
        // It is shared memory, and made anew from the log file.
        image.retain(|name, _| !name.ends_with("-shm"));
        if report.violations.len() > 20 {
            bail!("it goes wrong in round {round}: {}", report.violations.join("; "));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let check = server::command(&data, &["check"])?.output().context("run lydian check")?;
    if !check.status.success() {
        report.violations.push(format!("it is not whole: {}", String::from_utf8_lossy(&check.stdout)));
    }
    let slow = ready.iter().filter(|time| **time > READY_MAX).count();
    if slow > 0 {
        report.violations.push(format!("{slow} starts took longer than {READY_MAX:?}"));
    }
    report.figure("seed", options.seed);
    report.figure("cuts", cuts);
    report.figure("tokens acknowledged", counts.issued.load(Ordering::Relaxed));
    report.figure("revocations sent", counts.revoked.load(Ordering::Relaxed));
    report.figure("operations on files / syncs", format!("{writes} / {syncs}"));
    report.figure("audited", audited);
    report.figure("lost", auditor.lost);
    report.figure("revived", auditor.revived);
    report.figure("ready p50 / p99 / max", crate::crash::in_words(&ready));
    Ok(report)
}

/// Builds the library with the C compiler.
pub(crate) fn build(place: &Path) -> Result<PathBuf> {
    let source = place.join("preload.c");
    let library = place.join("preload.so");
    fs::write(&source, PRELOAD).context("write the library's source")?;
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .status()
        .context("run the C compiler")?;
    if !status.success() {
        bail!("the C compiler refused the library");
    }
    Ok(library)
}

/// The files of a data directory; directories within it hold nothing that this campaign looks at.
pub(crate) fn read_image(data: &Path) -> Result<Image> {
    let mut image = Image::new();
    for entry in fs::read_dir(data).context("read the data directory")? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            image.insert(entry.path().to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
    }
    Ok(image)
}

pub(crate) fn write_image(data: &Path, image: &Image) -> Result<()> {
    fs::remove_dir_all(data).context("remove the data directory")?;
    fs::DirBuilder::new().mode(0o700).create(data).context("make the data directory")?;
    for (name, bytes) in image {
        fs::write(name, bytes).with_context(|| format!("write {name}"))?;
        fs::set_permissions(name, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
