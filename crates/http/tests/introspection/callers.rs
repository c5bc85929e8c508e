//! Who may ask: every way to authenticate, and every way to fail (RFC 7662 §2.1, §2.3).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lydian_test_kit::fixtures::{ACME_APP, API, API_CLIENT, APP, Credentials, POST_APP, PUBLIC_CLIENT};
use lydian_test_kit::seed::Seed;
use lydian_test_kit::server::introspection;
use lydian_test_kit::{Reply, Request, TestServer};

use crate::alike::whole;

pub(crate) const PATH: &str = "/oauth2/introspect";

pub(crate) const BASIC: &str = "Basic realm=\"lydian\", charset=\"UTF-8\"";
pub(crate) const BEARER: &str = "Bearer realm=\"lydian\"";
pub(crate) const BEARER_INVALID: &str = "Bearer realm=\"lydian\", error=\"invalid_token\"";
pub(crate) const BEARER_WEAK: &str =
    "Bearer realm=\"lydian\", error=\"insufficient_scope\", scope=\"introspect\"";

/// A request about a token that the application may see, still without credentials.
pub(crate) struct Asked {
    pub(crate) server: TestServer,
    pub(crate) token: String,
}

impl Asked {
    pub(crate) async fn start() -> Self {
        let server = TestServer::start().await;
        let token = server.issue(APP, API).await;
        Self { server, token }
    }

    pub(crate) fn request(&self) -> Request {
        Request::post(PATH).parameter("token", &self.token)
    }

    pub(crate) async fn basic(&self, client_id: &str, client_secret: &str) -> Reply {
        self.server.send(self.request().basic(client_id, client_secret)).await
    }

    pub(crate) async fn authorization(&self, value: &str) -> Reply {
        self.server.send(self.request().header("authorization", value)).await
    }

    pub(crate) async fn bearer(&self, token: &str) -> Reply {
        self.server.send(self.request().bearer(token)).await
    }

    async fn post(&self, client_id: &str, client_secret: &str) -> Reply {
        let request = self.request().parameter("client_id", client_id);
        self.server.send(request.parameter("client_secret", client_secret)).await
    }
}

#[track_caller]
pub(crate) fn check(reply: &Reply, status: u16, error: &str, challenges: &[&str]) {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (status, Some(error)), "{}", reply.text());
    assert_eq!(reply.headers("www-authenticate"), challenges);
}

#[tokio::test]
async fn int_02_w5_d5_a_caller_by_basic_is_admitted() {
    Asked::start().await.basic(API_CLIENT.client_id, API_CLIENT.client_secret).await.active();
}

#[tokio::test]
async fn int_02_oau_02_a_caller_by_post_is_admitted_when_it_is_registered_for_it() {
    let asked = Asked::start().await;
    let granted = Seed::of(POST_APP, Some(API), "read").put(&asked.server).await;
    let request = |method: Credentials| {
        Request::post(PATH)
            .parameter("client_id", method.client_id)
            .parameter("client_secret", method.client_secret)
            .parameter("token", &granted.access_token)
    };
    asked.server.send(request(POST_APP)).await.active();
    check(&asked.server.send(request(API_CLIENT)).await, 401, "invalid_client", &[BASIC, BEARER]);
    let by_basic = asked.basic(POST_APP.client_id, POST_APP.client_secret).await;
    check(&by_basic, 401, "invalid_client", &[BASIC]);
}

#[tokio::test]
async fn int_02_r_01_bea_05_w10_without_credentials_both_schemes_are_offered_on_lines_of_their_own() {
    let asked = Asked::start().await;
    check(&asked.server.send(asked.request()).await, 401, "invalid_client", &[BASIC, BEARER]);
    let json = asked.request().header("accept", "application/json");
    check(&asked.server.send(json).await, 401, "invalid_client", &[BASIC, BEARER]);
}

#[tokio::test]
async fn d36_a_cookie_is_no_credential() {
    let asked = Asked::start().await;
    for cookie in ["JSESSIONID=0123", "atbv=646b0ed2-c501-4b17-9251-94112013a718", "session=x; token=y"] {
        let reply = asked.server.send(asked.request().header("cookie", cookie)).await;
        check(&reply, 401, "invalid_client", &[BASIC, BEARER]);
    }
}

