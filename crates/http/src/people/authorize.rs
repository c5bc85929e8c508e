//! `/oauth2/authorize` and the pages behind it: sign in, continue, consent (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use lydian_domain::Refusal;
use lydian_oauth_types::{Form, FormError, ScopeSet, words};
use lydian_pages::views::{Api, Consent, SignIn as SignInPage, SignInProblem};
use lydian_pages::{Frame, Language};
use lydian_primitives::{Secret, limits};
use lydian_service::authorizing::{Application, Browser, Flow, Step};
use lydian_service::sessions::Recognised;
use lydian_service::signing_in::{SignIn, SignedIn};
use lydian_service::{Moment, RealmState, Service, ServiceError};

use super::browser::{self, Cookies};
use super::second_factor::{Around, passkey_form, passkey_hidden};
use super::{links, page};
use crate::error_response::Problem;
use crate::form_request::is_form;
use crate::{Answer, body, find_realm};

/// Which of the pages is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The authorization endpoint.
    Authorize,
    /// The decision of the consent page.
    Consent,
    /// The same request, after a sign-in.
    Continue,
    /// The form of the sign-in page.
    SignIn,
}

/// A browser's request that has arrived whole.
pub(super) struct PersonRequest<'a> {
    pub(super) service: &'a Service,
    pub(super) head: &'a Parts,
    pub(super) moment: Moment,
    pub(super) realm: Arc<RealmState>,
    pub(super) cookies: Cookies,
    pub(super) recognised: Option<Recognised>,
}

/// Answers a browser.
///
/// # Errors
///
/// A [`Problem`] for what is no business of a person: an unknown realm, a body beyond its limits.
pub async fn handle<B>(
    service: &Service,
    asked: Asked,
    realm: Option<&str>,
    head: &Parts,
    body: B,
    peer: IpAddr,
) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let is_post = head.method == Method::POST;
    let sent = if is_post {
        body::read_body(body, limits::BODY_BYTES_MAX, limits::BODY_IDLE_TIMEOUT).await?
    } else {
        Bytes::new()
    };
    let moment = service.moment().map_err(Problem::Service)?;
    let realm = find_realm(service, realm)?;
    let cookies = Cookies::of(head, &realm, service.node().entropy());
    let mut request = PersonRequest { service, head, moment, realm, cookies, recognised: None };
    let form = if !is_post {
        browser::query(head, &["resource"])
    } else if is_form(head) {
        Form::parse(&sent, &["resource"])
    } else {
        return Ok(request.fault(&Refusal::BodyNotForm.into()));
    };
    let form = match form {
        Ok(form) => form,
        Err(error) => return Ok(request.fault(&refusal_of(error).into())),
    };
    let answered = match request.recognise().await {
        Ok(()) => request.answer(asked, &form, peer).await,
        Err(error) => Err(error),
    };
    Ok(answered.unwrap_or_else(|error| request.fault(&error)))
}

