//! P1, P1c and P2: what it costs to ask about a token.

use anyhow::{Result, ensure};

use crate::bench::{Bench, Wish, introspection};
use crate::floor::Floor;
use crate::generator::{Load, Pace, run};
use crate::peers::Peer;
use crate::product::{Api, Product};
use crate::progress::Progress;
use crate::report::{Row, Target};
use crate::requests::{Requests, form_encode};
use crate::rounds::{ExpectActive, ExpectBody, Results, Shape, Side, disturbed, shares, take_turns};
use crate::statistics::Spread;
use crate::verification::Verification;

/// P1: opaque tokens whose facts are in memory, plain and over TLS.
pub(super) fn opaque(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for tls in [false, true] {
        let product =
            bench.start_product(if tls { "p1-tls" } else { "p1-plain" }, Wish { tls, ..Wish::default() })?;
        let api = &product.demo().opaque_api;
        progress.now("minting tokens");
        let tokens = product.mint(api, bench.sizes.tokens, bench.plan.connections)?;
        let question = Question::prepare(bench, &product, api, &tokens)?;
        let peer = if bench.peers && !tls { Peer::start(bench, progress)? } else { None };
        let peer_requests = peer.as_ref().map(|peer| peer.introspections(bench)).transpose()?;
        let mut sides = vec![question.ask_product(&product), question.ask_floor()];
        if let (Some(peer), Some(requests)) = (&peer, &peer_requests) {
            sides.push(peer.side(requests, Box::new(ExpectActive::default())));
        }
        let results = take_turns(&bench.plan, Shape::Repeated(Pace::Closed), &mut sides, progress)?;
        let what = format!("introspection, opaque, {}", if tls { "TLS" } else { "plain" });
        let (lydian, floor) = (&results[0], &results[1]);
        rows.push(lydian.throughput_row("P1", &what, floor, Some(Target::AtLeast(0.90))));
        rows.push(lydian.cpu_row("P1", &what, floor, Some(Target::AtMost(1.1))));
        if let Some(peer) = results.get(2) {
            rows.push(lydian.throughput_row("P1", &format!("{what}, beside a peer"), peer, None));
        }
    }
    Ok(rows)
}

/// P1c: opaque tokens whose facts are not in memory; the store is in the page cache.
pub(super) fn opaque_without_facts(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let wish = Wish { without_facts: true, ..Wish::default() };
    let product = bench.start_product("p1c", wish)?;
    let api = &product.demo().opaque_api;
    progress.now("minting tokens");
    let tokens = product.mint(api, bench.sizes.tokens, bench.plan.connections)?;
    let question = Question::prepare(bench, &product, api, &tokens)?;
    let mut sides = [question.ask_product(&product), question.ask_floor()];
    let results = take_turns(&bench.plan, Shape::Repeated(Pace::Closed), &mut sides, progress)?;
    let what = "introspection, opaque, facts not in memory, plain";
    let (lydian, floor) = (&results[0], &results[1]);
    Ok(vec![
        lydian.throughput_row("P1c", what, floor, Some(Target::AtLeast(0.60))),
        lydian.cpu_row("P1c", what, floor, None),
    ])
}

/// P2: JWTs that were seen before, and JWTs at first sight, for each algorithm that is widely used.
pub(super) fn jwts(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for algorithm in ["ES256", "RS256"] {
        rows.extend(jwts_with(bench, progress, algorithm)?);
    }
    Ok(rows)
}

