//! The end of the service: what is in flight is answered, and the rest does not hold it up.

use std::io::Write as _;

use lydian_server::listener::Drained;
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn r35_a_request_in_flight_is_answered_before_the_end() {
    let mut server = start(|_| {});
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/idle").await.status(), 200);
    let mut busy = server.connect().await;
    busy.send(get("/held")).await;
    server.until_held(1).await;

    server.shutdown.signal();
    let closed = tokio::time::timeout(SHORT * 2, idle.until_closed()).await;
    assert_eq!(closed.expect("an idle connection is not waited for"), b"");
    server.responder.gate.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status(), answer.field("connection")), (200, Some("close")));
    assert_eq!(busy.until_closed().await, b"");
    drop((idle, busy));
    assert_eq!(server.ended().await, Drained::Complete);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn r35_a_head_that_is_under_way_is_answered_before_the_end() {
    let mut server = start(|_| {});
    let mut client = server.connect().await;
    assert_eq!(client.get("/first").await.status(), 200);
    client.send("GET /second HTTP/1.1\r\nhost: ").await;
    let mut other = server.connect().await;
    // One more round through the server, so that it has read the half.
    assert_eq!(other.get("/").await.status(), 200);
    server.shutdown.signal();
    other.until_closed().await;
    client.send("localhost\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.field("connection")), ("/second", Some("close")));
    drop((client, other));
    assert_eq!(server.ended().await, Drained::Complete);
}

/// One thread, and no `await` between the connection and the signal: the service cannot accept before it
/// is told to drain.
#[tokio::test(flavor = "current_thread")]
async fn r35_a_request_on_a_connection_not_yet_accepted_is_answered() {
    let mut server = start(|_| {});
    server.connect().await.get("/").await;
    let mut waiting = std::net::TcpStream::connect(server.address).expect("the kernel accepts");
    waiting.write_all(get("/waiting").as_bytes()).expect("the kernel takes it");
    server.shutdown.signal();
    waiting.set_nonblocking(true).expect("a socket");
    let mut waiting = Client(TcpStream::from_std(waiting).expect("a socket"));
    assert_eq!(waiting.answer().await.body, "/waiting");
    waiting.until_closed().await;
    drop(waiting);
    assert_eq!(server.ended().await, Drained::Complete);
}

#[tokio::test]
async fn r35_a_connection_without_a_request_does_not_hold_up_the_end() {
    let mut server = start(|_| {});
    let mut fresh = server.connect().await;
    eventually(|| server.metrics.open.value() == 1).await;
    server.shutdown.signal();
    assert_eq!(fresh.until_closed().await, b"");
    drop(fresh);
    assert_eq!(server.ended().await, Drained::Complete);
}

#[tokio::test]
async fn r35_a_request_that_does_not_end_is_cut_when_the_time_is_over() {
    let mut server = start(|settings| settings.drain_timeout = SHORT);
    let mut client = server.connect().await;
    client.send(get("/held")).await;
    server.until_held(1).await;
    server.shutdown.signal();
    assert_eq!(server.ended().await, Drained::TimedOut { connections: 1 });
    assert_eq!(client.until_closed().await, b"");
    server.until_held(0).await;
}

#[tokio::test]
async fn r35_the_second_signal_ends_at_once() {
    let mut server = start(|_| {});
    let mut client = server.connect().await;
    client.send(get("/held")).await;
    server.until_held(1).await;
    server.shutdown.signal();
    client.stays_silent_for(SHORT).await;
    server.shutdown.signal();
    assert_eq!(server.ended().await, Drained::AtOnce { connections: 1 });
    assert_eq!(client.until_closed().await, b"");
}
