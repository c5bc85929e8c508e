//! A place with a data directory, commands that end, servers that run, and `curl`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own for a test, in which commands run.
pub(crate) struct Place(tempfile::TempDir);

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The command with these arguments, in this place, with nothing of ours in its environment but the data directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lydian"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LYDIAN_")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.0.path()).env("LYDIAN_DATA_DIR", self.data());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(&mut self.command(arguments))
    }

    /// Starts a server on free ports, and waits until it is ready.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(arguments, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn serve_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut command = self.command(&all);
        // The least cost: nobody attacks these passwords, and many tests sign in.
        command.env("LYDIAN_PASSWORD_HASH_MILLISECONDS", "0");
        command.envs(environment.iter().copied());
        let server = Server::spawn(&mut command, self);
        server.stdout.wait_for("ready: ");
        server
    }
}

/// Runs a command to its end. One that does not end, such as a server that should have refused, fails the test.
#[track_caller]
pub(crate) fn finish(command: &mut Command) -> Finished {
    let mut running = Server::spawn_in(command, PathBuf::new());
    let (stdout, stderr) = (running.stdout.whole(), running.stderr.whole());
    Finished { code: running.wait().code(), stdout, stderr }
}

impl Finished {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts that the command was refused, and that it says each of these.
    #[track_caller]
    pub(crate) fn refused(self, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        for text in said {
            assert!(self.stderr.contains(text), "it does not say {text:?}: {}", self.stderr);
        }
        self
    }
}

/// What a process has written to one of its streams so far.
#[derive(Default)]
pub(crate) struct Captured {
    /// The text, and whether it is complete.
    state: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Captured {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Arc<Self> {
        let captured = Arc::new(Self::default());
        let writer = Arc::clone(&captured);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                writer.state.lock().unwrap().0.push_str(&String::from_utf8_lossy(&line));
                writer.changed.notify_all();
                line.clear();
            }
            writer.state.lock().unwrap().1 = true;
            writer.changed.notify_all();
        });
        captured
    }

    pub(crate) fn text(&self) -> String {
        self.state.lock().unwrap().0.clone()
    }

    /// Waits until this text was written; returns all that was.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let state = self.state.lock().unwrap();
        let waiting = |state: &mut (String, bool)| !state.0.contains(text) && !state.1;
        let (state, _) = self.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap();
        assert!(state.0.contains(text), "{text:?} was not written: {}", state.0);
        state.0.clone()
    }

    /// Waits for the line with this beginning that comes after so many others of its kind; returns the rest of it, or `None` when
    /// the stream is closed before.
    #[allow(dead_code, reason = "the tests with client libraries use it")]
    #[track_caller]
    pub(crate) fn wait_for_line(&self, beginning: &str, after: usize) -> Option<String> {
        let find = |text: &str| {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix(beginning));
            lines.nth(after).map(str::to_owned)
        };
        let state = self.state.lock().unwrap();
        let waiting = |state: &mut (String, bool)| find(&state.0).is_none() && !state.1;
        let (state, timeout) = self.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap();
        assert!(!timeout.timed_out(), "neither {beginning:?} nor the end came: {}", state.0);
        find(&state.0)
    }

    /// Waits until the stream is closed; returns all that was written.
    #[track_caller]
    pub(crate) fn whole(&self) -> String {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, PATIENCE, |state| !state.1).unwrap();
        assert!(state.1, "the stream was not closed: {}", state.0);
        state.0.clone()
    }
}

/// A running server. It dies with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) stdout: Arc<Captured>,
    pub(crate) stderr: Arc<Captured>,
    data: PathBuf,
}

