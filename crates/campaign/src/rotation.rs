//! R31: signing keys rotate under load, and no validation fails.
//!
//! The load itself is a test of `lydian-http`, under a clock that moves as it is told: a hundred days pass in minutes. Its small size
//! runs with the tests. Here it gets its number of rotations, and its figures are read.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{Options, Report, Size};

/// What the test does by itself.
const GATE_ROTATIONS: u64 = 5;
const FULL_ROTATIONS: u64 = 100;

/// The name of the test.
const LOAD: &str = "rotations_under_load_fail_no_validation_and_cut_no_token_short";

/// The line with the figures begins with this.
const MARK: &str = "rotation: ";

/// Runs the load across the rotations.
pub(crate) fn run(options: &Options) -> Result<Report> {
    if options.size == Size::Gate && options.rounds.is_none() {
        let mut report = Report::default();
        report.figure("rotations", format!("{GATE_ROTATIONS}, with the tests of lydian-http"));
        return Ok(report);
    }
    let rotations = options.rounds(GATE_ROTATIONS, FULL_ROTATIONS);
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("find the repository")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(repository)
        .args(["test", "--package", "lydian-http", "--test", "rotation", "--", "--nocapture", LOAD])
        .env("LYDIAN_ROTATIONS", rotations.to_string())
        .output()
        .context("start cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut report = Report::default();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().chain(complaint.lines()).collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        report.violations.push(format!("the load across the rotations failed:\n{tail}"));
        return Ok(report);
    }
    read(&said, rotations, &mut report)?;
    Ok(report)
}

/// Reads the figures that the load printed.
fn read(said: &str, rotations: u64, report: &mut Report) -> Result<()> {
    // The name of the test may stand before it on the same line.
    let Some((_, figures)) = said.lines().find_map(|line| line.split_once(MARK)) else {
        bail!("the load printed no figures");
    };
    for figure in figures.split_whitespace() {
        let (name, value) = figure.split_once('=').context("a figure is name=value")?;
        let number: u64 = value.parse().context("a figure is a number")?;
        report.figure(&name.replace('_', " "), number);
        match name {
            "failed" if number > 0 => report.violations.push(format!("{number} validations failed")),
            "rotations" if number < rotations => {
                report.violations.push(format!("{number} rotations of {rotations} were made"));
            }
            _ => {}
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
        read("test x ... rotation: rotations=4 issued=9 failed=1\nok", 5, &mut report).unwrap();
        assert_eq!(report.figures.len(), 3);
        assert_eq!(report.violations, ["4 rotations of 5 were made", "1 validations failed"]);
        assert!(read("nothing", 5, &mut report).is_err());
    }
}
