//! The accept loop: it ends when the listener drains, and for nothing that a client or the system does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use super::admission::Source;
use super::connection::{Connector, serve_connection};
use super::hub::Level;
use super::{BACKLOG, Responder};

/// How long the loop waits when the system has no files or no memory for a connection.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Accepts connections until the listener drains, then takes in those that wait already.
pub(super) async fn accept_connections<R: Responder>(socket: TcpListener, connector: Arc<Connector<R>>) {
    let mut is_starved = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = connector.hub.reached(Level::Draining) => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_starved = false;
                admit(&connector, stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {
                debug!(%error, "a connection broke before it was accepted")
            }
            Err(error) => {
                connector.hub.metrics.accept_failures.add_one();
                // Once per famine: an attacker must not fill the log.
                if !is_starved {
                    warn!(%error, "cannot accept connections for now");
                }
                is_starved = true;
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }

    // Clients whose connection the kernel has accepted already may have sent a request.
    let Ok(socket) = socket.into_std() else { return };
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = socket.accept() else { return };
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            admit(&connector, stream, peer);
        }
    }
}

fn admit<R: Responder>(connector: &Arc<Connector<R>>, stream: TcpStream, peer: SocketAddr) {
    let Some(permit) = connector.hub.admit(Source::of(peer.ip())) else { return };
    // Not every system lets an accepted socket inherit it. Without it answers are late, not wrong.
    let _ = stream.set_nodelay(true);
    tokio::spawn(serve_connection(Arc::clone(connector), stream, peer, permit));
}

/// Whether the next connection may be accepted at once (accept(2): errors of the new socket's network).
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
    )
}
