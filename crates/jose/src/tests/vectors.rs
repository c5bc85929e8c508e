//! Cases that others wrote: Wycheproof, the JOSE cookbook (RFC 7520), RFC 7638, RFC 8037, OpenID Connect Core.
//!
//! Each case gets the verdict that its authors state. Where we are stricter, the rule is written here as a property
//! of the input, never as the number of a case.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use lydian_primitives::base64url;
use serde_json::Value;

use super::jws::from_hex;
use crate::json::Json;
use crate::{
    Algorithm, Compact, JwkSet, JwkSetError, JwsError, KeyError, SigningKey, VerifyingKey, verify_with_set,
};

/// A file of the vectors, or `None` where they are not at hand.
fn vectors(path: &str) -> Option<Value> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    if !folder.is_dir() {
        println!("SKIPPED: the test vectors are not at hand, {path} was not checked");
        return None;
    }
    let text = std::fs::read(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Some(serde_json::from_slice(&text).unwrap())
}

/// How many cases went which way.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    accepted: usize,
    refused: usize,
    refused_by_rule: usize,
    not_applicable: usize,
    reasons: BTreeMap<String, usize>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, refused_by_rule, not_applicable, reasons } = self;
        write!(
            f,
            "{accepted} accepted, {refused} refused as stated, {refused_by_rule} refused by a stricter rule of ours, \
             {not_applicable} not applicable"
        )?;
        for (reason, count) in reasons {
            write!(f, "\n  {count} refused with {reason}")?;
        }
        Ok(())
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is not a string"))
}

fn groups(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |case| (group, case)))
}

/// The key set of a Wycheproof group: public where there is one.
fn jwks_of(group: &Value) -> Value {
    let key = group.get("public").unwrap_or(&group["private"]);
    if key.get("keys").is_some() { key.clone() } else { serde_json::json!({ "keys": [key] }) }
}

/// Why we refuse a token, the keys included.
#[derive(Debug, PartialEq)]
enum Refusal {
    Keys(JwkSetError),
    Token(JwsError),
}

fn judge(jwks: &Value, token: &str) -> Result<(), Refusal> {
    let reading = JwkSet::parse(jwks.to_string().as_bytes()).map_err(Refusal::Keys)?;
    verify_with_set(token, &reading.keys, &Algorithm::ALL).map_err(Refusal::Token)?;
    Ok(())
}

/// Whether a case is about shared secrets alone. No signature is verified with one here (JWS-05), so its label says
/// nothing about us; it must be refused all the same.
fn is_about_shared_secrets(jwks: &Value) -> bool {
    jwks["keys"].as_array().unwrap().iter().all(|jwk| jwk["kty"] == "oct")
}

/// Which rule of ours refuses a token that its authors call valid, and how.
fn stricter_rule(token: &str) -> Option<(&'static str, JwsError)> {
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        let rule = "JWS-02 and JWT-09: only the base64url alphabet and the separators may occur";
        return Some((rule, JwsError::CharacterForbidden));
    }
    if token.split('.').any(str::is_empty) {
        let rule = "JWS-03: no part is empty, because a payload that is no JSON object is no JWT";
        return Some((rule, JwsError::PartEmpty));
    }
    None
}

fn check_tokens(path: &str) -> Option<Tally> {
    let file = vectors(path)?;
    let mut tally = Tally::default();
    for (group, case) in groups(&file) {
        let jwks = jwks_of(group);
        let token = match &case["jws"] {
            Value::String(token) => token.clone(),
            json_serialization => json_serialization.to_string(),
        };
        let verdict = judge(&jwks, &token);
        let name = format!("{path} {} {}: {verdict:?}", case["tcId"], case["comment"]);
        if is_about_shared_secrets(&jwks) {
            assert!(matches!(verdict, Err(Refusal::Keys(JwkSetError::NoUsableKey(_)))), "{name}");
            assert!(Compact::parse(&token).is_err(), "{name}");
            tally.not_applicable += 1;
            continue;
        }
        match (text(case, "result"), stricter_rule(&token)) {
            ("valid", Some((rule, error))) => {
                assert_eq!(verdict, Err(Refusal::Token(error)), "{name} must be refused by {rule}");
                tally.refused_by_rule += 1;
            }
            ("valid", None) => {
                assert_eq!(verdict, Ok(()), "{name}");
                tally.accepted += 1;
            }
            ("invalid", _) => {
                assert!(verdict.is_err(), "{name}");
                tally.refused += 1;
                *tally.reasons.entry(format!("{:?}", verdict.unwrap_err())).or_default() += 1;
            }
            (other, _) => panic!("{name}: unexpected label {other}"),
        }
    }
    assert_eq!(
        tally.accepted + tally.refused + tally.refused_by_rule + tally.not_applicable,
        file["numberOfTests"].as_u64().unwrap() as usize
    );
    println!("{path}: {tally}");
    Some(tally)
}

