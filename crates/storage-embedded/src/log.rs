//! The log as rows: its head, its events, and the search by time.

use lydian_primitives::{Entropy, Timestamp};
use lydian_revocation::{CutKind, Event, Link, LogPosition, LogRow, Reach, RecordKind, Seq};
use rusqlite::{Connection, Row, params};

use crate::columns::{Columns, Malformed};

/// The last row of the log, with the latest time that any row carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: LogPosition,
    pub(crate) latest_at: Timestamp,
}

impl Head {
    /// The row that follows with this event; the head moves on to it.
    pub(crate) fn append(
        &mut self,
        event: Event,
        reach: Reach,
        at: Timestamp,
        entropy: &dyn Entropy,
    ) -> LogRow {
        let mut random = [0_u8; 24];
        entropy.fill(&mut random);
        let (link, event_id) = random.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let row = LogRow {
            seq: self.position.seq.next(),
            link: Link::from_bits(number(link) as u64),
            event_id: number(event_id),
            at,
            event,
            reach,
        };
        self.position = row.position();
        self.latest_at = self.latest_at.max(at);
        row
    }
}

pub(crate) fn read_head(connection: &Connection) -> rusqlite::Result<Head> {
    connection.prepare_cached("SELECT seq, link, latest_at FROM head WHERE id = 1")?.query_row([], |row| {
        let mut columns = Columns::of(row);
        let position = LogPosition { seq: columns.seq()?, link: Link::from_bits(columns.unsigned()?) };
        Ok(Head { position, latest_at: columns.timestamp()? })
    })
}

pub(crate) fn write_head(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
    let Head { position, latest_at } = head;
    connection
        .prepare_cached("UPDATE head SET seq = ?1, link = ?2, latest_at = ?3 WHERE id = 1")?
        .execute(params![
            position.seq.as_stored(),
            position.link.as_bits().cast_signed(),
            latest_at.as_stored()
        ])
        .map(drop)
}

pub(crate) fn write_row(connection: &Connection, row: &LogRow, latest_at: Timestamp) -> rusqlite::Result<()> {
    let (kind, subject, expires_at) = encode(row.event);
    connection
        .prepare_cached(
            "INSERT INTO log (seq, link, event_id, at, latest_at, kind, subject, expires_at, realm, api, name) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            row.seq.as_stored(),
            row.link.as_bits().cast_signed(),
            row.event_id.to_be_bytes().as_slice(),
            row.at.as_stored(),
            latest_at.as_stored(),
            kind,
            subject,
            expires_at,
            row.reach.realm.map(u64::cast_signed),
            row.reach.api.map(u64::cast_signed),
            row.reach.name.map(u128::to_be_bytes),
        ])
        .map(drop)
}

pub(crate) fn rows_after(connection: &Connection, seq: Seq, limit: usize) -> rusqlite::Result<Vec<LogRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, link, event_id, at, kind, subject, expires_at, realm, api, name FROM log \
         WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map(params![seq.as_stored(), limit], read_row)?.collect()
}

/// The first row written at `at` or later, by a search over the latest times, which only grow.
pub(crate) fn position_at(connection: &Connection, at: Timestamp) -> rusqlite::Result<Seq> {
    let after_head = read_head(connection)?.position.seq.next();
    let ends: (Option<i64>, Option<i64>) = connection
        .prepare_cached("SELECT (SELECT min(seq) FROM log), (SELECT max(seq) FROM log)")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = ends else { return Ok(after_head) };
    let mut low = first;
    let mut high = last + 1;
    // The first row from a number on: a restore leaves a gap, where the log goes on far ahead.
    let sql = "SELECT seq, latest_at FROM log WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    let mut row_from = connection.prepare_cached(sql)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let (seq, latest_at): (i64, i64) =
            row_from.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if latest_at >= at.as_stored() {
            high = middle;
        } else {
            low = seq + 1;
        }
    }
    if low > last {
        return Ok(after_head);
    }
    Ok(Seq::from_stored(low))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<LogRow> {
    let mut columns = Columns::of(row);
    Ok(LogRow {
        seq: columns.seq()?,
        link: Link::from_bits(columns.unsigned()?),
        event_id: u128::from_be_bytes(columns.array()?),
        at: columns.timestamp()?,
        event: {
            let kind = columns.integer()?;
            let subject = u128::from(columns.unsigned()?);
            let expires_at = columns.optional_integer()?.map(Timestamp::from_stored);
            decode(kind, subject, expires_at).ok_or_else(|| {
                let malformed = Box::new(Malformed("an event of the log"));
                rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Integer, malformed)
            })?
        },
        reach: Reach {
            realm: columns.optional_integer()?.map(i64::cast_unsigned),
            api: columns.optional_integer()?.map(i64::cast_unsigned),
            name: columns.optional_array()?.map(u128::from_be_bytes),
        },
    })
}

// These numbers lie in databases: they are never given another meaning.
const REVOKED: i64 = 1;
const USER_CHANGED: i64 = 2;
const CUTS: [(i64, CutKind); 6] = [
    (10, CutKind::Client),
    (11, CutKind::Grant),
    (12, CutKind::Key),
    (13, CutKind::Realm),
    (14, CutKind::Session),
    (15, CutKind::User),
];
const RECORDS: [(i64, RecordKind); 4] =
    [(20, RecordKind::Api), (21, RecordKind::Client), (22, RecordKind::Key), (23, RecordKind::Realm)];

fn encode(event: Event) -> (i64, i64, Option<i64>) {
    // Subjects of the server's own log are ids, which fit 63 bits.
    let stored = |subject: u128| (subject as u64).cast_signed();
    match event {
        Event::Cut { kind, subject } => (number_of(&CUTS, kind), stored(subject), None),
        Event::RecordChanged { kind, record } => (number_of(&RECORDS, kind), stored(record), None),
        Event::Revoked { token, expires_at } => (REVOKED, stored(token), Some(expires_at.as_stored())),
        Event::UserChanged { user } => (USER_CHANGED, stored(user), None),
    }
}

fn decode(number: i64, subject: u128, expires_at: Option<Timestamp>) -> Option<Event> {
    if let Some((_, kind)) = CUTS.iter().find(|(known, _)| *known == number) {
        return Some(Event::Cut { kind: *kind, subject });
    }
    if let Some((_, kind)) = RECORDS.iter().find(|(known, _)| *known == number) {
        return Some(Event::RecordChanged { kind: *kind, record: subject });
    }
    match number {
        REVOKED => Some(Event::Revoked { token: subject, expires_at: expires_at? }),
        USER_CHANGED => Some(Event::UserChanged { user: subject }),
        _ => None,
    }
}

fn number_of<K: PartialEq>(table: &[(i64, K)], kind: K) -> i64 {
    table
        .iter()
        .find(|(_, known)| *known == kind)
        .map(|(number, _)| *number)
        .expect("the table holds every kind")
}
