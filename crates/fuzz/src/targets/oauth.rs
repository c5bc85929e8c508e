//! The words on the wire: encodings, headers, forms, scopes, resource indicators.

use std::collections::BTreeSet;

use lydian_oauth_types::{Authorization, AuthorizationError, Form, ResourceIndicator, ScopeSet};
use lydian_primitives::{base64url, limits};

use super::text_of;
use crate::outcome::{Outcome, magnitude};
use crate::second;

/// base64url: decodes what a plain decoder decodes, and encodes it back to the same text.
pub(crate) fn base64url(input: &[u8]) -> Outcome {
    let decoded = base64url::decode(input);
    assert_eq!(decoded, second::base64(second::URL_SAFE, input));
    assert_eq!(
        base64url::decode_array::<16>(input).map(Vec::from),
        decoded.clone().filter(|bytes| bytes.len() == 16)
    );
    assert_eq!(
        base64url::decode_array::<48>(input).map(Vec::from),
        decoded.clone().filter(|bytes| bytes.len() == 48)
    );
    let encoded = base64url::encode(input);
    assert_eq!(base64url::decode(encoded.as_bytes()).as_deref(), Some(input));
    match decoded {
        None => Outcome::refused(input.len() % 4),
        Some(bytes) => {
            assert_eq!(base64url::encode(&bytes).as_bytes(), input, "two texts for the same bytes");
            Outcome::accepted(magnitude(bytes.len()))
        }
    }
}

/// Basic credentials: name and secret are those of a plain decoder, within their limits.
pub(crate) fn basic(input: &[u8]) -> Outcome {
    let header = [b"Basic ", input].concat();
    match Authorization::parse(&header) {
        Ok(Authorization::Basic(credentials)) => {
            let text = input.strip_suffix(b"==").or(input.strip_suffix(b"=")).unwrap_or(input);
            let pair = second::base64(second::STANDARD, text).expect("only we accept");
            let colon = pair.iter().position(|byte| *byte == b':').expect("a pair has a colon");
            let secret = credentials.client_secret.expose();
            for (half, ours) in
                [(&pair[..colon], credentials.client_id.as_str()), (&pair[colon + 1..], secret)]
            {
                // The second reader takes the separator of pairs for one.
                if !half.contains(&b'&') {
                    let other = form_urlencoded::parse(&[b"x=", half].concat())
                        .next()
                        .map(|(_, value)| value.into_owned());
                    assert_eq!(other.as_deref(), Some(ours));
                }
            }
            assert!((1..=limits::CLIENT_ID_BYTES_MAX).contains(&credentials.client_id.len()));
            assert!((1..=limits::CLIENT_SECRET_BYTES_MAX).contains(&secret.len()));
            assert!(!format!("{credentials:?}").contains("Secret(\""), "a secret prints");
            Outcome::accepted((magnitude(credentials.client_id.len()), magnitude(secret.len())))
        }
        Ok(Authorization::Bearer(_)) => panic!("Basic became Bearer"),
        Err(error) => {
            assert_eq!(error, AuthorizationError::BasicMalformed);
            Outcome::refused((
                error,
                second::base64(second::STANDARD, input).map(|pair| pair.contains(&b':')),
            ))
        }
    }
}

/// Credentials as clients encode them.
pub(crate) fn basic_seeds() -> Vec<Vec<u8>> {
    vec![
        b"YXBwOnNlY3JldA==".to_vec(),
        b"YSUzYWI6eCt5JTI2".to_vec(),
        b"Basic YXBwOnNlY3JldA==\n\ntoken=a".to_vec(),
    ]
}

