//! The page that carries an authorization response to the client (OAuth 2.0 Form Post Response Mode).

use askama::Template;

use crate::frame::{Frame, Hidden};
use crate::link::WebLink;

/// A form with the response in it, which a small script sends at once. Without script its button does.
#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPost<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// The redirect URI of the client.
    pub action: WebLink<'a>,
    /// The parameters of the response.
    pub parameters: &'a [Hidden<'a>],
}
