//! The wire of the feed: a stream that is read as it comes, snapshots, leases.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lydian_revocation::feed::{
    Batch, FeedError, Frame, FrameReader, LeaseGrant, LeaseRequest, Propagation, SnapshotReader,
    StreamPosition,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::validator::Validator;
use crate::client::{Reply, Request, form_encode};
use crate::fixtures::Credentials;

/// The answer that was no success, or nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The connection broke.
    Broken,
    /// This status.
    Status(u16),
}

/// Speaks to the feed as one API.
#[derive(Clone, Debug)]
pub struct FeedClient {
    address: SocketAddr,
    base: String,
    client_id: String,
    client_secret: String,
}

impl FeedClient {
    /// A client of the default realm.
    pub fn new(address: SocketAddr, credentials: Credentials) -> Self {
        Self::of_realm(address, None, credentials.client_id, credentials.client_secret)
    }

    /// A client of a realm.
    pub fn of_realm(address: SocketAddr, realm: Option<&str>, client_id: &str, client_secret: &str) -> Self {
        let base = realm.map_or_else(String::new, |realm| format!("/t/{realm}")) + "/oauth2/revocations";
        Self { address, base, client_id: client_id.to_owned(), client_secret: client_secret.to_owned() }
    }

    /// The same by another way to the server.
    #[must_use]
    pub fn by(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// A request to the feed with the credentials.
    pub fn request(&self, method: &str, rest: &str) -> Request {
        Request::of(method, &format!("{}/{rest}", self.base)).basic(&self.client_id, &self.client_secret)
    }

    /// Sends a request.
    pub async fn send(&self, request: Request) -> Reply {
        request.send(self.address).await
    }

    /// Opens a stream after this position.
    ///
    /// # Errors
    ///
    /// [`Refused`] by cause.
    pub async fn stream(&self, since: Option<StreamPosition>) -> Result<FeedStream, Refused> {
        let query = since.map_or_else(String::new, |position| format!("?since={position}"));
        let pair = format!("{}:{}", form_encode(&self.client_id), form_encode(&self.client_secret));
        let head = format!(
            "GET {}/stream{query} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nauthorization: Basic {}\r\n\r\n",
            self.base,
            BASE64_STANDARD.encode(pair)
        );
        let stream = TcpStream::connect(self.address).await.map_err(|_| Refused::Broken)?;
        FeedStream::open(stream, &head).await
    }

    /// Loads a snapshot into a validator.
    ///
    /// # Errors
    ///
    /// [`Refused`] by cause.
    pub async fn load(&self, validator: &mut Validator) -> Result<(), Refused> {
        let reply = self.exchange("GET", "snapshot", "").await?;
        let mut reader = SnapshotReader::default();
        let mut events = Vec::new();
        reader.push(&reply, |event| events.push(event)).map_err(|_| Refused::Broken)?;
        let (header, digest) = reader.finish().map_err(|_| Refused::Broken)?;
        validator.load(header, &events, digest);
        Ok(())
    }

    /// Asks for a lease. The caller has read its boot clock before.
    ///
    /// # Errors
    ///
    /// [`Refused`] by cause.
    pub async fn lease(&self, request: &LeaseRequest) -> Result<LeaseGrant, Refused> {
        let body = self.exchange("POST", "lease", &request.to_json()).await?;
        LeaseGrant::parse(&body).map_err(|_| Refused::Broken)
    }

    /// Asks who has applied what.
    ///
    /// # Errors
    ///
    /// [`Refused`] by cause.
    pub async fn propagation(&self, seq: u64) -> Result<Propagation, Refused> {
        let body = self.exchange("GET", &format!("propagation?seq={seq}"), "").await?;
        Propagation::parse(&body).map_err(|_| Refused::Broken)
    }

    /// One request on a connection of its own; the body of its answer.
    async fn exchange(&self, method: &str, rest: &str, body: &str) -> Result<Vec<u8>, Refused> {
        let pair = format!("{}:{}", form_encode(&self.client_id), form_encode(&self.client_secret));
        let authorization = BASE64_STANDARD.encode(pair);
        let mut head = format!(
            "{method} {}/{rest} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Basic {authorization}\r\n",
            self.base
        );
        if method == "POST" {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        head.push_str(body);
        let mut stream = TcpStream::connect(self.address).await.map_err(|_| Refused::Broken)?;
        stream.write_all(head.as_bytes()).await.map_err(|_| Refused::Broken)?;
        let mut opened = Reading::begin(stream).await?;
        let mut whole = Vec::new();
        while let Some(piece) = opened.next_piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

/// A stream that is open.
pub struct FeedStream {
    reading: Reading,
    frames: FrameReader,
    waiting: std::collections::VecDeque<Frame>,
}

impl FeedStream {
    /// Sends a request head on a connection, and reads the head of the answer.
    ///
    /// # Errors
    ///
    /// [`Refused`] by cause.
    pub async fn open(
        stream: impl AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
        head: &str,
    ) -> Result<Self, Refused> {
        let mut stream = stream;
        stream.write_all(head.as_bytes()).await.map_err(|_| Refused::Broken)?;
        stream.flush().await.map_err(|_| Refused::Broken)?;
        let reading = Reading::begin(stream).await?;
        Ok(Self { reading, frames: FrameReader::default(), waiting: Default::default() })
    }

    /// The next message; `None` when the server ended the stream or the connection broke.
    ///
    /// # Panics
    ///
    /// When what comes is not what a server may send.
    pub async fn next(&mut self) -> Option<Batch> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                let batch = Batch::parse(&frame.data).unwrap_or_else(|error| {
                    panic!("{error}: {}", String::from_utf8_lossy(&frame.data));
                });
                let position = StreamPosition { epoch: batch.epoch, seq: batch.through.seq };
                assert_eq!(frame.id, position.to_string(), "the id says how far the message goes");
                return Some(batch);
            }
            let piece = self.reading.next_piece().await.ok()??;
            let waiting = &mut self.waiting;
            let pushed: Result<(), FeedError> = self.frames.push(&piece, |frame| waiting.push_back(frame));
            pushed.expect("the stream has frames of the right form");
        }
    }
}

/// An answer that is read as it comes.
struct Reading {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    received: Vec<u8>,
    chunked: bool,
    /// What is left of a body of known length.
    left: usize,
    ended: bool,
}

impl Reading {
    async fn begin(stream: impl AsyncRead + Send + Unpin + 'static) -> Result<Self, Refused> {
        let mut reading =
            Self { stream: Box::new(stream), received: Vec::new(), chunked: false, left: 0, ended: false };
        let end = loop {
            if let Some(end) = reading.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            reading.receive().await?;
        };
        let head = String::from_utf8_lossy(&reading.received[..end]).to_ascii_lowercase();
        reading.received.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(Refused::Broken)?;
        if status != 200 {
            return Err(Refused::Status(status));
        }
        reading.chunked = head.contains("transfer-encoding: chunked");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        reading.left = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        Ok(reading)
    }

    async fn receive(&mut self) -> Result<(), Refused> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => Err(Refused::Broken),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// The next bytes of the body; `None` at its proper end.
    async fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Refused> {
        if self.ended {
            return Ok(None);
        }
        if !self.chunked {
            while self.received.len() < self.left {
                self.receive().await?;
            }
            self.ended = true;
            return Ok(Some(self.received.drain(..self.left).collect()));
        }
        loop {
            if let Some(end) = self.received.windows(2).position(|window| window == b"\r\n") {
                let size = std::str::from_utf8(&self.received[..end]).map_err(|_| Refused::Broken)?;
                let size = usize::from_str_radix(size, 16).map_err(|_| Refused::Broken)?;
                if self.received.len() >= end + 2 + size + 2 {
                    let piece: Vec<u8> = self.received[end + 2..end + 2 + size].to_vec();
                    self.received.drain(..end + 2 + size + 2);
                    self.ended = size == 0;
                    return Ok((size > 0).then_some(piece));
                }
            }
            self.receive().await?;
        }
    }
}
