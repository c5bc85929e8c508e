//! A service over a stopped server's data directory, for commands.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lydian_primitives::{Clock, Entropy, SystemClock, SystemEntropy};
use lydian_service::apply::{ApplyDocumentError, Document};
use lydian_service::install;
use lydian_service::{Node, OpenError, Service, Settings};
use lydian_storage::{LogObserver, SharedStorage, Storage, Unavailable};
use lydian_storage_embedded::{EmbeddedStorage, Options};

use crate::data_directory::{DataDirectory, DataDirectoryError};

/// Why a store did not open.
#[derive(Debug)]
pub enum OpenStoreError {
    /// The data directory cannot be used.
    DataDirectory(DataDirectoryError),
    /// The database cannot be used.
    Database(lydian_storage_embedded::OpenError),
    /// The signing keys cannot be made.
    Keys(ApplyDocumentError),
    /// What is in it cannot be used.
    Node(OpenError),
}

impl fmt::Display for OpenStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDirectory(error) => error.fmt(f),
            Self::Database(error) => error.fmt(f),
            Self::Keys(error) => write!(f, "make the signing keys: {error}"),
            Self::Node(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenStoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::DataDirectory(error) => error.source(),
            Self::Database(error) => error.source(),
            Self::Keys(error) => error.source(),
            Self::Node(error) => error.source(),
        }
    }
}

/// A service with its store, its directory and nothing that listens.
pub struct OpenStore {
    /// The directory, locked.
    pub directory: DataDirectory,
    /// The use cases.
    pub service: Arc<Service>,
    /// The store.
    pub storage: SharedStorage,
}

impl OpenStore {
    /// Opens the data directory of a stopped server, or makes a new one.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`] by cause; the text says what to do.
    pub async fn open(
        path: &Path,
        settings: impl FnOnce(Option<String>) -> Settings,
    ) -> Result<Self, OpenStoreError> {
        let directory = DataDirectory::open(path).map_err(OpenStoreError::DataDirectory)?;
        Self::open_in(directory, settings).await
    }

    /// As [`Self::open`], in a directory that is locked already. `settings` gets the issuer of the last start.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_in(
        directory: DataDirectory,
        settings: impl FnOnce(Option<String>) -> Settings,
    ) -> Result<Self, OpenStoreError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let wrapping_key = directory.wrapping_key(&*entropy).map_err(OpenStoreError::DataDirectory)?;
        let embedded =
            EmbeddedStorage::open(directory.path(), Options::default()).map_err(OpenStoreError::Database)?;
        let unavailable = |error: Unavailable| OpenStoreError::Node(OpenError::Unavailable(error));
        let issuer = embedded.find_setting_now(install::ISSUER).await.map_err(unavailable)?;
        let node = Node::open(&*embedded, settings(issuer), wrapping_key, clock, entropy)
            .await
            .map_err(OpenStoreError::Node)?;
        embedded.set_observer(Arc::clone(&node) as Arc<dyn LogObserver>);
        node.hold_lease();
        let storage: SharedStorage = embedded;
        let service = Service::new(node, Arc::clone(&storage));
        let unavailable = |error: Unavailable| OpenStoreError::Node(OpenError::Unavailable(error));
        service.take_over_password_cost().await.map_err(unavailable)?;
        // An empty document asks for nothing but the signing keys that every realm has.
        service.apply_document(&Document::default(), false).await.map_err(OpenStoreError::Keys)?;
        Ok(Self { directory, service, storage })
    }

    /// Finishes what is queued and closes the store.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the last writes are not durable.
    pub async fn close(self) -> Result<(), Unavailable> {
        self.service.write_issued_counts().await?;
        self.storage.close().await
    }
}

/// Reads the issuer of the last start.
trait FindSettingNow {
    fn find_setting_now(
        &self,
        name: &'static str,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>>;
}

impl<S: Storage + ?Sized> FindSettingNow for S {
    async fn find_setting_now(&self, name: &'static str) -> Result<Option<String>, Unavailable> {
        let stored = self.find_setting(name).await?;
        Ok(stored.and_then(|bytes| String::from_utf8(bytes).ok()))
    }
}