#[test]
fn jws_wycheproof_signatures_get_their_verdict() {
    let Some(tally) = check_tokens("wycheproof/json_web_signature_test.json") else { return };
    assert!(tally.accepted > 0 && tally.refused > 200);
}

#[test]
fn jwk_wycheproof_keys_get_their_verdict() {
    let Some(tally) = check_tokens("wycheproof/json_web_key_test.json") else { return };
    assert_eq!(tally.accepted, 1);
}

#[test]
fn jws_02_wycheproof_tokens_with_other_characters_are_refused_before_their_key_matters() {
    let Some(file) = vectors("wycheproof/json_web_signature_test.json") else { return };
    let mut count = 0;
    for (_, case) in groups(&file) {
        let Some(token) = case["jws"].as_str() else { continue };
        if token.len() < 20
            || token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            continue;
        }
        assert_eq!(Compact::parse(token).err(), Some(JwsError::CharacterForbidden), "{token}");
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

/// The verdict on a raw signature, by way of a JWK.
fn judge_raw(jwk: &Value, algorithm: Algorithm, case: &Value) -> Result<Result<(), JwsError>, KeyError> {
    let document = Json::parse(jwk.to_string().as_bytes()).unwrap();
    let key = VerifyingKey::from_jwk_value_for(document.root(), algorithm)?;
    Ok(key.verify_signature(&from_hex(text(case, "msg")), &from_hex(text(case, "sig"))))
}

/// An even number of digits, without the zero byte that keeps ASN.1 integers positive, padded to a length.
fn padded(hex: &str, bytes: usize) -> String {
    let digits = hex.trim_start_matches('0');
    base64url::encode(&from_hex(&format!("{digits:0>width$}", width = 2 * bytes)))
}

fn public_jwk(group: &Value, coordinate_bytes: usize) -> Value {
    for name in ["publicKeyJwk", "keyJwk"] {
        if let Some(jwk) = group.get(name) {
            return jwk.clone();
        }
    }
    // Some groups come without a JWK; their coordinates are there.
    let key = &group["publicKey"];
    serde_json::json!({
        "kty": "EC",
        "crv": format!("P-{}", key["keySize"]),
        "x": padded(text(key, "wx"), coordinate_bytes),
        "y": padded(text(key, "wy"), coordinate_bytes),
    })
}

fn check_raw(file_name: &str, algorithm: Algorithm) {
    let path = format!("wycheproof/primitives/{file_name}_test.json");
    let Some(file) = vectors(&path) else { return };
    let coordinate_bytes = match algorithm {
        Algorithm::Es384 => 48,
        Algorithm::Es512 => 66,
        _ => 32,
    };
    let mut tally = Tally::default();
    for (group, case) in groups(&file) {
        let jwk = public_jwk(group, coordinate_bytes);
        let verdict = judge_raw(&jwk, algorithm, case);
        let name = format!("{path} {} {}: {verdict:?}", case["tcId"], case["comment"]);
        // JWS-14: we take no RSA exponent below 65537, although the signature is sound.
        if jwk["e"] == "Aw" {
            assert_eq!(verdict, Err(KeyError::RsaExponent), "{name}");
            let number = |name| base64url::decode(text(&jwk, name).as_bytes()).unwrap();
            let raw = RsaPublicKeyComponents { n: number("n"), e: number("e") };
            let message = from_hex(text(case, "msg"));
            let sound = raw.verify(&RSA_PKCS1_2048_8192_SHA256, &message, &from_hex(text(case, "sig")));
            assert_eq!(sound.is_ok(), case["result"] == "valid");
            tally.refused_by_rule += 1;
            continue;
        }
        let verdict = verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
        match text(case, "result") {
            "valid" => {
                assert_eq!(verdict, Ok(()), "{name}");
                tally.accepted += 1;
            }
            // The one `acceptable` case of each RSA file lacks the NULL in its padding; RFC 8017 §9.2 wants it.
            "invalid" | "acceptable" => {
                assert!(verdict.is_err(), "{name}");
                tally.refused += 1;
            }
            other => panic!("{name}: unexpected label {other}"),
        }
    }
    assert_eq!(
        tally.accepted + tally.refused + tally.refused_by_rule,
        file["numberOfTests"].as_u64().unwrap() as usize
    );
    assert!(tally.accepted > 0 && tally.refused > 0);
    println!("{path}: {tally}");
}

#[test]
fn jws_14_wycheproof_rsa_signatures_get_their_verdict() {
    check_raw("rsa_signature_2048_sha256", Algorithm::Rs256);
    check_raw("rsa_signature_3072_sha384", Algorithm::Rs384);
    check_raw("rsa_signature_4096_sha512", Algorithm::Rs512);
}

#[test]
fn jws_15_wycheproof_ecdsa_signatures_get_their_verdict() {
    check_raw("ecdsa_secp256r1_sha256_p1363", Algorithm::Es256);
    check_raw("ecdsa_secp384r1_sha384_p1363", Algorithm::Es384);
    check_raw("ecdsa_secp521r1_sha512_p1363", Algorithm::Es512);
}

#[test]
fn jws_16_wycheproof_pss_signatures_get_their_verdict() {
    check_raw("rsa_pss_2048_sha256_mgf1_32", Algorithm::Ps256);
    check_raw("rsa_pss_4096_sha384_mgf1_48", Algorithm::Ps384);
    check_raw("rsa_pss_4096_sha512_mgf1_64", Algorithm::Ps512);
}

#[test]
fn jws_17_wycheproof_ed25519_signatures_get_their_verdict() {
    check_raw("ed25519", Algorithm::EdDsa);
}

/// The public members of a JWK.
fn public_part(jwk: &Value) -> Value {
    let mut public = jwk.clone();
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        public.as_object_mut().unwrap().remove(name);
    }
    public
}

