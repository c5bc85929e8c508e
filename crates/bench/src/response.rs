//! Reads an HTTP/1.1 response from the bytes that have arrived so far (RFC 9112 §6).
//!
//! The parser keeps no state: the caller hands over all bytes since the last response and is told whether they
//! hold a whole one. Responses that cannot be followed by another on the same connection are refused, because
//! a measurement over kept-alive connections would silently turn into one of reconnecting.

use std::borrow::Cow;
use std::fmt;

use crate::limits::{CHUNKS_MAX, RESPONSE_BYTES_MAX, RESPONSE_HEADERS_MAX};

/// A whole response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code (RFC 9110 §15).
    pub status: u16,
    /// Status line and fields as they came, the empty line included.
    pub head: &'a [u8],
    /// The content, with the chunked coding removed.
    pub body: Cow<'a, [u8]>,
    /// How many bytes the response took on the wire.
    pub length: usize,
    /// The server will close the connection (RFC 9112 §9.6).
    pub close: bool,
}

/// Why bytes are not a response that this generator accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A chunk size is not a number, or a chunk does not end where it says (RFC 9112 §7.1).
    Chunk,
    /// `Content-Length` is not a number, or two of them differ, or it stands beside a transfer coding.
    ContentLength,
    /// The head cannot be read.
    Head,
    /// An interim response, which no request of ours asks for.
    Interim,
    /// Neither `Content-Length` nor chunked: the body would end with the connection.
    NoLength,
    /// Longer than any answer that is measured.
    TooLong,
    /// A transfer coding other than chunked.
    TransferCoding,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Chunk => "the chunked coding is malformed",
            Self::ContentLength => "the content length is malformed",
            Self::Head => "the head is malformed",
            Self::Interim => "the response is an interim one",
            Self::NoLength => "the response does not say how long its body is",
            Self::TooLong => "the response is longer than any that is measured",
            Self::TransferCoding => "the transfer coding is not chunked",
        })
    }
}

impl std::error::Error for Malformed {}

/// The response at the start of `bytes`, or `None` while part of it is missing.
///
/// # Errors
///
/// [`Malformed`] says why the bytes will never become a response that can be measured.
pub fn parse(bytes: &[u8]) -> Result<Option<Response<'_>>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; RESPONSE_HEADERS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let head_length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > RESPONSE_BYTES_MAX => return Err(Malformed::TooLong),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed::Head),
    };
    let status = head.code.ok_or(Malformed::Head)?;
    if status < 200 {
        return Err(Malformed::Interim);
    }
    let framing = Framing::of(status, head.version, head.headers)?;
    let content = &bytes[head_length..];
    let (body, body_length) = match framing.body {
        Body::Length(length) if length > RESPONSE_BYTES_MAX => return Err(Malformed::TooLong),
        Body::Length(length) => match content.get(..length) {
            Some(body) => (Cow::Borrowed(body), length),
            None => return Ok(None),
        },
        Body::Chunked => match dechunk(content)? {
            Some((body, length)) => (Cow::Owned(body), length),
            None => return Ok(None),
        },
    };
    Ok(Some(Response {
        status,
        head: &bytes[..head_length],
        body,
        length: head_length + body_length,
        close: framing.close,
    }))
}

/// The fields of a head, name and value, in the order in which they came.
pub fn fields(head: &[u8]) -> Vec<(String, String)> {
    let mut fields = [httparse::EMPTY_HEADER; RESPONSE_HEADERS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    if response.parse(head).is_err() {
        return Vec::new();
    }
    let pair = |field: &httparse::Header<'_>| {
        (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned())
    };
    response.headers.iter().map(pair).collect()
}

enum Body {
    Length(usize),
    Chunked,
}

struct Framing {
    body: Body,
    close: bool,
}

impl Framing {
    fn of(status: u16, version: Option<u8>, fields: &[httparse::Header<'_>]) -> Result<Self, Malformed> {
        let mut length = None;
        let mut chunked = false;
        let mut close = version == Some(0);
        for field in fields {
            if field.name.eq_ignore_ascii_case("content-length") {
                let value = decimal(field.value).ok_or(Malformed::ContentLength)?;
                if length.is_some_and(|earlier| earlier != value) {
                    return Err(Malformed::ContentLength);
                }
                length = Some(value);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                if !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::TransferCoding);
                }
                chunked = true;
            } else if field.name.eq_ignore_ascii_case("connection") {
                close = field.value.eq_ignore_ascii_case(b"close");
            }
        }
        let body = match (length, chunked) {
            (Some(_), true) => return Err(Malformed::ContentLength),
            (None, true) => Body::Chunked,
            _ if status == 204 || status == 304 => Body::Length(0),
            (Some(length), false) => Body::Length(length),
            (None, false) => return Err(Malformed::NoLength),
        };
        Ok(Self { body, close })
    }
}

