//! Making pages and redirects: the headers that all of them carry, and the page for each refusal.

use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, Response, StatusCode};
use lydian_domain::Refusal;
use lydian_domain::authorize::{ResponseMode, ReturnTo};
use lydian_pages::views::{Application, ErrorCause, ErrorPage, FormPost};
use lydian_pages::{Brand, Colour, Frame, Language, Page, WebLink};
use lydian_primitives::Secret;
use lydian_service::{RealmState, ServiceError};

use super::browser::{self, Cookies};
use crate::Answer;
use crate::answer_body::AnswerBody;

/// Where the pages find their assets: beside themselves.
const ASSETS: &str = "assets";

/// What stands around the pages of a request.
pub fn frame<'a>(realm: &'a RealmState, head: &Parts, ui_locales: Option<&str>) -> Frame<'a> {
    let settings = &realm.realm.sign_in;
    let language = Language::negotiate(ui_locales, browser::accept_language(head));
    let brand = Brand {
        name: settings.brand_name.as_deref().unwrap_or("Lydian"),
        logo: settings.brand_logo_uri.as_deref().and_then(WebLink::parse),
        accent: settings.brand_colour.as_deref().and_then(Colour::parse).unwrap_or(Colour::DEFAULT_ACCENT),
    };
    Frame::new(language, brand, ASSETS)
}

/// What the pages say of a client.
pub fn application(client: &lydian_domain::Client) -> Application<'_> {
    Application {
        logo: link(&client.authorization.logo_uri),
        policy: link(&client.authorization.policy_uri),
        terms: link(&client.authorization.tos_uri),
        ..Application::named(&client.name)
    }
}

fn link(address: &Option<String>) -> Option<WebLink<'_>> {
    address.as_deref().and_then(WebLink::parse)
}

/// A page. `goes_to` is where its forms may end up beside our own pages: Chrome checks each redirect after a form.
pub fn html(status: StatusCode, page: &dyn Page, goes_to: Option<&ReturnTo>, cookies: &Cookies) -> Answer {
    let mut answer = Response::new(AnswerBody::from(page.html()));
    *answer.status_mut() = status;
    let target = goes_to.and_then(|return_to| origin_of(&return_to.redirect_uri));
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: https:; form-action 'self'{}{}; \
         frame-ancestors 'none'; base-uri 'none'",
        if target.is_some() { " " } else { "" },
        target.unwrap_or_default()
    );
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    harden(headers);
    set_cookies(&mut answer, cookies);
    answer
}

/// Sends the browser to another page, with GET (RFC 9700 §4.12).
pub fn see_other(location: &str, cookies: &Cookies) -> Answer {
    let mut answer = Response::new(AnswerBody::default());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let headers = answer.headers_mut();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    harden(headers);
    set_cookies(&mut answer, cookies);
    answer
}

fn harden(headers: &mut http::HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

fn set_cookies(answer: &mut Answer, cookies: &Cookies) {
    for cookie in cookies.to_set() {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Gives the client its answer (RFC 6749 §4.1.2, RFC 9207).
pub fn give_back(
    realm: &RealmState,
    head: &Parts,
    return_to: &ReturnTo,
    result: Result<&Secret, Refusal>,
    cookies: &Cookies,
) -> Answer {
    let mut parameters: Vec<(&str, &str)> = match result {
        Ok(code) => vec![("code", code.expose())],
        Err(refusal) => {
            vec![("error", refusal.code().as_str()), ("error_description", refusal.description())]
        }
    };
    if let Some(state) = &return_to.state {
        parameters.push(("state", state));
    }
    parameters.push(("iss", &realm.issuer));
    if return_to.response_mode == ResponseMode::FormPost
        && let Some(action) = WebLink::parse(&return_to.redirect_uri)
    {
        let page = FormPost { frame: frame(realm, head, None), action, parameters: &parameters };
        return html(StatusCode::OK, &page, Some(return_to), cookies);
    }
    see_other(&with_parameters(&return_to.redirect_uri, &parameters), cookies)
}

/// The redirect address with parameters behind it. What is registered stays as it is, byte by byte.
pub fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{}", query.finish())
}

/// The source expression of a redirect address in a content security policy.
fn origin_of(address: &str) -> Option<String> {
    let parsed = url::Url::parse(address).ok()?;
    match parsed.origin() {
        origin @ url::Origin::Tuple(..) => Some(origin.ascii_serialization()),
        url::Origin::Opaque(_) => Some(format!("{}:", parsed.scheme())),
    }
}

/// The page for what went wrong where no address is proven.
pub fn fault(realm: &RealmState, head: &Parts, error: &ServiceError, cookies: &Cookies) -> Answer {
    let frame = frame(realm, head, None);
    let (status, cause, wait) = match error {
        ServiceError::Refused(refusal) => {
            tracing::debug!(?refusal, "a page was refused");
            (StatusCode::BAD_REQUEST, cause_of(*refusal), None)
        }
        ServiceError::TooManyRequests(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, ErrorCause::TooManyRequests, Some(*wait))
        }
        ServiceError::Unavailable(unavailable) => {
            let source = std::error::Error::source(unavailable).map(ToString::to_string);
            tracing::warn!(error = %unavailable, source, "a page could not be shown");
            (StatusCode::SERVICE_UNAVAILABLE, ErrorCause::Unavailable, Some(Duration::from_secs(1)))
        }
    };
    let wait_seconds = wait.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    let code = match error {
        ServiceError::Refused(refusal) => Some(refusal.code().as_str()),
        _ => None,
    };
    let page = ErrorPage { code, wait_seconds, ..ErrorPage::new(frame, cause) };
    let mut answer = html(status, &page, None, cookies);
    if let Some(seconds) = wait_seconds {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    answer
}

/// The page of a refusal.
fn cause_of(refusal: Refusal) -> ErrorCause {
    match refusal {
        Refusal::ClientDisabled => ErrorCause::ClientDisabled,
        Refusal::ClientMissing | Refusal::ClientUnknown => ErrorCause::ClientUnknown,
        Refusal::FlowExpired => ErrorCause::RequestExpired,
        Refusal::FlowInvalid => ErrorCause::FormNotOurs,
        Refusal::LinkUsed => ErrorCause::LinkUsed,
        Refusal::PushedRequestInvalid => ErrorCause::RequestExpired,
        Refusal::PushedRequestRequired => ErrorCause::PushedRequestRequired,
        Refusal::RedirectUriMissing => ErrorCause::RedirectUriMissing,
        Refusal::RedirectUriUnregistered => ErrorCause::RedirectUriUnregistered,
        Refusal::ResponseModeUnsupported => ErrorCause::ResponseModeUnsupported,
        Refusal::UnmetAuthenticationRequirements => ErrorCause::SecondFactorMissing,
        _ => ErrorCause::RequestInvalid,
    }
}
