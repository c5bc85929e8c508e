//! The pages of the device authorization grant (RFC 8628 §3.3).

use askama::Template;

use super::{Api, Application, wait_text};
use crate::frame::{Frame, Hidden};

/// Asks for the code that a device shows.
///
/// Input `user_code`, button `continue`.
#[derive(Template)]
#[template(path = "device_code.html")]
pub struct DeviceCode<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// What stands in `user_code` from the start.
    pub user_code: &'a str,
    /// Why the page is shown again.
    pub problem: Option<DeviceCodeProblem>,
}

/// Why a code was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceCodeProblem {
    /// Wait this long.
    TooManyAttempts {
        /// Until the next attempt is looked at.
        wait_seconds: u64,
    },
    /// There is no such code, or it has expired.
    Wrong,
}

impl DeviceCode<'_> {
    fn problem_text(&self) -> Option<String> {
        let t = self.frame.t;
        Some(match self.problem? {
            DeviceCodeProblem::TooManyAttempts { wait_seconds } => {
                format!("{} {}", t.too_many_attempts, wait_text(wait_seconds, t))
            }
            DeviceCodeProblem::Wrong => t.device_code_wrong.to_owned(),
        })
    }
}

/// Asks whether the device may be connected, and warns of codes that somebody else sent (RFC 8628 §5.4).
///
/// Two buttons named `decision`: `allow` and `deny`, which are their ids and values. The result is a [`super::NoticePage`].
#[derive(Template)]
#[template(path = "device_confirmation.html")]
pub struct DeviceConfirmation<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// The code, to be compared.
    pub user_code: &'a str,
    /// What runs on the device.
    pub application: Application<'a>,
    /// What for.
    pub apis: &'a [Api<'a>],
    /// Who is signed in.
    pub username: &'a str,
    /// Where somebody else can sign in.
    pub not_you: Option<&'a str>,
}
