//! What every page has around it, and how a page becomes text.

use askama::Template;

use crate::assets::{self, Asset};
use crate::brand::Brand;
use crate::language::{Language, Messages};

/// A hidden input of a form, as name and value: what ties the form to its browser and its request.
pub type Hidden<'a> = (&'a str, &'a str);

/// A page that can be sent to a browser.
pub trait Page {
    /// The whole document, from `<!doctype html>` on.
    fn html(&self) -> String;
}

impl<T: Template> Page for T {
    fn html(&self) -> String {
        // Rendering fails only when a value refuses to print itself, and the views hold none that can.
        self.render().expect("strings and numbers print themselves")
    }
}

/// What every page has around it: language, brand, and where the style sheet lies.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The language of the page.
    pub language: Language,
    /// Whose page it is.
    pub brand: Brand<'a>,
    /// The path under which the caller serves [`assets::find`], without a slash at its end: `/oauth2/assets`.
    pub assets_path: &'a str,
    pub(crate) t: &'static Messages,
}

impl<'a> Frame<'a> {
    /// A frame in this language with this brand, its assets under this path.
    pub fn new(language: Language, brand: Brand<'a>, assets_path: &'a str) -> Self {
        Self { language, brand, assets_path, t: language.messages() }
    }

    /// Where a browser finds this asset.
    pub(crate) fn asset(&self, asset: &Asset) -> String {
        format!("{}/{}", self.assets_path, asset.file_name())
    }

    pub(crate) fn style(&self) -> String {
        self.asset(&assets::STYLE)
    }

    pub(crate) fn brand_style(&self) -> String {
        format!("{}/{}", self.assets_path, assets::brand_file_name(self.brand.accent))
    }

    pub(crate) fn passkey_script(&self) -> String {
        self.asset(&assets::PASSKEY_SCRIPT)
    }

    pub(crate) fn form_post_script(&self) -> String {
        self.asset(&assets::FORM_POST_SCRIPT)
    }
}
