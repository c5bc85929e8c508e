//! What a person's browser asks: the authorization endpoint, its pages, and logging out.
//!
//! Answers are pages or redirects, never JSON: [`page`] makes them. A form is bound to its browser by what it carries, which opens with
//! the mark of that browser alone; [`browser`] reads cookies and headers.

pub mod account;
mod account_factors;
pub mod assets;
pub mod authorize;
pub mod browser;
pub mod device;
pub mod links;
pub mod log_out;
pub mod page;
mod second_factor;
pub mod userinfo;
