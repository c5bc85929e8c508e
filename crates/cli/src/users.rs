//! `lydian user ...`: people, one at a time.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lydian_admin_api::operations::users::{
    ListFactors, MakeResetLink, RemoveFactor, ResetFactors, SetPassword,
};
use lydian_domain::{RealmName, UserProfile};
use lydian_server::control::Absent;
use lydian_service::administration::factors::{ListedFactor, ListedFactors};
use lydian_service::administration::records::Kind;
use lydian_service::apply::{Document, UserEntry};

use crate::control::Target;
use crate::output;
use crate::records::{self, Adds, InRealm, NameArguments};

/// What is done with a user.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the second factors: authenticator apps, passkeys, and how many recovery codes are left
    Factors(NameArguments),
    /// Remove one second factor, for a person who lost it; what was granted is dead, and every browser is signed out
    RemoveFactor(RemoveFactorArguments),
    /// Remove all second factors and recovery codes; what was granted is dead, and every browser is signed out
    ResetFactors(NameArguments),
    /// Set the password: typed twice, read from a file, or made here and shown once
    SetPassword(SetPasswordArguments),
    /// Make a link with which the user chooses a new password, once, within half an hour
    ResetLink(NameArguments),
    #[command(flatten)]
    Record(records::Command<AddUser>),
}

/// Where a password comes from.
#[derive(clap::Args)]
struct PasswordSource {
    /// Read the password from this file, without the line end; - reads it from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "generate_password")]
    password_file: Option<PathBuf>,
    /// Make a random password, and show it once
    #[arg(long)]
    generate_password: bool,
}

#[derive(clap::Args)]
pub(crate) struct SetPasswordArguments {
    #[command(flatten)]
    name: NameArguments,
    #[command(flatten)]
    source: PasswordSource,
}

#[derive(clap::Args)]
pub(crate) struct RemoveFactorArguments {
    #[command(flatten)]
    name: NameArguments,
    /// The factor, as `lydian user factors` names it
    factor: String,
}

/// What makes a user.
#[derive(clap::Args)]
pub(crate) struct AddUser {
    /// The name with which the user signs in
    username: String,
    /// The person's name
    #[arg(long)]
    name: Option<String>,
    /// The e-mail address
    #[arg(long)]
    email: Option<String>,
    /// A role; repeat it for more
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A group; repeat it for more
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    source: PasswordSource,
    #[command(flatten)]
    in_realm: InRealm,
    #[command(flatten)]
    target: Target,
}

impl Adds for AddUser {
    const KIND: Kind = Kind::User;

    fn target(&self) -> &Target {
        &self.target
    }

    fn document(&self) -> Result<Document, String> {
        let realm = self.in_realm.realm.clone().unwrap_or_else(RealmName::default_realm);
        let profile = UserProfile {
            name: self.name.clone(),
            email: self.email.clone(),
            roles: self.roles.iter().cloned().collect(),
            groups: self.groups.iter().cloned().collect(),
            ..UserProfile::default()
        };
        let entry = UserEntry {
            password: self.source.read()?,
            profile: Some(profile),
            ..UserEntry::named(realm, &self.username)
        };
        Ok(Document { users: vec![entry], ..Document::default() })
    }
}

impl PasswordSource {
    /// The password; `None` when one is to be made.
    fn read(&self) -> Result<Option<String>, String> {
        if self.generate_password {
            return Ok(None);
        }
        let text = match &self.password_file {
            Some(file) => read_secret(file)?,
            None if std::io::stdin().is_terminal() => return typed_twice().map(Some),
            None => {
                return Err(
                    "name the password with --password-file, or make one with --generate-password".to_owned()
                );
            }
        };
        Ok(Some(text))
    }
}

