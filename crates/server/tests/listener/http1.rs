//! HTTP/1.1 over plain TCP: order, limits, timers, and the net under the responder.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use lydian_server::listener::{ListenerSettings, bind};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

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
async fn requests_sent_in_one_piece_are_answered_in_their_order() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    let paths: Vec<_> = (0..50).map(|number| format!("/{number}")).collect();
    client.send(paths.iter().map(|path| get(path)).collect::<String>()).await;
    for path in paths {
        assert_eq!(client.answer().await.body, path);
    }
}

#[tokio::test]
async fn the_responder_learns_who_asks_and_how() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    let here = client.0.local_addr().expect("connected");
    assert_eq!(client.get("/info").await.body, format!("{here} false"));
}

#[tokio::test]
async fn a_client_that_asks_for_the_end_gets_it_after_the_answer() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client.send("GET /last HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "/last");
    assert_eq!(client.until_closed().await, b"");
}

// Timers.

#[tokio::test]
async fn r22_a_head_that_does_not_arrive_ends_the_connection() {
    let server = start(|settings| settings.head_timeout = SHORT);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: lo").await;
    assert_eq!(client.until_closed().await, b"");
    assert_eq!(server.metrics.head_timeouts.value(), 1);
}

#[tokio::test]
async fn r22_a_head_that_drips_has_no_more_time_than_one_that_stalls() {
    let server = start(|settings| settings.head_timeout = SHORT);
    let mut client = server.connect().await;
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\n").await;
    // A field of one letter every few milliseconds, until the server has had enough.
    while client.0.try_write(b"a: b\r\n").is_ok() && began.elapsed() < GENEROUS {
        let pace = Duration::from_millis(20);
        if tokio::time::timeout(pace, client.0.readable()).await.is_ok() {
            break;
        }
    }
    assert!(began.elapsed() < GENEROUS, "the server had not enough of a head that drips");
    client.until_closed().await;
    assert_eq!(server.metrics.head_timeouts.value(), 1);
}

#[tokio::test]
async fn r22_a_second_head_that_does_not_arrive_ends_the_connection_too() {
    let server = start(|settings| settings.head_timeout = SHORT);
    let mut client = server.connect().await;
    assert_eq!(client.get("/first").await.status(), 200);
    client.send("G").await;
    assert_eq!(client.until_closed().await, b"");
    assert_eq!(server.metrics.head_timeouts.value(), 1);
}

#[tokio::test]
async fn s25_the_pause_between_two_requests_is_no_part_of_the_heads_time() {
    let server = start(|settings| settings.head_timeout = SHORT);
    let mut client = server.connect().await;
    client.stays_silent_for(SHORT * 2).await;
    assert_eq!(client.get("/first").await.status(), 200);
    client.stays_silent_for(SHORT * 2).await;
    assert_eq!(client.get("/second").await.status(), 200);
    assert_eq!(server.metrics.head_timeouts.value(), 0);
}

#[tokio::test]
async fn s25_an_idle_connection_is_closed() {
    let server = start(|settings| settings.keep_alive_timeout = SHORT);
    let mut fresh = server.connect().await;
    let mut used = server.connect().await;
    assert_eq!(used.get("/").await.status(), 200);
    assert_eq!(fresh.until_closed().await, b"");
    assert_eq!(used.until_closed().await, b"");
    assert_eq!(server.metrics.keep_alive_timeouts.value(), 2);
}

#[tokio::test]
async fn s25_idle_time_is_counted_from_the_last_answer() {
    let server = start(|settings| settings.keep_alive_timeout = SHORT);
    let mut client = server.connect().await;
    client.send(get("/held")).await;
    client.stays_silent_for(SHORT * 2).await;
    server.responder.gate.add_permits(1);
    assert_eq!(client.answer().await.body, "held");
    assert_eq!(client.get("/again").await.body, "/again");
}

