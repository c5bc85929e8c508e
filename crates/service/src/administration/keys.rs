//! Signing keys under an administrator's hand: look, rotate, retire, and how many tokens an emergency would strand.

use lydian_domain::key_rotation::{KeyStanding, RotationPolicy};
use lydian_domain::{KeyState, RealmName, SigningKeyRecord};
use lydian_jose::Algorithm;
use lydian_primitives::{Timestamp, limits};
use lydian_revocation::CutKind;
use lydian_storage::Write;
use serde::{Deserialize, Serialize};

use super::AdministrationError;
use crate::Service;
use crate::directory::RealmState;
use crate::key_rotation::{KeyChange, living_keys};

/// A signing key, for people. Instants are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKey {
    /// Its realm.
    pub realm: RealmName,
    /// Its name on the wire.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: String,
    /// `prepublished`, `active`, `retiring` or `retired`.
    pub state: String,
    /// When it was made.
    pub created_at: u64,
    /// Since when it stands in this state.
    pub changed_at: u64,
    /// When its next change is due: to sign, to have a successor sign, or to leave the key set; none without a schedule.
    pub due_at: Option<u64>,
}

/// What rotating the keys of one algorithm came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedKey {
    /// The realm.
    pub realm: RealmName,
    /// The algorithm.
    pub algorithm: String,
    /// The `kid` of the key that signs from now on, or from [`Self::active_from`] on.
    pub kid: String,
    /// When it signs, in seconds since 1970.
    pub active_from: u64,
    /// The key that was removed in an emergency, with what it had signed.
    pub removed: Option<Stranded>,
}

/// How many live tokens are lost with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranded {
    /// The realm.
    pub realm: RealmName,
    /// The key.
    pub kid: String,
    /// Where it stands in its life.
    pub state: String,
    /// How many tokens that it signed were counted and have not expired, revoked ones among them.
    pub tokens: u64,
    /// The same by the hour in which they expire.
    pub by_hour: Vec<StrandedHour>,
}

/// How many of the tokens expire in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrandedHour {
    /// The first second of the hour, since 1970.
    pub hour: u64,
    /// How many.
    pub tokens: u64,
}

