//! `GET /oauth2/revocations/stream`: revocations as they happen, as server-sent events.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use lydian_domain::Refusal;
use lydian_primitives::limits;
use lydian_revocation::Seq;
use lydian_revocation::feed::StreamPosition;
use lydian_service::feed::{Missed, StreamPlace, View};
use lydian_service::{Service, ServiceError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Caller, Standing};
use crate::answer_body::AnswerBody;
use crate::error_response::Problem;
use crate::{Answer, response};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Proxies of the nginx family would collect what is sent (its `X-Accel-Buffering`).
const NO_BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Opens a stream after the position of the header `Last-Event-ID`, of the parameter `since`, or of now.
///
/// # Errors
///
/// A [`Problem`]; 410 for a position from which the stream cannot go on.
pub async fn handle(
    service: &Arc<Service>,
    realm: Option<&str>,
    head: &Parts,
    peer: IpAddr,
) -> Result<Answer, Problem> {
    let caller = Caller::of(service, realm, head, peer).await?;
    let feed = service.node().feed();
    let position = position_of(head).map_err(|refusal| caller.challenger.refuse(refusal))?;
    let after = match position {
        None => feed.head().seq,
        Some(position) if position.epoch == feed.epoch() => position.seq,
        Some(_) => return Err(Problem::FeedMissed),
    };
    let too_many = || Problem::Service(ServiceError::TooManyRequests(limits::FEED_HEARTBEAT));
    let place = feed.open_stream(caller.view.api().api.id).ok_or_else(too_many)?;
    // One frame under way, one that waits: whoever takes none is not waited for with more.
    let (sender, pieces) = mpsc::channel(1);
    let (view, standing) = caller.into_parts();
    // What it stands on is said first, also when nothing happened: it shows both sides whether they mean the same history.
    let first = feed.batch(&view, &place, after, service.node().mark(), true);
    let first = first.map_err(|Missed| Problem::FeedMissed)?;
    let mut after = after;
    if let Some((through, frame)) = first {
        after = through;
        // The channel is empty: there is room for one.
        let _ = sender.try_send(frame);
    }
    tokio::spawn(Listening { service: Arc::clone(service), view, standing, place, after, sender }.run());

    let mut answer = Response::new(AnswerBody::Pieces(pieces));
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(NO_BUFFERING.0, NO_BUFFERING.1);
    response::harden(headers);
    Ok(answer)
}

/// A browser's `EventSource` that comes back sends the same address with a newer header: the header counts.
fn position_of(head: &Parts) -> Result<Option<StreamPosition>, Refusal> {
    let malformed = Refusal::FeedPositionMalformed;
    let mut headers = head.headers.get_all(LAST_EVENT_ID).iter();
    if let Some(header) = headers.next() {
        let text = header.to_str().ok().filter(|_| headers.next().is_none());
        return text.and_then(StreamPosition::parse).map(Some).ok_or(malformed);
    }
    let Some(text) = parameter(head, "since")? else { return Ok(None) };
    StreamPosition::parse(&text).map(Some).ok_or(malformed)
}

/// The one value of a parameter of the query.
pub(super) fn parameter(head: &Parts, name: &str) -> Result<Option<String>, Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::ParameterRepeated);
    }
    let value = lydian_oauth_types::form::decode(value.as_bytes());
    value.map(|value| Some(value.into_owned())).map_err(|_| Refusal::FormMalformed)
}

/// A stream, from its first frame until somebody ends it.
struct Listening {
    service: Arc<Service>,
    view: View,
    standing: Standing,
    place: StreamPlace,
    after: Seq,
    sender: mpsc::Sender<Bytes>,
}

/// Why a stream ends.
#[derive(Debug)]
enum End {
    /// What it needs is not kept any more.
    Missed,
    /// The subscriber takes nothing, or is gone.
    NotTaken,
}

impl Listening {
    async fn run(mut self) {
        let mut told_at = Instant::now();
        // What did not fit into the first frame.
        if self.tell(false).await.is_err() {
            return;
        }
        loop {
            let silence = limits::FEED_HEARTBEAT.saturating_sub(told_at.elapsed());
            let goes_on = tokio::select! {
                goes_on = self.place.next_turn(silence) => goes_on,
                () = self.sender.closed() => false,
            };
            if !goes_on || !self.standing.holds(&self.service).await {
                return;
            }
            match self.tell(told_at.elapsed() >= limits::FEED_HEARTBEAT).await {
                Ok(true) => told_at = Instant::now(),
                Ok(false) => {}
                Err(end) => {
                    tracing::debug!(?end, "a stream of revocations ended");
                    return;
                }
            }
        }
    }

    /// Says everything that there is to say, and that there is nothing when `with_silence`; whether something was said.
    async fn tell(&mut self, mut with_silence: bool) -> Result<bool, End> {
        let mut told = false;
        let feed = Arc::clone(self.service.node().feed());
        let mark = self.service.node().mark();
        loop {
            let batch = feed.batch(&self.view, &self.place, self.after, mark, with_silence);
            let Some((through, frame)) = batch.map_err(|Missed| End::Missed)? else { return Ok(told) };
            let sent = tokio::time::timeout(limits::FEED_STALL, self.sender.send(frame)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Err(End::NotTaken);
            }
            self.after = through;
            told = true;
            if with_silence && through == feed.head().seq {
                return Ok(true);
            }
            with_silence = false;
        }
    }
}
