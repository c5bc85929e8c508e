use lydian_primitives::Timestamp;
use lydian_revocation::CutKind;
use lydian_storage::{Change, Storage, Write};

use super::*;
use crate::{EmbeddedStorage, Options};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// A store whose log has ten rows.
async fn store() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let storage = EmbeddedStorage::open(directory.path(), Options::default()).unwrap();
    for subject in 1..=10 {
        let writes = vec![Write::Cut { kind: CutKind::Grant, subject }];
        let change = Change { preconditions: Vec::new(), writes, at: NOW.plus_seconds(subject) };
        storage.apply(change).await.unwrap();
    }
    storage.close().await.unwrap();
    directory
}

/// What an examination finds after this was done to the file of a store.
async fn findings(statement: &str) -> Vec<String> {
    let directory = store().await;
    let file = directory.path().join(FILE_NAME);
    Connection::open(&file).unwrap().execute_batch(statement).unwrap();
    examine(&file).unwrap()
}

#[tokio::test]
async fn a_log_that_does_not_hang_together_is_found() {
    for (statement, expected) in [
        ("UPDATE head SET link = link + 1", "the head of the log has another link than its last row"),
        (
            "UPDATE log SET link = link + 1 WHERE seq = 10",
            "the head of the log has another link than its last row",
        ),
        ("DELETE FROM log WHERE seq > 7", "the log ends 3 rows before its head"),
        ("UPDATE head SET seq = 9", "1 rows of the log lie beyond its head"),
        ("DELETE FROM log WHERE seq = 5", "the log has 1 gaps"),
        (
            "UPDATE log SET link = (SELECT link FROM log WHERE seq = 3) WHERE seq = 4",
            "1 rows of the log repeat the link or the event of another",
        ),
        (
            "UPDATE log SET event_id = (SELECT event_id FROM log WHERE seq = 3) WHERE seq IN (4, 5)",
            "2 rows of the log repeat the link or the event of another",
        ),
        ("UPDATE log SET latest_at = at - 1 WHERE seq = 6", "the latest time of 1 rows of the log goes back"),
        ("UPDATE head SET latest_at = 0", "the head of the log is older than its last row"),
    ] {
        assert_eq!(findings(statement).await, [expected], "{statement}");
    }
}

#[tokio::test]
async fn a_log_that_was_forgotten_in_part_or_moved_ahead_is_whole() {
    for statement in ["", "DELETE FROM log WHERE seq < 8", "DELETE FROM log"] {
        assert_eq!(findings(statement).await, Vec::<String>::new(), "{statement}");
    }
    let directory = store().await;
    let file = directory.path().join(FILE_NAME);
    detach(&file, NOW, &lydian_primitives::SystemEntropy).unwrap();
    assert_eq!(examine(&file).unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_facts_of_a_file_are_those_of_its_log_and_schema() {
    let directory = store().await;
    let file = directory.path().join(FILE_NAME);
    let known = facts(&file).unwrap();
    assert_eq!((known.head.seq, known.schema_version), (Seq::from_number(10), open::MIGRATIONS.len() as i64));
    let newer = open::MIGRATIONS.len() + 1;
    Connection::open(&file).unwrap().pragma_update(None, "user_version", newer as i64).unwrap();
    assert!(matches!(facts(&file), Err(OpenError::Newer { found, .. }) if found == newer));
}
