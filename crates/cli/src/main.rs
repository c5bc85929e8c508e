//! The `lydian` command: the server, and what administrators do with it.
//!
//! Exit status: 0 done, 1 refused or failed, 2 wrong usage.
#![forbid(unsafe_code)]

mod apply;
mod backup;
mod control;
mod doctor;
mod explain;
mod keys;
mod login;
mod mail;
mod output;
mod records;
mod revoke;
mod token;
mod users;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lydian_server::config::{self, Config, Fault, Flags};
use lydian_server::run::{self, RunOptions};
use lydian_server::telemetry;

/// Lydian mints OAuth 2.0 tokens, and tells every resource server whether a token is good now.
#[derive(Parser)]
#[command(name = "lydian", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Handle APIs one at a time
    #[command(subcommand)]
    Api(records::Command<records::AddApi>),
    /// Make a backup of a running or stopped server
    Backup(backup::BackupArguments),
    /// Check that a data directory or a backup is whole
    Check(backup::CheckArguments),
    /// Handle clients one at a time
    #[command(subcommand)]
    Client(records::Command<records::AddClient>),
    /// Create and change realms, APIs, clients and users as a file says
    Apply(apply::Arguments),
    /// Check or print the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at everything that can be looked at, and say what to do
    Doctor(doctor::Arguments),
    /// Say why a token is or is not active, by which event, for whom
    Explain(explain::Arguments),
    /// Look at signing keys, rotate and retire them
    #[command(subcommand)]
    Keys(keys::Command),
    /// Sign in with a browser, and print the tokens
    Login(login::Arguments),
    /// Try whether mail goes out
    #[command(subcommand)]
    Mail(mail::Command),
    /// Handle realms (tenants) one at a time
    #[command(subcommand)]
    Realm(records::Command<records::AddRealm>),
    /// Restore a backup into a new data directory
    Restore(backup::RestoreArguments),
    /// Kill a token, or everything minted so far for a grant, client, key or realm
    Revoke(revoke::Arguments),
    /// Run the authorization server.
    Serve(ServeArguments),
    /// Look at a token
    #[command(subcommand)]
    Token(token::Command),
    /// Handle users (people who sign in) one at a time
    #[command(subcommand)]
    User(users::Command),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration is good; every fault is listed.
    Check(Sources),
    /// Print the configuration in force, as a file.
    Print(Sources),
    /// Print every key with its default, as a table.
    Reference,
}

/// Where configuration comes from, beside defaults and environment.
#[derive(clap::Args)]
struct Sources {
    /// Configuration file [default: ./lydian.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where database, keys and certificates lie [default: ./lydian-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(clap::Args)]
struct ServeArguments {
    #[command(flatten)]
    sources: Sources,
    /// Address of the public listener; repeat it for more. Port 0 takes a free one [default: 127.0.0.1:9443 and [::1]:9443]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// Make two APIs and an application with random secrets, and print the commands to try them
    #[arg(long)]
    demo: bool,
    /// Speak plain HTTP, for a proxy on this machine that terminates TLS
    #[arg(long)]
    insecure_plain_http: bool,
}

impl Sources {
    fn flags(&self) -> Flags {
        let mut flags = Flags { config: self.config.clone(), values: Vec::new() };
        if let Some(data_dir) = &self.data_dir {
            flags.values.push(("data_dir", "--data-dir", data_dir.display().to_string()));
        }
        flags
    }

    fn load(&self) -> Result<Config, ExitCode> {
        load(&self.flags())
    }
}

impl ServeArguments {
    fn load(&self) -> Result<Config, ExitCode> {
        let mut flags = self.sources.flags();
        if !self.listen.is_empty() {
            flags.values.push(("listen", "--listen", self.listen.join(",")));
        }
        if self.insecure_plain_http {
            flags.values.push(("insecure_plain_http", "--insecure-plain-http", "true".to_owned()));
        }
        load(&flags)
    }
}

fn load(flags: &Flags) -> Result<Config, ExitCode> {
    config::load(flags, std::env::vars()).map_err(|faults| {
        let plural = if faults.len() == 1 { "" } else { "s" };
        output::complain(&format!("The configuration has {} fault{plural}:", faults.len()));
        for Fault(fault) in faults {
            output::complain(&format!("  - {fault}"));
        }
        ExitCode::from(output::REFUSED)
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Api(command) => records::run(&command),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Backup(arguments) => backup::back_up(&arguments),
        Command::Check(arguments) => backup::check(&arguments),
        Command::Client(command) => records::run(&command),
        Command::Config(command) => config_command(&command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Keys(command) => keys::run(&command),
        Command::Login(arguments) => login::run(&arguments),
        Command::Mail(command) => mail::run(&command),
        Command::Realm(command) => records::run(&command),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Revoke(arguments) => revoke::run(&arguments),
        Command::Serve(arguments) => serve(&arguments),
        Command::Token(command) => token::run(&command),
        Command::User(command) => users::run(&command),
    };
    outcome.unwrap_or_else(|code| code)
}

fn config_command(command: &ConfigCommand) -> Result<ExitCode, ExitCode> {
    let text = match command {
        ConfigCommand::Check(sources) => {
            let config = sources.load()?;
            let notes =
                config.insecure_options().into_iter().map(|option| format!("\nNote: {option} is on."));
            std::iter::once("The configuration is good.".to_owned()).chain(notes).collect()
        }
        ConfigCommand::Print(sources) => sources.load()?.print(),
        ConfigCommand::Reference => config::reference(),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(arguments: &ServeArguments) -> Result<ExitCode, ExitCode> {
    let config = arguments.load()?;
    telemetry::start(&config);
    if let Err(error) = run::harden_process() {
        return Err(output::failed("make this process keep its secrets", &error));
    }
    let runtime = output::runtime(config.worker_threads)?;
    let options = RunOptions { demo: arguments.demo };
    match runtime.block_on(run::run(config, options, output::say)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(output::failed("serve", &error)),
    }
}
