//! Asking for a lease, what is granted, and how far validators are.

use std::time::Duration;

use lydian_primitives::limits;

use super::json::{self, FeedError};
use crate::position::{LogPosition, Seq};

/// Longest request or answer of the lease endpoint, in bytes.
const BYTES_MAX: usize = 1_024;

/// Longest lease that anybody can grant, in milliseconds.
const LEASE_MS_MAX: u64 = 60_000;

/// One running validator: random bits that it takes at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValidatorId(
    /// The bits.
    pub u128,
);

/// A validator asks for a lease, and says what it has applied. It reads its boot clock before it sends this (V1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Who asks.
    pub validator: ValidatorId,
    /// The generation of the store that it knows.
    pub epoch: u32,
    /// Up to where it has applied everything of its view.
    pub applied: LogPosition,
}

impl LeaseRequest {
    /// Writes it as a JSON object.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(128);
        text.push_str("{\"epoch\":");
        json::write_number(u64::from(self.epoch), &mut text);
        text.push_str(",\"applied\":");
        json::write_number(self.applied.seq.as_number(), &mut text);
        text.push_str(",\"link\":\"");
        json::write_bits(self.applied.link.as_bits(), &mut text);
        text.push_str("\",\"validator\":\"");
        json::write_key(self.validator.0, &mut text);
        text.push_str("\"}");
        text
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`FeedError`] by cause.
    pub fn parse(text: &[u8]) -> Result<Self, FeedError> {
        let document = json::object(text, BYTES_MAX)?;
        let root = document.root();
        Ok(Self {
            validator: ValidatorId(json::key(root, "validator")?),
            epoch: json::epoch(root)?,
            applied: LogPosition { seq: json::seq(root, "applied")?, link: json::link(root, "link")? },
        })
    }
}

/// What a lease is granted on.
///
/// It runs for `lease` from the moment before it was asked for, once everything of the view up to `last` is applied; the
/// validator then knows its view up to `head` (V2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGrant {
    /// The generation of the store.
    pub epoch: u32,
    /// What the answering node has applied under its own lease.
    pub head: LogPosition,
    /// The last event of the validator's view that is not beyond all that: between it and `head` there is none.
    pub last: Seq,
    /// How long the lease runs.
    pub lease: Duration,
}

impl LeaseGrant {
    /// Writes it as a JSON object.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(128);
        text.push_str("{\"epoch\":");
        json::write_number(u64::from(self.epoch), &mut text);
        text.push_str(",\"applied\":");
        json::write_number(self.head.seq.as_number(), &mut text);
        text.push_str(",\"link\":\"");
        json::write_bits(self.head.link.as_bits(), &mut text);
        text.push_str("\",\"last\":");
        json::write_number(self.last.as_number(), &mut text);
        text.push_str(",\"lease_ms\":");
        json::write_number(u64::try_from(self.lease.as_millis()).unwrap_or(LEASE_MS_MAX), &mut text);
        text.push('}');
        text
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`FeedError`] by cause.
    pub fn parse(text: &[u8]) -> Result<Self, FeedError> {
        let document = json::object(text, BYTES_MAX)?;
        let root = document.root();
        let head = LogPosition { seq: json::seq(root, "applied")?, link: json::link(root, "link")? };
        let last = json::seq(root, "last")?;
        let lease_ms = json::number(root, "lease_ms")?;
        if last > head.seq {
            return Err(FeedError::Order);
        }
        if lease_ms == 0 || lease_ms > LEASE_MS_MAX {
            return Err(FeedError::Member("lease_ms"));
        }
        Ok(Self { epoch: json::epoch(root)?, head, last, lease: Duration::from_millis(lease_ms) })
    }
}

/// A validator that has not applied something yet, and may still hold a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagging {
    /// Which one; `None` for those that a restarted server cannot know.
    pub validator: Option<ValidatorId>,
    /// What it said last that it has applied.
    pub applied: Seq,
    /// When its lease has ended at the latest, from now, the margin included.
    pub lease_ends_in: Duration,
}

/// Which validators have applied what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// The position that was asked about.
    pub seq: Seq,
    /// How many validators hold a lease.
    pub connected: u64,
    /// How many of them know everything of their view up to the position.
    pub applied: u64,
    /// The others.
    pub lagging: Vec<Lagging>,
}

impl Propagation {
    /// Whether nobody can accept any more what the position killed.
    pub fn is_complete(&self) -> bool {
        self.lagging.is_empty()
    }

    /// Writes it as a JSON object.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(128);
        text.push_str("{\"seq\":");
        json::write_number(self.seq.as_number(), &mut text);
        text.push_str(",\"connected\":");
        json::write_number(self.connected, &mut text);
        text.push_str(",\"applied\":");
        json::write_number(self.applied, &mut text);
        text.push_str(",\"lagging\":[");
        for (index, lagging) in self.lagging.iter().enumerate() {
            text.push_str(if index > 0 { ",{" } else { "{" });
            if let Some(validator) = lagging.validator {
                text.push_str("\"validator\":\"");
                json::write_key(validator.0, &mut text);
                text.push_str("\",");
            }
            text.push_str("\"applied\":");
            json::write_number(lagging.applied.as_number(), &mut text);
            text.push_str(",\"lease_ends_in_ms\":");
            let left = u64::try_from(lagging.lease_ends_in.as_millis()).unwrap_or(LEASE_MS_MAX);
            json::write_number(left, &mut text);
            text.push('}');
        }
        text.push_str("]}");
        text
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`FeedError`] by cause.
    pub fn parse(text: &[u8]) -> Result<Self, FeedError> {
        let document = json::object(text, limits::FEED_LINE_BYTES_MAX)?;
        let root = document.root();
        let list = root.get("lagging").and_then(|value| value.as_array());
        let mut lagging = Vec::new();
        for value in list.ok_or(FeedError::Member("lagging"))? {
            let validator = value.get("validator").map(|_| json::key(value, "validator")).transpose()?;
            lagging.push(Lagging {
                validator: validator.map(ValidatorId),
                applied: json::seq(value, "applied")?,
                lease_ends_in: Duration::from_millis(json::number(value, "lease_ends_in_ms")?),
            });
        }
        Ok(Self {
            seq: json::seq(root, "seq")?,
            connected: json::number(root, "connected")?,
            applied: json::number(root, "applied")?,
            lagging,
        })
    }
}
