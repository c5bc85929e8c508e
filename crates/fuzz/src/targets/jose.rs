//! Tokens, keys, claims and the JSON beneath them.

use std::sync::OnceLock;

use lydian_domain::secrets::sha256;
use lydian_jose::json::{Json, Kind};
use lydian_jose::{Algorithm, Claims, Compact, JwkSet, VerifyingKey};
use lydian_primitives::{base64url, limits};

use super::{keys, same_json};
use crate::outcome::{Outcome, magnitude};
use crate::second;

/// Strict JSON: reads what `serde_json` reads and to the same value, or refuses for one of our reasons; written, it reads back the same.
pub(crate) fn strict_json(input: &[u8]) -> Outcome {
    let ours = Json::parse(input);
    same_json::check(input, ours.as_ref());
    match ours {
        Err(error) => Outcome::refused(error),
        Ok(json) => {
            let (mut written, mut again) = (String::new(), String::new());
            same_json::write(json.root(), &mut written);
            let read_back = Json::parse(written.as_bytes()).expect("what we write we read");
            same_json::write(read_back.root(), &mut again);
            assert_eq!(written, again, "written and read it is another value");
            let members = json.root().as_object().map_or(0, |members| members.len());
            Outcome::accepted((json.root().kind() as u8, magnitude(members), magnitude(written.len())))
        }
    }
}

/// A compact JWS without a key: its header is that of a plain second reader, and its signing input is the text before the last dot.
pub(crate) fn compact_jws(input: &[u8]) -> Outcome {
    let token = match Compact::parse(input) {
        Ok(token) => token,
        Err(error) => return Outcome::refused(error),
    };
    let parts: Vec<&[u8]> = input.split(|byte| *byte == b'.').collect();
    assert_eq!(parts.len(), 3, "three parts");
    assert_eq!(token.signing_input(), &input[..input.len() - parts[2].len() - 1]);
    let header = second::base64(second::URL_SAFE, parts[0]).expect("the header is base64url");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("the header is JSON");
    assert_eq!(header["alg"].as_str(), Some(token.header().algorithm().name()));
    assert_eq!(header["kid"].as_str(), token.header().kid());
    assert_eq!(header["typ"].as_str(), token.header().typ());
    assert!(header.get("crit").is_none(), "no extension is implemented");
    assert!(second::base64(second::URL_SAFE, parts[2]).is_some(), "the signature is base64url");
    // No key of ours made it, unless it is a seed: then the payload is that of the text.
    for key in keys::set().keys() {
        if let Ok(verified) = token.verify(key) {
            assert_eq!(Some(verified.payload()), second::base64(second::URL_SAFE, parts[1]).as_deref());
        }
    }
    let header = token.header();
    Outcome::accepted((header.algorithm().name(), header.kid().is_some(), header.typ().map(str::len)))
}

/// The tokens that are signed, and their payloads and signatures behind headers that nobody signed.
pub(crate) fn compact_jws_seeds() -> Vec<Vec<u8>> {
    let headers = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","b64":true}"#,
        r#"{"alg":"ES256","typ":"application/at+jwt","kid":"a"}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":["x","y"],"x":0,"y":1}"#,
        r#"{"alg":"RS256","jwk":{"kty":"oct"},"jku":"https://a.example"}"#,
    ];
    let forged = |token: &Vec<u8>, header: &str| {
        let rest = token.iter().position(|byte| *byte == b'.').unwrap_or_default();
        [base64url::encode(header.as_bytes()).as_bytes(), &token[rest..]].concat()
    };
    let mut tokens = signed_tokens().to_vec();
    tokens.extend(
        headers.iter().zip(signed_tokens().iter().cycle()).map(|(header, token)| forged(token, header)),
    );
    tokens
}

/// A token against a set of keys: whatever is accepted was signed, byte for byte.
pub(crate) fn verify_with_set(input: &[u8]) -> Outcome {
    let allowed = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
    let verified = match lydian_jose::verify_with_set(input, keys::set(), &allowed) {
        Ok(verified) => verified,
        Err(error) => return Outcome::refused(error),
    };
    let signed = |seed: &Vec<u8>| signing_input(seed) == signing_input(input);
    assert!(signed_tokens().iter().any(signed), "accepted, and nobody signed it");
    Outcome::accepted((verified.header().algorithm().name(), verified.payload().len()))
}

