//! The strict reader of JSON.

use lydian_primitives::limits;
use proptest::prelude::*;

use crate::json::{Json, JsonError, Kind, Value, write_string};

#[track_caller]
fn check(text: impl AsRef<[u8]>, expected: Option<JsonError>) {
    let text = text.as_ref();
    assert_eq!(Json::parse(text).err(), expected, "{}", String::from_utf8_lossy(text));
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn object_with(members: usize) -> String {
    let members: Vec<String> = (0..members).map(|number| format!("\"m{number}\":{number}")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn jws_08_every_kind_of_value_is_read() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "10",
        "-1.5",
        "1e400",
        "1E+2",
        "0.0e-0",
        "\"\"",
        "\"\u{7f}\u{e9}\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "\t\r\n{ \"a\" : { } , \"b\" : [ { } ] }\n",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
    ] {
        check(text, None);
    }
}

#[test]
fn jws_08_what_is_not_json_is_refused() {
    use JsonError::*;
    for (text, expected) in [
        ("", UnexpectedEnd),
        (" ", UnexpectedEnd),
        ("{", UnexpectedEnd),
        ("{\"a\"", UnexpectedEnd),
        ("{\"a\":", UnexpectedEnd),
        ("{\"a\":1", UnexpectedEnd),
        ("{\"a\":1,", UnexpectedEnd),
        ("[", UnexpectedEnd),
        ("[1", UnexpectedEnd),
        ("\"a", UnexpectedEnd),
        ("\"\\", UnexpectedEnd),
        ("\"\\u00e", UnexpectedEnd),
        ("tru", UnexpectedEnd),
        ("nul", UnexpectedEnd),
        ("{,}", UnexpectedByte),
        ("{\"a\":1,}", UnexpectedByte),
        ("{\"a\",1}", UnexpectedByte),
        ("{a:1}", UnexpectedByte),
        ("{1:1}", UnexpectedByte),
        ("{'a':1}", UnexpectedByte),
        ("{\"a\":1;\"b\":2}", UnexpectedByte),
        ("[1,]", UnexpectedByte),
        ("[,1]", UnexpectedByte),
        ("[1 2]", UnexpectedByte),
        ("// comment\n1", UnexpectedByte),
        ("{/**/}", UnexpectedByte),
        ("True", UnexpectedByte),
        ("trux", UnexpectedByte),
        ("NaN", UnexpectedByte),
        ("Infinity", UnexpectedByte),
        ("+1", UnexpectedByte),
        (".5", UnexpectedByte),
        ("\u{a0}1", UnexpectedByte),
        ("\u{c}1", UnexpectedByte),
        ("01", NumberMalformed),
        ("-01", NumberMalformed),
        ("-", NumberMalformed),
        ("1.", NumberMalformed),
        ("1.e5", NumberMalformed),
        ("1e", NumberMalformed),
        ("1e+", NumberMalformed),
        ("0x10", TrailingText),
        ("1_000", TrailingText),
        ("1 2", TrailingText),
        ("{}{}", TrailingText),
        ("{}\0", TrailingText),
        ("{} x", TrailingText),
        ("\0{}", UnexpectedByte),
        ("{\"a\0\":1}", ControlCharacter),
        ("\"\n\"", ControlCharacter),
        ("\"\u{1f}\"", ControlCharacter),
        ("\"\\n\t\"", ControlCharacter),
        ("\"\\x\"", EscapeUnknown),
        ("\"\\'\"", EscapeUnknown),
        ("\"\\U0041\"", EscapeUnknown),
        ("\"\\u00g0\"", EscapeUnknown),
        ("\"\\u+041\"", EscapeUnknown),
        ("\u{feff}{}", ByteOrderMark),
    ] {
        check(text, Some(expected));
    }
}

#[test]
fn jwt_10_what_is_not_utf_8_is_refused() {
    let cases: [&[u8]; 8] = [
        b"\"\xff\"",
        b"\"\xc0\xaf\"",         // overlong slash
        b"\"\xe0\x80\xaf\"",     // overlong slash in three bytes
        b"\"\xf0\x80\x80\xaf\"", // overlong slash in four bytes
        b"\"\xc0\x80\"",         // overlong NUL
        b"\"\xed\xa0\x80\"",     // surrogate in UTF-8
        b"\"\xf4\x90\x80\x80\"", // beyond U+10FFFF
        b"\"\xc3\"",             // cut off
    ];
    for text in cases {
        check(text, Some(JsonError::NotUtf8));
    }
    check(b"{\0\"\0a\0\"\0}\0", Some(JsonError::UnexpectedByte)); // UTF-16
}

#[test]
fn jwt_10_lone_surrogates_are_refused() {
    for text in [
        r#""\ud800""#,
        r#""\udbff""#,
        r#""\udc00""#,
        r#""\udfff""#,
        r#""\ud800\ud800""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\udc00\ud800""#,
        r#""\ud800\udbff""#,
        r#""\ud800\ue000""#,
        r#""\ud800\u0041""#,
        r#""\ud83d\\ude00""#,
    ] {
        check(text, Some(JsonError::LoneSurrogate));
    }
    for text in [r#""\ud83d\ude00""#, r#""\uD83D\uDE00""#, r#""\ud7ff\ue000""#] {
        check(text, None);
    }
}

#[test]
fn r_08_repeated_members_are_refused_at_every_depth() {
    for text in [
        r#"{"iss":"a","iss":"b"}"#,
        r#"{"iss":"a","iss":"a"}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"\u0061":1,"a":2}"#,
        r#"{"":1,"":2}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"[[{"a":[],"a":[]}]]"#,
        r#"{"a":{"b":{"c":1,"c":1}}}"#,
    ] {
        check(text, Some(JsonError::MemberRepeated));
    }
    // Large objects are searched in another way.
    for members in [15, 16, 17, 100] {
        let text = object_with(members);
        check(&text, None);
        for repeated in [0, members / 2, members - 1] {
            let text = text.replacen('{', &format!("{{\"m{repeated}\":null,"), 1);
            check(text, Some(JsonError::MemberRepeated));
        }
    }
    // Equal names in different objects are no repetition, and neither are names that differ in case.
    for text in [r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":1},{"a":1}]"#, r#"{"a":1,"A":1,"a ":1}"#] {
        check(text, None);
    }
}

#[test]
fn jws_08_depth_bombs_are_refused() {
    check(nested(limits::JSON_DEPTH_MAX), None);
    check(nested(limits::JSON_DEPTH_MAX + 1), Some(JsonError::TooDeep));
    check("[".repeat(100_000), Some(JsonError::TooDeep));
    check("{\"a\":".repeat(50_000), Some(JsonError::TooDeep));
    let mixed = |pairs| format!("{}1{}", "{\"a\":[".repeat(pairs), "]}".repeat(pairs));
    check(mixed(limits::JSON_DEPTH_MAX / 2), None);
    check(mixed(limits::JSON_DEPTH_MAX / 2 + 1), Some(JsonError::TooDeep));
    // Depth is not the number of containers.
    check(format!("[{}[]]", "[],".repeat(1_000)), None);
}

#[test]
fn jws_08_sizes_are_bounded() {
    check(object_with(limits::JSON_MEMBERS_MAX), None);
    check(object_with(limits::JSON_MEMBERS_MAX + 1), Some(JsonError::TooManyMembers));
    check(format!("\"{}\"", "a".repeat(limits::JWKS_BYTES_MAX - 2)), None);
    check(format!("\"{}\"", "a".repeat(limits::JWKS_BYTES_MAX - 1)), Some(JsonError::TooLong));
}

#[test]
fn values_are_found_by_name_and_type() {
    let document =
        Json::parse(br#"{"s":"a\u00e9\nb","n":12.50e1,"u":42,"t":true,"f":false,"z":null,"l":[1,[2],{"k":3}],"o":{"p":"q"}}"#)
            .unwrap();
    let root = document.root();
    assert_eq!(root.kind(), Kind::Object);
    assert_eq!(root.get("s").and_then(Value::as_str), Some("a\u{e9}\nb"));
    assert_eq!(root.get("n").and_then(Value::as_number_text), Some("12.50e1"));
    assert_eq!(root.get("n").and_then(Value::as_u64), None);
    assert_eq!(root.get("u").and_then(Value::as_u64), Some(42));
    assert_eq!(root.get("t").and_then(Value::as_bool), Some(true));
    assert_eq!(root.get("f").and_then(Value::as_bool), Some(false));
    assert_eq!(root.get("z").map(Value::kind), Some(Kind::Null));
    assert_eq!(root.get("o").and_then(|o| o.get("p")).and_then(Value::as_str), Some("q"));
    assert_eq!(root.get("S").map(Value::kind), None);
    let list: Vec<Kind> = root.get("l").and_then(Value::as_array).unwrap().map(Value::kind).collect();
    assert_eq!(list, [Kind::Number, Kind::Array, Kind::Object]);
    let names: Vec<&str> = root.as_object().unwrap().map(|(name, _)| name).collect();
    assert_eq!(names, ["s", "n", "u", "t", "f", "z", "l", "o"]);
    // A value of one type is none of another.
    for (name, value) in root.as_object().unwrap() {
        let views = [
            value.as_str().is_some(),
            value.as_bool().is_some(),
            value.as_number_text().is_some(),
            value.as_array().is_some(),
            value.as_object().is_some(),
        ];
        let expected = usize::from(value.kind() != Kind::Null);
        assert_eq!(views.into_iter().filter(|view| *view).count(), expected, "{name}");
    }
}

#[test]
fn whole_numbers_are_read_up_to_the_last_that_fits() {
    for (text, expected) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("-0", None),
        ("1.0", None),
        ("1e0", None),
    ] {
        assert_eq!(Json::parse(text.as_bytes()).unwrap().root().as_u64(), expected, "{text}");
    }
}

/// Our document as serde_json would hold it.
fn convert(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool => value.as_bool().unwrap().into(),
        Kind::String => value.as_str().unwrap().into(),
        Kind::Number => serde_json::from_str(value.as_number_text().unwrap()).unwrap(),
        Kind::Array => value.as_array().unwrap().map(convert).collect(),
        Kind::Object => {
            value.as_object().unwrap().map(|(name, value)| (name.to_owned(), convert(value))).collect()
        }
    }
}

/// Pieces of JSON, so that random texts are often close to valid ones.
fn json_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\"a\"",
            "\"b\"",
            "\"\\u0061\"",
            "\\",
            "\\u00",
            "\\ud800",
            "\\udc00",
            "null",
            "true",
            "false",
            "0",
            "1",
            "-",
            "1.5",
            "1e9",
            "e",
            ".",
            " ",
            "\n",
            "\u{e9}",
            "\u{1f600}",
            "\0",
            "{\"a\":",
            "[1,",
            "\"a\":1",
            ",\"b\":2",
            "\u{feff}",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e9..1e9).prop_map(|number: f64| serde_json::Value::from(number)),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::hash_map(".{0,6}", inner, 0..24)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn jws_08_we_accept_only_what_another_reader_accepts_and_read_the_same(text in json_like()) {
        let other: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match (Json::parse(text.as_bytes()), other) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(convert(ours.root()), theirs),
            (Ok(_), Err(error)) => prop_assert!(false, "accepted {text:?}: {error}"),
            // The one rule in which we are stricter, for texts this small.
            (Err(error), Ok(_)) => prop_assert_eq!(error, JsonError::MemberRepeated, "{:?}", text),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn jws_08_what_another_writer_writes_is_read_the_same(value in json_value()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let ours = Json::parse(text.as_bytes()).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(convert(ours.root()), theirs);
        }
    }

    #[test]
    fn strings_that_we_write_are_read_back(text in any::<String>()) {
        let mut document = String::new();
        write_string(&text, &mut document);
        let ours = Json::parse(document.as_bytes()).unwrap();
        prop_assert_eq!(ours.root().as_str(), Some(text.as_str()));
        prop_assert_eq!(serde_json::from_str::<String>(&document).unwrap(), text);
    }

    #[test]
    fn jws_08_no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Json::parse(&bytes);
    }
}
