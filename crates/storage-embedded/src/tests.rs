//! Tests of what this backend alone promises.

use std::sync::Arc;

use lydian_domain::{Realm, RealmId, RealmName};
use lydian_primitives::Timestamp;
use lydian_storage::{Change, Storage, Write};

use crate::{EmbeddedStorage, Options};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_closing_and_opening() {
    let directory = tempfile::tempdir().unwrap();
    let open = || EmbeddedStorage::open(directory.path(), Options::default()).unwrap();
    let storage = open();
    let realm = Realm::with_defaults(RealmId::from_number(1), RealmName::default_realm());
    let change = Change { preconditions: vec![], writes: vec![Write::PutRealm(realm)], at: Timestamp::EPOCH };
    let position = storage.apply(change).await.unwrap();
    storage.close().await.unwrap();
    let storage: Arc<dyn Storage> = open();
    assert_eq!(storage.head().await.unwrap(), position);
    assert_eq!(storage.load_records().await.unwrap().len(), 1);
}
