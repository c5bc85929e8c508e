//! What happens between two steps of a request: each test holds one step at the point where a race would be lost.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod arrival;
mod forgetting;
mod minting;
mod publishing;
mod repeats;
