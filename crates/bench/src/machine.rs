//! What the machine is, which core does what, and how much CPU time and memory a process has used.
//!
//! A ratio means something only if both sides ran on the same core: servers are pinned to the first core that
//! this process may use, the generator to the second.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// The line that every report begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Memory of the machine in MiB.
    pub memory_mib: u64,
    /// The commit that was built, with `+` after it when the tree had changes.
    pub commit: String,
}

impl Machine {
    /// Describes this machine; what cannot be learnt is `unknown`.
    pub fn describe() -> Self {
        let unknown = || "unknown".to_owned();
        let processor = read_field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| unknown(), |text| text.trim().to_owned());
        let memory_kib = read_field("/proc/meminfo", "MemTotal").as_deref().and_then(kibibytes);
        Self {
            processor,
            cores: Cores::allowed().map_or(0, |cores| cores.len()),
            kernel,
            memory_mib: memory_kib.unwrap_or(0) / 1_024,
            commit: commit().unwrap_or_else(unknown),
        }
    }
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(if changed { commit + "+" } else { commit })
}

/// The value behind `name` in one of the kernel's `name: value` files.
fn read_field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse().ok()
}

/// Which core the servers get and which the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// For the measured server, and for its floor.
    pub server: usize,
    /// For the generator.
    pub generator: usize,
}

impl Cores {
    /// The cores that this process may use.
    pub(crate) fn allowed() -> Result<Vec<usize>> {
        let set = sched_getaffinity(None).context("read which cores may be used")?;
        Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
    }

    /// The first two cores, or `None` when there is only one: then nothing can be measured fairly.
    ///
    /// # Errors
    ///
    /// The kernel does not say which cores may be used.
    pub fn choose() -> Result<Option<Self>> {
        let allowed = Self::allowed()?;
        Ok(match allowed.as_slice() {
            [server, generator, ..] => Some(Self { server: *server, generator: *generator }),
            _ => None,
        })
    }
}

/// Pins the calling thread, and all that it starts from now on, to one core.
///
/// # Errors
///
/// The kernel refuses.
pub fn pin_to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("pin to core {core}"))
}

/// Starts a process that is pinned to one core from its first instruction.
///
/// # Errors
///
/// The kernel refuses to pin, or the process cannot be started.
pub fn spawn_pinned(command: &mut Command, core: usize) -> Result<Child> {
    let before = sched_getaffinity(None).context("read which cores may be used")?;
    // A child inherits the mask of the thread that starts it; the runtime of the child then counts one core.
    pin_to(core)?;
    let child = command.spawn();
    sched_setaffinity(None, &before).context("unpin the generator")?;
    child.with_context(|| format!("start {}", command.get_program().to_string_lossy()))
}

/// CPU time that the calling thread has used.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A reading of how much CPU time a process has used.
#[derive(Clone, Debug)]
pub struct ProcessCpu {
    /// Nanoseconds of each thread that lives now.
    threads: BTreeMap<u32, u64>,
    /// User and system time of all threads that ever lived, in the kernel's coarser unit.
    total: Duration,
}

impl ProcessCpu {
    /// Reads the counters of a process.
    ///
    /// # Errors
    ///
    /// The process does not exist, or the kernel does not count for it.
    pub fn read(process: u32) -> Result<Self> {
        let context = || format!("read the CPU time of process {process}");
        let text = fs::read_to_string(format!("/proc/{process}/stat")).with_context(context)?;
        let total = stat_cpu(&text)
            .ok_or_else(|| anyhow!("unknown format of /proc/PID/stat"))
            .with_context(context)?;
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{process}/task")).with_context(context)? {
            let entry = entry.with_context(context)?;
            let thread = entry.file_name().to_str().and_then(|name| name.parse().ok());
            // A thread may end between the listing and the reading.
            let schedule = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            let nanoseconds = schedule.split(' ').next().and_then(|number| number.parse().ok());
            if let (Some(thread), Some(nanoseconds)) = (thread, nanoseconds) {
                threads.insert(thread, nanoseconds);
            }
        }
        Ok(Self { threads, total })
    }

    /// CPU time used between this reading and a later one.
    pub fn until(&self, later: &Self) -> Duration {
        let ended = self.threads.keys().any(|thread| !later.threads.contains_key(thread));
        if ended || later.threads.is_empty() {
            // The exact counter went with the thread; the coarse one of the process did not.
            return later.total.saturating_sub(self.total);
        }
        let since =
            |(thread, now): (&u32, &u64)| now.saturating_sub(self.threads.get(thread).copied().unwrap_or(0));
        Duration::from_nanos(later.threads.iter().map(since).sum())
    }
}

/// User and system time from `/proc/PID/stat` (proc_pid_stat(5), fields 14 and 15).
fn stat_cpu(text: &str) -> Option<Duration> {
    let (user, system) = user_and_system(text)?;
    Some(user + system)
}

