//! Servers that take turns: A B A B, so that a drift of the machine meets all of them alike.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::connection::Endpoint;
use crate::generator::{Judge, Load, Pace, Round, run};
use crate::progress::Progress;
use crate::report::{Row, Target, number};
use crate::requests::Requests;
use crate::response::Response;
use crate::statistics::{Latencies, Spread};

/// How many rounds there are and how long each is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Rounds of each side.
    pub rounds: usize,
    /// How long load runs before anything is recorded.
    pub warm_up: Duration,
    /// How long each round records.
    pub measure: Duration,
    /// Connections, each with one request under way.
    pub connections: usize,
}

/// One of the servers that take turns.
pub struct Side<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where it listens.
    pub endpoint: &'a Endpoint,
    /// What it is asked.
    pub requests: &'a Requests,
    /// Its process.
    pub process: u32,
    /// What is expected of its answers.
    pub judge: Box<dyn Judge + 'a>,
}

/// All rounds of one side.
#[derive(Clone, Debug)]
pub struct Results {
    /// What the side is called.
    pub name: String,
    /// Its rounds, in order.
    pub rounds: Vec<Round>,
}

/// How the requests of a side are spread over its rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Over and over again at this pace.
    Repeated(Pace),
    /// So many in each round, none of them twice.
    Fresh(usize),
}

