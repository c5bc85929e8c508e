//! The project's own commands: `cargo xtask check | test | bench | campaign | generate`.
//!
//! Nothing here is part of the product, and nothing of the product is used here. Begin with [`check`] for what the gate holds,
//! with [`tidy`] for the rules about the tree, and with [`standards`] for which test stands behind which clause.
#![forbid(unsafe_code)]

mod bench;
mod campaign;
mod check;
mod dependencies;
mod generate;
mod process;
mod rust_source;
mod stage;
mod standards;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tree::Tree;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks everything that needs no test run: format, tidiness, standards, generated pages, dependencies, lints
    Check(check::Options),
    /// Builds and runs all tests and prints their count
    Test(test::Options),
    /// Measures speed against the floors; all arguments go to `lydian-bench`
    Bench(bench::Options),
    /// Breaks the product on purpose: crashes, failing disks, hostile clients; all arguments go to `lydian-campaign`
    Campaign(campaign::Options),
    /// Writes the pages that are made from the code
    Generate(generate::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let tree = Tree::of_this_repository()?;
    match command {
        Command::Check(options) => check::run(options, &tree),
        Command::Test(options) => test::run(options, &tree),
        Command::Bench(options) => bench::run(options, &tree),
        Command::Campaign(options) => campaign::run(options, &tree),
        Command::Generate(options) => generate::run(options, &tree),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn arguments_of_bench_go_to_the_harness_untouched() {
        let arguments = ["xtask", "bench", "--help", "--only", "P1", "--", "-x"];
        let Command::Bench(options) = Arguments::try_parse_from(arguments).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(options.arguments(), ["--help", "--only", "P1", "--", "-x"]);
    }
}
