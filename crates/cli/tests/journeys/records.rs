//! Realms, APIs and clients, one at a time, against a running and a stopped server; explain, token inspect and doctor.

use serde_json::{Value, json};

use crate::support::{Finished, Place, Server};

const API: &str = "https://orders.example.com/";

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// A secret that was shown once, from the JSON of `add` and `rotate-secret`.
fn secret(outcome: &Value) -> String {
    let made = if outcome["client_secret"].is_string() { outcome } else { &outcome["secrets"][0] };
    made["client_secret"].as_str().expect("a secret was made").to_owned()
}

struct Shop {
    place: Place,
    server: Server,
    app: String,
    api: String,
}

/// A running server with an API, its credentials and an application, each made by a command.
fn shop() -> Shop {
    let place = Place::new();
    let server = place.serve(&[]);
    place.run(&["api", "add", API, "--name", "Orders", "--scope", "orders:read orders:write"]).ok();
    let api = json_of(&place.run(&["client", "add", "orders-api", "--api", API, "--json"]).ok());
    let allow = format!("{API}=orders:read,orders:write");
    let app = json_of(&place.run(&["client", "add", "reports", "--allow", &allow, "--json"]).ok());
    Shop { app: secret(&app), api: secret(&api), place, server }
}

impl Shop {
    fn token(&self) -> String {
        self.server.token("reports", &self.app, &[])
    }

    fn is_active(&self, token: &str) -> bool {
        self.server.introspect("orders-api", &self.api, token)["active"].as_bool().unwrap()
    }

    fn explained(&self, token: &str, more: &[&str]) -> Value {
        let mut arguments = vec!["explain", token, "--json"];
        arguments.extend(more);
        json_of(&self.place.run(&arguments).ok())
    }
}

#[test]
fn what_is_added_by_commands_works_at_once_and_is_listed() {
    let shop = shop();
    let token = shop.token();
    assert!(shop.is_active(&token));
    let listed = shop.place.run(&["client", "list"]).ok().stdout;
    for text in ["orders-api", "reports", "credentials of https://orders.example.com/"] {
        assert!(listed.contains(text), "{listed}");
    }
    assert!(shop.place.run(&["api", "list"]).ok().stdout.contains("orders:read orders:write"));
    let realms = json_of(&shop.place.run(&["realm", "list", "--json"]).ok());
    assert_eq!(realms["records"][0]["name"], json!("default"));
    shop.place.run(&["client", "add", "reports"]).refused(&["there is a client reports already"]);
    shop.place.run(&["client", "add", "x", "--allow", "https://nowhere.example/=read"]).refused(&["no API"]);
    shop.place.run(&["client", "show", "nobody"]).refused(&["there is no client nobody"]);
}

#[test]
fn what_is_shown_can_be_applied_again_and_changes_nothing() {
    let shop = shop();
    for (kind, name) in [("realm", "default"), ("api", API), ("client", "reports"), ("client", "orders-api")]
    {
        let text = shop.place.run(&[kind, "show", name]).ok().stdout;
        let file = shop.place.write("shown.toml", &text);
        let applied = shop.place.run(&["apply", "-f", file.to_str().unwrap()]).ok().stdout;
        assert!(applied.contains("0 made, 0 changed, 1 unchanged"), "{kind} {name}: {applied}\n{text}");
    }
}

#[test]
fn disabling_is_for_good_and_enabling_admits_new_tokens() {
    let shop = shop();
    let old = shop.token();
    shop.place.run(&["client", "disable", "reports"]).ok();
    assert!(!shop.is_active(&old));
    assert_eq!(shop.explained(&old, &[])["reason"], json!("cut_client"));
    shop.place.run(&["client", "enable", "reports"]).ok();
    assert!(!shop.is_active(&old));
    assert!(shop.is_active(&shop.token()));
}

#[test]
fn a_secret_is_rotated_with_an_overlap_or_at_once() {
    let mut shop = shop();
    let first = shop.app.clone();
    let second = secret(&json_of(&shop.place.run(&["client", "rotate-secret", "reports", "--json"]).ok()));
    for secret in [&first, &second] {
        shop.app.clone_from(secret);
        assert!(shop.is_active(&shop.token()));
    }
    let rotated =
        json_of(&shop.place.run(&["client", "rotate-secret", "reports", "--replace", "--json"]).ok());
    assert_eq!(rotated["good"], json!(1));
    for old in [&first, &second] {
        assert_eq!(shop.server.post_token("introspect", "reports", old, "x").status, 401);
    }
    shop.app = secret(&rotated);
    let token = shop.token();
    // The credentials of an API are those of its client.
    shop.api = secret(&json_of(&shop.place.run(&["api", "rotate-secret", API, "--json"]).ok()));
    assert!(shop.is_active(&token));
    shop.place.run(&["realm", "rotate-secret", "default"]).refused(&["a realm has no secret"]);
}

#[test]
fn a_deletion_is_whole_and_tells_what_it_did() {
    let shop = shop();
    let token = shop.token();
    let deleted = json_of(&shop.place.run(&["client", "delete", "reports", "--json"]).ok());
    assert_eq!(
        (&deleted["deleted"], &deleted["removed"]["grants"]),
        (&json!("client default/reports"), &json!(1))
    );
    assert!(!shop.is_active(&token));
    shop.place.run(&["client", "add", "reports"]).refused(&["has, or had, this client_id"]);
    shop.place.run(&["client", "delete", "reports"]).refused(&["there is no client reports"]);
    shop.place.run(&["realm", "add", "acme"]).ok();
    shop.place.run(&["client", "add", "worker", "--realm", "acme"]).ok();
    let said = shop.place.run(&["realm", "delete", "acme"]).ok().stdout;
    assert!(said.contains("clients, 1") && said.contains("keys, 1"), "{said}");
    shop.place.run(&["client", "list", "--realm", "acme"]).refused(&["there is no realm acme"]);
    shop.place.run(&["realm", "delete", "default"]).refused(&["the default realm cannot be deleted"]);
    shop.server.stop();
    let api = shop.place.run(&["api", "delete", API]).ok().stdout;
    assert!(api.contains("1 clients named it"), "{api}");
    assert!(!shop.place.run(&["api", "list"]).ok().stdout.contains(API));
}

