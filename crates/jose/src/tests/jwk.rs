//! Keys and key sets.

use lydian_primitives::{base64url, limits};
use serde_json::{Value, json};

use super::support::*;
use crate::json::{Json, JsonError};
use crate::{Algorithm, JwkSet, JwkSetError, KeyError, SkippedKey, VerifyingKey, verify_with_set};

fn read(jwk: &Value) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::parse_jwk(jwk.to_string().as_bytes())
}

#[track_caller]
fn check(jwk: &Value, expected: Option<KeyError>) {
    assert_eq!(read(jwk).err(), expected, "{jwk}");
}

/// The JWK of this algorithm with members replaced; `null` removes one.
fn with(algorithm: Algorithm, changes: Value) -> Value {
    let mut jwk = jwk(key(algorithm).verifying_key());
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

fn number(jwk: &Value, name: &str) -> Vec<u8> {
    base64url::decode(jwk[name].as_str().unwrap().as_bytes()).unwrap()
}

fn skipped(keys: Value) -> Vec<KeyError> {
    let document = json!({ "keys": keys }).to_string();
    match JwkSet::parse(document.as_bytes()) {
        Ok(reading) => reading.skipped.into_iter().map(|skipped| skipped.reason).collect(),
        Err(JwkSetError::NoUsableKey(skipped)) => skipped.into_iter().map(|skipped| skipped.reason).collect(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn jwk_01_required_members_must_be_there_and_be_strings() {
    for algorithm in Algorithm::ALL {
        let jwk = jwk(key(algorithm).verifying_key());
        check(&jwk, None);
        let required: &[&'static str] = match jwk["kty"].as_str().unwrap() {
            "RSA" => &["kty", "n", "e"],
            "EC" => &["kty", "crv", "x", "y"],
            _ => &["kty", "crv", "x"],
        };
        for &name in required {
            check(&with(algorithm, json!({ name: null })), Some(KeyError::MemberMissing(name)));
        }
        for &name in required.iter().chain(&["kid", "use", "alg"]) {
            for wrong in [json!(1), json!(true), json!(["RSA"]), json!({})] {
                check(&with(algorithm, json!({ name: wrong })), Some(KeyError::MemberWrongType(name)));
            }
            let mut null = jwk.clone();
            null[name] = Value::Null;
            check(&null, Some(KeyError::MemberWrongType(name)));
        }
    }
}

#[test]
fn jwk_01_r_08_repeated_members_are_refused() {
    let text = key(Algorithm::Es256).verifying_key().to_jwk_json();
    for member in
        [r#""kty":"EC""#, r#""x":"AAAA""#, r#""alg":"none""#, r#""kid":"a""#, r#""\u0061lg":"ES256""#]
    {
        let repeated = text.replacen('{', &format!("{{{member},"), 1);
        let expected = KeyError::Json(JsonError::MemberRepeated);
        assert_eq!(VerifyingKey::parse_jwk(repeated.as_bytes()).err(), Some(expected), "{repeated}");
        let set = format!(r#"{{"keys":[{repeated}]}}"#);
        assert_eq!(JwkSet::parse(set.as_bytes()).err(), Some(JwkSetError::Json(JsonError::MemberRepeated)));
    }
}

#[test]
fn jwk_01_a_key_is_one_strict_json_object() {
    for text in ["[]", "null", "1", "\"key\""] {
        assert_eq!(VerifyingKey::parse_jwk(text.as_bytes()).err(), Some(KeyError::NotAnObject));
    }
    let expected = KeyError::Json(JsonError::TrailingText);
    assert_eq!(VerifyingKey::parse_jwk(b"{}{}").err(), Some(expected));
}

#[test]
fn jwk_01_values_are_canonical_base64url() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let name = if algorithm == Algorithm::Rs256 { "n" } else { "x" };
        let text = jwk(key(algorithm).verifying_key())[name].as_str().unwrap().to_owned();
        for wrong in
            [format!("{text}="), format!("{text}\n"), format!(" {text}"), text.replacen(&text[..1], "+", 1)]
        {
            check(&with(algorithm, json!({ name: wrong })), Some(KeyError::MemberEncoding(name)));
        }
    }
    check(&with(Algorithm::Rs256, json!({ "e": "AQAB==" })), Some(KeyError::MemberEncoding("e")));
}

#[test]
fn jwk_02_strange_keys_are_skipped_and_the_rest_is_used() {
    let good = jwk(key(Algorithm::Es256).verifying_key());
    let strange = json!([
        { "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA" },
        { "kty": "oct", "k": "AAAA", "alg": "HS256" },
        { "kty": "ec" },
        { "kty": "OKP", "crv": "Ed448", "x": "AAAA" },
        { "kty": "OKP", "crv": "X25519", "x": "AAAA" },
        { "kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA" },
        { "kty": "EC", "crv": "P-224", "x": "AAAA", "y": "AAAA" },
        {},
        "key",
        null,
        [],
        with(Algorithm::Es384, json!({ "use": "enc" })),
        with(Algorithm::Es384, json!({ "use": "tls" })),
        with(Algorithm::Es384, json!({ "alg": "ECDH-ES" })),
        with(Algorithm::Rs256, json!({ "alg": "RSA-OAEP", "use": null })),
    ]);
    let mut keys = strange.as_array().unwrap().clone();
    keys.insert(3, good.clone());
    let reading = JwkSet::parse(json!({ "keys": keys, "extra": [1, 2] }).to_string().as_bytes()).unwrap();
    assert_eq!(reading.keys.keys().len(), 1);
    assert_eq!(reading.keys.keys()[0].kid(), good["kid"].as_str());
    use KeyError::*;
    let reasons = [
        KeyTypeUnknown,
        Symmetric,
        KeyTypeUnknown,
        CurveUnknown,
        CurveUnknown,
        CurveUnknown,
        CurveUnknown,
        MemberMissing("kty"),
        NotAnObject,
        NotAnObject,
        NotAnObject,
        UseNotSignature,
        UseNotSignature,
        AlgorithmUnknown,
        AlgorithmUnknown,
    ];
    let expected: Vec<SkippedKey> = reasons
        .into_iter()
        .enumerate()
        .map(|(place, reason)| SkippedKey { index: if place < 3 { place } else { place + 1 }, reason })
        .collect();
    assert_eq!(reading.skipped, expected);
    // The key that is left works (JWS-19: an ML-DSA key beside it does no harm).
    let text = key(Algorithm::Es256).sign_compact("JWT", b"{}").unwrap();
    assert!(verify_with_set(&text, &reading.keys, &[Algorithm::Es256]).is_ok());
}

#[test]
fn jws_19_an_unknown_key_type_beside_a_known_one_does_no_harm() {
    let keys = json!([{ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }, jwk(key(Algorithm::Es256).verifying_key())]);
    let reading = JwkSet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    assert_eq!(reading.skipped, [SkippedKey { index: 0, reason: KeyError::KeyTypeUnknown }]);
    let text = key(Algorithm::Es256).sign_compact("JWT", b"{}").unwrap();
    assert!(verify_with_set(&text, &reading.keys, &Algorithm::ALL).is_ok());
}

#[test]
fn jwk_02_unknown_members_are_ignored() {
    let extra = json!({
        "x5c": ["MIIB"], "x5t": "AAAA", "x5u": 5, "nbf": 1, "exp": "never", "ext": true, "issuer": null, "Kty": "oct",
    });
    check(&with(Algorithm::Es256, extra), None);
}

#[test]
fn jwk_02_a_set_without_usable_keys_is_an_error() {
    assert_eq!(JwkSet::parse(br#"{"keys":[]}"#).err(), Some(JwkSetError::NoUsableKey(vec![])));
    let skipped = vec![SkippedKey { index: 0, reason: KeyError::Symmetric }];
    let document = br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#;
    assert_eq!(JwkSet::parse(document).err(), Some(JwkSetError::NoUsableKey(skipped)));
    assert_eq!(JwkSet::from_keys(vec![]).err(), Some(JwkSetError::NoUsableKey(vec![])));
}

#[test]
fn jwk_02_what_is_not_a_set_is_an_error() {
    for (document, expected) in [
        ("", JwkSetError::Json(JsonError::UnexpectedEnd)),
        ("<html>", JwkSetError::Json(JsonError::UnexpectedByte)),
        ("{\"keys\":[]}x", JwkSetError::Json(JsonError::TrailingText)),
        ("\u{feff}{\"keys\":[]}", JwkSetError::Json(JsonError::ByteOrderMark)),
        ("{\"keys\":[],\"keys\":[]}", JwkSetError::Json(JsonError::MemberRepeated)),
        ("[]", JwkSetError::NotAnObject),
        ("null", JwkSetError::NotAnObject),
        ("{}", JwkSetError::KeysMissing),
        ("{\"keys\":{}}", JwkSetError::KeysMissing),
        ("{\"keys\":null}", JwkSetError::KeysMissing),
        ("{\"Keys\":[]}", JwkSetError::KeysMissing),
    ] {
        assert_eq!(JwkSet::parse(document.as_bytes()).err(), Some(expected), "{document}");
    }
}

#[test]
fn jwk_03_only_keys_that_may_verify_are_used() {
    use KeyError::*;
    for (changes, expected) in [
        (json!({ "use": null }), None),
        (json!({ "use": "sig" }), None),
        (json!({ "use": "SIG" }), Some(UseNotSignature)),
        (json!({ "use": "enc" }), Some(UseNotSignature)),
        (json!({ "use": "" }), Some(UseNotSignature)),
        (json!({ "use": null, "key_ops": ["verify"] }), None),
        (json!({ "use": null, "key_ops": ["sign", "verify"] }), None),
        (json!({ "use": "sig", "key_ops": ["verify"] }), None),
        (json!({ "use": null, "key_ops": ["verify", "x"] }), None),
        (json!({ "use": null, "key_ops": [] }), Some(KeyOpsWithoutVerify)),
        (json!({ "use": null, "key_ops": ["sign"] }), Some(KeyOpsWithoutVerify)),
        (json!({ "use": null, "key_ops": ["Verify"] }), Some(KeyOpsWithoutVerify)),
        (json!({ "use": null, "key_ops": ["encrypt"] }), Some(KeyOpsWithoutVerify)),
        (json!({ "use": null, "key_ops": ["verify", "verify"] }), Some(KeyOpsRepeated)),
        (json!({ "use": null, "key_ops": ["verify", "x", "y", "x"] }), Some(KeyOpsRepeated)),
        (json!({ "use": "sig", "key_ops": ["verify", "encrypt"] }), Some(KeyOpsContradictUse)),
        (json!({ "use": "sig", "key_ops": ["encrypt"] }), Some(KeyOpsWithoutVerify)),
        (json!({ "use": "enc", "key_ops": ["verify"] }), Some(UseNotSignature)),
        (json!({ "use": null, "key_ops": "verify" }), Some(MemberWrongType("key_ops"))),
        (json!({ "use": null, "key_ops": [1] }), Some(MemberWrongType("key_ops"))),
        (json!({ "use": null, "key_ops": ["verify", null] }), Some(MemberWrongType("key_ops"))),
        (json!({ "use": null, "key_ops": { "verify": 1 } }), Some(MemberWrongType("key_ops"))),
    ] {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            check(&with(algorithm, changes.clone()), expected);
        }
    }
}

#[test]
fn jwk_04_jws_15_coordinates_have_the_full_length_of_their_curve() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        let names: &[&'static str] = if algorithm == Algorithm::EdDsa { &["x"] } else { &["x", "y"] };
        for &name in names {
            let full = number(&jwk(key(algorithm).verifying_key()), name);
            for wrong in [
                vec![],
                full[1..].to_vec(),
                full[..full.len() - 1].to_vec(),
                [&[0], full.as_slice()].concat(),
                [full.as_slice(), &[0]].concat(),
                [full.as_slice(), &full].concat(),
            ] {
                let changed = with(algorithm, json!({ name: base64url::encode(&wrong) }));
                check(&changed, Some(KeyError::CoordinateLength(name)));
            }
        }
    }
}

#[test]
fn jwk_04_points_off_their_curve_are_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let jwk = jwk(key(algorithm).verifying_key());
        for name in ["x", "y"] {
            let mut changed = number(&jwk, name);
            *changed.last_mut().unwrap() ^= 1;
            let changed = with(algorithm, json!({ name: base64url::encode(&changed) }));
            check(&changed, Some(KeyError::PointNotOnCurve));
            let length = number(&jwk, name).len();
            for constant in [vec![0; length], vec![0xff; length]] {
                let changed = with(algorithm, json!({ name: base64url::encode(&constant) }));
                check(&changed, Some(KeyError::PointNotOnCurve));
            }
        }
        let zero = base64url::encode(&vec![0; number(&jwk, "x").len()]);
        check(&with(algorithm, json!({ "x": zero, "y": zero })), Some(KeyError::PointNotOnCurve));
        check(&with(algorithm, json!({ "x": jwk["y"], "y": jwk["x"] })), Some(KeyError::PointNotOnCurve));
    }
}

#[test]
fn jwk_04_jws_14_rsa_numbers_are_minimal_and_within_their_bounds() {
    use KeyError::*;
    let modulus = number(&jwk(key(Algorithm::Rs256).verifying_key()), "n");
    // Of this many bits and odd. No prime factors are needed: only the shape is looked at here.
    let of_bits = |bits: usize| {
        let mut number = vec![0x5a; bits.div_ceil(8)];
        let top = (bits - 1) % 8;
        number[0] = 1 << top | (0x5a & ((1 << top) - 1));
        *number.last_mut().unwrap() |= 1;
        number
    };
    let even = [&modulus[..255], &[0x10]].concat();
    for (n, expected) in [
        (modulus.clone(), None),
        ([&[0], modulus.as_slice()].concat(), Some(MemberNotMinimal("n"))),
        (vec![], Some(MemberNotMinimal("n"))),
        (vec![0; 256], Some(MemberNotMinimal("n"))),
        (vec![1], Some(RsaModulusSize)),
        (of_bits(1024), Some(RsaModulusSize)),
        (of_bits(2047), Some(RsaModulusSize)),
        (of_bits(2048), None),
        (of_bits(2049), None),
        (of_bits(8192), None),
        (of_bits(8193), Some(RsaModulusSize)),
        (of_bits(16_384), Some(RsaModulusSize)),
        (even, Some(RsaModulusEven)),
    ] {
        check(&with(Algorithm::Rs256, json!({ "n": base64url::encode(&n) })), expected);
    }
    for (e, expected) in [
        (vec![1, 0, 1], None),
        (vec![1, 0, 3], None),
        (vec![1, 0xff, 0xff, 0xff, 0xff], None),
        (vec![], Some(MemberNotMinimal("e"))),
        (vec![0], Some(MemberNotMinimal("e"))),
        (vec![0, 1, 0, 1], Some(MemberNotMinimal("e"))),
        (vec![1], Some(RsaExponent)),
        (vec![2], Some(RsaExponent)),
        (vec![3], Some(RsaExponent)),
        (vec![17], Some(RsaExponent)),
        (vec![0xff, 0xff], Some(RsaExponent)),
        (vec![1, 0, 0], Some(RsaExponent)),
        (vec![1, 0, 2], Some(RsaExponent)),
        (vec![2, 0, 0, 0, 1], Some(RsaExponent)),
        (vec![0xff; 8], Some(RsaExponent)),
        (modulus.clone(), Some(RsaExponent)),
        (vec![0x81; 300], Some(RsaExponent)),
    ] {
        check(&with(Algorithm::Rs256, json!({ "e": base64url::encode(&e) })), expected);
    }
}

#[test]
fn jws_14_a_modulus_with_the_roca_fingerprint_is_refused() {
    // Each power of 65537 has the fingerprint; this one has 2049 bits. Its factors do not matter.
    let mut power = vec![0; 257];
    power[256] = 1;
    for shift in 0..128 {
        let _ = shift;
        let copy = power.clone();
        let mut carry = 0_u32;
        for position in (0..257).rev() {
            let shifted = copy.get(position + 2).copied().unwrap_or(0);
            let sum = u32::from(copy[position]) + u32::from(shifted) + carry;
            power[position] = sum as u8;
            carry = sum >> 8;
        }
    }
    assert_eq!(power[0], 1);
    let weak = with(Algorithm::Rs256, json!({ "n": base64url::encode(&power) }));
    check(&weak, Some(KeyError::RsaModulusWeak));
    power[256] ^= 2;
    check(&with(Algorithm::Rs256, json!({ "n": base64url::encode(&power) })), None);
}

#[test]
fn jws_17_ed25519_keys_of_small_order_are_refused() {
    let mut order_two = [0xff_u8; 32];
    order_two[0] = 0xec;
    order_two[31] = 0x7f;
    let mut one = [0; 32];
    one[0] = 1;
    for point in [[0; 32], one, order_two, [0xff; 32]] {
        let weak = with(Algorithm::EdDsa, json!({ "x": base64url::encode(&point) }));
        check(&weak, Some(KeyError::SmallOrder));
    }
}

#[test]
fn jwk_01_alg_kty_and_crv_belong_together() {
    use KeyError::*;
    for algorithm in Algorithm::ALL {
        for named in Algorithm::ALL {
            let fits = named.key_type() == algorithm.key_type() && named.curve() == algorithm.curve();
            let expected = if fits { None } else { Some(AlgorithmMismatch) };
            check(&with(algorithm, json!({ "alg": named.name() })), expected);
        }
        for unknown in ["none", "HS256", "ES521", "ES224", "es256", "RSA1_5", "RSA-OAEP-256", ""] {
            check(&with(algorithm, json!({ "alg": unknown })), Some(AlgorithmUnknown));
        }
    }
    check(&with(Algorithm::EdDsa, json!({ "alg": "Ed25519" })), None);
    check(&with(Algorithm::Es256, json!({ "crv": "P-384", "alg": null })), Some(CoordinateLength("x")));
    check(&with(Algorithm::Es256, json!({ "crv": "p-256" })), Some(CurveUnknown));
    check(&with(Algorithm::Es256, json!({ "crv": "Ed25519" })), Some(CurveUnknown));
    check(&with(Algorithm::EdDsa, json!({ "crv": "P-256" })), Some(CurveUnknown));
    check(&with(Algorithm::Es256, json!({ "kty": "RSA" })), Some(MemberMissing("n")));
    check(&with(Algorithm::Rs256, json!({ "kty": "EC" })), Some(MemberMissing("crv")));
    check(&with(Algorithm::EdDsa, json!({ "kty": "EC" })), Some(CurveUnknown));
}

#[test]
fn jws_05_a_key_without_alg_is_bound_by_its_curve_or_by_the_caller() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        assert_eq!(read(&with(algorithm, json!({ "alg": null }))).unwrap().algorithm(), algorithm);
    }
    let open = with(Algorithm::Rs256, json!({ "alg": null })).to_string();
    let document = Json::parse(open.as_bytes()).unwrap();
    assert_eq!(VerifyingKey::from_jwk_value(document.root()).err(), Some(KeyError::AlgorithmAmbiguous));
    for algorithm in Algorithm::ALL {
        let bound = VerifyingKey::from_jwk_value_for(document.root(), algorithm);
        if algorithm.curve().is_some() {
            assert_eq!(bound.err(), Some(KeyError::AlgorithmMismatch));
        } else {
            assert_eq!(bound.unwrap().algorithm(), algorithm);
        }
    }
    let fixed = Json::parse(with(Algorithm::Rs256, json!({})).to_string().as_bytes()).unwrap();
    let other = VerifyingKey::from_jwk_value_for(fixed.root(), Algorithm::Ps256);
    assert_eq!(other.err(), Some(KeyError::AlgorithmMismatch));
}

