//! Reading a request body within its limits.
//!
//! A body that arrived in one piece is handed on as it is: no copy, no timer. A timer exists only while the
//! client keeps us waiting. What the body means is decided elsewhere.
//!
//! Bodies that have arrived in part share a budget: however many clients begin large ones, they take no more memory than that.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use lydian_primitives::limits;
use tokio::time::{Instant, Sleep};

/// Why a request body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The client closed the connection, reset the stream or broke the framing: nobody waits for an answer.
    Closed,
    /// The client paused for too long, or took too long in all (RFC 9110 §15.5.9, 408).
    Idle,
    /// Too much of other bodies has arrived in part already (503).
    NoRoom,
    /// The body is larger than it may be (RFC 9110 §15.5.14, 413).
    TooLarge,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the request body ended early",
            Self::Idle => "the request body arrived too slowly",
            Self::NoRoom => "there is no room for the request body",
            Self::TooLarge => "the request body is too large",
        })
    }
}

impl std::error::Error for BodyError {}

/// What all bodies together take that have arrived in part: memory belongs to the process, and so does this.
static UNFINISHED: Budget = Budget::new(limits::UNFINISHED_BODIES_BYTES_MAX);

/// Reads a request body of at most `bytes_max` bytes.
///
/// The client may pause for `idle_timeout` between two pieces, and take two and a half times as long in all:
/// with the defaults that is 25 s, so that a client that drips is told of its slowness (408) before the
/// connection's limit of 30 s blames us (503).
///
/// # Errors
///
/// [`BodyError::TooLarge`] before a byte is read when the announced length says so already.
pub async fn read_body<B>(body: B, bytes_max: usize, idle_timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    read_within(&UNFINISHED, body, bytes_max, idle_timeout).await
}

async fn read_within<B>(
    budget: &Budget,
    mut body: B,
    bytes_max: usize,
    idle_timeout: Duration,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }

    let mut patience = Patience { idle_timeout, waiting: None };
    let mut share = Share { budget, bytes: 0 };
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    while let Some(frame) = patience.next_frame(&mut body).await? {
        let Ok(piece) = frame.into_data() else {
            // Trailer fields: nothing of ours reads them.
            continue;
        };
        let arrived = first.len().max(joined.len());
        if piece.len() > bytes_max - arrived {
            return Err(BodyError::TooLarge);
        }
        let length = arrived + piece.len();
        if first.is_empty() && joined.is_empty() {
            first = piece;
        } else {
            if length > joined.capacity() {
                let capacity = (2 * length).min(bytes_max);
                share.grow_to(capacity)?;
                joined.reserve_exact(capacity - joined.len());
            }
            if joined.is_empty() {
                joined.extend_from_slice(&first);
                first = Bytes::new();
            }
            joined.extend_from_slice(&piece);
        }
        if body.is_end_stream() {
            break;
        }
        // The client keeps us waiting with what it has sent.
        share.grow_to(length)?;
    }
    Ok(if joined.is_empty() { first } else { joined.into() })
}

/// How many bytes several bodies may take together.
struct Budget {
    bytes_max: usize,
    taken: AtomicUsize,
}

impl Budget {
    const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, taken: AtomicUsize::new(0) }
    }
}

