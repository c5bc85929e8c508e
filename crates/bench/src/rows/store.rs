//! P7 and P8: what a full store costs, and what is kept in memory.

use std::time::Duration;

use anyhow::Result;
use lydian_primitives::{Clock, SystemClock};

use crate::bench::{Bench, Wish};
use crate::filler;
use crate::generator::{Load, Pace, run};
use crate::machine::resident_bytes;
use crate::product::Product;
use crate::progress::Progress;
use crate::report::{Row, Target, number};
use crate::requests::Requests;
use crate::rounds::{ExpectActive, Results, Shape, Side, disturbed, shares, take_turns};
use crate::statistics::Spread;

/// The data directory that P7 fills and P8 uses again.
const FULL: &str = "full";

/// The share of the empty store's throughput at which latencies are compared.
const OPEN_LOOP_SHARE: f64 = 0.5;

/// The share of the tokens that fills every other buffer before memory is counted by fact.
const FACTS_BEFORE_SHARE: usize = 10;

/// How long a server that has just started is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// P7: p99 with expired rows in the store against an empty one, with facts in memory and without.
pub(super) fn expired_rows(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let full_tokens = fill(bench, progress)?;
    let minting = bench.start_product("empty", Wish::default())?;
    let api = &minting.demo().opaque_api;
    let empty_tokens = minting.mint(api, bench.sizes.tokens, bench.plan.connections)?;
    minting.stop()?;
    let mut rows = Vec::new();
    for without_facts in [false, true] {
        let wish = Wish { without_facts, ..Wish::default() };
        let empty = Asked::start(bench, "empty", wish, &empty_tokens)?;
        let full = Asked::start(bench, FULL, wish, &full_tokens)?;
        let closed = Load {
            pace: Pace::Closed,
            warm_up: bench.plan.warm_up,
            measure: bench.plan.measure,
            ..Load::once(empty.product.endpoint(), &empty.requests, bench.plan.connections)
        };
        let capacity = run(&closed, &mut ExpectActive::default())?.all_right()?.per_second();
        let pace = Pace::Open { per_second: capacity * OPEN_LOOP_SHARE };
        let mut sides = [full.side("lydian"), empty.side("empty store")];
        let results = take_turns(&bench.plan, Shape::Repeated(pace), &mut sides, progress)?;
        let facts = if without_facts { "facts not in memory" } else { "facts in memory" };
        rows.push(p99_row(bench, facts, &results, capacity * OPEN_LOOP_SHARE));
    }
    Ok(rows)
}

fn p99_row(bench: &Bench, facts: &str, results: &[Results], per_second: f64) -> Row {
    let (full, empty) = (&results[0], &results[1]);
    let p99 = |side: &Results| side.microseconds_at(0.99);
    let what = format!(
        "introspection beside {} expired rows, {facts}: p99",
        number(f64::from(bench.sizes.expired_rows))
    );
    let sides = (&*p99(full), &*p99(empty));
    let mut row = Row::against_floor("P7", &what, "\u{b5}s", sides, &empty.name, Some(Target::AtMost(1.2)));
    row.disturbed = disturbed(&[full, empty]);
    let median = |side: &Results| {
        let values = side.microseconds_at(0.5);
        Spread::of(&values).map_or(0.0, |spread| spread.median)
    };
    row.note(format!(
        "open loop, {} requests per second, latency from the moment at which each was due; p50 {} \u{b5}s, empty {} \u{b5}s",
        number(per_second),
        number(median(full)),
        number(median(empty)),
    ))
    .note(shares(&[full, empty]))
}

/// A product with the questions that it is asked, all of them asked once.
struct Asked {
    product: Product,
    requests: Requests,
}

impl Asked {
    fn start(bench: &Bench, name: &str, wish: Wish, tokens: &[String]) -> Result<Self> {
        let product = bench.start_product(name, wish)?;
        let api = &product.demo().opaque_api;
        let requests = product.introspections(api, tokens).shuffled(bench.seed);
        let once = Load::once(product.endpoint(), &requests, bench.plan.connections);
        run(&once, &mut ExpectActive::default())?.all_right()?;
        Ok(Self { product, requests })
    }

