//! `lydian login`: a person signs in with a browser, and the terminal gets the tokens.

use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{Browser, Shown};
use crate::support::{Finished, Place, Server};

/// A server with the demo, and the command that waits for a browser.
struct Waiting {
    command: Server,
    address: String,
}

impl Waiting {
    /// Runs `lydian login` until it has printed where the browser goes.
    #[track_caller]
    fn start(place: &Place, server: &Server, arguments: &[&str]) -> Self {
        let url = server.url();
        let mut all = vec!["login", "--no-browser", "--server", &url];
        all.extend(arguments);
        Self::of(Server::spawn(&mut place.command(&all), place))
    }

    #[track_caller]
    fn of(command: Server) -> Self {
        let said = command.stderr.wait_for("Ctrl-C");
        let address = said.lines().map(str::trim).find(|line| line.starts_with("https://"));
        let address = address.expect("the address stands on a line of its own").to_owned();
        Self { command, address }
    }

    #[track_caller]
    fn finish(mut self) -> Finished {
        let (stdout, stderr) = (self.command.stdout.whole(), self.command.stderr.whole());
        Finished { code: self.command.wait().code(), stdout, stderr }
    }

    /// A parameter of the address.
    #[track_caller]
    fn parameter(&self, name: &str) -> String {
        let address = url::Url::parse(&self.address).unwrap();
        let found = address.query_pairs().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no {name} in {address}")).1.into_owned()
    }
}

#[track_caller]
fn sign_in(place: &Place, server: &Server, address: &str) -> String {
    let demo = server.demo();
    Browser::new(place, server).sign_in_and_allow(address, &demo["USER_NAME"], &demo["USER_PASSWORD"])
}

/// Signs in with the client of the demo that may introspect, and returns the token response.
#[track_caller]
fn tokens_of_web(place: &Place, server: &Server, more: &[&str]) -> Value {
    let demo = server.demo();
    let secret = place.write("secret", &format!("{}\n", demo["WEB_CLIENT_SECRET"]));
    let mut arguments =
        vec!["--json", "--client", &demo["WEB_CLIENT_ID"], "--client-secret-file", secret.to_str().unwrap()];
    arguments.extend(more);
    let waiting = Waiting::start(place, server, &arguments);
    let back = sign_in(place, server, &waiting.address);
    let (status, page) = Browser::new(place, server).visit(&back);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You are signed in"), "{page}");
    serde_json::from_str(&waiting.finish().ok().stdout).unwrap()
}

#[test]
fn s1_tokens_of_a_person_are_introspected_as_both_samples_of_the_page_show() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    let tokens = tokens_of_web(&place, &server, &["--scope", "openid profile"]);
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("openid profile")));
    let introspect = |token: &Value| {
        server.introspect(&demo["WEB_CLIENT_ID"], &demo["WEB_CLIENT_SECRET"], token.as_str().unwrap())
    };
    let access = introspect(&tokens["access_token"]);
    check_sample(&access, "Bearer", tokens["expires_in"].as_u64().unwrap());
    assert_eq!(access["aut"], "APPLICATION_USER");
    let refresh = introspect(&tokens["refresh_token"]);
    check_sample(&refresh, "Refresh", 30 * 86_400);
    assert_eq!(refresh.get("aut"), None);
}

/// The members that both samples have, each with its type.
#[track_caller]
fn check_sample(answer: &Value, token_type: &str, lifetime: u64) {
    let iat = answer["iat"].as_u64().expect("iat is a whole number of seconds");
    assert!(iat > 1_600_000_000, "{answer}");
    let members = json!({
        "active": true,
        "token_type": token_type,
        "scope": "openid profile",
        "client_id": "demo-web",
        "username": "alice@example.com",
        "iat": iat,
        "nbf": iat,
        "exp": iat + lifetime,
    });
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(answer.get(name), Some(value), "{name} of {answer}");
    }
}

#[test]
fn a_person_signs_in_with_the_client_of_the_command_line_and_sees_a_table() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let waiting = Waiting::start(&place, &server, &["--scope", "openid read offline_access"]);
    assert_eq!(waiting.parameter("client_id"), "lydian-cli");
    assert_eq!(waiting.parameter("code_challenge_method"), "S256");
    let back = sign_in(&place, &server, &waiting.address);
    Browser::new(&place, &server).visit(&back);
    let finished = waiting.finish().ok();
    let row = |name: &str| {
        let line = finished.stdout.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}: {finished:?}")).trim().to_owned()
    };
    assert_eq!(row("token type"), "Bearer");
    assert!(row("expires").ends_with("(in 1h)"), "{finished:?}");
    assert_eq!(row("scope"), "offline_access openid read");
    assert!(row("access token").starts_with("lya_"));
    assert!(row("refresh token").starts_with("lyr_"));
    assert_eq!(row("id token").split('.').count(), 3);
    let demo = server.demo();
    let answer = server.introspect(&demo["API_CLIENT_ID"], &demo["API_CLIENT_SECRET"], &row("access token"));
    assert_eq!((&answer["active"], &answer["username"]), (&json!(true), &json!("alice@example.com")));
}

