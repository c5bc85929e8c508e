//! A person signs in, agrees, and the application gets its tokens: both kinds of client, both forms of token.

use lydian_test_kit::fixtures::{API, API_CLIENT, AUDITOR, ISSUER};
use serde_json::{Value, json};

use crate::browser::{Browser, text};
use crate::fixtures::{ALICE, Ask, PASSWORD, SPA, WEB, WEB_CALLBACK, start};

#[tokio::test]
async fn a_person_signs_in_agrees_and_the_application_gets_its_tokens() {
    let server = start().await;
    let mut browser = Browser::default();
    let ask = Ask::web();
    let page = browser.ask(&server, &ask).await.unwrap();
    assert!(page.text.contains("The web application"), "{}", page.text);
    assert_eq!(page.form("sign-in").input("username"), "");
    let page = browser.sign_in(&server, &page, ALICE, PASSWORD).await.unwrap();
    assert!(page.text.contains("The web application") && page.text.contains(ALICE), "{}", page.text);
    assert!(page.text.contains("read") && page.text.contains("know who you are"), "{}", page.text);
    let returned = browser.press(&server, &page, "allow").await.unwrap_err();
    assert_eq!(returned.address, WEB_CALLBACK);
    let names: Vec<&str> = returned.parameters.keys().map(String::as_str).collect();
    assert_eq!(names, ["code", "iss", "state"]);
    assert_eq!((returned.get("state"), returned.get("iss")), ("a state", ISSUER));
    let reply = server.send(ask.redeem(&returned.code())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let members = reply.json();
    let names: Vec<&String> = members.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(
        (&members["token_type"], &members["expires_in"], &members["scope"]),
        (&json!("Bearer"), &json!(3600), &json!("openid read"))
    );
    // Who has agreed is not asked again.
    let again = browser.ask(&server, &ask).await.unwrap_err();
    assert_ne!(again.code(), returned.code());
}

#[tokio::test]
async fn the_answers_about_opaque_tokens_have_the_members_of_the_reference_page() {
    let server = start().await;
    for (ask, client_id) in [(Ask::web(), WEB.client_id), (Ask::spa(), SPA)] {
        let tokens = Browser::default().tokens(&server, &ask).await;
        let access = server.introspect(AUDITOR, text(&tokens, "access_token")).await.active();
        let refresh = server.introspect(AUDITOR, text(&tokens, "refresh_token")).await.active();
        let names = |members: &Value| members.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        let common = [
            "active",
            "client_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "minted_at",
            "nbf",
            "scope",
            "sub",
            "token_type",
            "username",
        ];
        let of_access = [
            &common[..],
            &["acr", "amr", "aud", "aut", "auth_time", "lyd_grant", "lyd_session", "lyd_subject"],
        ]
        .concat();
        assert_eq!(names(&access), sorted(of_access));
        assert_eq!(names(&refresh), sorted(common.to_vec()));
        assert_eq!(access["aut"], "APPLICATION_USER");
        assert_eq!((&access["token_type"], &refresh["token_type"]), (&json!("Bearer"), &json!("Refresh")));
        for members in [&access, &refresh] {
            assert_eq!(members["username"], ALICE);
            assert_eq!(members["client_id"], client_id);
            assert_eq!(members["scope"], "openid read");
            assert_eq!(members["iss"], ISSUER);
            for number in ["exp", "iat", "nbf"] {
                assert!(members[number].is_u64(), "{number}: {members}");
            }
            assert_eq!(members["sub"], access["sub"]);
        }
        assert_eq!(access["aud"], API);
        // The API sees the same, and nothing of the refresh token.
        let seen = server.introspect(API_CLIENT, text(&tokens, "access_token")).await.active();
        assert_eq!(seen["username"], ALICE);
        server.introspect(API_CLIENT, text(&tokens, "refresh_token")).await.inactive();
    }
}
