//! Snapshots of a database in use, what makes a snapshot a store again, and what can be said about a file without opening it as one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use lydian_domain::RealmId;
use lydian_primitives::{Entropy, Hour, Id, Timestamp};
use lydian_revocation::{Link, LogPosition, Seq};
use rusqlite::{Connection, OptionalExtension, params};

use crate::open::{self, FILE_NAME, OpenError};
use crate::{log, reads};

/// How far a restore moves the log ahead at least: beyond every position that the lost store can have reached since the backup.
///
/// A JWT without a record carries such a position, and only a cut beyond it kills the token.
const RESTORED_AHEAD: u64 = 1 << 32;

/// How far it moves ahead besides, for each second since the last row of the snapshot: no store writes so many rows. The store that is
/// lost may itself be an earlier restore of the same backup, which moved ahead from the same row.
const AHEAD_PER_SECOND: u64 = 1 << 20;

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last row of its log.
    pub head: LogPosition,
    /// The version of its schema.
    pub schema_version: i64,
}

/// A wrapped signing key, as it lies in the database.
#[derive(Clone, Debug)]
pub struct WrappedKey {
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// Its name on the wire.
    pub kid: String,
    /// The private key, sealed.
    pub wrapped: Vec<u8>,
}

/// Copies the database of this directory as it is at one moment into a new file, while others read and write it.
///
/// # Errors
///
/// [`OpenError`] when it cannot be read or the file cannot be written.
pub fn snapshot(directory: &Path, target: &Path) -> Result<Snapshot, OpenError> {
    let io = |source| OpenError::Io { path: target.to_owned(), source };
    let source = directory.join(FILE_NAME);
    let sql = |error| open::classify(&source, error);
    // SQLite fills an empty file, and its rights stay what they are.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(io)?;
    let connection = open::open_writer(&source).map_err(sql)?;
    // One read transaction: writers go on beside it, and none of what they do comes in.
    let text = target.to_str().ok_or_else(|| io(std::io::Error::other("the path is no UTF-8")))?;
    connection.execute("VACUUM INTO ?1", [text]).map_err(sql)?;
    drop(connection);
    File::open(target).and_then(|file| file.sync_all()).map_err(io)?;
    let copy = Connection::open(target).map_err(sql)?;
    describe(&copy).map_err(sql)
}

/// What a database file holds, as its backup says of it.
///
/// # Errors
///
/// [`OpenError`] when it cannot be read, or was written by a newer version of the product.
pub fn facts(file: &Path) -> Result<Snapshot, OpenError> {
    let sql = |error| open::classify(file, error);
    let snapshot = describe(&Connection::open(file).map_err(sql)?).map_err(sql)?;
    match usize::try_from(snapshot.schema_version) {
        Ok(found) if found > open::MIGRATIONS.len() => {
            Err(OpenError::Newer { path: file.to_owned(), found, known: open::MIGRATIONS.len() })
        }
        _ => Ok(snapshot),
    }
}

fn describe(connection: &Connection) -> rusqlite::Result<Snapshot> {
    Ok(Snapshot {
        head: log::read_head(connection)?.position,
        schema_version: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
    })
}

/// Makes a snapshot a store of its own, before it is opened as one: its log goes on far ahead, under another link, so that no node
/// takes it for the store that it was.
///
/// # Errors
///
/// [`OpenError`] when the file cannot be written.
pub fn detach(file: &Path, now: Timestamp, entropy: &dyn Entropy) -> Result<Snapshot, OpenError> {
    let sql = |error| open::classify(file, error);
    let connection = Connection::open(file).map_err(sql)?;
    let before = log::read_head(&connection).map_err(sql)?;
    let mut link = [0; 8];
    entropy.fill(&mut link);
    let elapsed = now.as_unix_seconds().saturating_sub(before.latest_at.as_unix_seconds());
    // Capped, so that no clock moves the log beyond what JSON counts exactly.
    let ahead = RESTORED_AHEAD + elapsed.min(u64::from(u32::MAX)) * AHEAD_PER_SECOND;
    let seq = Seq::from_number(before.position.seq.as_number() + ahead);
    let link = Link::from_bits(u64::from_le_bytes(link)).as_bits().cast_signed();
    connection
        .execute("UPDATE head SET seq = ?1, link = ?2 WHERE id = 1", params![seq.as_stored(), link])
        .map_err(sql)?;
    describe(&connection).map_err(sql)
}

