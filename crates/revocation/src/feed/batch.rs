//! What one message of the stream says: events, and how far everything has been told.

use std::fmt;

use lydian_primitives::limits;

use super::digest::DigestValue;
use super::event::FeedEvent;
use super::json::{self, FeedError};
use crate::position::{LogPosition, Seq};

/// Where a subscriber stands: `epoch:seq`, the id of a message of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// The generation of the store: it grows with each restore.
    pub epoch: u32,
    /// The number up to which everything is known.
    pub seq: Seq,
}

impl StreamPosition {
    /// Reads `epoch:seq`: digits alone, no leading zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once(':')?;
        let digits = |part: &str| -> Option<u64> {
            let plain = !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            plain.then(|| part.parse().ok()).flatten().filter(|number| *number <= json::NUMBER_MAX)
        };
        Some(Self { epoch: u32::try_from(digits(epoch)?).ok()?, seq: Seq::from_number(digits(seq)?) })
    }
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

/// One message of the stream: everything of the subscriber's view between two positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The generation of the store.
    pub epoch: u32,
    /// Everything of the view up to here was told before: who knows less has missed something.
    pub after: LogPosition,
    /// Everything of the view up to here is known with this message.
    pub through: LogPosition,
    /// What the view holds at `through`; not in every message.
    pub digest: Option<DigestValue>,
    /// The events of the view in between, in order.
    pub events: Vec<FeedEvent>,
}

impl Batch {
    /// Writes it as a JSON object in one line.
    pub fn write(&self, text: &mut String) {
        text.push_str("{\"epoch\":");
        json::write_number(u64::from(self.epoch), text);
        for (seq, link, position) in [
            (",\"after\":", ",\"after_link\":\"", self.after),
            (",\"through\":", ",\"link\":\"", self.through),
        ] {
            text.push_str(seq);
            json::write_number(position.seq.as_number(), text);
            text.push_str(link);
            json::write_bits(position.link.as_bits(), text);
            text.push('"');
        }
        if let Some(digest) = &self.digest {
            text.push_str(",\"digest\":");
            digest.write(text);
        }
        text.push_str(",\"events\":[");
        let mut prev = self.after.seq;
        for (index, event) in self.events.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            event.write(Some(prev), text);
            prev = event.seq;
        }
        text.push_str("]}");
    }

    /// Reads one. The events must lie between `after` and `through`, each after the one before it.
    ///
    /// # Errors
    ///
    /// [`FeedError`] by cause.
    pub fn parse(text: &[u8]) -> Result<Self, FeedError> {
        let document = json::object(text, limits::FEED_LINE_BYTES_MAX)?;
        let root = document.root();
        let position = |seq, link| -> Result<LogPosition, FeedError> {
            Ok(LogPosition { seq: json::seq(root, seq)?, link: json::link(root, link)? })
        };
        let after = position("after", "after_link")?;
        let through = position("through", "link")?;
        let list = root.get("events").and_then(|value| value.as_array());
        let list = list.ok_or(FeedError::Member("events"))?;
        let mut events = Vec::new();
        let mut prev = after.seq;
        for value in list {
            let event = FeedEvent::read(value)?;
            if json::seq(value, "prev")? != prev || event.seq <= prev || event.seq > through.seq {
                return Err(FeedError::Order);
            }
            prev = event.seq;
            events.push(event);
            if events.len() > limits::FEED_BATCH_EVENTS_MAX {
                return Err(FeedError::TooLong);
            }
        }
        if through.seq < after.seq {
            return Err(FeedError::Order);
        }
        let digest = root.get("digest").map(DigestValue::read).transpose()?;
        Ok(Self { epoch: json::epoch(root)?, after, through, digest, events })
    }
}
