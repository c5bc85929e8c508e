//! `lydian realm|api|client|user ...`: one record at a time.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use lydian_admin_api::operations::apply::Applied;
use lydian_admin_api::operations::records::{Add, Delete, List, RotateSecret, SetEnabled, Show};
use lydian_domain::RealmName;
use lydian_server::control::Absent;
use lydian_service::administration::records::{Kind, RecordName, ShownRecord};
use lydian_service::apply::{ApiEntry, ClientEntry, Document, RealmEntry};
use serde_json::{Value, json};

use crate::control::Target;
use crate::output;
use crate::revoke::realm_name;

/// What is done with a record; `A` is what adding one takes.
#[derive(clap::Subcommand)]
pub(crate) enum Command<A: clap::Args> {
    /// Make a new one
    Add(A),
    /// List them all
    List(ListArguments),
    /// Show one, as an entry for `lydian apply`
    Show(NameArguments),
    /// Disable one: it is refused, and what was minted for it is dead for good
    Disable(NameArguments),
    /// Enable one again: it may have new tokens; the old ones stay dead
    Enable(NameArguments),
    /// Make a new secret, shown once
    RotateSecret(RotateArguments),
    /// Delete one, whole; its name is never given again (that of a user is)
    Delete(DeleteArguments),
}

/// The realm in which a record lies.
#[derive(clap::Args)]
pub(crate) struct InRealm {
    /// The realm in which it lies [default: default]
    #[arg(long, value_name = "NAME", value_parser = realm_name)]
    pub(crate) realm: Option<RealmName>,
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
pub(crate) struct NameArguments {
    /// Its name: the name of a realm, the audience of an API, the client_id of a client, the name of a user
    name: String,
    #[command(flatten)]
    in_realm: InRealm,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(clap::Args)]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    name: NameArguments,
    /// End the secret before it at once, instead of at the next rotation
    #[arg(long)]
    replace: bool,
}

#[derive(clap::Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    name: NameArguments,
    /// Do not ask, also on a terminal
    #[arg(long)]
    yes: bool,
}

/// What makes a realm.
#[derive(clap::Args)]
pub(crate) struct AddRealm {
    /// Its name in paths: /t/NAME/oauth2/...
    #[arg(value_parser = realm_name)]
    name: RealmName,
    #[command(flatten)]
    target: Target,
}

/// What makes an API.
#[derive(clap::Args)]
pub(crate) struct AddApi {
    /// Its audience: the URI by which tokens name it
    audience: String,
    /// Its name for people
    #[arg(long)]
    name: Option<String>,
    /// A scope that it defines; repeat it for more, or write several with spaces
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The form of its access tokens [default: opaque]
    #[arg(long, value_parser = ["jwt", "opaque"])]
    token_format: Option<String>,
    /// The algorithm that signs its JWTs [default: ES256]
    #[arg(long, value_name = "ALGORITHM")]
    algorithm: Option<String>,
    #[command(flatten)]
    in_realm: InRealm,
    #[command(flatten)]
    target: Target,
}

/// What makes a client.
#[derive(clap::Args)]
pub(crate) struct AddClient {
    /// Its client_id
    client_id: String,
    /// Its name for people
    #[arg(long)]
    name: Option<String>,
    /// What it may have: an audience, `=`, and scopes with commas; repeat it for more APIs
    #[arg(long, value_name = "AUDIENCE=SCOPE,SCOPE", value_parser = allowed)]
    allow: Vec<(String, Vec<String>)>,
    /// The API whose credentials these are: it may ask about the API's tokens
    #[arg(long, value_name = "AUDIENCE")]
    api: Option<String>,
    /// A grant type that it may use; repeat it for more [default: client_credentials, when it is allowed anything]
    #[arg(long = "grant-type", value_name = "TYPE")]
    grant_types: Vec<String>,
    /// How it authenticates; repeat it for more [default: client_secret_basic]
    #[arg(long = "auth-method", value_name = "METHOD")]
    auth_methods: Vec<String>,
    /// A scope of the issuer that it may have, such as introspect or openid; repeat it for more
    #[arg(long = "issuer-scope", value_name = "SCOPE")]
    issuer_scopes: Vec<String>,
    /// Where the browser may be sent back to after a sign-in; repeat it for more. Implies authorization_code and refresh_token
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    #[command(flatten)]
    in_realm: InRealm,
    #[command(flatten)]
    target: Target,
}

/// What adding a record of some kind takes.
pub(crate) trait Adds: clap::Args {
    const KIND: Kind;
    fn target(&self) -> &Target;
    fn document(&self) -> Result<Document, String>;
}

impl Adds for AddRealm {
    const KIND: Kind = Kind::Realm;

    fn target(&self) -> &Target {
        &self.target
    }

    fn document(&self) -> Result<Document, String> {
        Ok(Document { realms: vec![RealmEntry::named(self.name.clone())], ..Document::default() })
    }
}

