//! The suite that every backend passes, over SQLite.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use lydian_primitives::Timestamp;
use lydian_storage::conformance::{Backend, CommitFailure};
use lydian_storage::{LogObserver, SharedStorage};
use lydian_storage_embedded::{CommitFault, EmbeddedStorage, Faults, Options};

/// A store in a directory of its own.
struct Embedded {
    directory: tempfile::TempDir,
    faults: Faults,
}

impl Embedded {
    fn empty() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), faults: Faults::default() }
    }
}

impl Backend for Embedded {
    fn open(
        &self,
        observer: Arc<dyn LogObserver>,
    ) -> Pin<Box<dyn Future<Output = SharedStorage> + Send + '_>> {
        let options = Options { observer, faults: self.faults.clone(), ..Options::default() };
        let storage: SharedStorage = EmbeddedStorage::open(self.directory.path(), options).expect("a store");
        Box::pin(ready(storage))
    }

    fn fail_statement(&self, at: Timestamp, number: usize) {
        self.faults.fail_statement(at, number);
    }

    fn fail_commit(&self, failure: CommitFailure) {
        self.faults.fail_commit(match failure {
            CommitFailure::Made => CommitFault::Made,
            CommitFailure::NotMade => CommitFault::NotMade,
        });
    }

    fn clear_failures(&self) -> bool {
        self.faults.clear()
    }
}

lydian_storage::storage_conformance!(Embedded::empty());
