//! R45: the time of an answer does not tell what the answer hides.
//!
//! Two kinds of requests that must look alike are sent in random order over one connection, and their times are compared: medians, and
//! Welch's t over what is left when the slow tail of both is cut off, for the tail is the machine's. At the gate, on a machine that does
//! other things, only a gross difference counts; in full the figures of R45 decide.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use fastrand::Rng;

use crate::client::{Client, Reply};
use crate::crash::load::{self, APP, AUDITOR, OPAQUE_API};
use crate::run::{Options, Report, Size, progress};
use crate::server::Server;

/// Requests of each kind.
const GATE_SAMPLES: u64 = 2_000;
const FULL_SAMPLES: u64 = 500_000;

/// The part of all times that is compared; what took longer waited for the machine.
const KEPT_PERCENT: usize = 80;

/// Beyond it Welch's t tells two kinds apart.
const T_MAX: f64 = 4.5;
/// How far medians may lie apart in full, where existence is at stake.
const EXISTENCE_GAP_MAX: f64 = 0.01;
/// What counts as gross at the gate.
const GROSS_GAP: f64 = 0.2;

/// Tokens of each kind that is known to the server.
const TOKENS: usize = 50;

/// Longer than any answer takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that may see nothing of the application's tokens.
const STRANGER: (&str, &str) = ("victim-0", APP.1);

/// What a difference would tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stake {
    /// Whether something is known: medians must lie close.
    Existence,
    /// A part of a secret: the times must not be told apart at all.
    Secret,
    /// Nothing that the manual promises to hide: what was read once is answered from memory. It is measured and shown.
    Shown,
}

/// A pair of requests that are answered alike.
struct Pair {
    name: &'static str,
    stake: Stake,
    /// The status of both.
    status: u16,
    /// Makes a request of the first kind, or of the second.
    request: fn(&Known, &mut Rng, bool) -> String,
}

/// What the server knows.
struct Known {
    live: Vec<String>,
    revoked: Vec<String>,
}

const PAIRS: &[Pair] = &[
    Pair {
        name: "token: unknown client, known client with a wrong secret",
        stake: Stake::Existence,
        status: 401,
        request: |_, rng, second| {
            // Names of one length, as secrets are.
            let name = if second { APP.0 } else { "nob" };
            post("token", (name, &random(rng, APP.1.len())), "grant_type=client_credentials")
        },
    },
    Pair {
        name: "introspect: unknown client, known client with a wrong secret",
        stake: Stake::Existence,
        status: 401,
        request: |_, rng, second| {
            let name = if second { APP.0 } else { "nob" };
            post("introspect", (name, &random(rng, APP.1.len())), "token=x")
        },
    },
    Pair {
        name: "secret: wrong in the first byte, in the last",
        stake: Stake::Secret,
        status: 401,
        request: |_, _, second| {
            let secret = changed(APP.1, if second { APP.1.len() - 1 } else { 0 });
            post("token", (APP.0, &secret), "grant_type=client_credentials")
        },
    },
    Pair {
        name: "token with a known handle: wrong in the first random byte, in the last",
        stake: Stake::Secret,
        status: 200,
        request: |known, rng, second| {
            let token = &known.live[rng.usize(..TOKENS)];
            // The prefix and the generation, then 22 characters of the handle; 6 of the checksum come last.
            let body = token.find('_').map_or(0, |at| at + 2);
            let at = if second { token.len() - 8 } else { body + 24 };
            introspect(STRANGER, &summed(&changed(token, at)))
        },
    },
    Pair {
        name: "unknown token: wrong checksum, right checksum",
        stake: Stake::Shown,
        status: 200,
        request: |known, rng, second| {
            let token = unknown(known, rng);
            introspect(STRANGER, &if second { token } else { changed(&token, token.len() - 1) })
        },
    },
    Pair {
        name: "token with an unknown handle, with a known one and a wrong secret",
        stake: Stake::Shown,
        status: 200,
        request: |known, rng, second| {
            // Its row is read, as at the first sight of a token. Who has the handle has seen the token, or its jti.
            let token = &known.live[rng.usize(..TOKENS)];
            let token = if second { summed(&changed(token, token.len() - 8)) } else { unknown(known, rng) };
            introspect(STRANGER, &token)
        },
    },
    Pair {
        name: "revoked token, token of another, both asked about before",
        stake: Stake::Existence,
        status: 200,
        request: |known, rng, second| {
            let tokens = if second { &known.live } else { &known.revoked };
            introspect(STRANGER, &tokens[rng.usize(..TOKENS)])
        },
    },
    Pair {
        name: "unknown token, token of another that was asked about before",
        stake: Stake::Shown,
        status: 200,
        request: |known, rng, second| {
            let token = if second { known.live[rng.usize(..TOKENS)].clone() } else { unknown(known, rng) };
            introspect(STRANGER, &token)
        },
    },
];

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let samples = usize::try_from(options.rounds(GATE_SAMPLES, FULL_SAMPLES))?;
    let place = tempfile::tempdir().context("make a place")?;
    let data = place.path().join("data");
    load::set_up(&data, place.path())?;
    let mut command = Server::command(&data)?;
    for name in ["FAILED_AUTHENTICATIONS", "UNKNOWN_TOKENS"] {
        // Nobody is slowed down here on purpose.
        command.env(format!("LYDIAN_{name}_PER_SECOND"), "1000000");
        command.env(format!("LYDIAN_{name}_BURST"), "1000000");
    }
    let server = Server::start_command(command, &data, &place.path().join("log"))?;
    let known = make_known(&Client::new(&server.url))?;
    let mut rng = Rng::with_seed(options.seed);
    let mut report = Report::default();
    report.figure("seed", options.seed);
    report.figure("requests of each kind", samples);
    for pair in PAIRS.iter().filter(|pair| options.only.as_ref().is_none_or(|only| pair.name.contains(only)))
    {
        let [first, second] = measure(&server, pair, &known, samples, &mut rng)?;
        let compared = Compared::of(&first, &second);
        let Compared { medians: [first, second], t, .. } = compared;
        report.figure(
            pair.name,
            format!("{first:.1} and {second:.1} us, {:+.2} %, t {t:+.1}", compared.gap() * 100.0),
        );
        if compared.is_broken(pair.stake, options.size) {
            let gap = compared.gap() * 100.0;
            report.violations.push(format!("{}: medians lie {gap:+.2} % apart, t {t:+.1}", pair.name));
        }
    }
    server.stop()?;
    Ok(report)
}

