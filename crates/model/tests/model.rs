//! R14 and R15: after every step of any story, introspection answers what the rules say.

use lydian_model::names::Client;
use lydian_model::operation::{Fault, Operation, Step, quiet_stories};
use lydian_model::{draw, live};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Steps of one story at most.
const STEPS: usize = 80;

/// How many stories are told; `LYDIAN_MODEL_CASES` says otherwise.
const CASES: u64 = 256;

/// From which they are drawn; `LYDIAN_MODEL_SEED` says otherwise, and the campaign `model` draws from new seeds.
const SEED: u64 = 14;

fn set_by(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn r14_introspection_answers_what_the_rules_say_after_every_step() {
    let cases = set_by("LYDIAN_MODEL_CASES").unwrap_or(CASES);
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        rng_seed: RngSeed::Fixed(set_by("LYDIAN_MODEL_SEED").unwrap_or(SEED)),
        failure_persistence: None,
        max_shrink_iters: 4_096,
        ..Config::default()
    };
    let told = TestRunner::new(config).run(&quiet_stories(STEPS), |story| {
        live(&story, 14).map(drop).map_err(|broken| TestCaseError::fail(broken.to_string()))
    });
    if let Err(broken) = told {
        panic!("{broken}");
    }
}

#[test]
fn r15_under_a_failing_store_nothing_acknowledged_is_lost_and_nothing_revoked_revives() {
    for seed in 0..96 {
        if let Err(broken) = live(&draw(seed, 80), seed) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn r15_nothing_is_called_unchanged_while_the_outcome_of_a_commit_is_unknown() {
    let enable = |enabled| Operation::EnableClient { client: Client::App, enabled };
    let story = [
        Step { operation: enable(false), fault: Some(Fault::Outage { made: true, steps: 0 }) },
        Step { operation: enable(true), fault: None },
    ];
    let lived = live(&story, 1).unwrap();
    assert!(lived.trace[1].ends_with("Unavailable { unknown: false }"), "{:?}", lived.trace);
}

#[test]
fn r15_one_seed_tells_one_story_to_the_last_answer() {
    let told: Vec<_> = (0..4).map(|seed| live(&draw(seed, 60), seed).unwrap()).collect();
    for (seed, first) in (0..).zip(&told) {
        let again = live(&draw(seed, 60), seed).unwrap();
        assert_eq!(again.trace, first.trace, "seed {seed}");
        assert_eq!(again.digest, first.digest, "seed {seed}");
    }
    assert!(told.windows(2).all(|pair| pair[0].digest != pair[1].digest), "another seed tells another story");
}
