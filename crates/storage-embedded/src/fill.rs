//! Filling a store with millions of rows, for measurements: no queue, no sync until the end, and the same statements otherwise.

use std::path::{Path, PathBuf};

use lydian_domain::{AccessToken, TokenId};
use lydian_primitives::{Entropy, Hour, SystemEntropy, Timestamp};
use lydian_revocation::{Event, Reach};
use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use crate::changes::{INSERT_ACCESS_TOKEN, access_token_parameters};
use crate::log;
use crate::open::{self, FILE_NAME, OpenError};

/// Rows of one transaction.
const ROWS: usize = 50_000;

/// A store that is being filled. Nobody else may have it open meanwhile.
#[derive(Debug)]
pub struct Filler {
    connection: Connection,
    path: PathBuf,
}

impl Filler {
    /// Opens the store in `directory`, or makes it.
    ///
    /// # Errors
    ///
    /// [`OpenError`], as for a store that serves.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let filler = Self { connection: open::open_database(directory)?, path: directory.join(FILE_NAME) };
        filler
            .connection
            .pragma_update(None, "synchronous", "OFF")
            .map_err(|error| filler.unusable(error))?;
        Ok(filler)
    }

    /// Adds access tokens, fastest in the order of their ids; how many.
    ///
    /// Their sequence numbers are taken from the hours, so that the store never hands them out.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when a row cannot be written.
    pub fn access_tokens(&self, tokens: impl IntoIterator<Item = AccessToken>) -> Result<u64, OpenError> {
        // The hour that is being filled, and the sequence number after the highest one in it.
        let mut filling: Option<(Hour, i64)> = None;
        self.in_transactions(tokens, |connection, token: AccessToken| {
            let (hour, next) = (token.id.expiry(), i64::from(token.id.as_number() as u32) + 1);
            filling = match filling {
                Some((current, highest)) if current == hour => Some((hour, highest.max(next))),
                other => {
                    take_sequences(connection, other)?;
                    Some((hour, next))
                }
            };
            connection.prepare_cached(INSERT_ACCESS_TOKEN)?.execute(access_token_parameters!(token)).map(drop)
        })
        .and_then(|rows| {
            take_sequences(&self.connection, filling).map_err(|error| self.unusable(error))?;
            Ok(rows)
        })
    }

    /// Adds rows of the log that revoke these tokens, without touching the tokens' own rows; how many.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when a row cannot be written.
    pub fn revocations(
        &self,
        tokens: impl IntoIterator<Item = (TokenId, Timestamp)>,
        at: Timestamp,
    ) -> Result<u64, OpenError> {
        let mut head = log::read_head(&self.connection).map_err(|error| self.unusable(error))?;
        let entropy: &dyn Entropy = &SystemEntropy;
        let rows =
            self.in_transactions(tokens, |connection, (token, expires_at): (TokenId, Timestamp)| {
                let event = Event::Revoked { token: u128::from(token.as_number()), expires_at };
                let row = head.append(event, Reach::default(), at, entropy);
                log::write_row(connection, &row, head.latest_at)
            })?;
        log::write_head(&self.connection, &head).map_err(|error| self.unusable(error))?;
        Ok(rows)
    }

    /// Makes everything durable and closes the store cleanly.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when it cannot be made durable.
    pub fn finish(self) -> Result<(), OpenError> {
        let Self { connection, path } = self;
        let finish = || {
            connection.execute("UPDATE file_state SET in_use = 0 WHERE id = 1", [])?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)
        };
        finish().map_err(|source| OpenError::Unusable { path: path.clone(), source })?;
        connection.close().map_err(|(_, source)| OpenError::Unusable { path, source })
    }

    fn in_transactions<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&Connection, T) -> rusqlite::Result<()>,
    ) -> Result<u64, OpenError> {
        let mut items = items.into_iter().peekable();
        let mut rows = 0;
        while items.peek().is_some() {
            let mut step = || {
                let transaction = self.connection.unchecked_transaction()?;
                for item in items.by_ref().take(ROWS) {
                    write(&transaction, item)?;
                    rows += 1;
                }
                transaction.commit()?;
                self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::RESTART)
            };
            step().map_err(|error| self.unusable(error))?;
        }
        Ok(rows)
    }

    fn unusable(&self, source: rusqlite::Error) -> OpenError {
        OpenError::Unusable { path: self.path.clone(), source }
    }
}

/// Takes the sequence numbers of an hour up to this one.
fn take_sequences(connection: &Connection, block: Option<(Hour, i64)>) -> rusqlite::Result<()> {
    let Some((hour, next)) = block else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO id_blocks (hour, next) VALUES (?1, ?2) \
             ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
        )?
        .execute([i64::from(hour.as_number()), next])
        .map(drop)
}
