//! HTTP/2 over TLS: streams, limits, floods, timers, and the end.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{Request, Response, StatusCode};
use lydian_server::listener::Drained;
use lydian_server::tls::ALPN_HTTP2;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::support::*;
use crate::tls_support::Tls;

#[tokio::test]
async fn many_streams_share_one_connection() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let client = Http2::connect(&tls, &server).await;
    let asked: Vec<_> = (0..90).map(|number| client.ask(&format!("/{number}"))).collect();
    for (number, answer) in asked.into_iter().enumerate() {
        assert_eq!(body_of(answer).await, format!("/{number}"));
    }
    assert!(body_of(client.ask("/info")).await.ends_with(" true"));
    assert_eq!(server.metrics.accepted.value(), 1);
}

#[tokio::test]
async fn a_body_is_read_from_its_frames() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let mut client = Http2::connect(&tls, &server).await;
    let request = Request::post("https://localhost/body").body(()).expect("a request");
    let (answer, mut body) = client.sender.send_request(request, false).expect("a stream");
    for _ in 0..4 {
        body.send_data(Bytes::from_static(b"12345"), false).expect("an open stream");
    }
    body.send_data(Bytes::new(), true).expect("an open stream");
    assert_eq!(body_of(answer).await, "20");
}

// Limits.

/// A client that ignores the limit has its stream refused.
#[tokio::test]
async fn s25_a_stream_beyond_the_limit_is_refused() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.http2_streams_max = 3);
    let client = Http2::connect_with(&tls, &server, Builder::new().initial_max_send_streams(10)).await;
    // Ten streams before the server's settings are known.
    let asked: Vec<_> = (0..10).map(|_| client.ask("/held")).collect();
    server.until_held(3).await;
    let mut refused = 0;
    let mut waiting = Vec::new();
    for answer in asked {
        waiting.push(tokio::spawn(answer));
    }
    eventually(|| waiting.iter().filter(|answer| answer.is_finished()).count() == 7).await;
    server.responder.gate.add_permits(3);
    for answer in waiting {
        match answer.await.expect("no panic") {
            Ok(answer) => assert_eq!(answer.status(), StatusCode::OK),
            Err(error) => {
                assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
                refused += 1;
            }
        }
    }
    assert_eq!((refused, server.responder.held_peak.load(Ordering::SeqCst)), (7, 3));
}

#[tokio::test]
async fn s25_a_header_list_beyond_the_limit_is_answered_431() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let client = Http2::connect(&tls, &server).await;
    for (name_count, value_bytes, expected) in [
        (1, 10_000, StatusCode::OK),
        (1, 17_000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        (64, 1, StatusCode::OK),
        (65, 1, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ] {
        let mut request = Request::get("https://localhost/");
        for number in 0..name_count {
            request = request.header(format!("a{number}"), "x".repeat(value_bytes));
        }
        let request = request.body(()).expect("a request");
        let (answer, _) = client.sender.clone().send_request(request, true).expect("a stream");
        let answer = within(answer).await.expect("an answer");
        assert_eq!(answer.status(), expected, "{name_count} fields of {value_bytes} bytes");
    }
}

#[tokio::test]
async fn r25_a_rapid_reset_ends_in_goaway() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let mut client = Http2::connect(&tls, &server).await;
    assert_eq!(body_of(client.ask("/")).await, "/");
    let flood = async {
        for number in 0..100_000 {
            let Ok(mut sender) = client.sender.clone().ready().await else { return number };
            let request = Request::get("https://localhost/held").body(()).expect("a request");
            let Ok((_, mut stream)) = sender.send_request(request, false) else { return number };
            stream.send_reset(Reason::CANCEL);
            // Some at a time, as an attacker fills a packet.
            if number % 50 == 49 {
                tokio::task::yield_now().await;
            }
        }
        100_000
    };
    let sent = within(flood).await;
    assert!(sent < 100_000, "the flood was taken");
    assert_eq!(client.end().await.and_then(|error| error.reason()), Some(Reason::ENHANCE_YOUR_CALM));
    eventually(|| server.metrics.open.value() == 0).await;
    server.until_held(0).await;
}