#[test]
fn the_api_that_is_named_is_the_audience() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let audience = server.demo()["JWT_API_AUDIENCE"].clone();
    let tokens = tokens_of_web(&place, &server, &["--resource", &audience]);
    assert_eq!(tokens["access_token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!((&tokens["scope"], tokens.get("id_token")), (&json!("read write"), None));
}

#[test]
fn who_denies_gets_no_tokens_and_the_terminal_says_so() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    let waiting = Waiting::start(&place, &server, &[]);
    let browser = Browser::new(&place, &server);
    let page = browser.open(&waiting.address).page();
    assert_eq!(page.status, 200);
    let fields = [("username", demo["USER_NAME"].as_str()), ("password", &demo["USER_PASSWORD"])];
    let page = browser.submit(&page, &fields, "sign-in").page();
    let back = browser.submit(&page, &[], "deny").elsewhere();
    let (status, page) = browser.visit(&back);
    assert_eq!(status, 400);
    assert!(page.contains("You are not signed in"), "{page}");
    let finished = waiting.finish().refused(&["access was denied in the browser (access_denied)"]);
    assert_eq!(finished.stdout, "");
}

#[test]
fn an_answer_that_was_not_asked_for_is_refused() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let cases = [
        ("state", Some("another"), "the answer to another request (state)"),
        ("state", None, "the answer to another request (state)"),
        ("iss", Some("https://as.example"), "does not come from the server that was asked (iss)"),
        ("iss", None, "does not come from the server that was asked (iss)"),
        ("code", None, "it carries neither a code nor an error"),
        ("code", Some("lyc_made_up"), "the server gave no tokens: invalid_grant"),
    ];
    for (name, value, said) in cases {
        let waiting = Waiting::start(&place, &server, &[]);
        let mut back = url::Url::parse(&sign_in(&place, &server, &waiting.address)).unwrap();
        let pairs: Vec<(String, String)> =
            back.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
        back.query_pairs_mut().clear().extend_pairs(pairs).extend_pairs(value.map(|value| (name, value)));
        let (status, page) = Browser::new(&place, &server).visit(back.as_str());
        assert_eq!(status, 400, "{page}");
        assert_eq!(waiting.finish().refused(&[said]).stdout, "");
    }
}

#[test]
fn other_requests_to_the_port_leave_the_command_waiting() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let waiting = Waiting::start(&place, &server, &["--json"]);
    let browser = Browser::new(&place, &server);
    let port = waiting.parameter("redirect_uri");
    assert_eq!(browser.visit(&port.replace("/callback", "/favicon.ico")).0, 404);
    let back = sign_in(&place, &server, &waiting.address);
    assert_eq!(browser.visit(&back).0, 200);
    waiting.finish().ok();
}

#[test]
fn what_cannot_work_is_said_before_a_browser_opens() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let url = server.url();
    let nowhere = place.write("empty.pem", "");
    let other = place.path("absent");
    let cases: [(&[&str], &str); 6] = [
        (&["--server", "http://as.example"], "is no address to sign in at"),
        (&["--server", "as.example"], "is no address to sign in at"),
        (&["--server", "https://127.0.0.1:1"], "is not reached"),
        (&["--server", &url, "--ca", nowhere.to_str().unwrap()], "there is no PEM certificate in it"),
        (
            &["--server", &url, "--client-secret-file", other.to_str().unwrap()],
            "could not read the client's secret",
        ),
        (&["--server", &format!("{url}/oauth2/token")], "calls itself"),
    ];
    for (arguments, said) in cases {
        let mut all = vec!["login", "--no-browser"];
        all.extend(arguments);
        let finished = place.run(&all).refused(&[said]);
        assert!(!finished.stderr.contains("open this address"), "{finished:?}");
    }
    // The certificate is asked for: what is not trusted is not spoken to.
    let elsewhere = Place::new();
    elsewhere.run(&["login", "--no-browser", "--server", &url]).refused(&["is not reached", "--ca"]);
    let certificate = place.data().join("tls/cert.pem");
    let arguments = ["--ca", certificate.to_str().unwrap()];
    drop(Waiting::start(&elsewhere, &server, &arguments));
}

#[test]
fn a_signal_ends_the_wait() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let waiting = Waiting::start(&place, &server, &[]);
    waiting.command.signal(rustix::process::Signal::INT);
    let finished = waiting.finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (None, ""), "the signal ended it: {finished:?}");
}

