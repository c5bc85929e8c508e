//! TLS: versions, ALPN, the self-signed certificate and its files, reload.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lydian_server::tls::{ALPN_HTTP1, ALPN_HTTP2, TlsError, TlsFiles, TlsReloader, TlsVersions};
use rcgen::{CertificateParams, KeyPair};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::AsyncReadExt;

use crate::support::*;
use crate::tls_support::Tls;

// The handshake.

#[tokio::test]
async fn s24_the_protocol_is_chosen_by_alpn() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    for (offered, expected) in [
        (&[ALPN_HTTP2, ALPN_HTTP1] as &[_], Some(ALPN_HTTP2)),
        (&[ALPN_HTTP1, ALPN_HTTP2], Some(ALPN_HTTP2)),
        (&[ALPN_HTTP1], Some(ALPN_HTTP1)),
        (&[], None),
    ] {
        let client = tls.connect(&server, offered).await.expect("a handshake");
        assert_eq!(client.0.get_ref().1.alpn_protocol(), expected);
    }
    let refused = tls.connect(&server, &[b"spdy/3"]).await.expect_err("no protocol in common");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn s24_without_alpn_the_listener_speaks_http1() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    for offered in [&[ALPN_HTTP1] as &[_], &[]] {
        let mut client = tls.connect(&server, offered).await.expect("a handshake");
        assert_eq!(client.get("/first").await.body, "/first");
        assert!(client.get("/info").await.body.ends_with(" true"));
    }
}

#[tokio::test]
async fn gen_15_s24_tls_1_2_and_1_3_are_spoken_and_1_2_can_be_switched_off() {
    let tls = Tls::new();
    let both = tls.start(|_| {});
    let new_only = TlsReloader::load(tls.files(), TlsVersions::Tls13Only).expect("a certificate");
    let new_only = start(|settings| settings.tls = Some(new_only));
    for (server, version, expected) in [
        (&both, &TLS12, Some(ProtocolVersion::TLSv1_2)),
        (&both, &TLS13, Some(ProtocolVersion::TLSv1_3)),
        (&new_only, &TLS12, None),
        (&new_only, &TLS13, Some(ProtocolVersion::TLSv1_3)),
    ] {
        let client = tls.connect_with(server, &[ALPN_HTTP1], version).await.ok();
        assert_eq!(client.and_then(|client| client.0.get_ref().1.protocol_version()), expected);
    }
}

#[tokio::test]
async fn gen_15_s24_tls_1_1_is_refused() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let hello_of = |minor_version: u8| {
        let mut hello = vec![3, minor_version];
        hello.extend([7; 32]);
        // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and ..CBC_SHA, no compression.
        hello.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x09, 1, 0]);
        // P-256, uncompressed points, ecdsa_secp256r1_sha256, extended master secret.
        let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3, 0, 23, 0, 0];
        hello.extend([0, extensions.len() as u8]);
        hello.extend(extensions);
        let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
        record.extend(hello);
        record
    };
    const HANDSHAKE: [u8; 3] = [22, 3, 3];
    const ALERT_PROTOCOL_VERSION: [u8; 7] = [21, 3, 3, 0, 2, 2, 70];
    for minor_version in [0, 1, 2] {
        let mut client = server.connect().await;
        client.send(hello_of(minor_version)).await;
        assert_eq!(client.until_closed().await, ALERT_PROTOCOL_VERSION, "version 3.{minor_version}");
    }
    assert_eq!(server.metrics.handshake_failures.value(), 3);
    // The same hello is a good one for TLS 1.2.
    let mut client = server.connect().await;
    client.send(hello_of(3)).await;
    let mut record = [0; 3];
    within(client.0.read_exact(&mut record)).await.expect("a server hello");
    assert_eq!(record, HANDSHAKE);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_told_so() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let mut client = server.connect().await;
    let answer = client.get("/").await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.body, "This port speaks HTTPS; use an https:// URL\n");
    assert_eq!(client.until_closed().await, b"");
    drop(client);
    eventually(|| server.metrics.handshake_failures.value() == 1).await;
}