/// What is wrong with a database file, one sentence each; nothing when it is whole. It may be in use.
///
/// # Errors
///
/// [`OpenError`] when it cannot be read at all.
pub fn examine(file: &Path) -> Result<Vec<String>, OpenError> {
    let sql = |error| open::classify(file, error);
    let connection = Connection::open(file).map_err(sql)?;
    connection.pragma_update(None, "query_only", true).map_err(sql)?;
    let examined = || -> rusqlite::Result<Vec<String>> {
        // One transaction, so that what is compared is of one moment.
        let moment = connection.unchecked_transaction()?;
        let mut findings = Vec::new();
        let mut statement = moment.prepare("PRAGMA integrity_check(20)")?;
        let lines: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        findings.extend(lines.into_iter().filter(|line| line != "ok"));
        let count = |sql: &str| -> rusqlite::Result<i64> { moment.query_row(sql, [], |row| row.get(0)) };
        let beyond = count("SELECT count(*) FROM log WHERE seq > (SELECT seq FROM head)")?;
        if beyond > 0 {
            findings.push(format!("{beyond} rows of the log lie beyond its head"));
        }
        let cuts = "(SELECT cut_at FROM realms UNION ALL SELECT cut_at FROM clients UNION ALL SELECT cut_at FROM users \
                    UNION ALL SELECT cut_at FROM sessions UNION ALL SELECT cut_at FROM grants UNION ALL SELECT cut_at FROM signing_keys)";
        let late = count(&format!("SELECT count(*) FROM {cuts} WHERE cut_at > (SELECT seq FROM head)"))?;
        if late > 0 {
            findings.push(format!("{late} records carry a cut beyond the head of the log"));
        }
        let lost = count(
            "SELECT count(*) FROM log l WHERE l.seq > (SELECT min(seq) FROM log) \
             AND NOT EXISTS (SELECT 1 FROM log p WHERE p.seq = l.seq - 1)",
        )?;
        // A restore leaves one gap, where the log goes on far ahead.
        let jumps = count(&format!(
            "SELECT count(*) FROM log l WHERE l.seq > (SELECT min(seq) FROM log) \
             AND NOT EXISTS (SELECT 1 FROM log p WHERE p.seq = l.seq - 1) \
             AND NOT EXISTS (SELECT 1 FROM log p WHERE p.seq < l.seq AND p.seq > l.seq - {RESTORED_AHEAD})"
        ))?;
        if lost > jumps {
            findings.push(format!("the log has {} gaps", lost - jumps));
        }
        findings.extend(examine_links(&moment)?);
        let never = Hour::NEVER.as_number();
        for (table, column) in [("access_tokens", "access"), ("refresh_tokens", "refresh")] {
            let misplaced = count(&format!(
                "SELECT count(*) FROM {table} WHERE (id >> 40) < {never} AND (id >> 40) <> expires_at / 3600"
            ))?;
            if misplaced > 0 {
                findings.push(format!("{misplaced} {column} tokens do not lie in the hour of their expiry"));
            }
        }
        Ok(findings)
    };
    examined().map_err(sql)
}

/// What is wrong with how the rows of the log hang together, and with the head that names the last of them.
fn examine_links(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings = Vec::new();
    let count = |sql: &str| -> rusqlite::Result<i64> { connection.query_row(sql, [], |row| row.get(0)) };
    // Nothing has a place in the log twice: a link is random, and so is the id of an event.
    let repeated = count("SELECT count(*) - min(count(DISTINCT link), count(DISTINCT event_id)) FROM log")?;
    if repeated > 0 {
        findings.push(format!("{repeated} rows of the log repeat the link or the event of another"));
    }
    let back = count(
        "SELECT count(*) FROM (SELECT at, latest_at, lag(latest_at, 1, 0) OVER (ORDER BY seq) AS before FROM log) \
         WHERE latest_at < before OR latest_at < at",
    )?;
    if back > 0 {
        findings.push(format!("the latest time of {back} rows of the log goes back"));
    }
    let head = log::read_head(connection)?;
    let last = connection
        .query_row("SELECT seq, link, latest_at FROM log ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    // Where everything was forgotten, the head alone is left.
    let Some((seq, link, latest_at)) = last else { return Ok(findings) };
    let missing = head.position.seq.as_number().saturating_sub(Seq::from_stored(seq).as_number());
    if missing == 0 && head.position.link != Link::from_bits(link.cast_unsigned()) {
        findings.push("the head of the log has another link than its last row".to_owned());
    }
    // A restore moves the head far ahead of the last row.
    if missing > 0 && missing < RESTORED_AHEAD {
        findings.push(format!("the log ends {missing} rows before its head"));
    }
    if head.latest_at.as_stored() < latest_at {
        findings.push("the head of the log is older than its last row".to_owned());
    }
    Ok(findings)
}

/// The wrapped signing keys of a database file, and a setting of it.
///
/// # Errors
///
/// [`OpenError`] when it cannot be read.
pub fn wrapped_keys(file: &Path) -> Result<Vec<WrappedKey>, OpenError> {
    let sql = |error| open::classify(file, error);
    let connection = Connection::open(file).map_err(sql)?;
    let mut statement = connection
        .prepare("SELECT realm, kid, wrapped_private_key FROM signing_keys WHERE length(wrapped_private_key) > 0 ORDER BY id")
        .map_err(sql)?;
    let keys = statement
        .query_map([], |row| {
            Ok(WrappedKey { realm: Id::from_stored(row.get(0)?), kid: row.get(1)?, wrapped: row.get(2)? })
        })
        .map_err(sql)?;
    keys.collect::<rusqlite::Result<_>>().map_err(sql)
}

/// A setting in a database file.
///
/// # Errors
///
/// [`OpenError`] when it cannot be read.
pub fn setting(file: &Path, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let sql = |error| open::classify(file, error);
    let connection = Connection::open(file).map_err(sql)?;
    reads::setting(&connection, name).map_err(sql)
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
