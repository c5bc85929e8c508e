//! When the requests of an open loop are due.
//!
//! A closed loop sends the next request when the last answer has come, so a server that stalls is simply not
//! asked, and the stall is seen once instead of by everybody who would have come meanwhile. The open loop sends
//! on a fixed schedule whatever the server does and counts each latency from the moment at which the request was
//! due: percentiles without coordinated omission.

use std::time::Duration;

/// Evenly spaced moments, counted from the start of the round.
#[derive(Clone, Debug)]
pub struct Schedule {
    per_second: f64,
    next: u64,
    end: Duration,
}

impl Schedule {
    /// A schedule of `per_second` requests until `end`.
    pub fn new(per_second: f64, end: Duration) -> Self {
        Self { per_second, next: 0, end }
    }

    /// When the next request is due, or `None` after the last.
    pub fn next_due(&self) -> Option<Duration> {
        // Multiplied from the start instead of added up, so that no error accumulates.
        let due = Duration::from_secs_f64(self.next as f64 / self.per_second);
        (due < self.end).then_some(due)
    }

    /// Takes the next request if it is due at `now`, and says when it was due.
    pub fn take_due(&mut self, now: Duration) -> Option<Duration> {
        let due = self.next_due().filter(|due| *due <= now)?;
        self.next += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Latencies;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn requests_are_due_at_even_distances_until_the_end() {
        let mut schedule = Schedule::new(1_000.0, Duration::from_millis(3));
        assert_eq!(schedule.take_due(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(schedule.take_due(Duration::from_micros(999)), None);
        assert_eq!(schedule.take_due(MILLISECOND * 9), Some(MILLISECOND));
        assert_eq!(schedule.take_due(MILLISECOND * 9), Some(MILLISECOND * 2));
        assert_eq!(schedule.take_due(MILLISECOND * 9), None);
        assert_eq!(schedule.next_due(), None);
    }

    /// One connection to a server that answers at once, except that it stands still from second 1 to second 2.
    fn latencies_with_a_stall(open: bool) -> Latencies {
        let mut schedule = Schedule::new(1_000.0, Duration::from_secs(10));
        let mut latencies = Latencies::new();
        let mut now = Duration::ZERO;
        while let Some(due) = schedule.next_due() {
            now = now.max(due);
            schedule.take_due(now);
            let sent = now;
            let stalled = (1_000..2_000).contains(&now.as_millis());
            now = if stalled { Duration::from_secs(2) } else { now };
            latencies.record(now - if open { due } else { sent });
        }
        latencies
    }

    #[test]
    fn a_stall_is_seen_by_everybody_who_was_due_meanwhile() {
        let open = latencies_with_a_stall(true);
        assert_eq!(open.len(), 10_000);
        // A tenth of the requests was due during the stall, evenly: the p95 waited for half of it.
        let p95 = open.microseconds_at(0.95);
        assert!((p95 / 500_000.0 - 1.0).abs() < 0.01, "{p95}");
        assert!(open.microseconds_at(0.89) < 1_000.0);
    }

    #[test]
    fn counting_from_the_send_would_hide_the_stall() {
        let sent = latencies_with_a_stall(false);
        assert!(sent.microseconds_at(0.999) < 1_000.0);
    }
}
