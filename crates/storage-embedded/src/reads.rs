//! The reads, as functions over a connection: the pool's, or the writer's after a commit.

use lydian_domain::{
    ApiId, Client, ClientId, Consent, DeviceAuthorization, Factor, Grant, GrantId, KeyId, RealmId, Session,
    SessionId, TokenId, User, UserId,
};
use lydian_primitives::{Hour, Id, limits};
use lydian_revocation::{CutKind, Event, LogRow, RecordKind};
use lydian_storage::{
    Issued, Parents, Record, StoredAccessToken, StoredCode, StoredDevice, StoredRefreshToken, StoredSession,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{
    Columns, access_token_columns, api_columns, client_columns, code_columns, consent_columns,
    device_columns, factor_columns, grant_columns, key_columns, realm_columns, refresh_token_columns,
    session_columns, user_columns,
};

pub(crate) fn all_records(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    // One transaction, so that the records are of one moment.
    let snapshot = connection.unchecked_transaction()?;
    let mut records = Vec::new();
    let mut collect =
        |sql: &str, read: fn(&mut Columns<'_>) -> rusqlite::Result<Record>| -> rusqlite::Result<()> {
            let mut statement = snapshot.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                records.push(read(&mut Columns::of(row))?);
            }
            Ok(())
        };
    collect(concat!("SELECT ", realm_columns!(), " FROM realms r ORDER BY r.id"), |columns| {
        columns.realm().map(Record::Realm)
    })?;
    collect(concat!("SELECT ", api_columns!(), " FROM apis a ORDER BY a.id"), |columns| {
        columns.api().map(Record::Api)
    })?;
    collect(concat!("SELECT ", client_columns!(), " FROM clients c ORDER BY c.id"), |columns| {
        columns.client().map(Record::Client)
    })?;
    collect(concat!("SELECT ", key_columns!(), " FROM signing_keys k ORDER BY k.id"), |columns| {
        columns.key().map(Record::Key)
    })?;
    Ok(records)
}

