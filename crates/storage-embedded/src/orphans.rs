//! Deleting records, and what they leave behind: names that are never given again, and rows without an owner.

use lydian_primitives::Timestamp;
use lydian_revocation::RecordKind;
use lydian_storage::{OrphanCursor, Orphans, OwnedKind};
use rusqlite::params;

use crate::changes::{Failure, Transaction};
use crate::reads::stored;

/// What kind of name a deleted record leaves behind.
pub(crate) const RETIRED_AUDIENCE: i64 = 1;
pub(crate) const RETIRED_CLIENT_ID: i64 = 2;
pub(crate) const RETIRED_REALM: i64 = 3;

const NO_REALM: &str = "NOT EXISTS (SELECT 1 FROM realms p WHERE p.id = t.realm)";
const NO_CLIENT: &str = "NOT EXISTS (SELECT 1 FROM clients p WHERE p.id = t.client)";
const NO_USER: &str = "t.user IS NOT NULL AND NOT EXISTS (SELECT 1 FROM users p WHERE p.id = t.user)";

/// One table whose rows can lose their owner.
struct Owned {
    kind: OwnedKind,
    table: &'static str,
    /// When a row has lost it: any of these.
    orphaned: &'static [&'static str],
}

/// The order of the sweep: owners before what they own.
const OWNED: &[Owned] = &[
    Owned { kind: OwnedKind::Api, table: "apis", orphaned: &[NO_REALM] },
    Owned { kind: OwnedKind::Client, table: "clients", orphaned: &[NO_REALM] },
    Owned { kind: OwnedKind::Key, table: "signing_keys", orphaned: &[NO_REALM] },
    Owned { kind: OwnedKind::User, table: "users", orphaned: &[NO_REALM] },
    Owned { kind: OwnedKind::Session, table: "sessions", orphaned: &[NO_REALM, NO_USER] },
    Owned { kind: OwnedKind::Grant, table: "grants", orphaned: &[NO_REALM, NO_CLIENT, NO_USER] },
    Owned { kind: OwnedKind::Consent, table: "consents", orphaned: &[NO_REALM, NO_CLIENT, NO_USER] },
    Owned { kind: OwnedKind::Factor, table: "factors", orphaned: &[NO_REALM, NO_USER] },
    Owned { kind: OwnedKind::RecoveryCode, table: "recovery_codes", orphaned: &[NO_REALM, NO_USER] },
];

impl Transaction<'_> {
    /// Deletes a record and retires its name. A record that is not there leaves nothing behind but the row of the log.
    pub(crate) fn delete_record(&mut self, kind: RecordKind, id: u64, at: Timestamp) -> Result<(), Failure> {
        let (retire, delete) = match kind {
            RecordKind::Api => (
                Some(("SELECT realm, ?2, audience FROM apis WHERE id = ?1", RETIRED_AUDIENCE)),
                "DELETE FROM apis WHERE id = ?1",
            ),
            RecordKind::Client => (
                Some(("SELECT realm, ?2, client_id FROM clients WHERE id = ?1", RETIRED_CLIENT_ID)),
                "DELETE FROM clients WHERE id = ?1",
            ),
            // The name of a key is the thumbprint of its public part: no other key can have it.
            RecordKind::Key => (None, "DELETE FROM signing_keys WHERE id = ?1"),
            RecordKind::Realm => (
                Some(("SELECT 0, ?2, name FROM realms WHERE id = ?1", RETIRED_REALM)),
                "DELETE FROM realms WHERE id = ?1",
            ),
        };
        let id_stored = stored(id);
        if let Some((select, name_kind)) = retire {
            let sql = format!("INSERT OR IGNORE INTO retired_names (realm, kind, name) {select}");
            self.run(at, &sql, params![id_stored, name_kind])?;
        }
        self.run(at, delete, [id_stored])?;
        self.record_changed(kind, id, at)
    }

    /// Looks at `scan` rows from the cursor on and deletes those whose owner is gone.
    pub(crate) fn sweep_orphans(&mut self, after: OrphanCursor, scan: usize) -> Result<Orphans, Failure> {
        let mut orphans = Orphans::default();
        let mut left = scan.max(1);
        let mut cursor = after;
        while let Some(owned) = OWNED.get(cursor.table) {
            let (looked_at, last, gone) = self.orphans_of(owned, cursor.after, left)?;
            let sql = format!("DELETE FROM {} WHERE id = ?1", owned.table);
            for id in &gone {
                self.execute(&sql, [id])?;
            }
            if !gone.is_empty() {
                orphans.removed.push((owned.kind, gone.len()));
            }
            if looked_at == left {
                orphans.next = Some(OrphanCursor { table: cursor.table, after: last });
                return Ok(orphans);
            }
            left -= looked_at;
            cursor = OrphanCursor { table: cursor.table + 1, after: 0 };
        }
        // The names of a deleted realm: its id is never given again, so nobody can take them.
        let sql = "DELETE FROM retired_names WHERE (realm, kind, name) IN (SELECT realm, kind, name FROM retired_names t \
                   WHERE t.realm <> 0 AND NOT EXISTS (SELECT 1 FROM realms p WHERE p.id = t.realm) LIMIT ?1)";
        let clean = !self.dirty;
        let names = self.execute(sql, [i64::try_from(left).unwrap_or(i64::MAX)])?;
        if names == 0 && clean {
            self.dirty = false;
        }
        orphans.next = (names == left).then_some(OrphanCursor { table: OWNED.len(), after: 0 });
        Ok(orphans)
    }

    /// How many rows were looked at, the id of the last one, and the ids of those whose owner is gone.
    fn orphans_of(&self, owned: &Owned, after: i64, rows: usize) -> Result<(usize, i64, Vec<i64>), Failure> {
        let Owned { table, orphaned, .. } = owned;
        let sql = format!(
            "SELECT t.id, ({}) FROM {table} t WHERE t.id > ?1 ORDER BY t.id LIMIT ?2",
            orphaned.join(") OR (")
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = statement.query(params![after, i64::try_from(rows).unwrap_or(i64::MAX)])?;
        let (mut looked_at, mut last, mut gone) = (0, after, Vec::new());
        while let Some(row) = found.next()? {
            last = row.get(0)?;
            looked_at += 1;
            if row.get(1)? {
                gone.push(last);
            }
        }
        Ok((looked_at, last, gone))
    }
}
