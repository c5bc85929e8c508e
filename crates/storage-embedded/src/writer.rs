//! The writer: one thread that commits what has queued up, tells the observer, and answers.
//!
//! The order is the promise: commit, then the observer, then the answers. When the outcome of a commit is unknown, the observer
//! is told so first, and nothing is written until the log has been read again from the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lydian_primitives::Entropy;
use lydian_revocation::LogPosition;
use lydian_storage::{ApplyError, Conflict, LogObserver, NoObserver, Orphans, Unavailable};
use parking_lot::RwLock;
use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;
use tokio::sync::oneshot;

use crate::changes::{Failure, Transaction};
use crate::faults::{CommitFault, Faults, injected};
use crate::log::{self, Head};
use crate::open::{self, FILE_NAME};
use crate::pool::ReadPool;
use crate::queue::{Item, Queue, Taken};
use crate::reads;

/// The log file is copied into the database when it has this many pages (8 MiB).
const CHECKPOINT_PAGES: i32 = 2_048;
/// After a checkpoint that readers kept from finishing, this many pages pass before the next one.
const CHECKPOINT_RETRY_PAGES: i32 = 512;
/// Beyond this many pages a checkpoint waits for the readers (64 MiB).
const CHECKPOINT_WAIT_PAGES: i32 = 16_384;

/// Pauses after failures, doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Rows of the log that one step of catching up gives to the observer.
const CATCH_UP_ROWS: usize = 1_000;

const COMMIT: &str = "commit a change";
const RECOVERING: &str = "write: it reads its log again after a failed commit";

/// What the writer shares with the handles of the store.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) pool: ReadPool,
    pub(crate) observer: RwLock<Arc<dyn LogObserver>>,
    /// What became of closing, once the writer has ended.
    pub(crate) closed: tokio::sync::watch::Sender<Option<Result<(), String>>>,
    pub(crate) faults: Faults,
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) directory: PathBuf,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) faults: Faults,
    /// Absent after a failure, until the database has been opened again.
    pub(crate) connection: Option<Connection>,
    /// The last row that the observer was given.
    pub(crate) head: Head,
    /// Whether the observer was told that an outcome is unknown, and waits to hear that it is known again.
    pub(crate) lost_track: bool,
    pub(crate) pace: Pace,
    /// Pages of the log file at the last checkpoint that did not finish.
    pub(crate) checkpoint_tried_at: i32,
}

/// When the next attempt is made after failures.
#[derive(Default)]
pub(crate) struct Pace {
    failures: u32,
    not_before: Option<Instant>,
}

impl Pace {
    fn failed(&mut self) {
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(7)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + pause);
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn must_wait(&self) -> Option<Instant> {
        self.not_before.filter(|instant| *instant > Instant::now())
    }
}

/// What became of an item.
enum Done {
    Position(LogPosition),
    FirstSequence(u32),
    Orphans(Orphans),
    Rows(usize),
}

/// Why an item was not done, as it can be told to each who waits.
#[derive(Clone)]
enum Refusal {
    Conflict(Conflict),
    Unavailable { doing: &'static str, cause: Option<String>, outcome_unknown: bool },
}

impl Refusal {
    fn failed(doing: &'static str, error: &rusqlite::Error) -> Self {
        Self::Unavailable { doing, cause: Some(error.to_string()), outcome_unknown: false }
    }

    fn unknown(error: &rusqlite::Error) -> Self {
        Self::Unavailable { doing: COMMIT, cause: Some(error.to_string()), outcome_unknown: true }
    }

    fn because(doing: &'static str) -> Self {
        Self::Unavailable { doing, cause: None, outcome_unknown: false }
    }

    fn into_unavailable(self) -> Unavailable {
        let (doing, cause, unknown) = match self {
            Self::Conflict(conflict) => return Unavailable::new(COMMIT, conflict),
            Self::Unavailable { doing, cause, outcome_unknown } => (doing, cause, outcome_unknown),
        };
        let unavailable = match cause {
            Some(cause) => Unavailable::new(doing, cause),
            None => Unavailable::because(doing),
        };
        if unknown { unavailable.with_outcome_unknown() } else { unavailable }
    }

