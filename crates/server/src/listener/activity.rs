//! What a connection is doing, as its timers see it.
//!
//! The socket wrapper and the request wrapper note each step in a few relaxed atomics; a timer that is armed
//! at most a few times per ten seconds looks at them. A request that is answered at once arms no timer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::ListenerSettings;

/// Milliseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millis(u64);

/// The step that a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// HTTP/1.1: no byte of a request came yet. Also the TLS handshake, which has its own timer.
    Fresh,
    /// HTTP/1.1: the last answer was sent whole.
    Idle,
    /// HTTP/1.1: a request's first byte came, its head is not yet complete.
    Head,
    /// HTTP/1.1: the responder has the request.
    Request,
    /// HTTP/1.1: the answer is being sent.
    Answer,
    /// HTTP/2, whatever its streams do.
    Streams,
}

/// A time that a connection has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Head,
    KeepAlive,
    /// No HTTP/2 stream came to its end, though each has its own limit.
    Streams,
    Write,
}

/// The timers of a connection, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    head: u64,
    pub(super) keep_alive: u64,
    streams: u64,
    write: u64,
}

/// The notes on one connection.
#[derive(Debug)]
pub(super) struct Activity {
    /// The phase in the low three bits, above them the milliseconds at which it began.
    phase_since: AtomicU64,
    /// When the socket first took no more bytes; zero while it takes them.
    stalled_since: AtomicU64,
    /// HTTP/2 streams whose answer is not sent whole.
    streams: AtomicU32,
    peer_is_gone: AtomicBool,
    floods: AtomicBool,
}

/// An HTTP/2 stream, from its head until its answer was sent whole or it was reset.
#[derive(Debug)]
pub(super) struct Stream(Arc<Activity>);

/// A socket that notes what passes through it.
#[derive(Debug)]
pub(super) struct Watched {
    socket: TcpStream,
    activity: Arc<Activity>,
}

impl Millis {
    /// Far beyond the life of any connection.
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// The clock to measure with.
    pub(super) fn now() -> Self {
        Self::from(clock_gettime(ClockId::Monotonic))
    }

    /// The same clock, a few milliseconds late, for a fifth of the cost: for notes on each request.
    #[cfg(target_os = "linux")]
    fn recently() -> Self {
        Self::from(clock_gettime(ClockId::MonotonicCoarse))
    }

    #[cfg(not(target_os = "linux"))]
    fn recently() -> Self {
        Self::now()
    }

    pub(super) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration)))
    }

    /// The time from now until this; zero when it has passed.
    pub(super) fn remaining(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(Self::now().0))
    }
}