/// "Made you reset": frames that oblige the server to reset a stream, here a window that overflows.
#[tokio::test]
async fn r25_a_client_that_provokes_resets_ends_in_goaway() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let mut client = raw(&tls, &server).await;
    client.send(PREFACE).await;
    client.send(frame(SETTINGS, 0, 0, &[])).await;
    let (mut reading, mut writing) = tokio::io::split(client.0);
    let flood = tokio::spawn(async move {
        for number in 0..50_000_u32 {
            let stream = number * 2 + 1;
            let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get_fields("/held"));
            frames.extend(frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]));
            if writing.write_all(&frames).await.is_err() || writing.flush().await.is_err() {
                return;
            }
        }
    });
    let reason = within(goaway_reason(&mut reading)).await;
    assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM.into()));
    drop(reading);
    flood.abort();
    eventually(|| server.metrics.open.value() == 0).await;
}

#[tokio::test]
async fn r25_a_head_of_endless_continuations_ends_in_goaway() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let mut client = raw(&tls, &server).await;
    client.send(PREFACE).await;
    client.send(frame(SETTINGS, 0, 0, &[])).await;
    client.send(frame(HEADERS, END_STREAM, 1, &[0x82, 0x87, 0x84])).await;
    let (mut reading, mut writing) = tokio::io::split(client.0);
    let flood = tokio::spawn(async move {
        // A literal field without indexing, `a: xx..`, again and again.
        let mut field = vec![0, 1, b'a', 0x7f, 0x81, 0x06];
        field.resize(field.len() + 127 + 769, b'x');
        for _ in 0..100_000 {
            if writing.write_all(&frame(CONTINUATION, 0, 1, &field)).await.is_err() {
                return;
            }
        }
    });
    let reason = within(goaway_reason(&mut reading)).await;
    assert!(reason.is_some(), "the flood was taken");
    drop(reading);
    flood.abort();
    eventually(|| server.metrics.open.value() == 0).await;
}

// Timers.

/// Frames that are no request and that h2 serves without end.
#[tokio::test]
async fn r25_a_flood_of_frames_that_are_no_request_ends_in_goaway() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let floods = [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("SETTINGS of nothing", frame(SETTINGS, 0, 0, &[])),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 1])),
        ("an unknown type", frame(0xfa, 0, 0, &[])),
    ];
    for (number, (name, flood)) in floods.into_iter().enumerate() {
        let mut client = raw(&tls, &server).await;
        client.send(PREFACE).await;
        client.send(frame(SETTINGS, 0, 0, &[])).await;
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &get_fields("/"))).await;
        let (mut reading, mut writing) = tokio::io::split(client.0);
        let flooding = tokio::spawn(async move {
            let many = flood.repeat(100);
            for _ in 0..1_000 {
                if writing.write_all(&many).await.is_err() || writing.flush().await.is_err() {
                    return;
                }
            }
        });
        let reason = within(goaway_reason(&mut reading)).await;
        assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM.into()), "{name}");
        drop(reading);
        flooding.abort();
        eventually(|| server.metrics.open.value() == 0).await;
        assert_eq!(server.metrics.http2_floods.value(), number as u64 + 1, "{name}");
    }
}

/// A client that probes its connection and gives window back with each request, on and on.
#[tokio::test]
async fn r25_a_client_that_asks_may_send_other_frames_beside_each_request() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.http2_other_frames_max = 20);
    let mut client = raw(&tls, &server).await;
    client.send(PREFACE).await;
    client.send(frame(SETTINGS, 0, 0, &[])).await;
    for number in 0..50 {
        let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &get_fields("/"));
        frames.extend(frame(PING, 0, 0, &[0; 8]).repeat(8));
        frames.extend(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(8));
        client.send(frames).await;
        loop {
            let (kind, flags, _) = within(read_frame(&mut client.0)).await.expect("the connection goes on");
            if kind == DATA && flags & END_STREAM != 0 {
                break;
            }
        }
    }
    assert_eq!(server.metrics.http2_floods.value(), 0);
}

