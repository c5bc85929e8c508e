//! `lydian mail ...`: whether mail goes out.

use std::process::ExitCode;

use lydian_admin_api::operations::mail::TestMail;
use lydian_server::control::Absent;

use crate::control::Target;

/// What is done with mail.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Send a mail to an address, and say what the mail server says
    Test(TestArguments),
}

#[derive(clap::Args)]
pub(crate) struct TestArguments {
    /// The address
    address: String,
    #[command(flatten)]
    target: Target,
}

/// Runs a command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(command: &Command) -> Result<ExitCode, ExitCode> {
    let Command::Test(TestArguments { address, target }) = command;
    let operation = TestMail { address: address.clone() };
    let outcome = target.perform("send a mail", Absent::Refuse, operation)?;
    target.show(&outcome, || format!("The mail server took a mail to {}.", outcome.address))
}
