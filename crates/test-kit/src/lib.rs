//! What tests share: a server on a free port, an HTTP client that checks every answer, and fixtures.
//!
//! Start with [`TestServer`]. The store is the real embedded one in a directory of its own, the transport is the real listener;
//! only the clock is in the hand of the test.
#![forbid(unsafe_code)]

pub mod authenticator;
pub mod client;
pub mod feed;
pub mod fixtures;
pub mod forge;
pub mod mail_server;
pub mod seed;
pub mod server;
pub mod watched;

pub use client::{Reply, Request};
pub use server::TestServer;
pub use watched::WatchedStorage;
