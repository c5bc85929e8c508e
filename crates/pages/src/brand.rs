//! Whose pages these are: name, logo and one colour.

use crate::colour::{Colour, DARK_CARD, LIGHT_CARD};
use crate::link::WebLink;

/// The brand of a realm.
#[derive(Clone, Copy)]
pub struct Brand<'a> {
    /// The name that people know, shown above each page and in its title.
    pub name: &'a str,
    /// A picture, shown beside the name. Only `https` addresses are shown, because browsers are told to load no others.
    pub logo: Option<WebLink<'a>>,
    /// The colour of buttons and links.
    pub accent: Colour,
}

impl<'a> Brand<'a> {
    /// A brand of this name, without logo, in the product's own colour.
    pub const fn named(name: &'a str) -> Self {
        Self { name, logo: None, accent: Colour::DEFAULT_ACCENT }
    }

    pub(crate) fn shown_logo(&self) -> Option<WebLink<'a>> {
        self.logo.filter(WebLink::is_https)
    }

    /// What stands in place of a logo: the first letter of the name.
    pub(crate) fn initial(&self) -> String {
        self.name.trim().chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default()
    }
}

/// The style sheet of a brand: its colour, and what must be derived from it so that text stays readable.
///
/// It depends on the colour alone. That is why its file name carries the colour, and no page needs inline style.
pub fn brand_css(accent: Colour) -> String {
    let on_accent = accent.readable_on_top();
    let light = accent.readable_against(LIGHT_CARD);
    let dark = accent.readable_against(DARK_CARD);
    format!(
        ":root {{\n  --accent: {accent};\n  --on-accent: {on_accent};\n  --accent-text: {light};\n}}\n\
         @media (prefers-color-scheme: dark) {{\n  :root {{\n    --accent-text: {dark};\n  }}\n}}\n"
    )
}
