//! The table of campaigns, and how they are run and shown.

use std::time::Instant;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};

use crate::run::{Options, Report};

/// A campaign.
struct Campaign {
    name: &'static str,
    what: &'static str,
    /// How much the gate runs, in words.
    gate: &'static str,
    /// How much a full run does, in words.
    full: &'static str,
    /// Whether the gate may run it beside others: it waits more than it works, and measures nothing that others disturb.
    beside_others: bool,
    run: fn(&Options) -> Result<Report>,
}

/// What is printed of a campaign that says nothing about the product.
pub(crate) const COULD_NOT_RUN: &str = "COULD NOT RUN";

/// All campaigns, in alphabetical order.
const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        name: "codes",
        what: "32 redeem one code at once, 16 exchange one refresh token; --rounds is codes",
        gate: "50 codes, 10 families",
        full: "1,000 codes, 200 families",
        beside_others: true,
        run: crate::codes::run,
    },
    Campaign {
        name: "crash",
        what: "kill -9 at random under clients and an administrator; an auditor replays their journal",
        gate: "200 kills",
        full: "1000 kills",
        beside_others: false,
        run: crate::crash::run,
    },
    Campaign {
        name: "descriptors",
        what: "more connections than the server may have open files",
        gate: "10 rounds of 1,000 connections",
        full: "100 rounds",
        beside_others: true,
        run: crate::hostile::descriptors::run,
    },
    Campaign {
        name: "disk-full",
        what: "the data directory's file system is full for a while: writes are 503, reads go on, nothing is lost",
        gate: "3 rounds, full for 5 s",
        full: "50 rounds, full for 60 s",
        beside_others: true,
        run: crate::disk_full::run,
    },
    Campaign {
        name: "failing-disk",
        what: "the k-th write, sync, open, rename, unlink or truncate fails under each operation, in one process; --rounds is the largest k",
        gate: "15 operations, EIO and ENOSPC, k to 200",
        full: "EINTR and short writes too, each k",
        beside_others: false,
        run: crate::failing_disk::run,
    },
    Campaign {
        name: "feed",
        what: "the way to validators is cut, stalled and slowed, the server restarts: nobody accepts after the bound; --rounds is revocations",
        gate: "120 revocations, 20 subscribers",
        full: "10,000 revocations, 1,000 subscribers",
        beside_others: false,
        run: crate::feed::run,
    },
    Campaign {
        name: "fuzz",
        what: "mutated inputs for every parser that the network or a file reaches; --rounds is seconds per target",
        gate: "5 s for each of 41 targets",
        full: "600 s for each target",
        beside_others: false,
        run: crate::fuzz::run,
    },
    Campaign {
        name: "http2",
        what: "resets, floods and bombs of HTTP/2, beside a good client",
        gate: "each of 17 once",
        full: "each 20 times",
        beside_others: false,
        run: crate::hostile::http2::run,
    },
    Campaign {
        name: "idle-tls",
        what: "thousands of idle TLS connections, and then requests over them",
        gate: "2,000 connections",
        full: "10,000 connections, 10 times",
        beside_others: true,
        run: crate::hostile::idle_tls::run,
    },
    Campaign {
        name: "leaks",
        what: "marked secrets at trace level: none in logs, metrics, answers, database or backup; --rounds is requests",
        gate: "10,000 requests",
        full: "1,000,000 requests",
        beside_others: true,
        run: crate::leaks::run,
    },
    Campaign {
        name: "libfuzzer",
        what: "the same targets under libFuzzer, where a nightly compiler is; --rounds is seconds per target",
        gate: "nothing: it says so",
        full: "600 s for each target",
        beside_others: false,
        run: crate::libfuzzer::run,
    },
    Campaign {
        name: "memory",
        what: "unfinished forms and streams, unknown tokens, live tokens until the cache is full, unknown clients: all in 256 MiB",
        gate: "1 round, 1,500 forms, 12,000 streams, 4,000 tokens",
        full: "20 rounds, 2,000 forms, 250,000 tokens",
        beside_others: false,
        run: crate::hostile::memory::run,
    },
    Campaign {
        name: "model",
        what: "stories from seeds under a failing store, each answer compared with a reference model; --rounds is stories",
        gate: "200 stories",
        full: "10,000 stories",
        beside_others: false,
        run: crate::model::run,
    },
    Campaign {
        name: "mutations",
        what: "small mistakes in the code, each of which a named test must find",
        gate: "all mutations fit the code, and their tests exist",
        full: "all mutations applied, one by one",
        beside_others: true,
        run: crate::mutations::run,
    },
    Campaign {
        name: "oversize",
        what: "requests far beyond the limits",
        gate: "27 requests, 8 clients each",
        full: "the same, 5 times",
        beside_others: false,
        run: crate::hostile::oversize::run,
    },
    Campaign {
        name: "passwords",
        what: "500 try wrong passwords at once, beside a resource server that introspects; --rounds is seconds",
        gate: "8 s",
        full: "10 min",
        beside_others: false,
        run: crate::hostile::passwords::run,
    },
    Campaign {
        name: "power",
        what: "the power is cut under load, and the disk loses and tears what was not synced",
        gate: "50 cuts",
        full: "2000 cuts",
        beside_others: false,
        run: crate::power::run,
    },
    Campaign {
        name: "rotation",
        what: "signing keys rotate under load beside validators that keep the key set as long as they may; --rounds is rotations",
        gate: "nothing: the tests make 5 rotations",
        full: "100 rotations",
        beside_others: true,
        run: crate::rotation::run,
    },
    Campaign {
        name: "slow",
        what: "clients that send or read too slowly, beside a good one; --rounds is seconds",
        gate: "750 clients for 42 s",
        full: "5,000 clients for 30 min",
        beside_others: false,
        run: crate::hostile::slow::run,
    },
    Campaign {
        name: "timing",
        what: "requests that must look alike, in random order: their times are compared; --rounds is requests of each kind",
        gate: "8 pairs, 2,000 of each: only what is gross",
        full: "500,000 of each",
        beside_others: false,
        run: crate::timing::run,
    },
];

