//! Clients that keep the server waiting, by the thousand, beside a good one (R22).
//!
//! A slow client that is closed comes back at once, so their number stays what it is for the whole run. `--rounds` is seconds.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::run::{Options, Report, Size};

use super::good_client::{GoodClient, histogram, micros, millis};
use super::process::{self, MemoryWatch, mebibytes};
use super::queues::Queues;
use super::stage::{Stage, Target, attacker_address};

/// Requests per second of the good client.
const PER_SECOND: u32 = 200;
/// What the kernel may keep for a client that does not read, in each direction.
const SMALL_BUFFER: u32 = 4096;
/// Slow clients come one after the other in the first seconds, as clients do; later each comes back when it was closed.
const ARRIVAL: Duration = Duration::from_secs(8);
/// How long a client waits before it tries again when it could not connect.
const PAUSE: Duration = Duration::from_millis(200);
/// When a client that does not read is looked at, and the most that the kernel may keep for it.
const STALLED_AFTER: Duration = Duration::from_secs(10);
const KEPT_MAX: u32 = 256 * 1024;
/// How late a close may be seen, for the timers of both sides and the wait for a processor.
const LATE_MAX: Duration = Duration::from_secs(2);

/// What a client is slow at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    /// The head comes byte by byte.
    Header,
    /// The head is whole; the body does not come, or comes byte by byte.
    Body,
    /// Requests come, and no answer is read.
    Read,
}

/// The size of a run.
struct Scale {
    clients: [(Slow, u32); 3],
    before: Duration,
    during: Duration,
    /// A latency that is never a violation: below it a noisy machine says nothing.
    p99_floor: Duration,
}

/// What happened to the slow clients of one kind.
struct Closed {
    after: Histogram<u64>,
    /// The most that the kernel kept for one of them.
    kept: u32,
    /// Those that could not even connect.
    turned_away: u64,
    still_open: u64,
}

/// What happened to all, in the order of [`Slow`].
type Outcomes = [Mutex<Closed>; 3];

