//! The authorization endpoint's decisions: is this request well formed, and what comes next for this person
//! (RFC 6749 §4.1.1, RFC 9700 §2, OpenID Connect Core §3.1.2).

use lydian_oauth_types::{Form, ScopeSet};
use lydian_primitives::{Timestamp, base64url, limits};
use serde::{Deserialize, Serialize};

use crate::authentication::{Acr, Authentication};
use crate::claims::{AcrRequest, ClaimsRequest};
use crate::records::{ApiId, Client, Consent};
use crate::refusal::Refusal;

/// How an answer goes back to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In a form that the browser posts.
    FormPost,
    /// In the query of the redirect address.
    Query,
}

/// Where an answer goes: the address is proven to be the client's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnTo {
    /// The redirect address.
    pub redirect_uri: String,
    /// What the client wants back unchanged.
    pub state: Option<String>,
    /// How.
    pub response_mode: ResponseMode,
}

/// What the client wants the person to be asked (`prompt`, OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Nothing: no page may be shown.
    pub none: bool,
    /// Who it is, again.
    pub login: bool,
    /// Whether it agrees, again.
    pub consent: bool,
}

/// A well-formed request of a known client whose redirect address is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client's name on the wire.
    pub client_id: String,
    /// Where the answer goes.
    pub return_to: ReturnTo,
    /// The parameter `scope`; `None` when it is absent.
    pub scope: Option<ScopeSet>,
    /// The parameters `resource`, as they came.
    pub resources: Vec<String>,
    /// The S256 challenge (RFC 7636 §4.2).
    pub code_challenge: [u8; 32],
    /// The parameter `nonce`.
    pub nonce: Option<String>,
    /// What is to be asked.
    pub prompt: Prompt,
    /// How old a sign-in may be, in seconds.
    pub max_age: Option<u64>,
    /// Who probably signs in.
    pub login_hint: Option<String>,
    /// The languages that the person prefers.
    pub ui_locales: Option<String>,
    /// The classes of authentication that the client asks for, preferred ones first.
    pub acr_values: Option<String>,
    /// An ID token that tells who is expected.
    pub id_token_hint: Option<String>,
    /// The parameter `claims`, well formed.
    pub claims: Option<String>,
}

/// Where the answer to a request goes.
///
/// # Errors
///
/// A refusal that is shown to the person: nothing may be sent to an address that is not proven (RFC 9700 §4.11).
pub fn return_to(client: &Client, form: &Form<'_>) -> Result<ReturnTo, Refusal> {
    if !client.enabled {
        return Err(Refusal::ClientDisabled);
    }
    let redirect_uri = form.find("redirect_uri").ok_or(Refusal::RedirectUriMissing)?;
    let registered = &client.authorization.redirect_uris;
    if !registered.iter().any(|registered| redirects_match(registered, redirect_uri)) {
        return Err(Refusal::RedirectUriUnregistered);
    }
    let state = form.find("state");
    if state.is_some_and(|state| state.len() > limits::STATE_BYTES_MAX) {
        return Err(Refusal::StateTooLong);
    }
    let response_mode = match form.find("response_mode") {
        None | Some("query") => ResponseMode::Query,
        Some("form_post") => ResponseMode::FormPost,
        Some(_) => return Err(Refusal::ResponseModeUnsupported),
    };
    Ok(ReturnTo { redirect_uri: redirect_uri.to_owned(), state: state.map(str::to_owned), response_mode })
}

/// Reads the rest of a request.
///
/// # Errors
///
/// A refusal that goes back to the client.
pub fn request(
    client: &Client,
    return_to: ReturnTo,
    form: &Form<'_>,
) -> Result<AuthorizationRequest, Refusal> {
    if form.find("request").is_some() {
        return Err(Refusal::RequestObjectUnsupported);
    }
    if form.find("request_uri").is_some() {
        return Err(Refusal::RequestUriUnsupported);
    }
    match form.find("response_type") {
        None => return Err(Refusal::ResponseTypeMissing),
        Some("code") => {}
        Some(_) => return Err(Refusal::ResponseTypeUnsupported),
    }
    let scope = form.find("scope").map(ScopeSet::parse).transpose().map_err(|_| Refusal::ScopeMalformed)?;
    let resources: Vec<String> = form.all("resource").map(str::to_owned).collect();
    if resources.len() > limits::RESOURCES_MAX {
        return Err(Refusal::TooManyParameters);
    }
    let nonce = form.find("nonce");
    if nonce.is_some_and(|nonce| nonce.len() > limits::NONCE_BYTES_MAX) {
        return Err(Refusal::NonceTooLong);
    }
    if let Some(claims) = form.find("claims") {
        ClaimsRequest::parse(claims)?;
    }
    let max_age = form.find("max_age").map(str::parse).transpose().map_err(|_| Refusal::MaxAgeMalformed)?;
    let owned = |name| form.find(name).map(str::to_owned);
    Ok(AuthorizationRequest {
        client_id: client.client_id.clone(),
        return_to,
        scope: scope.filter(|scope| !scope.is_empty()),
        resources,
        code_challenge: code_challenge(form)?,
        nonce: nonce.map(str::to_owned),
        prompt: prompt(form.find("prompt"))?,
        max_age,
        login_hint: owned("login_hint"),
        ui_locales: owned("ui_locales"),
        acr_values: owned("acr_values"),
        id_token_hint: owned("id_token_hint"),
        claims: owned("claims"),
    })
}

