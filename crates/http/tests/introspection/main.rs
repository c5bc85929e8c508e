//! The introspection endpoint over real HTTP (RFC 7662): who may ask, what is answered, and what is not.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod alike;
mod assertions;
mod bearers;
mod callers;
mod dead;
mod forged;
mod forms;
mod hints;
mod limits;
mod members;
mod page;
mod requests;
mod still;
mod store_failure;
mod strangers;
mod visibility;
