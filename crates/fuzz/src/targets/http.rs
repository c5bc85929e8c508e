//! What the endpoints read of a request besides its credentials: path, query, content type, forwarded addresses.

use std::net::IpAddr;

use ::http::header::{CONTENT_TYPE, HeaderName};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Request};
use lydian_http::client_address::{self, Network};
use lydian_http::form_request::{NOT_IN_QUERY, is_form, names_a_parameter};
use lydian_http::routes::{self, INSERTED_PATHS, PATHS};

use super::text_of;
use crate::outcome::{Outcome, magnitude};

/// A path: what is found is found again under the path that table and realm make.
pub(crate) fn route(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let Some(route) = routes::find(text) else {
        return Outcome::refused((text.starts_with("/t/"), text.starts_with("/.well-known/")));
    };
    let appended =
        PATHS.iter().filter(|(_, endpoint)| *endpoint == route.endpoint).map(|(path, _)| match route.realm {
            None => (*path).to_owned(),
            Some(realm) => format!("/t/{realm}{path}"),
        });
    let inserted = INSERTED_PATHS.iter().filter(|(_, endpoint)| *endpoint == route.endpoint);
    let inserted = inserted.map(|(path, _)| match route.realm {
        None => (*path).to_owned(),
        Some(realm) => format!("{path}/t/{realm}"),
    });
    assert!(appended.chain(inserted).any(|path| path == text), "a path outside of the table");
    assert!(route.realm.is_none_or(|realm| !realm.is_empty() && realm != "default" && !realm.contains('/')));
    Outcome::accepted((route.endpoint, route.realm.map(str::len).map(magnitude)))
}

/// A query: it names a parameter of ours when `form_urlencoded` says so.
pub(crate) fn query(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let named = names_a_parameter(text);
    let expected = form_urlencoded::parse(input).find(|(name, _)| NOT_IN_QUERY.contains(&&**name));
    assert_eq!(named, expected.is_some(), "{expected:?}");
    match expected {
        Some((name, _)) => Outcome::accepted(name),
        None => Outcome::refused((magnitude(text.len()), text.contains('%'))),
    }
}

/// Values of `Content-Type`, one a line: a form is named by the first words, in any case, and one header names it.
pub(crate) fn content_type(input: &[u8]) -> Outcome {
    let Some(head) = head_of(input, &CONTENT_TYPE) else {
        return Outcome::refused("no header");
    };
    let count = head.headers.get_all(CONTENT_TYPE).iter().count();
    if !is_form(&head) {
        return Outcome::refused(count.min(2));
    }
    assert_eq!(count, 1, "two headers say what the body is");
    let value = head.headers[CONTENT_TYPE].as_bytes().to_ascii_lowercase();
    let value = String::from_utf8_lossy(&value).into_owned();
    assert!(value.trim_start().starts_with("application/x-www-form-urlencoded"), "{value}");
    Outcome::accepted((value.matches(';').count().min(4), value.contains("charset")))
}

/// The head of a request with this header once for each line; `None` when a line cannot be a value.
pub(super) fn head_of(input: &[u8], name: &HeaderName) -> Option<Parts> {
    let (mut head, ()) = Request::new(()).into_parts();
    for line in input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(8) {
        head.headers.append(name.clone(), HeaderValue::from_bytes(line).ok()?);
    }
    Some(head)
}

/// The other end of the connection, a trusted network, and values of `X-Forwarded-For`, one a line: the client is whom a second
/// walk over the list finds, and never anybody that no trusted proxy named.
pub(crate) fn forwarded(input: &[u8]) -> Outcome {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut next = || lines.next().and_then(text_of);
    let (Some(Ok(peer)), Some(Ok(network))) = (next().map(str::parse), next().map(str::parse::<Network>))
    else {
        return Outcome::refused("no address and network");
    };
    let mut headers = HeaderMap::new();
    for line in lines.take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let found = client_address::of(&headers, peer, &[network]);
    let expected = walk(&headers, peer, network);
    assert_eq!(found, expected);
    assert!(found == peer || network.contains(peer), "a stranger was believed");
    Outcome::accepted((found == peer, network.contains(found), headers.len()))
}

/// The list of all hops, the nearest last: trusted ones are taken off its end.
fn walk(headers: &HeaderMap, peer: IpAddr, trusted: Network) -> IpAddr {
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let mut hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut client = peer;
    while trusted.contains(client) {
        match hops.pop().map(str::parse) {
            Some(Ok(address)) => client = address,
            _ => break,
        }
    }
    client
}

/// A network of trusted proxies: printed, it reads back as the same one, and it holds the address that it names.
pub(crate) fn network(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let Ok(network) = text.parse::<Network>() else {
        return Outcome::refused((text.contains('/'), text.contains(':')));
    };
    let printed = network.to_string();
    assert_eq!(printed.parse(), Ok(network), "printed as {printed}");
    let named = text.split('/').next().map(str::parse::<IpAddr>);
    assert!(
        named.is_some_and(|named| named.is_ok_and(|named| network.contains(named))),
        "not its own address"
    );
    Outcome::accepted((text.contains(':'), printed.len()))
}
