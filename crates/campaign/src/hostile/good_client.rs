//! A well-behaved client: it asks about a token at a fixed rate, and notes how long it waited for each answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;

use super::stage::{Connection, Target};

/// Connections that share the rate, each with a thread of its own: no runtime is between the clock and the answer.
const CONNECTIONS: u32 = 4;
/// How many reasons of failed requests are kept.
const REASONS_MAX: usize = 3;

/// A client that asks until it is stopped.
pub(super) struct GoodClient {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Measured>>,
}

/// What a client has measured.
pub(super) struct Measured {
    /// In microseconds, from the instant at which the request was due: a request that waits for the one before it waits too.
    latency: Histogram<u64>,
    /// Requests without the right answer.
    pub(super) errors: u64,
    /// Why, for the first of them.
    pub(super) reasons: Vec<String>,
}

impl GoodClient {
    /// Begins to ask so often per second.
    pub(super) fn begin(target: &Arc<Target>, per_second: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let threads = (0..CONNECTIONS)
            .map(|number| {
                let (target, ends) = (Arc::clone(target), Arc::clone(&ends));
                let interval = Duration::from_secs(1) * CONNECTIONS / per_second;
                let first = begin + interval * number / CONNECTIONS;
                std::thread::spawn(move || ask_until(&ends, &target, first, interval))
            })
            .collect();
        Self { ends, threads }
    }

    /// Stops, and says what was measured.
    ///
    /// # Errors
    ///
    /// When a thread panicked.
    pub(super) fn finish(self) -> Result<Measured> {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Measured::new();
        for thread in self.threads {
            all.add(thread.join().map_err(|_| anyhow!("the good client ended in a panic"))?)?;
        }
        Ok(all)
    }

    /// Asks for this long.
    ///
    /// # Errors
    ///
    /// As [`Self::finish`].
    pub(super) fn measure(target: &Arc<Target>, per_second: u32, during: Duration) -> Result<Measured> {
        let client = Self::begin(target, per_second);
        std::thread::sleep(during);
        client.finish()
    }
}

impl Measured {
    pub(super) fn new() -> Self {
        Self { latency: histogram(), errors: 0, reasons: Vec::new() }
    }

    /// Notes one request.
    pub(super) fn note(&mut self, waited: Duration, outcome: Result<()>) {
        self.latency.saturating_record(micros(waited));
        if let Err(error) = outcome {
            self.errors += 1;
            if self.reasons.len() < REASONS_MAX {
                self.reasons.push(format!("{error:#}"));
            }
        }
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.latency.add(other.latency).context("add up latencies")?;
        self.errors += other.errors;
        self.reasons.extend(other.reasons);
        self.reasons.truncate(REASONS_MAX);
        Ok(())
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> u64 {
        self.latency.len()
    }

    /// What 99 of 100 requests waited at most.
    pub(super) fn p99(&self) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(0.99))
    }

    /// The figures in one line.
    pub(super) fn summary(&self) -> String {
        let at = |quantile: f64| millis(Duration::from_micros(self.latency.value_at_quantile(quantile)));
        format!(
            "{} requests, {} errors, p50 {}, p99 {}, max {}",
            self.requests(),
            self.errors,
            at(0.5),
            at(0.99),
            millis(Duration::from_micros(self.latency.max()))
        )
    }
}

/// Durations between a microsecond and an hour, to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are in order")
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn ask_until(ends: &AtomicBool, target: &Target, first: Instant, interval: Duration) -> Measured {
    let mut measured = Measured::new();
    let mut connection = None;
    let mut due = first;
    while !ends.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let outcome = ask_once(target, &mut connection);
        measured.note(due.elapsed(), outcome);
        due += interval;
    }
    measured
}

/// Asks on the connection that is open, or on a new one; a request that fails ends the connection.
fn ask_once(target: &Target, open: &mut Option<Connection>) -> Result<()> {
    let mut connection = match open.take() {
        Some(connection) => connection,
        None => Connection::open(target)?,
    };
    if !connection.introspect(target, &target.token)? {
        anyhow::bail!("a good token was called inactive");
    }
    *open = Some(connection);
    Ok(())
}
