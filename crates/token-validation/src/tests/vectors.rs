//! Cases that others wrote, through the verification of this crate: Wycheproof, RFC 9449, RFC 8705, RFC 9068, RFC 9701.

use std::path::PathBuf;

use base64::Engine;
use lydian_jose::json::{Json, Value};
use lydian_jose::{Algorithm, JwkSet, JwsError};

use super::support::*;
use crate::dpop::{ExpectedProof, NonceRule, ProofRules, verify_proof};
use crate::{CertificateThumbprint, ForgivenClaim, Keys, Profile, Rejection, verify};

/// A file of the vectors, or `None` where they are not at hand.
fn vectors(path: &str) -> Option<Json> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    if !folder.is_dir() {
        println!("SKIPPED: the test vectors are not at hand, {path} was not checked");
        return None;
    }
    let text = std::fs::read(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Some(Json::from_vec(text).unwrap_or_else(|error| panic!("{path}: {error}")))
}

fn text<'a>(value: Value<'a>, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} is not a string"))
}

/// A profile that forgives what can be forgiven: the cases are about signatures.
fn tolerant() -> Profile {
    [ForgivenClaim::ClientId, ForgivenClaim::IssuedAt, ForgivenClaim::Subject, ForgivenClaim::TokenId]
        .into_iter()
        .fold(Profile::builder(ISSUER, [AUDIENCE], Algorithm::ALL).accept_legacy_type(), |builder, claim| {
            builder.forgive(claim)
        })
        .build()
        .unwrap()
}

/// Whether the signature was found good: what speaks against the token afterwards is not about its signature.
fn signature_was_good(verdict: &Result<crate::Facts, Rejection>) -> bool {
    matches!(verdict, Ok(_) | Err(Rejection::Claims(_) | Rejection::IssuerOther))
}

#[test]
fn v04_wycheproof_signatures_and_keys_get_their_verdict() {
    for (path, accepted_min) in
        [("wycheproof/json_web_signature_test.json", 10), ("wycheproof/json_web_key_test.json", 1)]
    {
        let Some(file) = vectors(path) else { return };
        let (mut accepted, mut refused) = (0, 0);
        for group in file.root().get("testGroups").unwrap().as_array().unwrap() {
            let key = group.get("public").or_else(|| group.get("private")).unwrap();
            for case in group.get("tests").unwrap().as_array().unwrap() {
                let jwks = jwks_text(key);
                let token = case.get("jws").and_then(Value::as_str).unwrap_or("{}");
                let verdict = match JwkSet::parse(jwks.as_bytes()) {
                    Ok(reading) => verify(token, &Keys::new(ISSUER, &reading.keys), &tolerant()),
                    Err(_) => Err(Rejection::KeyUnknown),
                };
                let name = format!("{path} {}: {verdict:?}", text(case, "comment"));
                if signature_was_good(&verdict) {
                    assert_eq!(text(case, "result"), "valid", "{name}");
                    accepted += 1;
                } else {
                    refused += 1;
                }
            }
        }
        println!("{path}: {accepted} signatures good, {refused} refused");
        assert!(accepted >= accepted_min && refused > 0, "{path}: {accepted} and {refused}");
    }
}

fn jwks_text(key: Value<'_>) -> String {
    if key.get("keys").is_some() { write(key) } else { format!("{{\"keys\":[{}]}}", write(key)) }
}

/// A value as JSON text again.
fn write(value: Value<'_>) -> String {
    if let Some(text) = value.as_str() {
        let mut quoted = String::new();
        lydian_jose::json::write_string(text, &mut quoted);
        return quoted;
    }
    if let Some(number) = value.as_number_text() {
        return number.to_owned();
    }
    if let Some(boolean) = value.as_bool() {
        return boolean.to_string();
    }
    if let Some(members) = value.as_object() {
        let members: Vec<String> =
            members.map(|(name, value)| format!("\"{name}\":{}", write(value))).collect();
        return format!("{{{}}}", members.join(","));
    }
    if let Some(elements) = value.as_array() {
        return format!("[{}]", elements.map(write).collect::<Vec<_>>().join(","));
    }
    "null".to_owned()
}

