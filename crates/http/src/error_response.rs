//! The one place where a refusal becomes status, headers and JSON (RFC 6749 §5.2, RFC 6750 §3).

use std::time::Duration;

use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use lydian_domain::Refusal;
use lydian_oauth_types::{ErrorCode, words};
use lydian_service::ServiceError;

use crate::Answer;
use crate::body::BodyError;
use crate::response;
use crate::routes::Endpoint;

/// How the caller tried to authenticate: a challenge answers in the same scheme (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Basic`.
    Basic,
    /// `Authorization: Bearer`.
    Bearer,
    /// Another scheme, or in the form.
    Other,
    /// Not at all.
    None,
}

/// Why a request has no good answer.
#[derive(Debug)]
pub enum Problem {
    /// The request body was not read.
    Body(BodyError),
    /// A validator knows another history than this server: it gives up its lease and loads a snapshot (409).
    FeedDiverged,
    /// The feed cannot go on from where a validator stands: it loads a snapshot (410).
    FeedMissed,
    /// Another method than the endpoint answers.
    MethodNotAllowed(Endpoint),
    /// There is nothing at this path.
    NotFound,
    /// The caller is refused.
    Refused {
        /// Why.
        refusal: Refusal,
        /// How the caller tried to authenticate.
        scheme: Scheme,
        /// Whether the endpoint takes Bearer tokens as credentials.
        bearer_is_offered: bool,
    },
    /// The use case gave no answer for another reason.
    Service(ServiceError),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

/// The answer to a problem.
pub fn render(problem: &Problem) -> Answer {
    match problem {
        Problem::Body(BodyError::TooLarge) => {
            plain(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, "the request body is too large")
        }
        Problem::Body(BodyError::Idle) => plain(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::InvalidRequest,
            "the request body arrived too slowly",
        ),
        Problem::Body(BodyError::Closed) => {
            plain(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "the request body ended early")
        }
        Problem::Body(BodyError::NoRoom) => {
            let text = "the server reads too many large requests: try again";
            later(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1), text)
        }
        Problem::FeedDiverged => {
            let text = "this is another history: give up the lease and load a snapshot";
            plain(StatusCode::CONFLICT, ErrorCode::InvalidRequest, text)
        }
        Problem::FeedMissed => {
            let text = "the feed cannot go on from there: load a snapshot";
            plain(StatusCode::GONE, ErrorCode::InvalidRequest, text)
        }
        Problem::MethodNotAllowed(endpoint) => {
            let mut answer = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::InvalidRequest,
                "this endpoint does not answer this method",
            );
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.allow()));
            answer
        }
        Problem::NotFound => {
            plain(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, "there is nothing at this path")
        }
        Problem::Refused { refusal, scheme, bearer_is_offered } => {
            refused(*refusal, *scheme, *bearer_is_offered)
        }
        Problem::Service(ServiceError::Refused(refusal)) => refused(*refusal, Scheme::None, false),
        Problem::Service(ServiceError::TooManyRequests(wait)) => {
            let text = "too many failed requests: wait before the next one";
            later(StatusCode::TOO_MANY_REQUESTS, *wait, text)
        }
        Problem::Service(ServiceError::Unavailable(unavailable)) => {
            let source = std::error::Error::source(unavailable).map(ToString::to_string);
            tracing::warn!(error = %unavailable, source, "a request could not be answered");
            let text = "the server cannot answer now: try again";
            later(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1), text)
        }
    }
}

fn refused(refusal: Refusal, scheme: Scheme, bearer_is_offered: bool) -> Answer {
    tracing::debug!(?refusal, "a request was refused");
    let code = refusal.code();
    let status = match code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::AccessDenied
        | ErrorCode::AuthorizationPending
        | ErrorCode::ConsentRequired
        | ErrorCode::ExpiredToken
        | ErrorCode::InvalidGrant
        | ErrorCode::InvalidRequest
        | ErrorCode::InvalidScope
        | ErrorCode::InvalidTarget
        | ErrorCode::LoginRequired
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported
        | ErrorCode::UnmetAuthenticationRequirements
        | ErrorCode::SlowDown
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::UnsupportedResponseType => StatusCode::BAD_REQUEST,
    };
    let mut answer = plain(status, code, refusal.description());
    challenge(answer.headers_mut(), refusal, scheme, bearer_is_offered);
    answer
}

/// Challenges in the scheme that was used; who used none sees all that are offered (RFC 9110 §11.6.1).
fn challenge(headers: &mut HeaderMap, refusal: Refusal, scheme: Scheme, bearer_is_offered: bool) {
    const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"lydian\", charset=\"UTF-8\"");
    const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"lydian\"");
    match refusal.code() {
        ErrorCode::InvalidToken => {
            let value = HeaderValue::from_static("Bearer realm=\"lydian\", error=\"invalid_token\"");
            headers.insert(WWW_AUTHENTICATE, value);
        }
        ErrorCode::InsufficientScope => {
            let scope = match refusal {
                Refusal::UserInfoScopeMissing => "openid",
                _ => words::INTROSPECT_SCOPE,
            };
            let value = format!("Bearer realm=\"lydian\", error=\"insufficient_scope\", scope=\"{scope}\"");
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(WWW_AUTHENTICATE, value);
            }
        }
        ErrorCode::InvalidClient => {
            headers.insert(WWW_AUTHENTICATE, BASIC);
            if bearer_is_offered && matches!(scheme, Scheme::None | Scheme::Other) {
                headers.append(WWW_AUTHENTICATE, BEARER);
            }
        }
        _ => {}
    }
}

fn later(status: StatusCode, wait: Duration, text: &'static str) -> Answer {
    let mut answer = plain(status, ErrorCode::TemporarilyUnavailable, text);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    answer
}

/// Codes and texts are ours and hold nothing that JSON would escape (RFC 6749 §5.2, characters of `error_description`).
fn plain(status: StatusCode, code: ErrorCode, text: &'static str) -> Answer {
    let code = code.as_str();
    response::json(status, format!("{{\"error\":\"{code}\",\"error_description\":\"{text}\"}}"))
}
