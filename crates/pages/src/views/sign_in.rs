//! The page that asks for a username and a password, or a passkey.

use askama::Template;

use super::wait_text;
use crate::frame::{Frame, Hidden};
use crate::views::Application;

/// Asks who is there.
///
/// Inputs `username` and `password`, button `sign-in`. With a passkey, a second form whose button is `passkey`.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignIn<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// The application that asks for the sign-in; `None` when a person came by themselves.
    pub application: Option<Application<'a>>,
    /// What stands in `username` from the start: `login_hint`, or what was typed before.
    pub username: &'a str,
    /// Why the page is shown again.
    pub problem: Option<SignInProblem>,
    /// Where a forgotten password is replaced.
    pub forgotten_password: Option<&'a str>,
    /// Offers a passkey to browsers that have script.
    pub passkey: Option<PasskeyForm<'a>>,
}

/// Why a sign-in did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInProblem {
    /// The passkey was refused.
    PasskeyRefused,
    /// The session ended.
    SessionExpired,
    /// Wait this long.
    TooManyAttempts {
        /// Until the next attempt is looked at.
        wait_seconds: u64,
    },
    /// The username or the password is wrong, without saying which.
    WrongCredentials,
}

/// A form that a script fills with what a passkey says. It is shown only where there is script and the browser knows passkeys.
///
/// The answer of the authenticator comes in the input `credential`, as JSON (WebAuthn §5.1, `toJSON`).
#[derive(Clone, Copy)]
pub struct PasskeyForm<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// `PublicKeyCredentialRequestOptionsJSON`, or `..CreationOptionsJSON` where a passkey is made: the object itself, without `publicKey`.
    pub options: &'a str,
}

impl SignIn<'_> {
    /// Whether what stands in the fields is what went wrong.
    fn is_wrong(&self) -> bool {
        self.problem == Some(SignInProblem::WrongCredentials)
    }

    fn problem_text(&self) -> Option<String> {
        let t = self.frame.t;
        Some(match self.problem? {
            SignInProblem::PasskeyRefused => t.passkey_failed.to_owned(),
            SignInProblem::SessionExpired => t.session_expired.to_owned(),
            SignInProblem::TooManyAttempts { wait_seconds } => {
                format!("{} {}", t.too_many_attempts, wait_text(wait_seconds, t))
            }
            SignInProblem::WrongCredentials => t.wrong_credentials.to_owned(),
        })
    }
}
