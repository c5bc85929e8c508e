//! P6: how long a revocation takes to validators that listen.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use lydian_revocation::feed::{Batch, FrameReader};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::bench::{Bench, Wish};
use crate::client::fetch;
use crate::connection::Endpoint;
use crate::product::Product;
use crate::progress::Progress;
use crate::report::{Row, Target};
use crate::requests::{Request, basic, form_encode};

const AUDIENCES: usize = 100;
const SUBSCRIBERS: usize = 1_000;
const EVENTS_PER_SECOND: u64 = 100;

/// The secret of every client of this row: it is a client of nothing else.
const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough-to-be-taken";

/// Subscribers of one address are bounded by the server: they come from several.
const PER_ADDRESS: usize = 250;

pub(super) fn propagation(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (tls, target) in [(false, 50.0), (true, 100.0)] {
        let what =
            if tls { "revocation to 1,000 subscribers, TLS" } else { "revocation to 1,000 subscribers" };
        rows.push(measure(bench, tls, what, Target::AtMost(target))?);
        progress.step(what);
    }
    Ok(rows)
}

fn measure(bench: &Bench, tls: bool, what: &str, target: Target) -> Result<Row> {
    let name = if tls { "feed-tls" } else { "feed" };
    // The first start makes the store, to which the audiences are added.
    bench.start_product(name, Wish::default())?.stop()?;
    bench.apply(name, &document())?;
    let product = bench.start_product(name, Wish { tls, ..Wish::default() })?;
    let rounds = bench.plan.rounds.clamp(1, 7);
    let events = (bench.plan.measure.as_millis() as u64 * EVENTS_PER_SECOND / 1_000).max(20);
    // The subscribers run on the generator's core, in a runtime of their own: their work is not the server's.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("make a runtime")?;
    let (mut p99, mut p50) = (Vec::new(), Vec::new());
    let mut deliveries = 0;
    runtime.block_on(async {
        let (sender, mut arrivals) = mpsc::unbounded_channel();
        open_subscribers(&product, &sender).await?;
        for _ in 0..rounds {
            let tokens = issue(&product, events as usize).await?;
            let (histogram, count) = play(&product, tokens, &mut arrivals).await?;
            deliveries += count;
            p99.push(histogram.value_at_quantile(0.99) as f64 / 1_000.0);
            p50.push(histogram.value_at_quantile(0.5) as f64 / 1_000.0);
        }
        anyhow::Ok(())
    })?;
    let median = p50.iter().sum::<f64>() / p50.len() as f64;
    let row = Row::absolute("P6", what, "ms p99", &p99, Some(target)).note(format!(
        "{SUBSCRIBERS} subscribers of {AUDIENCES} audiences, {EVENTS_PER_SECOND} events/s, {deliveries} deliveries, \
         p50 {median:.1} ms, from the sending of the revocation to its event in the subscriber"
    ));
    drop(runtime);
    product.stop()?;
    Ok(row)
}

/// The audiences, each with its client, and an application that may ask for all of them.
fn document() -> String {
    let audience = |index: usize| format!("https://api-{index}.bench.example/");
    let mut text = String::new();
    let mut allowed = Vec::new();
    for index in 0..AUDIENCES {
        let audience = audience(index);
        text.push_str(&format!(
            "[[api]]\naudience = \"{audience}\"\nscopes = [\"read\"]\n\n[[client]]\nclient_id = \"api-{index}\"\n\
             client_secret = \"{SECRET}\"\napi = \"{audience}\"\n\n"
        ));
        allowed.push(format!("\"{audience}\" = [\"read\"]"));
    }
    text + &format!(
        "[[client]]\nclient_id = \"feed-app\"\nclient_secret = \"{SECRET}\"\ngrant_types = [\"client_credentials\"]\n\
         allowed = {{ {} }}\n",
        allowed.join(", ")
    )
}

/// What a subscriber saw: the key of a token, and when.
type Arrival = (u128, Instant);

async fn open_subscribers(product: &Product, sender: &mpsc::UnboundedSender<Arrival>) -> Result<()> {
    let address = product.endpoint().address();
    for index in 0..SUBSCRIBERS {
        let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(index / PER_ADDRESS)?);
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        let stream = socket.connect(address).await.context("connect a subscriber")?;
        let authorization = basic(&format!("api-{}", index % AUDIENCES), SECRET);
        let head = format!(
            "GET /oauth2/revocations/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n\r\n"
        );
        let sender = sender.clone();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        match product.endpoint().session()? {
            Some(client) => {
                tokio::spawn(subscribe_tls(TlsSocket { stream, client }, head, sender, ready));
            }
            None => drop(tokio::spawn(subscribe(stream, head, sender, ready))),
        }
        is_ready.await.context("a subscriber was refused")?;
    }
    Ok(())
}

/// A subscriber's reading: chunks, frames, events.
struct Reader {
    received: Vec<u8>,
    head_is_read: bool,
    frames: FrameReader,
}

impl Reader {
    fn new() -> Self {
        Self { received: Vec::new(), head_is_read: false, frames: FrameReader::default() }
    }

    /// Takes bytes; whether the head says that the stream is open.
    fn take(&mut self, bytes: &[u8], sender: &mpsc::UnboundedSender<Arrival>) -> Result<bool> {
        let now = Instant::now();
        self.received.extend_from_slice(bytes);
        if !self.head_is_read {
            let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Ok(false);
            };
            ensure!(self.received.starts_with(b"HTTP/1.1 200"), "a subscriber was refused");
            self.received.drain(..end + 4);
            self.head_is_read = true;
        }
        while let Some(end) = self.received.windows(2).position(|window| window == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&self.received[..end])?, 16)?;
            if self.received.len() < end + 4 + size {
                break;
            }
            let mut found = Vec::new();
            self.frames.push(&self.received[end + 2..end + 2 + size], |frame| found.push(frame))?;
            self.received.drain(..end + 4 + size);
            for frame in found {
                for event in Batch::parse(&frame.data)?.events {
                    // Nobody counts any more when the run is over.
                    let _ = sender.send((event.key, now));
                }
            }
        }
        Ok(true)
    }
}

