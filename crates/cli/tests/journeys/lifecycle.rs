//! From start to stop: what scripts read, who owns the directory, and what an end leaves behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Place, eventually};

fn public(run: &Value) -> SocketAddr {
    run["public"][0].as_str().unwrap().parse().unwrap()
}

#[test]
fn run_json_tells_scripts_where_everything_is_and_goes_with_the_server() {
    let place = Place::new();
    let server = place.serve(&[]);
    let run = server.run_file();
    let members: Vec<&String> = run.as_object().unwrap().keys().collect();
    assert_eq!(members, ["issuer", "metrics", "pid", "public"], "and no listener that serves nothing");
    assert_eq!(run["pid"], server.id());
    assert_eq!(run["issuer"], server.url());
    assert_eq!(run["public"].as_array().unwrap().len(), 1);
    let address = public(&run);
    assert!(address.ip().is_loopback() && address.port() != 0);
    assert_eq!(server.url(), format!("https://localhost:{}", address.port()));
    let metrics: SocketAddr = run["metrics"].as_str().unwrap().parse().unwrap();
    assert!(metrics.ip().is_loopback() && metrics.port() != address.port());
    let metadata = server.curl(&[&format!("{}/.well-known/oauth-authorization-server", server.url())]);
    assert_eq!(metadata.json()["issuer"], run["issuer"]);
    server.stop();
    assert!(!place.data().join("run.json").exists());
}

#[test]
fn s6_several_addresses_are_listened_on_and_all_of_them_are_told() {
    let place = Place::new();
    let server = place.serve(&["--listen", "127.0.0.2:0"]);
    let run = server.run_file();
    let addresses: Vec<SocketAddr> =
        run["public"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert!(TcpStream::connect(address).is_ok(), "{address}");
    }
}

#[test]
fn a_termination_answers_what_is_in_flight_and_ends_with_0() {
    let place = Place::new();
    let mut server = place.serve(&["--demo", "--insecure-plain-http"]);
    let demo = server.demo();
    let address = public(&server.run_file());
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        demo["APP_CLIENT_ID"], demo["APP_CLIENT_SECRET"]
    );
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server reads the body now: the request is in flight.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.signal(Signal::TERM);
    eventually("the listener is closed", || TcpStream::connect(address).is_err());
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("access_token"), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.stderr.whole().contains("all requests were answered"));
    assert!(!place.data().join("run.json").exists());
}

#[test]
fn an_interrupt_ends_like_a_termination() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn w39_rev_11_a_revocation_that_was_answered_survives_the_power_cut() {
    let place = Place::new();
    let issuer = [("LYDIAN_ISSUER", "https://localhost:9443")];
    let mut server = place.serve_with(&["--demo"], &issuer);
    let demo = server.demo();
    let (app, secret) = (&demo["APP_CLIENT_ID"], &demo["APP_CLIENT_SECRET"]);
    let mut revoked = Vec::new();
    for audience in [&demo["API_AUDIENCE"], &demo["JWT_API_AUDIENCE"]] {
        let resource = format!("resource={audience}");
        let live = server.token(app, secret, &[&resource]);
        let token = server.token(app, secret, &[&resource]);
        assert_eq!(server.introspect(app, secret, &token)["active"], true);
        assert_eq!(server.post_token("revoke", app, secret, &token).status, 200);
        server.kill();
        revoked.push(token);
        server = place.serve_with(&["--demo"], &issuer);
        for token in &revoked {
            assert_eq!(server.introspect(app, secret, token), json!({ "active": false }));
        }
        assert_eq!(server.introspect(app, secret, &live)["active"], true);
    }
}

#[test]
fn s4_a_second_process_is_refused_and_the_first_unharmed() {
    let place = Place::new();
    let server = place.serve(&[]);
    let before = server.run_file();
    for arguments in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["serve", "--demo", "--listen", "127.0.0.1:0"]]
    {
        let second =
            place.run(arguments).refused(&["another process uses this data directory", "--data-dir"]);
        assert_eq!(second.stdout, "");
    }
    assert_eq!(server.run_file(), before);
    assert!(!place.data().join("demo.env").exists());
    let metadata = server.curl(&[&format!("{}/oauth2/jwks", server.url())]);
    assert_eq!(metadata.status, 200);
    // The lock ends with its owner, however that ends.
    server.kill();
    place.serve(&[]).stop();
}

#[test]
fn a_taken_port_is_said_with_what_to_do() {
    let place = Place::new();
    let server = place.serve(&[]);
    let taken = public(&server.run_file()).to_string();
    let other = Place::new();
    other.run(&["serve", "--listen", &taken]).refused(&[&taken, "--listen"]);
}

#[test]
fn a_start_with_another_issuer_warns_and_the_issuer_follows_the_port() {
    let place = Place::new();
    let warning = "the issuer is not the one of the last start";
    let first = place.serve(&[]);
    let url = first.url();
    let (_, logs) = first.stop();
    assert!(!logs.contains(warning));
    let second = place.serve(&[]);
    assert_ne!(second.url(), url);
    let logs = second.stderr.wait_for(warning);
    assert!(logs.contains(&url) && logs.contains(&second.url()), "{logs}");
    let port = second.url();
    second.stop();
    let fixed = place.serve_with(&[], &[("LYDIAN_ISSUER", &port)]);
    assert_eq!(fixed.run_file()["issuer"], port);
    let (_, logs) = fixed.stop();
    assert!(!logs.contains(warning));
}

#[test]
fn another_realm_has_its_issuer_and_its_endpoints_under_its_name() {
    let place = Place::new();
    let file = place.write("realm.toml", "[[realm]]\nname = \"acme\"\n");
    place.run(&["apply", "-f", file.to_str().unwrap()]).ok();
    let server = place.serve(&[]);
    let url = server.url();
    let metadata = server.curl(&[&format!("{url}/.well-known/oauth-authorization-server/t/acme")]).json();
    assert_eq!(metadata["issuer"], format!("{url}/t/acme"));
    assert_eq!(server.curl(&[metadata["jwks_uri"].as_str().unwrap()]).status, 200);
}
