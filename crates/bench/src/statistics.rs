//! Medians, spreads and the histograms of latencies.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The middle of several rounds, with the extremes beside it so that nobody takes it for more than it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median; of an even number of rounds the mean of the two in the middle.
    pub median: f64,
    /// The smallest value.
    pub minimum: f64,
    /// The largest value.
    pub maximum: f64,
}

impl Spread {
    /// The spread of `values`, or `None` when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (minimum, maximum) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, minimum, maximum })
    }

    /// A single value.
    pub const fn exactly(value: f64) -> Self {
        Self { median: value, minimum: value, maximum: value }
    }

    /// The ratio of two sides that were measured in turns.
    ///
    /// The median is that of the two medians' quotient; the extremes are those of neighbouring rounds, so that a
    /// drift of the machine that met both sides alike does not widen them.
    pub fn ratio(figures: &[f64], floors: &[f64]) -> Option<Self> {
        let pairs: Vec<f64> = figures.iter().zip(floors).map(|(figure, floor)| figure / floor).collect();
        let neighbours = Self::of(&pairs)?;
        let median = Self::of(figures)?.median / Self::of(floors)?.median;
        Some(Self {
            median,
            minimum: neighbours.minimum.min(median),
            maximum: neighbours.maximum.max(median),
        })
    }
}

/// Latencies in nanoseconds, to three significant digits, up to one minute.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    const NANOSECONDS_MAX: u64 = 60_000_000_000;

    /// No latency recorded yet.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::NANOSECONDS_MAX, 3);
        Self(histogram.expect("the bounds are constants that the histogram allows"))
    }

    /// Records one answer; what is longer than a minute counts as a minute.
    pub fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanoseconds);
    }

    /// Adds what another round recorded.
    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be too large.
        self.0 += &other.0;
    }

    /// How many answers were recorded.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether none was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency that the given share of answers did not exceed, in microseconds.
    pub fn microseconds_at(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_extremes_stand_beside_it() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0]), Some(Spread::exactly(3.0)));
        assert_eq!(Spread::of(&[9.0, 1.0, 2.0]), Some(Spread { median: 2.0, minimum: 1.0, maximum: 9.0 }));
        assert_eq!(
            Spread::of(&[4.0, 1.0, 2.0, 9.0]),
            Some(Spread { median: 3.0, minimum: 1.0, maximum: 9.0 })
        );
    }

    #[test]
    fn a_drift_that_meets_both_sides_leaves_the_ratio_narrow() {
        let ratio = Spread::ratio(&[90.0, 45.0, 9.0], &[100.0, 50.0, 10.0]).unwrap();
        assert_eq!(ratio, Spread::exactly(0.9));
        assert_eq!(Spread::ratio(&[], &[1.0]), None);
    }

    #[test]
    fn percentiles_are_exact_to_three_digits() {
        let mut latencies = Latencies::new();
        for microseconds in 1..=1_000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        latencies.record(Duration::from_secs(3_600));
        assert_eq!(latencies.len(), 1_001);
        let median = latencies.microseconds_at(0.5);
        assert!((median - 501.0).abs() < 1.0, "{median}");
        let longest = latencies.microseconds_at(1.0);
        assert!((longest / 60_000_000.0 - 1.0).abs() < 0.002, "{longest}");
    }
}