/// A private JWK as a signing key: only tests have use for it.
fn signing_key(jwk: &Value, algorithm: Algorithm) -> SigningKey {
    let number = |name: &str| base64url::decode(text(jwk, name).as_bytes()).unwrap();
    let der = match algorithm {
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&number("d"), &number("x")).unwrap();
            pair.to_pkcs8v1().unwrap().as_ref().to_vec()
        }
        _ => {
            let components = KeyPairComponents {
                public_key: RsaPublicKeyComponents { n: number("n"), e: number("e") },
                d: number("d"),
                p: number("p"),
                q: number("q"),
                dP: number("dp"),
                dQ: number("dq"),
                qInv: number("qi"),
            };
            RsaKeyPair::from_components(&components).unwrap().as_der().unwrap().as_ref().to_vec()
        }
    };
    SigningKey::from_pkcs8(algorithm, &der).unwrap()
}

/// Checks a cookbook example in both directions: its token verifies, and signing again gives the same bytes.
fn check_cookbook(path: &str, algorithm: Algorithm) {
    let Some(example) = vectors(path) else { return };
    let private = &example["input"]["key"];
    let token = text(&example["output"], "compact");
    let public = Json::parse(public_part(private).to_string().as_bytes()).unwrap();
    let key = VerifyingKey::from_jwk_value_for(public.root(), algorithm).unwrap();
    let verified = Compact::parse(token).unwrap().verify(&key).unwrap();
    assert_eq!(verified.payload(), text(&example["input"], "payload").as_bytes());

    assert_eq!(example["reproducible"], true);
    let signing_key = signing_key(private, algorithm);
    let signature = signing_key.signature(text(&example["signing"], "sig-input").as_bytes()).unwrap();
    assert_eq!(base64url::encode(&signature), text(&example["signing"], "sig"));
    assert_eq!(signing_key.verifying_key().thumbprint(), key.thumbprint());

    // The private key itself is no public key.
    let private = Json::parse(private.to_string().as_bytes()).unwrap();
    assert_eq!(
        VerifyingKey::from_jwk_value_for(private.root(), algorithm).err(),
        Some(KeyError::PrivateMember)
    );
    println!("{path}: verified, and signed again with the same result");
}

#[test]
fn jws_01_the_cookbooks_rsa_signature_verifies_in_both_directions() {
    check_cookbook("ietf-jose-cookbook/jws/4_1.rsa_v15_signature.json", Algorithm::Rs256);
}

#[test]
fn jws_17_the_cookbooks_ed25519_signature_verifies_in_both_directions() {
    check_cookbook("ietf-jose-cookbook/curve25519/jws.json", Algorithm::EdDsa);
}

