//! What a resource server reads: the request, the token, the proof, the issuer's answer, another's metadata.

use std::sync::OnceLock;

use lydian_jose::{Algorithm, verify_with_set};
use lydian_primitives::{SecretBytes, Timestamp, limits};
use lydian_revocation::Seq;
use lydian_token_validation::dpop::{
    ExpectedProof, NonceRule, Nonces, ProofRules, normalise_htu, verify_proof,
};
use lydian_token_validation::{
    ForgivenClaim, Keys, Profile, RequestFields, ResourceMetadata, introspection_facts, read_credentials,
    verify,
};
use serde_json::Value;

use super::{keys, text_of};
use crate::outcome::{Outcome, magnitude};
use crate::second;

const ISSUER: &str = "https://as.example";
const RESOURCE: &str = "https://api.example/a";
const NOW: u64 = 1_700_000_000;

const CLAIMS: &str = concat!(
    r#"{"iss":"https://as.example","aud":"https://api.example/a","sub":"s","client_id":"c","jti":"AAAAAAAAAAAAAAAAAAAABw","#,
    r#""iat":1700000000,"exp":1700000300,"scope":"a b","cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}"#
);

fn profile() -> &'static Profile {
    static PROFILE: OnceLock<Profile> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let profile = Profile::builder(ISSUER, [RESOURCE], Algorithm::ALL).read_scp();
        let profile = profile.forgive(ForgivenClaim::Subject).forgive(ForgivenClaim::TokenId);
        profile.build().expect("the profile is complete")
    })
}

/// An access token: what is accepted has the type and the issuer, and the strict reader of signatures accepts it too.
pub(crate) fn access_token(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("no text");
    };
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| Keys::new(ISSUER, keys::set()));
    match verify(text, keys, profile()) {
        Err(rejection) => {
            assert!(!rejection.code().is_empty());
            Outcome::refused(rejection)
        }
        Ok(facts) => {
            let verified =
                verify_with_set(text, keys::set(), &Algorithm::ALL).expect("its signature is good");
            assert!(verified.header().typ_is("at+jwt"));
            let claims: Value = serde_json::from_slice(verified.payload()).expect("claims are JSON");
            assert_eq!(claims["iss"], ISSUER);
            assert_eq!(claims["sub"].as_str(), facts.subject());
            Outcome::accepted((facts.scopes().count(), claims.as_object().map(serde_json::Map::len)))
        }
    }
}

/// A token that is good, and one of another type.
pub(crate) fn access_token_seeds() -> Vec<Vec<u8>> {
    let sign = |typ: &str| keys::ed25519().sign_compact(typ, CLAIMS.as_bytes()).expect("the key signs");
    ["at+jwt", "JWT"].map(|typ| sign(typ).into_bytes()).to_vec()
}

/// A DPoP proof: what is accepted is a JWS of its type for this method, with a public key in its header.
pub(crate) fn dpop_proof(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("no text");
    };
    let nonces = Nonces::new(&SecretBytes::new([7; 32]));
    let rules = ProofRules::new(Algorithm::ALL);
    let expected = ExpectedProof {
        method: "GET",
        address: RESOURCE,
        access_token: None,
        nonce: NonceRule::Offered(&nonces),
    };
    match verify_proof(text, &rules, &expected, Timestamp::from_unix_seconds(NOW)) {
        Err(error) => Outcome::refused(error),
        Ok(proof) => {
            let part = |number: usize| {
                let part = input.split(|byte| *byte == b'.').nth(number).expect("there are three parts");
                let part = second::base64(second::URL_SAFE, part).expect("each is base64url");
                serde_json::from_slice::<Value>(&part).expect("both are JSON")
            };
            let (header, claims) = (part(0), part(1));
            assert!(header["jwk"].get("d").is_none() && header["jwk"].get("k").is_none());
            assert_eq!(claims["htm"], "GET");
            assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() <= limits::DPOP_JTI_BYTES_MAX));
            assert_eq!(proof.thumbprint().len(), 43);
            Outcome::accepted((claims.as_object().map(serde_json::Map::len), proof.nonce().is_some()))
        }
    }
}