impl PersonRequest<'_> {
    async fn recognise(&mut self) -> Result<(), ServiceError> {
        let Some(session) = self.cookies.session.clone() else {
            return Ok(());
        };
        self.recognised = self.service.recognise(&self.realm, &session, &self.moment).await?;
        Ok(())
    }

    async fn answer(&mut self, asked: Asked, form: &Form<'_>, peer: IpAddr) -> Result<Answer, ServiceError> {
        let is_ours = matches!(asked, Asked::Consent | Asked::SignIn);
        // The authorization endpoint is for anybody; what our pages send comes from our pages.
        if is_ours && (!self.cookies.had_mark || !browser::is_same_origin(self.head, &self.realm)) {
            return Err(Refusal::FlowInvalid.into());
        }
        let carried = || form.find("flow").ok_or(Refusal::FlowInvalid);
        let browser = Browser { mark: &self.cookies.mark, recognised: self.recognised.as_ref() };
        let (service, realm, moment) = (self.service, &self.realm, &self.moment);
        let step = match asked {
            Asked::Authorize => service.begin_authorization(realm, form, &browser, moment).await?,
            Asked::Continue => service.continue_authorization(realm, carried()?, &browser, moment).await?,
            Asked::Consent => {
                let allows = form.find("decision") == Some("allow");
                service.decide_consent(realm, carried()?, allows, &browser, moment).await?
            }
            Asked::SignIn => {
                let carried = carried()?.to_owned();
                let query = browser::query(self.head, &[]).map_err(refusal_of)?;
                return match query.find("do") {
                    None => self.sign_in(&carried, form, peer).await,
                    Some("second-factor") => self.second_factor(&carried, form, peer).await,
                    Some("passkey") => self.passkey(&carried, form, peer).await,
                    Some("enrol") => self.enrol(&carried, form, peer).await,
                    Some("codes-kept") => {
                        service.open_flow(realm, &carried, &self.cookies.mark, moment)?;
                        Ok(page::see_other(&format!("continue?flow={carried}"), &self.cookies))
                    }
                    Some(_) => Err(Refusal::FormMalformed.into()),
                };
            }
        };
        Ok(self.show(&step))
    }

    /// The form of the sign-in page.
    async fn sign_in(
        &mut self,
        carried: &str,
        form: &Form<'_>,
        peer: IpAddr,
    ) -> Result<Answer, ServiceError> {
        let (flow, then) = self.open_either(carried)?;
        let username = form.find("username").unwrap_or_default();
        let password = Secret::new(form.find("password").unwrap_or_default().to_owned());
        let presented = SignIn {
            username,
            password: &password,
            address: peer,
            user_agent: browser::user_agent(self.head),
            mark: &self.cookies.mark,
            before: self.recognised.as_ref().map(|recognised| &recognised.session),
        };
        let signed_in = match self.service.sign_in(&self.realm, &presented, &self.moment).await {
            Ok(signed_in) => signed_in,
            Err(ServiceError::TooManyRequests(wait)) => {
                let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let problem = SignInProblem::TooManyAttempts { wait_seconds };
                let status = StatusCode::TOO_MANY_REQUESTS;
                let mut answer = self.sign_in_again(flow.as_ref(), carried, username, problem, status);
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_seconds));
                return Ok(answer);
            }
            Err(error) => return Err(error),
        };
        match signed_in {
            SignedIn::No => {
                let problem = SignInProblem::WrongCredentials;
                Ok(self.sign_in_again(flow.as_ref(), carried, username, problem, StatusCode::OK))
            }
            SignedIn::AskFactor(question) => {
                let request = flow.as_ref().map(Flow::request);
                let around = Around {
                    realm: &self.realm,
                    head: self.head,
                    cookies: &self.cookies,
                    flow: carried,
                    return_to: request.map(|request| &request.return_to),
                    ui_locales: request.and_then(|request| request.ui_locales.as_deref()),
                };
                Ok(around.ask(&question, None))
            }
            SignedIn::Yes(recognised, cookie) => {
                Ok(self.go_on_signed_in(flow, &then, &recognised, &cookie, false))
            }
        }
    }

    pub(super) fn sign_in_again(
        &self,
        flow: Option<&Flow>,
        carried: &str,
        username: &str,
        problem: SignInProblem,
        status: StatusCode,
    ) -> Answer {
        let request = flow.map(Flow::request);
        let ui_locales = request.and_then(|request| request.ui_locales.as_deref());
        let client = request.and_then(|request| self.realm.client_by_name(&request.client_id));
        let question = self.service.ask_any_passkey(&self.realm, &self.cookies.mark, &self.moment);
        let passkey_hidden = passkey_hidden(carried, question.as_ref());
        let page = SignInPage {
            frame: page::frame(&self.realm, self.head, ui_locales),
            action: "sign-in",
            hidden: &[("flow", carried)],
            application: client.map(|client| page::application(client)),
            username,
            problem: Some(problem),
            forgotten_password: Some(links::FORGOTTEN_PASSWORD),
            passkey: passkey_form(&passkey_hidden, question.as_ref()),
        };
        page::html(status, &page, request.map(|request| &request.return_to), &self.cookies)
    }

    fn show(&self, step: &Step) -> Answer {
        match step {
            Step::Return(return_to, result) => {
                let result = result.as_ref().map_err(|refusal| *refusal);
                page::give_back(&self.realm, self.head, return_to, result, &self.cookies)
            }
            Step::SecondFactor { application, flow, question, ui_locales } => {
                self.around_step(application, flow, ui_locales.as_deref()).ask(question, None)
            }
            Step::Enrol { application, flow, authenticator, ui_locales } => {
                self.around_step(application, flow, ui_locales.as_deref()).enrol(authenticator, None)
            }
            Step::SignIn { application, flow, login_hint, ui_locales } => {
                let question = self.service.ask_any_passkey(&self.realm, &self.cookies.mark, &self.moment);
                let passkey_hidden = passkey_hidden(flow, question.as_ref());
                let page = SignInPage {
                    frame: page::frame(&self.realm, self.head, ui_locales.as_deref()),
                    action: "sign-in",
                    hidden: &[("flow", flow)],
                    application: Some(page::application(&application.client)),
                    username: login_hint.as_deref().unwrap_or_default(),
                    problem: None,
                    forgotten_password: Some(links::FORGOTTEN_PASSWORD),
                    passkey: passkey_form(&passkey_hidden, question.as_ref()),
                };
                page::html(StatusCode::OK, &page, Some(&application.return_to), &self.cookies)
            }
            Step::Consent { application, flow, api, scope, ui_locales } => {
                let frame = page::frame(&self.realm, self.head, ui_locales.as_deref());
                let (identity, of_api) = words_of(scope, api.as_ref(), frame);
                let mut apis = Vec::new();
                if let Some(api) = api {
                    apis.push(Api { name: &api.name, scopes: &of_api });
                }
                let house = self.realm.realm.sign_in.brand_name.as_deref().unwrap_or("Lydian");
                if !identity.is_empty() {
                    apis.push(Api { name: house, scopes: &identity });
                }
                let username = self.recognised.as_ref().map_or("", |recognised| &recognised.user.username);
                let page = Consent {
                    frame,
                    action: "consent",
                    hidden: &[("flow", flow)],
                    application: page::application(&application.client),
                    apis: &apis,
                    username,
                    not_you: Some("logout"),
                };
                page::html(StatusCode::OK, &page, Some(&application.return_to), &self.cookies)
            }
        }
    }

    fn around_step<'a>(
        &'a self,
        application: &'a Application,
        flow: &'a str,
        ui_locales: Option<&'a str>,
    ) -> Around<'a> {
        Around {
            realm: &self.realm,
            head: self.head,
            cookies: &self.cookies,
            flow,
            return_to: Some(&application.return_to),
            ui_locales,
        }
    }

    fn fault(&self, error: &ServiceError) -> Answer {
        page::fault(&self.realm, self.head, error, &self.cookies)
    }
}

