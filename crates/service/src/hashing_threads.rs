//! The threads that compute hashes of passwords: as many as may work at the same time, and no others.
//!
//! A hash takes tens of mebibytes for a moment. Allocated and freed on a pool of hundreds of threads, a flood of sign-ins would leave
//! hundreds of mebibytes behind in the allocator: here each thread keeps its memory from job to job, and gives it back when there is
//! no job. The threads give way to all others, so that a resource server does not wait for the passwords of people.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use argon2::Block;
use parking_lot::{Condvar, Mutex};
use rustix::process::setpriority_process;
use tokio::sync::Semaphore;

/// What is added to the niceness of the process: such a thread gets a tenth of a processor that others want too.
const NICENESS: i32 = 10;

/// The room of a thread at least, in bytes: more than the largest threshold of glibc, 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`).
const ROOM_BYTES: usize = 40 * 1024 * 1024;

/// What a computation works in, as long as it likes; it finds what the one before it has left there.
pub(crate) type Memory = Vec<Block>;

/// A computation, which takes its result where it belongs.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Threads, started when the first job comes, and ended when this is dropped.
pub(crate) struct HashingThreads {
    count: usize,
    turns: Arc<Semaphore>,
    jobs: OnceLock<Arc<Jobs>>,
}

/// Jobs that no thread has taken yet.
#[derive(Default)]
struct Jobs {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Nobody will bring any more.
    is_over: bool,
}

impl HashingThreads {
    pub(crate) fn new(count: usize) -> Self {
        Self { count, turns: Arc::new(Semaphore::new(count)), jobs: OnceLock::new() }
    }

    /// How many threads there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whose turn it is: each of the turns allows one job.
    pub(crate) fn turns(&self) -> &Arc<Semaphore> {
        &self.turns
    }

    /// Runs a job on one of the threads. The turn belongs to the job: who goes away does not hand it on early.
    ///
    /// `None` when the job panicked, or when no thread could be started.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        turn: impl Send + 'static,
        job: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Option<T> {
        let (result, done) = tokio::sync::oneshot::channel();
        let job = Box::new(move |memory: &mut Memory| {
            let outcome = job(memory);
            drop(turn);
            // Who asked may have gone away.
            let _ = result.send(outcome);
        });
        let jobs = self.jobs.get_or_init(|| start(self.count));
        jobs.waiting.lock().jobs.push_back(job);
        jobs.changed.notify_one();
        done.await.ok()
    }
}

impl Drop for HashingThreads {
    fn drop(&mut self) {
        if let Some(jobs) = self.jobs.get() {
            jobs.waiting.lock().is_over = true;
            jobs.changed.notify_all();
        }
    }
}

/// Room for blocks, of which those count that are written to. It is larger than any piece that an allocator keeps for later, so that
/// it goes back to the system at once: pieces of 19 MiB stay behind, and are not found again among what was allocated since.
fn new_memory() -> Memory {
    Memory::with_capacity(ROOM_BYTES / Block::SIZE)
}

/// Starts so many threads, which take jobs until nobody can bring any more.
fn start(count: usize) -> Arc<Jobs> {
    let jobs = Arc::new(Jobs::default());
    for number in 0..count {
        let own = Arc::clone(&jobs);
        let thread = std::thread::Builder::new().name(format!("password-{number}"));
        if let Err(error) = thread.spawn(move || work(&own)) {
            tracing::error!(%error, "a thread for passwords cannot be started");
        }
    }
    jobs
}

fn work(jobs: &Jobs) {
    let own = rustix::process::getpriority_process(None).unwrap_or(0);
    // A thread that keeps its priority is no reason to check no password.
    let _ = setpriority_process(None, own + NICENESS);
    let mut memory = new_memory();
    while let Some(job) = jobs.next(&mut memory) {
        // A job that panics ends itself and not the thread: who waits for it is told by the channel that breaks.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
    }
}

impl Jobs {
    /// Waits for a job; the memory is given back meanwhile.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.is_over {
                return None;
            }
            *memory = new_memory();
            self.changed.wait(&mut waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run<T: Send + 'static>(
        threads: &HashingThreads,
        job: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(threads.turns()).acquire_owned().await.unwrap();
        threads.run(turn, job).await
    }

    #[tokio::test]
    async fn all_jobs_share_few_threads_that_give_way_to_others() {
        let threads = HashingThreads::new(2);
        let own = rustix::process::getpriority_process(None).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..8 * threads.count {
            let job = |_: &mut Memory| {
                let name = std::thread::current().name().unwrap().to_owned();
                (name, rustix::process::getpriority_process(None).unwrap())
            };
            let (name, niceness) = run(&threads, job).await.unwrap();
            assert_eq!(niceness, (own + NICENESS).min(19));
            seen.insert(name);
        }
        assert!(seen.len() <= threads.count, "{seen:?}");
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_neither_its_thread_nor_its_turn_along() {
        let threads = HashingThreads::new(2);
        for _ in 0..2 * threads.count {
            assert_eq!(run(&threads, |_| -> u8 { panic!("as it happens") }).await, None);
        }
        assert_eq!(run(&threads, |_| 7).await, Some(7));
        assert_eq!(threads.turns().available_permits(), threads.count);
    }
}
