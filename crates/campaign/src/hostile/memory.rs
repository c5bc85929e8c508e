//! Whatever strangers and clients do, the server lives in 256 MiB (R6).
//!
//! The load comes in steps: crowds that leave the largest forms unfinished, streams that do, tokens that nobody issued, live tokens until
//! the cache of facts is full, and failures under ever new names. The kernel says how much memory was resident at most, and refuses the
//! process more data than it is promised to need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastrand::Rng;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::run::{Options, Report, Size, progress};
use crate::server::Server;

use super::process::{self, mebibytes};
use super::stage::{Connection, Stage, Target, attacker_address, parse_answer};

/// What may be resident at most.
const RESIDENT_MAX: u64 = 256 * 1024 * 1024;
/// What the process may map as data at most; stacks of threads that are not touched count as well.
const DATA_MAX: u64 = 512 * 1024 * 1024;
/// The largest body that the server takes.
const BODY_BYTES: usize = 64 * 1024;
/// Handshakes at the same time.
const HANDSHAKES: usize = 32;
/// Streams of one HTTP/2 connection.
const STREAMS: u32 = 100;
/// How long a crowd stands with what it has begun.
const STANDS: Duration = Duration::from_secs(2);
/// Connections that ask one after the other.
const ASKING: u32 = 8;

/// How much there is of each.
struct Scale {
    forms: u32,
    connections_with_streams: u32,
    unknown: u64,
    live: u64,
    names: u64,
    /// Smaller than the server's own, where so many tokens are too many.
    cache_bytes: Option<u64>,
}

const GATE: Scale = Scale {
    forms: 1_500,
    connections_with_streams: 120,
    unknown: 2_000,
    live: 4_000,
    names: 1_000,
    cache_bytes: Some(1024 * 1024),
};

const FULL: Scale = Scale {
    forms: 2_000,
    connections_with_streams: 200,
    unknown: 200_000,
    live: 250_000,
    names: 150_000,
    cache_bytes: None,
};

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    report.figure("seed", options.seed);
    let scale = if options.size == Size::Gate { GATE } else { FULL };
    process::allow_connections(u64::from(scale.forms + scale.connections_with_streams))?;
    for round in 0..options.rounds(1, 20) {
        let mut rng = Rng::with_seed(options.seed ^ round);
        let mut stage = Stage::start_changed(|mut command| {
            if let Some(bytes) = scale.cache_bytes {
                command.env("LYDIAN_FACT_CACHE_BYTES", bytes.to_string());
            }
            Ok(command)
        })?;
        limit_data(&stage.server)?;
        let outcome = steps(&stage, &scale, &mut rng, &mut report);
        if !stage.server.is_alive() {
            report.violations.push(format!("round {round}: the server ended"));
            return Ok(report);
        }
        outcome.with_context(|| format!("round {round}"))?;
        if report.violations.len() > 5 {
            break;
        }
    }
    Ok(report)
}

/// All steps against one server; what was resident at most after each.
fn steps(stage: &Stage, scale: &Scale, rng: &mut Rng, report: &mut Report) -> Result<()> {
    let (target, id) = (&stage.target, stage.server.id());
    let runtime = process::background_runtime(2)?;
    let mut note = |name: &str| -> Result<()> {
        let (resident, data) = (kibibytes(id, "VmHWM:")?, kibibytes(id, "VmData:")?);
        report.figure(
            &format!("{name}: resident at most, data mapped"),
            format!("{}, {}", mebibytes(resident), mebibytes(data)),
        );
        if resident > RESIDENT_MAX {
            report.violations.push(format!("{name}: {} were resident", mebibytes(resident)));
        }
        Ok(())
    };
    note("at rest")?;
    forms(&runtime, target, scale.forms)?;
    note("unfinished forms")?;
    streams(&runtime, target, scale.connections_with_streams)?;
    note("unfinished streams")?;
    let seed = rng.u64(..);
    each(target, scale.unknown, seed, |connection, target, rng| {
        let token: String = (0..rng.usize(1..200)).map(|_| rng.alphanumeric()).collect();
        let answer = connection.ask(&target.introspection(&token))?;
        // Beyond a rate unknown tokens are refused unseen.
        if answer.status != 429 && !answer.body.contains("\"active\":false") {
            bail!("an unknown token: {} {}", answer.status, answer.body);
        }
        Ok(())
    })?;
    note("unknown tokens")?;
    each(target, scale.live, seed, |connection, target, _| {
        let token = connection.issue(target)?;
        if !connection.introspect(target, &token)? {
            bail!("a live token was called inactive");
        }
        Ok(())
    })?;
    note("live tokens")?;
    each(target, scale.names, seed, |connection, _, rng| {
        let name: String = (0..rng.usize(1..200)).map(|_| rng.alphanumeric()).collect();
        let basic = STANDARD.encode(format!("{name}:{name}"));
        let answer = connection.ask(&format!(
            "POST /oauth2/introspect HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {basic}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 7\r\n\r\ntoken=x"
        ))?;
        if !matches!(answer.status, 401 | 429) {
            bail!("an unknown client: {} {}", answer.status, answer.body);
        }
        Ok(())
    })?;
    note("unknown clients")?;
    let live = Connection::open(target)?.introspect(target, &target.token)?;
    if !live {
        bail!("a token that lives was called inactive after all this");
    }
    Ok(())
}

