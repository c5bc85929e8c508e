//! The bounds of the generator and the floors.
//!
//! They bound our own loops and buffers; the limits of the product live in `lydian_primitives::limits`.

use std::time::Duration;

/// The longest response, head and body, that the generator reads.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// The most fields that a response may have.
pub const RESPONSE_HEADERS_MAX: usize = 48;

/// The most chunks in one response.
pub const CHUNKS_MAX: usize = 4_096;

/// The most connections of one round.
pub const CONNECTIONS_MAX: usize = 4_096;

/// A round ends early after this many wrong answers: its throughput means nothing any more.
pub const WRONG_ANSWERS_MAX: u64 = 32;

/// How long a connection may take to be set up, handshake included.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long no answer may come while requests are under way, until the round is given up.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long one request of the preparation may take.
pub const SINGLE_REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a server that was started may take until it says that it is ready.
pub const START_TIME_MAX: Duration = Duration::from_secs(120);

/// How long a server that was told to stop may take until it is killed.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(20);
