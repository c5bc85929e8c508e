//! A browser that does what people's browsers do: it keeps cookies, reads pages with a real parser of HTML, fills forms in, and follows
//! redirects one by one. Every page that it gets is held against what each page must have.

use std::collections::BTreeMap;

use lydian_test_kit::{Reply, Request, TestServer};
use url::Url;

use crate::fixtures::{ALICE, Ask, PASSWORD};
use crate::html::{Element, parse};

/// Where our pages are, as the browser sees them: TLS ends before the server.
const ORIGIN: &str = "https://localhost:9443";

/// The cookie of a session.
pub(crate) const SESSION: &str = "__Host-lydian-session";
/// The cookie that marks a browser.
pub(crate) const MARK: &str = "__Host-lydian-browser";

/// A browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

/// A form of a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// The path of its page.
    at: String,
    pub(crate) action: String,
    pub(crate) method: String,
    /// Inputs by name, hidden ones among them.
    pub(crate) inputs: Vec<(String, String)>,
    /// Buttons: id, name and value.
    pub(crate) buttons: Vec<(String, String, String)>,
}

impl Form {
    /// The value of an input.
    #[track_caller]
    pub(crate) fn input(&self, name: &str) -> &str {
        let found = self.inputs.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no input {name} in {self:?}")).1
    }

    /// The same with another value.
    #[track_caller]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let found = self.inputs.iter_mut().find(|(known, _)| known == name);
        value.clone_into(&mut found.unwrap_or_else(|| panic!("no input {name}")).1);
        self
    }

    /// The request that a browser sends when this button is pressed.
    #[track_caller]
    pub(crate) fn press(&self, button: &str) -> Request {
        assert_eq!(self.method, "post", "{self:?}");
        let address = beside(&self.at, &self.action);
        let mut request = Request::post(&path_of(&address)).header("origin", ORIGIN);
        for (name, value) in &self.inputs {
            request = request.parameter(name, value);
        }
        let pressed = self.buttons.iter().find(|(id, ..)| id == button);
        let (_, name, value) = pressed.unwrap_or_else(|| panic!("no button {button} in {self:?}"));
        if name.is_empty() { request } else { request.parameter(name, value) }
    }
}

/// An answer as a browser shows it.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Its path.
    at: String,
    pub(crate) reply: Reply,
    pub(crate) title: String,
    /// All that a person can read.
    pub(crate) text: String,
    /// What is said to be wrong.
    pub(crate) problem: Option<String>,
    pub(crate) forms: Vec<Form>,
    /// All elements, in the order of the page.
    pub(crate) elements: Vec<Element>,
}

impl Page {
    fn read(reply: Reply, at: &str) -> Self {
        let elements = parse(&reply.text());
        let first = |is_it: fn(&Element) -> bool| elements.iter().find(|element| is_it(element));
        let text = |found: Option<&Element>| found.map(|element| element.text.clone());
        let within = |form: &Element, name: &'static str| {
            let range = form.inside.clone();
            elements[range].iter().filter(move |element| element.name == name).cloned().collect::<Vec<_>>()
        };
        let forms = elements.iter().filter(|element| element.name == "form").map(|form| Form {
            at: at.to_owned(),
            action: form.get("action"),
            method: form.get("method"),
            inputs: within(form, "input")
                .iter()
                .map(|input| (input.get("name"), input.get("value")))
                .collect(),
            buttons: within(form, "button")
                .iter()
                .map(|button| (button.get("id"), button.get("name"), button.get("value")))
                .collect(),
        });
        Self {
            at: at.to_owned(),
            title: text(first(|element| element.name == "title")).unwrap_or_default(),
            text: text(first(|element| element.name == "body")).unwrap_or_default(),
            problem: text(first(|element| {
                let is_hidden = element.attributes.iter().any(|(name, _)| name == "hidden");
                element.get("id") == "problem" || (element.get("role") == "alert" && !is_hidden)
            })),
            forms: forms.collect(),
            elements,
            reply,
        }
    }

    /// The form with this button.
    #[track_caller]
    pub(crate) fn form(&self, button: &str) -> &Form {
        let has = |form: &&Form| form.buttons.iter().any(|(id, ..)| id == button);
        self.forms
            .iter()
            .find(has)
            .unwrap_or_else(|| panic!("{}: no form with {button}: {}", self.reply.status, self.text))
    }

    /// Whether there is a form with this button.
    pub(crate) fn offers(&self, button: &str) -> bool {
        self.forms.iter().any(|form| form.buttons.iter().any(|(id, ..)| id == button))
    }

    /// What the page asks a passkey.
    #[track_caller]
    pub(crate) fn passkey_options(&self) -> String {
        let form = self.elements.iter().find(|element| !element.get("data-options").is_empty());
        form.unwrap_or_else(|| panic!("no passkey is asked for: {}", self.text)).get("data-options")
    }

    /// Where the answer sends the browser.
    pub(crate) fn location(&self) -> Option<&str> {
        self.reply.header("location")
    }

    /// Asserts that this is a page that says what is wrong, and that sends nobody anywhere.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, phrase: &str) {
        assert_eq!(
            (self.reply.status, self.problem.as_deref()),
            (status, Some(phrase)),
            "{}",
            self.reply.text()
        );
        assert_eq!(self.location(), None);
    }
}

