//! The command `lydian-bench`, which `cargo xtask bench` runs.
//!
//! It starts the product beside it, the floors and the generator, says what happens meanwhile, and leaves a
//! table, a JSON file and a plot. Its status is 0 when all rows were measured, whether or not they met their
//! targets, 1 when one could not be, and 2 after wrong usage.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use lydian_bench::bench::{Bench, Sizes};
use lydian_bench::floor::{self, FloorArguments};
use lydian_bench::machine::{Cores, Machine, pin_to};
use lydian_bench::process::Workplace;
use lydian_bench::report::{Report, Verdict, rfc3339, table};
use lydian_bench::rounds::Plan;
use lydian_bench::rows;
use lydian_primitives::{Clock, SystemClock};

/// Columns of the table where the output is no terminal.
const DEFAULT_WIDTH: u16 = 150;

/// Measures Lydian against the floor of HTTP, on one core, in rounds that take turns.
#[derive(Debug, Parser)]
#[command(name = "lydian-bench", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as a floor; the bench starts this by itself
    #[command(hide = true)]
    FloorServer(FloorArguments),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Measure these targets only, for example P1,P3
    #[arg(long, value_delimiter = ',', value_parser = rows::ALL.map(|entry| entry.id), ignore_case = true)]
    only: Vec<String>,
    /// Short rounds over little data: shows that all works, but the figures mean little
    #[arg(long)]
    quick: bool,
    /// Measure oidc-provider (npm, in memory) on the same core as well
    #[arg(long)]
    peers: bool,
    /// The order of requests depends on this number alone
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds of each side
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: Option<u8>,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,
    /// The executable of the product; the one beside this executable if absent
    #[arg(long)]
    lydian: Option<PathBuf>,
    /// Directory of the reports, and of the servers' data while they run; on the disk that durability shall cost
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::FloorServer(arguments)) => floor::serve(arguments).map(|()| true),
        None => run(&arguments.options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lydian-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let bench = prepare(options)?;
    let mut report = Report {
        started: rfc3339(SystemClock.now()),
        machine: Machine::describe(),
        seed: options.seed,
        quick: options.quick,
        rows: Vec::new(),
    };
    eprintln!("{}", report.machine_line());
    pin_to(bench.cores.generator)?;
    let chosen =
        |id: &str| options.only.is_empty() || options.only.iter().any(|only| only.eq_ignore_ascii_case(id));
    for entry in rows::ALL.iter().filter(|entry| chosen(entry.id)) {
        report.rows.extend(entry.measure(&bench));
    }
    let terminal = console::Term::stdout();
    let width = if terminal.is_term() { terminal.size().1 } else { DEFAULT_WIDTH };
    println!("{}", table::draw(&report, width));
    let (json, svg) = report.write(&options.out)?;
    println!("{}\n{}", json.display(), svg.display());
    Ok(!report.rows.iter().any(|row| matches!(row.verdict, Verdict::NotMeasured(_))))
}

fn prepare(options: &Options) -> Result<Bench> {
    let own = std::env::current_exe().context("find this executable")?;
    let lydian = options.lydian.clone().unwrap_or_else(|| own.with_file_name("lydian"));
    ensure!(
        lydian.is_file(),
        "{} does not exist: run `cargo xtask bench`, which builds it, or name it with --lydian",
        lydian.display()
    );
    let cores = Cores::choose()?;
    let cores =
        cores.context("there is one core only: server and generator would take it from each other")?;
    let milliseconds = Duration::from_millis;
    let (rounds, warm_up, measure) = if options.quick {
        (2, milliseconds(100), milliseconds(300))
    } else {
        (7, milliseconds(500), milliseconds(2_000))
    };
    Ok(Bench {
        cores,
        lydian,
        own,
        workplace: Workplace::create(&options.out)?,
        plan: Plan {
            rounds: options.rounds.map_or(rounds, usize::from),
            warm_up,
            measure,
            connections: usize::from(options.connections),
        },
        sizes: if options.quick { Sizes::QUICK } else { Sizes::FULL },
        seed: options.seed,
        peers: options.peers,
    })
}
