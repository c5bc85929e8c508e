//! The page for what cannot be answered by going back to the application.

use askama::Template;

use super::wait_text;
use crate::frame::Frame;
use crate::language::Language;
use crate::link::WebLink;

/// What went wrong. Each has one fixed phrase in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCause {
    /// The person's account is disabled.
    AccountDisabled,
    /// The client is disabled.
    ClientDisabled,
    /// There is no such client, or no `client_id`.
    ClientUnknown,
    /// The cookie that ties a form to its browser did not come.
    CookieMissing,
    /// The token that ties a form to its browser is missing, old or another's.
    FormNotOurs,
    /// A fault of ours.
    InternalError,
    /// The link of a mail has expired or was used.
    LinkUsed,
    /// A logout request with a `post_logout_redirect_uri` or `id_token_hint` that is not valid.
    LogoutRequestInvalid,
    /// There is no such page.
    NotFound,
    /// The client must push its request (RFC 9126 §5).
    PushedRequestRequired,
    /// `redirect_uri` is missing and there is not exactly one.
    RedirectUriMissing,
    /// `redirect_uri` is not registered for the client.
    RedirectUriUnregistered,
    /// The pushed request or the flow has expired.
    RequestExpired,
    /// A parameter is malformed, missing or repeated.
    RequestInvalid,
    /// The request object is not valid (RFC 9101 §7).
    RequestObjectInvalid,
    /// `response_mode` is unknown or not possible here.
    ResponseModeUnsupported,
    /// `response_type` is missing.
    ResponseTypeMissing,
    /// `response_type` is unknown or not allowed.
    ResponseTypeUnsupported,
    /// The person has no second factor, or did not show it, and must.
    SecondFactorMissing,
    /// The person may not use this client.
    SignInRefused,
    /// A limit was reached.
    TooManyRequests,
    /// The server cannot answer now.
    Unavailable,
}

impl ErrorCause {
    /// Every cause.
    pub const ALL: [Self; 22] = [
        Self::AccountDisabled,
        Self::ClientDisabled,
        Self::ClientUnknown,
        Self::CookieMissing,
        Self::FormNotOurs,
        Self::InternalError,
        Self::LinkUsed,
        Self::LogoutRequestInvalid,
        Self::NotFound,
        Self::PushedRequestRequired,
        Self::RedirectUriMissing,
        Self::RedirectUriUnregistered,
        Self::RequestExpired,
        Self::RequestInvalid,
        Self::RequestObjectInvalid,
        Self::ResponseModeUnsupported,
        Self::ResponseTypeMissing,
        Self::ResponseTypeUnsupported,
        Self::SecondFactorMissing,
        Self::SignInRefused,
        Self::TooManyRequests,
        Self::Unavailable,
    ];

    /// The sentence that the page begins with.
    pub fn phrase(self, language: Language) -> &'static str {
        (language.messages().error_of)(self).phrase
    }

    /// What a person can do about it.
    pub fn next_step(self, language: Language) -> &'static str {
        (language.messages().error_of)(self).next
    }
}

/// Says what went wrong and what to do next.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// What went wrong.
    pub cause: ErrorCause,
    /// The error code of OAuth for those who look after the application: `invalid_request`.
    pub code: Option<&'a str>,
    /// What finds this answer in the log.
    pub reference: Option<&'a str>,
    /// How long to wait before the next attempt.
    pub wait_seconds: Option<u64>,
    /// A place to go back to, with its name.
    pub back_to: Option<(&'a str, WebLink<'a>)>,
}

impl<'a> ErrorPage<'a> {
    /// A page of this cause, without more.
    pub const fn new(frame: Frame<'a>, cause: ErrorCause) -> Self {
        Self { frame, cause, code: None, reference: None, wait_seconds: None, back_to: None }
    }

    fn phrase(&self) -> &'static str {
        self.cause.phrase(self.frame.language)
    }

    fn next_step(&self) -> String {
        match self.wait_seconds {
            Some(seconds) => wait_text(seconds, self.frame.t),
            None => self.cause.next_step(self.frame.language).to_owned(),
        }
    }
}
