//! Passwords: argon2id in a bounded number of threads, so that a flood of sign-ins costs neither memory nor the other answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use lydian_domain::PasswordHash;
use lydian_primitives::{BootInstant, Mint, Secret, limits};
use lydian_storage::Unavailable;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::ServiceError;
use crate::hashing_threads::{HashingThreads, Memory};

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// OWASP's minimum (S9 of the reliability rules): no hash is made for less.
    pub const MIN: Self = Self { memory: 19_456, passes: 2 };

    /// The most memory of one hash.
    const MEMORY_MAX: u32 = 65_536;

    /// The most passes that are made.
    const PASSES_MAX: u32 = 10;

    /// The cost whose hash takes about `target`, as `measure` says how long one takes. Its memory is what each thread has of the budget.
    pub fn choose(
        target: Duration,
        memory_budget: u32,
        threads: usize,
        mut measure: impl FnMut(Self) -> Duration,
    ) -> Self {
        let threads = u32::try_from(threads).unwrap_or(u32::MAX).max(1);
        let mut memory = (memory_budget / threads).clamp(Self::MIN.memory, Self::MEMORY_MAX);
        // The first one pays for fresh memory: what counts is the second.
        let mut time_of = |memory| {
            let cost = Self { memory, passes: Self::MIN.passes };
            measure(cost);
            measure(cost)
        };
        let mut time = time_of(memory);
        if time > target && memory > Self::MIN.memory {
            memory = Self::MIN.memory;
            time = time_of(memory);
        }
        let of_one_pass = (time / Self::MIN.passes).max(Duration::from_micros(1));
        let passes = u32::try_from(target.as_micros() / of_one_pass.as_micros()).unwrap_or(u32::MAX);
        Self { memory, passes: passes.clamp(Self::MIN.passes, Self::PASSES_MAX) }
    }

    /// As it is kept with the install.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.memory) << 32 | u64::from(self.passes)).to_le_bytes()
    }

    /// What [`Self::to_bytes`] kept; never below the minimum, and never beyond what is made.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = u64::from_le_bytes(bytes.try_into().ok()?);
        let (memory, passes) = ((number >> 32) as u32, number as u32);
        Some(Self {
            memory: memory.clamp(Self::MIN.memory, Self::MEMORY_MAX),
            passes: passes.clamp(Self::MIN.passes, Self::PASSES_MAX),
        })
    }

    fn of(stored: &phc::PasswordHash) -> Self {
        let cost = |name: &str| stored.params.get_decimal(name).unwrap_or(u32::MAX);
        Self { memory: cost("m"), passes: cost("t") }
    }

    /// Whether a hash with this cost is to be made anew when the other one is what is made.
    fn is_less_than(self, other: Self) -> bool {
        self.memory < other.memory || self.passes < other.passes
    }

    /// What is missing from this cost to the other one, in passes over the other's memory.
    fn passes_to(self, other: Self) -> u32 {
        let work = |cost: Self| u64::from(cost.memory) * u64::from(cost.passes);
        let missing = work(other).saturating_sub(work(self)) / u64::from(other.memory.max(1));
        u32::try_from(missing).unwrap_or(Self::PASSES_MAX)
    }
}

/// Lanes of a hash: one core computes it.
const LANES: u32 = 1;

/// The length of a tag, in bytes.
const TAG_BYTES: usize = 32;

/// The most that a stored hash may demand: memory in KiB, and passes.
const COST_MAX: Cost = Cost { memory: 262_144, passes: 10 };

/// Memory for all hashes at once that is used when nothing else is set, in KiB: with it the process stays in its 256 MiB.
pub const MEMORY_BUDGET: u32 = 96 * 1_024;

/// How long a sign-in waits for a thread.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How many sign-ins wait for a thread at most; the others are told to come back.
const WAITING_MAX: usize = 64;

/// Checks and makes hashes of passwords.
pub struct Passwords {
    threads: HashingThreads,
    /// Memory that is not in use, in MiB.
    memory: Arc<Semaphore>,
    memory_budget: u32,
    waiting: AtomicUsize,
    /// How long a job takes now, in microseconds: an average over the last ones, 0 before the first.
    job_micros: AtomicU64,
    made: ArcSwap<Made>,
}

/// How hashes are made now.
struct Made {
    cost: Cost,
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
    /// With as many threads as there are cores, and memory for all hashes at once in KiB. Hashes are made for the least cost until
    /// [`Self::set_cost`].
    pub fn new(memory_budget: u32, mint: &Mint<'_>) -> Self {
        let memory_budget = memory_budget.max(Cost::MIN.memory);
        Self {
            threads: HashingThreads::new(cores()),
            memory: Arc::new(Semaphore::new(memory_budget.div_ceil(1_024) as usize)),
            memory_budget,
            waiting: AtomicUsize::new(0),
            job_micros: AtomicU64::new(0),
            made: ArcSwap::from_pointee(Made::of(Cost::MIN, mint)),
        }
    }

