//! The pages between the password and the sign-in: a code, a recovery code, a passkey, or adding a second factor that is demanded.

use std::net::IpAddr;

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use http::request::Parts;
use lydian_domain::Refusal;
use lydian_domain::authorize::ReturnTo;
use lydian_oauth_types::Form;
use lydian_pages::views::{
    AuthenticatorEnrolment, CodeProblem, PasskeyForm, RecoveryCodes, SecondFactor, SignInProblem,
};
use lydian_primitives::Secret;
use lydian_service::authorizing::Flow;
use lydian_service::factors::enrolling::NewAuthenticator;
use lydian_service::factors::proving::{FactorFault, FactorQuestion, PasskeyQuestion, Proved, Sender, Shown};
use lydian_service::sessions::{NewCookie, Recognised};
use lydian_service::{RealmState, ServiceError};

use super::authorize::PersonRequest;
use super::browser::{self, Cookies};
use super::page;
use crate::Answer;

/// What surrounds a page that asks for a factor.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) realm: &'a RealmState,
    pub(super) head: &'a Parts,
    pub(super) cookies: &'a Cookies,
    /// The request, as the browser carries it.
    pub(super) flow: &'a str,
    /// Where the answer to the application will go, if one asks.
    pub(super) return_to: Option<&'a ReturnTo>,
    pub(super) ui_locales: Option<&'a str>,
}

/// The problem of a fault, and the status of its page.
pub(super) fn problem_of(fault: FactorFault) -> (CodeProblem, StatusCode, Option<u64>) {
    match fault {
        FactorFault::PasskeyRefused => (CodeProblem::PasskeyRefused, StatusCode::OK, None),
        FactorFault::TooMany(wait) => {
            let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let problem = CodeProblem::TooManyAttempts { wait_seconds };
            (problem, StatusCode::TOO_MANY_REQUESTS, Some(wait_seconds))
        }
        FactorFault::Used => (CodeProblem::UsedCode, StatusCode::OK, None),
        FactorFault::Wrong => (CodeProblem::WrongCode, StatusCode::OK, None),
    }
}

/// Tells the browser for how long to wait.
pub(super) fn with_wait(mut answer: Answer, wait: Option<u64>) -> Answer {
    if let Some(seconds) = wait {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

impl Around<'_> {
    /// Asks for a second factor.
    pub(super) fn ask(&self, question: &FactorQuestion, fault: Option<FactorFault>) -> Answer {
        let problem = fault.map(problem_of);
        let hidden = [("flow", self.flow), ("pending", question.pending.as_str())];
        let action = "sign-in?do=second-factor";
        let page = SecondFactor {
            frame: page::frame(self.realm, self.head, self.ui_locales),
            action,
            hidden: &hidden,
            username: &question.username,
            authenticator: question.authenticator,
            recovery: question.recovery,
            passkey: question.passkey.as_deref().map(|options| PasskeyForm {
                action,
                hidden: &hidden,
                options,
            }),
            problem: problem.map(|(problem, ..)| problem),
            not_you: None,
        };
        let status = problem.map_or(StatusCode::OK, |(_, status, _)| status);
        let answer = page::html(status, &page, self.return_to, self.cookies);
        with_wait(answer, problem.and_then(|(_, _, wait)| wait))
    }

    /// Leads to adding an authenticator app, without which the sign-in does not go on.
    pub(super) fn enrol(&self, new: &NewAuthenticator, fault: Option<FactorFault>) -> Answer {
        let problem = fault.map(problem_of);
        let page = AuthenticatorEnrolment {
            frame: page::frame(self.realm, self.head, self.ui_locales),
            action: "sign-in?do=enrol",
            hidden: &[("flow", self.flow), ("pending", &new.pending)],
            otpauth: new.otpauth.expose(),
            secret: new.key.expose(),
            required: true,
            problem: problem.map(|(problem, ..)| problem),
            passkey_instead: None,
            cancel: None,
        };
        let status = problem.map_or(StatusCode::OK, |(_, status, _)| status);
        let answer = page::html(status, &page, self.return_to, self.cookies);
        with_wait(answer, problem.and_then(|(_, _, wait)| wait))
    }

    /// Shows recovery codes; the form leads on to `action`.
    pub(super) fn show_codes(&self, action: &str, codes: &[Secret]) -> Answer {
        let codes: Vec<&str> = codes.iter().map(Secret::expose).collect();
        let page = RecoveryCodes {
            frame: page::frame(self.realm, self.head, self.ui_locales),
            action,
            hidden: &[("flow", self.flow)],
            codes: &codes,
        };
        page::html(StatusCode::OK, &page, self.return_to, self.cookies)
    }
}

/// The hidden inputs of the passkey form on a sign-in page.
pub(super) fn passkey_hidden<'a>(
    flow: &'a str,
    question: Option<&'a PasskeyQuestion>,
) -> [(&'static str, &'a str); 2] {
    [("flow", flow), ("pending", question.map_or("", |question| question.pending.as_str()))]
}

/// The passkey form of a sign-in page.
pub(super) fn passkey_form<'a>(
    hidden: &'a [(&'static str, &'a str); 2],
    question: Option<&'a PasskeyQuestion>,
) -> Option<PasskeyForm<'a>> {
    question.map(|question| PasskeyForm { action: "sign-in?do=passkey", hidden, options: &question.options })
}

