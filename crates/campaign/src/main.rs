//! `lydian-campaign`: breaks the product on purpose, and looks whether it kept its promises.
//!
//! A campaign has two sizes: the gate's, which every change can afford, and the full one. The table in [`campaigns`] is the whole
//! list. Exit status: 0 all promises kept, 1 a promise was broken or a campaign could not run, 2 wrong usage.
#![forbid(unsafe_code)]

mod campaigns;
mod client;
mod codes;
mod crash;
mod disk_full;
mod failing_disk;
mod feed;
mod fuzz;
mod hostile;
mod leaks;
mod libfuzzer;
mod model;
mod mutations;
mod power;
mod rotation;
mod run;
mod server;
mod timing;

use std::process::ExitCode;

use clap::Parser;

use crate::run::{Options, Size};

/// Breaks the product on purpose, and looks whether it kept its promises.
#[derive(Parser)]
#[command(name = "lydian-campaign", max_term_width = 100)]
struct Arguments {
    /// The campaign to run; `list` names them all; `gate` runs the small size of each
    name: String,
    /// Run the small size
    #[arg(long)]
    gate: bool,
    /// How many rounds, instead of the size's own number
    #[arg(long)]
    rounds: Option<u64>,
    /// The seed of everything random; a run that failed says its seed
    #[arg(long)]
    seed: Option<u64>,
    /// Only what has this text in its name, where a campaign has named parts
    #[arg(long)]
    only: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.name == "list" {
        println!("{}", campaigns::list());
        return ExitCode::SUCCESS;
    }
    let gate = arguments.gate || arguments.name == "gate";
    let options = Options {
        size: if gate { Size::Gate } else { Size::Full },
        rounds: arguments.rounds,
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
        only: arguments.only,
    };
    let outcome = match arguments.name.as_str() {
        "gate" => campaigns::gate(&options),
        name => campaigns::one(name, &options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
