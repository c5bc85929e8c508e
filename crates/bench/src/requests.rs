//! Requests as the bytes that go over the wire, built before the clock runs.

use std::ops::Range;

/// One request: everything between the connection and the server's answer (RFC 9112 §3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method, `GET` or `POST`.
    pub method: &'a str,
    /// The request target, a path with an optional query.
    pub path: &'a str,
    /// The value of `Host`.
    pub host: &'a str,
    /// The value of `Authorization`, if the request carries credentials (RFC 9110 §11.6.2).
    pub authorization: Option<&'a str>,
    /// The value of `Cookie`, as a browser sends it (RFC 6265 §5.4).
    pub cookie: Option<&'a str>,
    /// The form, sent as `application/x-www-form-urlencoded`; absent for `GET`.
    pub form: Option<&'a str>,
}

impl Request<'_> {
    /// Appends the bytes of this request to `bytes`.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        let mut line = |parts: &[&str]| {
            for part in parts {
                bytes.extend_from_slice(part.as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
        };
        line(&[self.method, " ", self.path, " HTTP/1.1"]);
        line(&["Host: ", self.host]);
        line(&["Accept: application/json"]);
        if let Some(authorization) = self.authorization {
            line(&["Authorization: ", authorization]);
        }
        if let Some(cookie) = self.cookie {
            line(&["Cookie: ", cookie]);
        }
        if let Some(form) = self.form {
            line(&["Content-Type: application/x-www-form-urlencoded"]);
            line(&["Content-Length: ", &form.len().to_string()]);
        }
        line(&[]);
        bytes.extend_from_slice(self.form.unwrap_or_default().as_bytes());
    }
}

/// The value of `Authorization` for `client_secret_basic` (RFC 6749 §2.3.1).
pub fn basic(client_id: &str, client_secret: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let pair = format!("{}:{}", form_encode(client_id), form_encode(client_secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// `text` as a value of a form (WHATWG URL, `application/x-www-form-urlencoded`).
pub fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Many requests in one piece of memory, in the order in which they are sent.
///
/// The generator walks over them from front to back, so that the processor can fetch the next one early; the
/// server sees them in shuffled order because they were shuffled when the set was built.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Requests {
    /// A set with the one request that `write` appends.
    pub fn one(request: &Request<'_>) -> Self {
        let mut requests = Self::default();
        requests.push(request);
        requests
    }

    /// Appends a request.
    pub fn push(&mut self, request: &Request<'_>) {
        request.encode_into(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of one request; the index wraps around.
    pub fn at(&self, index: usize) -> &[u8] {
        let index = index % self.ends.len();
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// The requests in an order that depends on `seed` alone.
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        self.select(order)
    }

    /// The requests of a range, for rounds that may send each request only once.
    #[must_use]
    pub fn range(&self, range: Range<usize>) -> Self {
        self.select(range)
    }

    fn select(&self, order: impl IntoIterator<Item = usize>) -> Self {
        let mut selected = Self::default();
        for index in order {
            selected.bytes.extend_from_slice(self.at(index));
            selected.ends.push(selected.bytes.len());
        }
        selected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Requests {
        let mut requests = Requests::default();
        for number in 0..count {
            let form = format!("token={number}");
            requests.push(&Request {
                method: "POST",
                path: "/oauth2/introspect",
                host: "localhost",
                authorization: Some("Basic eDp5"),
                cookie: None,
                form: Some(&form),
            });
        }
        requests
    }

    #[test]
    fn a_request_is_written_as_the_wire_wants_it() {
        let expected = "POST /oauth2/introspect HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\
             Authorization: Basic eDp5\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\n\
             token=0";
        assert_eq!(String::from_utf8_lossy(numbered(1).at(0)), expected);
        let get =
            Request { method: "GET", path: "/x", host: "h", authorization: None, cookie: None, form: None };
        assert_eq!(
            Requests::one(&get).at(7),
            b"GET /x HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n"
        );
    }

    #[test]
    fn shuffling_keeps_every_request_and_depends_on_the_seed_alone() {
        let requests = numbered(500);
        let sorted = |requests: &Requests| {
            let mut all: Vec<Vec<u8>> =
                (0..requests.len()).map(|index| requests.at(index).to_vec()).collect();
            all.sort();
            all
        };
        let shuffled = requests.shuffled(7);
        assert_eq!(sorted(&shuffled), sorted(&requests));
        assert_ne!(shuffled.bytes, requests.bytes);
        assert_eq!(shuffled.bytes, requests.shuffled(7).bytes);
        assert_ne!(shuffled.bytes, requests.shuffled(8).bytes);
    }

    #[test]
    fn a_range_holds_its_requests_and_no_others() {
        let requests = numbered(10);
        let range = requests.range(3..5);
        assert_eq!(range.len(), 2);
        assert_eq!(range.at(0), requests.at(3));
        assert_eq!(range.at(1), requests.at(4));
        assert_eq!(range.at(2), requests.at(3));
    }

    #[test]
    fn credentials_are_form_encoded_before_they_become_basic() {
        assert_eq!(form_encode("a b:c/é~"), "a+b%3Ac%2F%C3%A9%7E");
        assert_eq!(basic("client", "s3cret"), "Basic Y2xpZW50OnMzY3JldA==");
    }
}
