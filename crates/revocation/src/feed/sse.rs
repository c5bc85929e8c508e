//! Frames of server-sent events, as the stream uses them: an id, one line of data, comments between them.

use lydian_primitives::limits;

use super::json::FeedError;

/// One frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The line `id`.
    pub id: String,
    /// The line `data`.
    pub data: Vec<u8>,
}

impl Frame {
    /// Writes a frame.
    pub fn write(id: impl std::fmt::Display, data: &str, text: &mut String) {
        use std::fmt::Write as _;
        write!(text, "id: {id}\ndata: {data}\n\n").expect("writing to a string succeeds");
    }
}

/// Reads frames as they come. Only what the stream uses is read; everything else is an error.
#[derive(Debug, Default)]
pub struct FrameReader {
    line: Vec<u8>,
    frame: Frame,
}

impl FrameReader {
    /// Takes the next bytes; each frame that is complete goes to `take`.
    ///
    /// # Errors
    ///
    /// [`FeedError::TooLong`] and [`FeedError::Malformed`].
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Frame)) -> Result<(), FeedError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > limits::FEED_LINE_BYTES_MAX {
                return Err(FeedError::TooLong);
            }
            self.line.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = &line[..line.len() - 1];
            if line.is_empty() {
                let frame = std::mem::take(&mut self.frame);
                match (frame.id.is_empty(), frame.data.is_empty()) {
                    (false, false) => take(frame),
                    (true, true) => {}
                    _ => return Err(FeedError::Malformed),
                }
            } else if let Some(id) = line.strip_prefix(b"id: ") {
                let id = std::str::from_utf8(id).map_err(|_| FeedError::Malformed)?;
                if !self.frame.id.is_empty() || id.is_empty() {
                    return Err(FeedError::Malformed);
                }
                self.frame.id = id.to_owned();
            } else if let Some(data) = line.strip_prefix(b"data: ") {
                if !self.frame.data.is_empty() || data.is_empty() {
                    return Err(FeedError::Malformed);
                }
                self.frame.data = data.to_vec();
            } else if !line.starts_with(b":") {
                return Err(FeedError::Malformed);
            }
        }
        Ok(())
    }
}
