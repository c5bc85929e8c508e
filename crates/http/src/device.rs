//! `POST /oauth2/device_authorize` (RFC 8628 §3.1).

use std::net::IpAddr;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body::Body;
use lydian_domain::Refusal;
use lydian_domain::records::device::shown_user_code;
use lydian_service::devices::{DEVICE_INTERVAL_SECONDS, DEVICE_SECONDS};
use lydian_service::{Presented, Service};
use serde_json::json;

use crate::credentials::{self, Takes};
use crate::error_response::Problem;
use crate::form_request::FormRequest;
use crate::token::token_request;
use crate::{Answer, response};

/// Begins with a device.
///
/// # Errors
///
/// A [`Problem`].
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
    let asked = token_request(&form).map_err(|refusal| challenger.refuse(refusal))?;
    let start = service
        .begin_device(realm, &client, assertion, &asked, moment)
        .await
        .map_err(|error| challenger.problem(error))?;
    let base = realm.token_endpoint.trim_end_matches("/token");
    let user_code = shown_user_code(&start.user_code);
    let answer = json!({
        "device_code": start.device_code.expose(),
        "user_code": user_code,
        "verification_uri": format!("{base}/device"),
        "verification_uri_complete": format!("{base}/device?user_code={user_code}"),
        "expires_in": DEVICE_SECONDS,
        "interval": DEVICE_INTERVAL_SECONDS,
    });
    Ok(response::json(StatusCode::OK, answer.to_string()))
}