#[tokio::test]
async fn r22_a_handshake_that_does_not_end_is_cut() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.tls_handshake_timeout = SHORT);
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.send([22, 3, 1, 2, 0, 1]).await;
    assert_eq!(silent.until_closed().await, b"");
    assert_eq!(half.until_closed().await, b"");
    assert_eq!(server.metrics.handshake_timeouts.value(), 2);
}

#[tokio::test]
async fn r35_a_handshake_does_not_hold_up_the_second_signal() {
    let tls = Tls::new();
    let mut server = tls.start(|_| {});
    let mut silent = server.connect().await;
    eventually(|| server.metrics.open.value() == 1).await;
    server.shutdown.signal();
    silent.stays_silent_for(SHORT).await;
    server.shutdown.signal();
    server.ended().await;
    assert_eq!(silent.until_closed().await, b"");
}

#[tokio::test]
async fn r22_a_head_that_does_not_arrive_ends_a_tls_connection_too() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.head_timeout = SHORT);
    let mut client = tls.connect(&server, &[ALPN_HTTP1]).await.expect("a handshake");
    client.send("GET / HTTP/1.1\r\n").await;
    client.until_closed().await;
    assert_eq!(server.metrics.head_timeouts.value(), 1);
}

#[tokio::test]
async fn s25_a_tls_connection_is_idle_from_the_end_of_its_answer() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.keep_alive_timeout = SHORT);
    let mut client = tls.connect(&server, &[ALPN_HTTP1]).await.expect("a handshake");
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(client.until_closed().await, b"");
    assert_eq!(server.metrics.keep_alive_timeouts.value(), 1);
}

#[tokio::test]
async fn r22_a_tls_client_that_does_not_read_is_cut() {
    let tls = Tls::new();
    let server = tls.start(|settings| settings.write_stall_timeout = SHORT);
    let mut client = tls.connect(&server, &[ALPN_HTTP1]).await.expect("a handshake");
    client.send(get("/large")).await;
    eventually(|| server.metrics.write_timeouts.value() == 1).await;
    eventually(|| server.metrics.open.value() == 0).await;
}

#[tokio::test]
async fn r35_a_request_in_flight_over_tls_is_answered_before_the_end() {
    let tls = Tls::new();
    let mut server = tls.start(|_| {});
    let mut client = tls.connect(&server, &[ALPN_HTTP1]).await.expect("a handshake");
    client.send(get("/held")).await;
    server.until_held(1).await;
    server.shutdown.signal();
    server.responder.gate.add_permits(1);
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.field("connection")), ("held", Some("close")));
    // A clean end: close_notify, not a cut that an attacker could have made.
    assert_eq!(within(client.0.read(&mut [0])).await.expect("close_notify"), 0);
    drop(client);
    assert_eq!(server.ended().await, lydian_server::listener::Drained::Complete);
}

// The self-signed certificate.

