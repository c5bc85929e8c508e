//! The journeys.

use std::collections::BTreeMap;

use fantoccini::Locator;
use fantoccini::key::Key;
use lydian_domain::factors::totp;
use lydian_primitives::{Clock as _, SystemClock};
use lydian_test_kit::mail_server::{MailServer, Way};
use serde_json::Value;

use crate::driver::{Chromium, Preferences};
use crate::support::{Place, Server};

/// A server with the demo, and its names and secrets.
struct Demo {
    place: Place,
    server: Server,
    names: BTreeMap<String, String>,
}

/// A client of the device grant.
const TELEVISION: &str = r#"
[[client]]
client_id = "television"
name = "Television in the hall"
auth_methods = ["none"]
grant_types = ["urn:ietf:params:oauth:grant-type:device_code"]
issuer_scopes = ["openid", "profile"]
"#;

/// The code that an authenticator app shows for a key, so many steps of 30 seconds later.
fn app_code(shown: &str, steps: u64) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digits = shown.chars().filter(|character| *character != ' ');
    let bits: String = digits.map(|digit| format!("{:05b}", letters.find(digit).unwrap())).collect();
    let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
    let key: Vec<u8> = bits.as_bytes().chunks_exact(8).map(byte).collect();
    format!("{:06}", totp::code_at(&key, totp::step_of(SystemClock.now()) + steps))
}

/// `lydian login`, which waits for the browser.
struct Login(Server);

impl Demo {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with variables of the environment.
    fn start_with(environment: &[(&str, &str)]) -> Self {
        let place = Place::new();
        let server = place.serve_with(&["--demo"], environment);
        let names = server.demo();
        Self { place, server, names }
    }

    async fn browser(&self, preferences: Preferences) -> Chromium {
        Chromium::start(&self.place, &self.server, preferences).await
    }

    fn name(&self) -> &str {
        &self.names["USER_NAME"]
    }

    fn password(&self) -> &str {
        &self.names["USER_PASSWORD"]
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// Runs `lydian login` until it has printed where the browser goes; returns it and the address.
    fn login(&self, more: &[&str]) -> (Login, String) {
        let url = self.server.url();
        let secret = self.place.write("secret", &self.names["WEB_CLIENT_SECRET"]);
        let mut arguments = vec!["login", "--no-browser", "--json", "--server", &url];
        arguments.extend(["--client", &self.names["WEB_CLIENT_ID"]]);
        arguments.extend(["--client-secret-file", secret.to_str().unwrap()]);
        arguments.extend(more);
        let command = Server::spawn(&mut self.place.command(&arguments), &self.place);
        let said = command.stderr.wait_for("Ctrl-C");
        let address = said.lines().map(str::trim).find(|line| line.starts_with("https://"));
        (Login(command), address.expect("the address stands on a line of its own").to_owned())
    }

    /// What the web application is told about a token.
    fn introspect(&self, token: &str) -> Value {
        self.server.introspect(&self.names["WEB_CLIENT_ID"], &self.names["WEB_CLIENT_SECRET"], token)
    }

    async fn sign_in(&self, browser: &Chromium) {
        browser.fill("username", self.name()).await;
        browser.fill("password", self.password()).await;
        browser.press("sign-in").await;
    }
}

impl Login {
    /// The token response.
    fn tokens(mut self) -> Value {
        let (said, complained) = (self.0.stdout.whole(), self.0.stderr.whole());
        assert_eq!(self.0.wait().code(), Some(0), "{complained}");
        serde_json::from_str(&said).unwrap()
    }

    /// What it says when there are no tokens.
    fn complaint(mut self) -> String {
        let complained = self.0.stderr.whole();
        assert_eq!(self.0.wait().code(), Some(1), "{complained}");
        complained
    }
}

#[tokio::test]
async fn a_person_signs_in_agrees_and_the_application_gets_tokens() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    browser.look("sign-in").await;

