//! What a store is opened with.

use std::fmt;
use std::sync::Arc;

use lydian_primitives::{Entropy, SystemEntropy};
use lydian_storage::{LogObserver, NoObserver};

use crate::faults::Faults;

/// What a store is opened with. The default suits a tool that keeps nothing in memory.
#[derive(Clone)]
pub struct Options {
    /// Who applies the rows of the log; [`EmbeddedStorage::set_observer`](crate::EmbeddedStorage::set_observer) replaces it.
    pub observer: Arc<dyn LogObserver>,
    /// Where the links and event ids of the log come from.
    pub entropy: Arc<dyn Entropy>,
    /// How many connections read at the same time.
    pub read_connections: usize,
    /// Failures on demand, for tests.
    #[doc(hidden)]
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            observer: Arc::new(NoObserver),
            entropy: Arc::new(SystemEntropy),
            read_connections: processors.clamp(2, 16),
            faults: Faults::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("read_connections", &self.read_connections).finish_non_exhaustive()
    }
}