impl Service {
    /// The signing keys of the named realm, or of all realms.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn list_keys(&self, realm: Option<&RealmName>) -> Result<Vec<ListedKey>, AdministrationError> {
        let mut listed = Vec::new();
        for state in self.realms_for_administrator(realm)? {
            let policy = RotationPolicy::of(&state.realm);
            let mut keys: Vec<_> = state.keys().map(|entry| &entry.record).collect();
            keys.sort_by_key(|key| (key.algorithm.name(), key.created_at, key.id));
            for key in keys {
                let standing = self.standing(key).await?;
                listed.push(ListedKey {
                    realm: state.realm.name.clone(),
                    kid: key.kid.clone(),
                    algorithm: key.algorithm.name().to_owned(),
                    state: key.state.name().to_owned(),
                    created_at: key.created_at.as_unix_seconds(),
                    changed_at: key.changed_at.as_unix_seconds(),
                    due_at: due_at(&standing, policy, state.needs_key(key.algorithm)),
                });
            }
        }
        Ok(listed)
    }

    /// Rotates the keys of one algorithm of a realm, or of all that it has active keys for.
    ///
    /// A planned rotation publishes a successor, which signs when every cache can know it. An emergency makes a new key that signs
    /// at once, and removes the key that signed: what that key has signed is dead when this returns.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause. Algorithms before the one that failed have been rotated.
    pub async fn rotate_keys(
        &self,
        realm: Option<&RealmName>,
        algorithm: Option<Algorithm>,
        emergency: bool,
    ) -> Result<Vec<RotatedKey>, AdministrationError> {
        let state = self.realm_for_administrator(realm)?;
        let algorithms: Vec<Algorithm> = Algorithm::ALL
            .into_iter()
            .filter(|one| algorithm.is_none_or(|wanted| *one == wanted) && state.active_key(*one).is_some())
            .collect();
        if algorithms.is_empty() {
            let what = algorithm.map_or(String::new(), |algorithm| format!(" for {}", algorithm.name()));
            return Err(AdministrationError::NotFound(format!(
                "the realm {} has no active key{what}",
                state.realm.name
            )));
        }
        let mut rotated = Vec::new();
        for algorithm in algorithms {
            rotated.push(if emergency {
                self.replace_key(&state, algorithm).await?
            } else {
                self.publish_successor(&state, algorithm).await?
            });
        }
        Ok(rotated)
    }

    async fn publish_successor(
        &self,
        realm: &RealmState,
        algorithm: Algorithm,
    ) -> Result<RotatedKey, AdministrationError> {
        let keys = living_keys(realm, algorithm);
        let policy = RotationPolicy::of(&realm.realm);
        // A successor that is published already is the one: asking twice makes no second.
        let successor = match keys.iter().find(|key| key.state == KeyState::Prepublished) {
            Some(key) => key.clone(),
            None => {
                let mut change = KeyChange::default();
                keys.iter()
                    .filter(|key| key.state == KeyState::Active)
                    .for_each(|key| change.touch(key.clone()));
                let key = self.make_key(realm, algorithm, KeyState::Prepublished)?;
                change.add(key.clone());
                self.apply_key_change(change).await?;
                key
            }
        };
        // The time that this process measures begins now.
        let standing = self.standing(&successor).await?;
        Ok(RotatedKey {
            realm: realm.realm.name.clone(),
            algorithm: algorithm.name().to_owned(),
            kid: successor.kid,
            active_from: standing.activation_at(policy).as_unix_seconds(),
            removed: None,
        })
    }

    async fn replace_key(
        &self,
        realm: &RealmState,
        algorithm: Algorithm,
    ) -> Result<RotatedKey, AdministrationError> {
        let at = self.node.token_time();
        let keys = living_keys(realm, algorithm);
        let active = keys
            .iter()
            .filter(|key| key.state == KeyState::Active)
            .max_by_key(|key| (key.created_at, key.id))
            .ok_or_else(|| AdministrationError::NotFound("there is no active key".to_owned()))?;
        let mut change = KeyChange::default();
        let new = self.make_key(realm, algorithm, KeyState::Active)?;
        change.add(new.clone());
        for key in &keys {
            match key.state {
                KeyState::Active => remove(&mut change, key, at),
                // It was sealed beside the key that got out, and has signed nothing.
                KeyState::Prepublished => change.put_state(key, KeyState::Retired, at),
                KeyState::Retiring | KeyState::Retired => {}
            }
        }
        self.apply_key_change(change).await?;
        // Counted afterwards: what was signed until the end is in it.
        let removed = self.stranded_by(realm, active).await?;
        Ok(RotatedKey {
            realm: realm.realm.name.clone(),
            algorithm: algorithm.name().to_owned(),
            kid: new.kid,
            active_from: at.as_unix_seconds(),
            removed: Some(Stranded { state: KeyState::Retired.name().to_owned(), ..removed }),
        })
    }

    /// Removes a key from the key set; what it has signed is refused from then on.
    ///
    /// Without `force`, only a key that no live token can carry.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::Conflict`] for a key that signs, is retired already, or that a live token may carry.
    pub async fn retire_key(
        &self,
        realm: Option<&RealmName>,
        kid: &str,
        force: bool,
    ) -> Result<Stranded, AdministrationError> {
        let state = self.realm_for_administrator(realm)?;
        let key = find(&state, kid)?;
        let at = self.node.token_time();
        self.write_issued_counts().await?;
        let mut change = KeyChange::default();
        match key.state {
            KeyState::Retired => {
                return Err(AdministrationError::Conflict(format!("the key {kid} is retired already")));
            }
            KeyState::Active => {
                return Err(AdministrationError::Conflict(format!(
                    "the key {kid} signs: rotate it, and in an emergency rotate it with --emergency"
                )));
            }
            KeyState::Prepublished => change.put_state(&key, KeyState::Retired, at),
            KeyState::Retiring => {
                let standing = self.standing(&key).await?;
                if standing.may_retire(self.node.mark()) {
                    change.put_state(&key, KeyState::Retired, at);
                } else if force {
                    remove(&mut change, &key, at);
                } else {
                    return Err(AdministrationError::Conflict(format!(
                        "a live token may carry the key {kid} until {}: it retires by itself then; --force kills those tokens",
                        super::instant(standing.carried_until())
                    )));
                }
            }
        }
        self.apply_key_change(change).await?;
        let stranded = self.stranded_by(&state, &key).await?;
        Ok(Stranded { state: KeyState::Retired.name().to_owned(), ..stranded })
    }

    /// How many live tokens would be lost with a key, or with each key that is published.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn stranded(
        &self,
        realm: Option<&RealmName>,
        kid: Option<&str>,
    ) -> Result<Vec<Stranded>, AdministrationError> {
        let state = self.realm_for_administrator(realm)?;
        let keys = match kid {
            Some(kid) => vec![find(&state, kid)?],
            None => Algorithm::ALL.into_iter().flat_map(|algorithm| living_keys(&state, algorithm)).collect(),
        };
        let mut stranded = Vec::with_capacity(keys.len());
        for key in &keys {
            stranded.push(self.stranded_by(&state, key).await?);
        }
        Ok(stranded)
    }

    async fn stranded_by(
        &self,
        realm: &RealmState,
        key: &SigningKeyRecord,
    ) -> Result<Stranded, AdministrationError> {
        self.write_issued_counts().await?;
        let issued = self.storage.issued_under_key(key.id, self.node.token_time().hour()).await?;
        Ok(Stranded {
            realm: realm.realm.name.clone(),
            kid: key.kid.clone(),
            state: key.state.name().to_owned(),
            tokens: issued.iter().map(|issued| issued.count).sum(),
            by_hour: issued
                .iter()
                .map(|issued| StrandedHour {
                    hour: issued.hour.start().as_unix_seconds(),
                    tokens: issued.count,
                })
                .collect(),
        })
    }
}

/// Takes a key out of the key set and kills what it has signed.
fn remove(change: &mut KeyChange, key: &SigningKeyRecord, at: Timestamp) {
    change.put_state(key, KeyState::Retired, at);
    change.writes.push(Write::Cut { kind: CutKind::Key, subject: key.id.as_number() });
}

fn find(realm: &RealmState, kid: &str) -> Result<SigningKeyRecord, AdministrationError> {
    let entry = (kid.len() <= limits::KID_BYTES_MAX).then(|| realm.key_by_kid(kid)).flatten();
    entry.map(|entry| entry.record.clone()).ok_or_else(|| {
        AdministrationError::NotFound(format!("there is no key {kid} in the realm {}", realm.realm.name))
    })
}

/// When the next change of a key is due.
fn due_at(key: &KeyStanding, policy: RotationPolicy, needed: bool) -> Option<u64> {
    let at = match key.state {
        KeyState::Prepublished => key.activation_at(policy),
        KeyState::Active if needed && policy.rotation_seconds > 0 => {
            key.changed_at.plus_seconds(policy.rotation_seconds)
        }
        KeyState::Active | KeyState::Retired => return None,
        KeyState::Retiring => key.carried_until(),
    };
    Some(at.as_unix_seconds())
}