/// The record as it is now.
pub(crate) fn record(connection: &Connection, kind: RecordKind, id: u64) -> rusqlite::Result<Option<Record>> {
    let (sql, read): (&str, fn(&mut Columns<'_>) -> rusqlite::Result<Record>) = match kind {
        RecordKind::Api => (concat!("SELECT ", api_columns!(), " FROM apis a WHERE a.id = ?1"), |columns| {
            columns.api().map(Record::Api)
        }),
        RecordKind::Client => {
            (concat!("SELECT ", client_columns!(), " FROM clients c WHERE c.id = ?1"), |columns| {
                columns.client().map(Record::Client)
            })
        }
        RecordKind::Key => {
            (concat!("SELECT ", key_columns!(), " FROM signing_keys k WHERE k.id = ?1"), |columns| {
                columns.key().map(Record::Key)
            })
        }
        RecordKind::Realm => {
            (concat!("SELECT ", realm_columns!(), " FROM realms r WHERE r.id = ?1"), |columns| {
                columns.realm().map(Record::Realm)
            })
        }
    };
    one(connection, sql, [stored(id)], |row| read(&mut Columns::of(row)))
}

/// The records that these rows of the log name, each once, as they are now.
pub(crate) fn records_of(connection: &Connection, rows: &[LogRow]) -> rusqlite::Result<Vec<Record>> {
    let mut named: Vec<(RecordKind, u128)> = rows
        .iter()
        .filter_map(|row| match row.event {
            Event::RecordChanged { kind, record } => Some((kind, record)),
            Event::Cut { kind, subject } => match kind {
                CutKind::Client => Some((RecordKind::Client, subject)),
                CutKind::Key => Some((RecordKind::Key, subject)),
                CutKind::Realm => Some((RecordKind::Realm, subject)),
                CutKind::Grant | CutKind::Session | CutKind::User => None,
            },
            Event::Revoked { .. } | Event::UserChanged { .. } => None,
        })
        .collect();
    named.sort_unstable();
    named.dedup();
    let mut records = Vec::with_capacity(named.len());
    for (kind, id) in named {
        match record(connection, kind, id as u64)? {
            Some(record) => records.push(record),
            // A cut may name what never was; a change names what was, so that what is not there now is gone.
            None if rows.iter().any(|row| row.event == Event::RecordChanged { kind, record: id }) => {
                records.push(Record::Removed { kind, id: id as u64 });
            }
            None => {}
        }
    }
    Ok(records)
}

pub(crate) const FIND_ACCESS_TOKEN: &str = concat!(
    "SELECT ",
    access_token_columns!(),
    ", u.username, u.subject, g.authenticated_at, g.methods FROM access_tokens t LEFT JOIN users u ON u.id = t.user \
      LEFT JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1"
);

pub(crate) fn access_token(
    connection: &Connection,
    id: TokenId,
) -> rusqlite::Result<Option<StoredAccessToken>> {
    one(connection, FIND_ACCESS_TOKEN, [id.as_stored()], |row| Columns::of(row).access_token())
}

pub(crate) fn refresh_token(
    connection: &Connection,
    id: TokenId,
) -> rusqlite::Result<Option<StoredRefreshToken>> {
    const SQL: &str = concat!(
        "SELECT ",
        refresh_token_columns!(),
        ", ",
        grant_columns!(),
        ", ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM refresh_tokens t LEFT JOIN grants g ON g.id = t.grant_id LEFT JOIN sessions s ON s.id = t.session \
          LEFT JOIN users u ON u.id = t.user WHERE t.id = ?1"
    );
    one(connection, SQL, [id.as_stored()], |row| Columns::of(row).refresh_token())
}

pub(crate) fn parents(
    connection: &Connection,
    grant: GrantId,
    session: Option<SessionId>,
    user: Option<UserId>,
) -> rusqlite::Result<Parents> {
    const SQL: &str = concat!(
        "SELECT ",
        grant_columns!(),
        ", ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM (SELECT ?1 AS grant_id, ?2 AS session, ?3 AS user) t LEFT JOIN grants g ON g.id = t.grant_id \
          LEFT JOIN sessions s ON s.id = t.session LEFT JOIN users u ON u.id = t.user"
    );
    let ids = params![grant.as_stored(), session.map(Id::as_stored), user.map(Id::as_stored)];
    connection.prepare_cached(SQL)?.query_row(ids, |row| Columns::of(row).parents())
}

pub(crate) fn standing_grant(
    connection: &Connection,
    client: ClientId,
    api: Option<ApiId>,
) -> rusqlite::Result<Option<GrantId>> {
    const SQL: &str = "SELECT id FROM grants WHERE client = ?1 AND ifnull(api, -1) = ?2 AND user IS NULL";
    let api = api.map_or(-1, Id::as_stored);
    one(connection, SQL, [client.as_stored(), api], |row| Columns::of(row).id())
}

pub(crate) fn username(connection: &Connection, user: UserId) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT username FROM users WHERE id = ?1";
    one(connection, sql, [user.as_stored()], |row| Columns::of(row).text().map(str::to_owned))
}

pub(crate) fn authorization_code(
    connection: &Connection,
    id: TokenId,
) -> rusqlite::Result<Option<StoredCode>> {
    const SQL: &str = concat!(
        "SELECT ",
        code_columns!(),
        ", ",
        grant_columns!(),
        ", ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM authorization_codes t LEFT JOIN grants g ON g.id = t.grant_id LEFT JOIN sessions s ON s.id = t.session \
          LEFT JOIN users u ON u.id = t.user WHERE t.id = ?1"
    );
    one(connection, SQL, [id.as_stored()], |row| Columns::of(row).authorization_code())
}

pub(crate) fn device(connection: &Connection, id: TokenId) -> rusqlite::Result<Option<StoredDevice>> {
    const SQL: &str = concat!(
        "SELECT ",
        device_columns!(),
        ", ",
        grant_columns!(),
        ", ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM device_authorizations t LEFT JOIN grants g ON g.id = t.grant_id LEFT JOIN sessions s ON s.id = g.session \
          LEFT JOIN users u ON u.id = g.user WHERE t.id = ?1"
    );
    one(connection, SQL, [id.as_stored()], |row| {
        let mut columns = Columns::of(row);
        Ok(StoredDevice { device: columns.device()?, parents: columns.parents()? })
    })
}

