//! The two clocks: wall time for what tokens say, boot time for what leases and timers measure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::timestamp::Timestamp;

/// Nanoseconds since the machine started, sleep included (CLOCK_BOOTTIME).
///
/// It never goes back and no administrator can set it: leases are measured with it, and wall time takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootInstant(u64);

impl BootInstant {
    /// Later than any clock reading: a lease until here is held for good.
    pub const FOREVER: Self = Self(u64::MAX);

    /// The instant this many nanoseconds after boot.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanoseconds(self) -> u64 {
        self.0
    }

    /// This instant moved into the future; saturates at [`Self::FOREVER`].
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        let nanoseconds = duration.as_nanos();
        if nanoseconds > u64::MAX as u128 {
            return Self::FOREVER;
        }
        Self(self.0.saturating_add(nanoseconds as u64))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where time comes from. Read it once per request, at the point that a rule names.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, in seconds.
    fn now(&self) -> Timestamp;

    /// The boot clock, in nanoseconds.
    fn boot_now(&self) -> BootInstant;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system for the time")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_unix_seconds(since_epoch.as_secs())
    }

    fn boot_now(&self) -> BootInstant {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        BootInstant(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }
}

/// A clock that moves only when it is told to, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    wall_seconds: AtomicU64,
    boot_nanoseconds: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`, one hour after boot.
    pub fn at(now: Timestamp) -> Self {
        Self {
            wall_seconds: AtomicU64::new(now.as_unix_seconds()),
            boot_nanoseconds: AtomicU64::new(3_600_000_000_000),
        }
    }

    /// Moves both clocks forward, as time does.
    pub fn advance(&self, duration: Duration) {
        self.wall_seconds.fetch_add(duration.as_secs(), Ordering::SeqCst);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.boot_nanoseconds.fetch_add(nanoseconds, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as an administrator or a bad time server does.
    pub fn set_wall(&self, now: Timestamp) {
        self.wall_seconds.store(now.as_unix_seconds(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.wall_seconds.load(Ordering::SeqCst))
    }

    fn boot_now(&self) -> BootInstant {
        BootInstant(self.boot_nanoseconds.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_does_not_go_back() {
        let first = SystemClock.boot_now();
        assert!(SystemClock.boot_now() >= first);
        assert!(first.as_nanoseconds() > 0);
    }

    #[test]
    fn setting_the_wall_clock_leaves_boot_time_alone() {
        let clock = ManualClock::at(Timestamp::from_unix_seconds(1_000));
        let boot = clock.boot_now();
        clock.set_wall(Timestamp::from_unix_seconds(5));
        assert_eq!(clock.now().as_unix_seconds(), 5);
        assert_eq!(clock.boot_now(), boot);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.boot_now().since(boot), Duration::from_secs(2));
    }

    #[test]
    fn a_lease_until_forever_never_ends() {
        assert_eq!(BootInstant::FOREVER.plus(Duration::from_secs(1)), BootInstant::FOREVER);
        assert_eq!(BootInstant::from_nanoseconds(1).plus(Duration::MAX), BootInstant::FOREVER);
    }
}
