//! Chromium without a window, driven by its own driver: it trusts the certificate of one server, and shows how a page looks and
//! what a checker of accessibility says about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::install;
use crate::support::{Captured, Place, Server};

/// How long an element may take to appear before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks for an element.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The rules that each page is held against.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// How a page is looked at: name, colours, width and height in CSS pixels, and whether it is a phone.
const LOOKS: [(&str, &str, u32, u32, bool); 4] = [
    ("light", "light", 1000, 760, false),
    ("dark", "dark", 1000, 760, false),
    ("phone", "light", 360, 740, true),
    ("phone-dark", "dark", 360, 740, true),
];

/// What the person has set in the browser.
#[derive(Clone, Copy, Default)]
pub(crate) struct Preferences {
    /// Scripts do not run.
    pub(crate) without_scripts: bool,
    /// The language that is asked for; English if none.
    pub(crate) language: Option<&'static str>,
}

/// A browser with a profile of its own. It dies with the test.
pub(crate) struct Chromium {
    driver: Client,
    /// The rules as a script.
    axe: String,
    screenshots: PathBuf,
    scripts_run: bool,
    _process: Process,
}

/// The driver's process, and the browsers that it started.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Chromium {
    /// Starts a browser that trusts this server's certificate and no other that is not trusted by everybody.
    pub(crate) async fn start(place: &Place, server: &Server, preferences: Preferences) -> Self {
        let mut command = Command::new("chromedriver");
        command.args(["--port=0", "--log-level=SEVERE"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().expect("chromedriver can be started");
        let stdout = Captured::of(process.stdout.take().unwrap());
        let process = Process(process);
        let said = stdout.wait_for("successfully on port ");
        let port = said.rsplit_once("on port ").unwrap().1.trim().trim_end_matches('.').to_owned();

        let address = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(place, server, preferences));
        let driver = builder.connect(&address).await.expect("chromium can be started");
        let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&screenshots).unwrap();
        Self {
            driver,
            axe: fs::read_to_string(install::axe()).unwrap(),
            screenshots,
            scripts_run: !preferences.without_scripts,
            _process: process,
        }
    }

    /// Goes to an address.
    pub(crate) async fn open(&self, address: &str) {
        self.driver.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// Where the browser is.
    pub(crate) async fn address(&self) -> Url {
        self.driver.current_url().await.unwrap()
    }

    /// What the page says, as a person reads it.
    pub(crate) async fn text(&self) -> String {
        self.element(Locator::Css("body")).await.text().await.unwrap()
    }

    /// The element with this id, once it is there.
    pub(crate) async fn id(&self, id: &str) -> Element {
        self.element(Locator::Id(id)).await
    }

    /// Whether the page has an element with this id.
    pub(crate) async fn has(&self, id: &str) -> bool {
        !self.driver.find_all(Locator::Id(id)).await.unwrap().is_empty()
    }

    /// Waits until the page has no element with this id any more.
    pub(crate) async fn gone(&self, id: &str) {
        let waiting = async {
            // There is no event for it: the driver can only be asked.
            while self.has(id).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{id} does not go away");
    }

    /// The element, once it is there.
    pub(crate) async fn element(&self, wanted: Locator<'_>) -> Element {
        match self.driver.wait().at_most(PATIENCE).every(LOOK_EVERY).for_element(wanted).await {
            Ok(element) => element,
            Err(error) => panic!("{wanted:?} is not there: {error}\n{}", self.driver.source().await.unwrap()),
        }
    }

    /// Types into the field with this id.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        let field = self.id(id).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses the button or the link with this id, and waits for the page that follows.
    pub(crate) async fn press(&self, id: &str) {
        self.id(id).await.click().await.unwrap();
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn keys(&self, keys: &str) {
        let element = self.driver.active_element().await.unwrap();
        element.send_keys(keys).await.unwrap();
    }

    /// The id of the element that has the focus.
    pub(crate) async fn focus(&self) -> String {
        self.driver.active_element().await.unwrap().attr("id").await.unwrap().unwrap_or_default()
    }

    /// Waits until the element with this id has the focus.
    pub(crate) async fn wait_for_focus(&self, id: &str) {
        let waiting = async {
            // There is no event for it: the driver can only be asked.
            while self.focus().await != id {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{id} does not get the focus");
    }

    /// Moves the focus on with the tabulator until it is on the element with this id.
    pub(crate) async fn tab_to(&self, id: &str) {
        for _ in 0..40 {
            if self.focus().await == id {
                return;
            }
            self.keys(&char::from(Key::Tab).to_string()).await;
        }
        panic!("the tabulator does not come to {id}");
    }

    /// A command of the browser's own protocol for developers.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        let command = Vendor("goog/cdp/execute", json!({ "cmd": name, "params": parameters }));
        let answer = self.driver.issue_cmd(command).await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Gives the browser a device that keeps passkeys, with a person before it who always agrees.
    pub(crate) async fn add_authenticator(&self) {
        self.command("WebAuthn.enable", json!({})).await;
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
        });
        self.command("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await;
    }

    /// Looks at the page as it is, in light and in dark, on a large screen and on a phone: nothing is wider than the phone, the rules
    /// of accessibility hold, and a picture of each is kept below the directory for temporary files of the build.
    pub(crate) async fn look(&self, name: &str) {
        for (look, colours, width, height, mobile) in LOOKS {
            let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
            self.command("Emulation.setEmulatedMedia", json!({ "features": features })).await;
            let metrics =
                json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
            self.command("Emulation.setDeviceMetricsOverride", metrics).await;
            let picture = self.driver.screenshot().await.unwrap();
            fs::write(self.screenshots.join(format!("{name}-{look}.png")), picture).unwrap();
            let widest = "return document.documentElement.scrollWidth";
            let widest = self.driver.execute(widest, vec![]).await.unwrap();
            assert!(widest.as_u64() <= Some(u64::from(width)), "{name} is {widest} pixels wide in {look}");
            if self.scripts_run {
                self.accessible(name, look).await;
            }
        }
        self.command("Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.command("Emulation.setEmulatedMedia", json!({ "features": [] })).await;
    }

    async fn accessible(&self, name: &str, look: &str) {
        self.driver.execute(&self.axe, vec![]).await.unwrap();
        let run = "const done = arguments[1];
            axe.run(document, { runOnly: arguments[0] }).then(
                result => done(result.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html)])),
                error => done([String(error)]));";
        let violations = self.driver.execute_async(run, vec![json!(RULES)]).await.unwrap();
        assert_eq!(violations, json!([]), "{name} in {look}");
    }

    /// Ends the browser. Nothing that it complains about went unnoticed: a refused style or script, a failed request.
    pub(crate) async fn stop(self) {
        let log = self.driver.issue_cmd(Vendor("se/log", json!({ "type": "browser" }))).await.unwrap();
        // A form that is refused is answered 400 or 403, and the browser notes that.
        let is_a_refusal = |entry: &&Value| {
            let message = entry["message"].as_str().unwrap();
            message.contains("Failed to load resource: the server responded with a status of 4")
        };
        let log = log.as_array().unwrap();
        let complaints: Vec<_> = log.iter().filter(|entry| !is_a_refusal(entry)).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        self.driver.close().await.unwrap();
    }
}

/// A command beyond the standard: its path, and its body.
#[derive(Debug)]
struct Vendor(&'static str, Value);

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.expect("there is a session"), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

/// What the driver is asked for.
fn capabilities(place: &Place, server: &Server, preferences: Preferences) -> Capabilities {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        // Tests may run as root, where the sandbox does not work.
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--hide-scrollbars".to_owned(),
        format!("--user-data-dir={}", place.path("chromium").display()),
        format!("--ignore-certificate-errors-spki-list={}", key_digest(&server.data().join("tls/cert.pem"))),
    ];
    let language = preferences.language.unwrap_or("en");
    arguments.push(format!("--lang={language}"));
    let scripts = if preferences.without_scripts { 2 } else { 1 };
    let mut capabilities = Capabilities::new();
    capabilities.insert("browserName".to_owned(), json!("chrome"));
    capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
    capabilities.insert(
        "goog:chromeOptions".to_owned(),
        json!({
            "args": arguments,
            "prefs": {
                "intl.accept_languages": language,
                "profile.managed_default_content_settings.javascript": scripts,
                "credentials_enable_service": false,
            },
        }),
    );
    capabilities
}

/// SHA-256 of the public key of a certificate in base64, as Chromium wants it.
fn key_digest(certificate: &Path) -> String {
    let pem = fs::read(certificate).unwrap();
    let der = CertificateDer::from_pem_slice(&pem).unwrap();
    let parsed = webpki::EndEntityCert::try_from(&der).unwrap();
    let key = parsed.subject_public_key_info();
    let digest = digest::digest(&digest::SHA256, key.as_ref());
    base64::engine::general_purpose::STANDARD.encode(digest)
}
