//! What the connections of one listener share: how many there are, and the order to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::admission::{Admission, Refused, Source};
use super::{ListenerMetrics, ListenerSettings};

/// What the connections are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Level {
    /// Serve.
    Running,
    /// Answer what was asked, then close.
    Draining,
    /// Close now.
    Closed,
}

/// The meeting point of one listener's connections.
#[derive(Debug)]
pub(super) struct Hub {
    level: AtomicU8,
    raised: Notify,
    one_left: Notify,
    admission: Admission,
    pub(super) metrics: Arc<ListenerMetrics>,
}

/// An admitted connection: it counts as open until this is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    hub: Arc<Hub>,
    source: Source,
}

/// Cuts the connections when the service is dropped instead of drained.
pub(super) struct CutWhenDropped(Arc<Hub>);

impl Hub {
    pub(super) fn new(settings: &ListenerSettings, metrics: Arc<ListenerMetrics>) -> Arc<Self> {
        Arc::new(Self {
            level: AtomicU8::new(Level::Running as u8),
            raised: Notify::new(),
            one_left: Notify::new(),
            admission: Admission::new(settings.connections_max, settings.connections_per_address_max),
            metrics,
        })
    }

    pub(super) fn cut_when_dropped(self: &Arc<Self>) -> CutWhenDropped {
        CutWhenDropped(Arc::clone(self))
    }

    /// Raises the level; it never falls.
    pub(super) fn raise(&self, level: Level) {
        self.level.fetch_max(level as u8, Ordering::SeqCst);
        self.raised.notify_waiters();
    }

    pub(super) fn level(&self) -> Level {
        match self.level.load(Ordering::Acquire) {
            0 => Level::Running,
            1 => Level::Draining,
            _ => Level::Closed,
        }
    }

    /// A future that resolves at the next [`Self::raise`] after its creation, polled or not.
    pub(super) fn raised(&self) -> Notified<'_> {
        self.raised.notified()
    }

    /// Waits until the level is at least this.
    pub(super) async fn reached(&self, level: Level) {
        loop {
            let raised = self.raised();
            if self.level() >= level {
                return;
            }
            raised.await;
        }
    }

    pub(super) fn open(&self) -> usize {
        self.admission.open()
    }

    /// Waits until no connection is open.
    pub(super) async fn emptied(&self) {
        loop {
            let one_left = self.one_left.notified();
            if self.open() == 0 {
                return;
            }
            one_left.await;
        }
    }

    /// Admits a connection, or counts why not.
    pub(super) fn admit(self: &Arc<Self>, source: Source) -> Option<Permit> {
        match self.admission.admit(source) {
            Ok(()) => {
                self.metrics.accepted.add_one();
                self.metrics.open.add_one();
                Some(Permit { hub: Arc::clone(self), source })
            }
            Err(Refused::AddressFull) => {
                self.metrics.refused_per_address.add_one();
                None
            }
            Err(Refused::Full) => {
                self.metrics.refused_total.add_one();
                None
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.hub.admission.leave(self.source);
        self.hub.metrics.open.subtract_one();
        if self.hub.level() != Level::Running {
            self.hub.one_left.notify_waiters();
        }
    }
}

impl Drop for CutWhenDropped {
    fn drop(&mut self) {
        self.0.raise(Level::Closed);
    }
}
