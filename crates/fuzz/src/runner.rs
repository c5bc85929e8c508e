//! The runner: mutates seeds, keeps what is new, and looks at panics and time.
//!
//! It has no instrumentation. What a target says of an input stands in for it: inputs that are accepted in a new way or refused for a
//! new reason join the corpus. Everything follows from the seed of the run, except the keys that some targets make.

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::mutate::mutate;
use crate::outcome::Outcome;
use crate::target::Target;

/// The most entries of a corpus, of accepted and of refused inputs each.
const CORPUS_MAX: usize = 512;

/// How often a finding is run again to make it smaller.
const REDUCTIONS_MAX: usize = 4_000;

/// How often an input that took long is tried again: others use the machine too.
const SLOW_RETRIES: usize = 4;

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// So many mutated inputs.
    Executions(u64),
    /// So much time.
    Time(Duration),
}

/// What an input may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest time of one execution.
    pub execution_time: Duration,
}

/// What a run found.
#[derive(Debug)]
pub struct Run {
    /// How many inputs were tried.
    pub executions: u64,
    /// How many of them were accepted.
    pub accepted: u64,
    /// How many kinds of outcomes there were.
    pub outcomes: usize,
    /// How many inputs the corpus held in the end.
    pub corpus: usize,
    /// The longest execution.
    pub slowest: Duration,
    /// How long the run took.
    pub elapsed: Duration,
    /// The first input that broke a promise. The run ends there.
    pub finding: Option<Finding>,
}

/// An input that broke a promise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What happened.
    pub what: String,
    /// The input, as small as it could be made.
    pub input: Vec<u8>,
    /// After how many executions it was found.
    pub executions: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hexadecimal: String = self.input.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = String::from_utf8_lossy(&self.input);
        write!(f, "{} after {} executions; input {hexadecimal} {text:?}", self.what, self.executions)
    }
}

/// Runs a target over its seeds and mutations of them.
///
/// # Errors
///
/// When the corpus cannot be read.
pub fn run(target: &Target, seed: u64, budget: Budget, limits: Limits) -> std::io::Result<Run> {
    let begin = Instant::now();
    let mut state = State {
        target,
        limits,
        accepted: Vec::new(),
        refused: Vec::new(),
        outcomes: HashSet::new(),
        rng: Rng::with_seed(seed),
        run: Run {
            executions: 0,
            accepted: 0,
            outcomes: 0,
            corpus: 0,
            slowest: Duration::ZERO,
            elapsed: Duration::ZERO,
            finding: None,
        },
    };
    for input in target.seeds()?.into_iter().chain([Vec::new()]) {
        state.try_input(input);
    }
    let mut mutations: u64 = 0;
    while state.run.finding.is_none() && budget.has_room(mutations, begin) {
        let input = state.next_input();
        state.try_input(input);
        mutations += 1;
    }
    state.run.outcomes = state.outcomes.len();
    state.run.corpus = state.accepted.len() + state.refused.len();
    state.run.elapsed = begin.elapsed();
    Ok(state.run)
}

impl Budget {
    fn has_room(self, mutations: u64, begin: Instant) -> bool {
        match self {
            Self::Executions(most) => mutations < most,
            // The clock is asked now and then only: some targets are faster than it.
            Self::Time(most) => !mutations.is_multiple_of(16) || begin.elapsed() < most,
        }
    }
}

struct State<'t> {
    target: &'t Target,
    limits: Limits,
    /// The corpus: inputs that were accepted,
    accepted: Vec<Vec<u8>>,
    /// and inputs that were refused.
    refused: Vec<Vec<u8>>,
    outcomes: HashSet<Outcome>,
    rng: Rng,
    run: Run,
}

