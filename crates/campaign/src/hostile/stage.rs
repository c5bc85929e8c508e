//! The server under attack, and how clients of all kinds reach it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{self, Server};

/// Longer than any answer takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// Attackers that share one address: fewer than the server allows one address.
const ATTACKERS_PER_ADDRESS: u32 = 250;
/// Where good clients come from.
pub(super) const GOOD_ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A server with the demo's fixtures, in a directory of its own.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) target: Arc<Target>,
    _directory: TempDir,
}

/// What a client needs to know of the server.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    operations: String,
    /// The Authorization header of the API.
    pub(super) api: String,
    /// The Authorization header of the application.
    app: String,
    /// An access token of the application for the API.
    pub(super) token: String,
}

impl Stage {
    /// Starts a server as it is delivered.
    ///
    /// # Errors
    ///
    /// When it does not become ready, or does not issue a token.
    pub(super) fn start() -> Result<Self> {
        Self::start_changed(Ok)
    }

    /// The same, with the command as the caller changes it.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub(super) fn start_changed(change: impl FnOnce(Command) -> Result<Command>) -> Result<Self> {
        let directory = tempfile::tempdir().context("make a directory")?;
        let data = directory.path().join("data");
        let command = server::command(&data, &["serve", "--demo", "--listen", "127.0.0.1:0"])?;
        let server = Server::start_command(change(command)?, &data, &directory.path().join("log"))?;
        let variables = variables(&data.join("demo.env"))?;
        let basic = |client: &str| -> Result<String> {
            let variable = |name: &str| {
                let name = format!("{client}_CLIENT_{name}");
                variables.get(&name).with_context(|| format!("demo.env has no {name}"))
            };
            Ok(format!("Basic {}", STANDARD.encode(format!("{}:{}", variable("ID")?, variable("SECRET")?))))
        };
        let certificate = data.join("tls/cert.pem");
        let mut target = Target {
            address: server.url.trim_start_matches("https://").parse().context("the server's address")?,
            http1: client_config(&certificate, b"http/1.1")?,
            http2: client_config(&certificate, b"h2")?,
            operations: server.operations()?,
            api: basic("API")?,
            app: basic("APP")?,
            token: String::new(),
        };
        target.token = Connection::open(&target)?.issue(&target)?;
        Ok(Self { server, target: Arc::new(target), _directory: directory })
    }
}

impl Target {
    /// A figure of the server's metrics.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or have no such figure.
    pub(super) fn metric(&self, name: &str) -> Result<u64> {
        let url = format!("{}/metrics", self.operations);
        let text = ureq::get(&url).call().context("ask for the metrics")?.body_mut().read_to_string()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.with_context(|| format!("there is no metric {name}"))?.parse().context("a metric is a number")
    }

    /// A whole request to introspect the token.
    pub(super) fn introspection(&self, token: &str) -> String {
        form_request("introspect", &self.api, &format!("token={token}"))
    }

    /// A TCP connection from this address; `buffer_bytes` makes its buffers small.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(super) async fn tcp(&self, from: Ipv4Addr, buffer_bytes: Option<u32>) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4().context("open a socket")?;
        if let Some(bytes) = buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(SocketAddrV4::new(from, 0).into()).context("take a source address")?;
        let stream = socket.connect(self.address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Speaks TLS on the connection, and HTTP/1.1 in it.
    ///
    /// # Errors
    ///
    /// When the handshake fails.
    pub(super) async fn speak_http1<S>(&self, stream: S) -> Result<TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::clone(&self.http1));
        connector.connect(server_name(), stream).await.context("shake hands")
    }

    /// Speaks TLS on the connection, and HTTP/2 in it.
    ///
    /// # Errors
    ///
    /// When the handshake fails.
    pub(super) async fn speak_http2<S>(&self, stream: S) -> Result<TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::clone(&self.http2));
        connector.connect(server_name(), stream).await.context("shake hands")
    }
}

/// The address from which the attacker with this number comes.
pub(super) fn attacker_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number / ATTACKERS_PER_ADDRESS)
}

/// A whole HTTP/1.1 request with a form.
fn form_request(endpoint: &str, authorization: &str, form: &str) -> String {
    format!(
        "POST /oauth2/{endpoint} HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// A client that asks and waits, on one connection.
pub(super) struct Connection(StreamOwned<ClientConnection, std::net::TcpStream>);

/// What a request was answered with.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Connection {
    /// Connects from the good address.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(super) fn open(target: &Target) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("open a socket")?;
        socket.bind(&SocketAddr::from((GOOD_ADDRESS, 0)).into())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_tcp_nodelay(true)?;
        socket.connect_timeout(&target.address.into(), PATIENCE).context("connect")?;
        let session = ClientConnection::new(Arc::clone(&target.http1), server_name())?;
        Ok(Self(StreamOwned::new(session, socket.into())))
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When the connection ends before, or nothing comes for long.
    pub(super) fn ask(&mut self, request: &str) -> Result<Answer> {
        self.0.write_all(request.as_bytes()).context("send a request")?;
        self.0.flush().context("send a request")?;
        let mut received = Vec::new();
        loop {
            if let Some(answer) = parse_answer(&received)? {
                return Ok(answer);
            }
            let mut piece = [0; 4096];
            let length = self.0.read(&mut piece).context("read the answer")?;
            if length == 0 {
                bail!("the connection ended before the answer");
            }
            received.extend_from_slice(&piece[..length]);
        }
    }

    /// Whether the server says that the token is good.
    ///
    /// # Errors
    ///
    /// When it says anything else than yes or no.
    pub(super) fn introspect(&mut self, target: &Target, token: &str) -> Result<bool> {
        let Answer { status, body } = self.ask(&target.introspection(token))?;
        let answer: Value = serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))?;
        answer["active"].as_bool().filter(|_| status == 200).with_context(|| format!("{status}: {body}"))
    }

    /// Gets a new token for the application.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub(super) fn issue(&mut self, target: &Target) -> Result<String> {
        let request = form_request("token", &target.app, "grant_type=client_credentials");
        let Answer { status, body } = self.ask(&request)?;
        let answer: Value = serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))?;
        let token = answer["access_token"].as_str().with_context(|| format!("{status}: {body}"))?;
        Ok(token.to_owned())
    }

    /// Revokes a token of the application.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub(super) fn revoke(&mut self, target: &Target, token: &str) -> Result<()> {
        let Answer { status, body } =
            self.ask(&form_request("revoke", &target.app, &format!("token={token}")))?;
        if status != 200 {
            bail!("revoke: {status}: {body}");
        }
        Ok(())
    }
}

/// The answer at the beginning of these bytes, if it is complete.
///
/// # Errors
///
/// When it is no answer.
pub(super) fn parse_answer(received: &[u8]) -> Result<Option<Answer>> {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end]).context("a head in ASCII")?.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status line")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(Ok(0), str::parse).context("a length")?;
    let body = &received[end + 4..];
    Ok((body.len() >= length)
        .then(|| Answer { status, body: String::from_utf8_lossy(&body[..length]).into_owned() }))
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("localhost is a name")
}

/// A client that trusts the server's own certificate and nothing else, and shakes hands in full each time.
fn client_config(certificate: &Path, protocol: &[u8]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).context("read the certificate")?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// The variables of a file that shells read.
fn variables(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).context("read demo.env")?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Ok(lines.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect())
}
