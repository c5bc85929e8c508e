//! `/oauth2/userinfo` (OpenID Connect Core §5.3).

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::{Authorization, Form};
use lydian_primitives::limits;
use lydian_service::{Service, ServiceError};

use crate::error_response::{Problem, Scheme};
use crate::form_request::is_form;
use crate::{Answer, body, find_realm, response};

/// Answers with the claims of the person behind an access token.
///
/// # Errors
///
/// A [`Problem`], challenged as RFC 6750 §3 says.
pub async fn handle<B>(
    service: &Service,
    realm: Option<&str>,
    head: &Parts,
    body: B,
) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let sent = if head.method == Method::POST {
        body::read_body(body, limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await?
    } else {
        Bytes::new()
    };
    let moment = service.moment().map_err(Problem::Service)?;
    let realm = find_realm(service, realm)?;
    let form = if is_form(head) { Form::parse(&sent, &[]).ok() } else { None };
    let in_form = form.as_ref().and_then(|form| form.find("access_token"));
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let token = match (headers.next(), headers.next(), in_form) {
        // Nothing was presented: the challenge carries no error (RFC 6750 §3.1).
        (None, _, None) => return Ok(challenge()),
        (Some(header), None, None) => match Authorization::parse(header.as_bytes()) {
            Ok(Authorization::Bearer(token)) => token,
            Ok(Authorization::Basic(_)) => return Ok(challenge()),
            Err(_) => return Err(refused(Refusal::BearerMalformed)),
        },
        (None, _, Some(token)) => token,
        // More than one way, or more than one header (RFC 6750 §2).
        _ => return Err(refused(Refusal::AuthenticationMethodsMixed)),
    };
    let members = service.userinfo(&realm, token, &moment).await.map_err(|error| match error {
        ServiceError::Refused(refusal) => refused(refusal),
        other => Problem::Service(other),
    })?;
    Ok(response::json(StatusCode::OK, serde_json::Value::Object(members).to_string()))
}

fn refused(refusal: Refusal) -> Problem {
    Problem::Refused { refusal, scheme: Scheme::Bearer, bearer_is_offered: true }
}

fn challenge() -> Answer {
    let body = "{\"error\":\"invalid_token\",\"error_description\":\"an access token is missing\"}";
    let mut answer = response::json(StatusCode::UNAUTHORIZED, body);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lydian\""));
    answer
}
