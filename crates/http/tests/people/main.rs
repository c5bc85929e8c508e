//! People over real HTTP: they sign in, agree, come back to their applications, and log out; and everything that may go wrong on the way.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod browser;
mod fixtures;
mod happy;
mod html;
