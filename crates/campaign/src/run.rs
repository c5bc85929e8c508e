//! What a campaign is told, and what it reports.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much of a campaign is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// All of it.
    Full,
    /// What every change can afford.
    Gate,
}

/// What a campaign is told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) size: Size,
    /// How many rounds, instead of the size's own number.
    pub(crate) rounds: Option<u64>,
    /// From which everything random comes. It is printed, so that a run can be made again.
    pub(crate) seed: u64,
    /// Only parts with this text in their names.
    pub(crate) only: Option<String>,
}

impl Options {
    /// The number of rounds: what was asked for, or the size's own number.
    pub(crate) fn rounds(&self, gate: u64, full: u64) -> u64 {
        self.rounds.unwrap_or(match self.size {
            Size::Full => full,
            Size::Gate => gate,
        })
    }
}

/// What a campaign found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Figures, as name and value, in order.
    pub(crate) figures: Vec<(String, String)>,
    /// Broken promises. A campaign that kept them all has none.
    pub(crate) violations: Vec<String>,
}

impl Report {
    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl ToString) {
        self.figures.push((name.to_owned(), value.to_string()));
    }
}

/// A bar for long work; silent where nobody looks.
pub(crate) fn progress(what: &'static str, length: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template("{msg:20} {bar:40} {pos}/{len} {eta}").expect("the template is fixed");
    ProgressBar::with_draw_target(Some(length), target).with_style(style).with_message(what)
}
