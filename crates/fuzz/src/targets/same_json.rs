//! Whether our strict reader of JSON and `serde_json` read the same value.

use lydian_jose::json::{Json, JsonError, Kind, Value, write_string};
use serde_json::Value as Other;

/// Panics unless what one reader said of a text fits what the other says.
pub(super) fn check(text: &[u8], ours: Result<&Json, &JsonError>) {
    match (ours, serde_json::from_slice::<Other>(text)) {
        (Ok(ours), Ok(other)) => assert!(is_same(ours.root(), &other), "the readers disagree on the value"),
        // Numbers stay text with us, so none is too large.
        (Ok(_), Err(error)) => {
            assert!(error.to_string().contains("number out of range"), "only we accept: {error}")
        }
        (Err(error), Ok(_)) => {
            let strict = matches!(
                error,
                JsonError::MemberRepeated
                    | JsonError::TooDeep
                    | JsonError::TooManyMembers
                    | JsonError::TooLong
            );
            assert!(strict, "only we refuse: {error:?}");
        }
        (Err(_), Err(_)) => {}
    }
}

fn is_same(ours: Value<'_>, other: &Other) -> bool {
    match other {
        Other::Null => ours.kind() == Kind::Null,
        Other::Bool(value) => ours.as_bool() == Some(*value),
        Other::String(text) => ours.as_str() == Some(text),
        Other::Number(number) => ours.as_number_text().is_some_and(|text| is_same_number(text, number)),
        Other::Array(elements) => {
            let Some(ours) = ours.as_array() else { return false };
            ours.len() == elements.len() && ours.zip(elements).all(|(ours, other)| is_same(ours, other))
        }
        Other::Object(members) => {
            let Some(ours) = ours.as_object() else { return false };
            ours.len() == members.len()
                && ours
                    .into_iter()
                    .all(|(name, ours)| members.get(name).is_some_and(|other| is_same(ours, other)))
        }
    }
}

/// The other reader takes the way through floating point and may be off in the last bits.
fn is_same_number(text: &str, number: &serde_json::Number) -> bool {
    if let Some(number) = number.as_u64() {
        return text.parse() == Ok(number);
    }
    let (Ok(ours), Some(other)) = (text.parse::<f64>(), number.as_f64()) else {
        return false;
    };
    ours == other || (ours - other).abs() <= ours.abs() * 1e-12 || ours.abs() < f64::MIN_POSITIVE
}

/// The value as JSON, written by our own writer.
pub(super) fn write(value: Value<'_>, document: &mut String) {
    match value.kind() {
        Kind::Null => document.push_str("null"),
        Kind::Bool => document.push_str(if value.as_bool() == Some(true) { "true" } else { "false" }),
        Kind::Number => document.push_str(value.as_number_text().unwrap_or_default()),
        Kind::String => write_string(value.as_str().unwrap_or_default(), document),
        Kind::Array => {
            document.push('[');
            for (position, element) in value.as_array().into_iter().flatten().enumerate() {
                if position > 0 {
                    document.push(',');
                }
                write(element, document);
            }
            document.push(']');
        }
        Kind::Object => {
            document.push('{');
            for (position, (name, member)) in value.as_object().into_iter().flatten().enumerate() {
                if position > 0 {
                    document.push(',');
                }
                write_string(name, document);
                document.push(':');
                write(member, document);
            }
            document.push('}');
        }
    }
}
