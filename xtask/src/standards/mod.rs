//! Which test stands behind which clause: the list in `docs/standards.toml` against the names of the tests.
//!
//! A test names an item by carrying its id in its name: `int_07_..` names INT-07, `w17_..` names W17, and a test may name
//! several. An item has a test, or a reason why it cannot have one yet; an item with both says that it is done in part.

mod coverage;
mod list;
mod names;
mod page;

use anyhow::{Context, Result};

use crate::rust_source::RustSource;
use crate::stage::Outcome;
use crate::tree::Tree;

use coverage::{Coverage, Test};
use list::List;

/// Where the list is.
const LIST: &str = "docs/standards.toml";

/// The list as a stage of `check`.
pub(crate) fn stage(tree: &Tree, warn_only: bool) -> Result<Outcome> {
    let coverage = coverage(tree)?;
    print!("{}", page::table(&coverage));
    let figures = coverage.figures();
    let findings = coverage.findings();
    let outcome = Outcome::of_findings(&findings, figures.as_str());
    Ok(match outcome {
        Outcome::Failed(_) if warn_only => {
            Outcome::Passed(format!("{figures}; WARNED ONLY of {} findings", findings.len()))
        }
        outcome => outcome,
    })
}

/// `docs/standards.md`.
pub(crate) fn page(tree: &Tree) -> Result<String> {
    coverage(tree).map(|coverage| page::markdown(&coverage))
}

fn coverage(tree: &Tree) -> Result<Coverage> {
    let list = List::parse(&tree.read(LIST)?).with_context(|| format!("read {LIST}"))?;
    let tests = tests(tree)?;
    Ok(Coverage::new(list, &tests))
}

/// All tests below `crates/`.
fn tests(tree: &Tree) -> Result<Vec<Test>> {
    let mut sources = Vec::new();
    let mut macros = std::collections::BTreeSet::new();
    for path in tree.files_ending(".rs") {
        let Some(krate) = path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        let source = RustSource::parse(&tree.read(path)?).with_context(|| format!("read {path}"))?;
        macros.append(&mut source.test_macros());
        sources.push((krate, path, source));
    }
    let mut tests = Vec::new();
    for (krate, path, source) in sources {
        let names = source.tests().into_iter().chain(source.names_given_to(&macros));
        tests.extend(names.map(|named| Test {
            krate: krate.to_owned(),
            place: format!("{path}:{}", named.line),
            name: named.name,
        }));
    }
    Ok(tests)
}
