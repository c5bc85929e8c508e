//! The page that asks whether to log out (OpenID Connect RP-Initiated Logout §2).

use askama::Template;

use crate::frame::{Frame, Hidden};

/// Asks whether to log out.
///
/// Two buttons named `decision`: `log-out` and `stay`, which are their ids and values.
#[derive(Template)]
#[template(path = "log_out.html")]
pub struct LogOut<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// The name of the application that asks for it.
    pub application: Option<&'a str>,
    /// Who is signed in.
    pub username: &'a str,
}
