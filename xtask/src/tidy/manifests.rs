//! Manifests: lints, edition, toolchain and licence are said once, in the workspace.

use anyhow::{Context, Result};
use toml::Table;

use crate::tree::{Finding, Tree};

/// What each package takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in tree.metadata()?.packages {
        let path =
            package.manifest_path.strip_prefix(tree.root()).context("a package lies in the repository")?;
        let path = path.to_string_lossy();
        findings.extend(check_manifest(&path, &tree.read(&path)?)?);
    }
    Ok(findings)
}

fn check_manifest(path: &str, text: &str) -> Result<Vec<Finding>> {
    let manifest: Table = text.parse().with_context(|| format!("read {path}"))?;
    let mut findings = Vec::new();
    if !is_inherited(manifest.get("lints")) {
        findings.push(Finding::new(path, "does not inherit the lints of the workspace"));
    }
    for key in INHERITED {
        if !is_inherited(manifest.get("package").and_then(|package| package.get(key))) {
            findings.push(Finding::new(path, format!("does not inherit `{key}` from the workspace")));
        }
    }
    Ok(findings)
}

fn is_inherited(value: Option<&toml::Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
                        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
                        [lints]\nworkspace = true\n";

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let findings = check_manifest("x/Cargo.toml", text).unwrap();
        assert_eq!(findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lints_and_the_facts_of_the_project_are_inherited() {
        check(GOOD, &[]);
        check(
            &GOOD.replace("[lints]\nworkspace = true\n", ""),
            &["does not inherit the lints of the workspace"],
        );
        check(
            &GOOD.replace("[lints]\nworkspace = true", "[lints.rust]\nunsafe_code = \"allow\""),
            &["does not inherit the lints of the workspace"],
        );
        check(
            &GOOD.replace("edition.workspace = true", "edition = \"2021\""),
            &["does not inherit `edition` from the workspace"],
        );
    }
}
