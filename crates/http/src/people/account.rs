//! `/oauth2/account`: what a person sees and ends of its own.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::Form;
use lydian_pages::device;
use lydian_pages::views::{
    Account, AccountActions, AccountNotice, AddressRow, ApplicationRow, PasswordProblem, SessionRow, SignIn,
};
use lydian_primitives::{Secret, limits};
use lydian_service::account::PasswordChange;
use lydian_service::password_rules::PASSWORD_CHARACTERS_MIN;
use lydian_service::sessions::Recognised;
use lydian_service::{Moment, RealmState, Service, ServiceError};

use super::authorize::{refusal_of, words_of};
use super::browser::{self, Cookies};
use super::{links, page};
use crate::error_response::Problem;
use crate::form_request::is_form;
use crate::{Answer, body, find_realm};

/// Where the forms of the page go: back to itself, with what is to be done.
const ACTIONS: AccountActions<'static> = AccountActions {
    end_session: "account?do=end-session",
    remove_application: "account?do=remove-application",
    remove_factor: "account",
    add_authenticator: None,
    add_passkey: None,
    new_recovery_codes: None,
    change_password: Some("account?do=change-password"),
    confirm_address: None,
    log_out: Some("account?do=log-out"),
};

/// What was done, as the page is told after a redirect.
const DONE: [(&str, AccountNotice); 4] = [
    ("address-link-sent", AccountNotice::AddressLinkSent),
    ("application-removed", AccountNotice::ApplicationRemoved),
    ("password-changed", AccountNotice::PasswordChanged),
    ("session-ended", AccountNotice::SessionEnded),
];

/// One request of the page.
struct AccountRequest<'a> {
    service: &'a Service,
    realm: &'a Arc<RealmState>,
    head: &'a Parts,
    moment: &'a Moment,
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
    let mut cookies = Cookies::of(head, &realm, service.node().entropy());
    let request = AccountRequest { service, realm: &realm, head, moment: &moment };
    let answered = request.answer(is_post.then_some(&sent), &mut cookies, peer).await;
    Ok(answered.unwrap_or_else(|error| page::fault(&realm, head, &error, &cookies)))
}

