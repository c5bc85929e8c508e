//! The page that asks a person who is signed in once more who it is.

use askama::Template;

use super::{CodeProblem, PasswordProblem};
use crate::frame::{Frame, Hidden};

/// Asks for the password or a code before something changes that signs the person in.
///
/// Inputs `password` with button `confirm-password`, and `code` (of an authenticator app, or a recovery code) with button `verify`.
#[derive(Template)]
#[template(path = "confirmation.html")]
pub struct Confirmation<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the forms go.
    pub action: &'a str,
    /// Sent along with the forms.
    pub hidden: &'a [Hidden<'a>],
    /// Who is signed in.
    pub username: &'a str,
    /// Whether the password is taken.
    pub password: bool,
    /// Whether a code is taken.
    pub code: bool,
    /// Why the page is shown again.
    pub problem: Option<ConfirmationProblem>,
    /// Where to go without changing anything.
    pub cancel: &'a str,
}

/// Why the person is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmationProblem {
    /// Of the code.
    Code(CodeProblem),
    /// Of the password.
    Password,
}

impl Confirmation<'_> {
    fn problem_text(&self) -> Option<String> {
        self.problem.map(|problem| match problem {
            ConfirmationProblem::Code(problem) => problem.text(self.frame.t),
            ConfirmationProblem::Password => PasswordProblem::CurrentWrong.text(self.frame.t).to_owned(),
        })
    }
}
