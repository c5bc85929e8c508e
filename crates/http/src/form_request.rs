//! Reading a form request: type, query, body (RFC 6749 §3.2, appendix B).

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::{Form, FormError};
use lydian_primitives::limits;
use lydian_service::{Moment, RealmState, Service};

use crate::credentials::{Challenger, Takes, scheme_of};
use crate::error_response::Problem;
use crate::{body, find_realm};

/// Parameters that mean something to us. In a query they would end up in logs, so a request that has one there is refused.
pub const NOT_IN_QUERY: [&str; 11] = [
    "access_token",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "grant_type",
    "password",
    "refresh_token",
    "token",
    "username",
];

/// A form request that has arrived whole, with the realm that it is for and the instant at which it is answered.
pub struct FormRequest {
    /// The instant.
    pub moment: Moment,
    /// The realm.
    pub realm: Arc<RealmState>,
    /// Turns refusals into problems of this request.
    pub challenger: Challenger,
    body: Bytes,
}

impl FormRequest {
    /// Reads a form request whole. Nothing else of the request may be trusted before this is done.
    ///
    /// # Errors
    ///
    /// A [`Problem`] for another content type, parameters in the query, a body beyond its limits, an unknown realm, or a node that
    /// holds no lease.
    pub async fn open<B>(
        service: &Service,
        realm: Option<&str>,
        head: &Parts,
        body: B,
        takes: Takes,
    ) -> Result<Self, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if !is_form(head) {
            return Err(refused(head, Refusal::BodyNotForm));
        }
        if head.uri.query().is_some_and(names_a_parameter) {
            return Err(refused(head, Refusal::ParameterInQuery));
        }
        let body = body::read_body(body, limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await?;
        // The moment first, then the realm: what is minted carries a position that is no later than the state it is decided on.
        let moment = service.moment().map_err(Problem::Service)?;
        let realm = find_realm(service, realm)?;
        Ok(Self { moment, realm, challenger: Challenger::of(head, takes), body })
    }

    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// A refusal by cause.
    pub fn form(&self, head: &Parts, may_repeat: &[&str]) -> Result<Form<'_>, Problem> {
        Form::parse(&self.body, may_repeat).map_err(|error| {
            let refusal = match error {
                FormError::Encoding => Refusal::FormMalformed,
                FormError::Repeated => Refusal::ParameterRepeated,
                FormError::TooMany => Refusal::TooManyParameters,
            };
            refused(head, refusal)
        })
    }
}

/// A refusal that is no question of credentials.
fn refused(head: &Parts, refusal: Refusal) -> Problem {
    Problem::Refused { refusal, scheme: scheme_of(head), bearer_is_offered: false }
}

/// `application/x-www-form-urlencoded`, with any parameters but another charset than UTF-8.
pub fn is_form(head: &Parts) -> bool {
    let mut values = head.headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let value = value.as_bytes();
    // Nearly every client writes it like this.
    if value == b"application/x-www-form-urlencoded" {
        return true;
    }
    if value.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return true;
    }
    let Ok(value) = std::str::from_utf8(value) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_type =
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    is_type
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// Whether a query names a parameter that belongs into the body.
pub fn names_a_parameter(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = lydian_oauth_types::form::decode(name.as_bytes()).unwrap_or_default();
        NOT_IN_QUERY.contains(&name.as_ref())
    })
}
