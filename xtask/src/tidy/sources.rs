//! Rust files: no unsafe code, no test that is switched off, nothing left to do, and a size that can be read.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::rust_source::RustSource;
use crate::tree::{Finding, Package, Tree};

/// Above this a file is more than one thing.
const LINES_MAX: usize = 900;

/// Above this, without its tests, a file is looked at.
const LINES_ADVISED: usize = 400;

/// Marks of work that is not done.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let roots = crate_roots(tree, &tree.metadata()?.packages)?;
    let mut findings = Vec::new();
    for path in tree.files_ending(".rs") {
        findings.extend(check_file(path, &tree.read(path)?, roots.contains(path)));
    }
    Ok(findings)
}

/// Files of more lines than advised, tests apart.
pub(super) fn long_files(tree: &Tree) -> Result<Vec<Finding>> {
    let mut long = Vec::new();
    for path in tree.files_ending(".rs").filter(|path| !is_test_file(path)) {
        let lines = lines_without_tests(&tree.read(path)?);
        if lines > LINES_ADVISED {
            long.push(Finding::new(path, format!("{lines} lines without tests: is it one thing?")));
        }
    }
    Ok(long)
}

/// The first file of each library and program. Tests, benches and examples have the lint from the workspace.
fn crate_roots(tree: &Tree, packages: &[Package]) -> Result<BTreeSet<String>> {
    let mut roots = BTreeSet::new();
    for target in packages.iter().flat_map(|package| &package.targets) {
        if target.kind.iter().any(|kind| ["test", "bench", "example"].contains(&kind.as_str())) {
            continue;
        }
        let path = target.src_path.strip_prefix(tree.root()).context("a crate lies in the repository")?;
        roots.insert(path.to_string_lossy().into_owned());
    }
    Ok(roots)
}

fn check_file(path: &str, text: &str, is_crate_root: bool) -> Vec<Finding> {
    let source = match RustSource::parse(text) {
        Ok(source) => source,
        Err(error) => return vec![Finding::new(path, error.to_string())],
    };
    let mut findings = Vec::new();
    if is_crate_root && !source.forbids_unsafe_code() {
        findings.push(Finding::new(path, "has no #![forbid(unsafe_code)]"));
    }
    for found in source.attributes("ignore") {
        let what = "a test is switched off: assert what is wrong today, and say so in a comment";
        findings.push(Finding::at_line(path, found.line, what));
    }
    for call in source.calls_of(&["todo", "unimplemented", "dbg"]) {
        findings.push(Finding::at_line(path, call.line, format!("{}! is not for committed code", call.name)));
    }
    for (position, line) in text.lines().enumerate() {
        if let Some(mark) = MARKS.iter().find(|mark| has_word(line, mark)) {
            findings.push(Finding::at_line(
                path,
                position + 1,
                format!("{mark} marks work that is not done"),
            ));
        }
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding::new(
            path,
            format!("has {lines} lines, more than {LINES_MAX}: split it by meaning"),
        ));
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|character: char| !character.is_alphanumeric() && character != '_').any(|found| found == word)
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Tests in the same file come last, behind `#[cfg(test)]` and a module.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let findings = check_file("src/lib.rs", text, true);
        assert_eq!(
            findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
            expected,
            "{text}"
        );
    }

    const ROOT: &str = "#![forbid(unsafe_code)]\n";

    #[test]
    fn each_crate_forbids_unsafe_code() {
        check(ROOT, &[]);
        check("fn main() {}\n", &["has no #![forbid(unsafe_code)]"]);
        assert_eq!(check_file("src/part.rs", "fn main() {}\n", false), []);
    }

    #[test]
    fn no_test_is_switched_off() {
        let what = "a test is switched off: assert what is wrong today, and say so in a comment";
        check(&format!("{ROOT}#[test]\n#[ignore]\nfn one() {{}}\n"), &[what]);
    }

    #[test]
    fn nothing_is_left_to_do() {
        check(&format!("{ROOT}fn one() {{ todo!() }}\n"), &["todo! is not for committed code"]);
        check(&format!("{ROOT}fn one() {{ dbg!(1); }}\n"), &["dbg! is not for committed code"]);
        let mark = MARKS[0];
        check(&format!("{ROOT}// {mark}: later\n"), &[&format!("{mark} marks work that is not done")]);
        check(&format!("{ROOT}// no {mark}S here\n"), &[]);
    }

    #[test]
    fn a_file_has_a_size_that_can_be_read() {
        let long = format!("{ROOT}{}", "// line\n".repeat(LINES_MAX - 1));
        check(&long, &[]);
        check(&format!("{long}// line\n"), &["has 901 lines, more than 900: split it by meaning"]);
    }

    #[test]
    fn tests_do_not_count_as_length() {
        assert_eq!(lines_without_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_without_tests("#[cfg(test)]\nuse x;\nb\n"), 3);
        assert!(is_test_file("crates/jose/src/tests/jws.rs") && is_test_file("crates/a/src/b_tests.rs"));
        assert!(!is_test_file("crates/test-kit/src/lib.rs"));
    }

    #[test]
    fn what_is_no_rust_is_told() {
        check("fn main() {", &["not made of Rust tokens: cannot parse string into token stream"]);
    }
}
