//! The generator against small servers that answer in every way that a server might.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::client;
use crate::requests::Request;

const ACTIVE: &str = "{\"active\":true}";

/// How a server of these tests answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    Chunked,
    Closes,
    ClosesWithoutAnswer,
    InPieces,
    Nonsense,
    Refused,
    Twice,
    Whole,
}

impl Answers {
    fn pieces(self) -> Vec<Vec<u8>> {
        let length = ACTIVE.len();
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{ACTIVE}");
        match self {
            Self::Chunked => vec![
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"act\r\n".to_vec(),
                b"a\r\nive\":true}\r\n0\r\n\r\n".to_vec(),
            ],
            Self::Closes => vec![whole.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").into_bytes()],
            Self::ClosesWithoutAnswer => Vec::new(),
            Self::InPieces => whole.bytes().map(|byte| vec![byte]).collect(),
            Self::Nonsense => vec![b"nonsense\r\n\r\n".to_vec()],
            Self::Refused => vec![b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()],
            Self::Twice => vec![whole.repeat(2).into_bytes()],
            Self::Whole => vec![whole.into_bytes()],
        }
    }

    fn ends_connection(self) -> bool {
        matches!(self, Self::Closes | Self::ClosesWithoutAnswer)
    }
}

/// Answers every request until the client goes away.
fn converse(mut stream: impl Read + Write, answers: Answers) {
    let mut received = Vec::new();
    let mut piece = [0; 1_024];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        received.extend_from_slice(&piece[..length]);
        // Every request of these tests ends in this form.
        while let Some(end) = memchr::memmem::find(&received, b"token=x") {
            received.drain(..end + b"token=x".len());
            for part in answers.pieces() {
                if stream.write_all(&part).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
            if answers.ends_connection() {
                return;
            }
        }
    }
}

fn serve(answers: Answers, tls: Option<Arc<ServerConfig>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talk = move |socket: TcpStream| {
        socket.set_nodelay(true).unwrap();
        match tls.clone() {
            None => converse(socket, answers),
            Some(config) => {
                converse(StreamOwned::new(ServerConnection::new(config).unwrap(), socket), answers)
            }
        }
    };
    thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let talk = talk.clone();
            thread::spawn(move || talk(socket));
        }
    });
    address
}

fn request(endpoint: &Endpoint) -> Request<'_> {
    Request {
        method: "POST",
        path: "/oauth2/introspect",
        host: endpoint.authority(),
        authorization: None,
        cookie: None,
        form: Some("token=x"),
    }
}

fn is_active(_: usize, response: &Response<'_>) -> Result<(), String> {
    if response.status == 200 && &*response.body == ACTIVE.as_bytes() {
        return Ok(());
    }
    Err(format!("status {}", response.status))
}

fn once(endpoint: &Endpoint, count: usize) -> Round {
    let mut requests = Requests::default();
    for _ in 0..count {
        requests.push(&request(endpoint));
    }
    load(endpoint, &requests, Pace::Once)
}

fn load(endpoint: &Endpoint, requests: &Requests, pace: Pace) -> Round {
    let load = Load {
        endpoint,
        requests,
        first_request: 0,
        connections: 3,
        pace,
        warm_up: Duration::from_millis(5),
        measure: Duration::from_millis(40),
        server: Some(std::process::id()),
    };
    run(&load, &mut is_active).unwrap()
}

#[test]
fn each_request_is_answered_once_however_the_answer_arrives() {
    for answers in [Answers::Whole, Answers::Chunked, Answers::InPieces] {
        let round = once(&Endpoint::plain(serve(answers, None)), 50).all_right().unwrap();
        assert_eq!((round.answers, round.reconnects), (50, 0), "{answers:?}");
        assert_eq!(round.latencies.len(), 50, "{answers:?}");
    }
}

#[test]
fn a_connection_that_the_server_closes_after_an_answer_is_replaced() {
    let round = once(&Endpoint::plain(serve(Answers::Closes, None)), 20).all_right().unwrap();
    assert_eq!((round.answers, round.reconnects), (20, 20));
}

#[test]
fn wrong_answers_never_count_as_throughput() {
    for (answers, reason) in [
        (Answers::Refused, "status 503"),
        (Answers::Nonsense, "the head is malformed"),
        (Answers::Twice, "the server sent more than one response"),
        (Answers::ClosesWithoutAnswer, "the server closed the connection"),
    ] {
        let round = once(&Endpoint::plain(serve(answers, None)), 500);
        assert_eq!(round.answers, 0, "{answers:?}");
        assert!(round.wrong >= WRONG_ANSWERS_MAX && round.wrong < 100, "{answers:?}: {}", round.wrong);
        assert_eq!(round.first_wrong.as_deref(), Some(reason), "{answers:?}");
        assert!(round.all_right().is_err());
    }
}

#[test]
fn a_closed_loop_ends_by_itself_and_reads_the_cpu_time_of_the_server() {
    let endpoint = Endpoint::plain(serve(Answers::Whole, None));
    let round = load(&endpoint, &Requests::one(&request(&endpoint)), Pace::Closed);
    assert_eq!(round.first_wrong, None);
    assert_eq!(round.latencies.len(), round.answers);
    assert!(round.server_cpu.is_some());
}

#[test]
fn an_open_loop_sends_what_the_schedule_says() {
    let endpoint = Endpoint::plain(serve(Answers::Whole, None));
    let pace = Pace::Open { per_second: 2_000.0 };
    let round = load(&endpoint, &Requests::one(&request(&endpoint)), pace);
    assert_eq!(round.first_wrong, None);
    assert_eq!((round.answers, round.latencies.len()), (80, 80));
}

#[test]
fn tls_is_spoken_with_the_given_root_and_no_other() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let address = serve(Answers::InPieces, Some(Arc::new(config)));

    let directory = tempfile::tempdir().unwrap();
    let roots = directory.path().join("cert.pem");
    std::fs::write(&roots, certified.cert.pem()).unwrap();
    let endpoint = Endpoint::tls(address, &roots).unwrap();
    assert_eq!(once(&endpoint, 50).all_right().unwrap().answers, 50);
    let answer = client::fetch(&endpoint, &request(&endpoint)).unwrap().ok().unwrap();
    assert_eq!(answer.body, ACTIVE.as_bytes());

    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&roots, other.cert.pem()).unwrap();
    let stranger = Endpoint::tls(address, &roots).unwrap();
    assert!(client::fetch(&stranger, &request(&stranger)).is_err());
}

#[test]
fn a_single_request_gets_its_answer_however_it_arrives() {
    for answers in [Answers::Whole, Answers::Chunked, Answers::InPieces, Answers::Closes] {
        let endpoint = Endpoint::plain(serve(answers, None));
        let answer = client::fetch(&endpoint, &request(&endpoint)).unwrap().ok().unwrap();
        assert_eq!(answer.json().unwrap()["active"], true, "{answers:?}");
    }
    for answers in [Answers::ClosesWithoutAnswer, Answers::Nonsense] {
        let endpoint = Endpoint::plain(serve(answers, None));
        assert!(client::fetch(&endpoint, &request(&endpoint)).is_err(), "{answers:?}");
    }
    let refused = Endpoint::plain(serve(Answers::Refused, None));
    assert!(client::fetch(&refused, &request(&refused)).unwrap().ok().is_err());
}
