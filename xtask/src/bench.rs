//! `cargo xtask bench`: builds the product and the harness for release, and starts the harness.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::tree::Tree;

/// What `bench` is told.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Goes to `lydian-bench` as it is
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Options {
    /// What the harness is told.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

pub(crate) fn run(options: &Options, tree: &Tree) -> Result<ExitCode> {
    let mut build = process::cargo(tree.root());
    build.args(["build", "--release", "--package", "lydian-cli", "--package", "lydian-bench"]);
    if !process::succeeds(&mut build)? {
        return Ok(ExitCode::FAILURE);
    }
    // Started by its path and not by `cargo run`, so that no cargo sits beside it while it measures.
    let harness = tree.metadata()?.target_directory.join("release").join("lydian-bench");
    let mut harness = process::command(harness, tree.root());
    let status =
        harness.stdin(Stdio::inherit()).args(options.arguments()).status().context("start lydian-bench")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