    fn into_apply_error(self) -> ApplyError {
        match self {
            Self::Conflict(conflict) => ApplyError::Conflict(conflict),
            other => ApplyError::Unavailable(other.into_unavailable()),
        }
    }
}

impl Item {
    /// Answers; whoever asked may have gone away meanwhile.
    fn answer(self, outcome: Result<Done, Refusal>) {
        fn send<T, E>(answer: oneshot::Sender<Result<T, E>>, outcome: Result<T, E>) {
            let _gone_away = answer.send(outcome);
        }
        match (self, outcome) {
            (Self::Change { answer, .. }, Ok(Done::Position(position))) => send(answer, Ok(position)),
            (Self::Change { answer, .. }, Err(refusal)) => send(answer, Err(refusal.into_apply_error())),
            (Self::Allocate { answer, .. }, Ok(Done::FirstSequence(first))) => send(answer, Ok(first)),
            (Self::Allocate { answer, .. }, Err(refusal)) => send(answer, Err(refusal.into_unavailable())),
            (Self::Forget { answer, .. }, Ok(Done::Rows(rows))) => send(answer, Ok(rows)),
            (Self::Forget { answer, .. }, Err(refusal)) => send(answer, Err(refusal.into_unavailable())),
            (Self::SweepOrphans { answer, .. }, Ok(Done::Orphans(orphans))) => send(answer, Ok(orphans)),
            (Self::SweepOrphans { answer, .. }, Err(refusal)) => {
                send(answer, Err(refusal.into_unavailable()))
            }
            // `perform` gives each kind of item its own kind of outcome; a dropped answer reads as "unknown".
            (_, Ok(_)) => {}
        }
    }
}

/// How an attempt at a transaction ended.
enum Attempt {
    /// Committed, or nothing had to be written.
    Committed(Vec<Result<Done, Refusal>>),
    /// Rolled back because of one item.
    RolledBack(Refusal),
    /// The transaction could not begin or be rolled back: nothing of it happened.
    Broken(rusqlite::Error),
    /// There was no room for it, and it was rolled back: nothing of it happened, and what is in memory is right.
    Full(rusqlite::Error),
    /// The outcome is unknown.
    Lost(rusqlite::Error),
}

impl Writer {
    /// Works until the store is closed.
    pub(crate) fn run(mut self) {
        let ending = Ending(Arc::clone(&self.shared));
        loop {
            if self.connection.is_none() && self.pace.must_wait().is_none() {
                self.reopen();
            }
            let recovering = self.connection.is_none().then_some(self.pace.not_before).flatten();
            match self.shared.queue.take(recovering) {
                Taken::Work(items) => self.work(items),
                Taken::Nothing => {}
                Taken::Finished => break,
            }
        }
        let result = self.close();
        drop(ending);
        self.shared.closed.send_replace(Some(result));
    }

    fn work(&mut self, items: Vec<Item>) {
        if self.connection.is_none() || self.pace.must_wait().is_some() {
            return refuse(items, &Refusal::because(RECOVERING));
        }
        self.commit(items);
        self.tend_log_file();
    }

    fn commit(&mut self, mut items: Vec<Item>) {
        match self.attempt(&items) {
            Attempt::Committed(outcomes) => {
                self.pace.succeeded();
                items.into_iter().zip(outcomes).for_each(|(item, outcome)| item.answer(outcome));
            }
            Attempt::RolledBack(refusal) => {
                if items.len() == 1 {
                    return refuse(items, &refusal);
                }
                // One item spoils the others: each gets a transaction of its own.
                while !items.is_empty() {
                    let rest = items.split_off(1);
                    let alone = std::mem::replace(&mut items, rest);
                    if self.connection.is_none() {
                        refuse(alone, &Refusal::because(RECOVERING));
                    } else {
                        self.commit(alone);
                    }
                }
            }
            Attempt::Broken(error) => {
                self.connection = None;
                self.pace.failed();
                refuse(items, &Refusal::failed(COMMIT, &error));
            }
            Attempt::Full(error) => {
                self.pace.failed();
                refuse(items, &Refusal::failed(COMMIT, &error));
            }
            Attempt::Lost(error) => {
                self.lost_track = true;
                self.observer().lost_track();
                self.connection = None;
                refuse(items, &Refusal::unknown(&error));
                self.reopen();
                // Opening may work where writing does not, on a full disk for example: writes pause all the same.
                self.pace.failed();
            }
        }
    }

    fn attempt(&mut self, items: &[Item]) -> Attempt {
        let Some(connection) = &self.connection else {
            return Attempt::Broken(rusqlite::Error::InvalidQuery);
        };
        if let Err(error) = run_cached(connection, "BEGIN IMMEDIATE") {
            return Attempt::Broken(error);
        }
        let mut transaction = Transaction {
            connection,
            entropy: &*self.entropy,
            faults: &self.faults,
            head: self.head,
            rows: Vec::new(),
            dirty: false,
        };
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            outcomes.push(match perform(&mut transaction, item) {
                Ok(done) => Ok(done),
                Err(Failure::Conflict(conflict)) => Err(Refusal::Conflict(conflict)),
                Err(Failure::NoSequence) => Err(Refusal::because(
                    "allocate sequence numbers: the hour has none left, or it is forgotten",
                )),
                Err(Failure::Violated(conflict)) => {
                    return roll_back(connection, Refusal::Conflict(conflict));
                }
                Err(Failure::Sql(error)) => return roll_back(connection, Refusal::failed(COMMIT, &error)),
            });
        }
        let Transaction { head, rows, dirty, .. } = transaction;
        if !dirty {
            return match run_cached(connection, "ROLLBACK") {
                Ok(()) => Attempt::Committed(outcomes),
                Err(error) => Attempt::Broken(error),
            };
        }
        if let Err(error) = self.commit_transaction(connection) {
            return if is_full(&error) { roll_back_full(connection, error) } else { Attempt::Lost(error) };
        }
        if !rows.is_empty() {
            match reads::records_of(connection, &rows) {
                Ok(records) => self.observer().committed(&rows, records),
                Err(error) => return Attempt::Lost(error),
            }
        }
        self.head = head;
        Attempt::Committed(outcomes)
    }