impl PersonRequest<'_> {
    fn sender<'a>(&'a self, peer: IpAddr) -> Sender<'a> {
        Sender {
            mark: &self.cookies.mark,
            address: peer,
            user_agent: browser::user_agent(self.head),
            recognised: self.recognised.as_ref(),
        }
    }

    fn around<'a>(&'a self, carried: &'a str, flow: Option<&'a Flow>) -> Around<'a> {
        let request = flow.map(Flow::request);
        Around {
            realm: &self.realm,
            head: self.head,
            cookies: &self.cookies,
            flow: carried,
            return_to: request.map(|request| &request.return_to),
            ui_locales: request.and_then(|request| request.ui_locales.as_deref()),
        }
    }

    /// The forms of the page that asks for a second factor.
    pub(super) async fn second_factor(
        &mut self,
        carried: &str,
        form: &Form<'_>,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let (flow, then) = self.open_either(carried)?;
        let pending = form.find("pending").ok_or(Refusal::FlowInvalid)?;
        let typed = |name| form.find(name).filter(|typed| !typed.is_empty());
        let shown = match (typed("credential"), typed("recovery_code")) {
            (Some(answer), _) => Shown::Passkey(answer),
            (None, Some(typed)) => Shown::RecoveryCode(typed),
            (None, None) => Shown::Code(form.find("code").unwrap_or_default()),
        };
        let (service, sender) = (self.service, self.sender(peer));
        let proved = service.prove_second_factor(&self.realm, pending, shown, &sender, &self.moment).await?;
        match proved {
            Proved::No(question, fault) => {
                Ok(self.around(carried, flow.as_ref()).ask(&question, Some(fault)))
            }
            Proved::Yes(recognised, cookie, is_stronger) => {
                Ok(self.go_on_signed_in(flow, &then, &recognised, &cookie, is_stronger))
            }
        }
    }

    /// The passkey form of the sign-in page.
    pub(super) async fn passkey(
        &mut self,
        carried: &str,
        form: &Form<'_>,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let (flow, then) = self.open_either(carried)?;
        let pending = form.find("pending").ok_or(Refusal::FlowInvalid)?;
        let answer = form.find("credential").unwrap_or_default();
        let (service, sender) = (self.service, self.sender(peer));
        match service.sign_in_by_passkey(&self.realm, pending, answer, &sender, &self.moment).await? {
            None => {
                let problem = SignInProblem::PasskeyRefused;
                Ok(self.sign_in_again(flow.as_ref(), carried, "", problem, StatusCode::OK))
            }
            Some((recognised, cookie)) => Ok(self.go_on_signed_in(flow, &then, &recognised, &cookie, false)),
        }
    }

    /// The page that adds an authenticator app on the way of a request.
    pub(super) async fn enrol(
        &mut self,
        carried: &str,
        form: &Form<'_>,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let flow = self.service.open_flow(&self.realm, carried, &self.cookies.mark, &self.moment)?;
        let pending = form.find("pending").ok_or(Refusal::FlowInvalid)?;
        let code = form.find("code").unwrap_or_default();
        let (service, sender) = (self.service, self.sender(peer));
        let added = service.add_authenticator(&self.realm, pending, code, &sender, &self.moment).await?;
        match added {
            Err((again, fault)) => Ok(self.around(carried, Some(&flow)).enrol(&again, Some(fault))),
            Ok(added) => {
                self.cookies.set_session(added.cookie.value.expose(), added.cookie.seconds);
                let Some(codes) = added.recovery_codes else {
                    return Ok(page::see_other(&format!("continue?flow={carried}"), &self.cookies));
                };
                Ok(self.around(carried, Some(&flow)).show_codes("sign-in?do=codes-kept", &codes))
            }
        }
    }

    /// The request that the browser carries, or the page of its own that the person wants to see.
    pub(super) fn open_either(&self, carried: &str) -> Result<(Option<Flow>, String), Refusal> {
        let (realm, mark) = (&self.realm, &self.cookies.mark);
        match self.service.open_flow(realm, carried, mark, &self.moment) {
            Ok(flow) => Ok((Some(flow), String::new())),
            // No application asks: the person wants to see one of its own pages.
            Err(refusal) => {
                let then = self.service.open_account(realm, carried, None, mark, &self.moment);
                Ok((None, then.map_err(|_| refusal)?))
            }
        }
    }

    /// Goes on after a sign-in, or with a session that has become stronger.
    pub(super) fn go_on_signed_in(
        &mut self,
        flow: Option<Flow>,
        then: &str,
        recognised: &Recognised,
        cookie: &NewCookie,
        is_stronger: bool,
    ) -> Answer {
        self.cookies.set_session(cookie.value.expose(), cookie.seconds);
        let Some(flow) = flow else {
            return page::see_other(then, &self.cookies);
        };
        let (service, mark) = (self.service, &self.cookies.mark);
        // A second factor alone is no new sign-in: what demands one still does.
        let carried = match is_stronger {
            true => service.carry_on(&self.realm, flow, mark, &self.moment),
            false => service.carry_signed_in(&self.realm, flow, recognised, mark, &self.moment),
        };
        page::see_other(&format!("continue?flow={carried}"), &self.cookies)
    }
}
