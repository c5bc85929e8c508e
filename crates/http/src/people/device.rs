//! `/oauth2/device`: where a person decides over a device that shows a code (RFC 8628 §3.3).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_domain::records::device::{canonical_user_code, shown_user_code};
use lydian_oauth_types::Form;
use lydian_pages::views::{
    Api, DeviceCode, DeviceCodeProblem, DeviceConfirmation, Notice, NoticePage, SignIn,
};
use lydian_primitives::limits;
use lydian_service::sessions::Recognised;
use lydian_service::{Moment, RealmState, Service, ServiceError};

use super::authorize::{refusal_of, words_of};
use super::browser::{self, Cookies};
use super::second_factor::{passkey_form, passkey_hidden};
use super::{links, page};
use crate::error_response::Problem;
use crate::form_request::is_form;
use crate::{Answer, body, find_realm};

/// One request of the page.
struct DeviceRequest<'a> {
    service: &'a Service,
    realm: &'a Arc<RealmState>,
    head: &'a Parts,
    moment: &'a Moment,
    peer: IpAddr,
}

/// Answers with the page, or does what a form of it asks for.
///
/// # Errors
///
/// A [`Problem`] for what is no business of a person.
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
    let is_post = head.method == Method::POST;
    let sent = if is_post {
        body::read_body(body, limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await?
    } else {
        Bytes::new()
    };
    let moment = service.moment().map_err(Problem::Service)?;
    let realm = find_realm(service, realm)?;
    let cookies = Cookies::of(head, &realm, service.node().entropy());
    let request = DeviceRequest { service, realm: &realm, head, moment: &moment, peer };
    let answered = request.answer(is_post.then_some(&sent), &cookies).await;
    Ok(answered.unwrap_or_else(|error| page::fault(&realm, head, &error, &cookies)))
}

impl DeviceRequest<'_> {
    async fn answer(&self, sent: Option<&Bytes>, cookies: &Cookies) -> Result<Answer, ServiceError> {
        let recognised = match &cookies.session {
            Some(session) => self.service.recognise(self.realm, session, self.moment).await?,
            None => None,
        };
        let query = browser::query(self.head, &[]).map_err(refusal_of)?;
        let typed = query.find("user_code").unwrap_or_default();
        let Some(recognised) = recognised else {
            return Ok(self.sign_in(typed, cookies));
        };
        let Some(sent) = sent else {
            return Ok(self.ask(&recognised, typed, None, StatusCode::OK, cookies));
        };
        if !is_form(self.head) {
            return Err(Refusal::BodyNotForm.into());
        }
        let form = Form::parse(sent, &[]).map_err(refusal_of)?;
        let carried = form.find("flow").ok_or(Refusal::FlowInvalid)?;
        if !cookies.had_mark || !browser::is_same_origin(self.head, self.realm) {
            return Err(Refusal::FlowInvalid.into());
        }
        let session = Some(recognised.session.id);
        let then = self.service.open_account(self.realm, carried, session, &cookies.mark, self.moment)?;
        // What was asked about is what is decided over, whatever else the form says.
        match then.strip_prefix("decide ") {
            Some(user_code) => self.decide(&recognised, user_code, form.find("decision"), cookies).await,
            None => self.confirm(&recognised, form.find("user_code").unwrap_or_default(), cookies).await,
        }
    }

    fn sign_in(&self, typed: &str, cookies: &Cookies) -> Answer {
        let then = match canonical_user_code(typed) {
            Some(code) => format!("device?user_code={}", shown_user_code(&code)),
            None => "device".to_owned(),
        };
        let carried = self.service.carry_account(self.realm, None, &cookies.mark, &then, self.moment);
        let question = self.service.ask_any_passkey(self.realm, &cookies.mark, self.moment);
        let passkey_hidden = passkey_hidden(&carried, question.as_ref());
        let page = SignIn {
            frame: page::frame(self.realm, self.head, None),
            action: "sign-in",
            hidden: &[("flow", &carried)],
            application: None,
            username: "",
            problem: None,
            forgotten_password: Some(links::FORGOTTEN_PASSWORD),
            passkey: passkey_form(&passkey_hidden, question.as_ref()),
        };
        page::html(StatusCode::OK, &page, None, cookies)
    }

    fn ask(
        &self,
        recognised: &Recognised,
        typed: &str,
        problem: Option<DeviceCodeProblem>,
        status: StatusCode,
        cookies: &Cookies,
    ) -> Answer {
        let session = Some(recognised.session.id);
        let carried = self.service.carry_account(self.realm, session, &cookies.mark, "ask", self.moment);
        let page = DeviceCode {
            frame: page::frame(self.realm, self.head, None),
            action: "device",
            hidden: &[("flow", &carried)],
            user_code: typed,
            problem,
        };
        page::html(status, &page, None, cookies)
    }

    /// The person has typed a code: what waits under it is shown.
    async fn confirm(
        &self,
        recognised: &Recognised,
        typed: &str,
        cookies: &Cookies,
    ) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let waiting = match service.find_waiting_device(realm, typed, self.peer, moment).await {
            Ok(Some(waiting)) => waiting,
            Ok(None) => {
                let problem = Some(DeviceCodeProblem::Wrong);
                return Ok(self.ask(recognised, typed, problem, StatusCode::OK, cookies));
            }
            Err(ServiceError::TooManyRequests(wait)) => {
                let problem = Some(DeviceCodeProblem::TooManyAttempts { wait_seconds: wait.as_secs() + 1 });
                return Ok(self.ask(recognised, typed, problem, StatusCode::TOO_MANY_REQUESTS, cookies));
            }
            Err(error) => return Err(error),
        };
        let chosen = service.asked_by_device(realm, &waiting, recognised)?;
        let frame = page::frame(realm, self.head, None);
        let (identity, of_api) = words_of(&chosen.scope, chosen.api, frame);
        let mut apis = Vec::new();
        if let Some(api) = chosen.api {
            apis.push(Api { name: &api.name, scopes: &of_api });
        }
        let house = realm.realm.sign_in.brand_name.as_deref().unwrap_or("Lydian");
        if !identity.is_empty() {
            apis.push(Api { name: house, scopes: &identity });
        }
        let then = format!("decide {}", waiting.device.user_code);
        let session = Some(recognised.session.id);
        let carried = service.carry_account(realm, session, &cookies.mark, &then, moment);
        let user_code = shown_user_code(&waiting.device.user_code);
        let page = DeviceConfirmation {
            frame,
            action: "device",
            hidden: &[("flow", &carried)],
            user_code: &user_code,
            application: page::application(&waiting.client),
            apis: &apis,
            username: &recognised.user.username,
            not_you: Some("logout"),
        };
        Ok(page::html(StatusCode::OK, &page, None, cookies))
    }

    async fn decide(
        &self,
        recognised: &Recognised,
        user_code: &str,
        decision: Option<&str>,
        cookies: &Cookies,
    ) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let Some(waiting) = service.find_waiting_device(realm, user_code, self.peer, moment).await? else {
            let problem = Some(DeviceCodeProblem::Wrong);
            return Ok(self.ask(recognised, user_code, problem, StatusCode::OK, cookies));
        };
        let allows = decision == Some("allow");
        service.decide_device(realm, &waiting, allows, recognised, moment).await?;
        let notice = if allows { Notice::DeviceConnected } else { Notice::DeviceDenied };
        let frame = page::frame(realm, self.head, None);
        let page = NoticePage { frame, notice, go_on: None, back_to: None };
        Ok(page::html(StatusCode::OK, &page, None, cookies))
    }
}
