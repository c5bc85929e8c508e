//! The pages that people see: view structs in, HTML out.
//!
//! Each page is a plain struct of what it shows; [`Page::html`] makes the document. Nothing here knows HTTP, records, clocks or who may do
//! what: the caller decides, fills the struct and sends the text. Every field is escaped, no page holds inline script or style, and a page
//! works without script save where a passkey needs one. Begin with [`Frame`] and [`views::SignIn`].
//!
//! ```
//! use lydian_pages::views::{Application, SignIn};
//! use lydian_pages::{Brand, Frame, Language, Page};
//!
//! let language = Language::negotiate(None, Some("de-AT, en;q=0.5"));
//! let page = SignIn {
//!     frame: Frame::new(language, Brand::named("Harbour Town"), "/oauth2/assets"),
//!     action: "/oauth2/sign-in",
//!     hidden: &[("csrf", "6XqAGK7HzY5o9bLr")],
//!     application: Some(Application::named("Ferry <Planner>")),
//!     username: "",
//!     problem: None,
//!     forgotten_password: None,
//!     passkey: None,
//! };
//! let html = page.html();
//! assert!(html.contains("<html lang=\"de\">") && html.contains("Ferry &#60;Planner&#62;"));
//! ```
#![forbid(unsafe_code)]

pub mod assets;
pub mod brand;
pub mod colour;
pub mod dates;
pub mod device;
pub mod frame;
pub mod language;
pub mod link;
pub mod mail;
mod qr;
pub mod views;

pub use brand::Brand;
pub use colour::Colour;
pub use frame::{Frame, Hidden, Page};
pub use language::Language;
pub use link::WebLink;
