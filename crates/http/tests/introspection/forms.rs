//! One rule for one token: both forms of it are answered alike.

use lydian_domain::issue::JWT_ISSUED_BYTES_MAX;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, AUDITOR, BARE_API, ISSUER, JWT_API};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::{Request, TestServer, forge};
use serde_json::Value;

/// What each form of a token may call its own: which token it is, and when it was made.
const OWN: [&str; 2] = ["jti", "minted_at"];

/// The forms of a token, as the document of an API says them.
const FORMS: [&str; 3] = [
    "token_format = \"opaque\"",
    "token_format = \"jwt\"\nrecord = true",
    "token_format = \"jwt\"\nrecord = false",
];

async fn set_form(server: &TestServer, form: &str) {
    server.apply(&format!("[[api]]\naudience = {API:?}\naccess_token_seconds = 600\n{form}\n")).await;
}

fn without_own(mut members: Value) -> Value {
    for name in OWN {
        members.as_object_mut().unwrap().remove(name).unwrap();
    }
    members
}

#[tokio::test]
async fn int_13_w42_d8_d10_r_09_the_form_of_a_clients_own_token_changes_nothing_in_its_answer() {
    let server = TestServer::start().await;
    let mut answers = Vec::new();
    for form in FORMS {
        set_form(&server, form).await;
        let token = server.issue(APP, API).await;
        assert_eq!(token.contains('.'), form.contains("jwt"), "{form}");
        let of_caller = [APP, API_CLIENT, AUDITOR].map(|caller| (caller, &token));
        let mut seen = Vec::new();
        for (caller, token) in of_caller {
            seen.push(without_own(server.introspect(caller, token).await.active()));
        }
        answers.push(seen);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[0][0]["token_type"], "Bearer");
}

#[tokio::test]
async fn int_13_w40_w42_the_form_of_a_users_token_changes_nothing_in_its_answer() {
    let server = TestServer::start().await;
    // Handles and subject are those of one user's grant; each seeding makes another one.
    let own = ["jti", "minted_at", "lyd_grant", "lyd_session", "lyd_subject", "sub", "username"];
    let mut answers = Vec::new();
    for (form, username) in FORMS.into_iter().zip(["a", "b", "c"]) {
        set_form(&server, form).await;
        let seed = Seed::of(APP, Some(API), "openid profile read").named(username).living(600);
        let granted = seed.put(&server).await;
        let mut members = server.introspect(API_CLIENT, &granted.access_token).await.active();
        assert_eq!(members["sub"], granted.subject, "{form}");
        assert_eq!(members["username"], username, "{form}");
        assert_eq!(members["aut"], "APPLICATION_USER", "{form}");
        for name in own {
            members.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("{form}: no {name}"));
        }
        answers.push(members);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn r_09_w57_w58_w59_the_answer_says_what_the_claims_say() {
    let server = TestServer::start().await;
    for audience in [JWT_API, BARE_API] {
        let own = server.issue(APP, audience).await;
        let seed = Seed::of(APP, Some(audience), "openid read").named(audience);
        let of_user = seed.put(&server).await.access_token;
        for (token, subject) in [(&own, Some("app")), (&of_user, None)] {
            let mut claims = forge::claims_of(token);
            assert_eq!(claims["iss"], ISSUER);
            assert_eq!(claims["aud"], audience);
            subject.inspect(|subject| assert_eq!(claims["sub"], *subject));
            assert!(token.len() < JWT_ISSUED_BYTES_MAX);
            let mut members = server.introspect(AUDITOR, token).await.active();
            let members = members.as_object_mut().unwrap();
            for name in ["active", "token_type"] {
                members.remove(name).unwrap();
            }
            members.remove("username");
            claims.as_object_mut().unwrap().remove("azp").unwrap();
            assert_eq!(Value::Object(members.clone()), claims);
        }
    }
}

#[tokio::test]
async fn a_token_with_a_row_outlives_a_change_of_its_apis_form() {
    let server = TestServer::start().await;
    let mut tokens = Vec::new();
    for form in FORMS {
        set_form(&server, form).await;
        tokens.push(server.issue(APP, API).await);
        for (token, made_as) in tokens.iter().zip(FORMS) {
            let reply = server.introspect(API_CLIENT, token).await;
            assert!(reply.text().starts_with("{\"active\":true"), "{made_as}, now {form}");
        }
    }
    // What has no row is good while its API says that its tokens need none.
    set_form(&server, FORMS[1]).await;
    let server = server.restart().await;
    server.introspect(API_CLIENT, &tokens[0]).await.active();
    server.introspect(API_CLIENT, &tokens[1]).await.active();
    server.introspect(API_CLIENT, &tokens[2]).await.inactive();
}

#[tokio::test]
async fn w39_int_28_rev_11_each_form_is_inactive_at_once_and_after_a_restart() {
    let server = TestServer::start().await;
    let mut revoked = Vec::new();
    let mut kept = Vec::new();
    for audience in [API, JWT_API, BARE_API] {
        let token = server.issue(APP, audience).await;
        kept.push(server.issue(APP, audience).await);
        server.introspect(APP, &token).await.active();
        assert_eq!(server.revoke(APP, &token).await.status, 200);
        server.introspect(APP, &token).await.inactive();
        revoked.push(token);
    }
    let server = server.restart().await;
    for (revoked, kept) in revoked.iter().zip(&kept) {
        server.introspect(APP, revoked).await.inactive();
        server.introspect(APP, kept).await.active();
    }
}

#[tokio::test]
async fn w61_every_jwt_names_a_key_of_the_published_set() {
    let server = TestServer::start().await;
    let jwks = server.send(Request::of("GET", "/oauth2/jwks")).await.json();
    let kids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
    for audience in [JWT_API, BARE_API] {
        let header = forge::header_of(&server.issue(APP, audience).await);
        assert!(kids.contains(&header["kid"]), "{header}");
        assert_eq!(header["typ"], "at+jwt");
    }
}
