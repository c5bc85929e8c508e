//! Form bodies (`application/x-www-form-urlencoded`, RFC 6749 appendix B), read once and strictly.

use std::borrow::Cow;
use std::fmt;

use lydian_primitives::limits;

/// Why a form body is malformed (`invalid_request`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A per cent sign without two hexadecimal digits, or bytes that are not UTF-8.
    Encoding,
    /// A known parameter stands twice (RFC 6749 §3.2).
    Repeated,
    /// More parameters than [`limits::FORM_PARAMETERS_MAX`].
    TooMany,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "the body is not valid form encoding of UTF-8",
            Self::Repeated => "a parameter is sent more than once",
            Self::TooMany => "there are too many parameters",
        })
    }
}

impl std::error::Error for FormError {}

/// The parameters of a form, decoded. A parameter that is present but empty counts as absent (RFC 6749 §3.2).
#[derive(Debug)]
pub struct Form<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    /// Reads a body. Names beyond `may_repeat` must not stand twice with a value.
    ///
    /// # Errors
    ///
    /// [`FormError`] when the body is malformed.
    pub fn parse(body: &'a [u8], may_repeat: &[&str]) -> Result<Self, FormError> {
        let mut parameters: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(4);
        let mut pairs = 0;
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            pairs += 1;
            if pairs > limits::FORM_PARAMETERS_MAX {
                return Err(FormError::TooMany);
            }
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(middle) => (&pair[..middle], &pair[middle + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            let name = decode(name)?;
            let value = decode(value)?;
            // Repetition counts even when one of the values is empty: the sender means two things at once.
            let repeated = parameters.iter().any(|(earlier, _)| *earlier == name);
            if repeated && !may_repeat.contains(&name.as_ref()) {
                return Err(FormError::Repeated);
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter; `None` when it is absent or empty.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter that may repeat; empty ones are left out.
    pub fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s str> {
        self.parameters
            .iter()
            .filter(move |(earlier, value)| earlier == name && !value.is_empty())
            .map(|(_, value)| value.as_ref())
    }
}

/// Decodes one name or value of a form: `+` is a space, `%xx` a byte, and the bytes are UTF-8.
///
/// # Errors
///
/// [`FormError::Encoding`].
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, FormError> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| FormError::Encoding);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (Some(high), Some(low)) = (rest.next(), rest.next()) else {
                    return Err(FormError::Encoding);
                };
                bytes.push(hexadecimal(*high)? << 4 | hexadecimal(*low)?);
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| FormError::Encoding)
}

fn hexadecimal(digit: u8) -> Result<u8, FormError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(FormError::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gen_02_an_empty_parameter_counts_as_absent() {
        let form = Form::parse(b"scope=&token=a&grant_type", &[]).unwrap();
        assert_eq!(form.find("scope"), None);
        assert_eq!(form.find("grant_type"), None);
        assert_eq!(form.find("token"), Some("a"));
    }

    #[test]
    fn gen_03_a_parameter_sent_twice_is_an_error() {
        for body in ["a=1&a=1", "a=&a=1", "a=1&a=", "%61=1&a=2", "a&a"] {
            assert_eq!(Form::parse(body.as_bytes(), &[]).unwrap_err(), FormError::Repeated, "{body}");
        }
    }

    #[test]
    fn gen_03_resource_may_repeat() {
        let form = Form::parse(b"resource=a&resource=b&resource=", &["resource"]).unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn gen_04_unknown_parameters_do_no_harm() {
        let form = Form::parse(b"foo=1&token=t&bar", &[]).unwrap();
        assert_eq!(form.find("token"), Some("t"));
    }

    #[test]
    fn gen_05_bad_percent_encoding_and_bad_utf_8_are_refused() {
        for body in
            [&b"a=%"[..], b"a=%4", b"a=%4g", b"%zz=1", b"a=%ff", b"a=\xff", b"a=%c3%28", b"a=%ed%a0%80"]
        {
            assert_eq!(Form::parse(body, &[]).unwrap_err(), FormError::Encoding, "{body:?}");
        }
    }

    #[test]
    fn decoding_follows_the_form_rules() {
        let form = Form::parse(b"a=x+y%2Bz%20%C3%A9&b==&c=1=2", &[]).unwrap();
        assert_eq!(form.find("a"), Some("x y+z \u{e9}"));
        assert_eq!(form.find("b"), Some("="));
        assert_eq!(form.find("c"), Some("1=2"));
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let many: Vec<String> =
            (0..=limits::FORM_PARAMETERS_MAX).map(|number| format!("p{number}=1")).collect();
        assert_eq!(Form::parse(many.join("&").as_bytes(), &[]).unwrap_err(), FormError::TooMany);
        assert!(Form::parse(many[1..].join("&").as_bytes(), &[]).is_ok());
    }

    #[test]
    fn an_empty_body_has_no_parameters() {
        assert_eq!(Form::parse(b"", &[]).unwrap().find("token"), None);
        assert_eq!(Form::parse(b"&&", &[]).unwrap().find("token"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body: Vec<u8>) {
            let _ = Form::parse(&body, &["resource"]);
        }
    }
}
