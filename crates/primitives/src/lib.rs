//! Time, randomness, secrets, digests, ids and limits that every other crate of Lydian uses.
//!
//! Nothing here knows OAuth. Start with [`Clock`] and [`Entropy`]: they are the only doors through which
//! time and randomness enter the product.
#![forbid(unsafe_code)]

pub mod base64url;
pub mod clock;
pub mod digest;
pub mod entropy;
pub mod id;
pub mod limits;
pub mod prf;
pub mod secret;
pub mod timestamp;

pub use clock::{BootInstant, Clock, ManualClock, SystemClock};
pub use digest::Digest;
pub use entropy::{Entropy, Mint, SystemEntropy};
pub use id::Id;
pub use secret::{Secret, SecretBytes};
pub use timestamp::{Hour, Timestamp};