    /// What hashes cost that are made now.
    pub fn cost(&self) -> Cost {
        self.made.load().cost
    }

    /// Makes hashes for this cost from now on; those that are there are renewed at the next right sign-in.
    pub fn set_cost(&self, cost: Cost, mint: &Mint<'_>) {
        self.made.store(Arc::new(Made::of(cost, mint)));
    }

    /// Measures what a hash costs here, and chooses the cost whose hash takes about `target`.
    ///
    /// # Errors
    ///
    /// Unavailable when no hash can be made.
    pub fn calibrate(
        &self,
        target: Duration,
        boot_now: impl Fn() -> BootInstant,
    ) -> Result<Cost, Unavailable> {
        let password = Secret::new("a password to measure with".to_owned());
        let (mut made, mut memory) = (Ok(()), Memory::new());
        let cost = Cost::choose(target, self.memory_budget, cores(), |cost| {
            let begin = boot_now();
            if let Err(error) = make(&password, &[7; 16], cost, &mut memory) {
                made = Err(error);
            }
            boot_now().since(begin)
        });
        made.map(|()| cost)
    }
}

impl Made {
    fn of(cost: Cost, mint: &Mint<'_>) -> Self {
        // A hash with the cost of today, and a tag that no password can be found for.
        let nobody = phc_string(cost, &mint.bytes::<16>(), &mint.bytes::<TAG_BYTES>());
        Self { cost, nobody: PasswordHash::from_phc(nobody) }
    }
}

impl Passwords {
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
        let made = self.made.load_full();
        let stored = hash.unwrap_or(&made.nobody).clone();
        let cost = made.cost;
        let (salt, password) = (mint.bytes::<16>(), password.clone());
        let memory = cost_of(&stored).map_or(cost.memory, |stored| stored.memory.max(cost.memory));
        self.run(memory, move |memory| {
            let right = verifies(&stored, &password, memory)?;
            let older = cost_of(&stored).filter(|stored| stored.is_less_than(cost));
            if !right || !is_known {
                // The work that an older hash did not ask for: its time would tell that there is such a user.
                let passes = older.map_or(0, |older| older.passes_to(cost));
                if passes > 0 {
                    make(&password, &salt, Cost { passes, ..cost }, memory)?;
                }
                return Ok(Verdict::Wrong);
            }
            let rehashed = if older.is_some() { Some(make(&password, &salt, cost, memory)?) } else { None };
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
        let cost = self.cost();
        self.run(cost.memory, move |memory| make(&password, &salt, cost, memory)).await
    }

    /// How many may wait: those whose turn comes in time, so that nobody waits to be refused in the end.
    fn waiting_max(&self) -> usize {
        let micros = self.job_micros.load(Ordering::Relaxed).max(1);
        let in_time = WAIT_MAX.as_micros() as u64 / micros * self.threads.count() as u64;
        usize::try_from(in_time).unwrap_or(usize::MAX).clamp(1, WAITING_MAX)
    }

    /// Runs a job on one of the threads for it, when it is its turn.
    async fn run<T: Send + 'static>(
        &self,
        memory: u32,
        job: impl FnOnce(&mut Memory) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, ServiceError> {
        // Who demands more than there is at all takes all of it.
        let mebibytes = memory.min(self.memory_budget).div_ceil(1_024);
        let (turns, memory) = (Arc::clone(self.threads.turns()), Arc::clone(&self.memory));
        let at_once = turns.clone().try_acquire_owned().ok().and_then(|turn| {
            let memory = memory.clone().try_acquire_many_owned(mebibytes).ok()?;
            Some((turn, memory))
        });
        let turn = match at_once {
            Some(turn) => turn,
            None => {
                let _waits = Waits::begin(&self.waiting, self.waiting_max())?;
                let both = async {
                    let turn = turns.acquire_owned().await.map_err(|_| busy())?;
                    let memory = memory.acquire_many_owned(mebibytes).await.map_err(|_| busy())?;
                    Ok::<_, ServiceError>((turn, memory))
                };
                tokio::time::timeout(WAIT_MAX, both).await.map_err(|_| busy())??
            }
        };
        let begin = Instant::now();
        let result = self.threads.run(turn, job).await;
        let (took, before) = (begin.elapsed(), self.job_micros.load(Ordering::Relaxed));
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let average = if before == 0 { took } else { before - before / 8 + took / 8 };
        self.job_micros.store(average, Ordering::Relaxed);
        Ok(result.ok_or_else(|| Unavailable::because("hash a password: the computation did not end"))??)
    }
}

/// One of those who wait; the place is given back however the wait ends.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize, maximum: usize) -> Result<Self, ServiceError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= maximum {
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

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Fills `tag` with the tag of a password.
fn compute(
    password: &Secret,
    salt: &[u8],
    (cost, lanes): (Cost, u32),
    tag: &mut [u8],
    memory: &mut Memory,
) -> Result<(), Unavailable> {
    let failed = |error| Unavailable::new("hash a password", error);
    let params = Params::new(cost.memory, cost.passes, lanes, Some(tag.len())).map_err(failed)?;
    // What another password has left is overwritten before it is read.
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, tag, memory).map_err(failed)
}

