//! What the bench says while it runs: a bar on a terminal, a line for each step otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The steps of one row.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    label: String,
    on_terminal: bool,
}

impl Progress {
    /// Begins a row of so many steps.
    pub fn begin(label: &str, steps: u64) -> Self {
        let on_terminal = console::Term::stderr().is_term();
        let bar = if on_terminal { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix:<24} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.expect("the template is a constant that indicatif reads").progress_chars("=> "));
        bar.set_prefix(label.to_owned());
        // Drawn when a step begins and never by a thread of its own, which would take the generator's core.
        bar.tick();
        Self { bar, label: label.to_owned(), on_terminal }
    }

    /// Says what happens now.
    pub fn now(&self, what: &str) {
        self.say(what);
        self.bar.set_message(what.to_owned());
    }

    /// Says that a step is done.
    pub fn step(&self, what: &str) {
        self.bar.inc(1);
        self.now(what);
    }

    /// Ends the row, and leaves a line of it behind.
    pub fn end(self) {
        let elapsed = Duration::from_secs(self.bar.elapsed().as_secs());
        self.bar.finish_and_clear();
        eprintln!("{}: done in {elapsed:?}", self.label);
    }

    fn say(&self, what: &str) {
        if !self.on_terminal {
            eprintln!("{}: {what}", self.label);
        }
    }
}