#[tokio::test]
async fn s25_a_body_that_pauses_is_answered_408_and_the_connection_closed() {
    let server = start_with(settings(|_| {}), with_body_idle_timeout(SHORT));
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n12345").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.as_str()), (408, "idle"));
    assert_eq!(client.until_closed().await, b"");
}

#[tokio::test]
async fn s25_a_body_that_drips_is_answered_408() {
    let server = start_with(settings(|_| {}), with_body_idle_timeout(SHORT));
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n").await;
    let began = Instant::now();
    while began.elapsed() < GENEROUS {
        client.send("x").await;
        if tokio::time::timeout(SHORT / 5, client.0.readable()).await.is_ok() {
            break;
        }
    }
    assert_eq!(client.answer().await.status(), 408);
}

#[tokio::test]
async fn s25_a_request_that_takes_too_long_is_answered_503() {
    let server = start(|settings| settings.request_timeout = SHORT);
    let mut client = server.connect().await;
    let answer = client.get("/held").await;
    assert_eq!((answer.status(), answer.body.as_str()), (503, r#"{"error":"temporarily_unavailable"}"#));
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(server.metrics.request_timeouts.value(), 1);
    // The responder was told by the end of its future, and the connection goes on.
    server.until_held(0).await;
    assert_eq!(client.get("/next").await.status(), 200);
}

#[tokio::test]
async fn r22_a_client_that_does_not_read_is_cut() {
    let server = start(|settings| settings.write_stall_timeout = SHORT);
    let mut client = server.connect().await;
    client.send(get("/large")).await;
    eventually(|| server.metrics.write_timeouts.value() == 1).await;
    eventually(|| server.metrics.open.value() == 0).await;
    assert!(client.until_closed().await.len() < LARGE_BYTES);
}

/// The kernel keeps little of what it does not read, and forgets that when the connection is cut.
#[tokio::test]
async fn r22_a_client_that_does_not_read_takes_little_memory_of_the_kernel() {
    let sockets = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
    #[cfg(target_os = "linux")]
    assert_eq!(socket2::SockRef::from(&sockets[0]).tcp_notsent_lowat().expect("an option"), 64 * 1024);
    drop(sockets);

    let server = start(|settings| settings.write_stall_timeout = SHORT);
    let mut client = server.connect().await;
    client.send(get("/large")).await;
    eventually(|| server.metrics.write_timeouts.value() == 1).await;
    eventually(|| server.metrics.open.value() == 0).await;
    // A connection that is closed in order ends with all that was written, however late it is read.
    let mut rest = Vec::new();
    let error = within(client.0.read_to_end(&mut rest)).await.expect_err("the connection was reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_reads_gets_the_whole_of_a_large_answer() {
    let server = start(|settings| settings.write_stall_timeout = SHORT * 4);
    let mut client = server.connect().await;
    assert_eq!(client.get("/large").await.body.len(), LARGE_BYTES);
    assert_eq!(server.metrics.write_timeouts.value(), 0);
    assert_eq!(client.get("/next").await.status(), 200);
}

#[tokio::test]
async fn a_client_that_stalls_and_goes_on_is_not_cut_later() {
    let server = start(|settings| settings.write_stall_timeout = SHORT * 4);
    let mut client = server.connect().await;
    client.send(get("/large")).await;
    // Nothing is read here, and the socket is full.
    tokio::time::timeout(SHORT, std::future::pending::<()>()).await.expect_err("it is pending");
    assert_eq!(client.answer().await.body.len(), LARGE_BYTES);
    client.stays_silent_for(SHORT * 5).await;
    assert_eq!(client.get("/next").await.status(), 200);
    assert_eq!(server.metrics.write_timeouts.value(), 0);
}

// Limits.

#[tokio::test]
async fn s25_a_head_may_be_as_large_as_the_limit_and_no_larger() {
    let server = start(|settings| settings.head_bytes_max = 1_000);
    let head_of = |bytes: usize| {
        let empty = "GET / HTTP/1.1\r\nhost: localhost\r\na: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nhost: localhost\r\na: {}\r\n\r\n", "x".repeat(bytes - empty))
    };
    for (bytes, expected) in [(999, 200), (1_000, 200), (1_001, 431)] {
        let mut client = server.connect().await;
        client.send(head_of(bytes)).await;
        assert_eq!(client.answer().await.status(), expected, "{bytes} bytes");
    }
}

#[tokio::test]
async fn r24_a_head_without_end_is_answered_431_while_the_client_still_sends() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    let mut head = b"GET / HTTP/1.1\r\nhost: localhost\r\na: ".to_vec();
    head.resize(1024 * 1024, b'x');
    // The server reads a part of it only: the rest of this write fails or waits.
    let (mut reading, mut writing) = client.0.split();
    let sent = async {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut writing, &head).await;
        std::future::pending::<()>().await;
    };
    let mut status = [0; 12];
    tokio::select! {
        () = sent => {}
        read = within(tokio::io::AsyncReadExt::read_exact(&mut reading, &mut status)) => {
            read.expect("the answer arrives although the head was not read");
        }
    }
    assert_eq!(&status, b"HTTP/1.1 431");
    drop(client);
    eventually(|| server.metrics.open.value() == 0).await;
}

