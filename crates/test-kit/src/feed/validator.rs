//! What a validator knows, and what it may accept (V1 to V6 of the lease protocol).

use std::collections::HashMap;

use lydian_primitives::BootInstant;
use lydian_revocation::feed::{
    Batch, FeedEvent, FeedKind, LeaseGrant, LeaseRequest, SnapshotHeader, StreamPosition, ValidatorId,
    ViewDigest,
};
use lydian_revocation::{LogPosition, Seq, name_key};

/// What a token says of itself to its API.
#[derive(Clone, Debug, Default)]
pub struct TokenFacts {
    /// `jti`.
    pub token: u128,
    /// `minted_at`.
    pub minted_at: Seq,
    /// The key of `client_id`.
    pub client: u128,
    /// `lyd_grant`.
    pub grant: u128,
    /// `lyd_session`.
    pub session: Option<u128>,
    /// `lyd_subject`.
    pub subject: Option<u128>,
    /// The key of the `kid`.
    pub key: Option<u128>,
}

impl TokenFacts {
    /// The facts in the claims of a JWT or in an introspection answer; `kid` from the header of a JWT.
    pub fn of(members: &serde_json::Value, kid: Option<&str>) -> Self {
        let handle = |name: &str| {
            let bytes = members[name]
                .as_str()
                .and_then(|text| lydian_primitives::base64url::decode_array::<16>(text.as_bytes()));
            bytes.map(u128::from_be_bytes)
        };
        let required = |name: &str| handle(name).unwrap_or_else(|| panic!("no {name} in {members}"));
        Self {
            token: required("jti"),
            minted_at: Seq::from_number(members["minted_at"].as_u64().expect("tokens carry their position")),
            client: name_key(members["client_id"].as_str().expect("tokens name their client")),
            grant: required("lyd_grant"),
            session: handle("lyd_session"),
            subject: handle("lyd_subject"),
            key: kid.map(name_key),
        }
    }
}

/// What a validator says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good as far as revocation goes.
    Good,
    /// It holds no lease: it does not know.
    NotFresh,
    /// It is dead.
    Revoked,
}

/// Why what came cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What is held is not what the server says it must be: load a snapshot.
    Digest,
    /// Another history: the lease is over; load a snapshot.
    Diverged,
    /// Something between is missing: ask again from the position, or load a snapshot.
    Gap,
}

/// One validator.
#[derive(Debug)]
pub struct Validator {
    id: ValidatorId,
    epoch: u32,
    position: LogPosition,
    revoked: HashMap<u128, u64>,
    cuts: HashMap<(FeedKind, u128), Seq>,
    digest: ViewDigest,
    lease_until: BootInstant,
    pending: Vec<(BootInstant, LeaseGrant)>,
    is_loaded: bool,
}

impl Validator {
    /// One that knows nothing yet.
    pub fn new(id: u128) -> Self {
        Self {
            id: ValidatorId(id),
            epoch: 0,
            position: LogPosition::default(),
            revoked: HashMap::new(),
            cuts: HashMap::new(),
            digest: ViewDigest::default(),
            lease_until: BootInstant::default(),
            pending: Vec::new(),
            is_loaded: false,
        }
    }

    /// Up to where it knows everything of its view.
    pub fn position(&self) -> StreamPosition {
        StreamPosition { epoch: self.epoch, seq: self.position.seq }
    }

    /// How many tokens and cuts it holds.
    pub fn sizes(&self) -> (usize, usize) {
        (self.revoked.len(), self.cuts.len())
    }

    /// Whether it has loaded a snapshot.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Takes a whole snapshot. What was known as revoked stays known (rule 5); leases begin anew.
    pub fn load(&mut self, header: SnapshotHeader, events: &[FeedEvent], digest: ViewDigest) {
        self.give_up();
        self.epoch = header.epoch;
        self.position = header.position;
        self.digest = digest;
        self.is_loaded = true;
        events.iter().for_each(|event| self.enter(event));
    }

    /// Takes what another one has loaded from a snapshot; it stays who it is.
    pub fn take_over(&mut self, loaded: Self) {
        self.give_up();
        self.epoch = loaded.epoch;
        self.position = loaded.position;
        self.digest = loaded.digest;
        self.is_loaded = loaded.is_loaded;
        for (token, until) in loaded.revoked {
            let known = self.revoked.entry(token).or_default();
            *known = (*known).max(until);
        }
        for (subject, position) in loaded.cuts {
            let known = self.cuts.entry(subject).or_default();
            *known = (*known).max(position);
        }
    }