/// What came back to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// The address without its query.
    pub(crate) address: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Returned {
    #[track_caller]
    pub(crate) fn of(location: &str) -> Self {
        let address = Url::parse(location).unwrap_or_else(|error| panic!("{error}: {location}"));
        let mut parameters = BTreeMap::new();
        for (name, value) in address.query_pairs() {
            let earlier = parameters.insert(name.into_owned(), value.into_owned());
            assert_eq!(earlier, None, "a parameter stands twice: {location}");
        }
        Self { address: location.split('?').next().unwrap().to_owned(), parameters }
    }

    /// The value of a parameter.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The code.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.get("code").to_owned()
    }

    /// Asserts that a refusal came back, with the state and the issuer.
    #[track_caller]
    pub(crate) fn refused(&self, error: &str) {
        self.refused_by(lydian_test_kit::fixtures::ISSUER, error);
    }

    /// The same in another realm than the default one.
    #[track_caller]
    pub(crate) fn refused_in(&self, realm: &str, error: &str) {
        self.refused_by(&format!("{}/t/{realm}", lydian_test_kit::fixtures::ISSUER), error);
    }

    #[track_caller]
    fn refused_by(&self, issuer: &str, error: &str) {
        assert_eq!((self.get("error"), self.get("iss")), (error, issuer), "{self:?}");
        assert_eq!(self.get("state"), "a state");
        assert!(!self.parameters.contains_key("code"), "{self:?}");
    }
}

impl Browser {
    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Gives the browser a cookie, as somebody who can write cookies would.
    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Sends a request with the cookies, and keeps those that come back.
    pub(crate) async fn send(&mut self, server: &TestServer, request: Request) -> Page {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            if cookies.is_empty() { request } else { request.header("cookie", &cookies.join("; ")) };
        let reply = request.send_unchecked(server.address()).await;
        for cookie in reply.headers("set-cookie") {
            self.take(cookie);
        }
        let page = Page::read(reply, request.path());
        check(&page, &request);
        page
    }

