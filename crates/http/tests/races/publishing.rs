//! Whoever sees a position of the log sees the records of its rows (lease protocol, rule 12).

use std::sync::atomic::{AtomicBool, Ordering};

use lydian_domain::Client;
use lydian_primitives::Clock;
use lydian_revocation::{Event, Link, LogRow, Reach, RecordKind};
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP};
use lydian_test_kit::seed::{LogObserver, Record};

#[tokio::test]
async fn while_the_outcome_of_a_commit_is_unknown_nothing_is_answered() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    server.introspect(APP, &token).await.active();
    server.service.node().lost_track();
    for reply in [server.introspect(APP, &token).await, server.revoke(APP, &token).await] {
        reply.refused(503, "temporarily_unavailable");
    }
    server.service.node().caught_up();
    server.introspect(APP, &token).await.active();
}

#[tokio::test]
async fn a_gap_in_the_log_ends_all_answers() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    let node = server.service.node();
    let event = Event::UserChanged { user: 1 };
    let seq = node.ledger().applied().seq.next().next();
    let row = LogRow {
        seq,
        link: Link::from_bits(1),
        event_id: 1,
        at: server.clock.now(),
        event,
        reach: Reach::default(),
    };
    node.committed(&[row], Vec::new());
    server.introspect(APP, &token).await.refused(503, "temporarily_unavailable");
}

#[tokio::test]
async fn a_position_that_is_seen_comes_after_the_records_of_its_rows() {
    let server = TestServer::start().await;
    let node = server.service.node();
    let first = (**server.realm(None).client_by_name(APP.client_id).unwrap()).clone();
    let before = node.ledger().applied();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Each row brings one version, so that the two grow alike.
            for number in 1..=3_000 {
                let applied = node.ledger().applied();
                let client = Client { version: first.version + number, ..first.clone() };
                let event =
                    Event::RecordChanged { kind: RecordKind::Client, record: client.id.as_number().into() };
                let row = LogRow {
                    seq: applied.seq.next(),
                    link: Link::from_bits(number),
                    event_id: u128::from(number),
                    at: server.clock.now(),
                    event,
                    reach: Reach::default(),
                };
                node.committed(&[row], vec![Record::Client(client)]);
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let position = server.service.moment().unwrap().minted_at;
            let version = server.realm(None).client_by_name(APP.client_id).unwrap().version;
            let rows = position.as_number() - before.seq.as_number();
            assert!(
                version - first.version >= rows,
                "{rows} rows are applied, and {version} is the record's"
            );
        }
    });
}
