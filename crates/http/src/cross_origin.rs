//! Scripts of applications in browsers: whose may read our answers (Fetch standard, S30 of the reliability rules).
//!
//! Only the origins of registered redirect addresses are let in, only at the endpoints that a single-page application talks to, and
//! never with cookies.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use lydian_domain::authorize::redirects_match;
use lydian_service::{RealmState, Service};

use crate::answer_body::AnswerBody;
use crate::routes::{Endpoint, Route};
use crate::{Answer, find_realm, response};

/// How long a browser may keep the answer to its question, in seconds.
const KEPT_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Whether scripts of applications talk to this endpoint.
fn is_for_scripts(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::DeviceAuthorize | Endpoint::Par | Endpoint::Revoke | Endpoint::Token | Endpoint::UserInfo
    )
}

/// The answer to a browser that asks before it lets a script send something; `None` when this is no such question.
pub fn answer_preflight(service: &Service, route: Route<'_>, head: &Parts) -> Option<Answer> {
    let asks = head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || !is_for_scripts(route.endpoint) {
        return None;
    }
    let realm = find_realm(service, route.realm).ok()?;
    let origin = admitted(&realm, &head.headers)?;
    let mut answer = Response::new(AnswerBody::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers
        .insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type, dpop"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, KEPT_SECONDS);
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    response::harden(headers);
    Some(answer)
}

/// Lets a script of a registered origin read this answer.
pub fn admit(service: &Service, route: Route<'_>, head: &Parts, answer: &mut Answer) {
    if !is_for_scripts(route.endpoint) || !head.headers.contains_key(ORIGIN) {
        return;
    }
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    let Ok(realm) = find_realm(service, route.realm) else { return };
    if let Some(origin) = admitted(&realm, &head.headers) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers
            .insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    }
}

/// The origin of a request, when an application of the realm lives there.
fn admitted(realm: &RealmState, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (values.next(), values.next()) else {
        return None;
    };
    let text = origin.to_str().ok()?;
    let origins = &realm.application_origins;
    // A program on this machine listens where it can, as its redirect address may (RFC 8252 §7.3).
    let is_admitted = origins.contains(text) || origins.iter().any(|known| redirects_match(known, text));
    is_admitted.then(|| origin.clone())
}
