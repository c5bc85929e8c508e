//! The revocation endpoint over real HTTP (RFC 7009): what dies, what lives on, and what is acknowledged.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod callers;
mod cascade;
mod durable;
mod limits;
mod requests;
mod tokens;