    browser.fill("username", demo.name()).await;
    browser.fill("password", "not the password").await;
    browser.press("sign-in").await;
    let problem = browser.id("problem").await.text().await.unwrap();
    assert!(!problem.is_empty());
    assert_eq!(browser.id("username").await.prop("value").await.unwrap().as_deref(), Some(demo.name()));
    browser.look("sign-in-wrong").await;

    browser.fill("password", demo.password()).await;
    browser.press("sign-in").await;
    browser.id("allow").await;
    let text = browser.text().await;
    assert!(text.contains("Demo"), "the application is named: {text}");
    browser.look("consent").await;

    browser.press("allow").await;
    let tokens = login.tokens();
    let answer = demo.introspect(tokens["access_token"].as_str().unwrap());
    assert_eq!(answer["active"], true);
    assert_eq!(answer["username"], demo.name());
    assert_eq!(answer["aut"], "APPLICATION_USER");
    browser.look("loopback").await;
    browser.stop().await;
}

#[tokio::test]
async fn a_person_refuses_and_the_application_is_told() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    demo.sign_in(&browser).await;
    browser.press("deny").await;
    let complaint = login.complaint();
    assert!(complaint.contains("access_denied"), "{complaint}");
    browser.look("loopback-refused").await;
    browser.stop().await;
}

#[tokio::test]
async fn without_scripts_a_person_signs_in_agrees_and_logs_out() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences { without_scripts: true, ..Preferences::default() }).await;
    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    browser.look("without-scripts-sign-in").await;
    demo.sign_in(&browser).await;
    browser.press("allow").await;
    let tokens = login.tokens();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(demo.introspect(access)["active"], true);

    browser.open(&demo.url("/oauth2/account")).await;
    browser.press("log-out").await;
    browser.gone("log-out").await;
    assert_eq!(demo.introspect(access)["active"], false);
    browser.stop().await;
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    browser.wait_for_focus("username").await;
    browser.keys(demo.name()).await;
    browser.tab_to("password").await;
    browser.keys(demo.password()).await;
    browser.keys(&char::from(Key::Enter).to_string()).await;
    browser.id("allow").await;
    browser.tab_to("allow").await;
    browser.keys(&char::from(Key::Enter).to_string()).await;
    let tokens = login.tokens();
    assert_eq!(demo.introspect(tokens["access_token"].as_str().unwrap())["active"], true);
    browser.stop().await;
}

#[tokio::test]
async fn the_account_page_shows_what_a_person_has_and_ends_it() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    demo.sign_in(&browser).await;
    browser.press("allow").await;
    let tokens = login.tokens();
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert_eq!(demo.introspect(refresh)["active"], true);

    browser.open(&demo.url("/oauth2/account")).await;
    browser.look("account").await;
    let remove = Locator::Css("#applications button");
    browser.element(remove).await.click().await.unwrap();
    browser.id("applications").await;
    assert_eq!(demo.introspect(access)["active"], false, "the application was removed");
    assert_eq!(demo.introspect(refresh)["active"], false);

    browser.fill("current_password", "wrong").await;
    browser.fill("new_password", "a much longer password").await;
    browser.fill("repeat_password", "a much longer password").await;
    browser.press("save-password").await;
    browser.id("problem").await;
    browser.look("account-wrong-password").await;
    browser.stop().await;
}

#[tokio::test]
async fn a_session_that_ends_kills_what_was_granted_in_it() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let (login, address) = demo.login(&["--scope", "openid profile"]);
    browser.open(&address).await;
    demo.sign_in(&browser).await;
    browser.press("allow").await;
    let tokens = login.tokens();
    let access = tokens["access_token"].as_str().unwrap();

    // Without a hint the person is asked.
    browser.open(&demo.url("/oauth2/logout")).await;
    browser.look("log-out").await;
    browser.press("stay").await;
    assert_eq!(demo.introspect(access)["active"], true);
    browser.open(&demo.url("/oauth2/logout")).await;
    browser.press("log-out").await;
    browser.gone("log-out").await;
    browser.look("logged-out").await;
    assert_eq!(demo.introspect(access)["active"], false);
    browser.open(&demo.url("/oauth2/account")).await;
    assert!(browser.has("sign-in").await, "nobody is signed in any more");
    browser.stop().await;
}

