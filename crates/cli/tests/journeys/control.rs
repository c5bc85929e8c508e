//! Commands reach a running server through its local socket, and a stopped one through its data directory.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Place, Server};

const NEW_CLIENT: &str = r#"
[[client]]
client_id = "late"
client_secret = "a-secret-of-my-own-0123456789abcdef"
issuer_scopes = ["introspect"]
grant_types = ["client_credentials"]
"#;
const SECRET: &str = "a-secret-of-my-own-0123456789abcdef";

fn with_late_client(place: &Place) -> Server {
    let server = place.serve(&[]);
    let file = place.write("late.toml", NEW_CLIENT);
    place.run(&["apply", "-f", file.to_str().unwrap()]).ok();
    server
}

fn is_active(server: &Server, token: &str) -> bool {
    server.introspect("late", SECRET, token)["active"].as_bool().unwrap()
}

#[test]
fn what_is_applied_to_a_running_server_holds_at_once() {
    let place = Place::new();
    let server = with_late_client(&place);
    let token = server.token("late", SECRET, &["scope=introspect"]);
    assert!(is_active(&server, &token));
    let mode = std::fs::metadata(place.data().join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A client that is disabled is cut by the same command.
    let file = place.write("off.toml", "[[client]]\nclient_id = \"late\"\nenabled = false\n");
    place.run(&["apply", "-f", file.to_str().unwrap()]).ok();
    assert_eq!(server.post_token("introspect", "late", SECRET, &token).status, 401);
    server.stop();
    assert!(!place.data().join("control.sock").exists(), "the socket goes with the server");
}

#[test]
fn a_revocation_holds_when_the_command_returns() {
    let place = Place::new();
    let server = with_late_client(&place);
    let issue = || server.token("late", SECRET, &["scope=introspect"]);
    let (first, second, third) = (issue(), issue(), issue());
    let said = place.run(&["revoke", "--token", &first]).ok().stdout;
    assert!(said.contains("access token of client default/late") && !said.contains(&first), "{said}");
    assert_eq!([is_active(&server, &first), is_active(&server, &second)], [false, true]);
    assert!(place.run(&["revoke", "--token", &first]).ok().stdout.contains("was dead before"));
    // Nobody listens, and leases of a server before this one have ended within the time.
    let waited = place.run(&["revoke", "--token", &first, "--wait", "10"]).ok().stdout;
    assert!(waited.contains("0 of 0 validators know it."), "{waited}");

    let mut command = place.command(&["revoke", "--token", "-", "--json"]);
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(format!("{second}\n").as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["was_dead"], json!(false), "{outcome}");
    assert_eq!([is_active(&server, &second), is_active(&server, &third)], [false, true]);

    place.run(&["revoke", "--client", "late"]).ok();
    assert!(!is_active(&server, &third));
    let fourth = issue();
    assert!(is_active(&server, &fourth), "a cut admits new tokens");
    place.run(&["revoke", "--realm", "default"]).ok();
    assert!(!is_active(&server, &fourth));
}

#[test]
fn a_stopped_server_is_served_by_the_same_commands() {
    let place = Place::new();
    let server = with_late_client(&place);
    let token = server.token("late", SECRET, &["scope=introspect"]);
    server.kill();
    assert!(place.data().join("control.sock").exists(), "a killed server leaves its socket behind");
    place.run(&["revoke", "--token", &token]).ok();
    let server = place.serve(&[]);
    assert!(!is_active(&server, &token));
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::new();
    place.run(&["revoke", "--client", "late"]).refused(&["there is no data directory here", "--data-dir"]);
    assert!(!place.data().exists());
    let server = with_late_client(&place);
    place.run(&["revoke", "--client", "nobody"]).refused(&["there is no client nobody"]);
    place.run(&["revoke", "--key", "k"]).refused(&["there is no key k"]);
    place.run(&["revoke", "--grant", "7"]).refused(&["there is no grant 7"]);
    place.run(&["revoke", "--token", "lya_x"]).refused(&["no token of ours"]);
    place.run(&["revoke", "--realm", "nowhere"]).refused(&["there is no realm nowhere"]);
    assert_eq!(place.run(&["revoke"]).code, Some(2));
    assert_eq!(place.run(&["revoke", "--token", "a", "--client", "b"]).code, Some(2));
    server.stop();
}

#[test]
fn a_data_directory_with_a_long_name_has_a_socket_too() {
    let place = Place::new();
    let long = place.path(&"d".repeat(120));
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("LYDIAN_DATA_DIR", &long);
    let server = Server::spawn(&mut command, &place);
    server.stdout.wait_for("ready: ");
    let finished = crate::support::finish(
        place.command(&["revoke", "--realm", "default"]).env("LYDIAN_DATA_DIR", &long),
    );
    finished.ok();
}
