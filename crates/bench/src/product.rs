//! The product as a child process: started with the demo's fixtures, asked over HTTP like any other server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::client::fetch;
use crate::connection::Endpoint;
use crate::generator::{Load, run};
use crate::process::Server;
use crate::requests::{Request, Requests, basic, form_encode};
use crate::response::Response;

/// How the product is started.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The executable.
    pub executable: &'a Path,
    /// The data directory; it survives the process.
    pub data_directory: PathBuf,
    /// Whether it serves TLS with its own certificate, or plain HTTP.
    pub tls: bool,
    /// A configuration file.
    pub configuration: Option<&'a Path>,
    /// The core that it is pinned to.
    pub core: usize,
}

/// A running server of the product.
#[derive(Debug)]
pub struct Product {
    server: Server,
    endpoint: Endpoint,
    demo: Demo,
    tls: bool,
}

/// The name and secret of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The value of `Authorization` for `client_secret_basic`.
    pub authorization: String,
    /// The `client_id`.
    pub client_id: String,
}

/// One API of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// What it authenticates with when it asks about a token.
    pub credentials: Credentials,
    /// Its identifier, the value of `resource` (RFC 8707 §2).
    pub audience: String,
}

/// What `demo.env` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// The client that obtains tokens.
    pub application: Credentials,
    /// The API whose tokens are opaque.
    pub opaque_api: Api,
    /// The API whose tokens are JWTs.
    pub jwt_api: Api,
    /// Name and password of the user.
    pub person: (String, String),
    /// The certificate of the server.
    pub certificate: Option<PathBuf>,
}

impl Demo {
    fn parse(text: &str) -> Result<Self> {
        let variables: BTreeMap<&str, &str> = text.lines().filter_map(variable).collect();
        let value = |name: &str| {
            let value = variables.get(name).with_context(|| format!("demo.env does not set {name}"))?;
            Ok::<String, anyhow::Error>((*value).to_owned())
        };
        let credentials = |prefix: &str| {
            let client_id = value(&format!("{prefix}_CLIENT_ID"))?;
            let authorization = basic(&client_id, &value(&format!("{prefix}_CLIENT_SECRET"))?);
            Ok::<Credentials, anyhow::Error>(Credentials { authorization, client_id })
        };
        let api = |prefix: &str| {
            let audience = value(&format!("{prefix}_AUDIENCE"))?;
            Ok::<Api, anyhow::Error>(Api { credentials: credentials(prefix)?, audience })
        };
        Ok(Self {
            application: credentials("APP")?,
            opaque_api: api("API")?,
            jwt_api: api("JWT_API")?,
            person: (value("USER_NAME")?, value("USER_PASSWORD")?),
            certificate: variables.get("LYDIAN_CA").map(PathBuf::from),
        })
    }
}

/// Name and value of a line of shell variables.
fn variable(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    Some((name, quoted('\'').or_else(|| quoted('"')).unwrap_or(value)))
}

impl Product {
    /// Starts the product and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not become ready, or does not say where it listens.
    pub fn start(start: &Start<'_>) -> Result<Self> {
        let directory = &start.data_directory;
        let mut command = Command::new(start.executable);
        command.args(["serve", "--demo", "--data-dir"]).arg(directory);
        command.args(["--listen", "127.0.0.1:0"]);
        if !start.tls {
            command.arg("--insecure-plain-http");
        }
        if let Some(path) = start.configuration {
            command.arg("--config").arg(path);
        }
        without_settings(&mut command);
        let log = directory.with_extension("log");
        let server = Server::start("lydian", command, start.core, &log)?;
        let text = fs::read_to_string(directory.join("demo.env")).context("read demo.env")?;
        let demo = Demo::parse(&text)?;
        let address = public_address(&directory.join("run.json"))?;
        let endpoint = if start.tls {
            let certificate = demo.certificate.as_ref().context("demo.env does not set LYDIAN_CA")?;
            Endpoint::tls(address, certificate)?
        } else {
            Endpoint::plain(address)
        };
        Ok(Self { server, endpoint, demo, tls: start.tls })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Clients and APIs to ask with.
    pub fn demo(&self) -> &Demo {
        &self.demo
    }

    /// The certificate that it shows, if it serves TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.demo.certificate.as_deref().filter(|_| self.tls)
    }

    /// The process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Stops the process.
    ///
    /// # Errors
    ///
    /// It does not end in time.
    pub fn stop(self) -> Result<()> {
        self.server.stop()
    }

    /// The form of a request for a token of the application's own (RFC 6749 §4.4.2).
    pub fn token_form(api: &Api) -> String {
        format!("grant_type=client_credentials&resource={}", form_encode(&api.audience))
    }

    /// Obtains so many tokens for an API.
    ///
    /// # Errors
    ///
    /// A token is refused.
    pub fn mint(&self, api: &Api, count: usize, connections: usize) -> Result<Vec<String>> {
        let form = Self::token_form(api);
        let request = Request {
            method: "POST",
            path: "/oauth2/token",
            host: self.endpoint.authority(),
            authorization: Some(&self.demo.application.authorization),
            cookie: None,
            form: Some(&form),
        };
        mint(&self.endpoint, &request, count, connections)
    }

