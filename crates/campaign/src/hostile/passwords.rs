//! A flood of wrong passwords, beside a resource server that asks about tokens (R26).
//!
//! Each attacker comes from an address of its own and tries another account each time, so that no limit of an address or an account
//! spares the server the work. Who is told to come back does so after a second.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::run::{Options, Report, Size};

use super::good_client::{GoodClient, histogram, micros, millis};
use super::process::{self, MemoryWatch, mebibytes};
use super::stage::{Stage, Target, parse_answer};

/// How many try at the same time.
const ATTACKERS: u32 = 500;
/// How often the resource server asks, per second.
const PER_SECOND: u32 = 200;
/// After a refusal: what `Retry-After` says at least.
const PAUSE: Duration = Duration::from_secs(1);
/// A refusal that takes longer keeps somebody waiting for nothing.
const REFUSAL_MAX: Duration = Duration::from_millis(250);
/// How long after the flood a sign-in may still be refused.
const RECOVERY_MAX: Duration = Duration::from_secs(2);
/// What the server may take beside the hashes that it computes at the same time, in bytes.
const MEMORY_BESIDE: u64 = 32 * 1024 * 1024;
/// What all hashes that are computed at the same time may take, in bytes: the default of `password_memory_mib`.
const MEMORY_OF_HASHES: u64 = 96 * 1024 * 1024;

/// What became of the tries.
struct Tried {
    /// A password was checked, and was wrong.
    wrong: Histogram<u64>,
    /// 429 or 503.
    refused: Histogram<u64>,
    /// Anything else, and the first of it.
    other: u64,
    reason: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let (during, quiet, factor_floor) = match options.size {
        Size::Full => (Duration::from_secs(options.rounds(0, 600)), 20, Duration::from_millis(5)),
        // The machine of the gate may be busy with other things: only what stands still is found.
        Size::Gate => (Duration::from_secs(options.rounds(8, 0)), 3, Duration::from_secs(2)),
    };
    process::allow_connections(ATTACKERS.into())?;
    let stage = Stage::start()?;
    let (target, id) = (&stage.target, stage.server.id());
    let mut report = Report::default();
    let before = GoodClient::measure(target, PER_SECOND, Duration::from_secs(quiet))?;
    // They wait more than they work: at a low priority their own waiting would be measured.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let tried = Arc::new(Mutex::new(Tried::new()));
    let connected = Arc::new(tokio::sync::Semaphore::new(0));
    let begins = Arc::new(tokio::sync::Semaphore::new(0));
    let watch = MemoryWatch::begin(id);
    for number in 0..ATTACKERS {
        let (target, tried) = (Arc::clone(target), Arc::clone(&tried));
        let (connected, begins) = (Arc::clone(&connected), Arc::clone(&begins));
        runtime.spawn(async move {
            if let Err(error) = attack(&target, number, &tried, &connected, &begins).await {
                tried.lock().unwrap_or_else(PoisonError::into_inner).failed(format!("{error:#}"));
            }
        });
    }
    runtime.block_on(async {
        connected.acquire_many(ATTACKERS).await.map(tokio::sync::SemaphorePermit::forget)
    })?;
    let at_rest = process::resident_bytes(id)?;
    begins.add_permits(ATTACKERS as usize);
    let good = GoodClient::begin(target, PER_SECOND);
    std::thread::sleep(during);
    let beside = good.finish()?;
    runtime.shutdown_background();
    let ended = Instant::now();
    let recovery = recovered(target, ended)?;
    let peak = watch.peak()?;

    let tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
    report.figure("introspection before", before.summary());
    report.figure("introspection beside them", beside.summary());
    let ratio = beside.p99().as_secs_f64() / before.p99().as_secs_f64();
    report.figure("p99 beside them / before", format!("{ratio:.2}"));
    report.figure("passwords checked, refusals, others", tried.counts());
    report.figure("a check took, p50 and p99", at(&tried.wrong));
    report.figure("a refusal took, p50 and p99", at(&tried.refused));
    report
        .figure("memory with all connected, at most", format!("{}, {}", mebibytes(at_rest), mebibytes(peak)));
    report.figure("a sign-in was checked again after", millis(recovery));

    if tried.wrong.is_empty() || tried.refused.is_empty() {
        bail!("the flood did not take place: {}: {:?}", tried.counts(), tried.reason);
    }
    if let Some(reason) = &tried.reason {
        report.violations.push(format!("{} tries ended otherwise: {reason}", tried.other));
    }
    if before.errors + beside.errors > 0 {
        report.violations.push(format!("introspection failed: {}", beside.reasons.join("; ")));
    }
    let allowed = (before.p99() * 3).max(factor_floor);
    if beside.p99() > allowed {
        report.violations.push(format!(
            "introspection's p99 was {}, more than {}",
            millis(beside.p99()),
            millis(allowed)
        ));
    }
    let memory_max = at_rest + MEMORY_OF_HASHES + MEMORY_BESIDE;
    if peak > memory_max {
        report.violations.push(format!(
            "the server took {}, more than {}",
            mebibytes(peak),
            mebibytes(memory_max)
        ));
    }
    let refusal = Duration::from_micros(tried.refused.value_at_quantile(0.99));
    if refusal > REFUSAL_MAX.max(factor_floor) {
        report.violations.push(format!("a refusal took {}", millis(refusal)));
    }
    if recovery > RECOVERY_MAX {
        report.violations.push(format!("sign-ins were refused {} after the flood", millis(recovery)));
    }
    Ok(report)
}

