//! `lydian doctor`: what is well, what is not, and what to do.

use std::process::ExitCode;

use lydian_admin_api::operations::doctor::{Doctor, Findings};
use lydian_server::control::Absent;
use lydian_service::administration::examination::Health;

use crate::control::Target;
use crate::output;

/// The arguments of `lydian doctor`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Believe a wall clock that has jumped ahead, so that cleanup goes on at once
    #[arg(long)]
    accept_clock: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs the command; the exit status is 1 when something does not work.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let operation = Doctor { accept_clock: arguments.accept_clock };
    let outcome = arguments.target.perform("examine the server", Absent::Refuse, operation)?;
    let shown = arguments.target.show(&outcome, || text(&outcome))?;
    let failed = outcome.findings.iter().any(|finding| finding.health == Health::Failure);
    if failed { Err(ExitCode::from(output::REFUSED)) } else { Ok(shown) }
}

fn text(outcome: &Findings) -> String {
    let rows: Vec<Vec<String>> = outcome
        .findings
        .iter()
        .map(|finding| {
            let health = match finding.health {
                Health::Well => "ok",
                Health::Warning => "LOOK",
                Health::Failure => "FAILS",
            };
            vec![health.to_owned(), finding.subject.clone(), finding.finding.clone()]
        })
        .collect();
    let mut text = output::table(&["", "what", "found"], &rows);
    for finding in &outcome.findings {
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("\n\n{}: {remedy}", finding.subject));
        }
    }
    if let Some((before, after)) = outcome.clock_accepted {
        text.push_str(&format!(
            "\n\nThe forgetting mark moved from {} to {}: what expired before it stays expired.",
            output::instant(before),
            output::instant(after)
        ));
    }
    text
}
