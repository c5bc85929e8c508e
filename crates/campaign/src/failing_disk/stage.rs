//! The server whose disk fails, and all that it has acknowledged.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};

use super::control::Control;
use crate::client::{Client, Reply};
use crate::crash::load;
use crate::power;
use crate::power::disk::Image;
use crate::server::{self, Server};

/// The realm that is cut, and whose keys are lost.
pub(super) const OTHER_REALM: &str = "other";

/// Longer than any answer takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon after the fault is gone a write must be taken, and after a single failure a read must be answered.
pub(super) const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(2);
/// What was acknowledged earlier and is asked about after each fault.
const SAMPLE: usize = 4;

/// How an operation was answered.
pub(super) enum Answer {
    /// It was performed.
    Done(Value),
    /// 503: it may have been performed, or not.
    Unavailable,
    /// Another status, as its number, with what was said.
    Other(u16, String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(_) => f.write_str("performed"),
            Self::Unavailable => f.write_str("503"),
            Self::Other(status, said) => write!(f, "{status} {said}"),
        }
    }
}

/// What was acknowledged about a token.
struct Token {
    realm: Option<&'static str>,
    text: String,
    /// Unknown while what kills it was answered 503.
    active: Option<bool>,
}

/// What was acknowledged about a secret.
struct Login {
    client_id: String,
    secret: String,
    /// A token of that client, which it may ask about.
    token: String,
    /// Unknown while what changes it was answered 503.
    good: Option<bool>,
}

impl Token {
    fn die(&mut self, is_acknowledged: bool) {
        // What is dead stays dead.
        if is_acknowledged || self.active == Some(true) {
            self.active = is_acknowledged.then_some(false);
        }
    }
}

/// The server, and what must be true of it.
pub(super) struct Stage {
    pub(super) control: Control,
    pub(super) place: PathBuf,
    pub(super) rng: Rng,
    /// Reads that were answered 503 while the store was opened again.
    pub(super) reads_refused: u64,
    /// Facts that were asked about.
    pub(super) audited: u64,
    server: Server,
    client: Client,
    tokens: Vec<Token>,
    logins: Vec<Login>,
    names: u64,
}

impl Stage {
    /// Makes the records, and starts the server on a disk that can fail. What is on the disk before is returned.
    ///
    /// # Errors
    ///
    /// When the server does not start, or refuses the records.
    pub(super) fn start(place: &Path, seed: u64) -> Result<(Self, Image)> {
        let place = place.canonicalize()?;
        let library = power::build(&place)?;
        let data = place.join("data");
        load::set_up(&data, &place)?;
        set_up_other_realm(&data, &place)?;
        let image = power::read_image(&data)?;
        let (control, operations) = (place.join("control"), place.join("operations"));
        let words = Control::create(&control)?;
        let mut command = Server::command(&data)?;
        command.env("LD_PRELOAD", &library).env("DISK_DIRECTORY", &data);
        command.env("DISK_JOURNAL", &operations).env("DISK_CONTROL", &control);
        let server = Server::start_command(command, &data, &place.join("log"))?;
        let client = Client::new(&server.url);
        let stage = Self {
            control: words,
            place,
            rng: Rng::with_seed(seed),
            reads_refused: 0,
            audited: 0,
            server,
            client,
            tokens: Vec::new(),
            logins: Vec::new(),
            names: 0,
        };
        Ok((stage, image))
    }

    /// The data directory.
    pub(super) fn data(&self) -> &Path {
        self.server.data()
    }

    /// The process that serves.
    pub(super) fn process(&self) -> u32 {
        self.server.id()
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        self.server.is_alive()
    }

