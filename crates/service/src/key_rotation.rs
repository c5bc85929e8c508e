//! Rotation of signing keys: carries out what [`lydian_domain::key_rotation`] decides, in each round of housekeeping.
//!
//! Every step is conditional on the keys that it was decided for. What could not be written is decided anew in the next round.

use std::time::Duration;

use hashbrown::HashMap;
use lydian_domain::key_rotation::{self, KeyStanding, RotationPolicy, RotationStep};
use lydian_domain::secrets::WrappingKey;
use lydian_domain::{KeyId, KeyState, RealmId, SigningKeyRecord};
use lydian_jose::{Algorithm, KeyError, SigningKey};
use lydian_primitives::{BootInstant, Mint, Timestamp};
use lydian_revocation::{RecordKind, Seq};
use lydian_storage::{ApplyError, Change, Precondition, Unavailable, Write};
use parking_lot::Mutex;

use crate::Service;
use crate::directory::RealmState;
use crate::install::key_label;

/// Since when this process has published each key that waits to sign, by the clock that nobody can set.
#[derive(Debug, Default)]
pub struct Publications {
    since: Mutex<HashMap<KeyId, BootInstant>>,
}

impl Publications {
    /// For how long the key has been seen; the first look begins the time.
    fn seen_for(&self, key: KeyId, boot_now: BootInstant) -> Duration {
        boot_now.since(*self.since.lock().entry(key).or_insert(boot_now))
    }

    /// Keeps only the keys that still wait.
    fn retain(&self, waits: impl Fn(KeyId) -> bool) {
        self.since.lock().retain(|key, _| waits(*key));
    }
}

/// A new key, sealed.
///
/// # Errors
///
/// [`KeyError`] when the key cannot be made.
pub(crate) fn new_key(
    realm: RealmId,
    algorithm: Algorithm,
    state: KeyState,
    wrapping_key: &WrappingKey,
    mint: &Mint<'_>,
) -> Result<SigningKeyRecord, KeyError> {
    let key = SigningKey::generate(algorithm)?;
    let der = key.to_pkcs8()?;
    let label = key_label(realm, key.kid());
    Ok(SigningKeyRecord {
        id: KeyId::from_number(mint.number()),
        realm,
        kid: key.kid().to_owned(),
        algorithm,
        state,
        created_at: mint.now(),
        changed_at: mint.now(),
        cut_at: Seq::ZERO,
        wrapped_private_key: wrapping_key.wrap(&label, &der, mint),
        version: 1,
    })
}

/// Changes of the keys of one realm, on condition that nobody else has changed them.
#[derive(Default)]
pub(crate) struct KeyChange {
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) writes: Vec<Write>,
}

impl KeyChange {
    /// Gives a key another state.
    pub(crate) fn put_state(&mut self, key: &SigningKeyRecord, state: KeyState, at: Timestamp) {
        self.touch(SigningKeyRecord { state, changed_at: at, ..key.clone() });
    }

    /// Writes a key as the next version of itself: two that decide for the same key exclude each other.
    pub(crate) fn touch(&mut self, key: SigningKeyRecord) {
        let (kind, id, version) = (RecordKind::Key, key.id.as_number(), key.version);
        self.preconditions.push(Precondition::RecordUnchanged { kind, id, version });
        self.writes.push(Write::PutSigningKey(SigningKeyRecord { version: version + 1, ..key }));
    }

    /// Adds a key.
    pub(crate) fn add(&mut self, key: SigningKeyRecord) {
        self.writes.push(Write::PutSigningKey(key));
    }
}

/// The keys of an algorithm in a realm that are not retired, the oldest first.
pub(crate) fn living_keys(realm: &RealmState, algorithm: Algorithm) -> Vec<SigningKeyRecord> {
    let mut keys: Vec<SigningKeyRecord> = realm
        .keys()
        .map(|entry| &entry.record)
        .filter(|key| key.algorithm == algorithm && key.state != KeyState::Retired)
        .cloned()
        .collect();
    keys.sort_by_key(|key| (key.created_at, key.id));
    keys
}

