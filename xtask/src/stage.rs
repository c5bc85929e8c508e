//! Named stages, run one after another, each with its time in a table at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::tree::Tree;

/// How a stage ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything holds; the text is a short figure for the table.
    Passed(String),
    /// Something does not hold; the text says what, in short. The details were printed.
    Failed(String),
    /// Not run, and why.
    Skipped(String),
}

impl Outcome {
    /// Passed when there is nothing to complain about; prints what there is.
    pub(crate) fn of_findings(findings: &[impl std::fmt::Display], passed: impl Into<String>) -> Self {
        if findings.is_empty() {
            return Self::Passed(passed.into());
        }
        for finding in findings {
            println!("{finding}");
        }
        Self::Failed(format!("{} found", findings.len()))
    }

    /// Passed or failed, without details.
    pub(crate) fn of_success(success: bool) -> Self {
        if success { Self::Passed(String::new()) } else { Self::Failed("see above".to_owned()) }
    }
}

/// One stage of a command. `options` is whatever the command has.
pub(crate) struct Stage<Options> {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Options, &Tree) -> Result<Outcome>,
}

/// What happens after a stage has failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// The others run all the same: they do not build on each other.
    GoOn,
    /// The others are not run.
    Stop,
}

/// What stands in the table.
struct Row {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs the stages, all of them or those that are named, and prints the table.
pub(crate) fn run<Options>(
    stages: &[Stage<Options>],
    named: &[String],
    after_failure: AfterFailure,
    options: &Options,
    tree: &Tree,
) -> Result<ExitCode> {
    let chosen = choose(stages, named)?;
    let mut rows: Vec<Row> = Vec::new();
    for stage in chosen {
        let failed = rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)));
        if failed && after_failure == AfterFailure::Stop {
            let outcome = Outcome::Skipped("not run, because a stage before it failed".to_owned());
            rows.push(Row { name: stage.name, outcome, took: Duration::ZERO });
            continue;
        }
        println!("\n== {}: {}", stage.name, stage.what);
        let begin = Instant::now();
        let outcome = (stage.run)(options, tree).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Outcome::Failed("could not run, see above".to_owned())
        });
        rows.push(Row { name: stage.name, outcome, took: begin.elapsed() });
    }
    print!("\n{}", table(&rows));
    Ok(exit_code(&rows))
}

fn choose<'a, Options>(stages: &'a [Stage<Options>], named: &[String]) -> Result<Vec<&'a Stage<Options>>> {
    for name in named {
        if !stages.iter().any(|stage| stage.name == name) {
            let known: Vec<_> = stages.iter().map(|stage| stage.name).collect();
            bail!("there is no stage \"{name}\"; the stages are {}", known.join(", "));
        }
    }
    Ok(stages
        .iter()
        .filter(|stage| named.is_empty() || named.iter().any(|name| name == stage.name))
        .collect())
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let (word, note) = match &row.outcome {
            Outcome::Passed(note) => ("passed", note),
            Outcome::Failed(note) => ("FAILED", note),
            Outcome::Skipped(note) => ("SKIPPED", note),
        };
        let line = format!("{:width$}  {word:7}  {:7.1} s  {note}", row.name, row.took.as_secs_f64());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn exit_code(rows: &[Row]) -> ExitCode {
    if rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_))) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<Stage<()>> {
        let run = |(): &(), _: &Tree| Ok(Outcome::Passed(String::new()));
        vec![Stage { name: "one", what: "", run }, Stage { name: "two", what: "", run }]
    }

    #[test]
    fn all_stages_run_unless_some_are_named() {
        let names = |named: &[&str]| {
            let named: Vec<_> = named.iter().map(ToString::to_string).collect();
            choose(&stages(), &named).map(|chosen| chosen.iter().map(|stage| stage.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["one", "two"]);
        assert_eq!(names(&["two"]).unwrap(), ["two"]);
        assert_eq!(
            names(&["three"]).unwrap_err().to_string(),
            "there is no stage \"three\"; the stages are one, two"
        );
    }

    #[test]
    fn one_failed_stage_fails_the_command_and_a_skipped_one_does_not() {
        let row = |outcome| Row { name: "one", outcome, took: Duration::from_millis(1500) };
        let passed = || row(Outcome::Passed("7 rules".to_owned()));
        let skipped = || row(Outcome::Skipped("no database".to_owned()));
        let failed = || row(Outcome::Failed("3 found".to_owned()));
        assert_eq!(exit_code(&[passed(), skipped()]), ExitCode::SUCCESS);
        assert_eq!(exit_code(&[passed(), failed(), skipped()]), ExitCode::FAILURE);
        assert_eq!(table(&[passed()]), "one  passed       1.5 s  7 rules\n");
        assert_eq!(table(&[failed()]), "one  FAILED       1.5 s  3 found\n");
    }
}