#[tokio::test]
async fn a_device_gets_tokens_by_the_code_that_a_person_types() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let television = demo.place.write("television.toml", TELEVISION);
    demo.place.run(&["apply", "-f", television.to_str().unwrap()]).ok();
    let url = demo.url("/oauth2/device_authorize");
    let answer = demo.server.curl(&["--data-urlencode", "client_id=television", &url]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let device = answer.json();
    browser.open(device["verification_uri"].as_str().unwrap()).await;
    if browser.has("sign-in").await {
        demo.sign_in(&browser).await;
    }
    browser.look("device-code").await;
    browser.fill("user_code", "BBBB-BBBB").await;
    browser.press("continue").await;
    browser.id("problem").await;
    browser.look("device-code-wrong").await;
    browser.fill("user_code", device["user_code"].as_str().unwrap()).await;
    browser.press("continue").await;
    browser.id("allow").await;
    browser.look("device-confirmation").await;
    browser.press("allow").await;
    browser.look("device-done").await;

    let code = format!("device_code={}", device["device_code"].as_str().unwrap());
    let grant = "grant_type=urn:ietf:params:oauth:grant-type:device_code";
    let url = demo.url("/oauth2/token");
    let mut arguments = vec!["--data-urlencode", "client_id=television"];
    arguments.extend(["--data-urlencode", grant, "--data-urlencode", &code, &url]);
    let answer = demo.server.curl(&arguments);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["access_token"].is_string());
    browser.stop().await;
}

#[tokio::test]
async fn an_address_that_is_not_registered_is_a_page_and_never_a_redirect() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    let client = &demo.names["WEB_CLIENT_ID"];
    let query =
        format!("/oauth2/authorize?response_type=code&client_id={client}&redirect_uri=https://evil.example/");
    browser.open(&demo.url(&query)).await;
    let problem = browser.id("problem").await.text().await.unwrap();
    assert!(!problem.is_empty());
    assert_eq!(browser.address().await.path(), "/oauth2/authorize");
    browser.look("error").await;
    browser.open(&demo.url("/oauth2/authorize?client_id=%3Cscript%3Ealert(1)%3C/script%3E")).await;
    browser.id("problem").await;
    browser.look("error-markup").await;
    browser.stop().await;
}

#[tokio::test]
async fn the_pages_speak_german_to_a_german_browser() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences { language: Some("de"), ..Preferences::default() }).await;
    let (_login, address) = demo.login(&[]);
    browser.open(&address).await;
    let html = browser.element(Locator::Css("html")).await;
    assert_eq!(html.attr("lang").await.unwrap().as_deref(), Some("de"));
    assert_eq!(browser.id("sign-in").await.text().await.unwrap(), "Anmelden");
    browser.look("sign-in-german").await;
    browser.stop().await;
}

