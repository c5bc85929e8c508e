//! What administrators may ask of a server, as typed operations.
//!
//! An [`Operation`] is its parameters; performing it gives its outcome. The same operations are performed in process on a stopped
//! server's data directory, and by a running server for whoever reaches its local socket. The table in [`operations`] is the whole list.
#![forbid(unsafe_code)]

pub mod error;
pub mod operations;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use lydian_service::Service;
use lydian_service::administration::examination::Finding;
use lydian_service::mail::Letter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use error::{ErrorKind, OperationError};

/// The local socket in the data directory of a running server.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The path of an operation on the local socket is this and its name; its method is POST, its body JSON.
pub const PATH_PREFIX: &str = "/v1/";

/// The process around the service, as far as operations need it.
pub trait Host: Send + Sync + 'static {
    /// The data directory.
    fn data_directory(&self) -> &Path;

    /// What there is to be found around the service.
    fn examine(&self) -> Vec<Finding>;

    /// Sends a letter now, to try whether mail goes out; the error is a sentence.
    fn send_test_mail(&self, letter: Letter)
    -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Copies the database as it is at one moment into a file in the data directory; the error is a sentence.
    fn snapshot(&self) -> Pin<Box<dyn Future<Output = Result<SnapshotFacts, String>> + Send + '_>>;
}

/// A snapshot of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// The file, in the data directory.
    pub path: PathBuf,
    /// The issuer identifier of the server.
    pub issuer: Option<String>,
    /// The version of the database's schema.
    pub schema_version: i64,
    /// The last position of the log that is in it.
    pub log_position: u64,
    /// The generation of the store.
    pub store_generation: u8,
}

/// Performs operations.
pub struct AdminApi {
    service: Arc<Service>,
    host: Arc<dyn Host>,
}

/// Something that an administrator asks for: its members are the parameters.
pub trait Operation: Serialize + DeserializeOwned + Send {
    /// Its name on the wire.
    const NAME: &'static str;

    /// What comes of it.
    type Outcome: Serialize + DeserializeOwned + Send;

    /// Does it. What kills tokens has killed them everywhere when this returns.
    ///
    /// # Errors
    ///
    /// [`OperationError`] by cause; nothing was done then, unless the error says that this is not known.
    fn perform(self, api: &AdminApi) -> impl Future<Output = Result<Self::Outcome, OperationError>> + Send;
}

impl AdminApi {
    /// Over an open service.
    pub fn new(service: Arc<Service>, host: Arc<dyn Host>) -> Self {
        Self { service, host }
    }

    /// The use cases.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The process around the service.
    pub fn host(&self) -> &dyn Host {
        &*self.host
    }
}