async fn subscribe(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: String,
    sender: mpsc::UnboundedSender<Arrival>,
    ready: tokio::sync::oneshot::Sender<()>,
) -> Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let (mut reader, mut ready) = (Reader::new(), Some(ready));
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        ensure!(count > 0, "the server ended a stream");
        if reader.take(&buffer[..count], &sender)?
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(());
        }
    }
}

/// A TLS client over a socket of the runtime.
struct TlsSocket {
    stream: tokio::net::TcpStream,
    client: rustls::ClientConnection,
}

async fn subscribe_tls(
    mut socket: TlsSocket,
    head: String,
    sender: mpsc::UnboundedSender<Arrival>,
    ready: tokio::sync::oneshot::Sender<()>,
) -> Result<()> {
    use std::io::{Read, Write};
    socket.client.writer().write_all(head.as_bytes())?;
    let (mut reader, mut ready) = (Reader::new(), Some(ready));
    let (mut sealed, mut plain) = (vec![0; 20 * 1024], vec![0; 16 * 1024]);
    loop {
        while socket.client.wants_write() {
            let mut out = Vec::new();
            socket.client.write_tls(&mut out)?;
            socket.stream.write_all(&out).await?;
        }
        let count = socket.stream.read(&mut sealed).await?;
        ensure!(count > 0, "the server ended a stream");
        let mut rest = &sealed[..count];
        while !rest.is_empty() {
            socket.client.read_tls(&mut rest)?;
            socket.client.process_new_packets()?;
            loop {
                match socket.client.reader().read(&mut plain) {
                    Ok(0) => break,
                    Ok(count) => {
                        if reader.take(&plain[..count], &sender)?
                            && let Some(ready) = ready.take()
                        {
                            let _ = ready.send(());
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

/// A token with the key under which its API hears of it.
struct Issued {
    token: String,
    key: u128,
}

/// Issues tokens in turn for all audiences. The subscribers' runtime stands still meanwhile, and nothing is revoked.
async fn issue(product: &Product, count: usize) -> Result<Vec<Issued>> {
    let endpoint = product.endpoint();
    let application = basic("feed-app", SECRET);
    let mut tokens = Vec::with_capacity(count);
    for index in 0..count {
        let audience = format!("https://api-{}.bench.example/", index % AUDIENCES);
        let form = format!("grant_type=client_credentials&resource={}", form_encode(&audience));
        let answer = ask(endpoint, "/oauth2/token", &application, &form)?;
        let token = answer["access_token"].as_str().context("a token was issued")?.to_owned();
        let api = basic(&format!("api-{}", index % AUDIENCES), SECRET);
        let answer = ask(endpoint, "/oauth2/introspect", &api, &format!("token={token}"))?;
        let jti = answer["jti"].as_str().context("the token is active")?;
        let key = lydian_primitives::base64url::decode_array::<16>(jti.as_bytes()).context("a jti")?;
        tokens.push(Issued { token, key: u128::from_be_bytes(key) });
        tokio::task::yield_now().await;
    }
    Ok(tokens)
}

fn ask(endpoint: &Endpoint, path: &str, authorization: &str, form: &str) -> Result<serde_json::Value> {
    let request = Request {
        method: "POST",
        path,
        host: endpoint.authority(),
        authorization: Some(authorization),
        cookie: None,
        form: Some(form),
    };
    fetch(endpoint, &request)?.ok()?.json()
}

/// Revokes at the rate of the target, and collects when each subscriber of the audience heard of it.
async fn play(
    product: &Product,
    tokens: Vec<Issued>,
    arrivals: &mut mpsc::UnboundedReceiver<Arrival>,
) -> Result<(Histogram<u64>, usize)> {
    let expected = tokens.len() * SUBSCRIBERS / AUDIENCES;
    let (sent_sender, sent) = std::sync::mpsc::channel();
    let endpoint = product.endpoint().clone();
    let revoking = std::thread::spawn(move || -> Result<()> {
        let authorization = basic("feed-app", SECRET);
        let begin = Instant::now();
        for (index, token) in tokens.iter().enumerate() {
            let due = begin + Duration::from_micros(index as u64 * 1_000_000 / EVENTS_PER_SECOND);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            sent_sender.send((token.key, Instant::now()))?;
            let form = format!("token={}", token.token);
            let request = Request {
                method: "POST",
                path: "/oauth2/revoke",
                host: endpoint.authority(),
                authorization: Some(&authorization),
                cookie: None,
                form: Some(&form),
            };
            fetch(&endpoint, &request)?.ok()?;
        }
        Ok(())
    });
    let mut seen = Vec::with_capacity(expected);
    let collecting = async {
        while seen.len() < expected {
            seen.push(arrivals.recv().await.context("the subscribers are gone")?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), collecting).await.context("an event did not arrive")??;
    revoking.join().map_err(|_| anyhow::anyhow!("the revoking thread panicked"))??;
    let sent: HashMap<u128, Instant> = sent.into_iter().collect();
    let mut histogram = Histogram::new(3)?;
    for (key, at) in &seen {
        let begin = sent.get(key).context("an event of a token that was not revoked")?;
        histogram.record(u64::try_from(at.saturating_duration_since(*begin).as_micros())?)?;
    }
    Ok((histogram, seen.len()))
}