    /// Ends the server as the power does.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub(super) fn kill(self) -> Result<Remembered> {
        let Self { place, rng, tokens, logins, server, .. } = self;
        let data = server.data().to_owned();
        server.kill()?;
        Ok(Remembered { place, data, rng, tokens, logins })
    }

    /// A name that no client has had.
    pub(super) fn new_name(&mut self) -> String {
        self.names += 1;
        format!("client-{}", self.names)
    }

    /// Asks for an operation of administrators.
    pub(super) fn administer(&self, operation: &str, parameters: &Value) -> Answer {
        match ask_socket(&self.data().join("control.sock"), operation, parameters) {
            Ok((200, body)) => Answer::Done(serde_json::from_str(&body).unwrap_or(Value::Null)),
            Ok((503, _)) => Answer::Unavailable,
            Ok((status, body)) => Answer::Other(status, body),
            Err(error) => Answer::Other(0, format!("{error:#}")),
        }
    }

    /// Issues a token, and remembers it.
    pub(super) fn issue(
        &mut self,
        realm: Option<&'static str>,
        client: (&str, &str),
        audience: &str,
    ) -> Answer {
        let form = [("grant_type", "client_credentials"), ("resource", audience)];
        let answer = read(self.client.post(&path(realm, "token"), client, &form));
        if let Answer::Done(body) = &answer {
            let Some(text) = body["access_token"].as_str() else {
                return Answer::Other(200, "there is no token in it".to_owned());
            };
            self.tokens.push(Token { realm, text: text.to_owned(), active: Some(true) });
        }
        answer
    }

    /// Issues a token while nothing fails.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub(super) fn issued(
        &mut self,
        realm: Option<&'static str>,
        client: (&str, &str),
        audience: &str,
    ) -> Result<String> {
        let answer = self.until_available(|stage| stage.issue(realm, client, audience))?;
        let Answer::Done(body) = answer else { bail!("a token was asked for: {answer}") };
        Ok(body["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// Revokes a token as its owner.
    pub(super) fn revoke(&self, token: &str) -> Answer {
        read(self.client.post("/oauth2/revoke", load::APP, &[("token", token)]))
    }

    /// Repeats an operation until it is answered with anything else than 503.
    ///
    /// # Errors
    ///
    /// When it is refused for too long.
    pub(super) fn until_available(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> Answer,
    ) -> Result<Answer> {
        let begin = Instant::now();
        loop {
            match operation(self) {
                Answer::Unavailable if begin.elapsed() > RECOVERY_MAX => {
                    bail!("writes are refused {RECOVERY_MAX:?} after the fault has gone")
                }
                Answer::Unavailable => std::thread::sleep(PAUSE),
                other => return Ok(other),
            }
        }
    }

    /// This token is dead: it was acknowledged, or is not known.
    pub(super) fn died(&mut self, token: &str, is_acknowledged: bool) {
        self.tokens
            .iter_mut()
            .filter(|known| known.text == token)
            .for_each(|known| known.die(is_acknowledged));
    }

    /// All tokens of the other realm are dead, or all JWTs among them: it was acknowledged, or is not known.
    pub(super) fn other_realm_died(&mut self, only_jwts: bool, is_acknowledged: bool) {
        self.tokens
            .iter_mut()
            .filter(|token| token.realm == Some(OTHER_REALM) && (!only_jwts || token.text.contains('.')))
            .for_each(|token| token.die(is_acknowledged));
    }

    /// It was acknowledged that this secret is good, and no other of this client.
    pub(super) fn has_secret(&mut self, client_id: &str, secret: &str, token: &str) {
        self.has_no_secret(client_id, true);
        self.logins.retain(|login| login.client_id != client_id || login.secret != secret);
        let (client_id, secret, token) = (client_id.to_owned(), secret.to_owned(), token.to_owned());
        self.logins.push(Login { client_id, secret, token, good: Some(true) });
    }

    /// No secret of this client is good: it was acknowledged, or it is not known which are.
    pub(super) fn has_no_secret(&mut self, client_id: &str, is_acknowledged: bool) {
        self.logins
            .iter_mut()
            .filter(|login| login.client_id == client_id)
            .for_each(|login| login.good = is_acknowledged.then_some(false));
    }

    /// Asks about the newest facts and some of the others. Each answer must be right; 503 is accepted for a moment after a failure, and
    /// for as long as failures go on.
    pub(super) fn ask(&mut self, goes_on: bool) -> Vec<String> {
        let mut chosen: Vec<usize> = (self.tokens.len().saturating_sub(2)..self.tokens.len()).collect();
        chosen.extend((0..SAMPLE).map(|_| self.rng.usize(..self.tokens.len().max(1))));
        let logins: Vec<usize> = (self.logins.len().saturating_sub(2)..self.logins.len()).collect();
        let mut wrong = Vec::new();
        let begin = Instant::now();
        for question in chosen.into_iter().map(Question::Token).chain(logins.into_iter().map(Question::Login))
        {
            loop {
                let answer = answer(&self.client, &self.tokens, &self.logins, question);
                match answer {
                    Some(Ok(())) => self.audited += 1,
                    Some(Err(what)) => wrong.push(what),
                    None if goes_on => self.reads_refused += 1,
                    None if begin.elapsed() > RECOVERY_MAX => {
                        wrong.push("reads are refused long after a single failure".to_owned());
                    }
                    None => {
                        self.reads_refused += 1;
                        std::thread::sleep(PAUSE);
                        continue;
                    }
                }
                break;
            }
        }
        if !matches!(self.client.get("/oauth2/jwks"), Reply::Answered { status: 200, .. }) {
            wrong.push("the key set was not answered".to_owned());
        }
        wrong
    }

    /// Asks about everything.
    pub(super) fn ask_all(&mut self) -> Vec<String> {
        let (audited, wrong) = ask_all(&self.client, &self.tokens, &self.logins);
        self.audited += audited;
        wrong
    }
}

/// What is left of a stage without its server.
pub(super) struct Remembered {
    pub(super) place: PathBuf,
    pub(super) data: PathBuf,
    pub(super) rng: Rng,
    tokens: Vec<Token>,
    logins: Vec<Login>,
}

impl Remembered {
    /// Starts the server on what the data directory holds now, asks about everything, and ends it. How much was asked is returned too.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(super) fn restart(&self) -> Result<(u64, Vec<String>)> {
        let server = Server::start(&self.data, &self.place.join("log"))?;
        let outcome = ask_all(&Client::new(&server.url), &self.tokens, &self.logins);
        server.kill()?;
        Ok(outcome)
    }
}

#[derive(Clone, Copy)]
enum Question {
    Token(usize),
    Login(usize),
}

fn ask_all(client: &Client, tokens: &[Token], logins: &[Login]) -> (u64, Vec<String>) {
    let questions = (0..tokens.len()).map(Question::Token).chain((0..logins.len()).map(Question::Login));
    let answers: Vec<_> = questions
        .map(|question| {
            answer(client, tokens, logins, question)
                .unwrap_or_else(|| Err("a read was refused while nothing fails".to_owned()))
        })
        .collect();
    (answers.len() as u64, answers.into_iter().filter_map(Result::err).collect())
}

/// Whether an answer is right; `None` for 503.
fn answer(
    client: &Client,
    tokens: &[Token],
    logins: &[Login],
    question: Question,
) -> Option<Result<(), String>> {
    let reply = match question {
        Question::Token(number) => {
            let Token { realm, text, .. } = tokens.get(number)?;
            client.post(&path(*realm, "introspect"), load::AUDITOR, &[("token", text)])
        }
        Question::Login(number) => {
            let Login { client_id, secret, token, .. } = &logins[number];
            client.post("/oauth2/introspect", (client_id, secret), &[("token", token)])
        }
    };
    let (status, active) = match reply {
        Reply::Answered { status: 503, .. } => return None,
        Reply::Answered { status, body, .. } => (status, body["active"].as_bool()),
        Reply::Lost => return Some(Err("a read was not answered".to_owned())),
    };
    let (what, expected, found) = match question {
        Question::Token(number) => (format!("token {number}"), tokens[number].active, active),
        Question::Login(number) => {
            let Login { client_id, good, .. } = &logins[number];
            (format!("a secret of {client_id}"), *good, matches!(status, 200 | 401).then_some(status == 200))
        }
    };
    let is_right = found.is_some() && (expected.is_none() || expected == found);
    Some(if is_right {
        Ok(())
    } else {
        Err(format!("{what} is good: {expected:?}, and the answer is {status}, active: {active:?}"))
    })
}

fn read(reply: Reply) -> Answer {
    match reply {
        Reply::Answered { status: 200, body, .. } => Answer::Done(body),
        Reply::Answered { status: 503, retry_after: true, .. } => Answer::Unavailable,
        Reply::Answered { status, body, .. } => Answer::Other(status, body.to_string()),
        Reply::Lost => Answer::Other(0, "there was no answer".to_owned()),
    }
}

fn path(realm: Option<&str>, endpoint: &str) -> String {
    realm.map_or_else(|| format!("/oauth2/{endpoint}"), |realm| format!("/t/{realm}/oauth2/{endpoint}"))
}

/// A request on the local socket: status and body.
fn ask_socket(socket: &Path, operation: &str, parameters: &Value) -> Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket).context("connect to the local socket")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = parameters.to_string();
    let length = body.len();
    let head = format!(
        "POST /v1/{operation} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).context("ask on the local socket")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("read the answer of the local socket")?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status")?;
    Ok((status, body.to_owned()))
}

/// A second realm with the same clients.
fn set_up_other_realm(data: &Path, place: &Path) -> Result<()> {
    let audience = load::OPAQUE_API;
    let allowed = json!({ audience: ["read"], load::APIS[1]: ["read"] });
    let api = |audience: &str, format: &str| json!({ "realm": OTHER_REALM, "audience": audience, "scopes": ["read"], "token_format": format, "access_token_seconds": 86_400 });
    let (app, auditor) = (load::APP, load::AUDITOR);
    let document = json!({
        "realm": [{ "name": OTHER_REALM }],
        "api": [api(audience, "opaque"), api(load::APIS[1], "jwt")],
        "client": [
            { "realm": OTHER_REALM, "client_id": app.0, "client_secret": app.1, "grant_types": ["client_credentials"], "allowed": allowed },
            { "realm": OTHER_REALM, "client_id": auditor.0, "client_secret": auditor.1, "introspect_any": true },
        ],
    });
    let file = place.join("other.toml");
    fs::write(&file, toml::to_string(&document)?).context("write the document")?;
    let path = file.to_str().context("the path is text")?;
    let output = server::command(data, &["apply", "-f", path])?.output().context("run lydian apply")?;
    if !output.status.success() {
        bail!("the records were refused: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