#[test]
fn a_token_is_explained_for_its_api_and_for_others() {
    let shop = shop();
    shop.place.run(&["client", "add", "stranger"]).ok();
    let token = shop.token();
    let told = shop.explained(&token, &["--as", API]);
    assert_eq!((&told["active"], &told["reason"]), (&json!(true), &json!("active")));
    for member in ["active", "reason", "chain", "events", "decision"] {
        assert!(!told[member].is_null(), "{member}: {told}");
    }
    assert_eq!(shop.explained(&token, &["--as", "stranger"])["reason"], json!("not_for_caller"));
    shop.place.run(&["revoke", "--token", &token]).ok();
    let text = shop.place.run(&["explain", &token]).ok().stdout;
    assert!(
        text.contains("NOT ACTIVE: revoked") && text.contains("kills it") && !text.contains(&token),
        "{text}"
    );
    let grant = shop.explained(&token, &[])["token"]["grant"].as_str().unwrap().to_owned();
    let sibling = shop.token();
    assert!(shop.is_active(&sibling));
    shop.place.run(&["revoke", "--grant", &grant]).ok();
    assert!(!shop.is_active(&sibling), "a standing grant is the family of all tokens of a client at an API");
    // A stopped server's tokens are explained from its directory.
    shop.server.stop();
    let mut arguments = vec!["explain", token.as_str(), "--json"];
    arguments.extend(
        ["--data-dir", shop.place.data().to_str().unwrap()]
            .map(|text| -> &str { Box::leak(text.to_owned().into_boxed_str()) }),
    );
    assert_eq!(json_of(&shop.place.run(&arguments).ok())["reason"], json!("revoked"));
}

#[test]
fn a_token_is_inspected_without_asking_anybody() {
    let shop = shop();
    let token = shop.token();
    let nowhere = Place::new();
    let inspected = json_of(&nowhere.run(&["token", "inspect", &token, "--json"]).ok());
    assert_eq!((&inspected["form"], &inspected["checksum_fits"]), (&json!("opaque"), &json!(true)));
    let broken = json_of(&nowhere.run(&["token", "inspect", &format!("{token}x"), "--json"]).ok());
    assert_eq!(broken["checksum_fits"], json!(false));
    let jwt = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJleHAiOjE3MDAwMDAwMDB9.AAAA";
    let text = nowhere.run(&["token", "inspect", jwt]).ok().stdout;
    assert!(
        text.contains("2023-11-14T22:13:20Z, EXPIRED") && text.contains("Nothing was verified"),
        "{text}"
    );
    nowhere.run(&["token", "inspect", "hello"]).refused(&["neither an opaque token"]);
    assert!(!nowhere.data().exists());
}

#[test]
fn the_doctor_finds_a_healthy_server_healthy_running_and_stopped() {
    let shop = shop();
    for running in [true, false] {
        let found = json_of(&shop.place.run(&["doctor", "--json"]).ok());
        let findings = found["findings"].as_array().unwrap();
        let subjects: Vec<&str> =
            findings.iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
        for subject in
            ["data directory", "certificate", "store", "clock", "ledger", "deletions", "keys of default"]
        {
            assert!(subjects.contains(&subject), "{running}: {subjects:?}");
        }
        let unwell: Vec<&Value> =
            findings.iter().filter(|finding| finding["health"] == json!("failure")).collect();
        assert!(unwell.is_empty(), "{unwell:?}");
        if running {
            shop.server.signal(rustix::process::Signal::TERM);
            crate::support::eventually("the socket goes", || {
                !shop.place.data().join("control.sock").exists()
            });
            crate::support::eventually("the directory is free", || {
                shop.place.run(&["realm", "list"]).code == Some(0)
            });
        }
    }
    shop.place.run(&["doctor", "--accept-clock"]).refused(&["there is nothing to accept"]);
}

#[test]
fn the_second_factors_of_a_person_are_shown_and_ended_by_commands() {
    let place = Place::new();
    let server = place.serve(&[]);
    place.run(&["user", "add", "alice", "--generate-password"]).ok();
    let listed = json_of(&place.run(&["user", "factors", "alice", "--json"]).ok());
    assert_eq!(listed, json!({ "factors": [], "recovery_codes": 0 }));
    let said = place.run(&["user", "factors", "alice"]).ok().stdout;
    assert!(said.contains("There is no second factor: the password alone signs in."), "{said}");
    let shown = json_of(&place.run(&["user", "show", "alice", "--json"]).ok());
    assert_eq!(shown["factors"], listed);
    let version = shown["version"].as_u64().unwrap();
    place
        .run(&["user", "remove-factor", "alice", "AAAAAAAAAAE"])
        .refused(&["has no second factor AAAAAAAAAAE"]);
    place.run(&["user", "factors", "nobody"]).refused(&["there is no user nobody"]);
    let reset = place.run(&["user", "reset-factors", "alice"]).ok().stdout;
    assert!(reset.contains("There was none."), "{reset}");
    let shown = json_of(&place.run(&["user", "show", "alice", "--json"]).ok());
    assert_eq!(shown["version"], version + 1, "what was granted before it is dead");
    assert!(shown["cut_at"].as_u64().unwrap() > 0);
    server.stop();
}