fn signing_input(token: &[u8]) -> &[u8] {
    let end = token.iter().rposition(|byte| *byte == b'.').unwrap_or(0);
    &token[..end]
}

/// All tokens that the keys of the set ever sign here.
fn signed_tokens() -> &'static [Vec<u8>] {
    static TOKENS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let claims = br#"{"iss":"https://as.example","sub":"alice","exp":1800000100}"#;
        let sign = |key: &lydian_jose::SigningKey, typ: &str| {
            key.sign_compact(typ, claims).expect("a small payload can be signed").into_bytes()
        };
        let plain = keys::ed25519().sign_compact("JWT", b"no JSON").expect("a small payload can be signed");
        vec![
            sign(keys::ed25519(), "at+jwt"),
            sign(keys::p256(), "at+jwt"),
            sign(keys::rsa(), "JWT"),
            plain.into_bytes(),
        ]
    })
}

/// One JWK: written as we publish it, it reads back as the same key, and its thumbprint is that of RFC 7638.
pub(crate) fn jwk(input: &[u8]) -> Outcome {
    match VerifyingKey::parse_jwk(input) {
        Err(error) => Outcome::refused(error),
        Ok(key) => {
            check_key(&key);
            Outcome::accepted((key.algorithm().name(), key.kid().is_some()))
        }
    }
}

fn check_key(key: &VerifyingKey) {
    let published = key.to_jwk_json();
    let again = VerifyingKey::parse_jwk(published.as_bytes()).expect("what we publish is a JWK");
    assert_eq!(again.algorithm(), key.algorithm());
    assert_eq!(again.thumbprint(), key.thumbprint());
    assert_eq!(again.kid(), Some(key.kid().unwrap_or(key.thumbprint())));
    let document: serde_json::Value = serde_json::from_str(&published).expect("what we publish is JSON");
    let names: &[&str] = match document["kty"].as_str() {
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        _ => &["e", "kty", "n"],
    };
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":{}", document[name])).collect();
    let thumbprint = sha256(format!("{{{}}}", members.join(",")).as_bytes());
    assert_eq!(base64url::encode(&thumbprint), key.thumbprint());
}

/// Public keys of each type; those of the tree are human-made.
pub(crate) fn jwk_seeds() -> Vec<Vec<u8>> {
    keys::set().keys().iter().map(|key| key.to_jwk_json().into_bytes()).collect()
}

/// A JWK Set: no more keys than it may have, each skipped key named once, and the same keys when it is written and read.
pub(crate) fn jwk_set(input: &[u8]) -> Outcome {
    let reading = match JwkSet::parse(input) {
        Ok(reading) => reading,
        Err(error) => return Outcome::refused_saying(&format!("{error:?}")),
    };
    let keys = reading.keys.keys();
    assert!(reading.skipped.is_sorted_by(|one, next| one.index < next.index), "each skipped key once");
    keys.iter().for_each(check_key);
    let mut kids: Vec<&str> = keys.iter().map(|key| key.kid().unwrap_or(key.thumbprint())).collect();
    kids.sort_unstable();
    if kids.windows(2).all(|pair| pair[0] != pair[1]) {
        let again = JwkSet::parse(reading.keys.to_json().as_bytes()).expect("what we publish is a JWK Set");
        assert!(again.skipped.is_empty());
        let thumbprints = |keys: &[VerifyingKey]| -> Vec<String> {
            keys.iter().map(|key| key.thumbprint().to_owned()).collect()
        };
        assert_eq!(thumbprints(again.keys.keys()), thumbprints(keys));
    }
    Outcome::accepted((keys.len(), reading.skipped.len().min(8)))
}

/// A set with a key of each type, and sets of which some keys cannot be used.
pub(crate) fn jwk_set_seeds() -> Vec<Vec<u8>> {
    let all = keys::set().to_json();
    let without_alg = all.replace("\"alg\":\"RS256\"", "\"alg\":\"RS384\"");
    vec![
        all.clone().into_bytes(),
        without_alg.into_bytes(),
        all.replace("\"use\":\"sig\"", "\"use\":\"enc\"").into_bytes(),
    ]
}