#[test]
fn jws_05_in_a_set_an_rsa_key_without_alg_serves_the_algorithms_on_the_callers_list() {
    let open = with(Algorithm::Rs256, json!({ "alg": null, "kid": "rsa" }));
    let keys = JwkSet::parse(json!({ "keys": [open] }).to_string().as_bytes()).unwrap().keys;
    assert_eq!(keys.keys().len(), 6);
    assert!(keys.has_kid("rsa"));
    for header in ["{\"alg\":\"ALG\"}", "{\"alg\":\"ALG\",\"kid\":\"rsa\"}"] {
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.curve().is_none()) {
            let text = forge(key(algorithm), header.replace("ALG", algorithm.name()), "{}");
            assert!(verify_with_set(&text, &keys, &[algorithm]).is_ok(), "{algorithm:?}");
            assert_eq!(keys.find("rsa", algorithm).map(VerifyingKey::algorithm), Some(algorithm));
        }
    }
    assert!(keys.find("rsa", Algorithm::Es256).is_none());
}

#[test]
fn jwk_05_private_and_symmetric_keys_are_dropped() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"] {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            check(&with(algorithm, json!({ name: "AAAA" })), Some(KeyError::PrivateMember));
            assert_eq!(skipped(json!([with(algorithm, json!({ name: 5 }))])), [KeyError::PrivateMember]);
        }
    }
    check(&with(Algorithm::Es256, json!({ "k": "AAAA" })), Some(KeyError::Symmetric));
    check(&json!({ "kty": "oct", "k": "AAAA" }), Some(KeyError::Symmetric));
    check(&json!({ "kty": "oct" }), Some(KeyError::Symmetric));
}

