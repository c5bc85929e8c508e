//! The exact set of what was revoked and can still matter, and the one way to ask it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lydian_primitives::{BootInstant, Timestamp};
use parking_lot::Mutex;

use crate::event::{CutKind, Event, LogRow};
use crate::lease::{LeaseTerms, Renewal};
use crate::position::{LogPosition, Seq};
use crate::sharded::Sharded;

/// What the ledger must know of a token to say whether it was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCoordinates {
    /// The token itself.
    pub token: u128,
    /// The log position that the minting node had applied before it read any state for this token.
    pub minted_at: Seq,
    /// Its realm.
    pub realm: u128,
    /// The client that it was issued to.
    pub client: u128,
    /// The grant to which it belongs.
    pub grant: u128,
    /// The user who granted it, if one did.
    pub user: Option<u128>,
    /// The session in which it was granted, if there was one.
    pub session: Option<u128>,
    /// The key that signed it, if it is signed.
    pub key: Option<u128>,
}

/// By which row of the log a token died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A cut of this kind, at this position.
    Cut(CutKind, Seq),
    /// Its own revocation, at this position.
    Revoked(Seq),
}

/// A row is missing between what was applied and what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The position that was expected.
    pub expected: Seq,
    /// The position that came.
    pub found: Seq,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} of the log came where row {} was expected", self.found, self.expected)
    }
}

impl std::error::Error for Gap {}

/// Why a renewal grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptionRefused {
    /// Rows up to the head are still to be applied.
    Behind,
    /// The head has another link at the applied number: this is another history (rule 5).
    Diverged,
}

/// How many entries the ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LedgerSizes {
    /// Revoked tokens.
    pub revoked: usize,
    /// Cuts.
    pub cuts: usize,
}

#[derive(Clone, Copy)]
struct RevokedEntry {
    seq: Seq,
    expires_at: Timestamp,
    logged_at: Timestamp,
}

#[derive(Clone, Copy)]
struct CutEntry {
    position: Seq,
    logged_at: Timestamp,
}

/// The revoked tokens and cuts that can still matter, with the lease under which they may be trusted.
///
/// Rows are applied by one writer, in order; requests read at the same time.
pub struct Ledger {
    /// End of the lease in nanoseconds of boot time; zero when there is none.
    lease_until: AtomicU64,
    applied_seq: AtomicU64,
    applied: Mutex<LogPosition>,
    revoked: Sharded<u128, RevokedEntry>,
    cuts: Sharded<(CutKind, u128), CutEntry>,
    users_changed: Sharded<u128, CutEntry>,
}

impl Ledger {
    /// An empty ledger that has applied everything up to `position`, without a lease.
    pub fn new(position: LogPosition) -> Self {
        Self {
            lease_until: AtomicU64::new(0),
            applied_seq: AtomicU64::new(position.seq.as_number()),
            applied: Mutex::new(position),
            revoked: Sharded::new(),
            cuts: Sharded::new(),
            users_changed: Sharded::new(),
        }
    }