#[tokio::test]
async fn int_03_oau_05_w10_d2_d3_wrong_basic_is_challenged_by_basic() {
    let asked = Asked::start().await;
    let id = API_CLIENT.client_id;
    let secret = API_CLIENT.client_secret;
    let mut cases = vec![
        asked.basic(id, "wrong-secret-0123456789abcdef0123456789").await,
        asked.basic(id, &secret[..secret.len() - 1]).await,
        asked.basic(id, &format!("{secret}x")).await,
        asked.basic(id, &secret.to_uppercase()).await,
        asked.basic("nobody", secret).await,
        asked.basic("API-CLIENT", secret).await,
        asked.basic(APP.client_id, secret).await,
        asked.basic(PUBLIC_CLIENT, "x").await,
        asked.basic(&"i".repeat(257), secret).await,
        asked.basic(id, &"s".repeat(1_025)).await,
    ];
    for value in ["Basic", "Basic ", "Basic !!!", "Basic eA==", "Basic Og==", "Basic eDo=", "Basic Ong="] {
        cases.push(asked.authorization(value).await);
    }
    let bad_encoding = BASE64_STANDARD.encode(format!("{id}:%zz"));
    cases.push(asked.authorization(&format!("Basic {bad_encoding}")).await);
    let not_utf_8 = BASE64_STANDARD.encode([b'x', b':', 0xff]);
    cases.push(asked.authorization(&format!("Basic {not_utf_8}")).await);
    for reply in cases {
        check(&reply, 401, "invalid_client", &[BASIC]);
    }
}

#[tokio::test]
async fn int_03_wrong_credentials_in_the_form_see_both_schemes() {
    let asked = Asked::start().await;
    let wrong = asked.post(POST_APP.client_id, "wrong-secret-0123456789abcdef0123456789").await;
    check(&wrong, 401, "invalid_client", &[BASIC, BEARER]);
    check(&asked.post("nobody", POST_APP.client_secret).await, 401, "invalid_client", &[BASIC, BEARER]);
    let secret_alone = asked.request().parameter("client_secret", POST_APP.client_secret);
    check(&asked.server.send(secret_alone).await, 401, "invalid_client", &[BASIC, BEARER]);
}

#[tokio::test]
async fn int_02_who_proves_nothing_may_not_ask() {
    let asked = Asked::start().await;
    for client_id in [PUBLIC_CLIENT, API_CLIENT.client_id, "nobody"] {
        let request = asked.request().parameter("client_id", client_id);
        check(&asked.server.send(request).await, 401, "invalid_client", &[BASIC, BEARER]);
    }
}

#[tokio::test]
async fn another_scheme_is_answered_like_no_credentials() {
    let asked = Asked::start().await;
    for value in ["Digest username=\"x\"", "Negotiate YII=", "Basi eDp5", "Bearerx y"] {
        check(&asked.authorization(value).await, 401, "invalid_client", &[BASIC, BEARER]);
    }
}

#[tokio::test]
async fn oau_03_bea_04_two_ways_of_authentication_in_one_request_are_refused() {
    let asked = Asked::start().await;
    let bearer = asked.server.introspect_token(API_CLIENT).await;
    let basic = asked.request().basic(API_CLIENT.client_id, API_CLIENT.client_secret);
    asked.server.send(basic.clone().parameter("client_id", API_CLIENT.client_id)).await.active();
    for request in [
        basic.clone().parameter("client_secret", API_CLIENT.client_secret),
        basic.clone().parameter("client_id", APP.client_id),
        basic.clone().parameter("client_assertion", "x"),
        basic.clone().bearer(&bearer),
        basic.clone().basic(API_CLIENT.client_id, API_CLIENT.client_secret),
        asked.request().bearer(&bearer).parameter("client_secret", "x"),
        asked.request().parameter("client_secret", "x").parameter("client_assertion", "x"),
    ] {
        check(&asked.server.send(request).await, 400, "invalid_request", &[]);
    }
}

#[tokio::test]
async fn w16_d19_gen_10_the_scheme_is_compared_without_case() {
    let asked = Asked::start().await;
    let pair = BASE64_STANDARD.encode(format!("{}:{}", API_CLIENT.client_id, API_CLIENT.client_secret));
    let bearer = asked.server.introspect_token(API_CLIENT).await;
    for scheme in ["basic", "BASIC", "bAsIc"] {
        asked.authorization(&format!("{scheme} {pair}")).await.active();
    }
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        asked.authorization(&format!("{scheme} {bearer}")).await.active();
    }
}