    fn side(&self, name: &'static str) -> Side<'_> {
        Side {
            name,
            endpoint: self.product.endpoint(),
            requests: &self.requests,
            process: self.product.server().id(),
            judge: Box::new(ExpectActive::default()),
        }
    }
}

/// Makes the full store if no earlier row has, and returns tokens that live in it.
fn fill(bench: &Bench, progress: &Progress) -> Result<Vec<String>> {
    let is_filled = bench.data_directory(FULL).exists();
    let product = bench.start_product(FULL, Wish::default())?;
    progress.now("minting tokens");
    let api = &product.demo().opaque_api;
    let tokens = product.mint(api, bench.sizes.tokens, bench.plan.connections)?;
    product.stop()?;
    if !is_filled {
        let directory = bench.data_directory(FULL);
        filler::add_expired_tokens(&directory, bench.sizes.expired_rows, SystemClock.now(), progress)?;
    }
    Ok(tokens)
}

/// P8: memory when idle and for each fact, and how long a start with a full store takes.
pub(super) fn memory_and_start(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let idle = idle_memory(bench)?;
    progress.step("memory when idle is read");
    let facts = memory_of_facts(bench, progress)?;
    progress.step("memory of facts is read");
    let start = start_when_full(bench, &idle, progress)?;
    progress.step("starts are timed");
    Ok([idle, facts, start].map(|measured| measured.row).into())
}

struct Measured {
    row: Row,
    values: Vec<f64>,
}

fn idle_memory(bench: &Bench) -> Result<Measured> {
    let mut values = Vec::new();
    for _ in 0..bench.plan.rounds {
        let product = bench.start_product("idle", Wish { tls: true, ..Wish::default() })?;
        std::thread::sleep(SETTLE);
        values.push(resident_bytes(product.server().id())? as f64 / 1e6);
        product.stop()?;
    }
    let row = Row::absolute("P8", "memory when idle (resident)", "MB", &values, Some(Target::AtMost(25.0)));
    Ok(Measured { row, values })
}

/// What each fact adds, counted after a tenth of them, when connections, caches of the store and code are there.
fn memory_of_facts(bench: &Bench, progress: &Progress) -> Result<Measured> {
    let minting = bench.start_product("facts", Wish::default())?;
    progress.now("minting tokens");
    let api = minting.demo().opaque_api.clone();
    let tokens = minting.mint(&api, bench.sizes.tokens, bench.plan.connections)?;
    minting.stop()?;
    let before = tokens.len() / FACTS_BEFORE_SHARE;
    let mut values = Vec::new();
    for _ in 0..bench.plan.rounds {
        let product = bench.start_product("facts", Wish::default())?;
        let ask = |tokens: &[String]| {
            let requests = product.introspections(&api, tokens);
            let once = Load::once(product.endpoint(), &requests, bench.plan.connections);
            run(&once, &mut ExpectActive::default())?.all_right()?;
            resident_bytes(product.server().id())
        };
        let without = ask(&tokens[..before])?;
        let with = ask(&tokens[before..])?;
        values.push(with.saturating_sub(without) as f64 / (tokens.len() - before) as f64);
        product.stop()?;
    }
    let row =
        Row::absolute("P8", "memory of each cached fact", "bytes", &values, Some(Target::AtMost(250.0)));
    let note = format!(
        "growth of the resident memory between the {}th and the {}th token asked about",
        number(before as f64),
        number(tokens.len() as f64)
    );
    Ok(Measured { row: row.note(note), values })
}

fn start_when_full(bench: &Bench, idle: &Measured, progress: &Progress) -> Result<Measured> {
    fill(bench, progress)?;
    let directory = bench.data_directory(FULL);
    filler::add_revocations(&directory, bench.sizes.ledger_entries, SystemClock.now(), progress)?;
    let mut values = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..bench.plan.rounds {
        let product = bench.start_product(FULL, Wish::default())?;
        values.push(product.server().ready_after().as_secs_f64());
        memory.push(resident_bytes(product.server().id())? as f64 / 1e6);
        product.stop()?;
    }
    let what = format!(
        "start with {} rows and {} ledger entries",
        number(f64::from(bench.sizes.expired_rows)),
        number(f64::from(bench.sizes.ledger_entries))
    );
    let row = Row::absolute("P8", &what, "s", &values, Some(Target::AtMost(1.0)));
    let median = |values: &[f64]| Spread::of(values).map_or(0.0, |spread| spread.median);
    let grown = median(&memory) - median(&idle.values);
    let note =
        format!("the ledger takes {} MB: resident memory after the start less that when idle", number(grown));
    Ok(Measured { row: row.note(note), values })
}
