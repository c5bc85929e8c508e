//! The least that durability costs: a log that many requests share one sync of.
//!
//! A writer thread takes all appends that have queued up, writes them with one call, syncs the file and answers
//! them all. The file is as long as it will ever get before the first append and is then written in place, over
//! and over: a file that grows would make each sync write its length too, and a floor must not do more than the
//! fastest thing possible.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

/// How long the file is; it is written from the start again when the end is reached.
const FILE_BYTES: u64 = 16 << 20;

/// The most appends that wait for the writer, and so the most that one sync can serve.
const QUEUE_MAX: usize = 4_096;

/// The end of the log to which requests append.
#[derive(Clone, Debug)]
pub(super) struct Log {
    appends: SyncSender<oneshot::Sender<()>>,
}

/// Why an append was not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotDurable;

impl Log {
    /// A log in a new file at `path`, to which each append adds `bytes` bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be created and filled.
    pub(super) fn create(path: &Path, bytes: usize) -> Result<Self> {
        let context = || format!("create the log of the durable floor, {}", path.display());
        let file = OpenOptions::new().write(true).create_new(true).open(path).with_context(context)?;
        fill(&file).with_context(context)?;
        let (appends, queue) = sync_channel(QUEUE_MAX);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&file, &queue, bytes))
            .with_context(context)?;
        Ok(Self { appends })
    }

    /// Appends and waits until the bytes are on the disk.
    ///
    /// # Errors
    ///
    /// The queue is full, or the writer has failed.
    pub(super) async fn append(&self) -> Result<(), NotDurable> {
        let (synced, done) = oneshot::channel();
        match self.appends.try_send(synced) {
            Ok(()) => done.await.map_err(|_| NotDurable),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(NotDurable),
        }
    }
}

/// Writes zeros up to the full length, so that no later write has to allocate.
fn fill(file: &File) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    for offset in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()
}

/// Serves appends until the last [`Log`] is gone or the disk fails, which drops the waiting appends.
fn write(file: &File, queue: &Receiver<oneshot::Sender<()>>, bytes: usize) {
    let mut offset = 0;
    let mut batch = Vec::with_capacity(QUEUE_MAX);
    let mut content = Vec::new();
    while let Ok(first) = queue.recv() {
        batch.push(first);
        batch.extend(queue.try_iter().take(QUEUE_MAX - 1));
        content.resize(batch.len() * bytes, b'x');
        let length = content.len() as u64;
        if offset + length > FILE_BYTES {
            offset = 0;
        }
        if file.write_all_at(&content, offset).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        offset += length;
        for synced in batch.drain(..) {
            // Whoever waited may have gone away.
            let _gone = synced.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_append_of_a_crowd_is_answered_and_written() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Log::create(&path, 100).unwrap();
        runtime.block_on(async {
            let mut crowd = tokio::task::JoinSet::new();
            for _ in 0..200 {
                let log = log.clone();
                crowd.spawn(async move { log.append().await });
            }
            assert!(crowd.join_all().await.iter().all(Result::is_ok));
        });
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len() as u64, FILE_BYTES);
        assert_eq!(content.iter().filter(|byte| **byte == b'x').count(), 200 * 100);
    }

    #[test]
    fn a_log_is_never_laid_over_a_file_that_exists() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "something else").unwrap();
        assert!(Log::create(&path, 1).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else");
    }
}
