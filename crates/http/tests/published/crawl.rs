//! Every address of the document works with the methods that stand beside it, and nothing else does (RFC 8414 §6.2).

use std::collections::BTreeSet;

use lydian_http::routes::{Endpoint, INSERTED_PATHS, PATHS};
use lydian_jose::{Algorithm, SigningKey};
use lydian_oauth_types::words;
use lydian_test_kit::fixtures::{self, API, ISSUER, PUBLIC_CLIENT};
use lydian_test_kit::server::START;
use lydian_test_kit::{Reply, Request, TestServer};
use serde_json::{Value, json};

use crate::{get, metadata};

const SECRET: &str = "crawler-secret-0123456789abcdef0123456789";

/// A client for each advertised method of authentication.
struct Crawler {
    server: TestServer,
    document: Value,
    rsa: Vec<u8>,
    bearer: String,
}

impl Crawler {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let all = format!(
            "grant_types = [\"client_credentials\"]\nallowed = {{ {API:?} = [\"read\"] }}\ndefault_api = {API:?}\nissuer_scopes = [\"introspect\"]"
        );
        for method in ["client_secret_basic", "client_secret_post"] {
            server
                .apply(&format!(
                    "[[client]]\nclient_id = {method:?}\nclient_secret = {SECRET:?}\nauth_methods = [{method:?}]\n{all}\n"
                ))
                .await;
        }
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap().to_vec();
        let bearer = TestServer::token_request(fixtures::Credentials {
            client_id: "client_secret_basic",
            client_secret: SECRET,
        });
        let bearer = server.issued(bearer.parameter("scope", "introspect")).await;
        let document = metadata(&server, None).await;
        Self { server, document, rsa, bearer }
    }

    /// The path of an endpoint of the document.
    fn path(&self, endpoint: &str) -> String {
        let url = self.document[format!("{endpoint}_endpoint")].as_str().expect("it is advertised");
        url.strip_prefix(ISSUER).expect("it is ours").to_owned()
    }

    fn list(&self, endpoint: &str, what: &str) -> Vec<String> {
        let list = self.document[format!("{endpoint}_endpoint_auth_{what}_supported")].as_array().unwrap();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    fn request(&self, endpoint: &str) -> Request {
        Request::post(&self.path(endpoint))
            .parameter("grant_type", "client_credentials")
            .parameter("token", "unknown")
    }

    /// A request authenticated by a method; assertions are signed with this algorithm.
    async fn authenticated(&self, endpoint: &str, method: &str, algorithm: Algorithm) -> Request {
        let request = self.request(endpoint);
        match method {
            "client_secret_basic" => request.basic(method, SECRET),
            "client_secret_post" => request.parameter("client_id", method).parameter("client_secret", SECRET),
            "private_key_jwt" => {
                let assertion = self.assertion(endpoint, algorithm).await;
                request
                    .parameter(
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    )
                    .parameter("client_assertion", &assertion)
            }
            "none" => request.parameter("client_id", PUBLIC_CLIENT),
            "Bearer" => request.bearer(&self.bearer),
            other => panic!("the document names {other}, and no test knows it"),
        }
    }

    async fn assertion(&self, endpoint: &str, algorithm: Algorithm) -> String {
        let name = algorithm.name();
        // One RSA key will do for six algorithms: making one takes long.
        let key = if name.starts_with(['R', 'P']) {
            SigningKey::from_pkcs8(algorithm, &self.rsa).unwrap()
        } else {
            SigningKey::generate(algorithm).unwrap()
        };
        let client = format!("signs-{name}-{endpoint}");
        self.server
            .apply(&format!(
                "[[client]]\nclient_id = {client:?}\nauth_methods = [\"private_key_jwt\"]\ngrant_types = [\"client_credentials\"]\nallowed = {{ {API:?} = [\"read\"] }}\ndefault_api = {API:?}\njwks = {}\n",
                fixtures::jwks_of(&[&key])
            ))
            .await;
        let now = START.as_unix_seconds();
        let claims = json!({ "iss": client, "sub": client, "aud": ISSUER, "exp": now + 60, "jti": "1" });
        key.sign_compact("JWT", claims.to_string().as_bytes()).unwrap()
    }

    async fn send(&self, request: Request) -> Reply {
        self.server.send(request).await
    }
}

const ENDPOINTS: [&str; 3] = ["token", "introspection", "revocation"];

