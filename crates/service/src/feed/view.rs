//! What one API sees: its own events, in its own handles.

use std::sync::Arc;

use lydian_domain::secrets::SubjectKind;
use lydian_primitives::Timestamp;
use lydian_revocation::LogPosition;
use lydian_revocation::feed::{FeedEvent, FeedKind, SnapshotHeader, SnapshotTrailer, ViewDigest};

use super::log::{Entry, Everything, Group};
use crate::directory::{ApiState, RealmState};

/// How much of a snapshot is written at a time, in bytes.
const PIECE: usize = 32 * 1024;

/// The feed as one API sees it.
#[derive(Clone)]
pub struct View {
    realm: Arc<RealmState>,
    api: Arc<ApiState>,
}

impl View {
    /// The view of an API of a realm.
    pub fn new(realm: Arc<RealmState>, api: Arc<ApiState>) -> Self {
        Self { realm, api }
    }

    /// The API.
    pub fn api(&self) -> &ApiState {
        &self.api
    }

    /// The realm.
    pub fn realm(&self) -> &Arc<RealmState> {
        &self.realm
    }

    pub(super) fn groups(&self) -> [Group; 3] {
        [
            Group::Everybody,
            Group::Realm(self.realm.realm.id.as_number()),
            Group::Api(self.api.api.id.as_number()),
        ]
    }

    /// An event in the handles that this API finds in its tokens; other APIs see others.
    pub(super) fn event(&self, entry: &Entry) -> FeedEvent {
        let handle = |kind| u128::from_be_bytes(self.api.handles.of_subject(kind, entry.number()));
        let key = match entry.kind {
            FeedKind::ApiFacts | FeedKind::Realm => 0,
            FeedKind::Client | FeedKind::Key => entry.name(),
            FeedKind::Grant => handle(SubjectKind::Grant),
            FeedKind::Session => handle(SubjectKind::Session),
            FeedKind::Subject | FeedKind::SubjectFacts => handle(SubjectKind::User),
            FeedKind::Token => {
                let handles = self.realm.secrets.token_handles();
                // Numbers beyond those of tokens cannot be in the log; one that is names nothing.
                lydian_domain::TokenId::from_number(entry.number())
                    .map_or(0, |token| u128::from_be_bytes(handles.of_token(token)))
            }
        };
        FeedEvent { seq: entry.seq, kind: entry.kind, key, until: entry.until() }
    }
}

/// What a view held at one position, written piece by piece.
pub struct Snapshot {
    epoch: u32,
    view: View,
    mark: Timestamp,
    position: LogPosition,
    chunks: std::vec::IntoIter<Arc<Vec<Entry>>>,
    rest: Option<(Arc<Vec<Entry>>, usize)>,
    state: Step,
    count: u64,
    digest: ViewDigest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Head,
    Events,
    Done,
}

impl Snapshot {
    pub(super) fn new(epoch: u32, view: View, everything: Everything, mark: Timestamp) -> Self {
        Self {
            epoch,
            view,
            mark,
            position: everything.position(),
            chunks: everything.into_chunks(),
            rest: None,
            state: Step::Head,
            count: 0,
            digest: ViewDigest::default(),
        }
    }

    /// Its position.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The next piece; `None` at the end.
    pub fn next_piece(&mut self) -> Option<String> {
        if self.state == Step::Done {
            return None;
        }
        let mut text = String::with_capacity(PIECE + 256);
        if self.state == Step::Head {
            SnapshotHeader { epoch: self.epoch, position: self.position }.write(&mut text);
            self.state = Step::Events;
        }
        while text.len() < PIECE {
            let Some((chunk, index)) = self.rest.take().or_else(|| Some((self.chunks.next()?, 0))) else {
                let digest = self.digest.value(ViewDigest::first_hour(self.mark));
                SnapshotTrailer { count: self.count, digest }.write(&mut text);
                self.state = Step::Done;
                break;
            };
            let Some(entry) = chunk.get(index) else { continue };
            if entry.until() > self.mark {
                let event = self.view.event(entry);
                event.write(None, &mut text);
                text.push('\n');
                self.digest.add(&event);
                self.count += 1;
            }
            self.rest = Some((chunk, index + 1));
        }
        Some(text)
    }
}