#[tokio::test]
async fn s25_a_stream_that_takes_too_long_is_answered_503() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.request_timeout = SHORT);
    let client = Http2::connect(&tls, &server).await;
    let answer = within(client.ask("/held")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.metrics.request_timeouts.value(), 1);
    assert_eq!(body_of(client.ask("/next")).await, "/next");
}

#[tokio::test]
async fn s25_a_connection_without_streams_is_closed() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.keep_alive_timeout = SHORT);
    let mut fresh = Http2::connect(&tls, &server).await;
    let mut used = Http2::connect(&tls, &server).await;
    assert_eq!(body_of(used.ask("/")).await, "/");
    assert!(fresh.end().await.is_none(), "a peaceful GOAWAY");
    assert!(used.end().await.is_none(), "a peaceful GOAWAY");
    assert_eq!(server.metrics.keep_alive_timeouts.value(), 2);
}

#[tokio::test]
async fn s25_a_stream_in_flight_keeps_the_connection() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.keep_alive_timeout = SHORT);
    let client = Http2::connect(&tls, &server).await;
    let mut held = tokio::spawn(client.ask("/held"));
    assert!(tokio::time::timeout(SHORT * 3, &mut held).await.is_err(), "nothing ends it");
    server.responder.gate.add_permits(1);
    assert_eq!(within(held).await.expect("no panic").expect("an answer").status(), StatusCode::OK);
    assert_eq!(server.metrics.keep_alive_timeouts.value(), 0);
}

#[tokio::test]
async fn r22_streams_that_are_given_no_window_end_the_connection() {
    let tls = Tls::new();
    let server = tls.start(|settings| {
        settings.request_timeout = SHORT;
        settings.write_stall_timeout = SHORT;
    });
    let mut client = Http2::connect_with(&tls, &server, Builder::new().initial_window_size(0)).await;
    let answer = within(client.ask("/stuck")).await.expect("a head needs no window");
    assert_eq!(answer.status(), StatusCode::OK);
    client.end().await;
    assert_eq!(server.metrics.write_timeouts.value(), 1);
}

#[tokio::test]
async fn r22_a_client_that_does_not_read_its_socket_is_cut() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.write_stall_timeout = SHORT);
    let mut client = raw(&tls, &server).await;
    client.send(PREFACE).await;
    // A window as wide as windows get, so that only the socket is left to stall.
    client.send(frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).await;
    client.send(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0])).await;
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &get_fields("/large"))).await;
    eventually(|| server.metrics.write_timeouts.value() == 1).await;
    eventually(|| server.metrics.open.value() == 0).await;
}

#[tokio::test]
async fn s25_a_client_that_answers_no_ping_is_cut() {
    let tls = Tls::new();
    let server = tls.start(|settings| {
        settings.http2_ping_interval = SHORT;
        settings.http2_ping_timeout = SHORT;
    });
    let mut client = raw(&tls, &server).await;
    client.send(PREFACE).await;
    client.send(frame(SETTINGS, 0, 0, &[])).await;
    client.until_closed().await;
    eventually(|| server.metrics.open.value() == 0).await;
}

// The net and the end.

#[tokio::test]
async fn s19_a_panic_is_answered_500_and_the_other_streams_go_on() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let client = Http2::connect(&tls, &server).await;
    let held = client.ask("/held");
    server.until_held(1).await;
    let answer = within(client.ask("/panic")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    server.responder.gate.add_permits(1);
    assert_eq!(body_of(held).await, "held");
    assert_eq!(server.metrics.panics.value(), 1);
}

