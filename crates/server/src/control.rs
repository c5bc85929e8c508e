//! How commands reach a server: through the local socket of one that runs, or in process on the directory of one that is stopped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lydian_admin_api::{AdminApi, Host, Operation, OperationError, PATH_PREFIX, SnapshotFacts};
use lydian_primitives::{Clock, SystemClock, SystemEntropy};
use lydian_service::Settings;
use lydian_service::administration::examination::Finding;
use lydian_service::mail::Letter;
use lydian_storage::Unavailable;
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::backup;
use crate::control_socket::SocketAddress;
use crate::data_directory::{DataDirectory, DataDirectoryError, private_place};
use crate::examination;
use crate::offline::{OpenStore, OpenStoreError};
use crate::tls::TlsFiles;

/// What a command does about a data directory that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is made, as a first start would.
    Make,
    /// It is made somewhere else, and is gone when the command ends: the command only looks what would happen.
    Pretend,
    /// The command is refused.
    Refuse,
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub enum ControlError {
    /// There is no data directory.
    Absent(PathBuf),
    /// A server has the directory and does not answer.
    DoesNotAnswer(PathBuf),
    /// The socket belongs to somebody else.
    ForeignServer(PathBuf),
    /// The connection broke. Whether the operation was performed is not known.
    Lost(String),
    /// The operation was refused.
    Refused(OperationError),
    /// The directory of the stopped server cannot be opened.
    Store(OpenStoreError),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(path) => {
                write!(f, "{}: there is no data directory here; name it with --data-dir", path.display())
            }
            Self::DoesNotAnswer(path) => write!(
                f,
                "{}: a process uses this data directory and its local socket does not answer; it starts or stops: try again, or look at its log",
                path.display()
            ),
            Self::ForeignServer(path) => write!(
                f,
                "{}: the process behind the local socket belongs to another user; run this command as the user of the server",
                path.display()
            ),
            Self::Lost(what) => write!(
                f,
                "the connection to the server broke ({what}): whether it was done is not known; look, and try again"
            ),
            Self::Refused(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}

/// A server that operations can be asked of.
pub enum Control {
    /// It runs: asked through its local socket.
    Running(RunningServer),
    /// It is stopped: its directory is open in this process.
    Stopped(Box<StoppedServer>),
}

/// A running server, by its local socket.
pub struct RunningServer {
    directory: PathBuf,
}

/// A stopped server, open in this process.
pub struct StoppedServer {
    store: OpenStore,
    api: AdminApi,
    /// Where it lies if it is none: removed when this is dropped.
    pretended: Option<TempDir>,
}

/// The process of a command: nothing runs around the service.
struct CommandHost(PathBuf);

impl Host for CommandHost {
    fn data_directory(&self) -> &Path {
        &self.0
    }

    fn examine(&self) -> Vec<Finding> {
        let own = TlsFiles::in_directory(&self.0.join("tls"));
        let certificate = own.certificate.exists().then_some(&own);
        examination::examine(&self.0, certificate, SystemClock.now())
    }

    fn send_test_mail(
        &self,
        _letter: Letter,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async { Err("the server is stopped: start it, and try again".to_owned()) })
    }

    fn snapshot(&self) -> Pin<Box<dyn Future<Output = Result<SnapshotFacts, String>> + Send + '_>> {
        let directory = self.0.clone();
        // It reads the whole database: not on a thread that answers.
        let taken = tokio::task::spawn_blocking(move || backup::take_snapshot(&directory, &SystemEntropy));
        Box::pin(async { taken.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string()) })
    }
}

