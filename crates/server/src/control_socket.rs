//! The local socket of a running server: operations of administrators, for whoever may enter the data directory.
//!
//! It speaks HTTP/1.1 in the data directory (0700), and asks the kernel who calls: only this user and root are heard.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lydian_admin_api::{AdminApi, CONTROL_SOCKET, ErrorKind, OperationError, PATH_PREFIX};
use lydian_primitives::limits;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::listener::ShutdownSignal;

/// The longest path that fits into the address of a socket (`sun_path`, with its final zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// How long accepting waits after a failure, such as descriptors that are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A place for a socket: an address that the kernel accepts for it, however long the path is.
pub(crate) struct SocketAddress {
    pub(crate) path: PathBuf,
    /// Keeps the directory open while its descriptor is part of the address.
    _directory: Option<File>,
}

impl SocketAddress {
    /// The address of the local socket in this data directory.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be opened.
    pub(crate) fn in_directory(directory: &Path) -> io::Result<Self> {
        let path = directory.join(CONTROL_SOCKET);
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Self { path, _directory: None });
        }
        let opened = File::open(directory)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{CONTROL_SOCKET}", opened.as_raw_fd()));
        Ok(Self { path, _directory: Some(opened) })
    }
}

/// The bound socket. Its file goes with it.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    file: PathBuf,
}

impl ControlSocket {
    /// Binds the socket in a data directory that this process owns; what a killed process left behind goes.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when it cannot be bound.
    pub(crate) fn bind(directory: &Path) -> io::Result<Self> {
        let file = directory.join(CONTROL_SOCKET);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(SocketAddress::in_directory(directory)?.path)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, file })
    }

    /// Answers until the server drains; what was begun is finished.
    pub(crate) async fn serve(self, api: Arc<AdminApi>, signal: ShutdownSignal) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = signal.draining() => break,
            };
            // What has ended is taken out, so that the set holds what runs.
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) if is_allowed(&stream) => {
                    connections.spawn(answer_connection(stream, Arc::clone(&api), signal.clone()));
                }
                Ok(_) => tracing::warn!("another user called the local socket and was not heard"),
                Err(error) => {
                    tracing::warn!(%error, "the local socket cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Whoever comes now is told that nobody listens.
        let _ = fs::remove_file(&self.file);
        drop(self.listener);
        let finish = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::DRAIN_TIMEOUT, finish).await.is_err() {
            tracing::warn!("an operation on the local socket was not finished");
        }
    }
}

/// The kernel says who calls: this user or root.
fn is_allowed(stream: &UnixStream) -> bool {
    let me = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == me || peer.uid() == 0)
}

async fn answer_connection(stream: UnixStream, api: Arc<AdminApi>, signal: ShutdownSignal) {
    let service = service_fn(|request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(answer(request, &api).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = signal.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection on the local socket ended early");
    }
}

async fn answer(request: Request<Incoming>, api: &AdminApi) -> Response<Full<Bytes>> {
    let Some(name) = request.uri().path().strip_prefix(PATH_PREFIX).map(str::to_owned) else {
        return refused(&OperationError::not_found("there is nothing at this path"));
    };
    if request.method() != Method::POST {
        let mut response = refused(&OperationError::invalid("operations are asked for by POST"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let body = Limited::new(request.into_body(), limits::ADMIN_BODY_BYTES_MAX).collect();
    let body = match tokio::time::timeout(limits::REQUEST_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => return refused(&OperationError::invalid("the body is too long or did not arrive")),
    };
    match api.answer(&name, &body).await {
        Ok(outcome) => {
            tracing::info!(operation = name, "an administrator's operation was performed");
            response(StatusCode::OK, outcome)
        }
        Err(error) => {
            tracing::info!(operation = name, error = %error, "an administrator's operation was refused");
            refused(&error)
        }
    }
}

fn refused(error: &OperationError) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(status, serde_json::to_vec(error).unwrap_or_default());
    if error.error == ErrorKind::TemporarilyUnavailable {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