#[tokio::test]
async fn gen_10_a_challenge_answers_in_the_scheme_that_was_written_in_any_case() {
    let asked = Asked::start().await;
    check(&asked.authorization("basic eDp5").await, 401, "invalid_client", &[BASIC]);
    check(&asked.authorization("BEARER x").await, 401, "invalid_token", &[BEARER_INVALID]);
}

#[tokio::test]
async fn oau_01_d18_name_and_secret_are_form_decoded_and_the_first_colon_splits() {
    let asked = Asked::start().await;
    let secret = "a:b%c+d e&f=g\u{e9}-0123456789abcdef0123456789";
    let document = format!(
        "[[client]]\nclient_id = \"odd-api\"\nclient_secret = {secret:?}\napi = {API:?}\nauth_methods = [\"client_secret_basic\", \"client_secret_post\"]\n"
    );
    asked.server.apply(&document).await;
    asked.basic("odd-api", secret).await.active();
    asked.post("odd-api", secret).await.active();
    // A colon needs no encoding in the secret; a per cent sign does.
    let half_encoded =
        BASE64_STANDARD.encode("odd-api:a:b%25c%2Bd+e%26f%3Dg%c3%a9-0123456789abcdef0123456789");
    asked.authorization(&format!("Basic {half_encoded}")).await.active();
    let raw = BASE64_STANDARD.encode(format!("odd-api:{secret}"));
    check(&asked.authorization(&format!("Basic {raw}")).await, 401, "invalid_client", &[BASIC]);
}

#[tokio::test]
async fn oau_06_d17_an_unknown_client_and_a_wrong_secret_get_the_same_bytes() {
    let asked = Asked::start().await;
    asked.server.apply("[[client]]\nclient_id = \"other-api-client\"\nenabled = false\n").await;
    let disabled = lydian_test_kit::fixtures::OTHER_API_CLIENT;
    let by_basic = [
        asked.basic("nobody", API_CLIENT.client_secret).await,
        asked.basic(API_CLIENT.client_id, "wrong-secret-0123456789abcdef0123456789").await,
        asked.basic(disabled.client_id, disabled.client_secret).await,
        asked.basic(POST_APP.client_id, POST_APP.client_secret).await,
        asked.basic(PUBLIC_CLIENT, "anything").await,
        asked.authorization("Basic !!!").await,
    ];
    assert!(by_basic.iter().all(|reply| whole(reply) == whole(&by_basic[0])), "{by_basic:?}");
    let by_post = [
        asked.post("nobody", POST_APP.client_secret).await,
        asked.post(POST_APP.client_id, "wrong-secret-0123456789abcdef0123456789").await,
        asked.post(API_CLIENT.client_id, API_CLIENT.client_secret).await,
        asked.server.send(asked.request()).await,
        asked.server.send(asked.request().parameter("client_id", PUBLIC_CLIENT)).await,
    ];
    assert!(by_post.iter().all(|reply| whole(reply) == whole(&by_post[0])), "{by_post:?}");
}

#[tokio::test]
async fn w12_a_caller_of_another_realm_is_unknown_here() {
    let asked = Asked::start().await;
    let reply = asked.basic(ACME_APP.client_id, ACME_APP.client_secret).await;
    check(&reply, 401, "invalid_client", &[BASIC]);
    let in_acme = Request::post("/t/acme/oauth2/introspect").parameter("token", &asked.token);
    let reply = asked.server.send(in_acme.clone().basic(APP.client_id, APP.client_secret)).await;
    check(&reply, 401, "invalid_client", &[BASIC]);
    let caller = asked.server.introspect_token(API_CLIENT).await;
    check(&asked.server.send(in_acme.bearer(&caller)).await, 401, "invalid_token", &[BEARER_INVALID]);
}

#[tokio::test]
async fn w13_a_disabled_client_may_not_ask() {
    let asked = Asked::start().await;
    let caller = asked.server.introspect_token(API_CLIENT).await;
    asked.server.apply("[[client]]\nclient_id = \"api-client\"\nenabled = false\n").await;
    let by_basic = asked.basic(API_CLIENT.client_id, API_CLIENT.client_secret).await;
    check(&by_basic, 401, "invalid_client", &[BASIC]);
    check(&asked.bearer(&caller).await, 401, "invalid_token", &[BEARER_INVALID]);
    asked.server.apply("[[client]]\nclient_id = \"api-client\"\nenabled = true\n").await;
    asked.basic(API_CLIENT.client_id, API_CLIENT.client_secret).await.active();
    // Enabling admits new tokens only: what was cut stays dead.
    check(&asked.bearer(&caller).await, 401, "invalid_token", &[BEARER_INVALID]);
}