    /// Requests that ask an API's question about each of these tokens (RFC 7662 §2.1).
    pub fn introspections<'t>(&self, api: &Api, tokens: impl IntoIterator<Item = &'t String>) -> Requests {
        let request = Request {
            method: "POST",
            path: "/oauth2/introspect",
            host: self.endpoint.authority(),
            authorization: Some(&api.credentials.authorization),
            cookie: None,
            form: None,
        };
        introspections(&request, tokens)
    }

    /// The document at a path, with status 200.
    ///
    /// # Errors
    ///
    /// The answer is another one, or not JSON.
    pub fn document(&self, path: &str) -> Result<serde_json::Value> {
        let host = self.endpoint.authority();
        let request = Request { method: "GET", path, host, authorization: None, cookie: None, form: None };
        fetch(&self.endpoint, &request)?.ok().with_context(|| format!("GET {path}"))?.json()
    }
}

/// Takes the settings of whoever runs the bench away: they must not change what is measured.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LYDIAN_") {
            command.env_remove(name);
        }
    }
}

/// Where the public listener is, from `run.json`.
fn public_address(path: &Path) -> Result<std::net::SocketAddr> {
    let context = || format!("read {}", path.display());
    let text = fs::read_to_string(path).with_context(context)?;
    let run: serde_json::Value = serde_json::from_str(&text).with_context(context)?;
    let public =
        run["public"].as_array().and_then(|addresses| addresses.first()).and_then(|first| first.as_str());
    public
        .with_context(|| format!("{} names no public address", path.display()))?
        .parse()
        .with_context(context)
}

/// Sends a token request so often and returns the tokens.
///
/// # Errors
///
/// A token is refused.
pub fn mint(
    endpoint: &Endpoint,
    request: &Request<'_>,
    count: usize,
    connections: usize,
) -> Result<Vec<String>> {
    let mut requests = Requests::default();
    for _ in 0..count {
        requests.push(request);
    }
    let mut tokens = Vec::with_capacity(count);
    let mut take = |_: usize, response: &Response<'_>| {
        let body = String::from_utf8_lossy(&response.body);
        let token = access_token(&body).filter(|_| response.status == 200);
        tokens.push(token.ok_or_else(|| format!("answered {} {body}", response.status))?.to_owned());
        Ok(())
    };
    run(&Load::once(endpoint, &requests, connections), &mut take).and_then(|round| round.all_right())?;
    ensure!(tokens.len() == count, "{} tokens instead of {count}", tokens.len());
    Ok(tokens)
}

/// Requests that differ in their token only.
pub fn introspections<'t>(request: &Request<'_>, tokens: impl IntoIterator<Item = &'t String>) -> Requests {
    let mut requests = Requests::default();
    for token in tokens {
        let form = format!("token={}", form_encode(token));
        requests.push(&Request { form: Some(&form), ..*request });
    }
    requests
}

/// The value of `access_token` in a token response (RFC 6749 §5.1).
fn access_token(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("\"access_token\":\"")?;
    rest.split_once('"').map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = "# comment\nexport LYDIAN_URL='https://localhost:9443'\nLYDIAN_CA=\"/x y/cert.pem\"\n\
         APP_CLIENT_ID=app\nAPP_CLIENT_SECRET=secret=with=signs\nAPI_CLIENT_ID='api'\nAPI_CLIENT_SECRET='b'\n\
         API_AUDIENCE='https://api.example'\nJWT_API_CLIENT_ID=jwt\nJWT_API_CLIENT_SECRET=c\n\
         JWT_API_AUDIENCE=https://jwt.example\nUSER_NAME='alice'\nUSER_PASSWORD='p q'\n";

    #[test]
    fn the_shell_variables_of_the_demo_are_read() {
        let demo = Demo::parse(DEMO).unwrap();
        assert_eq!(demo.application.authorization, basic("app", "secret=with=signs"));
        assert_eq!(demo.opaque_api.audience, "https://api.example");
        assert_eq!(demo.opaque_api.credentials.client_id, "api");
        assert_eq!(demo.jwt_api.audience, "https://jwt.example");
        assert_eq!(demo.person, ("alice".to_owned(), "p q".to_owned()));
        assert_eq!(demo.certificate, Some(PathBuf::from("/x y/cert.pem")));
    }

    #[test]
    fn a_variable_that_is_missing_is_named() {
        let error = Demo::parse(&DEMO.replace("JWT_API_AUDIENCE", "OTHER")).unwrap_err();
        assert_eq!(error.to_string(), "demo.env does not set JWT_API_AUDIENCE");
    }

    #[test]
    fn the_public_address_stands_in_the_run_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.json");
        fs::write(&path, r#"{"pid":1,"issuer":"x","public":["127.0.0.1:4321","[::1]:4321"],"admin":null}"#)
            .unwrap();
        assert_eq!(public_address(&path).unwrap().port(), 4321);
        fs::write(&path, r#"{"pid":1,"public":[]}"#).unwrap();
        assert!(public_address(&path).is_err());
    }

    #[test]
    fn the_token_is_taken_from_the_answer() {
        assert_eq!(access_token(r#"{"access_token":"lya_1x","token_type":"Bearer"}"#), Some("lya_1x"));
        assert_eq!(access_token(r#"{"error":"invalid_client"}"#), None);
    }
}
