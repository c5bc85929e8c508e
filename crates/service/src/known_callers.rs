//! Callers whose credentials were verified before, found again by the exact bytes of their Authorization header.
//!
//! An API asks with the same header for every token. Decoding it and hashing its secret each time would cost more than the decision
//! itself. What is remembered is which record the header was verified against, and it counts only while that very record is in the
//! directory: a changed secret, a disabled client or any other change makes a new record.

use lydian_domain::authenticate::AuthenticatedClient;
use lydian_primitives::Entropy;
use lydian_primitives::prf::{Prf, PrfKey};
use parking_lot::RwLock;

use crate::directory::RealmState;

/// How many headers are remembered; a new one takes the place of another with the same slot.
const SLOTS: usize = 1_024;

/// The verified callers of this node.
pub struct KnownCallers {
    prf: Prf,
    slots: Box<[RwLock<Option<Known>>]>,
}

struct Known {
    key: PrfKey,
    caller: AuthenticatedClient,
}

impl KnownCallers {
    /// Nobody is known yet.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self { prf: Prf::new(entropy), slots: (0..SLOTS).map(|_| RwLock::new(None)).collect() }
    }

    /// The key of a header.
    pub fn key_of(&self, header: &[u8]) -> PrfKey {
        self.prf.of(header)
    }

    /// The caller that this header was verified for, while its record is the one in the directory.
    pub fn find(&self, key: PrfKey, realm: &RealmState) -> Option<AuthenticatedClient> {
        let slot = self.slot(key).read();
        let known = slot.as_ref().filter(|known| known.key == key)?;
        let current = realm.client(known.caller.client().id)?;
        known.caller.is_for(current).then(|| known.caller.clone())
    }

    /// Remembers a header that was verified.
    pub fn remember(&self, key: PrfKey, caller: &AuthenticatedClient) {
        *self.slot(key).write() = Some(Known { key, caller: caller.clone() });
    }

    fn slot(&self, key: PrfKey) -> &RwLock<Option<Known>> {
        &self.slots[key.low() as usize % SLOTS]
    }
}