pub(crate) fn device_by_user_code(
    connection: &Connection,
    realm: RealmId,
    user_code: &str,
) -> rusqlite::Result<Option<DeviceAuthorization>> {
    const SQL: &str = concat!(
        "SELECT ",
        device_columns!(),
        " FROM device_authorizations t WHERE t.realm = ?1 AND t.user_code = ?2"
    );
    one(connection, SQL, params![realm.as_stored(), user_code], |row| Columns::of(row).device())
}

pub(crate) fn session(connection: &Connection, id: SessionId) -> rusqlite::Result<Option<StoredSession>> {
    const SQL: &str = concat!(
        "SELECT ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM sessions s JOIN users u ON u.id = s.user WHERE s.id = ?1"
    );
    one(connection, SQL, [id.as_stored()], |row| {
        let mut columns = Columns::of(row);
        Ok(StoredSession { session: columns.session()?, user: columns.user()? })
    })
}

pub(crate) fn user(connection: &Connection, user: UserId) -> rusqlite::Result<Option<User>> {
    const SQL: &str = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id = ?1");
    one(connection, SQL, [user.as_stored()], |row| Columns::of(row).user())
}

pub(crate) fn user_by_name(
    connection: &Connection,
    realm: RealmId,
    username: &str,
) -> rusqlite::Result<Option<User>> {
    const SQL: &str =
        concat!("SELECT ", user_columns!(), " FROM users u WHERE u.realm = ?1 AND u.username = ?2");
    one(connection, SQL, params![realm.as_stored(), username], |row| Columns::of(row).user())
}

pub(crate) fn user_by_subject(
    connection: &Connection,
    realm: RealmId,
    subject: &str,
) -> rusqlite::Result<Option<User>> {
    const SQL: &str =
        concat!("SELECT ", user_columns!(), " FROM users u WHERE u.realm = ?1 AND u.subject = ?2");
    one(connection, SQL, params![realm.as_stored(), subject], |row| Columns::of(row).user())
}

pub(crate) fn users(
    connection: &Connection,
    realm: RealmId,
    after: UserId,
    limit: usize,
) -> rusqlite::Result<Vec<User>> {
    const SQL: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users u WHERE u.realm = ?1 AND u.id > ?2 ORDER BY u.id LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![realm.as_stored(), after.as_stored(), limit], |row| Columns::of(row).user())?;
    rows.collect()
}

/// The expression is that of the index `users_by_email`, letter by letter.
pub(crate) const USERS_BY_EMAIL: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM users u WHERE u.realm = ?1 AND lower(json_extract(u.profile, '$.email')) = ?2 ORDER BY u.id LIMIT ?3"
);

pub(crate) fn users_by_email(
    connection: &Connection,
    realm: RealmId,
    email: &str,
    limit: usize,
) -> rusqlite::Result<Vec<User>> {
    let mut statement = connection.prepare_cached(USERS_BY_EMAIL)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![realm.as_stored(), email, limit], |row| Columns::of(row).user())?;
    rows.collect()
}

