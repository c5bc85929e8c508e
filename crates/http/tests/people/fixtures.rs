//! The applications and the person that these tests know, beside the fixtures of every test.

use lydian_domain::secrets::sha256;
use lydian_primitives::base64url;
use lydian_test_kit::fixtures::{API, BARE_API, Credentials, JWT_API};
use lydian_test_kit::{Request, TestServer};

/// A confidential web application: opaque tokens at [`API`], JWTs at [`JWT_API`].
pub(crate) const WEB: Credentials =
    Credentials { client_id: "web", client_secret: "web-secret-0123456789abcdef0123456789" };
/// Another one, of somebody else.
pub(crate) const OTHER_WEB: Credentials =
    Credentials { client_id: "other-web", client_secret: "other-web-secret-0123456789abcdef01" };
/// A public application in the browser.
pub(crate) const SPA: &str = "spa";

/// Where each application wants its answers.
pub(crate) const WEB_CALLBACK: &str = "https://web.example.com/callback";
pub(crate) const OTHER_WEB_CALLBACK: &str = "https://other.example.com/callback";
pub(crate) const SPA_CALLBACK: &str = "https://spa.example.com/";
pub(crate) const LOOPBACK_CALLBACK: &str = "http://127.0.0.1/callback";
/// Where [`WEB`] wants the browser after a logout.
pub(crate) const WEB_BYE: &str = "https://web.example.com/bye";

/// The person.
pub(crate) const ALICE: &str = "alice@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// Somebody else.
pub(crate) const BOB: &str = "bob";

/// The verifier of every request.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Starts a server with the applications and the people.
pub(crate) async fn start() -> TestServer {
    let server = TestServer::start().await;
    server.apply(&document()).await;
    server
}

fn document() -> String {
    let identity = r#"["openid", "profile", "email", "address", "phone", "offline_access"]"#;
    let allowed = format!(
        "{{ {API:?} = [\"read\", \"write\", \"only-opaque\"], {JWT_API:?} = [\"read\", \"write\", \"only-jwt\"], {BARE_API:?} = [\"read\"] }}"
    );
    let grants = r#"["authorization_code", "refresh_token"]"#;
    let web = |client: Credentials, callback: &str| {
        format!(
            "[[client]]\nclient_id = {:?}\nname = \"The {0} application\"\nclient_secret = {:?}\ngrant_types = {grants}\n\
             issuer_scopes = {identity}\nallowed = {allowed}\ndefault_api = {API:?}\nredirect_uris = [{callback:?}]\n",
            client.client_id, client.client_secret
        )
    };
    let spa = format!(
        "[[client]]\nclient_id = {SPA:?}\nauth_methods = [\"none\"]\ngrant_types = {grants}\nissuer_scopes = {identity}\n\
         allowed = {allowed}\ndefault_api = {API:?}\nredirect_uris = [{SPA_CALLBACK:?}, {LOOPBACK_CALLBACK:?}]\n"
    );
    let alice = format!(
        r#"[[user]]
username = {ALICE:?}
password = {PASSWORD:?}
[user.profile]
name = "Alice Liddell"
given_name = "Alice"
family_name = "Liddell"
middle_name = "Pleasance"
nickname = "Al"
profile = "https://alice.example.com/"
picture = "https://alice.example.com/me.png"
website = "https://alice.example.com/site"
gender = "female"
birthdate = "1852-05-04"
zoneinfo = "Europe/London"
locale = "en-GB"
email = "alice@mail.example.com"
email_verified = true
phone_number = "+44 20 0000 0000"
phone_number_verified = true
address = {{ locality = "Oxford", country = "GB" }}
roles = ["reader"]
"#
    );
    let bob = format!("[[user]]\nusername = {BOB:?}\npassword = {PASSWORD:?}\n");
    let bye = format!("post_logout_redirect_uris = [{WEB_BYE:?}]\n");
    [web(WEB, WEB_CALLBACK), bye, web(OTHER_WEB, OTHER_WEB_CALLBACK), spa, alice, bob].concat()
}

