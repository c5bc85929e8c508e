//! The rows of the report, by the id of the target that each answers to.

mod feed;
mod introspection;
mod issuing;
mod people;
mod store;
mod validation;

use anyhow::Result;

use crate::bench::Bench;
use crate::progress::Progress;
use crate::report::Row;

/// One target, and how its rows are measured.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The id, `P1` to `P8`.
    pub id: &'static str,
    /// What is measured, in words.
    pub what: &'static str,
    /// How many steps its progress has under a plan of so many rounds.
    steps: fn(u64) -> u64,
    measure: fn(&Bench, &Progress) -> Result<Vec<Row>>,
}

/// All targets that the bench measures, in the order of the report.
pub const ALL: [Entry; 10] = [
    Entry {
        id: "P1",
        what: "introspection of live opaque tokens",
        steps: |rounds| 4 * rounds,
        measure: introspection::opaque,
    },
    Entry {
        id: "P1c",
        what: "introspection of live opaque tokens, facts not in memory",
        steps: |rounds| 2 * rounds,
        measure: introspection::opaque_without_facts,
    },
    Entry {
        id: "P2",
        what: "introspection of JWTs, warm and at first sight",
        steps: |rounds| 10 * rounds,
        measure: introspection::jwts,
    },
    Entry {
        id: "P3",
        what: "client_credentials, opaque",
        steps: |rounds| 2 * rounds,
        measure: issuing::opaque,
    },
    Entry {
        id: "P3r",
        what: "tokens for people: refresh, and sign-in without its password",
        steps: |rounds| 2 * rounds,
        measure: people::tokens_for_people,
    },
    Entry {
        id: "P4",
        what: "local validation of JWTs at first sight",
        steps: |rounds| validation::ALGORITHMS * rounds,
        measure: validation::first_sight,
    },
    Entry {
        id: "P5",
        what: "local validation of tokens seen before",
        steps: |rounds| rounds,
        measure: validation::seen_before,
    },
    Entry {
        id: "P6",
        what: "revocation to 1,000 feed subscribers",
        steps: |_| 2,
        measure: feed::propagation,
    },
    Entry {
        id: "P7",
        what: "introspection beside expired rows",
        steps: |rounds| 4 * rounds,
        measure: store::expired_rows,
    },
    Entry { id: "P8", what: "memory and start", steps: |_| 3, measure: store::memory_and_start },
];

impl Entry {
    /// Measures the rows of this target; a failure becomes a row that says so.
    pub fn measure(&self, bench: &Bench) -> Vec<Row> {
        let progress = Progress::begin(self.id, (self.steps)(bench.plan.rounds as u64));
        let rows = (self.measure)(bench, &progress);
        progress.end();
        rows.unwrap_or_else(|error| vec![Row::not_measured(self.id, self.what, None, &format!("{error:#}"))])
    }
}
