use proptest::prelude::*;

use crate::dpop::ProofError;
use crate::{Outcome, Rejection, RequestFields, Scheme, read_credentials};

fn read<'a>(authorization: &'a [&'a [u8]]) -> Result<(Scheme, &'a str), Rejection> {
    let fields = RequestFields { authorization, dpop: &[b"proof"], has_token_elsewhere: false };
    read_credentials(&fields).map(|credentials| (credentials.scheme, credentials.token))
}

#[track_caller]
fn check(field: &str, expected: Result<(Scheme, &str), Rejection>) {
    assert_eq!(read(&[field.as_bytes()]), expected, "{field:?}");
}

#[test]
fn v01_the_scheme_has_no_case_and_any_number_of_spaces_follows() {
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        check(&format!("{scheme} abc"), Ok((Scheme::Bearer, "abc")));
        check(&format!("{scheme}   abc"), Ok((Scheme::Bearer, "abc")));
    }
    for scheme in ["DPoP", "dpop", "DPOP"] {
        check(&format!("{scheme} abc"), Ok((Scheme::Dpop, "abc")));
    }
    check("Bearer a.b-c_d~e+f/g==", Ok((Scheme::Bearer, "a.b-c_d~e+f/g==")));
}

#[test]
fn v01_bea_01_what_follows_the_scheme_is_one_token() {
    for field in [
        "Bearer",
        "Bearer ",
        "Bearer    ",
        "Bearer a b",
        "Bearer a,b",
        "Bearer abc, Bearer def",
        "Bearer a\tb",
        "Bearer =",
        "Bearer a=b",
        "Bearer \"abc\"",
        "Bearer abc ",
        "Bearer a\u{e9}",
        "Bearer token=abc",
        "DPoP",
        "DPoP a b",
    ] {
        check(field, Err(Rejection::AuthorizationMalformed));
    }
    assert_eq!(read(&[b"Bearer \xff\xfe"]), Err(Rejection::AuthorizationMalformed));
    for field in ["", "Basic abc", "Bearer\tabc", "Bearerabc", "Negotiate", " Bearer abc"] {
        check(field, Err(Rejection::SchemeUnknown));
    }
}

#[test]
fn v01_bea_04_there_is_one_way_and_one_field() {
    assert_eq!(read(&[]), Err(Rejection::CredentialsMissing));
    assert_eq!(read(&[b"Bearer a", b"Bearer a"]), Err(Rejection::AuthorizationRepeated));
    assert_eq!(read(&[b"Bearer a", b"DPoP a"]), Err(Rejection::AuthorizationRepeated));
    assert_eq!(read(&[b"Basic a", b"Bearer a", b"DPoP a"]), Err(Rejection::AuthorizationRepeated));
    let both = RequestFields { authorization: &[b"Bearer a"], dpop: &[], has_token_elsewhere: true };
    assert_eq!(read_credentials(&both).err(), Some(Rejection::TokenInTwoPlaces));
    for rejection in
        [Rejection::TokenInTwoPlaces, Rejection::AuthorizationRepeated, Rejection::AuthorizationMalformed]
    {
        assert_eq!(rejection.outcome(), Outcome::InvalidRequest);
    }
}

#[test]
fn v01_bea_02_bea_03_a_token_in_form_or_query_is_no_token() {
    let elsewhere = RequestFields { has_token_elsewhere: true, ..RequestFields::default() };
    assert_eq!(read_credentials(&elsewhere).err(), Some(Rejection::CredentialsMissing));
}

#[test]
fn v02_a_token_of_any_length_is_measured_before_it_is_looked_at() {
    let longest = format!("Bearer {}", "a".repeat(16 * 1024));
    assert!(read(&[longest.as_bytes()]).is_ok());
    let longer = format!("{longest}a");
    assert_eq!(read(&[longer.as_bytes()]), Err(Rejection::TokenTooLong));
}

#[test]
fn v38_with_dpop_there_is_one_proof() {
    let of = |authorization: &[u8], dpop: &[&[u8]]| {
        let fields = RequestFields { authorization: &[authorization], dpop, has_token_elsewhere: false };
        read_credentials(&fields).map(|credentials| credentials.proof.map(str::to_owned))
    };
    assert_eq!(of(b"DPoP a", &[b"p"]), Ok(Some("p".to_owned())));
    assert_eq!(of(b"DPoP a", &[]), Err(Rejection::Proof(ProofError::Missing)));
    assert_eq!(of(b"DPoP a", &[b"p", b"p"]), Err(Rejection::Proof(ProofError::Repeated)));
    assert_eq!(of(b"DPoP a", &[b"\xff"]), Err(Rejection::Proof(ProofError::Malformed)));
    // A proof beside a Bearer token is of no use, and does no harm.
    assert_eq!(of(b"Bearer a", &[b"p", b"q"]), Ok(None));
}

#[test]
fn credentials_do_not_print() {
    let fields = RequestFields { authorization: &[b"Bearer hunter2"], ..RequestFields::default() };
    assert!(!format!("{:?}", read_credentials(&fields)).contains("hunter2"));
}

proptest! {
    #[test]
    fn v01_what_is_read_is_a_token_and_stands_in_the_field(scheme in "(?i)bearer|dpop", token: Vec<u8>, spaces in 0_usize..3) {
        let field = [scheme.as_bytes(), " ".repeat(spaces).as_bytes(), &token].concat();
        if let Ok((_, read)) = read(&[&field]) {
            prop_assert!(!read.is_empty());
            prop_assert!(read.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)));
            prop_assert!(field.ends_with(read.as_bytes()));
        }
    }

    #[test]
    fn v01_every_token68_is_read_back(token in "[A-Za-z0-9._~+/-]{1,40}={0,2}") {
        let field = format!("Bearer {token}");
        let fields: [&[u8]; 1] = [field.as_bytes()];
        prop_assert_eq!(read(&fields), Ok((Scheme::Bearer, token.as_str())));
    }
}
