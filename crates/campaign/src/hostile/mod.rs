//! Hostile clients against the real binary, with TLS and the demo's fixtures: what they do to the server, and to a good client
//! that asks beside them.
//!
//! Each campaign is a module. `stage.rs` starts the server and connects to it, `good_client.rs` asks as a well-behaved API does and
//! measures how long it waits, `process.rs` looks at the server from outside.
//!
//! The limits themselves are tested in `crates/server/tests/listener`; here they are seen to hold together, in numbers, under a load
//! that would otherwise take the server away from everybody else.

pub(crate) mod descriptors;
mod frames;
mod good_client;
pub(crate) mod http2;
pub(crate) mod idle_tls;
pub(crate) mod memory;
pub(crate) mod oversize;
pub(crate) mod passwords;
pub(crate) mod process;
mod queues;
pub(crate) mod slow;
mod stage;