impl Service {
    /// Carries out what is due for the keys of all realms; how many steps were made. Keys that fail hold up no others.
    ///
    /// # Errors
    ///
    /// The first [`Unavailable`]: the store cannot be read or written, or a key not made. The next round tries again.
    pub async fn rotate_due_keys(&self) -> Result<usize, Unavailable> {
        let directory = std::sync::Arc::clone(&self.directory());
        let mut made = 0;
        let mut failed = None;
        for realm in directory.realms() {
            for algorithm in Algorithm::ALL {
                match self.rotate_due_keys_of(realm, algorithm).await {
                    Ok(steps) => made += steps,
                    Err(error) => {
                        let (realm, algorithm) = (&realm.realm.name, algorithm.name());
                        tracing::warn!(%realm, algorithm, %error, "signing keys could not be rotated");
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        let waits = |id: KeyId| {
            let key = directory.realms().into_iter().find_map(|realm| realm.key(id));
            key.is_some_and(|key| key.record.state == KeyState::Prepublished)
        };
        self.publications.retain(waits);
        failed.map_or(Ok(made), Err)
    }

    async fn rotate_due_keys_of(
        &self,
        realm: &RealmState,
        algorithm: Algorithm,
    ) -> Result<usize, Unavailable> {
        let keys = living_keys(realm, algorithm);
        let mut standings = Vec::with_capacity(keys.len());
        for key in &keys {
            standings.push(self.standing(key).await?);
        }
        let policy = RotationPolicy::of(&realm.realm);
        let steps = key_rotation::due(&standings, policy, self.node.mark(), realm.needs_key(algorithm));
        let mut made = 0;
        for step in &steps {
            made += usize::from(self.carry_out(realm, algorithm, &keys, *step).await?);
        }
        Ok(made)
    }

    /// What the decision needs to know of a key.
    pub(crate) async fn standing(&self, key: &SigningKeyRecord) -> Result<KeyStanding, Unavailable> {
        let waits = key.state == KeyState::Prepublished;
        let boot_now = self.clock().boot_now();
        let last_expiry = match key.state {
            KeyState::Retiring => {
                let issued = self.storage.issued_under_key(key.id, self.node.mark().hour()).await?;
                issued.last().map(|issued| issued.hour)
            }
            KeyState::Prepublished | KeyState::Active | KeyState::Retired => None,
        };
        Ok(KeyStanding {
            id: key.id,
            state: key.state,
            changed_at: key.changed_at,
            seen_for: if waits { self.publications.seen_for(key.id, boot_now) } else { Duration::ZERO },
            last_expiry,
        })
    }

    async fn carry_out(
        &self,
        realm: &RealmState,
        algorithm: Algorithm,
        keys: &[SigningKeyRecord],
        step: RotationStep,
    ) -> Result<bool, Unavailable> {
        let at = self.node.token_time();
        let find = |id: KeyId| keys.iter().find(|key| key.id == id);
        let mut change = KeyChange::default();
        match step {
            RotationStep::Activate(id) => {
                for key in keys.iter().filter(|key| key.state == KeyState::Active) {
                    change.put_state(key, KeyState::Retiring, at);
                }
                find(id).into_iter().for_each(|key| change.put_state(key, KeyState::Active, at));
            }
            RotationStep::Create => change.add(self.make_key(realm, algorithm, KeyState::Active)?),
            RotationStep::Prepublish => {
                // Of two that publish a successor at once, one finds the active key changed.
                keys.iter()
                    .filter(|key| key.state == KeyState::Active)
                    .for_each(|key| change.touch(key.clone()));
                change.add(self.make_key(realm, algorithm, KeyState::Prepublished)?);
            }
            RotationStep::Retire(id) => {
                find(id).into_iter().for_each(|key| change.put_state(key, KeyState::Retired, at));
            }
        }
        match self.apply_key_change(change).await {
            Ok(_) => {
                tracing::info!(realm = %realm.realm.name, algorithm = algorithm.name(), ?step, "signing keys rotate");
                Ok(true)
            }
            // Somebody else changed the keys: what is due now is decided in the next round.
            Err(ApplyError::Conflict(conflict)) => {
                tracing::info!(realm = %realm.realm.name, %conflict, "a step of rotation was overtaken");
                Ok(false)
            }
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    pub(crate) async fn apply_key_change(&self, change: KeyChange) -> Result<Seq, ApplyError> {
        let KeyChange { preconditions, writes } = change;
        let change = Change { preconditions, writes, at: self.node.token_time() };
        Ok(self.storage.apply(change).await?.seq)
    }

    pub(crate) fn make_key(
        &self,
        realm: &RealmState,
        algorithm: Algorithm,
        state: KeyState,
    ) -> Result<SigningKeyRecord, Unavailable> {
        let mint = Mint::new(self.node.token_time(), self.entropy());
        let wrapping_key = &self.node.environment().wrapping_key;
        let made = new_key(realm.realm.id, algorithm, state, wrapping_key, &mint);
        made.map_err(|error| Unavailable::new("make a signing key", error))
    }
}
