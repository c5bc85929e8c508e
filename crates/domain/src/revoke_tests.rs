//! Tests of `revoke`.

use super::*;
use crate::test_fixtures::*;

fn owner(cascade: RevocationCascade) -> Client {
    Client { revocation_cascade: cascade, ..client(OWNER.as_number()) }
}

#[test]
fn rev_07_an_access_token_goes_alone() {
    let token = access_token();
    let expected = Revocation::Token { id: token.id, expires_at: token.expires_at };
    assert_eq!(revoke(&owner(RevocationCascade::Standard), Inspected::Access(&token)), Ok(expected));
}

#[test]
fn rev_06_a_refresh_token_takes_its_family_along() {
    let token = refresh_token();
    for cascade in [RevocationCascade::Standard, RevocationCascade::Grant] {
        assert_eq!(revoke(&owner(cascade), Inspected::Refresh(&token)), Ok(Revocation::Grant(GRANT)));
    }
}

#[test]
fn d30_a_client_may_register_that_everything_goes_together() {
    let token = access_token();
    assert_eq!(
        revoke(&owner(RevocationCascade::Grant), Inspected::Access(&token)),
        Ok(Revocation::Grant(GRANT))
    );
}

#[test]
fn rev_04_a_token_of_another_client_is_refused_whatever_the_caller_may_see() {
    let stranger = Client { introspect_any: true, api: Some(API), ..client(1) };
    let (access, refresh) = (access_token(), refresh_token());
    for token in [Inspected::Access(&access), Inspected::Refresh(&refresh)] {
        assert_eq!(revoke(&stranger, token), Err(Refusal::TokenOfAnotherClient));
    }
}
