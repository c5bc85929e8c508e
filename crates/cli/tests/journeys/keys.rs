//! Signing keys by commands, against a running and a stopped server.

use serde_json::{Value, json};

use crate::support::{Finished, Place, Server};

const API: &str = "https://orders.example.com/";

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// A running server with an API for JWTs and an application; the secrets of the application and of an auditor.
fn shop() -> (Place, Server, String, String) {
    let place = Place::new();
    let server = place.serve(&[]);
    place.run(&["api", "add", API, "--scope", "read", "--token-format", "jwt"]).ok();
    let secret = |arguments: &[&str]| {
        let made = json_of(&place.run(&[&["client", "add"], arguments, &["--json"]].concat()).ok());
        made["secrets"][0]["client_secret"].as_str().unwrap().to_owned()
    };
    let api = secret(&["orders-api", "--api", API]);
    let app = secret(&["reports", "--allow", &format!("{API}=read")]);
    (place, server, app, api)
}

fn keys(place: &Place, state: &str) -> Vec<String> {
    let listed = json_of(&place.run(&["keys", "list", "--json"]).ok());
    let keys = listed["keys"].as_array().unwrap().iter();
    keys.filter(|key| key["state"] == json!(state))
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_planned_rotation_publishes_first_and_says_when_the_key_signs() {
    let (place, server, ..) = shop();
    let [active] = keys(&place, "active").try_into().unwrap();
    let said = place.run(&["keys", "rotate"]).ok().stdout;
    assert!(said.contains("is published, and signs from "), "{said}");
    let [next] = keys(&place, "prepublished").try_into().unwrap();
    let published = server.curl(&[&format!("{}/oauth2/jwks", server.url())]).json();
    let kids: Vec<&str> =
        published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert!(kids.contains(&active.as_str()) && kids.contains(&next.as_str()), "{kids:?}");
    let listed = place.run(&["keys", "list"]).ok().stdout;
    for text in ["succeeded 2", "signs 2", &active, &next] {
        assert!(listed.contains(text), "{text}: {listed}");
    }
    place.run(&["keys", "retire", &active, "--force"]).refused(&["signs", "--emergency"]);
    // Names of keys are base64url, where a hyphen is a letter.
    for arguments in [
        &["keys", "retire", "-Kx", "--force"][..],
        &["keys", "retire", "--force", "-Kx", "--json"],
        &["keys", "show-stranded", "-Kx"],
        &["revoke", "--key", "-Kx"],
    ] {
        place.run(arguments).refused(&["there is no key -Kx"]);
    }
    place.run(&["keys", "retire", "nobody"]).refused(&["there is no key nobody"]);
    place.run(&["keys", "rotate", "--algorithm", "RS256"]).refused(&["no active key for RS256"]);
    place.run(&["keys", "rotate", "--realm", "nowhere"]).refused(&["there is no realm nowhere"]);
    let retired = place.run(&["keys", "retire", &next]).ok().stdout;
    assert!(retired.contains("No live token carried it"), "{retired}");
}

#[test]
fn an_emergency_kills_what_the_key_signed_and_says_how_much() {
    let (place, server, app, api) = shop();
    let [first] = keys(&place, "active").try_into().unwrap();
    let tokens: Vec<String> = (0..3).map(|_| server.token("reports", &app, &[])).collect();
    assert_eq!(server.introspect("orders-api", &api, &tokens[0])["active"], json!(true));
    let stranded = json_of(&place.run(&["keys", "show-stranded", &first, "--json"]).ok());
    assert_eq!(stranded["keys"][0]["tokens"], json!(3));
    assert!(place.run(&["keys", "show-stranded"]).ok().stdout.contains("in all"));
    let said = place.run(&["keys", "rotate", "--emergency", "--algorithm", "ES256"]).ok().stdout;
    assert!(said.contains("signs now") && said.contains("3 live tokens that it signed are dead"), "{said}");
    for token in &tokens {
        assert_eq!(server.introspect("orders-api", &api, token), json!({"active": false}));
    }
    let fresh = server.token("reports", &app, &[]);
    assert_eq!(server.introspect("orders-api", &api, &fresh)["active"], json!(true));
    let explained = place.run(&["explain", &tokens[0]]).ok().stdout;
    assert!(explained.contains("key"), "{explained}");
    server.stop();
    assert_eq!(keys(&place, "retired"), [first], "a stopped server's keys are listed too");
}
