//! The rules about the tree that no compiler knows: who may use whom, what a file may hold, what the pages must say.
//!
//! Each rule is a plain function over text with a test that breaks it; the functions here read the tree and call them. They run
//! in `cargo xtask check` and in `cargo test -p xtask`.

mod decisions;
mod edges;
mod manifests;
mod map;
mod prose;
mod secrets;
mod sources;

use anyhow::{Context, Result};

use crate::stage::Outcome;
use crate::tree::{Finding, Tree};

/// One rule, over the whole tree.
struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Result<Vec<Finding>>,
}

/// All rules, in alphabetical order.
const RULES: &[Rule] = &[
    Rule { name: "crates use only what their layer may use", check: edges::check },
    Rule { name: "decision records have all their parts", check: decisions::check },
    Rule { name: "manifests inherit from the workspace", check: manifests::check },
    Rule { name: "pages name only what exists", check: map::check },
    Rule { name: "prose is fit to be read by strangers", check: prose::check },
    Rule { name: "sources keep to their rules", check: sources::check },
    Rule { name: "the tree holds no secret", check: secrets::check },
];

/// The rules as a stage of `check`. Long files are told of and hinder nothing.
pub(crate) fn stage(tree: &Tree) -> Result<Outcome> {
    for advice in sources::long_files(tree)? {
        println!("advice: {advice}");
    }
    let mut findings = Vec::new();
    for rule in RULES {
        findings.extend((rule.check)(tree).with_context(|| format!("check that {}", rule.name))?);
    }
    Ok(Outcome::of_findings(&findings, format!("{} rules", RULES.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn holds(check: fn(&Tree) -> Result<Vec<Finding>>) {
        let findings = check(&Tree::of_this_repository().unwrap()).unwrap();
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }

    #[test]
    fn crates_use_only_what_their_layer_may_use() {
        holds(edges::check);
    }

    #[test]
    fn decision_records_have_all_their_parts() {
        holds(decisions::check);
    }

    #[test]
    fn manifests_inherit_from_the_workspace() {
        holds(manifests::check);
    }

    #[test]
    fn pages_name_only_what_exists() {
        holds(map::check);
    }

    #[test]
    fn prose_is_fit_to_be_read_by_strangers() {
        holds(prose::check);
    }

    #[test]
    fn sources_keep_to_their_rules() {
        holds(sources::check);
    }

    #[test]
    fn the_tree_holds_no_secret() {
        holds(secrets::check);
    }
}
