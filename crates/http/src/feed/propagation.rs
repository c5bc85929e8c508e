//! `GET /oauth2/revocations/propagation?seq=N`: which validators of the calling API have applied what.

use std::net::IpAddr;

use http::StatusCode;
use http::request::Parts;
use lydian_domain::Refusal;
use lydian_revocation::Seq;
use lydian_service::Service;

use super::{Caller, stream};
use crate::error_response::Problem;
use crate::{Answer, response};

/// Tells who has applied everything up to a position: the one in `seq`, or the head.
///
/// # Errors
///
/// A [`Problem`].
pub async fn handle(
    service: &Service,
    realm: Option<&str>,
    head: &Parts,
    peer: IpAddr,
) -> Result<Answer, Problem> {
    let caller = Caller::of(service, realm, head, peer).await?;
    let feed = service.node().feed();
    let text = stream::parameter(head, "seq").map_err(|refusal| caller.challenger.refuse(refusal))?;
    let seq = match text {
        None => feed.head().seq,
        Some(text) => {
            let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            let known = number.map(Seq::from_number).filter(|seq| *seq <= feed.head().seq);
            known.ok_or_else(|| caller.challenger.refuse(Refusal::FeedPositionMalformed))?
        }
    };
    let told = feed.propagation(Some(caller.view.api().api.id), seq, caller.moment.boot_now);
    Ok(response::json(StatusCode::OK, told.to_json()))
}