impl Control {
    /// Finds the server of this data directory.
    ///
    /// # Errors
    ///
    /// [`ControlError`] by cause; the text says what to do.
    pub async fn open(directory: &Path, absent: Absent) -> Result<Self, ControlError> {
        let is_absent = !directory.join("lydian.db").exists();
        if absent == Absent::Refuse && is_absent {
            return Err(ControlError::Absent(directory.to_owned()));
        }
        if connect(directory).await?.is_some() {
            return Ok(Self::Running(RunningServer { directory: directory.to_owned() }));
        }
        let pretended = if absent == Absent::Pretend && is_absent { Some(pretend(directory)?) } else { None };
        let settings = |issuer: Option<String>| {
            Settings::with_issuer(issuer.unwrap_or_else(|| "https://localhost:9443".to_owned()))
        };
        let directory = pretended.as_ref().map_or(directory, TempDir::path);
        match OpenStore::open(directory, settings).await {
            Ok(store) => {
                let host = CommandHost(store.directory.path().to_owned());
                let api = AdminApi::new(Arc::clone(&store.service), Arc::new(host));
                Ok(Self::Stopped(Box::new(StoppedServer { store, api, pretended })))
            }
            Err(OpenStoreError::DataDirectory(DataDirectoryError::InUse(path))) => {
                Err(ControlError::DoesNotAnswer(path))
            }
            Err(error) => Err(ControlError::Store(error)),
        }
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Performs an operation.
    ///
    /// # Errors
    ///
    /// [`ControlError::Refused`] and [`ControlError::Lost`].
    pub async fn perform<O: Operation>(&self, operation: O) -> Result<O::Outcome, ControlError> {
        match self {
            Self::Running(server) => server.perform(operation).await,
            Self::Stopped(server) => operation.perform(&server.api).await.map_err(ControlError::Refused),
        }
    }

    /// Finishes: what was written to a stopped server's store is durable after it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the last writes are not durable.
    pub async fn close(self) -> Result<(), Unavailable> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Stopped(server) => {
                let StoppedServer { store, api, pretended } = *server;
                drop(api);
                let closed = store.close().await;
                // Only now nothing writes there any more.
                drop(pretended);
                closed
            }
        }
    }
}

/// A place for a data directory that is not to be made, once it is sure that it could be.
fn pretend(directory: &Path) -> Result<TempDir, ControlError> {
    let refuse = |error| ControlError::Store(OpenStoreError::DataDirectory(error));
    DataDirectory::check_absent(directory).map_err(refuse)?;
    private_place().map_err(|source| refuse(DataDirectoryError::Io { path: std::env::temp_dir(), source }))
}

/// A connection to the server of this directory; `None` when none listens.
async fn connect(directory: &Path) -> Result<Option<UnixStream>, ControlError> {
    let Ok(address) = SocketAddress::in_directory(directory) else {
        return Ok(None);
    };
    match UnixStream::connect(&address.path).await {
        Ok(stream) => {
            let me = rustix::process::geteuid();
            let peer = stream.peer_cred().map_err(|error| ControlError::Lost(error.to_string()))?;
            // What is sent may be secret: root may talk to any server, everybody else to their own.
            if !me.is_root() && peer.uid() != me.as_raw() {
                return Err(ControlError::ForeignServer(directory.to_owned()));
            }
            Ok(Some(stream))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(ControlError::Lost(error.to_string())),
    }
}

impl RunningServer {
    async fn perform<O: Operation>(&self, operation: O) -> Result<O::Outcome, ControlError> {
        let lost = |error: &dyn fmt::Display| ControlError::Lost(error.to_string());
        let stream = connect(&self.directory)
            .await?
            .ok_or_else(|| ControlError::DoesNotAnswer(self.directory.clone()))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        let connection = tokio::spawn(connection);
        let body = serde_json::to_vec(&operation).expect("parameters are made of strings, numbers and lists");
        let request = Request::post(format!("{PATH_PREFIX}{}", O::NAME))
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("the parts of the request are well-formed");
        let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| lost(&error))?.to_bytes();
        drop(sender);
        // The answer is there; how the connection ends changes nothing.
        let _ = connection.await;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| not_understood());
        }
        Err(ControlError::Refused(serde_json::from_slice(&body).map_err(|_| not_understood())?))
    }
}

fn not_understood() -> ControlError {
    ControlError::Lost("its answer was not understood; are server and command of one version?".to_owned())
}
