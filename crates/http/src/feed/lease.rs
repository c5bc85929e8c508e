//! `POST /oauth2/revocations/lease`: for how long a validator may trust what it has applied.

use std::net::IpAddr;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Body;
use lydian_domain::Refusal;
use lydian_primitives::limits;
use lydian_revocation::feed::LeaseRequest;
use lydian_service::feed::LeaseRefused;
use lydian_service::{Service, ServiceError};

use super::Caller;
use crate::error_response::Problem;
use crate::{Answer, body, response};

/// Grants a lease, from memory and under this node's own lease.
///
/// # Errors
///
/// A [`Problem`]: 409 for another history, 410 for a position that is too old, 503 without a lease of this node.
pub async fn handle<B>(
    service: &Service,
    realm: Option<&str>,
    head: &Parts,
    body: B,
    peer: IpAddr,
) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let body = body::read_body(body, limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await?;
    // After the whole request: the lease of this node is looked at here, the head of the log after it (V1).
    let caller = Caller::of(service, realm, head, peer).await?;
    if !is_json(head) {
        return Err(caller.challenger.refuse(Refusal::BodyNotJson));
    }
    let malformed = |_| caller.challenger.refuse(Refusal::LeaseRequestMalformed);
    let request = LeaseRequest::parse(&body).map_err(malformed)?;
    let granted = service.node().feed().grant_lease(&caller.view, &request, caller.moment.boot_now);
    let grant = granted.map_err(|refused| match refused {
        LeaseRefused::Diverged => Problem::FeedDiverged,
        LeaseRefused::Full => Problem::Service(ServiceError::TooManyRequests(limits::FEED_HEARTBEAT)),
        LeaseRefused::TooOld => Problem::FeedMissed,
    })?;
    Ok(response::json(StatusCode::OK, grant.to_json()))
}

fn is_json(head: &Parts) -> bool {
    let mut values = head.headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let name = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
