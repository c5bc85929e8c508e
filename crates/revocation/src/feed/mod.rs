//! The revocation feed on the wire: what a server tells validators, and what they ask of it.
//!
//! Plain values, each with one way to write it and one strict way to read it; the server and the kit for resource servers use the
//! same ones. A validator loads a [`snapshot`](SnapshotHeader), follows the stream of [`Batch`]es from its position on, and
//! renews its lease by a [`LeaseRequest`]. Numbers compare, arrival does not: stream and lease may be two connections.

mod batch;
mod digest;
mod event;
mod json;
mod lease;
mod snapshot;
mod sse;

pub use batch::{Batch, StreamPosition};
pub use digest::{DigestValue, ViewDigest};
pub use event::{FeedEvent, FeedKind};
pub use json::FeedError;
pub use lease::{Lagging, LeaseGrant, LeaseRequest, Propagation, ValidatorId};
pub use snapshot::{SnapshotHeader, SnapshotReader, SnapshotTrailer};
pub use sse::{Frame, FrameReader};

#[cfg(test)]
mod tests;
