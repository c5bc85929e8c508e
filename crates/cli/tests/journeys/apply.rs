//! `lydian apply`: a file says what there is, and then it is there.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Finished, Place, finish};

const SETUP: &str = r#"
[[realm]]
name = "acme"

[[api]]
audience = "https://orders.example.com/"
name = "Orders"
scopes = ["orders:read", "orders:write"]

[[api]]
realm = "acme"
audience = "https://orders.example.com/"
scopes = ["orders:read"]
token_format = "jwt"

[[client]]
client_id = "orders-api"
api = "https://orders.example.com/"

[[client]]
client_id = "reports"
grant_types = ["client_credentials"]
allowed = { "https://orders.example.com/" = ["orders:read"] }
default_api = "https://orders.example.com/"

[[client]]
realm = "acme"
client_id = "reports"
grant_types = ["client_credentials"]
allowed = { "https://orders.example.com/" = ["orders:read"] }
default_api = "https://orders.example.com/"
"#;

/// The rows of the table of secrets: realm, client, secret.
fn secrets(finished: &Finished) -> Vec<[String; 3]> {
    let (_, table) = finished.stdout.split_once("shown this once").expect("there is a table of secrets");
    let rows = table.lines().filter(|line| !line.is_empty()).skip(3);
    rows.map(|line| {
        let cells: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        cells.try_into().expect("a row has three cells")
    })
    .collect()
}

struct Applying {
    place: Place,
}

impl Applying {
    fn new() -> Self {
        Self { place: Place::new() }
    }

    fn apply(&self, document: &str, more: &[&str]) -> Finished {
        let file = self.place.write("setup.toml", document);
        let mut arguments = vec!["apply", "-f", file.to_str().unwrap()];
        arguments.extend(more);
        self.place.run(&arguments)
    }
}

#[test]
fn what_a_file_says_is_made_once_and_works() {
    let applying = Applying::new();
    let first = applying.apply(SETUP, &[]).ok();
    for record in [
        "realm acme",
        "api default/https://orders.example.com/",
        "api acme/https://orders.example.com/",
        "client default/orders-api",
        "client default/reports",
        "client acme/reports",
    ] {
        let line = first.stdout.lines().find(|line| line.contains(record));
        assert!(line.is_some_and(|line| line.starts_with("made")), "{record}: {}", first.stdout);
    }
    let made = secrets(&first);
    let names: Vec<_> = made.iter().map(|[realm, client, _]| (realm.as_str(), client.as_str())).collect();
    assert_eq!(names, [("default", "orders-api"), ("default", "reports"), ("acme", "reports")]);
    assert!(made.iter().all(|[_, _, secret]| secret.len() == 43));

    let second = applying.apply(SETUP, &[]).ok();
    assert!(second.stdout.contains("0 made, 0 changed, 6 unchanged"), "{}", second.stdout);
    assert!(
        !second.stdout.contains("secret")
            && !made.iter().any(|[_, _, secret]| second.stdout.contains(secret))
    );

    let server = applying.place.serve(&[]);
    let (api, app) = (&made[0][2], &made[1][2]);
    let token = server.token("reports", app, &[]);
    let members = server.introspect("orders-api", api, &token);
    assert_eq!(
        (&members["active"], &members["client_id"], &members["scope"]),
        (&json!(true), &json!("reports"), &json!("orders:read"))
    );
    let url = format!("{}/t/acme/oauth2/token", server.url());
    let answer = server.curl(&[
        "--user",
        &format!("reports:{}", made[2][2]),
        "--data",
        "grant_type=client_credentials",
        &url,
    ]);
    assert_eq!(answer.json()["access_token"].as_str().map(|token| token.split('.').count()), Some(3));
}

#[test]
fn a_dry_run_says_the_same_and_makes_nothing() {
    let applying = Applying::new();
    for _ in 0..2 {
        let dry = applying.apply(SETUP, &["--dry-run"]).ok();
        assert!(dry.stdout.contains("nothing was written"), "{}", dry.stdout);
        assert!(dry.stdout.contains("6 made") || dry.stdout.contains("7 made"), "{}", dry.stdout);
        assert!(!dry.stdout.contains("shown this once"), "a secret that will never be");
    }
    let dry: Value =
        serde_json::from_str(&applying.apply(SETUP, &["--dry-run", "--json"]).ok().stdout).unwrap();
    assert_eq!(dry["secrets"], json!([]), "a secret that will never be");
    assert!(dry["records"].as_array().unwrap().iter().all(|record| record["verdict"] == "made"));
    assert_eq!(secrets(&applying.apply(SETUP, &[]).ok()).len(), 3);
    let dry = applying.apply(&SETUP.replace("\"Orders\"", "\"Purchases\""), &["--dry-run"]).ok();
    assert!(dry.stdout.contains("Orders") && dry.stdout.contains("Purchases"), "{}", dry.stdout);
    assert!(applying.apply(SETUP, &[]).ok().stdout.contains("0 made, 0 changed"));
}

