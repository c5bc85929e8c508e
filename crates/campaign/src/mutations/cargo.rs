//! Cargo and git, as this campaign calls them.

use std::env;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::verdict::TestRun;

/// The root of the repository that we were started in.
pub(super) fn root_of_repository() -> Result<PathBuf> {
    Ok(PathBuf::from(git(Path::new("."), &["rev-parse", "--show-toplevel"])?.trim_end()))
}

/// The files that git knows, from the root.
pub(super) fn files_of_repository(root: &Path) -> Result<Vec<String>> {
    let names = git(root, &["ls-files", "-z"])?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(folder).args(arguments).output().context("start git")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("read what git says")
}

/// A cargo command in this folder, with a target directory of its own.
///
/// What `cargo run` told us about our own package is taken out of the environment: build scripts would take it for a change.
pub(super) fn command(folder: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("LYDIAN_")
        {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", target).env("CARGO_TERM_COLOR", "never");
    cargo
}

/// Runs a command with all its output in one text; after `limit` it is ended together with what it started.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<TestRun> {
    let mut output = tempfile::tempfile().context("make a file for the output")?;
    let copy = |file: &File| file.try_clone().map(Stdio::from).context("share the file for the output");
    command.stdin(Stdio::null()).stdout(copy(&output)?).stderr(copy(&output)?).process_group(0);
    let mut child = command.spawn().context("start cargo")?;
    let group = Pid::from_raw(i32::try_from(child.id())?).context("a process has an id")?;
    let begin = Instant::now();
    let success = loop {
        if let Some(status) = child.try_wait().context("wait for cargo")? {
            break Some(status.success());
        }
        if begin.elapsed() > limit {
            kill_process_group(group, Signal::KILL).context("end cargo and its tests")?;
            child.wait().context("wait for cargo")?;
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let mut text = Vec::new();
    output.rewind().context("read the output")?;
    output.read_to_end(&mut text).context("read the output")?;
    Ok(TestRun { output: String::from_utf8_lossy(&text).into_owned(), success })
}
