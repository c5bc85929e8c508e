//! One copy of each set of scopes that tokens in memory have.

use std::collections::HashSet;

use lydian_oauth_types::ScopeSet;
use parking_lot::Mutex;

/// The most sets that are shared; beyond it tokens have copies of their own.
const SETS_MAX: usize = 4_096;

/// The sets of scopes that were seen. Most tokens have one of a few.
#[derive(Default)]
pub struct SharedScopes(Mutex<HashSet<ScopeSet>>);

impl SharedScopes {
    /// The one copy of this set.
    pub fn shared(&self, scopes: &ScopeSet) -> ScopeSet {
        let mut sets = self.0.lock();
        if let Some(known) = sets.get(scopes) {
            return known.clone();
        }
        if sets.len() < SETS_MAX {
            sets.insert(scopes.clone());
        }
        scopes.clone()
    }
}