#[test]
fn jws_12_the_other_cookbook_signatures_are_refused_for_their_form() {
    // RFC 7520 §4.4 to §4.8 and RFC 7797 §4: HMAC, detached or unencoded payloads, JSON serializations.
    let cases = [
        ("jws/4_4.hmac-sha2_integrity_protection.json", Some(JwsError::AlgorithmUnknown)),
        ("jws/4_5.signature_with_detached_content.json", Some(JwsError::PartEmpty)),
        ("jws/4_6.protecting_specific_header_fields.json", None),
        ("jws/4_8.multiple_signatures.json", None),
        ("rfc7797/4.2.hmac-sha2_b64_false.json", None),
        ("rfc7797/hmac-sha2_b64_false.json", Some(JwsError::CharacterForbidden)),
    ];
    let (mut compact_refused, mut json_refused) = (0, 0);
    for (path, expected) in cases {
        let Some(example) = vectors(&format!("ietf-jose-cookbook/{path}")) else { return };
        let output = &example["output"];
        let verdict = output["compact"].as_str().map(|token| Compact::parse(token).err().unwrap());
        assert_eq!(verdict, expected, "{path}");
        compact_refused += usize::from(verdict.is_some());
        for form in ["json", "json_flat"] {
            if let Some(json) = output.get(form) {
                assert_eq!(
                    Compact::parse(&json.to_string()).err(),
                    Some(JwsError::CharacterForbidden),
                    "{path}"
                );
                json_refused += 1;
            }
        }
    }
    println!("cookbook: {compact_refused} compact and {json_refused} JSON serializations refused");
    assert_eq!((compact_refused, json_refused), (3, 11));
}

#[test]
fn jwk_01_the_cookbooks_keys_get_their_verdict() {
    let cases = [
        ("3_1.ec_public_key.json", None),
        ("3_2.ec_private_key.json", Some(KeyError::PrivateMember)),
        ("3_3.rsa_public_key.json", Some(KeyError::AlgorithmAmbiguous)),
        ("3_4.rsa_private_key.json", Some(KeyError::PrivateMember)),
        ("3_5.symmetric_key_mac_computation.json", Some(KeyError::Symmetric)),
        ("3_6.symmetric_key_encryption.json", Some(KeyError::Symmetric)),
    ];
    for (path, expected) in cases {
        let Some(jwk) = vectors(&format!("ietf-jose-cookbook/jwk/{path}")) else { return };
        let verdict = VerifyingKey::parse_jwk(jwk.to_string().as_bytes()).err();
        assert_eq!(verdict, expected, "{path}");
    }
}

#[test]
fn jwk_09_the_thumbprints_of_the_rfcs_are_ours() {
    let Some(file) = vectors("rfc-examples/thumbprints.json") else { return };
    let mut count = 0;
    for example in file["thumbprints"].as_array().unwrap() {
        let key = VerifyingKey::parse_jwk(example["jwk"].to_string().as_bytes()).unwrap();
        assert_eq!(key.thumbprint(), text(example, "sha256"), "{}", example["source"]);
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn jws_01_the_id_tokens_of_openid_connect_core_verify() {
    let Some(file) = vectors("openid-connect-core/appendix-a.json") else { return };
    let jwks = serde_json::json!({ "keys": [file["publicKey"]] });
    let reading = JwkSet::parse(jwks.to_string().as_bytes()).unwrap();
    let thumbprints: Vec<&str> = reading.keys.keys().iter().map(VerifyingKey::thumbprint).collect();
    assert_eq!(thumbprints, [text(&file, "jkt"); 6]);
    for example in file["idTokens"].as_array().unwrap() {
        let token = text(example, "id_token");
        let verified = verify_with_set(token, &reading.keys, &[Algorithm::Rs256]).unwrap();
        let claims = verified.claims().unwrap();
        let expected = example["claims"].as_object().unwrap();
        assert_eq!(claims.members().len(), expected.len());
        for (name, value) in expected {
            let ours = claims.value(name).unwrap();
            assert_eq!(ours.as_str(), value.as_str(), "{name}");
            assert_eq!(ours.as_u64(), value.as_u64(), "{name}");
        }
        assert_eq!(claims.audience().unwrap(), Some(vec![text(&file, "client_id")]));
        for refused in [&[][..], &[Algorithm::Ps256], &[Algorithm::Es256]] {
            let verdict = verify_with_set(token, &reading.keys, refused).err();
            assert_eq!(verdict, Some(JwsError::AlgorithmNotAllowed));
        }
    }
    println!("openid-connect-core: {} id_tokens accepted", file["idTokens"].as_array().unwrap().len());
}

#[test]
fn jwt_06_the_introspection_answer_of_rfc_9701_is_no_access_token() {
    let Some(file) = vectors("rfc-examples/rfc9701-introspection-jwt.json") else { return };
    let token = Compact::parse(text(&file, "jwt")).unwrap();
    assert!(token.header().typ_is("token-introspection+jwt"));
    assert!(!token.header().typ_is("at+jwt"));
    let Some(file) = vectors("rfc-examples/rfc9068-access-token.json") else { return };
    let header = file["header"].to_string();
    let text = super::support::forge(super::support::key(Algorithm::Rs256), header, "{}");
    // The example of the RFC writes `at+JWT`.
    assert!(Compact::parse(&text).unwrap().header().typ_is("at+jwt"));
}