#[tokio::test]
async fn s25_a_request_may_have_64_fields_and_no_more() {
    let server = start(|_| {});
    for (fields, expected) in [(64, 200), (65, 431), (100, 431), (2_000, 431)] {
        let mut client = server.connect().await;
        let others: String = (1..fields).map(|number| format!("a{number}: \r\n")).collect();
        client.send(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{others}\r\n")).await;
        assert_eq!(client.answer().await.status(), expected, "{fields} fields");
    }
}

#[tokio::test]
async fn r24_a_body_that_announces_too_much_is_answered_413_unread() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1073741824\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.status(), 413);
    client.until_closed().await;
}

#[tokio::test]
async fn r24_a_chunked_body_is_answered_413_when_it_becomes_too_large() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..4 {
        client.send(&chunk).await;
    }
    client.send("1\r\nx\r\n").await;
    assert_eq!(client.answer().await.status(), 413);
}

#[tokio::test]
async fn a_body_within_the_limits_is_read_in_one_piece_and_in_many() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n12345").await;
    assert_eq!(client.answer().await.body, "5");
    let body = "x".repeat(BODY_BYTES_MAX);
    client
        .send(format!("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BODY_BYTES_MAX}\r\n\r\n"))
        .await;
    for piece in body.as_bytes().chunks(1_000) {
        client.send(piece).await;
    }
    assert_eq!(client.answer().await.body, BODY_BYTES_MAX.to_string());
    client.send("POST /body HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "5");
}

#[tokio::test]
async fn m_a_request_names_its_host_once() {
    let server = start(|_| {});
    for (hosts, expected) in [("", 400), ("host: a\r\n", 200), ("host: a\r\nhost: a\r\n", 400)] {
        let mut client = server.connect().await;
        client.send(format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(client.answer().await.status(), expected, "{hosts:?}");
    }
    let mut old = server.connect().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.answer().await.status(), 200);
}

#[tokio::test]
async fn m_a_request_whose_length_is_ambiguous_is_refused() {
    let server = start(|_| {});
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length : 5\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(format!("POST /body HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n12345")).await;
        assert_eq!(client.answer().await.status(), 400, "{fields:?}");
        client.until_closed().await;
    }
}

/// RFC 9112 §6.3: the transfer coding counts, and what follows on the connection is not trusted.
#[tokio::test]
async fn m_a_request_with_two_kinds_of_length_ends_its_connection() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client
        .send("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 30\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
        .await;
    client.send(get("/smuggled")).await;
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.field("connection")), ("2", Some("close")));
    assert_eq!(client.until_closed().await, b"");
}

