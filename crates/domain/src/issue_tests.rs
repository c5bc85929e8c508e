//! Tests of `issue`.

use std::collections::BTreeSet;
use std::sync::Arc;

use lydian_oauth_types::ClientAuthMethod;
use lydian_primitives::SecretBytes;

use super::*;
use crate::authenticate::identify_public_client;
use crate::records::{Api, Audience, RealmName};
use crate::secrets::{RealmSecrets, RootKeys};
use crate::test_fixtures::{
    API, GRANT, ISSUED, KEY, MINTED, REALM, SESSION, USER, access_token, api, client, jwt_format, scope,
};

fn realm() -> Realm {
    Realm::with_defaults(REALM, RealmName::default_realm())
}

#[track_caller]
fn check_lifetime(api: Option<&Api>, client_seconds: Option<u64>, expected: u64) {
    let client = Client { access_token_seconds: client_seconds, ..client(1) };
    let chosen = Chosen { api, scope: scope("read") };
    assert_eq!(lifetime_seconds(&realm(), &client, &chosen), expected);
}

#[test]
fn bea_09_a_lifetime_is_the_apis_or_the_realms_and_no_longer_than_the_clients() {
    let opaque = api(API, "https://a.example/", "read");
    let jwt = Api { token_format: jwt_format(), ..opaque.clone() };
    let own = Api { access_token_seconds: Some(100), ..jwt.clone() };
    check_lifetime(None, None, 3_600);
    check_lifetime(Some(&opaque), None, 3_600);
    check_lifetime(Some(&jwt), None, 900);
    check_lifetime(Some(&own), None, 100);
    check_lifetime(Some(&own), Some(60), 60);
    check_lifetime(Some(&own), Some(500), 100);
}

#[test]
fn oau_21_client_credentials_are_for_confidential_clients_that_may_use_them() {
    let public = Client { auth_methods: BTreeSet::from([ClientAuthMethod::None]), ..client(1) };
    let caller = identify_public_client(Some(&Arc::new(public))).unwrap();
    assert_eq!(may_use(&caller, GrantType::ClientCredentials), Err(Refusal::GrantTypeNotAllowed));
    assert_eq!(may_use(&caller, GrantType::RefreshToken), Err(Refusal::GrantTypeNotAllowed));
}

fn secrets() -> RealmSecrets {
    let root = RootKeys { handle: SecretBytes::new([1; 32]), peppers: vec![SecretBytes::new([2; 32])] };
    RealmSecrets::derive(&root, REALM)
}

fn claims(token: &AccessToken, subject: Option<&str>) -> Result<serde_json::Value, Refusal> {
    let secrets = secrets();
    let sources = ClaimSources {
        issuer: "https://login.example",
        audience: "https://a.example/",
        client_id: "app",
        subject,
        reference_members: true,
        token_handles: secrets.token_handles(),
        subject_handles: &secrets.subject_handles(Some(API)),
    };
    jwt_claims(token, &sources).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

fn own_token() -> AccessToken {
    AccessToken { user: None, session: None, ..access_token() }
}

#[test]
fn atp_03_w57_the_claims_of_a_clients_own_token() {
    let claims = claims(&own_token(), None).unwrap();
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    let expected = [
        "aud",
        "aut",
        "azp",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "lyd_grant",
        "minted_at",
        "nbf",
        "scope",
        "sub",
    ];
    assert_eq!(names, expected);
    assert_eq!(claims["sub"], "app");
    assert_eq!(claims["aut"], "APPLICATION");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3_600);
    assert_eq!(claims["nbf"], claims["iat"]);
    assert_eq!(claims["minted_at"], MINTED.as_number());
    assert_eq!(claims["scope"], "openid read");
}

#[test]
fn a_users_token_names_the_user_and_handles_of_this_api() {
    let claims = claims(&access_token(), Some("usr_40")).unwrap();
    assert_eq!((claims["sub"].as_str(), claims["aut"].as_str()), (Some("usr_40"), Some("APPLICATION_USER")));
    let handles = secrets().subject_handles(Some(API));
    let read = |name: &str| base64url::decode_array::<16>(claims[name].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(handles.subject_of(SubjectKind::User, read("lyd_subject")), Some(USER.as_number()));
    assert_eq!(handles.subject_of(SubjectKind::Session, read("lyd_session")), Some(SESSION.as_number()));
    assert_eq!(handles.subject_of(SubjectKind::Grant, read("lyd_grant")), Some(GRANT.as_number()));
    let jti = token_string::parse_jti(claims["jti"].as_str().unwrap()).unwrap();
    assert_eq!(secrets().token_handles().token_of(jti), Some(access_token().id));
}

#[test]
fn atp_24_a_token_that_gateways_would_refuse_is_not_issued() {
    let long: Vec<String> = (0..64).map(|number| format!("{number:0>128}")).collect();
    let token = AccessToken { scope: scope(&long.join(" ")), ..own_token() };
    assert_eq!(claims(&token, None), Err(Refusal::TokenTooLarge));
    let fits = AccessToken { scope: scope(&long[..30].join(" ")), ..own_token() };
    assert!(claims(&fits, None).is_ok());
}

#[test]
fn the_facts_of_a_token_are_those_it_was_minted_with() {
    let chosen_api = api(API, "https://a.example/", "read");
    let chosen = Chosen { api: Some(&chosen_api), scope: scope("read") };
    let client = client(1);
    let minting = Minting {
        client: &client,
        chosen: &chosen,
        grant: GRANT,
        id: access_token().id,
        now: ISSUED,
        expires_at: ISSUED.plus_seconds(60),
        minted_at: MINTED,
        key: Some(KEY),
    };
    let token = access_token_of(&minting);
    assert_eq!((token.audience, token.form), (Audience::Api(API), TokenForm::Jwt(KEY)));
    assert_eq!((token.user, token.session, token.revoked_at), (None, None, None));
    assert_eq!(
        (token.issued_at, token.expires_at, token.minted_at),
        (ISSUED, ISSUED.plus_seconds(60), MINTED)
    );
    assert!(token.digest.is_none());
}

fn access_token_of(minting: &Minting<'_>) -> AccessToken {
    super::access_token(minting)
}
