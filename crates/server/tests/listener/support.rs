//! A listener with a scripted responder, and clients that wait for events instead of sleeping.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use lydian_http::body::{BodyError, read_body};
use lydian_server::listener::AnswerBody;
use lydian_server::listener::{
    ConnectionInfo, Drained, ListenerMetrics, ListenerSettings, Responder, Shutdown, bind, serve,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Longer than anything takes that works.
pub(crate) const GENEROUS: Duration = Duration::from_secs(20);
/// A timer that is to fire in the test.
pub(crate) const SHORT: Duration = Duration::from_millis(250);
/// A timer that is not to fire in the test.
pub(crate) const LONG: Duration = Duration::from_secs(120);
/// The body limit of `/body`.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// The size of `/large`, which no socket buffer holds.
pub(crate) const LARGE_BYTES: usize = 64 * 1024 * 1024;

/// Answers by path; `/held` waits until the test opens the gate.
pub(crate) struct Scripted {
    pub(crate) gate: Semaphore,
    pub(crate) held: AtomicUsize,
    pub(crate) held_peak: AtomicUsize,
    pub(crate) body_idle_timeout: Duration,
}

impl Responder for Scripted {
    async fn respond(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<AnswerBody> {
        match request.uri().path() {
            "/body" => match read_body(request.into_body(), BODY_BYTES_MAX, self.body_idle_timeout).await {
                Ok(body) => text(StatusCode::OK, body.len().to_string()),
                Err(BodyError::Closed) => text(StatusCode::BAD_REQUEST, "closed"),
                Err(BodyError::Idle) => text(StatusCode::REQUEST_TIMEOUT, "idle"),
                Err(BodyError::NoRoom) => text(StatusCode::SERVICE_UNAVAILABLE, "no room"),
                Err(BodyError::TooLarge) => text(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            },
            "/held" => {
                let held = Held::begin(self);
                self.gate.acquire().await.expect("the gate is never closed").forget();
                drop(held);
                text(StatusCode::OK, "held")
            }
            "/info" => text(StatusCode::OK, format!("{} {}", connection.peer, connection.tls)),
            "/large" => text(StatusCode::OK, vec![b'x'; LARGE_BYTES]),
            "/panic" => panic!("as the test wants"),
            path => text(StatusCode::OK, path.to_owned()),
        }
    }
}

/// A request that waits at the gate, also when it is given up.
struct Held<'a>(&'a Scripted);

impl<'a> Held<'a> {
    fn begin(responder: &'a Scripted) -> Self {
        let held = responder.held.fetch_add(1, Ordering::SeqCst) + 1;
        responder.held_peak.fetch_max(held, Ordering::SeqCst);
        Self(responder)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::from(body.into()));
    *response.status_mut() = status;
    response
}

/// A listener that serves until it is dropped or told to stop.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) responder: Arc<Scripted>,
    pub(crate) metrics: Arc<ListenerMetrics>,
    pub(crate) shutdown: Shutdown,
    task: JoinHandle<io::Result<Drained>>,
}

/// Settings whose timers do not fire, with these changes.
pub(crate) fn settings(change: impl FnOnce(&mut ListenerSettings)) -> ListenerSettings {
    let mut settings = ListenerSettings::default();
    settings.head_timeout = LONG;
    settings.keep_alive_timeout = LONG;
    settings.request_timeout = LONG;
    settings.write_stall_timeout = LONG;
    settings.tls_handshake_timeout = LONG;
    settings.drain_timeout = LONG;
    change(&mut settings);
    settings
}

/// Starts a listener on a port of 127.0.0.1.
pub(crate) fn start(change: impl FnOnce(&mut ListenerSettings)) -> Server {
    let responder = Arc::new(Scripted {
        gate: Semaphore::new(0),
        held: AtomicUsize::new(0),
        held_peak: AtomicUsize::new(0),
        body_idle_timeout: LONG,
    });
    start_with(settings(change), responder)
}

pub(crate) fn start_with(settings: ListenerSettings, responder: Arc<Scripted>) -> Server {
    let sockets = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
    let address = sockets[0].local_addr().expect("a bound socket");
    let (shutdown, signal) = Shutdown::new();
    let metrics = Arc::new(ListenerMetrics::default());
    let task = tokio::spawn(serve(sockets, settings, Arc::clone(&responder), signal, Arc::clone(&metrics)));
    Server { address, responder, metrics, shutdown, task }
}

impl Server {
    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client(TcpStream::connect(self.address).await.expect("the listener accepts"))
    }

    /// Waits until this many requests wait at the gate.
    pub(crate) async fn until_held(&self, count: usize) {
        eventually(|| self.responder.held.load(Ordering::SeqCst) == count).await;
    }

    /// How the service ended.
    pub(crate) async fn ended(&mut self) -> Drained {
        within(&mut self.task).await.expect("the service does not panic").expect("the service starts")
    }

    pub(crate) fn abort(&self) {
        self.task.abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that writes what it is told to, byte by byte if need be.
#[derive(Debug)]
pub(crate) struct Client<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.0.write_all(bytes.as_ref())).await.expect("the server reads");
        within(self.0.flush()).await.expect("the server reads");
    }

    /// Sends a GET request and returns its answer.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(get(path)).await;
        self.answer().await
    }

    /// Reads one answer with a content length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut received = Vec::new();
        let head_bytes = loop {
            if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            let byte = within(self.0.read_u8()).await;
            received.push(byte.unwrap_or_else(|error| {
                panic!("no answer: {error} after {:?}", String::from_utf8_lossy(&received))
            }));
        };
        let head = String::from_utf8(received[..head_bytes].to_vec()).expect("a head in ASCII");
        let mut answer = Answer { head: head.to_ascii_lowercase(), body: String::new() };
        let length = answer.field("content-length").map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        within(self.0.read_exact(&mut body)).await.expect("the whole body");
        answer.body = String::from_utf8(body).expect("text");
        answer
    }

    /// Reads until the server closes; a reset counts as that too.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            match within(self.0.read(&mut piece)).await {
                Ok(0) => return received,
                Ok(count) => received.extend_from_slice(&piece[..count]),
                Err(error) => {
                    let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof];
                    assert!(expected.contains(&error.kind()), "closed in an odd way: {error}");
                    return received;
                }
            }
        }
    }

    /// Watches for a while that the server neither sends nor closes.
    pub(crate) async fn stays_silent_for(&mut self, duration: Duration) {
        let read = tokio::time::timeout(duration, self.0.read_u8()).await;
        assert!(read.is_err(), "the server did something: {read:?}");
    }
}

/// An answer of HTTP/1.1; the head is in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// Waits for a future that has no reason to take long.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(GENEROUS, future).await.expect("it happens in a generous time")
}

/// Waits for something that announces itself in no other way.
pub(crate) async fn eventually(mut happened: impl FnMut() -> bool) {
    within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        while !happened() {
            tick.tick().await;
        }
    })
    .await;
}
