//! `/oauth2/forgotten-password`, `/oauth2/reset-password` and `/oauth2/confirm-address`: what people do by links from their mail.
//!
//! A link is shown its page and nothing else happens: programs that look into mail follow links. Only the form of the page acts, and what it
//! carries is the link itself, which nobody else has.

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::Form;
use lydian_pages::views::{
    ConfirmAddress, ForgottenPassword, NewPassword, NewPasswordReason, Notice, NoticePage, PasswordProblem,
};
use lydian_primitives::{Secret, limits};
use lydian_service::account::PasswordFault;
use lydian_service::password_rules::PASSWORD_CHARACTERS_MIN;
use lydian_service::{Moment, RealmState, Service, ServiceError};

use super::authorize::refusal_of;
use super::browser::{self, Cookies};
use super::page;
use crate::error_response::Problem;
use crate::form_request::is_form;
use crate::{Answer, body, find_realm};

/// Where the sign-in page sends who has forgotten the password.
pub const FORGOTTEN_PASSWORD: &str = "forgotten-password";

/// The longest address of a mailbox, in bytes (RFC 5321 §4.5.3.1.3, without its brackets).
const EMAIL_BYTES_MAX: usize = 254;

/// What a form carries that asks for a link.
const ASKS: &str = "forgotten password";

/// Which of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The one that confirms an address.
    ConfirmAddress,
    /// The one that asks for a link.
    ForgottenPassword,
    /// The one on which a password is chosen.
    ResetPassword,
}

/// One request of a page.
struct LinkRequest<'a> {
    service: &'a Service,
    realm: &'a RealmState,
    head: &'a Parts,
    moment: &'a Moment,
    cookies: &'a Cookies,
    peer: IpAddr,
}

/// Answers with the page, or does what its form asks for.
///
/// # Errors
///
/// A [`Problem`] for what is no business of a person.
pub async fn handle<B>(
    service: &Service,
    linked: Linked,
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
    let request = LinkRequest { service, realm: &realm, head, moment: &moment, cookies: &cookies, peer };
    let answered = request.answer(linked, is_post.then_some(&sent)).await;
    Ok(answered.unwrap_or_else(|error| page::fault(&realm, head, &error, &cookies)))
}