fn make(
    password: &Secret,
    salt: &[u8; 16],
    cost: Cost,
    memory: &mut Memory,
) -> Result<PasswordHash, Unavailable> {
    let mut tag = [0; TAG_BYTES];
    compute(password, salt, (cost, LANES), &mut tag, memory)?;
    Ok(PasswordHash::from_phc(phc_string(cost, salt, &tag)))
}

/// A hash as text, in the format of the Password Hashing Competition.
fn phc_string(Cost { memory, passes }: Cost, salt: &[u8], tag: &[u8]) -> String {
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
    format!("$argon2id$v=19$m={memory},t={passes},p={LANES}${salt}${tag}")
}

fn verifies(stored: &PasswordHash, password: &Secret, memory: &mut Memory) -> Result<bool, Unavailable> {
    let parsed = phc::PasswordHash::new(stored.as_phc())
        .map_err(|error| Unavailable::new("read a stored password", error))?;
    let cost = Cost::of(&parsed);
    let is_ours = parsed.algorithm.as_str() == "argon2id" && parsed.version == Some(Version::V0x13.into());
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else {
        return Err(Unavailable::because("check a password: its hash is not complete"));
    };
    if !is_ours || cost.memory > COST_MAX.memory || cost.passes > COST_MAX.passes {
        return Err(Unavailable::because(
            "check a password: its hash is of another kind, or demands too much",
        ));
    }
    let lanes = parsed.params.get_decimal("p").unwrap_or(LANES);
    let mut tag = vec![0; expected.as_bytes().len()];
    compute(password, salt.as_ref(), (cost, lanes), &mut tag, memory)?;
    Ok(constant_time::verify_slices_are_equal(&tag, expected.as_bytes()).is_ok())
}

