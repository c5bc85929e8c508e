//! R15: stories drawn from seeds, told to one node whose store fails now and then, and checked against the reference of `lydian-model`.
//!
//! One thread tells a story under a clock and randomness of its own, so that a seed makes it again to the last answer. The promise
//! is: what was acknowledged is never lost, what was revoked never revives, nothing is answered that the rules forbid, and nothing
//! stays unavailable once the store works again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use lydian_model::{Lived, draw, live, minimal};

use crate::run::{Options, Report, progress};

/// Stories.
const GATE_STORIES: u64 = 200;
const FULL_STORIES: u64 = 10_000;

/// Steps of a story at most.
const STEPS: usize = 120;

/// Stories that are told at the same time: after a failed commit a store pauses, and its story waits.
const STORIES_PER_CORE: usize = 4;

/// Every so many stories, one is told twice.
const TWICE_EVERY: u64 = 10;

/// Runs the campaign.
///
/// # Errors
///
/// None: a story that cannot be told is a broken promise.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let stories = options.rounds(GATE_STORIES, FULL_STORIES);
    let threads = STORIES_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from);
    let bar = progress("model", stories);
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let told = Mutex::new(Vec::new());
    let teller = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= stories {
                break;
            }
            let seed = options.seed.wrapping_add(number);
            let lived = tell(seed, number.is_multiple_of(TWICE_EVERY));
            told.lock().expect("no teller panics while it holds this").push((number, lived));
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(teller))));
    bar.finish_and_clear();
    let mut told = told.into_inner().expect("no teller panics while it holds this");
    told.sort_by_key(|(number, _)| *number);
    Ok(report(told, begin.elapsed().as_secs_f64()))
}

fn tell(seed: u64, twice: bool) -> Result<Lived, String> {
    let story = draw(seed, STEPS);
    let lived = live(&story, seed).map_err(|broken| match minimal(seed, STEPS) {
        Some((_, shortest)) => format!("--rounds 1 --seed {seed}: {shortest}"),
        None => format!("--rounds 1 --seed {seed}, and not again: {broken}"),
    })?;
    if twice && live(&story, seed).as_ref() != Ok(&lived) {
        return Err(format!("--rounds 1 --seed {seed}: the same story ended in another way"));
    }
    Ok(lived)
}

fn report(told: Vec<(u64, Result<Lived, String>)>, seconds: f64) -> Report {
    let mut report = Report::default();
    let mut hash = DefaultHasher::new();
    let (mut steps, mut answers, mut faults) = (0, 0, 0);
    report.figure("stories", told.len());
    for (_, lived) in told {
        match lived {
            Ok(lived) => {
                lived.digest.hash(&mut hash);
                steps += lived.trace.len() as u64;
                answers += lived.answers;
                faults += lived.faults;
            }
            Err(broken) => report.violations.push(broken),
        }
    }
    report.figure("steps", format!("{steps}, {:.0}/s", steps as f64 / seconds));
    report.figure("steps under a failing store", faults);
    report.figure("answers compared with the rules", answers);
    report.figure("digest of all traces", format!("{:016x}", hash.finish()));
    report
}