#[tokio::test]
async fn r35_streams_in_flight_are_answered_before_the_end() {
    let tls = Tls::new();
    let mut server = tls.start(|_| {});
    let mut idle = Http2::connect(&tls, &server).await;
    assert_eq!(body_of(idle.ask("/")).await, "/");
    let mut busy = Http2::connect(&tls, &server).await;
    let held = [busy.ask("/held"), busy.ask("/held")];
    server.until_held(2).await;
    server.shutdown.signal();
    assert!(idle.end().await.is_none(), "a peaceful GOAWAY");
    server.responder.gate.add_permits(2);
    for answer in held {
        assert_eq!(body_of(answer).await, "held");
    }
    assert!(busy.end().await.is_none(), "a peaceful GOAWAY");
    assert_eq!(server.ended().await, Drained::Complete);
}

#[tokio::test]
async fn r35_a_client_that_does_not_confirm_goaway_does_not_hold_up_the_end() {
    let tls = Tls::new();
    let mut server = tls.start(|_| {});
    let mut client = raw(&tls, &server).await;
    client.send(PREFACE).await;
    client.send(frame(SETTINGS, 0, 0, &[])).await;
    let mut byte = [0];
    within(client.0.read_exact(&mut byte)).await.expect("the server's settings");
    server.shutdown.signal();
    assert_eq!(server.ended().await, Drained::Complete);
}

#[tokio::test]
async fn r35_the_second_signal_ends_streams_at_once() {
    let tls = Tls::new();
    let mut server = tls.start(|_| {});
    let client = Http2::connect(&tls, &server).await;
    let held = client.ask("/held");
    server.until_held(1).await;
    server.shutdown.signal();
    server.shutdown.signal();
    assert_eq!(server.ended().await, Drained::AtOnce { connections: 1 });
    within(held).await.expect_err("no answer comes");
    server.until_held(0).await;
}

/// A client that keeps to the rules, with the end of its connection.
struct Http2 {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    async fn connect(tls: &Tls, server: &Server) -> Self {
        Self::connect_with(tls, server, &Builder::new()).await
    }

    async fn connect_with(tls: &Tls, server: &Server, builder: &Builder) -> Self {
        let stream = raw(tls, server).await.0;
        let (sender, connection) = within(builder.handshake(stream)).await.expect("HTTP/2");
        Self { sender, connection: tokio::spawn(connection) }
    }

    fn ask(&self, path: &str) -> ResponseFuture {
        let request = Request::get(format!("https://localhost{path}")).body(()).expect("a request");
        self.sender.clone().send_request(request, true).expect("a stream").0
    }

    /// Waits for the end of the connection: its error, if it is one.
    async fn end(&mut self) -> Option<h2::Error> {
        within(&mut self.connection).await.expect("no panic").err()
    }
}

async fn body_of(answer: ResponseFuture) -> String {
    let answer: Response<RecvStream> = within(answer).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(piece) = within(body.data()).await {
        text.extend_from_slice(&piece.expect("a whole body"));
    }
    String::from_utf8(text).expect("text")
}

// Frames by hand (RFC 9113 §4.1).

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of a GET request, without Huffman and without the dynamic table (RFC 7541 §6).
fn get_fields(path: &str) -> Vec<u8> {
    let (method_get, scheme_https, path_literal, authority_literal) = (0x82, 0x87, 0x04, 0x01);
    let mut fields = vec![method_get, scheme_https, path_literal, path.len() as u8];
    fields.extend(path.as_bytes());
    fields.extend([authority_literal, 1, b'a']);
    fields
}

async fn raw(tls: &Tls, server: &Server) -> Client<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    tls.connect_with(server, &[ALPN_HTTP2], &TLS13).await.expect("a handshake")
}

/// Reads frames until GOAWAY and returns its error code; `None` if the connection ends without one.
async fn goaway_reason(reading: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<u32> {
    loop {
        let (kind, _, payload) = read_frame(reading).await?;
        if kind == GOAWAY {
            return Some(u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]));
        }
    }
}

/// Reads a frame: its type, flags and payload; `None` if the connection ends.
async fn read_frame(reading: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    reading.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    reading.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], payload))
}
