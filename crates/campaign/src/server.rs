//! The real binary as a process: started on free ports, asked over HTTP, ended as a campaign wants it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running server. It dies with its owner.
pub(crate) struct Server {
    child: Child,
    /// The address of the public listener, as `http://...`.
    pub(crate) url: String,
    /// How long the start took, from `exec` to the line `ready: ...`.
    pub(crate) ready_after: Duration,
    data: PathBuf,
}

/// The issuer of campaigns.
const ISSUER: &str = "https://campaign.example";

/// The binary under test: beside the campaign's own, as cargo builds both.
pub(crate) fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let binary = own.with_file_name("lydian");
    if !binary.exists() {
        bail!("{} is missing: build it with cargo build --package lydian-cli", binary.display());
    }
    Ok(binary)
}

/// A `lydian` command on this data directory, with nothing of ours in its environment.
pub(crate) fn command(data: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LYDIAN_")) {
        command.env_remove(name);
    }
    command.args(arguments).env("LYDIAN_DATA_DIR", data).stdin(Stdio::null());
    Ok(command)
}

impl Server {
    /// Starts a server with plain HTTP on a free port, and waits until it is ready. Its log goes to the file `log`.
    ///
    /// # Errors
    ///
    /// When it ends instead of becoming ready; the error has the end of its log.
    pub(crate) fn start(data: &Path, log: &Path) -> Result<Self> {
        Self::start_command(Self::command(data)?, data, log)
    }

    /// The command that [`Self::start`] runs.
    ///
    /// # Errors
    ///
    /// When the binary is missing.
    pub(crate) fn command(data: &Path) -> Result<Command> {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--insecure-plain-http"];
        let mut command = command(data, &arguments)?;
        // The port differs from start to start, and the name by which JWTs know their issuer must not.
        command.env("LYDIAN_ISSUER", ISSUER);
        Ok(command)
    }

    /// The same with a command that the caller has made.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub(crate) fn start_command(mut command: Command, data: &Path, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("open the log")?;
        let begin = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().context("start lydian")?;
        let output = child.stdout.take().context("standard output is piped")?;
        for line in BufReader::new(output).lines() {
            let line = line.context("read what the server says")?;
            if let Some(url) = line.strip_prefix("ready: ") {
                let url = url.replace("localhost", "127.0.0.1");
                return Ok(Self { child, url, ready_after: begin.elapsed(), data: data.to_owned() });
            }
        }
        let status = child.wait().context("wait for the server")?;
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        bail!(
            "the server ended ({status}) before it was ready: {}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The address of the listener of operators, as `http://...`.
    ///
    /// # Errors
    ///
    /// When `run.json` cannot be read.
    pub(crate) fn operations(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.data.join("run.json")).context("read run.json")?;
        let run: Value = serde_json::from_str(&text).context("read run.json")?;
        Ok(format!("http://{}", run["metrics"].as_str().context("run.json names the metrics listener")?))
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?).context("a process has an id")?;
        kill_process(id, signal).context("send a signal")
    }

    /// Ends it as the power does.
    ///
    /// # Errors
    ///
    /// When the process cannot be killed.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill the server")?;
        self.child.wait().context("wait for the server")?;
        Ok(())
    }

    /// Asks it to stop, and waits for the end.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.child.wait().context("wait for the server")
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has stopped already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
