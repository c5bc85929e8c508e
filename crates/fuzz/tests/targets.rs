//! Each target over its corpus and a small number of mutations.

use std::time::Duration;

use lydian_fuzz::{Budget, Limits, find, run, targets};

/// Enough to find out on a busy machine that an input never ends, and nothing more.
const LIMITS: Limits = Limits { execution_time: Duration::from_secs(30) };

#[test]
fn r17_every_target_keeps_its_promise_over_its_corpus_and_2000_mutations() {
    let mut broken = Vec::new();
    for target in targets() {
        let run = run(target, 17, Budget::Executions(2_000), LIMITS).unwrap();
        let mut breaks = |what: String| broken.push(format!("{}: {what}", target.name));
        if let Some(finding) = &run.finding {
            breaks(finding.to_string());
        }
        // Seeds that are all refused would never show what lies behind the first check.
        if run.accepted == 0 {
            breaks("no input is accepted".to_owned());
        }
        if run.outcomes < 3 {
            breaks(format!("{} kinds of outcomes", run.outcomes));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_target_is_found_by_its_name() {
    assert_eq!(find("form").map(|target| target.name), Some("form"));
    assert!(find("no such target").is_none());
}
