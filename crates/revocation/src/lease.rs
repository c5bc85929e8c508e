//! Until when a copy of the ledger may be trusted.

use std::time::Duration;

use lydian_primitives::BootInstant;

/// How long leases are, and how far the boot clocks of two machines may drift apart meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// How long a lease lasts from the moment before it was asked for.
    pub length: Duration,
    /// What a revocation waits beyond the length of a lease.
    pub margin: Duration,
}

impl LeaseTerms {
    /// The terms between nodes: 5 s, with a margin of 10 % and at least half a second.
    pub const NODES: Self = Self::with_length(Duration::from_secs(5));

    /// The terms of validators: 2 s, with the same margin.
    pub const VALIDATORS: Self = Self::with_length(Duration::from_secs(2));

    /// Terms of this length with the default margin.
    pub const fn with_length(length: Duration) -> Self {
        let tenth = length.as_millis() as u64 / 10;
        let margin = if tenth < 500 { 500 } else { tenth };
        Self { length, margin: Duration::from_millis(margin) }
    }

    /// How long an acknowledgement waits for members that do not report (`W`).
    pub const fn wait(self) -> Duration {
        self.length.saturating_add(self.margin)
    }
}

/// A renewal under way. It remembers when it was asked for, *before* it was sent (rule 3).
#[derive(Debug)]
pub struct Renewal {
    asked_at: BootInstant,
}

impl Renewal {
    /// Begins a renewal; call it before anything is sent.
    pub fn begin(boot_now: BootInstant) -> Self {
        Self { asked_at: boot_now }
    }

    /// The end of the lease that this renewal can grant.
    pub fn lease_until(&self, terms: LeaseTerms) -> BootInstant {
        self.asked_at.plus(terms.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_a_tenth_and_at_least_half_a_second() {
        assert_eq!(LeaseTerms::NODES.margin, Duration::from_millis(500));
        assert_eq!(LeaseTerms::with_length(Duration::from_secs(20)).margin, Duration::from_secs(2));
        assert_eq!(LeaseTerms::VALIDATORS.wait(), Duration::from_millis(2_500));
    }

    #[test]
    fn a_lease_counts_from_before_the_renewal_was_sent() {
        let renewal = Renewal::begin(BootInstant::from_nanoseconds(7));
        assert_eq!(renewal.lease_until(LeaseTerms::NODES).as_nanoseconds(), 5_000_000_007);
    }
}
