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
    Account, AccountActions, AccountNotice, AddressRow, ApplicationRow, FactorKind, FactorRow,
    PasswordProblem, SessionRow, SignIn,
};
use lydian_primitives::{Secret, limits};
use lydian_service::account::PasswordChange;
use lydian_service::factors::proving::factor_name;
use lydian_service::password_rules::PASSWORD_CHARACTERS_MIN;
use lydian_service::sessions::Recognised;
use lydian_service::{Moment, RealmState, Service, ServiceError};

use super::authorize::{refusal_of, words_of};
use super::browser::{self, Cookies};
use super::second_factor::{passkey_form, passkey_hidden};
use super::{links, page};
use crate::error_response::Problem;
use crate::form_request::is_form;
use crate::{Answer, body, find_realm};

/// Where the forms of the page go: back to itself, with what is to be done.
const ACTIONS: AccountActions<'static> = AccountActions {
    end_session: "account?do=end-session",
    remove_application: "account?do=remove-application",
    remove_factor: "account?do=remove-factor",
    add_authenticator: Some("account?do=add-authenticator"),
    add_passkey: Some("account?do=add-passkey"),
    new_recovery_codes: Some("account?do=new-recovery-codes"),
    change_password: Some("account?do=change-password"),
    confirm_address: None,
    log_out: Some("account?do=log-out"),
};

/// What was done, as the page is told after a redirect.
const DONE: [(&str, AccountNotice); 6] = [
    ("address-link-sent", AccountNotice::AddressLinkSent),
    ("application-removed", AccountNotice::ApplicationRemoved),
    ("factor-added", AccountNotice::FactorAdded),
    ("factor-removed", AccountNotice::FactorRemoved),
    ("password-changed", AccountNotice::PasswordChanged),
    ("session-ended", AccountNotice::SessionEnded),
];

/// One request of the page.
pub(super) struct AccountRequest<'a> {
    pub(super) service: &'a Service,
    pub(super) realm: &'a Arc<RealmState>,
    pub(super) head: &'a Parts,
    pub(super) moment: &'a Moment,
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
        if let Some(answer) = self.perform_on_factors(recognised, what, form, cookies, peer).await? {
            return Ok(answer);
        }
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
        let held = service.factors_of(&recognised.user).await?;
        let names: Vec<String> = held.factors.iter().map(factor_name).collect();
        let factors: Vec<FactorRow<'_>> = held
            .factors
            .iter()
            .zip(&names)
            .map(|(factor, name)| FactorRow {
                id: name,
                kind: if factor.passkey().is_some() {
                    FactorKind::Passkey
                } else {
                    FactorKind::Authenticator
                },
                name: Some(factor.name.as_str()).filter(|name| !name.is_empty()),
                since: factor.created_at,
                last_used: factor.last_used_at,
            })
            .collect();
        let may_add = held.factors.len() < limits::FACTORS_MAX;
        let actions = AccountActions {
            add_authenticator: ACTIONS.add_authenticator.filter(|_| may_add),
            add_passkey: ACTIONS.add_passkey.filter(|_| may_add && service.takes_passkeys(realm)),
            new_recovery_codes: ACTIONS.new_recovery_codes.filter(|_| !held.is_empty()),
            confirm_address,
            ..ACTIONS
        };
        let session = Some(recognised.session.id);
        let carried = service.carry_account(realm, session, &cookies.mark, "account", moment);
        let page = Account {
            frame,
            username: &recognised.user.username,
            hidden: &[("flow", &carried)],
            actions,
            notice,
            sessions: &rows,
            applications: &applications,
            factors: &factors,
            address,
            recovery_codes_left: (!held.is_empty()).then_some(held.recovery_codes),
            password_characters_min: PASSWORD_CHARACTERS_MIN,
            password_problem,
        };
        Ok(page::html(StatusCode::OK, &page, None, cookies))
    }
}
