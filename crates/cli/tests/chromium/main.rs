//! People in a real Chromium, against the real binary: what they see, press and are told, in light and dark, on a phone, with the
//! keyboard alone, and without scripts.
//!
//! Pictures of all pages are kept in `target/tmp/screenshots`; some of them stand in the guide.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod driver;
#[path = "../clients/install.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod install;
mod journeys;
#[path = "../journeys/support.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;
