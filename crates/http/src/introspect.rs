//! `POST /oauth2/introspect` (RFC 7662).

use std::net::IpAddr;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body::Body;
use lydian_domain::Refusal;
use lydian_domain::authenticate::AuthenticatedClient;
use lydian_oauth_types::{Form, TokenTypeHint};
use lydian_service::Service;

use crate::counters::Counters;
use crate::credentials::{self, Takes};
use crate::error_response::Problem;
use crate::form_request::FormRequest;
use crate::{Answer, introspection_answer, response};

/// The whole answer for a token that is not active, for whatever reason (RFC 7662 §2.2).
pub const INACTIVE: &[u8] = b"{\"active\":false}";

/// Answers an introspection request.
///
/// # Errors
///
/// A [`Problem`]: a token that is not active is no problem but an answer.
pub async fn handle<B>(
    service: &Service,
    counters: &Counters,
    realm: Option<&str>,
    head: &Parts,
    body: B,
    peer: IpAddr,
) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let request = FormRequest::open(service, realm, head, body, Takes::ClientsAndBearer).await?;
    let FormRequest { moment, realm, challenger, .. } = &request;
    let form = request.form(head, &[])?;
    // The caller is authenticated before we look at the token: otherwise the difference between 401 and
    // {"active":false} would tell a stranger which tokens exist (RFC 7662 §4).
    let caller = authenticate(service, &request, head, &form, peer).await?;
    let Some(token) = form.find("token").filter(|token| !token.trim().is_empty()) else {
        return Err(challenger.refuse(Refusal::TokenMissing));
    };
    let hint = form.find("token_type_hint").map(TokenTypeHint::parse);
    let body = service
        .introspect(realm, &caller, token, hint, moment, |outcome| {
            counters.count_introspection(outcome.as_ref().err().copied());
            match outcome {
                Ok(active) => Bytes::from(introspection_answer::write(active)),
                Err(_) => Bytes::from_static(INACTIVE),
            }
        })
        .await
        .map_err(|error| challenger.problem(error))?;
    Ok(response::json(StatusCode::OK, body))
}

/// Authenticates the caller: from memory when exactly this header was verified before.
async fn authenticate(
    service: &Service,
    request: &FormRequest,
    head: &Parts,
    form: &Form<'_>,
    peer: IpAddr,
) -> Result<AuthenticatedClient, Problem> {
    let FormRequest { moment, realm, challenger, .. } = request;
    let header = credentials::basic_alone(head, form);
    if let Some(caller) = header.and_then(|header| service.known_caller(realm, header)) {
        return Ok(caller);
    }
    let read = credentials::read(head, form, Takes::ClientsAndBearer)
        .map_err(|refusal| challenger.refuse(refusal))?;
    let caller = service
        .authenticate_introspector(realm, &read.presented(), peer, moment)
        .await
        .map_err(|error| challenger.problem(error))?;
    if let Some(header) = header {
        service.remember_caller(header, &caller);
    }
    Ok(caller)
}
