//! The page that asks for a second factor.

use askama::Template;

use super::{PasskeyForm, wait_text};
use crate::frame::{Frame, Hidden};
use crate::language::Messages;

/// Asks for a second factor: each that is offered has its own form.
///
/// Inputs `code` (of an authenticator app) with button `verify`, `recovery_code` with button `check-recovery-code`, and a
/// passkey form with button `passkey`.
#[derive(Template)]
#[template(path = "second_factor.html")]
pub struct SecondFactor<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the forms of codes go.
    pub action: &'a str,
    /// Sent along with the forms of codes.
    pub hidden: &'a [Hidden<'a>],
    /// Who signs in.
    pub username: &'a str,
    /// Whether a code of an authenticator app is taken.
    pub authenticator: bool,
    /// Whether a recovery code is taken.
    pub recovery: bool,
    /// Takes a passkey.
    pub passkey: Option<PasskeyForm<'a>>,
    /// Why the page is shown again.
    pub problem: Option<CodeProblem>,
    /// Where somebody else can sign in.
    pub not_you: Option<&'a str>,
}

/// Why a code was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeProblem {
    /// The passkey was refused.
    PasskeyRefused,
    /// Wait this long.
    TooManyAttempts {
        /// Until the next attempt is looked at.
        wait_seconds: u64,
    },
    /// The code is right and was used before (RFC 6238 §5.2).
    UsedCode,
    /// The code is wrong.
    WrongCode,
}

impl CodeProblem {
    pub(super) fn text(self, t: &Messages) -> String {
        match self {
            Self::PasskeyRefused => t.passkey_failed.to_owned(),
            Self::TooManyAttempts { wait_seconds } => {
                format!("{} {}", t.too_many_attempts, wait_text(wait_seconds, t))
            }
            Self::UsedCode => t.used_code.to_owned(),
            Self::WrongCode => t.wrong_code.to_owned(),
        }
    }
}

impl SecondFactor<'_> {
    fn problem_text(&self) -> Option<String> {
        self.problem.map(|problem| problem.text(self.frame.t))
    }
}
