//! What a run of the bench says: rows with figure, floor, ratio, spread and verdict.
//!
//! The same rows become a table in the terminal ([`table`]), a JSON file and a plot ([`plot`]). A row that could
//! not be measured stays in all three, with the reason.

pub mod plot;
pub mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lydian_primitives::Timestamp;
use serde::Serialize;

use crate::machine::Machine;
use crate::statistics::Spread;

/// What a value must be to meet its target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Target {
    /// How far `value` goes towards the target: 1 is on the mark, more is better.
    pub fn attainment(self, value: f64) -> f64 {
        match self {
            Self::AtLeast(mark) => value / mark,
            Self::AtMost(mark) => mark / value,
        }
    }
}

/// Whether a row met its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It did.
    Met,
    /// It did not; the row stays.
    Missed,
    /// The row has no target: it tells the scale.
    ForScale,
    /// It was not measured, for this reason.
    NotMeasured(String),
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The id of the target, `P1` to `P9`.
    pub id: String,
    /// What was measured, in words.
    pub what: String,
    /// The unit of figure and floor.
    pub unit: String,
    /// The product's value.
    pub figure: Option<Spread>,
    /// The floor's value in the same run.
    pub floor: Option<Spread>,
    /// What the floor is.
    pub floor_name: Option<String>,
    /// Figure by floor, or figure by target for a row without a floor.
    pub ratio: Option<Spread>,
    /// The mark: on the ratio where there is a floor, otherwise on the figure.
    pub target: Option<Target>,
    /// Whether the mark was reached.
    pub verdict: Verdict,
    /// Other programs took part of the machine meanwhile: neither figure nor verdict can be trusted.
    pub disturbed: bool,
    /// What else the reader must know to judge the figure.
    pub notes: Vec<String>,
}

impl Row {
    /// A row that compares the product with a floor, round by round.
    pub fn against_floor(
        id: &str,
        what: &str,
        unit: &str,
        sides: (&[f64], &[f64]),
        floor_name: &str,
        target: Option<Target>,
    ) -> Self {
        let (figures, floors) = sides;
        let ratio = Spread::ratio(figures, floors);
        let mut row = Self {
            id: id.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            figure: Spread::of(figures),
            floor: Spread::of(floors),
            floor_name: Some(floor_name.to_owned()),
            ratio,
            target,
            verdict: Verdict::ForScale,
            disturbed: false,
            notes: Vec::new(),
        };
        row.judge(ratio);
        row
    }

    /// A row whose target is on the figure itself.
    pub fn absolute(id: &str, what: &str, unit: &str, figures: &[f64], target: Option<Target>) -> Self {
        let figure = Spread::of(figures);
        let mut row = Self {
            id: id.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            figure,
            floor: None,
            floor_name: None,
            ratio: None,
            target,
            verdict: Verdict::ForScale,
            disturbed: false,
            notes: Vec::new(),
        };
        row.judge(figure);
        row
    }

    /// A row that could not be measured.
    pub fn not_measured(id: &str, what: &str, target: Option<Target>, reason: &str) -> Self {
        let mut row = Self::absolute(id, what, "", &[], target);
        row.verdict = Verdict::NotMeasured(reason.to_owned());
        row
    }

    /// This row with a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The value that the target is about.
    pub fn judged(&self) -> Option<Spread> {
        self.ratio.or(self.figure)
    }

    fn judge(&mut self, value: Option<Spread>) {
        self.verdict = match (value, self.target) {
            (None, _) => Verdict::NotMeasured("no round was completed".to_owned()),
            (Some(_), None) => Verdict::ForScale,
            (Some(value), Some(target)) if target.attainment(value.median) >= 1.0 => Verdict::Met,
            (Some(_), Some(_)) => Verdict::Missed,
        };
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// When the run began, in UTC (RFC 3339).
    pub started: String,
    /// Where it ran and what was built.
    pub machine: Machine,
    /// The order of requests depends on this number alone.
    pub seed: u64,
    /// Short rounds that show that all works and whose figures mean little.
    pub quick: bool,
    /// The lines.
    pub rows: Vec<Row>,
}

impl Report {
    /// Writes `<date>.json` and `<date>.svg` into a directory and returns their paths.
    ///
    /// # Errors
    ///
    /// The directory or a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(PathBuf, PathBuf)> {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let name = self.started.replace(':', "");
        let json = directory.join(format!("{name}.json"));
        let svg = directory.join(format!("{name}.svg"));
        let text = serde_json::to_string_pretty(self).context("write the report as JSON")?;
        fs::write(&json, text + "\n").with_context(|| format!("write {}", json.display()))?;
        fs::write(&svg, plot::draw(self)).with_context(|| format!("write {}", svg.display()))?;
        Ok((json, svg))
    }

