//! The end of the log in memory, and what of the whole log can still matter, grouped by whom it concerns.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use lydian_domain::ApiId;
use lydian_domain::introspect::HORIZON;
use lydian_primitives::{Timestamp, limits};
use lydian_revocation::feed::FeedKind;
use lydian_revocation::{CutKind, Event, LogPosition, LogRow, Reach, RecordKind, Seq};

use super::Missed;

/// Finds the key of a name that a row does not carry: rows of schema 4 and before.
pub type NameOf<'a> = dyn Fn(CutKind, u64) -> Option<u128> + 'a;

/// Entries that are shared between the log and the snapshots of it.
const CHUNK: usize = 4_096;

/// Whom something concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Group {
    /// Every API of the install: rows of which nothing is known.
    Everybody,
    /// The APIs of a realm.
    Realm(u64),
    /// One API.
    Api(u64),
}

impl Group {
    /// `None` for what no API can hold: tokens for the issuer itself.
    fn of(reach: &Reach) -> Option<Self> {
        match (reach.api, reach.realm) {
            (Some(Reach::ISSUER), _) => None,
            (Some(api), _) => Some(Self::Api(api)),
            (None, Some(realm)) => Some(Self::Realm(realm)),
            (None, None) => Some(Self::Everybody),
        }
    }
}

/// An event in the words of the store, before a view turns it into handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    /// The id of the store, or the key of a name in two halves.
    subject: [u64; 2],
    until: u32,
    pub(super) kind: FeedKind,
}

impl Entry {
    fn of(row: &LogRow, name_of: &NameOf<'_>) -> Option<Self> {
        let horizon = row.at.plus_seconds(HORIZON.as_secs());
        let entry = |kind, subject: u128, until: Timestamp| Self {
            seq: row.seq,
            subject: [(subject >> 64) as u64, subject as u64],
            until: u32::try_from(until.as_unix_seconds()).unwrap_or(u32::MAX),
            kind,
        };
        match row.event {
            Event::Cut { kind: kind @ (CutKind::Client | CutKind::Key), subject } => {
                let Some(name) = row.reach.name.or_else(|| name_of(kind, subject as u64)) else {
                    tracing::warn!(seq = %row.seq, "a cut of an earlier version names nobody that validators know");
                    return None;
                };
                Some(entry(kind.into(), name, horizon))
            }
            Event::Cut { kind, subject } => Some(entry(kind.into(), subject, horizon)),
            Event::RecordChanged { kind: RecordKind::Api, .. } => Some(entry(FeedKind::ApiFacts, 0, horizon)),
            Event::RecordChanged { .. } => None,
            Event::Revoked { token, expires_at } => {
                Some(entry(FeedKind::Token, token, expires_at.min(horizon)))
            }
            Event::UserChanged { user } => Some(entry(FeedKind::SubjectFacts, user, horizon)),
        }
    }

    /// The id of the store.
    pub(super) fn number(&self) -> u64 {
        self.subject[1]
    }

    /// The key of a name.
    pub(super) fn name(&self) -> u128 {
        u128::from(self.subject[0]) << 64 | u128::from(self.subject[1])
    }

    pub(super) fn until(&self) -> Timestamp {
        Timestamp::from_unix_seconds(u64::from(self.until))
    }
}

struct Row {
    position: LogPosition,
    event: Option<(Group, Entry)>,
}

/// What concerns one group: its last number, and what can still matter.
#[derive(Default)]
struct Kept {
    last: Seq,
    sealed: Vec<Arc<Vec<Entry>>>,
    open: Vec<Entry>,
}

impl Kept {
    fn push(&mut self, entry: Entry) {
        self.last = self.last.max(entry.seq);
        self.open.push(entry);
        if self.open.len() == CHUNK {
            self.sealed.push(Arc::new(std::mem::take(&mut self.open)));
        }
    }

    fn forget(&mut self, mark: Timestamp) {
        let alive = |entry: &Entry| entry.until() > mark;
        self.sealed.retain(|chunk| chunk.iter().any(alive));
        self.open.retain(alive);
    }
}

/// The events of a view after a position.
pub(super) struct Found {
    pub(super) after: LogPosition,
    pub(super) through: LogPosition,
    pub(super) entries: Vec<Entry>,
    /// Whether more follows after `through`.
    pub(super) is_cut_off: bool,
}

/// Everything of a view that can still matter, as it was at one position.
pub(super) struct Everything {
    position: LogPosition,
    chunks: Vec<Arc<Vec<Entry>>>,
}

impl Everything {
    pub(super) fn position(&self) -> LogPosition {
        self.position
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn into_chunks(self) -> std::vec::IntoIter<Arc<Vec<Entry>>> {
        self.chunks.into_iter()
    }
}

/// The end of the log, and what can still matter of all of it.
pub(super) struct RecentLog {
    head: LogPosition,
    /// The position before the first row that is kept, if it is known.
    base: Option<LogPosition>,
    rows: VecDeque<Row>,
    kept: HashMap<Group, Kept>,
    records_changed: u64,
}

impl RecentLog {
    pub(super) fn new(head: LogPosition) -> Self {
        Self { head, base: Some(head), rows: VecDeque::new(), kept: HashMap::new(), records_changed: 0 }
    }

