//! Named mutations: small mistakes that somebody could make, each with the test that must turn red.
//!
//! `crates/campaign/mutations.toml` is the list. The gate looks whether each mutation still fits the code and names a test that
//! exists; the full size applies them one by one to a copy of the repository and runs their tests. The tree itself is never edited.

mod cargo;
mod copy;
mod list;
mod verdict;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};

use self::copy::Copy;
use self::list::{Mutation, TestTarget};
use self::verdict::Verdict;
use crate::run::{Options, Report, Size, progress};

/// Runs the campaign.
///
/// # Errors
///
/// When the list cannot be read, or the copy of the repository cannot be made or built.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let root = cargo::root_of_repository()?;
    let only = options.only.as_deref().unwrap_or_default();
    let mutations: Vec<Mutation> =
        list::read(&root)?.into_iter().filter(|mutation| mutation.name.contains(only)).collect();
    let mut report = Report::default();
    report.figure("mutations", mutations.len());
    for mutation in &mutations {
        report
            .violations
            .extend(mutation.misfits(&root).map(|misfit| format!("{}: {misfit}", mutation.name)));
    }
    if options.size == Size::Gate || !report.violations.is_empty() {
        return Ok(report);
    }
    let copy = Copy::of(&root, &place()?)?;
    see_all_green(&copy, &mutations)?;
    apply_all(&copy, mutations, &mut report)?;
    Ok(report)
}

/// Where the copy lies: in the target directory of this program, so that a second run builds only what changed.
fn place() -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let target = own.parent().and_then(Path::parent).context("this program lies in a target directory")?;
    Ok(target.join("mutations"))
}

/// Runs every named test once on the unchanged copy: a test that fails, or that does not exist, proves nothing.
fn see_all_green(copy: &Copy, mutations: &[Mutation]) -> Result<()> {
    let mut filters: BTreeMap<&TestTarget, Vec<&str>> = BTreeMap::new();
    for mutation in mutations {
        let filters = filters.entry(&mutation.test.target).or_default();
        if !filters.contains(&mutation.test.filter.as_str()) {
            filters.push(&mutation.test.filter);
        }
    }
    let bar = progress("unchanged", filters.len() as u64);
    for (target, filters) in filters {
        if let Err(output) = copy.build(target)? {
            bail!("the unchanged code of {target} does not build:\n{output}");
        }
        let run = copy.test(target, &filters)?;
        if let Some(missing) = filters.iter().find(|filter| !run.passed(filter)) {
            bail!("{missing} of {target} is not green on the unchanged code:\n{}", run.output);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn apply_all(copy: &Copy, mut mutations: Vec<Mutation>, report: &mut Report) -> Result<()> {
    // Neighbours share what was built: by file first, then by test target.
    mutations.sort_by(|one, other| (&one.file, &one.test.target).cmp(&(&other.file, &other.test.target)));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["mutation", "file", "test", "verdict", "seconds"]);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let bar = progress("mutations", mutations.len() as u64);
    for mutation in &mutations {
        let begin = Instant::now();
        let verdict = copy.judge(mutation).with_context(|| format!("try the mutation {}", mutation.name))?;
        *counts.entry(verdict.word()).or_default() += 1;
        match &verdict {
            Verdict::Caught | Verdict::CaughtByTimeout => {}
            Verdict::Survived => report.violations.push(format!(
                "{} SURVIVED {} of {}: {}",
                mutation.name, mutation.test.filter, mutation.test.target, mutation.why
            )),
            Verdict::Broken(output) => {
                report.violations.push(format!("{} is broken:\n{output}", mutation.name));
            }
        }
        table.add_row([
            mutation.name.as_str(),
            mutation.file.as_str(),
            mutation.test.filter.as_str(),
            verdict.word(),
            &format!("{:.1}", begin.elapsed().as_secs_f64()),
        ]);
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{}", table.trim_fmt());
    for (word, count) in counts {
        report.figure(word, count);
    }
    Ok(())
}