#[test]
fn jwk_05_what_we_publish_holds_public_members_alone() {
    let keys: Vec<&crate::SigningKey> =
        [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa]
            .map(key)
            .to_vec();
    let document: Value = serde_json::from_str(&set_of(&keys).to_json()).unwrap();
    let mut kids = Vec::new();
    for jwk in document["keys"].as_array().unwrap() {
        for (name, value) in jwk.as_object().unwrap() {
            assert!(
                ["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"].contains(&name.as_str()),
                "{name}"
            );
            assert!(value.is_string());
        }
        assert_eq!(jwk["use"], "sig");
        assert!(Algorithm::from_name(jwk["alg"].as_str().unwrap()).is_some());
        kids.push(jwk["kid"].as_str().unwrap());
    }
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), keys.len());
    let reading = JwkSet::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!((reading.keys.keys().len(), reading.skipped.len()), (keys.len(), 0));
}

#[test]
fn jwk_05_a_kid_from_outside_is_escaped_when_it_is_written() {
    let kid = "a\"},{\"kty\":\"oct\u{1}\\";
    let public = read(&with(Algorithm::Es256, json!({ "kid": kid }))).unwrap();
    assert_eq!(jwk(&public)["kid"], kid);
    let anonymous = read(&with(Algorithm::Es256, json!({ "kid": null }))).unwrap();
    assert_eq!(anonymous.kid(), None);
    assert_eq!(jwk(&anonymous)["kid"], anonymous.thumbprint());
}