impl From<Timespec> for Millis {
    fn from(time: Timespec) -> Self {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        Self(seconds.wrapping_mul(1_000) + nanoseconds / 1_000_000)
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Timers {
    pub(super) fn new(settings: &ListenerSettings) -> Self {
        Self {
            head: whole_millis(settings.head_timeout),
            keep_alive: whole_millis(settings.keep_alive_timeout),
            // Each stream is answered within the first time and may then stall for the second.
            streams: whole_millis(settings.request_timeout + settings.write_stall_timeout),
            write: whole_millis(settings.write_stall_timeout),
        }
    }
}

impl Phase {
    const MASK: u64 = 0b111;

    fn of(word: u64) -> Self {
        match word & Self::MASK {
            0 => Self::Fresh,
            1 => Self::Idle,
            2 => Self::Head,
            3 => Self::Request,
            4 => Self::Answer,
            _ => Self::Streams,
        }
    }
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            phase_since: AtomicU64::new(word(Phase::Fresh, Millis::now())),
            stalled_since: AtomicU64::new(0),
            streams: AtomicU32::new(0),
            peer_is_gone: AtomicBool::new(false),
            floods: AtomicBool::new(false),
        })
    }

    /// HTTP/1.1 begins: the time for the first request runs from now, or that for its head.
    pub(super) fn begin_http1(&self, head_has_begun: bool) {
        self.enter(if head_has_begun { Phase::Head } else { Phase::Fresh }, Millis::now());
    }

    /// HTTP/2 begins.
    pub(super) fn begin_http2(&self) {
        self.enter(Phase::Streams, Millis::now());
    }

    /// HTTP/1.1: the head is complete and the responder is asked.
    #[inline]
    pub(super) fn begin_request(&self) {
        self.enter(Phase::Request, Millis(0));
    }

    /// HTTP/1.1: the responder has answered.
    #[inline]
    pub(super) fn begin_answer(&self) {
        self.enter(Phase::Answer, Millis(0));
    }

    /// HTTP/2: a stream's head is complete.
    pub(super) fn begin_stream(self: &Arc<Self>) -> Stream {
        if self.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            self.enter(Phase::Streams, Millis::recently());
        }
        Stream(Arc::clone(self))
    }

    /// Whether the connection can be told to close without a request being lost.
    ///
    /// hyper closes an HTTP/1.1 connection that reads a head as if it were idle, so that one is let alone
    /// until it has its answer; a connection on which no byte came may have its first request on the way.
    pub(super) fn can_close(&self) -> bool {
        matches!(self.phase().0, Phase::Idle | Phase::Streams)
    }

    /// Whether the client closed its end or the connection broke.
    pub(super) fn peer_is_gone(&self) -> bool {
        self.peer_is_gone.load(Ordering::Relaxed)
    }

    /// HTTP/2: the client has sent too many frames that are no request.
    pub(super) fn note_flood(&self) {
        self.floods.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::note_flood`] was called.
    pub(super) fn floods(&self) -> bool {
        self.floods.load(Ordering::Relaxed)
    }

    /// When the timers are to be looked at again at the latest.
    pub(super) fn check_at(&self, timers: &Timers) -> Millis {
        let (phase, since) = self.phase();
        let of_phase = match phase {
            Phase::Fresh | Phase::Idle => since.0.saturating_add(timers.keep_alive),
            Phase::Head => since.0.saturating_add(timers.head),
            Phase::Request | Phase::Answer => u64::MAX,
            // A stream can end on another core without a poll of the connection, so the shorter time counts.
            Phase::Streams => since.0.saturating_add(timers.keep_alive.min(timers.streams)),
        };
        Millis(of_phase).min(self.stall_ends_at(timers))
    }

    /// The time that is used up, if one is.
    pub(super) fn expired(&self, timers: &Timers, now: Millis) -> Option<Expired> {
        if self.stall_ends_at(timers) <= now {
            return Some(Expired::Write);
        }
        let (phase, since) = self.phase();
        let elapsed = now.0.saturating_sub(since.0);
        match phase {
            Phase::Fresh | Phase::Idle => (elapsed >= timers.keep_alive).then_some(Expired::KeepAlive),
            Phase::Head => (elapsed >= timers.head).then_some(Expired::Head),
            Phase::Request | Phase::Answer => None,
            Phase::Streams if self.streams.load(Ordering::Relaxed) == 0 => {
                (elapsed >= timers.keep_alive).then_some(Expired::KeepAlive)
            }
            Phase::Streams => (elapsed >= timers.streams).then_some(Expired::Streams),
        }
    }

    fn phase(&self) -> (Phase, Millis) {
        let word = self.phase_since.load(Ordering::Relaxed);
        (Phase::of(word), Millis(word >> 3))
    }

    fn stall_ends_at(&self, timers: &Timers) -> Millis {
        match self.stalled_since.load(Ordering::Relaxed) {
            0 => Millis::NEVER,
            since => Millis(since.saturating_add(timers.write)),
        }
    }

    #[inline]
    fn enter(&self, phase: Phase, now: Millis) {
        self.phase_since.store(word(phase, now), Ordering::Relaxed);
    }

    #[inline]
    fn note_read(&self) {
        if let Phase::Fresh | Phase::Idle = self.phase().0 {
            self.enter(Phase::Head, Millis::recently());
        }
    }

    /// All bytes that were to be written have left. hyper flushes after each answer, and a TLS stream flushes
    /// its socket only when it has no bytes of its own.
    #[inline]
    fn note_flushed(&self) {
        if self.phase().0 == Phase::Answer {
            self.enter(Phase::Idle, Millis::recently());
        }
    }

    #[inline]
    fn note_written(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Ready(Ok(_)) => {
                if self.stalled_since.load(Ordering::Relaxed) != 0 {
                    self.stalled_since.store(0, Ordering::Relaxed);
                }
            }
            Poll::Ready(Err(_)) => self.peer_is_gone.store(true, Ordering::Relaxed),
            Poll::Pending => {
                if self.stalled_since.load(Ordering::Relaxed) == 0 {
                    self.stalled_since.store(Millis::now().0.max(1), Ordering::Relaxed);
                }
            }
        }
    }
}

fn word(phase: Phase, since: Millis) -> u64 {
    since.0 << 3 | phase as u64
}

impl Stream {
    /// A piece of an answer that goes on for long was taken: the connection is alive.
    pub(super) fn note_piece(&self) {
        self.0.enter(Phase::Streams, Millis::recently());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.enter(Phase::Streams, Millis::recently());
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watched {
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>) -> Self {
        Self { socket, activity }
    }

    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl AsyncRead for Watched {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(context, buffer);
        match &outcome {
            Poll::Ready(Ok(())) if buffer.filled().len() > filled_before => self.activity.note_read(),
            Poll::Ready(_) if buffer.capacity() > filled_before => {
                self.activity.peer_is_gone.store(true, Ordering::Relaxed);
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.activity.note_written(&outcome);
        outcome
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.activity.note_written(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(context);
        if outcome.is_ready() {
            self.activity.note_flushed();
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
