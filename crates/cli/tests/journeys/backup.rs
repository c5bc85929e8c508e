//! Backup, check and restore (R34): under load, altered, interrupted; and nothing that was revoked comes back.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Finished, Place, Server, eventually, finish};

const SETUP: &str = r#"
[[api]]
audience = "https://orders.example.com/"
scopes = ["read"]

[[api]]
audience = "https://bare.example.com/"
scopes = ["read"]
token_format = "jwt"
record = false

[[client]]
client_id = "app"
client_secret = "app-secret-0123456789abcdef0123456789"
grant_types = ["client_credentials"]
allowed = { "https://orders.example.com/" = ["read"], "https://bare.example.com/" = ["read"] }
"#;
const APP: &str = "app";
const SECRET: &str = "app-secret-0123456789abcdef0123456789";
const OPAQUE: &str = "resource=https://orders.example.com/";
const BARE: &str = "resource=https://bare.example.com/";

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// A server with an application, in a place.
fn serve(place: &Place) -> Server {
    let file = place.write("setup.toml", SETUP);
    place.run(&["apply", "-f", file.to_str().unwrap()]).ok();
    place.serve(&[])
}

fn back_up(place: &Place) -> Finished {
    place.run(&["backup", "--to", "backup", "--recovery-key-file", "recovery.key", "--json"])
}

/// The arguments of a restore into this directory of the place.
fn restore(place: &Place, into: &str, more: &[&str]) -> Finished {
    let mut arguments = vec![
        "restore",
        "--from",
        "backup",
        "--recovery-key-file",
        "recovery.key",
        "--json",
        "--data-dir",
        into,
    ];
    arguments.extend(more);
    place.run(&arguments)
}

/// What is said about a token by the directory of a stopped server.
fn reason(place: &Place, directory: &str, token: &str) -> String {
    let told = json_of(&place.run(&["explain", token, "--json", "--data-dir", directory]).ok());
    assert_eq!(told["active"], json!(told["reason"] == json!("active")));
    told["reason"].as_str().unwrap().to_owned()
}

#[test]
fn r34_what_was_acknowledged_before_a_backup_under_load_is_in_it_and_nothing_revoked_comes_back() {
    let place = Place::new();
    let server = serve(&place);
    let issued = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let before = std::thread::scope(|scope| {
        for kind in [OPAQUE, OPAQUE, BARE, BARE] {
            let (server, issued, stop) = (&server, &issued, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let token = server.token(APP, SECRET, &[kind]);
                    issued.lock().unwrap().push(token);
                }
            });
        }
        eventually("some tokens are issued", || issued.lock().unwrap().len() >= 30);
        let before = issued.lock().unwrap().clone();
        back_up(&place).ok();
        eventually("the load went on beside the backup", || issued.lock().unwrap().len() > before.len());
        stop.store(true, Ordering::Relaxed);
        before
    });
    let after: Vec<String> =
        issued.lock().unwrap().iter().filter(|token| !before.contains(token)).cloned().collect();
    // What is revoked after the backup, of before it and of after it.
    let late = [server.token(APP, SECRET, &[OPAQUE]), server.token(APP, SECRET, &[BARE])];
    let revoked: Vec<&String> = before.iter().take(4).chain(&late).collect();
    for token in &revoked {
        assert_eq!(server.post_token("revoke", APP, SECRET, token).status, 200);
    }
    server.kill();

    restore(&place, "kept", &["--nothing-was-revoked-since"]).ok();
    for token in &before {
        assert_eq!(reason(&place, "kept", token), "active", "it was acknowledged before the backup began");
    }
    let outcome = json_of(&restore(&place, "cut", &[]).ok());
    assert_eq!((&outcome["store_generation"], &outcome["realms_cut"]), (&json!(2), &json!(1)));
    for token in before.iter().chain(&after).chain(&late) {
        assert_ne!(reason(&place, "cut", token), "active");
    }
    for directory in ["kept", "cut"] {
        let check = place.run(&["check", "--json", "--data-dir", directory]).ok();
        assert_eq!(json_of(&check)["whole"], json!(true));
    }
    // The restored server goes on: old tokens stay dead, new ones are good, also after the next start.
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "cut"]);
    let mut server = Server::spawn(&mut command, &place);
    server.set_data(place.path("cut"));
    server.stdout.wait_for("ready: ");
    let fresh = server.token(APP, SECRET, &[OPAQUE]);
    let active = |token: &str| server.introspect(APP, SECRET, token)["active"].as_bool().unwrap();
    assert!(active(&fresh));
    assert!(revoked.iter().all(|token| !active(token)) && before.iter().all(|token| !active(token)));
    server.stop();
    assert_eq!(reason(&place, "cut", &fresh), "active");
}

