//! A small HTTP/1.1 client: it sends exactly what a test says, and checks what every answer must have.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// A request, as a test builds it.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    form_type: bool,
    source: Ipv4Addr,
}

impl Request {
    /// A POST of a form to this path.
    pub fn post(path: &str) -> Self {
        Self {
            method: "POST".to_owned(),
            path: path.to_owned(),
            host: "localhost".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            form_type: true,
            source: Ipv4Addr::LOCALHOST,
        }
    }

    /// A request without a body.
    pub fn of(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), form_type: false, ..Self::post(path) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names another host than `localhost`.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Comes from another address of this machine than 127.0.0.1.
    #[must_use]
    pub fn source(mut self, source: Ipv4Addr) -> Self {
        self.source = source;
        self
    }

    /// Authenticates by Basic; name and secret are form-encoded first (RFC 6749 §2.3.1).
    #[must_use]
    pub fn basic(self, client_id: &str, client_secret: &str) -> Self {
        let pair = format!("{}:{}", form_encode(client_id), form_encode(client_secret));
        self.header("authorization", &format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }

    /// Authenticates by Bearer.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a parameter to the form.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        if !self.body.is_empty() {
            self.body.push(b'&');
        }
        self.body.extend_from_slice(format!("{}={}", form_encode(name), form_encode(value)).as_bytes());
        self
    }

    /// Replaces the body by these bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends another type of body, or none when it is empty.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.form_type = false;
        if content_type.is_empty() { self } else { self.header("content-type", content_type) }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { method, path, host, .. } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        if self.form_type {
            head.push_str("content-type: application/x-www-form-urlencoded\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method != "GET" && self.method != "HEAD" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends the request on a connection of its own, and checks what every answer must have.
    pub async fn send(&self, address: SocketAddr) -> Reply {
        let reply = self.send_unchecked(address).await;
        reply.check(&self.path);
        reply
    }

    /// The same without the checks: pages for people have rules of their own.
    pub async fn send_unchecked(&self, address: SocketAddr) -> Reply {
        let socket = TcpSocket::new_v4().expect("a socket");
        if self.source != Ipv4Addr::LOCALHOST {
            socket.bind(SocketAddr::from((self.source, 0))).expect("an address of this machine");
        }
        let mut stream = socket.connect(address).await.expect("the server listens");
        // The server may answer and close before it has read everything: that is its right.
        let _ = stream.write_all(&self.bytes()).await;
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        Reply::parse(&received)
    }

    /// The path, with its query.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(received: &[u8]) -> Self {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("the answer has no head: {:?}", String::from_utf8_lossy(received));
        });
        let head = std::str::from_utf8(&received[..end]).expect("heads are ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.expect("an answer begins with its status"),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: received[end + 4..].to_vec(),
        }
    }

    /// All values of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers(name);
        assert!(values.len() <= 1, "{name} stands {} times", values.len());
        values.first().copied()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts status and error code; returns the reply for more.
    #[track_caller]
    pub fn refused(self, status: u16, error: &str) -> Self {
        assert_eq!((self.status, self.json()["error"].as_str()), (status, Some(error)), "{}", self.text());
        self
    }

    /// Asserts that this is the answer for a token that is not active, byte for byte.
    #[track_caller]
    pub fn inactive(&self) {
        assert_eq!((self.status, self.text().as_str()), (200, "{\"active\":false}"));
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// Asserts that this is an answer for an active token; returns its members.
    #[track_caller]
    pub fn active(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.text());
        let members = self.json();
        assert_eq!(members["active"], serde_json::Value::Bool(true), "{}", self.text());
        members
    }

    /// What every answer must have, whatever it says.
    #[track_caller]
    fn check(&self, path: &str) {
        const KNOWN: [&str; 29] = [
            "access-control-allow-headers",
            "access-control-allow-methods",
            "access-control-allow-origin",
            "access-control-expose-headers",
            "access-control-max-age",
            "allow",
            "cache-control",
            "connection",
            "content-encoding",
            "content-length",
            "content-security-policy",
            "content-type",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "date",
            "etag",
            "location",
            "permissions-policy",
            "pragma",
            "preference-applied",
            "referrer-policy",
            "retry-after",
            "set-cookie",
            "transfer-encoding",
            "vary",
            "www-authenticate",
            "x-accel-buffering",
            "x-content-type-options",
            "x-frame-options",
        ];
        for (name, _) in &self.headers {
            assert!(KNOWN.contains(&name.as_str()), "unexpected header {name}");
        }
        if self.status >= 500 && self.header("retry-after").is_none() {
            panic!("a server error: {} {}", self.status, self.text());
        }
        // What the transport refuses by itself never reaches an endpoint.
        if self.header("x-content-type-options").is_none() && [400, 408, 413, 414, 431].contains(&self.status)
        {
            return;
        }
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{path}");
        let travels = ["/oauth2/introspect", "/oauth2/token", "/oauth2/revoke"];
        // The answer to a browser's question holds nothing.
        let is_preflight = self.status == 204;
        if !is_preflight
            && travels.iter().any(|endpoint| path.split('?').next().unwrap_or_default().ends_with(endpoint))
        {
            assert_eq!(self.header("cache-control"), Some("no-store"), "{path}");
            assert_eq!(self.header("pragma"), Some("no-cache"), "{path}");
        }
        if self.is_page() {
            self.check_page(path);
        } else if self.status >= 400 {
            let error = self.json();
            assert!(error["error"].is_string(), "{}", self.text());
            let text = error["error_description"].as_str().unwrap_or_default();
            let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(text.bytes().all(allowed), "GEN-09: {text:?}");
            assert_eq!(self.header("content-type"), Some("application/json"));
        }
        for challenge in self.headers("www-authenticate") {
            check_challenge(challenge);
        }
    }
}

impl Reply {
    /// Whether this is a page for people.
    pub fn is_page(&self) -> bool {
        self.header("content-type") == Some("text/html; charset=utf-8")
    }

    /// What every page must have, whatever it says (S28).
    #[track_caller]
    fn check_page(&self, path: &str) {
        let policy = self.header("content-security-policy").unwrap_or_default();
        for directive in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(policy.contains("form-action 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(self.header("x-frame-options"), Some("DENY"), "{path}");
        let text = self.text();
        assert!(text.starts_with("<!doctype html>") && !text.contains("<style"), "{path}: {text}");
    }
}

/// A challenge is a scheme and quoted parameters, each once (RFC 9110 §11.6.1).
#[track_caller]
fn check_challenge(challenge: &str) {
    let (scheme, parameters) = challenge.split_once(' ').expect("a challenge has parameters");
    assert!(["Basic", "Bearer"].contains(&scheme), "{challenge}");
    let mut names = Vec::new();
    for parameter in parameters.split(", ") {
        let (name, value) = parameter.split_once('=').expect("a parameter has a value");
        assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{challenge}");
        assert!(!value[1..value.len() - 1].contains(['"', '\\']), "{challenge}");
        assert!(!names.contains(&name), "{challenge}");
        names.push(name);
    }
    assert!(names.contains(&"realm"), "{challenge}");
}

/// Encodes a name or value of a form.
pub fn form_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