/// A crowd that sends the largest form but for its last byte, stands, and ends it.
fn forms(runtime: &Runtime, target: &Arc<Target>, crowd: u32) -> Result<()> {
    let form = format!("token={}", "a".repeat(BODY_BYTES - "token=".len()));
    let head = target.introspection("x");
    let (head, _) = head.split_once("content-length").context("a request has a length")?;
    let request: Arc<str> = format!("{head}content-length: {BODY_BYTES}\r\n\r\n{form}").into();
    let (turn, begun) = (Arc::new(Semaphore::new(HANDSHAKES)), Arc::new(AtomicU64::new(0)));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..crowd {
            let (target, turn) = (Arc::clone(target), Arc::clone(&turn));
            let (request, begun) = (Arc::clone(&request), Arc::clone(&begun));
            tasks.spawn(async move {
                let permit = turn.acquire().await.context("the semaphore is never closed")?;
                let mut stream =
                    target.speak_http1(target.tcp(attacker_address(number), None).await?).await?;
                begun.fetch_add(1, Ordering::Relaxed);
                let (last, most) = request.as_bytes().split_last().context("a request is not empty")?;
                stream.write_all(most).await?;
                stream.flush().await?;
                drop(permit);
                tokio::time::sleep(STANDS).await;
                stream.write_all(&[*last]).await?;
                stream.flush().await?;
                let mut received = Vec::new();
                while parse_answer(&received)?.is_none() {
                    if stream.read_buf(&mut received).await? == 0 {
                        bail!("the connection ended before the answer");
                    }
                }
                anyhow::Ok(())
            });
        }
        // Some are turned away: the server defends itself, and the memory is what counts.
        while tasks.join_next().await.is_some() {}
    });
    let begun = begun.load(Ordering::Relaxed);
    if begun < u64::from(crowd) * 9 / 10 {
        bail!("only {begun} of {crowd} forms were begun: the attack did not take place");
    }
    Ok(())
}

/// Connections that fill all their streams with forms and end none.
fn streams(runtime: &Runtime, target: &Arc<Target>, connections: u32) -> Result<()> {
    let form = Bytes::from(vec![b'a'; BODY_BYTES]);
    let begun = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..connections {
            let (target, form, begun) = (Arc::clone(target), form.clone(), Arc::clone(&begun));
            tasks.spawn(async move {
                let stream = target.speak_http2(target.tcp(attacker_address(number), None).await?).await?;
                let (mut sender, connection) = h2::client::handshake(stream).await?;
                let connection = tokio::spawn(connection);
                let mut streams = Vec::new();
                for _ in 0..STREAMS {
                    let request = http::Request::post("https://localhost/oauth2/introspect")
                        .header("content-type", "application/x-www-form-urlencoded")
                        .body(())?;
                    sender = sender.ready().await?;
                    let (answer, mut sending) = sender.send_request(request, false)?;
                    // It goes out as fast as the server lets it.
                    sending.send_data(form.clone(), false)?;
                    begun.fetch_add(1, Ordering::Relaxed);
                    streams.push((answer, sending));
                }
                tokio::time::sleep(STANDS).await;
                connection.abort();
                anyhow::Ok(())
            });
        }
        // The server may end some: then they take no memory either.
        while tasks.join_next().await.is_some() {}
    });
    let (begun, all) = (begun.load(Ordering::Relaxed), u64::from(connections * STREAMS));
    if begun < all / 2 {
        bail!("only {begun} of {all} streams were begun: the attack did not take place");
    }
    Ok(())
}

/// Does something so often, on several connections.
fn each(
    target: &Arc<Target>,
    times: u64,
    seed: u64,
    does: impl Fn(&mut Connection, &Target, &mut Rng) -> Result<()> + Sync,
) -> Result<()> {
    let bar = progress("memory", times);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ASKING)
            .map(|number| {
                let (does, bar) = (&does, &bar);
                scope.spawn(move || {
                    let mut rng = Rng::with_seed(seed.wrapping_add(u64::from(number)));
                    let mut connection = Connection::open(target)?;
                    for _ in 0..times / u64::from(ASKING) {
                        does(&mut connection, target, &mut rng)?;
                        bar.inc(1);
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a client ended in a panic")))
    })
}

/// The kernel gives the process no more data than this: an allocation beyond it ends the process.
fn limit_data(server: &Server) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(server.id())?).context("a process has an id")?;
    let limit = Rlimit { current: Some(DATA_MAX), maximum: Some(DATA_MAX) };
    prlimit(Some(process), Resource::Data, limit).context("limit the data of the server")?;
    Ok(())
}

/// A size in `/proc/PID/status`, in bytes.
fn kibibytes(process: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).context("read the memory")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("a process has memory")?;
    let number = line.trim().trim_end_matches("kB").trim_end();
    Ok(number.parse::<u64>().context("the memory is a number")? * 1024)
}
