//! One connection, from its handshake until its socket is gone.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::activity::{Activity, Expired, Millis, Stream, Timers, Watched};
use super::answer::answer;
use super::frames::Metered;
use super::hub::{Hub, Level, Permit};
use super::{AnswerBody, ConnectionInfo, LINGER_TIMEOUT, ListenerSettings, Responder};
use crate::tls::ALPN_HTTP2;

/// Header fields beyond which hyper answers 431 on its own.
const HYPER_HEADER_FIELDS_MAX: usize = 100;
/// Largest read buffer of a connection, and how much of an answer is queued before it is flushed, in bytes.
///
/// Of a body that is too large we read what it may have, one such buffer, one record of TLS, and what lingering throws away: less than
/// 128 KiB in all.
const BUFFER_BYTES_MAX: usize = 20 * 1024;
/// Bytes that one HTTP/2 stream may send us unread.
const HTTP2_STREAM_WINDOW: u32 = 32 * 1024;
/// Bytes that one HTTP/2 connection may send us unread.
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes that are read and thrown away so that a client that still sends gets to read our last answer.
const LINGER_BYTES_MAX: usize = 8 * 1024;
/// What a browser that spoke plain HTTP to a TLS port reads.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 44\r\n\
    connection: close\r\n\r\nThis port speaks HTTPS; use an https:// URL\n";

/// What all connections of a listener are served with.
pub(super) struct Connector<R> {
    pub(super) settings: ListenerSettings,
    pub(super) responder: Arc<R>,
    pub(super) hub: Arc<Hub>,
    timers: Timers,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
}

/// What all requests of a connection are answered with. Each request holds it: its count is the connection's
/// own, so no two connections write to one cache line.
pub(super) struct Served<R> {
    pub(super) connector: Arc<Connector<R>>,
    pub(super) info: ConnectionInfo,
    activity: Arc<Activity>,
}

/// How the conversation on a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// HTTP came to its end, in peace or by an error that was answered.
    Finished,
    /// We closed it, for a timer or by order.
    Cut,
    /// The client does not take our bytes.
    Stalled,
    /// HTTP/2: too many frames came that are no request. GOAWAY is still to be sent.
    Flooded,
}

impl<R> Connector<R> {
    pub(super) fn new(settings: ListenerSettings, responder: Arc<R>, hub: Arc<Hub>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // See the module: the timers here are our own.
            .header_read_timeout(None)
            .max_header_size(settings.head_bytes_max)
            .max_buf_size(BUFFER_BYTES_MAX.max(settings.head_bytes_max));

        // Up to its default hyper keeps the fields on the stack; the lower limit is checked with the head.
        if settings.header_fields_max > HYPER_HEADER_FIELDS_MAX {
            http1.max_headers(settings.header_fields_max);
        }

        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.http2_streams_max)
            .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(settings.http2_pending_resets_max)
            .max_local_error_reset_streams(settings.http2_provoked_resets_max)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_send_buf_size(BUFFER_BYTES_MAX)
            .keep_alive_interval(settings.http2_ping_interval)
            .keep_alive_timeout(settings.http2_ping_timeout);

        let tls = settings.tls.as_ref().map(|tls| TlsAcceptor::from(tls.server_config()));
        let timers = Timers::new(&settings);
        Self { settings, responder, hub, timers, http1, http2, tls }
    }
}

/// Serves one connection to its end.
///
/// Each stage is boxed, so that a connection holds the memory of its present stage only.
pub(super) async fn serve_connection<R: Responder>(
    connector: Arc<Connector<R>>,
    socket: TcpStream,
    peer: SocketAddr,
    _permit: Permit,
) {
    let activity = Activity::new();
    let Some(acceptor) = &connector.tls else {
        let served = Served { info: ConnectionInfo::new(peer, false), connector, activity };
        let socket = Watched::new(socket, Arc::clone(&served.activity));
        return Box::pin(serve_http1(served, socket)).await;
    };

    let Some(stream) = Box::pin(handshake(&connector, acceptor, socket, &activity)).await else {
        return;
    };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
    let served = Served { info: ConnectionInfo::new(peer, true), connector, activity };
    if speaks_http2 {
        Box::pin(serve_http2(served, stream)).await;
    } else {
        Box::pin(serve_http1(served, stream)).await;
    }
}

