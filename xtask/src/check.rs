//! `cargo xtask check`: everything that needs no test run.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::stage::{self, AfterFailure, Outcome, Stage};
use crate::tree::Tree;
use crate::{dependencies, generate, process, standards, tidy};

/// What `check` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The stages to run: format, tidy, standards, pages, dependencies, lints. All of them when none is named
    stages: Vec<String>,
    /// Let the stage `standards` tell of items without a test and pass. The gate never uses it
    #[arg(long)]
    warn: bool,
}

/// The stages: cheap ones first, so that a slip shows soon.
const STAGES: &[Stage<Options>] = &[
    Stage { name: "format", what: "the code is formatted", run: format },
    Stage { name: "tidy", what: "the rules about the tree hold", run: |_, tree| tidy::stage(tree) },
    Stage {
        name: "standards",
        what: "each item has a test or a reason",
        run: |options, tree| standards::stage(tree, options.warn),
    },
    Stage {
        name: "pages",
        what: "generated pages are as the code makes them",
        run: |_, tree| generate::stage(tree),
    },
    Stage {
        name: "dependencies",
        what: "bans, licences, sources and advisories",
        run: |_, tree| dependencies::stage(tree),
    },
    Stage { name: "lints", what: "clippy finds nothing", run: lints },
];

pub(crate) fn run(options: &Options, tree: &Tree) -> Result<ExitCode> {
    stage::run(STAGES, &options.stages, AfterFailure::GoOn, options, tree)
}

fn format(_: &Options, tree: &Tree) -> Result<Outcome> {
    process::succeeds(process::cargo(tree.root()).args(["fmt", "--all", "--check"])).map(Outcome::of_success)
}

fn lints(_: &Options, tree: &Tree) -> Result<Outcome> {
    let mut clippy = process::cargo(tree.root());
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    process::succeeds(&mut clippy).map(Outcome::of_success)
}
