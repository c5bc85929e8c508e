//! `POST /oauth2/revoke` (RFC 7009).

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use lydian_domain::Refusal;
use lydian_oauth_types::TokenTypeHint;
use lydian_service::{Presented, Service};

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
    service.revoke(realm, &client, token, hint, moment).await.map_err(|error| challenger.problem(error))?;
    Ok(empty())
}

/// 200 without a body: the client ignores it anyway (RFC 7009 §2.2).
fn empty() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    headers.insert(http::header::PRAGMA, http::HeaderValue::from_static("no-cache"));
    response::harden(headers);
    answer
}
