//! Behind the queue: errands become letters, and letters that the mail server does not take now are tried again until they are worth nothing.

use std::sync::Arc;
use std::time::Duration;

use lydian_primitives::{Mint, SystemEntropy, limits};
use lydian_service::Service;
use lydian_service::mail::{Errand, Letter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Mailer;
use super::mailer::Undelivered;
use crate::listener::ShutdownSignal;

/// How long to wait before each further attempt; the last one repeats.
const WAITS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1_800),
];

/// Delivers until the server stops.
pub async fn deliver(
    service: Arc<Service>,
    mailer: Arc<Mailer>,
    mut errands: mpsc::Receiver<Errand>,
    signal: ShutdownSignal,
) {
    let postman = Arc::new(Postman {
        service,
        mailer,
        under_way: Arc::new(Semaphore::new(limits::MAIL_QUEUE_MAX)),
        connections: Semaphore::new(limits::MAIL_CONNECTIONS_MAX),
        signal: signal.clone(),
    });
    let mut rounds = JoinSet::new();
    loop {
        let errand = tokio::select! {
            errand = errands.recv() => errand,
            Some(_) = rounds.join_next() => continue,
            () = signal.draining() => break,
        };
        let Some(errand) = errand else { break };
        postman.begin(errand, &mut rounds).await;
    }
    // What was promised before the stop is tried once; what waits for another attempt is given up.
    errands.close();
    let rest = async {
        while let Some(errand) = errands.recv().await {
            postman.begin(errand, &mut rounds).await;
        }
        while rounds.join_next().await.is_some() {}
    };
    if tokio::time::timeout(limits::MAIL_DRAIN_TIMEOUT, rest).await.is_err() {
        tracing::warn!("mail was left behind at the stop");
    }
}

struct Postman {
    service: Arc<Service>,
    mailer: Arc<Mailer>,
    /// Bounds the letters that are sent or wait for another attempt.
    under_way: Arc<Semaphore>,
    /// Bounds the connections to the mail server.
    connections: Semaphore,
    signal: ShutdownSignal,
}

impl Postman {
    async fn begin(self: &Arc<Self>, errand: Errand, rounds: &mut JoinSet<()>) {
        let Ok(place) = Arc::clone(&self.under_way).acquire_owned().await else { return };
        let postman = Arc::clone(self);
        rounds.spawn(async move { postman.run(errand, place).await });
    }

    async fn run(&self, errand: Errand, _place: OwnedSemaphorePermit) {
        match self.service.write_letters(&errand).await {
            Ok(letters) => {
                for letter in letters {
                    self.deliver(&letter).await;
                }
            }
            Err(error) => tracing::warn!(%error, "a mail could not be written"),
        }
    }

    async fn deliver(&self, letter: &Letter) {
        for attempt in 0.. {
            let outcome = {
                let Ok(_connection) = self.connections.acquire().await else { return };
                self.mailer.send(letter, &Mint::new(self.service.node().clock().now(), &SystemEntropy)).await
            };
            let wait = WAITS[WAITS.len().min(attempt + 1) - 1];
            let again_at = self.service.node().token_time().plus_seconds(wait.as_secs());
            if !matches!(outcome, Err(Undelivered::Later(_))) || again_at >= letter.good_until {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.signal.draining() => return,
            }
        }
    }
}
