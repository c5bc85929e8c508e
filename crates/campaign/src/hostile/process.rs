//! What a process takes, as the kernel counts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setpriority_process, setrlimit};
use tokio::runtime::Runtime;

/// How often the memory of a process is looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);
/// Files of the campaign that are no connections.
const OWN_FILES: u64 = 200;
/// As nice(1) counts.
const LOWEST_PRIORITY: i32 = 19;

/// The processor time that the process has taken so far, in seconds.
///
/// # Errors
///
/// When the process is gone.
pub(super) fn cpu_seconds(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).context("read the processor time")?;
    // The name in parentheses may hold anything; the fields behind it are numbers (proc(5): utime is the 14th field of all).
    let (_, fields) = text.rsplit_once(')').context("the line names the process")?;
    let ticks = |index: usize| -> Result<f64> {
        let field = fields.split_whitespace().nth(index).context("the line has all fields")?;
        Ok(field.parse::<u64>()? as f64)
    };
    Ok((ticks(11)? + ticks(12)?) / rustix::param::clock_ticks_per_second() as f64)
}

/// The share of one core that the process takes from now on for this long.
///
/// # Errors
///
/// When the process is gone.
pub(super) fn cpu_share(process: u32, during: Duration) -> Result<f64> {
    let (before, began) = (cpu_seconds(process)?, Instant::now());
    std::thread::sleep(during);
    Ok((cpu_seconds(process)? - before) / began.elapsed().as_secs_f64())
}

/// The resident memory of the process, in bytes.
///
/// # Errors
///
/// When the process is gone.
pub(crate) fn resident_bytes(process: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).context("read the memory")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has memory")?;
    let kibibytes = line.trim().trim_end_matches("kB").trim_end();
    Ok(kibibytes.parse::<u64>().context("the memory is a number")? * 1024)
}

/// How many files the process has open.
///
/// # Errors
///
/// When the process is gone.
pub(super) fn open_files(process: u32) -> Result<u64> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).context("list the open files")?;
    Ok(files.count() as u64)
}

/// Sets how many files the process may have open from now on.
///
/// # Errors
///
/// When the kernel refuses.
pub(super) fn limit_files(process: u32, files: u64) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(process)?).context("a process has an id")?;
    let own = getrlimit(Resource::Nofile).maximum;
    // The hard limit stays, so that the soft one can be raised again.
    prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(files), maximum: own })
        .context("limit the open files")?;
    Ok(())
}

/// Lets this process open as many connections.
///
/// # Errors
///
/// When the machine's limit is lower.
pub(super) fn allow_connections(connections: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = connections + OWN_FILES;
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        bail!("{connections} connections need {needed} open files: raise ulimit -Hn");
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("raise the limit of open files")
}

/// A runtime for attackers, whose threads get what the server and the good client leave of the processors: real attackers have
/// machines of their own, and are not to be what the good client waits for.
///
/// # Errors
///
/// When the kernel refuses.
pub(super) fn background_runtime(threads: usize) -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .on_thread_start(|| {
            // A thread that keeps its priority disturbs the figures, and nothing else.
            let _ = setpriority_process(None, LOWEST_PRIORITY);
        })
        .build()
        .context("start a runtime")
}

/// Watches the memory of a process until it is asked for the peak.
pub(super) struct MemoryWatch {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl MemoryWatch {
    pub(super) fn begin(process: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                let mut peak = 0;
                while !ends.load(Ordering::Relaxed) {
                    peak = peak.max(resident_bytes(process).unwrap_or(0));
                    std::thread::sleep(SAMPLE_INTERVAL);
                }
                peak
            }
        });
        Self { ends, thread }
    }

    /// The largest resident memory that was seen, in bytes.
    ///
    /// # Errors
    ///
    /// When nothing was seen.
    pub(super) fn peak(self) -> Result<u64> {
        self.ends.store(true, Ordering::Relaxed);
        match self.thread.join().map_err(|_| anyhow!("the watch ended in a panic"))? {
            0 => bail!("the memory of the server cannot be read"),
            peak => Ok(peak),
        }
    }
}

/// Bytes as people read them.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}