#[tokio::test]
async fn an_authenticator_app_is_added_and_asked_for_and_a_recovery_code_stands_in_for_it() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences { without_scripts: true, ..Preferences::default() }).await;
    browser.open(&demo.url("/oauth2/account")).await;
    demo.sign_in(&browser).await;
    browser.press("add-authenticator").await;
    let key = browser.id("secret").await.text().await.unwrap();
    browser.look("authenticator-enrolment").await;
    browser.fill("code", &app_code(&key, 0)).await;
    browser.press("verify").await;
    let codes = browser.id("codes").await.text().await.unwrap();
    browser.look("recovery-codes").await;
    browser.press("codes-kept").await;
    browser.id("factors").await;
    browser.look("account-with-authenticator").await;
    browser.press("log-out").await;
    browser.gone("log-out").await;

    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    demo.sign_in(&browser).await;
    browser.id("code").await;
    browser.look("authenticator-code").await;
    browser.fill("code", "000000").await;
    browser.press("verify").await;
    browser.id("problem").await;
    browser.look("authenticator-code-wrong").await;
    // The code of this step was used when the app was added.
    browser.fill("code", &app_code(&key, 1)).await;
    browser.press("verify").await;
    browser.press("allow").await;
    let tokens = login.tokens();
    let answer = demo.introspect(tokens["access_token"].as_str().unwrap());
    assert_eq!(answer["active"], true);
    assert!(answer["amr"].to_string().contains("otp"), "{answer}");

    browser.open(&demo.url("/oauth2/account")).await;
    browser.press("log-out").await;
    browser.gone("log-out").await;
    browser.open(&demo.url("/oauth2/account")).await;
    demo.sign_in(&browser).await;
    browser.press("use-recovery-code").await;
    browser.look("recovery-code").await;
    browser.fill("recovery_code", codes.lines().next().unwrap()).await;
    browser.press("check-recovery-code").await;
    browser.id("factors").await;
    browser.stop().await;
}

#[tokio::test]
async fn a_passkey_is_added_and_signs_in_by_itself() {
    let demo = Demo::start();
    let browser = demo.browser(Preferences::default()).await;
    browser.add_authenticator().await;
    browser.open(&demo.url("/oauth2/account")).await;
    demo.sign_in(&browser).await;
    browser.press("add-passkey").await;
    browser.look("passkey-enrolment").await;
    browser.fill("name", "Laptop in the study").await;
    browser.press("passkey").await;
    browser.id("codes").await;
    browser.press("codes-kept").await;
    browser.id("factors").await;
    assert!(browser.text().await.contains("Laptop in the study"));
    browser.look("account-with-passkey").await;
    browser.press("log-out").await;
    browser.gone("log-out").await;

    let (login, address) = demo.login(&[]);
    browser.open(&address).await;
    browser.look("sign-in-with-passkey").await;
    browser.press("passkey").await;
    browser.press("allow").await;
    let tokens = login.tokens();
    let answer = demo.introspect(tokens["access_token"].as_str().unwrap());
    assert_eq!(answer["active"], true);
    assert_eq!(answer["username"], demo.name());
    browser.stop().await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_from_mail() {
    let mail = MailServer::start(Way::Plain);
    let port = mail.port.to_string();
    let environment = [
        ("LYDIAN_MAIL_HOST", "127.0.0.1"),
        ("LYDIAN_MAIL_PORT", port.as_str()),
        ("LYDIAN_MAIL_FROM", "no-reply@example.com"),
        ("LYDIAN_MAIL_TLS", "insecure_plain"),
    ];
    let demo = Demo::start_with(&environment);
    let browser = demo.browser(Preferences::default()).await;
    browser.open(&demo.url("/oauth2/account")).await;
    browser.press("forgot-password").await;
    browser.look("forgotten-password").await;
    browser.fill("email", demo.name()).await;
    browser.press("send-link").await;
    browser.gone("send-link").await;
    browser.look("forgotten-password-sent").await;
    let link = mail.next_mail().link("https://");
    browser.open(&link).await;
    browser.look("new-password").await;
    let password = "tulips under seven bridges";
    browser.fill("new_password", password).await;
    browser.fill("repeat_password", password).await;
    browser.press("save-password").await;
    browser.gone("save-password").await;
    browser.look("new-password-saved").await;

    browser.open(&demo.url("/oauth2/account")).await;
    browser.fill("username", demo.name()).await;
    browser.fill("password", password).await;
    browser.press("sign-in").await;
    browser.id("sessions").await;
    browser.stop().await;
}