fn user_and_system(text: &str) -> Option<(Duration, Duration)> {
    // The name of the program is in parentheses and may hold anything, parentheses and spaces included.
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11).map(ticks);
    Some((fields.next()??, fields.next()??))
}

fn ticks(text: &str) -> Option<Duration> {
    let count: u64 = text.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_secs_f64(count as f64 / per_second as f64))
}

/// A reading of how much time programs that take no part in the measurement have used, over all cores.
///
/// Their time in the kernel is left out: what the kernel does for the network stands in the same column.
#[derive(Clone, Copy, Debug)]
pub struct OthersCpu(Duration);

impl OthersCpu {
    /// Reads the counters of the machine, less those of this process and of a server.
    ///
    /// # Errors
    ///
    /// The server does not exist, or the kernel does not count.
    pub fn read(server: u32) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("read the time of all cores")?;
        let all = user_of_all(&text).context("read /proc/stat")?;
        let user_of = |process: &str| {
            let path = format!("/proc/{process}/stat");
            let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
            let (user, _) = user_and_system(&text).with_context(|| format!("understand {path}"))?;
            Ok::<Duration, anyhow::Error>(user)
        };
        Ok(Self(all.saturating_sub(user_of("self")? + user_of(&server.to_string())?)))
    }

    /// How much time they used between an earlier reading and this one.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// User time, at any priority, and time that the host took, of all cores (proc_stat(5)).
fn user_of_all(text: &str) -> Option<Duration> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<Duration> = line.split_ascii_whitespace().skip(1).map_while(ticks).collect();
    Some(*fields.first()? + *fields.get(1)? + *fields.get(7)?)
}

/// Memory of a process that is in RAM, in bytes.
///
/// # Errors
///
/// The process does not exist.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let resident = read_field(&path, "VmRSS").as_deref().and_then(kibibytes);
    Ok(resident.ok_or_else(|| anyhow!("{path} does not say VmRSS"))? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let machine = Machine::describe();
        assert!(machine.cores >= 1);
        assert!(machine.memory_mib > 0);
        assert_ne!(machine.kernel, "unknown");
    }

    #[test]
    fn cpu_time_of_a_process_with_a_strange_name_is_read() {
        let text = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1";
        let per_second = rustix::param::clock_ticks_per_second();
        assert_eq!(stat_cpu(text), Some(Duration::from_secs_f64(300.0 / per_second as f64)));
        assert_eq!(stat_cpu("7 (a) S 1"), None);
        assert_eq!(stat_cpu(""), None);
    }

    #[test]
    fn user_time_of_all_cores_is_the_sum_of_three_columns() {
        let text = "cpu  100 20 3000 40000 5 6 7 80 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let per_second = rustix::param::clock_ticks_per_second();
        assert_eq!(user_of_all(text), Some(Duration::from_secs_f64(200.0 / per_second as f64)));
        assert_eq!(user_of_all("cpu0 1 1 1 1 1 1 1 1"), None);
        let reading = OthersCpu::read(std::process::id()).unwrap();
        assert_eq!(reading.since(reading), Duration::ZERO);
    }

    fn reading(threads: &[(u32, u64)], total: Duration) -> ProcessCpu {
        ProcessCpu { threads: threads.iter().copied().collect(), total }
    }

    #[test]
    fn cpu_time_is_counted_by_thread_while_all_threads_live() {
        let before = reading(&[(1, 100), (2, 50)], Duration::from_millis(10));
        let after = reading(&[(1, 175), (2, 50), (3, 5)], Duration::from_millis(20));
        assert_eq!(before.until(&after), Duration::from_nanos(80));
    }

    #[test]
    fn cpu_time_of_a_thread_that_ended_is_not_lost() {
        let before = reading(&[(1, 100), (2, 50)], Duration::from_millis(10));
        let after = reading(&[(1, 175)], Duration::from_millis(20));
        assert_eq!(before.until(&after), Duration::from_millis(10));
    }

    #[test]
    fn cpu_time_and_memory_of_this_process_can_be_read() {
        let process = std::process::id();
        let before = ProcessCpu::read(process).unwrap();
        assert!(before.until(&before) == Duration::ZERO);
        assert!(resident_bytes(process).unwrap() > 0);
        assert!(resident_bytes(u32::MAX).is_err());
    }

    #[test]
    fn a_pinned_child_sees_one_core_and_the_parent_keeps_its_own() {
        let before = Cores::allowed().unwrap();
        let last = *before.last().unwrap();
        let mut command = Command::new("cat");
        command.arg("/proc/self/status").stdout(std::process::Stdio::piped());
        let output = spawn_pinned(&mut command, last).unwrap().wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let allowed = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        assert_eq!(allowed.trim(), last.to_string());
        assert_eq!(Cores::allowed().unwrap(), before);
    }
}