impl Adds for AddApi {
    const KIND: Kind = Kind::Api;

    fn target(&self) -> &Target {
        &self.target
    }

    fn document(&self) -> Result<Document, String> {
        let realm = self.in_realm.realm.clone().unwrap_or_else(RealmName::default_realm);
        let scopes =
            self.scopes.iter().flat_map(|scopes| scopes.split_whitespace()).map(str::to_owned).collect();
        // An algorithm is for JWTs: who names one means them.
        let jwt = self.algorithm.as_ref().map(|_| "jwt".to_owned());
        let entry = ApiEntry {
            name: self.name.clone(),
            scopes: Some(scopes),
            token_format: word(self.token_format.as_ref().or(jwt.as_ref()))?,
            algorithm: word(self.algorithm.as_ref())?,
            ..ApiEntry::named(realm, &self.audience)
        };
        Ok(Document { apis: vec![entry], ..Document::default() })
    }
}

impl Adds for AddClient {
    const KIND: Kind = Kind::Client;

    fn target(&self) -> &Target {
        &self.target
    }

    fn document(&self) -> Result<Document, String> {
        let realm = self.in_realm.realm.clone().unwrap_or_else(RealmName::default_realm);
        let mut allowed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (audience, scopes) in &self.allow {
            allowed.entry(audience.clone()).or_default().extend(scopes.iter().cloned());
        }
        let may_have_tokens = !allowed.is_empty() || !self.issuer_scopes.is_empty();
        let grant_types = match self.grant_types.is_empty() {
            true if !self.redirect_uris.is_empty() => {
                vec!["authorization_code".to_owned(), "refresh_token".to_owned()]
            }
            true if may_have_tokens => vec!["client_credentials".to_owned()],
            _ => self.grant_types.clone(),
        };
        // With one API there is no question which one is meant.
        let default_api = allowed.keys().next().filter(|_| allowed.len() == 1).cloned();
        let words = |words: &Vec<String>| (!words.is_empty()).then(|| json!(words));
        let entry = ClientEntry {
            name: self.name.clone(),
            default_api,
            allowed: Some(allowed),
            api: self.api.clone(),
            grant_types: parsed(words(&grant_types))?,
            auth_methods: parsed(words(&self.auth_methods))?,
            issuer_scopes: Some(self.issuer_scopes.clone()),
            redirect_uris: (!self.redirect_uris.is_empty()).then(|| self.redirect_uris.clone()),
            ..ClientEntry::named(realm, &self.client_id)
        };
        Ok(Document { clients: vec![entry], ..Document::default() })
    }
}

fn allowed(text: &str) -> Result<(String, Vec<String>), String> {
    let (audience, scopes) = text
        .rsplit_once('=')
        .ok_or("write the audience, = and the scopes: https://api.example.com/=read,write")?;
    Ok((
        audience.to_owned(),
        scopes.split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
    ))
}

/// A word as the document reads it.
fn word<T: serde::de::DeserializeOwned>(text: Option<&String>) -> Result<Option<T>, String> {
    parsed(text.map(|text| json!(text)))
}

fn parsed<T: serde::de::DeserializeOwned>(value: Option<Value>) -> Result<Option<T>, String> {
    value.map(|value| serde_json::from_value(value).map_err(|error| error.to_string())).transpose()
}

