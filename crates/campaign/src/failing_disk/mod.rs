//! R3: the k-th call of the server on its files fails, for each k, each kind of call and each operation that writes, in one process.
//!
//! An operation whose call fails is answered 503, or succeeds whole. Then the same process must take it once more, answer every earlier
//! question as before, and keep all of it when it is killed, on a disk that has lost what a failed sync was to write down.

mod control;
mod operations;
mod stage;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use fastrand::Rng;

use self::control::{Call, Failure, Fault};
use self::operations::Operation;
use self::stage::{Answer, Stage};
use crate::power;
use crate::power::disk::{self, Disk, Image};
use crate::run::{Options, Report, Size, progress};
use crate::server;

/// The largest k at the gate, and in full.
const GATE_CALLS: u64 = 200;
const FULL_CALLS: u64 = 100_000;

/// A checkpoint takes hundreds of operations: of its calls so many are looked at.
const GATE_CHECKPOINT_CALLS: u64 = 2;
const FULL_CHECKPOINT_CALLS: u64 = 20;

/// Disks that may be left by the same kill.
const GATE_DISKS: u64 = 3;
const FULL_DISKS: u64 = 20;

/// Files that may be open at the end beside those of the beginning: connections of clients.
const FILES_MORE_MAX: usize = 8;

/// Beyond it nothing new is learned.
const VIOLATIONS_MAX: usize = 20;

/// What became of one series of faults, which differ in k alone.
#[derive(Default)]
struct Series {
    tried: u64,
    refused: u64,
    succeeded: u64,
    violations: usize,
}

/// Whether an operation met a fault.
enum Reached {
    /// It did, and was acknowledged although it cannot have been performed.
    AndAcknowledged,
    No,
    Yes,
}

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let calls_max = options.rounds(GATE_CALLS, FULL_CALLS);
    let place = tempfile::tempdir().context("make a place")?;
    let (mut stage, image) = Stage::start(place.path(), options.seed)?;
    let mut report = Report::default();
    report.figure("seed", options.seed);
    // What is asked about first.
    Operation::RevokeOpaque.prepare(&mut stage)?;
    let files_before = open_files(&stage)?;
    let plan = plan(options);
    let mut sweep = Sweep { stage, report, slowest: Duration::ZERO, table: Vec::new() };
    let bar = progress("failing-disk", plan.len() as u64);
    for (operation, call, failure, goes_on) in plan {
        sweep.series(operation, call, failure, goes_on, options.size, calls_max)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Sweep { mut stage, mut report, slowest, table } = sweep;
    println!("{}", shown(&table));
    let everything = stage.ask_all();
    report.violations.extend(everything);
    let files_after = open_files(&stage)?;
    let sum = |count: fn(&Series) -> u64| table.iter().map(|(_, series)| count(series)).sum::<u64>();
    if files_after > files_before + FILES_MORE_MAX {
        report.violations.push(format!("{files_before} files were open before, and {files_after} are now"));
    }
    report.figure("faults", sum(|series| series.tried));
    report.figure("answered 503 / succeeded", format!("{} / {}", sum(|s| s.refused), sum(|s| s.succeeded)));
    report.figure("questions answered rightly meanwhile", stage.audited);
    report.figure("reads answered 503 meanwhile", stage.reads_refused);
    report.figure("slowest recovery", format!("{slowest:.0?}"));
    report.figure("open files before / after", format!("{files_before} / {files_after}"));
    restart(stage, &image, options, &mut report)?;
    Ok(report)
}

/// All series: which operation, which call, how it fails, and whether it goes on.
fn plan(options: &Options) -> Vec<(Operation, Call, Failure, bool)> {
    let is_gate = options.size == Size::Gate;
    let chosen = |operation: &Operation| {
        options.only.as_ref().is_none_or(|only| operation.name().contains(only.as_str()))
    };
    let mut plan = Vec::new();
    for operation in Operation::ALL.into_iter().filter(chosen) {
        if operation == Operation::Checkpoint {
            plan.push((operation, Call::CheckpointSync, Failure::Io, false));
            plan.push((operation, Call::CheckpointWrite, Failure::Io, false));
            plan.push((operation, Call::CheckpointWrite, Failure::NoSpace, false));
            continue;
        }
        for failure in [Failure::Io, Failure::NoSpace] {
            plan.extend(Call::EACH.map(|call| (operation, call, failure, false)));
            if !is_gate || failure == Failure::Io {
                plan.push((operation, Call::Any, failure, true));
            }
        }
        if !is_gate {
            plan.extend(Call::EACH.map(|call| (operation, call, Failure::Interrupted, false)));
            plan.push((operation, Call::Write, Failure::Short, false));
        }
    }
    plan
}

