//! Whole requests against the real endpoints, over a real store.
//!
//! The input is the text of a request: method and path, headers, an empty line, a body. How bytes become requests is hyper's part;
//! everything behind it is ours and is here.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use lydian_domain::secrets::WrappingKey;
use lydian_http::credentials::{self, Read, Takes};
use lydian_http::{Counters, Endpoints, routes};
use lydian_oauth_types::Form;
use lydian_primitives::{Entropy, ManualClock, SecretBytes, Timestamp};
use lydian_service::limiter::Rate;
use lydian_service::settings::RateLimits;
use lydian_service::{Node, Service, Settings, apply};
use lydian_storage_embedded::{EmbeddedStorage, Options};
use serde_json::Value;

use crate::outcome::{Outcome, magnitude};

/// The clients of the server and their secrets.
const CLIENTS: [(&str, &str); 2] =
    [("app", "app-secret-0123456789abcdef0123456789"), ("api", "api-secret-0123456789abcdef0123456789")];

const DOCUMENT: &str = r#"
[[realm]]
name = "acme"
[[api]]
audience = "https://api.example.com/"
scopes = ["read", "write"]
[[api]]
audience = "https://jwt.example.com/"
scopes = ["read", "write"]
token_format = "jwt"
"#;

/// A request: never our fault, never accepted without credentials that we gave, and never active for a string that we did not issue.
pub(crate) fn request(input: &[u8]) -> Outcome {
    let Some(request) = parse(input) else {
        return Outcome::refused("no request");
    };
    SERVER.with(|server| {
        let server = server.get_or_init(Server::start);
        server.runtime.block_on(server.answer(request))
    })
}

/// Requests that succeed: a token of each form is issued, introspected, and revoked; and what is published.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = SERVER.with(|server| {
        let server = server.get_or_init(Server::start);
        let resources = ["https://api.example.com/", "https://jwt.example.com/"];
        let issue = resources
            .map(|resource| post("token", 0, &format!("grant_type=client_credentials&resource={resource}")));
        let mut seeds = issue.to_vec();
        for text in issue {
            let request = parse(&text).expect("a seed is a request");
            server.runtime.block_on(server.answer(request));
        }
        let mut issued: Vec<String> = server.issued().iter().cloned().collect();
        issued.sort();
        for token in issued {
            seeds.push(post("introspect", 1, &format!("token={token}&token_type_hint=access_token")));
            seeds.push(post("introspect", 0, &format!("token={token}")));
            seeds.push(post("revoke", 0, &format!("token={token}")));
        }
        seeds
    });
    seeds.push(b"GET /oauth2/jwks\n\n".to_vec());
    seeds.push(b"HEAD /.well-known/oauth-authorization-server/t/acme\n\n".to_vec());
    seeds
}

fn post(endpoint: &str, client: usize, form: &str) -> Vec<u8> {
    let (client_id, secret) = CLIENTS[client];
    format!("POST /oauth2/{endpoint}\ncontent-type: application/x-www-form-urlencoded\n\n{form}&client_id={client_id}&client_secret={secret}").into_bytes()
}

fn parse(input: &[u8]) -> Option<Request<Full<Bytes>>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines.take(16) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    request.body(Full::new(Bytes::copy_from_slice(&input[end + 2..]))).ok()
}

thread_local! {
    /// A server of this thread's own. It takes its folder along when the thread ends.
    static SERVER: OnceCell<Server> = const { OnceCell::new() };
}

