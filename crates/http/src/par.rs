//! `POST /oauth2/par` (RFC 9126).

use std::net::IpAddr;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body::Body;
use lydian_domain::Refusal;
use lydian_service::authorizing::PUSHED_SECONDS;
use lydian_service::{Presented, Service};
use serde_json::json;

use crate::credentials::{self, Takes};
use crate::error_response::Problem;
use crate::form_request::FormRequest;
use crate::{Answer, response};

/// Takes an authorization request from its client.
///
/// # Errors
///
/// A [`Problem`]: what the authorization endpoint would refuse is refused here already.
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
    let form = request.form(head, &["resource"])?;
    let read =
        credentials::read(head, &form, Takes::Clients).map_err(|refusal| challenger.refuse(refusal))?;
    let Presented::Client(credentials) = read.presented() else {
        return Err(challenger.refuse(Refusal::AuthenticationSchemeUnknown));
    };
    let (client, assertion) = service
        .authenticate_client(realm, &credentials, peer, moment)
        .map_err(|error| challenger.problem(error))?;
    let request_uri = service
        .push_authorization(realm, &client, assertion, &form, moment)
        .await
        .map_err(|error| challenger.problem(error))?;
    let answer = json!({ "request_uri": request_uri, "expires_in": PUSHED_SECONDS });
    Ok(response::json(StatusCode::CREATED, answer.to_string()))
}