    /// The only way in: a view of the ledger while its lease is held.
    ///
    /// `boot_now` must have been read in this request, after the whole request had arrived. The lease is looked at first and
    /// the entries after it, through the view; the other order would be wrong (rule 6 of the lease protocol).
    /// `None` means "I do not know": wait for a renewal, or answer 503.
    pub fn view(&self, boot_now: BootInstant) -> Option<View<'_>> {
        if boot_now.as_nanoseconds() >= self.lease_until.load(Ordering::Acquire) {
            return None;
        }
        Some(View { ledger: self })
    }

    /// Applies the next row of the log.
    ///
    /// # Errors
    ///
    /// [`Gap`] when it is not the next one; nothing is changed then.
    pub fn apply(&self, row: &LogRow) -> Result<(), Gap> {
        let mut applied = self.applied.lock();
        if row.seq != applied.seq.next() {
            return Err(Gap { expected: applied.seq.next(), found: row.seq });
        }
        self.enter(row);
        // The entries first, then the position: whoever sees the position sees the entries.
        *applied = row.position();
        self.applied_seq.store(row.seq.as_number(), Ordering::Release);
        Ok(())
    }

    /// Enters a row that lies at or before the applied position: for loading a snapshot at start.
    pub fn restore(&self, row: &LogRow) {
        debug_assert!(row.seq <= self.applied().seq, "a snapshot holds only what its position covers");
        self.enter(row);
    }

    /// The last applied row.
    pub fn applied(&self) -> LogPosition {
        *self.applied.lock()
    }

    /// Takes the lease that a renewal granted, once everything up to its `head` has been applied (rule 4).
    ///
    /// A later end replaces an earlier one, never the reverse.
    ///
    /// # Errors
    ///
    /// [`AdoptionRefused`]; the lease stays as it was, except on divergence, which ends it.
    pub fn adopt(
        &self,
        renewal: Renewal,
        head: LogPosition,
        terms: LeaseTerms,
    ) -> Result<(), AdoptionRefused> {
        let applied = self.applied.lock();
        if applied.seq < head.seq {
            return Err(AdoptionRefused::Behind);
        }
        if applied.seq == head.seq && applied.link != head.link {
            self.give_up_lease();
            return Err(AdoptionRefused::Diverged);
        }
        self.lease_until.fetch_max(renewal.lease_until(terms).as_nanoseconds(), Ordering::AcqRel);
        Ok(())
    }

    /// Holds the lease for good: the one process that can write the log needs nobody's leave.
    pub fn hold_lease(&self) {
        self.lease_until.store(BootInstant::FOREVER.as_nanoseconds(), Ordering::Release);
    }

    /// Ends the lease at once: until another one is taken nothing is answered.
    pub fn give_up_lease(&self) {
        self.lease_until.store(0, Ordering::Release);
    }

    /// Drops what can no longer matter: tokens that have expired at `mark`, and whatever was logged a `horizon` before it.
    ///
    /// `mark` is the stored forgetting mark, which only grows; never the wall clock (rule 13).
    /// Returns how many entries left.
    pub fn forget(&self, mark: Timestamp, horizon: Duration) -> usize {
        let oldest = mark.minus_seconds(horizon.as_secs());
        self.revoked.retain(|_, entry| entry.expires_at > mark && entry.logged_at >= oldest)
            + self.cuts.retain(|_, entry| entry.logged_at >= oldest)
            + self.users_changed.retain(|_, entry| entry.logged_at >= oldest)
    }

    /// How many entries there are.
    pub fn sizes(&self) -> LedgerSizes {
        LedgerSizes { revoked: self.revoked.len(), cuts: self.cuts.len() }
    }

    fn enter(&self, row: &LogRow) {
        let cut = CutEntry { position: row.seq, logged_at: row.at };
        let later = |there: CutEntry, new: CutEntry| if new.position > there.position { new } else { there };
        match row.event {
            Event::RecordChanged { .. } => {}
            Event::Cut { kind, subject } => self.cuts.merge((kind, subject), cut, later),
            Event::Revoked { token, expires_at } => {
                let entry = RevokedEntry { seq: row.seq, expires_at, logged_at: row.at };
                // The first revocation is the one that explains; the longer life is the one that is safe.
                self.revoked.merge(token, entry, |there, new| RevokedEntry {
                    expires_at: there.expires_at.max(new.expires_at),
                    logged_at: there.logged_at.max(new.logged_at),
                    ..there
                });
            }
            Event::UserChanged { user } => self.users_changed.merge(user, cut, later),
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("applied", &self.applied()).field("sizes", &self.sizes()).finish()
    }
}

/// Proof that the lease was held at an instant of this request; the entries are read through it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    ledger: &'a Ledger,
}

