//! The order to stop: first to drain, then to end at once.

use tokio::sync::watch;

/// How far the stop has been ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Running,
    Draining,
    Immediate,
}

/// The hand that orders the stop. Its clones order the same stop.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<Stage>);

/// The ear for a [`Shutdown`]. Its clones hear the same orders, earlier ones included.
#[derive(Clone, Debug)]
pub struct ShutdownSignal(watch::Receiver<Stage>);

impl Shutdown {
    /// A stop that was not yet ordered.
    pub fn new() -> (Self, ShutdownSignal) {
        let (sender, receiver) = watch::channel(Stage::Running);
        (Self(sender), ShutdownSignal(receiver))
    }

    /// Orders the next stage: the first call drains, the second ends at once. Meant for signals.
    pub fn signal(&self) {
        self.0.send_modify(|stage| {
            *stage = match stage {
                Stage::Running => Stage::Draining,
                Stage::Draining | Stage::Immediate => Stage::Immediate,
            };
        });
    }

    /// Orders the end at once.
    pub fn at_once(&self) {
        self.0.send_replace(Stage::Immediate);
    }
}

impl ShutdownSignal {
    /// Whether the stop was ordered.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
    }

    /// Waits until the stop is ordered. A [`Shutdown`] that was dropped never orders it.
    pub async fn draining(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits until the end at once is ordered.
    pub async fn immediate(&self) {
        self.reached(Stage::Immediate).await;
    }

    async fn reached(&self, stage: Stage) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|&now| now >= stage).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends() {
        let (shutdown, signal) = Shutdown::new();
        assert!(!signal.is_draining());
        shutdown.signal();
        signal.draining().await;
        assert!(!signal.0.borrow().eq(&Stage::Immediate));
        shutdown.clone().signal();
        signal.clone().immediate().await;
        shutdown.signal();
        signal.immediate().await;
    }

    #[tokio::test]
    async fn the_end_at_once_drains_too() {
        let (shutdown, signal) = Shutdown::new();
        shutdown.at_once();
        signal.draining().await;
        signal.immediate().await;
    }
}
