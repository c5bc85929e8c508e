//! JWTs that are not what was issued: forged, confused, cut short (RFC 7515, RFC 7519, RFC 8725, RFC 9068).

use std::sync::Arc;

use lydian_jose::{Algorithm, SigningKey};
use lydian_primitives::{Clock, base64url};
use lydian_service::KeyEntry;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, ISSUER, JWT_API};
use lydian_test_kit::server::START;
use lydian_test_kit::{TestServer, forge, seed};
use serde_json::{Value, json};

use crate::alike::{check_active, check_inactive};

/// A server with a live JWT, and the key that signed it.
struct Live {
    server: TestServer,
    token: String,
    key: Arc<KeyEntry>,
}

impl Live {
    async fn start(audience: &str) -> Self {
        let server = TestServer::start().await;
        let token = server.issue(APP, audience).await;
        let key = seed::active_key(&server, Algorithm::Es256);
        Self { server, token, key }
    }

    /// The live token is active before and after all of these were found inactive.
    async fn check_inactive(&self, tokens: &[(&str, String)]) {
        let live = [("the live token", self.token.clone())];
        check_active(&self.server, AUDITOR, &live).await;
        check_inactive(&self.server, AUDITOR, tokens).await;
        check_active(&self.server, AUDITOR, &live).await;
    }

    fn header(&self) -> String {
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, self.key.record.kid)
    }

    fn payload(&self) -> Vec<u8> {
        let text = self.token.split('.').nth(1).unwrap();
        base64url::decode(text.as_bytes()).unwrap()
    }

    fn signature(&self) -> &str {
        self.token.rsplit('.').next().unwrap()
    }

    /// The live token's claims under another header, signed by our own key.
    fn under(&self, header: &str) -> String {
        forge::es256(&self.key.key, header, &self.payload())
    }

    /// The live token's header over other claims, signed by our own key.
    fn over(&self, claims: &Value) -> String {
        forge::es256(&self.key.key, &self.header(), claims.to_string().as_bytes())
    }

    /// The claims of the live token with one of them replaced.
    fn with(&self, name: &str, value: impl Into<Value>) -> Value {
        let mut claims = forge::claims_of(&self.token);
        claims[name] = value.into();
        claims
    }

    fn without(&self, name: &str) -> Value {
        let mut claims = forge::claims_of(&self.token);
        claims.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("no claim {name}"));
        claims
    }
}