    pub(super) fn head(&self) -> LogPosition {
        self.head
    }

    /// Grows with each change of a record that nodes keep in memory.
    pub(super) fn records_changed(&self) -> u64 {
        self.records_changed
    }

    pub(super) fn append(&mut self, rows: &[LogRow], name_of: &NameOf<'_>) {
        for row in rows {
            self.enter(row, name_of);
            self.head = row.position();
        }
    }

    pub(super) fn restore(&mut self, rows: &[LogRow], name_of: &NameOf<'_>) {
        let head = self.head.seq;
        // Of what came before the first row only the beginning of all logs is known.
        let is_first = rows.first().is_none_or(|row| row.seq == Seq::ZERO.next());
        if self.rows.is_empty() && head > Seq::ZERO {
            self.base = is_first.then(LogPosition::default);
        }
        for row in rows.iter().filter(|row| row.seq <= head) {
            self.enter(row, name_of);
        }
    }

    fn enter(&mut self, row: &LogRow, name_of: &NameOf<'_>) {
        self.records_changed += u64::from(matches!(row.event, Event::RecordChanged { .. }));
        let event = Group::of(&row.reach).and_then(|group| Some((group, Entry::of(row, name_of)?)));
        if let Some((group, entry)) = event {
            self.kept.entry(group).or_default().push(entry);
        }
        if self.rows.len() == limits::FEED_ROWS_MAX {
            self.base = self.rows.pop_front().map(|row| row.position);
        }
        self.rows.push_back(Row { position: row.position(), event });
    }

    pub(super) fn forget(&mut self, mark: Timestamp) {
        self.kept.values_mut().for_each(|kept| kept.forget(mark));
    }

    /// The position with this number, if it is known: the head, or a row that is kept.
    pub(super) fn position_at(&self, seq: Seq) -> Option<LogPosition> {
        if let Some(known) = [Some(self.head), self.base].into_iter().flatten().find(|known| known.seq == seq)
        {
            return Some(known);
        }
        let index = self.rows.binary_search_by_key(&seq, |row| row.position.seq).ok()?;
        self.rows.get(index).map(|row| row.position)
    }

    /// The number of the last event of a view.
    pub(super) fn last(&self, groups: &[Group]) -> Seq {
        let last = |group: &Group| self.kept.get(group).map(|kept| kept.last);
        groups.iter().filter_map(last).max().unwrap_or_default()
    }

    /// A number that moves when something happens to an API.
    pub(super) fn last_for_api(&self, api: ApiId) -> Seq {
        // The realm of an API never changes, but the pump does not know it: what concerns any realm counts.
        let of_realms = self.kept.iter().filter(|(group, _)| matches!(group, Group::Realm(_)));
        let of_realms = of_realms.map(|(_, kept)| kept.last).max().unwrap_or_default();
        self.last(&[Group::Everybody, Group::Api(api.as_number())]).max(of_realms)
    }

    /// The events of a view after a number, as many as a batch holds.
    pub(super) fn events_after(&self, groups: &[Group], after: Seq) -> Result<Found, Missed> {
        let after = self.position_at(after).ok_or(Missed)?;
        let mut found = Found { after, through: self.head, entries: Vec::new(), is_cut_off: false };
        for (entry, position) in self.rows_after(groups, after.seq) {
            if found.entries.len() == limits::FEED_BATCH_EVENTS_MAX {
                found.is_cut_off = true;
                return Ok(found);
            }
            found.entries.push(*entry);
            if found.entries.len() == limits::FEED_BATCH_EVENTS_MAX {
                found.through = position;
            }
        }
        found.through = self.head;
        Ok(found)
    }

    /// All events of a view after a number, and the head.
    pub(super) fn all_events_after(&self, groups: &[Group], after: Seq) -> Result<(Vec<Entry>, Seq), Missed> {
        self.position_at(after).ok_or(Missed)?;
        let entries = self.rows_after(groups, after).map(|(entry, _)| *entry).collect();
        Ok((entries, self.head.seq))
    }

    fn rows_after(&self, groups: &[Group], after: Seq) -> impl Iterator<Item = (&Entry, LogPosition)> {
        let first = self.rows.partition_point(|row| row.position.seq <= after);
        self.rows.range(first..).filter_map(|row| {
            let (group, entry) = row.event.as_ref()?;
            groups.contains(group).then_some((entry, row.position))
        })
    }

    /// Everything of a view that can still matter.
    pub(super) fn everything(&self, groups: &[Group]) -> Everything {
        let mut chunks = Vec::new();
        for kept in groups.iter().filter_map(|group| self.kept.get(group)) {
            chunks.extend(kept.sealed.iter().cloned());
            if !kept.open.is_empty() {
                chunks.push(Arc::new(kept.open.clone()));
            }
        }
        Everything { position: self.head, chunks }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