    /// Takes a message of the stream.
    ///
    /// # Errors
    ///
    /// [`Fault`] by cause; nothing of the message is applied then.
    pub fn take(&mut self, batch: &Batch) -> Result<(), Fault> {
        if !self.is_loaded || batch.after.seq > self.position.seq {
            return Err(Fault::Gap);
        }
        let clashes = |other: LogPosition| other.seq == self.position.seq && other.link != self.position.link;
        if batch.epoch != self.epoch || clashes(batch.after) || clashes(batch.through) {
            self.give_up();
            return Err(Fault::Diverged);
        }
        let known = self.position.seq;
        for event in batch.events.iter().filter(|event| event.seq > known) {
            self.enter(event);
            self.digest.add(event);
        }
        if batch.through.seq > self.position.seq {
            self.position = batch.through;
        }
        if let Some(said) = batch.digest.filter(|_| batch.through.seq == self.position.seq)
            && self.digest.value(said.from_hour) != said
        {
            self.give_up();
            return Err(Fault::Digest);
        }
        self.adopt();
        Ok(())
    }

    /// What to send for a lease. The boot clock was read before this is sent.
    pub fn request(&self) -> LeaseRequest {
        LeaseRequest { validator: self.id, epoch: self.epoch, applied: self.position }
    }

    /// Takes what was granted on a request that was made at `asked_at`.
    ///
    /// # Errors
    ///
    /// [`Fault::Diverged`].
    pub fn granted(&mut self, asked_at: BootInstant, grant: LeaseGrant) -> Result<(), Fault> {
        let clashes = grant.head.seq == self.position.seq && grant.head.link != self.position.link;
        if !self.is_loaded || grant.epoch != self.epoch || clashes {
            self.give_up();
            return Err(Fault::Diverged);
        }
        self.pending.push((asked_at, grant));
        self.adopt();
        Ok(())
    }

    /// Trusts nothing any more until a new lease.
    pub fn give_up(&mut self) {
        self.lease_until = BootInstant::default();
        self.pending.clear();
    }

    /// Whether it may answer at this instant, which was read in the request.
    pub fn is_fresh(&self, boot_now: BootInstant) -> bool {
        self.is_loaded && boot_now < self.lease_until
    }

    /// What it says of a token: the lease first, then what it knows.
    pub fn judge(&self, token: &TokenFacts, boot_now: BootInstant) -> Verdict {
        if !self.is_fresh(boot_now) {
            return Verdict::NotFresh;
        }
        let cut = |kind, key: Option<u128>| {
            key.and_then(|key| self.cuts.get(&(kind, key)))
                .is_some_and(|position| token.minted_at < *position)
        };
        let dead = self.revoked.contains_key(&token.token)
            || cut(FeedKind::Client, Some(token.client))
            || cut(FeedKind::Grant, Some(token.grant))
            || cut(FeedKind::Key, token.key)
            || cut(FeedKind::Realm, Some(0))
            || cut(FeedKind::Session, token.session)
            || cut(FeedKind::Subject, token.subject);
        if dead { Verdict::Revoked } else { Verdict::Good }
    }

    fn enter(&mut self, event: &FeedEvent) {
        match event.kind {
            FeedKind::ApiFacts | FeedKind::SubjectFacts => {}
            FeedKind::Token => {
                let until = self.revoked.entry(event.key).or_default();
                *until = (*until).max(event.until.as_unix_seconds());
            }
            kind => {
                let position = self.cuts.entry((kind, event.key)).or_default();
                *position = (*position).max(event.seq);
            }
        }
    }

    /// Takes every lease whose events are applied; with it the view is known up to the head (V2).
    fn adopt(&mut self) {
        let position = &mut self.position;
        let lease_until = &mut self.lease_until;
        self.pending.retain(|(asked_at, grant)| {
            if position.seq < grant.last {
                return true;
            }
            if grant.head.seq > position.seq {
                *position = grant.head;
            }
            *lease_until = (*lease_until).max(asked_at.plus(grant.lease));
            false
        });
    }
}

#[cfg(test)]
#[path = "validator_tests.rs"]
mod tests;