/// The text of a file, or of standard input for `-`, without the line end.
///
/// # Errors
///
/// What went wrong, in words.
pub(crate) fn read_secret(file: &Path) -> Result<String, String> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
        text
    } else {
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A password that is typed twice and not shown.
fn typed_twice() -> Result<String, String> {
    let ask = |prompt| rpassword::prompt_password(prompt).map_err(|error| error.to_string());
    let password = ask("Password: ")?;
    if ask("Once more: ")? != password {
        return Err("the two differ".to_owned());
    }
    Ok(password)
}

/// Runs a command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(command: &Command) -> Result<ExitCode, ExitCode> {
    let SetPasswordArguments { name, source } = match command {
        Command::Record(command) => return records::run(command),
        Command::ResetLink(name) => return reset_link(name),
        Command::Factors(name) => return list_factors(name),
        Command::RemoveFactor(arguments) => return remove_factor(arguments),
        Command::ResetFactors(name) => return reset_factors(name),
        Command::SetPassword(arguments) => arguments,
    };
    let password = source.read().map_err(|what| {
        output::complain(&format!("lydian could not set the password: {what}"));
        ExitCode::from(output::REFUSED)
    })?;
    let operation = SetPassword { record: name.record(Kind::User), password };
    let outcome = name.target.perform("set the password", Absent::Refuse, operation)?;
    name.target.show(&outcome, || match &outcome.password {
        Some(password) => format!("This password is shown this once; keep it now.\n\n{password}"),
        None if outcome.records.iter().any(|record| record.verdict == "changed") => {
            "The password is set. What was granted with the old one is dead.".to_owned()
        }
        None => "It was this password already; nothing changed.".to_owned(),
    })
}

fn reset_link(name: &NameArguments) -> Result<ExitCode, ExitCode> {
    let operation = MakeResetLink { record: name.record(Kind::User) };
    let made = name.target.perform("make the link", Absent::Refuse, operation)?;
    name.target.show(&made, || {
        format!(
            "Whoever opens this link chooses the password of {}, once, until {}:\n\n{}",
            made.username,
            output::instant(made.expires_at),
            made.link
        )
    })
}

fn list_factors(name: &NameArguments) -> Result<ExitCode, ExitCode> {
    let operation = ListFactors { record: name.record(Kind::User) };
    let outcome = name.target.perform("list the second factors", Absent::Refuse, operation)?;
    name.target.show(&outcome, || told(&outcome))
}

fn remove_factor(arguments: &RemoveFactorArguments) -> Result<ExitCode, ExitCode> {
    let RemoveFactorArguments { name, factor } = arguments;
    let operation = RemoveFactor { record: name.record(Kind::User), factor: factor.clone() };
    let outcome = name.target.perform("remove the second factor", Absent::Refuse, operation)?;
    name.target.show(&outcome, || {
        format!(
            "It is removed. What was granted is dead, and every browser is signed out.\n{}",
            told(&outcome)
        )
    })
}

fn reset_factors(name: &NameArguments) -> Result<ExitCode, ExitCode> {
    let operation = ResetFactors { record: name.record(Kind::User) };
    let outcome = name.target.perform("remove the second factors", Absent::Refuse, operation)?;
    name.target.show(&outcome, || match outcome.factors.len() {
        0 => "There was none. What was granted is dead all the same, and every browser is signed out.".to_owned(),
        1 => "One second factor is removed. What was granted is dead, and every browser is signed out.".to_owned(),
        count => {
            format!("{count} second factors are removed. What was granted is dead, and every browser is signed out.")
        }
    })
}

/// The factors as a table.
fn told(listed: &ListedFactors) -> String {
    if listed.factors.is_empty() {
        return "There is no second factor: the password alone signs in.".to_owned();
    }
    let row = |factor: &ListedFactor| {
        vec![
            factor.id.clone(),
            factor.kind.clone(),
            factor.name.clone(),
            factor.added_at.clone(),
            factor.last_used_at.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = listed.factors.iter().map(row).collect();
    let table = output::table(&["id", "kind", "name", "added", "last used"], &rows);
    format!("{table}\n{} recovery codes left", listed.recovery_codes)
}
