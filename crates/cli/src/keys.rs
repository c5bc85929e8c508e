//! `lydian keys ...`: signing keys, their rotation, and what an emergency would cost.

use std::process::ExitCode;

use lydian_admin_api::operations::keys::{ListKeys, RetireKey, RotateKeys, ShowStranded};
use lydian_domain::RealmName;
use lydian_domain::records::realm::SigningAlgorithm;
use lydian_jose::Algorithm;
use lydian_server::control::Absent;
use lydian_service::administration::keys::{ListedKey, RotatedKey, Stranded};

use crate::control::Target;
use crate::output;
use crate::revoke::realm_name;

/// What is done with signing keys.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List them all, with what is due next
    List(ListArguments),
    /// Have another key sign: published now, signing when every cache can know it
    Rotate(RotateArguments),
    /// Remove a key from the key set, once no live token can carry it
    Retire(RetireArguments),
    /// Say how many live tokens an emergency would strand, by the hour in which they expire
    ShowStranded(ShowStrandedArguments),
}

#[derive(clap::Args)]
pub(crate) struct ListArguments {
    /// Only of this realm
    #[arg(long, value_name = "NAME", value_parser = realm_name)]
    realm: Option<RealmName>,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub(crate) struct RotateArguments {
    /// The realm in which the keys lie [default: default]
    #[arg(long, value_name = "NAME", value_parser = realm_name)]
    realm: Option<RealmName>,
    /// Only for this algorithm, such as ES256 [default: all that the realm signs with]
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    algorithm: Option<SigningAlgorithm>,
    /// The key that signs is in wrong hands: a new key signs at once, the old one is removed, and what it signed is dead
    #[arg(long)]
    emergency: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub(crate) struct RetireArguments {
    /// The key, as `lydian keys list` shows it
    // One kid of 64 begins with a hyphen.
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// The realm in which it lies [default: default]
    #[arg(long, value_name = "NAME", value_parser = realm_name)]
    realm: Option<RealmName>,
    /// Remove it although live tokens carry it: they die at once
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub(crate) struct ShowStrandedArguments {
    /// The key [default: each that is not retired]
    #[arg(allow_hyphen_values = true)]
    kid: Option<String>,
    /// The realm in which it lies [default: default]
    #[arg(long, value_name = "NAME", value_parser = realm_name)]
    realm: Option<RealmName>,
    #[command(flatten)]
    target: Target,
}

/// Runs the command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(command: &Command) -> Result<ExitCode, ExitCode> {
    match command {
        Command::List(ListArguments { realm, target }) => {
            let listed =
                target.perform("list the keys", Absent::Refuse, ListKeys { realm: realm.clone() })?;
            target.show(&listed, || table(&listed.keys))
        }
        Command::Rotate(RotateArguments { realm, algorithm, emergency, target }) => {
            let operation = RotateKeys { realm: realm.clone(), algorithm: *algorithm, emergency: *emergency };
            let outcome = target.perform("rotate the keys", Absent::Refuse, operation)?;
            target.show(&outcome, || outcome.rotated.iter().map(rotated).collect::<Vec<_>>().join("\n"))
        }
        Command::Retire(RetireArguments { kid, realm, force, target }) => {
            let operation = RetireKey { realm: realm.clone(), kid: kid.clone(), force: *force };
            let stranded = target.perform("retire the key", Absent::Refuse, operation)?;
            target.show(&stranded, || {
                format!("Retired: key {} of the realm {}.{}", stranded.kid, stranded.realm, lost(&stranded))
            })
        }
        Command::ShowStranded(ShowStrandedArguments { kid, realm, target }) => {
            let operation = ShowStranded { realm: realm.clone(), kid: kid.clone() };
            let outcome = target.perform("count the tokens", Absent::Refuse, operation)?;
            target.show(&outcome, || stranded_table(&outcome.keys))
        }
    }
}

fn table(keys: &[ListedKey]) -> String {
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            vec![
                key.realm.to_string(),
                key.algorithm.clone(),
                key.state.clone(),
                output::instant(key.changed_at),
                next(key),
                key.kid.clone(),
            ]
        })
        .collect();
    output::table(&["realm", "algorithm", "state", "since", "next", "kid"], &rows)
}

/// What happens to a key next, and when.
fn next(key: &ListedKey) -> String {
    let Some(due_at) = key.due_at else { return "-".to_owned() };
    let what = match key.state.as_str() {
        "prepublished" => "signs",
        "active" => "succeeded",
        _ => "retires",
    };
    format!("{what} {}", output::instant(due_at))
}

fn rotated(rotated: &RotatedKey) -> String {
    let RotatedKey { realm, algorithm, kid, active_from, removed } = rotated;
    match removed {
        Some(stranded) => format!(
            "Realm {realm}, {algorithm}: the key {kid} signs now. The key {} is removed.{}",
            stranded.kid,
            lost(stranded)
        ),
        None => format!(
            "Realm {realm}, {algorithm}: the key {kid} is published, and signs from {} on.",
            output::instant(*active_from)
        ),
    }
}

fn lost(stranded: &Stranded) -> String {
    match stranded.tokens {
        0 => " No live token carried it.".to_owned(),
        1 => " 1 live token that it signed is dead.".to_owned(),
        tokens => format!(" {tokens} live tokens that it signed are dead."),
    }
}

fn stranded_table(keys: &[Stranded]) -> String {
    let rows: Vec<Vec<String>> = keys
        .iter()
        .flat_map(|key| {
            let row = |expiring: String, tokens: u64| {
                vec![key.kid.clone(), key.state.clone(), expiring, tokens.to_string()]
            };
            let hours = key.by_hour.iter().map(move |hour| row(output::instant(hour.hour), hour.tokens));
            hours.chain(std::iter::once(row("in all".to_owned(), key.tokens)))
        })
        .collect();
    output::table(&["kid", "state", "expiring in the hour from", "tokens"], &rows)
}

/// An algorithm from the command line.
///
/// # Errors
///
/// The names that there are.
fn algorithm(text: &str) -> Result<SigningAlgorithm, String> {
    Algorithm::from_name(text).map(SigningAlgorithm).ok_or_else(|| {
        let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        format!("an algorithm is one of {}", names.join(", "))
    })
}
