//! The transport: sockets, TLS, HTTP/1.1 and HTTP/2, with the limits and timers that keep one client from
//! harming the others.
//!
//! What a request means is not known here: a [`Responder`] answers it. Begin with [`serve`]; one connection's
//! life is in `connection.rs`, its timers in `activity.rs`, one request's in `answer.rs`, and HTTP/2 frames
//! that are no request in `frames.rs`.
//!
//! hyper's own `header_read_timeout` is not used: it starts when the previous answer ends, so it would count
//! the pause between two requests as a slow head. `axum::serve` is not used because it installs no timer.

mod accept;
mod activity;
mod admission;
mod answer;
mod connection;
mod frames;
mod hub;
mod metrics;
mod settings;
mod shutdown;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinSet;

pub use lydian_http::AnswerBody;

pub use admission::connections_that_fit;
pub use metrics::{Counter, Gauge, ListenerMetrics};
pub use settings::ListenerSettings;
pub use shutdown::{Shutdown, ShutdownSignal};

use accept::accept_connections;
use connection::Connector;
use hub::{Hub, Level};

/// Connections that wait in the kernel until they are accepted.
const BACKLOG: i32 = 4096;

/// Bytes of answers that the kernel takes before it can send them.
///
/// Left to itself it takes some MiB. A thousand clients that do not read then use up what the machine has for TCP, and whoever asks
/// beside them waits for segments that were dropped. A small send buffer would do too, but it slows down everybody who reads.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 64 * 1024;

/// What answers requests.
///
/// The limit of the body's size is the responder's: see `lydian_http::body::read_body`.
pub trait Responder: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// The future is dropped when the client goes away or the request takes longer than
    /// [`ListenerSettings::request_timeout`]; a panic in it becomes a 500 for this request alone.
    fn respond(
        &self,
        request: Request<Incoming>,
        connection: &ConnectionInfo,
    ) -> impl Future<Output = Response<AnswerBody>> + Send;
}

/// What is known of the connection that a request came on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The other end of the connection: a client, or a proxy in front of it.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted by us.
    pub tls: bool,
}

impl ConnectionInfo {
    /// A connection from `peer`.
    pub const fn new(peer: SocketAddr, tls: bool) -> Self {
        Self { peer, tls }
    }
}

/// How the service of a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// All requests in flight were answered and all connections closed.
    Complete,
    /// The time for draining was over; this many connections were cut.
    TimedOut {
        /// Connections that were still open.
        connections: usize,
    },
    /// The second signal cut this many connections.
    AtOnce {
        /// Connections that were still open.
        connections: usize,
    },
}

/// Opens a listening socket for each address, in their order.
///
/// A v6 socket serves v6 alone, so that `127.0.0.1` and `::1` can share a port.
///
/// # Errors
///
/// The first address that cannot be bound; its text names the address.
pub fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    addresses.iter().map(|&address| bind_one(address).map_err(|error| naming(address, &error))).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart need not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    // An accepted socket inherits it on Linux: answers are small and leave at once.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn naming(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("listen on {address}: {error}"))
}

/// Serves HTTP on these sockets until `shutdown` asks for the end, then drains.
///
/// Draining: no new connections; idle ones are closed; each request in flight is answered, with
/// `connection: close` (HTTP/1.1) or after GOAWAY (HTTP/2); what is left after
/// [`ListenerSettings::drain_timeout`] is cut. Dropping the future cuts all connections.
///
/// # Errors
///
/// A socket cannot be registered with the runtime. Nothing that a client does ends the service.
pub async fn serve<R: Responder>(
    sockets: Vec<TcpListener>,
    settings: ListenerSettings,
    responder: Arc<R>,
    shutdown: ShutdownSignal,
    metrics: Arc<ListenerMetrics>,
) -> io::Result<Drained> {
    let drain_timeout = settings.drain_timeout;
    let hub = Hub::new(&settings, metrics);
    let _cut_when_dropped = hub.cut_when_dropped();
    let connector = Arc::new(Connector::new(settings, responder, Arc::clone(&hub)));

    let mut accepting = JoinSet::new();
    for socket in sockets {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(socket)?;
        accepting.spawn(accept_connections(socket, Arc::clone(&connector)));
    }

    shutdown.draining().await;
    hub.raise(Level::Draining);
    // Each loop first takes in the connections that the kernel has accepted for us, then closes its socket.
    while accepting.join_next().await.is_some() {}

    let drained = tokio::select! {
        biased;
        () = shutdown.immediate() => Drained::AtOnce { connections: hub.open() },
        outcome = tokio::time::timeout(drain_timeout, hub.emptied()) => match outcome {
            Ok(()) => Drained::Complete,
            Err(_elapsed) => Drained::TimedOut { connections: hub.open() },
        },
    };
    hub.raise(Level::Closed);
    Ok(drained)
}

/// How long a client is given to read the last answer before the socket goes, and how long an HTTP/2 client
/// may take to confirm that it saw the end coming.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
