//! Passwords: argon2id in a bounded number of threads, so that a flood of sign-ins costs neither memory nor the other answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use lydian_domain::PasswordHash;
use lydian_primitives::{Mint, Secret, limits};
use lydian_storage::Unavailable;

use crate::error::ServiceError;
use crate::hashing_threads::{HashingThreads, Memory};

/// What one hash costs: memory in KiB, passes, lanes (OWASP's minimum; S9 of the reliability rules).
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// The length of a tag, in bytes.
const TAG_BYTES: usize = 32;

/// The most that a stored hash may demand: memory in KiB, and passes.
const COST_MAX: (u32, u32) = (262_144, 10);

/// How long a sign-in waits for a thread.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How many sign-ins wait for a thread; the others are told to come back.
const WAITING_MAX: usize = 64;

/// Checks and makes hashes of passwords.
pub struct Passwords {
    threads: HashingThreads,
    waiting: AtomicUsize,
    /// The hash of a password that nobody has: an unknown user costs as much as a known one.
    nobody: PasswordHash,
}

/// What became of a presented password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the right one; a new hash where the stored one is weaker than what is made today.
    Right {
        /// The hash to store instead.
        rehashed: Option<PasswordHash>,
    },
    /// It is not, or there is no such user.
    Wrong,
}

impl Passwords {
    /// With as many threads as there are cores.
    pub fn new(mint: &Mint<'_>) -> Self {
        // A hash with the cost of today, and a tag that no password can be found for.
        let nobody = phc_string(COST, &mint.bytes::<16>(), &mint.bytes::<TAG_BYTES>());
        Self {
            threads: HashingThreads::new(),
            waiting: AtomicUsize::new(0),
            nobody: PasswordHash::from_phc(nobody),
        }
    }

    /// Checks a password; `hash` is `None` where there is no user, or one without a password.
    ///
    /// # Errors
    ///
    /// Unavailable when too many wait, or when the stored hash demands more than it may.
    pub async fn verify(
        &self,
        hash: Option<&PasswordHash>,
        password: &Secret,
        mint: &Mint<'_>,
    ) -> Result<Verdict, ServiceError> {
        if password.expose().len() > limits::PASSWORD_BYTES_MAX {
            return Ok(Verdict::Wrong);
        }
        let is_known = hash.is_some();
        let stored = hash.unwrap_or(&self.nobody).clone();
        let (salt, password) = (mint.bytes::<16>(), password.clone());
        self.run(move |memory| {
            if !verifies(&stored, &password, memory)? || !is_known {
                return Ok(Verdict::Wrong);
            }
            let rehashed = if is_weak(&stored) { Some(make(&password, &salt, memory)?) } else { None };
            Ok(Verdict::Right { rehashed })
        })
        .await
    }

    /// Makes the hash of a new password.
    ///
    /// # Errors
    ///
    /// Unavailable when too many wait.
    pub async fn hash(&self, password: &Secret, mint: &Mint<'_>) -> Result<PasswordHash, ServiceError> {
        let (salt, password) = (mint.bytes::<16>(), password.clone());
        self.run(move |memory| make(&password, &salt, memory)).await
    }

    /// Runs a job on one of the threads for it, when it is its turn.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Memory) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let turns = self.threads.turns();
        let turn = match Arc::clone(turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let _waits = Waits::begin(&self.waiting)?;
                let turn = tokio::time::timeout(WAIT_MAX, Arc::clone(turns).acquire_owned()).await;
                turn.map_err(|_| busy())?.map_err(|_| busy())?
            }
        };
        let result = self.threads.run(turn, job).await;
        Ok(result.ok_or_else(|| Unavailable::because("hash a password: the computation did not end"))??)
    }
}

/// One of those who wait; the place is given back however the wait ends.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Result<Self, ServiceError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            drop(place);
            return Err(busy());
        }
        Ok(place)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn busy() -> ServiceError {
    ServiceError::Unavailable(Unavailable::because("check a password: too many sign in at once"))
}

/// Fills `tag` with the tag of a password at this cost: memory in KiB, passes, lanes.
fn compute(
    password: &Secret,
    salt: &[u8],
    (kibibytes, passes, lanes): (u32, u32, u32),
    tag: &mut [u8],
    memory: &mut Memory,
) -> Result<(), Unavailable> {
    let failed = |error| Unavailable::new("hash a password", error);
    let params = Params::new(kibibytes, passes, lanes, Some(tag.len())).map_err(failed)?;
    // What another password has left is overwritten before it is read.
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, tag, memory).map_err(failed)
}

fn make(password: &Secret, salt: &[u8; 16], memory: &mut Memory) -> Result<PasswordHash, Unavailable> {
    let mut tag = [0; TAG_BYTES];
    compute(password, salt, COST, &mut tag, memory)?;
    Ok(PasswordHash::from_phc(phc_string(COST, salt, &tag)))
}

