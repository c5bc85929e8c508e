//! R11 and V32: revocations while the way to a thousand validators is cut, stalled and slowed, and the server dies.
//!
//! The validators and the oracle are a test of `lydian-http`. Here they get their numbers, and their figures are read: nobody accepts a
//! token after the bound, whatever happens.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{Options, Report, Size};

const GATE_REVOCATIONS: u64 = 120;
const FULL_REVOCATIONS: u64 = 10_000;
const GATE_SUBSCRIBERS: u64 = 20;
const FULL_SUBSCRIBERS: u64 = 1_000;

/// The line with the figures begins with this.
const MARK: &str = "feed: ";

/// Runs validators and oracle.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let revocations = options.rounds(GATE_REVOCATIONS, FULL_REVOCATIONS);
    let subscribers = match options.size {
        Size::Full => FULL_SUBSCRIBERS,
        Size::Gate => GATE_SUBSCRIBERS,
    };
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("find the repository")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(repository).args(["test", "--package", "lydian-http", "--test", "feed"]);
    if options.size == Size::Full {
        command.arg("--release");
    }
    let output = command
        .args(["--", "--nocapture", "nobody_accepts_after_the_bound"])
        .env("LYDIAN_FEED_REVOCATIONS", revocations.to_string())
        .env("LYDIAN_FEED_SUBSCRIBERS", subscribers.to_string())
        .env("LYDIAN_FEED_SEED", options.seed.to_string())
        .output()
        .context("start cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut report = Report::default();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().chain(complaint.lines()).collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        report.violations.push(format!("a validator broke the bound, or never came back:\n{tail}"));
    }
    read(&said, output.status.success(), &mut report)?;
    Ok(report)
}

/// Reads the figures, and holds them against what is promised.
fn read(said: &str, must_be_there: bool, report: &mut Report) -> Result<()> {
    // The name of the test may stand before it on the same line.
    let Some((_, figures)) = said.lines().find_map(|line| line.split_once(MARK)) else {
        if must_be_there {
            bail!("the oracle printed no figures");
        }
        return Ok(());
    };
    for figure in figures.split_whitespace() {
        let (name, value) = figure.split_once('=').context("a figure is name=value")?;
        let number: u64 = value.parse().context("a figure is a number")?;
        report.figure(&name.replace('_', " "), number);
        if name == "too_late" && number > 0 {
            report.violations.push(format!("{number} looks found a revoked token good after the bound"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_judged() {
        let mut report = Report::default();
        read("test x ... feed: revocations=4 too_late=2\nok", true, &mut report).unwrap();
        assert_eq!((report.figures.len(), report.violations.len()), (2, 1));
        assert!(read("nothing", true, &mut report).is_err());
    }
}
