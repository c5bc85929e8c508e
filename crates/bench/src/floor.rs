//! What cannot be avoided: servers that answer without looking.
//!
//! The floor server is the product's own listener, with its accept loop, timers, limits and TLS, before a
//! responder that reads the whole body and returns bytes that it was given at the start. The durable floor makes
//! as many bytes durable before it answers. Both run as processes of their own, as the product does.

mod log;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use lydian_http::body::read_body;
use lydian_primitives::limits;
use lydian_server::listener::{
    self, AnswerBody, ConnectionInfo, ListenerMetrics, ListenerSettings, Responder, Shutdown,
};
use lydian_server::tls::{TlsFiles, TlsReloader, TlsVersions};
use serde::{Deserialize, Serialize};

use crate::client::Answer;
use crate::connection::Endpoint;
use crate::process::Server;

use self::log::Log;

/// Fields that the listener writes by itself.
const FIELDS_OF_THE_LISTENER: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];

/// The answer that a floor gives to everything, as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Constant {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

/// How a floor is started.
#[derive(Clone, Debug)]
pub struct FloorStart<'a> {
    /// The executable of the bench, which runs the floor as a subcommand.
    pub executable: &'a Path,
    /// What the floor is called in messages and file names.
    pub name: &'a str,
    /// Where its files go.
    pub directory: PathBuf,
    /// What it answers: an answer that the product gave.
    pub answer: &'a Answer,
    /// The directory of the product's certificate and key, where the product serves TLS.
    pub tls: Option<PathBuf>,
    /// Whether as many bytes as the body has are made durable before each answer.
    pub durable: bool,
    /// The core that it is pinned to.
    pub core: usize,
}

/// A running floor.
#[derive(Debug)]
pub struct Floor {
    server: Server,
    endpoint: Endpoint,
    body: Vec<u8>,
}

impl Floor {
    /// Starts a floor and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It cannot be started, or the answer is none that it can give.
    pub fn start(start: &FloorStart<'_>) -> Result<Self> {
        let directory = &start.directory;
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let constant = Constant {
            status: start.answer.status,
            fields: start
                .answer
                .fields
                .iter()
                .filter(|(name, _)| !FIELDS_OF_THE_LISTENER.contains(&name.to_ascii_lowercase().as_str()))
                .cloned()
                .collect(),
            body: String::from_utf8(start.answer.body.clone()).context("the body to copy is not text")?,
        };
        let answer = directory.join("answer.json");
        fs::write(&answer, serde_json::to_vec(&constant).context("write the answer to copy")?)
            .with_context(|| format!("write {}", answer.display()))?;
        let mut command = Command::new(start.executable);
        command.arg("floor-server").arg("--answer").arg(&answer);
        if let Some(tls) = &start.tls {
            command.arg("--tls").arg(tls);
        }
        if start.durable {
            command.arg("--durable").arg(directory.join("log"));
        }
        let server = Server::start(start.name, command, start.core, &directory.join("floor.log"))?;
        let address = server.ready().parse().with_context(|| format!("read where {} listens", start.name))?;
        let endpoint = match &start.tls {
            Some(tls) => Endpoint::tls(address, &TlsFiles::in_directory(tls).certificate)?,
            None => Endpoint::plain(address),
        };
        Ok(Self { server, endpoint, body: constant.body.into_bytes() })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The body of every answer.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// What `lydian-bench floor-server` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct FloorArguments {
    /// File with the answer to give
    #[arg(long)]
    answer: PathBuf,
    /// Directory with cert.pem and key.pem
    #[arg(long)]
    tls: Option<PathBuf>,
    /// File to which as many bytes as the body has are appended, and synced, before each answer
    #[arg(long)]
    durable: Option<PathBuf>,
}

/// Serves as a floor until the process is ended.
///
/// # Errors
///
/// A file cannot be read or made, or the listener fails.
pub fn serve(arguments: &FloorArguments) -> Result<()> {
    // The same flavour as the product's: as many threads as the process may use cores.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let responder = Constantly::load(arguments)?;
        let mut settings = ListenerSettings::default();
        if let Some(tls) = &arguments.tls {
            let files = TlsFiles::in_directory(tls);
            settings.tls =
                Some(TlsReloader::load(files, TlsVersions::default()).context("load the certificate")?);
        }
        let sockets = listener::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).context("listen")?;
        let [socket] = sockets.as_slice() else { bail!("one socket was asked for") };
        println!("ready: {}", socket.local_addr().context("read the address")?);
        let (_never_signalled, signal) = Shutdown::new();
        listener::serve(sockets, settings, Arc::new(responder), signal, Arc::<ListenerMetrics>::default())
            .await
            .context("serve")?;
        Ok(())
    })
}

/// Gives one answer to everything.
struct Constantly {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
    log: Option<Log>,
}

impl Constantly {
    fn load(arguments: &FloorArguments) -> Result<Self> {
        let context = || format!("read the answer in {}", arguments.answer.display());
        let text = fs::read(&arguments.answer).with_context(context)?;
        let constant: Constant = serde_json::from_slice(&text).with_context(context)?;
        let mut fields = HeaderMap::with_capacity(constant.fields.len());
        for (name, value) in &constant.fields {
            let name = HeaderName::try_from(name.as_str()).with_context(context)?;
            fields.append(name, HeaderValue::try_from(value.as_str()).with_context(context)?);
        }
        let log =
            arguments.durable.as_ref().map(|path| Log::create(path, constant.body.len())).transpose()?;
        let status = StatusCode::from_u16(constant.status).with_context(context)?;
        Ok(Self { status, fields, body: Bytes::from(constant.body), log })
    }

    fn answer(&self) -> Response<AnswerBody> {
        let mut response = Response::new(AnswerBody::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields.clone();
        response
    }
}

impl Responder for Constantly {
    async fn respond(
        &self,
        request: Request<Incoming>,
        _connection: &ConnectionInfo,
    ) -> Response<AnswerBody> {
        let body = read_body(request.into_body(), limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await;
        let durable = match &self.log {
            Some(log) => log.append().await.is_ok(),
            None => true,
        };
        if body.is_err() || !durable {
            let mut response = Response::new(AnswerBody::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return response;
        }
        self.answer()
    }
}
