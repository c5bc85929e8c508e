//! `ARCHITECTURE.md` names only what exists and leaves no crate out; links between pages lead somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use anyhow::Result;

use crate::tree::{Finding, Tree};

const MAP: &str = "ARCHITECTURE.md";

/// First parts of what has slashes and is no path of the tree: media types, and places at run time.
const ELSEWHERE: [&str; 5] = ["application", "text", "target", "DATA_DIR", "lydian-data"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let known = known_paths(tree);
    let mut findings = match tree.read_if_there(MAP)? {
        Some(text) => check_map(&text, &known),
        None => vec![Finding::new(MAP, "is not there: a newcomer needs the map of the crates")],
    };
    for page in tree.files_ending(".md") {
        findings.extend(check_links(page, &tree.read(page)?, &known));
    }
    Ok(findings)
}

/// All files and all folders.
fn known_paths(tree: &Tree) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for file in tree.files() {
        let all = Path::new(file).ancestors().map(|path| path.to_string_lossy().into_owned());
        known.extend(all.filter(|path| !path.is_empty()));
    }
    known
}

fn check_map(text: &str, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    for (line, word) in words_in_backticks(text) {
        let path = word.trim_end_matches('/');
        let exists = if path.contains('/') { known.contains(path) } else { is_a_file_name(path, known) };
        if looks_like_a_path(word) && !exists {
            findings.push(Finding::at_line(MAP, line, format!("`{word}` does not exist")));
        }
        named.insert(path.to_owned());
    }
    for folder in known.iter().filter(|path| is_a_crate(path) && !named.contains(*path)) {
        findings.push(Finding::new(MAP, format!("does not name the crate `{folder}`")));
    }
    findings
}

/// Words between single backticks, with their lines. Blocks between fences hold pictures and examples, and are left out.
fn words_in_backticks(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut in_fence = false;
    for (position, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
            continue;
        }
        if !in_fence {
            words.extend(line.split('`').skip(1).step_by(2).map(|word| (position + 1, word)));
        }
    }
    words
}

fn looks_like_a_path(word: &str) -> bool {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if !plain || word.starts_with('/') {
        return false;
    }
    match word.split_once('/') {
        Some((first, _)) => !ELSEWHERE.contains(&first),
        None => has_extension(word, "rs") || has_extension(word, "md"),
    }
}

fn has_extension(word: &str, extension: &str) -> bool {
    Path::new(word).extension().is_some_and(|found| found == extension)
}

fn is_a_file_name(name: &str, known: &BTreeSet<String>) -> bool {
    known.iter().any(|path| Path::new(path).file_name().is_some_and(|file| file == name))
}

fn is_a_crate(path: &str) -> bool {
    path.strip_prefix("crates/").is_some_and(|name| !name.contains('/'))
}

/// Links of the form `](path)` that lead to files of the tree.
fn check_links(page: &str, text: &str, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, line) in text.lines().enumerate() {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let folder = Path::new(page).parent().unwrap_or(Path::new(""));
            if !normal(&folder.join(target)).is_some_and(|path| known.contains(&path)) {
                findings.push(Finding::at_line(
                    page,
                    position + 1,
                    format!("the link to {target} leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// The path without `.` and `..`, or `None` where it leaves the tree.
fn normal(path: &Path) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::Prefix(_) | Component::RootDir => return None,
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["crates", "crates/jose", "crates/jose/src", "crates/jose/src/jws.rs", "docs", "docs/standards.md"]
            .map(ToOwned::to_owned)
            .into()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let text = format!("`crates/jose`\n{text}");
        let findings = check_map(&text, &known());
        assert_eq!(
            findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn what_is_named_exists() {
        check("`crates/jose/src/jws.rs`, `crates/jose/`, `jws.rs`, `docs/standards.md`", &[]);
        check("`crates/jose/src/jwe.rs`", &["`crates/jose/src/jwe.rs` does not exist"]);
        check("`jose/src/jws.rs`", &["`jose/src/jws.rs` does not exist"]);
        check("`jwe.rs`", &["`jwe.rs` does not exist"]);
    }

    #[test]
    fn what_is_no_path_of_the_tree_is_let_be() {
        check(
            "`/oauth2/token`, `application/json`, `Storage::apply`, `a / b`, `DATA_DIR/run.json`, `run.json`",
            &[],
        );
        check("```text\ncrates/none `crates/none`\n```", &[]);
    }

    #[test]
    fn no_crate_is_left_out() {
        let findings = check_map("nothing", &known());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].what, "does not name the crate `crates/jose`");
    }

    #[test]
    fn links_lead_to_files() {
        let broken = |page: &str, text: &str| check_links(page, text, &known()).len();
        assert_eq!(
            broken("README.md", "[a](docs/standards.md#int) [b](https://example.com/x) [c](#here)"),
            0
        );
        assert_eq!(broken("docs/standards.md", "[a](../crates/jose/src/jws.rs) [b](./standards.md)"), 0);
        assert_eq!(broken("docs/standards.md", "[a](crates/jose) [b](../../elsewhere.md)"), 2);
    }
}