pub(crate) fn consents(
    connection: &Connection,
    user: UserId,
    client: ClientId,
) -> rusqlite::Result<Vec<Consent>> {
    const SQL: &str = concat!(
        "SELECT ",
        consent_columns!(),
        " FROM consents n WHERE n.user = ?1 AND n.client = ?2 ORDER BY ifnull(n.api, -1)"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let rows =
        statement.query_map([user.as_stored(), client.as_stored()], |row| Columns::of(row).consent())?;
    rows.collect()
}

pub(crate) fn grants_of_user(
    connection: &Connection,
    user: UserId,
    after: GrantId,
    limit: usize,
) -> rusqlite::Result<Vec<Grant>> {
    const SQL: &str = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants g WHERE g.user = ?1 AND g.id > ?2 ORDER BY g.id LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        statement.query_map([user.as_stored(), after.as_stored(), limit], |row| Columns::of(row).grant())?;
    rows.collect()
}

pub(crate) fn sessions_of_user(
    connection: &Connection,
    user: UserId,
    after: SessionId,
    limit: usize,
) -> rusqlite::Result<Vec<Session>> {
    const SQL: &str = concat!(
        "SELECT ",
        session_columns!(),
        " FROM sessions s WHERE s.user = ?1 AND s.id > ?2 ORDER BY s.id LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map([user.as_stored(), after.as_stored(), limit], |row| Columns::of(row).session())?;
    rows.collect()
}

pub(crate) fn factors_of_user(connection: &Connection, user: UserId) -> rusqlite::Result<Vec<Factor>> {
    const SQL: &str =
        concat!("SELECT ", factor_columns!(), " FROM factors f WHERE f.user = ?1 ORDER BY f.id LIMIT ?2");
    let mut statement = connection.prepare_cached(SQL)?;
    let limit = i64::try_from(limits::FACTORS_MAX).unwrap_or(i64::MAX);
    let rows = statement.query_map([user.as_stored(), limit], |row| Columns::of(row).factor())?;
    rows.collect()
}

pub(crate) fn passkey(
    connection: &Connection,
    realm: RealmId,
    credential: &[u8],
) -> rusqlite::Result<Option<Factor>> {
    const SQL: &str =
        concat!("SELECT ", factor_columns!(), " FROM factors f WHERE f.realm = ?1 AND f.credential = ?2");
    one(connection, SQL, params![realm.as_stored(), credential], |row| Columns::of(row).factor())
}

pub(crate) fn recovery_codes_left(connection: &Connection, user: UserId) -> rusqlite::Result<usize> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user = ?1";
    let count: i64 = connection.prepare_cached(sql)?.query_row([user.as_stored()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(crate) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    one(connection, "SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
}

pub(crate) fn scan_access_tokens(
    connection: &Connection,
    realm: RealmId,
    grant: GrantId,
    after: TokenId,
    scan: usize,
) -> rusqlite::Result<(Vec<StoredAccessToken>, Option<TokenId>)> {
    // The inner query bounds the rows that are looked at; only matches are read whole.
    const SQL: &str = "SELECT id, realm, grant_id FROM access_tokens WHERE id > ?1 ORDER BY id LIMIT ?2";
    let snapshot = connection.unchecked_transaction()?;
    let mut statement = snapshot.prepare_cached(SQL)?;
    let limit = i64::try_from(scan).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![after.as_stored(), limit])?;
    let mut found = Vec::new();
    let mut looked_at = 0_usize;
    let mut last = after;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        last = TokenId::from_stored(columns.integer()?);
        looked_at += 1;
        if columns.id::<lydian_domain::Realm>()? == realm && columns.id::<lydian_domain::Grant>()? == grant {
            found.extend(access_token(&snapshot, last)?);
        }
    }
    let next = (looked_at == scan && scan > 0).then_some(last);
    Ok((found, next))
}

pub(crate) fn issued_under_key(
    connection: &Connection,
    key: KeyId,
    hour: Hour,
) -> rusqlite::Result<Vec<Issued>> {
    const SQL: &str = "SELECT hour, sum(count) FROM issued WHERE hour >= ?1 AND signing_key = ?2 GROUP BY hour ORDER BY hour";
    let mut statement = connection.prepare_cached(SQL)?;
    let rows = statement.query_map(params![hour.as_number(), key.as_stored()], |row| {
        let mut columns = Columns::of(row);
        let hour = u32::try_from(columns.integer()?).ok().and_then(Hour::from_number).unwrap_or(Hour::NEVER);
        Ok(Issued { hour, count: columns.unsigned()? })
    })?;
    rows.collect()
}

/// The version of a record, and nothing else of it.
pub(crate) fn version(connection: &Connection, kind: RecordKind, id: u64) -> rusqlite::Result<Option<u64>> {
    let sql = match kind {
        RecordKind::Api => "SELECT version FROM apis WHERE id = ?1",
        RecordKind::Client => "SELECT version FROM clients WHERE id = ?1",
        RecordKind::Key => "SELECT version FROM signing_keys WHERE id = ?1",
        RecordKind::Realm => "SELECT version FROM realms WHERE id = ?1",
    };
    one(connection, sql, [stored(id)], |row| Columns::of(row).unsigned())
}

pub(crate) fn exists(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql)?.exists(parameters)
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}

/// An id as it lies in the store: as [`Id`] drops the top bit, so does this.
pub(crate) fn stored(id: u64) -> i64 {
    Id::<Client>::from_number(id).as_stored()
}
