//! Reading and verifying compact tokens.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair, RsaPssSaltLength,
    RsaSignatureEncoding,
};
use lydian_primitives::{base64url, limits};

use super::support::*;
use crate::json::{JsonError, Kind};
use crate::{Algorithm, Compact, JwkSet, JwsError, VerifyingKey, verify_with_set};

const ES256: Algorithm = Algorithm::Es256;

/// The three parts of a valid token.
fn parts() -> [String; 3] {
    let text = key(ES256).sign_compact("at+jwt", br#"{"sub":"alice"}"#).unwrap();
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

#[test]
fn jws_01_the_received_bytes_are_the_verified_bytes() {
    for header in [
        r#"{"alg":"ES256"}"#,
        r#"{ "alg" : "ES256" }"#,
        "\t{\r\n\"typ\":\"JWT\",\n\"alg\":\"ES256\"}\n",
        r#"{"kty":"x","alg":"ES256","unknown":{"a":[1,2,{"b":null}]}}"#,
        r#"{"alg":"\u0045S256"}"#,
        r#"{"\u0061lg":"ES256"}"#,
    ] {
        let text = token_with_header(header);
        accepted(&text);
        // The same header, written in another way, is not what was signed.
        let [_, payload, signature] = <[&str; 3]>::try_from(text.split('.').collect::<Vec<_>>()).unwrap();
        let rewritten = base64url::encode(format!("{header} ").as_bytes());
        refused(format!("{rewritten}.{payload}.{signature}"), JwsError::SignatureWrong);
    }
    let text = token_with_payload("{ }\n");
    assert_eq!(verify(&text).unwrap().payload(), b"{ }\n");
    assert_eq!(Compact::parse(&text).unwrap().signing_input(), text.rsplit_once('.').unwrap().0.as_bytes());
}

#[test]
fn jws_02_only_the_canonical_text_of_each_part_is_accepted() {
    let [header, payload, signature] = parts();
    accepted(format!("{header}.{payload}.{signature}"));
    for padding in ["=", "==", " ", "\n", "\r\n", "\t", "\0", "+", "/", "?", "%3D"] {
        for text in [
            format!("{header}{padding}.{payload}.{signature}"),
            format!("{header}.{payload}{padding}.{signature}"),
            format!("{header}.{payload}.{signature}{padding}"),
            format!("{padding}{header}.{payload}.{signature}"),
        ] {
            refused(text, JwsError::CharacterForbidden);
        }
    }
}

#[test]
fn jws_02_trailing_bits_that_are_not_zero_are_refused_in_each_part() {
    // `YQ` is the one text for the byte 0x61; the other texts have bits that stand for nothing.
    let key = key(ES256);
    for (wrong, payload) in [("YR", b"a".as_slice()), ("YWF", b"aa")] {
        let header = base64url::encode(br#"{"alg":"ES256"}"#);
        let signing_input = format!("{header}.{wrong}");
        let signature = base64url::encode(&key.signature(signing_input.as_bytes()).unwrap());
        refused(format!("{signing_input}.{signature}"), JwsError::PayloadEncoding);
        accepted(token_with_payload(payload));
    }
    // {"alg":"ES256" } has 16 bytes: the last character carries four bits that must be zero.
    let header = base64url::encode(br#"{"alg":"ES256" }"#);
    let changed = format!("{}R", header.strip_suffix('Q').unwrap());
    let signature = base64url::encode(&key.signature(format!("{changed}.e30").as_bytes()).unwrap());
    refused(format!("{changed}.e30.{signature}"), JwsError::HeaderEncoding);
    let [header, payload, signature] = parts();
    // 64 bytes: the last character carries four bits that must be zero.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let position = alphabet.find(last).unwrap();
    for other in position + 1..position + 16 {
        let changed = format!("{}{}", &signature[..85], &alphabet[other..=other]);
        refused(format!("{header}.{payload}.{changed}"), JwsError::SignatureEncoding);
    }
}

#[test]
fn jws_03_only_three_parts_are_accepted_and_none_is_empty() {
    let [header, payload, signature] = parts();
    for (text, expected) in [
        (String::new(), JwsError::PartCount),
        (header.clone(), JwsError::PartCount),
        (format!("{header}.{payload}"), JwsError::PartCount),
        (format!("{header}.{payload}.{signature}."), JwsError::PartCount),
        (format!("{header}.{payload}.{signature}.x"), JwsError::PartCount),
        (format!("{header}.{payload}.{signature}.x.x.x"), JwsError::PartCount),
        (format!("..{header}.{payload}.{signature}.."), JwsError::PartCount),
        (format!("{header}.{payload}.{signature}.x.x"), JwsError::Encrypted),
        ("....".to_owned(), JwsError::Encrypted),
        ("..".to_owned(), JwsError::PartEmpty),
        (format!("{header}.."), JwsError::PartEmpty),
        (format!(".{payload}.{signature}"), JwsError::PartEmpty),
        (format!("{header}..{signature}"), JwsError::PartEmpty),
        (format!("{header}.{payload}."), JwsError::PartEmpty),
    ] {
        refused(text, expected);
    }
    refused(".".repeat(limits::JWT_BYTES_MAX), JwsError::PartCount);
}

#[test]
fn jws_03_lengths_are_limited_before_anything_is_decoded() {
    refused("a".repeat(limits::JWT_BYTES_MAX + 1), JwsError::TooLong);
    refused(".".repeat(10 << 20), JwsError::TooLong);
    refused("\0".repeat(10 << 20), JwsError::TooLong);
    let header_of = |bytes: usize| {
        let fixed = r#"{"alg":"ES256","x":""}"#.len();
        format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(bytes - fixed))
    };
    accepted(token_with_header(header_of(limits::JOSE_HEADER_BYTES_MAX)));
    refused(token_with_header(header_of(limits::JOSE_HEADER_BYTES_MAX + 4)), JwsError::HeaderTooLong);
}

#[test]
fn jws_04_the_algorithm_must_be_one_exact_known_name() {
    for (header, expected) in [
        ("{}", JwsError::AlgorithmMissing),
        (r#"{"Alg":"ES256"}"#, JwsError::AlgorithmMissing),
        (r#"{"alg":256}"#, JwsError::MemberWrongType("alg")),
        (r#"{"alg":null}"#, JwsError::MemberWrongType("alg")),
        (r#"{"alg":true}"#, JwsError::MemberWrongType("alg")),
        (r#"{"alg":["ES256"]}"#, JwsError::MemberWrongType("alg")),
        (r#"{"alg":{"ES256":1}}"#, JwsError::MemberWrongType("alg")),
        (r#"{"alg":""}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"es256"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ES256 "}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":" ES256"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ES256\u0000"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ES256K"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ES521"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"Ed448"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ML-DSA-65"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"RSA-OAEP"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"dir"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"RS1"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ECDSA"}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"ES384"}"#, JwsError::AlgorithmMismatch),
        (r#"{"alg":"RS256"}"#, JwsError::AlgorithmMismatch),
        (r#"{"alg":"EdDSA"}"#, JwsError::AlgorithmMismatch),
    ] {
        refused(token_with_header(header), expected);
    }
}

#[test]
fn jws_04_the_algorithm_must_be_on_the_callers_list() {
    for algorithm in Algorithm::ALL {
        let keys = set_of(&[key(algorithm)]);
        let text = key(algorithm).sign_compact("JWT", b"{}").unwrap();
        assert!(verify_with_set(&text, &keys, &[algorithm]).is_ok());
        let others: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        assert_eq!(verify_with_set(&text, &keys, &others).err(), Some(JwsError::AlgorithmNotAllowed));
        assert_eq!(verify_with_set(&text, &keys, &[]).err(), Some(JwsError::AlgorithmNotAllowed));
    }
}

#[test]
fn jws_05_the_key_decides_about_the_algorithm() {
    // One RSA key serves six algorithms; a token of one is refused by the same key bound to another.
    for signed_with in Algorithm::ALL {
        let text = key(signed_with).sign_compact("JWT", b"{}").unwrap();
        for bound_to in Algorithm::ALL {
            let verdict = Compact::parse(&text).unwrap().verify(key(bound_to).verifying_key()).err();
            let expected = if signed_with == bound_to { None } else { Some(JwsError::AlgorithmMismatch) };
            assert_eq!(verdict, expected, "{signed_with:?} with a key for {bound_to:?}");
        }
    }
}

#[test]
fn jws_05_a_header_that_names_the_keys_algorithm_does_not_make_another_signature_valid() {
    let rsa = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];
    for signed_with in rsa {
        for named in rsa {
            let text = forge(key(signed_with), format!(r#"{{"alg":"{}"}}"#, named.name()), "{}");
            let verdict = Compact::parse(&text).unwrap().verify(key(named).verifying_key()).err();
            let expected = if signed_with == named { None } else { Some(JwsError::SignatureWrong) };
            assert_eq!(verdict, expected, "{signed_with:?} named {named:?}");
        }
    }
}

#[test]
fn jws_05_jws_13_a_public_key_is_never_a_shared_secret() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let public = key(algorithm).verifying_key();
        let jwk_text = public.to_jwk_json();
        let jwk = jwk(public);
        let number = |name: &str| base64url::decode(jwk[name].as_str().unwrap().as_bytes()).unwrap();
        let raw = if algorithm == Algorithm::Rs256 { number("n") } else { number("x") };
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64url::encode(&raw).replace('-', "+").replace('_', "/")
        );
        let encoded = base64url::encode(&raw);
        let secrets: [&[u8]; 6] =
            [jwk_text.as_bytes(), &raw, encoded.as_bytes(), pem.as_bytes(), pem.trim().as_bytes(), b""];
        for secret in secrets {
            for (name, mac) in
                [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
            {
                let header = base64url::encode(format!(r#"{{"alg":"{name}"}}"#).as_bytes());
                let message = format!("{header}.e30");
                let tag = hmac::sign(&hmac::Key::new(mac, secret), message.as_bytes());
                let text = format!("{message}.{}", base64url::encode(tag.as_ref()));
                assert_eq!(Compact::parse(&text).err(), Some(JwsError::AlgorithmUnknown));
                // Nor does it help to call the tag a signature.
                let header = base64url::encode(format!(r#"{{"alg":"{}"}}"#, algorithm.name()).as_bytes());
                let message = format!("{header}.e30");
                let tag = hmac::sign(&hmac::Key::new(mac, secret), message.as_bytes());
                let text = format!("{message}.{}", base64url::encode(tag.as_ref()));
                let verdict = Compact::parse(&text).unwrap().verify(public).err().unwrap();
                assert!(matches!(verdict, JwsError::SignatureLength | JwsError::SignatureWrong), "{verdict}");
            }
        }
    }
}

#[test]
fn jws_06_every_crit_is_refused_for_the_rule_that_it_breaks() {
    for (member, expected) in [
        (r#""crit":"exp""#, JwsError::MemberWrongType("crit")),
        (r#""crit":null"#, JwsError::MemberWrongType("crit")),
        (r#""crit":{}"#, JwsError::MemberWrongType("crit")),
        (r#""crit":true"#, JwsError::MemberWrongType("crit")),
        (r#""crit":[1]"#, JwsError::MemberWrongType("crit")),
        (r#""crit":["exp",null],"exp":1"#, JwsError::MemberWrongType("crit")),
        (r#""crit":[["exp"]],"exp":1"#, JwsError::MemberWrongType("crit")),
        (r#""crit":[]"#, JwsError::CritEmpty),
        (r#""crit":["alg"]"#, JwsError::CritNamesBaseMember),
        (r#""crit":["exp","kid"],"exp":1,"kid":"a""#, JwsError::CritNamesBaseMember),
        (r#""crit":["crit"]"#, JwsError::CritNamesBaseMember),
        (r#""crit":["x5t#S256"]"#, JwsError::CritNamesBaseMember),
        (r#""crit":["zip"]"#, JwsError::CritNamesBaseMember),
        (r#""crit":["p2c"]"#, JwsError::CritNamesBaseMember),
        (r#""crit":["exp"]"#, JwsError::CritNamesAbsentMember),
        (r#""crit":["exp","http://example.com/UNDEFINED"],"exp":1"#, JwsError::CritNamesAbsentMember),
        (r#""crit":["exp","exp"],"exp":1"#, JwsError::CritRepeated),
        (r#""crit":["exp","\u0065xp"],"exp":1"#, JwsError::CritRepeated),
        (r#""crit":["exp"],"exp":1363284000"#, JwsError::CritUnknown),
        (r#""crit":[""],"":1"#, JwsError::CritUnknown),
        (r#""crit":["b64"],"b64":true"#, JwsError::CritUnknown),
        (
            r#""crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true"#,
            JwsError::CritUnknown,
        ),
        (r#""crit":["exp"],"exp":1,"crit":["exp"]"#, JwsError::HeaderJson(JsonError::MemberRepeated)),
    ] {
        refused(token_with_header(format!(r#"{{"alg":"ES256",{member}}}"#)), expected);
    }
    // The same members without `crit` are extensions that may be ignored.
    accepted(token_with_header(r#"{"alg":"ES256","exp":1363284000,"http://example.com/UNDEFINED":true}"#));
}

#[test]
fn jws_07_unencoded_payloads_are_refused() {
    for member in [
        r#""b64":false"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":"false""#,
        r#""b64":0"#,
        r#""b64":null"#,
        r#""b64":"true""#,
    ] {
        refused(token_with_header(format!(r#"{{"alg":"ES256",{member}}}"#)), JwsError::PayloadUnencoded);
    }
    accepted(token_with_header(r#"{"alg":"ES256","b64":true}"#));
}

#[test]
fn jws_08_the_header_is_one_strict_json_object() {
    for header in ["[]", "null", "1", "\"ES256\"", "[\"alg\",\"ES256\"]"] {
        refused(token_with_header(header), JwsError::HeaderNotAnObject);
    }
    let deep = format!(r#"{{"alg":"ES256","x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let cases: [(&[u8], JsonError); 14] = [
        (b"\xef\xbb\xbf{\"alg\":\"ES256\"}", JsonError::ByteOrderMark),
        (b"{\"alg\":\"ES256\"}\0", JsonError::TrailingText),
        (b"{\"alg\":\"ES256\"}{}", JsonError::TrailingText),
        (b"{\"alg\":\"ES256\"}garbage", JsonError::TrailingText),
        (b"\0{\"alg\":\"ES256\"}", JsonError::UnexpectedByte),
        (b"{\"alg\":\"ES256\",}", JsonError::UnexpectedByte),
        (b"{'alg':'ES256'}", JsonError::UnexpectedByte),
        (b"{\"alg\":\"ES256\"", JsonError::UnexpectedEnd),
        (b"{\"alg\":\"ES256\",\"kid\":\"a\0b\"}", JsonError::ControlCharacter),
        (b"{\"alg\":\"ES256\",\"x\":\"\xff\"}", JsonError::NotUtf8),
        (b"{\"alg\":\"ES256\",\"x\":\"\xed\xa0\x80\"}", JsonError::NotUtf8),
        (b"{\"alg\":\"ES256\",\"x\":\"\\ud800\"}", JsonError::LoneSurrogate),
        (b"\xfe\xff\0{\0}", JsonError::NotUtf8),
        (deep.as_bytes(), JsonError::TooDeep),
    ];
    for (header, expected) in cases {
        refused(token_with_header(header), JwsError::HeaderJson(expected));
    }
}

#[test]
fn r_08_repeated_header_members_are_refused() {
    for header in [
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
        r#"{"alg":"ES256","typ":"a","typ":"b"}"#,
        r#"{"alg":"ES256","jwk":{"kty":"EC","kty":"RSA"}}"#,
    ] {
        refused(token_with_header(header), JwsError::HeaderJson(JsonError::MemberRepeated));
    }
}

#[test]
fn jws_09_keys_in_the_header_are_never_used() {
    let attacker = stranger();
    let jwk = attacker.verifying_key().to_jwk_json();
    let own = key(ES256).verifying_key().to_jwk_json();
    let members = [
        format!(r#""jwk":{jwk}"#),
        r#""jku":"https://attacker.example/jwks""#.to_owned(),
        r#""x5u":"https://attacker.example/cert""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA""#.to_owned(),
        r#""x5t#S256":"AAAA""#.to_owned(),
        format!(r#""jwk":{jwk},"kid":"{}""#, key(ES256).kid()),
        format!(r#""jwk":{own}"#),
    ];
    let keys = set_of(&[key(ES256)]);
    for member in members {
        let header = format!(r#"{{"alg":"ES256",{member}}}"#);
        let text = forge(attacker, &header, "{}");
        refused(&text, JwsError::SignatureWrong);
        assert_eq!(verify_with_set(&text, &keys, &[ES256]).err(), Some(JwsError::SignatureWrong));
        // They are no fault either: our own key verifies a token that carries them.
        accepted(token_with_header(&header));
    }
    let text = forge(attacker, format!(r#"{{"alg":"ES256","kid":"{}","jwk":{jwk}}}"#, attacker.kid()), "{}");
    assert_eq!(verify_with_set(&text, &keys, &[ES256]).err(), Some(JwsError::KeyUnknown));
    refused(&text, JwsError::KidMismatch);
    // Whoever needs it as data, such as DPoP (RFC 9449 §4.2), asks for it.
    let token = Compact::parse(&text).unwrap();
    let embedded = VerifyingKey::from_jwk_value(token.header().member("jwk").unwrap()).unwrap();
    assert!(token.verify(&embedded).is_ok());
    assert_eq!(token.header().member("alg").map(|alg| alg.kind()), Some(Kind::String));
}

#[test]
fn jws_10_a_kid_is_an_opaque_name_of_limited_length() {
    let keys = set_of(&[key(ES256)]);
    let all = |kid: &str| {
        let kid = serde_json::to_string(kid).unwrap();
        token_with_header(format!(r#"{{"alg":"ES256","kid":{kid}}}"#))
    };
    for kid in [
        "../../x",
        "/dev/null",
        "' OR 1=1 --",
        "\"",
        "\0",
        &format!("{}\0", key(ES256).kid()),
        &format!("{} ", key(ES256).kid()),
        &key(ES256).kid().to_ascii_lowercase(),
        "",
        "*",
        &"k".repeat(limits::KID_BYTES_MAX),
    ] {
        assert_eq!(verify_with_set(&all(kid), &keys, &[ES256]).err(), Some(JwsError::KeyUnknown), "{kid:?}");
        refused(all(kid), JwsError::KidMismatch);
    }
    refused(all(&"k".repeat(limits::KID_BYTES_MAX + 1)), JwsError::KidTooLong);
    refused(all(&"k".repeat(1 << 20)), JwsError::TooLong);
    for kid in ["1", "null", "[\"a\"]", "{}", "true"] {
        let text = token_with_header(format!(r#"{{"alg":"ES256","kid":{kid}}}"#));
        refused(text, JwsError::MemberWrongType("kid"));
    }
    accepted(all(key(ES256).kid()));
    assert!(verify_with_set(&all(key(ES256).kid()), &keys, &[ES256]).is_ok());
}

#[test]
fn jws_11_a_kid_names_the_only_key_that_is_tried() {
    let (first, second) = (key(ES256), stranger());
    let keys = set_of(&[first, second]);
    let text = forge(first, format!(r#"{{"alg":"ES256","kid":"{}"}}"#, second.kid()), "{}");
    assert_eq!(verify_with_set(&text, &keys, &[ES256]).err(), Some(JwsError::SignatureWrong));
    let text = forge(first, format!(r#"{{"alg":"ES256","kid":"{}"}}"#, first.kid()), "{}");
    assert!(verify_with_set(&text, &keys, &[ES256]).is_ok());
    // The key that it names is for another algorithm.
    let keys = set_of(&[key(Algorithm::Es384), first]);
    let text = forge(first, format!(r#"{{"alg":"ES256","kid":"{}"}}"#, key(Algorithm::Es384).kid()), "{}");
    assert_eq!(verify_with_set(&text, &keys, &[ES256]).err(), Some(JwsError::AlgorithmMismatch));
}

#[test]
fn jws_11_without_kid_the_keys_of_the_algorithm_are_tried_up_to_a_limit() {
    let own = key(ES256).verifying_key();
    let text = token_with_header(r#"{"alg":"ES256"}"#);
    // Keys without `kid`, ours at the given place among those of its algorithm.
    let set = |place: usize| {
        let mut jwks: Vec<serde_json::Value> = Vec::new();
        for number in 0..limits::KEYS_TRIED_MAX + 1 {
            let mut jwk = jwk(if number == place { own } else { stranger().verifying_key() });
            jwk.as_object_mut().unwrap().remove("kid");
            jwks.push(jwk);
            let mut other = super::support::jwk(key(Algorithm::Es384).verifying_key());
            other.as_object_mut().unwrap().remove("kid");
            jwks.push(other);
        }
        let document = serde_json::json!({ "keys": jwks }).to_string();
        JwkSet::parse(document.as_bytes()).unwrap().keys
    };
    for place in 0..limits::KEYS_TRIED_MAX {
        assert!(verify_with_set(&text, &set(place), &[ES256]).is_ok(), "{place}");
    }
    let verdict = verify_with_set(&text, &set(limits::KEYS_TRIED_MAX), &[ES256]).err();
    assert_eq!(verdict, Some(JwsError::SignatureWrong));
    let others = set_of(&[key(Algorithm::Es384), key(Algorithm::EdDsa)]);
    assert_eq!(verify_with_set(&text, &others, &[ES256]).err(), Some(JwsError::KeyUnknown));
    // A key with `kid` also serves tokens without.
    assert!(verify_with_set(&text, &set_of(&[stranger(), key(ES256)]), &[ES256]).is_ok());
}

#[test]
fn jws_11_a_key_without_kid_serves_no_token_with_kid_by_way_of_a_set() {
    let mut anonymous = jwk(key(ES256).verifying_key());
    anonymous.as_object_mut().unwrap().remove("kid");
    let keys = JwkSet::parse(serde_json::json!({ "keys": [anonymous] }).to_string().as_bytes()).unwrap().keys;
    let text = key(ES256).sign_compact("JWT", b"{}").unwrap();
    assert_eq!(verify_with_set(&text, &keys, &[ES256]).err(), Some(JwsError::KeyUnknown));
}

#[test]
fn jws_12_json_serializations_are_refused() {
    let [header, payload, signature] = parts();
    for text in [
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
        format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
        ),
        format!(r#"{{"{header}.{payload}.{signature}":""}}"#),
        format!("\"{header}.{payload}.{signature}\""),
        format!(" {header}.{payload}.{signature}"),
        format!("Bearer {header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}\n"),
    ] {
        refused(text, JwsError::CharacterForbidden);
    }
}

#[test]
fn jws_15_an_ecdsa_signature_in_der_is_refused() {
    let der = key(ES256).to_pkcs8().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).unwrap();
    let message = format!("{}.e30", base64url::encode(br#"{"alg":"ES256"}"#));
    let mut lengths = [false; 80];
    for _ in 0..64 {
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        lengths[signature.as_ref().len()] = true;
        refused(format!("{message}.{}", base64url::encode(signature.as_ref())), JwsError::SignatureLength);
    }
    assert!(lengths[70..].contains(&true));
}

/// The orders of the three curves, big-endian (SEC 2 §2).
const ORDERS: [(Algorithm, &str); 3] = [
    (Algorithm::Es256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        Algorithm::Es384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        Algorithm::Es512,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899\
         c47aebb6fb71e91386409",
    ),
];

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

#[test]
fn jws_15_r_and_s_outside_their_range_are_refused() {
    for (algorithm, order) in ORDERS {
        let order = from_hex(order);
        let mut below = order.clone();
        *below.last_mut().unwrap() -= 1;
        let mut above = order.clone();
        *above.last_mut().unwrap() += 1;
        let mut one = vec![0; order.len()];
        *one.last_mut().unwrap() = 1;
        let numbers = [vec![0; order.len()], one, below, order.clone(), above, vec![0xff; order.len()]];
        let header = format!(r#"{{"alg":"{}"}}"#, algorithm.name());
        let message = format!("{}.e30", base64url::encode(header.as_bytes()));
        let valid = key(algorithm).signature(message.as_bytes()).unwrap();
        let (valid_r, valid_s) = valid.split_at(order.len());
        let mut signatures: Vec<Vec<u8>> = Vec::new();
        for number in &numbers {
            signatures.push([number.as_slice(), valid_s].concat());
            signatures.push([valid_r, number.as_slice()].concat());
            signatures.extend(numbers.iter().map(|other| [number.as_slice(), other].concat()));
        }
        for signature in signatures {
            let text = format!("{message}.{}", base64url::encode(&signature));
            let verdict = Compact::parse(&text).unwrap().verify(key(algorithm).verifying_key()).err();
            assert_eq!(verdict, Some(JwsError::SignatureWrong), "{algorithm:?} {signature:02x?}");
        }
    }
}

#[test]
fn jws_15_a_signature_has_exactly_the_length_of_its_algorithm() {
    for algorithm in Algorithm::ALL {
        let header = format!(r#"{{"alg":"{}"}}"#, algorithm.name());
        let message = format!("{}.e30", base64url::encode(header.as_bytes()));
        let valid = key(algorithm).signature(message.as_bytes()).unwrap();
        let bytes = match algorithm {
            Algorithm::Es256 | Algorithm::EdDsa => 64,
            Algorithm::Es384 => 96,
            Algorithm::Es512 => 132,
            _ => 256,
        };
        assert_eq!(valid.len(), bytes, "{algorithm:?}");
        for wrong in [
            valid[..1].to_vec(),
            valid[..bytes / 2].to_vec(),
            valid[..bytes - 1].to_vec(),
            [valid.as_slice(), &[0]].concat(),
            [&[0], valid.as_slice()].concat(),
            [valid.as_slice(), &valid].concat(),
        ] {
            let text = format!("{message}.{}", base64url::encode(&wrong));
            let verdict = Compact::parse(&text).unwrap().verify(key(algorithm).verifying_key()).err();
            assert_eq!(verdict, Some(JwsError::SignatureLength), "{algorithm:?} {}", wrong.len());
        }
    }
}

#[test]
fn jws_16_a_pss_salt_of_another_length_is_refused() {
    let pair = RsaKeyPair::from_pkcs8(&key(Algorithm::Ps256).to_pkcs8().unwrap()).unwrap();
    let message = format!("{}.e30", base64url::encode(br#"{"alg":"PS256"}"#));
    let verdict = |signature: &[u8]| {
        let text = format!("{message}.{}", base64url::encode(signature));
        Compact::parse(&text).unwrap().verify(key(Algorithm::Ps256).verifying_key()).err()
    };
    let mut signature = vec![0; 256];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    assert_eq!(verdict(&signature), None);
    const fn salted(length: RsaPssSaltLength) -> RsaSignatureEncoding {
        RSA_PSS_SHA256.with_pss_salt_length(length)
    }
    static OTHERS: [RsaSignatureEncoding; 4] = [
        salted(RsaPssSaltLength::Custom(0)),
        salted(RsaPssSaltLength::Custom(31)),
        salted(RsaPssSaltLength::Custom(33)),
        salted(RsaPssSaltLength::Max),
    ];
    for encoding in &OTHERS {
        pair.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        assert_eq!(verdict(&signature), Some(JwsError::SignatureWrong));
    }
}

#[test]
fn jws_17_ed25519_tokens_are_accepted_under_both_names() {
    for name in ["EdDSA", "Ed25519"] {
        let text = forge(key(Algorithm::EdDsa), format!(r#"{{"alg":"{name}"}}"#), "{}");
        assert!(Compact::parse(&text).unwrap().verify(key(Algorithm::EdDsa).verifying_key()).is_ok());
    }
    let text = forge(key(Algorithm::EdDsa), r#"{"alg":"Ed448"}"#, "{}");
    assert_eq!(Compact::parse(&text).err(), Some(JwsError::AlgorithmUnknown));
}

#[test]
fn r_07_jws_18_unsigned_tokens_are_refused_in_every_spelling() {
    for name in ["none", "None", "NONE", "nOnE", r"\u006eone"] {
        let header = format!(r#"{{"alg":"{name}","typ":"at+jwt"}}"#);
        let text = token_with_header(&header);
        refused(&text, JwsError::AlgorithmNone);
        let unsigned = format!("{}.", text.rsplit_once('.').unwrap().0);
        refused(&unsigned, JwsError::PartEmpty);
        refused(unsigned.trim_end_matches('.'), JwsError::PartCount);
        assert_eq!(
            verify_with_set(&text, &set_of(&[key(ES256)]), &Algorithm::ALL).err(),
            Some(JwsError::AlgorithmNone)
        );
    }
    for name in ["none ", " none", "", "null", "n\\u0000one"] {
        refused(token_with_header(format!(r#"{{"alg":"{name}"}}"#)), JwsError::AlgorithmUnknown);
    }
}

#[test]
fn r_07_jws_18_a_valid_header_with_an_empty_signature_is_refused() {
    for algorithm in Algorithm::ALL {
        let text = key(algorithm).sign_compact("JWT", b"{}").unwrap();
        let unsigned = format!("{}.", text.rsplit_once('.').unwrap().0);
        assert_eq!(Compact::parse(&unsigned).err(), Some(JwsError::PartEmpty));
    }
}

#[test]
fn jwt_06_jwt_07_typ_is_compared_without_case_and_with_optional_prefix() {
    let typ_is = |typ: &str, expected: &str| {
        let text = token_with_header(format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#));
        verify(&text).unwrap().header().typ_is(expected)
    };
    for typ in
        ["at+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "APPLICATION/AT+JWT", "Application/At+Jwt"]
    {
        assert!(typ_is(typ, "at+jwt"), "{typ}");
        assert!(typ_is(typ, "application/at+jwt"), "{typ}");
    }
    for typ in [
        "jwt",
        "JWT",
        "",
        "at+jwt ",
        " at+jwt",
        "at+jwtx",
        "xat+jwt",
        "at jwt",
        "application/",
        "application/jwt",
        "application/application/at+jwt",
        "text/at+jwt",
        "/at+jwt",
        "dpop+jwt",
        "logout+jwt",
        "\u{e9}at+jwt",
        "applicatio\u{e9}/at+jwt",
        "at+jwt\\u0000",
        "at+jwt;charset=utf-8",
    ] {
        assert!(!typ_is(typ, "at+jwt"), "{typ}");
    }
    let text = token_with_header(r#"{"alg":"ES256"}"#);
    assert!(!verify(&text).unwrap().header().typ_is("at+jwt"));
    assert!(!verify(&text).unwrap().header().typ_is(""));
    for typ in ["1", "null", "[\"at+jwt\"]", "{}"] {
        let text = token_with_header(format!(r#"{{"alg":"ES256","typ":{typ}}}"#));
        refused(text, JwsError::MemberWrongType("typ"));
    }
}

#[test]
fn jwt_09_no_byte_outside_the_alphabet_is_accepted_anywhere() {
    let [header, payload, signature] = parts();
    let text = format!("{header}.{payload}.{signature}").into_bytes();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    for byte in (0..=255).filter(|byte| !allowed(*byte)) {
        for position in [0, header.len() / 2, header.len() + 2, text.len() - 2, text.len()] {
            let mut inserted = text.clone();
            inserted.insert(position, byte);
            refused(&inserted, JwsError::CharacterForbidden);
            if position < text.len() {
                let mut replaced = text.clone();
                replaced[position] = byte;
                refused(&replaced, JwsError::CharacterForbidden);
            }
        }
    }
}

#[test]
fn jwt_12_no_claims_come_with_an_error() {
    // The payload is broken in every way at once; with a wrong signature nobody learns of it.
    let [header, _, signature] = parts();
    for payload in ["YR", "e30", "AAAA"] {
        refused(format!("{header}.{payload}.{signature}"), JwsError::SignatureWrong);
    }
    let mut tampered = token_with_payload(r#"{"sub":"alice"}"#);
    let admin = base64url::encode(br#"{"sub":"admin"}"#);
    tampered = tampered.replace(&base64url::encode(br#"{"sub":"alice"}"#), &admin);
    refused(tampered, JwsError::SignatureWrong);
    // A token of a stranger, and a signature of ours over another token.
    refused(forge(stranger(), r#"{"alg":"ES256"}"#, "{}"), JwsError::SignatureWrong);
    let other = token_with_payload("{\"a\":1}");
    refused(format!("{header}.e30.{}", other.rsplit_once('.').unwrap().1), JwsError::SignatureWrong);
}

#[test]
fn tokens_and_verified_payloads_do_not_print() {
    let text = token_with_payload(r#"{"sub":"alice"}"#);
    let token = Compact::parse(&text).unwrap();
    assert_eq!(format!("{token:?}"), "Compact(..)");
    assert_eq!(format!("{:?}", verify(&text).unwrap()), "Verified(..)");
    assert_eq!(format!("{:?}", token.header()), "Header { algorithm: Es256, .. }");
    assert_eq!(JwsError::HeaderJson(JsonError::TooDeep).to_string(), "read token header");
}