/// Tokens of the application that live, and others that were revoked; all were asked about once.
fn make_known(client: &Client) -> Result<Known> {
    let (mut live, mut revoked) = (Vec::new(), Vec::new());
    for number in 0..2 * TOKENS {
        let form = [("grant_type", "client_credentials"), ("resource", OPAQUE_API)];
        let Reply::Answered { status: 200, body, .. } = client.post("/oauth2/token", APP, &form) else {
            bail!("a token was refused");
        };
        let token = body["access_token"].as_str().context("a token is text")?.to_owned();
        let form = [("token", token.as_str())];
        client.post("/oauth2/introspect", AUDITOR, &form);
        if number % 2 == 0 {
            live.push(token);
            continue;
        }
        let Reply::Answered { status: 200, .. } = client.post("/oauth2/revoke", APP, &form) else {
            bail!("a revocation was refused");
        };
        client.post("/oauth2/introspect", AUDITOR, &form);
        revoked.push(token);
    }
    Ok(Known { live, revoked })
}

/// The times of both kinds, in nanoseconds.
fn measure(
    server: &Server,
    pair: &Pair,
    known: &Known,
    samples: usize,
    rng: &mut Rng,
) -> Result<[Vec<u64>; 2]> {
    let mut connection = Connection::open(server)?;
    let mut times = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
    // The first requests find everything cold.
    let warm_up = samples / 10;
    let bar = progress("timing", 2 * (warm_up + samples) as u64);
    for number in 0..2 * (warm_up + samples) {
        let second = rng.bool();
        let request = (pair.request)(known, rng, second);
        let begin = Instant::now();
        let status = connection.ask(request.as_bytes())?;
        let took = begin.elapsed();
        if status != pair.status {
            bail!("{}: {status} instead of {}", pair.name, pair.status);
        }
        if number >= 2 * warm_up {
            times[usize::from(second)].push(u64::try_from(took.as_nanos())?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(times)
}

/// Two kinds beside each other.
struct Compared {
    /// In microseconds.
    medians: [f64; 2],
    /// Welch's t of the times that are kept.
    t: f64,
}

impl Compared {
    fn of(first: &[u64], second: &[u64]) -> Self {
        let mut all: Vec<u64> = [first, second].concat();
        all.sort_unstable();
        // One bound for both: a kind that is slower loses more of its tail, and is still the slower one.
        let bound = all.get(all.len() * KEPT_PERCENT / 100).copied().unwrap_or(u64::MAX);
        let (first, second) = (Times::of(first, bound), Times::of(second, bound));
        let spread = (first.variance / first.count + second.variance / second.count).sqrt();
        Self { medians: [first.median, second.median], t: (second.mean - first.mean) / spread.max(1e-9) }
    }

    /// How far the medians lie apart, as a part of the first.
    fn gap(&self) -> f64 {
        self.medians[1] / self.medians[0] - 1.0
    }

    fn is_broken(&self, stake: Stake, size: Size) -> bool {
        let is_told_apart = self.t.abs() > T_MAX;
        match (stake, size) {
            (Stake::Shown, _) => false,
            (_, Size::Gate) => is_told_apart && self.gap().abs() > GROSS_GAP,
            (Stake::Existence, Size::Full) => is_told_apart && self.gap().abs() > EXISTENCE_GAP_MAX,
            (Stake::Secret, Size::Full) => is_told_apart,
        }
    }
}

/// What is left of one kind; in microseconds.
struct Times {
    count: f64,
    mean: f64,
    variance: f64,
    /// Of all, the tail included.
    median: f64,
}

impl Times {
    fn of(times: &[u64], bound: u64) -> Self {
        let mut all = times.to_vec();
        all.sort_unstable();
        let micros = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let median = all.get(all.len() / 2).copied().map_or(0.0, micros);
        let kept: Vec<f64> = all.into_iter().filter(|time| *time <= bound).map(micros).collect();
        let count = kept.len().max(2) as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean, variance, median }
    }
}

/// A connection over which one request follows the other, with as little as possible around them.
struct Connection(TcpStream);

impl Connection {
    fn open(server: &Server) -> Result<Self> {
        let address = server.url.strip_prefix("http://").context("the server speaks plain HTTP")?;
        let stream = TcpStream::connect(address).context("connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends a request and reads the whole answer; its status.
    fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.0.write_all(request).context("send a request")?;
        let (mut received, mut length) = ([0; 4_096], 0);
        loop {
            let read = self.0.read(&mut received[length..]).context("read the answer")?;
            if read == 0 {
                bail!("the connection ended before the answer");
            }
            length += read;
            let text = std::str::from_utf8(&received[..length]).context("an answer is text")?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= announced.map_or(Ok(0), str::parse).context("a length")? {
                return head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status");
            }
        }
    }
}

fn post(endpoint: &str, (name, secret): (&str, &str), form: &str) -> String {
    let basic = BASE64_STANDARD.encode(format!("{name}:{secret}"));
    format!(
        "POST /oauth2/{endpoint} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {basic}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn introspect(caller: (&str, &str), token: &str) -> String {
    post("introspect", caller, &format!("token={token}"))
}

fn random(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| rng.alphanumeric()).collect()
}

/// A token that nobody issued, as ours look, with the right checksum.
fn unknown(known: &Known, rng: &mut Rng) -> String {
    let prefix = known.live[0].find('_').map_or("", |at| &known.live[0][..at + 2]);
    let mut bytes = [0; 48];
    bytes.fill_with(|| rng.u8(..));
    let body = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    summed(&format!("{prefix}{body}000000"))
}

/// The same text with another character at this place.
fn changed(text: &str, at: usize) -> String {
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut text = text.to_owned();
    text.replace_range(at..=at, other);
    text
}

/// The same token with the checksum that fits it.
fn summed(token: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let covered = &token[..token.len() - 6];
    let mut rest = crc32fast::hash(covered.as_bytes()) as usize;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    covered.chars().chain(digits.map(char::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rng: &mut Rng, slower_by: u64) -> Vec<u64> {
        (0..2_000)
            .map(|_| 300_000 + slower_by + rng.u64(..50_000) + 5_000_000 * u64::from(rng.u8(..) < 8))
            .collect()
    }

    #[test]
    fn kinds_that_differ_are_told_apart_and_kinds_that_do_not_are_not() {
        let rng = &mut Rng::with_seed(1);
        let alike = Compared::of(&times(rng, 0), &times(rng, 0));
        assert!(alike.t.abs() < T_MAX && !alike.is_broken(Stake::Secret, Size::Full), "{}", alike.t);
        let slightly = Compared::of(&times(rng, 0), &times(rng, 10_000));
        assert!(
            slightly.is_broken(Stake::Secret, Size::Full) && slightly.is_broken(Stake::Existence, Size::Full)
        );
        assert!(!slightly.is_broken(Stake::Secret, Size::Gate), "the gate's machine may be busy");
        let grossly = Compared::of(&times(rng, 0), &times(rng, 100_000));
        assert!(
            grossly.is_broken(Stake::Existence, Size::Gate) && !grossly.is_broken(Stake::Shown, Size::Full)
        );
    }
}