impl Slow {
    const fn name(self) -> &'static str {
        match self {
            Self::Header => "slow header",
            Self::Body => "slow body",
            Self::Read => "slow read",
        }
    }

    /// When the server has closed the connection at the latest.
    const fn closed_within(self) -> Duration {
        match self {
            Self::Header => Duration::from_secs(10),
            Self::Body | Self::Read => Duration::from_secs(30),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let scale = scale(options);
    let total: u32 = scale.clients.iter().map(|(_, count)| count).sum();
    process::allow_connections(total.into())?;
    let stage = Stage::start()?;
    let (target, id) = (&stage.target, stage.server.id());
    let mut report = Report::default();

    let before = GoodClient::measure(target, PER_SECOND, scale.before)?;
    let watch = MemoryWatch::begin(id);
    let outcomes: Arc<Outcomes> = Arc::new([(); 3].map(|()| Mutex::new(Closed::new())));
    let runtime = process::background_runtime(1)?;
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut number = 0;
    for (slow, count) in scale.clients {
        for _ in 0..count {
            let (target, outcomes) = (Arc::clone(target), Arc::clone(&outcomes));
            let arrival = ARRIVAL.mul_f64(random.f64());
            let from = attacker_address(number);
            runtime.spawn(async move {
                tokio::time::sleep(arrival).await;
                attack(slow, &target, from, number, &outcomes[slow as usize]).await;
            });
            number += 1;
        }
    }
    let good = GoodClient::begin(target, PER_SECOND);
    let (began, cpu_before) = (Instant::now(), process::cpu_seconds(id)?);
    std::thread::sleep(scale.during / 2);
    let open = target.metric("lydian_connections_open")?;
    std::thread::sleep(scale.during.saturating_sub(began.elapsed()));
    let beside = good.finish()?;
    let cpu_share = (process::cpu_seconds(id)? - cpu_before) / began.elapsed().as_secs_f64();
    let peak = watch.peak()?;
    runtime.shutdown_background();

    if open < u64::from(total) * 8 / 10 {
        bail!("only {open} of {total} slow clients were connected: the attack did not take place");
    }
    report.figure("slow clients connected at half time", format!("{open} of {total}"));
    report.figure("good client before", before.summary());
    report.figure("good client beside them", beside.summary());
    report.figure(
        "p99 beside them / before",
        format!("{:.2}", beside.p99().as_secs_f64() / before.p99().as_secs_f64()),
    );
    report.figure(
        "share of a core, memory at most",
        format!("{:.1} %, {}", cpu_share * 100.0, mebibytes(peak)),
    );
    for (slow, _) in scale.clients {
        let closed = outcomes[slow as usize].lock().unwrap_or_else(PoisonError::into_inner);
        judge(slow, &closed, &mut report);
    }
    for (when, measured) in [("before", &before), ("beside slow clients", &beside)] {
        if measured.errors > 0 {
            let reasons = measured.reasons.join("; ");
            report.violations.push(format!("{when}: {} good requests failed: {reasons}", measured.errors));
        }
    }
    let allowed = (before.p99() * 2).max(scale.p99_floor);
    if beside.p99() > allowed {
        let (was, limit) = (millis(beside.p99()), millis(allowed));
        report.violations.push(format!("the good client's p99 was {was}, more than {limit}"));
    }
    Ok(report)
}

fn scale(options: &Options) -> Scale {
    // Long enough that the kind with the longest time comes to its end once.
    let during = Duration::from_secs(options.rounds(42, 30 * 60));
    match options.size {
        Size::Full => Scale {
            clients: [(Slow::Header, 2_000), (Slow::Body, 2_000), (Slow::Read, 1_000)],
            before: Duration::from_secs(20),
            during,
            p99_floor: Duration::from_millis(5),
        },
        Size::Gate => Scale {
            clients: [(Slow::Header, 300), (Slow::Body, 300), (Slow::Read, 150)],
            before: Duration::from_secs(4),
            during,
            // The machine of the gate may be busy with other things: only what stands still is found.
            p99_floor: Duration::from_secs(10),
        },
    }
}

fn judge(slow: Slow, closed: &Closed, report: &mut Report) {
    let at = |quantile: f64| closed.after.value_at_quantile(quantile) as f64 / 1e6;
    let (count, longest) = (closed.after.len(), closed.after.max() as f64 / 1e6);
    report.figure(
        slow.name(),
        format!(
            "{count} closed after {:.2} s (p50), {:.2} s (p99), {longest:.2} s (max); {} turned away",
            at(0.5),
            at(0.99),
            closed.turned_away
        ),
    );
    if slow == Slow::Read {
        report.figure("kept by the kernel for one of them", format!("{} KiB", closed.kept.div_ceil(1024)));
        if closed.kept == 0 || closed.kept > KEPT_MAX {
            report
                .violations
                .push(format!("the kernel keeps {} bytes for a client that does not read", closed.kept));
        }
    }
    if count == 0 {
        report.violations.push(format!("{}: none was closed", slow.name()));
    }
    let limit = slow.closed_within() + LATE_MAX;
    if closed.still_open > 0 {
        report.violations.push(format!(
            "{}: {} were still open after {limit:?}",
            slow.name(),
            closed.still_open
        ));
    }
}

impl Closed {
    fn new() -> Self {
        Self { after: histogram(), kept: 0, turned_away: 0, still_open: 0 }
    }
}

/// Is slow, again and again.
async fn attack(slow: Slow, target: &Target, from: Ipv4Addr, number: u32, outcomes: &Mutex<Closed>) {
    loop {
        let outcome = match slow {
            Slow::Header => header(target, from).await,
            Slow::Body => body(target, from, number).await,
            Slow::Read => read(target, from, outcomes).await,
        };
        {
            let mut closed = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            match &outcome {
                Ok(Some(after)) => closed.after.saturating_record(micros(*after)),
                Ok(None) => closed.still_open += 1,
                Err(_) => closed.turned_away += 1,
            }
        }
        if outcome.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// How long a connection stayed open on which the head came byte by byte; `None` if too long.
async fn header(target: &Target, from: Ipv4Addr) -> Result<Option<Duration>> {
    let mut stream = target.speak_http1(target.tcp(from, None).await?).await?;
    stream.write_all(b"POST /oauth2/introspect HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await?;
    stream.flush().await?;
    Ok(until_closed(stream, Slow::Header, Some(Duration::from_secs(2))).await)
}

/// The same for the body: clients with odd numbers send nothing more, the others a byte now and then.
async fn body(target: &Target, from: Ipv4Addr, number: u32) -> Result<Option<Duration>> {
    let mut stream = target.speak_http1(target.tcp(from, None).await?).await?;
    let whole = target.introspection(&"x".repeat(50_000));
    let head_bytes = whole.find("\r\n\r\n").map_or(0, |end| end + 4);
    stream.write_all(&whole.as_bytes()[..head_bytes]).await?;
    stream.flush().await?;
    let interval = number.is_multiple_of(2).then_some(Duration::from_secs(4));
    Ok(until_closed(stream, Slow::Body, interval).await)
}

/// Waits until the server has closed the connection, and sends a byte at each interval.
async fn until_closed<S>(stream: S, slow: Slow, interval: Option<Duration>) -> Option<Duration>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
{
    let began = Instant::now();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let dripping = async {
        match interval {
            None => std::future::pending::<()>().await,
            Some(interval) => loop {
                tokio::time::sleep(interval).await;
                if writing.write_all(b"x").await.is_err() || writing.flush().await.is_err() {
                    return;
                }
            },
        }
    };
    let closing = async {
        let mut piece = [0; 512];
        while reading.read(&mut piece).await.is_ok_and(|length| length > 0) {}
    };
    let ended = async {
        tokio::select! { () = dripping => {}, () = closing => {} }
    };
    let limit = slow.closed_within() + LATE_MAX;
    tokio::time::timeout(limit, ended).await.ok().map(|()| began.elapsed())
}

/// How long a connection stayed open after the last byte went through, with requests sent and no answer read; `None` if too long.
async fn read(target: &Target, from: Ipv4Addr, outcomes: &Mutex<Closed>) -> Result<Option<Duration>> {
    let stream = target.tcp(from, Some(SMALL_BUFFER)).await?;
    let own = stream.local_addr()?;
    let mut stream = target.speak_http1(stream).await?;
    let request =
        b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(8);
    let limit = Slow::Read.closed_within() + LATE_MAX;
    let mut last_progress = Instant::now();
    let mut look_at = Some(last_progress + STALLED_AFTER);
    loop {
        let sent = async {
            stream.write_all(&request).await?;
            stream.flush().await
        };
        let looking = async {
            if let Some(at) = look_at {
                tokio::time::sleep_until(at.into()).await;
                let waiting = Queues::open().and_then(|queues| queues.of(target.address, own));
                let kept = waiting.ok().flatten().map_or(0, |waiting| waiting.unconfirmed);
                let mut closed = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                closed.kept = closed.kept.max(kept);
                look_at = None;
            }
            std::future::pending::<Infallible>().await
        };
        let sent = async {
            tokio::select! { sent = sent => sent, never = looking => match never {} }
        };
        match tokio::time::timeout(limit, sent).await {
            Ok(Ok(())) => last_progress = Instant::now(),
            Ok(Err(_closed)) => return Ok(Some(last_progress.elapsed())),
            Err(_elapsed) => return Ok(None),
        }
    }
}
