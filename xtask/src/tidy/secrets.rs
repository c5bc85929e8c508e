//! No private key, certificate block or token stands in the tree: what tests need they make.

use std::path::Path;

use anyhow::Result;

use crate::tree::{Finding, Tree};

/// Runs of base64 that are longer than this hold something.
const RUN_MAX: usize = 40;

/// Names of files that hold keys or certificates.
const KEY_FILES: [&str; 8] = ["der", "jks", "key", "keystore", "p12", "p8", "pem", "pfx"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in tree.files() {
        if Path::new(path).extension().is_some_and(|found| KEY_FILES.iter().any(|kind| found == *kind)) {
            findings.push(Finding::new(path, "is a file for keys or certificates"));
        }
        if let Some(text) = tree.read_text(path)? {
            findings.extend(check_text(path, &text));
        }
    }
    Ok(findings)
}

fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |offset: usize, what: &str| {
        let line = text[..offset].matches('\n').count() + 1;
        findings.push(Finding::at_line(path, line, what));
    };
    for (offset, after) in occurrences(text, concat!("-----", "BEGIN ")) {
        // A line that only looks for such blocks is followed by no base64.
        let body = after.split_once("-----").map(|(_, body)| body).unwrap_or_default();
        if run_of_base64(body.trim_start_matches(['\\', 'n', 'r', '\r', '\n', ' ', '"'])) > RUN_MAX {
            add(offset, "holds a block of a key or certificate");
        }
    }
    for quote in ["\"", "\\\""] {
        for (offset, after) in occurrences(text, &format!("{quote}d{quote}")) {
            let value = after.trim_start().strip_prefix(':').map(str::trim_start).unwrap_or_default();
            if run_of_base64(value.strip_prefix(quote).unwrap_or_default()) > RUN_MAX {
                add(offset, "holds the private member of a JWK");
            }
        }
    }
    for prefix in [concat!("lya", "_"), concat!("lyr", "_"), concat!("lyc", "_")] {
        for (offset, after) in occurrences(text, prefix) {
            if run_of_base64(after) > RUN_MAX {
                add(offset, "holds a token");
            }
        }
    }
    findings
}

/// Where it stands, and what follows it.
fn occurrences<'a>(text: &'a str, what: &str) -> Vec<(usize, &'a str)> {
    text.match_indices(what).map(|(offset, found)| (offset, &text[offset + found.len()..])).collect()
}

fn run_of_base64(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let findings = check_text("x", text);
        assert_eq!(
            findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
            expected,
            "{text}"
        );
    }

    fn base64() -> String {
        "MIIEvQIBADAN".repeat(5)
    }

    #[test]
    fn blocks_of_keys_are_found_and_code_that_looks_for_them_is_not() {
        let begin = concat!("-----", "BEGIN PRIVATE KEY-----");
        let what = "holds a block of a key or certificate";
        check(&format!("{begin}\n{}\n", base64()), &[what]);
        check(&format!("let key = \"{begin}\\n{}\";", base64()), &[what]);
        check(&format!("text.contains(\"{begin}\")"), &[]);
        check(&format!("format!(\"{begin}\\n{{}}\\n\")"), &[]);
    }

    #[test]
    fn private_members_of_keys_are_found() {
        let what = "holds the private member of a JWK";
        check(&format!(r#"{{"kty":"EC","d" : "{}"}}"#, base64()), &[what]);
        check(&format!(r#""{{\"kty\":\"EC\",\"d\":\"{}\"}}""#, base64()), &[what]);
        check(r#"{"kty":"EC","d":"AA"}"#, &[]);
    }

    #[test]
    fn tokens_are_found() {
        check(&format!("curl -d token={}{}", concat!("lya", "_"), base64()), &["holds a token"]);
        check(concat!("prefix lya", "_ and a body"), &[]);
    }
}
