//! More connections than the server may have open files (R5).
//!
//! Two servers meet the same crowd. One was started with few files, so that it admits fewer connections and keeps the rest of the files
//! for itself. The other loses its files while it runs, so that the kernel refuses it each new connection. A third has files enough, and
//! meets a crowd that comes from one address.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::run::{Options, Report, Size, progress};

use super::process;
use super::stage::{Connection, Stage, attacker_address};

/// Files that the server may have open.
const FILES: u64 = 256;
/// Connections of the crowd.
const CROWD: u32 = 1_000;
/// How long the crowd stands before the server is looked at, and for how long that is.
const LOOK: Duration = Duration::from_millis(750);
/// The largest share of a core that a server without files may take.
const CPU_SHARE_MAX: f64 = 0.2;
/// How long after the crowd has gone a new client may have to wait.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Connections that one address may have.
const ONE_ADDRESS_MAX: u64 = 512;
/// Good clients that are connected before the crowd comes.
const ESTABLISHED: usize = 4;

/// What the rounds have shown at worst.
#[derive(Default)]
struct Worst {
    cpu_share: f64,
    recovery: Duration,
    open_files: u64,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let rounds = options.rounds(10, 100);
    process::allow_connections(u64::from(CROWD))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let few_from_the_start = Stage::start_changed(with_few_files)?;
    let few_later = Stage::start()?;
    process::limit_files(few_later.server.id(), FILES)?;

    let patience = if options.size == Size::Gate { 2 } else { 1 };
    for (name, mut stage, kernel_refuses) in
        [("few files from the start", few_from_the_start, false), ("files lost later", few_later, true)]
    {
        let bar = progress(name, rounds / 2);
        let mut worst = Worst::default();
        for number in 0..rounds.div_ceil(2) {
            if let Err(error) = round(&stage, &runtime, kernel_refuses, &mut worst) {
                report.violations.push(format!("{name}, round {number}: {error:#}"));
            }
            if !stage.server.is_alive() {
                report.violations.push(format!("{name}, round {number}: the server ended"));
                return Ok(report);
            }
            bar.inc(1);
        }
        let failures = stage.target.metric("lydian_accept_failures_total")?;
        let refused = stage.target.metric("lydian_connections_refused_total")?;
        report.figure(&format!("{name}: rounds"), rounds.div_ceil(2));
        report
            .figure(&format!("{name}: largest share of a core"), format!("{:.1} %", worst.cpu_share * 100.0));
        report.figure(&format!("{name}: longest recovery"), format!("{:.0?}", worst.recovery));
        report.figure(&format!("{name}: most open files"), worst.open_files);
        report.figure(
            &format!("{name}: refused by the server, by the kernel"),
            format!("{refused}, {failures}"),
        );
        if worst.cpu_share > CPU_SHARE_MAX {
            report
                .violations
                .push(format!("{name}: the server took {:.0} % of a core", worst.cpu_share * 100.0));
        }
        if worst.recovery > RECOVERY_MAX * patience {
            report.violations.push(format!("{name}: recovery took {:.1?}", worst.recovery));
        }
    }
    let open = greedy(&runtime)?;
    report.figure("one address: connections that stay open of 1,000", open);
    if open > ONE_ADDRESS_MAX {
        report.violations.push(format!("one address has {open} connections"));
    }
    Ok(report)
}

/// How many connections of a crowd from one address stay open; others must find room beside it.
fn greedy(runtime: &Runtime) -> Result<u64> {
    let stage = Stage::start()?;
    let target = &stage.target;
    let crowd: Vec<TcpStream> = runtime.block_on(async {
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            crowd.push(target.tcp(attacker_address(0), None).await?);
        }
        anyhow::Ok(crowd)
    })?;
    std::thread::sleep(LOOK);
    let open = target.metric("lydian_connections_open")?;
    Connection::open(target)?.introspect(target, &target.token).context("beside a crowd from one address")?;
    drop(crowd);
    Ok(open)
}

/// The same command, in a shell that has given most of its files away for good.
fn with_few_files(command: Command) -> Result<Command> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {FILES}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Ok(shell)
}

fn round(stage: &Stage, runtime: &Runtime, kernel_refuses: bool, worst: &mut Worst) -> Result<()> {
    let (target, id) = (&stage.target, stage.server.id());
    let mut established = Vec::new();
    for _ in 0..ESTABLISHED {
        let mut connection = Connection::open(target)?;
        connection.introspect(target, &target.token).context("before the crowd")?;
        established.push(connection);
    }

    let crowd: Vec<TcpStream> = runtime.block_on(async {
        let mut crowd = Vec::new();
        for number in 0..CROWD {
            crowd.push(target.tcp(attacker_address(number), None).await?);
        }
        anyhow::Ok(crowd)
    })?;
    std::thread::sleep(LOOK);
    worst.cpu_share = worst.cpu_share.max(process::cpu_share(id, LOOK)?);
    let open = process::open_files(id)?;
    worst.open_files = worst.open_files.max(open);
    if kernel_refuses && open < FILES {
        bail!("only {open} of {FILES} files were open: the crowd did not take them all");
    }
    if !kernel_refuses && open >= FILES {
        bail!("all {FILES} files were open: none is left for the database, the log and operators");
    }
    // Each step writes to the database, or reads what was written.
    for connection in &mut established {
        let token = connection.issue(target).context("while no files are left")?;
        let before = connection.introspect(target, &token)?;
        connection.revoke(target, &token)?;
        let after = connection.introspect(target, &token)?;
        if (before, after) != (true, false) {
            bail!("while no files are left, a token was active {before} and after its revocation {after}");
        }
    }
    if !kernel_refuses {
        target.metric("lydian_connections_open").context("no files were left for operators")?;
    }

    drop(crowd);
    let gone = Instant::now();
    while let Err(error) =
        Connection::open(target).and_then(|mut client| client.introspect(target, &target.token))
    {
        if gone.elapsed() > 2 * RECOVERY_MAX {
            return Err(error.context("no new client is answered after the crowd has gone"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    worst.recovery = worst.recovery.max(gone.elapsed());
    Ok(())
}
