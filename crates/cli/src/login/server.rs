//! The server as a client meets it: its description of itself, and its token endpoint.

use std::path::{Path, PathBuf};

use lydian_primitives::{Secret, limits};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use super::error::{LoginError, printable};

/// A server that has described itself.
pub(crate) struct Server {
    http: Client,
    /// Its name, exactly.
    pub(crate) issuer: String,
    /// Where the browser goes.
    pub(crate) authorization_endpoint: Url,
    token_endpoint: Url,
    /// Where a device asks for its code (RFC 8628 §4), on a server that has them.
    pub(crate) device_authorization_endpoint: Option<Url>,
    /// Whether its answers through the browser carry `iss` (RFC 9207).
    pub(crate) names_itself: bool,
}

/// What is read of the description (OpenID Connect Discovery 1.0 §3, RFC 9207 §3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    device_authorization_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Server {
    /// Asks the server to describe itself. The certificates are a file, and whether they are the only ones to trust.
    ///
    /// # Errors
    ///
    /// A [`LoginError`] that says what to do.
    pub(crate) async fn discover(
        asked: &str,
        certificates: Option<(PathBuf, bool)>,
    ) -> Result<Self, LoginError> {
        let asked = asked.trim_end_matches('/');
        let unusable = || LoginError::AddressUnusable(printable(asked));
        let base = Url::parse(asked).ok().filter(is_safe).ok_or_else(unusable)?;
        let http = client(&base, certificates)?;
        let address = format!("{asked}/.well-known/openid-configuration");
        let unreachable = |error| LoginError::Unreachable(asked.to_owned(), error);
        let response =
            http.get(&address).header(ACCEPT, "application/json").send().await.map_err(unreachable)?;
        let status = response.status();
        let body = read(response).await.map_err(unreachable)?;
        if status != StatusCode::OK {
            return Err(LoginError::Discovery(format!("{address} answers {status}")));
        }
        let metadata: Metadata = serde_json::from_slice(&body)
            .map_err(|_| LoginError::Discovery(format!("{address} is not the JSON of one")))?;
        // Otherwise a server could speak in the name of another (OpenID Connect Discovery §4.3).
        if metadata.issuer.trim_end_matches('/') != asked {
            let named = printable(&metadata.issuer);
            return Err(LoginError::OtherIssuer { asked: asked.to_owned(), named });
        }
        let of_devices = metadata.device_authorization_endpoint.as_ref();
        for endpoint in
            [&metadata.authorization_endpoint, &metadata.token_endpoint].into_iter().chain(of_devices)
        {
            if !is_safe(endpoint) {
                return Err(LoginError::AddressUnusable(endpoint.to_string()));
            }
        }
        Ok(Self {
            http,
            issuer: metadata.issuer,
            authorization_endpoint: metadata.authorization_endpoint,
            token_endpoint: metadata.token_endpoint,
            device_authorization_endpoint: metadata.device_authorization_endpoint,
            names_itself: metadata.authorization_response_iss_parameter_supported,
        })
    }

    /// Exchanges what is in the form for tokens.
    ///
    /// # Errors
    ///
    /// A [`LoginError`].
    pub(crate) async fn exchange(
        &self,
        client_id: &str,
        secret: Option<&Secret>,
        form: &[(&str, &str)],
    ) -> Result<Map<String, Value>, LoginError> {
        let members = self.ask(&self.token_endpoint, client_id, secret, form).await?;
        let is_text = |name: &str| members.get(name).is_some_and(Value::is_string);
        if !is_text("access_token") || !is_text("token_type") {
            return Err(LoginError::TokensMalformed("there is no access token in it".to_owned()));
        }
        Ok(members)
    }

    /// Sends a form to an endpoint as this client, and returns the members of the answer.
    ///
    /// # Errors
    ///
    /// A [`LoginError`].
    pub(crate) async fn ask(
        &self,
        endpoint: &Url,
        client_id: &str,
        secret: Option<&Secret>,
        form: &[(&str, &str)],
    ) -> Result<Map<String, Value>, LoginError> {
        let mut form = form.to_vec();
        let mut request = self.http.post(endpoint.clone()).header(ACCEPT, "application/json");
        match secret {
            // Both are form-encoded before they are put together (RFC 6749 §2.3.1).
            Some(secret) => request = request.basic_auth(encoded(client_id), Some(encoded(secret.expose()))),
            None => form.push(("client_id", client_id)),
        }
        let unreachable = |error| LoginError::Unreachable(endpoint.to_string(), error);
        let response = request.form(&form).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = read(response).await.map_err(unreachable)?;
        let members: Map<String, Value> = serde_json::from_slice(&body)
            .map_err(|_| LoginError::TokensMalformed(format!("{status} without a JSON object")))?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(printable);
        if status != StatusCode::OK {
            let error = text("error").unwrap_or_else(|| status.to_string());
            return Err(LoginError::TokensRefused(error, text("error_description").unwrap_or_default()));
        }
        Ok(members)
    }
}

/// A client that verifies certificates and follows no redirects: what it sends is for this server alone.
fn client(base: &Url, certificates: Option<(PathBuf, bool)>) -> Result<Client, LoginError> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(limits::TLS_HANDSHAKE_TIMEOUT)
        .timeout(limits::REQUEST_TIMEOUT);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if let Some((path, only)) = certificates {
        let certificates = read_certificates(&path)?;
        builder =
            if only { builder.tls_certs_only(certificates) } else { builder.tls_certs_merge(certificates) };
    }
    builder.build().map_err(|error| LoginError::Unreachable(base.to_string(), error))
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, LoginError> {
    let pem = std::fs::read(path).map_err(|error| LoginError::Certificates(path.to_owned(), error.into()))?;
    let read = Certificate::from_pem_bundle(&pem);
    let certificates = read.map_err(|error| LoginError::Certificates(path.to_owned(), error.into()))?;
    if certificates.is_empty() {
        return Err(LoginError::Certificates(path.to_owned(), "there is no PEM certificate in it".into()));
    }
    Ok(certificates)
}

/// The body as far as it is looked at: a longer one is cut, and no JSON any more.
async fn read(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limits::JWKS_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limits::JWKS_BYTES_MAX {
            break;
        }
    }
    Ok(body)
}

/// Whether nobody else reads along: TLS, or an address that never leaves this machine.
pub(super) fn is_safe(address: &Url) -> bool {
    match address.scheme() {
        "https" => address.host().is_some(),
        "http" => is_loopback(address),
        _ => false,
    }
}

fn is_loopback(address: &Url) -> bool {
    match address.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let safe = |address: &str| Url::parse(address).is_ok_and(|address| is_safe(&address));
        for address in ["https://as.example", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"] {
            assert!(safe(address), "{address}");
        }
        for address in [
            "http://as.example",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "ftp://localhost",
            "file:///etc",
        ] {
            assert!(!safe(address), "{address}");
        }
    }

    #[test]
    fn what_basic_carries_survives_colons_and_other_signs() {
        assert_eq!(encoded("a:b c%\u{e9}+"), "a%3Ab+c%25%C3%A9%2B");
    }
}
