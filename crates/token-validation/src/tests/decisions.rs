use lydian_jose::{Algorithm, SigningKey};
use lydian_oauth_types::{Scope, ScopeSet};
use lydian_primitives::Digest;
use lydian_primitives::base64url;

use super::proofs::{Maker, verified};
use super::support::*;
use crate::dpop::ProofError;
use crate::{
    Binding, CertificateThumbprint, Facts, Presented, Profile, Rejection, Requirements, RevocationView,
    Scheme, Standing, Watermarks, decide, verify,
};

#[track_caller]
fn check_at(facts: &Facts, now: u64, expected: Option<Rejection>) {
    let decision = decide_at(facts, &Requirements::none(), &Presented::BEARER, now);
    assert_eq!(rejection_of(decision), expected, "at {now}");
}

#[track_caller]
fn check(facts: &Facts, requirements: &Requirements, presented: &Presented<'_>, expected: Option<Rejection>) {
    assert_eq!(rejection_of(decide_at(facts, requirements, presented, NOW)), expected);
}

/// Decides under other settings of the profile, with facts established under them.
#[track_caller]
fn check_under(profile: &Profile, changes: &[(&str, &str)], now: u64, expected: Option<Rejection>) {
    let (keys, watermarks) = (keys(), Watermarks::new());
    let facts = verify(&token_with(changes), &keys, profile).unwrap();
    let revocation = RevocationView::NoFeed(&watermarks);
    let standing = Standing { profile, keys: &keys, revocation, now: at(now) };
    let decision = decide(&facts, &Requirements::none(), &Presented::BEARER, &standing);
    assert_eq!(rejection_of(decision), expected, "at {now}");
}

#[test]
fn v07_atp_19_a_token_is_refused_from_the_second_it_expires_and_the_leeway_is_over() {
    let facts = facts_with(&[]);
    check_at(&facts, EXPIRES_AT + 29, None);
    check_at(&facts, EXPIRES_AT + 30, Some(Rejection::Expired));
    let strict = builder().leeway_seconds(0).build().unwrap();
    check_under(&strict, &[], EXPIRES_AT - 1, None);
    check_under(&strict, &[], EXPIRES_AT, Some(Rejection::Expired));
    let fraction = format!("{EXPIRES_AT}.5");
    check_under(&strict, &[("exp", &fraction)], EXPIRES_AT, None);
    check_under(&strict, &[("exp", &fraction)], EXPIRES_AT + 1, Some(Rejection::Expired));
}

#[test]
fn v07_a_token_is_refused_before_it_begins() {
    let strict = builder().leeway_seconds(0).build().unwrap();
    let later = (NOW + 1).to_string();
    check_under(&strict, &[("nbf", &later)], NOW, Some(Rejection::NotYetValid));
    check_under(&strict, &[("nbf", &later)], NOW + 1, None);
    check_under(&strict, &[("iat", &later)], NOW, Some(Rejection::IssuedInFuture));
    check_under(&strict, &[("iat", &later)], NOW + 1, None);
    let lenient = builder().leeway_seconds(60).build().unwrap();
    check_under(&lenient, &[], ISSUED_AT - 60, None);
    check_under(&lenient, &[], ISSUED_AT - 61, Some(Rejection::NotYetValid));
    check_under(&lenient, &[("nbf", "")], ISSUED_AT - 61, Some(Rejection::IssuedInFuture));
}

#[test]
fn v07_a_token_may_be_too_old_before_it_expires() {
    let bounded = builder().leeway_seconds(0).age_seconds_max(100).build().unwrap();
    check_under(&bounded, &[], ISSUED_AT + 99, None);
    check_under(&bounded, &[], ISSUED_AT + 100, Some(Rejection::TooOld));
}