fn code_challenge(form: &Form<'_>) -> Result<[u8; 32], Refusal> {
    let challenge = form.find("code_challenge").ok_or(Refusal::CodeChallengeMissing)?;
    // The default of an absent method is `plain` (RFC 7636 §4.3), which is not offered.
    if form.find("code_challenge_method") != Some("S256") {
        return Err(Refusal::CodeChallengeMethodUnsupported);
    }
    base64url::decode_array(challenge.as_bytes()).ok_or(Refusal::CodeChallengeMalformed)
}

fn prompt(text: Option<&str>) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    let mut others = false;
    for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => (prompt.login, others) = (true, true),
            "consent" => (prompt.consent, others) = (true, true),
            _ => return Err(Refusal::PromptMalformed),
        }
    }
    if prompt.none && others { Err(Refusal::PromptMalformed) } else { Ok(prompt) }
}

/// Whether a redirect address is the registered one: byte by byte, but for the port of a loopback address (RFC 8252 §7.3).
pub fn redirects_match(registered: &str, presented: &str) -> bool {
    if registered == presented {
        return true;
    }
    ["http://127.0.0.1", "http://[::1]"].into_iter().any(|loopback| {
        match (registered.strip_prefix(loopback), presented.strip_prefix(loopback)) {
            (Some(registered), Some(presented)) => {
                without_port(registered).is_some_and(|rest| without_port(presented) == Some(rest))
            }
            _ => false,
        }
    })
}

/// What follows the port, or the host where there is none; `None` when the host goes on.
fn without_port(rest: &str) -> Option<&str> {
    let after = match rest.strip_prefix(':') {
        Some(port) => {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            port[..digits].parse::<u16>().ok()?;
            &port[digits..]
        }
        None => rest,
    };
    (after.is_empty() || after.starts_with(['/', '?'])).then_some(after)
}

/// A person who is signed in, as far as this decision needs it.
#[derive(Clone, Debug)]
pub struct SignedIn<'a> {
    /// How and when it proved who it is.
    pub authentication: Authentication,
    /// Its subject identifier.
    pub subject: &'a str,
    /// Whether it did so for this very request.
    pub in_this_flow: bool,
    /// The strongest class that the person can reach with the factors that it has.
    pub reachable: Acr,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The person agrees or refuses.
    Consent,
    /// The person adds a second factor: it has none, and must have one.
    Enrol,
    /// Everything is there: a code is made.
    Issue,
    /// The person shows a second factor, one that reaches this class.
    SecondFactor(Acr),
    /// The person signs in.
    SignIn,
}

/// What is known when the next step is decided.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The request.
    pub request: &'a AuthorizationRequest,
    /// The client.
    pub client: &'a Client,
    /// The person, if one is signed in.
    pub signed_in: Option<&'a SignedIn<'a>>,
    /// Who is expected, by an ID token of ours that the client sent.
    pub expected_subject: Option<&'a str>,
    /// What the token will permit.
    pub scope: &'a ScopeSet,
    /// For which API; `None` for the issuer.
    pub api: Option<ApiId>,
    /// What the person agreed to before.
    pub consents: &'a [Consent],
    /// Whether the realm or the client demands a second factor.
    pub second_factor_required: bool,
    /// Whether the person has just agreed.
    pub agreed_in_this_flow: bool,
    /// The time.
    pub now: Timestamp,
}

/// Decides what comes next.
///
/// # Errors
///
/// `login_required` or `consent_required`, where nobody may be asked; `unmet_authentication_requirements` where asking does not help.
pub fn next(situation: &Situation<'_>) -> Result<Next, Refusal> {
    let prompt = situation.request.prompt;
    if is_somebody_else(situation) && situation.signed_in.is_some_and(|signed_in| signed_in.in_this_flow) {
        // The person was asked and is not the one that the client expects (OpenID Connect Core §3.1.2.1).
        return Err(Refusal::LoginRequired);
    }
    let wanted = WantedClasses::of(situation.request);
    if wanted.essential.as_ref().is_some_and(Vec::is_empty) {
        // None of the classes is offered: no sign-in helps.
        return Err(Refusal::UnmetAuthenticationRequirements);
    }
    let Some(signed_in) = situation.signed_in.filter(|_| !needs_sign_in(situation)) else {
        return if prompt.none { Err(Refusal::LoginRequired) } else { Ok(Next::SignIn) };
    };
    if let Some(step) = stronger_step(situation, signed_in, &wanted)? {
        return if prompt.none { Err(Refusal::LoginRequired) } else { Ok(step) };
    }
    if needs_consent(situation) {
        return if prompt.none { Err(Refusal::ConsentRequired) } else { Ok(Next::Consent) };
    }
    Ok(Next::Issue)
}