/// Lets the sides take turns until each has had all its rounds.
///
/// # Errors
///
/// A side cannot be reached or gave a wrong answer: its figures would mean nothing.
pub fn take_turns(
    plan: &Plan,
    shape: Shape,
    sides: &mut [Side<'_>],
    progress: &Progress,
) -> Result<Vec<Results>> {
    let mut results: Vec<Results> =
        sides.iter().map(|side| Results { name: side.name.to_owned(), rounds: Vec::new() }).collect();
    for number_of_round in 0..plan.rounds {
        for (side, results) in sides.iter_mut().zip(&mut results) {
            let round = play(plan, shape, side, number_of_round).with_context(|| side.name.to_owned())?;
            progress.step(&format!(
                "round {} of {}, {} {}/s",
                number_of_round + 1,
                plan.rounds,
                side.name,
                number(round.per_second())
            ));
            results.rounds.push(round);
        }
    }
    Ok(results)
}

fn play(plan: &Plan, shape: Shape, side: &mut Side<'_>, round: usize) -> Result<Round> {
    let fresh;
    let (requests, pace, first_request) = match shape {
        // Each round begins elsewhere, so that no round sees the same requests in its first moments.
        Shape::Repeated(pace) => (side.requests, pace, side.requests.len() / plan.rounds * round),
        Shape::Fresh(count) => {
            fresh = side.requests.range(round * count..(round + 1) * count);
            (&fresh, Pace::Once, 0)
        }
    };
    let load = Load {
        endpoint: side.endpoint,
        requests,
        first_request,
        connections: plan.connections,
        pace,
        warm_up: plan.warm_up,
        measure: plan.measure,
        server: Some(side.process),
    };
    run(&load, &mut *side.judge)?.all_right()
}

impl Results {
    /// Right answers per second of each round.
    pub fn per_second(&self) -> Vec<f64> {
        self.rounds.iter().map(Round::per_second).collect()
    }

    /// CPU time of the server per right answer of each round, in microseconds.
    pub fn server_microseconds(&self) -> Vec<f64> {
        self.rounds.iter().filter_map(Round::server_microseconds).collect()
    }

    /// The latency that the given share of the answers of each round did not exceed, in microseconds.
    pub fn microseconds_at(&self, quantile: f64) -> Vec<f64> {
        self.rounds.iter().map(|round| round.latencies.microseconds_at(quantile)).collect()
    }

    /// A row that compares the throughput with that of a floor.
    pub fn throughput_row(&self, id: &str, what: &str, floor: &Self, target: Option<Target>) -> Row {
        let sides = (&*self.per_second(), &*floor.per_second());
        let mut row =
            Row::against_floor(id, &format!("{what}: throughput"), "1/s", sides, &floor.name, target);
        row.disturbed = disturbed(&[self, floor]);
        row.notes = vec![latencies(&[self, floor]), shares(&[self, floor])];
        if self.server_was_idle() || floor.server_was_idle() {
            row.notes.push("a server had time left: CPU per request tells more than throughput".to_owned());
        }
        row
    }

    /// Whether something else than the server's core was the limit.
    fn server_was_idle(&self) -> bool {
        let shares: Vec<f64> = self.rounds.iter().filter_map(Round::server_share).collect();
        Spread::of(&shares).is_some_and(|share| share.median < FULL_SHARE)
    }

    /// A row that compares the CPU time per answer with that of a floor.
    pub fn cpu_row(&self, id: &str, what: &str, floor: &Self, target: Option<Target>) -> Row {
        let sides = (&*self.server_microseconds(), &*floor.server_microseconds());
        let what = format!("{what}: CPU per request");
        let mut row = Row::against_floor(id, &what, "\u{b5}s", sides, &floor.name, target);
        row.disturbed = disturbed(&[self, floor]);
        row
    }
}

/// Whether other programs took so much of the machine that the rounds of these sides mean little.
pub fn disturbed(sides: &[&Results]) -> bool {
    others_share(sides).is_some_and(|share| share > OTHERS_SHARE_MAX)
}

fn others_share(sides: &[&Results]) -> Option<f64> {
    let rounds = sides.iter().flat_map(|side| &side.rounds);
    let shares: Vec<f64> = rounds.filter_map(Round::others_share).collect();
    Spread::of(&shares).map(|share| share.median)
}

fn latencies(sides: &[&Results]) -> String {
    let of_side = |side: &&Results| {
        let mut all = Latencies::new();
        for round in &side.rounds {
            all.merge(&round.latencies);
        }
        let at = |quantile| number(all.microseconds_at(quantile));
        format!("{} {} / {} / {} \u{b5}s", side.name, at(0.5), at(0.99), at(0.999))
    };
    let texts: Vec<String> = sides.iter().map(of_side).collect();
    format!("latency p50 / p99 / p99.9: {}", texts.join("; "))
}

/// A server that uses less of its core than this is not what limits the throughput.
const FULL_SHARE: f64 = 0.9;

/// How much of a core other programs may use until the report says that they disturbed it.
const OTHERS_SHARE_MAX: f64 = 0.1;

/// How busy servers, generator and the rest of the machine were, in words.
pub fn shares(sides: &[&Results]) -> String {
    let percent = |values: Vec<f64>| match Spread::of(&values) {
        Some(spread) => format!("{:.0} %", spread.median * 100.0),
        None => "unknown".to_owned(),
    };
    let of_side = |side: &&Results| {
        let server: Vec<f64> = side.rounds.iter().filter_map(Round::server_share).collect();
        let generator = side.rounds.iter().map(Round::generator_share).collect();
        format!("{} {} of its core, the generator {}", side.name, percent(server), percent(generator))
    };
    let texts: Vec<String> = sides.iter().map(of_side).collect();
    let mut text = texts.join("; ");
    if let Some(share) = others_share(sides).filter(|share| *share > OTHERS_SHARE_MAX) {
        text.push_str(&format!("; DISTURBED: other programs took {:.0} % of a core", share * 100.0));
    }
    text
}

/// Expects that every answer of an introspection says that the token is active (RFC 7662 §2.2).
#[derive(Debug, Default)]
pub struct ExpectActive {
    seen: u64,
}

/// Every so many answers are read as JSON; the others are searched for the member alone.
const READ_WHOLE_EVERY: u64 = 1_024;

impl Judge for ExpectActive {
    fn judge(&mut self, _request: usize, response: &Response<'_>) -> Result<(), String> {
        self.seen += 1;
        let body = &*response.body;
        let mut right = response.status == 200 && memchr::memmem::find(body, br#""active":true"#).is_some();
        if right && self.seen % READ_WHOLE_EVERY == 1 {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(body);
            right = read.is_ok_and(|answer| answer["active"] == true && answer["client_id"].is_string());
        }
        if right { Ok(()) } else { Err(describe(response)) }
    }
}

/// Expects that every answer holds an access token (RFC 6749 §5.1).
#[derive(Debug, Default)]
pub struct ExpectToken;

impl Judge for ExpectToken {
    fn judge(&mut self, _request: usize, response: &Response<'_>) -> Result<(), String> {
        let holds_token = memchr::memmem::find(&response.body, br#""access_token":""#).is_some();
        if response.status == 200 && holds_token { Ok(()) } else { Err(describe(response)) }
    }
}

/// Expects one body in every answer.
#[derive(Debug)]
pub struct ExpectBody<'a>(pub &'a [u8]);

impl Judge for ExpectBody<'_> {
    fn judge(&mut self, _request: usize, response: &Response<'_>) -> Result<(), String> {
        if response.status == 200 && &*response.body == self.0 { Ok(()) } else { Err(describe(response)) }
    }
}

fn describe(response: &Response<'_>) -> String {
    let body = String::from_utf8_lossy(&response.body);
    format!("answered {} {}", response.status, body.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn response(status: u16, body: &str) -> Response<'_> {
        let body = Cow::Borrowed(body.as_bytes());
        Response { status, head: b"", body, length: 0, close: false }
    }

    #[test]
    fn an_answer_that_is_not_active_is_wrong() {
        for (status, body, right) in [
            (200, r#"{"active":true,"client_id":"x"}"#, true),
            (200, r#"{"active":false}"#, false),
            (503, r#"{"active":true,"client_id":"x"}"#, false),
            (200, r#"{"active":true}"#, false),
            (200, r#"{"active":true,"client_id":"x""#, false),
        ] {
            let judgement = ExpectActive::default().judge(0, &response(status, body));
            assert_eq!(judgement.is_ok(), right, "{status} {body}");
        }
    }

    #[test]
    fn an_answer_without_a_token_is_wrong() {
        let judge = |status, body| ExpectToken.judge(0, &response(status, body));
        assert_eq!(judge(200, r#"{"access_token":"x"}"#), Ok(()));
        assert_eq!(judge(200, r#"{"error":"x"}"#), Err(r#"answered 200 {"error":"x"}"#.to_owned()));
        assert!(judge(429, r#"{"access_token":"x"}"#).is_err());
    }

    #[test]
    fn a_floor_that_answers_anything_else_is_wrong() {
        let judge = |status, body| ExpectBody(b"same").judge(0, &response(status, body)).is_ok();
        assert!(judge(200, "same"));
        assert!(!judge(200, "other") && !judge(503, "same"));
    }
}