async fn handshake<R>(
    connector: &Connector<R>,
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    activity: &Arc<Activity>,
) -> Option<TlsStream<Watched>> {
    let shake_hands = async {
        if speaks_plain_http(&socket).await? {
            let mut socket = socket;
            socket.write_all(SPEAK_TLS).await?;
            linger(socket).await;
            return Err(io::Error::other("plain HTTP on a TLS port"));
        }
        acceptor.accept(Watched::new(socket, Arc::clone(activity))).await
    };
    let metrics = &connector.hub.metrics;
    tokio::select! {
        biased;
        outcome = tokio::time::timeout(connector.settings.tls_handshake_timeout, shake_hands) => match outcome {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                metrics.handshake_failures.add_one();
                debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_elapsed) => {
                metrics.handshake_timeouts.add_one();
                None
            }
        },
        () = connector.hub.reached(Level::Closed) => None,
    }
}

/// Whether the first byte is that of an HTTP/1.1 method and not of a TLS record.
async fn speaks_plain_http(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let received = socket.peek(&mut first).await?;
    Ok(received == 1 && first[0].is_ascii_uppercase())
}

async fn serve_http1<R: Responder, S: Socket>(served: Served<R>, socket: S) {
    let served = Arc::new(served);
    served.activity.begin_http1(socket.holds_bytes());
    let service = service_fn({
        let served = Arc::clone(&served);
        move |request: Request<Incoming>| {
            served.activity.begin_request();
            answer(Arc::clone(&served), request, |served, mut response| {
                if served.connector.hub.level() != Level::Running {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                served.activity.begin_answer();
                response
            })
        }
    });
    let mut connection = served.connector.http1.serve_connection(TokioIo::new(socket), service);
    let ended = drive(&served, &mut connection, http1::Connection::graceful_shutdown).await;
    part(&served, ended, connection.into_parts().io.into_inner()).await;
}

async fn serve_http2<R: Responder>(served: Served<R>, socket: TlsStream<Watched>) {
    let served = Arc::new(served);
    served.activity.begin_http2();
    let service = service_fn({
        let served = Arc::clone(&served);
        move |request: Request<Incoming>| {
            let stream = served.activity.begin_stream();
            answer(Arc::clone(&served), request, |_, response| {
                response.map(|body| StreamBody { body, stream })
            })
        }
    });
    let other_frames_max = served.connector.settings.http2_other_frames_max;
    let mut socket = Metered::new(socket, Arc::clone(&served.activity), other_frames_max);
    let mut connection = served.connector.http2.serve_connection(TokioIo::new(&mut socket), service);
    let ended = drive(&served, &mut connection, http2::Connection::graceful_shutdown).await;
    drop(connection);
    if ended == Ended::Flooded {
        served.connector.hub.metrics.http2_floods.add_one();
        debug!(peer = %served.info.peer, "a connection was closed for its frames");
        send_goaway(&mut socket).await;
    }
    part(&served, ended, socket.into_inner()).await;
}

/// Says why the connection ends, to a client that takes it: one that does not read may hold half of another frame.
async fn send_goaway(socket: &mut Metered<TlsStream<Watched>>) {
    let goaway = socket.goaway();
    let sending = async {
        socket.write_all(&goaway).await?;
        socket.flush().await
    };
    // The connection ends either way.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, sending).await;
}

/// Sees to it that the client can read our last word.
async fn part<R>(served: &Served<R>, ended: Ended, socket: impl Socket) {
    if ended == Ended::Stalled {
        // Closed in order, it would stay in the kernel with all that the client does not read, for minutes. At worst it does.
        let _ = socket.into_socket().set_zero_linger();
        return;
    }
    if ended == Ended::Cut || served.activity.peer_is_gone() {
        return;
    }
    tokio::select! {
        biased;
        () = served.connector.hub.reached(Level::Closed) => {}
        () = Box::pin(linger(socket.into_socket())) => {}
    }
}

/// Polls a connection, its timers and the order to end.
///
/// The order is heard through one registration per connection, and the timer is touched only when a nearer
/// time than the one it is set to comes up: a busy connection sets it a few times per ten seconds.
async fn drive<R, C>(served: &Served<R>, connection: &mut C, close: impl Fn(Pin<&mut C>)) -> Ended
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    let Served { connector, activity, .. } = served;
    let hub = &connector.hub;
    let mut timers = connector.timers;
    let mut level = Level::Running;
    let mut raised = pin!(hub.raised());
    let mut hears = false;
    let mut is_closing = false;
    let mut closed_at = Millis::NEVER;
    let mut alarm = pin!(tokio::time::sleep(connector.settings.keep_alive_timeout));
    let mut alarm_at = Millis::NEVER;
    let mut alarm_is_new = false;

    poll_fn(|context| {
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut *connection).poll(context) {
                if let Err(error) = outcome {
                    debug!(%error, "a connection ended with an error");
                }
                return Poll::Ready(Ended::Finished);
            }
            if activity.floods() {
                return Poll::Ready(Ended::Flooded);
            }

            let level_now = hub.level();
            if level_now == Level::Closed {
                return Poll::Ready(Ended::Cut);
            }
            if level_now != level {
                level = level_now;
                timers.keep_alive = timers.keep_alive.min(LINGER_TIMEOUT.as_millis() as u64);
                raised.set(hub.raised());
                hears = false;
                // Only a level read after that registration is safe from being missed.
                continue;
            }
            if level == Level::Draining && !is_closing && activity.can_close() {
                is_closing = true;
                close(Pin::new(&mut *connection));
                continue;
            }
            if !hears {
                if raised.as_mut().poll(context).is_ready() {
                    raised.set(hub.raised());
                    continue;
                }
                hears = true;
            }

            let check_at = if closed_at == Millis::NEVER { activity.check_at(&timers) } else { closed_at };
            if check_at < alarm_at {
                alarm_at = check_at;
                alarm.as_mut().reset(Instant::now() + check_at.remaining());
                alarm_is_new = true;
            }
            if !alarm_is_new && !alarm.is_elapsed() {
                return Poll::Pending;
            }
            alarm_is_new = false;
            if alarm_at == Millis::NEVER || alarm.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            alarm_at = Millis::NEVER;
            let now = Millis::now();
            if closed_at <= now {
                return Poll::Ready(Ended::Cut);
            }
            match activity.expired(&timers, now) {
                None => {}
                Some(expired) => {
                    count(served, expired);
                    match expired {
                        Expired::KeepAlive => {}
                        Expired::Write => return Poll::Ready(Ended::Stalled),
                        Expired::Head | Expired::Streams => return Poll::Ready(Ended::Cut),
                    }
                    closed_at = now.plus(LINGER_TIMEOUT);
                    is_closing = true;
                    close(Pin::new(&mut *connection));
                }
            }
        }
    })
    .await
}

