//! The list in two forms: a table for the terminal, and a page for readers.

use std::fmt::Write;

use super::LIST;
use super::coverage::{Coverage, Standing};
use super::list::Item;

/// A line for each item, and a line for each of its tests.
pub(super) fn table(coverage: &Coverage) -> String {
    let mut text = String::new();
    for item in coverage.list.items() {
        let word = match coverage.standing_of(item) {
            Standing::Tested => "tested",
            Standing::Partly => "in part",
            Standing::NotYet => "not yet",
            Standing::Missing => "MISSING",
            Standing::TestedAlthoughNotYet | Standing::PartlyWithoutTest => "WRONG",
        };
        let mut lines: Vec<String> =
            coverage.tests_of(item).iter().map(|test| format!("{}: {}", test.krate, test.name)).collect();
        lines.extend(item.not_yet.clone());
        let first = if lines.is_empty() { String::new() } else { lines.remove(0) };
        push(&mut text, format_args!("{:8} {word:8} {first}", item.id));
        for line in lines {
            push(&mut text, format_args!("{:17} {line}", ""));
        }
    }
    text
}

/// `docs/standards.md`.
pub(super) fn markdown(coverage: &Coverage) -> String {
    let mut text = String::new();
    push(&mut text, "# Which test stands behind which clause");
    push(&mut text, "");
    push(
        &mut text,
        format_args!("<!-- Made by `cargo xtask generate` from `{LIST}` and the names of the tests. -->"),
    );
    push(&mut text, "");
    push(
        &mut text,
        "Each line is a promise of ours, the text that it comes from, and the tests that carry its id in their name.",
    );
    push(&mut text, "A promise without a test says why it has none yet.");
    push(&mut text, "To run the tests of one item: `cargo test --workspace int_07`.");
    push(&mut text, "");
    push(&mut text, format_args!("{}.", coverage.figures()));
    for family in &coverage.list.families {
        push(&mut text, "");
        push(&mut text, format_args!("## {}: {}", family.prefix, family.title));
        push(&mut text, "");
        push(&mut text, "| item | clause | what we promise | tests |");
        push(&mut text, "| --- | --- | --- | --- |");
        for item in &family.items {
            let cells = [item.id.clone(), cell(&item.clause), cell(&item.rule), tests(coverage, item)];
            push(&mut text, format_args!("| {} |", cells.join(" | ")));
        }
    }
    text
}

fn tests(coverage: &Coverage, item: &Item) -> String {
    let tests = coverage.tests_of(item).iter();
    let mut lines: Vec<String> = tests.map(|test| format!("{}: `{}`", test.krate, test.name)).collect();
    lines.extend(item.not_yet.as_ref().map(|reason| format!("*not yet*: {}", cell(reason))));
    lines.join("<br>")
}

/// A text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", format!("{line}").trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::coverage::Test;
    use super::super::list::List;
    use super::*;

    fn coverage() -> Coverage {
        let items = r#"
            [[family]]
            prefix = "INT"
            title = "Token introspection"
            [[family.item]]
            id = "INT-01"
            clause = "RFC 7662 §2.1"
            rule = "`a|b`"
            not_yet = "the rest"
            partly = true
        "#;
        let test = Test { krate: "http".to_owned(), name: "int_01_x".to_owned(), place: String::new() };
        Coverage::new(List::parse(items).unwrap(), &[test])
    }

    #[test]
    fn an_item_stands_beside_its_tests_and_what_is_missing() {
        assert_eq!(table(&coverage()), "INT-01   in part  http: int_01_x\n                  the rest\n");
    }

    #[test]
    fn the_page_has_a_row_for_each_item() {
        let page = markdown(&coverage());
        let row = r"| INT-01 | RFC 7662 §2.1 | `a\|b` | http: `int_01_x`<br>*not yet*: the rest |";
        assert!(page.contains("\n## INT: Token introspection\n"), "{page}");
        assert!(page.ends_with(&format!("{row}\n")), "{page}");
    }
}