/// An authorization request, as a test changes it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// What stands before the paths of the realm.
    prefix: String,
    client_id: String,
    redirect_uri: String,
    parameters: Vec<(String, String)>,
}

impl Ask {
    /// A request of [`WEB`] for `openid read` at its default API.
    pub(crate) fn web() -> Self {
        Self::of(WEB.client_id, WEB_CALLBACK)
    }

    /// A request of [`SPA`].
    pub(crate) fn spa() -> Self {
        Self::of(SPA, SPA_CALLBACK)
    }

    /// A request of any client.
    pub(crate) fn of(client_id: &str, redirect_uri: &str) -> Self {
        let challenge = base64url::encode(&sha256(VERIFIER.as_bytes()));
        let parameters = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", "openid read"),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let prefix = String::new();
        Self { prefix, client_id: client_id.to_owned(), redirect_uri: redirect_uri.to_owned(), parameters }
    }

    /// The same in another realm.
    pub(crate) fn in_realm(self, realm: &str) -> Self {
        Self { prefix: format!("/t/{realm}"), ..self }
    }

    /// The same with this parameter, instead of the one of the same name.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// The same with one parameter more, whatever stands there.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without this parameter.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(known, _)| known != name);
        self
    }

    /// The same with other scopes.
    pub(crate) fn scope(self, scope: &str) -> Self {
        self.with("scope", scope)
    }

    /// The same with another nonce.
    pub(crate) fn nonced(&self, nonce: &str) -> Self {
        self.clone().with("nonce", nonce)
    }

    /// The same for this API.
    pub(crate) fn resource(self, resource: &str) -> Self {
        self.with("resource", resource)
    }

    /// The request as a browser gets it.
    pub(crate) fn get(&self) -> Request {
        Request::of("GET", &format!("{}/oauth2/authorize?{}", self.prefix, self.query()))
    }

    /// The request as a form.
    pub(crate) fn post(&self) -> Request {
        Request::post(&format!("{}/oauth2/authorize", self.prefix)).body(self.query())
    }

    fn query(&self) -> String {
        let pairs = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// The request for tokens that fits this one, authenticated as its client does.
    pub(crate) fn redeem(&self, code: &str) -> Request {
        self.redeem_with(code, &self.redirect_uri, VERIFIER)
    }

    /// The same with another redirect address or verifier; an empty one is left out.
    pub(crate) fn redeem_with(&self, code: &str, redirect_uri: &str, verifier: &str) -> Request {
        let mut request = as_client(Request::post(&format!("{}/oauth2/token", self.prefix)), &self.client_id)
            .parameter("grant_type", "authorization_code")
            .parameter("code", code);
        for (name, value) in [("redirect_uri", redirect_uri), ("code_verifier", verifier)] {
            if !value.is_empty() {
                request = request.parameter(name, value);
            }
        }
        request
    }

    /// The request of this client to exchange a refresh token.
    pub(crate) fn refresh(&self, refresh_token: &str) -> Request {
        as_client(Request::post(&format!("{}/oauth2/token", self.prefix)), &self.client_id)
            .parameter("grant_type", "refresh_token")
            .parameter("refresh_token", refresh_token)
    }
}

/// A public client, and Alice, in the realm `acme`.
pub(crate) fn acme() -> String {
    format!(
        "[[client]]\nrealm = \"acme\"\nclient_id = {SPA:?}\nauth_methods = [\"none\"]\nissuer_scopes = [\"openid\"]\n\
         grant_types = [\"authorization_code\", \"refresh_token\"]\nredirect_uris = [{SPA_CALLBACK:?}]\n\
         [[user]]\nrealm = \"acme\"\nusername = {ALICE:?}\npassword = {PASSWORD:?}\n"
    )
}

/// Authenticates as this client: by Basic, or by name alone where there is no secret.
pub(crate) fn as_client(request: Request, client_id: &str) -> Request {
    match [WEB, OTHER_WEB].into_iter().find(|client| client.client_id == client_id) {
        Some(client) => request.basic(client.client_id, client.client_secret),
        None => request.parameter("client_id", client_id),
    }
}
