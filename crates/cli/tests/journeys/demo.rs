//! `serve --demo`: what it prints works as it is printed.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Finished, Place, Server, finish};

/// The variables of the contract.
const VARIABLES: [&str; 20] = [
    "API_AUDIENCE",
    "API_CLIENT_ID",
    "API_CLIENT_SECRET",
    "APP_CLIENT_ID",
    "APP_CLIENT_SECRET",
    "JWT_API_AUDIENCE",
    "JWT_API_CLIENT_ID",
    "JWT_API_CLIENT_SECRET",
    "LYDIAN_CA",
    "LYDIAN_URL",
    "OTHER_API_AUDIENCE",
    "OTHER_API_CLIENT_ID",
    "OTHER_API_CLIENT_SECRET",
    "SPA_CLIENT_ID",
    "SPA_REDIRECT_URI",
    "USER_NAME",
    "USER_PASSWORD",
    "WEB_CLIENT_ID",
    "WEB_CLIENT_SECRET",
    "WEB_REDIRECT_URI",
];

/// The commands as they were printed, from the first one on.
fn printed_commands(server: &Server) -> String {
    let last = "--data-urlencode \"token=$ACCESS_TOKEN\" \"$LYDIAN_URL/oauth2/introspect\"; echo";
    let text = server.stdout.wait_for(last);
    let begin = text.find("# 1.").expect("the commands are numbered");
    // From the sixth on they wait for a person.
    let end = text.find("# 6.").unwrap_or(text.len());
    text[begin..end].to_owned()
}

/// Runs a script in a shell that knows nothing.
fn bash(script: &str) -> Finished {
    let mut shell = Command::new("bash");
    shell.env_clear().env("PATH", std::env::var("PATH").unwrap()).args(["-c", script]);
    finish(&mut shell)
}

#[track_caller]
fn check_printed_commands(server: &Server) {
    let finished = bash(&printed_commands(server)).ok();
    let answers: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(answers.len(), 3, "{finished:?}");
    let issuer = server.run_file()["issuer"].clone();
    let by_basic: Value = serde_json::from_str(answers[0]).unwrap();
    let (iat, jti) = (by_basic["iat"].as_u64().expect("whole seconds"), by_basic["jti"].clone());
    assert_eq!(
        by_basic,
        json!({
            "active": true,
            "aut": "APPLICATION",
            "token_type": "Bearer",
            "client_id": "demo-app",
            "scope": "read write",
            "iat": iat,
            "nbf": iat,
            "exp": iat + 3_600,
            "sub": "demo-app",
            "iss": issuer,
            "aud": "https://api.example.com/",
            "jti": jti,
            "minted_at": by_basic["minted_at"],
            "lyd_grant": by_basic["lyd_grant"],
        })
    );
    assert!(by_basic.get("username").is_none());
    assert_eq!(serde_json::from_str::<Value>(answers[1]).unwrap(), by_basic, "by Bearer with a cookie");
    assert_eq!(answers[2], "{\"active\":false}", "after the revocation");
}

#[test]
fn s1_the_printed_commands_give_the_answers_of_the_page() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    check_printed_commands(&server);
    // Pasted twice they do the same again.
    check_printed_commands(&server);
}

#[test]
fn the_printed_commands_work_behind_a_proxy_too() {
    let place = Place::new();
    let server = place.serve(&["--demo", "--insecure-plain-http"]);
    assert!(!printed_commands(&server).contains("cacert"));
    check_printed_commands(&server);
}

#[test]
fn the_printed_commands_work_from_a_directory_with_an_odd_name() {
    let place = Place::new();
    let data = place.path("it's a $HOME \"directory\"");
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--demo"]);
    let server = Server::spawn(command.env("LYDIAN_DATA_DIR", &data), &place);
    server.stdout.wait_for("ready: ");
    let finished = bash(&printed_commands(&server)).ok();
    assert!(finished.stdout.trim_end().ends_with("{\"active\":false}"), "{finished:?}");
}

