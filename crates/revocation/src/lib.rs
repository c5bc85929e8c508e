//! The ledger of revoked tokens and cuts, the log that feeds it, and the lease under which it may be trusted.
//!
//! Plain data and arithmetic: no I/O, and no clock of its own. The server's nodes and the kit for resource servers use the
//! same types; [`feed`] is how the log travels to validators. Start with [`Ledger::view`]: it is the only way to ask whether something was revoked.
#![forbid(unsafe_code)]

pub mod event;
pub mod feed;
pub mod lease;
pub mod ledger;
pub mod position;
mod sharded;

pub use event::{CutKind, Event, LogRow, Reach, RecordKind, name_key};
pub use lease::{LeaseTerms, Renewal};
pub use ledger::{AdoptionRefused, Death, Gap, Ledger, LedgerSizes, TokenCoordinates, View};
pub use position::{Link, LogPosition, Seq};
