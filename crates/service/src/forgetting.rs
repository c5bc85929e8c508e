//! The forgetting mark: what lies before it may be dropped, and it never goes back (lease protocol, rule 13).

use std::time::Duration;

use lydian_domain::introspect::HORIZON;
use lydian_primitives::{BootInstant, Timestamp, limits};
use lydian_storage::{ApplyError, Change, Conflict, Precondition, ReadStorage, Unavailable, Write};
use parking_lot::Mutex;

use crate::Service;

/// The setting in which the mark lies.
const MARK: &str = "forgetting_mark";

/// How much further than elapsed boot time the mark may go in one step.
const STEP_SECONDS_MAX: u64 = 3_600;

/// How long after the mark has passed an hour its tokens are dropped.
const FORGET_AFTER_SECONDS: u64 = 3_600;

/// How long a clock that jumped must keep step with boot time before it is believed.
const PROBATION: Duration = Duration::from_secs(24 * 3_600);

/// How far wall and boot time may differ over the probation, in seconds.
const PROBATION_DRIFT_SECONDS: u64 = 60;

/// What one step of the mark comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The mark moves here.
    Advance(Timestamp),
    /// The wall clock jumped ahead: cleanup stops, nothing is deleted, nothing revives.
    ClockJumped,
    /// The wall clock is not past the mark.
    Stay,
}

/// Decides how far the mark moves.
#[derive(Debug, Default)]
pub struct Pace {
    last_step: Option<BootInstant>,
    jumped: Option<(Timestamp, BootInstant)>,
}

impl Pace {
    /// One step: at most elapsed boot time plus one hour.
    pub fn step(&mut self, mark: Timestamp, now: Timestamp, boot_now: BootInstant) -> Step {
        let elapsed = self.last_step.map_or(Duration::ZERO, |last| boot_now.since(last));
        if now <= mark {
            return Step::Stay;
        }
        if now <= mark.plus_seconds(elapsed.as_secs() + STEP_SECONDS_MAX) || self.has_kept_step(now, boot_now)
        {
            self.last_step = Some(boot_now);
            self.jumped = None;
            return Step::Advance(now);
        }
        Step::ClockJumped
    }

    /// Whether a clock that jumped has kept step with boot time since, for the whole probation.
    fn has_kept_step(&mut self, now: Timestamp, boot_now: BootInstant) -> bool {
        let (wall_then, boot_then) = *self.jumped.get_or_insert((now, boot_now));
        let (wall, boot) = (now.seconds_since(wall_then), boot_now.since(boot_then));
        if now < wall_then || wall.abs_diff(boot.as_secs()) > PROBATION_DRIFT_SECONDS {
            self.jumped = Some((now, boot_now));
            return false;
        }
        boot >= PROBATION
    }
}

/// The mark as it lies in the store; at first start it is now.
///
/// # Errors
///
/// [`Unavailable`] when the store cannot be read.
pub async fn load_mark(storage: &dyn ReadStorage, now: Timestamp) -> Result<Timestamp, Unavailable> {
    Ok(read_mark(storage).await?.unwrap_or(now))
}

async fn read_mark(storage: &dyn ReadStorage) -> Result<Option<Timestamp>, Unavailable> {
    let stored = storage.find_setting(MARK).await?;
    Ok(stored
        .and_then(|bytes| Some(Timestamp::from_unix_seconds(u64::from_le_bytes(bytes.try_into().ok()?)))))
}

/// What one round of housekeeping did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Housekeeping {
    /// Rows that left the store.
    pub rows_forgotten: usize,
    /// Entries that left the ledger.
    pub entries_forgotten: usize,
    /// Whether cleanup is stopped because the wall clock jumped.
    pub clock_jumped: bool,
}

/// The background work of a node, one round at a time.
#[derive(Debug, Default)]
pub struct Housekeeper {
    pace: Mutex<Pace>,
}

impl Housekeeper {
    /// One round: writes the counts of issued tokens, moves the mark, rotates the keys that are due, forgets what lies behind the mark.
    ///
    /// A step that fails keeps no other from being made: a key that cannot be rotated must not let the store grow without end.
    ///
    /// # Errors
    ///
    /// The first [`Unavailable`] of those steps; the next round tries all of them again.
    pub async fn round(&self, service: &Service) -> Result<Housekeeping, Unavailable> {
        let (now, boot_now) = (service.clock().now(), service.clock().boot_now());
        service.failed_authentications.sweep(boot_now);
        service.unknown_tokens.sweep(boot_now);
        service.sign_in_limits.sweep(boot_now);
        service.device_limits.sweep(boot_now);
        service.mail_limits.sweep(boot_now);
        let erased = service.forget_successors(now).await;
        let counted = service.write_issued_counts().await;
        // A deletion that was interrupted left rows behind.
        let swept = service.sweep_orphans().await.map(drop);
        let moved = self.move_mark(service, now, boot_now).await;
        let mut done =
            Housekeeping { clock_jumped: *moved.as_ref().unwrap_or(&false), ..Housekeeping::default() };
        let (mut rotated, mut forgotten) = (Ok(()), Ok(()));
        if !done.clock_jumped {
            // Both go by the mark that is published: one that could not be moved holds them back.
            rotated = service.rotate_due_keys().await.map(drop);
            forgotten = service.forget().await.map(|forgotten| done = forgotten);
        }
        first_failure([erased, counted, swept, moved.map(drop), rotated, forgotten])?;
        Ok(done)
    }