/// Runs a command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run<A: Adds>(command: &Command<A>) -> Result<ExitCode, ExitCode> {
    let kind = A::KIND;
    match command {
        Command::Add(add) => {
            let doing = format!("add the {}", kind.name());
            let document = add.document().map_err(|what| {
                output::complain(&format!("lydian could not {doing}: {what}"));
                ExitCode::from(output::REFUSED)
            })?;
            let outcome = add.target().perform(&doing, Absent::Make, Add { document })?;
            add.target().show(&outcome, || crate::apply::text(&outcome, false))
        }
        Command::List(list) => {
            let operation = List { kind, realm: list.realm.clone() };
            let outcome = list.target.perform("list", Absent::Refuse, operation)?;
            list.target.show(&outcome, || {
                let rows: Vec<Vec<String>> = outcome
                    .records
                    .iter()
                    .map(|record| {
                        let state = if record.enabled { "enabled" } else { "disabled" };
                        let cells = [&record.realm, &record.name, &record.title, state, &record.about];
                        cells.into_iter().map(|cell| cell.to_string()).collect()
                    })
                    .collect();
                let name = match kind {
                    Kind::Api => "audience",
                    Kind::Client => "client_id",
                    Kind::Realm => "realm",
                    Kind::User => "username",
                };
                let title = if kind == Kind::Realm { "issuer" } else { "name" };
                if kind == Kind::Realm {
                    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row[1..].to_vec()).collect();
                    return output::table(&[name, title, "state", ""], &rows);
                }
                output::table(&["realm", name, title, "state", ""], &rows)
            })
        }
        Command::Show(name) => {
            let outcome =
                name.target.perform("show it", Absent::Refuse, Show { record: name.record(kind) })?;
            if name.target.is_json() {
                let value = without_nulls(serde_json::to_value(&outcome).unwrap_or_default());
                return name.target.show(&value, String::new);
            }
            name.target.show(&outcome, || shown(&outcome))
        }
        Command::Disable(name) => set_enabled(name, kind, false),
        Command::Enable(name) => set_enabled(name, kind, true),
        Command::RotateSecret(RotateArguments { name, replace }) => {
            let operation = RotateSecret { record: name.record(kind), replace: *replace };
            let outcome = name.target.perform("make a new secret", Absent::Refuse, operation)?;
            name.target.show(&outcome, || {
                let made = &outcome.made;
                let row = vec![made.realm.clone(), made.client_id.clone(), made.client_secret.clone()];
                let before = if outcome.good > 1 {
                    "The secret before it is good beside it until the next rotation."
                } else {
                    "It is the only one that is good."
                };
                let table = output::table(&["realm", "client_id", "client_secret"], &[row]);
                format!("This secret is shown this once; keep it now.\n\n{table}\n\n{before}")
            })
        }
        Command::Delete(DeleteArguments { name, yes }) => {
            if !yes && !confirmed(kind, &name.name)? {
                output::complain("Nothing was deleted.");
                return Err(ExitCode::from(output::REFUSED));
            }
            let outcome =
                name.target.perform("delete it", Absent::Refuse, Delete { record: name.record(kind) })?;
            name.target.show(&outcome, || {
                let mut text = format!("Deleted: {}. Log position {}.", outcome.deleted, outcome.position);
                for (kind, count) in &outcome.removed {
                    text.push_str(&format!("\n  gone with it: {kind}, {count}"));
                }
                if outcome.clients_changed > 0 {
                    text.push_str(&format!(
                        "\n  {} clients named it and do no longer",
                        outcome.clients_changed
                    ));
                }
                text.push_str("\nIts tokens are dead; their rows leave with their hour.");
                text.push_str(if kind == Kind::User {
                    " Its name is free."
                } else {
                    " Its name is never given again."
                });
                text
            })
        }
    }
}

fn set_enabled(name: &NameArguments, kind: Kind, enabled: bool) -> Result<ExitCode, ExitCode> {
    let operation = SetEnabled { record: name.record(kind), enabled };
    let doing = if enabled { "enable it" } else { "disable it" };
    let outcome: Applied = name.target.perform(doing, Absent::Refuse, operation)?;
    name.target.show(&outcome, || crate::apply::text(&outcome, false))
}

impl NameArguments {
    pub(crate) fn record(&self, kind: Kind) -> RecordName {
        RecordName { kind, realm: self.in_realm.realm.clone(), name: self.name.clone() }
    }
}

/// On a terminal the name is typed once more; a script has said what it wants.
fn confirmed(kind: Kind, name: &str) -> Result<bool, ExitCode> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(true);
    }
    let failed = |error: std::io::Error| output::failed("ask", &error);
    let mut terminal = std::io::stderr();
    write!(terminal, "Type the name of the {} to delete it ({name}): ", kind.name()).map_err(failed)?;
    terminal.flush().map_err(failed)?;
    let mut typed = String::new();
    input.lock().read_line(&mut typed).map_err(failed)?;
    Ok(typed.trim() == name)
}

/// The entry as the document has it, with what the document does not say in comments.
fn shown(record: &ShownRecord) -> String {
    let mut text = format!("# version {}", record.version);
    if let Some(cut_at) = record.cut_at.filter(|position| *position > 0) {
        text.push_str(&format!(", cut at log position {cut_at}: what was minted before it is dead"));
    }
    if let Some(secrets) = record.secrets {
        text.push_str(&format!(", {secrets} good secret{}", if secrets == 1 { "" } else { "s" }));
    }
    if let Some(issuer) = &record.issuer {
        text.push_str(&format!(", issuer {issuer}"));
    }
    if let Some(factors) = record.factors.as_ref().filter(|listed| !listed.factors.is_empty()) {
        let kinds: Vec<&str> = factors.factors.iter().map(|factor| factor.kind.as_str()).collect();
        let left = factors.recovery_codes;
        text.push_str(&format!(", second factors: {} ({left} recovery codes left)", kinds.join(", ")));
    }
    let entries = without_nulls(serde_json::to_value(&record.document).unwrap_or_default());
    let entries: BTreeMap<String, Value> = serde_json::from_value(entries).unwrap_or_default();
    let there: BTreeMap<_, _> =
        entries.into_iter().filter(|(_, list)| list.as_array().is_none_or(|list| !list.is_empty())).collect();
    text.push('\n');
    text.push_str(&toml::to_string_pretty(&there).expect("a document is made of strings, numbers and lists"));
    text
}

/// A value without its absent members.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
