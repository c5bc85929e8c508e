//! `POST /oauth2/revoke` (RFC 7009).

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::TokenTypeHint;
use lydian_primitives::limits;
use lydian_service::{Presented, Service};

use crate::answer_body::AnswerBody;
use crate::credentials::{self, Takes};
use crate::error_response::Problem;
use crate::form_request::FormRequest;
use crate::{Answer, response};

/// Answers a revocation request. The answer 200 leaves when the revocation is durable and known everywhere.
///
/// # Errors
///
/// A [`Problem`]; a token that is unknown or dead already is none (RFC 7009 §2.2).
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
    let request = FormRequest::open(service, realm, head, body, Takes::Clients).await?;
    let FormRequest { moment, realm, challenger, .. } = &request;
    let form = request.form(head, &[])?;
    let read =
        credentials::read(head, &form, Takes::Clients).map_err(|refusal| challenger.refuse(refusal))?;
    let Presented::Client(credentials) = read.presented() else {
        return Err(challenger.refuse(Refusal::AuthenticationSchemeUnknown));
    };
    let client = service
        .authenticate_reader(realm, &credentials, peer, moment)
        .map_err(|error| challenger.problem(error))?;
    let Some(token) = form.find("token").filter(|token| !token.trim().is_empty()) else {
        return Err(challenger.refuse(Refusal::TokenMissing));
    };
    let hint = form.find("token_type_hint").map(TokenTypeHint::parse);
    let seq = service
        .revoke(realm, &client, token, hint, moment)
        .await
        .map_err(|error| challenger.problem(error))?;
    let mut answer = empty();
    if let Some(seconds) = preferred_wait(head) {
        let longest = Duration::from_secs(seconds);
        let told = service.node().feed().propagated(seq, longest, || service.node().clock().boot_now()).await;
        if told.is_complete()
            && let Ok(applied) = HeaderValue::try_from(format!("wait={seconds}"))
        {
            answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
    }
    Ok(answer)
}

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How many seconds the client would wait until validators know too (RFC 7240 §4.3). The first one counts, what cannot be read does not.
fn preferred_wait(head: &Parts) -> Option<u64> {
    let values = head.headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    let seconds = preferences.find_map(|preference| {
        let (name, seconds) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds.trim().parse::<u64>().ok())
    })??;
    Some(seconds.min(limits::FEED_WAIT_MAX.as_secs()))
}

/// 200 without a body: the client ignores it anyway (RFC 7009 §2.2).
fn empty() -> Answer {
    let mut answer = Response::new(AnswerBody::default());
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    headers.insert(http::header::PRAGMA, http::HeaderValue::from_static("no-cache"));
    response::harden(headers);
    answer
}
