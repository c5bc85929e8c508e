//! A reference subscriber of the revocation feed: small, strict, and in the hand of the test.
//!
//! [`Validator`] is the state of one, without I/O and without a clock; [`FeedClient`] speaks the wire. They share no code with the
//! server beyond the values on the wire.

mod client;
mod validator;

pub use client::{FeedClient, FeedStream, Refused};
pub use validator::{Fault, TokenFacts, Validator, Verdict};
