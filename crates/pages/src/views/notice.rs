//! The page that only tells something: it is done.

use askama::Template;

use crate::frame::Frame;
use crate::language::Language;
use crate::link::WebLink;

/// What is told. Each has one fixed phrase in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The address belongs to the person.
    AddressVerified,
    /// The device gets its tokens.
    DeviceConnected,
    /// The device gets none.
    DeviceDenied,
    /// The session has ended.
    LoggedOut,
    /// The new password stands.
    PasswordChanged,
    /// No mail is sent: administrators help.
    ResetByAdministrator,
    /// A mail is on its way, if the address is known: the page does not tell.
    ResetLinkSent,
    /// The question whether to log out was answered with no.
    StillSignedIn,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 8] = [
        Self::AddressVerified,
        Self::DeviceConnected,
        Self::DeviceDenied,
        Self::LoggedOut,
        Self::PasswordChanged,
        Self::ResetByAdministrator,
        Self::ResetLinkSent,
        Self::StillSignedIn,
    ];

    /// The sentence that the page begins with.
    pub fn phrase(self, language: Language) -> &'static str {
        (language.messages().notice_of)(self).phrase
    }

    fn is_good_news(self) -> bool {
        !matches!(self, Self::DeviceDenied | Self::ResetByAdministrator | Self::StillSignedIn)
    }
}

/// Tells it.
#[derive(Template)]
#[template(path = "notice.html")]
pub struct NoticePage<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// What is told.
    pub notice: Notice,
    /// A page of ours to go on to.
    pub go_on: Option<&'a str>,
    /// An application to go back to, with its name.
    pub back_to: Option<(&'a str, WebLink<'a>)>,
}

impl NoticePage<'_> {
    fn phrase(&self) -> &'static str {
        self.notice.phrase(self.frame.language)
    }

    fn more(&self) -> &'static str {
        (self.frame.t.notice_of)(self.notice).more
    }
}