fn decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    digits.iter().try_fold(0_usize, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + usize::from(digit - b'0'))
    })
}

/// The body without its chunked coding, and how many bytes the coding took (RFC 9112 §7.1).
fn dechunk(content: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut body = Vec::new();
    let mut position = 0;
    for _ in 0..CHUNKS_MAX {
        let rest = &content[position..];
        let (size_length, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed::Chunk),
        };
        let size = usize::try_from(size).map_err(|_| Malformed::TooLong)?;
        if size > RESPONSE_BYTES_MAX || body.len() + size > RESPONSE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        position += size_length;
        if size == 0 {
            return Ok(trailer_length(&content[position..])?.map(|length| (body, position + length)));
        }
        let Some(chunk) = content.get(position..position + size) else {
            return Ok(None);
        };
        let Some(end) = content.get(position + size..position + size + 2) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(Malformed::Chunk);
        }
        body.extend_from_slice(chunk);
        position += size + 2;
    }
    Err(Malformed::TooLong)
}

/// How long the trailer section after the last chunk is, its empty line included (RFC 9112 §7.1.2).
fn trailer_length(content: &[u8]) -> Result<Option<usize>, Malformed> {
    if content.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    if content.len() > RESPONSE_BYTES_MAX {
        return Err(Malformed::TooLong);
    }
    Ok(memchr::memmem::find(content, b"\r\n\r\n").map(|position| position + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMPLE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"active\":true}";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\n{\"ac\r\nB\r\ntive\":true}\r\n0\r\n\r\n";
    const TRAILER: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\nServer-Timing: a\r\n\r\n";

    fn body(bytes: &[u8]) -> Vec<u8> {
        parse(bytes).unwrap().unwrap().body.into_owned()
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], expected: Malformed) {
        assert_eq!(parse(bytes), Err(expected));
    }

    #[test]
    fn a_whole_response_is_read() {
        let response = parse(SIMPLE).unwrap().unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(&*response.body, br#"{"active":true}"#);
        assert_eq!(response.length, SIMPLE.len());
        assert!(!response.close);
    }

    #[test]
    fn every_short_read_asks_for_more() {
        for whole in [SIMPLE, CHUNKED, TRAILER] {
            for length in 0..whole.len() {
                assert_eq!(parse(&whole[..length]), Ok(None), "after {length} bytes");
            }
            assert_eq!(parse(whole).unwrap().unwrap().length, whole.len());
        }
    }

    #[test]
    fn the_chunked_coding_is_removed() {
        assert_eq!(body(CHUNKED), br#"{"active":true}"#);
        assert_eq!(body(TRAILER), b"x");
    }

    #[test]
    fn bytes_after_the_response_are_not_part_of_it() {
        for whole in [SIMPLE, CHUNKED, TRAILER] {
            let mut bytes = whole.to_vec();
            bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            assert_eq!(parse(&bytes).unwrap().unwrap().length, whole.len());
        }
    }

    #[test]
    fn a_response_without_content_has_no_body() {
        let response = parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!((response.status, response.body.len()), (204, 0));
    }

    #[test]
    fn a_server_that_closes_is_believed() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().unwrap().close, expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_followed_by_another_response_is_refused() {
        check_refused(b"HTTP/1.1 200 OK\r\n\r\n", Malformed::NoLength);
        check_refused(b"HTTP/1.1 100 Continue\r\n\r\n", Malformed::Interim);
        check_refused(b"nonsense\r\n\r\n", Malformed::Head);
        check_refused(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Malformed::ContentLength);
        check_refused(b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", Malformed::ContentLength);
        check_refused(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            Malformed::ContentLength,
        );
        check_refused(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
            Malformed::ContentLength,
        );
        check_refused(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Malformed::TransferCoding);
        check_refused(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", Malformed::TooLong);
        check_refused(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", Malformed::Chunk);
        check_refused(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz", Malformed::Chunk);
        check_refused(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
            Malformed::TooLong,
        );
    }

    #[test]
    fn the_fields_of_a_head_are_listed_in_order() {
        let response = parse(SIMPLE).unwrap().unwrap();
        let names: Vec<String> = fields(response.head).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Content-Type", "Content-Length"]);
    }
}
