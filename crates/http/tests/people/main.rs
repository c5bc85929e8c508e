//! People over real HTTP: they sign in, agree, come back to their applications, and log out; and everything that may go wrong on the way.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod account;
mod authorize;
mod browser;
mod codes;
mod dead;
mod demanded;
mod devices;
mod factors;
mod fixtures;
mod happy;
mod html;
mod identity;
mod links;
mod logout;
mod markup;
mod oidc;
mod passkeys;
mod pushed;
mod refreshing;
mod sessions;
mod sign_in;
mod stepping_up;
mod totp;
