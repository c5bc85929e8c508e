//! The memory of proofs: each one counts once (RFC 9449 §11.1).

use std::time::Duration;

use aws_lc_rs::digest;
use hashbrown::HashSet;
use lydian_primitives::{BootInstant, Digest, Timestamp, limits};
use parking_lot::Mutex;

use super::proof::{ProofError, VerifiedProof};
use crate::rejection::Rejection;

/// What a proof is remembered by: the digest of its key's thumbprint and its `jti`, so that clients cannot use up each other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey([u8; 32]);

impl ReplayKey {
    pub(crate) fn of(thumbprint: &Digest, jti: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        // The thumbprint has a fixed length: where it ends and the `jti` begins is never in doubt.
        context.update(thumbprint.as_bytes());
        context.update(jti.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }

    /// Its bytes, for a store that several nodes share.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The longest time for which a proof can be good: it may be made ahead of now, and a fraction of a second counts.
const WINDOW: Duration =
    Duration::from_secs(limits::DPOP_AGE_SECONDS_MAX + limits::DPOP_AHEAD_SECONDS_MAX + 2);

/// The proofs that one process has seen, for as long as they could come again. Its size is bounded.
///
/// Each node has its own: behind a balancer a proof counts once per node. Who needs more puts [`VerifiedProof::replay_key`] into a
/// shared store instead.
#[derive(Debug)]
pub struct ReplayMemory {
    /// Proofs that were made before this may have been seen by the process before this one.
    began: Timestamp,
    entries_max: usize,
    generations: Mutex<Generations>,
}

/// A proof lies in the younger generation for up to a window, and in the older one for another.
#[derive(Debug)]
struct Generations {
    young: HashSet<ReplayKey>,
    old: HashSet<ReplayKey>,
    young_since: BootInstant,
}

impl ReplayMemory {
    /// An empty memory of at most about `entries_max` proofs, which begins now.
    pub fn new(entries_max: usize, now: Timestamp, boot_now: BootInstant) -> Self {
        let generations = Generations { young: HashSet::new(), old: HashSet::new(), young_since: boot_now };
        Self { began: now, entries_max, generations: Mutex::new(generations) }
    }

    /// Admits a proof once. Call it last, when nothing else speaks against the request: a refused request must not burn its proof.
    ///
    /// Of many copies at once exactly one is admitted.
    ///
    /// # Errors
    ///
    /// [`ProofError::Replayed`]; [`ProofError::MadeBeforeMemory`] for a proof from before this memory began, unless a nonce shows
    /// that it is fresh (so the secret of the nonces is drawn at each start, or shared by nodes that share their memory too); [`Rejection::ReplayMemoryFull`] when it cannot be remembered, which is not the caller's fault.
    pub fn admit(&self, proof: &VerifiedProof, boot_now: BootInstant) -> Result<(), Rejection> {
        if proof.issued_at() < self.began && proof.nonce().is_none() {
            return Err(ProofError::MadeBeforeMemory.into());
        }
        let key = proof.replay_key();
        let mut generations = self.generations.lock();
        generations.turn(boot_now);
        if generations.old.contains(&key) || generations.young.contains(&key) {
            return Err(ProofError::Replayed.into());
        }
        if generations.young.len() + generations.old.len() >= self.entries_max {
            return Err(Rejection::ReplayMemoryFull);
        }
        generations.young.insert(key);
        Ok(())
    }

    /// How many proofs are remembered.
    pub fn len(&self) -> usize {
        let generations = self.generations.lock();
        generations.young.len() + generations.old.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Generations {
    /// Boot time decides: a wall clock that jumps ahead must not make a proof forgotten that is good again when it jumps back.
    fn turn(&mut self, boot_now: BootInstant) {
        let age = boot_now.since(self.young_since);
        if age < WINDOW {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= WINDOW * 2 {
            self.old.clear();
        }
        self.young_since = boot_now;
    }
}
