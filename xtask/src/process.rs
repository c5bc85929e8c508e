//! Other programs, run from the root of the repository.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program that will run in this folder, without standard input.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// The cargo that runs us.
///
/// What `cargo run` told us about our own package is taken out of the environment: build scripts would take it for a change
/// and build again.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), folder);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs it with its output going where ours goes; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    println!("$ {}", shown(command));
    Ok(command.status().with_context(|| format!("start {}", shown(command)))?.success())
}

/// As [`succeeds`], and a failure when it has not ended in this time.
pub(crate) fn succeeds_within(limit: Duration, command: &mut Command) -> Result<bool> {
    println!("$ {}", shown(command));
    let mut running = command.spawn().with_context(|| format!("start {}", shown(command)))?;
    let begin = Instant::now();
    loop {
        if let Some(status) = running.try_wait().with_context(|| format!("wait for {}", shown(command)))? {
            return Ok(status.success());
        }
        if begin.elapsed() > limit {
            println!("not ended after {} s", limit.as_secs());
            running.kill().with_context(|| format!("end {}", shown(command)))?;
            running.wait().with_context(|| format!("wait for {}", shown(command)))?;
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs it and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(command), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote no UTF-8", shown(command)))
}

/// Whether a program of this name can be started.
pub(crate) fn is_there(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok()
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_else(|| command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = command("sh", Path::new("."));
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let within = |limit, script| succeeds_within(limit, &mut shell(script)).unwrap();
        assert!(within(Duration::from_secs(60), "exit 0"));
        assert!(!within(Duration::from_secs(60), "exit 3"));
        // Reads what never comes: it would not end by itself.
        assert!(!within(Duration::ZERO, "exec tail -f /dev/null"));
    }

    #[test]
    fn a_failure_carries_what_the_program_said() {
        assert_eq!(output(&mut shell("echo good")).unwrap(), "good\n");
        let error = output(&mut shell("echo bad >&2; exit 1")).unwrap_err().to_string();
        assert_eq!(error, "sh -c echo bad >&2; exit 1 failed: bad");
    }
}