/// Proofs by a key whose signatures are always the same.
pub(crate) fn dpop_proof_seeds() -> Vec<Vec<u8>> {
    let key = keys::ed25519();
    let claims = format!(r#"{{"jti":"1","htm":"GET","htu":"{RESOURCE}","iat":{NOW}}}"#);
    let good = key.sign_compact_with_jwk("dpop+jwt", claims.as_bytes()).expect("the key signs");
    let without_key = key.sign_compact("dpop+jwt", claims.as_bytes()).expect("the key signs");
    vec![good.into_bytes(), without_key.into_bytes()]
}

/// The address of a request: normalised twice it is the same, and a second reader finds the same host.
pub(crate) fn htu(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("no text");
    };
    let Some(normal) = normalise_htu(text) else {
        return Outcome::refused(text.split_once("://").is_some());
    };
    assert_eq!(normalise_htu(&normal).as_deref(), Some(normal.as_str()), "normalised twice it is another");
    assert!(!normal.contains(['?', '#', ' ']) && normal.is_ascii());
    if let Ok(uri) = normal.parse::<http::Uri>() {
        assert!(matches!(uri.scheme_str(), Some("http" | "https")));
        assert_eq!(uri.host().map(str::to_ascii_lowercase).as_deref(), uri.host());
        assert!(uri.path().split('/').all(|segment| segment != "." && segment != ".."));
    }
    Outcome::accepted((magnitude(normal.len()), normal.contains('%'), normal.matches('/').count().min(8)))
}

/// Addresses with everything that is folded.
pub(crate) fn htu_seeds() -> Vec<Vec<u8>> {
    ["https://api.example/a", "HTTPS://API.Example:443/a/../%62/./c%2f?d=e#f", "http://[::1]:8080/~a;b"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

/// An introspection answer: what is accepted says `true`, and has an end.
pub(crate) fn introspection_answer(input: &[u8]) -> Outcome {
    match introspection_facts(input.to_vec(), "token", Seq::ZERO, profile()) {
        Err(rejection) => Outcome::refused(rejection),
        Ok(facts) => {
            // A number beyond what a double holds is JSON (RFC 8259 §6), and more than the reader beside it takes.
            let Ok(answer) = serde_json::from_slice::<Value>(input) else {
                return Outcome::accepted(facts.scopes().count());
            };
            assert_eq!(answer["active"], true);
            assert!(answer["exp"].is_number() && facts.expires_at().is_some());
            assert!(answer.get("iss").is_none_or(|issuer| issuer == ISSUER));
            Outcome::accepted((facts.scopes().count(), answer.as_object().map(serde_json::Map::len)))
        }
    }
}

/// An answer about the token of the other targets.
pub(crate) fn introspection_answer_seeds() -> Vec<Vec<u8>> {
    vec![CLAIMS.replacen('{', r#"{"active":true,"token_type":"Bearer","#, 1).into_bytes()]
}

/// The Authorization field of a request: what is accepted is a token of the grammar, and stands at the end of the field.
pub(crate) fn request_credentials(input: &[u8]) -> Outcome {
    let fields = RequestFields { authorization: &[input], dpop: &[b"proof"], has_token_elsewhere: false };
    match read_credentials(&fields) {
        Err(rejection) => Outcome::refused(rejection),
        Ok(credentials) => {
            assert!(input.ends_with(credentials.token.as_bytes()));
            assert!((1..=limits::TOKEN_BYTES_MAX).contains(&credentials.token.len()));
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            assert!(credentials.token.bytes().all(allowed));
            let printed = format!("{credentials:?}");
            assert!(credentials.token.len() < 12 || !printed.contains(credentials.token), "a token prints");
            Outcome::accepted((credentials.scheme, magnitude(credentials.token.len())))
        }
    }
}

/// Both schemes, and a field that is too long.
pub(crate) fn request_credentials_seeds() -> Vec<Vec<u8>> {
    let long = format!("Bearer {}", "a".repeat(limits::TOKEN_BYTES_MAX));
    ["Bearer abc.def-_~+/==", "dpop   abc", &long].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Metadata of a resource: what is accepted reads back the same.
pub(crate) fn resource_metadata(input: &[u8]) -> Outcome {
    match ResourceMetadata::parse(input, RESOURCE) {
        Err(error) => Outcome::refused(error),
        Ok(metadata) => {
            assert_eq!(metadata.resource, RESOURCE);
            assert_eq!(
                ResourceMetadata::parse(metadata.to_json().as_bytes(), RESOURCE),
                Ok(metadata.clone())
            );
            Outcome::accepted((
                metadata.authorization_servers.len().min(4),
                metadata.scopes_supported.len().min(4),
            ))
        }
    }
}

/// A document with members of each type.
pub(crate) fn resource_metadata_seeds() -> Vec<Vec<u8>> {
    let document = concat!(
        r#"{"resource":"https://api.example/a","authorization_servers":["https://as.example"],"scopes_supported":["a"],"#,
        r#""jwks_uri":"https://api.example/jwks","dpop_bound_access_tokens_required":true,"#,
        r#""dpop_signing_alg_values_supported":["ES256"]}"#
    );
    vec![document.as_bytes().to_vec()]
}
