//! `cargo xtask test`: builds and runs all tests, and prints how many there were.

use std::cell::Cell;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::iter::Sum;
use std::ops::Add;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::campaign;
use crate::process;
use crate::stage::{self, AfterFailure, Outcome, Stage};
use crate::tree::Tree;

/// What `test` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The stages to run: build, tests, clients, browser, campaigns. All of them when none is named
    stages: Vec<String>,
    /// Only the tests of this package; may be repeated
    #[arg(long, short)]
    package: Vec<String>,
    /// Show each test, and not only those that fail
    #[arg(long, short)]
    verbose: bool,
    #[arg(skip)]
    total: Cell<Tally>,
}

/// The stages. A slow suite of its own becomes a stage of its own, so that the table shows what it costs.
const STAGES: &[Stage<Options>] = &[
    Stage { name: "build", what: "all test programs are built", run: build },
    Stage { name: "tests", what: "unit, integration and documentation tests", run: tests },
    Stage {
        name: "clients",
        what: "public client libraries of other languages sign a person in",
        run: clients,
    },
    Stage {
        name: "browser",
        what: "people in a real Chromium: what they see, press and are told",
        run: browser,
    },
    Stage {
        name: "campaigns",
        what: "the small size of each campaign: crashes, failing disks, hostile clients",
        run: campaigns,
    },
];

/// Test vectors of others, beside the repository. They are not ours to copy into it.
const VECTORS: &str = "../shared/vectors";

pub(crate) fn run(options: &Options, tree: &Tree) -> Result<ExitCode> {
    let vectors_are_there = tree.root().join(VECTORS).is_dir();
    tell_of_vectors(vectors_are_there);
    let code = stage::run(STAGES, &options.stages, AfterFailure::Stop, options, tree)?;
    tell_of_vectors(vectors_are_there);
    let Tally { passed, failed, skipped } = options.total.get();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(code)
}

fn tell_of_vectors(are_there: bool) {
    if !are_there {
        println!(
            "\n*** SKIPPED: {VECTORS} is absent. Tests that read vectors from it pass without having seen one;\n\
             *** they count as passed below.\n"
        );
    }
}

fn build(options: &Options, tree: &Tree) -> Result<Outcome> {
    let mut build = process::cargo(tree.root());
    build.args(["test", "--no-run"]).args(packages(options));
    process::succeeds(&mut build).map(Outcome::of_success)
}

fn tests(options: &Options, tree: &Tree) -> Result<Outcome> {
    let mut cargo = process::cargo(tree.root());
    cargo.args(["test", "--no-fail-fast"]).args(packages(options));
    counted(options, cargo)
}

/// The programs that the client libraries run in, and the Debian packages that bring them.
const INTERPRETERS: [(&str, &[&str]); 2] =
    [("npm", &["nodejs", "npm"]), ("python3", &["python3", "python3-venv"])];

/// The libraries come from their registries, as each lock file says.
fn clients(options: &Options, tree: &Tree) -> Result<Outcome> {
    with_programs(&INTERPRETERS, "clients", options, tree)
}

/// The browser, its driver, and what installs the checker of accessibility.
const BROWSER: [(&str, &[&str]); 3] =
    [("chromium", &["chromium"]), ("chromedriver", &["chromium-driver"]), ("npm", &["nodejs", "npm"])];

fn browser(options: &Options, tree: &Tree) -> Result<Outcome> {
    with_programs(&BROWSER, "chromium", options, tree)
}

/// Runs a test program of the command that needs these programs, and installs those that are missing.
fn with_programs(
    programs: &[(&str, &[&str])],
    test: &str,
    options: &Options,
    tree: &Tree,
) -> Result<Outcome> {
    if !options.package.is_empty() {
        return Ok(Outcome::Skipped("packages were named".to_owned()));
    }
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !process::is_there(program))
        .flat_map(|(_, packages)| packages.iter().copied())
        .collect();
    if !missing.is_empty() {
        let mut update = process::command("apt-get", tree.root());
        update.arg("update");
        let mut install = process::command("apt-get", tree.root());
        install.args(["install", "--yes", "--no-install-recommends"]).args(&missing);
        let installed = process::succeeds(&mut update).unwrap_or(false) && process::succeeds(&mut install)?;
        if !installed {
            return Ok(Outcome::Skipped(format!("*** NOT RUN: install {} first", missing.join(" "))));
        }
    }
    let mut cargo = process::cargo(tree.root());
    cargo.args(["test", "--no-fail-fast", "--package", "lydian-cli", "--test", test]);
    counted(options, cargo)
}