    fn commit_transaction(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self.faults.take_commit_fault() {
            None => run_cached(connection, "COMMIT"),
            Some(CommitFault::NotMade) => Err(injected()),
            Some(CommitFault::Made) => run_cached(connection, "COMMIT").and(Err(injected())),
        }
    }

    /// Opens the database again, and gives the observer every row of the log that it has not seen.
    fn reopen(&mut self) {
        match self.try_reopen() {
            Ok(connection) => {
                self.connection = Some(connection);
                self.checkpoint_tried_at = 0;
                if std::mem::take(&mut self.lost_track) {
                    self.observer().caught_up();
                }
            }
            Err(_) => self.pace.failed(),
        }
    }

    fn try_reopen(&mut self) -> rusqlite::Result<Connection> {
        self.faults.before_reopen()?;
        // The read connections stay open, and with them the index of the log file: a commit that is not in it has not happened.
        let connection = open::open_writer(&self.directory.join(FILE_NAME))?;
        let head = log::read_head(&connection)?;
        while self.head.position.seq < head.position.seq {
            let rows = log::rows_after(&connection, self.head.position.seq, CATCH_UP_ROWS)?;
            let Some(last) = rows.last() else { break };
            let reached = last.position();
            let records = reads::records_of(&connection, &rows)?;
            self.observer().committed(&rows, records);
            self.head.position = reached;
        }
        if self.head.position != head.position {
            // The file holds another history than the one that was given to the observer.
            return Err(rusqlite::Error::QueryReturnedNoRows);
        }
        self.head = head;
        Ok(connection)
    }

    /// Copies the log file into the database when it has grown, between two commits.
    fn tend_log_file(&mut self) {
        let Some(connection) = &self.connection else { return };
        let Ok((pages, _)) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP) else { return };
        if pages < self.checkpoint_tried_at {
            self.checkpoint_tried_at = 0;
        }
        if pages < CHECKPOINT_PAGES || pages < self.checkpoint_tried_at + CHECKPOINT_RETRY_PAGES {
            return;
        }
        let mode =
            if pages < CHECKPOINT_WAIT_PAGES { CheckpointMode::PASSIVE } else { CheckpointMode::RESTART };
        // A failure leaves everything in the log file, where it is safe; the next attempt comes by itself.
        let _later = connection.wal_checkpoint_v2(None::<&str>, mode);
        self.checkpoint_tried_at = pages;
    }

    fn close(&mut self) -> Result<(), String> {
        // The readers first: the last connection that closes takes the log file away.
        self.shared.pool.close();
        // The observer may hold what holds the store.
        *self.shared.observer.write() = Arc::new(NoObserver);
        let connection = self.connection.take().ok_or_else(|| RECOVERING.to_owned())?;
        connection
            .execute("UPDATE file_state SET in_use = 0 WHERE id = 1", [])
            .map_err(|error| error.to_string())?;
        connection.close().map_err(|(_, error)| error.to_string())
    }

    fn observer(&self) -> Arc<dyn LogObserver> {
        Arc::clone(&self.shared.observer.read())
    }
}

/// Ends the queue when the writer ends, however it ends: nobody waits for an answer that cannot come.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.abandon();
        if std::thread::panicking() {
            self.0.closed.send_replace(Some(Err("the writer ended by a panic".to_owned())));
        }
    }
}

fn perform(transaction: &mut Transaction<'_>, item: &Item) -> Result<Done, Failure> {
    match item {
        Item::Change { change, .. } => transaction.make(change).map(Done::Position),
        Item::Allocate { hour, count, .. } => transaction.allocate(*hour, *count).map(Done::FirstSequence),
        Item::Forget { hour, log_before, rows, .. } => {
            transaction.forget(*hour, *log_before, *rows).map(Done::Rows)
        }
        Item::SweepOrphans { after, scan, .. } => transaction.sweep_orphans(*after, *scan).map(Done::Orphans),
    }
}

/// Whether a commit failed because there is no room on the disk.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

/// A commit writes its frames, the record of the commit last, and then syncs them: one that found no room wrote no such record, and
/// SQLite has rolled it back or still holds it open. Nobody has to wait until the log has been read again.
fn roll_back_full(connection: &Connection, error: rusqlite::Error) -> Attempt {
    if connection.is_autocommit() {
        return Attempt::Full(error);
    }
    match run_cached(connection, "ROLLBACK") {
        Ok(()) => Attempt::Full(error),
        Err(error) => Attempt::Lost(error),
    }
}

fn roll_back(connection: &Connection, refusal: Refusal) -> Attempt {
    // Some errors roll back by themselves.
    if connection.is_autocommit() {
        return Attempt::RolledBack(refusal);
    }
    match run_cached(connection, "ROLLBACK") {
        Ok(()) => Attempt::RolledBack(refusal),
        Err(error) => Attempt::Broken(error),
    }
}

fn refuse(items: Vec<Item>, refusal: &Refusal) {
    items.into_iter().for_each(|item| item.answer(Err(refusal.clone())));
}

fn run_cached(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
