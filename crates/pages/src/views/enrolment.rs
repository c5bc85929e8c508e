//! The pages that add a second factor.

use askama::Template;

use super::{CodeProblem, PasskeyForm};
use crate::frame::{Frame, Hidden};
use crate::qr::{self, QrPicture};

/// Shows the key of an authenticator app and asks for its first code.
///
/// Input `code`, button `verify`.
#[derive(Template)]
#[template(path = "authenticator_enrolment.html")]
pub struct AuthenticatorEnrolment<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// The `otpauth` address for the QR code.
    pub otpauth: &'a str,
    /// The same key in Base32, to be typed.
    pub secret: &'a str,
    /// Whether the sign-in cannot go on without.
    pub required: bool,
    /// Why the page is shown again.
    pub problem: Option<CodeProblem>,
    /// The page where a passkey is made instead.
    pub passkey_instead: Option<&'a str>,
    /// Where to go without adding anything.
    pub cancel: Option<&'a str>,
}

impl AuthenticatorEnrolment<'_> {
    fn qr(&self) -> Option<QrPicture> {
        qr::draw(self.otpauth)
    }

    /// The key in groups of four, which are easier to type.
    fn grouped_secret(&self) -> String {
        let mut grouped = String::new();
        for (position, letter) in self.secret.chars().enumerate() {
            if position > 0 && position % 4 == 0 {
                grouped.push(' ');
            }
            grouped.push(letter);
        }
        grouped
    }

    fn problem_text(&self) -> Option<String> {
        self.problem.map(|problem| problem.text(self.frame.t))
    }
}

/// Shows recovery codes, once.
///
/// Button `codes-kept`.
#[derive(Template)]
#[template(path = "recovery_codes.html")]
pub struct RecoveryCodes<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// The codes.
    pub codes: &'a [&'a str],
}

/// Makes a passkey.
///
/// Input `name`, button `passkey`, and what the authenticator says in `credential`.
#[derive(Template)]
#[template(path = "passkey_enrolment.html")]
pub struct PasskeyEnrolment<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// The form and the options of the creation.
    pub form: PasskeyForm<'a>,
    /// Whether the server refused what the authenticator said.
    pub refused: bool,
    /// The page where an authenticator app is added instead.
    pub authenticator_instead: Option<&'a str>,
    /// Where to go without adding anything.
    pub cancel: Option<&'a str>,
}
