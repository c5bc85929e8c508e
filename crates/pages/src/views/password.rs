//! The pages around passwords that are forgotten or must change.

use askama::Template;

use crate::frame::{Frame, Hidden};
use crate::language::Messages;

/// Asks for the address to which a link is sent. The answer is [`super::Notice::ResetLinkSent`], whether the address is known or not.
///
/// Input `email`, button `send-link`.
#[derive(Template)]
#[template(path = "forgotten_password.html")]
pub struct ForgottenPassword<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// What stands in `email` from the start.
    pub email: &'a str,
    /// Whether what was sent is no address.
    pub invalid: bool,
    /// The sign-in page.
    pub sign_in: Option<&'a str>,
}

/// Asks for a new password, twice.
///
/// Inputs `new_password` and `repeat_password`, button `save-password`. A `username` that is not shown helps password managers, and says
/// nothing that the caller should believe.
#[derive(Template)]
#[template(path = "new_password.html")]
pub struct NewPassword<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// Why a new one is asked for.
    pub reason: NewPasswordReason,
    /// Whose password it is.
    pub username: &'a str,
    /// The least number of characters.
    pub characters_min: usize,
    /// Why the page is shown again.
    pub problem: Option<PasswordProblem>,
}

/// Why a new password is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPasswordReason {
    /// It must change before the sign-in goes on.
    ChangeRequired,
    /// It was forgotten, and the link of a mail was followed.
    Reset,
}

/// Why a password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// It is on a list of passwords that attackers try.
    Common,
    /// The current password is wrong.
    CurrentWrong,
    /// Both inputs differ.
    Differs,
    /// It is a name that others know: the person's own, or that of the house.
    Guessable,
    /// It is the one that stands.
    Same,
    /// It is too long.
    TooLong,
    /// It is too short.
    TooShort,
}

impl PasswordProblem {
    pub(super) const fn text(self, t: &Messages) -> &'static str {
        match self {
            Self::Common => t.password_common,
            Self::CurrentWrong => t.password_current_wrong,
            Self::Differs => t.password_differs,
            Self::Guessable => t.password_guessable,
            Self::Same => t.password_same,
            Self::TooLong => t.password_too_long,
            Self::TooShort => t.password_too_short,
        }
    }
}

impl NewPassword<'_> {
    fn problem_text(&self) -> Option<&'static str> {
        self.problem.map(|problem| problem.text(self.frame.t))
    }
}
