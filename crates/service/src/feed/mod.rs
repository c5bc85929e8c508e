//! The revocation feed at the server: what happened lately, what can still matter, who listens, and who holds a lease.
//!
//! The node appends the rows of the log after it has published them, in the call that comes before any acknowledgement; nothing
//! here is touched by introspection. Streams pull: each has a number up to which it was told everything, and no queue. Whoever
//! falls behind what is kept loads a snapshot. Start with [`Feed::append`] and [`Feed::batch`].

mod leases;
mod log;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use lydian_domain::ApiId;
use lydian_primitives::{BootInstant, Timestamp, limits};
use lydian_revocation::feed::{Batch, Frame, StreamPosition, ViewDigest};
use lydian_revocation::{LeaseTerms, LogPosition, LogRow, Seq};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use log::RecentLog;

pub use leases::LeaseRefused;
pub use log::NameOf;
pub use view::{Snapshot, View};

/// What a stream is told that asks for more than is kept, or for another history: load a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed;

/// The feed of a node.
pub struct Feed {
    epoch: u32,
    terms: LeaseTerms,
    log: Mutex<RecentLog>,
    leases: leases::Leases,
    channels: Mutex<HashMap<ApiId, Arc<Channel>>>,
    streams: AtomicUsize,
    snapshots: AtomicUsize,
    /// The log has grown.
    grown: Notify,
    closed: watch::Sender<bool>,
    pump_runs: AtomicBool,
}

/// What the streams of one API share.
#[derive(Default)]
struct Channel {
    /// Counts the times at which something was there to be said.
    turn: watch::Sender<u64>,
    streams: AtomicUsize,
    /// The frame that was written last, for the streams that stand at the same place.
    last_frame: Mutex<Option<(Seq, Seq, Bytes)>>,
    /// The digest of the view, and up to where it goes.
    digest: Mutex<Option<(Seq, ViewDigest)>>,
}

/// A place among the streams; dropped, it is free again.
pub struct StreamPlace {
    feed: Arc<Feed>,
    channel: Arc<Channel>,
    turn: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
}

/// A place among the snapshots that are being sent.
pub struct SnapshotPlace(Arc<Feed>);

impl Feed {
    /// The feed of a store of this generation that stands at `head`.
    pub fn new(epoch: u8, terms: LeaseTerms, head: LogPosition, started: BootInstant) -> Arc<Self> {
        Arc::new(Self {
            epoch: u32::from(epoch),
            terms,
            log: Mutex::new(RecentLog::new(head)),
            leases: leases::Leases::new(started.plus(terms.wait())),
            channels: Mutex::default(),
            streams: AtomicUsize::new(0),
            snapshots: AtomicUsize::new(0),
            grown: Notify::new(),
            closed: watch::Sender::new(false),
            pump_runs: AtomicBool::new(false),
        })
    }

    /// The generation of the store.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// How long leases of validators are.
    pub fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// Takes in rows that the node has published, in order. `name_of` finds names that old rows do not carry.
    pub fn append(&self, rows: &[LogRow], name_of: &NameOf<'_>) {
        if rows.is_empty() {
            return;
        }
        self.log.lock().append(rows, name_of);
        self.grown.notify_one();
    }

    /// Takes in rows that lie at or before the head, in order: at start.
    pub fn restore(&self, rows: &[LogRow], name_of: &NameOf<'_>) {
        self.log.lock().restore(rows, name_of);
    }

    /// Forgets what can no longer matter at this mark.
    pub fn forget(&self, mark: Timestamp) {
        self.log.lock().forget(mark);
        for channel in self.channels.lock().values() {
            if let Some((_, digest)) = &mut *channel.digest.lock() {
                digest.forget_before(ViewDigest::first_hour(mark));
            }
        }
    }

    /// The position up to which streams can be told everything.
    pub fn head(&self) -> LogPosition {
        self.log.lock().head()
    }

    /// Everything of a view after `after`, in one frame; how far it goes.
    ///
    /// `None` when there is nothing and `with_silence` is false. With it the frame also says what the view holds.
    ///
    /// # Errors
    ///
    /// [`Missed`] when rows after `after` are not kept any more, or were never in this log.
    pub fn batch(
        &self,
        view: &View,
        place: &StreamPlace,
        after: Seq,
        mark: Timestamp,
        with_silence: bool,
    ) -> Result<Option<(Seq, Bytes)>, Missed> {
        let channel = &*place.channel;
        if with_silence {
            return self.batch_with_digest(view, channel, after, mark).map(Some);
        }
        let found = self.log.lock().events_after(&view.groups(), after)?;
        if found.entries.is_empty() && !found.is_cut_off {
            return Ok(None);
        }
        let through = found.through;
        let mut last_frame = channel.last_frame.lock();
        if let Some((from, to, frame)) = &*last_frame
            && (*from, *to) == (after, through.seq)
        {
            return Ok(Some((through.seq, frame.clone())));
        }
        let events = found.entries.iter().map(|entry| view.event(entry)).collect();
        let batch = Batch { epoch: self.epoch, after: found.after, through, digest: None, events };
        let frame = frame_of(&batch);
        *last_frame = Some((after, through.seq, frame.clone()));
        Ok(Some((through.seq, frame)))
    }

