//! The crates of others: bans, licences, sources and advisories, as `deny.toml` states them, judged by cargo-deny.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process;
use crate::stage::Outcome;
use crate::tree::Tree;

/// The version that the project installs for itself.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// How long the database of advisories may take to arrive.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn stage(tree: &Tree) -> Result<Outcome> {
    let cargo_deny = cargo_deny(tree)?;
    let check = |what: &[&str]| {
        let mut command = process::command(&cargo_deny, tree.root());
        command.args(["--locked", "check", "--hide-inclusion-graph"]).args(what);
        process::succeeds(&mut command)
    };
    let lists_hold = check(&["bans", "licenses", "sources"])?;
    // Asked apart, so that a machine without the database can tell "not reached" from "found something".
    let mut fetch = process::command(&cargo_deny, tree.root());
    // It asks git, which would otherwise ask for a name where it meets a locked door.
    fetch.args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    let reached = process::succeeds_within(FETCH_LIMIT, &mut fetch)?;
    if !reached {
        println!(
            "\n*** SKIPPED: the database of advisories cannot be reached from here.\n\
             *** No dependency was looked up in it. Run `cargo xtask check dependencies` where it can be.\n"
        );
        return Ok(if lists_hold {
            Outcome::Passed("bans, licences, sources; ADVISORIES SKIPPED, no database".to_owned())
        } else {
            Outcome::Failed("see above; ADVISORIES SKIPPED, no database".to_owned())
        });
    }
    let no_advisories = check(&["advisories"])?;
    Ok(Outcome::of_success(lists_hold && no_advisories))
}

/// The path of cargo-deny, which is built on first use (some minutes) and kept below the target directory.
fn cargo_deny(tree: &Tree) -> Result<PathBuf> {
    let tools = tree.metadata()?.target_directory.join("tools");
    let program = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let version = process::output(process::command(&program, tree.root()).arg("--version"));
    if version.is_ok_and(|version| version.trim() == format!("cargo-deny {CARGO_DENY_VERSION}")) {
        return Ok(program);
    }
    println!("cargo-deny {CARGO_DENY_VERSION} is built once, which takes some minutes");
    let mut install = process::cargo(tree.root());
    install
        .args(["install", "cargo-deny", "--locked", "--version", CARGO_DENY_VERSION, "--root"])
        .arg(&tools);
    ensure!(process::succeeds(&mut install)?, "cargo-deny could not be installed");
    Ok(program)
}
