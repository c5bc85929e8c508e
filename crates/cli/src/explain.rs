//! `lydian explain`: why a token is or is not active, by which event, for whom.

use std::process::ExitCode;

use lydian_admin_api::operations::explain::Explain;
use lydian_domain::RealmName;
use lydian_server::control::Absent;
use lydian_service::administration::explain::{Explanation, TokenFacts};

use crate::control::Target;
use crate::output;
use crate::revoke::{realm_name, token_argument};

/// The arguments of `lydian explain`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The token; `-` reads it from standard input, where no other process sees it
    token: String,
    /// For whom: the audience of an API, or a client_id; without it, whether the token is good at all
    #[arg(long = "as", value_name = "API")]
    caller: Option<String>,
    /// The realm in which it is looked for; every realm without it
    #[arg(long, value_name = "NAME", value_parser = realm_name)]
    realm: Option<RealmName>,
    #[command(flatten)]
    target: Target,
}

/// Runs the command. An inactive token is an answer and no failure.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let operation = Explain {
        realm: arguments.realm.clone(),
        token: token_argument(&arguments.token)?,
        caller: arguments.caller.clone(),
    };
    let outcome = arguments.target.perform("explain the token", Absent::Refuse, operation)?;
    arguments.target.show(&outcome, || text(&outcome))
}

fn text(outcome: &Explanation) -> String {
    let verdict = if outcome.active { "ACTIVE" } else { "NOT ACTIVE" };
    let caller = outcome.decision.caller.as_ref().map_or(String::new(), |caller| format!(" for {caller}"));
    let mut text = format!("{verdict}{caller}: {}\n{}", outcome.reason, outcome.explanation);
    if let Some(facts) = &outcome.token {
        text.push_str("\n\n");
        text.push_str(&output::table(&["token", ""], &facts_rows(facts)));
    }
    if !outcome.chain.is_empty() {
        let rows: Vec<Vec<String>> = outcome
            .chain
            .iter()
            .map(|link| {
                let stands = if link.stands { "yes" } else { "NO" };
                let cut = link.cut_at.map_or(String::new(), |position| position.to_string());
                vec![link.kind.clone(), link.name.clone(), link.state.clone(), cut, stands.to_owned()]
            })
            .collect();
        text.push_str("\n\n");
        text.push_str(&output::table(&["it stands on", "name", "state", "cut at", "stands"], &rows));
    }
    if outcome.token.is_some() {
        text.push_str("\n\n");
        text.push_str(&events(outcome));
    }
    text
}

fn facts_rows(facts: &TokenFacts) -> Vec<Vec<String>> {
    let mut rows = vec![
        vec!["kind".to_owned(), format!("{}, {}", facts.kind, facts.form)],
        vec!["realm".to_owned(), facts.realm.clone()],
        vec!["jti".to_owned(), facts.jti.clone()],
        vec!["client".to_owned(), facts.client_id.clone()],
    ];
    let mut optional = |name: &str, value: &Option<String>| {
        rows.extend(value.as_ref().map(|value| vec![name.to_owned(), value.clone()]));
    };
    optional("audience", &facts.audience);
    optional("user", &facts.username);
    optional("key", &facts.kid);
    rows.extend([
        vec!["scope".to_owned(), facts.scope.clone()],
        vec!["grant".to_owned(), facts.grant.clone()],
        vec!["issued".to_owned(), output::instant(facts.issued_at)],
        vec!["expires".to_owned(), output::instant(facts.expires_at)],
        vec!["minted at".to_owned(), format!("log position {}", facts.minted_at)],
    ]);
    rows
}

fn events(outcome: &Explanation) -> String {
    if outcome.events.is_empty() {
        let rest =
            if outcome.events_complete { "." } else { "; the log does not reach back to its minting." };
        return format!("Nothing in the log concerns it{rest}");
    }
    let rows: Vec<Vec<String>> = outcome
        .events
        .iter()
        .map(|event| {
            let kills = if event.kills { "kills it" } else { "" };
            vec![
                event.position.to_string(),
                output::instant(event.at),
                event.what.clone(),
                event.subject.clone(),
                kills.to_owned(),
            ]
        })
        .collect();
    let mut text = output::table(&["log", "when", "what", "subject", ""], &rows);
    if !outcome.events_complete {
        text.push_str("\n(older events are not shown)");
    }
    text
}
