//! The certificate of a first start, and what the port speaks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use lydian_primitives::{Clock, SystemClock};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::support::{Place, finish};

const DAY: u64 = 86_400;

/// Whether a client that trusts this certificate takes it as a server's at this second.
fn holds_at(certificate: &CertificateDer<'_>, second: u64) -> bool {
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let anchor = anchor_from_trusted_cert(certificate).unwrap();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(second));
    let end_entity = EndEntityCert::try_from(certificate).unwrap();
    end_entity.verify_for_usage(algorithms, &[anchor], &[], time, KeyUsage::server_auth(), None, None).is_ok()
}

#[test]
fn s2_the_certificate_names_this_machine_and_lives_less_than_397_days() {
    let place = Place::new();
    let server = place.serve(&[]);
    let pem = std::fs::read(place.data().join("tls/cert.pem")).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
    let end_entity = EndEntityCert::try_from(&certificate).unwrap();
    let is_for = |name: &str| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        end_entity.verify_is_valid_for_subject_name(&name).is_ok()
    };
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert!(is_for(name), "{name}");
    }
    for name in ["example.com", "127.0.0.2", "a.localhost"] {
        assert!(!is_for(name), "{name}");
    }
    let now = SystemClock.now().as_unix_seconds();
    assert!(holds_at(&certificate, now) && holds_at(&certificate, now + 390 * DAY));
    assert!(!holds_at(&certificate, now - DAY) && !holds_at(&certificate, now + 397 * DAY));
    // Who trusts it is answered, under each of its names; who does not, is not.
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(server.curl(&[&format!("https://{host}:{port}/oauth2/jwks")]).status, 200, "{host}");
    }
    let stranger = finish(Command::new("curl").args(["--silent", &format!("{}/oauth2/jwks", server.url())]));
    assert_eq!(stranger.code, Some(60), "curl trusts nobody by itself: {stranger:?}");
}

#[test]
fn s2_the_certificate_stays_over_a_restart_and_its_fingerprint_is_said() {
    let place = Place::new();
    let (_, logs) = place.serve(&[]).stop();
    let pem = std::fs::read(place.data().join("tls/cert.pem")).unwrap();
    let fingerprint = |logs: &str| {
        let start = logs.find("sha256=").expect("the fingerprint is logged") + "sha256=".len();
        logs[start..].split_whitespace().next().unwrap().to_owned()
    };
    let first = fingerprint(&logs);
    assert_eq!(first.len(), 32 * 3 - 1, "{first}");
    let (_, logs) = place.serve(&[]).stop();
    assert_eq!(fingerprint(&logs), first);
    assert_eq!(std::fs::read(place.data().join("tls/cert.pem")).unwrap(), pem);
}

#[test]
fn s1_plain_http_is_not_spoken_on_the_tls_port() {
    let place = Place::new();
    let server = place.serve(&[]);
    let run = server.run_file();
    let mut stream = TcpStream::connect(run["public"][0].as_str().unwrap()).unwrap();
    stream.write_all(b"GET /oauth2/jwks HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    assert!(!answer.contains("keys"), "{answer}");
    assert_eq!(server.curl(&[&format!("{}/oauth2/jwks", server.url())]).status, 200);
}

#[test]
fn s24_http_2_is_offered_over_tls() {
    let place = Place::new();
    let server = place.serve(&[]);
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let answer = server.curl(&[
            flag,
            "--write-out",
            "\n%{http_version}\n%{http_code}",
            &format!("{}/oauth2/jwks", server.url()),
        ]);
        assert_eq!((answer.status, answer.body.rsplit('\n').next()), (200, Some(version)));
    }
}
