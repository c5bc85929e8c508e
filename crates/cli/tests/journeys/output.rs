//! Standard output and standard error, and readers that go away.

use std::process::Stdio;

use crate::support::{Place, Server, curl, finish, variables};

#[test]
fn the_ready_line_stands_alone_and_once_on_standard_output() {
    let place = Place::new();
    let server = place.serve(&[]);
    let url = server.url();
    let (said, logged) = server.stop();
    assert_eq!(said, format!("ready: {url}\n"));
    assert!(!logged.contains("ready: http"), "{logged}");
    let server = place.serve(&["--demo"]);
    server.stdout.wait_for("# 5.");
    let (said, _) = server.stop();
    assert_eq!(said.lines().filter(|line| line.starts_with("ready: ")).count(), 1);
    assert!(said.starts_with("ready: https://localhost:"), "{said}");
}

#[test]
fn a_reader_of_standard_output_that_goes_away_does_not_stop_the_server() {
    let place = Place::new();
    for full in [false, true] {
        let mut command = place.command(&["serve", "--demo", "--listen", "127.0.0.1:0"]);
        let device = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        command.stderr(Stdio::piped()).stdout(if full { Stdio::from(device) } else { Stdio::piped() });
        let server = Server::without_reader(&mut command, &place);
        // Sockets and variables are there before this is logged; a request waits until it is answered.
        server.stderr.wait_for("TLS certificate");
        let demo = variables(&place.data().join("demo.env"));
        let answer =
            curl(std::path::Path::new(&demo["LYDIAN_CA"]), &[&format!("{}/oauth2/jwks", demo["LYDIAN_URL"])]);
        assert_eq!(answer.status, 200);
        server.stop_silently();
    }
}

#[test]
fn a_reader_of_standard_error_that_goes_away_does_not_stop_the_server() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--demo", "--listen", "127.0.0.1:0"]);
    // Everything is logged, and nobody reads it.
    command.env("LYDIAN_LOG_LEVEL", "trace");
    let server = Server::without_log(&mut command, &place);
    server.stdout.wait_for("ready: ");
    let demo = server.demo();
    for _ in 0..5 {
        assert_eq!(server.post_token("introspect", &demo["APP_CLIENT_ID"], "wrong", "x").status, 401);
    }
    let token = server.token(&demo["APP_CLIENT_ID"], &demo["APP_CLIENT_SECRET"], &[]);
    let answer = server.introspect(&demo["APP_CLIENT_ID"], &demo["APP_CLIENT_SECRET"], &token);
    assert_eq!(answer["active"], true);
    let metrics = server.curl(&[&format!("{}/metrics", server.operations())]).body;
    assert!(metrics.contains("lydian_panics_total 0\n"), "{metrics}");
}

const PRINTING: [&[&str]; 3] = [&["config", "reference"], &["config", "print"], &["config", "check"]];

#[test]
fn a_command_whose_reader_has_enough_ends_well() {
    let place = Place::new();
    for arguments in PRINTING {
        let mut child =
            place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let finished = child.wait_with_output().unwrap();
        assert_eq!(finished.status.code(), Some(0), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.is_empty(), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let place = Place::new();
    let file = place.write("setup.toml", "[[client]]\nclient_id = \"app\"\n");
    let apply = ["apply", "-f", file.to_str().unwrap()];
    for arguments in PRINTING.into_iter().chain([&apply[..]]) {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = place.command(arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let finished = child.wait_with_output().unwrap();
        let said = String::from_utf8(finished.stderr).unwrap();
        assert_eq!(finished.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("could not write its result") && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn s41_logs_are_lines_of_json_when_that_is_configured() {
    let place = Place::new();
    let server =
        place.serve_with(&["--demo"], &[("LYDIAN_LOG_FORMAT", "json"), ("LYDIAN_LOG_LEVEL", "debug")]);
    let demo = server.demo();
    server.post_token("introspect", &demo["APP_CLIENT_ID"], "wrong", "x");
    let (_, logged) = server.stop();
    assert!(logged.contains("a request was refused"), "{logged}");
    for line in logged.lines() {
        let event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn s41_what_a_stranger_sends_cannot_write_lines_into_the_log() {
    let place = Place::new();
    let server = place.serve_with(&[], &[("LYDIAN_LOG_LEVEL", "trace")]);
    let url = format!("{}/oauth2/token", server.url());
    for data in ["grant_type=x%0d%0aFORGED", "client_id=a%0aFORGED&client_secret=b", "scope=%1b[31mFORGED"] {
        server.curl(&["--data", data, &url]);
    }
    server.curl(&["--path-as-is", &format!("{}/%0d%0aFORGED", server.url())]);
    let (_, logged) = server.stop();
    assert!(!logged.contains("FORGED"), "{logged}");
    // The command itself says nothing there either.
    assert!(finish(&mut place.command(&["config", "check"])).stderr.is_empty());
}