/// The classes of authentication that a request asks for, as far as they are known, preferred ones first.
struct WantedClasses {
    /// Those without which there is no answer.
    essential: Option<Vec<Acr>>,
    /// Those that are asked for in passing.
    voluntary: Vec<Acr>,
}

impl WantedClasses {
    fn of(request: &AuthorizationRequest) -> Self {
        let claims = request.claims.as_deref().and_then(|claims| ClaimsRequest::parse(claims).ok());
        let classes =
            |asked: &AcrRequest| asked.values.iter().filter_map(|value| Acr::parse(value)).collect();
        let asked = claims.and_then(|claims| claims.acr);
        let mut voluntary: Vec<Acr> =
            request.acr_values.as_deref().unwrap_or_default().split(' ').filter_map(Acr::parse).collect();
        if let Some(asked) = asked.as_ref().filter(|asked| !asked.essential) {
            voluntary.extend::<Vec<Acr>>(classes(asked));
        }
        Self { essential: asked.as_ref().filter(|asked| asked.essential).map(classes), voluntary }
    }
}

/// What a person who is signed in must show beside; nothing where its session is strong enough.
fn stronger_step(
    situation: &Situation<'_>,
    signed_in: &SignedIn<'_>,
    wanted: &WantedClasses,
) -> Result<Option<Next>, Refusal> {
    let held = signed_in.authentication.methods.acr();
    let reachable = signed_in.reachable.max(held);
    if situation.second_factor_required && held < Acr::SeveralFactors {
        let has_one = reachable >= Acr::SeveralFactors;
        return Ok(Some(if has_one { Next::SecondFactor(Acr::SeveralFactors) } else { Next::Enrol }));
    }
    if let Some(essential) = &wanted.essential
        && !essential.iter().any(|class| held >= *class)
    {
        let met = essential.iter().find(|class| reachable >= **class);
        let class = met.ok_or(Refusal::UnmetAuthenticationRequirements)?;
        return Ok(Some(Next::SecondFactor(*class)));
    }
    // The first that can be met; where nobody may be asked, none has to be (OpenID Connect Core §3.1.2.1).
    let first = wanted.voluntary.iter().find(|class| reachable >= **class);
    let missing = first.filter(|class| held < **class && !situation.request.prompt.none);
    Ok(missing.map(|class| Next::SecondFactor(*class)))
}

fn needs_sign_in(situation: &Situation<'_>) -> bool {
    let request = situation.request;
    let Some(signed_in) = situation.signed_in else {
        return true;
    };
    if is_somebody_else(situation) {
        return true;
    }
    if signed_in.in_this_flow {
        return false;
    }
    let age = situation.now.seconds_since(signed_in.authentication.at);
    // An age of zero asks for a sign-in each time (OpenID Connect Core §3.1.2.1).
    request.prompt.login || request.max_age.is_some_and(|max_age| max_age == 0 || age > max_age)
}

/// Whether another person is signed in than the one that an ID token of the client names.
fn is_somebody_else(situation: &Situation<'_>) -> bool {
    let subject = situation.signed_in.map(|signed_in| signed_in.subject);
    situation.expected_subject.is_some_and(|expected| subject.is_some_and(|subject| subject != expected))
}

fn needs_consent(situation: &Situation<'_>) -> bool {
    if situation.agreed_in_this_flow {
        return false;
    }
    if situation.request.prompt.consent {
        return true;
    }
    if situation.client.authorization.skip_consent {
        return false;
    }
    !missing_consent(situation.scope, situation.api, situation.consents).is_empty()
}

/// The scopes to which a person has not agreed yet.
pub fn missing_consent(scope: &ScopeSet, api: Option<ApiId>, consents: &[Consent]) -> ScopeSet {
    let agreed = |consent: &&Consent| consent.api == api || consent.api.is_none();
    consents.iter().filter(agreed).fold(scope.clone(), |missing, consent| missing.difference(&consent.scope))
}

/// Why an address cannot be registered for redirects; `None` when it can (RFC 9700 §2.1, RFC 8252 §7 and §8.4).
pub fn redirect_fault(text: &str) -> Option<&'static str> {
    let Ok(address) = url::Url::parse(text) else {
        return Some("is no absolute address");
    };
    if text.len() > limits::REDIRECT_URI_BYTES_MAX {
        return Some("is too long");
    }
    if address.fragment().is_some() {
        return Some("has a fragment");
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Some("has a user name in it");
    }
    if text.contains('*') || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
        return Some("has a wildcard, a space, a backslash or a control character in it");
    }
    const ANSWERS: [&str; 5] = ["code", "error", "iss", "response", "state"];
    if address.query_pairs().any(|(name, _)| ANSWERS.contains(&name.as_ref())) {
        return Some("has a parameter in its query that answers use");
    }
    let is_loopback = matches!(address.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    match address.scheme() {
        "https" => None,
        "http" if is_loopback => None,
        "http" => Some("is plain http to another machine: use https"),
        // A private-use scheme is a domain name turned around (RFC 8252 §7.1).
        scheme if scheme.contains('.') => None,
        _ => Some("has a scheme that is none of https, http to this machine, or a domain name turned around"),
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
