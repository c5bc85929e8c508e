//! Which validators hold a lease, and what they have applied.

use std::time::Duration;

use hashbrown::HashMap;
use lydian_domain::ApiId;
use lydian_primitives::{BootInstant, limits};
use lydian_revocation::Seq;
use lydian_revocation::feed::{Lagging, LeaseGrant, LeaseRequest, Propagation, ValidatorId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::log::Group;
use super::{Feed, View};

/// Why a lease is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseRefused {
    /// The validator knows another history: it gives up its lease and loads a snapshot (lease protocol, rule 5).
    Diverged,
    /// Too many validators hold leases.
    Full,
    /// What the validator has applied is older than what is kept: it loads a snapshot.
    TooOld,
}

/// A validator that may hold a lease.
#[derive(Clone, Copy)]
struct Held {
    groups: [Group; 3],
    applied: Seq,
    /// When its lease has ended at the latest, the margin included.
    until: BootInstant,
}

pub(super) struct Leases {
    held: Mutex<HashMap<(ApiId, ValidatorId), Held>>,
    /// Until when leases may run that an earlier process granted.
    unknown_until: BootInstant,
    moved: Notify,
}

impl Leases {
    pub(super) fn new(unknown_until: BootInstant) -> Self {
        Self { held: Mutex::default(), unknown_until, moved: Notify::new() }
    }

    /// Notes a validator before its lease is made of anything: whoever looks from now on waits for it.
    fn note(&self, view: &View, request: &LeaseRequest, until: BootInstant, boot_now: BootInstant) -> bool {
        let api = view.api().api.id;
        let mut held = self.held.lock();
        let known = held.contains_key(&(api, request.validator));
        if !known {
            held.retain(|_, one| one.until > boot_now);
            let of_api = held.keys().filter(|(of, _)| *of == api).count();
            if held.len() >= limits::FEED_VALIDATORS_MAX || of_api >= limits::FEED_VALIDATORS_PER_API_MAX {
                return false;
            }
        }
        let one = held.entry((api, request.validator)).or_insert(Held {
            groups: view.groups(),
            applied: request.applied.seq,
            until,
        });
        one.applied = one.applied.max(request.applied.seq);
        one.until = one.until.max(until);
        true
    }
}

impl Feed {
    /// Grants a lease, from memory. The caller has checked this node's own lease after the request had arrived (V1).
    ///
    /// # Errors
    ///
    /// [`LeaseRefused`] by cause.
    pub fn grant_lease(
        &self,
        view: &View,
        request: &LeaseRequest,
        boot_now: BootInstant,
    ) -> Result<LeaseGrant, LeaseRefused> {
        if request.epoch != self.epoch {
            return Err(LeaseRefused::Diverged);
        }
        {
            let log = self.log.lock();
            match log.position_at(request.applied.seq) {
                Some(ours) if ours == request.applied => {}
                Some(_) => return Err(LeaseRefused::Diverged),
                None if request.applied.seq > log.head().seq => return Err(LeaseRefused::Diverged),
                None => return Err(LeaseRefused::TooOld),
            }
        }
        let until = boot_now.plus(self.terms.wait());
        if !self.leases.note(view, request, until, boot_now) {
            return Err(LeaseRefused::Full);
        }
        // Noted first, the head after it: a revocation that does not see the note is part of the head.
        let (head, last) = {
            let log = self.log.lock();
            (log.head(), log.last(&view.groups()))
        };
        self.leases.moved.notify_waiters();
        Ok(LeaseGrant { epoch: self.epoch, head, last, lease: self.terms.length })
    }

    /// Who has applied everything of its view up to a position, and who may not have; of one API, or of all.
    pub fn propagation(&self, api: Option<ApiId>, seq: Seq, boot_now: BootInstant) -> Propagation {
        let mut told = Propagation { seq, ..Propagation::default() };
        if self.leases.unknown_until > boot_now {
            let lease_ends_in = self.leases.unknown_until.since(boot_now);
            told.lagging.push(Lagging { validator: None, applied: Seq::ZERO, lease_ends_in });
        }
        let mut held = self.leases.held.lock();
        held.retain(|_, one| one.until > boot_now);
        let mut ones: Vec<_> = held.iter().filter(|((of, _), _)| api.is_none_or(|api| api == *of)).collect();
        ones.sort_unstable_by_key(|((_, validator), _)| *validator);
        let log = self.log.lock();
        for ((_, validator), one) in ones {
            told.connected += 1;
            if one.applied >= seq || one.applied >= log.last(&one.groups) {
                told.applied += 1;
                continue;
            }
            let lease_ends_in = one.until.since(boot_now);
            told.lagging.push(Lagging { validator: Some(*validator), applied: one.applied, lease_ends_in });
        }
        told
    }

    /// Waits until nobody can accept any more what `seq` killed, at most `longest`; what is known then.
    pub async fn propagated(
        &self,
        seq: Seq,
        longest: Duration,
        boot_now: impl Fn() -> BootInstant,
    ) -> Propagation {
        /// How often the ends of leases are looked at.
        const GLANCE: Duration = Duration::from_millis(20);
        let deadline = tokio::time::Instant::now() + longest.min(limits::FEED_WAIT_MAX);
        loop {
            let moved = self.leases.moved.notified();
            let told = self.propagation(None, seq, boot_now());
            if told.is_complete() || tokio::time::Instant::now() >= deadline {
                return told;
            }
            let glance = deadline.min(tokio::time::Instant::now() + GLANCE);
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep_until(glance) => {}
            }
        }
    }
}
