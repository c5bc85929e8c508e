//! A client that blocks, for the single requests of preparation: discovery, first tokens, key sets.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};
use rustls::{ClientConnection, StreamOwned};

use crate::connection::Endpoint;
use crate::limits::{RESPONSE_BYTES_MAX, SINGLE_REQUEST_TIME_MAX};
use crate::requests::Request;
use crate::response::{self, Response};

/// An answer that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Name and value of each field, in order.
    pub fields: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The content as JSON.
    ///
    /// # Errors
    ///
    /// The content is not JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("read as JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// This answer, or an error that shows it unless its status is 200.
    ///
    /// # Errors
    ///
    /// The status is another one.
    pub fn ok(self) -> Result<Self> {
        if self.status != 200 {
            bail!("answered {} {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(self)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Sends one request over a connection of its own and waits for the answer.
///
/// # Errors
///
/// The server cannot be reached, or what it says is not a response.
pub fn fetch(endpoint: &Endpoint, request: &Request<'_>) -> Result<Answer> {
    let (socket, tls) = endpoint.connect()?;
    socket.set_read_timeout(Some(SINGLE_REQUEST_TIME_MAX)).context("set a time limit")?;
    let mut stream = match tls {
        None => Stream::Plain(socket),
        Some(tls) => Stream::Tls(Box::new(StreamOwned::new(tls, socket))),
    };
    let mut bytes = Vec::new();
    request.encode_into(&mut bytes);
    let context = || format!("{} {} at {}", request.method, request.path, endpoint.address());
    stream.write_all(&bytes).with_context(context)?;
    let mut received = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).with_context(context)?;
        if length == 0 {
            bail!("{}: the server closed the connection after {} bytes", context(), received.len());
        }
        received.extend_from_slice(&piece[..length]);
        if received.len() > 2 * RESPONSE_BYTES_MAX {
            bail!("{}: the answer is too long", context());
        }
        if let Some(response) = response::parse(&received).with_context(context)? {
            return Ok(Answer::from(&response));
        }
    }
}

impl From<&Response<'_>> for Answer {
    fn from(response: &Response<'_>) -> Self {
        Self {
            status: response.status,
            fields: response::fields(response.head),
            body: response.body.to_vec(),
        }
    }
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}