impl View<'_> {
    /// The log position of this view: what a token minted now must carry as `minted_at`.
    ///
    /// Read it before any state that the token depends on (rule 12).
    pub fn applied(&self) -> Seq {
        Seq::from_number(self.ledger.applied_seq.load(Ordering::Acquire))
    }

    /// How this token died, if it did.
    pub fn death_of(&self, token: &TokenCoordinates) -> Option<Death> {
        if let Some(entry) = self.ledger.revoked.find(&token.token) {
            return Some(Death::Revoked(entry.seq));
        }
        if self.ledger.cuts.len() == 0 {
            return None;
        }
        self.cut_of(CutKind::Grant, Some(token.grant), token.minted_at)
            .or_else(|| self.cut_of(CutKind::Session, token.session, token.minted_at))
            .or_else(|| self.cut_of(CutKind::User, token.user, token.minted_at))
            .or_else(|| self.cut_of(CutKind::Client, Some(token.client), token.minted_at))
            .or_else(|| self.cut_of(CutKind::Key, token.key, token.minted_at))
            .or_else(|| self.cut_of(CutKind::Realm, Some(token.realm), token.minted_at))
    }

    /// Whether facts about this user that were read at `read_at` are out of date.
    pub fn user_changed_since(&self, user: u128, read_at: Seq) -> bool {
        self.ledger.users_changed.find(&user).is_some_and(|entry| read_at < entry.position)
    }

    fn cut_of(&self, kind: CutKind, subject: Option<u128>, minted_at: Seq) -> Option<Death> {
        let entry = self.ledger.cuts.find(&(kind, subject?))?;
        (minted_at < entry.position).then_some(Death::Cut(kind, entry.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Link;

    const HORIZON: Duration = Duration::from_secs(86_400);

    fn row(seq: u64, event: Event) -> LogRow {
        let at = Timestamp::from_unix_seconds(1_000_000 + seq);
        LogRow {
            seq: Seq::from_number(seq),
            link: Link::from_bits(seq * 31),
            event_id: u128::from(seq),
            at,
            event,
            reach: crate::event::Reach::default(),
        }
    }

    fn revoked(seq: u64, token: u128) -> LogRow {
        row(seq, Event::Revoked { token, expires_at: Timestamp::from_unix_seconds(1_003_600) })
    }

    fn ledger() -> Ledger {
        let ledger = Ledger::new(LogPosition::default());
        ledger.hold_lease();
        ledger
    }

    fn token(minted_at: u64) -> TokenCoordinates {
        TokenCoordinates {
            token: 7,
            minted_at: Seq::from_number(minted_at),
            realm: 1,
            client: 2,
            grant: 3,
            user: Some(4),
            session: Some(5),
            key: Some(6),
        }
    }

    #[track_caller]
    fn check(ledger: &Ledger, token: &TokenCoordinates, expected: Option<Death>) {
        let view = ledger.view(BootInstant::from_nanoseconds(1)).expect("the lease is held");
        assert_eq!(view.death_of(token), expected);
    }

    #[test]
    fn a_revoked_token_is_dead_and_its_neighbour_lives() {
        let ledger = ledger();
        ledger.apply(&revoked(1, 7)).unwrap();
        check(&ledger, &token(0), Some(Death::Revoked(Seq::from_number(1))));
        check(&ledger, &TokenCoordinates { token: 8, ..token(0) }, None);
    }

    #[test]
    fn a_cut_of_each_kind_kills_what_was_minted_before_it_and_nothing_after() {
        let subjects = [2_u128, 3, 6, 1, 5, 4];
        for (kind, subject) in CutKind::ALL.into_iter().zip(subjects) {
            let ledger = ledger();
            ledger.apply(&revoked(1, 99)).unwrap();
            ledger.apply(&row(2, Event::Cut { kind, subject })).unwrap();
            check(&ledger, &token(1), Some(Death::Cut(kind, Seq::from_number(2))));
            check(&ledger, &token(2), None);
            check(&ledger, &token(3), None);
        }
    }

    #[test]
    fn a_cut_of_another_subject_kills_nothing() {
        for kind in CutKind::ALL {
            let ledger = ledger();
            ledger.apply(&row(1, Event::Cut { kind, subject: 1_000 })).unwrap();
            check(&ledger, &token(0), None);
        }
    }

    #[test]
    fn tokens_without_user_session_and_key_are_not_reached_by_their_cuts() {
        let ledger = ledger();
        for (seq, kind) in [(1, CutKind::User), (2, CutKind::Session), (3, CutKind::Key)] {
            ledger.apply(&row(seq, Event::Cut { kind, subject: 0 })).unwrap();
        }
        check(&ledger, &TokenCoordinates { user: None, session: None, key: None, ..token(0) }, None);
    }

    #[test]
    fn the_later_of_two_cuts_counts_in_either_order() {
        let ledger = Ledger::new(LogPosition { seq: Seq::from_number(9), link: Link::NONE });
        ledger.hold_lease();
        ledger.restore(&row(8, Event::Cut { kind: CutKind::Client, subject: 2 }));
        ledger.restore(&row(4, Event::Cut { kind: CutKind::Client, subject: 2 }));
        check(&ledger, &token(7), Some(Death::Cut(CutKind::Client, Seq::from_number(8))));
    }

    #[test]
    fn without_a_lease_there_is_no_view() {
        let ledger = Ledger::new(LogPosition::default());
        assert!(ledger.view(BootInstant::default()).is_none());
        ledger.hold_lease();
        assert!(ledger.view(BootInstant::from_nanoseconds(u64::MAX - 1)).is_some());
        ledger.give_up_lease();
        assert!(ledger.view(BootInstant::default()).is_none());
    }

    #[test]
    fn a_lease_ends_at_its_instant_and_not_after_it() {
        let ledger = Ledger::new(LogPosition::default());
        let terms = LeaseTerms::with_length(Duration::from_nanos(100));
        ledger
            .adopt(Renewal::begin(BootInstant::from_nanoseconds(50)), LogPosition::default(), terms)
            .unwrap();
        assert!(ledger.view(BootInstant::from_nanoseconds(149)).is_some());
        assert!(ledger.view(BootInstant::from_nanoseconds(150)).is_none());
    }

    #[test]
    fn an_earlier_renewal_that_comes_late_does_not_shorten_the_lease() {
        let ledger = Ledger::new(LogPosition::default());
        let terms = LeaseTerms::with_length(Duration::from_nanos(100));
        let (early, late) = (BootInstant::from_nanoseconds(10), BootInstant::from_nanoseconds(60));
        ledger.adopt(Renewal::begin(late), LogPosition::default(), terms).unwrap();
        ledger.adopt(Renewal::begin(early), LogPosition::default(), terms).unwrap();
        assert!(ledger.view(BootInstant::from_nanoseconds(159)).is_some());
    }

    #[test]
    fn a_renewal_grants_nothing_before_everything_up_to_its_head_is_applied() {
        let ledger = Ledger::new(LogPosition::default());
        let head = revoked(1, 7).position();
        let adopt = || ledger.adopt(Renewal::begin(BootInstant::default()), head, LeaseTerms::NODES);
        assert_eq!(adopt(), Err(AdoptionRefused::Behind));
        assert!(ledger.view(BootInstant::from_nanoseconds(1)).is_none());
        ledger.apply(&revoked(1, 7)).unwrap();
        assert_eq!(adopt(), Ok(()));
        assert!(ledger.view(BootInstant::from_nanoseconds(1)).is_some());
    }

    #[test]
    fn another_history_ends_the_lease() {
        let ledger = ledger();
        ledger.apply(&revoked(1, 7)).unwrap();
        let other = LogPosition { seq: Seq::from_number(1), link: Link::from_bits(4_711) };
        let refused = ledger.adopt(Renewal::begin(BootInstant::default()), other, LeaseTerms::NODES);
        assert_eq!(refused, Err(AdoptionRefused::Diverged));
        assert!(ledger.view(BootInstant::from_nanoseconds(1)).is_none());
    }

    #[test]
    fn a_gap_or_a_repetition_is_refused_and_changes_nothing() {
        let ledger = ledger();
        ledger.apply(&revoked(1, 7)).unwrap();
        for seq in [1, 3] {
            let gap = Gap { expected: Seq::from_number(2), found: Seq::from_number(seq) };
            assert_eq!(ledger.apply(&revoked(seq, 8)), Err(gap));
        }
        check(&ledger, &TokenCoordinates { token: 8, ..token(0) }, None);
        assert_eq!(ledger.applied().seq, Seq::from_number(1));
    }

    #[test]
    fn a_token_is_forgotten_from_the_second_at_which_it_expires() {
        let ledger = ledger();
        ledger.apply(&revoked(1, 7)).unwrap();
        assert_eq!(ledger.forget(Timestamp::from_unix_seconds(1_003_599), HORIZON), 0);
        check(&ledger, &token(0), Some(Death::Revoked(Seq::from_number(1))));
        assert_eq!(ledger.forget(Timestamp::from_unix_seconds(1_003_600), HORIZON), 1);
        assert_eq!(ledger.sizes(), LedgerSizes::default());
    }

    #[test]
    fn a_cut_stays_for_the_whole_horizon() {
        let ledger = ledger();
        ledger.apply(&row(1, Event::Cut { kind: CutKind::User, subject: 4 })).unwrap();
        assert_eq!(ledger.forget(Timestamp::from_unix_seconds(1_000_001 + 86_400), HORIZON), 0);
        assert_eq!(ledger.forget(Timestamp::from_unix_seconds(1_000_002 + 86_400), HORIZON), 1);
    }

    #[test]
    fn a_changed_user_makes_older_facts_stale() {
        let ledger = ledger();
        ledger.apply(&row(1, Event::UserChanged { user: 4 })).unwrap();
        let view = ledger.view(BootInstant::default()).unwrap();
        assert!(view.user_changed_since(4, Seq::ZERO));
        assert!(!view.user_changed_since(4, Seq::from_number(1)));
        assert!(!view.user_changed_since(5, Seq::ZERO));
    }

    #[test]
    fn a_token_revoked_twice_stays_until_the_later_expiry() {
        let until = |seconds| Event::Revoked { token: 7, expires_at: Timestamp::from_unix_seconds(seconds) };
        for (first, second) in [(1_003_600, 1_007_200), (1_007_200, 1_003_600)] {
            let ledger = ledger();
            ledger.apply(&row(1, until(first))).unwrap();
            ledger.apply(&row(2, until(second))).unwrap();
            ledger.forget(Timestamp::from_unix_seconds(1_003_600), HORIZON);
            check(&ledger, &token(0), Some(Death::Revoked(Seq::from_number(1))));
            assert_eq!(ledger.sizes().revoked, 1);
        }
    }

    #[test]
    fn a_view_shows_the_position_that_a_token_minted_now_must_carry() {
        let ledger = ledger();
        ledger.apply(&revoked(1, 7)).unwrap();
        assert_eq!(ledger.view(BootInstant::default()).unwrap().applied(), Seq::from_number(1));
    }
}
