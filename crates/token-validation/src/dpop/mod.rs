//! Proofs of possession (RFC 9449): the twelve checks of §4.3, server nonces, and the memory of proofs.
//!
//! [`verify_proof`] serves resource servers and the token endpoint alike. What it gives has been proved by a key, and nobody has
//! said yet whose key that is, nor whether the proof came before: [`crate::decide`] compares the key with the token's, and a
//! [`ReplayMemory`] admits each proof once, as the last check of all, so that a refused request burns nothing.

mod htu;
mod nonce;
mod proof;
mod replay;

pub use htu::normalise_htu;
pub use nonce::{NonceStanding, Nonces};
pub use proof::{ExpectedProof, NonceRule, ProofError, ProofRules, VerifiedProof, verify_proof};
pub use replay::{ReplayKey, ReplayMemory};
