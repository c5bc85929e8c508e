//! The listener of operators: metrics and health.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use lydian_http::counters::{header, line};
use lydian_http::{AnswerBody, Counters};
use lydian_service::Service;

use crate::listener::{ConnectionInfo, ListenerMetrics, Responder, ShutdownSignal};

/// How long one check of the store counts: a flood of probes makes no flood of writes.
const READINESS_LASTS: Duration = Duration::from_secs(1);

/// What operators ask.
pub struct Operations {
    service: Arc<Service>,
    counters: Arc<Counters>,
    listener: Arc<ListenerMetrics>,
    shutdown: ShutdownSignal,
    insecure_options: Vec<&'static str>,
    clock_jumped: AtomicU8,
    checked_at: AtomicU64,
    is_ready: AtomicU8,
}

impl Operations {
    /// The answers about this server.
    pub fn new(
        service: Arc<Service>,
        counters: Arc<Counters>,
        listener: Arc<ListenerMetrics>,
        shutdown: ShutdownSignal,
        insecure_options: Vec<&'static str>,
    ) -> Self {
        Self {
            service,
            counters,
            listener,
            shutdown,
            insecure_options,
            clock_jumped: AtomicU8::new(0),
            checked_at: AtomicU64::new(0),
            is_ready: AtomicU8::new(0),
        }
    }

    /// Notes whether cleanup is stopped because the wall clock jumped.
    pub fn note_clock(&self, jumped: bool) {
        self.clock_jumped.store(u8::from(jumped), Ordering::Relaxed);
    }

    /// Ready means: not stopping, and the store takes writes.
    async fn readiness(&self) -> bool {
        if self.shutdown.is_draining() {
            return false;
        }
        let now = self.service.node().clock().boot_now().as_nanoseconds();
        let checked_at = self.checked_at.load(Ordering::Acquire);
        if checked_at != 0 && now.saturating_sub(checked_at) < READINESS_LASTS.as_nanos() as u64 {
            return self.is_ready.load(Ordering::Acquire) == 1;
        }
        let ready = self.service.check_writable().await.is_ok() && self.service.moment().is_ok();
        self.is_ready.store(u8::from(ready), Ordering::Release);
        self.checked_at.store(now, Ordering::Release);
        ready
    }

    async fn ready(&self) -> Response<AnswerBody> {
        let is_ready = self.readiness().await;
        let insecure: Vec<String> = self.insecure_options.iter().map(|name| format!("\"{name}\"")).collect();
        let body = format!("{{\"ready\":{is_ready},\"insecure_options\":[{}]}}", insecure.join(","));
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer(status, "application/json", body)
    }

    fn metrics(&self) -> Response<AnswerBody> {
        let mut text = String::with_capacity(8 * 1024);
        self.counters.write_prometheus(&mut text);
        let node = self.service.node();
        let sizes = node.ledger().sizes();
        let listener = &self.listener;
        let figures: [(&str, &str, u64); 18] = [
            ("lydian_fact_cache_entries", "Tokens whose facts are in memory.", node.facts().len() as u64),
            ("lydian_ledger_revoked_entries", "Revoked tokens in the ledger.", sizes.revoked as u64),
            ("lydian_ledger_cut_entries", "Cuts in the ledger.", sizes.cuts as u64),
            (
                "lydian_log_position",
                "The last applied row of the log.",
                node.ledger().applied().seq.as_number(),
            ),
            (
                "lydian_clock_jumped",
                "Whether cleanup is stopped because the wall clock jumped.",
                u64::from(self.clock_jumped.load(Ordering::Relaxed)),
            ),
            ("lydian_connections_open", "Open connections of the public listener.", listener.open.value()),
            ("lydian_connections_accepted_total", "Accepted connections.", listener.accepted.value()),
            (
                "lydian_connections_refused_total",
                "Connections refused by the limit of all.",
                listener.refused_total.value(),
            ),
            (
                "lydian_connections_refused_per_address_total",
                "Connections refused by the limit of one address.",
                listener.refused_per_address.value(),
            ),
            (
                "lydian_accept_failures_total",
                "Connections that could not be accepted.",
                listener.accept_failures.value(),
            ),
            (
                "lydian_handshake_failures_total",
                "TLS handshakes that failed.",
                listener.handshake_failures.value(),
            ),
            (
                "lydian_handshake_timeouts_total",
                "TLS handshakes that took too long.",
                listener.handshake_timeouts.value(),
            ),
            (
                "lydian_head_timeouts_total",
                "Request heads that took too long.",
                listener.head_timeouts.value(),
            ),
            (
                "lydian_keep_alive_timeouts_total",
                "Connections closed because nothing was asked.",
                listener.keep_alive_timeouts.value(),
            ),
            (
                "lydian_request_timeouts_total",
                "Requests that took too long.",
                listener.request_timeouts.value(),
            ),
            (
                "lydian_write_timeouts_total",
                "Clients that did not read their answer.",
                listener.write_timeouts.value(),
            ),
            (
                "lydian_http2_floods_total",
                "HTTP/2 connections closed for too many frames that are no request.",
                listener.http2_floods.value(),
            ),
            ("lydian_panics_total", "Requests that ended in a panic.", listener.panics.value()),
        ];
        for (name, help, value) in figures {
            header(&mut text, name, help);
            line(&mut text, format_args!("{name} {value}"));
        }
        answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
    }
}

impl Responder for Operations {
    async fn respond(
        &self,
        request: Request<Incoming>,
        _connection: &ConnectionInfo,
    ) -> Response<AnswerBody> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refused =
                problem(StatusCode::METHOD_NOT_ALLOWED, "this endpoint does not answer this method");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(),
            "/health/live" => answer(StatusCode::OK, "application/json", "{\"live\":true}".to_owned()),
            "/health/ready" => self.ready().await,
            _ => problem(StatusCode::NOT_FOUND, "there is nothing at this path"),
        }
    }
}

fn problem(status: StatusCode, text: &str) -> Response<AnswerBody> {
    let body = format!("{{\"error\":\"invalid_request\",\"error_description\":\"{text}\"}}");
    answer(status, "application/json", body)
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    lydian_http::response::harden(headers);
    answer
}