/// The claims of a signed token: read as `serde_json` reads them, and never absent because of a wrong type.
pub(crate) fn claims(input: &[u8]) -> Outcome {
    let Some(claims) = signed_claims(input) else {
        return Outcome::refused(());
    };
    let other: serde_json::Value = match serde_json::from_slice(input) {
        Ok(other) => other,
        Err(_) => return Outcome::refused("number out of range"),
    };
    let mut shape = Vec::new();
    for name in ["iss", "sub", "jti", "scope"] {
        let expected = other.get(name).map(|value| value.as_str().ok_or(()));
        assert_eq!(claims.string(name).map_err(|_| ()), expected.transpose(), "{name}");
        shape.push(claims.string(name).is_ok_and(|text| text.is_some()));
    }
    for name in ["exp", "nbf", "iat"] {
        check_date(&claims, name, other.get(name).is_some());
        shape.push(claims.numeric_date(name).is_ok_and(|date| date.is_some()));
    }
    let audience = match other.get("aud") {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(vec![text.as_str()])),
        Some(serde_json::Value::Array(texts)) => {
            texts.iter().map(|text| text.as_str().ok_or(())).collect::<Result<Vec<_>, _>>().map(Some)
        }
        Some(_) => Err(()),
    };
    assert_eq!(claims.audience().map_err(|_| ()), audience, "aud");
    assert_eq!(
        claims.boolean("active").is_err(),
        other.get("active").is_some_and(|value| !value.is_boolean())
    );
    assert_eq!(claims.members().len(), other.as_object().map_or(0, serde_json::Map::len));
    shape.push(claims.audience().is_ok_and(|audience| audience.is_some()));
    Outcome::accepted((shape, magnitude(claims.members().len())))
}

/// A number as `exp`: the date is what moving the point through the text gives, exactly.
pub(crate) fn numeric_date(input: &[u8]) -> Outcome {
    let payload = [b"{\"exp\":", input, b"}"].concat();
    let Some(claims) = signed_claims(&payload) else {
        return Outcome::refused("no number");
    };
    check_date(&claims, "exp", true);
    match claims.numeric_date("exp") {
        Err(error) => Outcome::refused(error),
        Ok(date) => {
            let seconds = date.map_or(0, |date| date.as_timestamp().as_unix_seconds());
            Outcome::accepted((magnitude(seconds as usize), magnitude(input.len())))
        }
    }
}

fn check_date(claims: &Claims, name: &'static str, is_present: bool) {
    let date = claims.numeric_date(name);
    let Some(value) = claims.value(name) else {
        assert!(!is_present && matches!(date, Ok(None)), "{name} is there for one reader only");
        return;
    };
    let Some(text) = value.as_number_text() else {
        assert!(date.is_err(), "{name} is no number, and accepted");
        return;
    };
    let expected = second::whole_seconds(text);
    match date {
        Ok(date) => {
            let date = date.expect("a claim that is there is not absent");
            let (seconds, has_fraction) = expected.expect("only we accept");
            assert_eq!(date.as_timestamp().as_unix_seconds(), seconds, "{name}");
            assert_eq!(date != date.as_timestamp(), has_fraction, "{name}");
        }
        Err(_) => {
            let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i64>());
            let is_extreme = !exponent.is_ok_and(|exponent| exponent.unsigned_abs() <= 400);
            assert!(expected.is_none() || is_extreme, "only we refuse");
        }
    }
}

/// The claims of this payload, signed by us.
pub(super) fn signed_claims(payload: &[u8]) -> Option<Claims> {
    let token = keys::ed25519().sign_compact("JWT", payload).ok()?;
    let verified = lydian_jose::verify_with_set(&token, keys::set(), &[Algorithm::EdDsa])
        .expect("we have just signed it");
    assert_eq!(verified.payload(), payload);
    let claims = verified.claims();
    same_json_of(payload, claims.is_ok());
    claims.ok()
}

fn same_json_of(payload: &[u8], is_read: bool) {
    let json = Json::parse(payload);
    same_json::check(payload, json.as_ref());
    assert_eq!(is_read, json.is_ok_and(|json| json.root().kind() == Kind::Object));
}

/// The deepest nesting and the most members that are read, and one more of each.
pub(crate) fn strict_json_seeds() -> Vec<Vec<u8>> {
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let wide = |count| {
        let members: Vec<String> = (0..count).map(|name| format!("\"{name}\":0")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    };
    let (depth, members) = (limits::JSON_DEPTH_MAX, limits::JSON_MEMBERS_MAX);
    vec![deep(depth), deep(depth + 1), wide(members), wide(members + 1)]
}
