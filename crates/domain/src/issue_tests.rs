//! Tests of `issue`.

use std::collections::BTreeSet;
use std::sync::Arc;

use lydian_jose::{Algorithm, SigningKey};
use lydian_oauth_types::ClientAuthMethod;
use lydian_primitives::{Mint, Secret, SecretBytes, SystemEntropy};
use serde_json::{Value, json};

use super::*;
use crate::authenticate::{authenticate_by_secret, identify_public_client};
use crate::records::{Api, ApiId, Audience, ClientSecretHash, RealmName};
use crate::secrets::{RealmSecrets, RootKeys};
use crate::test_fixtures::{
    API, GRANT, ISSUED, KEY, MINTED, OTHER_API, OTHER_REALM, REALM, SESSION, USER, access_token, api, client,
    jwt_format, own_access_token, scope,
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
    let lasting = |api: &Api, seconds| Api { access_token_seconds: Some(seconds), ..api.clone() };
    check_lifetime(None, None, 3_600);
    check_lifetime(Some(&opaque), None, 3_600);
    check_lifetime(Some(&jwt), None, 900);
    for api in [&opaque, &jwt] {
        check_lifetime(Some(&lasting(api, 100)), None, 100);
        check_lifetime(Some(&lasting(api, 100)), Some(60), 60);
        check_lifetime(Some(&lasting(api, 100)), Some(500), 100);
        check_lifetime(Some(&lasting(api, 86_400)), None, 86_400);
        check_lifetime(Some(&lasting(api, 86_400)), Some(7_200), 7_200);
    }
    check_lifetime(None, Some(60), 60);
    check_lifetime(Some(&opaque), Some(60), 60);
    check_lifetime(Some(&jwt), Some(60), 60);
    check_lifetime(Some(&jwt), Some(3_600), 900);
    check_lifetime(None, Some(86_400), 3_600);
}

#[test]
fn bea_09_a_realm_sets_the_lifetimes_of_both_forms_apart() {
    let realm = Realm { opaque_access_token_seconds: 1_000, jwt_access_token_seconds: 100, ..realm() };
    let opaque = api(API, "https://a.example/", "read");
    let jwt = Api { token_format: jwt_format(), ..opaque.clone() };
    let of = |api| lifetime_seconds(&realm, &client(1), &Chosen { api, scope: scope("read") });
    assert_eq!([of(None), of(Some(&opaque)), of(Some(&jwt))], [1_000, 1_000, 100]);
}

fn confidential(grant_types: &[GrantType]) -> AuthenticatedClient {
    let secret = Secret::new("secret".to_owned());
    let hash = ClientSecretHash::of(&secret, &Mint::new(ISSUED, &SystemEntropy));
    let grant_types = grant_types.iter().copied().collect();
    let client = Arc::new(Client { secrets: vec![hash], grant_types, ..client(1) });
    authenticate_by_secret(Some(&client), ClientAuthMethod::ClientSecretBasic, &secret).unwrap()
}

fn public(grant_types: &[GrantType]) -> AuthenticatedClient {
    let auth_methods = BTreeSet::from([ClientAuthMethod::None]);
    let grant_types = grant_types.iter().copied().collect();
    identify_public_client(Some(&Arc::new(Client { auth_methods, grant_types, ..client(1) }))).unwrap()
}

const GRANT_TYPES: [GrantType; 3] =
    [GrantType::AuthorizationCode, GrantType::ClientCredentials, GrantType::RefreshToken];

#[test]
fn oau_23_a_client_may_use_the_grant_types_that_it_is_registered_for_and_no_other() {
    for registered in GRANT_TYPES {
        for used in GRANT_TYPES {
            let expected = if used == registered { Ok(()) } else { Err(Refusal::GrantTypeNotAllowed) };
            assert_eq!(may_use(&confidential(&[registered]), used), expected, "{registered:?} {used:?}");
        }
    }
    for used in GRANT_TYPES {
        assert_eq!(may_use(&confidential(&[]), used), Err(Refusal::GrantTypeNotAllowed));
        assert_eq!(may_use(&confidential(&GRANT_TYPES), used), Ok(()));
    }
}

#[test]
fn oau_21_client_credentials_are_for_confidential_clients_only() {
    let public = public(&GRANT_TYPES);
    assert_eq!(may_use(&public, GrantType::ClientCredentials), Err(Refusal::GrantTypeNotAllowed));
    assert_eq!(may_use(&public, GrantType::AuthorizationCode), Ok(()));
    assert_eq!(may_use(&public, GrantType::RefreshToken), Ok(()));
}

fn secrets() -> RealmSecrets {
    let root = RootKeys { handle: SecretBytes::new([1; 32]), peppers: vec![SecretBytes::new([2; 32])] };
    RealmSecrets::derive(&root, REALM)
}