#[test]
fn v06_atp_17_the_audience_is_a_set_compared_as_it_is_written() {
    for (audience, is_for_us) in [
        (r#""https://api.example/orders""#, true),
        (r#"["https://other.example","https://api.example/orders"]"#, true),
        (r#""https://api.example/orders/""#, false),
        (r#""https://API.example/orders""#, false),
        (r#""https://api.example/order""#, false),
        (r#""https://api.example""#, false),
        (r#""https://other.example https://api.example/orders""#, false),
        ("[]", false),
        (r#""""#, false),
        (r#"["https://other.example"]"#, false),
    ] {
        let expected = (!is_for_us).then_some(Rejection::AudienceWrong);
        check(&facts_with(&[("aud", audience)]), &Requirements::none(), &Presented::BEARER, expected);
    }
}

#[test]
fn v22_two_routes_judge_the_same_facts_each_by_itself() {
    let two = "https://api.example/two";
    let profile = Profile::builder(ISSUER, [AUDIENCE, two], [Algorithm::Es256]).build().unwrap();
    let (keys, watermarks) = (keys(), Watermarks::new());
    let facts = verify(&token_with(&[]), &keys, &profile).unwrap();
    let revocation = RevocationView::NoFeed(&watermarks);
    let standing = Standing { profile: &profile, keys: &keys, revocation, now: at(NOW) };
    let of = |requirements: Requirements| {
        rejection_of(decide(&facts, &requirements, &Presented::BEARER, &standing))
    };
    assert_eq!(of(Requirements::none().audience(AUDIENCE)), None);
    assert_eq!(of(Requirements::none().audience(two)), Some(Rejection::AudienceWrong));
    let scopes = |text: &str| ScopeSet::parse(text).unwrap();
    assert_eq!(of(Requirements::none().all_of(scopes("orders:read"))), None);
    assert_eq!(of(Requirements::none().all_of(scopes("admin"))), Some(Rejection::ScopeInsufficient));
    assert_eq!(of(Requirements::none().binding(Binding::Bound)), Some(Rejection::BindingMissing));
    assert_eq!(of(Requirements::none().max_age_seconds(5)), Some(Rejection::AuthenticationTooOld));
}

#[test]
fn v09_scopes_are_compared_as_sets() {
    let facts = facts_with(&[("scope", "\"orders:read orders:write\"")]);
    let all_of = |text: &str| Requirements::none().all_of(ScopeSet::parse(text).unwrap());
    let any_of =
        |texts: &[&str]| Requirements::none().any_of(texts.iter().map(|text| Scope::parse(text).unwrap()));
    for (requirements, is_enough) in [
        (all_of(""), true),
        (all_of("orders:read"), true),
        (all_of("orders:write orders:read"), true),
        (all_of("orders"), false),
        (all_of("orders:rea"), false),
        (all_of("orders:read admin"), false),
        (all_of("ORDERS:READ"), false),
        (any_of(&["admin", "orders:write"]), true),
        (any_of(&["admin", "orders"]), false),
        (any_of(&["admin"]).all_of(ScopeSet::parse("orders:read").unwrap()), false),
    ] {
        let expected = (!is_enough).then_some(Rejection::ScopeInsufficient);
        check(&facts, &requirements, &Presented::BEARER, expected);
    }
    let none = facts_with(&[("scope", "")]);
    check(&none, &all_of("orders:read"), &Presented::BEARER, Some(Rejection::ScopeInsufficient));
}

#[test]
fn v10_atp_21_a_route_asks_for_a_recent_and_strong_enough_sign_in() {
    let strong = Requirements::none().acr_values(["gold", "platinum"]);
    let recent = Requirements::none().max_age_seconds(40);
    let too_weak = Some(Rejection::AuthenticationTooWeak);
    let too_old = Some(Rejection::AuthenticationTooOld);
    check(&facts_with(&[]), &strong, &Presented::BEARER, too_weak);
    check(&facts_with(&[("acr", "\"silver\"")]), &strong, &Presented::BEARER, too_weak);
    check(&facts_with(&[("acr", "\"gold platinum\"")]), &strong, &Presented::BEARER, too_weak);
    check(&facts_with(&[("acr", "\"platinum\"")]), &strong, &Presented::BEARER, None);
    check(&facts_with(&[]), &recent, &Presented::BEARER, too_old);
    // 40 seconds and a leeway of 30.
    let signed_in = |seconds_ago: u64| facts_with(&[("auth_time", &(NOW - seconds_ago).to_string())]);
    check(&signed_in(70), &recent, &Presented::BEARER, None);
    check(&signed_in(71), &recent, &Presented::BEARER, too_old);
    let in_the_future = facts_with(&[("auth_time", &(NOW + 31).to_string())]);
    check(&in_the_future, &recent, &Presented::BEARER, too_old);
}

#[test]
fn v17_facts_under_a_key_that_is_withdrawn_are_worth_nothing() {
    let facts = facts_with(&[]);
    let (profile, watermarks) = (profile(), Watermarks::new());
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let under = |keys: &crate::Keys| {
        let revocation = RevocationView::NoFeed(&watermarks);
        let standing = Standing { profile: &profile, keys, revocation, now: at(NOW) };
        rejection_of(decide(&facts, &Requirements::none(), &Presented::BEARER, &standing))
    };
    assert_eq!(under(&keys_of(&[&other, key(Algorithm::Es256)])), None);
    assert_eq!(under(&keys_of(&[&other])), Some(Rejection::KeyWithdrawn));
    // Another key under the same `kid` is another key.
    let jwk = other.verifying_key().to_jwk_json().replace(other.kid(), key(Algorithm::Es256).kid());
    let set = lydian_jose::JwkSet::parse(format!("{{\"keys\":[{jwk}]}}").as_bytes()).unwrap().keys;
    assert_eq!(under(&crate::Keys::new(ISSUER, &set)), Some(Rejection::KeyWithdrawn));
    assert_eq!(under(&crate::Keys::new("https://other.example", &set)), Some(Rejection::KeysOfOtherIssuer));
}

#[test]
fn v60_facts_of_yesterdays_settings_are_worth_nothing() {
    let facts = facts_with(&[]);
    let (keys, watermarks) = (keys(), Watermarks::new());
    for changed in [
        Profile::builder(ISSUER, ["https://api.example/new"], [Algorithm::Es256]),
        Profile::builder(ISSUER, [AUDIENCE], [Algorithm::EdDsa]),
        builder().leeway_seconds(31),
        builder().lifetime_seconds_max(1),
        builder().accept_legacy_type(),
    ] {
        let changed = changed.build().unwrap();
        let revocation = RevocationView::NoFeed(&watermarks);
        let standing = Standing { profile: &changed, keys: &keys, revocation, now: at(NOW) };
        let decision = decide(&facts, &Requirements::none(), &Presented::BEARER, &standing);
        assert_eq!(rejection_of(decision), Some(Rejection::FactsOfOtherProfile));
    }
    assert_eq!(profile().id(), builder().build().unwrap().id());
}

fn bound_to(maker: &Maker) -> Facts {
    facts_with(&[("cnf", &format!(r#"{{"jkt":"{}"}}"#, maker.thumbprint()))])
}

#[test]
fn v37_a_token_that_is_bound_to_a_key_needs_a_proof_by_it() {
    let maker = Maker::new();
    let token = token_with(&[]);
    let facts = bound_to(&maker);
    let proof = verified(&maker, Some(&token));
    let dpop = |proof| Presented { scheme: Scheme::Dpop, proof, certificate: None };
    let none = Requirements::none();
    check(&facts, &none, &dpop(Some(&proof)), None);
    check(&facts, &none, &Presented::BEARER, Some(Rejection::BoundTokenAsBearer));
    // A proof beside a Bearer token does not make it one of DPoP.
    let bearer_with_proof = Presented { scheme: Scheme::Bearer, proof: Some(&proof), certificate: None };
    check(&facts, &none, &bearer_with_proof, Some(Rejection::BoundTokenAsBearer));
    check(&facts, &none, &dpop(None), Some(Rejection::Proof(ProofError::Missing)));
    let others = verified(&Maker::new(), Some(&token));
    check(&facts, &none, &dpop(Some(&others)), Some(Rejection::ProofKeyOther));
    // A proof that was verified without the token, as at the token endpoint, says nothing about it.
    let without_token = verified(&maker, None);
    check(&facts, &none, &dpop(Some(&without_token)), Some(Rejection::Proof(ProofError::TokenHashMissing)));
    check(&facts_with(&[]), &none, &dpop(Some(&proof)), Some(Rejection::UnboundTokenAsDpop));
    check(&facts_with(&[]), &none, &dpop(None), Some(Rejection::UnboundTokenAsDpop));
}

#[test]
fn v37_a_token_that_is_bound_to_a_certificate_needs_that_connection() {
    let certificate = CertificateThumbprint::of_der(b"the certificate");
    let facts = facts_with(&[("cnf", &format!(r#"{{"x5t#S256":"{}"}}"#, certificate.to_text()))]);
    let with = |certificate| Presented { certificate, ..Presented::BEARER };
    let none = Requirements::none();
    check(&facts, &none, &with(Some(certificate)), None);
    check(&facts, &none, &with(None), Some(Rejection::CertificateMissing));
    let other = CertificateThumbprint::of_der(b"another certificate");
    check(&facts, &none, &with(Some(other)), Some(Rejection::CertificateOther));
    // A certificate on the connection of an unbound token is of no interest.
    check(&facts_with(&[]), &none, &with(Some(other)), None);
}

#[test]
fn v37_both_bindings_of_a_token_count() {
    let (maker, token) = (Maker::new(), token_with(&[]));
    let certificate = CertificateThumbprint::from_bytes([7; 32]);
    let cnf = format!(r#"{{"jkt":"{}","x5t#S256":"{}"}}"#, maker.thumbprint(), certificate.to_text());
    let facts = facts_with(&[("cnf", &cnf)]);
    let proof = verified(&maker, Some(&token));
    let presented = |certificate| Presented { scheme: Scheme::Dpop, proof: Some(&proof), certificate };
    check(&facts, &Requirements::none(), &presented(Some(certificate)), None);
    check(&facts, &Requirements::none(), &presented(None), Some(Rejection::CertificateMissing));
}

#[test]
fn v37_an_unknown_confirmation_is_refused_and_never_overlooked() {
    let maker = Maker::new();
    for cnf in [
        r#"{"kid":"k"}"#.to_owned(),
        r#"{"jwk":{"kty":"EC"}}"#.to_owned(),
        r#"{"JKT":"x"}"#.to_owned(),
        "{}".to_owned(),
        format!(r#"{{"jkt":"{}","osc":{{}}}}"#, maker.thumbprint()),
    ] {
        let facts = facts_with(&[("cnf", &cnf)]);
        check(&facts, &Requirements::none(), &Presented::BEARER, Some(Rejection::ConfirmationUnknown));
    }
}

#[test]
fn v37_a_route_may_want_a_bound_token() {
    let key = base64url::encode(&[1; 32]);
    let both = format!(r#"{{"jkt":"{key}","x5t#S256":"{key}"}}"#);
    let (by_key, by_certificate) = (format!(r#"{{"jkt":"{key}"}}"#), format!(r#"{{"x5t#S256":"{key}"}}"#));
    for (wanted, cnf, is_missing) in [
        (Binding::Any, "", false),
        (Binding::Bound, "", true),
        (Binding::Dpop, "", true),
        (Binding::Certificate, "", true),
        (Binding::Dpop, &*by_certificate, true),
        (Binding::Certificate, &*by_key, true),
        (Binding::Bound, &*by_key, false),
        (Binding::Bound, &*by_certificate, false),
        (Binding::Dpop, &*both, false),
        (Binding::Certificate, &*both, false),
    ] {
        let requirements = Requirements::none().binding(wanted);
        let rejection =
            rejection_of(decide_at(&facts_with(&[("cnf", cnf)]), &requirements, &Presented::BEARER, NOW));
        assert_eq!(
            rejection == Some(Rejection::BindingMissing),
            is_missing,
            "{wanted:?} {cnf}: {rejection:?}"
        );
    }
}

#[test]
fn what_concerns_the_token_is_said_before_what_it_may_do() {
    let facts = facts_with(&[("scope", ""), ("cnf", r#"{"kid":"k"}"#)]);
    let requirements = Requirements::none().all_of(ScopeSet::parse("admin").unwrap()).acr_values(["gold"]);
    check(&facts, &requirements, &Presented::BEARER, Some(Rejection::ConfirmationUnknown));
    let decision = decide_at(&facts, &requirements, &Presented::BEARER, EXPIRES_AT + 30);
    assert_eq!(rejection_of(decision), Some(Rejection::Expired));
    let facts = facts_with(&[("scope", "")]);
    check(&facts, &requirements, &Presented::BEARER, Some(Rejection::AuthenticationTooWeak));
}

#[test]
fn facts_show_nothing_when_they_are_printed() {
    let facts = facts_with(&[]);
    let grant = decide_at(&facts, &Requirements::none(), &Presented::BEARER, NOW).unwrap();
    for printed in [format!("{facts:?}"), format!("{grant:?}")] {
        assert!(!printed.contains("alice") && !printed.contains("orders"), "{printed}");
    }
    assert!(!format!("{:?}", Digest::from_bytes([1; 32])).contains('1'));
}