/// A whole Authorization header: a Bearer token is the text after the scheme, and follows its grammar.
pub(crate) fn bearer(input: &[u8]) -> Outcome {
    match Authorization::parse(input) {
        Ok(Authorization::Bearer(token)) => {
            assert_eq!(Some(token.as_bytes()), input.get(7..), "the token is the rest of the header");
            assert!(input[..7].eq_ignore_ascii_case(b"bearer "));
            let stem = token.trim_end_matches('=');
            assert!(!stem.is_empty() && token.len() <= limits::TOKEN_BYTES_MAX);
            assert!(stem.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._~+/".contains(letter)));
            Outcome::accepted((magnitude(token.len()), token.len() - stem.len()))
        }
        Ok(Authorization::Basic(_)) => Outcome::accepted("basic"),
        Err(error) => Outcome::refused(error),
    }
}

/// A form: the parameters are those that `form_urlencoded` reads, each name once, and within the limit.
pub(crate) fn form(input: &[u8]) -> Outcome {
    let form = match Form::parse(input, &["resource"]) {
        Ok(form) => form,
        Err(error) => return Outcome::refused(error),
    };
    let other: Vec<_> = form_urlencoded::parse(input).collect();
    assert!(other.len() <= limits::FORM_PARAMETERS_MAX);
    for (position, (name, _)) in other.iter().enumerate() {
        let expected: Vec<&str> = other
            .iter()
            .filter(|(same, value)| same == name && !value.is_empty())
            .map(|(_, value)| &**value)
            .collect();
        assert_eq!(form.all(name).collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(form.find(name), expected.first().copied());
        let repeated = other[..position].iter().any(|(earlier, _)| earlier == name);
        assert!(!repeated || name == "resource", "{name} stands twice");
    }
    assert_eq!(
        Form::parse(input, &[]).is_ok(),
        form.all("resource").count() < 2 && times(&other, "resource") < 2
    );
    Outcome::accepted((other.len().min(8), times(&other, "resource").min(3), input.contains(&b'%')))
}

fn times<T>(pairs: &[(std::borrow::Cow<'_, str>, T)], name: &str) -> usize {
    pairs.iter().filter(|(same, _)| same == name).count()
}

/// Scopes, on two lines: the sets are those of the standard library, and so is what is computed of them.
pub(crate) fn scope(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let (one, other) = text.split_once('\n').unwrap_or((text, "read write"));
    let (one_set, other_set) = match (ScopeSet::parse(one), ScopeSet::parse(other)) {
        (Ok(one), Ok(other)) => (one, other),
        (one, other) => return Outcome::refused((one.err(), other.err())),
    };
    let words = |text| -> BTreeSet<&str> { str::split(text, ' ').filter(|word| !word.is_empty()).collect() };
    let (ours, theirs) = (words(one), words(other));
    let check = |set: &ScopeSet, expected: Vec<&str>| {
        assert_eq!(set.iter().collect::<Vec<_>>(), expected);
        assert_eq!(set.as_str(), expected.join(" "));
        assert_eq!(ScopeSet::parse(set.as_str()).ok().as_ref().or(Some(set)), Some(set));
        assert_eq!(&ScopeSet::from_stored(set.as_str()), set);
    };
    check(&one_set, ours.iter().copied().collect());
    check(&one_set.union(&other_set), ours.union(&theirs).copied().collect());
    check(&one_set.intersection(&other_set), ours.intersection(&theirs).copied().collect());
    check(&one_set.difference(&other_set), ours.difference(&theirs).copied().collect());
    assert_eq!(one_set.is_subset(&other_set), ours.is_subset(&theirs));
    for scope in &ours {
        assert!(one_set.contains(scope) && scope.len() <= limits::SCOPE_BYTES_MAX);
        assert!(
            scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "RFC 6749 appendix A.4"
        );
    }
    Outcome::accepted((magnitude(ours.len()), magnitude(theirs.len()), one_set.is_subset(&other_set)))
}

/// A resource indicator: folding it twice is folding it once, and nothing but scheme, host and an empty path changes.
pub(crate) fn resource(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let Some(resource) = ResourceIndicator::parse(text) else {
        return Outcome::refused((text.contains("://"), text.contains('#'), text.contains('@')));
    };
    let folded = resource.as_str();
    assert_eq!(ResourceIndicator::parse(folded).as_ref(), Some(&resource), "the folded form is another one");
    assert!(folded.bytes().all(|byte| byte.is_ascii_graphic()) && !folded.contains('#'));
    let added = folded.len() - text.len();
    assert!(added <= 1, "only an empty path becomes longer");
    if added == 0 {
        assert!(folded.eq_ignore_ascii_case(text));
    }
    Outcome::accepted((folded.contains("://"), folded.contains('?'), added, magnitude(text.len())))
}

/// An indicator as long as it may be, and one that an empty path makes longer than that.
pub(crate) fn resource_seeds() -> Vec<Vec<u8>> {
    let host = "a".repeat(2_040);
    vec![format!("https://{host}").into_bytes(), format!("https:/{host}/").into_bytes()]
}

/// As many parameters as a form may have, and one more.
pub(crate) fn form_seeds() -> Vec<Vec<u8>> {
    let form = |count| -> Vec<u8> { (0..count).flat_map(|name| format!("{name}=&").into_bytes()).collect() };
    vec![form(limits::FORM_PARAMETERS_MAX), form(limits::FORM_PARAMETERS_MAX + 1)]
}

/// As many scopes as there may be, and one more; the longest one, and a longer one.
pub(crate) fn scope_seeds() -> Vec<Vec<u8>> {
    let many = |count| -> Vec<u8> { (0..count).flat_map(|name| format!("{name} ").into_bytes()).collect() };
    let long = |length| "s".repeat(length).into_bytes();
    vec![
        many(limits::SCOPES_MAX),
        many(limits::SCOPES_MAX + 1),
        long(limits::SCOPE_BYTES_MAX),
        long(limits::SCOPE_BYTES_MAX + 1),
    ]
}

/// The longest token, and a longer one.
pub(crate) fn bearer_seeds() -> Vec<Vec<u8>> {
    let token = |length| format!("Bearer {}", "t".repeat(length)).into_bytes();
    vec![token(limits::TOKEN_BYTES_MAX), token(limits::TOKEN_BYTES_MAX + 1)]
}