struct Server {
    endpoints: Endpoints,
    runtime: tokio::runtime::Runtime,
    /// Every access token that was issued.
    issued: std::sync::Mutex<HashSet<String>>,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime can be made");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = EmbeddedStorage::open(directory.path(), Options::default()).expect("the store opens");
        let unlimited = Rate { per_second: 1_000_000_000, burst: 1_000_000_000 };
        let limits = RateLimits { failed_authentications: unlimited, unknown_tokens: unlimited };
        let settings =
            Settings { fact_cache_bytes: 1024 * 1024, limits, ..Settings::with_issuer("https://as.example") };
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
        let key = WrappingKey::new(SecretBytes::new([7; 32]));
        let node = runtime
            .block_on(Node::open(&*storage, settings, key, clock, Arc::new(Counting::default())))
            .expect("the node opens");
        storage.set_observer(Arc::clone(&node) as _);
        node.hold_lease();
        let service = Service::new(node, storage);
        let document = apply::parse(&document()).expect("the document is fixed");
        runtime.block_on(service.apply_document(&document, false)).expect("the document can be applied");
        let endpoints = Endpoints::new(service, Arc::new(Counters::default()));
        Self { endpoints, runtime, issued: std::sync::Mutex::default(), _directory: directory }
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Outcome {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let again = Request::from_parts(head.clone(), Full::new(body.clone()));
        let answer = self.endpoints.respond(again, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        let (answer, content) = answer.into_parts();
        let content = content.collect().await.map(|content| content.to_bytes()).unwrap_or_default();
        let status = answer.status;
        assert!(!status.is_server_error(), "we are wrong: {status}");
        let Some(route) = routes::find(head.uri.path()) else {
            assert_eq!(status, StatusCode::NOT_FOUND);
            return Outcome::refused("path");
        };
        let json: Option<Value> = serde_json::from_slice(&content).ok();
        let is_post = route.endpoint.allow() == "POST" && head.method == http::Method::POST;
        if is_post {
            assert_eq!(answer.headers.get(CACHE_CONTROL).map(HeaderValue::as_bytes), Some(&b"no-store"[..]));
        }
        if status != StatusCode::OK {
            let error =
                json.as_ref().and_then(|json| json["error_description"].as_str().or(json["error"].as_str()));
            return Outcome::refused((route.endpoint, status, error));
        }
        let form = Form::parse(&body, &["resource"]).ok();
        if is_post {
            let form = form.as_ref().expect("a request without a form is refused");
            self.check_caller(&head, form);
            self.check_answer(form, json.as_ref());
        }
        let members = json.as_ref().and_then(Value::as_object).map_or(0, serde_json::Map::len);
        Outcome::accepted((route.endpoint, route.realm.is_some(), members, magnitude(content.len())))
    }

    /// Whoever got an answer has shown a secret that we gave, or a token that we issued.
    fn check_caller(&self, head: &http::request::Parts, form: &Form<'_>) {
        match credentials::read(head, form, Takes::ClientsAndBearer) {
            Ok(Read::Secret { client_id, secret, .. }) => {
                assert!(CLIENTS.contains(&(&*client_id, secret.expose())), "a wrong secret was accepted");
            }
            Ok(Read::Bearer(token)) => assert!(self.issued().contains(token), "a foreign token was accepted"),
            _ => panic!("accepted without credentials: {:?}", head.headers.get(AUTHORIZATION)),
        }
    }

    fn check_answer(&self, form: &Form<'_>, json: Option<&Value>) {
        let Some(json) = json else { return };
        if let Some(token) = json["access_token"].as_str() {
            assert!(self.issued().insert(token.to_owned()), "a token was issued twice");
        }
        if json["active"] == true {
            assert!(
                form.find("token").is_some_and(|token| self.issued().contains(token)),
                "active, and not ours"
            );
        } else if json["active"] == false {
            assert_eq!(json.as_object().map(serde_json::Map::len), Some(1), "inactive, and more is said");
        }
    }

    fn issued(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.issued.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn document() -> String {
    let [(app, app_secret), (api, api_secret)] = CLIENTS;
    let methods = "auth_methods = [\"client_secret_basic\", \"client_secret_post\"]\ngrant_types = [\"client_credentials\"]";
    format!(
        "{DOCUMENT}\n[[client]]\nclient_id = {app:?}\nclient_secret = {app_secret:?}\n{methods}\n\
         default_api = \"https://api.example.com/\"\n\
         allowed = {{ \"https://api.example.com/\" = [\"read\", \"write\"], \"https://jwt.example.com/\" = [\"read\"] }}\n\
         [[client]]\nclient_id = {api:?}\nclient_secret = {api_secret:?}\n{methods}\n\
         api = \"https://api.example.com/\"\nintrospect_any = true\nissuer_scopes = [\"introspect\"]\n"
    )
}

/// Bytes that nobody else gets, and that are the same in each run.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rng = fastrand::Rng::with_seed(self.0.fetch_add(1, Ordering::Relaxed));
        rng.fill(bytes);
    }
}
