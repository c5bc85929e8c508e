//! Slows down callers that fail too often, and costs nothing while nobody does.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lydian_primitives::BootInstant;
use parking_lot::Mutex;

/// The most callers that are remembered; beyond it those that have recovered are dropped, and then the oldest.
const CALLERS_MAX: usize = 100_000;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Rate {
    /// The time that one event costs.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }
}

/// Counts failures by caller (GCRA): each costs time, and who owes too much has to wait. It always recovers.
pub struct Limiter {
    /// The time that one event costs.
    interval: Duration,
    /// How much may be owed.
    tolerance: Duration,
    hasher: RandomState,
    callers: AtomicUsize,
    /// By hash of the caller: when all its failures are paid for.
    paid_at: Mutex<HashMap<u64, BootInstant>>,
}

impl Limiter {
    /// A limiter with this rate.
    pub fn new(rate: Rate) -> Self {
        Self::with_interval(rate.interval(), rate.burst)
    }

    /// A limiter that lets one event happen in each interval, and `burst` at once.
    pub fn with_interval(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            tolerance: interval * burst.max(1),
            hasher: RandomState::new(),
            callers: AtomicUsize::new(0),
            paid_at: Mutex::new(HashMap::new()),
        }
    }

    /// Whether a caller may try again; while nobody has failed this is one load.
    ///
    /// # Errors
    ///
    /// The time after which it may.
    pub fn check(&self, caller: &impl Hash, boot_now: BootInstant) -> Result<(), Duration> {
        if self.callers.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let paid_at = self.paid_at.lock().get(&self.hasher.hash_one(caller)).copied();
        let Some(paid_at) = paid_at else {
            return Ok(());
        };
        let owed = paid_at.since(boot_now);
        if owed + self.interval > self.tolerance {
            Err((owed + self.interval).saturating_sub(self.tolerance))
        } else {
            Ok(())
        }
    }

    /// Counts a failure of a caller.
    pub fn count(&self, caller: &impl Hash, boot_now: BootInstant) {
        let mut paid_at = self.paid_at.lock();
        if paid_at.len() >= CALLERS_MAX {
            paid_at.retain(|_, paid_at| *paid_at > boot_now);
            if paid_at.len() >= CALLERS_MAX
                && let Some(oldest) = paid_at.iter().min_by_key(|(_, at)| **at).map(|(caller, _)| *caller)
            {
                paid_at.remove(&oldest);
            }
        }
        let entry = paid_at.entry(self.hasher.hash_one(caller)).or_insert(boot_now);
        *entry = (*entry).max(boot_now).plus(self.interval);
        self.callers.store(paid_at.len(), Ordering::Release);
    }

    /// Takes back one failure that was counted before its outcome was known.
    pub fn give_back(&self, caller: &impl Hash) {
        let mut paid_at = self.paid_at.lock();
        if let Some(at) = paid_at.get_mut(&self.hasher.hash_one(caller)) {
            let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
            *at = BootInstant::from_nanoseconds(at.as_nanoseconds().saturating_sub(interval));
        }
    }

    /// Forgets the callers that have recovered.
    pub fn sweep(&self, boot_now: BootInstant) {
        if self.callers.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut paid_at = self.paid_at.lock();
        paid_at.retain(|_, paid_at| *paid_at > boot_now);
        self.callers.store(paid_at.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    fn at(milliseconds: u64) -> BootInstant {
        BootInstant::from_nanoseconds(milliseconds * 1_000_000)
    }

    fn failed(times: usize, milliseconds: u64) -> Limiter {
        let limiter = Limiter::new(RATE);
        (0..times).for_each(|_| limiter.count(&"caller", at(milliseconds)));
        limiter
    }

    #[test]
    fn oau_04_a_caller_waits_after_its_burst_and_another_one_does_not() {
        assert!(failed(2, 1_000).check(&"caller", at(1_000)).is_ok());
        let limiter = failed(3, 1_000);
        assert_eq!(limiter.check(&"caller", at(1_000)), Err(Duration::from_millis(100)));
        assert!(limiter.check(&"other", at(1_000)).is_ok());
    }

    #[test]
    fn it_recovers_with_time_and_never_locks_for_ever() {
        let limiter = failed(3, 1_000);
        assert!(limiter.check(&"caller", at(1_099)).is_err());
        assert!(limiter.check(&"caller", at(1_100)).is_ok());
        let flooded = failed(50, 1_000);
        assert!(flooded.check(&"caller", at(1_000 + 50 * 100)).is_ok());
    }

    #[test]
    fn what_is_given_back_costs_nothing_and_the_rest_stays() {
        let limiter = failed(3, 1_000);
        limiter.give_back(&"caller");
        assert!(limiter.check(&"caller", at(1_000)).is_ok());
        limiter.count(&"caller", at(1_000));
        assert!(limiter.check(&"caller", at(1_000)).is_err());
        limiter.give_back(&"other");
        assert!(limiter.check(&"caller", at(1_000)).is_err());
    }

    #[test]
    fn who_has_recovered_is_forgotten() {
        let limiter = failed(3, 1_000);
        limiter.sweep(at(1_200));
        assert_eq!(limiter.callers.load(Ordering::Acquire), 1);
        limiter.sweep(at(1_300));
        assert_eq!(limiter.callers.load(Ordering::Acquire), 0);
    }

    #[test]
    fn the_number_of_callers_is_bounded() {
        let limiter = Limiter::new(RATE);
        for caller in 0..CALLERS_MAX + 10 {
            limiter.count(&caller, at(1));
        }
        assert!(limiter.callers.load(Ordering::Acquire) <= CALLERS_MAX);
    }
}