#[test]
fn s1_the_printed_commands_for_people_give_the_samples_of_the_page() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let printed = server.stdout.wait_for("--resource \"$API_AUDIENCE\"");
    let variables = printed.lines().find(|line| line.starts_with(". ")).expect("the variables are read");
    let begin = printed.find("# 6.").expect("the commands are numbered");
    let end = printed.find("# 8.").expect("the commands are numbered");
    let script = format!("{variables}\n{}", &printed[begin..end]);
    let mut shell = Command::new("bash");
    // No browser of this machine: one that does nothing.
    shell.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("BROWSER", "true");
    let waiting = Waiting::of(Server::spawn(shell.args(["-c", &script]), &place));
    let back = sign_in(&place, &server, &waiting.address);
    Browser::new(&place, &server).visit(&back);
    let finished = waiting.finish().ok();
    let answers: Vec<Value> = finished
        .stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 2, "{finished:?}");
    check_sample(&answers[0], "Bearer", 3_600);
    check_sample(&answers[1], "Refresh", 30 * 86_400);
}

#[test]
fn a_client_for_a_real_install_is_made_as_the_guide_says() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let add = [
        "client",
        "add",
        "tool",
        "--auth-method",
        "none",
        "--redirect-uri",
        "http://127.0.0.1/callback",
        "--issuer-scope",
        "openid",
        "--issuer-scope",
        "profile",
    ];
    place.run(&add).ok();
    let waiting = Waiting::start(&place, &server, &["--client", "tool", "--json"]);
    let back = sign_in(&place, &server, &waiting.address);
    Browser::new(&place, &server).visit(&back);
    let tokens: Value = serde_json::from_str(&waiting.finish().ok().stdout).unwrap();
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string(), "{tokens}");
}

#[test]
fn who_is_signed_in_and_has_agreed_is_not_asked_again() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    let browser = Browser::new(&place, &server);
    let first = Waiting::start(&place, &server, &[]);
    let back = browser.sign_in_and_allow(&first.address, &demo["USER_NAME"], &demo["USER_PASSWORD"]);
    browser.visit(&back);
    first.finish().ok();
    let second = Waiting::start(&place, &server, &[]);
    let Shown::Elsewhere(back) = browser.open(&second.address) else { panic!("a page is shown") };
    browser.visit(&back);
    second.finish().ok();
}

/// The address with the code in it that `lydian login --device` shows.
#[track_caller]
fn device_address(command: &Server) -> String {
    let said = command.stderr.wait_for("Ctrl-C");
    assert!(!said.contains('\u{2588}'), "a picture is for terminals: {said}");
    let with_code = said.lines().map(str::trim).find(|line| line.contains("?user_code="));
    let with_code = with_code.expect("the address stands on a line of its own").to_owned();
    let (address, code) = with_code.split_once("?user_code=").unwrap();
    assert!(said.lines().any(|line| line.trim() == address), "{said}");
    assert!(said.lines().any(|line| line.trim() == code), "{said}");
    with_code
}

/// Signs in at the address of a device, and decides with this button.
#[track_caller]
fn decide_device(place: &Place, server: &Server, address: &str, button: &str) -> String {
    let demo = server.demo();
    let browser = Browser::new(place, server);
    let page = browser.open(address).page();
    let fields = [("username", demo["USER_NAME"].as_str()), ("password", &demo["USER_PASSWORD"])];
    let page = browser.submit(&page, &fields, "sign-in").page();
    let code = address.split_once('=').unwrap().1;
    let page = browser.submit(&page, &[("user_code", code)], "continue").page();
    assert!(page.html.contains(code) && page.html.contains("Lydian on the command line"), "{}", page.html);
    browser.submit(&page, &[], button).page().html
}

#[test]
fn a_terminal_without_a_browser_gets_its_tokens_when_its_person_agrees_elsewhere() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let url = server.url();
    let mut arguments = vec!["login", "--device", "--json", "--server", &url, "--scope"];
    arguments.push("openid profile read offline_access");
    let command = Server::spawn(&mut place.command(&arguments), &place);
    let address = device_address(&command);
    let page = decide_device(&place, &server, &address, "allow");
    assert!(page.contains("Your device is connected."), "{page}");
    let finished = Waiting { command, address }.finish().ok();
    let tokens: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(tokens["scope"], "offline_access openid profile read");
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string(), "{tokens}");
    let demo = server.demo();
    let answer = server.introspect(
        &demo["API_CLIENT_ID"],
        &demo["API_CLIENT_SECRET"],
        tokens["access_token"].as_str().unwrap(),
    );
    assert_eq!((&answer["active"], &answer["username"]), (&json!(true), &json!("alice@example.com")));
}

#[test]
fn a_terminal_whose_person_denies_gets_no_tokens_and_says_so() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let url = server.url();
    let command = Server::spawn(&mut place.command(&["login", "--device", "--server", &url]), &place);
    let address = device_address(&command);
    decide_device(&place, &server, &address, "deny");
    let finished = Waiting { command, address }.finish().refused(&["access was denied in the browser"]);
    assert_eq!(finished.stdout, "");
}

#[test]
fn a_signal_ends_the_wait_of_a_device_too() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let url = server.url();
    let command = Server::spawn(&mut place.command(&["login", "--device", "--server", &url]), &place);
    let address = device_address(&command);
    command.signal(rustix::process::Signal::INT);
    let finished = Waiting { command, address }.finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (None, ""), "{finished:?}");
}
