//! Building answers: the headers that all of them carry.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, PRAGMA, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};

use crate::Answer;
use crate::answer_body::AnswerBody;

/// The type of every JSON answer (RFC 8259 §11 defines no charset).
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NOTHING_LOADS: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The headers of every JSON answer: made once and copied, because putting them together costs more.
static JSON_HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, NO_CACHE);
    harden(&mut headers);
    headers
});

/// A JSON answer that nobody may keep: tokens, claims and errors (RFC 6749 §5.1, RFC 7662 §2.2).
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::from(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = JSON_HEADERS.clone();
    answer
}

/// What every answer carries, whatever it says.
pub fn harden(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(REFERRER_POLICY, NO_REFERRER);
    headers.insert(CONTENT_SECURITY_POLICY, NOTHING_LOADS);
}

/// The answer to HEAD: the headers of GET, its length among them (RFC 9110 §9.3.2).
pub fn without_body(mut answer: Answer) -> Answer {
    let length = http_body::Body::size_hint(answer.body()).exact().unwrap_or(0);
    answer.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    *answer.body_mut() = AnswerBody::default();
    answer
}