impl AccountRequest<'_> {
    async fn answer(
        &self,
        sent: Option<&Bytes>,
        cookies: &mut Cookies,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let recognised = match cookies.session.clone() {
            Some(session) => self.service.recognise(self.realm, &session, self.moment).await?,
            None => None,
        };
        let query = browser::query(self.head, &[]).map_err(refusal_of)?;
        match (recognised, sent) {
            (Some(recognised), None) => {
                let done = query.find("done");
                let notice = DONE.iter().find(|(word, _)| Some(*word) == done).map(|(_, notice)| *notice);
                self.show(&recognised, notice, None, cookies).await
            }
            (Some(recognised), Some(sent)) => {
                if !is_form(self.head) {
                    return Err(Refusal::BodyNotForm.into());
                }
                let form = Form::parse(sent, &[]).map_err(refusal_of)?;
                self.perform(&recognised, query.find("do").unwrap_or_default(), &form, cookies, peer).await
            }
            (None, _) => Ok(self.sign_in(cookies)),
        }
    }

    /// Who is not signed in begins with that.
    fn sign_in(&self, cookies: &Cookies) -> Answer {
        let carried = self.service.carry_account(self.realm, None, &cookies.mark, "account", self.moment);
        let page = SignIn {
            frame: page::frame(self.realm, self.head, None),
            action: "sign-in",
            hidden: &[("flow", &carried)],
            application: None,
            username: "",
            problem: None,
            forgotten_password: Some(links::FORGOTTEN_PASSWORD),
            passkey: None,
        };
        page::html(StatusCode::OK, &page, None, cookies)
    }

    async fn perform(
        &self,
        recognised: &Recognised,
        what: &str,
        form: &Form<'_>,
        cookies: &mut Cookies,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let carried = form.find("flow").ok_or(Refusal::FlowInvalid)?;
        if !cookies.had_mark || !browser::is_same_origin(self.head, realm) {
            return Err(Refusal::FlowInvalid.into());
        }
        service.open_account(realm, carried, Some(recognised.session.id), &cookies.mark, moment)?;
        let done = match what {
            "end-session" => {
                let handle = form.find("session").ok_or(Refusal::FormMalformed)?;
                let ended = service.end_own_session(realm, recognised, handle, moment).await?;
                if ended == recognised.session.id {
                    cookies.clear_session();
                }
                "session-ended"
            }
            "remove-application" => {
                let client_id = form.find("application").ok_or(Refusal::FormMalformed)?;
                service.remove_application(realm, recognised, client_id, moment).await?;
                "application-removed"
            }
            "confirm-address" => {
                let language = page::frame(realm, self.head, None).language;
                service.ask_for_confirmation(realm, recognised, language, peer, moment)?;
                "address-link-sent"
            }
            "change-password" => return self.change_password(recognised, form, cookies, peer).await,
            "log-out" => {
                service.end_session(recognised.session.id, moment).await?;
                cookies.clear_session();
                return Ok(page::see_other("logout", cookies));
            }
            _ => return Err(Refusal::FormMalformed.into()),
        };
        Ok(page::see_other(&format!("account?done={done}"), cookies))
    }

    async fn change_password(
        &self,
        recognised: &Recognised,
        form: &Form<'_>,
        cookies: &mut Cookies,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let typed = |name| Secret::new(form.find(name).unwrap_or_default().to_owned());
        let (current, new) = (typed("current_password"), typed("new_password"));
        let repeated = typed("repeat_password");
        let language = page::frame(self.realm, self.head, None).language;
        let change = PasswordChange { current: &current, new: &new, repeated: &repeated, language };
        match self.service.change_password(self.realm, recognised, &change, peer, self.moment).await? {
            Ok(cookie) => {
                cookies.set_session(cookie.value.expose(), cookie.seconds);
                Ok(page::see_other("account?done=password-changed", cookies))
            }
            Err(fault) => {
                let problem = links::problem_of(fault);
                self.show(recognised, None, Some(problem), cookies).await
            }
        }
    }

    async fn show(
        &self,
        recognised: &Recognised,
        notice: Option<AccountNotice>,
        password_problem: Option<PasswordProblem>,
        cookies: &Cookies,
    ) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let frame = page::frame(realm, self.head, None);
        let sessions = service.own_sessions(realm, recognised, moment).await?;
        let applications = service.own_applications(realm, recognised, moment).await?;
        let browsers: Vec<_> =
            sessions.iter().map(|own| device::name(&own.session.browser.user_agent)).collect();
        let rows: Vec<SessionRow<'_>> = sessions
            .iter()
            .zip(&browsers)
            .map(|(own, browser)| SessionRow {
                id: &own.handle,
                browser,
                place: None,
                since: own.session.browser.created_at,
                last_used: own.last_used,
                is_this: own.session.id == recognised.session.id,
            })
            .collect();
        let words: Vec<Vec<&str>> = applications
            .iter()
            .map(|own| {
                let (identity, of_api) = words_of(&own.scope, None, frame);
                of_api.into_iter().chain(identity).collect()
            })
            .collect();
        let applications: Vec<ApplicationRow<'_>> = applications
            .iter()
            .zip(&words)
            .map(|(own, words)| ApplicationRow {
                id: &own.client.client_id,
                name: &own.client.name,
                scopes: words,
                since: own.since,
            })
            .collect();
        let profile = &recognised.user.profile;
        let address = profile
            .email
            .as_deref()
            .map(|address| AddressRow { address, is_confirmed: profile.email_verified });
        let may_confirm = service.sends_mail() && address.is_some_and(|row| !row.is_confirmed);
        let confirm_address = may_confirm.then_some("account?do=confirm-address");
        let session = Some(recognised.session.id);
        let carried = service.carry_account(realm, session, &cookies.mark, "account", moment);
        let page = Account {
            frame,
            username: &recognised.user.username,
            hidden: &[("flow", &carried)],
            actions: AccountActions { confirm_address, ..ACTIONS },
            notice,
            sessions: &rows,
            applications: &applications,
            factors: &[],
            address,
            recovery_codes_left: None,
            password_characters_min: PASSWORD_CHARACTERS_MIN,
            password_problem,
        };
        Ok(page::html(StatusCode::OK, &page, None, cookies))
    }
}
