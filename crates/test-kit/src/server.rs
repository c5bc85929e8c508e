//! A whole server in the test's own process, on a free port.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use lydian_domain::secrets::WrappingKey;
use lydian_http::{AnswerBody, Counters, Endpoints};
use lydian_primitives::{Clock, Entropy, ManualClock, SecretBytes, SystemEntropy, Timestamp};
use lydian_server::listener::{self, ConnectionInfo, ListenerMetrics, ListenerSettings, Responder, Shutdown};
use lydian_service::{Node, RealmState, Service, Settings, apply};
use lydian_storage::{LogObserver, SharedStorage};
use lydian_storage_embedded::{EmbeddedStorage, Options};

use crate::client::{Reply, Request};
use crate::fixtures::{self, Credentials};

/// The instant at which every test begins.
pub const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// A server with its own store and clock.
pub struct TestServer {
    /// The clock: it moves when the test says so.
    pub clock: Arc<ManualClock>,
    /// The use cases.
    pub service: Arc<Service>,
    /// The store.
    pub storage: SharedStorage,
    /// What is counted.
    pub counters: Arc<Counters>,
    address: SocketAddr,
    shutdown: Shutdown,
    directory: Arc<tempfile::TempDir>,
}

struct Public(Endpoints);

impl Responder for Public {
    fn respond(
        &self,
        request: http::Request<Incoming>,
        connection: &ConnectionInfo,
    ) -> impl Future<Output = Response<AnswerBody>> + Send {
        self.0.respond(request, connection.peer.ip())
    }
}

impl TestServer {
    /// A fresh server with the fixtures.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A fresh server with the fixtures and changed settings.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_wired(change, |clock| clock, |node| node).await
    }

    /// A fresh server whose node reads another clock and whose log has another observer, made of its own ones: for what happens
    /// between two steps.
    pub async fn start_wired(
        change: impl FnOnce(&mut Settings),
        clock_of_node: impl FnOnce(Arc<ManualClock>) -> Arc<dyn Clock>,
        observer: impl FnOnce(Arc<Node>) -> Arc<dyn LogObserver>,
    ) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let clock = Arc::new(ManualClock::at(START));
        let clock_of_node = clock_of_node(Arc::clone(&clock));
        let server = Self::open(directory, clock, change, clock_of_node, observer).await;
        server.apply(&fixtures::document()).await;
        server
    }

    /// Stops the server, and starts it again over the same store with an empty memory.
    pub async fn restart(self) -> Self {
        self.shutdown.at_once();
        self.storage.close().await.expect("the store closes");
        let (directory, clock) = (Arc::clone(&self.directory), Arc::clone(&self.clock));
        drop(self);
        let clock_of_node = Arc::clone(&clock) as Arc<dyn Clock>;
        Self::open(directory, clock, |_| {}, clock_of_node, |node| node).await
    }

    async fn open(
        directory: Arc<tempfile::TempDir>,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Settings),
        clock_of_node: Arc<dyn Clock>,
        observer: impl FnOnce(Arc<Node>) -> Arc<dyn LogObserver>,
    ) -> Self {
        let embedded = EmbeddedStorage::open(directory.path(), Options::default()).expect("the store opens");
        let mut settings = Settings::with_issuer(fixtures::ISSUER);
        change(&mut settings);
        let wrapping_key = WrappingKey::new(SecretBytes::new([7; 32]));
        let node = Node::open(
            &*embedded,
            settings,
            wrapping_key,
            clock_of_node,
            Arc::new(SystemEntropy) as Arc<dyn Entropy>,
        )
        .await
        .expect("the node opens");
        embedded.set_observer(observer(Arc::clone(&node)));
        node.hold_lease();
        Self::listen(directory, clock, node, embedded)
    }

    /// A second server over the same node and clock, whose use cases reach the store through `storage`.
    pub fn through(&self, storage: SharedStorage) -> Self {
        let (directory, clock) = (Arc::clone(&self.directory), Arc::clone(&self.clock));
        Self::listen(directory, clock, Arc::clone(self.service.node()), storage)
    }

    fn listen(
        directory: Arc<tempfile::TempDir>,
        clock: Arc<ManualClock>,
        node: Arc<Node>,
        storage: SharedStorage,
    ) -> Self {
        let service = Service::new(node, Arc::clone(&storage));
        let counters = Arc::new(Counters::default());
        let sockets = listener::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).expect("a free port");
        let address = sockets[0].local_addr().expect("a bound socket has an address");
        let (shutdown, signal) = Shutdown::new();
        let endpoints = Endpoints::new(Arc::clone(&service), Arc::clone(&counters));
        tokio::spawn(listener::serve(
            sockets,
            ListenerSettings::default(),
            Arc::new(Public(endpoints)),
            signal,
            Arc::new(ListenerMetrics::default()),
        ));
        Self { clock, service, storage, counters, address, shutdown, directory }
    }

    /// The address of the public listener (plain HTTP).
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory of the store.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Sends a request.
    pub async fn send(&self, request: Request) -> Reply {
        request.send(self.address).await
    }

    /// Moves both clocks forward.
    pub fn advance_seconds(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Creates and changes realms, APIs and clients.
    pub async fn apply(&self, document: &str) {
        let document = apply::parse(document).expect("the document can be read");
        self.service.apply_document(&document, false).await.expect("the document can be applied");
    }

    /// A realm as it is now; `None` for the default realm.
    pub fn realm(&self, name: Option<&str>) -> Arc<RealmState> {
        let directory = self.service.directory();
        let realm = match name {
            None => directory.default_realm(),
            Some(name) => directory.find_any(name),
        };
        Arc::clone(realm.expect("the realm is there"))
    }

    /// A token request by Basic.
    pub fn token_request(client: Credentials) -> Request {
        Request::post("/oauth2/token")
            .basic(client.client_id, client.client_secret)
            .parameter("grant_type", "client_credentials")
    }

    /// An access token for a client's own use at a resource.
    #[track_caller]
    pub fn issue(&self, client: Credentials, resource: &str) -> impl Future<Output = String> {
        let request = Self::token_request(client).parameter("resource", resource);
        async move { self.issued(request).await }
    }

    /// The access token that a request is answered with.
    pub async fn issued(&self, request: Request) -> String {
        let reply = self.send(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["access_token"].as_str().expect("an access token is a string").to_owned()
    }

    /// A token with the scope `introspect`, for callers by Bearer.
    pub async fn introspect_token(&self, client: Credentials) -> String {
        self.issued(Self::token_request(client).parameter("scope", "introspect")).await
    }

    /// Introspects a token as this client.
    pub async fn introspect(&self, caller: Credentials, token: &str) -> Reply {
        self.send(introspection(caller, token)).await
    }

    /// Revokes a token as this client.
    pub async fn revoke(&self, client: Credentials, token: &str) -> Reply {
        let request = Request::post("/oauth2/revoke").basic(client.client_id, client.client_secret);
        self.send(request.parameter("token", token)).await
    }
}

/// An introspection request by Basic.
pub fn introspection(caller: Credentials, token: &str) -> Request {
    Request::post("/oauth2/introspect")
        .basic(caller.client_id, caller.client_secret)
        .parameter("token", token)
}