fn jwts_with(bench: &Bench, progress: &Progress, algorithm: &str) -> Result<Vec<Row>> {
    let name = format!("p2-{algorithm}");
    let audience = bench.start_product(&name, Wish::default())?.demo().jwt_api.audience.clone();
    bench.apply(&name, &format!("[[api]]\naudience = \"{audience}\"\nalgorithm = \"{algorithm}\"\n"))?;
    let minting = bench.start_product(&name, Wish::default())?;
    progress.now("minting JWTs");
    let count = bench.sizes.fresh_tokens * bench.plan.rounds;
    let tokens = minting.mint(&minting.demo().jwt_api, count, bench.plan.connections)?;
    let keys = minting.document("/oauth2/jwks")?;
    minting.stop()?;

    // Another process over the same store: it has seen none of these tokens.
    let product = bench.start_product(&name, Wish::default())?;
    let api = &product.demo().jwt_api;
    let verification = Verification::prepare(&keys, &tokens)?;
    ensure!(verification.algorithm() == algorithm, "the tokens are signed with {}", verification.algorithm());
    let requests = product.introspections(api, &tokens).shuffled(bench.seed);
    let extra = product.mint(api, 1, 1)?;
    let question = Question { requests, floor: floor_for(bench, &product, api, &extra[0])? };
    let mut sides = [question.ask_product(&product), question.ask_floor()];
    let first = take_turns(&bench.plan, Shape::Fresh(bench.sizes.fresh_tokens), &mut sides, progress)?;
    let raw = verify_raw(bench, &verification, progress)?;
    let again = take_turns(&bench.plan, Shape::Repeated(Pace::Closed), &mut sides, progress)?;
    let what = format!("introspection, JWT {algorithm}, seen before, plain");
    let (lydian, floor) = (&again[0], &again[1]);
    Ok(vec![
        lydian.throughput_row("P2", &what, floor, Some(Target::AtLeast(0.85))),
        lydian.cpu_row("P2", &what, floor, None),
        first_sight_row(&first[0], &first[1], &raw, algorithm),
    ])
}

fn verify_raw(bench: &Bench, verification: &Verification, progress: &Progress) -> Result<Vec<f64>> {
    let mut microseconds = Vec::new();
    for _ in 0..bench.plan.rounds {
        microseconds.push(verification.microseconds(bench.plan.measure, bench.cores.server)?);
        progress.step("verifying in a loop");
    }
    Ok(microseconds)
}

/// First sight against the floor's CPU time with a bare verification added to it.
fn first_sight_row(lydian: &Results, floor: &Results, raw: &[f64], algorithm: &str) -> Row {
    let sums: Vec<f64> =
        floor.server_microseconds().iter().zip(raw).map(|(floor, raw)| floor + raw).collect();
    let sides = (&*lydian.server_microseconds(), &*sums);
    let what = format!("introspection, JWT {algorithm}, first sight, plain: CPU per request");
    let target = Some(Target::AtMost(1.15));
    let mut row = Row::against_floor("P2", &what, "\u{b5}s", sides, "floor + raw verification", target);
    row.disturbed = disturbed(&[lydian, floor]);
    let median = |values: &[f64]| Spread::of(values).map_or(0.0, |spread| spread.median);
    row.note(format!(
        "raw verification {:.1} \u{b5}s, floor {:.1} \u{b5}s; {:.0} introspections per second",
        median(raw),
        median(&floor.server_microseconds()),
        median(&lydian.per_second()),
    ))
    .note(shares(&[lydian, floor]))
}

/// The same question to the product and to its floor.
struct Question {
    requests: Requests,
    floor: Floor,
}

impl Question {
    /// Builds the requests, starts the floor, and asks the product once about every token, so that all is warm.
    fn prepare(bench: &Bench, product: &Product, api: &Api, tokens: &[String]) -> Result<Self> {
        let requests = product.introspections(api, tokens).shuffled(bench.seed);
        let floor = floor_for(bench, product, api, &tokens[0])?;
        let once = Load::once(product.endpoint(), &requests, bench.plan.connections);
        run(&once, &mut ExpectActive::default())?.all_right()?;
        Ok(Self { requests, floor })
    }

    fn ask_product<'a>(&'a self, product: &'a Product) -> Side<'a> {
        Side {
            name: "lydian",
            endpoint: product.endpoint(),
            requests: &self.requests,
            process: product.server().id(),
            judge: Box::new(ExpectActive::default()),
        }
    }

    fn ask_floor(&self) -> Side<'_> {
        Side {
            name: "floor server",
            endpoint: self.floor.endpoint(),
            requests: &self.requests,
            process: self.floor.server().id(),
            judge: Box::new(ExpectBody(self.floor.body())),
        }
    }
}

/// A floor that answers as the product does about this token.
fn floor_for(bench: &Bench, product: &Product, api: &Api, token: &str) -> Result<Floor> {
    let form = format!("token={}", form_encode(token));
    let request = introspection(product.endpoint(), &api.credentials.authorization, &form);
    bench.start_floor("floor server", product, &request, false)
}