impl Tried {
    fn new() -> Self {
        Self { wrong: histogram(), refused: histogram(), other: 0, reason: None }
    }

    fn failed(&mut self, reason: String) {
        self.other += 1;
        self.reason.get_or_insert(reason);
    }

    fn counts(&self) -> String {
        format!("{}, {}, {}", self.wrong.len(), self.refused.len(), self.other)
    }
}

fn at(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| millis(Duration::from_micros(histogram.value_at_quantile(quantile)));
    format!("{}, {}", at(0.5), at(0.99))
}

/// The address of an attacker, which nobody else has.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 3, 0, 1)) + number)
}

/// Tries passwords until the runtime ends.
async fn attack(
    target: &Target,
    number: u32,
    tried: &Mutex<Tried>,
    connected: &tokio::sync::Semaphore,
    begins: &tokio::sync::Semaphore,
) -> Result<()> {
    let stream = target.tcp(address(number), None).await?;
    let mut stream = target.speak_http1(stream).await?;
    let form = SignIn::open(&mut stream).await;
    connected.add_permits(1);
    let form = form?;
    begins.acquire().await?.forget();
    for attempt in 0_u64.. {
        let began = Instant::now();
        let (head, _) = ask(&mut stream, &form.wrong_password(number, attempt)).await?;
        let waited = micros(began.elapsed());
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_refused = matches!(status.as_str(), "429" | "503");
        {
            let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
            match status.as_str() {
                "200" | "400" | "401" | "403" => tried.wrong.saturating_record(waited),
                _ if is_refused => tried.refused.saturating_record(waited),
                _ => tried.failed(head),
            }
        }
        if is_refused {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// The sign-in form as one browser got it.
struct SignIn {
    cookie: String,
    /// Relative to the page.
    action: String,
    hidden: Vec<(String, String)>,
}

impl SignIn {
    async fn open(stream: &mut TlsStream<TcpStream>) -> Result<Self> {
        let request = "GET /oauth2/account HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let (head, body) = ask(stream, request).await?;
        Self::read(&head, &body).with_context(|| format!("no sign-in form: {head}\n{body}"))
    }

    fn read(head: &str, body: &str) -> Option<Self> {
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "))?;
        let (_, form) = body.split_once("<form method=\"post\" action=\"")?;
        let (action, form) = form.split_once('"')?;
        let (form, _) = form.split_once("</form>")?;
        let hidden = form.split("<input type=\"hidden\" name=\"").skip(1).filter_map(|input| {
            let (name, rest) = input.split_once("\" value=\"")?;
            Some((name.to_owned(), rest.split_once('"')?.0.to_owned()))
        });
        Some(Self {
            cookie: cookie.split(';').next()?.to_owned(),
            action: action.to_owned(),
            hidden: hidden.collect(),
        })
    }

    /// A whole request with a password that is not the one of this account.
    fn wrong_password(&self, number: u32, attempt: u64) -> String {
        let mut form: String = self.hidden.iter().map(|(name, value)| format!("{name}={value}&")).collect();
        form += &format!("username=user-{number}-{attempt}%40example.com&password=wrong-{attempt}");
        let Self { cookie, action, .. } = self;
        format!(
            "POST /oauth2/{action} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        )
    }
}

/// Sends a whole request, and reads the whole answer: its head and its body.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> Result<(String, String)> {
    stream.write_all(request.as_bytes()).await.context("send a request")?;
    stream.flush().await.context("send a request")?;
    let mut received = Vec::new();
    loop {
        if let Some(answer) = parse_answer(&received)? {
            let text = String::from_utf8_lossy(&received);
            let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
            return Ok((head, answer.body));
        }
        if stream.read_buf(&mut received).await.context("read the answer")? == 0 {
            bail!("the connection ended before the answer");
        }
    }
}

/// How long after the flood a password is checked again.
fn recovered(target: &Arc<Target>, ended: Instant) -> Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = target.tcp(address(ATTACKERS), None).await?;
        let mut stream = target.speak_http1(stream).await?;
        let form = SignIn::open(&mut stream).await?;
        for attempt in 0.. {
            let (head, _) = ask(&mut stream, &form.wrong_password(ATTACKERS, attempt)).await?;
            let status = head.split(' ').nth(1).unwrap_or_default();
            if !matches!(status, "429" | "503") {
                break;
            }
            if ended.elapsed() > 5 * RECOVERY_MAX {
                bail!("sign-ins are refused long after the flood: {head}");
            }
            tokio::time::sleep(REFUSAL_MAX / 10).await;
        }
        Ok(ended.elapsed())
    })
}
