//! The connections that read, used on the calling thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use lydian_storage::Unavailable;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

/// A fixed number of read connections. A thread prefers the one that it used before, whose pages it has warm.
pub(crate) struct ReadPool {
    connections: Box<[Mutex<Option<Connection>>]>,
}

impl ReadPool {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self { connections: connections.into_iter().map(|connection| Mutex::new(Some(connection))).collect() }
    }

    /// Reads with a free connection; waits for one when all are busy.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        let guard = self.free_connection();
        let connection = guard.as_ref().ok_or(Unavailable::because(doing))?;
        read(connection).map_err(|error| Unavailable::new(doing, error))
    }

    /// Closes all connections, each after the read that uses it.
    pub(crate) fn close(&self) {
        for slot in &self.connections {
            drop(slot.lock().take());
        }
    }

    fn free_connection(&self) -> MutexGuard<'_, Option<Connection>> {
        let preferred = preferred_number() % self.connections.len();
        let (before, after) = self.connections.split_at(preferred);
        for slot in after.iter().chain(before) {
            if let Some(guard) = slot.try_lock() {
                return guard;
            }
        }
        self.connections[preferred].lock()
    }
}

/// A number of this thread: threads are spread over the connections in the order in which they come.
fn preferred_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.with(Cell::get)
}
