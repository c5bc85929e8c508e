//! Requests far beyond the limits (R24): refused in time, hardly read, and forgotten.
//!
//! How much the server has read is seen from outside: what the client has written, less what waits in the kernel on either side.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_rustls::client::TlsStream;

use crate::run::{Options, Report, Size, progress};

use super::process::{self, MemoryWatch, mebibytes};
use super::queues::Queues;
use super::stage::{Stage, Target, attacker_address, parse_answer};

/// Clients that send the same request at once.
const AT_ONCE: u32 = 8;
/// How often the kernel's queues are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// How long a connection is looked at after its end was seen.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// What the server may read of one connection, with the handshake and the frames of TLS.
const READ_MAX: u64 = 128 * KIB;
/// The same for a body in chunks of one byte, of which six are sent for each that counts.
const READ_MAX_BYTE_BY_BYTE: u64 = 6 * READ_MAX;
/// By how much the server's memory may grow.
const GROWTH_MAX: u64 = 32 * MIB;
/// The largest resident memory: the server lives in 256 MiB whatever comes (R6).
const MEMORY_MAX: u64 = 256 * MIB;
/// How long anything may take at all.
const PATIENCE: Duration = Duration::from_secs(30);

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// A request beyond a limit.
struct Case {
    name: &'static str,
    protocol: Protocol,
    /// What is sent first: of HTTP/1.1 the head as it is, of HTTP/2 the announced length of the body, if one is.
    first: Vec<u8>,
    /// What is sent again and again, and how many bytes in all.
    again: Bytes,
    total: u64,
    last: Vec<u8>,
    /// The statuses that are right.
    expected: &'static [u16],
    read_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// What one client saw.
struct Seen {
    status: Option<u16>,
    after: Duration,
    read_by_server: u64,
}

/// A transport that counts what is written to it.
struct Counted {
    stream: TcpStream,
    written: Arc<AtomicU64>,
}

/// A body of this many bytes for `/oauth2/introspect`, with the API's credentials.
fn declared(name: &'static str, target: &Target, length: u64, expected: &'static [u16]) -> Case {
    form(name, target, b"token=", &[b'x'; 8192], length, b"", expected)
}

/// A form that begins and ends so, with `again` repeated up to the length between.
fn form(
    name: &'static str,
    target: &Target,
    begin: &[u8],
    again: &[u8],
    length: u64,
    last: &[u8],
    expected: &'static [u16],
) -> Case {
    let length_in_all = begin.len() as u64 + length + last.len() as u64;
    let mut first = head(target, &format!("content-length: {length_in_all}\r\n")).into_bytes();
    first.extend(begin);
    http1(name, first, again, length, last, expected)
}

fn chunked(name: &'static str, target: &Target, again: &[u8], total: u64, expected: &'static [u16]) -> Case {
    http1(name, head(target, "transfer-encoding: chunked\r\n").into(), again, total, b"", expected)
}

fn http1(
    name: &'static str,
    first: Vec<u8>,
    again: &[u8],
    total: u64,
    last: &[u8],
    expected: &'static [u16],
) -> Case {
    let again = Bytes::copy_from_slice(again);
    Case {
        name,
        protocol: Protocol::Http1,
        first,
        again,
        total,
        last: last.into(),
        expected,
        read_max: READ_MAX,
    }
}

/// A head to introspect with these fields, complete.
fn head(target: &Target, fields: &str) -> String {
    format!("{}{fields}\r\n", open_head(target))
}

/// The same without its end.
fn open_head(target: &Target) -> String {
    format!(
        "POST /oauth2/introspect HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n",
        target.api
    )
}

fn cases(target: &Target) -> Vec<Case> {
    let request_line = b"GET /".as_slice();
    let end_of_head = b" HTTP/1.1\r\nhost: localhost\r\n\r\n".as_slice();
    let chunk = [b"2000\r\n".as_slice(), &[b'x'; 0x2000], b"\r\n"].concat();
    let too_large: &[u16] = &[413];
    let head_too_large: &[u16] = &[431];
    let url_too_long: &[u16] = &[414, 431];
    vec![
        declared("body of 64 KiB and a bit", target, 64 * KIB, too_large),
        declared("body of 1 MiB", target, MIB, too_large),
        declared("body of 1 GiB", target, GIB, too_large),
        http1(
            "body of 10^30 bytes",
            head(target, "content-length: 1000000000000000000000000000000\r\n").into(),
            &chunk,
            GIB,
            b"",
            &[400, 413],
        ),
        chunked("chunked body of 1 GiB", target, &chunk, GIB, too_large),
        chunked(
            "chunked body of 1 GiB, in chunks of 64 bytes",
            target,
            &[b"40\r\n".as_slice(), &[b'x'; 64], b"\r\n"].concat().repeat(100),
            GIB,
            too_large,
        ),
        Case {
            read_max: READ_MAX_BYTE_BY_BYTE,
            ..chunked(
                "chunked body of 1 GiB, byte by byte",
                target,
                &b"1\r\nx\r\n".repeat(1_000),
                GIB,
                &[400, 413],
            )
        },
        http1(
            "chunk extension of 1 GiB",
            [head(target, "transfer-encoding: chunked\r\n").as_bytes(), b"1;"].concat(),
            &[b'x'; 8192],
            GIB,
            b"",
            &[400, 413],
        ),
        http1(
            "trailers of 1 GiB",
            [head(target, "transfer-encoding: chunked\r\n").as_bytes(), b"1\r\nx\r\n0\r\n"].concat(),
            &b"x-trailer: x\r\n".repeat(600),
            GIB,
            b"",
            &[400, 413, 431],
        ),
        http1(
            "header of 1 MiB",
            [open_head(target).as_bytes(), b"x: "].concat(),
            &[b'x'; 8192],
            MIB,
            b"\r\n\r\n",
            head_too_large,
        ),
        http1(
            "header of 1 GiB",
            [open_head(target).as_bytes(), b"x: "].concat(),
            &[b'x'; 8192],
            GIB,
            b"\r\n\r\n",
            head_too_large,
        ),
        http1("65 headers", open_head(target).into(), b"x: y\r\n", 65 * 6, b"\r\n", head_too_large),
        http1(
            "10^5 headers",
            open_head(target).into(),
            &b"x: y\r\n".repeat(1_000),
            600_000,
            b"\r\n",
            head_too_large,
        ),
        http1("URL of 16 KiB", request_line.into(), &[b'x'; 8192], 16 * KIB, end_of_head, url_too_long),
        http1("URL of 1 MiB", request_line.into(), &[b'x'; 8192], MIB, end_of_head, url_too_long),
        http1("URL of 1 GiB", request_line.into(), &[b'x'; 8192], GIB, end_of_head, url_too_long),
        form("10^5 parameters", target, b"token=x", &b"&a=b".repeat(1_000), 400_000, b"", too_large),
        form("65 parameters", target, b"token=x", b"&a=b", 64 * 4, b"", &[400]),
        form("10^4 parameters", target, b"token=x", &b"&a=b".repeat(1_000), 40_000, b"", &[400]),
        form("token of 10^6 dots", target, b"token=", &b".".repeat(1_000), 1_000_000, b"", too_large),
        form("token of 60,000 dots", target, b"token=", &b".".repeat(1_000), 60_000, b"", &[200, 400]),
        form("token of 16,000 dots", target, b"token=", &b".".repeat(1_000), 16_000, b"", &[200, 400]),
        assertion("client assertion with JSON 10^5 deep", 100_000, too_large),
        assertion("client assertion with JSON 20,000 deep", 20_000, &[400, 401]),
        assertion("client assertion with JSON 5,000 deep", 5_000, &[400, 401]),
        http2("HTTP/2: body of 1 GiB", true),
        http2("HTTP/2: body of 1 GiB, not announced", false),
    ]
}

/// A client assertion whose claims are arrays in arrays.
fn assertion(name: &'static str, depth: usize, expected: &'static [u16]) -> Case {
    let claims = [vec![b'['; depth], vec![b']'; depth]].concat();
    let header = br#"{"alg":"ES256","typ":"JWT"}"#;
    let form = format!(
        "token=x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion={}.{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
        URL_SAFE_NO_PAD.encode([7; 64])
    );
    let first = format!(
        "POST /oauth2/introspect HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    http1(name, first.into(), form.as_bytes(), form.len() as u64, b"", expected)
}

fn http2(name: &'static str, is_announced: bool) -> Case {
    let first = if is_announced { GIB.to_string().into_bytes() } else { Vec::new() };
    let again = Bytes::from_static(&[b'x'; 8192]);
    Case {
        name,
        protocol: Protocol::Http2,
        first,
        again,
        total: GIB,
        last: Vec::new(),
        expected: &[413],
        read_max: READ_MAX,
    }
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let answered_within = match options.size {
        Size::Full => Duration::from_secs(1),
        // Others may hold both processors for that long.
        Size::Gate => Duration::from_secs(5),
    };
    let stage = Stage::start()?;
    let target = &stage.target;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let chosen = |case: &Case| options.only.as_ref().is_none_or(|only| case.name.contains(only.as_str()));
    let cases: Vec<Arc<Case>> = cases(target).into_iter().filter(chosen).map(Arc::new).collect();
    // What the first connections of a process take is no growth.
    let warm_up = Arc::new(declared("warm-up", target, MIB, &[413]));
    runtime.block_on(all_at_once(target, &warm_up))?;
    let before = process::resident_bytes(stage.server.id())?;
    let watch = MemoryWatch::begin(stage.server.id());

    let rounds = options.rounds(1, 5);
    let bar = progress("oversize requests", rounds * cases.len() as u64);
    for case in &cases {
        let mut all = Vec::new();
        for _ in 0..rounds {
            all.extend(runtime.block_on(all_at_once(target, case)).with_context(|| case.name)?);
            bar.inc(1);
        }
        judge(case, &all, answered_within, &mut report);
    }
    let peak = watch.peak()?;
    let growth = peak.saturating_sub(before);
    report.figure(
        "memory before, at most, growth",
        format!("{}, {}, {}", mebibytes(before), mebibytes(peak), mebibytes(growth)),
    );
    if growth > GROWTH_MAX {
        report.violations.push(format!("the server grew by {}", mebibytes(growth)));
    }
    if peak > MEMORY_MAX {
        report.violations.push(format!("the server took {}", mebibytes(peak)));
    }
    let answer = super::stage::Connection::open(target)?.introspect(target, &target.token);
    if !answer.is_ok_and(|active| active) {
        report.violations.push("a good client is not answered any more".to_owned());
    }
    Ok(report)
}

fn judge(case: &Case, all: &[Seen], answered_within: Duration, report: &mut Report) {
    let mut statuses: Vec<String> =
        all.iter().map(|seen| seen.status.map_or("none".to_owned(), |status| status.to_string())).collect();
    statuses.sort();
    statuses.dedup();
    let slowest = all.iter().map(|seen| seen.after).max().unwrap_or_default();
    let most_read = all.iter().map(|seen| seen.read_by_server).max().unwrap_or(0);
    report.figure(
        case.name,
        format!("{} within {slowest:.0?}, {} KiB read", statuses.join(" "), most_read.div_ceil(1024)),
    );
    let mut violation = |what: String| report.violations.push(format!("{}: {what}", case.name));
    if !all.iter().all(|seen| seen.status.is_some_and(|status| case.expected.contains(&status))) {
        violation(format!("answered {}, not {:?}", statuses.join(" "), case.expected));
    }
    if slowest > answered_within {
        violation(format!("answered after {slowest:.1?}"));
    }
    if most_read > case.read_max {
        violation(format!("the server read {} KiB of it", most_read / 1024));
    }
}

/// Some clients with the same request.
async fn all_at_once(target: &Arc<Target>, case: &Arc<Case>) -> Result<Vec<Seen>> {
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (target, case) = (Arc::clone(target), Arc::clone(case));
        asking.spawn(async move { ask(&target, &case).await });
    }
    let mut all = Vec::new();
    while let Some(seen) = asking.join_next().await {
        all.push(seen.context("a client does not panic")??);
    }
    Ok(all)
}

async fn ask(target: &Target, case: &Case) -> Result<Seen> {
    let stream = target.tcp(attacker_address(0), None).await?;
    let client = stream.local_addr()?;
    let written = Arc::new(AtomicU64::new(0));
    let stream = Counted { stream, written: Arc::clone(&written) };
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let looking = look(client, target.address, &written, has_ended);
    let asking = async {
        let asked = match case.protocol {
            Protocol::Http1 => ask_http1(target.speak_http1(stream).await?, case).await,
            Protocol::Http2 => ask_http2(target, target.speak_http2(stream).await?, case).await,
        };
        // Nobody looks any more when looking has failed.
        let _ = ended.send(());
        asked
    };
    let (asked, read_by_server) = tokio::join!(tokio::time::timeout(PATIENCE, asking), looking);
    let (status, after) = asked.context("no answer came")??;
    Ok(Seen { status, after, read_by_server: read_by_server? })
}

/// Sends the request for as long as the server takes it, and returns the first status with the time it took.
async fn ask_http1(stream: TlsStream<Counted>, case: &Case) -> Result<(Option<u16>, Duration)> {
    let began = Instant::now();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sending = async {
        let sent = async {
            writing.write_all(&case.first).await?;
            let mut rest = case.total;
            while rest > 0 {
                let piece = rest.min(case.again.len() as u64) as usize;
                writing.write_all(&case.again[..piece]).await?;
                rest -= piece as u64;
            }
            writing.write_all(&case.last).await?;
            writing.flush().await
        };
        // The server closes when it has had enough.
        let _: io::Result<()> = sent.await;
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut received = Vec::new();
        let mut answered = None;
        loop {
            if answered.is_none()
                && let Some(answer) = parse_answer(&received)?
            {
                answered = Some((answer.status, began.elapsed()));
                // A request that was taken whole leaves the connection open.
                if answer.status == 200 {
                    break;
                }
            }
            let more =
                tokio::time::timeout(Duration::from_millis(1500), reading.read_buf(&mut received)).await;
            match more {
                Ok(Ok(length)) if length > 0 => {}
                // Open and silent, or closed.
                Err(_) if answered.is_none() => {}
                Ok(_) | Err(_) => break,
            }
        }
        // The server may still read what it does not answer.
        tokio::time::sleep(LAST_LOOK).await;
        let (status, after) = answered.unzip();
        anyhow::Ok((status, after.unwrap_or_else(|| began.elapsed())))
    };
    tokio::select! { () = sending => bail!("sending never ends"), answered = reading => answered }
}

async fn ask_http2(
    target: &Target,
    stream: TlsStream<Counted>,
    case: &Case,
) -> Result<(Option<u16>, Duration)> {
    let (sender, connection) = h2::client::handshake(stream).await.context("begin HTTP/2")?;
    let connection = tokio::spawn(connection);
    let began = Instant::now();
    let mut request = Request::post("https://localhost/oauth2/introspect")
        .header("authorization", &target.api)
        .header("content-type", "application/x-www-form-urlencoded");
    if !case.first.is_empty() {
        request = request.header("content-length", case.first.as_slice());
    }
    let (answer, mut body) =
        sender.ready().await?.send_request(request.body(()).context("a request")?, false)?;
    let sending = async {
        let mut rest = case.total;
        while rest > 0 {
            body.reserve_capacity(case.again.len());
            let Some(Ok(capacity)) = std::future::poll_fn(|context| body.poll_capacity(context)).await else {
                break;
            };
            let piece = case.again.slice(..capacity.min(case.again.len()));
            rest -= piece.len() as u64;
            if body.send_data(piece, false).is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let status = tokio::select! { () = sending => None, answer = answer => Some(answer?.status().as_u16()) };
    let after = began.elapsed();
    tokio::time::sleep(LAST_LOOK).await;
    connection.abort();
    Ok((status, after))
}

/// The most that the server has read of a connection, as the kernel's queues tell, until the client has ended.
async fn look(
    client: SocketAddr,
    server: SocketAddr,
    written: &AtomicU64,
    mut ended: tokio::sync::oneshot::Receiver<()>,
) -> Result<u64> {
    let mut most = 0;
    let queues = Queues::open()?;
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! { biased; _ = &mut ended => return Ok(most), _ = interval.tick() => {} }
        // First what was written: what follows meanwhile only waits in the queues.
        let written = written.load(Ordering::Relaxed);
        if let (Some(ours), Some(theirs)) = (queues.of(client, server)?, queues.of(server, client)?) {
            let waiting = u64::from(ours.unconfirmed) + u64::from(theirs.unread);
            most = most.max(written.saturating_sub(waiting));
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = outcome {
            self.written.fetch_add(length as u64, Ordering::Relaxed);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