#[tokio::test]
async fn m_other_protocols_are_not_taken_up() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client
        .send("GET /still-http1 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "/still-http1"));
    assert_eq!(client.get("/next").await.body, "/next");

    let mut http2 = server.connect().await;
    http2.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    http2.until_closed().await;
    let mut tls = server.connect().await;
    tls.send([22, 3, 1, 0, 4, 1, 0, 0, 0, b'\r', b'\n', b'\r', b'\n']).await;
    assert_eq!(tls.answer().await.status(), 400);
    tls.until_closed().await;
    eventually(|| server.metrics.open.value() == 1).await;
}

#[tokio::test]
async fn s25_connections_beyond_the_total_are_closed_at_once() {
    let server = start(|settings| settings.connections_max = 2);
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.get("/").await.status(), 200);
    assert_eq!(second.get("/").await.status(), 200);
    assert_eq!(server.connect().await.until_closed().await, b"");
    assert_eq!(server.metrics.refused_total.value(), 1);

    drop(first);
    eventually(|| server.metrics.open.value() == 1).await;
    assert_eq!(server.connect().await.get("/").await.status(), 200);
}

#[tokio::test]
async fn s25_connections_beyond_an_addresss_share_are_closed_at_once() {
    let server = start(|settings| settings.connections_per_address_max = 1);
    let mut first = server.connect().await;
    assert_eq!(first.get("/").await.status(), 200);
    assert_eq!(server.connect().await.until_closed().await, b"");
    assert_eq!(server.metrics.refused_per_address.value(), 1);

    let elsewhere = tokio::net::TcpSocket::new_v4().expect("a socket");
    elsewhere.bind("127.0.0.2:0".parse().expect("an address")).expect("all of 127.0.0.0/8 is here");
    let mut other = Client(elsewhere.connect(server.address).await.expect("the listener accepts"));
    assert_eq!(other.get("/").await.status(), 200);
    assert_eq!(server.metrics.accepted.value(), 2);
}

#[tokio::test]
async fn the_limits_are_those_of_the_list_unless_they_are_set() {
    use lydian_primitives::limits;
    let settings = ListenerSettings::default();
    assert_eq!(settings.head_timeout, limits::HEAD_TIMEOUT);
    assert_eq!(settings.keep_alive_timeout, limits::KEEP_ALIVE_TIMEOUT);
    assert_eq!(settings.request_timeout, limits::REQUEST_TIMEOUT);
    assert_eq!(settings.write_stall_timeout, limits::WRITE_STALL_TIMEOUT);
    assert_eq!(settings.connections_max, limits::CONNECTIONS_MAX);
    assert_eq!(settings.connections_per_address_max, limits::CONNECTIONS_PER_ADDRESS_MAX);
    assert_eq!(settings.http2_other_frames_max, limits::HTTP2_OTHER_FRAMES_MAX);
}

// The net.

#[tokio::test]
async fn s19_a_panic_is_answered_500_and_the_connection_goes_on() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    let answer = client.get("/panic").await;
    assert_eq!((answer.status(), answer.body.as_str()), (500, r#"{"error":"server_error"}"#));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert_eq!(client.get("/next").await.status(), 200);
    assert_eq!(server.metrics.panics.value(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    client.send(get("/held")).await;
    server.until_held(1).await;
    drop(client);
    server.until_held(0).await;
    eventually(|| server.metrics.open.value() == 0).await;
}

#[tokio::test]
async fn a_service_that_is_dropped_cuts_its_connections() {
    let server = start(|_| {});
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    server.abort();
    assert_eq!(client.until_closed().await, b"");
    eventually(|| server.metrics.open.value() == 0).await;
    assert!(TcpStream::connect(server.address).await.is_err());
}

fn with_body_idle_timeout(body_idle_timeout: Duration) -> Arc<Scripted> {
    Arc::new(Scripted {
        gate: Semaphore::new(0),
        held: AtomicUsize::new(0),
        held_peak: AtomicUsize::new(0),
        body_idle_timeout,
    })
}
