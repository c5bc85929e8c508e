//! Failures on demand: what a broken disk does at a moment of the test's choice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lydian_primitives::Timestamp;
use parking_lot::Mutex;
use rusqlite::ffi;

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// The commit reports an error, and has happened all the same.
    Made,
    /// The commit reports an error and has not happened.
    NotMade,
}

/// Failures on demand, shared between a test and the store under test. Without a plan it costs one atomic load.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    armed: AtomicBool,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    statement: Option<StatementPlan>,
    commit: Option<CommitFault>,
    reads: bool,
    reopens: usize,
}

#[derive(Debug)]
struct StatementPlan {
    /// The change whose statement fails, by the time that it carries.
    at: Timestamp,
    number: usize,
    seen: usize,
    hit: bool,
}

impl Faults {
    /// From now on the `number`-th write statement (from zero) of changes that carry the time `at` fails, whenever it is tried.
    pub fn fail_statement(&self, at: Timestamp, number: usize) {
        self.arm(|plan| plan.statement = Some(StatementPlan { at, number, seen: 0, hit: false }));
    }

    /// The next commit fails.
    pub fn fail_commit(&self, fault: CommitFault) {
        self.arm(|plan| plan.commit = Some(fault));
    }

    /// From now on every read fails.
    pub fn fail_reads(&self) {
        self.arm(|plan| plan.reads = true);
    }

    /// The next `times` attempts to open the database again fail.
    pub fn fail_reopen(&self, times: usize) {
        self.arm(|plan| plan.reopens = times);
    }

    /// Ends all plans; whether the planned statement was reached.
    pub fn clear(&self) -> bool {
        let plan = std::mem::take(&mut *self.0.plan.lock());
        self.0.armed.store(false, Ordering::Release);
        plan.statement.is_some_and(|statement| statement.hit)
    }

    fn arm(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.0.plan.lock());
        self.0.armed.store(true, Ordering::Release);
    }

    fn armed(&self) -> bool {
        self.0.armed.load(Ordering::Acquire)
    }

    /// A change that carries `at` begins to write.
    pub(crate) fn change_begins(&self, at: Timestamp) {
        if !self.armed() {
            return;
        }
        if let Some(statement) = &mut self.0.plan.lock().statement
            && statement.at == at
        {
            statement.seen = 0;
        }
    }

    /// A statement of a change that carries `at` is about to run.
    pub(crate) fn before_statement(&self, at: Timestamp) -> rusqlite::Result<()> {
        if !self.armed() {
            return Ok(());
        }
        if let Some(statement) = &mut self.0.plan.lock().statement
            && statement.at == at
        {
            let number = statement.seen;
            statement.seen += 1;
            if number == statement.number {
                statement.hit = true;
                return Err(injected());
            }
        }
        Ok(())
    }

    pub(crate) fn take_commit_fault(&self) -> Option<CommitFault> {
        if self.armed() { self.0.plan.lock().commit.take() } else { None }
    }

    pub(crate) fn before_read(&self) -> rusqlite::Result<()> {
        if self.armed() && self.0.plan.lock().reads { Err(injected()) } else { Ok(()) }
    }

    pub(crate) fn before_reopen(&self) -> rusqlite::Result<()> {
        if self.armed() {
            let mut plan = self.0.plan.lock();
            if plan.reopens > 0 {
                plan.reopens -= 1;
                return Err(injected());
            }
        }
        Ok(())
    }
}

/// The error that an injected failure reports.
pub(crate) fn injected() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some("injected by a test".to_owned()))
}