const TOKEN_ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "https://a.example/";

fn claims_text(
    token: &AccessToken,
    subject: Option<&str>,
    reference_members: bool,
    api: Option<ApiId>,
) -> Result<Vec<u8>, Refusal> {
    let secrets = secrets();
    let sources = ClaimSources {
        issuer: TOKEN_ISSUER,
        audience: AUDIENCE,
        client_id: "app",
        subject,
        authentication: None,
        reference_members,
        token_handles: secrets.token_handles(),
        subject_handles: &secrets.subject_handles(api),
    };
    jwt_claims(token, &sources)
}

fn claims(token: &AccessToken, subject: Option<&str>) -> Value {
    serde_json::from_slice(&claims_text(token, subject, true, Some(API)).unwrap()).unwrap()
}

/// Takes out the members that are handles, which must have 22 characters of base64url.
fn without_handles(mut claims: Value, expected: &[&str]) -> Value {
    let members = claims.as_object_mut().unwrap();
    for name in expected {
        let handle = members.remove(*name).unwrap();
        assert!(base64url::decode_array::<16>(handle.as_str().unwrap().as_bytes()).is_some(), "{name}");
    }
    claims
}

#[test]
fn atp_03_atp_04_w57_w59_the_claims_of_a_clients_own_token_are_these_and_no_others() {
    let claims = without_handles(claims(&own_access_token(), None), &["jti", "lyd_grant"]);
    let expected = json!({
        "iss": TOKEN_ISSUER,
        "sub": "app",
        "aud": AUDIENCE,
        "exp": 1_800_003_600,
        "nbf": 1_800_000_000,
        "iat": 1_800_000_000,
        "client_id": "app",
        "azp": "app",
        "scope": "read",
        "aut": "APPLICATION",
        "minted_at": 5,
    });
    assert_eq!(claims, expected);
}

#[test]
fn atp_03_atp_04_atp_06_the_claims_of_a_users_token_are_these_and_no_others() {
    let claims = claims(&access_token(), Some("usr_40"));
    let claims = without_handles(claims, &["jti", "lyd_grant", "lyd_session", "lyd_subject"]);
    let expected = json!({
        "iss": TOKEN_ISSUER,
        "sub": "usr_40",
        "aud": AUDIENCE,
        "exp": 1_800_003_600,
        "nbf": 1_800_000_000,
        "iat": 1_800_000_000,
        "client_id": "app",
        "azp": "app",
        "scope": "openid read",
        "aut": "APPLICATION_USER",
        "minted_at": 5,
    });
    assert_eq!(claims, expected);
}

#[test]
fn atp_07_a_token_without_scope_has_no_such_claim() {
    let claims = claims(&AccessToken { scope: scope(""), ..own_access_token() }, None);
    assert_eq!(claims.get("scope"), None);
}

#[test]
fn r_12_the_reference_member_can_be_left_out_and_the_rest_stays() {
    for (token, subject) in [(own_access_token(), None), (access_token(), Some("usr_40"))] {
        let text = claims_text(&token, subject, false, Some(API)).unwrap();
        let mut expected = claims(&token, subject);
        expected.as_object_mut().unwrap().remove("aut").unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected);
    }
}

#[test]
fn r_08_claims_are_strict_json_without_a_null_and_numbers_are_whole() {
    for (token, subject) in [(own_access_token(), None), (access_token(), Some("usr_\"40\u{e9}"))] {
        for scopes in ["", "read", "!#[]~ a:b/c"] {
            let token = AccessToken { scope: scope(scopes), ..token.clone() };
            let text = claims_text(&token, subject, true, None).unwrap();
            // The reader of tokens is strict: a member that stands twice is an error.
            let document = lydian_jose::json::Json::parse(&text).unwrap();
            for name in ["exp", "nbf", "iat", "minted_at"] {
                assert!(document.root().get(name).unwrap().as_u64().is_some(), "{name}");
            }
            let value: Value = serde_json::from_slice(&text).unwrap();
            assert!(value.as_object().unwrap().values().all(|member| member.is_string() || member.is_u64()));
            assert_eq!(value["sub"], subject.unwrap_or("app"));
        }
    }
}

#[test]
fn w45_nbf_is_iat_and_exp_is_iat_and_the_lifetime() {
    for seconds in [1, 900, 3_600, 999_999] {
        let token = AccessToken { expires_at: ISSUED.plus_seconds(seconds), ..own_access_token() };
        let claims = claims(&token, None);
        assert_eq!(claims["nbf"], claims["iat"]);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), seconds);
    }
}

