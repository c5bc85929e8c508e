//! The limits and timers of a listener.

use std::time::Duration;

use lydian_primitives::limits;

use crate::tls::TlsReloader;

/// The limits and timers of a listener; the defaults are those of [`lydian_primitives::limits`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenerSettings {
    /// The certificate to serve with; without one the listener speaks plain HTTP/1.1.
    pub tls: Option<TlsReloader>,
    /// Largest request head, in bytes; beyond it 431.
    pub head_bytes_max: usize,
    /// Most header fields of one request; beyond it 431.
    pub header_fields_max: usize,
    /// Time for a request head to arrive, from its first byte.
    pub head_timeout: Duration,
    /// Longest pause between two requests, from the end of the last answer.
    pub keep_alive_timeout: Duration,
    /// Longest time from a request's head to its answer; beyond it 503.
    pub request_timeout: Duration,
    /// Longest time in which a client takes no byte of an answer.
    pub write_stall_timeout: Duration,
    /// Time for a TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Most open connections. It is lowered when the process may not open so many files.
    pub connections_max: usize,
    /// Most open connections of one client address; for IPv6 of one /64 network.
    pub connections_per_address_max: usize,
    /// Most concurrent streams of one HTTP/2 connection (RFC 9113 §5.1.2).
    pub http2_streams_max: u32,
    /// Streams that a client may open and reset before we have looked at them; beyond it GOAWAY.
    pub http2_pending_resets_max: usize,
    /// Streams that a client may make us reset; beyond it GOAWAY.
    pub http2_provoked_resets_max: usize,
    /// Frames of HTTP/2 that are no request which a client may send at once, each request restoring some; beyond it GOAWAY.
    pub http2_other_frames_max: u32,
    /// How often an HTTP/2 connection is probed for life.
    pub http2_ping_interval: Duration,
    /// Time for the answer to such a probe.
    pub http2_ping_timeout: Duration,
    /// Longest time that a stop waits for requests in flight.
    pub drain_timeout: Duration,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            tls: None,
            head_bytes_max: limits::HEAD_BYTES_MAX,
            header_fields_max: limits::HEADER_FIELDS_MAX,
            head_timeout: limits::HEAD_TIMEOUT,
            keep_alive_timeout: limits::KEEP_ALIVE_TIMEOUT,
            request_timeout: limits::REQUEST_TIMEOUT,
            write_stall_timeout: limits::WRITE_STALL_TIMEOUT,
            tls_handshake_timeout: limits::TLS_HANDSHAKE_TIMEOUT,
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            http2_streams_max: limits::HTTP2_STREAMS_MAX,
            http2_pending_resets_max: 32,
            http2_provoked_resets_max: 128,
            http2_other_frames_max: limits::HTTP2_OTHER_FRAMES_MAX,
            http2_ping_interval: Duration::from_secs(30),
            http2_ping_timeout: Duration::from_secs(20),
            drain_timeout: limits::DRAIN_TIMEOUT,
        }
    }
}