async fn check_bad_signatures(audience: &str) {
    let live = Live::start(audience).await;
    let (header, payload) = (live.header(), live.payload());
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = live.key.key.verifying_key().to_jwk_json();
    let stranger_jwk = stranger.verifying_key().to_jwk_json();
    let kid = &live.key.record.kid;
    let signed = live.token.rsplit_once('.').unwrap().0;
    let public: Value = serde_json::from_str(&jwk).unwrap();
    let coordinate = |name: &str| base64url::decode(public[name].as_str().unwrap().as_bytes()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signature = base64url::decode(live.signature().as_bytes()).unwrap();
    let altered = |position: usize| {
        let mut signature = signature.clone();
        signature[position] ^= 1;
        forge::joined(signed, &signature)
    };
    let edited = live.with("scope", "admin read write").to_string();
    let edited_input = forge::signing_input(&header, edited.as_bytes());
    let unsigned = |alg: &str, signature: &[u8]| {
        let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
        forge::joined(&forge::signing_input(&header, &payload), signature)
    };
    let hs256 = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
    let with_jwk = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jwk":{stranger_jwk}}}"#);
    let with_jku =
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jku":"https://evil.example/jwks"}}"#);
    live.check_inactive(&[
        ("the first byte of the signature altered", altered(0)),
        ("the last byte of the signature altered", altered(63)),
        ("the signature cut by a byte", forge::joined(signed, &signature[..63])),
        ("the signature with a byte more", forge::joined(signed, &[&signature[..], &[0]].concat())),
        ("a signature of zeros", forge::joined(signed, &[0; 64])),
        ("no signature", forge::joined(signed, b"")),
        ("a payload edited that keeps its jti", forge::joined(&edited_input, &signature)),
        ("a payload edited and signed by a stranger", forge::es256(&stranger, &header, edited.as_bytes())),
        ("the stranger's key in the header", forge::es256(&stranger, &with_jwk, &payload)),
        ("the stranger's key at an address", forge::es256(&stranger, &with_jku, &payload)),
        ("alg none without signature", unsigned("none", b"")),
        ("alg none with the old signature", unsigned("none", &signature)),
        ("alg None", unsigned("None", b"")),
        ("alg NONE", unsigned("NONE", b"")),
        ("an empty alg", unsigned("", b"")),
        ("alg es256", unsigned("es256", &signature)),
        ("alg RS256", unsigned("RS256", &signature)),
        ("alg ES384", unsigned("ES384", &signature)),
        ("alg HS256 with the public JWK", forge::hs256(jwk.as_bytes(), &hs256, &payload)),
        ("alg HS256 with the public point", forge::hs256(&point, &hs256, &payload)),
        ("alg HS256 with an empty secret", forge::hs256(b"", &hs256, &payload)),
        ("alg HS256 with the kid", forge::hs256(kid.as_bytes(), &hs256, &payload)),
    ])
    .await;
}

#[tokio::test]
async fn int_07_w28_d35_r_07_jws_05_jws_09_jws_18_a_bad_signature_over_a_live_jti_is_inactive() {
    check_bad_signatures(JWT_API).await;
    check_bad_signatures(BARE_API).await;
}

async fn check_bad_headers(audience: &str) {
    let live = Live::start(audience).await;
    let kid = live.key.record.kid.clone();
    let other_kid = seed::add_key(&live.server, Algorithm::Es256).await;
    let header = |members: &str| format!(r#"{{"alg":"ES256","typ":"at+jwt",{members}}}"#);
    live.check_inactive(&[
        ("no kid", live.under(r#"{"alg":"ES256","typ":"at+jwt"}"#)),
        ("an unknown kid", live.under(&header(r#""kid":"unknown""#))),
        ("the kid of another published key", live.under(&header(&format!(r#""kid":"{other_kid}""#)))),
        ("a kid in another case", live.under(&header(&format!(r#""kid":"{}""#, kid.to_uppercase())))),
        ("a kid that is a number", live.under(&header(r#""kid":1"#))),
        ("a kid that is null", live.under(&header(r#""kid":null"#))),
        ("a kid that is a path", live.under(&header(r#""kid":"../../dev/null""#))),
        ("a kid that is SQL", live.under(&header(r#""kid":"' OR 1=1 --""#))),
        ("a kid with NUL", live.under(&header(&format!("\"kid\":\"{kid}\\u0000\"")))),
        ("a long kid", live.under(&header(&format!(r#""kid":"{}""#, "k".repeat(3_000))))),
        ("two kids", live.under(&header(&format!(r#""kid":"{kid}","kid":"{kid}""#)))),
        ("two algs", live.under(&format!(r#"{{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#))),
        ("no alg", live.under(&format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#))),
        ("crit with a claim", live.under(&header(&format!(r#""kid":"{kid}","crit":["exp"],"exp":1"#)))),
        ("crit that is empty", live.under(&header(&format!(r#""kid":"{kid}","crit":[]"#)))),
        ("crit with b64", live.under(&header(&format!(r#""kid":"{kid}","crit":["b64"],"b64":false"#)))),
        ("b64 false", live.under(&header(&format!(r#""kid":"{kid}","b64":false"#)))),
        ("a header with a byte order mark", live.under(&format!("\u{feff}{}", live.header()))),
        ("a header with text behind it", live.under(&format!("{} x", live.header()))),
        ("a header that is a list", live.under("[]")),
        ("typ JWT", live.under(&format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#))),
        ("no typ", live.under(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#))),
        ("the typ of proofs", live.under(&format!(r#"{{"alg":"ES256","typ":"dpop+jwt","kid":"{kid}"}}"#))),
        ("the typ of logout", live.under(&format!(r#"{{"alg":"ES256","typ":"logout+jwt","kid":"{kid}"}}"#))),
    ])
    .await;
}

#[tokio::test]
async fn int_07_d33_jws_06_jws_07_jws_08_jws_10_jws_11_r_08_atp_14_a_bad_header_is_inactive_although_we_signed_it()
 {
    check_bad_headers(JWT_API).await;
    check_bad_headers(BARE_API).await;
}

#[tokio::test]
async fn int_07_jwt_01_atp_03_claims_that_we_would_not_write_are_inactive_although_we_signed_them() {
    let live = Live::start(BARE_API).await;
    let now = START.as_unix_seconds();
    let claims = forge::claims_of(&live.token);
    let other = live.server.issue(APP, JWT_API).await;
    let other = forge::claims_of(&other);
    let twice = |member: &str| {
        let text = claims.to_string();
        let payload = format!("{{{member},{}", &text[1..]);
        forge::es256(&live.key.key, &live.header(), payload.as_bytes())
    };
    let raw = |payload: &[u8]| forge::es256(&live.key.key, &live.header(), payload);
    live.check_inactive(&[
        ("of another issuer", live.over(&live.with("iss", "https://other.example"))),
        ("of our issuer with a slash", live.over(&live.with("iss", format!("{ISSUER}/")))),
        ("of another realm", live.over(&live.with("iss", format!("{ISSUER}/t/acme")))),
        ("without issuer", live.over(&live.without("iss"))),
        ("without audience", live.over(&live.without("aud"))),
        ("for nobody", live.over(&live.with("aud", json!([])))),
        ("for an unknown audience", live.over(&live.with("aud", "https://unknown.example/"))),
        ("for an API with opaque tokens", live.over(&live.with("aud", API))),
        ("for an API whose tokens have rows", live.over(&live.with("aud", JWT_API))),
        ("for the issuer", live.over(&live.with("aud", ISSUER))),
        ("for two", live.over(&live.with("aud", json!([BARE_API, JWT_API])))),
        ("for a number", live.over(&live.with("aud", 1))),
        ("without expiry", live.over(&live.without("exp"))),
        ("expired by zero seconds", live.over(&live.with("exp", now))),
        ("with a text as expiry", live.over(&live.with("exp", (now + 900).to_string()))),
        ("with a negative expiry", live.over(&live.with("exp", -1))),
        ("without iat", live.over(&live.without("iat"))),
        ("issued in the future", live.over(&live.with("iat", now + 100))),
        ("good in the future", live.over(&live.with("nbf", now + 100))),
        ("with a text as nbf", live.over(&live.with("nbf", "0"))),
        ("without jti", live.over(&live.without("jti"))),
        ("with a random jti", live.over(&live.with("jti", base64url::encode(&seed::random::<16>())))),
        ("with a short jti", live.over(&live.with("jti", "x"))),
        ("without client", live.over(&live.without("client_id"))),
        ("of an unknown client", live.over(&live.with("client_id", "nobody"))),
        ("without grant", live.over(&live.without("lyd_grant"))),
        (
            "with another API's handle of its grant",
            live.over(&live.with("lyd_grant", other["lyd_grant"].clone())),
        ),
        ("with a handle of another kind", live.over(&live.with("lyd_session", claims["lyd_grant"].clone()))),
        ("without position", live.over(&live.without("minted_at"))),
        ("with a negative position", live.over(&live.with("minted_at", -1))),
        ("with a number as scope", live.over(&live.with("scope", 1))),
        ("with two jti", twice("\"jti\":\"x\"")),
        ("with two exp", twice("\"exp\":9999999999")),
        ("that are a list", raw(b"[]")),
        ("that are null", raw(b"null")),
        ("that are no JSON", raw(b"active")),
        ("that are no UTF-8", raw(b"{\"iss\":\"\xff\"}")),
        ("that are deep", raw(&[vec![b'['; 10_000], vec![b']'; 1]].concat()[..8_000])),
    ])
    .await;
    // The same claims, signed once more, are the same token: no row says what its string was.
    check_active(&live.server, AUDITOR, &[("signed again", live.over(&claims))]).await;
}

#[tokio::test]
async fn int_07_w29_a_jwt_is_inactive_without_its_row_and_with_another_string_than_its_row_has() {
    let live = Live::start(JWT_API).await;
    let realm = live.server.realm(None);
    let claims = forge::claims_of(&live.token);
    let unused = seed::token_id(&live.server, live.server.clock.now().plus_seconds(900)).await;
    let jti = base64url::encode(&realm.secrets.token_handles().of_token(unused));
    let second = forge::claims_of(&live.server.issue(APP, JWT_API).await);
    live.check_inactive(&[
        ("no row", live.over(&live.with("jti", jti))),
        ("the row of another token", live.over(&live.with("jti", second["jti"].clone()))),
        ("the same claims signed once more", live.over(&claims)),
        ("other claims over a live row", live.over(&live.with("scope", "admin"))),
    ])
    .await;
}

async fn check_other_writings(audience: &str) {
    let live = Live::start(audience).await;
    let token = live.token.as_str();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("a JWT has three parts");
    };
    let mut loose = signature.to_owned();
    let last = loose.pop().unwrap();
    // The last character carries two bits; the other four must be zero.
    loose.push(char::from(last as u8 + 1));
    let flattened = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    live.check_inactive(&[
        ("cut after the header", header.to_owned()),
        ("cut after the payload", format!("{header}.{payload}")),
        ("cut after the last dot", format!("{header}.{payload}.")),
        ("cut by one character", token[..token.len() - 1].to_owned()),
        ("cut by four characters", token[..token.len() - 4].to_owned()),
        ("cut at the front", token[1..].to_owned()),
        ("with a part more", format!("{token}.x")),
        ("with five parts", format!("{token}.x.y")),
        ("with an empty header", format!(".{payload}.{signature}")),
        ("with an empty payload", format!("{header}..{signature}")),
        ("with padding", format!("{token}==")),
        ("with a space behind it", format!("{token} ")),
        ("with a space before it", format!(" {token}")),
        ("with a line break behind it", format!("{token}\n")),
        ("with a line break within", format!("{header}.\n{payload}.{signature}")),
        ("with bits that do not count", format!("{header}.{payload}.{loose}")),
        ("as JSON", flattened),
        ("with a scheme before it", format!("Bearer {token}")),
    ])
    .await;
}

#[tokio::test]
async fn int_07_jws_02_jws_03_jws_12_jwt_09_another_writing_of_a_live_jwt_is_inactive() {
    check_other_writings(JWT_API).await;
    check_other_writings(BARE_API).await;
}

#[tokio::test]
async fn jws_01_a_header_with_odd_spacing_that_we_signed_is_verified_as_it_is_written() {
    let live = Live::start(BARE_API).await;
    let kid = &live.key.record.kid;
    let odd = format!("{{ \"kid\" : \"{kid}\" ,\n\"typ\":\"at+jwt\", \"x\":1, \"alg\":\"ES256\" }}");
    check_active(&live.server, AUDITOR, &[("odd spacing", live.under(&odd))]).await;
}

#[tokio::test]
async fn int_07_w31_atp_22_an_id_token_is_inactive() {
    for audience in [JWT_API, BARE_API] {
        let live = Live::start(audience).await;
        let now = START.as_unix_seconds();
        let id_token = json!({
            "iss": ISSUER, "sub": "usr_1", "aud": "app", "iat": now, "exp": now + 3_600,
            "auth_time": now, "nonce": "n", "azp": "app", "at_hash": "x",
        });
        let sign = |typ: &str, claims: &Value| {
            live.key.key.sign_compact(typ, claims.to_string().as_bytes()).unwrap()
        };
        let mut for_the_api = forge::claims_of(&live.token);
        for_the_api["nonce"] = json!("n");
        live.check_inactive(&[
            ("an ID token", sign("JWT", &id_token)),
            ("an ID token with the type of access tokens", sign("at+jwt", &id_token)),
            ("an ID token with the claims of an access token", sign("JWT", &for_the_api)),
        ])
        .await;
    }
}

#[tokio::test]
async fn jws_10_a_flood_of_kids_costs_no_read() {
    let live = Live::start(JWT_API).await;
    let watched = lydian_test_kit::WatchedStorage::over(Arc::clone(&live.server.storage));
    let server = live.server.through(Arc::clone(&watched) as _);
    for index in 0..200 {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{index}"}}"#);
        server.introspect(AUDITOR, &live.under(&header)).await.inactive();
    }
    assert_eq!(watched.asked(), (0, 0));
}
