//! What a listener counts: connections, refusals and timeouts, never requests.
//!
//! Each counter moves once in the life of a connection or on a failure, so plain atomics are enough.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Its value now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn subtract_one(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its value now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the listeners have counted since the start; several may share one.
#[derive(Debug, Default)]
pub struct ListenerMetrics {
    /// Connections that were accepted and admitted.
    pub accepted: Counter,
    /// Connections that are open now.
    pub open: Gauge,
    /// Connections closed at once because too many were open.
    pub refused_total: Counter,
    /// Connections closed at once because too many of their address were open.
    pub refused_per_address: Counter,
    /// Times that the system could not give us a connection, above all for want of files.
    pub accept_failures: Counter,
    /// TLS handshakes that failed, without those that took too long.
    pub handshake_failures: Counter,
    /// TLS handshakes that took too long.
    pub handshake_timeouts: Counter,
    /// Connections closed because a request head did not arrive in time.
    pub head_timeouts: Counter,
    /// Connections closed because no further request came.
    pub keep_alive_timeouts: Counter,
    /// Requests that were answered 503 because they took too long.
    pub request_timeouts: Counter,
    /// Connections closed because the client did not take our bytes.
    pub write_timeouts: Counter,
    /// HTTP/2 connections closed because they sent too many frames that are no request.
    pub http2_floods: Counter,
    /// Requests that were answered 500 because the responder panicked.
    pub panics: Counter,
}
