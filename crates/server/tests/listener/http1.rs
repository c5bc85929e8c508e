//! HTTP/1.1 over plain TCP.

use lydian_server::listener::Drained;
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    for path in ["/first", "/second", "/third"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status(), answer.body.as_str()), (200, path));
    }
    assert_eq!(server.metrics.accepted.value(), 1);
}

#[tokio::test]
async fn r35_a_request_in_flight_is_answered_before_the_end() {
    let mut server = start(|_| {});
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/idle").await.status(), 200);
    let mut busy = server.connect().await;
    busy.send(get("/held")).await;
    server.until_held(1).await;

    server.shutdown.signal();
    assert_eq!(idle.until_closed().await, b"");
    server.responder.gate.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status(), answer.field("connection")), (200, Some("close")));
    assert_eq!(busy.until_closed().await, b"");
    drop((idle, busy));
    assert_eq!(server.ended().await, Drained::Complete);
    assert!(TcpStream::connect(server.address).await.is_err());
}