    /// Moves the mark as far as it may go; whether it stays because the wall clock jumped.
    async fn move_mark(
        &self,
        service: &Service,
        now: Timestamp,
        boot_now: BootInstant,
    ) -> Result<bool, Unavailable> {
        let stored = read_mark(&*service.storage).await?;
        let mark = stored.unwrap_or_else(|| service.node.mark());
        // A mark that is not stored yet begins at the time of this start.
        let step = if stored.is_none() {
            Step::Advance(mark.max(now))
        } else {
            self.pace.lock().step(mark, now, boot_now)
        };
        match step {
            Step::ClockJumped => return Ok(true),
            Step::Stay => {}
            Step::Advance(to) => service.move_mark(stored, to).await?,
        }
        Ok(false)
    }
}

/// The first failure is the caller's; the others are logged.
fn first_failure(steps: impl IntoIterator<Item = Result<(), Unavailable>>) -> Result<(), Unavailable> {
    let mut failures = steps.into_iter().filter_map(Result::err);
    let Some(first) = failures.next() else { return Ok(()) };
    failures.for_each(|error| tracing::warn!(%error, "another step of housekeeping failed"));
    Err(first)
}

impl Service {
    /// Moves the mark ahead to this time, by an administrator's word.
    pub(crate) async fn move_mark_to(&self, to: Timestamp) -> Result<(), Unavailable> {
        let stored = read_mark(&*self.storage).await?;
        if stored.is_some_and(|mark| to <= mark) {
            return Ok(());
        }
        self.move_mark(stored, to).await
    }

    async fn move_mark(&self, from: Option<Timestamp>, to: Timestamp) -> Result<(), Unavailable> {
        let bytes = |mark: Timestamp| mark.as_unix_seconds().to_le_bytes().to_vec();
        let change = Change {
            preconditions: vec![Precondition::SettingIs { name: MARK, value: from.map(bytes) }],
            writes: vec![Write::PutSetting { name: MARK, value: bytes(to) }],
            at: to,
        };
        match self.storage.apply(change).await {
            Ok(_) => self.node.publish_mark(to),
            // Another node moved it: what it says now is read in the next round.
            Err(ApplyError::Conflict(Conflict::SettingChanged)) => {}
            Err(ApplyError::Conflict(conflict)) => {
                return Err(Unavailable::new("move the forgetting mark", conflict));
            }
            Err(ApplyError::Unavailable(unavailable)) => return Err(unavailable),
        }
        Ok(())
    }

    async fn forget(&self) -> Result<Housekeeping, Unavailable> {
        let mark = self.node.mark();
        let hour = mark.minus_seconds(FORGET_AFTER_SECONDS).hour();
        let log_before = mark.minus_seconds(2 * HORIZON.as_secs());
        let rows_forgotten = self.storage.forget(hour, log_before, limits::FORGET_ROWS_MAX).await?;
        let entries_forgotten = self.node.ledger().forget(mark, HORIZON);
        self.node.feed().forget(mark);
        self.sequences.forget(mark.hour());
        Ok(Housekeeping { rows_forgotten, entries_forgotten, clock_jumped: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK_AT: Timestamp = Timestamp::from_unix_seconds(1_000_000);

    fn boot(seconds: u64) -> BootInstant {
        BootInstant::from_nanoseconds(seconds * 1_000_000_000)
    }

    #[test]
    fn the_mark_never_goes_back() {
        let mut pace = Pace::default();
        assert_eq!(pace.step(MARK_AT, MARK_AT, boot(10)), Step::Stay);
        assert_eq!(pace.step(MARK_AT, MARK_AT.minus_seconds(1), boot(10)), Step::Stay);
        assert_eq!(
            pace.step(MARK_AT, MARK_AT.plus_seconds(1), boot(10)),
            Step::Advance(MARK_AT.plus_seconds(1))
        );
    }

    #[test]
    fn a_step_is_at_most_elapsed_boot_time_and_an_hour() {
        let at = |seconds: u64| MARK_AT.plus_seconds(seconds);
        assert_eq!(Pace::default().step(MARK_AT, at(3_600), boot(10)), Step::Advance(at(3_600)));
        assert_eq!(Pace::default().step(MARK_AT, at(3_601), boot(10)), Step::ClockJumped);
        let mut pace = Pace::default();
        assert_eq!(pace.step(MARK_AT, at(1), boot(10)), Step::Advance(at(1)));
        assert_eq!(pace.step(at(1), at(1 + 3_600 + 50), boot(60)), Step::Advance(at(3_651)));
    }

    #[test]
    fn a_clock_that_jumped_is_believed_after_a_day_in_step() {
        let at = |seconds: u64| MARK_AT.plus_seconds(1_000_000 + seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.step(MARK_AT, at(0), boot(10)), Step::ClockJumped);
        assert_eq!(pace.step(MARK_AT, at(86_399), boot(10 + 86_399)), Step::ClockJumped);
        assert_eq!(pace.step(MARK_AT, at(86_400), boot(10 + 86_400)), Step::Advance(at(86_400)));
    }

    #[test]
    fn a_second_jump_begins_the_day_anew() {
        let at = |seconds: u64| MARK_AT.plus_seconds(1_000_000 + seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.step(MARK_AT, at(0), boot(10)), Step::ClockJumped);
        assert_eq!(pace.step(MARK_AT, at(90_000), boot(20)), Step::ClockJumped);
        assert_eq!(pace.step(MARK_AT, at(90_000 + 86_000), boot(20 + 86_000)), Step::ClockJumped);
        assert_eq!(pace.step(MARK_AT, at(90_000 + 86_400), boot(20 + 86_400)), Step::Advance(at(176_400)));
    }
}