#[test]
fn jwk_05_keys_that_share_a_kid_are_all_dropped() {
    let same = |algorithm| with(algorithm, json!({ "kid": "same" }));
    let keys =
        json!([same(Algorithm::Es256), same(Algorithm::Es384), jwk(key(Algorithm::EdDsa).verifying_key())]);
    assert_eq!(skipped(keys), [KeyError::KidRepeated, KeyError::KidRepeated]);
    assert_eq!(skipped(json!([same(Algorithm::Es256), same(Algorithm::Es256)])).len(), 2);
    // A key that is not usable anyway takes nothing away from its namesake.
    let encryption = with(Algorithm::Es384, json!({ "kid": "same", "use": "enc" }));
    assert_eq!(skipped(json!([same(Algorithm::Es256), encryption])), [KeyError::UseNotSignature]);
    // Keys without kid share nothing.
    let anonymous = with(Algorithm::Es256, json!({ "kid": null }));
    assert_eq!(skipped(json!([anonymous, anonymous])), []);
    let twice =
        vec![key(Algorithm::Es256).verifying_key().clone(), key(Algorithm::Es256).verifying_key().clone()];
    assert_eq!(JwkSet::from_keys(twice).err(), Some(JwkSetError::KidRepeated));
}

#[test]
fn jwk_08_large_sets_are_refused() {
    let jwk = with(Algorithm::Es256, json!({ "kid": null }));
    let set = |count: usize| json!({ "keys": vec![jwk.clone(); count] }).to_string();
    assert!(JwkSet::parse(set(limits::JWKS_KEYS_MAX).as_bytes()).is_ok());
    for count in [limits::JWKS_KEYS_MAX + 1, 1_000] {
        assert_eq!(JwkSet::parse(set(count).as_bytes()).err(), Some(JwkSetError::TooManyKeys));
    }
    let padded = format!("{}{}", set(1), " ".repeat(limits::JWKS_BYTES_MAX));
    assert_eq!(JwkSet::parse(padded.as_bytes()).err(), Some(JwkSetError::TooLong));
}

#[test]
fn jws_10_a_kid_has_at_most_256_bytes() {
    check(&with(Algorithm::Es256, json!({ "kid": "k".repeat(limits::KID_BYTES_MAX) })), None);
    let too_long = "k".repeat(limits::KID_BYTES_MAX + 1);
    check(&with(Algorithm::Es256, json!({ "kid": too_long })), Some(KeyError::KidTooLong));
}

#[test]
fn jwk_09_extra_members_do_not_change_the_thumbprint() {
    for algorithm in Algorithm::ALL {
        let own = key(algorithm).verifying_key();
        let changes = json!({ "kid": "other", "use": null, "key_ops": ["verify"], "aaa": 1, "zzz": [2] });
        let changed = read(&with(algorithm, changes)).unwrap();
        assert_eq!(changed.thumbprint(), own.thumbprint());
    }
}