/// A hash as text, in the format of the Password Hashing Competition.
fn phc_string((kibibytes, passes, lanes): (u32, u32, u32), salt: &[u8], tag: &[u8]) -> String {
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
    format!("$argon2id$v=19$m={kibibytes},t={passes},p={lanes}${salt}${tag}")
}

fn verifies(stored: &PasswordHash, password: &Secret, memory: &mut Memory) -> Result<bool, Unavailable> {
    let parsed = phc::PasswordHash::new(stored.as_phc())
        .map_err(|error| Unavailable::new("read a stored password", error))?;
    let cost = |name: &str| parsed.params.get_decimal(name).unwrap_or(u32::MAX);
    let is_ours = parsed.algorithm.as_str() == "argon2id" && parsed.version == Some(Version::V0x13.into());
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else {
        return Err(Unavailable::because("check a password: its hash is not complete"));
    };
    if !is_ours || cost("m") > COST_MAX.0 || cost("t") > COST_MAX.1 {
        return Err(Unavailable::because(
            "check a password: its hash is of another kind, or demands too much",
        ));
    }
    let mut tag = vec![0; expected.as_bytes().len()];
    compute(password, salt.as_ref(), (cost("m"), cost("t"), cost("p")), &mut tag, memory)?;
    Ok(constant_time::verify_slices_are_equal(&tag, expected.as_bytes()).is_ok())
}

/// Whether a stored hash costs less than what is made today.
fn is_weak(stored: &PasswordHash) -> bool {
    let Ok(parsed) = phc::PasswordHash::new(stored.as_phc()) else {
        return true;
    };
    let cost = |name: &str| parsed.params.get_decimal(name).unwrap_or(0);
    cost("m") < COST.0 || cost("t") < COST.1
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;
    use lydian_primitives::{SystemEntropy, Timestamp};

    use super::*;

    fn mint() -> Mint<'static> {
        Mint::new(Timestamp::EPOCH, &SystemEntropy)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// A hash with this cost, as another program may have made it.
    fn hash_of(password: &str, memory: u32, passes: u32) -> PasswordHash {
        let params = Params::new(memory, passes, 1, Some(32)).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let made: phc::PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), &[7; 16]).unwrap();
        PasswordHash::from_phc(made.to_string())
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_every_other_is_wrong() {
        let passwords = Passwords::new(&mint());
        let hash = passwords.hash(&secret("correct horse"), &mint()).await.unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_phc());
        let verify =
            async |hash, password: &str| passwords.verify(hash, &secret(password), &mint()).await.unwrap();
        assert_eq!(verify(Some(&hash), "correct horse").await, Verdict::Right { rehashed: None });
        for wrong in ["", "correct hors", "Correct horse", "correct horse ", &"a".repeat(1_025)] {
            assert_eq!(verify(Some(&hash), wrong).await, Verdict::Wrong, "{wrong}");
        }
        assert_eq!(verify(None, "correct horse").await, Verdict::Wrong);
        let again = passwords.hash(&secret("correct horse"), &mint()).await.unwrap();
        assert_ne!(hash, again, "each has a salt of its own");
    }

    #[tokio::test]
    async fn a_weak_hash_is_made_anew_and_one_that_demands_too_much_is_not_tried() {
        let passwords = Passwords::new(&mint());
        let weak = hash_of("password", 64, 1);
        let verdict = passwords.verify(Some(&weak), &secret("password"), &mint()).await.unwrap();
        let Verdict::Right { rehashed: Some(rehashed) } = verdict else { panic!("{verdict:?}") };
        assert!(!is_weak(&rehashed) && verifies(&rehashed, &secret("password"), &mut Memory::new()).unwrap());
        for demanding in ["m=262145,t=2,p=1", "m=19456,t=11,p=1"] {
            let hash = weak.as_phc().replace("m=64,t=1,p=1", demanding);
            let error =
                verifies(&PasswordHash::from_phc(hash), &secret("password"), &mut Memory::new()).unwrap_err();
            assert!(error.to_string().contains("demands too much"), "{error}");
        }
    }

    #[tokio::test]
    async fn who_finds_too_many_waiting_is_told_to_come_back() {
        let passwords = Passwords::new(&mint());
        let all = u32::try_from(passwords.threads.turns().available_permits()).unwrap();
        let _held = Arc::clone(passwords.threads.turns()).acquire_many_owned(all).await.unwrap();
        passwords.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let refused = passwords.verify(None, &secret("password"), &mint()).await;
        assert!(matches!(refused, Err(ServiceError::Unavailable(_))));
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), WAITING_MAX, "the place was given back");
    }
}
