//! HTTP/2 frames that are no request: counted, so that they end in GOAWAY where h2 would serve them without end.
//!
//! h2 limits resets, CONTINUATION and small DATA frames on its own. It answers each SETTINGS and PING, and takes each WINDOW_UPDATE,
//! PRIORITY and frame of an unknown type, as fast as they come. Here a connection has an allowance of such frames, and a new request
//! restores some of it: a client that asks never runs out, one that only sends frames does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// Frames that a new request restores: more than any client sends beside one.
const RESTORED_BY_REQUEST: u32 = 16;
/// The client's first bytes (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The length of a frame's head (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// An HTTP/2 transport whose incoming frames are counted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    socket: S,
    activity: Arc<Activity>,
    meter: Meter,
    is_exhausted: bool,
}

/// Where the next frame begins, and what is left of the allowance.
#[derive(Clone, Debug)]
struct Meter {
    /// Bytes before the next head: the rest of the preface or of a payload.
    skip: usize,
    head: [u8; HEAD_BYTES],
    head_length: usize,
    allowance_max: u32,
    allowance: u32,
    newest_stream: u32,
}

impl<S> Metered<S> {
    /// Counts from the preface on.
    pub(super) fn new(socket: S, activity: Arc<Activity>, allowance_max: u32) -> Self {
        Self { socket, activity, meter: Meter::new(allowance_max), is_exhausted: false }
    }

    /// The frame that ends a connection whose allowance is used up. It names the newest stream: whatever was asked may have happened.
    pub(super) fn goaway(&self) -> [u8; 17] {
        let mut frame = [0; 17];
        (frame[2], frame[3]) = (8, GOAWAY);
        frame[9..13].copy_from_slice(&self.meter.newest_stream.to_be_bytes());
        frame[13..].copy_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
        frame
    }

    pub(super) fn into_inner(self) -> S {
        self.socket
    }
}

impl Meter {
    fn new(allowance_max: u32) -> Self {
        Self {
            skip: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_length: 0,
            allowance_max,
            allowance: allowance_max,
            newest_stream: 0,
        }
    }

    /// Counts the frames that begin in these bytes; whether the allowance has sufficed.
    fn count(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (HEAD_BYTES - self.head_length).min(bytes.len());
            if wanted == 0 {
                return true;
            }
            self.head[self.head_length..self.head_length + wanted].copy_from_slice(&bytes[..wanted]);
            self.head_length += wanted;
            bytes = &bytes[wanted..];
            if self.head_length == HEAD_BYTES {
                self.head_length = 0;
                if !self.count_frame() {
                    return false;
                }
            }
        }
    }

    fn count_frame(&mut self) -> bool {
        let [high, middle, low, kind, _flags, stream @ ..] = self.head;
        self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
        match kind {
            HEADERS => {
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                // Trailer fields are no new request.
                if stream > self.newest_stream {
                    self.newest_stream = stream;
                    self.allowance = (self.allowance + RESTORED_BY_REQUEST).min(self.allowance_max);
                }
            }
            // See the module: h2 has limits for these.
            CONTINUATION | DATA | RST_STREAM => {}
            _ => match self.allowance.checked_sub(1) {
                Some(rest) => self.allowance = rest,
                None => return false,
            },
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // h2 may try once more before the note below is looked at; what it got then would begin within a frame.
        if self.is_exhausted {
            return Poll::Pending;
        }
        let filled_before = buffer.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(context, buffer);
        if !matches!(outcome, Poll::Ready(Ok(()))) || self.meter.count(&buffer.filled()[filled_before..]) {
            return outcome;
        }
        // Whoever polls the connection looks at the note at once, so nobody needs to be woken.
        self.is_exhausted = true;
        self.activity.note_flood();
        buffer.set_filled(filled_before);
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, stream: u32, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0];
        frame.extend(stream.to_be_bytes());
        // A payload that looks like heads of frames.
        frame.extend(vec![PING; length.into()]);
        frame
    }

    /// What is left of an allowance of three after these frames; `None` if it did not suffice.
    fn left(frames: &[Vec<u8>]) -> Option<u32> {
        let bytes = [PREFACE, frames.concat().as_slice()].concat();
        let mut meter = Meter::new(3);
        let whole = meter.count(&bytes).then_some(meter.allowance);
        for split in 0..bytes.len() {
            let mut meter = Meter::new(3);
            let in_two = meter.count(&bytes[..split]) && meter.count(&bytes[split..]);
            assert_eq!(in_two.then_some(meter.allowance), whole, "split at {split}");
        }
        whole
    }

    #[test]
    fn r25_frames_that_are_no_request_use_the_allowance_up() {
        assert_eq!(left(&[]), Some(3));
        assert_eq!(left(&[frame(PING, 0, 8)]), Some(2));
        assert_eq!(left(&vec![frame(PING, 0, 8); 3]), Some(0));
        assert_eq!(left(&vec![frame(PING, 0, 8); 4]), None);
        for kind in [2, 4, 5, 6, 7, 8, 10, 0xff] {
            assert_eq!(left(&vec![frame(kind, 1, 4); 4]), None, "frames of type {kind}");
        }
    }

    #[test]
    fn r25_requests_and_their_bodies_use_nothing_up() {
        for kind in [DATA, HEADERS, RST_STREAM, CONTINUATION] {
            assert_eq!(left(&vec![frame(kind, 1, 40); 4]), Some(3), "frames of type {kind}");
        }
    }

    #[test]
    fn r25_only_a_new_request_restores_the_allowance_and_only_up_to_its_size() {
        let ping = frame(PING, 0, 8);
        let (first, second) = (frame(HEADERS, 1, 40), frame(HEADERS, 3, 40));
        assert_eq!(left(&[ping.clone(), ping.clone(), first.clone()]), Some(3));
        assert_eq!(left(&[first.clone(), ping.clone(), ping.clone(), first]), Some(1));
        assert_eq!(left(&[second, ping.clone(), frame(HEADERS, 1, 40)]), Some(2));
    }

    #[test]
    fn r25_nothing_is_read_after_the_allowance_is_used_up() {
        let flood = [PREFACE, frame(PING, 0, 8).repeat(4).as_slice()].concat();
        let mut metered = Metered::new(flood.as_slice(), Activity::new(), 3);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut bytes = [0; 90];
        for _ in 0..2 {
            let mut buffer = ReadBuf::new(&mut bytes);
            assert!(Pin::new(&mut metered).poll_read(&mut context, &mut buffer).is_pending());
            assert_eq!(buffer.filled(), b"");
            assert!(metered.activity.floods());
        }
        assert_eq!(metered.socket.len(), flood.len() - 90);
    }

    #[test]
    fn goaway_names_the_newest_stream() {
        let mut metered = Metered::new((), Activity::new(), 3);
        assert!(metered.meter.count(&[PREFACE, frame(HEADERS, 0x8000_0005, 1).as_slice()].concat()));
        assert_eq!(metered.goaway(), [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 11]);
    }
}
