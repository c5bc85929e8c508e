//! `lydian login`: a person signs in with a browser, and the terminal gets the tokens.
//!
//! The authorization code flow of an application without a secret (RFC 8252): the browser comes back to a port of this machine
//! ([`redirect`]), and PKCE, `state`, `iss` and `nonce` tie what comes back to what was asked. [`server`] speaks to the server.
//! Where no browser runs, [`device`] shows a code instead.

mod claims;
mod device;
mod error;
mod redirect;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use lydian_domain::secrets::sha256;
use lydian_primitives::{Clock, Entropy, Secret, SystemClock, SystemEntropy, base64url, limits};
use serde_json::{Map, Value};
use url::Url;

use self::error::LoginError;
use self::redirect::{Listener, Outcome};
use self::server::Server;
use crate::{Sources, output, users};

/// The public client that `serve --demo` makes.
const CLIENT_ID: &str = "lydian-cli";

/// What is asked for when nothing is said: who the person is.
const SCOPE: &str = "openid profile";

/// The arguments of `lydian login`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The server: its issuer identifier
    #[arg(long, value_name = "URL", default_value = "https://localhost:9443")]
    server: String,
    /// The client that signs the person in; `http://127.0.0.1/callback` is one of its redirect addresses
    #[arg(long, value_name = "ID", default_value = CLIENT_ID)]
    client: String,
    /// Read the client's secret from this file, without the line end; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// What to ask for, with spaces [default: "openid profile"; with --resource all that the client may have there]
    #[arg(long)]
    scope: Option<String>,
    /// The API that the access token is for
    #[arg(long, value_name = "AUDIENCE")]
    resource: Option<String>,
    /// Trust the certificates of this file, and no others [default: those of the system, and of the data directory if it is here]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print the token response as JSON
    #[arg(long)]
    json: bool,
    /// Print the address only, and open no browser
    #[arg(long)]
    no_browser: bool,
    /// Show a code, and let a browser of any other device decide (RFC 8628)
    #[arg(long, conflicts_with = "no_browser")]
    device: bool,
    #[command(flatten)]
    sources: Sources,
}

impl Arguments {
    fn scope(&self) -> Option<&str> {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => Some(scope),
            (None, None) => Some(SCOPE),
            (None, Some(_)) => None,
        }
    }

    /// The file of certificates to trust, and whether they are the only ones.
    fn certificates(&self) -> Result<Option<(PathBuf, bool)>, ExitCode> {
        if let Some(file) = &self.ca {
            return Ok(Some((file.clone(), true)));
        }
        let of_server = self.sources.load()?.data_dir.join("tls").join("cert.pem");
        Ok(of_server.exists().then_some((of_server, false)))
    }
}

/// What ties the answers to this very request.
struct Ties {
    state: String,
    nonce: String,
    code_verifier: Secret,
}

impl Ties {
    fn new() -> Self {
        let random = || {
            let mut bytes = [0; 32];
            SystemEntropy.fill(&mut bytes);
            base64url::encode(&bytes)
        };
        Self { state: random(), nonce: random(), code_verifier: Secret::new(random()) }
    }

    /// `code_challenge` with the method S256 (RFC 7636 §4.2).
    fn code_challenge(&self) -> String {
        base64url::encode(&sha256(self.code_verifier.expose().as_bytes()))
    }
}

/// Runs the command.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let secret =
        arguments.client_secret_file.as_deref().map(users::read_secret).transpose().map_err(|what| {
            output::complain(&format!("lydian could not read the client's secret: {what}"));
            ExitCode::from(output::REFUSED)
        })?;
    let secret = secret.map(Secret::new);
    let certificates = arguments.certificates()?;
    let runtime = output::runtime(1)?;
    let tokens = runtime
        .block_on(log_in(arguments, secret.as_ref(), certificates))
        .map_err(|error| output::failed("sign in", &error))?;
    let text = if arguments.json {
        Value::Object(tokens).to_string()
    } else {
        in_words(&tokens, arguments.scope().unwrap_or_default())
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

async fn log_in(
    arguments: &Arguments,
    secret: Option<&Secret>,
    certificates: Option<(PathBuf, bool)>,
) -> Result<Map<String, Value>, LoginError> {
    let server = Server::discover(&arguments.server, certificates).await?;
    if arguments.device {
        return device::log_in(arguments, secret, &server).await;
    }
    let ties = Ties::new();
    let mut listener = Listener::open().await.map_err(LoginError::Listen)?;
    let redirect_uri = listener.redirect_uri();
    let address = authorization_address(arguments, &server, &ties, &redirect_uri);
    invite(&address, arguments.no_browser);
    let arrival = tokio::time::timeout(limits::LOGIN_TIMEOUT, listener.arrival())
        .await
        .map_err(|_| LoginError::TimedOut)?;
    let tokens = async {
        let code = read_answer(&arrival.query, &ties, &server)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", ties.code_verifier.expose()),
        ];
        let tokens = server.exchange(&arguments.client, secret, &form).await?;
        claims::check(&tokens, &server.issuer, &arguments.client, Some(&ties.nonce))?;
        Ok(tokens)
    }
    .await;
    // The page says how it went, so that it is shown only now.
    arrival.show(if tokens.is_ok() { Outcome::Done } else { Outcome::Failed });
    listener.close().await;
    tokens
}

