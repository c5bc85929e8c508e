//! Configuration by file, environment and flags, and commands that are used wrongly.

use crate::support::{Place, finish};

const FAULTY: &str =
    "isuer = \"https://a\"\nconnections_max = 0\nlisten = \"nowhere\"\nlog_format = \"xml\"\n";

#[test]
fn s47_every_fault_is_listed_at_once_with_where_it_stands_and_nothing_is_started() {
    let place = Place::new();
    let file = place.write("faulty.toml", FAULTY);
    let file = file.to_str().unwrap();
    let empty = place.write("empty.toml", "");
    let empty = empty.to_str().unwrap();
    for arguments in [
        &["config", "check", "--config", file][..],
        &["config", "print", "--config", file],
        &["serve", "--config", file],
        &["apply", "--config", file, "-f", empty],
    ] {
        let mut command = place.command(arguments);
        let refused = finish(command.env("LYDIAN_LISTEM", "127.0.0.1:1")).refused(&[
            "5 faults",
            "isuer (file",
            "connections_max (file",
            "listen (file",
            "log_format (file",
            "LYDIAN_LISTEM",
            "did you mean listen?",
        ]);
        assert_eq!(refused.stdout, "");
    }
    assert!(!place.data().exists());
}

#[test]
fn s47_one_unknown_key_refuses_the_start_with_status_1() {
    let place = Place::new();
    let file = place.write("lydian.toml", "log_levels = \"info\"\n");
    // The file of the working directory is read without being named.
    place.run(&["serve", "--listen", "127.0.0.1:0"]).refused(&[
        "1 fault:",
        "log_levels",
        "did you mean log_level?",
    ]);
    std::fs::write(&file, "no toml at all").unwrap();
    place.run(&["config", "check"]).refused(&["lydian.toml"]);
    std::fs::write(&file, "log_level = \"debug\"\n").unwrap();
    place.run(&["config", "check"]).ok();
    place.run(&["config", "check", "--config", "missing.toml"]).refused(&["missing.toml"]);
}

#[test]
fn a_good_configuration_is_said_to_be_good_and_insecure_options_are_named() {
    let place = Place::new();
    assert_eq!(place.run(&["config", "check"]).ok().stdout, "The configuration is good.\n");
    let mut insecure = place.command(&["config", "check"]);
    let finished = finish(insecure.env("LYDIAN_INSECURE_PLAIN_HTTP", "true")).ok();
    assert!(finished.stdout.contains("insecure_plain_http is on"), "{finished:?}");
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let place = Place::new();
    let file = place.write("lydian.toml", "drain_seconds = 3\nlisten = [\"127.0.0.1:1\", \"127.0.0.2:2\"]\n");
    let mut command = place.command(&["config", "print", "--config", file.to_str().unwrap()]);
    let printed =
        finish(command.env("LYDIAN_LOG_LEVEL", "debug").env("LYDIAN_DRAIN_SECONDS", "4")).ok().stdout;
    for line in ["drain_seconds = 4", "log_level = \"debug\"", "listen = [\"127.0.0.1:1\", \"127.0.0.2:2\"]"]
    {
        assert!(printed.lines().any(|one| one == line), "{line}: {printed}");
    }
    let again = place.write("again.toml", &printed);
    assert_eq!(place.run(&["config", "print", "--config", again.to_str().unwrap()]).ok().stdout, printed);
}

#[test]
fn the_reference_has_a_row_for_every_key_that_is_printed() {
    let place = Place::new();
    let reference = place.run(&["config", "reference"]).ok().stdout;
    let printed = place.run(&["config", "print"]).ok().stdout;
    let keys: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        assert!(reference.contains(&format!("| `{key}` | `LYDIAN_{}` |", key.to_uppercase())), "{key}");
    }
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let place = Place::new();
    place.write("lydian.toml", "data_dir = \"from-file\"\n");
    let mut command = place.command(&["config", "print"]);
    let from_environment = finish(command.env("LYDIAN_DATA_DIR", "from-environment")).ok().stdout;
    assert!(from_environment.contains("data_dir = \"from-environment\""));
    let from_flag = place.run(&["config", "print", "--data-dir", "from-flag"]).ok().stdout;
    assert!(from_flag.contains("data_dir = \"from-flag\""));
    let mut command = place.command(&["config", "print"]);
    let from_file = finish(command.env_remove("LYDIAN_DATA_DIR")).ok().stdout;
    assert!(from_file.contains("data_dir = \"from-file\""));
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    let place = Place::new();
    for arguments in [
        &[][..],
        &["unknown"],
        &["serve", "--unknown"],
        &["serve", "extra"],
        &["serve", "--listen"],
        &["apply"],
        &["apply", "-f"],
        &["config"],
        &["config", "unknown"],
        &["config", "reference", "extra"],
    ] {
        let finished = place.run(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(
            finished.stdout.is_empty() && finished.stderr.contains("--help"),
            "{arguments:?}: {finished:?}"
        );
    }
    for arguments in
        [&["--help"][..], &["--version"], &["serve", "--help"], &["apply", "--help"], &["config", "--help"]]
    {
        let finished = place.run(arguments).ok();
        assert!(finished.stdout.contains("lydian"), "{finished:?}");
    }
    assert!(!place.data().exists());
}