    fn batch_with_digest(
        &self,
        view: &View,
        channel: &Channel,
        after: Seq,
        mark: Timestamp,
    ) -> Result<(Seq, Bytes), Missed> {
        let mut digest = channel.digest.lock();
        let (found, since_digest, everything) = {
            let log = self.log.lock();
            let found = log.events_after(&view.groups(), after)?;
            let since_digest =
                digest.as_ref().and_then(|(seq, _)| log.all_events_after(&view.groups(), *seq).ok());
            let everything = since_digest.is_none().then(|| log.everything(&view.groups()));
            (found, since_digest, everything)
        };
        let head = match (since_digest, everything) {
            (Some((entries, head)), _) => {
                let (seq, digest) = digest.get_or_insert_default();
                entries.iter().for_each(|entry| digest.add(&view.event(entry)));
                *seq = head;
                head
            }
            (None, Some(everything)) => {
                let head = everything.position().seq;
                let mut fresh = ViewDigest::default();
                everything.entries().for_each(|entry| fresh.add(&view.event(entry)));
                *digest = Some((head, fresh));
                head
            }
            (None, None) => return Err(Missed),
        };
        let events = found.entries.iter().map(|entry| view.event(entry)).collect();
        let value = digest
            .as_ref()
            .filter(|_| head == found.through.seq)
            .map(|(_, digest)| digest.value(ViewDigest::first_hour(mark)));
        let batch =
            Batch { epoch: self.epoch, after: found.after, through: found.through, digest: value, events };
        Ok((found.through.seq, frame_of(&batch)))
    }

    /// What a view holds now, to be written piece by piece.
    pub fn snapshot(&self, view: View, mark: Timestamp) -> Snapshot {
        let everything = self.log.lock().everything(&view.groups());
        Snapshot::new(self.epoch, view, everything, mark)
    }

    /// A place for one more stream of an API; `None` when there are too many.
    pub fn open_stream(self: &Arc<Self>, api: ApiId) -> Option<StreamPlace> {
        if self.streams.fetch_add(1, Ordering::AcqRel) >= limits::FEED_STREAMS_MAX {
            self.streams.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let mut channels = self.channels.lock();
        let channel = Arc::clone(channels.entry(api).or_default());
        if channel.streams.fetch_add(1, Ordering::AcqRel) >= limits::FEED_STREAMS_PER_API_MAX {
            channel.streams.fetch_sub(1, Ordering::AcqRel);
            self.streams.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        drop(channels);
        if !self.pump_runs.swap(true, Ordering::AcqRel) {
            tokio::spawn(pump(Arc::clone(self)));
        }
        let (turn, closed) = (channel.turn.subscribe(), self.closed.subscribe());
        Some(StreamPlace { feed: Arc::clone(self), channel, turn, closed })
    }

    /// A place for one more snapshot; `None` when there are too many.
    pub fn open_snapshot(self: &Arc<Self>) -> Option<SnapshotPlace> {
        if self.snapshots.fetch_add(1, Ordering::AcqRel) >= limits::FEED_SNAPSHOTS_MAX {
            self.snapshots.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(SnapshotPlace(Arc::clone(self)))
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Acquire)
    }

    /// Ends all streams, and opens none that would stay: the server stops.
    pub fn close(&self) {
        self.closed.send_replace(true);
        self.grown.notify_one();
    }
}

impl StreamPlace {
    /// Waits until something may be there to be said, at most this long; false when the stream is to end.
    pub async fn next_turn(&mut self, longest: Duration) -> bool {
        if *self.closed.borrow() {
            return false;
        }
        tokio::select! {
            _ = self.closed.changed() => false,
            _ = self.turn.changed() => true,
            () = tokio::time::sleep(longest) => true,
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.channel.streams.fetch_sub(1, Ordering::AcqRel);
        self.feed.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for SnapshotPlace {
    fn drop(&mut self) {
        self.0.snapshots.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells the streams of those APIs that something happened to: the first event of a pause at once, what follows it together.
async fn pump(feed: Arc<Feed>) {
    let mut told: HashMap<ApiId, Seq> = HashMap::new();
    let mut records = 0;
    while !*feed.closed.borrow() {
        feed.grown.notified().await;
        let channels: Vec<(ApiId, Arc<Channel>)> = {
            let mut channels = feed.channels.lock();
            channels.retain(|_, channel| channel.streams.load(Ordering::Acquire) > 0);
            channels.iter().map(|(api, channel)| (*api, Arc::clone(channel))).collect()
        };
        let due: Vec<Arc<Channel>> = {
            let log = feed.log.lock();
            // A changed record may end streams: each looks for itself.
            let all = std::mem::replace(&mut records, log.records_changed()) != log.records_changed();
            let is_due = |(api, channel): (ApiId, Arc<Channel>)| {
                let last = log.last_for_api(api);
                let before = told.insert(api, last);
                (all || before != Some(last)).then_some(channel)
            };
            channels.into_iter().filter_map(is_due).collect()
        };
        for channel in due {
            channel.turn.send_modify(|turn| *turn += 1);
        }
        tokio::time::sleep(limits::FEED_BATCH_INTERVAL).await;
    }
}

fn frame_of(batch: &Batch) -> Bytes {
    let mut data = String::with_capacity(256 + batch.events.len() * 128);
    batch.write(&mut data);
    let mut frame = String::with_capacity(data.len() + 48);
    Frame::write(StreamPosition { epoch: batch.epoch, seq: batch.through.seq }, &data, &mut frame);
    Bytes::from(frame)
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("epoch", &self.epoch)
            .field("streams", &self.streams())
            .finish_non_exhaustive()
    }
}
