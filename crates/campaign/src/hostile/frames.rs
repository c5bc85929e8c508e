//! HTTP/2 frames by hand (RFC 9113 §4.1), with fields that need no encoder (RFC 7541 §6).

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame that was received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

/// The bytes of a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is smaller than 16 MiB");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of a request: `GET` or `POST`, https, path, authority.
pub(super) fn request_fields(method_is_post: bool, path: &str) -> Vec<u8> {
    let method = if method_is_post { 0x83 } else { 0x82 };
    let (scheme_https, path_literal, authority_literal) = (0x87, 0x04, 0x01);
    let mut fields = vec![method, scheme_https];
    for (name, value) in [(path_literal, path), (authority_literal, "localhost")] {
        fields.push(name);
        fields.push(u8::try_from(value.len()).expect("short values only"));
        fields.extend(value.as_bytes());
    }
    // content-type is entry 31 of the static table: one byte of prefix, and 16 more.
    let form = "application/x-www-form-urlencoded";
    fields.extend([0x0f, 0x10, form.len() as u8]);
    fields.extend(form.as_bytes());
    fields
}

/// A string of this many bytes as HPACK writes it (RFC 7541 §5.2).
pub(super) fn long_string(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x7f];
    let mut rest = length.checked_sub(127).expect("a long string");
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

/// Reads one frame.
///
/// # Errors
///
/// When the connection ends.
pub(super) async fn read_frame(reading: &mut (impl AsyncRead + Unpin)) -> Result<Received> {
    let mut head = [0; 9];
    reading.read_exact(&mut head).await.context("read a frame")?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    reading.read_exact(&mut payload).await.context("read a frame")?;
    Ok(Received { kind: head[3], payload })
}
