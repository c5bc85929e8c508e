//! What holds for every route at once.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod every_route;
mod logs;
