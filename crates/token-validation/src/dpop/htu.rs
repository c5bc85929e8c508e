//! Addresses of requests in the form in which two of them compare (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3).

use lydian_primitives::limits;

/// The address without query and fragment, normalised; `None` for what is no `http` or `https` address of a request.
///
/// Folded are the case of scheme and host, the default port, an empty path, dot segments, and percent-encoding: letters that need
/// none are decoded, the digits of the others are upper case. An encoded slash stays apart from a slash.
pub fn normalise_htu(address: &str) -> Option<String> {
    if address.len() > limits::HTU_BYTES_MAX || !address.bytes().all(is_uri_byte) {
        return None;
    }
    let (scheme, rest) = address.split_once("://")?;
    let (scheme, default_port) = if scheme.eq_ignore_ascii_case("https") {
        ("https", "443")
    } else if scheme.eq_ignore_ascii_case("http") {
        ("http", "80")
    } else {
        return None;
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority)?;
    let mut normal = String::with_capacity(address.len() + 1);
    normal.push_str(scheme);
    normal.push_str("://");
    normal.extend(host.chars().map(|character| character.to_ascii_lowercase()));
    if let Some(port) = port.filter(|port| *port != default_port) {
        normal.push(':');
        normal.push_str(port);
    }
    let path = normalise_encoding(path)?;
    push_without_dot_segments(&path, &mut normal);
    Some(normal)
}

/// The characters of URIs (RFC 3986 §2).
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// An empty port counts as none; user information has no place in the address of a request.
fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let end = rest.find(']')?;
        let is_address = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
        if end == 0 || !rest.get(..end)?.bytes().all(is_address) {
            return None;
        }
        let (host, after) = authority.split_at(end + 2);
        match after.strip_prefix(':') {
            Some(port) => (host, port),
            None if after.is_empty() => (host, ""),
            None => return None,
        }
    } else {
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return None;
        }
        (host, port)
    };
    if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) || port.starts_with('0') {
        return None;
    }
    Some((host, (!port.is_empty()).then_some(port)))
}

/// Decodes what needs no encoding, and writes the rest in upper case.
fn normalise_encoding(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'[' || byte == b']' {
            return None;
        }
        if byte != b'%' {
            normal.push(char::from(byte));
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        let decoded = u8::try_from(high * 16 + low).ok()?;
        if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) {
            normal.push(char::from(decoded));
        } else {
            normal.push('%');
            for digit in [high, low] {
                normal.push(char::from_digit(digit, 16)?.to_ascii_uppercase());
            }
        }
    }
    Some(normal)
}

/// RFC 3986 §5.2.4, for a path that is empty or begins with a slash.
fn push_without_dot_segments(path: &str, normal: &mut String) {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_open = path.is_empty();
    for segment in path.split('/').skip(1) {
        ends_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if ends_open || segments.is_empty() {
        normal.push('/');
    }
}
