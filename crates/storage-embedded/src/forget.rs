//! Forgetting by ranges: what expired before an hour began, and old rows of the log.

use lydian_domain::TokenId;
use lydian_primitives::{Hour, Timestamp};
use rusqlite::{OptionalExtension, params};

use crate::changes::{Failure, Transaction, forgotten_before};
use crate::log;

impl Transaction<'_> {
    /// Deletes at most `rows` rows of what expired before `hour` began, and of the log written before `log_before`.
    pub(crate) fn forget(
        &mut self,
        hour: Hour,
        log_before: Timestamp,
        rows: usize,
    ) -> Result<usize, Failure> {
        // No hour is later than `NEVER`, and tokens that do not expire lie at or beyond the first id of it.
        let tokens = TokenId::first_of(hour).as_stored();
        let hour_number = i64::from(hour.as_number());
        if forgotten_before(self.connection)? < hour {
            let sql = "UPDATE file_state SET forgotten_before = ?1 WHERE id = 1";
            self.execute(sql, [hour_number])?;
        }
        let mut left = rows;
        left -= self.forget_range("access_tokens", "id", tokens, left)?;
        left -= self.forget_range("refresh_tokens", "id", tokens, left)?;
        left -= self.forget_range("authorization_codes", "id", tokens, left)?;
        left -= self.forget_range("device_authorizations", "id", tokens, left)?;
        left -= self.forget_ended("grants", "user IS NOT NULL AND", hour.start(), left)?;
        left -= self.forget_ended("sessions", "", hour.start(), left)?;
        left -= self.forget_range("id_blocks", "hour", hour_number, left)?;
        left -= self.forget_keys(
            "used_assertions",
            "expires_at, client, digest",
            "expires_at",
            hour.start().as_stored(),
            left,
        )?;
        left -= self.forget_keys("issued", "hour, signing_key, realm, api", "hour", hour_number, left)?;
        let log_position = log::position_at(self.connection, log_before)?.as_stored();
        left -= self.forget_range("log", "seq", log_position, left)?;
        Ok(rows - left)
    }

    /// Deletes the first rows of a table whose integer key lies below `bound`.
    fn forget_range(&mut self, table: &str, key: &str, bound: i64, rows: usize) -> Result<usize, Failure> {
        if rows == 0 {
            return Ok(0);
        }
        // The key of the first row that stays, when more than `rows` rows lie below the bound.
        let sql = format!("SELECT {key} FROM {table} WHERE {key} < ?1 ORDER BY {key} LIMIT 1 OFFSET ?2");
        let first_to_stay: Option<i64> = self
            .connection
            .prepare_cached(&sql)?
            .query_row(params![bound, i64::try_from(rows).unwrap_or(i64::MAX)], |row| row.get(0))
            .optional()?;
        let sql = format!("DELETE FROM {table} WHERE {key} < ?1");
        self.delete(&sql, [first_to_stay.unwrap_or(bound)])
    }

    /// Deletes rows of a table whose end came before `bound`.
    fn forget_ended(
        &mut self,
        table: &str,
        condition: &str,
        bound: Timestamp,
        rows: usize,
    ) -> Result<usize, Failure> {
        if rows == 0 {
            return Ok(0);
        }
        let sql = format!(
            "DELETE FROM {table} WHERE id IN \
             (SELECT id FROM {table} WHERE {condition} expires_at < ?1 ORDER BY expires_at LIMIT ?2)"
        );
        self.delete(&sql, params![bound.as_stored(), i64::try_from(rows).unwrap_or(i64::MAX)])
    }

    /// Deletes the first rows of a table with a compound key whose first column lies below `bound`.
    fn forget_keys(
        &mut self,
        table: &str,
        key: &str,
        first: &str,
        bound: i64,
        rows: usize,
    ) -> Result<usize, Failure> {
        if rows == 0 {
            return Ok(0);
        }
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {first} < ?1 ORDER BY {key} LIMIT ?2)"
        );
        self.delete(&sql, params![bound, i64::try_from(rows).unwrap_or(i64::MAX)])
    }

    /// Deletes; a step that finds nothing leaves the transaction clean, so that nothing is committed for it.
    fn delete(&mut self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, Failure> {
        let clean = !self.dirty;
        let deleted = self.execute(sql, parameters)?;
        if clean && deleted == 0 {
            self.dirty = false;
        }
        Ok(deleted)
    }
}
