//! Resource indicators (RFC 8707 §2): absolute URIs without a fragment.

use std::borrow::Cow;

/// The longest resource indicator that is looked at, in bytes.
const RESOURCE_BYTES_MAX: usize = 2_048;

/// A resource indicator, in the form in which two of them compare.
///
/// Only what RFC 3986 §6.2 calls equal for every URI is folded: the case of scheme and host, and the empty path of a URI with
/// an authority. Everything else compares as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceIndicator(String);

impl ResourceIndicator {
    /// Reads a resource indicator; `None` when it is relative, has a fragment, or holds a character that URIs cannot have.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > RESOURCE_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        if text.contains(['#', '"', '<', '>', '\\', '^', '`', '{', '|', '}']) {
            return None;
        }
        let (scheme, rest) = text.split_once(':')?;
        let mut letters = scheme.bytes();
        let scheme_is_well_formed = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !scheme_is_well_formed || rest.is_empty() {
            return None;
        }
        let scheme = lower(scheme);
        let Some(hierarchical) = rest.strip_prefix("//") else {
            return Some(Self(format!("{scheme}:{rest}")));
        };
        let end = hierarchical.find(['/', '?']).unwrap_or(hierarchical.len());
        let (authority, path) = hierarchical.split_at(end);
        if authority.is_empty() || authority.contains('@') {
            return None;
        }
        let path = if path.is_empty() { "/".into() } else { Cow::Borrowed(path) };
        let path = if path.starts_with('?') { Cow::Owned(format!("/{path}")) } else { path };
        let folded = format!("{scheme}://{}{path}", lower(authority));
        // The path may have been added: whoever reads the folded form again finds it within the limit too.
        (folded.len() <= RESOURCE_BYTES_MAX).then_some(Self(folded))
    }

    /// The folded form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(
            ResourceIndicator::parse(text).as_ref().map(ResourceIndicator::as_str),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn res_01_a_resource_is_an_absolute_uri_without_a_fragment() {
        check("https://rs.example/a?b=c", Some("https://rs.example/a?b=c"));
        check("urn:example:rs", Some("urn:example:rs"));
        for text in
            ["", "rs", "/a", "//rs.example", "https://rs.example/#", "https://rs.example/a#b", "https:", ":a"]
        {
            check(text, None);
        }
        for text in [
            "https://u@rs.example/",
            "https:// rs",
            "1https://rs.example",
            "https://rs.example/\u{e9}",
            "https:///a",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn res_05_case_of_scheme_and_host_and_an_empty_path_are_folded_and_nothing_else() {
        check("HTTPS://RS.Example", Some("https://rs.example/"));
        check("https://rs.example?x", Some("https://rs.example/?x"));
        check("https://rs.example/A", Some("https://rs.example/A"));
        check("https://rs.example/a/", Some("https://rs.example/a/"));
        check("https://rs.example:443/", Some("https://rs.example:443/"));
        check("URN:Example:RS", Some("urn:Example:RS"));
    }

    #[test]
    fn a_very_long_resource_is_refused() {
        check(&format!("https://rs.example/{}", "a".repeat(RESOURCE_BYTES_MAX)), None);
    }

    #[test]
    fn the_folded_form_is_no_longer_than_an_indicator_may_be() {
        for (path, fits) in [("", false), ("/", true)] {
            let host = "a".repeat(RESOURCE_BYTES_MAX - "https://".len() - path.len());
            let resource = ResourceIndicator::parse(&format!("https://{host}{path}"));
            assert_eq!(resource.is_some(), fits, "{path:?}");
            assert!(resource.is_none_or(|resource| ResourceIndicator::parse(resource.as_str()).is_some()));
        }
    }
}
