//! The page that asks whether an application may do what it wants.

use askama::Template;

use crate::frame::{Frame, Hidden};
use crate::link::WebLink;

/// An application, as people are told of it.
#[derive(Clone, Copy)]
pub struct Application<'a> {
    /// The client's name.
    pub name: &'a str,
    /// `logo_uri`. Only `https` addresses are shown.
    pub logo: Option<WebLink<'a>>,
    /// `client_uri`.
    pub home: Option<WebLink<'a>>,
    /// `policy_uri`.
    pub policy: Option<WebLink<'a>>,
    /// `tos_uri`.
    pub terms: Option<WebLink<'a>>,
}

impl<'a> Application<'a> {
    /// An application of which only the name is known.
    pub const fn named(name: &'a str) -> Self {
        Self { name, logo: None, home: None, policy: None, terms: None }
    }

    pub(crate) fn shown_logo(&self) -> Option<WebLink<'a>> {
        self.logo.filter(WebLink::is_https)
    }
}

/// An API, and what would be allowed there.
#[derive(Clone, Copy)]
pub struct Api<'a> {
    /// The name of the API.
    pub name: &'a str,
    /// Each scope in words, as the end of "the application would like to": `read your orders`.
    pub scopes: &'a [&'a str],
}

/// Asks for consent.
///
/// Two buttons named `decision`: `allow` and `deny`, which are their ids and values.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// Who asks.
    pub application: Application<'a>,
    /// What for.
    pub apis: &'a [Api<'a>],
    /// Who is signed in.
    pub username: &'a str,
    /// Where somebody else can sign in.
    pub not_you: Option<&'a str>,
}
