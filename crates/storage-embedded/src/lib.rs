//! The embedded backend: SQLite with one writer that commits in groups, and reads on the calling thread.
//!
//! Start with [`EmbeddedStorage::open`]. What is written is told by `changes.rs`, when it is written and answered by `writer.rs`;
//! an answer leaves only after the commit is durable and the observer has applied its rows of the log.
#![forbid(unsafe_code)]

pub mod backup;
mod changes;
mod columns;
mod faults;
#[cfg(feature = "fill")]
pub mod fill;
mod forget;
mod log;
mod open;
mod options;
mod orphans;
mod pool;
mod queue;
mod reads;
mod storage;
mod writer;

#[doc(hidden)]
pub use faults::{CommitFault, Faults};
pub use open::{FILE_NAME, OpenError};
pub use options::Options;
pub use storage::EmbeddedStorage;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upgrade_tests;
