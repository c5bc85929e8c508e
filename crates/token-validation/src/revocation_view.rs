//! What can be said about revocation at the instant of a request.

use hashbrown::HashMap;
use lydian_primitives::{Timestamp, limits};
use lydian_revocation::{CutKind, View};

use crate::facts::{Facts, Origin};
use crate::profile::Profile;
use crate::rejection::Rejection;

/// What is known of revocations in this request.
#[derive(Clone, Copy)]
pub enum RevocationView<'a> {
    /// The feed is followed and its lease is held. [`lydian_revocation::Ledger::view`] gives the view, after the whole request has
    /// arrived: the lease first, the ledger after it.
    Feed(View<'a>),
    /// The issuer itself was asked in this request, and the facts are its answer.
    IssuerAsked,
    /// The issuer has no feed: until it expires a token is good, but for these watermarks.
    NoFeed(&'a Watermarks),
    /// There is a feed, and its lease is over or has not begun: ask the issuer, or answer 503.
    Unknown,
}

impl RevocationView<'_> {
    /// # Errors
    ///
    /// [`Rejection::Revoked`] and [`Rejection::CutByWatermark`]; [`Rejection::RevocationUnknown`] and [`Rejection::FactsStale`] when
    /// the issuer must be asked before anybody can say.
    pub(crate) fn check(&self, facts: &Facts, profile: &Profile) -> Result<(), Rejection> {
        match self {
            Self::Feed(view) => check_feed(view, facts),
            Self::IssuerAsked => match facts.origin {
                Origin::Introspected { .. } => Ok(()),
                Origin::Signed { .. } => Err(Rejection::RevocationUnknown),
            },
            // A profile that has a feed must not lose it by a slip of the caller.
            Self::NoFeed(_) if profile.has_feed() => Err(Rejection::RevocationUnknown),
            Self::NoFeed(watermarks) => watermarks.check(facts),
            Self::Unknown => Err(Rejection::RevocationUnknown),
        }
    }
}

fn check_feed(view: &View<'_>, facts: &Facts) -> Result<(), Rejection> {
    // The ledger forgets cuts after its horizon: of a token that may be older than that it says nothing.
    if facts.lifetime_seconds().is_none_or(|seconds| seconds > limits::REVOCATION_HORIZON_SECONDS) {
        return Err(Rejection::RevocationUnknown);
    }
    if let Some(death) = view.death_of(&facts.coordinates) {
        return Err(Rejection::Revoked(death));
    }
    match (facts.origin, facts.coordinates.user) {
        (Origin::Introspected { asked_at }, Some(user)) if view.user_changed_since(user, asked_at) => {
            Err(Rejection::FactsStale)
        }
        _ => Ok(()),
    }
}

/// Points in time before which everything of a subject is dead, for issuers whose events have no position in a log.
///
/// Several watermarks of one subject count as their maximum, in whatever order they came.
#[derive(Clone, Debug, Default)]
pub struct Watermarks {
    marks: HashMap<(CutKind, u128), Timestamp>,
}

impl Watermarks {
    /// No watermarks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the watermark of a subject; a lower one than the one that is there changes nothing.
    ///
    /// What was issued *before* `not_before` is dead. `iat` has whole seconds: to kill what was issued in the second of the event,
    /// give the second after it, and let the issuer stamp later tokens accordingly. The subjects are those of
    /// [`crate::coordinates`].
    pub fn raise(&mut self, kind: CutKind, subject: u128, not_before: Timestamp) {
        let mark = self.marks.entry((kind, subject)).or_insert(not_before);
        *mark = not_before.max(*mark);
    }

    /// Drops the watermarks that no token of this lifetime can meet any more. Returns how many left.
    pub fn forget(&mut self, now: Timestamp, lifetime_seconds_max: u64) -> usize {
        let before = self.marks.len();
        let oldest = now.minus_seconds(lifetime_seconds_max.saturating_add(limits::LEEWAY_SECONDS_MAX));
        self.marks.retain(|_, mark| *mark >= oldest);
        before - self.marks.len()
    }

    fn check(&self, facts: &Facts) -> Result<(), Rejection> {
        if self.marks.is_empty() {
            return Ok(());
        }
        let token = &facts.coordinates;
        let subjects = [
            (CutKind::Realm, Some(token.realm)),
            (CutKind::Key, token.key),
            (CutKind::Client, Some(token.client)),
            (CutKind::User, token.user),
            (CutKind::Session, token.session),
            (CutKind::Grant, Some(token.grant)),
        ];
        let of = |(kind, subject): (CutKind, Option<u128>)| self.marks.get(&(kind, subject?)).copied();
        let Some(highest) = subjects.into_iter().filter_map(of).max() else {
            return Ok(());
        };
        // A token that does not say when it was issued may be from before.
        if facts.issued_at.is_some_and(|issued_at| issued_at >= highest) {
            Ok(())
        } else {
            Err(Rejection::CutByWatermark)
        }
    }
}