fn authorization_address(arguments: &Arguments, server: &Server, ties: &Ties, redirect_uri: &str) -> Url {
    let mut address = server.authorization_endpoint.clone();
    let mut query = address.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &arguments.client)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", &ties.state)
        .append_pair("nonce", &ties.nonce)
        .append_pair("code_challenge", &ties.code_challenge())
        .append_pair("code_challenge_method", "S256");
    if let Some(scope) = arguments.scope() {
        query.append_pair("scope", scope);
    }
    if let Some(resource) = &arguments.resource {
        query.append_pair("resource", resource);
    }
    drop(query);
    address
}

/// Shows the address, and opens the browser.
fn invite(address: &Url, no_browser: bool) {
    let minutes = limits::LOGIN_TIMEOUT.as_secs() / 60;
    output::complain(&format!(
        "To sign in, open this address in a browser of this machine:\n\n  {address}\n\nWaiting for {minutes} minutes; Ctrl-C ends it."
    ));
    if no_browser {
        return;
    }
    let address = address.to_string();
    // A browser in the terminal would run until it is left: nobody waits for it.
    std::thread::spawn(move || {
        if webbrowser::open(&address).is_err() {
            output::complain("No browser could be opened from here: open the address yourself.");
        }
    });
}

/// The code in what the browser came back with (RFC 6749 §4.1.2, RFC 9207 §2.4).
fn read_answer(query: &str, ties: &Ties, server: &Server) -> Result<Secret, LoginError> {
    let mut members = std::collections::BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if members.insert(name, value).is_some() {
            return Err(LoginError::AnswerMalformed("a parameter occurs twice"));
        }
    }
    let member = |name: &str| members.get(name).map(AsRef::as_ref);
    if member("state") != Some(ties.state.as_str()) {
        return Err(LoginError::StateWrong);
    }
    match member("iss") {
        Some(issuer) if issuer == server.issuer => {}
        None if !server.names_itself => {}
        _ => return Err(LoginError::IssuerWrong),
    }
    if let Some(error) = member("error") {
        let description = member("error_description").unwrap_or_default();
        return Err(LoginError::refused(error, description));
    }
    let code = member("code").ok_or(LoginError::AnswerMalformed("it carries neither a code nor an error"))?;
    Ok(Secret::new(code.to_owned()))
}

/// The tokens as a table.
fn in_words(tokens: &Map<String, Value>, asked_scope: &str) -> String {
    let text = |name: &str| tokens.get(name).and_then(Value::as_str).map(error::printable);
    let expires = tokens.get("expires_in").and_then(Value::as_u64).map(|seconds| {
        let at = SystemClock.now().plus_seconds(seconds).as_unix_seconds();
        format!(
            "{} (in {})",
            output::instant(at),
            humantime::format_duration(std::time::Duration::from_secs(seconds))
        )
    });
    // An answer without a scope grants what was asked for (RFC 6749 §5.1).
    let rows = [
        ("token type", text("token_type")),
        ("expires", expires),
        ("scope", Some(text("scope").unwrap_or_else(|| asked_scope.to_owned()))),
        ("access token", text("access_token")),
        ("refresh token", text("refresh_token")),
        ("id token", text("id_token")),
    ];
    let rows: Vec<Vec<String>> =
        rows.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), value?])).collect();
    output::table(&["signed in", ""], &rows)
}
