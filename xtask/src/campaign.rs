//! `cargo xtask campaign`: runs that are too slow for each change, such as a long crash campaign.
//!
//! Each has two sizes: a small one that the gate can afford, and the full one. The table is the whole list.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

/// What `campaign` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The campaign to run, or `list`
    name: String,
    /// Run the small size, as the gate does
    #[arg(long)]
    gate: bool,
}

/// A campaign.
struct Campaign {
    name: &'static str,
    what: &'static str,
    /// How much the gate runs, in words.
    gate_size: &'static str,
    /// How much a full run does, in words.
    full_size: &'static str,
    run: fn(Size) -> Result<ExitCode>,
}

/// How much of a campaign is run.
#[derive(Clone, Copy)]
enum Size {
    Full,
    Gate,
}

/// All campaigns, in alphabetical order.
const CAMPAIGNS: &[Campaign] = &[];

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.name == "list" {
        print!("{}", list(CAMPAIGNS));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(campaign) = CAMPAIGNS.iter().find(|campaign| campaign.name == options.name) else {
        bail!("there is no campaign \"{}\"\n{}", options.name, list(CAMPAIGNS).trim_end());
    };
    (campaign.run)(if options.gate { Size::Gate } else { Size::Full })
}

fn list(campaigns: &[Campaign]) -> String {
    if campaigns.is_empty() {
        return "no campaign exists yet\n".to_owned();
    }
    let mut text = format!("{:20}  {:20}  {:20}  what\n", "name", "at the gate", "in full");
    for Campaign { name, what, gate_size, full_size, .. } in campaigns {
        text.push_str(&format!("{name:20}  {gate_size:20}  {full_size:20}  {what}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(list(&[]), "no campaign exists yet\n");
    }

    #[test]
    fn the_list_shows_both_sizes() {
        let campaign = Campaign {
            name: "crash",
            what: "kill the server and look what is left",
            gate_size: "20 kills",
            full_size: "10000 kills",
            run: |size| Ok(ExitCode::from(matches!(size, Size::Full) as u8)),
        };
        let text = list(&[campaign]);
        assert!(
            text.lines().count() == 2 && text.contains("20 kills") && text.contains("10000 kills"),
            "{text}"
        );
    }
}