#[test]
fn demo_env_has_exactly_the_variables_of_the_contract_and_they_are_true() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    assert_eq!(demo.keys().map(String::as_str).collect::<Vec<_>>(), VARIABLES);
    assert_eq!(demo["LYDIAN_URL"], server.url());
    assert_eq!(
        std::path::Path::new(&demo["LYDIAN_CA"]),
        place.data().canonicalize().unwrap().join("tls/cert.pem")
    );
    for (name, value) in &demo {
        assert!(!value.is_empty(), "{name}");
        if name.ends_with("_SECRET") {
            assert_eq!(value.len(), 43, "{name} has 256 bits");
        }
    }
    let secrets: std::collections::BTreeSet<_> =
        demo.iter().filter(|(name, _)| name.ends_with("_SECRET")).map(|(_, value)| value).collect();
    assert_eq!(secrets.len(), 5);
    check_apis(&server, &demo);
}

/// The application gets tokens for two of the APIs, each in its form, and each API sees its own.
#[track_caller]
fn check_apis(server: &Server, demo: &BTreeMap<String, String>) {
    let app = (&demo["APP_CLIENT_ID"], &demo["APP_CLIENT_SECRET"]);
    for (api, is_jwt) in [("API", false), ("JWT_API", true)] {
        let audience = &demo[&format!("{api}_AUDIENCE")];
        let token = server.token(app.0, app.1, &[&format!("resource={audience}"), "scope=read write"]);
        assert_eq!(token.split('.').count() == 3, is_jwt, "{api}");
        for other in ["API", "JWT_API", "OTHER_API"] {
            let (id, secret) =
                (&demo[&format!("{other}_CLIENT_ID")], &demo[&format!("{other}_CLIENT_SECRET")]);
            let answer = server.introspect(id, secret, &token);
            assert_eq!(answer["active"], other == api, "{other} about a token for {api}");
        }
    }
    let url = format!("{}/oauth2/token", server.url());
    let forbidden = format!("resource={}", demo["OTHER_API_AUDIENCE"]);
    let answer = server.curl(&[
        "--user",
        &format!("{}:{}", app.0, app.1),
        "--data-urlencode",
        "grant_type=client_credentials",
        "--data-urlencode",
        &forbidden,
        &url,
    ]);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_target")));
}

#[test]
fn the_demo_is_the_same_after_a_restart_and_so_are_its_tokens() {
    let place = Place::new();
    let issuer = [("LYDIAN_ISSUER", "https://localhost:9443")];
    let server = place.serve_with(&["--demo"], &issuer);
    let first = server.demo();
    let (app, secret) = (first["APP_CLIENT_ID"].clone(), first["APP_CLIENT_SECRET"].clone());
    let jwt = format!("resource={}", first["JWT_API_AUDIENCE"]);
    let token = |server: &Server, resource: &[&str]| server.token(&app, &secret, resource);
    let live = [token(&server, &[]), token(&server, &[&jwt])];
    let revoked = [token(&server, &[]), token(&server, &[&jwt])];
    for token in &revoked {
        assert_eq!(server.post_token("revoke", &app, &secret, token).status, 200);
    }
    server.stop();
    let server = place.serve_with(&["--demo"], &issuer);
    let mut second = server.demo();
    assert_ne!(second["LYDIAN_URL"], first["LYDIAN_URL"], "the port is another one");
    second.insert("LYDIAN_URL".to_owned(), first["LYDIAN_URL"].clone());
    assert_eq!(second, first);
    for token in &live {
        assert_eq!(server.introspect(&app, &secret, token)["active"], true);
    }
    for token in &revoked {
        assert_eq!(server.introspect(&app, &secret, token), json!({ "active": false }));
    }
    // Without `--demo` the clients stay as they are.
    server.stop();
    let server = place.serve_with(&[], &issuer);
    assert_eq!(server.introspect(&app, &secret, &live[0])["active"], true);
}

#[test]
fn a_demo_whose_file_was_lost_gets_new_secrets_and_the_old_ones_are_dead() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let first = server.demo();
    server.stop();
    std::fs::remove_file(place.data().join("demo.env")).unwrap();
    let server = place.serve(&["--demo"]);
    let second = server.demo();
    assert_ne!(first["APP_CLIENT_SECRET"], second["APP_CLIENT_SECRET"]);
    server.token("demo-app", &second["APP_CLIENT_SECRET"], &[]);
    assert_eq!(server.post_token("introspect", "demo-app", &first["APP_CLIENT_SECRET"], "x").status, 401);
}
