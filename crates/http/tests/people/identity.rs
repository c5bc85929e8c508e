//! What applications learn about a person: ID tokens, UserInfo, and access tokens that are JWTs.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use lydian_domain::secrets::sha256;
use lydian_jose::Compact;
use lydian_primitives::base64url;
use lydian_test_kit::fixtures::{API_CLIENT, AUDITOR, BARE_API, ISSUER, JWT_API};
use lydian_test_kit::{Request, TestServer};
use serde_json::{Value, json};

use crate::browser::{Browser, text};
use crate::fixtures::{ALICE, Ask, BOB, SPA, WEB, as_client, start};

const USERINFO: &str = "/oauth2/userinfo";

/// The header and the claims of a JWT that the server has signed.
#[track_caller]
pub(crate) fn verified(server: &TestServer, token: &str) -> (Value, Value) {
    let compact = Compact::parse(token).unwrap();
    let realm = server.realm(None);
    let entry = realm.key_by_kid(compact.header().kid().unwrap()).unwrap();
    compact.verify(entry.key.verifying_key()).unwrap();
    (part_of(token, 0), claims_of(token))
}

/// The claims of a JWT, whoever signed it.
pub(crate) fn claims_of(token: &str) -> Value {
    part_of(token, 1)
}

fn part_of(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn names(members: &Value) -> Vec<&str> {
    members.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_id_token_says_who_signed_in_when_how_and_for_whom() {
    let server = start().await;
    for (ask, client_id) in [(Ask::web(), WEB.client_id), (Ask::spa(), SPA)] {
        let mut browser = Browser::default();
        let code = browser.code(&server, &ask).await;
        server.advance_seconds(7);
        let tokens = server.send(ask.redeem(&code)).await.json();
        let (header, claims) = verified(&server, text(&tokens, "id_token"));
        assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
        let expected =
            ["acr", "amr", "at_hash", "aud", "auth_time", "azp", "exp", "iat", "iss", "nonce", "sid", "sub"];
        assert_eq!(names(&claims), expected);
        assert_eq!(
            (&claims["iss"], &claims["aud"], &claims["azp"]),
            (&json!(ISSUER), &json!(client_id), &json!(client_id))
        );
        assert_eq!((&claims["nonce"], &claims["amr"]), (&json!("a nonce"), &json!(["pwd"])));
        assert_eq!(claims["acr"], "urn:lydian:acr:one-factor");
        let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert_eq!((claims["auth_time"].as_u64().unwrap(), exp), (iat - 7, iat + 3_600));
        let at_hash = base64url::encode(&sha256(text(&tokens, "access_token").as_bytes())[..16]);
        assert_eq!(claims["at_hash"], at_hash);
        assert_eq!(text(&claims, "sid").len(), 22);
        let access = server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
        assert_eq!(access["sub"], claims["sub"]);
        // The next one is of the same session and the same sign-in, and has a nonce of its own.
        let again = ask.nonced("another nonce");
        let tokens = browser.tokens(&server, &again).await;
        let (_, next) = verified(&server, text(&tokens, "id_token"));
        assert_eq!(next["nonce"], "another nonce");
        for same in ["sid", "sub", "auth_time"] {
            assert_eq!(next[same], claims[same], "{same}");
        }
    }
}

#[tokio::test]
async fn without_openid_there_is_no_id_token_and_no_userinfo() {
    let server = start().await;
    let tokens = Browser::default().tokens(&server, &Ask::web().scope("read write")).await;
    assert_eq!(names(&tokens), ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    let request = Request::of("GET", USERINFO).bearer(text(&tokens, "access_token"));
    server.send(request).await.refused(403, "insufficient_scope");
}

#[tokio::test]
async fn userinfo_answers_by_get_by_post_and_by_form_with_what_the_scopes_open() {
    let server = start().await;
    let mut browser = Browser::default();
    let everything = "openid profile email address phone";
    for (scope, expected) in [
        ("openid", vec!["sub"]),
        ("openid email", vec!["email", "email_verified", "sub"]),
        ("openid phone", vec!["phone_number", "phone_number_verified", "sub"]),
        ("openid address", vec!["address", "sub"]),
        (
            everything,
            vec![
                "address",
                "birthdate",
                "email",
                "email_verified",
                "family_name",
                "gender",
                "given_name",
                "locale",
                "middle_name",
                "name",
                "nickname",
                "phone_number",
                "phone_number_verified",
                "picture",
                "preferred_username",
                "profile",
                "sub",
                "updated_at",
                "website",
                "zoneinfo",
            ],
        ),
    ] {
        let tokens = browser.tokens(&server, &Ask::web().scope(scope)).await;
        let token = text(&tokens, "access_token");
        let (_, id) = verified(&server, text(&tokens, "id_token"));
        for request in [
            Request::of("GET", USERINFO).bearer(token),
            Request::post(USERINFO).content_type("").bearer(token),
            Request::post(USERINFO).parameter("access_token", token),
        ] {
            let reply = server.send(request).await;
            assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            let members = reply.json();
            assert_eq!(names(&members), expected, "{scope}");
            assert_eq!(members["sub"], id["sub"]);
            if scope == everything {
                assert_eq!(members["address"], json!({ "locality": "Oxford", "country": "GB" }));
                assert_eq!(
                    (&members["email_verified"], &members["name"]),
                    (&json!(true), &json!("Alice Liddell"))
                );
                assert_eq!(members["preferred_username"], ALICE);
                assert!(members["updated_at"].is_u64());
            }
        }
    }
}

#[tokio::test]
async fn userinfo_refuses_what_is_no_access_token_of_a_person() {
    let server = start().await;
    let tokens = Browser::default().tokens(&server, &Ask::web()).await;
    let token = text(&tokens, "access_token");
    // Nothing was presented: a challenge without an error.
    let reply = Request::of("GET", USERINFO).send_unchecked(server.address()).await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer realm=\"lydian\"")));
    let own = server.issue(lydian_test_kit::fixtures::APP, lydian_test_kit::fixtures::API).await;
    for wrong in
        [text(&tokens, "refresh_token"), text(&tokens, "id_token"), &own, "x", &token[..token.len() - 1]]
    {
        let reply =
            server.send(Request::of("GET", USERINFO).bearer(wrong)).await.refused(401, "invalid_token");
        assert!(reply.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    }
    let twice = Request::post(USERINFO).bearer(token).parameter("access_token", token);
    server.send(twice).await.refused(400, "invalid_request");
    // Whoever knows the token learns nothing of it once it is revoked.
    assert_eq!(server.revoke(WEB, text(&tokens, "refresh_token")).await.status, 200);
    server.send(Request::of("GET", USERINFO).bearer(token)).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn claims_can_be_asked_for_one_by_one() {
    let server = start().await;
    let asked =
        r#"{"userinfo":{"email":{"essential":true},"shoe_size":null},"id_token":{"name":null,"roles":null}}"#;
    let tokens = Browser::default().tokens(&server, &Ask::web().scope("openid").with("claims", asked)).await;
    let (_, id) = verified(&server, text(&tokens, "id_token"));
    assert_eq!(id["name"], "Alice Liddell");
    assert!(id.get("roles").is_none() && id.get("email").is_none(), "{id}");
    let info = server.send(Request::of("GET", USERINFO).bearer(text(&tokens, "access_token"))).await.json();
    assert_eq!(info, json!({ "email": "alice@mail.example.com", "sub": id["sub"] }));
    // The next ID token of the family says the same.
    let refreshed = server.send(Ask::web().refresh(text(&tokens, "refresh_token"))).await.json();
    let (_, id) = verified(&server, text(&refreshed, "id_token"));
    assert_eq!(id["name"], "Alice Liddell");
}

#[tokio::test]
async fn claims_of_one_person_cannot_be_put_into_the_id_token_by_name() {
    let server = start().await;
    let asked = r#"{"id_token":{"sub":{"value":"somebody"},"iss":null,"aud":null,"acr":{"value":"urn:lydian:acr:several-factors"}}}"#;
    let tokens = Browser::default().tokens(&server, &Ask::web().with("claims", asked)).await;
    let (_, id) = verified(&server, text(&tokens, "id_token"));
    assert_eq!(
        (&id["iss"], &id["aud"], &id["acr"]),
        (&json!(ISSUER), &json!(WEB.client_id), &json!("urn:lydian:acr:one-factor"))
    );
    assert!(text(&id, "sub").starts_with("usr_"));
}

#[tokio::test]
async fn scopes_that_the_client_may_not_have_are_left_out_and_never_asked_for() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web().scope("openid read admin only-jwt");
    let page = browser.ask(&server, &ask).await.unwrap();
    let page = browser.sign_in(&server, &page, ALICE, crate::fixtures::PASSWORD).await;
    // `read` and `only-jwt` are defined together by one API alone.
    let page = page.unwrap();
    assert!(page.text.contains("only-jwt") && !page.text.contains("admin"), "{}", page.text);
    let code = browser.press(&server, &page, "allow").await.unwrap_err().code();
    let tokens = server.send(ask.redeem(&code)).await.json();
    assert_eq!(tokens["scope"], "only-jwt openid read");
}

#[tokio::test]
async fn a_jwt_names_the_person_and_the_session_and_dies_by_the_ledger() {
    let server = start().await;
    for api in [JWT_API, BARE_API] {
        let ask = Ask::web().resource(api);
        let mut browser = Browser::default();
        let tokens = browser.tokens(&server, &ask).await;
        let token = text(&tokens, "access_token");
        let (header, claims) = verified(&server, token);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
        let expected = [
            "acr",
            "amr",
            "aud",
            "aut",
            "auth_time",
            "azp",
            "client_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "lyd_grant",
            "lyd_session",
            "lyd_subject",
            "minted_at",
            "nbf",
            "scope",
            "sub",
        ];
        assert_eq!(names(&claims), expected);
        assert_eq!((&claims["aud"], &claims["scope"]), (&json!(api), &json!("openid read")));
        assert_eq!(
            (&claims["aut"], &claims["client_id"]),
            (&json!("APPLICATION_USER"), &json!(WEB.client_id))
        );
        let (_, id) = verified(&server, text(&tokens, "id_token"));
        assert_eq!(claims["sub"], id["sub"]);
        let told = server.introspect(AUDITOR, token).await.active();
        for same in [
            "sub",
            "aud",
            "exp",
            "iat",
            "jti",
            "lyd_grant",
            "lyd_session",
            "lyd_subject",
            "minted_at",
            "scope",
        ] {
            assert_eq!(told[same], claims[same], "{same}");
        }
        assert_eq!((&told["username"], &told["token_type"]), (&json!(ALICE), &json!("Bearer")));
        // The handles differ from API to API: what is told to one cannot be put together with what is told to another.
        let elsewhere = browser.tokens(&server, &Ask::web()).await;
        let elsewhere = server.introspect(AUDITOR, text(&elsewhere, "access_token")).await.active();
        assert_ne!(elsewhere["lyd_session"], claims["lyd_session"]);
        assert_ne!(elsewhere["lyd_subject"], claims["lyd_subject"]);
        let revoked = server.revoke(WEB, token).await;
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        server.introspect(AUDITOR, token).await.inactive();
        let userinfo = Request::of("GET", USERINFO).bearer(token);
        server.send(userinfo).await.refused(401, "invalid_token");
        // The rest of the family lives on, and dies with its refresh token.
        let next = server.send(ask.refresh(text(&tokens, "refresh_token"))).await.json();
        server.introspect(AUDITOR, text(&next, "access_token")).await.active();
        assert_eq!(server.revoke(WEB, text(&next, "refresh_token")).await.status, 200);
        server.introspect(AUDITOR, text(&next, "access_token")).await.inactive();
        server.send(ask.refresh(text(&next, "refresh_token"))).await.refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn an_application_learns_nothing_about_the_tokens_of_another_one() {
    let server = start().await;
    let tokens = Browser::default().tokens(&server, &Ask::spa()).await;
    for kind in ["access_token", "refresh_token"] {
        server.introspect(WEB, text(&tokens, kind)).await.inactive();
    }
    let seen = server.introspect(API_CLIENT, text(&tokens, "access_token")).await.active();
    assert_eq!(seen["scope"], "openid read");
    // A public client may not ask, not even about its own.
    let request =
        as_client(Request::post("/oauth2/introspect"), SPA).parameter("token", text(&tokens, "access_token"));
    server.send(request).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn a_person_without_a_profile_has_a_subject_and_a_name_to_sign_in_with() {
    let server = start().await;
    let ask = Ask::web().scope("openid profile email");
    let code = Browser::default().go(&server, &ask, BOB).await.code();
    let tokens = server.send(ask.redeem(&code)).await.json();
    let info = server.send(Request::of("GET", USERINFO).bearer(text(&tokens, "access_token"))).await.json();
    assert_eq!(names(&info), ["preferred_username", "sub", "updated_at"]);
    assert_eq!(info["preferred_username"], BOB);
}
