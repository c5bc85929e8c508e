//! What is less safe has to be named, and is told to whoever looks.

use serde_json::json;

use crate::support::Place;

#[test]
fn s3_listening_beyond_this_machine_is_refused_until_it_is_named() {
    let place = Place::new();
    let serve = ["serve", "--listen", "0.0.0.0:0"];
    let refused = place.run(&serve).refused(&[
        "2 faults",
        "0.0.0.0:0 is beyond this machine",
        "self-signed",
        "issuer names this machine only",
        "insecure_beyond_loopback",
    ]);
    assert_eq!(refused.stdout, "");
    let mut plain = place.command(&serve);
    crate::support::finish(plain.arg("--insecure-plain-http"))
        .refused(&["everybody on the way could read tokens"]);
    assert!(!place.data().exists(), "a refused start leaves nothing behind");

    let environment = [("LYDIAN_INSECURE_BEYOND_LOOPBACK", "true"), ("LYDIAN_LISTEN", "0.0.0.0:0")];
    let server = crate::support::Server::spawn(place.command(&["serve"]).envs(environment), &place);
    server.stdout.wait_for("ready: https://localhost:");
    server.stderr.wait_for("an insecure option is on");
    let ready = server.curl(&[&format!("{}/health/ready", server.operations())]);
    assert_eq!(ready.json(), json!({ "ready": true, "insecure_options": ["insecure_beyond_loopback"] }));
}

#[test]
fn s47_plain_http_for_a_proxy_is_named_and_told() {
    let place = Place::new();
    let server = place.serve(&["--insecure-plain-http", "--demo"]);
    let url = server.url();
    assert!(url.starts_with("http://localhost:"), "{url}");
    assert_eq!(server.run_file()["issuer"], url);
    let demo = server.demo();
    assert_eq!((demo["LYDIAN_URL"].as_str(), demo["LYDIAN_CA"].as_str()), (url.as_str(), ""));
    assert!(!place.data().join("tls").exists());
    let metadata = server.curl(&[&format!("{url}/.well-known/oauth-authorization-server")]).json();
    assert_eq!(
        (metadata["issuer"].as_str(), metadata["token_endpoint"].as_str()),
        (Some(url.as_str()), Some(format!("{url}/oauth2/token").as_str()))
    );
    let ready = server.curl(&[&format!("{}/health/ready", server.operations())]);
    assert_eq!(ready.json(), json!({ "ready": true, "insecure_options": ["insecure_plain_http"] }));
    server.stderr.wait_for("insecure_plain_http");
}

#[test]
fn s1_gen_01_without_a_word_nothing_is_insecure() {
    let place = Place::new();
    place.run(&["config", "check"]).ok();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    crate::support::finish(command.env("LYDIAN_ISSUER", "http://localhost:9443"))
        .refused(&["issuer", "https://"]);
    let server = place.serve(&[]);
    let ready = server.curl(&[&format!("{}/health/ready", server.operations())]);
    assert_eq!(ready.json(), json!({ "ready": true, "insecure_options": [] }));
    let (_, logs) = server.stop();
    assert!(!logs.contains("insecure"), "{logs}");
}
