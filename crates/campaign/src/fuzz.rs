//! R17: every parser that the network or a file reaches, under mutated inputs.
//!
//! The targets and the runner are those of `lydian-fuzz`; here they get time, threads, and a table. The promise is: no panic, no
//! broken round trip, no disagreement with a second implementation, no execution beyond its time, bounded memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lydian_fuzz::{Budget, Limits, Run, Target, targets};

use crate::run::{Options, Report, progress};

/// Seconds for each target.
const GATE_SECONDS: u64 = 5;
const FULL_SECONDS: u64 = 600;

/// The longest execution: a hang is what keeps a thread of the server busy.
const EXECUTION_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 100 });

/// How much more memory this process may have at any time than before, in KiB: the store and caches of the target `request`, and what runs.
const RESIDENT_KIB_MAX: u64 = 512 * 1024;

/// Runs all targets, or those that are asked for.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let chosen: Vec<&Target> = targets()
        .iter()
        .filter(|target| options.only.as_ref().is_none_or(|only| target.name.contains(only.as_str())))
        .collect();
    if chosen.is_empty() {
        bail!("no target has this in its name");
    }
    let seconds = options.rounds(GATE_SECONDS, FULL_SECONDS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Other campaigns of this process have had memory of their own: the peak begins anew.
    std::fs::write("/proc/self/clear_refs", "5").context("begin the peak of memory anew")?;
    let before = resident_kib("VmRSS:")?;
    let bar = progress("fuzz", chosen.len() as u64);
    let next = AtomicUsize::new(0);
    let runs = Mutex::new(Vec::new());
    let worker = || -> Result<()> {
        while let Some(target) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let budget = Budget::Time(Duration::from_secs(seconds));
            let limits = Limits { execution_time: EXECUTION_MAX };
            let run = lydian_fuzz::run(target, options.seed, budget, limits).context("read the corpus")?;
            runs.lock().expect("no worker panics while it holds this").push((target.name, run));
            bar.inc(1);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    bar.finish_and_clear();
    let mut runs = runs.into_inner().expect("no worker panics while it holds this");
    runs.sort_by_key(|(name, _)| *name);
    report(&runs, before)
}

fn report(runs: &[(&'static str, Run)], before: u64) -> Result<Report> {
    let mut report = Report::default();
    for (name, run) in runs {
        let per_second = run.executions as f64 / run.elapsed.as_secs_f64();
        report.figure(
            name,
            format!(
                "{} executions, {per_second:.0}/s, {} accepted, {} outcomes, corpus {}, slowest {:.1?}",
                run.executions, run.accepted, run.outcomes, run.corpus, run.slowest
            ),
        );
        if let Some(finding) = &run.finding {
            report.violations.push(format!("{name}: {finding}"));
        }
        if run.accepted == 0 {
            report.violations.push(format!(
                "{name}: no input was accepted, so nothing behind the first check was reached"
            ));
        }
    }
    let executions: u64 = runs.iter().map(|(_, run)| run.executions).sum();
    report.figure("executions in all", executions);
    let resident = resident_kib("VmHWM:")?.saturating_sub(before);
    report.figure("peak memory", format!("{} MiB", resident / 1024));
    if resident > RESIDENT_KIB_MAX {
        report.violations.push(format!("peak memory of {resident} KiB is more than {RESIDENT_KIB_MAX} KiB"));
    }
    Ok(report)
}

/// The memory of this process as the kernel counts it: now (`VmRSS:`), or at most (`VmHWM:`).
fn resident_kib(which: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).context("the kernel says it")?;
    line.trim().trim_end_matches(" kB").parse().context("read a size of memory")
}
