//! The pages that people see: view structs in, HTML out.
//!
//! Each page is a plain struct of what it shows; [`Page::html`] makes the document. Nothing here knows HTTP, records, clocks or who may do
//! what: the caller decides, fills the struct and sends the text. Every field is escaped, no page holds inline script or style, and a page
//! works without script save where a passkey needs one. Begin with [`Frame`] and [`views::SignIn`].
#![forbid(unsafe_code)]

pub mod assets;
pub mod brand;
pub mod colour;
pub mod dates;
pub mod frame;
pub mod language;
pub mod link;
mod qr;
pub mod views;

pub use brand::Brand;
pub use colour::Colour;
pub use frame::{Frame, Hidden, Page};
pub use language::Language;
pub use link::WebLink;
