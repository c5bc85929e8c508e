//! What a realm publishes: its keys (RFC 7517 §5) and its metadata (RFC 8414 §3.2).

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
};
use http::{HeaderMap, Response, StatusCode};
use lydian_domain::secrets::sha256;
use lydian_primitives::{base64url, limits};
use lydian_service::RealmState;

use crate::answer_body::AnswerBody;
use crate::{Answer, response};

/// How long anybody may keep what is published here; rotation waits for as long before a new key signs.
static LIFETIME: LazyLock<HeaderValue> = LazyLock::new(|| {
    let text = format!("public, max-age={}", limits::JWKS_SECONDS_MAX);
    HeaderValue::try_from(text).expect("words and a number make a header value")
});

/// The published keys.
pub fn jwks(realm: &RealmState, headers: &HeaderMap) -> Answer {
    document(&realm.jwks_document, HeaderValue::from_static("application/jwk-set+json"), headers)
}

/// Where the revocation feed is.
pub fn feed(realm: &RealmState, headers: &HeaderMap) -> Answer {
    document(&realm.feed_document, response::JSON, headers)
}

/// The metadata document, the same at every well-known path.
pub fn metadata(realm: &RealmState, headers: &HeaderMap) -> Answer {
    document(&realm.metadata_document, response::JSON, headers)
}

/// Whether a reader has what this entity tag names (RFC 9110 §13.1.2).
pub(crate) fn knows(etag: &str, if_none_match: http::header::GetAll<'_, HeaderValue>) -> bool {
    if_none_match.iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
    })
}

/// A public document with an entity tag. Anybody may read it from any origin: it holds nothing that depends on the reader.
fn document(text: &str, content_type: HeaderValue, headers: &HeaderMap) -> Answer {
    let [start @ .., _] = sha256(text.as_bytes());
    let etag = format!("\"{}\"", base64url::encode(&start[..12]));
    let known = knows(&etag, headers.get_all(IF_NONE_MATCH));
    let body = if known { Bytes::new() } else { Bytes::copy_from_slice(text.as_bytes()) };
    let mut answer = Response::new(AnswerBody::from(body));
    *answer.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let headers = answer.headers_mut();
    if !known {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CACHE_CONTROL, LIFETIME.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    response::harden(headers);
    answer
}
