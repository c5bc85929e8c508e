use std::path::PathBuf;

use lydian_admin_api::SnapshotFacts;
use lydian_primitives::SystemEntropy;
use lydian_service::Settings;

use super::super::{make, read_or_make_recovery_key, take_snapshot};
use super::*;
use crate::offline::OpenStore;

/// What is made of the facts about a snapshot.
type Change = fn(&mut SnapshotFacts);

/// A place with the data directory of a stopped server.
struct Place {
    parent: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let place = Self { parent };
        let settings = |_| Settings::with_issuer("https://localhost:9443");
        OpenStore::open(&place.data(), settings).await.unwrap().close().await.unwrap();
        place
    }

    fn data(&self) -> PathBuf {
        self.parent.path().join("data")
    }

    fn key(&self) -> RecoveryKey {
        read_or_make_recovery_key(&self.parent.path().join("recovery.key"), &SystemEntropy).unwrap().0
    }

    /// A backup, made with what `change` makes of the facts about the snapshot; and what a check finds.
    async fn findings(&self, change: impl FnOnce(&mut SnapshotFacts)) -> Vec<String> {
        let mut facts = take_snapshot(&self.data(), &SystemEntropy).unwrap();
        change(&mut facts);
        let to = self.parent.path().join("backup");
        let _ = std::fs::remove_dir_all(&to);
        make(&self.data(), &facts, &self.key(), &to, |_| {}).unwrap();
        check_backup(&to, self.key(), |_| {}).await.unwrap().unwrap().findings
    }
}

#[tokio::test]
async fn a_manifest_that_says_something_else_than_its_database_is_found() {
    let place = Place::new().await;
    assert_eq!(place.findings(|_| {}).await, Vec::<String>::new());
    let cases: [(Change, &str); 4] = [
        (|facts| facts.store_generation += 1, "its manifest gives generation 2, and its database has 1"),
        (|facts| facts.schema_version += 1, "its manifest gives schema version"),
        (|facts| facts.log_position += 1, "its manifest gives log position"),
        (|facts| facts.issuer = Some("https://other.example".to_owned()), "its manifest gives issuer"),
    ];
    for (change, expected) in cases {
        let findings = place.findings(change).await;
        assert!(findings.len() == 1 && findings[0].starts_with(expected), "{findings:?}");
        let into = place.parent.path().join("restored");
        let backup = place.parent.path().join("backup");
        let error = super::super::restore(&backup, &into, &place.key(), false, |_| {}).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!into.join(FILE_NAME).exists());
    }
}

#[tokio::test]
async fn a_restore_never_replaces_the_wrapping_key_of_another_store() {
    let place = Place::new().await;
    assert_eq!(place.findings(|_| {}).await, Vec::<String>::new());
    let backup = place.parent.path().join("backup");
    let own = std::fs::read(place.data().join("wrapping.key")).unwrap();
    let into = place.parent.path().join("restored");
    let directory = data_directory::DataDirectory::open(&into).unwrap();
    directory.write("wrapping.key", &[9; 32]).unwrap();
    drop(directory);
    let restore = async || super::super::restore(&backup, &into, &place.key(), false, |_| {}).await;
    let error = restore().await.unwrap_err();
    assert!(error.to_string().contains("there is a wrapping key already"), "{error}");
    assert_eq!(std::fs::read(into.join("wrapping.key")).unwrap(), [9; 32]);
    assert!(!into.join(FILE_NAME).exists() && !into.join(".restore").exists());
    // The key of the backup itself is what a restore leaves that was killed before its last step.
    std::fs::write(into.join("wrapping.key"), &own).unwrap();
    restore().await.unwrap();
    assert_eq!(std::fs::read(into.join("wrapping.key")).unwrap(), own);
}
