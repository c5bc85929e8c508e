//! What is issued carries a position from before the state that it was decided on (lease protocol, rule 12).

use std::sync::{Arc, Mutex};

use lydian_domain::Client;
use lydian_primitives::{BootInstant, Clock, ManualClock, Timestamp};
use lydian_revocation::CutKind;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, JWT_API};
use lydian_test_kit::seed::{self, Change, Write};
use lydian_test_kit::{Reply, TestServer, WatchedStorage};

/// Which reading of the clock is the step that something comes in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Boot,
    Wall,
}

type Plan = Arc<Mutex<Option<(Reading, Box<dyn FnOnce() + Send>)>>>;

/// A clock that does something else when it is read.
struct Interrupted {
    clock: Arc<ManualClock>,
    plan: Plan,
}

impl Interrupted {
    fn interrupt(&self, reading: Reading) {
        let due = self.plan.lock().unwrap().take_if(|(planned, _)| *planned == reading);
        if let Some((_, action)) = due {
            action();
        }
    }
}

impl Clock for Interrupted {
    fn now(&self) -> Timestamp {
        self.interrupt(Reading::Wall);
        self.clock.now()
    }

    fn boot_now(&self) -> BootInstant {
        self.interrupt(Reading::Boot);
        self.clock.boot_now()
    }
}

/// Disables the client and cuts what it has, from a thread of its own.
fn disable(server: &TestServer) {
    let now = server.clock.now();
    let storage = Arc::clone(&server.storage);
    let client = app(server);
    let subject = client.id.as_number();
    let writes = vec![
        Write::PutClient(Client { enabled: false, version: client.version + 1, ..client }),
        Write::Cut { kind: CutKind::Client, subject },
    ];
    let change = Change { preconditions: Vec::new(), writes, at: now };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(storage.apply(change)).unwrap();
    })
    .join()
    .unwrap();
}

fn app(server: &TestServer) -> Client {
    (**server.realm(None).client_by_name(APP.client_id).unwrap()).clone()
}

#[tokio::test]
async fn a_client_that_is_cut_while_its_token_is_minted_has_no_token_that_outlives_the_cut() {
    for reading in [Reading::Boot, Reading::Wall] {
        for audience in [API, JWT_API, BARE_API] {
            let plan: Plan = Arc::default();
            let planned = Arc::clone(&plan);
            let interrupted = |clock| Arc::new(Interrupted { clock, plan: planned }) as Arc<dyn Clock>;
            let server = Arc::new(TestServer::start_wired(|_| {}, interrupted, |node| node).await);
            server.issue(APP, audience).await;
            let disabled = Arc::clone(&server);
            *plan.lock().unwrap() = Some((reading, Box::new(move || disable(&disabled))));
            let reply = server.send(TestServer::token_request(APP).parameter("resource", audience)).await;
            assert!(plan.lock().unwrap().is_none(), "the client was disabled in between");
            check_cut(&server, reply).await;
        }
    }
}

#[tokio::test]
async fn a_cut_between_the_decision_and_the_minting_reaches_the_token() {
    for audience in [API, JWT_API, BARE_API] {
        let plain = Arc::new(TestServer::start().await);
        let watched = WatchedStorage::over(Arc::clone(&plain.storage));
        let server = plain.through(Arc::clone(&watched) as _);
        // The first thing that minting does is to look for the grant.
        let disabled = Arc::clone(&plain);
        watched.interrupt(move || disable(&disabled));
        let reply = server.send(TestServer::token_request(APP).parameter("resource", audience)).await;
        assert!(!app(&server).enabled, "the client was disabled in between");
        check_cut(&server, reply).await;
    }
}

/// Whatever was answered while the client was disabled and cut: once it is enabled again, no token of it is active.
async fn check_cut(server: &TestServer, reply: Reply) {
    let client = app(server);
    let enabled = Client { enabled: true, version: client.version + 1, ..client };
    seed::put(server, vec![Write::PutClient(enabled)]).await;
    if reply.status == 200 {
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        server.introspect(AUDITOR, &token).await.inactive();
    } else {
        reply.refused(401, "invalid_client");
    }
}
