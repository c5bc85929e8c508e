//! One request: the checks of its head, its time limit, and the net under a panicking responder.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::time::Sleep;
use tracing::error;

use super::connection::Served;
use super::{AnswerBody, ListenerSettings, Responder};

/// Answers one request, whatever the responder does; `finish` makes of the answer what hyper is to send.
#[expect(clippy::manual_async_fn, reason = "an async fn copies the request once more: 260 instructions")]
pub(super) fn answer<R: Responder, B>(
    served: Arc<Served<R>>,
    request: Request<Incoming>,
    finish: impl FnOnce(&Served<R>, Response<AnswerBody>) -> Response<B> + Send,
) -> impl Future<Output = Result<Response<B>, Infallible>> + Send {
    async move {
        let settings = &served.connector.settings;
        if let Some(refusal) = refuse_head(&request, settings) {
            return Ok(finish(&served, refusal));
        }
        // `respond` is called within the future, so that a panic before its first await is caught too.
        let mut responding = pin!(async { served.connector.responder.respond(request, &served.info).await });
        let mut time_limit: Option<Pin<Box<Sleep>>> = None;
        let response = poll_fn(|context| {
            // Nothing that the future touched is looked at after a panic: it is not polled again.
            match catch_unwind(AssertUnwindSafe(|| responding.as_mut().poll(context))) {
                Ok(Poll::Ready(response)) => return Poll::Ready(response),
                Ok(Poll::Pending) => {}
                Err(_panic) => return Poll::Ready(panicked(&served)),
            }
            // A request that is answered at once never comes here and needs no timer.
            let time_limit =
                time_limit.get_or_insert_with(|| Box::pin(tokio::time::sleep(settings.request_timeout)));
            time_limit.as_mut().poll(context).map(|()| timed_out(&served))
        })
        .await;
        Ok(finish(&served, response))
    }
}

/// The refusal of a request by its head alone.
fn refuse_head(request: &Request<Incoming>, settings: &ListenerSettings) -> Option<Response<AnswerBody>> {
    if request.headers().len() > settings.header_fields_max {
        return Some(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, r#"{"error":"invalid_request"}"#));
    }
    if request.version() == Version::HTTP_11 && !has_one_host(request) {
        return Some(refusal(StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#));
    }
    None
}

#[cold]
fn panicked<R>(served: &Served<R>) -> Response<AnswerBody> {
    served.connector.hub.metrics.panics.add_one();
    error!("the responder panicked");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"server_error"}"#)
}

#[cold]
fn timed_out<R>(served: &Served<R>) -> Response<AnswerBody> {
    served.connector.hub.metrics.request_timeouts.add_one();
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"temporarily_unavailable"}"#);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Whether the request names its host exactly once (RFC 9112 §3.2).
fn has_one_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    hosts.next().is_some() && hosts.next().is_none()
}

fn refusal(status: StatusCode, text: &'static str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::from(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
