//! The page on which a person confirms an address.

use askama::Template;

use crate::frame::{Frame, Hidden};

/// Asks whether the address is the person's: the link of a mail alone confirms nothing, because machines follow links too.
///
/// Button `confirm-address`.
#[derive(Template)]
#[template(path = "confirm_address.html")]
pub struct ConfirmAddress<'a> {
    /// What stands around the page.
    pub frame: Frame<'a>,
    /// Where the form goes.
    pub action: &'a str,
    /// Sent along with the form.
    pub hidden: &'a [Hidden<'a>],
    /// The address.
    pub address: &'a str,
}