/// The scopes in words: those of a person's identity, and those of an API, as the API describes them.
pub(super) fn words_of<'a>(
    scope: &'a ScopeSet,
    api: Option<&'a lydian_domain::Api>,
    frame: Frame<'_>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let is_identity = |scope: &&str| words::IDENTITY_SCOPES.contains(scope);
    let identity =
        scope.iter().filter(is_identity).map(|scope| identity_words(scope, frame.language)).collect();
    let described = |scope: &'a str| {
        let detail = api.and_then(|api| api.scope_details.get(scope));
        detail.and_then(|detail| detail.description.as_deref()).unwrap_or(scope)
    };
    let of_api = scope.iter().filter(|scope| !is_identity(scope)).map(described).collect();
    (identity, of_api)
}

/// What an identity scope opens, as the end of "the application would like to".
fn identity_words(scope: &str, language: Language) -> &'static str {
    let (english, german) = match scope {
        "address" => ("see your postal address", "Ihre Postanschrift sehen"),
        "email" => ("see your e-mail address", "Ihre E-Mail-Adresse sehen"),
        "offline_access" => {
            ("keep this access when you are away", "diesen Zugriff behalten, wenn Sie nicht da sind")
        }
        "openid" => ("know who you are", "wissen, wer Sie sind"),
        "phone" => ("see your telephone number", "Ihre Telefonnummer sehen"),
        _ => ("see your name and profile", "Ihren Namen und Ihr Profil sehen"),
    };
    match language {
        Language::German => german,
        _ => english,
    }
}

pub(super) fn refusal_of(error: FormError) -> Refusal {
    match error {
        FormError::Encoding => Refusal::FormMalformed,
        FormError::Repeated => Refusal::ParameterRepeated,
        FormError::TooMany => Refusal::TooManyParameters,
    }
}
