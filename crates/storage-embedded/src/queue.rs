//! What waits for the writer: changes, bounded; and the store's own jobs, which go first.

use std::collections::VecDeque;
use std::time::Instant;

use lydian_primitives::{Hour, Timestamp, limits};
use lydian_revocation::LogPosition;
use lydian_storage::{ApplyError, Change, OrphanCursor, Orphans, Unavailable};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Something for the writer to do, and where the answer goes.
pub(crate) enum Item {
    Change {
        change: Change,
        answer: oneshot::Sender<Result<LogPosition, ApplyError>>,
    },
    Allocate {
        hour: Hour,
        count: u32,
        answer: oneshot::Sender<Result<u32, Unavailable>>,
    },
    SweepOrphans {
        after: OrphanCursor,
        scan: usize,
        answer: oneshot::Sender<Result<Orphans, Unavailable>>,
    },
    Forget {
        hour: Hour,
        log_before: Timestamp,
        rows: usize,
        answer: oneshot::Sender<Result<usize, Unavailable>>,
    },
}

/// What the writer finds when it looks.
pub(crate) enum Taken {
    /// Work for one commit, in order.
    Work(Vec<Item>),
    /// Nothing until the deadline.
    Nothing,
    /// The queue is empty and takes nothing more.
    Finished,
}

/// The bounded queue between everybody and the writer.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    changes: VecDeque<Item>,
    jobs: VecDeque<Item>,
    finishing: bool,
    writer_waits: bool,
}

impl Queue {
    /// Adds an item; hands it back at once when the queue is full or finished.
    pub(crate) fn push(&self, item: Item) -> Result<(), Item> {
        let mut state = self.state.lock();
        let finishing = state.finishing;
        let lane = match item {
            Item::Change { .. } => &mut state.changes,
            Item::Allocate { .. } | Item::Forget { .. } | Item::SweepOrphans { .. } => &mut state.jobs,
        };
        if finishing || lane.len() >= limits::COMMIT_QUEUE_MAX {
            return Err(item);
        }
        lane.push_back(item);
        let wake = std::mem::take(&mut state.writer_waits);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes what one commit carries; waits for it until the deadline, for good when there is none.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Taken {
        let mut state = self.state.lock();
        loop {
            if !state.jobs.is_empty() || !state.changes.is_empty() {
                let mut work: Vec<Item> = state.jobs.drain(..).collect();
                let changes = state.changes.len().min(limits::COMMIT_BATCH_MAX);
                work.extend(state.changes.drain(..changes));
                return Taken::Work(work);
            }
            if state.finishing {
                return Taken::Finished;
            }
            state.writer_waits = true;
            match deadline {
                None => self.wake.wait(&mut state),
                Some(deadline) => {
                    if self.wake.wait_until(&mut state, deadline).timed_out() {
                        state.writer_waits = false;
                        return Taken::Nothing;
                    }
                }
            }
            state.writer_waits = false;
        }
    }

    /// Takes nothing more; what waits is still done.
    pub(crate) fn finish(&self) {
        self.state.lock().finishing = true;
        self.wake.notify_one();
    }

    /// Takes nothing more, and drops what waits: nobody is left to do it.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.finishing = true;
        let dropped = (std::mem::take(&mut state.changes), std::mem::take(&mut state.jobs));
        drop(state);
        drop(dropped);
    }
}