#[tokio::test]
async fn w13_oau_04_a_caller_that_was_known_is_judged_by_what_is_registered_now() {
    let asked = Asked::start().await;
    let by_header = async || asked.basic(API_CLIENT.client_id, API_CLIENT.client_secret).await;
    let apply = async |change: &str| {
        asked.server.apply(&format!("[[client]]\nclient_id = \"api-client\"\n{change}\n")).await;
    };
    let secret = API_CLIENT.client_secret;
    for (change, undo) in [
        ("enabled = false".to_owned(), "enabled = true".to_owned()),
        (
            "auth_methods = [\"client_secret_post\"]".to_owned(),
            "auth_methods = [\"client_secret_basic\"]".to_owned(),
        ),
        (
            "client_secret = \"another-secret-0123456789abcdef01234567\"".to_owned(),
            format!("client_secret = {secret:?}"),
        ),
    ] {
        for _ in 0..2 {
            by_header().await.active();
        }
        apply(&change).await;
        check(&by_header().await, 401, "invalid_client", &[BASIC]);
        apply(&undo).await;
        by_header().await.active();
        let wrong = asked.basic(API_CLIENT.client_id, "wrong-secret-0123456789abcdef0123456789").await;
        check(&wrong, 401, "invalid_client", &[BASIC]);
    }
}

#[tokio::test]
async fn w12_one_header_may_mean_another_client_in_another_realm() {
    let asked = Asked::start().await;
    let (secret, realms) = ("one-secret-0123456789abcdef0123456789", ["default", "acme"]);
    for realm in realms {
        asked.server.apply(&format!("[[client]]\nrealm = {realm:?}\nclient_id = \"twin\"\nclient_secret = {secret:?}\napi = {API:?}\n")).await;
    }
    let in_acme = Request::post("/t/acme/oauth2/introspect").parameter("token", &asked.token);
    for _ in 0..3 {
        asked.basic("twin", secret).await.active();
        asked.server.send(in_acme.clone().basic("twin", secret)).await.inactive();
    }
    asked.server.apply("[[client]]\nrealm = \"acme\"\nclient_id = \"twin\"\nenabled = false\n").await;
    asked.basic("twin", secret).await.active();
    check(&asked.server.send(in_acme.basic("twin", secret)).await, 401, "invalid_client", &[BASIC]);
}

#[tokio::test]
async fn int_20_the_caller_is_judged_before_anything_of_the_token() {
    let asked = Asked::start().await;
    let without_token = Request::post(PATH);
    check(&asked.server.send(without_token.clone()).await, 401, "invalid_client", &[BASIC, BEARER]);
    let strange = without_token.clone().basic("nobody", "x");
    check(&asked.server.send(strange).await, 401, "invalid_client", &[BASIC]);
    check(&asked.server.send(without_token.bearer("x")).await, 401, "invalid_token", &[BEARER_INVALID]);
    let mut answers = Vec::new();
    for token in [asked.token.as_str(), "unknown", ""] {
        let request = Request::post(PATH).basic("nobody", "x").parameter("token", token);
        answers.push(whole(&asked.server.send(request).await));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_caller_is_known_by_its_own_header_alone() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    server.introspect(API_CLIENT, &token).await.active();
    let realm = server.realm(None);
    // So many that some of them fall on the place of the header that is known.
    for number in 0..20_000 {
        let header = format!("Basic {number}");
        assert!(server.service.known_caller(&realm, header.as_bytes()).is_none(), "{header}");
    }
}

#[tokio::test]
async fn a_header_that_is_known_does_not_excuse_another_name_in_the_form() {
    let server = TestServer::start().await;
    let token = server.issue(APP, API).await;
    server.introspect(API_CLIENT, &token).await.active();
    let request = || introspection(API_CLIENT, &token);
    server.send(request().parameter("client_id", API_CLIENT.client_id)).await.active();
    server.send(request().parameter("client_id", APP.client_id)).await.refused(400, "invalid_request");
    server.send(request().parameter("client_secret", "x")).await.refused(400, "invalid_request");
}
