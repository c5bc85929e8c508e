//! A revocation that is repeated is acknowledged no earlier than the first one (lease protocol, rule 9).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;

use lydian_oauth_types::ClientAuthMethod;
use lydian_primitives::Secret;
use lydian_revocation::LogRow;
use lydian_service::{ClientCredentials, Node};
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, JWT_API};
use lydian_test_kit::seed::{LogObserver, Record, Seed};
use tokio::sync::mpsc::UnboundedSender;

/// An observer that holds the rows of the log back while its gate is closed: memory lags behind the store.
struct Gate {
    node: Arc<Node>,
    is_closed: Mutex<bool>,
    opened: Condvar,
    arrived: UnboundedSender<()>,
}

impl Gate {
    fn close(&self) {
        *self.is_closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.is_closed.lock().unwrap() = false;
        self.opened.notify_all();
    }
}

impl LogObserver for Gate {
    fn committed(&self, rows: &[LogRow], records: Vec<Record>) {
        // Nobody listens while the fixtures are made.
        let _ = self.arrived.send(());
        drop(self.opened.wait_while(self.is_closed.lock().unwrap(), |closed| *closed).unwrap());
        self.node.committed(rows, records);
    }

    fn lost_track(&self) {
        self.node.lost_track();
    }

    fn caught_up(&self) {
        self.node.caught_up();
    }
}

#[tokio::test]
async fn a_repeated_revocation_waits_until_memory_has_followed_the_first() {
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let mut gate = None;
    let observer = |node| {
        let made = Arc::new(Gate { node, is_closed: Mutex::new(false), opened: Condvar::new(), arrived });
        gate = Some(Arc::clone(&made));
        made as Arc<dyn LogObserver>
    };
    let server = Arc::new(TestServer::start_wired(|_| {}, |clock| clock, observer).await);
    let gate = gate.unwrap();
    for audience in [API, JWT_API, BARE_API] {
        let granted = Seed::of(APP, Some(audience), "read").named(audience).put(&server).await;
        // The facts of the access token are in memory: only the ledger can say that it is dead.
        server.introspect(AUDITOR, &granted.access_token).await.active();
        while arrivals.try_recv().is_ok() {}
        gate.close();
        let first = tokio::spawn({
            let (server, token) = (Arc::clone(&server), granted.refresh_token.clone());
            async move { server.revoke(APP, &token).await.status }
        });
        // The first revocation is on disk, and not in memory.
        arrivals.recv().await.unwrap();
        {
            let realm = server.realm(None);
            let moment = server.service.moment().unwrap();
            let secret = Secret::new(APP.client_secret.to_owned());
            let method = ClientAuthMethod::ClientSecretBasic;
            let credentials = ClientCredentials::Secret { method, client_id: APP.client_id, secret: &secret };
            let peer = std::net::Ipv4Addr::LOCALHOST.into();
            let client = server.service.authenticate_reader(&realm, &credentials, peer, &moment).unwrap();
            let again = server.service.revoke(&realm, &client, &granted.refresh_token, None, &moment);
            let mut again = pin!(again);
            let polled = poll_fn(|context| Poll::Ready(again.as_mut().poll(context))).await;
            gate.open();
            assert!(
                polled.is_pending(),
                "the repeat was acknowledged before memory had followed: {polled:?}"
            );
            again.await.unwrap();
        }
        server.introspect(AUDITOR, &granted.access_token).await.inactive();
        assert_eq!(first.await.unwrap(), 200);
    }
}
