//! `cargo xtask campaign`: builds the product and the campaigns, and starts `lydian-campaign`.
//!
//! `cargo xtask campaign list` names them all, with what the gate runs of each and what a full run does.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::tree::Tree;

/// What `campaign` is told.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Goes to `lydian-campaign` as it is: a name or `list`, then --rounds N, --seed S, --gate, --only TEXT
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Options {
    /// What the campaigns are told.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

pub(crate) fn run(options: &Options, tree: &Tree) -> Result<ExitCode> {
    start(options.arguments(), Build::Release, tree)
}

/// How product and campaigns are built.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// As the tests are: nothing to build anew at the gate, and the checks of the debug build are on.
    Development,
    /// As users run it.
    Release,
}

/// Builds product and campaigns, and starts the campaigns with these arguments.
pub(crate) fn start(arguments: &[String], build: Build, tree: &Tree) -> Result<ExitCode> {
    let mut cargo = process::cargo(tree.root());
    cargo.args(["build", "--package", "lydian-cli", "--package", "lydian-campaign"]);
    let directory = match build {
        Build::Development => "debug",
        Build::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    if !process::succeeds(&mut cargo)? {
        return Ok(ExitCode::FAILURE);
    }
    let program = tree.metadata()?.target_directory.join(directory).join("lydian-campaign");
    let mut program = process::command(program, tree.root());
    let status = program.stdin(Stdio::null()).args(arguments).status().context("start lydian-campaign")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