#[test]
fn the_handles_of_a_token_lead_back_within_its_api() {
    let claims = claims(&access_token(), Some("usr_40"));
    let handles = secrets().subject_handles(Some(API));
    let read = |name: &str| base64url::decode_array::<16>(claims[name].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(handles.subject_of(SubjectKind::User, read("lyd_subject")), Some(USER.as_number()));
    assert_eq!(handles.subject_of(SubjectKind::Session, read("lyd_session")), Some(SESSION.as_number()));
    assert_eq!(handles.subject_of(SubjectKind::Grant, read("lyd_grant")), Some(GRANT.as_number()));
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    let jti = token_string::parse_jti(claims["jti"].as_str().unwrap()).unwrap();
    assert_eq!(secrets().token_handles().token_of(jti), Some(access_token().id));
}

#[test]
fn handles_link_nobody_across_apis() {
    let of = |api| -> Value {
        serde_json::from_slice(&claims_text(&access_token(), Some("usr_40"), true, api).unwrap()).unwrap()
    };
    for name in ["lyd_grant", "lyd_session", "lyd_subject"] {
        assert_ne!(of(Some(API))[name], of(Some(OTHER_API))[name], "{name}");
        assert_ne!(of(Some(API))[name], of(None)[name], "{name}");
    }
}

#[test]
fn w41_aut_tells_a_users_token_from_a_clients_own() {
    assert_eq!(aut(&access_token()), "APPLICATION_USER");
    assert_eq!(aut(&own_access_token()), "APPLICATION");
    assert_eq!(aut(&AccessToken { session: None, ..access_token() }), "APPLICATION_USER");
}

/// Claims of this many bytes, or why not.
fn claims_of(bytes: usize) -> Result<Vec<u8>, Refusal> {
    let with = |text: &str| {
        let token = AccessToken { scope: ScopeSet::from_stored(text), ..own_access_token() };
        claims_text(&token, None, true, Some(API))
    };
    let least = with("a").unwrap().len();
    with(&"a".repeat(bytes + 1 - least))
}

/// Of this many bytes of claims, three make four characters, and 1 KiB is left for header and signature.
const CLAIMS_BYTES_MAX: usize = 5_378;

#[test]
fn atp_24_a_token_that_gateways_would_refuse_is_not_issued() {
    assert_eq!(claims_of(CLAIMS_BYTES_MAX).map(|claims| claims.len()), Ok(CLAIMS_BYTES_MAX));
    for bytes in [CLAIMS_BYTES_MAX + 1, 2 * CLAIMS_BYTES_MAX, 100_000] {
        assert_eq!(claims_of(bytes), Err(Refusal::TokenTooLarge));
    }
}

#[test]
fn atp_24_the_largest_claims_fit_with_the_largest_signature() {
    let claims = claims_of(CLAIMS_BYTES_MAX).unwrap();
    for algorithm in [Algorithm::Rs512, Algorithm::Es512] {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign_compact(TokenFormat::AT_JWT, &claims).unwrap();
        assert!(token.len() <= JWT_ISSUED_BYTES_MAX, "{algorithm:?}: {} bytes", token.len());
    }
}

fn minted(api: Option<&Api>, key: Option<KeyId>) -> AccessToken {
    let client = Client { realm: OTHER_REALM, ..client(1) };
    let chosen = Chosen { api, scope: scope("read write") };
    access_token_of(&Minting {
        client: &client,
        chosen: &chosen,
        grant: GRANT,
        granter: None,
        id: access_token().id,
        now: ISSUED,
        expires_at: ISSUED.plus_seconds(60),
        minted_at: MINTED,
        key,
    })
}

#[test]
fn oau_21_the_facts_of_a_clients_own_token_are_those_it_was_minted_with() {
    let api = api(API, "https://a.example/", "read");
    let token = minted(Some(&api), Some(KEY));
    assert_eq!((token.realm, token.client, token.grant), (OTHER_REALM, client(1).id, GRANT));
    assert_eq!((token.user, token.session, token.revoked_at), (None, None, None));
    assert_eq!((token.id, token.scope), (access_token().id, scope("read write")));
    assert_eq!((token.audience, token.form), (Audience::Api(API), TokenForm::Jwt(KEY)));
    let times = (token.issued_at, token.expires_at, token.minted_at);
    assert_eq!(times, (ISSUED, ISSUED.plus_seconds(60), MINTED));
    assert!(token.digest.is_none());
}

#[test]
fn a_token_for_the_issuer_or_without_a_key_says_so() {
    let api = api(API, "https://a.example/", "read");
    assert_eq!(minted(None, None).audience, Audience::Issuer);
    assert_eq!(minted(None, None).form, TokenForm::Opaque);
    assert_eq!(minted(Some(&api), None).form, TokenForm::Opaque);
    assert_eq!(minted(None, Some(KEY)).form, TokenForm::Jwt(KEY));
}

fn access_token_of(minting: &Minting<'_>) -> AccessToken {
    super::access_token(minting)
}