#[tokio::test]
async fn asm_09_every_advertised_method_works_at_its_endpoint() {
    let crawler = Crawler::start().await;
    for endpoint in ENDPOINTS {
        for method in crawler.list(endpoint, "methods") {
            let request = crawler.authenticated(endpoint, &method, Algorithm::Es256).await;
            let reply = crawler.send(request).await;
            if (endpoint, method.as_str()) == ("token", "none") {
                // A public client is known, and has no tokens of its own (RFC 6749 §4.4).
                reply.refused(400, "unauthorized_client");
                continue;
            }
            assert_eq!(reply.status, 200, "{endpoint}: {method}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn asm_09_no_method_works_that_is_not_advertised() {
    let crawler = Crawler::start().await;
    let known = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none", "Bearer"];
    for endpoint in ENDPOINTS {
        let advertised = crawler.list(endpoint, "methods");
        for method in known.into_iter().filter(|method| !advertised.iter().any(|one| one == method)) {
            let request = crawler.authenticated(endpoint, method, Algorithm::Es256).await;
            let reply = crawler.send(request).await;
            assert!((400..=401).contains(&reply.status), "{endpoint}: {method}: {}", reply.text());
        }
        crawler.send(crawler.request(endpoint)).await.refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn asm_09_every_advertised_algorithm_signs_assertions() {
    let crawler = Crawler::start().await;
    for endpoint in ENDPOINTS {
        for name in crawler.list(endpoint, "signing_alg_values") {
            let algorithm = Algorithm::from_name(&name).expect("it is one of ours");
            let request = crawler.authenticated(endpoint, "private_key_jwt", algorithm).await;
            let reply = crawler.send(request).await;
            assert_eq!(reply.status, 200, "{endpoint}: {name}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn asm_09_every_advertised_address_answers_and_every_route_is_advertised() {
    let server = TestServer::start().await;
    for (realm, issuer) in [(None, ISSUER.to_owned()), (Some("acme"), format!("{ISSUER}/t/acme"))] {
        let document = metadata(&server, realm).await;
        let mut advertised = BTreeSet::new();
        for (member, value) in document.as_object().unwrap() {
            let Some(url) = value.as_str().filter(|_| member != "issuer") else { continue };
            let path = url.strip_prefix(&issuer).unwrap_or_else(|| panic!("{member} is at {url}"));
            advertised.insert(path.to_owned());
            let path = url.strip_prefix(ISSUER).unwrap();
            let reply = get(&server, path).await;
            let expected = match member.as_str() {
                // Without parameters there is nobody to go back to.
                "authorization_endpoint" => 400,
                "end_session_endpoint" | "jwks_uri" => 200,
                "userinfo_endpoint" => 401,
                _ => 405,
            };
            assert_eq!(reply.status, expected, "{member}");
        }
        let routes: BTreeSet<String> = PATHS
            .into_iter()
            // The pages lead to each other: nobody needs to be told of them.
            .filter(|(_, endpoint)| {
                ![
                    Endpoint::Account,
                    Endpoint::Device,
                    Endpoint::ConfirmAddress,
                    Endpoint::Consent,
                    Endpoint::Continue,
                    // They are advertised by a document of their own.
                    Endpoint::FeedLease,
                    Endpoint::FeedMetadata,
                    Endpoint::FeedPropagation,
                    Endpoint::FeedSnapshot,
                    Endpoint::FeedStream,
                    Endpoint::ForgottenPassword,
                    Endpoint::Metadata,
                    Endpoint::ResetPassword,
                    Endpoint::SignIn,
                ]
                .contains(endpoint)
            })
            .map(|(path, _)| path.to_owned())
            .collect();
        assert_eq!(advertised, routes);
        let prefix = realm.map_or_else(String::new, |realm| format!("/t/{realm}"));
        let feed = get(&server, &format!("{prefix}/oauth2/revocations")).await.json();
        assert_eq!(feed["issuer"], issuer);
        for (member, value) in
            feed.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint"))
        {
            let path = value.as_str().unwrap().strip_prefix(ISSUER).unwrap();
            let expected = if member == "lease_endpoint" { 405 } else { 401 };
            assert_eq!(get(&server, path).await.status, expected, "{member}");
        }
    }
    let documents = PATHS.into_iter().filter(|(_, endpoint)| *endpoint == Endpoint::Metadata);
    for (path, endpoint) in documents.chain(INSERTED_PATHS) {
        assert_eq!(endpoint, Endpoint::Metadata);
        assert!(path.contains("/.well-known/"), "{path}");
    }
}

#[tokio::test]
async fn asm_09_every_advertised_scope_can_be_had() {
    let crawler = Crawler::start().await;
    let scopes = crawler.document["scopes_supported"].as_array().unwrap();
    for scope in scopes.iter().map(|scope| scope.as_str().unwrap()) {
        let client = match scope {
            "introspect" | "internal_oauth2_introspect" => fixtures::API_CLIENT,
            // Identity scopes speak of a person: no client has them for its own use.
            scope if words::IDENTITY_SCOPES.contains(&scope) => continue,
            _ => fixtures::APP,
        };
        let reply = crawler.send(TestServer::token_request(client).parameter("scope", scope)).await;
        assert_eq!(reply.json()["scope"], scope, "{}", reply.text());
    }
}
