use std::collections::BTreeMap;

use lydian_jose::Algorithm;
use lydian_oauth_types::{Scope, ScopeSet};
use proptest::prelude::*;

use crate::dpop::ProofError;
use crate::{Challenges, Rejection, Requirements, Scheme, Schemes};

const ALGS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];

#[track_caller]
fn check(
    challenges: &Challenges,
    rejection: Rejection,
    presented: Option<Scheme>,
    requirements: &Requirements,
    expected: &[&str],
) {
    assert_eq!(challenges.for_rejection(rejection, presented, requirements), expected, "{rejection:?}");
}

fn both() -> Challenges {
    Challenges::new(Schemes::Both(ALGS.to_vec()))
}

fn scopes(text: &str) -> Requirements {
    Requirements::none().all_of(ScopeSet::parse(text).unwrap())
}

#[test]
fn v42_bea_05_without_credentials_there_is_no_error() {
    let bearer = Challenges::new(Schemes::Bearer).realm("orders").unwrap();
    let none = Requirements::none();
    for rejection in [Rejection::CredentialsMissing, Rejection::SchemeUnknown] {
        check(&bearer, rejection, None, &none, &[r#"Bearer realm="orders""#]);
        check(&both(), rejection, None, &none, &["Bearer", r#"DPoP algs="ES256 EdDSA""#]);
    }
    check(&Challenges::new(Schemes::Bearer), Rejection::CredentialsMissing, None, &none, &["Bearer"]);
}

#[test]
fn v42_bea_06_atp_20_the_table_of_challenges_is_exact() {
    let none = Requirements::none();
    let dpop = Some(Scheme::Dpop);
    let bearer = Some(Scheme::Bearer);
    let invalid_token = r#"error="invalid_token", error_description="the access token is not valid""#;
    let algs = r#"algs="ES256 EdDSA""#;
    let as_bearer = [format!("Bearer {invalid_token}"), format!("DPoP {algs}")];
    let as_dpop = ["Bearer".to_owned(), format!("DPoP {invalid_token}, {algs}")];
    for rejection in
        [Rejection::Expired, Rejection::Inactive, Rejection::AudienceWrong, Rejection::KeyUnknown]
    {
        check(&both(), rejection, bearer, &none, &[&as_bearer[0], &as_bearer[1]]);
        check(&both(), rejection, dpop, &none, &[&as_dpop[0], &as_dpop[1]]);
    }
    check(&both(), Rejection::BoundTokenAsBearer, bearer, &none, &[&as_dpop[0], &as_dpop[1]]);
    check(&both(), Rejection::UnboundTokenAsDpop, dpop, &none, &[&as_bearer[0], &as_bearer[1]]);
    let proof = r#"DPoP error="invalid_dpop_proof", error_description="the DPoP proof is not valid", algs="ES256 EdDSA""#;
    check(&both(), Rejection::Proof(ProofError::TooOld), dpop, &none, &["Bearer", proof]);
    let nonce = r#"DPoP error="use_dpop_nonce", error_description="the DPoP proof lacks a current nonce", algs="ES256 EdDSA""#;
    check(&both(), Rejection::Proof(ProofError::NonceMissing), dpop, &none, &["Bearer", nonce]);
    let request = r#"Bearer error="invalid_request", error_description="the credentials are malformed""#;
    check(&both(), Rejection::AuthorizationRepeated, None, &none, &[request, &as_bearer[1]]);
    let only_dpop = Challenges::new(Schemes::Dpop(ALGS.to_vec()));
    check(&only_dpop, Rejection::CredentialsMissing, None, &none, &[r#"DPoP algs="ES256 EdDSA""#]);
    check(&only_dpop, Rejection::Expired, bearer, &none, &[&as_dpop[1]]);
    // An error about a scheme that is not offered does not get lost.
    let only_bearer = Challenges::new(Schemes::Bearer);
    check(&only_bearer, Rejection::BoundTokenAsBearer, bearer, &none, &[&as_bearer[0]]);
}

#[test]
fn v10_v42_a_step_up_challenge_names_what_is_wanted() {
    let requirements = Requirements::none().acr_values(["gold", "platinum"]).max_age_seconds(300);
    let challenge = concat!(
        r#"Bearer error="insufficient_user_authentication", "#,
        r#"error_description="a more recent or a stronger sign-in is required", "#,
        r#"acr_values="gold platinum", max_age="300""#
    );
    let bearer = Challenges::new(Schemes::Bearer);
    for rejection in [Rejection::AuthenticationTooOld, Rejection::AuthenticationTooWeak] {
        check(&bearer, rejection, Some(Scheme::Bearer), &requirements, &[challenge]);
    }
}

#[test]
fn v43_bea_07_all_scopes_that_a_route_needs_are_named_at_once() {
    let bearer = Challenges::new(Schemes::Bearer);
    let error = r#"error="insufficient_scope", error_description="the access token lacks a scope""#;
    let any = [Scope::parse("admin").unwrap(), Scope::parse("owner").unwrap()];
    for (requirements, scope) in [
        (scopes("b a"), "a b"),
        (scopes("b a").any_of(any.clone()), "a b admin"),
        (scopes("").any_of(any), "admin"),
    ] {
        let expected = format!("Bearer {error}, scope=\"{scope}\"");
        check(&bearer, Rejection::ScopeInsufficient, Some(Scheme::Bearer), &requirements, &[&expected]);
    }
}

#[test]
fn v43_clients_of_the_model_context_protocol_learn_scope_and_metadata_early() {
    let address = "https://api.example/.well-known/oauth-protected-resource";
    let challenges = Challenges::new(Schemes::Bearer).resource_metadata(address).unwrap().name_scopes_early();
    let expected = format!(r#"Bearer scope="a", resource_metadata="{address}""#);
    check(&challenges, Rejection::CredentialsMissing, None, &scopes("a"), &[&expected]);
    let described = r#"error="insufficient_scope", error_description="the access token lacks a scope""#;
    let expected = format!(r#"Bearer {described}, scope="a", resource_metadata="{address}""#);
    check(&challenges, Rejection::ScopeInsufficient, Some(Scheme::Bearer), &scopes("a"), &[&expected]);
}

#[test]
fn v45_there_is_no_challenge_when_we_do_not_know() {
    check(&both(), Rejection::RevocationUnknown, Some(Scheme::Bearer), &Requirements::none(), &[]);
}

#[test]
fn v46_expired_revoked_and_unknown_tokens_are_challenged_alike() {
    use lydian_jose::JwsError;
    use lydian_revocation::{Death, Seq};
    let of = |rejection| both().for_rejection(rejection, Some(Scheme::Bearer), &Requirements::none());
    let expired = of(Rejection::Expired);
    for rejection in [
        Rejection::Inactive,
        Rejection::KeyUnknown,
        Rejection::Revoked(Death::Revoked(Seq::ZERO)),
        Rejection::TokenMalformed(JwsError::SignatureWrong),
    ] {
        assert_eq!(of(rejection), expired);
    }
}

#[test]
fn v42_configured_texts_are_quoted_and_never_split_a_field() {
    let challenges = Challenges::new(Schemes::Bearer).realm(r#"a "b" \c"#).unwrap();
    let expected = r#"Bearer realm="a \"b\" \\c""#;
    check(&challenges, Rejection::CredentialsMissing, None, &Requirements::none(), &[expected]);
    for text in ["a\r\nX: y", "a\u{e9}", "\u{0}", "\u{7f}"] {
        assert!(Challenges::new(Schemes::Bearer).realm(text).is_err());
        assert!(Challenges::new(Schemes::Bearer).resource_metadata(text).is_err());
        // A requirement is the program's own; even so it cannot split the field.
        let requirements = Requirements::none().acr_values([text]);
        let fields = Challenges::new(Schemes::Bearer).for_rejection(
            Rejection::AuthenticationTooWeak,
            None,
            &requirements,
        );
        assert!(fields[0].bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{fields:?}");
    }
}

/// Reads a challenge as a client does (RFC 9110 §11.6.1): a scheme, then parameters that are quoted strings.
fn parse(challenge: &str) -> Option<(String, BTreeMap<String, String>)> {
    let (scheme, mut rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
    let mut parameters = BTreeMap::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let (mut value, mut is_escaped, mut end) = (String::new(), false, None);
        for (position, character) in after.char_indices() {
            match character {
                _ if is_escaped => {
                    value.push(character);
                    is_escaped = false;
                }
                '\\' => is_escaped = true,
                '"' => {
                    end = Some(position);
                    break;
                }
                other => value.push(other),
            }
        }
        if parameters.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = after.get(end? + 1..)?;
        rest = if rest.is_empty() { rest } else { rest.strip_prefix(", ")? };
    }
    Some((scheme.to_owned(), parameters))
}

proptest! {
    #[test]
    fn v42_bea_08_challenges_read_back_as_what_they_were_made_of(
        realm in "[ -~]{0,30}",
        address in "[ -~]{0,30}",
        acr in "[!-~]{1,10}",
        max_age: u64,
        both_schemes: bool,
    ) {
        let schemes = if both_schemes { Schemes::Both(ALGS.to_vec()) } else { Schemes::Bearer };
        let challenges = Challenges::new(schemes).realm(&realm).unwrap().resource_metadata(&address).unwrap();
        let requirements = scopes("a b").acr_values([&acr]).max_age_seconds(max_age);
        let fields = challenges.for_rejection(Rejection::AuthenticationTooOld, Some(Scheme::Bearer), &requirements);
        prop_assert_eq!(fields.len(), if both_schemes { 2 } else { 1 });
        for (position, field) in fields.iter().enumerate() {
            let (scheme, parameters) = parse(field).unwrap();
            prop_assert_eq!(scheme, ["Bearer", "DPoP"][position]);
            prop_assert_eq!(&parameters["realm"], &realm);
            prop_assert_eq!(&parameters["resource_metadata"], &address);
            if position == 0 {
                prop_assert_eq!(&parameters["acr_values"], &acr);
                prop_assert_eq!(&parameters["max_age"], &max_age.to_string());
            } else {
                prop_assert_eq!(&parameters["algs"], "ES256 EdDSA");
                prop_assert!(!parameters.contains_key("error"));
            }
        }
    }
}