#[test]
fn r34_an_altered_backup_is_refused_and_nothing_is_left_of_the_attempt() {
    let place = Place::new();
    drop(serve(&place));
    back_up(&place).ok();
    place.run(&["check", "--backup", "backup", "--recovery-key-file", "recovery.key"]).ok();
    let files = ["manifest.json", "database.sealed", "wrapping-key.sealed"];
    let whole: Vec<(PathBuf, Vec<u8>)> = files
        .iter()
        .map(|name| place.path(&format!("backup/{name}")))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    let refused = |what: &str| {
        let restored = restore(&place, "new", &[]);
        assert_eq!(restored.code, Some(1), "{what}: {restored:?}");
        assert!(!place.path("new/lydian.db").exists() && !place.path("new/.restore").exists(), "{what}");
        let check = place.run(&["check", "--backup", "backup", "--recovery-key-file", "recovery.key"]);
        assert_eq!(check.code, Some(1), "{what}: {check:?}");
    };
    for (path, bytes) in &whole {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(path, flipped).unwrap();
            refused(&format!("{name}: byte {at} flipped"));
        }
        std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        refused(&format!("{name}: cut off"));
        std::fs::remove_file(path).unwrap();
        refused(&format!("{name}: missing"));
        std::fs::write(path, bytes).unwrap();
    }
    // Each of its files is good, and they are not of one backup.
    place.run(&["backup", "--to", "other", "--recovery-key-file", "recovery.key"]).ok();
    for (path, bytes) in &whole {
        std::fs::copy(place.path("other").join(path.file_name().unwrap()), path).unwrap();
        refused("a file of another backup");
        std::fs::write(path, bytes).unwrap();
    }
    place.run(&["backup", "--to", "third", "--recovery-key-file", "another.key"]).ok();
    place
        .run(&["restore", "--from", "backup", "--recovery-key-file", "another.key", "--data-dir", "new"])
        .refused(&["the recovery key does not open it"]);
    restore(&place, "new", &[]).ok();
    restore(&place, "new", &[]).refused(&["there is a database already"]);
}

#[test]
fn what_is_missing_or_there_already_is_said() {
    let place = Place::new();
    back_up(&place).refused(&["there is no data directory here"]);
    drop(serve(&place));
    place.write("open.key", "lydian-recovery-AAAA");
    let arguments = ["backup", "--to", "backup", "--recovery-key-file", "open.key"];
    place.run(&arguments).refused(&["lets others read it", "chmod 600"]);
    std::fs::create_dir(place.path("backup")).unwrap();
    back_up(&place).refused(&["exists already"]);
    std::fs::remove_dir(place.path("backup")).unwrap();
    restore(&place, "new", &[]).refused(&["backup/manifest.json"]);
    back_up(&place).ok();
    std::fs::rename(place.path("recovery.key"), place.path("away.key")).unwrap();
    restore(&place, "new", &[]).refused(&["recovery.key"]);
    assert_eq!(place.run(&["check", "--backup", "backup"]).code, Some(2));
}

