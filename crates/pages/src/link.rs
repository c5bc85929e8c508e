//! Addresses that may stand in a page as a link.

use std::fmt;

/// An `http` or `https` address that somebody else gave: a logo, a policy, a place to go back to.
///
/// Only this type becomes a link to the outside, so `javascript:`, `data:` and their relatives cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebLink<'a>(&'a str);

impl<'a> WebLink<'a> {
    /// Takes an absolute `http` or `https` address with a host; `None` for everything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = strip_scheme(text, "https://").or_else(|| strip_scheme(text, "http://"))?;
        let host = rest.split(['/', '?', '#']).next()?;
        // A name before `@` looks like a host and is none; a backslash is a slash to browsers.
        if host.is_empty() || host.starts_with(':') || host.contains('@') {
            return None;
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'`');
        text.bytes().all(plain).then_some(Self(text))
    }

    /// The address as it was given.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether the connection is protected.
    pub fn is_https(&self) -> bool {
        strip_scheme(self.0, "https://").is_some()
    }
}

impl fmt::Display for WebLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_are_links() {
        for text in [
            "https://a.example",
            "HTTPS://a.example/b?c=d&e=%22#f",
            "http://127.0.0.1:8080/",
            "https://[::1]/",
        ] {
            assert_eq!(WebLink::parse(text).map(|link| link.as_str()), Some(text));
        }
    }

    #[test]
    fn everything_else_is_none() {
        let others = [
            "",
            "https://",
            "https:///a",
            "https://:80/",
            "https:a.example",
            "//a.example",
            "/a",
            "a.example",
            "javascript:alert(1)",
            "JavaScript://a.example/%0aalert(1)",
            "data:text/html,a",
            "vbscript:a",
            "file:///etc/passwd",
            " https://a.example",
            "https://a.example/\n",
            "java\tscript:alert(1)",
            "https://a.example/\"",
            "https://a.example/<b>",
            "https://good.example@evil.example/",
            "https://good.example\\@evil.example/",
            "https://ä.example/",
            "https://?a",
            "com.example.app:/a",
        ];
        for text in others {
            assert_eq!(WebLink::parse(text), None, "{text}");
        }
    }
}
