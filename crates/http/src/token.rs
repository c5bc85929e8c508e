//! `POST /oauth2/token` (RFC 6749 §3.2, §4.1.3, §4.4, §6).

use std::net::IpAddr;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::{Form, GrantType, ScopeSet};
use lydian_primitives::limits;
use lydian_service::{CodeRequest, IssuedToken, Presented, Service, TokenRequest};
use serde_json::json;

use crate::credentials::{self, Takes};
use crate::error_response::Problem;
use crate::form_request::FormRequest;
use crate::{Answer, response};

/// Answers a token request.
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
    let grant_type = grant_type(&form).map_err(|refusal| challenger.refuse(refusal))?;
    let asked = token_request(&form).map_err(|refusal| challenger.refuse(refusal))?;
    let issued = match grant_type {
        GrantType::ClientCredentials => {
            service.issue_client_credentials(realm, &client, assertion, &asked, moment).await
        }
        GrantType::AuthorizationCode => {
            let code = form.find("code").ok_or_else(|| challenger.refuse(Refusal::CodeMissing))?;
            let code = CodeRequest {
                code,
                redirect_uri: form.find("redirect_uri"),
                code_verifier: form.find("code_verifier"),
            };
            service.redeem_code(realm, &client, assertion, code, &asked, moment).await
        }
        GrantType::DeviceCode => {
            let code = form.find("device_code");
            let code = code.ok_or_else(|| challenger.refuse(Refusal::DeviceCodeMissing))?;
            service.redeem_device(realm, &client, assertion, code, &asked, moment).await
        }
        GrantType::RefreshToken => {
            let token = form.find("refresh_token");
            let token = token.ok_or_else(|| challenger.refuse(Refusal::RefreshTokenMissing))?;
            service.refresh(realm, &client, assertion, token, &asked, moment).await
        }
    };
    let issued = issued.map_err(|error| challenger.problem(error))?;
    Ok(response::json(StatusCode::OK, write(&issued)))
}

fn grant_type(form: &Form<'_>) -> Result<GrantType, Refusal> {
    let text = form.find("grant_type").ok_or(Refusal::GrantTypeMissing)?;
    GrantType::offered(text).ok_or(Refusal::GrantTypeUnsupported)
}

/// The scope and the resources of a request.
///
/// # Errors
///
/// A refusal for what is malformed.
pub fn token_request<'a>(form: &'a Form<'_>) -> Result<TokenRequest<'a>, Refusal> {
    let scope = form.find("scope").map(ScopeSet::parse).transpose().map_err(|_| Refusal::ScopeMalformed)?;
    // Spaces alone name no scope: that is malformed, not absent.
    if scope.as_ref().is_some_and(ScopeSet::is_empty) {
        return Err(Refusal::ScopeMalformed);
    }
    let resources: Vec<&str> = form.all("resource").collect();
    if resources.len() > limits::RESOURCES_MAX {
        return Err(Refusal::TooManyParameters);
    }
    Ok(TokenRequest { scope, resources })
}

/// RFC 6749 §5.1. The granted scope is always said (§3.3).
fn write(issued: &IssuedToken) -> Vec<u8> {
    let mut answer = json!({
        "access_token": issued.access_token.expose(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope.as_str(),
    });
    if let Some(refresh_token) = &issued.refresh_token {
        answer["refresh_token"] = refresh_token.expose().into();
    }
    if let Some(id_token) = &issued.id_token {
        answer["id_token"] = id_token.as_str().into();
    }
    answer.to_string().into_bytes()
}
