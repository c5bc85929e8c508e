//! What lies on the disk, and who may read it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::Place;

/// The modes of everything below a directory, itself included.
fn modes(path: &Path, into: &mut BTreeMap<String, u32>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    into.insert(path.display().to_string(), metadata.permissions().mode() & 0o7777);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            modes(&entry.unwrap().path(), into);
        }
    }
}

#[test]
fn s4_everything_in_the_data_directory_is_private_while_it_runs_and_afterwards() {
    let place = Place::new();
    // Even under a mask that gives everything away.
    let mut command = std::process::Command::new("bash");
    let binary = env!("CARGO_BIN_EXE_lydian");
    command.args(["-c", "umask 000; exec \"$0\" serve --demo --listen 127.0.0.1:0 --data-dir data", binary]);
    command.current_dir(place.path("."));
    let server = crate::support::Server::spawn(&mut command, &place);
    server.stdout.wait_for("ready: ");
    let check = |least: usize| {
        let mut found = BTreeMap::new();
        modes(&place.data(), &mut found);
        for (path, mode) in &found {
            let allowed = if Path::new(path).is_dir() { 0o700 } else { 0o600 };
            assert_eq!(*mode, allowed, "{path}: {mode:o}");
        }
        assert!(found.len() >= least, "{found:?}");
    };
    check(8);
    server.stop();
    check(7);
}

#[test]
fn s4_wider_modes_and_links_are_refused_and_not_mended() {
    let place = Place::new();
    place.serve(&["--demo"]).stop();
    let serve = || place.run(&["serve", "--listen", "127.0.0.1:0"]);
    for (name, wide, right) in [
        ("", 0o750, 0o700),
        ("lydian.db", 0o640, 0o600),
        ("wrapping.key", 0o604, 0o600),
        ("demo.env", 0o644, 0o600),
        ("tls", 0o755, 0o700),
        ("tls/key.pem", 0o644, 0o600),
    ] {
        let path = place.data().join(name);
        fs::set_permissions(&path, Permissions::from_mode(wide)).unwrap();
        serve().refused(&[path.file_name().unwrap().to_str().unwrap(), "chmod"]);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, wide, "{name}: nothing was mended");
        fs::set_permissions(&path, Permissions::from_mode(right)).unwrap();
    }
    let (link, key) = (place.path("link"), place.data().join("wrapping.key"));
    std::os::unix::fs::symlink(place.data(), &link).unwrap();
    place
        .run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", link.to_str().unwrap()])
        .refused(&["symbolic link"]);
    let elsewhere = place.path("elsewhere.key");
    fs::rename(&key, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &key).unwrap();
    serve().refused(&["wrapping.key", "symbolic link"]);
    fs::remove_file(&key).unwrap();
    serve().refused(&["wrapping.key", "it is missing"]);
    fs::rename(&elsewhere, &key).unwrap();
    place.serve(&[]).stop();
}

#[test]
fn s11_a_database_under_another_wrapping_key_is_refused() {
    let place = Place::new();
    place.serve(&[]).stop();
    let key = place.data().join("wrapping.key");
    let right = fs::read(&key).unwrap();
    assert_eq!(right.len(), 32);
    fs::write(&key, [7; 32]).unwrap();
    place.run(&["serve", "--listen", "127.0.0.1:0"]).refused(&["wrapping key"]);
    fs::write(&key, &right[..31]).unwrap();
    place.run(&["serve", "--listen", "127.0.0.1:0"]).refused(&["wrapping.key", "32 bytes"]);
    fs::write(&key, &right).unwrap();
    place.serve(&[]).stop();
}

#[test]
fn s2_two_installs_share_nothing() {
    let (one, other) = (Place::new(), Place::new());
    let (first, second) = (one.serve(&["--demo"]), other.serve(&["--demo"]));
    for name in ["wrapping.key", "tls/cert.pem", "tls/key.pem"] {
        let (one, other) =
            (fs::read(one.data().join(name)).unwrap(), fs::read(other.data().join(name)).unwrap());
        assert_ne!(one, other, "{name}");
    }
    let (one, other) = (first.demo(), second.demo());
    for name in ["APP_CLIENT_SECRET", "API_CLIENT_SECRET"] {
        assert_ne!(one[name], other[name]);
    }
    let keys = |server: &crate::support::Server| {
        server.curl(&[&format!("{}/oauth2/jwks", server.url())]).json()["keys"][0]["kid"].clone()
    };
    assert_ne!(keys(&first), keys(&second));
    let token = first.token("demo-app", &one["APP_CLIENT_SECRET"], &[]);
    let answer = second.introspect("demo-app", &other["APP_CLIENT_SECRET"], &token);
    assert_eq!(answer, serde_json::json!({ "active": false }));
}

#[test]
fn nothing_is_written_outside_of_the_data_directory() {
    let place = Place::new();
    place.serve(&["--demo"]).stop();
    let names: Vec<_> =
        fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["data"]);
}

#[test]
#[cfg(target_os = "linux")]
fn the_process_makes_private_files_and_leaves_no_image_of_its_memory() {
    let place = Place::new();
    let server = place.serve(&[]);
    let of_process = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", server.id())).unwrap();
    assert!(of_process("status").lines().any(|line| line == "Umask:\t0077"));
    let limits = of_process("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
    server.stop();
}