#[test]
fn a_damaged_database_is_found_and_a_whole_one_is_not() {
    let place = Place::new();
    let server = serve(&place);
    for _ in 0..20 {
        server.token(APP, SECRET, &[OPAQUE]);
    }
    // In use and after a kill, it is whole.
    place.run(&["check"]).ok();
    server.kill();
    place.run(&["check"]).ok();
    let database = place.data().join("lydian.db");
    drop(place.run(&["realm", "list"]).ok());
    let bytes = std::fs::read(&database).unwrap();
    let mut damaged = bytes.clone();
    // The middle of the file, page after page: what SQLite does not use, no check can miss.
    for page in damaged.chunks_mut(4096).skip(2) {
        page[..64].fill(0xa5);
    }
    std::fs::write(&database, damaged).unwrap();
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    std::fs::write(&database, bytes).unwrap();
    place.run(&["check"]).ok();
    let key = place.data().join("wrapping.key");
    let own = std::fs::read(&key).unwrap();
    std::fs::write(&key, [9; 32]).unwrap();
    let check = json_of(&place.run(&["check", "--json"]));
    assert_eq!(check["findings"], json!(["it was sealed under another wrapping key"]));
    std::fs::write(&key, own).unwrap();
}

#[test]
fn r34_a_killed_backup_or_restore_leaves_nothing_that_looks_whole() {
    let place = Place::new();
    let server = serve(&place);
    let token = server.token(APP, SECRET, &[OPAQUE]);
    let is_whole = |path: &Path| path.join("manifest.json").exists();
    for round in 0..10 {
        let to = format!("backup-{round}");
        let arguments = ["backup", "--to", &to, "--recovery-key-file", "recovery.key"];
        let running = Server::spawn(&mut place.command(&arguments), &place);
        // Killed somewhere between its first file and its end.
        eventually("it has begun", || {
            place.path(&format!(".{to}.draft")).exists() || place.path(&to).exists() || running.has_ended()
        });
        running.kill();
        if place.path(&to).exists() {
            assert!(is_whole(&place.path(&to)));
            place.run(&["check", "--backup", &to, "--recovery-key-file", "recovery.key"]).ok();
        }
    }
    back_up(&place).ok();
    server.stop();
    let snapshots = std::fs::read_dir(place.data()).unwrap().flatten();
    let left =
        snapshots.filter(|entry| entry.file_name().to_string_lossy().starts_with(".snapshot-")).count();
    assert_eq!(left, 0, "snapshots of killed commands go at the next one");
    for _ in 0..10 {
        let arguments =
            ["restore", "--from", "backup", "--recovery-key-file", "recovery.key", "--data-dir", "new"];
        let running = Server::spawn(&mut place.command(&arguments), &place);
        eventually("it has begun", || place.path("new/.restore").exists() || running.has_ended());
        running.kill();
        if place.path("new/lydian.db").exists() {
            break;
        }
    }
    if !place.path("new/lydian.db").exists() {
        restore(&place, "new", &[]).ok();
    }
    place.run(&["check", "--data-dir", "new"]).ok();
    assert_eq!(reason(&place, "new", &token), "cut_realm");
}

#[test]
fn r34_a_check_of_a_backup_leaves_nothing_behind_however_it_ends() {
    let place = Place::new();
    drop(serve(&place));
    back_up(&place).ok();
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let arguments = ["check", "--backup", "backup", "--recovery-key-file", "recovery.key"];
    let command = || {
        let mut command = place.command(&arguments);
        command.env("TMPDIR", &temporary);
        command
    };
    let is_empty = || std::fs::read_dir(&temporary).unwrap().next().is_none();
    finish(&mut command()).ok();
    assert!(is_empty(), "after a backup that is whole");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut running = Server::spawn(&mut command(), &place);
        eventually("it works, or has ended", || !is_empty() || running.has_ended());
        if !is_empty() {
            let made = std::fs::read_dir(&temporary).unwrap().flatten().next();
            // It may end at any moment, and what it has made goes with it.
            let mode = made.and_then(|made| Some(made.metadata().ok()?.permissions().mode() & 0o777));
            assert!(mode.is_none_or(|mode| mode == 0o700), "{mode:?}");
        }
        running.signal(signal);
        running.wait();
        assert!(is_empty(), "after {signal:?}");
    }
    let sealed = place.path("backup/database.sealed");
    let mut bytes = std::fs::read(&sealed).unwrap();
    bytes.pop();
    std::fs::write(&sealed, bytes).unwrap();
    finish(&mut command()).refused(&["it was altered, cut off or exchanged"]);
    assert!(is_empty(), "after a backup that is refused");
}
