//! The endpoints: routes, request parsing, answers and error responses.
//!
//! A handler translates and nothing else: it reads a request, calls one use case of `service`, and writes what came out. Start
//! with [`routes`], which lists every path; [`error_response`] is the one place that turns a refusal into status, headers
//! and JSON.
#![forbid(unsafe_code)]

pub mod answer_body;
pub mod body;
pub mod client_address;
pub mod counters;
pub mod credentials;
pub mod cross_origin;
pub mod device;
pub mod error_response;
pub mod feed;
pub mod form_request;
pub mod introspect;
pub mod introspection_answer;
pub mod par;
pub mod people;
pub mod published;
pub mod response;
pub mod revoke;
pub mod routes;
pub mod token;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::{Method, Request, Response};
use http_body::Body;
use lydian_service::{RealmState, Service};

pub use answer_body::AnswerBody;
pub use counters::Counters;

use crate::client_address::Network;
use crate::error_response::Problem;
use crate::people::authorize::Asked;
use crate::people::links::Linked;
use crate::routes::{Endpoint, Route};

/// An answer with its whole body.
pub type Answer = Response<AnswerBody>;

const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Every endpoint over one service.
pub struct Endpoints {
    service: Arc<Service>,
    counters: Arc<Counters>,
    trusted_proxies: Vec<Network>,
    strict_transport: bool,
}

impl Endpoints {
    /// The endpoints of a service.
    pub fn new(service: Arc<Service>, counters: Arc<Counters>) -> Self {
        Self { service, counters, trusted_proxies: Vec::new(), strict_transport: false }
    }

    /// The same endpoints behind these proxies: what they say of a client's address is believed.
    #[must_use]
    pub fn behind(mut self, trusted_proxies: Vec<Network>) -> Self {
        self.trusted_proxies = trusted_proxies;
        self
    }

    /// The same endpoints under a certificate that clients trust: answers tell browsers to insist on TLS (RFC 6797).
    ///
    /// Not for a self-signed certificate: a browser that insists on TLS could not be talked out of it.
    #[must_use]
    pub fn with_strict_transport(mut self) -> Self {
        self.strict_transport = true;
        self
    }

    /// Answers one request: finds the route, calls its handler, and counts.
    pub async fn respond<B>(&self, request: Request<B>, peer: IpAddr) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let peer = client_address::of(&head.headers, peer, &self.trusted_proxies);
        let route = routes::find(head.uri.path());
        let endpoint = route.map(|route| route.endpoint);
        let result = match route {
            None => Err(Problem::NotFound),
            Some(route) if !route.endpoint.allows(&head.method) => {
                let preflight = cross_origin::answer_preflight(&self.service, route, &head);
                preflight.ok_or(Problem::MethodNotAllowed(route.endpoint))
            }
            Some(route) => self.handle(route, &head, body, peer).await,
        };
        let mut answer = result.unwrap_or_else(|problem| {
            self.counters.count_problem(&problem);
            error_response::render(&problem)
        });
        if let Some(route) = route {
            cross_origin::admit(&self.service, route, &head, &mut answer);
        }
        self.counters.count_answer(endpoint, answer.status());
        if self.strict_transport {
            answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
        }
        if head.method == Method::HEAD { response::without_body(answer) } else { answer }
    }

    async fn handle<B>(
        &self,
        route: Route<'_>,
        head: &http::request::Parts,
        body: B,
        peer: IpAddr,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match route.endpoint {
            Endpoint::Account => people::account::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::Asset => people::assets::handle(head.uri.path()),
            Endpoint::Authorize => self.person(Asked::Authorize, route, head, body, peer).await,
            Endpoint::ConfirmAddress => self.linked(Linked::ConfirmAddress, route, head, body, peer).await,
            Endpoint::Consent => self.person(Asked::Consent, route, head, body, peer).await,
            Endpoint::Continue => self.person(Asked::Continue, route, head, body, peer).await,
            Endpoint::Device => people::device::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::DeviceAuthorize => device::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::FeedLease => feed::lease::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::FeedMetadata => {
                Ok(published::feed(&*find_realm(&self.service, route.realm)?, &head.headers))
            }
            Endpoint::FeedPropagation => {
                feed::propagation::handle(&self.service, route.realm, head, peer).await
            }
            Endpoint::FeedSnapshot => feed::snapshot::handle(&self.service, route.realm, head, peer).await,
            Endpoint::FeedStream => feed::stream::handle(&self.service, route.realm, head, peer).await,
            Endpoint::ForgottenPassword => {
                self.linked(Linked::ForgottenPassword, route, head, body, peer).await
            }
            Endpoint::Introspect => {
                introspect::handle(&self.service, &self.counters, route.realm, head, body, peer).await
            }
            Endpoint::Jwks => Ok(published::jwks(&*find_realm(&self.service, route.realm)?, &head.headers)),
            Endpoint::LogOut => people::log_out::handle(&self.service, route.realm, head, body).await,
            Endpoint::Metadata => {
                Ok(published::metadata(&*find_realm(&self.service, route.realm)?, &head.headers))
            }
            Endpoint::Par => par::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::ResetPassword => self.linked(Linked::ResetPassword, route, head, body, peer).await,
            Endpoint::Revoke => revoke::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::SignIn => self.person(Asked::SignIn, route, head, body, peer).await,
            Endpoint::Token => token::handle(&self.service, route.realm, head, body, peer).await,
            Endpoint::UserInfo => people::userinfo::handle(&self.service, route.realm, head, body).await,
        }
    }

    async fn linked<B>(
        &self,
        linked: Linked,
        route: Route<'_>,
        head: &http::request::Parts,
        body: B,
        peer: IpAddr,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        people::links::handle(&self.service, linked, route.realm, head, body, peer).await
    }

    async fn person<B>(
        &self,
        asked: Asked,
        route: Route<'_>,
        head: &http::request::Parts,
        body: B,
        peer: IpAddr,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        people::authorize::handle(&self.service, asked, route.realm, head, body, peer).await
    }
}

/// The realm of a route, while it is enabled.
pub(crate) fn find_realm(service: &Service, name: Option<&str>) -> Result<Arc<RealmState>, Problem> {
    let directory = service.directory();
    let realm = match name {
        None => directory.default_realm(),
        Some(name) => directory.find(name),
    };
    realm.map(Arc::clone).ok_or(Problem::NotFound)
}
