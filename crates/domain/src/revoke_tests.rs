//! Tests of `revoke`.

use lydian_revocation::Seq;

use super::*;
use crate::records::{AccessToken, Audience, RefreshToken, TokenForm};
use crate::test_fixtures::*;

const CASCADES: [RevocationCascade; 2] = [RevocationCascade::Standard, RevocationCascade::Grant];

fn owner(cascade: RevocationCascade) -> Client {
    Client { revocation_cascade: cascade, ..client(OWNER.as_number()) }
}

#[track_caller]
fn check_access(cascade: RevocationCascade, token: &AccessToken, expected: Revocation) {
    assert_eq!(revoke(&owner(cascade), Inspected::Access(token)), Ok(expected), "{cascade:?}");
}

fn alone(token: &AccessToken) -> Revocation {
    Revocation::Token { id: token.id, expires_at: token.expires_at, reach: token.reach() }
}

/// A user's, a client's own, one for the issuer, a JWT, one that lives beyond the horizon.
fn access_tokens() -> [AccessToken; 5] {
    [
        access_token(),
        own_access_token(),
        AccessToken { audience: Audience::Issuer, ..own_access_token() },
        AccessToken { form: TokenForm::Jwt(KEY), ..access_token() },
        AccessToken { expires_at: ISSUED.plus_seconds(999_999), ..access_token() },
    ]
}

#[test]
fn rev_07_an_access_token_goes_alone() {
    for token in access_tokens() {
        check_access(RevocationCascade::Standard, &token, alone(&token));
    }
    assert_eq!(RevocationCascade::default(), RevocationCascade::Standard);
}

#[test]
fn rev_06_a_refresh_token_takes_its_family_along() {
    let token = refresh_token();
    for cascade in CASCADES {
        assert_eq!(revoke(&owner(cascade), Inspected::Refresh(&token)), Ok(Revocation::Grant(GRANT)));
    }
}

#[test]
fn d30_rev_07_a_client_may_register_that_everything_goes_together() {
    for token in access_tokens() {
        check_access(RevocationCascade::Grant, &token, Revocation::Grant(token.grant));
    }
}

#[test]
fn rev_04_a_token_of_another_client_is_refused_whatever_the_caller_may_see() {
    let (access, refresh) = (access_token(), refresh_token());
    for cascade in CASCADES {
        for stranger in [
            client(1),
            Client { api: Some(API), ..client(1) },
            Client { introspect_any: true, api: Some(API), ..client(1) },
            Client { client_id: client(OWNER.as_number()).client_id, ..client(1) },
        ] {
            let stranger = Client { revocation_cascade: cascade, ..stranger };
            for token in [Inspected::Access(&access), Inspected::Refresh(&refresh)] {
                assert_eq!(revoke(&stranger, token), Err(Refusal::TokenOfAnotherClient));
            }
        }
    }
}

#[test]
fn rev_05_what_a_revocation_kills_does_not_depend_on_what_is_dead_already() {
    let revoked_at = Some(Seq::from_number(9));
    for cascade in CASCADES {
        let (living, dead) = (access_token(), AccessToken { revoked_at, ..access_token() });
        let decide = |token| revoke(&owner(cascade), token);
        assert_eq!(decide(Inspected::Access(&dead)), decide(Inspected::Access(&living)));
        let (living, dead) = (refresh_token(), RefreshToken { revoked_at, ..refresh_token() });
        assert_eq!(decide(Inspected::Refresh(&dead)), decide(Inspected::Refresh(&living)));
    }
}