/// Whether there is a campaign of this name.
pub(crate) fn exists(name: &str) -> bool {
    CAMPAIGNS.iter().any(|campaign| campaign.name == name)
}

/// The table for people.
pub(crate) fn list() -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["name", "at the gate", "in full", "what"]);
    for Campaign { name, gate, full, what, .. } in CAMPAIGNS {
        table.add_row([*name, *gate, *full, *what]);
    }
    table.trim_fmt()
}

/// Runs one campaign; whether it kept all promises.
pub(crate) fn one(name: &str, options: &Options) -> Result<bool> {
    let Some(campaign) = CAMPAIGNS.iter().find(|campaign| campaign.name == name) else {
        bail!("there is no campaign \"{name}\"\n{}", list());
    };
    Ok(finish(&[(campaign, attempt(campaign, options))]))
}

/// Runs the small size of each campaign: those that wait side by side, the others one after the other.
pub(crate) fn gate(options: &Options) -> Result<bool> {
    let chosen =
        |campaign: &&Campaign| options.only.as_ref().is_none_or(|only| campaign.name.contains(only.as_str()));
    // What is chosen here are campaigns, not parts of them.
    let options = &Options { only: None, ..options.clone() };
    let mut attempts = std::thread::scope(|scope| {
        let running: Vec<_> = CAMPAIGNS
            .iter()
            .filter(chosen)
            .filter(|campaign| campaign.beside_others)
            .map(|campaign| (campaign, scope.spawn(move || attempt(campaign, options))))
            .collect();
        running
            .into_iter()
            .map(|(campaign, thread)| {
                let attempt = thread.join().unwrap_or_else(|_| Attempt {
                    outcome: Err(anyhow::anyhow!("the campaign ended in a panic")),
                    seconds: 0.0,
                });
                (campaign, attempt)
            })
            .collect::<Vec<_>>()
    });
    for campaign in CAMPAIGNS.iter().filter(chosen).filter(|campaign| !campaign.beside_others) {
        attempts.push((campaign, attempt(campaign, options)));
    }
    Ok(finish(&attempts))
}

/// One run of a campaign, with what it took.
struct Attempt {
    outcome: Result<Report>,
    seconds: f64,
}

fn attempt(campaign: &Campaign, options: &Options) -> Attempt {
    println!("{}: begins, --seed {}", campaign.name, options.seed);
    let begin = Instant::now();
    let outcome = (campaign.run)(options);
    Attempt { outcome, seconds: begin.elapsed().as_secs_f64() }
}

/// Shows what came out; whether all promises were kept.
fn finish(attempts: &[(&Campaign, Attempt)]) -> bool {
    let mut all_kept = true;
    for (campaign, Attempt { outcome, seconds }) in attempts {
        println!("\n== {} ({seconds:.1} s)", campaign.name);
        match outcome {
            Err(error) => {
                all_kept = false;
                println!("{COULD_NOT_RUN}: {error:#}");
            }
            Ok(report) => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING);
                for (name, value) in &report.figures {
                    table.add_row([name, value]);
                }
                println!("{}", table.trim_fmt());
                for violation in &report.violations {
                    all_kept = false;
                    println!("VIOLATION: {violation}");
                }
            }
        }
    }
    let broken: Vec<&str> = attempts
        .iter()
        .filter(|(_, attempt)| !attempt.outcome.as_ref().is_ok_and(|report| report.violations.is_empty()))
        .map(|(campaign, _)| campaign.name)
        .collect();
    println!("\n{} of {} campaigns kept all promises", attempts.len() - broken.len(), attempts.len());
    if !all_kept {
        println!("BROKEN: {}", broken.join(", "));
    }
    all_kept
}
