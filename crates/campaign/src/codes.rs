//! R12 and R13: many redeem one code, and many exchange one refresh token, at the same moment.
//!
//! The rivals themselves are tests of `lydian-http`. Here they get their number of codes, and their figures are read: a code gives one
//! success, a second use kills what came of the first, nobody who is wrong burns it, and a family of refresh tokens has one leaf.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{Options, Report};

const GATE_CODES: u64 = 50;
const FULL_CODES: u64 = 1_000;

/// How many codes there are for one family of refresh tokens.
const CODES_PER_FAMILY: u64 = 5;

/// The lines with the figures begin with these.
const MARKS: [&str; 2] = ["codes: ", "refresh: "];

/// Runs the rivals.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let codes = options.rounds(GATE_CODES, FULL_CODES);
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("find the repository")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(repository)
        .args(["test", "--package", "lydian-http", "--test", "people", "--", "--nocapture", "at_once"])
        .env("LYDIAN_CODES", codes.to_string())
        .env("LYDIAN_FAMILIES", codes.div_ceil(CODES_PER_FAMILY).to_string())
        .output()
        .context("start cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut report = Report::default();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().chain(complaint.lines()).collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        report.violations.push(format!("the rivals failed:\n{tail}"));
        return Ok(report);
    }
    for mark in MARKS {
        read(&said, mark, &mut report)?;
    }
    judge(codes, &mut report);
    Ok(report)
}

/// Reads the figures behind this mark.
fn read(said: &str, mark: &str, report: &mut Report) -> Result<()> {
    // The name of the test may stand before it on the same line.
    let Some((_, figures)) = said.lines().find_map(|line| line.split_once(mark)) else {
        bail!("the rivals printed no figures behind {mark:?}");
    };
    for figure in figures.split_whitespace() {
        let (name, value) = figure.split_once('=').context("a figure is name=value")?;
        let number: u64 = value.parse().context("a figure is a number")?;
        report.figure(&format!("{mark}{}", name.replace('_', " ")), number);
    }
    Ok(())
}

/// Holds the figures against what is promised.
fn judge(codes: u64, report: &mut Report) {
    let figure =
        |name: &str| report.figures.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    for (name, expected) in [
        ("codes: codes", codes),
        ("codes: successes", codes),
        ("codes: burnt", 0),
        ("refresh: server errors", 0),
    ] {
        let found = figure(name);
        if found.as_deref() != Some(expected.to_string().as_str()) {
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            report.violations.push(format!("{name}: {found} instead of {expected}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_judged() {
        let said = "test x ... codes: codes=4 successes=5 burnt=0\nrefresh: families=1 server_errors=1\nok";
        let mut report = Report::default();
        for mark in MARKS {
            read(said, mark, &mut report).unwrap();
        }
        judge(4, &mut report);
        assert_eq!(report.figures.len(), 5);
        assert_eq!(
            report.violations,
            ["codes: successes: 5 instead of 4", "refresh: server errors: 1 instead of 0"]
        );
        assert!(read("nothing", MARKS[0], &mut report).is_err());
    }
}
