//! What is counted: answers by endpoint and status, introspections by outcome, refusals by cause.

use std::cell::Cell;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::StatusCode;
use lydian_domain::Refusal;
use lydian_domain::introspect::Inactive;
use lydian_service::ServiceError;

use crate::error_response::Problem;
use crate::routes::Endpoint;

/// Shards of one counter: threads write to lines of their own.
const SHARDS: usize = 16;

/// The classes of status codes that are counted apart.
const STATUS_CLASSES: usize = 5;

/// Places beside the endpoints: what has no route.
const PLACES: usize = Endpoint::ALL.len() + 1;

#[repr(align(128))]
struct Shard {
    answers: [[AtomicU64; STATUS_CLASSES]; PLACES],
    active: AtomicU64,
    inactive: [AtomicU64; INACTIVE_NAMES.len()],
    refusals: [AtomicU64; Refusal::ALL.len()],
    too_many_requests: AtomicU64,
    unavailable: AtomicU64,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            answers: Default::default(),
            active: AtomicU64::default(),
            inactive: Default::default(),
            refusals: std::array::from_fn(|_| AtomicU64::default()),
            too_many_requests: AtomicU64::default(),
            unavailable: AtomicU64::default(),
        }
    }
}

/// The counters of the public listener.
#[derive(Default)]
pub struct Counters {
    shards: [Shard; SHARDS],
}

/// The outcomes of introspection that are not "active", as metrics name them.
const INACTIVE_NAMES: [&str; 14] = [
    "api_gone",
    "client_gone",
    "revoked",
    "expired",
    "key_gone",
    "marked_dead",
    "not_for_caller",
    "not_yet_valid",
    "parent_missing",
    "refresh_token_replaced",
    "refresh_token_idle",
    "session_over",
    "unknown",
    "user_disabled",
];

fn inactive_index(inactive: Inactive) -> usize {
    match inactive {
        Inactive::ApiGone => 0,
        Inactive::ClientGone => 1,
        Inactive::Dead(_) => 2,
        Inactive::Expired => 3,
        Inactive::KeyGone => 4,
        Inactive::MarkedDead(_) => 5,
        Inactive::NotForCaller => 6,
        Inactive::NotYetValid => 7,
        Inactive::ParentMissing => 8,
        Inactive::RefreshTokenReplaced => 9,
        Inactive::RefreshTokenIdle => 10,
        Inactive::SessionOver => 11,
        Inactive::Unknown => 12,
        Inactive::UserDisabled => 13,
    }
}

impl Counters {
    /// Counts an answer.
    pub fn count_answer(&self, endpoint: Option<Endpoint>, status: StatusCode) {
        let place = endpoint.map_or(PLACES - 1, |endpoint| endpoint as usize);
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES) - 1;
        add(&self.shard().answers[place][class]);
    }

    /// Counts an introspection: `None` for an active token.
    pub fn count_introspection(&self, inactive: Option<Inactive>) {
        match inactive {
            None => add(&self.shard().active),
            Some(inactive) => add(&self.shard().inactive[inactive_index(inactive)]),
        }
    }

    /// Counts why a request had no good answer.
    pub fn count_problem(&self, problem: &Problem) {
        match problem {
            Problem::Refused { refusal, .. } | Problem::Service(ServiceError::Refused(refusal)) => {
                if let Some(index) = Refusal::ALL.iter().position(|one| one == refusal) {
                    add(&self.shard().refusals[index]);
                }
            }
            Problem::Service(ServiceError::TooManyRequests(_)) => add(&self.shard().too_many_requests),
            Problem::Service(ServiceError::Unavailable(_)) => add(&self.shard().unavailable),
            Problem::Body(_)
            | Problem::FeedDiverged
            | Problem::FeedMissed
            | Problem::MethodNotAllowed(_)
            | Problem::NotFound => {}
        }
    }

    /// How many introspections found an active token, and how many did not.
    pub fn introspections(&self) -> (u64, u64) {
        let inactive = (0..INACTIVE_NAMES.len()).map(|index| self.sum(|shard| &shard.inactive[index])).sum();
        (self.sum(|shard| &shard.active), inactive)
    }

    /// Writes the counters in the text format of Prometheus. No label names a token, a user or a client.
    pub fn write_prometheus(&self, text: &mut String) {
        header(
            text,
            "lydian_http_answers_total",
            "Answers of the public listener by endpoint and class of status.",
        );
        let places = Endpoint::ALL.map(Endpoint::name).into_iter().chain(["none"]);
        for (place, name) in places.enumerate() {
            for class in 0..STATUS_CLASSES {
                let count = self.sum(|shard| &shard.answers[place][class]);
                let class = class + 1;
                line(
                    text,
                    format_args!(
                        "lydian_http_answers_total{{endpoint=\"{name}\",status=\"{class}xx\"}} {count}"
                    ),
                );
            }
        }
        header(text, "lydian_introspections_total", "Introspections by outcome.");
        let active = self.sum(|shard| &shard.active);
        line(text, format_args!("lydian_introspections_total{{outcome=\"active\"}} {active}"));
        for (index, name) in INACTIVE_NAMES.into_iter().enumerate() {
            let count = self.sum(|shard| &shard.inactive[index]);
            line(text, format_args!("lydian_introspections_total{{outcome=\"{name}\"}} {count}"));
        }
        header(text, "lydian_refusals_total", "Refused requests by cause.");
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            let count = self.sum(|shard| &shard.refusals[index]);
            line(text, format_args!("lydian_refusals_total{{cause=\"{refusal:?}\"}} {count}"));
        }
        header(text, "lydian_too_many_requests_total", "Requests that were told to wait.");
        line(
            text,
            format_args!("lydian_too_many_requests_total {}", self.sum(|shard| &shard.too_many_requests)),
        );
        header(text, "lydian_unavailable_total", "Requests that could not be answered (503).");
        line(text, format_args!("lydian_unavailable_total {}", self.sum(|shard| &shard.unavailable)));
    }

    fn shard(&self) -> &Shard {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        &self.shards[MINE.with(Cell::get) % SHARDS]
    }

    fn sum(&self, counter: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| counter(shard).load(Ordering::Relaxed)).sum()
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Writes the two comment lines before a metric.
pub fn header(text: &mut String, name: &str, help: &str) {
    line(
        text,
        format_args!(
            "# HELP {name} {help}\n# TYPE {name} {}",
            if name.ends_with("_total") { "counter" } else { "gauge" }
        ),
    );
}

/// Writes one line.
pub fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string succeeds");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_shards_are_summed() {
        let counters = Counters::default();
        counters.count_introspection(None);
        counters.count_introspection(Some(Inactive::Expired));
        counters.count_answer(Some(Endpoint::Introspect), StatusCode::OK);
        counters.count_answer(None, StatusCode::NOT_FOUND);
        assert_eq!(counters.introspections(), (1, 1));
        let mut text = String::new();
        counters.write_prometheus(&mut text);
        assert!(
            text.contains("lydian_http_answers_total{endpoint=\"introspect\",status=\"2xx\"} 1"),
            "{text}"
        );
        assert!(text.contains("lydian_http_answers_total{endpoint=\"none\",status=\"4xx\"} 1"));
        assert!(text.contains("lydian_introspections_total{outcome=\"expired\"} 1"));
    }

    #[test]
    fn each_outcome_has_a_name_of_its_own() {
        let mut names = INACTIVE_NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), INACTIVE_NAMES.len());
    }
}