impl State<'_> {
    fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        let other = self.pick();
        mutate(&mut input, &other, self.target.words, self.target.bytes_max, &mut self.rng);
        input
    }

    /// Any entry: two of three were accepted, and half of them came last, which is new ground.
    fn pick(&mut self) -> Vec<u8> {
        let from_refused = self.accepted.is_empty() || (!self.refused.is_empty() && self.rng.u8(0..3) == 0);
        let corpus = if from_refused { &self.refused } else { &self.accepted };
        let first = if self.rng.bool() { corpus.len().saturating_sub(32) } else { 0 };
        let last = corpus.len().max(first + 1);
        corpus.get(self.rng.usize(first..last)).cloned().unwrap_or_default()
    }

    fn try_input(&mut self, input: Vec<u8>) {
        self.run.executions += 1;
        let begin = Instant::now();
        let result = execute(self.target, &input);
        let elapsed = begin.elapsed();
        self.run.slowest = self.run.slowest.max(elapsed);
        match result {
            Err(what) => self.found(what, input),
            Ok(_) if elapsed > self.limits.execution_time && self.is_slow(&input) => {
                let what = format!("takes longer than {:?}", self.limits.execution_time);
                self.run.finding = Some(Finding { what, input, executions: self.run.executions });
            }
            Ok(outcome) => self.learn(outcome, input),
        }
    }

    fn learn(&mut self, outcome: Outcome, input: Vec<u8>) {
        self.run.accepted += u64::from(outcome.is_accepted());
        if !self.outcomes.insert(outcome) {
            return;
        }
        let corpus = if outcome.is_accepted() { &mut self.accepted } else { &mut self.refused };
        if corpus.len() < CORPUS_MAX {
            corpus.push(input);
        } else {
            corpus[self.rng.usize(0..CORPUS_MAX)] = input;
        }
    }

    fn is_slow(&self, input: &[u8]) -> bool {
        (0..SLOW_RETRIES).all(|_| {
            let begin = Instant::now();
            let _ = execute(self.target, input);
            begin.elapsed() > self.limits.execution_time
        })
    }

    fn found(&mut self, what: String, input: Vec<u8>) {
        let place = place_of(&what).to_owned();
        let breaks = |input: &[u8]| execute(self.target, input).is_err_and(|other| place_of(&other) == place);
        let input = reduce(input, breaks);
        self.run.finding = Some(Finding { what, input, executions: self.run.executions });
    }
}

/// Cuts pieces out of the input while it still breaks the promise: halves, quarters, and so on to single bytes.
fn reduce(mut input: Vec<u8>, breaks: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut tries = 0;
    let mut piece = input.len().div_ceil(2);
    while piece > 0 && tries < REDUCTIONS_MAX {
        let mut at = 0;
        let mut was_cut = false;
        while at < input.len() && tries < REDUCTIONS_MAX {
            let end = input.len().min(at + piece);
            let candidate = [&input[..at], &input[end..]].concat();
            tries += 1;
            if breaks(&candidate) {
                input = candidate;
                was_cut = true;
            } else {
                at = end;
            }
        }
        if !was_cut || piece > 1 {
            piece /= 2;
        }
    }
    input
}

thread_local! {
    /// What the last panic of this thread said while a target ran; `None` while none runs.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Feeds a target one input; a panic becomes its message with file and line.
///
/// # Errors
///
/// The message of the panic.
pub fn execute(target: &Target, input: &[u8]) -> Result<Outcome, String> {
    keep_panics_quiet();
    PANIC.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let said = PANIC.take().unwrap_or_default();
    result.map_err(|_| said)
}

/// Panics of targets are caught and kept; those of others go where they always went.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let kept = PANIC.with_borrow_mut(|said| match said {
                Some(said) => {
                    let place = panic.location().map(ToString::to_string).unwrap_or_default();
                    let message = panic.payload_as_str().unwrap_or("a panic without text");
                    *said = format!("panics at {place}: {message}");
                    true
                }
                None => false,
            });
            if !kept {
                usual(panic);
            }
        }));
    });
}

/// File and line of a panic, which stay while the input shrinks; the message may quote the input.
fn place_of(what: &str) -> &str {
    what.split_once(": ").map_or(what, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(function: fn(&[u8]) -> Outcome, executions: u64) -> Run {
        let target = Target { run: function, ..*crate::target::find("query").unwrap() };
        let limits = Limits { execution_time: Duration::from_secs(10) };
        run(&target, 7, Budget::Executions(executions), limits).unwrap()
    }

    #[test]
    fn a_panic_is_found_and_its_input_made_small() {
        let found = run_with(
            |input| {
                assert!(!input.windows(2).any(|pair| pair == b"&&"), "two");
                Outcome::refused(())
            },
            100_000,
        );
        let finding = found.finding.unwrap();
        assert_eq!(finding.input, b"&&");
        assert!(finding.what.ends_with(": two"), "{finding}");
    }

    #[test]
    fn inputs_of_a_new_kind_lead_further() {
        // Blind, the four letters are one in 2^32; step by step they are found.
        let found = run_with(
            |input| {
                let known = input.iter().zip(b"\xc3=%&").take_while(|(one, other)| one == other).count();
                assert!(known < 4, "all four");
                Outcome::accepted(known)
            },
            200_000,
        );
        assert!(found.finding.is_some());
    }

    #[test]
    fn runs_of_one_seed_are_the_same() {
        let counted = || {
            let run = run_with(|input| Outcome::accepted(input.len()), 5_000);
            (run.outcomes, run.corpus, run.accepted)
        };
        assert_eq!(counted(), counted());
    }
}
