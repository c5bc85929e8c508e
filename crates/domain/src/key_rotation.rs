//! When signing keys change their state: by the schedule of their realm, and never before validators can follow.
//!
//! A successor is published first, signs only after every cache of the key set has learnt it, and the key before it stays
//! published until the last token that it signed has expired. Steps are decided for the keys of one realm and algorithm.

use std::time::Duration;

use lydian_primitives::{Hour, Timestamp, limits};

use crate::introspect::HORIZON;
use crate::records::{KeyId, KeyState, Realm};

/// The shortest time for which a key is published before it signs: what caches may keep, and a margin for slow fetches.
pub const PUBLICATION_SECONDS_MIN: u64 = limits::JWKS_SECONDS_MAX + limits::JWKS_MARGIN_SECONDS;

/// The shortest schedule, but for none at all: keys that come faster than they go fill the key set.
pub const ROTATION_SECONDS_MIN: u64 = 86_400;

/// The longest schedule, and the longest publication ahead: ten years.
pub const ROTATION_SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// How a realm wants its keys to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// For how long a key signs; 0: until an administrator rotates it.
    pub rotation_seconds: u64,
    /// For how long a successor is published before it signs; never less than [`PUBLICATION_SECONDS_MIN`].
    pub prepublication_seconds: u64,
}

impl RotationPolicy {
    /// The policy of a realm.
    pub fn of(realm: &Realm) -> Self {
        Self {
            rotation_seconds: realm.key_rotation_seconds,
            prepublication_seconds: realm.key_prepublication_seconds.max(PUBLICATION_SECONDS_MIN),
        }
    }

    /// What is wrong with it.
    ///
    /// # Errors
    ///
    /// The bound that it breaks, for people.
    pub fn check(rotation_seconds: u64, prepublication_seconds: u64) -> Result<(), String> {
        if rotation_seconds != 0 && !(ROTATION_SECONDS_MIN..=ROTATION_SECONDS_MAX).contains(&rotation_seconds)
        {
            return Err(format!(
                "key_rotation_seconds is 0 for never, or at least {ROTATION_SECONDS_MIN} and at most ten years"
            ));
        }
        if !(PUBLICATION_SECONDS_MIN..=ROTATION_SECONDS_MAX).contains(&prepublication_seconds) {
            return Err(format!(
                "key_prepublication_seconds is at least {PUBLICATION_SECONDS_MIN}, the time for which key sets may be cached and a margin, and at most ten years"
            ));
        }
        if rotation_seconds != 0 && prepublication_seconds > rotation_seconds {
            return Err("key_prepublication_seconds is at most key_rotation_seconds".to_owned());
        }
        Ok(())
    }
}

/// A key as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStanding {
    /// Which one.
    pub id: KeyId,
    /// Where it stands in its life.
    pub state: KeyState,
    /// Since when it stands there.
    pub changed_at: Timestamp,
    /// For how long this process has published it, by the clock that nobody can set.
    pub seen_for: Duration,
    /// The last hour in which a token expires that was counted for this key.
    pub last_expiry: Option<Hour>,
}

impl KeyStanding {
    /// When a prepublished key is due to sign, as far as can be told now.
    pub fn activation_at(&self, policy: RotationPolicy) -> Timestamp {
        self.changed_at.plus_seconds(policy.prepublication_seconds)
    }

    /// Until when a token may carry it that a key at this point of its life has signed.
    ///
    /// The counters may have lost what was issued just before a crash; the longest lifetime of a JWT has not. Both must have
    /// passed. The margin is more than the forgetting mark may run ahead of the clocks of validators.
    pub fn carried_until(&self) -> Timestamp {
        let longest = self.changed_at.plus_seconds(HORIZON.as_secs());
        let counted = self.last_expiry.map_or(Timestamp::EPOCH, |hour| hour.next().start());
        longest.max(counted).plus_seconds(limits::KEY_RETIREMENT_MARGIN_SECONDS)
    }

    /// Whether every cache of the key set has had the time to learn it.
    ///
    /// The wall clock can jump, so the shortest time is measured by this process alone. The longer time of the policy is
    /// measured by the forgetting mark, which outlives restarts, or by this process.
    pub fn may_sign(&self, policy: RotationPolicy, mark: Timestamp) -> bool {
        self.seen_for >= Duration::from_secs(PUBLICATION_SECONDS_MIN)
            && (mark >= self.activation_at(policy)
                || self.seen_for >= Duration::from_secs(policy.prepublication_seconds))
    }

    /// Whether no token that lives can carry it.
    pub fn may_retire(&self, mark: Timestamp) -> bool {
        mark >= self.carried_until()
    }
}

/// What is to be done with the keys of one realm and algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationStep {
    /// This key signs from now on; those that signed retire.
    Activate(KeyId),
    /// A new key signs at once: there is none.
    Create,
    /// A successor is published.
    Prepublish,
    /// The key leaves the key set.
    Retire(KeyId),
}

/// What is due for the keys of one realm and algorithm.
///
/// `mark` is the forgetting mark: the time that is believed. `needed` says whether tokens of this algorithm can be asked for.
pub fn due(keys: &[KeyStanding], policy: RotationPolicy, mark: Timestamp, needed: bool) -> Vec<RotationStep> {
    let of = |state: KeyState| keys.iter().filter(move |key| key.state == state);
    let mut steps: Vec<RotationStep> = of(KeyState::Retiring)
        .filter(|key| key.may_retire(mark))
        .map(|key| RotationStep::Retire(key.id))
        .collect();
    let successor = of(KeyState::Prepublished).min_by_key(|key| (key.changed_at, key.id));
    let active = of(KeyState::Active).min_by_key(|key| (key.changed_at, key.id));
    match (active, successor) {
        // Nothing can be signed: a key that was published for a while is better than one that nobody knows.
        (None, Some(successor)) if needed => steps.push(RotationStep::Activate(successor.id)),
        (None, None) if needed => steps.push(RotationStep::Create),
        (Some(_), Some(successor)) if successor.may_sign(policy, mark) => {
            steps.push(RotationStep::Activate(successor.id));
        }
        (Some(active), None) if needed && policy.rotation_seconds > 0 => {
            let lead = policy.rotation_seconds.saturating_sub(policy.prepublication_seconds);
            if mark >= active.changed_at.plus_seconds(lead) {
                steps.push(RotationStep::Prepublish);
            }
        }
        _ => {}
    }
    steps
}

#[cfg(test)]
#[path = "key_rotation_tests.rs"]
mod tests;