#[test]
fn v38_the_proofs_of_rfc_9449_are_good_where_and_when_they_were_made() {
    let Some(file) = vectors("ietf-dpop/dpop-proofs.json") else { return };
    let access_token = text(file.root(), "accessToken");
    let rules = ProofRules::new([Algorithm::Es256]);
    let mut count = 0;
    for example in file.root().get("proofs").unwrap().as_array().unwrap() {
        let claims = example.get("claims").unwrap();
        let covers_token = claims.get("ath").is_some();
        let expected = ExpectedProof {
            method: text(claims, "htm"),
            address: text(claims, "htu"),
            access_token: covers_token.then_some(access_token),
            nonce: NonceRule::Ignored,
        };
        let iat = claims.get("iat").unwrap().as_u64().unwrap();
        let proof = verify_proof(text(example, "proof"), &rules, &expected, at(iat)).unwrap();
        assert_eq!(proof.thumbprint(), text(example, "jkt"));
        let other = ExpectedProof { access_token: Some("another"), ..expected };
        assert!(verify_proof(text(example, "proof"), &rules, &other, at(iat)).is_err());
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn v37_the_certificate_of_rfc_8705_has_its_thumbprint() {
    let Some(file) = vectors("rfc-examples/thumbprints.json") else { return };
    for example in file.root().get("x5tS256").unwrap().as_array().unwrap() {
        let der =
            base64::engine::general_purpose::STANDARD.decode(text(example, "certificateDerBase64")).unwrap();
        assert_eq!(CertificateThumbprint::of_der(&der).to_text(), text(example, "x5t#S256"));
    }
}

#[test]
fn v05_the_jwts_of_other_texts_are_no_access_tokens() {
    let Some(file) = vectors("rfc-examples/rfc9701-introspection-jwt.json") else { return };
    let verdict = verify(
        text(file.root(), "jwt"),
        &keys(),
        &Profile::builder(ISSUER, [AUDIENCE], Algorithm::ALL).build().unwrap(),
    );
    assert_eq!(verdict.err(), Some(Rejection::TypeOther));
    let Some(file) = vectors("ietf-dpop/dpop-proofs.json") else { return };
    for example in file.root().get("proofs").unwrap().as_array().unwrap() {
        assert_eq!(verify(text(example, "proof"), &keys(), &tolerant()).err(), Some(Rejection::TypeOther));
    }
    let Some(file) = vectors("openid-connect-core/appendix-a.json") else { return };
    for example in file.root().get("idTokens").unwrap().as_array().unwrap() {
        // Signed by this very issuer, for this very audience.
        let claims = example.get("claims").unwrap();
        let mut public = String::from("{\"keys\":[");
        public.push_str(&write(file.root().get("publicKey").unwrap()));
        public.push_str("]}");
        let set = JwkSet::parse(public.as_bytes()).unwrap().keys;
        let keys = Keys::new(text(claims, "iss"), &set);
        let builder =
            || Profile::builder(text(claims, "iss"), [text(file.root(), "client_id")], [Algorithm::Rs256]);
        let token = text(example, "id_token");
        assert_eq!(verify(token, &keys, &builder().build().unwrap()).err(), Some(Rejection::TypeOther));
        let legacy = builder().accept_legacy_type().build().unwrap();
        assert_eq!(verify(token, &keys, &legacy).err(), Some(Rejection::TypeOther));
    }
}

#[test]
fn v05_the_access_token_of_rfc_9068_is_one() {
    let Some(file) = vectors("rfc-examples/rfc9068-access-token.json") else { return };
    let claims = file.root().get("claims").unwrap();
    let issuer = text(claims, "iss");
    let profile =
        Profile::builder(issuer, [text(claims, "aud")], [Algorithm::Es256]).lifetime_seconds_max(u64::MAX);
    let set = JwkSet::from_keys(vec![key(Algorithm::Es256).verifying_key().clone()]).unwrap();
    // The example of the RFC writes `at+JWT`.
    let typ = text(file.root().get("header").unwrap(), "typ");
    let token = token_with_header(&format!(r#"{{"typ":"{typ}","alg":"ES256"}}"#), &write(claims));
    let facts = verify(&token, &Keys::new(issuer, &set), &profile.build().unwrap()).unwrap();
    assert_eq!(facts.subject(), Some(text(claims, "sub")));
    assert!(facts.scopes().eq(["openid", "profile", "reademail"]));
    let refused = verify("e30.e30.e30", &keys(), &tolerant()).err();
    assert_eq!(refused, Some(Rejection::AlgorithmNotAllowed));
    assert_ne!(refused, Some(Rejection::TokenMalformed(JwsError::AlgorithmMissing)));
}