/// What one body takes of the budget, until it has been read.
struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Share<'_> {
    /// Takes more, up to so many bytes in all.
    fn grow_to(&mut self, bytes: usize) -> Result<(), BodyError> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let taken = self.budget.taken.fetch_add(more, Ordering::Relaxed);
        // It is given back with the rest.
        self.bytes += more;
        if taken + more > self.budget.bytes_max { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// How long a slow client is waited for.
struct Patience {
    idle_timeout: Duration,
    waiting: Option<Waiting>,
}

/// The timer of a body that did not arrive at once.
struct Waiting {
    /// The end of the whole body's time.
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    async fn next_frame<B>(&mut self, body: &mut B) -> Result<Option<Frame<Bytes>>, BodyError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut is_set = false;
        poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Err(BodyError::Closed)),
            Poll::Ready(None) => Poll::Ready(Ok(None)),
            Poll::Pending => self.poll_timer(&mut is_set, context).map(|()| Err(BodyError::Idle)),
        })
        .await
    }

    /// Whether the client's time is over. `is_set` says whether the timer already runs for the frame awaited now.
    fn poll_timer(&mut self, is_set: &mut bool, context: &mut Context<'_>) -> Poll<()> {
        let idle_timeout = self.idle_timeout;
        let waiting = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            *is_set = true;
            Waiting {
                until: now + idle_timeout * 5 / 2,
                timer: Box::pin(tokio::time::sleep_until(now + idle_timeout)),
            }
        });
        if !*is_set {
            *is_set = true;
            let until = waiting.until.min(Instant::now() + idle_timeout);
            waiting.timer.as_mut().reset(until);
        }
        waiting.timer.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body::SizeHint;

    use super::*;

    /// What a client does, step by step.
    enum Step {
        Break,
        Pause(Duration),
        Send(&'static [u8]),
        Trailers,
    }

    /// A body that plays a script.
    struct Scripted {
        steps: VecDeque<Step>,
        pause: Option<Pin<Box<Sleep>>>,
        announced: u64,
    }

    impl Body for Scripted {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            loop {
                if let Some(pause) = &mut self.pause {
                    std::task::ready!(pause.as_mut().poll(context));
                    self.pause = None;
                }
                match self.steps.pop_front() {
                    None => return Poll::Ready(None),
                    Some(Step::Break) => return Poll::Ready(Some(Err("broken"))),
                    Some(Step::Pause(duration)) => {
                        self.pause = Some(Box::pin(tokio::time::sleep(duration)));
                    }
                    Some(Step::Send(bytes)) => {
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes)))));
                    }
                    Some(Step::Trailers) => {
                        return Poll::Ready(Some(Ok(Frame::trailers(http::HeaderMap::new()))));
                    }
                }
            }
        }

        fn is_end_stream(&self) -> bool {
            self.steps.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    const IDLE: Duration = Duration::from_secs(10);

    fn read(announced: u64, steps: Vec<Step>) -> Result<Bytes, BodyError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime with a timer");
        let body = Scripted { steps: steps.into(), pause: None, announced };
        runtime.block_on(read_body(body, 8, IDLE))
    }

    #[track_caller]
    fn check(steps: Vec<Step>, expected: Result<&'static [u8], BodyError>) {
        assert_eq!(read(0, steps), expected.map(Bytes::from_static));
    }

    #[test]
    fn a_body_in_one_piece_is_not_copied() {
        static TEXT: &[u8] = b"token=x";
        let body = read(0, vec![Step::Send(TEXT)]).expect("a small body");
        assert_eq!(body.as_ptr(), TEXT.as_ptr());
    }

    #[test]
    fn s25_a_body_may_be_as_large_as_the_limit_and_no_larger() {
        check(vec![], Ok(b""));
        check(vec![Step::Send(b"12345678")], Ok(b"12345678"));
        check(vec![Step::Send(b"123456789")], Err(BodyError::TooLarge));
        check(vec![Step::Send(b"1234"), Step::Send(b"5678")], Ok(b"12345678"));
        check(vec![Step::Send(b"1234"), Step::Send(b"56789")], Err(BodyError::TooLarge));
        check(vec![Step::Send(b"1"), Step::Send(b"2"), Step::Trailers, Step::Send(b"3")], Ok(b"123"));
    }

    #[test]
    fn s25_a_body_that_announces_too_much_is_refused_unread() {
        let refused = read(9, vec![Step::Break]);
        assert_eq!(refused, Err(BodyError::TooLarge));
    }

    #[test]
    fn s25_a_pause_within_the_body_ends_it() {
        let (short, long) = (Duration::from_secs(9), Duration::from_secs(11));
        check(vec![Step::Send(b"1"), Step::Pause(short), Step::Send(b"2")], Ok(b"12"));
        check(vec![Step::Send(b"1"), Step::Pause(long), Step::Send(b"2")], Err(BodyError::Idle));
        check(vec![Step::Pause(long), Step::Send(b"2")], Err(BodyError::Idle));
        check(vec![Step::Pause(short), Step::Send(b"1"), Step::Pause(short), Step::Send(b"2")], Ok(b"12"));
    }

    #[test]
    fn s25_a_body_that_drips_ends_after_two_and_a_half_pauses() {
        let steps = (0..4).flat_map(|_| [Step::Pause(Duration::from_secs(7)), Step::Send(b"1")]).collect();
        check(steps, Err(BodyError::Idle));
    }

    #[test]
    fn s25_bodies_that_have_arrived_in_part_share_a_budget() {
        let budget = Budget::new(9);
        let scripted = |steps: Vec<Step>| Scripted { steps: steps.into(), pause: None, announced: 0 };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime with a timer");
        let pause = || Step::Pause(Duration::from_secs(5));
        runtime.block_on(async {
            let slow = scripted(vec![Step::Send(b"123456"), pause(), Step::Send(b"78")]);
            let slow = read_within(&budget, slow, 8, IDLE);
            let beside = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let in_parts = scripted(vec![Step::Send(b"1234"), pause(), Step::Send(b"5")]);
                let at_once = scripted(vec![Step::Send(b"12345678")]);
                (read_within(&budget, in_parts, 8, IDLE).await, read_within(&budget, at_once, 8, IDLE).await)
            };
            let (slow, (in_parts, at_once)) = tokio::join!(slow, beside);
            assert_eq!(slow, Ok(Bytes::from_static(b"12345678")));
            assert_eq!(in_parts, Err(BodyError::NoRoom));
            assert_eq!(at_once, Ok(Bytes::from_static(b"12345678")));
            // What was taken has been given back.
            assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn a_broken_body_is_closed_and_not_short() {
        check(vec![Step::Send(b"1"), Step::Break], Err(BodyError::Closed));
    }
}
