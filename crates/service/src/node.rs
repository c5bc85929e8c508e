//! What a node keeps in memory, and how the log changes it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use lydian_domain::introspect::HORIZON;
use lydian_domain::secrets::WrappingKey;
use lydian_primitives::prf::Prf;
use lydian_primitives::{Clock, Entropy, Mint, Timestamp};
use lydian_revocation::{LeaseTerms, Ledger, LogPosition, LogRow, Seq};
use lydian_storage::{LogObserver, Record, Storage, Unavailable};

use crate::directory::{Directory, DirectoryEnvironment};
use crate::facts::FactCache;
use crate::feed::Feed;
use crate::forgetting;
use crate::install;
use crate::settings::Settings;

/// Rows of the log that one read brings at start.
const LOG_PAGE: usize = 10_000;

/// Why a node does not open.
#[derive(Debug)]
pub enum OpenError {
    /// A stored secret is not what it should be.
    Damaged(&'static str),
    /// The store cannot be used.
    Unavailable(Unavailable),
    /// The store was sealed under another wrapping key.
    WrongWrappingKey,
}

impl From<Unavailable> for OpenError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "{what} in the store cannot be read: restore a backup"),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
            Self::WrongWrappingKey => f.write_str(
                "the store was sealed under another wrapping key: put back the key file that belongs to it",
            ),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(unavailable) => unavailable.source(),
            Self::Damaged(_) | Self::WrongWrappingKey => None,
        }
    }
}

/// What a node keeps in memory: directory, ledger, facts.
///
/// It observes the log of its store: the records of a change are published before the position of its rows.
pub struct Node {
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    environment: DirectoryEnvironment,
    store_generation: u8,
    directory: ArcSwap<Directory>,
    ledger: Ledger,
    feed: Arc<Feed>,
    facts: FactCache,
    /// The forgetting mark: what expires at it is expired, whatever the wall clock says.
    mark: AtomicU64,
}

impl Node {
    /// Opens a node over a store that nobody writes yet: makes the install at first start, loads records and ledger.
    ///
    /// The caller makes the node the observer of the store before the first change; see [`Self::hold_lease`].
    ///
    /// # Errors
    ///
    /// [`OpenError`] by cause.
    pub async fn open(
        storage: &dyn Storage,
        settings: Settings,
        wrapping_key: WrappingKey,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Self>, OpenError> {
        let now = clock.now();
        let install = install::open(storage, &wrapping_key, &Mint::new(now, &*entropy)).await?;
        let environment = DirectoryEnvironment {
            issuer: settings.issuer.clone(),
            wrapping_key,
            root_keys: install.root_keys,
        };
        let mark = forgetting::load_mark(storage, now).await?;
        let head = storage.head().await?;
        let directory = Directory::build(&environment, storage.load_records().await?);
        let feed = Feed::new(install.store_generation, LeaseTerms::VALIDATORS, head, clock.boot_now());
        let ledger = load_ledger(storage, head, mark, |rows| {
            feed.restore(rows, &|kind, subject| directory.name_key(kind, subject));
        })
        .await?;
        feed.forget(mark);
        Ok(Arc::new(Self {
            facts: FactCache::new(settings.fact_cache_bytes, Prf::new(&*entropy)),
            settings,
            clock,
            entropy,
            environment,
            store_generation: install.store_generation,
            directory: ArcSwap::from_pointee(directory),
            ledger,
            feed,
            mark: AtomicU64::new(mark.as_unix_seconds()),
        }))
    }

    /// Takes the lease of the one process that writes this store, once it observes the log.
    pub fn hold_lease(&self) {
        self.ledger.hold_lease();
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The clocks.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The randomness.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The realms, APIs, clients and keys as they are now.
    pub fn directory(&self) -> Guard<Arc<Directory>> {
        self.directory.load()
    }

    /// What opens and seals the stored secrets.
    pub fn environment(&self) -> &DirectoryEnvironment {
        &self.environment
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The revocation feed for validators.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The cache of token facts.
    pub fn facts(&self) -> &FactCache {
        &self.facts
    }

    /// The generation of the store, part of every token's id.
    pub fn store_generation(&self) -> u8 {
        self.store_generation
    }

    /// The time that decides over expiry: the wall clock, and no earlier than the forgetting mark.
    pub fn token_time(&self) -> Timestamp {
        self.clock.now().max(self.mark())
    }

    /// The forgetting mark.
    pub fn mark(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.mark.load(Ordering::Acquire))
    }

    /// Publishes a forgetting mark that the store has made durable; it never goes back.
    pub(crate) fn publish_mark(&self, mark: Timestamp) {
        self.mark.fetch_max(mark.as_unix_seconds(), Ordering::AcqRel);
    }
}

impl LogObserver for Node {
    fn committed(&self, rows: &[LogRow], records: Vec<Record>) {
        if !records.is_empty() {
            let directory = self.directory.load().with_records(&self.environment, records);
            self.directory.store(Arc::new(directory));
        }
        let mut applied = 0;
        for row in rows {
            if let Err(gap) = self.ledger.apply(row) {
                // The lease ends: nothing is answered until the store has given every row again.
                self.ledger.give_up_lease();
                tracing::error!(%gap, "the log has a gap");
                break;
            }
            applied += 1;
        }
        // After the ledger, and before whoever waits for this commit is answered: a lease that is granted after an answer is made
        // of everything that was answered before it.
        self.feed.append(&rows[..applied], &|kind, subject| self.directory().name_key(kind, subject));
    }

    fn lost_track(&self) {
        self.ledger.give_up_lease();
        tracing::error!(
            "the outcome of a commit is unknown: nothing is answered until the log has been read again"
        );
    }

    fn caught_up(&self) {
        self.ledger.hold_lease();
        tracing::info!("the log has been read again");
    }
}

/// Loads the rows of the log that can still matter.
async fn load_ledger(
    storage: &dyn Storage,
    head: LogPosition,
    mark: Timestamp,
    also: impl Fn(&[LogRow]),
) -> Result<Ledger, Unavailable> {
    let ledger = Ledger::new(head);
    let first = storage.log_position_at(mark.minus_seconds(HORIZON.as_secs())).await?;
    let mut after = Seq::from_number(first.as_number().saturating_sub(1));
    while after < head.seq {
        let rows = storage.log_after(after, LOG_PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        rows.iter().filter(|row| row.seq <= head.seq).for_each(|row| ledger.restore(row));
        also(&rows);
    }
    ledger.forget(mark, HORIZON);
    Ok(ledger)
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}