fn count<R>(served: &Served<R>, expired: Expired) {
    let metrics = &served.connector.hub.metrics;
    match expired {
        Expired::Head => metrics.head_timeouts.add_one(),
        Expired::KeepAlive => metrics.keep_alive_timeouts.add_one(),
        Expired::Streams | Expired::Write => metrics.write_timeouts.add_one(),
    }
    debug!(peer = %served.info.peer, ?expired, "a connection was closed for want of progress");
}

/// Closes our half, then waits for the client's.
///
/// To close a socket with unread bytes makes the kernel reset the connection, and the reset can overtake the
/// answer: a client that sends too much would never learn that it did.
async fn linger(mut socket: TcpStream) {
    let until = Instant::now() + LINGER_TIMEOUT;
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut rest = vec![0; 4 * 1024];
    let mut received = 0;
    while received < LINGER_BYTES_MAX {
        match tokio::time::timeout_at(until, socket.read(&mut rest)).await {
            Ok(Ok(count)) if count > 0 => received += count,
            Ok(_) | Err(_) => return,
        }
    }
    // Enough was read; the client's own buffers are full now, and it has time to look at our answer.
    tokio::time::sleep_until(until).await;
}

/// A transport that is or holds a TCP socket.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Whether bytes of the first request came with the handshake.
    fn holds_bytes(&self) -> bool;

    fn into_socket(self) -> TcpStream;
}

impl Socket for Watched {
    fn holds_bytes(&self) -> bool {
        false
    }

    fn into_socket(self) -> TcpStream {
        self.into_socket()
    }
}

impl Socket for TlsStream<Watched> {
    fn holds_bytes(&self) -> bool {
        !self.get_ref().1.wants_read()
    }

    fn into_socket(self) -> TcpStream {
        self.into_inner().0.into_socket()
    }
}

/// An answer's body that ends its HTTP/2 stream when hyper is done with it.
struct StreamBody {
    body: AnswerBody,
    stream: Stream,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() && self.body.comes_in_pieces() {
            self.stream.note_piece();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
