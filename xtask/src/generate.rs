//! `cargo xtask generate`: the pages that are made from the code, and the check that the committed copies are current.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::stage::Outcome;
use crate::standards;
use crate::tree::{Finding, Tree};

/// What `generate` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing, and fail when a committed page differs
    #[arg(long)]
    check: bool,
}

/// A page that is made from the code.
struct Page {
    path: &'static str,
    make: fn(&Tree) -> Result<String>,
    /// A test of the crate it comes from compares it, so that `check` need not build that crate.
    held_by_a_test: bool,
}

/// All pages that are made from the code.
const PAGES: &[Page] = &[
    Page { path: CONFIGURATION, make: configuration, held_by_a_test: true },
    Page { path: "docs/standards.md", make: standards::page, held_by_a_test: false },
];

/// What every configuration key is for. The words before its table are written by hand.
const CONFIGURATION: &str = "docs/guide/configuration.md";

pub(crate) fn run(options: &Options, tree: &Tree) -> Result<ExitCode> {
    if options.check {
        let stale = stale(tree)?;
        stale.iter().for_each(|finding| println!("{finding}"));
        return Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    for page in PAGES {
        let text = (page.make)(tree).with_context(|| format!("make {}", page.path))?;
        if tree.read_if_there(page.path)?.as_ref() == Some(&text) {
            println!("{} is current", page.path);
            continue;
        }
        fs::write(tree.root().join(page.path), text).with_context(|| format!("write {}", page.path))?;
        println!("{} was written", page.path);
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages as a stage of `check`.
pub(crate) fn stage(tree: &Tree) -> Result<Outcome> {
    Ok(Outcome::of_findings(&stale(tree)?, "current"))
}

fn stale(tree: &Tree) -> Result<Vec<Finding>> {
    let mut stale = Vec::new();
    for page in PAGES.iter().filter(|page| !page.held_by_a_test) {
        let text = (page.make)(tree).with_context(|| format!("make {}", page.path))?;
        let committed = tree.read_if_there(page.path)?;
        stale.extend(compare(page.path, committed.as_deref(), &text));
    }
    Ok(stale)
}

fn configuration(tree: &Tree) -> Result<String> {
    let mut lydian = process::cargo(tree.root());
    lydian.args(["run", "--quiet", "--package", "lydian-cli", "--", "config", "reference"]);
    Ok(with_table(&tree.read(CONFIGURATION)?, &process::output(&mut lydian)?))
}

/// The page with this table in the place of its own.
fn with_table(page: &str, table: &str) -> String {
    let words: String = page.split_inclusive('\n').take_while(|line| !line.starts_with('|')).collect();
    words + table
}

fn compare(path: &str, committed: Option<&str>, made: &str) -> Option<Finding> {
    let again = "run `cargo xtask generate`";
    let Some(committed) = committed else {
        return Some(Finding::new(path, format!("the page is not there: {again}")));
    };
    if committed == made {
        return None;
    }
    let same = committed.lines().zip(made.lines()).take_while(|(committed, made)| committed == made).count();
    Some(Finding::at_line(path, same + 1, format!("differs from what the code makes: {again}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_before_the_table_stay() {
        assert_eq!(
            with_table("# Keys\n\nWords.\n\n| old |\n| --- |\n", "| new |\n"),
            "# Keys\n\nWords.\n\n| new |\n"
        );
        assert_eq!(with_table("Words.\n", "| new |\n"), "Words.\n| new |\n");
    }

    #[test]
    fn a_page_must_be_there_and_be_what_the_code_makes() {
        let place = |committed| compare("page.md", committed, "a\nb\n").map(|finding| finding.place);
        assert_eq!(place(Some("a\nb\n")), None);
        assert_eq!(place(Some("a\nc\n")), Some("page.md:2".to_owned()));
        assert_eq!(place(Some("a\nb")), Some("page.md:3".to_owned()));
        assert_eq!(place(None), Some("page.md".to_owned()));
    }
}
