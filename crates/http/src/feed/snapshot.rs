//! `GET /oauth2/revocations/snapshot`: everything of a view that can still matter, to begin with or after a gap.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use http::request::Parts;
use http::{Response, StatusCode};
use lydian_primitives::limits;
use lydian_service::feed::{Snapshot, SnapshotPlace};
use lydian_service::{Service, ServiceError};
use tokio::sync::mpsc;

use super::Caller;
use crate::answer_body::AnswerBody;
use crate::error_response::Problem;
use crate::{Answer, published, response};

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// It may be kept by whoever asked for it, and asked about each time.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Sends a snapshot, compressed for who takes it so.
///
/// # Errors
///
/// A [`Problem`].
pub async fn handle(
    service: &Arc<Service>,
    realm: Option<&str>,
    head: &Parts,
    peer: IpAddr,
) -> Result<Answer, Problem> {
    let caller = Caller::of(service, realm, head, peer).await?;
    let feed = service.node().feed();
    let too_many = || Problem::Service(ServiceError::TooManyRequests(limits::FEED_HEARTBEAT));
    let place = feed.open_snapshot().ok_or_else(too_many)?;
    let (view, _) = caller.into_parts();
    let snapshot = feed.snapshot(view, service.node().mark());

    let position = snapshot.position();
    // Weak: the same state, not the same bytes.
    let etag = format!("\"{}-{}-{:016x}\"", feed.epoch(), position.seq, position.link.as_bits());
    let known = published::knows(&etag, head.headers.get_all(IF_NONE_MATCH));
    let compressed = accepts_gzip(head);
    let body = if known {
        AnswerBody::default()
    } else {
        let (sender, pieces) = mpsc::channel(1);
        tokio::spawn(send(snapshot, compressed, sender, place));
        AnswerBody::Pieces(pieces)
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let headers = answer.headers_mut();
    if !known {
        headers.insert(CONTENT_TYPE, LINES);
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    headers.insert(CACHE_CONTROL, PRIVATE);
    headers.insert(VARY, HeaderValue::from_static("Authorization, Accept-Encoding"));
    if let Ok(etag) = HeaderValue::try_from(format!("W/{etag}")) {
        headers.insert(ETAG, etag);
    }
    response::harden(headers);
    Ok(answer)
}

/// Whether gzip is named, and not with a weight of zero (RFC 9110 §12.5.3).
fn accepts_gzip(head: &Parts) -> bool {
    head.headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let zero = |weight: &str| weight.trim_start_matches("q=").trim_matches(['0', '.']).is_empty();
            is_gzip && !parts.any(zero)
        })
    })
}

/// Writes piece by piece, and waits for the reader in between: a snapshot is nowhere as a whole.
async fn send(mut snapshot: Snapshot, compressed: bool, sender: mpsc::Sender<Bytes>, _place: SnapshotPlace) {
    let mut encoder = compressed.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
    let mut goes_on = true;
    while goes_on {
        let piece = snapshot.next_piece();
        goes_on = piece.is_some();
        let bytes = match (&mut encoder, piece) {
            (None, piece) => piece.unwrap_or_default().into_bytes(),
            (Some(encoder), Some(piece)) => {
                if encoder.write_all(piece.as_bytes()).is_err() {
                    return;
                }
                std::mem::take(encoder.get_mut())
            }
            (Some(encoder), None) => {
                if encoder.try_finish().is_err() {
                    return;
                }
                std::mem::take(encoder.get_mut())
            }
        };
        if bytes.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        let sent = tokio::time::timeout(limits::FEED_STALL, sender.send(bytes.into())).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}