impl LinkRequest<'_> {
    async fn answer(&self, linked: Linked, sent: Option<&Bytes>) -> Result<Answer, ServiceError> {
        let Some(sent) = sent else {
            let query = browser::query(self.head, &[]).map_err(refusal_of)?;
            let link = query.find("link").unwrap_or_default();
            return match linked {
                Linked::ConfirmAddress => self.show_address(link).await,
                Linked::ForgottenPassword => Ok(self.ask("", false)),
                Linked::ResetPassword => self.show_password(link, None).await,
            };
        };
        if !is_form(self.head) {
            return Err(Refusal::BodyNotForm.into());
        }
        let form = Form::parse(sent, &[]).map_err(refusal_of)?;
        if !browser::is_same_origin(self.head, self.realm) {
            return Err(Refusal::FlowInvalid.into());
        }
        let link = form.find("link").unwrap_or_default();
        match linked {
            Linked::ConfirmAddress => {
                self.service.confirm_address(self.realm, link, self.moment).await?;
                Ok(self.tell(Notice::AddressVerified))
            }
            Linked::ForgottenPassword => self.send_link(&form),
            Linked::ResetPassword => self.save_password(link, &form).await,
        }
    }

    /// Asks whose link is to be sent; where none can be, says who helps.
    fn ask(&self, email: &str, invalid: bool) -> Answer {
        if !self.service.sends_mail() {
            return self.tell(Notice::ResetByAdministrator);
        }
        let Self { service, realm, moment, cookies, .. } = self;
        let carried = service.carry_account(realm, None, &cookies.mark, ASKS, moment);
        let page = ForgottenPassword {
            frame: page::frame(realm, self.head, None),
            action: FORGOTTEN_PASSWORD,
            hidden: &[("flow", &carried)],
            email,
            invalid,
            sign_in: None,
        };
        page::html(StatusCode::OK, &page, None, cookies)
    }

    fn send_link(&self, form: &Form<'_>) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, cookies, .. } = self;
        if !service.sends_mail() {
            return Ok(self.tell(Notice::ResetByAdministrator));
        }
        let carried = form.find("flow").ok_or(Refusal::FlowInvalid)?;
        if !cookies.had_mark || service.open_account(realm, carried, None, &cookies.mark, moment)? != ASKS {
            return Err(Refusal::FlowInvalid.into());
        }
        let email = form.find("email").unwrap_or_default().trim();
        if !may_be_address(email) {
            return Ok(self.ask(email, true));
        }
        let language = page::frame(realm, self.head, None).language;
        service.ask_for_reset(realm, email, language, self.peer, moment)?;
        Ok(self.tell(Notice::ResetLinkSent))
    }

    async fn show_password(
        &self,
        link: &str,
        problem: Option<PasswordProblem>,
    ) -> Result<Answer, ServiceError> {
        let user = self.service.open_reset_link(self.realm, link, self.moment).await?;
        let page = NewPassword {
            frame: page::frame(self.realm, self.head, None),
            action: "reset-password",
            hidden: &[("link", link)],
            reason: NewPasswordReason::Reset,
            username: &user.username,
            characters_min: PASSWORD_CHARACTERS_MIN,
            problem,
        };
        Ok(page::html(StatusCode::OK, &page, None, self.cookies))
    }

    async fn save_password(&self, link: &str, form: &Form<'_>) -> Result<Answer, ServiceError> {
        let Self { service, realm, moment, .. } = self;
        let typed = |name| Secret::new(form.find(name).unwrap_or_default().to_owned());
        let (new, repeated) = (typed("new_password"), typed("repeat_password"));
        let language = page::frame(realm, self.head, None).language;
        match service.reset_password(realm, link, &new, &repeated, language, moment).await? {
            Ok(()) => Ok(self.tell(Notice::PasswordChanged)),
            Err(fault) => self.show_password(link, Some(problem_of(fault))).await,
        }
    }

    async fn show_address(&self, link: &str) -> Result<Answer, ServiceError> {
        let user = self.service.open_address_link(self.realm, link, self.moment).await?;
        let page = ConfirmAddress {
            frame: page::frame(self.realm, self.head, None),
            action: "confirm-address",
            hidden: &[("link", link)],
            address: user.profile.email.as_deref().unwrap_or_default(),
        };
        Ok(page::html(StatusCode::OK, &page, None, self.cookies))
    }

    fn tell(&self, notice: Notice) -> Answer {
        let go_on = (notice == Notice::PasswordChanged).then_some("account");
        let frame = page::frame(self.realm, self.head, None);
        let page = NoticePage { frame, notice, go_on, back_to: None };
        page::html(StatusCode::OK, &page, None, self.cookies)
    }
}

/// What the page says of a password that was not taken.
pub(super) fn problem_of(fault: PasswordFault) -> PasswordProblem {
    match fault {
        PasswordFault::Common => PasswordProblem::Common,
        PasswordFault::CurrentWrong => PasswordProblem::CurrentWrong,
        PasswordFault::Differs => PasswordProblem::Differs,
        PasswordFault::Guessable => PasswordProblem::Guessable,
        PasswordFault::Same => PasswordProblem::Same,
        PasswordFault::TooLong => PasswordProblem::TooLong,
        PasswordFault::TooShort => PasswordProblem::TooShort,
    }
}

/// Whether a text has the outer form of an address. It is looked up, and never written to as it was typed.
fn may_be_address(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|one| !one.is_control() && one != ' ');
    text.len() <= EMAIL_BYTES_MAX
        && text.rsplit_once('@').is_some_and(|(local, domain)| plain(local) && plain(domain))
}
