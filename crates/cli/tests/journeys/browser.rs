//! A browser that is scripted: it keeps cookies, follows redirects on the server, and sends forms as a person fills them in.
//!
//! It stops where a redirect leaves the server, so that a test sees what an application would be given.

use std::cell::RefCell;
use std::path::PathBuf;

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use url::Url;

use crate::support::{Place, Server, curl_once};

/// More redirects than any journey takes.
const REDIRECTS_MAX: usize = 10;

pub(crate) struct Browser {
    cookies: PathBuf,
    certificate: PathBuf,
    origin: url::Origin,
}

/// What the browser shows.
#[derive(Debug)]
pub(crate) enum Shown {
    /// A page of the server.
    Page(Page),
    /// The server sends the browser elsewhere.
    Elsewhere(String),
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) address: Url,
    pub(crate) status: u16,
    pub(crate) html: String,
}

impl Browser {
    pub(crate) fn new(place: &Place, server: &Server) -> Self {
        thread_local! { static COUNT: RefCell<u32> = const { RefCell::new(0) }; }
        let number = COUNT.with_borrow_mut(|count| {
            *count += 1;
            *count
        });
        Self {
            cookies: place.path(&format!("cookies-{number}")),
            certificate: server.data().join("tls/cert.pem"),
            origin: Url::parse(&server.url()).unwrap().origin(),
        }
    }

    /// Goes to an address.
    #[track_caller]
    pub(crate) fn open(&self, address: &str) -> Shown {
        self.ask(Url::parse(address).unwrap(), &[])
    }

    /// Goes to an address of an application, whose page is no concern of ours.
    #[track_caller]
    pub(crate) fn visit(&self, address: &str) -> (u16, String) {
        let head = curl_once(&self.certificate, &[address]);
        (head.status, head.body)
    }

    /// Fills in the form of the page, field by field by its id, and presses the button of this id.
    #[track_caller]
    pub(crate) fn submit(&self, page: &Page, fields: &[(&str, &str)], button: &str) -> Shown {
        let form = page.form_of(button);
        let mut pairs = form.hidden;
        for (id, value) in fields {
            let name = form.fields.iter().find(|(field, _)| field == id).map(|(_, name)| name.clone());
            pairs.push((
                name.unwrap_or_else(|| panic!("there is no field {id}: {}", page.html)),
                (*value).to_owned(),
            ));
        }
        pairs.extend(form.button);
        let data: Vec<String> = pairs
            .iter()
            .map(|(name, value)| {
                url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
            })
            .collect();
        self.ask(page.address.join(&form.action).unwrap(), &["--data-raw", &data.join("&")])
    }

    #[track_caller]
    fn ask(&self, mut address: Url, body: &[&str]) -> Shown {
        let mut body = body;
        for _ in 0..REDIRECTS_MAX {
            if address.origin() != self.origin {
                return Shown::Elsewhere(address.to_string());
            }
            let cookies = self.cookies.to_str().unwrap();
            let mut arguments = vec!["--cookie", cookies, "--cookie-jar", cookies];
            arguments.extend(body);
            arguments.push(address.as_str());
            let answer = curl_once(&self.certificate, &arguments);
            let Some(location) = answer.redirect else {
                return Shown::Page(Page { address, status: answer.status, html: answer.body });
            };
            assert_eq!(answer.status, 303, "a redirect after a form is a GET: {location}");
            address = Url::parse(&location).unwrap();
            body = &[];
        }
        panic!("the server redirects for ever: {address}");
    }

    /// Signs in as this person, and allows what is asked for if that is asked; returns where the server sends the browser.
    #[track_caller]
    pub(crate) fn sign_in_and_allow(&self, address: &str, username: &str, password: &str) -> String {
        let page = self.open(address).page();
        self.sign_in(&page, username, password)
    }

    /// The same from the sign-in page on.
    #[track_caller]
    pub(crate) fn sign_in(&self, page: &Page, username: &str, password: &str) -> String {
        match self.submit(page, &[("username", username), ("password", password)], "sign-in") {
            Shown::Page(page) => self.submit(&page, &[], "allow").elsewhere(),
            Shown::Elsewhere(address) => address,
        }
    }
}

impl Shown {
    #[track_caller]
    pub(crate) fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Elsewhere(address) => panic!("the browser was sent to {address}"),
        }
    }

    #[track_caller]
    pub(crate) fn elsewhere(self) -> String {
        match self {
            Self::Elsewhere(address) => address,
            Self::Page(page) => panic!("the browser shows a page: {page:?}"),
        }
    }
}

/// A form as far as a browser without JavaScript sends it.
struct HtmlForm {
    action: String,
    hidden: Vec<(String, String)>,
    /// Ids and names.
    fields: Vec<(String, String)>,
    button: Option<(String, String)>,
}

impl Page {
    /// The form that the button of this id belongs to.
    #[track_caller]
    fn form_of(&self, button: &str) -> HtmlForm {
        let dom = parse_document(RcDom::default(), ParseOpts::default()).one(self.html.as_str());
        let mut forms = Vec::new();
        collect(&dom.document, &|node| is(node, "form"), &mut forms);
        for form in forms {
            let mut pressed = Vec::new();
            collect(
                &form,
                &|node| is(node, "button") && attribute(node, "id").as_deref() == Some(button),
                &mut pressed,
            );
            let Some(pressed) = pressed.first() else { continue };
            assert_eq!(attribute(&form, "method").as_deref(), Some("post"), "{}", self.html);
            let mut inputs = Vec::new();
            collect(&form, &|node| is(node, "input"), &mut inputs);
            let is_hidden = |input: &&Handle| attribute(input, "type").as_deref() == Some("hidden");
            let hidden = inputs.iter().filter(is_hidden).map(|input| {
                (attribute(input, "name").unwrap(), attribute(input, "value").unwrap_or_default())
            });
            let fields = inputs
                .iter()
                .filter(|input| !is_hidden(input))
                .filter_map(|input| Some((attribute(input, "id")?, attribute(input, "name")?)));
            return HtmlForm {
                action: attribute(&form, "action").unwrap(),
                hidden: hidden.collect(),
                fields: fields.collect(),
                button: attribute(pressed, "name")
                    .map(|name| (name, attribute(pressed, "value").unwrap_or_default())),
            };
        }
        panic!("there is no button {button}: {}", self.html);
    }
}

fn collect(node: &Handle, wanted: &dyn Fn(&Handle) -> bool, found: &mut Vec<Handle>) {
    if wanted(node) {
        found.push(node.clone());
    }
    for child in node.children.borrow().iter() {
        collect(child, wanted, found);
    }
}

fn is(node: &Handle, element: &str) -> bool {
    matches!(&node.data, NodeData::Element { name, .. } if &*name.local == element)
}

fn attribute(node: &Handle, name: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    attrs
        .borrow()
        .iter()
        .find(|attribute| &*attribute.name.local == name)
        .map(|attribute| attribute.value.to_string())
}
