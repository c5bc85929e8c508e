use lydian_jose::{Algorithm, ClaimsError, JwkSet, JwsError, SigningKey};
use lydian_primitives::base64url;

use super::support::*;
use crate::{ForgivenClaim, Keys, Profile, Rejection, verify};

#[track_caller]
fn check_under(profile: &Profile, token: &str, expected: Option<Rejection>) {
    assert_eq!(verify(token, &keys(), profile).err(), expected, "{token}");
}

#[track_caller]
fn check(token: &str, expected: Option<Rejection>) {
    check_under(&profile(), token, expected);
}

#[track_caller]
fn check_claims(changes: &[(&str, &str)], expected: Option<Rejection>) {
    assert_eq!(verify(&token_with(changes), &keys(), &profile()).err(), expected, "{changes:?}");
}

fn header(members: &str) -> String {
    let kid = key(Algorithm::Es256).kid();
    format!(r#"{{"alg":"ES256","kid":"{kid}"{members}}}"#)
}

#[test]
fn atp_18_a_token_of_the_issuer_gives_facts() {
    let facts = facts_with(&[]);
    assert_eq!((facts.subject(), facts.client_id()), (Some("alice"), Some("app")));
    assert_eq!(facts.token_id(), Some("AAAAAAAAAAAAAAAAAAAABw"));
    assert_eq!(facts.coordinates().token, 7);
    assert!(facts.has_scope("orders:read") && !facts.has_scope("orders"));
    assert_eq!(facts.profile(), profile().id());
}

#[test]
fn v03_the_form_of_a_jws_is_strict() {
    let good = token_with(&[]);
    let parts: Vec<&str> = good.split('.').collect();
    let malformed = |error| Some(Rejection::TokenMalformed(error));
    check(&good, None);
    check(parts[0], malformed(JwsError::PartCount));
    check(&good.replace('.', ".."), malformed(JwsError::Encrypted));
    check(&format!("{good}."), malformed(JwsError::PartCount));
    check(&format!("{good}="), malformed(JwsError::CharacterForbidden));
    check(&format!(" {good}"), malformed(JwsError::CharacterForbidden));
    check(&format!("{}..{}", parts[0], parts[2]), malformed(JwsError::PartEmpty));
    check(&format!("{}.{}.", parts[0], parts[1]), malformed(JwsError::PartEmpty));
    let typ = r#","typ":"at+jwt""#;
    for (members, error) in [
        (r#","b64":false"#, JwsError::PayloadUnencoded),
        (r#","crit":["exp"],"exp":1"#, JwsError::CritUnknown),
        (r#","crit":[]"#, JwsError::CritEmpty),
        (r#","kid":1"#, JwsError::HeaderJson(lydian_jose::json::JsonError::MemberRepeated)),
    ] {
        let token = token_with_header(&header(&format!("{typ}{members}")), &claims_with(&[]));
        check(&token, malformed(error));
    }
}

#[test]
fn v03_keys_that_a_token_brings_are_ignored() {
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = stranger.verifying_key().to_jwk_json();
    for members in [
        format!(r#","jwk":{jwk}"#),
        r#","jku":"https://evil.example/jwks""#.to_owned(),
        r#","x5u":"https://evil.example/x","x5c":["AA=="]"#.to_owned(),
    ] {
        // Signed by the issuer, the members change nothing.
        let token = token_with_header(&header(&format!(r#","typ":"at+jwt"{members}"#)), &claims_with(&[]));
        check(&token, None);
    }
    // Signed by the stranger, they help nothing.
    let claims = claims_with(&[]);
    let token = stranger.sign_compact("at+jwt", claims.as_bytes()).unwrap();
    check(&token, Some(Rejection::KeyUnknown));
}

#[test]
fn v04_the_algorithm_is_allowed_and_is_that_of_the_key() {
    let typ = r#","typ":"at+jwt""#;
    for name in ["none", "None", "NONE", "HS256", "hs256", "ES256K", "es256", "RS1"] {
        let token = token_with_header(&format!(r#"{{"alg":"{name}"{typ}}}"#), &claims_with(&[]));
        check(&token, Some(Rejection::AlgorithmNotAllowed));
    }
    check(&token_with_header(r#"{"typ":"at+jwt"}"#, &claims_with(&[])), Some(Rejection::AlgorithmNotAllowed));
    // Another asymmetric algorithm that the profile does not list.
    let token = key(Algorithm::EdDsa).sign_compact("at+jwt", claims_with(&[]).as_bytes()).unwrap();
    check(&token, Some(Rejection::AlgorithmNotAllowed));
    // One that it lists, with the `kid` of a key of another.
    let both = Profile::builder(ISSUER, [AUDIENCE], [Algorithm::Es256, Algorithm::EdDsa]).build().unwrap();
    let kid = key(Algorithm::Es256).kid();
    let token = token_with_header(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"{typ}}}"#), &claims_with(&[]));
    check_under(&both, &token, Some(Rejection::AlgorithmNotAllowed));
}

#[test]
fn v04_signatures_of_the_wrong_form_are_refused() {
    let good = token_with(&[]);
    let (input, signature) = good.rsplit_once('.').unwrap();
    let raw = base64url::decode(signature.as_bytes()).unwrap();
    let with = |signature: &[u8]| format!("{input}.{}", base64url::encode(signature));
    let refused = |error| Some(Rejection::TokenMalformed(error));
    check(&with(&raw[..63]), refused(JwsError::SignatureLength));
    check(&with(&[0x30, 0x06, 2, 1, 1, 2, 1, 1]), refused(JwsError::SignatureLength));
    check(&with(&[0; 64]), refused(JwsError::SignatureWrong));
    let mut zero_s = raw.clone();
    zero_s[32..].fill(0);
    check(&with(&zero_s), refused(JwsError::SignatureWrong));
}

#[test]
fn v05_atp_14_only_an_access_token_is_one() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        check(&token_with_header(&header(&format!(r#","typ":"{typ}""#)), &claims_with(&[])), None);
    }
    for typ in [
        "JWT",
        "jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "token-introspection+jwt",
        "at",
        "client-authentication+jwt",
        "oauth-authz-req+jwt",
        "at+jwt ",
        "application/application/at+jwt",
        "",
    ] {
        let token = token_with_header(&header(&format!(r#","typ":"{typ}""#)), &claims_with(&[]));
        check(&token, Some(Rejection::TypeOther));
    }
    check(&token_with_header(&header(""), &claims_with(&[])), Some(Rejection::TypeOther));
}

#[test]
fn v05_atp_22_the_legacy_type_lets_no_other_kind_of_jwt_in() {
    let legacy = builder().accept_legacy_type().build().unwrap();
    for members in ["", r#","typ":"JWT""#, r#","typ":"jwt""#] {
        check_under(&legacy, &token_with_header(&header(members), &claims_with(&[])), None);
        for (name, value) in [
            ("nonce", "\"n\""),
            ("at_hash", "\"x\""),
            ("events", "{}"),
            ("htm", "\"GET\""),
            ("status_list", "{}"),
            ("token_introspection", "{}"),
        ] {
            let token = token_with_header(&header(members), &claims_with(&[(name, value)]));
            check_under(&legacy, &token, Some(Rejection::TypeOther));
        }
    }
    for typ in ["dpop+jwt", "logout+jwt", "id+jwt"] {
        let token = token_with_header(&header(&format!(r#","typ":"{typ}""#)), &claims_with(&[]));
        check_under(&legacy, &token, Some(Rejection::TypeOther));
    }
    // A typed access token may carry any of these claims.
    check(&token_with(&[("nonce", "\"n\"")]), None);
}

#[test]
fn v06_atp_16_the_issuer_is_compared_as_it_is_written() {
    for issuer in
        ["https://as.example/", "https://AS.example", "http://as.example", "", "https://as.example\\u0000"]
    {
        check_claims(&[("iss", &format!("\"{issuer}\""))], Some(Rejection::IssuerOther));
    }
    check_claims(&[("iss", "")], Some(Rejection::Claims(ClaimsError::Missing("iss"))));
    check_claims(
        &[("iss", "[\"https://as.example\"]")],
        Some(Rejection::Claims(ClaimsError::WrongType("iss"))),
    );
}

#[test]
fn v07_claims_of_the_wrong_type_do_not_count_as_absent() {
    let wrong = |name| Some(Rejection::Claims(ClaimsError::WrongType(name)));
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for value in ["\"1\"", "null", "true", "{}", "[]"] {
            check_claims(&[(name, value)], wrong(name));
        }
        for value in ["-1", "9007199254740992", "1e400"] {
            check_claims(&[(name, value)], Some(Rejection::Claims(ClaimsError::OutOfRange(name))));
        }
    }
    for name in
        ["sub", "client_id", "jti", "acr", "scope", "token_type", "lyd_grant", "lyd_session", "lyd_subject"]
    {
        for value in ["1", "null", "[\"a\"]", "{}"] {
            check_claims(&[(name, value)], wrong(name));
        }
    }
    for value in ["1", "null", "{}", "[1]", "[[\"https://api.example/orders\"]]", "[null]"] {
        check_claims(&[("aud", value)], wrong("aud"));
    }
    for value in ["1", "null", "\"x\"", "[]", r#"{"jkt":1}"#, r#"{"jkt":"short"}"#] {
        check_claims(&[("cnf", value)], wrong("cnf"));
    }
    check_claims(&[("minted_at", "\"1\"")], wrong("minted_at"));
    check_claims(
        &[("minted_at", "9223372036854775808")],
        Some(Rejection::Claims(ClaimsError::OutOfRange("minted_at"))),
    );
}

#[test]
fn v08_atp_03_what_rfc_9068_requires_is_required_unless_it_is_forgiven() {
    for name in ["exp", "aud", "sub", "client_id", "iat", "jti"] {
        check_claims(&[(name, "")], Some(Rejection::Claims(ClaimsError::Missing(name))));
    }
    for (claim, name) in [
        (ForgivenClaim::ClientId, "client_id"),
        (ForgivenClaim::IssuedAt, "iat"),
        (ForgivenClaim::Subject, "sub"),
        (ForgivenClaim::TokenId, "jti"),
    ] {
        let tolerant = builder().forgive(claim).build().unwrap();
        for other in ["exp", "aud", "sub", "client_id", "iat", "jti"] {
            let missing = Some(Rejection::Claims(ClaimsError::Missing(other)));
            check_under(&tolerant, &token_with(&[(other, "")]), if other == name { None } else { missing });
        }
        // Forgiven is what is absent, not what is wrong.
        let wrong = Some(Rejection::Claims(ClaimsError::WrongType(name)));
        check_under(&tolerant, &token_with(&[(name, "{}")]), wrong);
    }
}

#[test]
fn v09_scopes_are_words_with_single_spaces_between() {
    let out_of_range = Some(Rejection::Claims(ClaimsError::OutOfRange("scope")));
    for scope in ["a  b", " a", "a ", " ", "a\\tb", "a\\u00e9", "a\\\"b"] {
        check_claims(&[("scope", &format!("\"{scope}\""))], out_of_range);
    }
    for scope in ["", "a", "b a"] {
        check_claims(&[("scope", &format!("\"{scope}\""))], None);
    }
    // Without the switch nothing is read from `scp`; with it an array of scopes is.
    let scp = [("scope", ""), ("scp", r#"["b","a"]"#)];
    assert!(facts_with(&scp).scopes().next().is_none());
    let reading = builder().read_scp().build().unwrap();
    let facts = verify(&token_with(&scp), &keys(), &reading).unwrap();
    assert_eq!(facts.scopes().collect::<Vec<_>>(), ["b", "a"]);
    for (value, error) in [
        ("\"a b\"", ClaimsError::WrongType("scp")),
        ("[1]", ClaimsError::WrongType("scp")),
        ("[\"a b\"]", ClaimsError::OutOfRange("scp")),
        ("[\"\"]", ClaimsError::OutOfRange("scp")),
    ] {
        check_under(&reading, &token_with(&[("scope", ""), ("scp", value)]), Some(Rejection::Claims(error)));
    }
}

#[test]
fn v02_what_is_too_large_or_too_deep_is_refused() {
    let small = builder().token_bytes_max(200).build().unwrap();
    check_under(&small, &token_with(&[]), Some(Rejection::TokenTooLong));
    check(&"a".repeat(16 * 1024 + 1), Some(Rejection::TokenTooLong));
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let too_deep = Rejection::Claims(ClaimsError::Json(lydian_jose::json::JsonError::TooDeep));
    check_claims(&[("x", &deep)], Some(too_deep));
    let long_header = header(&format!(r#","typ":"at+jwt","x":"{}""#, "x".repeat(5_000)));
    check(
        &token_with_header(&long_header, &claims_with(&[])),
        Some(Rejection::TokenMalformed(JwsError::HeaderTooLong)),
    );
}

#[test]
fn v07_a_token_that_lives_too_long_is_refused() {
    let bounded = builder().lifetime_seconds_max(300).build().unwrap();
    check_under(&bounded, &token_with(&[]), None);
    let longer = token_with(&[("exp", &(EXPIRES_AT + 1).to_string())]);
    check_under(&bounded, &longer, Some(Rejection::LifetimeTooLong));
}

#[test]
fn v11_jwt_04_atp_13_keys_of_one_issuer_serve_no_other() {
    let other_issuer = "https://other.example";
    let other = Profile::builder(other_issuer, [AUDIENCE], [Algorithm::Es256]).build().unwrap();
    let token = token_with(&[]);
    assert_eq!(verify(&token, &keys(), &other).err(), Some(Rejection::KeysOfOtherIssuer));
    // The other issuer publishes a key under the very same `kid`.
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = stranger.verifying_key().to_jwk_json().replace(stranger.kid(), key(Algorithm::Es256).kid());
    let set = JwkSet::parse(format!("{{\"keys\":[{jwk}]}}").as_bytes()).unwrap().keys;
    let others_keys = Keys::new(other_issuer, &set);
    let wrong = Some(Rejection::TokenMalformed(JwsError::SignatureWrong));
    assert_eq!(verify(&token, &others_keys, &other).err(), wrong);
    // And a token that this issuer signed says that it is of the other.
    check_claims(&[("iss", &format!("\"{other_issuer}\""))], Some(Rejection::IssuerOther));
}

#[test]
fn v15_without_a_kid_there_must_be_no_doubt() {
    let without_kid = token_with_header(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims_with(&[]));
    check(&without_kid, None);
    let second = SigningKey::generate(Algorithm::Es256).unwrap();
    let two = keys_of(&[key(Algorithm::Es256), &second]);
    assert_eq!(verify(&without_kid, &two, &profile()).err(), Some(Rejection::KeyAmbiguous));
    let none = keys_of(&[key(Algorithm::EdDsa)]);
    assert_eq!(verify(&without_kid, &none, &profile()).err(), Some(Rejection::KeyUnknown));
    // With a `kid` the number of keys does not matter.
    assert_eq!(verify(&token_with(&[]), &two, &profile()).err(), None);
    assert_eq!(verify(&token_with(&[]), &none, &profile()).err(), Some(Rejection::KeyUnknown));
}

#[test]
fn every_algorithm_is_verified() {
    for algorithm in Algorithm::ALL {
        let profile = Profile::builder(ISSUER, [AUDIENCE], [algorithm]).build().unwrap();
        let token = key(algorithm).sign_compact("at+jwt", claims_with(&[]).as_bytes()).unwrap();
        let keys = keys_of(&[key(algorithm)]);
        assert!(verify(&token, &keys, &profile).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn r_08_claims_that_occur_twice_are_refused() {
    let claims = claims_with(&[]).replace("{\"iss\"", "{\"exp\":9999999999,\"iss\"");
    let repeated = Rejection::Claims(ClaimsError::Json(lydian_jose::json::JsonError::MemberRepeated));
    check(&sign(&claims), Some(repeated));
}

#[test]
fn v03_a_usual_header_is_one_of_exactly_its_bytes_and_of_its_key() {
    // The usual header of one key before the payload and signature of another: known, and refused for its signature.
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let both = keys_of(&[key(Algorithm::Es256), &other]);
    let others_token = other.sign_compact("at+jwt", claims_with(&[]).as_bytes()).unwrap();
    let usual = others_token.split('.').next().unwrap();
    assert_eq!(key(Algorithm::Es256).verifying_key().usual_header("at+jwt").unwrap().len(), usual.len());
    assert_eq!(verify(&others_token, &both, &profile()).err(), None);
    let own = token_with(&[]);
    let (_, rest) = own.split_once('.').unwrap();
    let wrong = Some(Rejection::TokenMalformed(JwsError::SignatureWrong));
    assert_eq!(verify(&format!("{usual}.{rest}"), &both, &profile()).err(), wrong);
    // The type of a header that is not the usual one is looked at as ever.
    let jwt = key(Algorithm::Es256).sign_compact("JWT", claims_with(&[]).as_bytes()).unwrap();
    assert_eq!(verify(&jwt, &both, &profile()).err(), Some(Rejection::TypeOther));
    // A set that does not have the key does not know its header.
    assert_eq!(verify(&others_token, &keys(), &profile()).err(), Some(Rejection::KeyUnknown));
}
