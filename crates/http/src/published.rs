//! What a realm publishes: its keys (RFC 7517 §5) and its metadata (RFC 8414 §3.2).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use lydian_domain::secrets::sha256;
use lydian_primitives::base64url;
use lydian_service::RealmState;

use crate::{Answer, response};

/// For how long a key set may be kept: a new key is published at least this long before it signs.
pub const JWKS_SECONDS_MAX: u64 = 300;

/// The published keys.
pub fn jwks(realm: &RealmState, headers: &HeaderMap) -> Answer {
    document(&realm.jwks_document, HeaderValue::from_static("application/jwk-set+json"), headers)
}

/// The metadata document, the same at every well-known path.
pub fn metadata(realm: &RealmState, headers: &HeaderMap) -> Answer {
    document(&realm.metadata_document, response::JSON, headers)
}

/// A public document with an entity tag. Anybody may read it from any origin: it holds nothing that depends on the reader.
fn document(text: &str, content_type: HeaderValue, headers: &HeaderMap) -> Answer {
    let [start @ .., _] = sha256(text.as_bytes());
    let etag = format!("\"{}\"", base64url::encode(&start[..12]));
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
    });
    let body = if known { Bytes::new() } else { Bytes::copy_from_slice(text.as_bytes()) };
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let headers = answer.headers_mut();
    if !known {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    response::harden(headers);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifetime_on_the_wire_is_the_one_that_rotation_waits_for() {
        assert_eq!(format!("public, max-age={JWKS_SECONDS_MAX}"), "public, max-age=300");
    }
}