    /// The line that says where the figures come from.
    pub fn machine_line(&self) -> String {
        let Machine { processor, cores, kernel, memory_mib, commit } = &self.machine;
        let quick = if self.quick { ", quick rounds: figures mean little" } else { "" };
        format!(
            "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}; commit {commit}, {}, seed {}{quick}",
            self.started, self.seed
        )
    }
}

/// A moment as RFC 3339 writes it, in UTC.
pub fn rfc3339(moment: Timestamp) -> String {
    let seconds = moment.as_unix_seconds();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days: years begin in March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A number with as many digits as a reader can use.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        1_000.0.. => return grouped(value),
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn report() -> Report {
        let rows = vec![
            Row::against_floor(
                "P1",
                "introspection of opaque tokens, plain: throughput",
                "1/s",
                (&[90_000.0, 91_000.0, 92_000.0], &[100_000.0, 100_000.0, 100_000.0]),
                "floor server",
                Some(Target::AtLeast(0.9)),
            )
            .note("server 100 % of its core, generator 71 %"),
            Row::against_floor(
                "P1",
                "introspection of opaque tokens, plain: CPU & <requests>",
                "us",
                (&[12.0, 12.0], &[10.0, 10.0]),
                "floor server",
                Some(Target::AtMost(1.1)),
            ),
            Row::absolute("P8", "memory when idle", "MB", &[18.25], Some(Target::AtMost(25.0))),
            Row::against_floor("P3", "tokens", "1/s", (&[30_000.0], &[9_000.0]), "oidc-provider", None),
            Row::not_measured("P2", "introspection of JWTs", Some(Target::AtLeast(0.85)), "no JWT API"),
        ];
        Report {
            started: "2025-03-02T10:11:12Z".to_owned(),
            machine: Machine {
                processor: "Some Processor".to_owned(),
                cores: 2,
                kernel: "6.1".to_owned(),
                memory_mib: 1_024,
                commit: "abcdef".to_owned(),
            },
            seed: 1,
            quick: false,
            rows,
        }
    }

    #[test]
    fn a_row_is_judged_by_its_target() {
        let verdicts: Vec<Verdict> = report().rows.into_iter().map(|row| row.verdict).collect();
        let not_measured = Verdict::NotMeasured("no JWT API".to_owned());
        assert_eq!(verdicts, [Verdict::Met, Verdict::Missed, Verdict::Met, Verdict::ForScale, not_measured]);
    }

    #[test]
    fn the_mark_itself_meets_the_target() {
        for (target, met, missed) in [(Target::AtLeast(0.9), 0.9, 0.899), (Target::AtMost(1.1), 1.1, 1.101)] {
            let verdict = |value| Row::absolute("P0", "x", "", &[value], Some(target)).verdict;
            assert_eq!((verdict(met), verdict(missed)), (Verdict::Met, Verdict::Missed));
        }
    }

    #[test]
    fn a_row_without_rounds_is_not_taken_for_a_success() {
        let row = Row::against_floor("P1", "x", "1/s", (&[], &[]), "floor", Some(Target::AtLeast(0.9)));
        assert_eq!(row.verdict, Verdict::NotMeasured("no round was completed".to_owned()));
    }

    #[test]
    fn the_files_are_named_after_the_start_and_hold_every_row() {
        let directory = tempfile::tempdir().unwrap();
        let (json, svg) = report().write(&directory.path().join("bench")).unwrap();
        assert_eq!(json.file_name().unwrap(), "2025-03-02T101112Z.json");
        let read: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
        assert_eq!(read["rows"].as_array().unwrap().len(), 5);
        assert_eq!(read["rows"][0]["ratio"]["median"], 0.91);
        assert_eq!(read["rows"][0]["verdict"], "met");
        assert_eq!(read["rows"][4]["verdict"]["not_measured"], "no JWT API");
        assert_eq!(read["machine"]["processor"], "Some Processor");
        assert!(fs::read_to_string(svg).unwrap().starts_with("<svg"));
    }

    #[test]
    fn moments_are_written_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_unix_seconds(seconds)), expected);
        }
    }

    #[test]
    fn numbers_keep_the_digits_that_a_reader_can_use() {
        for (value, expected) in [
            (0.914, "0.91"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