/// What a stored hash costs; `None` for what is no hash.
fn cost_of(stored: &PasswordHash) -> Option<Cost> {
    phc::PasswordHash::new(stored.as_phc()).ok().map(|parsed| Cost::of(&parsed))
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
        let passwords = Passwords::new(MEMORY_BUDGET, &mint());
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
        let passwords = Passwords::new(MEMORY_BUDGET, &mint());
        let weak = hash_of("password", 64, 1);
        let verdict = passwords.verify(Some(&weak), &secret("password"), &mint()).await.unwrap();
        let Verdict::Right { rehashed: Some(rehashed) } = verdict else { panic!("{verdict:?}") };
        let mut memory = Memory::new();
        assert!(cost_of(&rehashed) == Some(Cost::MIN));
        assert!(verifies(&rehashed, &secret("password"), &mut memory).unwrap());
        for demanding in ["m=262145,t=2,p=1", "m=19456,t=11,p=1"] {
            let hash = weak.as_phc().replace("m=64,t=1,p=1", demanding);
            let error =
                verifies(&PasswordHash::from_phc(hash), &secret("password"), &mut Memory::new()).unwrap_err();
            assert!(error.to_string().contains("demands too much"), "{error}");
        }
    }

    #[test]
    fn no_more_may_wait_than_have_their_turn_in_time() {
        let passwords = Passwords::new(MEMORY_BUDGET, &mint());
        let threads = cores();
        for (millis, expected) in
            [(0, WAITING_MAX), (1, WAITING_MAX), (500, 4 * threads), (2_000, threads), (60_000, 1)]
        {
            passwords.job_micros.store(millis * 1_000, Ordering::Relaxed);
            assert_eq!(passwords.waiting_max(), expected.min(WAITING_MAX), "{millis} ms");
        }
    }

    #[tokio::test]
    async fn who_finds_too_many_waiting_is_told_to_come_back() {
        let passwords = Passwords::new(MEMORY_BUDGET, &mint());
        let all = u32::try_from(passwords.threads.turns().available_permits()).unwrap();
        let _held = Arc::clone(passwords.threads.turns()).acquire_many_owned(all).await.unwrap();
        passwords.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let refused = passwords.verify(None, &secret("password"), &mint()).await;
        assert!(matches!(refused, Err(ServiceError::Unavailable(_))));
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), WAITING_MAX, "the place was given back");
    }

    #[tokio::test]
    async fn a_hash_with_another_cost_is_renewed_when_the_cost_rises() {
        let passwords = Passwords::new(MEMORY_BUDGET, &mint());
        let hash = passwords.hash(&secret("correct horse"), &mint()).await.unwrap();
        let dearer = Cost { memory: 20_480, passes: 3 };
        passwords.set_cost(dearer, &mint());
        let verdict = passwords.verify(Some(&hash), &secret("correct horse"), &mint()).await.unwrap();
        let Verdict::Right { rehashed: Some(renewed) } = verdict else { panic!("{verdict:?}") };
        assert!(renewed.as_phc().starts_with("$argon2id$v=19$m=20480,t=3,p=1$"), "{}", renewed.as_phc());
        let again = passwords.verify(Some(&renewed), &secret("correct horse"), &mint()).await.unwrap();
        assert_eq!(again, Verdict::Right { rehashed: None });
        for hash in [Some(&hash), Some(&renewed), None] {
            let wrong = passwords.verify(hash, &secret("correct house"), &mint()).await.unwrap();
            assert_eq!(wrong, Verdict::Wrong);
        }
    }

    #[test]
    fn the_work_that_an_older_hash_does_not_ask_for_is_counted_in_passes() {
        let older = Cost::MIN;
        assert_eq!(older.passes_to(Cost { memory: 19_456, passes: 10 }), 8);
        assert_eq!(older.passes_to(Cost { memory: 38_912, passes: 4 }), 3);
        assert_eq!(older.passes_to(Cost::MIN), 0);
        assert_eq!(Cost { memory: 65_536, passes: 10 }.passes_to(Cost::MIN), 0);
    }

    /// A machine that does so many KiB of one pass in a millisecond.
    fn machine(kib_in_millisecond: u32) -> impl FnMut(Cost) -> Duration {
        move |cost| Duration::from_millis(u64::from(cost.memory * cost.passes / kib_in_millisecond))
    }

    #[test]
    fn the_cost_fits_the_machine_and_stays_between_its_bounds() {
        let target = Duration::from_millis(250);
        let choose = |threads, speed| Cost::choose(target, MEMORY_BUDGET, threads, machine(speed));
        // Two cores share 96 MiB; on many cores each hash has the least memory.
        assert_eq!(choose(2, 1_000), Cost { memory: 49_152, passes: 5 });
        assert_eq!(choose(16, 1_000), Cost { memory: 19_456, passes: 10 });
        // One core could have all of it, and has no more than 64 MiB.
        assert_eq!(choose(1, 1_000), Cost { memory: 65_536, passes: 3 });
        // A slow machine has the minimum and no less, a fast one no more than the bound.
        assert_eq!(choose(2, 100), Cost::MIN);
        assert_eq!(choose(2, 1), Cost::MIN);
        assert_eq!(choose(2, 60_000), Cost { memory: 49_152, passes: 10 });
        assert_eq!(Cost::choose(Duration::ZERO, MEMORY_BUDGET, 2, machine(1_000)), Cost::MIN);
        assert_eq!(Cost::choose(target, MEMORY_BUDGET, 2, |_| Duration::ZERO).passes, Cost::PASSES_MAX);
    }

    #[test]
    fn a_kept_cost_reads_back_and_is_never_below_the_minimum() {
        let cost = Cost { memory: 49_152, passes: 5 };
        assert_eq!(Cost::from_bytes(&cost.to_bytes()), Some(cost));
        assert_eq!(Cost::from_bytes(&[0; 8]), Some(Cost::MIN));
        let most = Cost { memory: Cost::MEMORY_MAX, passes: Cost::PASSES_MAX };
        assert_eq!(Cost::from_bytes(&[255; 8]), Some(most));
        assert_eq!(Cost::from_bytes(&[1]), None);
    }

    #[tokio::test]
    async fn hashes_at_once_take_no_more_memory_than_there_is() {
        let passwords = Passwords::new(Cost::MIN.memory, &mint());
        let all = u32::try_from(passwords.memory.available_permits()).unwrap();
        assert_eq!(all, 19);
        let held = Arc::clone(&passwords.memory).acquire_many_owned(all).await.unwrap();
        passwords.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let refused = passwords.hash(&secret("password"), &mint()).await;
        assert!(matches!(refused, Err(ServiceError::Unavailable(_))));
        passwords.waiting.store(0, Ordering::Relaxed);
        drop(held);
        passwords.hash(&secret("password"), &mint()).await.unwrap();
        assert_eq!(passwords.memory.available_permits(), 19, "it was given back");
    }
}