/// The faults so far.
struct Sweep {
    stage: Stage,
    report: Report,
    slowest: Duration,
    table: Vec<([&'static str; 3], Series)>,
}

impl Sweep {
    /// Fails the first call, then the second, and so on, until the operation does not reach it.
    fn series(
        &mut self,
        operation: Operation,
        call: Call,
        failure: Failure,
        goes_on: bool,
        size: Size,
        calls_max: u64,
    ) -> Result<()> {
        let mut series = Series::default();
        let calls_max = match (call, size) {
            // A checkpoint syncs the database file once.
            (Call::CheckpointSync, _) => 1,
            (Call::CheckpointWrite, Size::Gate) => GATE_CHECKPOINT_CALLS,
            (Call::CheckpointWrite, Size::Full) => FULL_CHECKPOINT_CALLS,
            _ => calls_max,
        };
        for number in 1..=calls_max {
            let fault = Fault { call, failure, number, goes_on };
            match self.fault(operation, fault, &mut series)? {
                Reached::No => break,
                Reached::Yes => {}
                // Housekeeping may have met the fault instead; it does not do so twice.
                Reached::AndAcknowledged => {
                    if let Reached::AndAcknowledged = self.fault(operation, fault, &mut series)? {
                        series.violations += 1;
                        let name = operation.name();
                        self.report
                            .violations
                            .push(format!("{name}, {fault:?}: it failed and was acknowledged"));
                    }
                }
            }
            if self.report.violations.len() > VIOLATIONS_MAX {
                bail!("it goes wrong: {}", self.report.violations.join("; "));
            }
        }
        if series.tried > 0 {
            let word = if goes_on { "any, from k on" } else { call.name() };
            self.table.push(([operation.name(), failure.name(), word], series));
        }
        Ok(())
    }

    /// One fault.
    fn fault(&mut self, operation: Operation, fault: Fault, series: &mut Series) -> Result<Reached> {
        let stage = &mut self.stage;
        let subject = operation.prepare(stage).context("prepare an operation while nothing fails")?;
        stage.control.arm(fault)?;
        let mut answer = operation.perform(stage, &subject);
        let is_reached = stage.control.failed()? > 0;
        if is_reached {
            series.tried += 1;
            match &answer {
                Answer::Done(_) => series.succeeded += 1,
                Answer::Unavailable => series.refused += 1,
                Answer::Other(..) => {}
            }
        }
        let must_fail = operation.needs_each_call() && fault.failure.is_certain();
        let reached = match &answer {
            _ if !is_reached => Reached::No,
            Answer::Done(_) if must_fail => Reached::AndAcknowledged,
            _ => Reached::Yes,
        };
        let is_refused = is_reached && matches!(answer, Answer::Unavailable);
        let mut wrong = Vec::new();
        if is_refused {
            operation.doubted(stage, &subject);
            wrong.extend(stage.ask(fault.goes_on));
        }
        stage.control.clear()?;
        if is_refused {
            let cleared = Instant::now();
            match stage.until_available(|stage| operation.perform(stage, &subject)) {
                Ok(repeated) => answer = repeated,
                Err(error) => wrong.push(format!("{error:#}")),
            }
            self.slowest = self.slowest.max(cleared.elapsed());
        }
        let noted = match &answer {
            Answer::Done(said) => operation.acknowledged(stage, &subject, said),
            Answer::Other(status, _) if is_refused && operation.was_done_before(*status) => {
                operation.acknowledged(stage, &subject, &serde_json::Value::Null)
            }
            other => {
                wrong.push(format!("the answer is {other}"));
                Ok(())
            }
        };
        wrong.extend(noted.err().map(|error| format!("{error:#}")));
        wrong.extend(stage.ask(false));
        if !stage.is_alive() {
            bail!("{}: the server ended under {fault:?}", operation.name());
        }
        series.violations += wrong.len();
        let name = operation.name();
        self.report.violations.extend(wrong.into_iter().map(|what| format!("{name}, {fault:?}: {what}")));
        Ok(reached)
    }
}

/// Kills the server, and starts it on its files, and on what a disk may have kept of them.
fn restart(stage: Stage, image: &Image, options: &Options, report: &mut Report) -> Result<()> {
    let mut remembered = stage.kill()?;
    let bytes = fs::read(remembered.place.join("operations")).context("read what was done to the disk")?;
    let done = disk::read_journal(&bytes)?;
    let mut left = Disk::of(&remembered.data, image);
    done.iter().for_each(|operation| left.perform(operation));
    let (mut audited, wrong) = remembered.restart().context("start on the files as they are")?;
    report.violations.extend(wrong.into_iter().map(|what| format!("after kill -9: {what}")));
    let disks = if options.size == Size::Gate { GATE_DISKS } else { FULL_DISKS };
    let mut rng = Rng::with_seed(remembered.rng.u64(..));
    for _ in 0..disks {
        let mut kept = left.cut(&mut rng);
        // Shared memory is made anew, and snapshots belong to nobody any more.
        kept.retain(|name, _| !name.ends_with("-shm") && !name.contains("/.snapshot-"));
        power::write_image(&remembered.data, &kept)?;
        let (more, wrong) = remembered.restart().context("start on what the disk has kept")?;
        audited += more;
        report.violations.extend(wrong.into_iter().map(|what| format!("on what the disk has kept: {what}")));
        report.violations.truncate(2 * VIOLATIONS_MAX);
    }
    let check = server::command(&remembered.data, &["check"])?.output().context("run lydian check")?;
    if !check.status.success() {
        report.violations.push(format!("it is not whole: {}", String::from_utf8_lossy(&check.stdout)));
    }
    report.figure(
        "syncs that failed",
        done.iter().filter(|o| matches!(o, disk::Operation::SyncFailed { .. })).count(),
    );
    report.figure("restarts / questions after them", format!("{} / {audited}", disks + 1));
    Ok(())
}

fn open_files(stage: &Stage) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/fd", stage.process())).context("list the open files")?.count())
}

/// The table for people, one line for each series.
fn shown(series: &[([&'static str; 3], Series)]) -> String {
    let mut table = Table::new();
    let head = ["operation", "failure", "call", "k tried", "answered 503", "succeeded", "violations"];
    table.load_style(presets::NOTHING).set_header(head);
    for (words, Series { tried, refused, succeeded, violations }) in series {
        let counts = [tried.to_string(), refused.to_string(), succeeded.to_string(), violations.to_string()];
        table.add_row(words.iter().map(|word| (*word).to_owned()).chain(counts));
    }
    table.trim_fmt()
}
