//! Public client libraries against the real binary, unchanged and told nothing but the issuer.
//!
//! What they need is installed once from its lock file, below the directory for temporary files of the build, and needs the
//! registries of npm and PyPI. The scripts ask for a browser by a line; ours is the scripted one of the journeys.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../journeys/browser.rs"]
#[allow(dead_code, reason = "the journeys use more of it")]
mod browser;
#[allow(dead_code, reason = "other tests use more of it")]
mod install;
#[path = "../journeys/support.rs"]
#[allow(dead_code, reason = "the journeys use more of it")]
mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use crate::browser::{Browser, Shown};
use crate::support::{Place, Server};

/// What each script does, in this order.
const STEPS: [&str; 8] = [
    "discover",
    "sign-in",
    "userinfo",
    "refresh",
    "introspect",
    "revoke",
    "sign-in without a question",
    "logout",
];

/// What a client without a secret, and without an address to go to after a logout, does of it.
const STEPS_OF_PUBLIC_CLIENTS: [&str; 6] =
    ["discover", "sign-in", "userinfo", "refresh", "revoke", "sign-in without a question"];

/// Which client of the demo.
#[derive(Clone, Copy)]
enum Client {
    Spa,
    Web,
}

#[test]
fn openid_client_of_npm_takes_a_person_from_discovery_to_logout() {
    check(install::openid_client, Client::Web, &STEPS);
}

#[test]
fn openid_client_of_npm_works_without_a_secret() {
    check(install::openid_client, Client::Spa, &STEPS_OF_PUBLIC_CLIENTS);
}

#[test]
fn authlib_of_pypi_takes_a_person_from_discovery_to_logout() {
    check(install::authlib, Client::Web, &STEPS);
}

#[test]
fn authlib_of_pypi_works_without_a_secret() {
    check(install::authlib, Client::Spa, &STEPS_OF_PUBLIC_CLIENTS);
}

#[track_caller]
fn check(script: fn() -> Command, client: Client, steps: &[&str]) {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    let mut script = script();
    script.stdin(Stdio::piped()).env("ISSUER", server.url()).env("USER_NAME", &demo["USER_NAME"]);
    script
        .env("SCOPE", "openid profile email")
        .env_remove("CLIENT_SECRET")
        .env_remove("POST_LOGOUT_REDIRECT_URI");
    // Each of them has its own word for the certificates to trust.
    script.env("NODE_EXTRA_CA_CERTS", &demo["LYDIAN_CA"]).env("REQUESTS_CA_BUNDLE", &demo["LYDIAN_CA"]);
    let (id, redirect_uri) = match client {
        Client::Spa => (&demo["SPA_CLIENT_ID"], &demo["SPA_REDIRECT_URI"]),
        Client::Web => (&demo["WEB_CLIENT_ID"], &demo["WEB_REDIRECT_URI"]),
    };
    // Nobody listens at this port: the browser stops where it is sent away.
    script.env("CLIENT_ID", id).env("REDIRECT_URI", redirect_uri.replace("127.0.0.1", "127.0.0.1:9"));
    if let Client::Web = client {
        script.env("CLIENT_SECRET", &demo["WEB_CLIENT_SECRET"]);
        script.env("POST_LOGOUT_REDIRECT_URI", &demo["WEB_REDIRECT_URI"]);
    }
    let mut running = Server::spawn(&mut script, &place);
    let mut stdin = running.stdin();
    let browser = Browser::new(&place, &server);
    let mut asked = 0;
    loop {
        let text = running.stdout.wait_for_line("browser ", asked);
        let Some(address) = text else { break };
        asked += 1;
        let ended = match browser.open(&address) {
            Shown::Elsewhere(address) => address,
            Shown::Page(page) => browser.sign_in(&page, &demo["USER_NAME"], &demo["USER_PASSWORD"]),
        };
        writeln!(stdin, "{ended}").expect("the script waits for the browser");
    }
    let (said, complained) = (running.stdout.whole(), running.stderr.whole());
    assert_eq!(running.wait().code(), Some(0), "{said}\n{complained}");
    let done: Vec<&str> = said.lines().filter(|line| !line.starts_with("browser ")).collect();
    assert_eq!(done, steps, "{complained}");
}
