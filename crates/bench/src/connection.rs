//! One kept-alive connection to a server, plain or TLS, and the address it goes to.
//!
//! A connection is set up while nobody waits, by blocking calls, and is then driven by readiness. Each request
//! costs one write and usually one read: what the generator saves, it does not take from the measured server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::limits::{CONNECT_TIME_MAX, RESPONSE_BYTES_MAX};

/// Where a server listens and how it proves who it is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    address: SocketAddr,
    authority: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Endpoint {
    /// A server that speaks plain HTTP.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, authority: format!("localhost:{}", address.port()), tls: None }
    }

    /// A server that shows a certificate for `localhost` which leads to one in the file `roots`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no certificate that can be a root.
    pub fn tls(address: SocketAddr, roots: &Path) -> Result<Self> {
        let mut store = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(roots)
            .with_context(|| format!("read root certificates {}", roots.display()))?;
        for certificate in certificates {
            let certificate = certificate.with_context(|| format!("parse {}", roots.display()))?;
            store.add(certificate).with_context(|| format!("trust {}", roots.display()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").context("name the server")?;
        let tls = Some((Arc::new(config), name));
        Ok(Self { address, authority: format!("localhost:{}", address.port()), tls })
    }

    /// The value of `Host` for this server.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The address that connections go to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A TLS session that has not begun yet; `None` for plain HTTP.
    pub(crate) fn session(&self) -> Result<Option<ClientConnection>> {
        let Some((config, name)) = &self.tls else { return Ok(None) };
        ClientConnection::new(Arc::clone(config), name.clone()).context("begin TLS").map(Some)
    }

    /// A connection that is ready for requests, its handshake done, still blocking.
    pub(crate) fn connect(&self) -> Result<(TcpStream, Option<ClientConnection>)> {
        let context = || format!("connect to {}", self.address);
        let mut socket = TcpStream::connect_timeout(&self.address, CONNECT_TIME_MAX).with_context(context)?;
        socket.set_nodelay(true).with_context(context)?;
        socket.set_read_timeout(Some(CONNECT_TIME_MAX)).with_context(context)?;
        socket.set_write_timeout(Some(CONNECT_TIME_MAX)).with_context(context)?;
        let Some((config, name)) = &self.tls else {
            return Ok((socket, None));
        };
        let mut tls = ClientConnection::new(Arc::clone(config), name.clone()).with_context(context)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).with_context(|| format!("shake hands with {}", self.address))?;
        }
        Ok((socket, Some(tls)))
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing has arrived; readiness will tell.
    Blocked,
    /// The server has closed its side.
    Closed,
    /// The bytes received may hold more than before.
    Some,
}

/// A connection that never blocks.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: mio::net::TcpStream,
    tls: Option<Box<ClientConnection>>,
    received: Vec<u8>,
    filled: usize,
    unsent: Vec<u8>,
}

impl Connection {
    const READ_BYTES: usize = 16 * 1024;

    pub(crate) fn open(endpoint: &Endpoint) -> Result<Self> {
        let (socket, tls) = endpoint.connect()?;
        socket.set_nonblocking(true).context("make the connection non-blocking")?;
        Ok(Self {
            socket: mio::net::TcpStream::from_std(socket),
            tls: tls.map(Box::new),
            received: vec![0; Self::READ_BYTES],
            filled: 0,
            unsent: Vec::new(),
        })
    }

    /// Sends a request; what the socket does not take now goes with [`Self::flush`].
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(request)?;
            return self.flush();
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(request);
            return self.flush();
        }
        let mut rest = request;
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }

    /// Sends what an earlier write left over.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        loop {
            let written = match &mut self.tls {
                Some(tls) if tls.wants_write() => tls.write_tls(&mut self.socket),
                None if !self.unsent.is_empty() => self.socket.write(&self.unsent),
                _ => return Ok(()),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) if self.tls.is_none() => drop(self.unsent.drain(..written)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once from the socket.
    pub(crate) fn read(&mut self) -> io::Result<Reading> {
        let read = match &mut self.tls {
            Some(tls) => tls.read_tls(&mut self.socket),
            None => {
                make_room(&mut self.received, self.filled)?;
                self.socket.read(&mut self.received[self.filled..])
            }
        };
        let length = match read {
            Ok(0) => return Ok(Reading::Closed),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Reading::Blocked),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Reading::Some),
            Err(error) => return Err(error),
        };
        let Some(tls) = &mut self.tls else {
            self.filled += length;
            return Ok(Reading::Some);
        };
        tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        loop {
            make_room(&mut self.received, self.filled)?;
            match tls.reader().read(&mut self.received[self.filled..]) {
                Ok(0) => return Ok(Reading::Closed),
                Ok(length) => self.filled += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Reading::Some),
                Err(error) => return Err(error),
            }
        }
    }

    /// All bytes since the last response that was taken.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received[..self.filled]
    }

    /// Forgets the bytes received, all of which were one response.
    pub(crate) fn forget_received(&mut self) {
        self.filled = 0;
    }
}

/// Lets `received` grow when it is full, up to what one response may take.
fn make_room(received: &mut Vec<u8>, filled: usize) -> io::Result<()> {
    if filled < received.len() {
        return Ok(());
    }
    if received.len() > 2 * RESPONSE_BYTES_MAX {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "the response is longer than any that is measured",
        ));
    }
    received.resize(received.len() * 2, 0);
    Ok(())
}
