//! What a browser sends along: its cookies, its languages, and where a form came from.

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderValue, ORIGIN, USER_AGENT};
use http::request::Parts;
use lydian_oauth_types::Form;
use lydian_primitives::{Entropy, base64url};
use lydian_service::RealmState;

/// For how long a browser keeps its mark, in seconds: as long as a person may take for a sign-in, and some more.
const MARK_SECONDS: u64 = 86_400;

/// The names of our cookies in a realm. Browsers take `__Host-` names from this very host over TLS alone.
#[derive(Clone, Debug)]
pub struct CookieNames {
    mark: String,
    session: String,
}

impl CookieNames {
    /// Those of a realm: realms of one host do not share them.
    pub fn of(realm: &RealmState) -> Self {
        let name = &realm.realm.name;
        let suffix = if name.is_default() { String::new() } else { format!("-{name}") };
        Self {
            mark: format!("__Host-lydian-browser{suffix}"),
            session: format!("__Host-lydian-session{suffix}"),
        }
    }
}

/// The cookies of a request, and those that its answer sets.
#[derive(Debug)]
pub struct Cookies {
    names: CookieNames,
    /// The random value that marks this browser; a new one if it had none.
    pub mark: String,
    /// Whether the browser brought its mark along.
    pub had_mark: bool,
    /// The cookie of its session, unchecked.
    pub session: Option<String>,
    set: Vec<String>,
}

impl Cookies {
    /// Reads the cookies of a request.
    pub fn of(head: &Parts, realm: &RealmState, entropy: &dyn Entropy) -> Self {
        let names = CookieNames::of(realm);
        let known = find(&head.headers, &names.mark).filter(|mark| mark.len() == 43).map(str::to_owned);
        let session = find(&head.headers, &names.session).map(str::to_owned);
        let had_mark = known.is_some();
        let mark = known.unwrap_or_else(|| {
            let mut bytes = [0; 32];
            entropy.fill(&mut bytes);
            base64url::encode(&bytes)
        });
        let mut cookies = Self { names, mark, had_mark, session, set: Vec::new() };
        if !had_mark {
            let (name, value) = (cookies.names.mark.clone(), cookies.mark.clone());
            cookies.put(&name, &value, MARK_SECONDS);
        }
        cookies
    }

    /// Sets the cookie of a session.
    pub fn set_session(&mut self, value: &str, seconds: u64) {
        let name = self.names.session.clone();
        self.put(&name, value, seconds);
    }

    /// Takes the cookie of a session away.
    pub fn clear_session(&mut self) {
        let name = self.names.session.clone();
        self.put(&name, "", 0);
    }

    /// The values of `Set-Cookie`.
    pub fn to_set(&self) -> impl Iterator<Item = HeaderValue> {
        self.set.iter().filter_map(|cookie| {
            let mut value = HeaderValue::try_from(cookie).ok()?;
            value.set_sensitive(true);
            Some(value)
        })
    }

    fn put(&mut self, name: &str, value: &str, seconds: u64) {
        self.set.push(format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"));
    }
}

/// The value of a cookie. One that is sent twice is none: somebody else has set one of them.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim_matches(' ').strip_prefix(name)?.strip_prefix('='));
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// What the browser calls itself.
pub fn user_agent(head: &Parts) -> &str {
    head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The languages that the browser prefers.
pub fn accept_language(head: &Parts) -> Option<&str> {
    head.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())
}

/// Whether a form was sent by a page of ours, as far as the browser tells (S30). What it carries is sealed for the browser all the same.
pub fn is_same_origin(head: &Parts, realm: &RealmState) -> bool {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match text(ORIGIN.as_str()) {
        // A browser that sends no address of the page says "null".
        None | Some("null") => true,
        Some(origin) => {
            realm.issuer == origin
                || realm.issuer.strip_prefix(origin).is_some_and(|rest| rest.starts_with('/'))
        }
    }
}

/// The parameters of a query.
///
/// # Errors
///
/// [`lydian_oauth_types::FormError`].
pub fn query<'a>(head: &'a Parts, may_repeat: &[&str]) -> Result<Form<'a>, lydian_oauth_types::FormError> {
    Form::parse(head.uri.query().unwrap_or_default().as_bytes(), may_repeat)
}