#[test]
fn a_dry_run_leaves_nothing_behind_where_nothing_was() {
    let applying = Applying::new();
    let place = &applying.place;
    let file = place.write("setup.toml", SETUP);
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let left_in = |directory: &Path| {
        let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<Vec<_>>()
    };
    let dry_run = |document: &str| {
        std::fs::write(&file, document).unwrap();
        let mut command = place.command(&["apply", "-f", file.to_str().unwrap(), "--dry-run"]);
        finish(command.env("TMPDIR", &temporary))
    };
    let refused = SETUP.replace("orders:read\", \"orders:write", "no scope\", \"orders:write");
    let check = |is_there: bool| {
        let dry = dry_run(SETUP).ok();
        assert!(dry.stdout.contains("7 made, 0 changed, 0 unchanged"), "{}", dry.stdout);
        dry_run(&refused).refused(&["no scope"]);
        assert_eq!(place.data().exists(), is_there);
        assert_eq!(left_in(&temporary), Vec::<std::ffi::OsString>::new());
    };
    check(false);
    // A directory that waits for its first start stays as it is, and one that could not be started in is refused.
    std::fs::DirBuilder::new().mode(0o700).create(place.data()).unwrap();
    check(true);
    assert_eq!(left_in(&place.data()), Vec::<std::ffi::OsString>::new());
    std::fs::set_permissions(place.data(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dry_run(SETUP).refused(&["chmod 700"]);
}

#[test]
fn changes_are_shown_member_by_member_and_secrets_never() {
    let applying = Applying::new();
    let secret = "a-secret-of-my-own-0123456789abcdef";
    let document = |secret: &str, name: &str| {
        format!("[[client]]\nclient_id = \"app\"\nname = {name:?}\nclient_secret = {secret:?}\n")
    };
    let first = applying.apply(&document(secret, "One"), &[]).ok();
    let other = "another-secret-0123456789abcdef0123";
    let changed = applying.apply(&document(other, "Two"), &[]).ok();
    assert!(changed.stdout.contains("name: \"One\" -> \"Two\""), "{}", changed.stdout);
    assert!(changed.stdout.contains("client_secret: replaced"));
    assert!(changed.stdout.contains("0 made, 1 changed, 0 unchanged"));
    for finished in [first, changed] {
        assert!(!finished.stdout.contains(secret) && !finished.stdout.contains(other));
        assert!(!finished.stderr.contains(secret) && !finished.stderr.contains(other));
    }
}

#[test]
fn the_answer_in_json_is_json_and_nothing_else() {
    let applying = Applying::new();
    let answer: Value = serde_json::from_str(&applying.apply(SETUP, &["--json"]).ok().stdout).unwrap();
    assert_eq!(answer["secrets"].as_array().unwrap().len(), 3);
    assert_eq!(answer["secrets"][1]["client_id"], "reports");
    assert_eq!(answer["records"][0], json!({ "verdict": "made", "record": "realm acme", "differences": [] }));
}

#[test]
fn every_fault_of_a_file_is_listed_and_nothing_of_it_is_done() {
    let applying = Applying::new();
    let faulty = r#"
[[realm]]
name = "acme"
jwt_access_token_seconds = 100000

[[api]]
audience = "relative"

[[api]]
realm = "nobody"
audience = "https://a.example/"

[[client]]
client_id = "usr_1"

[[client]]
client_id = "good"
default_api = "https://missing.example/"

[[client]]
client_id = "public"
auth_methods = ["none"]
grant_types = ["client_credentials"]

[[client]]
client_id = "short"
client_secret = "short"
"#;
    applying.apply(faulty, &[]).refused(&[
        "realm acme: jwt_access_token_seconds",
        "api default/relative: the audience is an absolute URI",
        "api nobody/https://a.example/: there is no such realm",
        "client default/usr_1: a client_id is",
        "client default/good: default_api: there is no API",
        "client default/public: client_credentials is for confidential clients only",
        "client default/short: client_secret has at least 32",
    ]);
    let good = applying.apply("[[client]]\nclient_id = \"good\"\n", &[]).ok();
    assert!(good.stdout.contains("1 made"), "{}", good.stdout);
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let applying = Applying::new();
    for (document, said) in [
        ("[[client]]\nclient_id = \"a\"\nunknown = 1\n", "unknown"),
        ("[[clients]]\nclient_id = \"a\"\n", "clients"),
        ("[[client]]\nclient_id = 1\n", "line 2"),
        ("not toml", "line 1"),
        ("[[client]]\n", "client_id"),
        ("[[realm]]\nname = \"UPPER\"\n", "a realm name is"),
        ("[[client]]\nclient_id = \"a\"\ngrant_types = [\"password\"]\n", "password"),
    ] {
        applying.apply(document, &[]).refused(&[said]);
    }
    applying.place.run(&["apply", "-f", "missing.toml"]).refused(&["missing.toml"]);
    assert!(!applying.place.data().exists(), "a file that cannot be read opens no store");
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let applying = Applying::new();
    let secret = "a-secret-of-my-own-0123456789abcdef";
    applying.place.write("app.secret", &format!("{secret}\n"));
    let document = "[[client]]\nclient_id = \"app\"\nclient_secret_file = \"app.secret\"\nissuer_scopes = [\"introspect\"]\ngrant_types = [\"client_credentials\"]\n";
    let first = applying.apply(document, &[]).ok();
    assert!(!first.stdout.contains(secret) && !first.stdout.contains("shown this once"));
    assert!(applying.apply(document, &[]).ok().stdout.contains("1 unchanged"));
    applying.place.serve(&[]).token("app", secret, &[]);
    let both = format!("{document}client_secret = \"x\"\n");
    applying.apply(&both, &[]).refused(&["not both"]);
    applying.apply(&document.replace("app.secret", "missing"), &[]).refused(&["missing"]);
}