#[tokio::test]
async fn s02_the_certificate_is_for_this_machine_and_no_other() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let host_name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    for name in ["localhost", "127.0.0.1", "::1", "auth.example", "192.0.2.7", &host_name] {
        tls.connect_to(&server, name, &[ALPN_HTTP1], &TLS13).await.expect(name);
    }
    for name in ["example.com", "127.0.0.2", "::2"] {
        let refused = tls.connect_to(&server, name, &[ALPN_HTTP1], &TLS13).await.expect_err(name);
        let refused = refused.downcast::<rustls::Error>().expect("an error of rustls");
        assert!(
            matches!(
                refused,
                rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            ),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s02_curl_and_openssl_trust_the_certificate_by_its_own_file() {
    let tls = Tls::new();
    let server = tls.start(|_| {});
    let port = server.address.port();
    for host in ["localhost", "127.0.0.1"] {
        for protocol in ["--http1.1", "--http2"] {
            let output = run(
                "curl",
                &[
                    "--silent",
                    "--show-error",
                    "--max-time",
                    "20",
                    "--ipv4",
                    protocol,
                    "--cacert",
                    &tls.certificate(),
                    &format!("https://{host}:{port}/path"),
                ],
            );
            assert_eq!(output.as_deref().unwrap_or("/path"), "/path");
        }
    }
    if let Some(output) = run(
        "openssl",
        &[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            &tls.certificate(),
            &tls.certificate(),
        ],
    ) {
        assert!(output.ends_with("OK\n"), "{output}");
    }
}

#[test]
fn s02_the_certificate_is_an_end_entity_of_p256_that_lives_at_most_397_days() {
    let tls = Tls::new();
    let Some(text) = run("openssl", &["x509", "-noout", "-text", "-in", &tls.certificate()]) else { return };
    for expected in ["NIST CURVE: P-256", "CA:FALSE", "TLS Web Server Authentication", "ecdsa-with-SHA256"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let reloader = tls.reloader();
    let fingerprint =
        run("openssl", &["x509", "-noout", "-fingerprint", "-sha256", "-in", &tls.certificate()]);
    assert!(fingerprint.expect("openssl is here").contains(&reloader.fingerprint().to_string()));
    // It holds on day 395 and no longer on day 397.
    for (days, outcome) in [(395, "will not expire"), (397, "will expire")] {
        let end = (days * 86_400).to_string();
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-checkend", &end, "-in", &tls.certificate()])
            .output()
            .expect("openssl is here");
        assert!(String::from_utf8_lossy(&output.stdout).contains(outcome), "day {days}");
    }
}

#[test]
fn s04_the_files_are_for_their_owner_alone() {
    let tls = Tls::new();
    assert_eq!(mode(&tls.directory()), 0o700);
    assert_eq!(mode(&tls.files().key), 0o600);
    assert_eq!(mode(&tls.files().certificate), 0o600);
    let names: Vec<_> = fs::read_dir(tls.directory()).expect("a directory").collect();
    assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
}

#[test]
fn s04_a_directory_or_key_that_others_may_use_is_refused() {
    let tls = Tls::new();
    for (path, mode) in [(tls.directory(), 0o750), (tls.files().key, 0o640), (tls.files().key, 0o604)] {
        let before = fs::metadata(&path).expect("it exists").permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("ours");
        match tls.ensure(tls.made_at) {
            Err(TlsError::TooOpen { path: named, mode: seen }) => {
                assert_eq!((named, seen), (path.clone(), mode))
            }
            other => panic!("mode {mode:o}: {other:?}"),
        }
        fs::set_permissions(&path, before).expect("ours");
    }
    assert!(!tls.ensure(tls.made_at).expect("as before"));
}

#[test]
fn s02_the_certificate_is_renewed_when_less_than_30_days_are_left() {
    let tls = Tls::new();
    let before = tls.reloader().fingerprint();
    for day in [0, 1, 300, 365] {
        assert!(!tls.ensure(tls.day(day)).expect("readable files"), "day {day}");
    }
    assert!(tls.ensure(tls.day(367)).expect("new files"));
    assert_ne!(tls.reloader().fingerprint(), before);
    assert!(!tls.ensure(tls.day(367)).expect("new already"));
    // A clock that was ahead when the certificate was made: it does not hold yet, though it soon will.
    assert!(tls.ensure(tls.day(347)).expect("new files"));
    assert!(!tls.ensure(tls.day(347)).expect("new already"));
}

#[test]
fn s02_a_certificate_of_the_operator_is_never_replaced() {
    let tls = Tls::new();
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["auth.example".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    fs::write(tls.files().certificate, &certificate).expect("ours");
    assert!(!tls.ensure(tls.made_at).expect("files"));
    assert_eq!(fs::read_to_string(tls.files().certificate).expect("ours"), certificate);
    fs::write(tls.files().certificate, "not PEM").expect("ours");
    assert!(!tls.ensure(tls.made_at).expect("files"));
}

#[test]
fn s02_files_that_a_crash_left_in_disagreement_are_made_anew() {
    let tls = Tls::new();
    let other = KeyPair::generate().expect("a key").serialize_pem();
    fs::write(tls.files().key, other).expect("ours");
    fs::write(tls.directory().join("key.new"), "half a k").expect("ours");
    assert!(tls.ensure(tls.made_at).expect("new files"));
    tls.reloader();
}

#[test]
fn s02_a_key_without_a_certificate_is_kept() {
    let tls = Tls::new();
    let key = fs::read(tls.files().key).expect("ours");
    fs::remove_file(tls.files().certificate).expect("ours");
    assert!(tls.ensure(tls.made_at).expect("a new certificate"));
    assert_eq!(fs::read(tls.files().key).expect("ours"), key);
    tls.reloader();
}

// Reload.

#[tokio::test]
async fn r36_a_reload_exchanges_the_certificate_and_keeps_the_connections() {
    let tls = Tls::new();
    let reloader = tls.reloader();
    let server = start(|settings| settings.tls = Some(reloader.clone()));
    let mut old = tls.connect(&server, &[ALPN_HTTP1]).await.expect("a handshake");
    let before = reloader.fingerprint();

    tls.ensure(tls.day(367)).expect("new files");
    assert!(reloader.is_self_signed());
    assert_ne!(reloader.reload().expect("good files"), before);

    let new = tls.connect_at(&server, tls.day(367)).await.expect("a handshake with the new certificate");
    let shown = new.0.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
    let pem = fs::read(tls.files().certificate).expect("ours");
    assert_eq!(shown, CertificateDer::from_pem_slice(&pem).expect("PEM"));
    assert_eq!(old.get("/old").await.status(), 200);
}

#[tokio::test]
async fn r36_broken_files_keep_the_old_certificate_and_say_so() {
    let tls = Tls::new();
    let reloader = tls.reloader();
    let server = start(|settings| settings.tls = Some(reloader.clone()));
    let before = reloader.fingerprint();
    let TlsFiles { certificate, key } = tls.files();
    let good = (fs::read(&certificate).expect("ours"), fs::read(&key).expect("ours"));
    let connector = tls.connector(&[ALPN_HTTP1], &TLS13, None);

    let other_key = KeyPair::generate().expect("a key").serialize_pem();
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    type IsExpected = fn(&TlsError) -> bool;
    let cases: [(&Path, Option<&str>, IsExpected); 6] = [
        (&certificate, None, |error| matches!(error, TlsError::Read { .. })),
        (&certificate, Some(""), |error| matches!(error, TlsError::Pem { .. })),
        (&certificate, Some(broken), |error| matches!(error, TlsError::Pem { .. })),
        (&key, None, |error| matches!(error, TlsError::Read { .. })),
        (&key, Some("secret"), |error| matches!(error, TlsError::Pem { .. })),
        (&key, Some(&other_key), |error| matches!(error, TlsError::Mismatch { .. })),
    ];
    for (path, content, is_expected) in cases {
        match content {
            None => fs::remove_file(path).expect("ours"),
            Some(content) => fs::write(path, content).expect("ours"),
        }
        let refused = reloader.reload().expect_err("broken files");
        assert!(is_expected(&refused), "{refused:?}");
        assert!(
            refused.to_string().contains(&path.display().to_string())
                || matches!(refused, TlsError::Mismatch { .. })
        );
        assert_eq!(reloader.fingerprint(), before);
        fs::write(&certificate, &good.0).expect("ours");
        fs::write(&key, &good.1).expect("ours");
    }
    let stream = tokio::net::TcpStream::connect(server.address).await.expect("the listener accepts");
    connector
        .connect("localhost".try_into().expect("a name"), stream)
        .await
        .expect("the old certificate serves");
    assert_eq!(reloader.reload().expect("good files"), before);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
}

/// Runs a program of this machine; `None`, and a loud word, where it is missing.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        println!("SKIPPED: {program} is not installed");
        return None;
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("text"))
}
