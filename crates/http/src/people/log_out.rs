//! `/oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::Form;
use lydian_pages::views::{LogOut, Notice, NoticePage};
use lydian_primitives::limits;
use lydian_service::logging_out::{Farewell, LogOutRequest};
use lydian_service::sessions::Recognised;
use lydian_service::{Moment, RealmState, Service, ServiceError};

use super::browser::{self, Cookies};
use super::page;
use crate::error_response::Problem;
use crate::form_request::is_form;
use crate::{Answer, body, find_realm};

/// Answers a request to log out: at once when it is proven to come from the application, after a question otherwise.
///
/// # Errors
///
/// A [`Problem`] for what is no business of a person.
pub async fn handle<B>(
    service: &Service,
    realm: Option<&str>,
    head: &Parts,
    body: B,
) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let is_post = head.method == Method::POST;
    let sent = if is_post {
        body::read_body(body, limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await?
    } else {
        Bytes::new()
    };
    let moment = service.moment().map_err(Problem::Service)?;
    let realm = find_realm(service, realm)?;
    let mut cookies = Cookies::of(head, &realm, service.node().entropy());
    let form = match (is_post, is_form(head)) {
        (false, _) => browser::query(head, &[]),
        (true, true) => Form::parse(&sent, &[]),
        (true, false) => return Ok(page::fault(&realm, head, &Refusal::BodyNotForm.into(), &cookies)),
    };
    let Ok(form) = form else {
        return Ok(page::fault(&realm, head, &Refusal::FormMalformed.into(), &cookies));
    };
    match answer(service, &realm, head, &form, &mut cookies, &moment).await {
        Ok(answer) => Ok(answer),
        Err(error) => Ok(page::fault(&realm, head, &error, &cookies)),
    }
}

async fn answer(
    service: &Service,
    realm: &Arc<RealmState>,
    head: &Parts,
    form: &Form<'_>,
    cookies: &mut Cookies,
    moment: &Moment,
) -> Result<Answer, ServiceError> {
    let recognised = match cookies.session.clone() {
        Some(session) => service.recognise(realm, &session, moment).await?,
        None => None,
    };
    if let Some(carried) = form.find("flow") {
        // The answer to our own question.
        if !cookies.had_mark || !browser::is_same_origin(head, realm) || head.method != Method::POST {
            return Err(Refusal::FlowInvalid.into());
        }
        let request = service.open_log_out(realm, carried, &cookies.mark, moment)?;
        if form.find("decision") != Some("log-out") {
            return Ok(tell(realm, head, Notice::StillSignedIn, cookies));
        }
        return end(service, realm, head, &request, recognised.as_ref(), cookies, moment).await;
    }
    let request = LogOutRequest::read(form);
    match service.judge_log_out(realm, &request, recognised.as_ref()) {
        Farewell::AtOnce => end(service, realm, head, &request, recognised.as_ref(), cookies, moment).await,
        Farewell::Ask(recognised) => {
            let carried = service.carry_log_out(realm, &request, &cookies.mark, moment);
            let page = LogOut {
                frame: page::frame(realm, head, request.ui_locales.as_deref()),
                action: "logout",
                hidden: &[("flow", &carried)],
                application: None,
                username: &recognised.user.username,
            };
            Ok(page::html(StatusCode::OK, &page, None, cookies))
        }
    }
}

/// Ends the session, and goes where the application wants if that is registered.
async fn end(
    service: &Service,
    realm: &Arc<RealmState>,
    head: &Parts,
    request: &LogOutRequest,
    recognised: Option<&Recognised>,
    cookies: &mut Cookies,
    moment: &Moment,
) -> Result<Answer, ServiceError> {
    if let Some(recognised) = recognised {
        service.end_session(recognised.session.id, moment).await?;
    }
    cookies.clear_session();
    match service.address_after_log_out(realm, request) {
        Some(address) => {
            let state = request.state.as_deref().map(|state| ("state", state));
            let parameters: Vec<(&str, &str)> = state.into_iter().collect();
            let location =
                if parameters.is_empty() { address } else { page::with_parameters(&address, &parameters) };
            Ok(page::see_other(&location, cookies))
        }
        None => Ok(tell(realm, head, Notice::LoggedOut, cookies)),
    }
}

fn tell(realm: &RealmState, head: &Parts, notice: Notice, cookies: &Cookies) -> Answer {
    let page = NoticePage { frame: page::frame(realm, head, None), notice, go_on: None, back_to: None };
    page::html(StatusCode::OK, &page, None, cookies)
}
