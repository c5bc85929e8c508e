//! A directory with a certificate, and clients that trust it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lydian_primitives::{Clock, SystemClock, Timestamp};
use lydian_server::listener::ListenerSettings;
use lydian_server::tls::{TlsError, TlsFiles, TlsReloader, TlsVersions, ensure_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::*;

/// A self-signed certificate in a directory of its own.
pub(crate) struct Tls {
    directory: TempDir,
    pub(crate) made_at: Timestamp,
}

/// A clock that stands still.
#[derive(Debug)]
struct Standing(Timestamp);

impl TimeProvider for Standing {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.as_unix_seconds())))
    }
}

impl Tls {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let tls = Self { directory, made_at: SystemClock.now() };
        assert!(tls.ensure(tls.made_at).expect("new files"));
        tls
    }

    pub(crate) fn ensure(&self, now: Timestamp) -> Result<bool, TlsError> {
        ensure_self_signed(&self.directory(), &["auth.example", "192.0.2.7", "no host_name"], now)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().join("tls")
    }

    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles::in_directory(&self.directory())
    }

    pub(crate) fn certificate(&self) -> String {
        self.files().certificate.display().to_string()
    }

    /// So many days after the certificate was made.
    pub(crate) fn day(&self, day: u64) -> Timestamp {
        Timestamp::from_unix_seconds(self.made_at.as_unix_seconds() + day * 86_400)
    }

    pub(crate) fn reloader(&self) -> TlsReloader {
        TlsReloader::load(self.files(), TlsVersions::default()).expect("a certificate with its key")
    }

    /// Starts a listener that serves with the certificate.
    pub(crate) fn start(&self, change: impl FnOnce(&mut ListenerSettings)) -> Server {
        start(|settings| {
            settings.tls = Some(self.reloader());
            change(settings);
        })
    }

    /// A client that trusts the certificate in the file and nothing else.
    pub(crate) fn connector(
        &self,
        alpn: &[&[u8]],
        version: &'static SupportedProtocolVersion,
        now: Option<Timestamp>,
    ) -> TlsConnector {
        let pem = fs::read(self.files().certificate).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).expect("PEM")).expect("a root of trust");
        let provider = Arc::new(default_provider());
        let builder = match now {
            None => ClientConfig::builder_with_provider(provider),
            Some(now) => ClientConfig::builder_with_details(provider, Arc::new(Standing(now))),
        };
        let mut config = builder
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    pub(crate) async fn connect(
        &self,
        server: &Server,
        alpn: &[&[u8]],
    ) -> io::Result<Client<TlsStream<TcpStream>>> {
        self.connect_with(server, alpn, &TLS13).await
    }

    pub(crate) async fn connect_with(
        &self,
        server: &Server,
        alpn: &[&[u8]],
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Client<TlsStream<TcpStream>>> {
        self.connect_to(server, "localhost", alpn, version).await
    }

    pub(crate) async fn connect_to(
        &self,
        server: &Server,
        name: &str,
        alpn: &[&[u8]],
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Client<TlsStream<TcpStream>>> {
        handshake(server, name, self.connector(alpn, version, None)).await
    }

    /// Connects with a client whose clock shows this time.
    pub(crate) async fn connect_at(
        &self,
        server: &Server,
        now: Timestamp,
    ) -> io::Result<Client<TlsStream<TcpStream>>> {
        handshake(server, "localhost", self.connector(&[], &TLS13, Some(now))).await
    }
}

async fn handshake(
    server: &Server,
    name: &str,
    connector: TlsConnector,
) -> io::Result<Client<TlsStream<TcpStream>>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let stream = TcpStream::connect(server.address).await?;
    within(connector.connect(name, stream)).await.map(Client)
}
