//! `lydian token inspect`: what a string is, without asking anybody.
//!
//! It says what the string itself says. Nothing is verified but the checksum of an opaque token: whether a token is good, only the
//! server knows.

use std::process::ExitCode;

use lydian_domain::token_string;
use lydian_jose::Compact;
use lydian_primitives::{Clock, SystemClock, base64url};
use serde_json::{Map, Value};

use crate::output;
use crate::revoke::token_argument;

/// `lydian token ...`
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Say what a token is by its string alone; nothing is asked and nothing is verified
    Inspect(InspectArguments),
}

/// The arguments of `lydian token inspect`.
#[derive(clap::Args)]
pub(crate) struct InspectArguments {
    /// The token; `-` reads it from standard input, where no other process sees it
    token: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Taken like everywhere, and not needed: nothing is asked
    #[arg(long, value_name = "DIR", hide = true)]
    data_dir: Option<std::path::PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// The exit status, after the reason was said: also for what is no token.
pub(crate) fn run(command: &Command) -> Result<ExitCode, ExitCode> {
    let Command::Inspect(arguments) = command;
    // Nothing of a server is needed; the option is there so that scripts can give it to every command.
    let _ = &arguments.data_dir;
    let token = token_argument(&arguments.token)?;
    let Some(inspected) = inspect(&token) else {
        output::complain(
            "lydian could not inspect the token: it is neither an opaque token with a checksum nor a JWT",
        );
        return Err(ExitCode::from(output::REFUSED));
    };
    let text = if arguments.json { inspected.to_json().to_string() } else { inspected.to_text() };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What a string says of itself.
enum Inspected {
    Opaque { prefix: String, generation: u8, well_formed: bool },
    Jwt { header: Value, claims: Value },
}

fn inspect(token: &str) -> Option<Inspected> {
    if Compact::parse(token).is_ok() {
        let mut parts = token.split('.');
        let part = |text: Option<&str>| -> Option<Value> {
            serde_json::from_slice(&base64url::decode(text?.as_bytes())?).ok()
        };
        return Some(Inspected::Jwt { header: part(parts.next())?, claims: part(parts.next())? });
    }
    let (prefix, _) = token.split_once('_')?;
    let is_prefix =
        (1..=16).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let parts = token_string::parse_opaque(prefix, token);
    is_prefix.then(|| Inspected::Opaque {
        prefix: prefix.to_owned(),
        generation: parts.as_ref().map_or(0, |parts| parts.generation),
        well_formed: parts.is_some(),
    })
}

/// What the default prefixes stand for.
fn kind_of(prefix: &str) -> &'static str {
    match prefix {
        "lya" => "access token",
        "lyr" => "refresh token",
        _ => "token of a realm with a prefix of its own, or of another product",
    }
}

impl Inspected {
    fn to_json(&self) -> Value {
        match self {
            Self::Opaque { prefix, generation, well_formed } => serde_json::json!({
                "form": "opaque",
                "kind": kind_of(prefix),
                "prefix": prefix,
                "checksum_fits": well_formed,
                "pepper_generation": well_formed.then_some(generation),
                "verified": false,
            }),
            Self::Jwt { header, claims } => serde_json::json!({
                "form": "jwt",
                "header": header,
                "claims": claims,
                "expired": seconds(claims, "exp").map(|exp| exp <= now()),
                "verified": false,
            }),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Opaque { prefix, generation, well_formed } => {
                let checksum = if *well_formed {
                    format!("fits; pepper generation {generation}")
                } else {
                    "DOES NOT FIT: it was mistyped, cut off or made up".to_owned()
                };
                let rows = [
                    vec!["form".to_owned(), "opaque".to_owned()],
                    vec!["kind".to_owned(), format!("{} ({prefix}_)", kind_of(prefix))],
                    vec!["checksum".to_owned(), checksum],
                ];
                let table = output::table(&["it says of itself", ""], &rows);
                format!("{table}\n\nOnly its server can read the rest: lydian explain TOKEN.")
            }
            Self::Jwt { header, claims } => {
                let table = |title: &str, value: &Value| {
                    output::table(&[title, ""], &value.as_object().map(rows).unwrap_or_default())
                };
                format!(
                    "{}\n\n{}\n\nNothing was verified: whether it is good, its server knows: lydian explain TOKEN.",
                    table("header", header),
                    table("claim", claims)
                )
            }
        }
    }
}

fn rows(members: &Map<String, Value>) -> Vec<Vec<String>> {
    members
        .iter()
        .map(|(name, value)| {
            let shown = match (name.as_str(), value) {
                ("exp" | "iat" | "nbf" | "auth_time", Value::Number(number)) => match number.as_u64() {
                    Some(at) => format!("{number} ({}{})", output::instant(at), past(name, at)),
                    None => number.to_string(),
                },
                (_, Value::String(text)) => text.clone(),
                (_, value) => value.to_string(),
            };
            vec![name.clone(), shown]
        })
        .collect()
}

fn past(name: &str, at: u64) -> &'static str {
    if name == "exp" && at <= now() { ", EXPIRED" } else { "" }
}

fn seconds(claims: &Value, name: &str) -> Option<u64> {
    claims.get(name)?.as_u64()
}

fn now() -> u64 {
    SystemClock.now().as_unix_seconds()
}
