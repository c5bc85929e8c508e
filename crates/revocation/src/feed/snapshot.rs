//! The snapshot: a line of head, a line for each event that can still matter, a line of end.
//!
//! Lines, so that neither side holds the whole of it as text; the end says how many there were, so that no part passes for all.

use lydian_primitives::limits;

use super::digest::{DigestValue, ViewDigest};
use super::event::FeedEvent;
use super::json::{self, FeedError};
use crate::position::LogPosition;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The generation of the store.
    pub epoch: u32,
    /// The position of the snapshot: the stream goes on after it.
    pub position: LogPosition,
}

impl SnapshotHeader {
    /// Writes it as a JSON object in one line.
    pub fn write(&self, text: &mut String) {
        text.push_str("{\"epoch\":");
        json::write_number(u64::from(self.epoch), text);
        text.push_str(",\"seq\":");
        json::write_number(self.position.seq.as_number(), text);
        text.push_str(",\"link\":\"");
        json::write_bits(self.position.link.as_bits(), text);
        text.push_str("\"}\n");
    }
}

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotTrailer {
    /// How many events there were.
    pub count: u64,
    /// Their digest.
    pub digest: DigestValue,
}

impl SnapshotTrailer {
    /// Writes it as a JSON object in one line.
    pub fn write(&self, text: &mut String) {
        text.push_str("{\"count\":");
        json::write_number(self.count, text);
        text.push_str(",\"digest\":");
        self.digest.write(text);
        text.push_str("}\n");
    }
}

/// Reads a snapshot as it comes.
#[derive(Debug, Default)]
pub struct SnapshotReader {
    header: Option<SnapshotHeader>,
    count: u64,
    digest: ViewDigest,
    ended: bool,
    line: Vec<u8>,
}

impl SnapshotReader {
    /// Takes the next bytes; each event that is complete goes to `event`.
    ///
    /// # Errors
    ///
    /// [`FeedError`] by cause; nothing of the snapshot may be used then.
    pub fn push(&mut self, bytes: &[u8], mut event: impl FnMut(FeedEvent)) -> Result<(), FeedError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > limits::FEED_LINE_BYTES_MAX {
                return Err(FeedError::TooLong);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line[..line.len() - 1], &mut event)?;
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], event: &mut impl FnMut(FeedEvent)) -> Result<(), FeedError> {
        if self.ended {
            return Err(FeedError::Malformed);
        }
        let document = json::object(line, limits::FEED_LINE_BYTES_MAX)?;
        let root = document.root();
        let Some(header) = &self.header else {
            let position = LogPosition { seq: json::seq(root, "seq")?, link: json::link(root, "link")? };
            self.header = Some(SnapshotHeader { epoch: json::epoch(root)?, position });
            return Ok(());
        };
        if root.get("count").is_none() {
            let found = FeedEvent::read(root)?;
            if found.seq > header.position.seq {
                return Err(FeedError::Order);
            }
            self.count += 1;
            self.digest.add(&found);
            event(found);
            return Ok(());
        }
        let said = root.get("digest").ok_or(FeedError::Member("digest")).and_then(DigestValue::read)?;
        if json::number(root, "count")? != self.count || self.digest.value(said.from_hour) != said {
            return Err(FeedError::Member("digest"));
        }
        self.ended = true;
        Ok(())
    }

    /// What the snapshot was, once all of it was read.
    ///
    /// # Errors
    ///
    /// [`FeedError::Truncated`] without the last line.
    pub fn finish(self) -> Result<(SnapshotHeader, ViewDigest), FeedError> {
        match self.header {
            Some(header) if self.ended && self.line.is_empty() => Ok((header, self.digest)),
            _ => Err(FeedError::Truncated),
        }
    }
}
