//! The forms of the account page that add and remove second factors, and the page that asks once more who it is.

use std::net::IpAddr;

use http::StatusCode;
use lydian_domain::Refusal;
use lydian_oauth_types::Form;
use lydian_pages::views::{
    AuthenticatorEnrolment, Confirmation, ConfirmationProblem, PasskeyEnrolment, PasskeyForm,
};
use lydian_primitives::Secret;
use lydian_service::ServiceError;
use lydian_service::factors::HeldFactors;
use lydian_service::factors::enrolling::{Added, ConfirmationFault, NewAuthenticator, NewPasskey};
use lydian_service::factors::proving::{FactorFault, Sender};
use lydian_service::sessions::Recognised;

use super::account::AccountRequest;
use super::browser::{self, Cookies};
use super::page;
use super::second_factor::{Around, problem_of, with_wait};
use crate::Answer;

/// Where a person goes who changes its mind.
const ACCOUNT: &str = "account";

impl AccountRequest<'_> {
    /// Does what a form about second factors asks for; `None` when it is about something else.
    pub(super) async fn perform_on_factors(
        &self,
        recognised: &Recognised,
        what: &str,
        form: &Form<'_>,
        cookies: &mut Cookies,
        peer: IpAddr,
    ) -> Result<Option<Answer>, ServiceError> {
        let answer = match what {
            "confirm-authenticator" => self.confirm_authenticator(recognised, form, cookies, peer).await?,
            "confirm-passkey" => self.confirm_passkey(recognised, form, cookies, peer).await?,
            "codes-kept" => page::see_other(ACCOUNT, cookies),
            "add-authenticator" | "add-passkey" | "new-recovery-codes" | "remove-factor" => {
                let held = self.service.factors_of(&recognised.user).await?;
                if let Some(asked) = self.asked_again(recognised, &held, what, form, cookies, peer).await? {
                    return Ok(Some(asked));
                }
                self.perform_confirmed(recognised, &held, what, form, cookies).await?
            }
            _ => return Ok(None),
        };
        Ok(Some(answer))
    }

    /// The page that asks once more who it is; `None` when that is known.
    async fn asked_again(
        &self,
        recognised: &Recognised,
        held: &HeldFactors,
        what: &str,
        form: &Form<'_>,
        cookies: &Cookies,
        peer: IpAddr,
    ) -> Result<Option<Answer>, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let password = Secret::new(form.find("password").unwrap_or_default().to_owned());
        let code = form.find("code").unwrap_or_default();
        let mut problem = None;
        if !password.expose().is_empty() || !code.is_empty() {
            let shown = (&password, code);
            match service.confirm_person(realm, recognised, held, shown, peer, moment).await? {
                Ok(()) => return Ok(None),
                Err(ConfirmationFault::Password) => problem = Some(ConfirmationProblem::Password),
                Err(ConfirmationFault::Code(fault)) => {
                    problem = Some(ConfirmationProblem::Code(problem_of(fault).0));
                }
            }
        } else if what != "remove-factor" && !service.needs_confirmation(recognised, held, moment) {
            // Removing is asked for each time: it opens what a factor had closed.
            return Ok(None);
        }
        let session = Some(recognised.session.id);
        let carried = service.carry_account(realm, session, &cookies.mark, ACCOUNT, moment);
        let mut hidden = vec![("flow", carried.as_str())];
        hidden.extend(form.find("factor").map(|factor| ("factor", factor)));
        let page = Confirmation {
            frame: page::frame(realm, self.head, None),
            action: &format!("account?do={what}"),
            hidden: &hidden,
            username: &recognised.user.username,
            password: recognised.user.password.is_some()
                && !service.confirms_by_factor_only(recognised, held),
            code: held.has_authenticator() || held.recovery_codes > 0,
            problem,
            cancel: ACCOUNT,
        };
        Ok(Some(page::html(StatusCode::OK, &page, None, cookies)))
    }

    async fn perform_confirmed(
        &self,
        recognised: &Recognised,
        held: &HeldFactors,
        what: &str,
        form: &Form<'_>,
        cookies: &mut Cookies,
    ) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        match what {
            "add-authenticator" => {
                let new = service.begin_authenticator(realm, recognised, &cookies.mark, moment);
                Ok(self.show_authenticator(recognised, &new, None, cookies))
            }
            "add-passkey" => {
                let new = service.begin_passkey(realm, recognised, held, &cookies.mark, moment);
                Ok(self.show_passkey(recognised, &new.ok_or(Refusal::FormMalformed)?, false, cookies))
            }
            "new-recovery-codes" => {
                let codes = service.new_recovery_codes(realm, recognised, moment).await?;
                Ok(self.show_codes(recognised, &codes, cookies))
            }
            _ => {
                let factor = form.find("factor").ok_or(Refusal::FormMalformed)?;
                let cookie = service.remove_own_factor(realm, recognised, factor, moment).await?;
                cookies.set_session(cookie.value.expose(), cookie.seconds);
                Ok(page::see_other("account?done=factor-removed", cookies))
            }
        }
    }

    async fn confirm_authenticator(
        &self,
        recognised: &Recognised,
        form: &Form<'_>,
        cookies: &mut Cookies,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let pending = form.find("pending").ok_or(Refusal::FlowInvalid)?;
        let code = form.find("code").unwrap_or_default();
        let sender = self.sender(recognised, cookies, peer);
        match self.service.add_authenticator(self.realm, pending, code, &sender, self.moment).await? {
            Ok(added) => Ok(self.show_added(recognised, &added, cookies)),
            Err((again, fault)) => Ok(self.show_authenticator(recognised, &again, Some(fault), cookies)),
        }
    }

    async fn confirm_passkey(
        &self,
        recognised: &Recognised,
        form: &Form<'_>,
        cookies: &mut Cookies,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let pending = form.find("pending").ok_or(Refusal::FlowInvalid)?;
        let answer = form.find("credential").unwrap_or_default();
        let name = form.find("name").unwrap_or_default();
        let sender = self.sender(recognised, cookies, peer);
        match service.add_passkey(realm, pending, answer, name, &sender, moment).await? {
            Some(added) => Ok(self.show_added(recognised, &added, cookies)),
            None => {
                let held = service.factors_of(&recognised.user).await?;
                let new = service.begin_passkey(realm, recognised, &held, &cookies.mark, moment);
                Ok(self.show_passkey(recognised, &new.ok_or(Refusal::FormMalformed)?, true, cookies))
            }
        }
    }

    fn sender<'a>(&'a self, recognised: &'a Recognised, cookies: &'a Cookies, peer: IpAddr) -> Sender<'a> {
        Sender {
            mark: &cookies.mark,
            address: peer,
            user_agent: browser::user_agent(self.head),
            recognised: Some(recognised),
        }
    }

    fn carried(&self, recognised: &Recognised, cookies: &Cookies) -> String {
        let session = Some(recognised.session.id);
        self.service.carry_account(self.realm, session, &cookies.mark, ACCOUNT, self.moment)
    }

    fn show_added(&self, recognised: &Recognised, added: &Added, cookies: &mut Cookies) -> Answer {
        cookies.set_session(added.cookie.value.expose(), added.cookie.seconds);
        match &added.recovery_codes {
            Some(codes) => self.show_codes(recognised, codes, cookies),
            None => page::see_other("account?done=factor-added", cookies),
        }
    }

    fn show_codes(&self, recognised: &Recognised, codes: &[Secret], cookies: &Cookies) -> Answer {
        let flow = self.carried(recognised, cookies);
        let around = Around {
            realm: self.realm,
            head: self.head,
            cookies,
            flow: &flow,
            return_to: None,
            ui_locales: None,
        };
        around.show_codes("account?do=codes-kept", codes)
    }

    fn show_authenticator(
        &self,
        recognised: &Recognised,
        new: &NewAuthenticator,
        fault: Option<FactorFault>,
        cookies: &Cookies,
    ) -> Answer {
        let carried = self.carried(recognised, cookies);
        let problem = fault.map(problem_of);
        let page = AuthenticatorEnrolment {
            frame: page::frame(self.realm, self.head, None),
            action: "account?do=confirm-authenticator",
            hidden: &[("flow", &carried), ("pending", &new.pending)],
            otpauth: new.otpauth.expose(),
            secret: new.key.expose(),
            required: false,
            problem: problem.map(|(problem, ..)| problem),
            passkey_instead: None,
            cancel: Some(ACCOUNT),
        };
        let status = problem.map_or(StatusCode::OK, |(_, status, _)| status);
        let answer = page::html(status, &page, None, cookies);
        with_wait(answer, problem.and_then(|(_, _, wait)| wait))
    }

    fn show_passkey(
        &self,
        recognised: &Recognised,
        new: &NewPasskey,
        refused: bool,
        cookies: &Cookies,
    ) -> Answer {
        let carried = self.carried(recognised, cookies);
        let hidden = [("flow", carried.as_str()), ("pending", new.pending.as_str())];
        let page = PasskeyEnrolment {
            frame: page::frame(self.realm, self.head, None),
            form: PasskeyForm {
                action: "account?do=confirm-passkey",
                hidden: &hidden,
                options: &new.options,
            },
            refused,
            authenticator_instead: None,
            cancel: Some(ACCOUNT),
        };
        page::html(StatusCode::OK, &page, None, cookies)
    }
}
