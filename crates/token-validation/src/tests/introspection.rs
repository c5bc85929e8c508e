use lydian_jose::ClaimsError;
use lydian_revocation::Seq;

use super::support::*;
use crate::{Facts, Origin, Presented, Profile, Rejection, Requirements, introspection_facts};

fn read_under(profile: &Profile, answer: &str) -> Result<Facts, Rejection> {
    introspection_facts(answer.as_bytes().to_vec(), "lya_0token", Seq::ZERO, profile)
}

#[track_caller]
fn check(answer: &str, expected: Option<Rejection>) {
    assert_eq!(read_under(&profile(), answer).err(), expected, "{answer}");
}

fn active_with(changes: &[(&str, &str)]) -> String {
    let mut changes = changes.to_vec();
    changes.push(("active", "true"));
    claims_with(&changes)
}

#[test]
fn v25_active_is_a_boolean_and_nothing_else() {
    check(&active_with(&[]), None);
    check(r#"{"active":false}"#, Some(Rejection::Inactive));
    check(&claims_with(&[("active", "false")]), Some(Rejection::Inactive));
    for value in ["\"true\"", "\"false\"", "1", "0", "null", "[true]", "{}"] {
        check(
            &claims_with(&[("active", value)]),
            Some(Rejection::AnswerMalformed(ClaimsError::WrongType("active"))),
        );
    }
    check(&claims_with(&[]), Some(Rejection::AnswerMalformed(ClaimsError::Missing("active"))));
    for text in
        ["", "active", "[]", "true", "<html>", r#"{"active":true"#, r#"{"active":false,"active":true}"#]
    {
        assert!(matches!(read_under(&profile(), text), Err(Rejection::AnswerMalformed(_))), "{text}");
    }
}

#[test]
fn v25_the_answer_is_about_this_issuers_access_token() {
    check(&active_with(&[("iss", "")]), None);
    check(&active_with(&[("iss", "\"https://other.example\"")]), Some(Rejection::IssuerOther));
    check(&active_with(&[("iss", "1")]), Some(Rejection::AnswerMalformed(ClaimsError::WrongType("iss"))));
    for (name, is_access_token) in [
        ("Bearer", true),
        ("bearer", true),
        ("DPoP", true),
        ("Refresh", false),
        ("N_A", false),
        ("mac", false),
    ] {
        let expected = (!is_access_token).then_some(Rejection::TypeOther);
        check(&active_with(&[("token_type", &format!("\"{name}\""))]), expected);
    }
    for name in ["exp", "nbf", "iat", "aud", "scope", "cnf", "sub", "auth_time"] {
        let wrong = Rejection::AnswerMalformed(ClaimsError::WrongType(name));
        check(&active_with(&[(name, "true")]), Some(wrong));
    }
}

#[test]
fn v21_an_answer_without_expiry_is_taken_only_where_it_is_agreed() {
    let without = active_with(&[("exp", "")]);
    check(&without, Some(Rejection::AnswerMalformed(ClaimsError::Missing("exp"))));
    let agreed = builder().accept_answers_without_expiry().build().unwrap();
    assert!(read_under(&agreed, &without).unwrap().expires_at().is_none());
}

#[test]
fn v21_v22_an_answer_is_judged_like_a_jwt() {
    let decide = |changes: &[(&str, &str)], now| {
        let facts = read_under(&profile(), &active_with(changes)).unwrap();
        rejection_of(decide_at(&facts, &Requirements::none(), &Presented::BEARER, now))
    };
    assert_eq!(decide(&[], NOW), None);
    assert_eq!(decide(&[], EXPIRES_AT + 30), Some(Rejection::Expired));
    assert_eq!(decide(&[("nbf", &(NOW + 31).to_string())], NOW), Some(Rejection::NotYetValid));
    assert_eq!(decide(&[("aud", "\"https://other.example\"")], NOW), Some(Rejection::AudienceWrong));
    assert_eq!(decide(&[("aud", "")], NOW), Some(Rejection::AudienceWrong));
    let cnf = format!(r#"{{"jkt":"{}"}}"#, lydian_primitives::base64url::encode(&[1; 32]));
    assert_eq!(decide(&[("cnf", &cnf)], NOW), Some(Rejection::BoundTokenAsBearer));
    // The issuer calls it a DPoP token and does not say of which key: nobody can prove that.
    assert_eq!(decide(&[("token_type", "\"DPoP\"")], NOW), Some(Rejection::ConfirmationUnknown));
}

#[test]
fn v06_an_answer_without_audience_is_taken_only_where_it_is_agreed() {
    use crate::{RevocationView, Standing, Watermarks, decide};
    let agreed = builder().accept_answers_without_audience().build().unwrap();
    let (keys, watermarks) = (keys(), Watermarks::new());
    let of = |answer: &str, requirements: &Requirements| {
        let facts = read_under(&agreed, answer).unwrap();
        let revocation = RevocationView::NoFeed(&watermarks);
        let standing = Standing { profile: &agreed, keys: &keys, revocation, now: at(NOW) };
        rejection_of(decide(&facts, requirements, &Presented::BEARER, &standing))
    };
    let none = Requirements::none();
    assert_eq!(of(&active_with(&[("aud", "")]), &none), None);
    assert_eq!(of(&active_with(&[("aud", "[]")]), &none), Some(Rejection::AudienceWrong));
    let one = Requirements::none().audience(AUDIENCE);
    assert_eq!(of(&active_with(&[("aud", "")]), &one), Some(Rejection::AudienceWrong));
}

#[test]
fn the_answer_of_our_server_has_facts_with_its_coordinates() {
    let answer = concat!(
        r#"{"active":true,"aut":"APPLICATION","token_type":"Bearer","client_id":"app","scope":"orders:read","#,
        r#""iat":1700000000,"nbf":1700000000,"exp":1700003600,"sub":"app","aud":"https://api.example/orders","#,
        r#""iss":"https://as.example","jti":"AAAAAAAAAAAAAAAAAAAABw","minted_at":12,"lyd_grant":"AAAAAAAAAAAAAAAAAAAAAw"}"#
    );
    let facts = read_under(&profile(), answer).unwrap();
    let coordinates = facts.coordinates();
    assert_eq!((coordinates.token, coordinates.grant, coordinates.minted_at), (7, 3, Seq::from_number(12)));
    assert_eq!((coordinates.session, coordinates.key), (None, None));
    assert_eq!(facts.origin(), Origin::Introspected { asked_at: Seq::ZERO });
    assert_eq!(facts.claims().string("aut"), Ok(Some("APPLICATION")));
}
