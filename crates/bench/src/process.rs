//! Servers that run beside the bench: started on a pinned core, ready when they say so, stopped in the end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::limits::{START_TIME_MAX, STOP_TIME_MAX};
use crate::machine::spawn_pinned;

/// How much of a server's log an error shows.
const LOG_TAIL_BYTES: usize = 2_000;

/// A server that was started and has said that it is ready.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    ready: String,
    ready_after: Duration,
}

impl Server {
    /// Starts `command` on `core` and waits for its line that begins with `ready: `.
    ///
    /// Its standard error goes to the file `log`.
    ///
    /// # Errors
    ///
    /// It cannot be started, ends, or does not become ready in time; the text then shows the end of its log.
    pub fn start(name: &str, mut command: Command, core: usize, log: &Path) -> Result<Self> {
        let errors = File::create(log).with_context(|| format!("create {}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let started = Instant::now();
        let mut child = spawn_pinned(&mut command, core).with_context(|| format!("start {name}"))?;
        let output = child.stdout.take().with_context(|| format!("read what {name} prints"))?;
        let (lines, ready) = channel();
        thread::spawn(move || {
            // Reads on after the line that matters, so that the server never waits for us to read.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(text) = line.strip_prefix("ready: ") {
                    let _gone = lines.send((text.to_owned(), started.elapsed()));
                }
            }
        });
        let mut server =
            Self { name: name.to_owned(), child, ready: String::new(), ready_after: Duration::ZERO };
        match ready.recv_timeout(START_TIME_MAX) {
            Ok((text, after)) => (server.ready, server.ready_after) = (text, after),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{name} is not ready after {START_TIME_MAX:?}{}", tail(log))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = server.child.wait().with_context(|| format!("wait for {name}"))?;
                bail!("{name} ended before it was ready, {status}{}", tail(log));
            }
        }
        Ok(server)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server said when it was ready.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// How long it took from the start of the process until it was ready.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Stops the server and waits until it has ended.
    ///
    /// # Errors
    ///
    /// It does not end in time and had to be killed.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return Ok(());
        }
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            // A process that ended meanwhile is what we wanted.
            let _ended = kill_process(id, Signal::TERM);
        }
        let given_up = Instant::now() + STOP_TIME_MAX;
        while Instant::now() < given_up {
            if self.child.try_wait().with_context(|| format!("wait for {}", self.name))?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().with_context(|| format!("kill {}", self.name))?;
        self.child.wait().with_context(|| format!("wait for {}", self.name))?;
        bail!("{} did not stop within {STOP_TIME_MAX:?} and was killed", self.name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{error:#}");
        }
    }
}

/// The end of a log, for an error that says why a server is not there.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let start = text.len().saturating_sub(LOG_TAIL_BYTES);
    let text = String::from_utf8_lossy(&text[start..]);
    if text.is_empty() { String::new() } else { format!(":\n{text}") }
}

/// What the names of these directories begin with.
const PREFIX: &str = "servers-of-a-run-";

/// A directory for servers' data that is removed in the end.
///
/// It lies where the reports go and not in the system's temporary directory, which is often kept in memory: a
/// store there would be durable at no cost.
#[derive(Debug)]
pub struct Workplace {
    directory: tempfile::TempDir,
    /// Dropped after the directory, in the order of the fields.
    _alone: Lock,
}

/// A lock on a file, which other runs wait for.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that is just being started may still have it open.
        let _closed_anyway = self.0.unlock();
    }
}

impl Workplace {
    /// Makes a directory below `parent`, after waiting for other runs there: two at once would measure each other.
    ///
    /// # Errors
    ///
    /// The directory cannot be made.
    pub fn create(parent: &Path) -> Result<Self> {
        let context = || format!("create a directory in {}", parent.display());
        fs::create_dir_all(parent).with_context(context)?;
        let alone = File::create(parent.join("lock")).with_context(context)?;
        if alone.try_lock().is_err() {
            eprintln!("waiting for another run of the bench, which holds {}", parent.join("lock").display());
            alone.lock().with_context(context)?;
        }
        remove_leftovers(parent).with_context(context)?;
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).with_context(context)?;
        Ok(Self { directory, _alone: Lock(alone) })
    }

    /// The path of something in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Removes what runs that were killed left behind: whoever holds the lock is the only run.
fn remove_leftovers(parent: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Cores;

    fn start(script: &str) -> (Result<Server>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let core = Cores::choose().unwrap().map_or(0, |cores| cores.server);
        let server = Server::start("a script", command, core, &directory.path().join("log"));
        (server, directory)
    }

    #[test]
    fn a_server_is_ready_when_it_says_so_and_ends_when_told() {
        let (server, _directory) = start("echo hello; echo 'ready: 127.0.0.1:1'; cat");
        let server = server.unwrap();
        assert_eq!(server.ready(), "127.0.0.1:1");
        server.stop().unwrap();
    }

    #[test]
    fn a_second_run_waits_until_the_first_is_over() {
        let parent = tempfile::tempdir().unwrap();
        let first = Workplace::create(parent.path()).unwrap();
        let lock = File::open(parent.path().join("lock")).unwrap();
        assert!(lock.try_lock().is_err());
        let directory = first.path("");
        assert!(directory.exists());
        drop(first);
        assert!(!directory.exists());
        lock.try_lock().unwrap();
    }

    #[test]
    fn what_a_killed_run_left_behind_goes_and_reports_stay() {
        let parent = tempfile::tempdir().unwrap();
        let leftover = parent.path().join(format!("{PREFIX}x"));
        fs::create_dir_all(leftover.join("p1")).unwrap();
        fs::write(parent.path().join("report.json"), "{}").unwrap();
        let _run = Workplace::create(parent.path()).unwrap();
        assert!(!leftover.exists());
        assert!(parent.path().join("report.json").exists());
    }

    #[test]
    fn a_server_that_fails_shows_why() {
        let (server, _directory) = start("echo 'no such key' >&2; exit 2");
        let text = format!("{:#}", server.unwrap_err());
        assert!(text.contains("no such key") && text.contains("exit status: 2"), "{text}");
    }
}
