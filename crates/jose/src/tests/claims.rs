//! Claims and dates.

use std::cmp::Ordering;

use lydian_primitives::Timestamp;
use proptest::prelude::*;

use super::support::*;
use crate::json::{JsonError, Kind};
use crate::{Claims, ClaimsError, NumericDate};

fn claims(payload: impl AsRef<[u8]>) -> Result<Claims, ClaimsError> {
    verify(token_with_payload(payload)).unwrap().claims()
}

/// The claim `x` with this JSON text.
fn claim(value: &str) -> Claims {
    Claims::parse(format!(r#"{{"x":{value}}}"#).into_bytes()).unwrap()
}

const OUT_OF_RANGE: ClaimsError = ClaimsError::OutOfRange("x");
const WRONG_TYPE: ClaimsError = ClaimsError::WrongType("x");

#[test]
fn jwt_01_claims_are_a_json_object() {
    for payload in ["[]", "null", "1", "\"claims\"", "true"] {
        assert_eq!(claims(payload).err(), Some(ClaimsError::NotAnObject), "{payload}");
    }
    for (payload, expected) in [
        ("{", JsonError::UnexpectedEnd),
        ("not json", JsonError::UnexpectedByte),
        ("{}{}", JsonError::TrailingText),
        ("{}\0", JsonError::TrailingText),
        ("\u{feff}{}", JsonError::ByteOrderMark),
        (r#"{"iss":"a","iss":"b"}"#, JsonError::MemberRepeated),
        (r#"{"cnf":{"jkt":"a","jkt":"b"}}"#, JsonError::MemberRepeated),
        (r#"{"sub":"\ud800"}"#, JsonError::LoneSurrogate),
        ("{\"sub\":\"a\nb\"}", JsonError::ControlCharacter),
    ] {
        assert_eq!(claims(payload).err(), Some(ClaimsError::Json(expected)), "{payload}");
    }
    assert_eq!(claims(b"{\"sub\":\"\xc0\xaf\"}").err(), Some(ClaimsError::Json(JsonError::NotUtf8)));
    assert_eq!(claims("[".repeat(10_000)).err(), Some(ClaimsError::Json(JsonError::TooDeep)));
    assert_eq!(claims("{}").unwrap().members().len(), 0);
}

#[test]
fn jwt_01_dates_of_the_wrong_type_are_never_taken_as_absent() {
    for value in ["null", "\"1700000000\"", "\"\"", "true", "[]", "[1]", "{}", "\"never\""] {
        assert_eq!(claim(value).numeric_date("x").err(), Some(WRONG_TYPE), "{value}");
        assert_eq!(claim(value).required_numeric_date("x").err(), Some(WRONG_TYPE), "{value}");
    }
    assert!(claim("1").numeric_date("y").unwrap().is_none());
    assert_eq!(claim("1").required_numeric_date("y").err(), Some(ClaimsError::Missing("y")));
}

#[test]
fn jwt_01_dates_outside_the_safe_range_are_refused() {
    for value in [
        "-1",
        "-0",
        "-0.0",
        "-1e-400",
        "1e400",
        "1e300",
        "1e16",
        "1e401",
        "0e401",
        "1e-401",
        "1e2147483648",
        "1e-2147483648",
        "1e-2147483649",
        "1e99999999999999999999",
        "9007199254740992",
        "9007199254740992.5",
        "9007199254740993",
        "18446744073709551616",
        "900719925474099.2e1",
        "0.9007199254740992e16",
        "99999999999999999999999999999999",
    ] {
        assert_eq!(claim(value).numeric_date("x").err(), Some(OUT_OF_RANGE), "{value}");
    }
}

#[test]
fn jwt_01_dates_are_read_as_exact_decimals() {
    for (value, seconds, fraction) in [
        ("0", 0, false),
        ("0.0", 0, false),
        ("0e400", 0, false),
        ("1700000000", 1_700_000_000, false),
        ("1700000000.0", 1_700_000_000, false),
        ("1700000000.5", 1_700_000_000, true),
        ("1.7e9", 1_700_000_000, false),
        ("1.7E+9", 1_700_000_000, false),
        ("17000000005e-1", 1_700_000_000, true),
        ("17000000000e-1", 1_700_000_000, false),
        ("1e-400", 0, true),
        ("0.00000000000000000000000001", 0, true),
        ("1700000000.00000000000000000001", 1_700_000_000, true),
        ("0.0017e12", 1_700_000_000, false),
        ("9007199254740991", (1 << 53) - 1, false),
        ("9007199254740991.999999999999999999999", (1 << 53) - 1, true),
    ] {
        let date = claim(value).required_numeric_date("x").unwrap();
        let floor = Timestamp::from_unix_seconds(seconds);
        assert_eq!(date.as_timestamp(), floor, "{value}");
        let expected = if fraction { Ordering::Greater } else { Ordering::Equal };
        assert_eq!(date.partial_cmp(&floor), Some(expected), "{value}");
    }
}

#[test]
fn jwt_02_a_fraction_lies_between_its_seconds() {
    let at = Timestamp::from_unix_seconds;
    let half_past = claim("100.5").required_numeric_date("x").unwrap();
    assert!(half_past > at(99) && half_past > at(100) && half_past < at(101));
    assert!(half_past != at(100) && half_past != at(101));
    let whole = claim("100").required_numeric_date("x").unwrap();
    // `exp` names the first second at which a token is not accepted (RFC 7519 §4.1.4).
    assert!(whole > at(99) && whole <= at(100) && whole == at(100) && whole < at(101));
    assert!(half_past.plus_seconds(30) > at(130) && half_past.plus_seconds(30) < at(131));
    assert_eq!(half_past.plus_seconds(u64::MAX).as_timestamp(), Timestamp::MAX);
    assert!(NumericDate::from(at(7)) == at(7));
}

#[test]
fn jwt_03_an_audience_is_a_string_or_an_array_of_strings() {
    let aud = |value: &str| {
        let claims = Claims::parse(format!(r#"{{"aud":{value}}}"#).into_bytes()).unwrap();
        claims.audience().map(|aud| aud.map(|aud| aud.into_iter().map(str::to_owned).collect::<Vec<_>>()))
    };
    assert_eq!(aud("\"https://rs\""), Ok(Some(vec!["https://rs".to_owned()])));
    assert_eq!(aud("[\"a\",\"b\"]"), Ok(Some(vec!["a".to_owned(), "b".to_owned()])));
    assert_eq!(aud("[]"), Ok(Some(vec![])));
    for value in ["null", "1", "true", "{}", "[1]", "[[\"a\"]]", "[\"a\",null]", "{\"a\":\"b\"}"] {
        assert_eq!(aud(value), Err(ClaimsError::WrongType("aud")), "{value}");
    }
    assert_eq!(Claims::parse(b"{}".to_vec()).unwrap().audience(), Ok(None));
}

#[test]
fn jwt_01_each_getter_refuses_every_other_type() {
    let values = [
        (Kind::Null, "null"),
        (Kind::Bool, "true"),
        (Kind::Number, "5"),
        (Kind::String, "\"s\""),
        (Kind::Array, "[\"s\"]"),
        (Kind::Object, "{\"s\":1}"),
    ];
    for (kind, text) in values {
        let claims = claim(text);
        let outcome = |expected: Kind| if kind == expected { None } else { Some(WRONG_TYPE) };
        assert_eq!(claims.string("x").err(), outcome(Kind::String), "{text}");
        assert_eq!(claims.required_string("x").err(), outcome(Kind::String), "{text}");
        assert_eq!(claims.boolean("x").err(), outcome(Kind::Bool), "{text}");
        assert_eq!(claims.unsigned("x").err(), outcome(Kind::Number), "{text}");
        assert_eq!(claims.numeric_date("x").err(), outcome(Kind::Number), "{text}");
        assert_eq!(claims.strings("x").err(), outcome(Kind::Array), "{text}");
        assert_eq!(claims.object("x").err(), outcome(Kind::Object), "{text}");
        assert_eq!(claims.value("x").map(|value| value.kind()), Some(kind));
        // What is absent is absent for all of them.
        assert_eq!(claims.string("y"), Ok(None));
        assert_eq!(claims.boolean("y"), Ok(None));
        assert_eq!(claims.unsigned("y"), Ok(None));
        assert_eq!(claims.strings("y"), Ok(None));
        assert!(claims.object("y").unwrap().is_none());
        assert_eq!(claims.required_string("y"), Err(ClaimsError::Missing("y")));
    }
}

#[test]
fn jwt_01_whole_numbers_have_no_sign_fraction_or_exponent() {
    assert_eq!(claim("18446744073709551615").unsigned("x"), Ok(Some(u64::MAX)));
    for value in ["-1", "-0", "1.0", "1e2", "18446744073709551616"] {
        assert_eq!(claim(value).unsigned("x"), Err(OUT_OF_RANGE), "{value}");
    }
}

#[test]
fn claim_names_are_compared_whole_and_with_case() {
    let claims = Claims::parse(br#"{"Sub":"a","sub ":"b","\u0073ub":"c"}"#.to_vec()).unwrap();
    assert_eq!(claims.string("sub"), Ok(Some("c")));
}

#[test]
fn errors_never_echo_what_they_refuse() {
    let error = claim("\"secret\"").numeric_date("x").unwrap_err();
    assert_eq!(error.to_string(), "claim x has the wrong type");
    assert_eq!(format!("{:?}", claim("\"secret\"")), "Claims(..)");
}

proptest! {
    #[test]
    fn jwt_01_whole_dates_below_2_to_the_53_are_read_back(seconds in 0_u64..1 << 53) {
        let date = claim(&seconds.to_string()).required_numeric_date("x").unwrap();
        prop_assert!(date == Timestamp::from_unix_seconds(seconds));
    }

    #[test]
    fn jwt_01_no_number_makes_the_reader_panic(text in "[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,12})?") {
        let _ = NumericDate::from_decimal(&text);
    }

    #[test]
    fn jwt_01_dates_agree_with_floating_point_where_it_is_exact(quarters in 0_u64..1 << 50, exponent in -5_i32..5) {
        let number = quarters as f64 / 4.0;
        // Shift the decimal point and take it back with the exponent.
        let digits = format!("{number:.2}").replace('.', "");
        let text = if exponent < 0 {
            format!("{digits}{}e{}", "0".repeat((-exponent) as usize), exponent - 2)
        } else {
            format!("{digits}e-2")
        };
        let date = NumericDate::from_decimal(&text).unwrap();
        prop_assert_eq!(date.as_timestamp().as_unix_seconds(), number as u64, "{}", text);
        prop_assert_eq!(date == date.as_timestamp(), number.fract() == 0.0);
    }
}
