//! Markdown: a page speaks of the product to a stranger, in plain characters.

use anyhow::Result;

use crate::tree::{Finding, Tree};

/// What tells of the machine on which a page was written instead of the product. In lower case.
const OF_A_MACHINE: [&str; 2] = ["/tmp/", "/root/"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in tree.files_ending(".md") {
        findings.extend(check_page(path, &tree.read(path)?));
    }
    Ok(findings)
}

fn check_page(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in OF_A_MACHINE.iter().filter(|word| lower.contains(*word)) {
            let what = format!("\"{word}\" says nothing to a reader of the product");
            findings.push(Finding::at_line(path, position + 1, what));
        }
        if let Some(character) = line.chars().find(|character| is_ornament(*character)) {
            let what =
                format!("U+{:04X} is an ornament: use plain punctuation and words", u32::from(character));
            findings.push(Finding::at_line(path, position + 1, what));
        }
    }
    findings
}

/// Long dashes and pictures.
fn is_ornament(character: char) -> bool {
    matches!(character, '\u{2014}' | '\u{2600}'..='\u{27BF}' | '\u{1F000}'..='\u{1FAFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check_page("x.md", text).len()
    }

    #[test]
    fn no_page_names_a_place_on_one_machine() {
        assert_eq!(found("The file lies in the data directory."), 0);
        assert_eq!(found("Look at /tmp/x.\nSee /root/y."), 2);
    }

    #[test]
    fn punctuation_is_plain() {
        assert_eq!(found("Sections §2.1 and §2.2: plain, naïve text."), 0);
        assert_eq!(found("A dash \u{2014} and a rocket \u{1F680}\nand a tick \u{2705}."), 2);
    }
}
