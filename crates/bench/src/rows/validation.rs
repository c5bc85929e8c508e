//! P4 and P5: what it costs a resource server to judge a token itself.

use anyhow::Result;
use lydian_jose::Algorithm;

use crate::bench::Bench;
use crate::progress::Progress;
use crate::report::{Row, Target};
use crate::statistics::Spread;
use crate::validation::Validator;

/// How many algorithms P4 measures.
pub(super) const ALGORITHMS: u64 = MEASURED.len() as u64;

/// The algorithms, and what first sight may cost beside the bare signature, where there is a target.
const MEASURED: [(Algorithm, Option<f64>); 4] = [
    (Algorithm::Es256, Some(1.06)),
    (Algorithm::Rs256, Some(1.12)),
    (Algorithm::EdDsa, None),
    (Algorithm::Ps256, None),
];

/// How many cuts and revoked tokens a full ledger has.
const CUTS: u64 = 100_000;

/// P4: tokens at first sight, against the bare signature and beside a library that many use.
pub(super) fn first_sight(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (algorithm, target) in MEASURED {
        let validator = Validator::prepare(algorithm)?;
        let (mut ours, mut raw, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.plan.rounds {
            let costs = validator.first_sight(bench.plan.measure, bench.cores.server)?.microseconds;
            for (side, cost) in [&mut ours, &mut raw, &mut other].into_iter().zip(costs) {
                side.push(cost);
            }
            progress.step(algorithm.name());
        }
        let what = format!("local validation, JWT {}, first sight: CPU per token", algorithm.name());
        let note = format!("a token of {} bytes", validator.token_bytes());
        let target = target.map(Target::AtMost);
        let row = Row::against_floor("P4", &what, "\u{b5}s", (&ours, &raw), "raw verification", target);
        rows.push(row.note(note));
        let what = format!("{what}, beside the crate jsonwebtoken");
        rows.push(Row::against_floor("P4", &what, "\u{b5}s", (&ours, &other), "jsonwebtoken 11", None));
    }
    Ok(rows)
}

/// P5: tokens that were seen before.
pub(super) fn seen_before(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let validator = Validator::prepare(Algorithm::Es256)?;
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for _ in 0..bench.plan.rounds {
        let costs = validator.seen_before(CUTS, bench.plan.measure, bench.cores.server)?.microseconds;
        for (side, cost) in [&mut empty, &mut full].into_iter().zip(costs) {
            side.push(cost);
        }
        progress.step("judging again");
    }
    let what = "local validation, seen before: CPU per token";
    let note = format!("a token of {} bytes", validator.token_bytes());
    let per_second = Spread::of(&empty).map_or(0.0, |spread| 1e6 / spread.median);
    let row = Row::absolute("P5", what, "\u{b5}s", &empty, Some(Target::AtMost(0.2)));
    let what = format!("{what}, in a ledger of {CUTS} cuts");
    Ok(vec![
        row.note(note).note(format!("{per_second:.0} per second and core; no allocation (tested)")),
        Row::absolute("P5", &what, "\u{b5}s", &full, None),
    ])
}