    /// Takes a cookie, as a browser does that looks at its attributes.
    #[track_caller]
    fn take(&mut self, cookie: &str) {
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).unwrap();
        let mut attributes: Vec<&str> = parts.collect();
        attributes.sort_unstable();
        let [http_only, max_age, path, same_site, secure] = attributes[..] else { panic!("{cookie}") };
        assert!(name.starts_with("__Host-"), "{cookie}");
        assert_eq!(
            (http_only, path, same_site, secure),
            ("HttpOnly", "Path=/", "SameSite=Lax", "Secure"),
            "{cookie}"
        );
        match max_age.strip_prefix("Max-Age=").unwrap() {
            "0" => drop(self.cookies.remove(name)),
            _ => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
        }
    }

    /// Follows redirects as long as they stay with us.
    pub(crate) async fn follow(&mut self, server: &TestServer, mut page: Page) -> Result<Page, Returned> {
        for _ in 0..5 {
            let Some(location) = page.location() else {
                return Ok(page);
            };
            let address = beside(&page.at, location);
            if address.origin().ascii_serialization() != ORIGIN {
                return Err(Returned::of(location));
            }
            page = self.send(server, Request::of("GET", &path_of(&address))).await;
        }
        panic!("the browser is sent around in circles");
    }

    /// Asks for authorization, and shows the first page that a person sees.
    pub(crate) async fn ask(&mut self, server: &TestServer, ask: &Ask) -> Result<Page, Returned> {
        let page = self.send(server, ask.get()).await;
        self.follow(server, page).await
    }

    /// Fills in the form of the sign-in page.
    pub(crate) async fn sign_in(
        &mut self,
        server: &TestServer,
        page: &Page,
        username: &str,
        password: &str,
    ) -> Result<Page, Returned> {
        let form = page.form("sign-in").clone().with("username", username).with("password", password);
        let page = self.send(server, form.press("sign-in")).await;
        self.follow(server, page).await
    }

    /// Presses a button, and follows.
    pub(crate) async fn press(
        &mut self,
        server: &TestServer,
        page: &Page,
        button: &str,
    ) -> Result<Page, Returned> {
        let page = self.send(server, page.form(button).press(button)).await;
        self.follow(server, page).await
    }

    /// Goes all the way as this person, who agrees to everything, and returns what comes back to the client.
    pub(crate) async fn go(&mut self, server: &TestServer, ask: &Ask, username: &str) -> Returned {
        let mut step = self.ask(server, ask).await;
        loop {
            let page = match step {
                Err(returned) => return returned,
                Ok(page) => page,
            };
            step = if page.offers("sign-in") {
                assert_eq!(page.problem, None, "{}", page.text);
                self.sign_in(server, &page, username, PASSWORD).await
            } else {
                self.press(server, &page, "allow").await
            };
        }
    }

    /// A code for Alice.
    pub(crate) async fn code(&mut self, server: &TestServer, ask: &Ask) -> String {
        self.go(server, ask, ALICE).await.code()
    }

    /// Tokens for Alice: the members of the answer.
    pub(crate) async fn tokens(&mut self, server: &TestServer, ask: &Ask) -> serde_json::Value {
        let code = self.code(server, ask).await;
        let reply = server.send(ask.redeem(&code)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
}

/// A string member of an answer.
#[track_caller]
pub(crate) fn text<'a>(members: &'a serde_json::Value, name: &str) -> &'a str {
    members[name].as_str().unwrap_or_else(|| panic!("no {name} in {members}"))
}

/// The address that a page at this path names.
fn beside(at: &str, reference: &str) -> Url {
    Url::parse(&format!("{ORIGIN}{at}")).unwrap().join(reference).unwrap()
}

fn path_of(address: &Url) -> String {
    address.query().map_or_else(|| address.path().to_owned(), |query| format!("{}?{query}", address.path()))
}

/// What every page and redirect must have.
#[track_caller]
fn check(page: &Page, request: &Request) {
    let reply = &page.reply;
    let about = format!("{} {}", reply.status, request.path());
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{about}: {name}");
    }
    let policy = reply.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; "), "{about}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{about}: {policy}");
    assert!(!policy.contains("unsafe"), "{about}: {policy}");
    if reply.status == 303 {
        assert!(page.location().is_some() && reply.body.is_empty(), "{about}");
        return;
    }
    assert!([200, 400, 429, 503].contains(&reply.status), "{about}: {}", reply.text());
    assert_eq!(page.location(), None, "{about}");
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{about}");
    assert!(
        policy.contains("; base-uri 'none'") && policy.contains("; form-action 'self'"),
        "{about}: {policy}"
    );
    assert!(!page.title.is_empty(), "{about}");
    // No script and no style stands in a page, and it shows no other page.
    for element in &page.elements {
        let Element { name, attributes, .. } = element;
        assert!(!["base", "embed", "iframe", "object", "style"].contains(&name.as_str()), "{about}: {name}");
        assert!(name != "script" || !element.get("src").is_empty(), "{about}: a script stands in the page");
        let is_active = |(name, _): &(String, String)| name == "style" || name.starts_with("on");
        assert!(!attributes.iter().any(is_active), "{about}: {element:?}");
    }
}