/// Runs tests, and counts them.
fn counted(options: &Options, mut cargo: Command) -> Result<Outcome> {
    cargo.stdout(Stdio::piped());
    println!("$ {}", process::shown(&cargo));
    let mut running = cargo.spawn().context("start cargo")?;
    let output = running.stdout.take().context("the output of cargo is piped")?;
    let mut listener = Listener::new(options.verbose);
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("read the output of cargo")?;
        listener.hear(&String::from_utf8_lossy(&line));
    }
    let success = running.wait().context("wait for cargo")?.success();
    let tally = listener.finish();
    options.total.set(options.total.get() + tally);
    let Tally { passed, failed, skipped } = tally;
    let text = format!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if success && failed == 0 { Outcome::Passed(text) } else { Outcome::Failed(text) })
}

fn campaigns(options: &Options, tree: &Tree) -> Result<Outcome> {
    if !options.package.is_empty() {
        return Ok(Outcome::Skipped("packages were named".to_owned()));
    }
    let code = campaign::start(&["gate".to_owned()], campaign::Build::Development, tree)?;
    Ok(Outcome::of_success(code == ExitCode::SUCCESS))
}

fn packages(options: &Options) -> Vec<&str> {
    if options.package.is_empty() {
        return vec!["--workspace"];
    }
    options.package.iter().flat_map(|package| ["--package", package]).collect()
}

/// How many tests went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Add::add)
    }
}

/// Hears the output of the tests, shows what matters and counts.
struct Listener {
    tallies: Vec<Tally>,
    verbose: bool,
    /// On a terminal one line counts the tests that pass; elsewhere they leave no trace until their program ends.
    counts_on_one_line: bool,
    passed_since: u64,
}

impl Listener {
    fn new(verbose: bool) -> Self {
        let counts_on_one_line = !verbose && std::io::stdout().is_terminal();
        Self { tallies: Vec::new(), verbose, counts_on_one_line, passed_since: 0 }
    }

    fn hear(&mut self, line: &str) {
        let passed = line.starts_with("test ") && line.ends_with(" ... ok");
        if passed && !self.verbose {
            self.passed_since += 1;
            if self.counts_on_one_line {
                print!("\r{} passed", self.passed_since);
                // A line that could not be shown is no reason to stop the tests.
                let _ = std::io::stdout().flush();
            }
            return;
        }
        if self.counts_on_one_line && self.passed_since > 0 {
            print!("\r\x1b[K");
        }
        let tally = tally_of(line);
        if tally.is_some() {
            self.passed_since = 0;
        }
        self.tallies.extend(tally);
        let says_nothing = line.trim().is_empty() || line.starts_with("running ");
        if self.verbose || !says_nothing {
            println!("{line}");
        }
    }

    fn finish(self) -> Tally {
        self.tallies.into_iter().sum()
    }
}

/// The figures of `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s`.
fn tally_of(line: &str) -> Option<Tally> {
    let (_, figures) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let figure = |name: &str| {
        figures.split("; ").find_map(|part| part.strip_suffix(name)?.trim_end().parse::<u64>().ok())
    };
    Some(Tally {
        passed: figure("passed")?,
        failed: figure("failed")?,
        skipped: figure("ignored")? + figure("filtered out")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Tally {
        let mut listener = Listener::new(false);
        lines.iter().for_each(|line| listener.hear(line));
        listener.finish()
    }

    #[test]
    fn results_are_summed_over_all_programs() {
        let tally = heard(&[
            "running 2 tests",
            "test one ... ok",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: FAILED. 40 passed; 3 failed; 1 ignored; 0 measured; 5 filtered out; finished in 1.10s",
        ]);
        assert_eq!(tally, Tally { passed: 42, failed: 3, skipped: 6 });
    }

    #[test]
    fn other_lines_are_not_taken_for_results() {
        for line in ["", "test result: ", "test result: ok. many passed", "the test result: ok. 1 passed"] {
            assert_eq!(tally_of(line), None, "{line:?}");
        }
    }
}