/// What an HTTP request was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Server {
    /// Starts a server without waiting for anything.
    pub(crate) fn spawn(command: &mut Command, place: &Place) -> Self {
        Self::spawn_in(command, place.data())
    }

    fn spawn_in(command: &mut Command, data: PathBuf) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command can be started");
        let stdout = Captured::of(child.stdout.take().unwrap());
        let stderr = Captured::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr, data }
    }

    /// Starts a server whose standard output nobody reads: the pipe is closed at once, or is what the caller has set up.
    pub(crate) fn without_reader(command: &mut Command, place: &Place) -> Self {
        let mut child = command.spawn().expect("the server can be started");
        drop(child.stdout.take());
        let stderr = Captured::of(child.stderr.take().unwrap());
        Self { child, stdout: Arc::default(), stderr, data: place.data() }
    }

    /// Starts a server whose standard error nobody reads.
    pub(crate) fn without_log(command: &mut Command, place: &Place) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server can be started");
        drop(child.stderr.take());
        let stdout = Captured::of(child.stdout.take().unwrap());
        Self { child, stdout, stderr: Arc::default(), data: place.data() }
    }

    /// Where its data lies.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Its standard input, if that is a pipe.
    #[allow(dead_code, reason = "the tests with client libraries use it")]
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("its standard input is a pipe")
    }

    /// The data directory, where it is not the place's own.
    pub(crate) fn set_data(&mut self, data: PathBuf) {
        self.data = data;
    }

    /// Whether it has closed its output: it has ended, or is about to.
    pub(crate) fn has_ended(&self) -> bool {
        self.stdout.state.lock().unwrap().1
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `run.json`.
    pub(crate) fn run_file(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.data.join("run.json")).unwrap()).unwrap()
    }

    /// The variables of `demo.env`.
    pub(crate) fn demo(&self) -> BTreeMap<String, String> {
        variables(&self.data.join("demo.env"))
    }

    /// The address behind `ready: `.
    pub(crate) fn url(&self) -> String {
        let text = self.stdout.text();
        let line = text.lines().find_map(|line| line.strip_prefix("ready: "));
        line.expect("the server is ready").to_owned()
    }

    /// The address of the listener of operators.
    pub(crate) fn operations(&self) -> String {
        format!("http://{}", self.run_file()["metrics"].as_str().unwrap())
    }

    /// Asks with `curl`, which trusts the server's own certificate and nothing else.
    #[track_caller]
    pub(crate) fn curl(&self, arguments: &[&str]) -> Answer {
        curl(&self.data.join("tls/cert.pem"), arguments)
    }

    /// An access token by Basic.
    #[track_caller]
    pub(crate) fn token(&self, client_id: &str, client_secret: &str, more: &[&str]) -> String {
        let url = format!("{}/oauth2/token", self.url());
        let user = format!("{client_id}:{client_secret}");
        let mut arguments = vec!["--user", &user, "--data-urlencode", "grant_type=client_credentials", &url];
        for parameter in more {
            arguments.extend(["--data-urlencode", parameter]);
        }
        let answer = self.curl(&arguments);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The answer about a token.
    #[track_caller]
    pub(crate) fn introspect(&self, client_id: &str, client_secret: &str, token: &str) -> Value {
        let answer = self.post_token("introspect", client_id, client_secret, token);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Posts a token to an endpoint, by Basic.
    #[track_caller]
    pub(crate) fn post_token(
        &self,
        endpoint: &str,
        client_id: &str,
        client_secret: &str,
        token: &str,
    ) -> Answer {
        let url = format!("{}/oauth2/{endpoint}", self.url());
        let user = format!("{client_id}:{client_secret}");
        self.curl(&["--user", &user, "--data-urlencode", &format!("token={token}"), &url])
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Ends the server as the power does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Asks the server to stop, and checks that it stops well; returns what it said and logged.
    pub(crate) fn stop(mut self) -> (String, String) {
        self.signal(Signal::TERM);
        let status = self.wait();
        let said = (self.stdout.whole(), self.stderr.whole());
        assert_eq!(status.code(), Some(0), "{}", said.1);
        said
    }
}

impl Server {
    /// As [`Self::stop`], for a server whose streams nobody reads.
    pub(crate) fn stop_silently(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has stopped already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks with `curl`, which trusts this certificate and nothing else.
#[track_caller]
pub(crate) fn curl(certificate: &Path, arguments: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]);
    command.arg("--cacert").arg(certificate).args(arguments);
    let finished = finish(&mut command).ok();
    let (body, status) = finished.stdout.rsplit_once('\n').unwrap();
    Answer { status: status.parse().unwrap(), body: body.to_owned() }
}

/// What an HTTP request was answered with, and where a redirect goes.
#[derive(Debug)]
pub(crate) struct AnswerOrRedirect {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) redirect: Option<String>,
}

/// As [`curl`], and says where a redirect goes, which it does not follow.
#[track_caller]
pub(crate) fn curl_once(certificate: &Path, arguments: &[&str]) -> AnswerOrRedirect {
    let mut all = vec!["--write-out", "\n%{redirect_url}\n%{http_code}"];
    all.extend(arguments);
    let answer = curl(certificate, &all);
    let (body, redirect) = answer.body.rsplit_once('\n').unwrap();
    let redirect = (!redirect.is_empty()).then(|| redirect.to_owned());
    AnswerOrRedirect { status: answer.status, body: body.to_owned(), redirect }
}

/// The variables of a file for shells.
pub(crate) fn variables(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').expect("a variable has a value");
            let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            (name.to_owned(), value.expect("a value is quoted").to_owned())
        })
        .collect()
}

/// Tries until it succeeds. For what has no event to wait for, such as a socket that closes.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come to pass: {what}");
        std::thread::yield_now();
    }
}
