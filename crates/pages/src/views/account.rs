//! The page on which people see and end what stands in their name.

use askama::Template;
use lydian_primitives::Timestamp;

use super::PasswordProblem;
use crate::dates;
use crate::frame::{Frame, Hidden};

/// Shows sessions, applications, second factors and the password. Each action is a form of its own.
///
/// The forms of rows carry `session`, `application` or `factor` with the row's id. The form of the password has the inputs
/// `current_password`, `new_password` and `repeat_password` and the button `save-password`; that of logging out the button `log-out`.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Who is signed in.
    pub username: &'a str,
    /// Sent along with each form.
    pub hidden: &'a [Hidden<'a>],
    /// Where the forms go; an action without a path is not offered.
    pub actions: AccountActions<'a>,
    /// What was just done.
    pub notice: Option<AccountNotice>,
    /// The sessions, this one among them.
    pub sessions: &'a [SessionRow<'a>],
    /// The applications that hold grants.
    pub applications: &'a [ApplicationRow<'a>],
    /// The second factors.
    pub factors: &'a [FactorRow<'a>],
    /// The e-mail address, if there is one.
    pub address: Option<AddressRow<'a>>,
    /// How many recovery codes are left; `None` when there never were any.
    pub recovery_codes_left: Option<usize>,
    /// The least number of characters of a password.
    pub password_characters_min: usize,
    /// Why a new password was not taken.
    pub password_problem: Option<PasswordProblem>,
}

/// Where the forms of the account go.
#[derive(Clone, Copy, Default)]
pub struct AccountActions<'a> {
    /// Ends the session named by `session`.
    pub end_session: &'a str,
    /// Removes the grants of the client named by `application`.
    pub remove_application: &'a str,
    /// Removes the second factor named by `factor`.
    pub remove_factor: &'a str,
    /// Begins to add an authenticator app.
    pub add_authenticator: Option<&'a str>,
    /// Begins to add a passkey.
    pub add_passkey: Option<&'a str>,
    /// Makes new recovery codes, which end the old ones.
    pub new_recovery_codes: Option<&'a str>,
    /// Changes the password.
    pub change_password: Option<&'a str>,
    /// Sends a link to confirm the address.
    pub confirm_address: Option<&'a str>,
    /// Logs out.
    pub log_out: Option<&'a str>,
}

/// A session.
#[derive(Clone, Copy)]
pub struct SessionRow<'a> {
    /// Sent as `session` to end it.
    pub id: &'a str,
    /// The browser, in words.
    pub browser: &'a str,
    /// From where, in words or as an address.
    pub place: Option<&'a str>,
    /// When it began.
    pub since: Timestamp,
    /// When it was used last.
    pub last_used: Timestamp,
    /// Whether the page is shown in this session.
    pub is_this: bool,
}

/// An application that holds a grant.
#[derive(Clone, Copy)]
pub struct ApplicationRow<'a> {
    /// Sent as `application` to remove it.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it may do, in words.
    pub scopes: &'a [&'a str],
    /// Since when.
    pub since: Timestamp,
}

/// The e-mail address of the person.
#[derive(Clone, Copy)]
pub struct AddressRow<'a> {
    /// The address.
    pub address: &'a str,
    /// Whether the person has confirmed it.
    pub is_confirmed: bool,
}

/// A second factor.
#[derive(Clone, Copy)]
pub struct FactorRow<'a> {
    /// Sent as `factor` to remove it.
    pub id: &'a str,
    /// What it is.
    pub kind: FactorKind,
    /// The name that the person gave it.
    pub name: Option<&'a str>,
    /// When it was added.
    pub since: Timestamp,
    /// When it was last accepted.
    pub last_used: Option<Timestamp>,
}

/// What a second factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// An authenticator app (RFC 6238).
    Authenticator,
    /// A passkey (WebAuthn).
    Passkey,
}

/// What was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountNotice {
    /// A link to confirm the address is on its way.
    AddressLinkSent,
    /// The grants of an application are gone.
    ApplicationRemoved,
    /// There is one more second factor.
    FactorAdded,
    /// There is one second factor less.
    FactorRemoved,
    /// The new password stands.
    PasswordChanged,
    /// A session has ended.
    SessionEnded,
}

impl Account<'_> {
    fn notice_text(&self) -> Option<&'static str> {
        self.notice.map(self.frame.t.account_notice_of)
    }

    fn password_problem_text(&self) -> Option<&'static str> {
        self.password_problem.map(|problem| problem.text(self.frame.t))
    }

    fn current_password_is_wrong(&self) -> bool {
        self.password_problem == Some(PasswordProblem::CurrentWrong)
    }

    fn factor_kind(&self, kind: &FactorKind) -> &'static str {
        match kind {
            FactorKind::Authenticator => self.frame.t.factor_authenticator,
            FactorKind::Passkey => self.frame.t.factor_passkey,
        }
    }

    fn date(&self, at: &Timestamp) -> String {
        dates::in_words(*at, self.frame.language)
    }

    fn machine_date(&self, at: &Timestamp) -> String {
        dates::for_machines(*at)
    }
}
