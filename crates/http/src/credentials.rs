//! The credentials of a request: one way of authentication, in one place (RFC 6749 §2.3).

use http::header::AUTHORIZATION;
use http::request::Parts;
use lydian_domain::Refusal;
use lydian_oauth_types::words::CLIENT_ASSERTION_TYPE_JWT_BEARER;
use lydian_oauth_types::{Authorization, AuthorizationError, ClientAuthMethod, Form};
use lydian_primitives::{Secret, limits};
use lydian_service::{ClientCredentials, Presented, ServiceError};

use crate::error_response::{Problem, Scheme};

/// Credentials as they came, before anything is checked.
pub enum Read<'a> {
    /// A Bearer token.
    Bearer(&'a str),
    /// `private_key_jwt`.
    Assertion {
        /// The assertion.
        assertion: &'a str,
        /// The parameter `client_id`.
        client_id: Option<&'a str>,
    },
    /// A name alone.
    Name(&'a str),
    /// Name and secret, by header or form.
    Secret {
        /// In which place.
        method: ClientAuthMethod,
        /// The name.
        client_id: std::borrow::Cow<'a, str>,
        /// The secret.
        secret: Secret,
    },
}

impl Read<'_> {
    /// As the service takes them.
    pub fn presented(&self) -> Presented<'_> {
        match self {
            Self::Bearer(token) => Presented::Bearer(token),
            Self::Assertion { assertion, client_id } => {
                Presented::Client(ClientCredentials::Assertion { assertion, client_id: *client_id })
            }
            Self::Name(client_id) => Presented::Client(ClientCredentials::Name { client_id }),
            Self::Secret { method, client_id, secret } => {
                Presented::Client(ClientCredentials::Secret { method: *method, client_id, secret })
            }
        }
    }
}

/// Which credentials an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Client authentication alone.
    Clients,
    /// Client authentication, or an access token with the scope `introspect`.
    ClientsAndBearer,
}

/// Turns refusals of one request into problems that are challenged in the right scheme.
#[derive(Clone, Copy)]
pub struct Challenger {
    scheme: Scheme,
    takes: Takes,
}

impl Challenger {
    /// The challenger of a request.
    pub fn of(head: &Parts, takes: Takes) -> Self {
        Self { scheme: scheme_of(head), takes }
    }

    /// The problem for a refusal.
    pub fn refuse(&self, refusal: Refusal) -> Problem {
        Problem::Refused {
            refusal,
            scheme: self.scheme,
            bearer_is_offered: self.takes == Takes::ClientsAndBearer,
        }
    }

    /// The problem for what a use case returned.
    pub fn problem(&self, error: ServiceError) -> Problem {
        match error {
            ServiceError::Refused(refusal) => self.refuse(refusal),
            other => Problem::Service(other),
        }
    }
}

/// Reads the credentials of a request.
///
/// # Errors
///
/// `invalid_request` for more than one way of authentication, `invalid_client` for none or for what cannot be read.
pub fn read<'a>(head: &'a Parts, form: &'a Form<'_>, takes: Takes) -> Result<Read<'a>, Refusal> {
    let in_form = InForm::of(form);
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        return in_form.read();
    };
    if headers.next().is_some() {
        return Err(Refusal::AuthenticationMethodsMixed);
    }
    match Authorization::parse(header.as_bytes()) {
        Ok(Authorization::Basic(basic)) => {
            let other_client = in_form.client_id.is_some_and(|client_id| client_id != basic.client_id);
            if in_form.has_credentials() || other_client {
                return Err(Refusal::AuthenticationMethodsMixed);
            }
            Ok(Read::Secret {
                method: ClientAuthMethod::ClientSecretBasic,
                client_id: basic.client_id.into(),
                secret: basic.client_secret,
            })
        }
        Ok(Authorization::Bearer(token)) if takes == Takes::ClientsAndBearer => {
            if in_form.has_credentials() {
                return Err(Refusal::AuthenticationMethodsMixed);
            }
            Ok(Read::Bearer(token))
        }
        Ok(Authorization::Bearer(_)) | Err(AuthorizationError::SchemeUnknown) => {
            Err(Refusal::AuthenticationSchemeUnknown)
        }
        Err(AuthorizationError::BearerMalformed) if takes == Takes::ClientsAndBearer => {
            Err(Refusal::BearerMalformed)
        }
        Err(AuthorizationError::BearerMalformed) => Err(Refusal::AuthenticationSchemeUnknown),
        Err(AuthorizationError::BasicMalformed) => Err(Refusal::BasicMalformed),
    }
}

/// The one Authorization header of a request, when it is Basic and nothing else of the request speaks of a client.
///
/// Only then is the header the whole of the credentials, and can stand for them.
pub fn basic_alone<'a>(head: &'a Parts, form: &Form<'_>) -> Option<&'a [u8]> {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return None;
    };
    let in_form = InForm::of(form);
    let alone = in_form.client_id.is_none() && !in_form.has_credentials();
    (alone && scheme_of(head) == Scheme::Basic).then(|| header.as_bytes())
}

/// The scheme of the Authorization header.
pub fn scheme_of(head: &Parts) -> Scheme {
    let Some(header) = head.headers.get(AUTHORIZATION) else {
        return Scheme::None;
    };
    let starts_with = |scheme: &[u8]| {
        let value = header.as_bytes();
        value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && value.get(scheme.len()).is_none_or(|next| *next == b' ')
    };
    if starts_with(b"basic") {
        Scheme::Basic
    } else if starts_with(b"bearer") {
        Scheme::Bearer
    } else {
        Scheme::Other
    }
}

/// The parameters by which a client authenticates in the form.
struct InForm<'a> {
    client_id: Option<&'a str>,
    client_secret: Option<&'a str>,
    assertion: Option<&'a str>,
    assertion_type: Option<&'a str>,
}

impl<'a> InForm<'a> {
    fn of(form: &'a Form<'_>) -> Self {
        Self {
            client_id: form.find("client_id"),
            client_secret: form.find("client_secret"),
            assertion: form.find("client_assertion"),
            assertion_type: form.find("client_assertion_type"),
        }
    }

    fn has_credentials(&self) -> bool {
        self.client_secret.is_some() || self.assertion.is_some() || self.assertion_type.is_some()
    }

    fn read(self) -> Result<Read<'a>, Refusal> {
        let assertion_is_meant = self.assertion.is_some() || self.assertion_type.is_some();
        if assertion_is_meant && self.client_secret.is_some() {
            return Err(Refusal::AuthenticationMethodsMixed);
        }
        if assertion_is_meant {
            if self.assertion_type != Some(CLIENT_ASSERTION_TYPE_JWT_BEARER) {
                return Err(Refusal::ClientAssertionTypeUnknown);
            }
            let assertion = self.assertion.ok_or(Refusal::ClientAssertionInvalid)?;
            return Ok(Read::Assertion { assertion, client_id: self.client_id });
        }
        let client_id = self.client_id.ok_or(Refusal::ClientMissing)?;
        let Some(secret) = self.client_secret else {
            return Ok(Read::Name(client_id));
        };
        if client_id.len() > limits::CLIENT_ID_BYTES_MAX || secret.len() > limits::CLIENT_SECRET_BYTES_MAX {
            return Err(Refusal::ClientCredentialsWrong);
        }
        Ok(Read::Secret {
            method: ClientAuthMethod::ClientSecretPost,
            client_id: client_id.into(),
            secret: Secret::new(secret.to_owned()),
        })
    }
}
