//! Decision records: one page each, numbered without a gap, with all their parts.

use anyhow::Result;

use crate::tree::{Finding, Tree};

const FOLDER: &str = "docs/decisions/";

/// What a record says, in this order.
const PARTS: [&str; 6] = ["Status", "Context", "Decision", "Rejected", "Consequences", "Check"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let paths: Vec<&str> = tree
        .files_ending(".md")
        .filter(|path| path.starts_with(FOLDER) && !path.ends_with("/README.md"))
        .collect();
    let mut findings = check_numbers(&paths);
    for path in paths {
        findings.extend(check_record(path, &tree.read(path)?));
    }
    Ok(findings)
}

/// `docs/decisions/0007-short-title.md` is the seventh.
fn number(path: &str) -> Option<usize> {
    let (number, title) = path.strip_prefix(FOLDER)?.split_once('-')?;
    (number.len() == 4 && !title.is_empty()).then(|| number.parse().ok())?
}

fn check_numbers(paths: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, path) in paths.iter().enumerate() {
        let expected = position + 1;
        if number(path) != Some(expected) {
            findings.push(Finding::new(path, format!("should be number {expected:04} with a short title")));
        }
    }
    findings
}

fn check_record(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let first = text.lines().next().unwrap_or_default();
    let named = number(path).is_some_and(|number| first.starts_with(&format!("# {number:04}: ")));
    if !named {
        findings.push(Finding::at_line(path, 1, "should be the title, with the number of the file"));
    }
    let mut rest = text;
    for part in PARTS {
        let Some(after) = after_label(rest, part) else {
            findings.push(Finding::new(path, format!("has no part \"{part}:\" in its place")));
            continue;
        };
        let words = after.split("\n\n").next().unwrap_or_default();
        if words.trim().is_empty() {
            findings.push(Finding::new(path, format!("says nothing under \"{part}:\"")));
        }
        if part == "Status" && !has_date(words) {
            findings.push(Finding::new(path, "has no \"Date: YYYY-MM-DD\" beside its status"));
        }
        rest = after;
    }
    findings
}

/// What follows a line that begins with this label.
fn after_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let label = format!("\n{label}:");
    text.find(&label).map(|position| &text[position + label.len()..])
}

fn has_date(words: &str) -> bool {
    let Some((_, date)) = words.split_once("Date:") else {
        return false;
    };
    let parts: Vec<&str> = date.trim().split('-').collect();
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts.as_slice(), [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# 0001: A title\n\nStatus: accepted. Date: 2025-03-02\n\nContext: a\n\nDecision: b\n\n\
                        Rejected: c\n\nConsequences: d\n\nCheck: e\n";

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let findings = check_record("docs/decisions/0001-a-title.md", text);
        let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(whats, expected);
    }

    #[test]
    fn a_record_has_all_its_parts_in_their_order() {
        check(GOOD, &[]);
        check(&GOOD.replace("Rejected: c\n\n", ""), &["has no part \"Rejected:\" in its place"]);
        let swapped = GOOD.replace("Context: a\n\nDecision: b", "Decision: b\n\nContext: a");
        check(&swapped, &["has no part \"Decision:\" in its place"]);
        check(&GOOD.replace("Check: e", "Check:"), &["says nothing under \"Check:\""]);
    }

    #[test]
    fn a_record_has_a_date_and_the_number_of_its_file() {
        let undated = "has no \"Date: YYYY-MM-DD\" beside its status";
        check(&GOOD.replace(". Date: 2025-03-02", ""), &[undated]);
        check(&GOOD.replace("2025-03-02", "March 2025"), &[undated]);
        check(&GOOD.replace("# 0001", "# 0002"), &["should be the title, with the number of the file"]);
    }

    #[test]
    fn numbers_have_no_gap_and_no_twin() {
        let count = |paths: &[&str]| check_numbers(paths).len();
        assert_eq!(count(&["docs/decisions/0001-a.md", "docs/decisions/0002-b.md"]), 0);
        assert_eq!(count(&["docs/decisions/0001-a.md", "docs/decisions/0003-b.md"]), 1);
        assert_eq!(count(&["docs/decisions/0001-a.md", "docs/decisions/0001-b.md"]), 1);
        assert_eq!(count(&["docs/decisions/notes.md"]), 1);
    }
}
