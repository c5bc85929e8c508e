//! `lydian revoke`: kills a token, or everything of a grant, client, key or realm.

use std::io::Read;
use std::process::ExitCode;

use lydian_admin_api::operations::revoke::{Revoke, Subject, Validators};
use lydian_domain::RealmName;
use lydian_server::control::Absent;

use crate::control::Target;
use crate::output;

/// The arguments of `lydian revoke`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    subject: SubjectArguments,
    /// Alone: everything minted so far in this realm. With another: the realm in which it lies; without it a token is looked for
    /// in every realm, anything else in the default realm
    #[arg(long, value_name = "NAME", value_parser = realm_name, required_unless_present = "SubjectArguments")]
    realm: Option<RealmName>,
    /// Wait until validators know it too, so many seconds at most (10 at most)
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "3")]
    wait: Option<u64>,
}

/// What dies: one of these, or a whole realm.
#[derive(clap::Args)]
#[group(multiple = false)]
struct SubjectArguments {
    /// The token with this string; `-` reads it from standard input, where no other process sees it
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The family of this grant, by the number that `lydian explain` shows
    #[arg(long, value_name = "NUMBER")]
    grant: Option<u64>,
    /// Everything minted so far for this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Everything signed so far with this key
    // One kid of 64 begins with a hyphen.
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    key: Option<String>,
}

/// Runs the command. It returns when the revocation is acknowledged.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let SubjectArguments { token, grant, client, key } = &arguments.subject;
    let subject = if let Some(token) = token {
        Subject::Token(token_argument(token)?)
    } else if let Some(number) = grant {
        Subject::Grant(*number)
    } else if let Some(client_id) = client {
        Subject::Client(client_id.clone())
    } else if let Some(kid) = key {
        Subject::Key(kid.clone())
    } else {
        Subject::Realm
    };
    let operation = Revoke { realm: arguments.realm.clone(), subject, wait_seconds: arguments.wait };
    let outcome = arguments.target.perform("revoke", Absent::Refuse, operation)?;
    arguments.target.show(&outcome, || {
        let before = if outcome.was_dead { " (it was dead before)" } else { "" };
        let known = outcome.validators.as_ref().map_or_else(String::new, |validators| {
            let Validators { connected, applied, complete } = validators;
            let others = if *complete { "" } else { ", and leases of others still run" };
            format!(" {applied} of {connected} validators know it{others}.")
        });
        format!("Revoked: {}{before}. Log position {}.{known}", outcome.revoked, outcome.position)
    })
}

/// A token from the command line, or from standard input for `-`.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn token_argument(argument: &str) -> Result<String, ExitCode> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| output::failed("read the token from standard input", &error))?;
    Ok(text.trim().to_owned())
}

/// A realm's name from the command line.
///
/// # Errors
///
/// What a name looks like.
pub(crate) fn realm_name(text: &str) -> Result<RealmName, String> {
    RealmName::parse(text)
        .ok_or_else(|| "a realm name is 1 to 63 of a-z, 0-9 and -, and does not begin with -".to_owned())
}
