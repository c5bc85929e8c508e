//! Thousands of idle TLS connections, and then requests over each of them (R23).

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use crate::run::{Options, Report, Size, progress};

use super::good_client::Measured;
use super::process::{self, MemoryWatch, mebibytes};
use super::stage::{Stage, Target, attacker_address, parse_answer};

/// Handshakes at a time.
const HANDSHAKES: usize = 32;
/// Requests per second over the connections that were idle.
const PER_SECOND: u32 = 500;
/// How long the connections rest before the memory is looked at.
const REST: Duration = Duration::from_secs(2);
/// The largest resident memory of the server.
const MEMORY_MAX: u64 = 400 * 1024 * 1024;
/// Longest time for an answer: within the server's own 30 s for a request.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

pub(crate) fn run(options: &Options) -> Result<Report> {
    let connections: u32 = match options.size {
        Size::Full => 10_000,
        Size::Gate => 2_000,
    };
    process::allow_connections(connections.into())?;
    let mut report = Report::default();
    for number in 0..options.rounds(1, 10) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        round(&runtime, connections, &format!("round {number}"), &mut report)?;
    }
    Ok(report)
}

fn round(runtime: &tokio::runtime::Runtime, connections: u32, name: &str, report: &mut Report) -> Result<()> {
    let stage = Stage::start()?;
    let (target, id) = (&stage.target, stage.server.id());
    let at_rest = process::resident_bytes(id)?;
    let watch = MemoryWatch::begin(id);

    let began = Instant::now();
    let idle = runtime.block_on(connect(target, connections))?;
    let connected_after = began.elapsed();
    std::thread::sleep(REST);
    let open = target.metric("lydian_connections_open")?;
    if open < u64::from(connections) {
        bail!("only {open} of {connections} connections are open");
    }
    let with_connections = process::resident_bytes(id)?;
    let cpu_share = process::cpu_share(id, REST)?;
    let measured = runtime.block_on(ask_over(target, idle));
    let peak = watch.peak()?;

    report.figure(&format!("{name}: connections"), format!("{open}, after {connected_after:.1?}"));
    report.figure(
        &format!("{name}: memory before, with idle connections, at most"),
        format!("{}, {}, {}", mebibytes(at_rest), mebibytes(with_connections), mebibytes(peak)),
    );
    let each = with_connections.saturating_sub(at_rest) / u64::from(connections) / 1024;
    report.figure(&format!("{name}: memory of a connection"), format!("{each} KiB"));
    report.figure(&format!("{name}: share of a core while idle"), format!("{:.1} %", cpu_share * 100.0));
    report.figure(&format!("{name}: requests over them"), measured.summary());
    if measured.errors > 0 {
        report.violations.push(format!(
            "{name}: {} requests failed: {}",
            measured.errors,
            measured.reasons.join("; ")
        ));
    }
    if peak > MEMORY_MAX {
        report.violations.push(format!("{name}: the server took {}", mebibytes(peak)));
    }
    Ok(())
}

/// Opens connections from many addresses, and shakes hands on each.
async fn connect(target: &Arc<Target>, connections: u32) -> Result<Vec<TlsStream<TcpStream>>> {
    let bar = progress("idle TLS connections", connections.into());
    let turn = Arc::new(Semaphore::new(HANDSHAKES));
    let mut shaking = JoinSet::new();
    for number in 0..connections {
        let (target, turn) = (Arc::clone(target), Arc::clone(&turn));
        shaking.spawn(async move {
            let _turn = turn.acquire().await.context("the semaphore is never closed")?;
            let stream = target.tcp(attacker_address(number), None).await?;
            target.speak_http1(stream).await
        });
    }
    let mut idle = Vec::new();
    while let Some(stream) = shaking.join_next().await {
        idle.push(stream.context("a handshake does not panic")??);
        bar.inc(1);
    }
    Ok(idle)
}

/// Asks once over each connection, at a fixed rate, the oldest first.
async fn ask_over(target: &Arc<Target>, idle: Vec<TlsStream<TcpStream>>) -> Measured {
    let mut measured = Measured::new();
    let mut asking = JoinSet::new();
    let mut due = tokio::time::Instant::now();
    let request: Arc<str> = target.introspection(&target.token).into();
    for stream in idle {
        tokio::time::sleep_until(due).await;
        let (request, since) = (Arc::clone(&request), due);
        asking.spawn(async move {
            let asked = tokio::time::timeout(ANSWER_TIME_MAX, ask(stream, &request)).await;
            (since.elapsed(), asked.context("no answer came").flatten())
        });
        due += Duration::from_secs(1) / PER_SECOND;
    }
    while let Some(Ok((waited, outcome))) = asking.join_next().await {
        measured.note(waited, outcome);
    }
    measured
}

async fn ask(mut stream: TlsStream<TcpStream>, request: &str) -> Result<()> {
    stream.write_all(request.as_bytes()).await.context("send a request")?;
    stream.flush().await.context("send a request")?;
    let mut received = Vec::new();
    loop {
        if let Some(answer) = parse_answer(&received)? {
            if answer.status != 200 || !answer.body.contains("\"active\":true") {
                bail!("{}: {}", answer.status, answer.body);
            }
            return Ok(());
        }
        if stream.read_buf(&mut received).await.context("read the answer")? == 0 {
            bail!("the connection ended before the answer");
        }
    }
}
