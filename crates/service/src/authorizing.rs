//! The authorization endpoint's use cases (RFC 6749 §4.1): a request, a person who signs in and agrees, and a code.
//!
//! What is known of a request between two pages is carried by the browser, sealed for this very browser: nothing is stored for
//! somebody who has not signed in. Each step decides anew, from what is true then.

use std::sync::Arc;

use lydian_domain::audience::{self, Chosen, Owner, Request};
use lydian_domain::authenticate::{AssertionUse, AuthenticatedClient};
use lydian_domain::authorize::{self, AuthorizationRequest, Next, ReturnTo, Situation};
use lydian_domain::policy;
use lydian_domain::secrets::{TokenKind, sha256};
use lydian_domain::{
    Api, AuthorizationCode, Client, Consent, Grant, GrantId, Refusal, Rotation, User, token_string,
};
use lydian_oauth_types::{Form, ScopeSet};
use lydian_primitives::{Secret, Timestamp, base64url, limits};
use lydian_revocation::Seq;
use lydian_storage::{ApplyError, Change, Conflict, Precondition, Unavailable, Write};
use serde::{Deserialize, Serialize};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::exchanging::CODE_PREFIX;
use crate::factors::HeldFactors;
use crate::factors::enrolling::NewAuthenticator;
use crate::factors::proving::FactorQuestion;
use crate::logging_out::subject_of_hint;
use crate::sessions::Recognised;
use crate::{Moment, Service};

/// How long a pushed request may wait for its browser, in seconds (RFC 9126 §2.2).
pub const PUSHED_SECONDS: u64 = 90;

/// What references to pushed requests begin with (RFC 9126 §2.2).
const PUSHED_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// How long a person may take between two pages, in seconds.
const FLOW_SECONDS_MAX: u64 = 1_800;

/// More pages than a request can lead through: sign-in, second factor, consent.
const PAGES_MAX: u64 = 8;

/// A request on its way through the pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    request: AuthorizationRequest,
    /// When the last page was shown, in seconds since 1970.
    shown_at: u64,
    /// The session in which the person signed in for this very request.
    signed_in: Option<u64>,
    /// The pushed request that this is: it makes one code.
    pushed: Option<Pushed>,
    /// What the consent page showed.
    shown: Option<Shown>,
}

/// What a consent page showed, and to whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shown {
    /// The session of the person.
    session: u64,
    /// The scopes.
    scope: ScopeSet,
}

/// A pushed request, as long as it counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pushed {
    /// The digest of its reference.
    digest: [u8; 32],
    /// When the memory of its use can go, in seconds since 1970.
    forgotten_at: u64,
}

/// What a pushed request says.
#[derive(Serialize, Deserialize)]
struct PushedRequest {
    request: AuthorizationRequest,
    expires_at: u64,
}

impl Flow {
    /// The request.
    pub fn request(&self) -> &AuthorizationRequest {
        &self.request
    }
}

/// What a browser brings along.
#[derive(Debug)]
pub struct Browser<'a> {
    /// The random value that marks this browser.
    pub mark: &'a str,
    /// Its session, when its person is signed in.
    pub recognised: Option<&'a Recognised>,
}

/// What a page says of the application that asks.
#[derive(Clone, Debug)]
pub struct Application {
    /// The client.
    pub client: Arc<Client>,
    /// Where the answer will go.
    pub return_to: ReturnTo,
}

/// What comes of a step.
#[derive(Debug)]
pub enum Step {
    /// The person is asked to agree.
    Consent {
        /// Who asks.
        application: Application,
        /// The request, for the next step.
        flow: String,
        /// The API; `None` for the person's identity alone.
        api: Option<Api>,
        /// All that is asked for.
        scope: ScopeSet,
        /// The languages that the client asks for.
        ui_locales: Option<String>,
    },
    /// The person is led to add a second factor, because it must have one.
    Enrol {
        /// Who asks.
        application: Application,
        /// The request, for the next step.
        flow: String,
        /// What the page shows.
        authenticator: NewAuthenticator,
        /// The languages that the client asks for.
        ui_locales: Option<String>,
    },
    /// The browser goes back to the client, with a code or a refusal.
    Return(ReturnTo, Result<Secret, Refusal>),
    /// The person is asked for a second factor.
    SecondFactor {
        /// Who asks.
        application: Application,
        /// The request, for the next step.
        flow: String,
        /// What is asked for.
        question: FactorQuestion,
        /// The languages that the client asks for.
        ui_locales: Option<String>,
    },
    /// The person is asked who it is.
    SignIn {
        /// Who asks.
        application: Application,
        /// The request, for the next step.
        flow: String,
        /// Who probably signs in.
        login_hint: Option<String>,
        /// The languages that the client asks for.
        ui_locales: Option<String>,
    },
}

impl Service {
    /// Begins with a request.
    ///
    /// # Errors
    ///
    /// A refusal that is shown to the person, because no address is proven; unavailable when we cannot go on now.
    pub async fn begin_authorization(
        &self,
        realm: &Arc<RealmState>,
        form: &Form<'_>,
        browser: &Browser<'_>,
        moment: &Moment,
    ) -> Result<Step, ServiceError> {
        let client_id = form.find("client_id").ok_or(Refusal::ClientMissing)?;
        let client = realm.client_by_name(client_id).ok_or(Refusal::ClientUnknown)?;
        if let Some(reference) = form.find("request_uri").filter(|uri| uri.starts_with(PUSHED_PREFIX)) {
            let flow = self.open_pushed(realm, client, reference, moment)?;
            return self.go_on(realm, flow, browser, false, moment).await;
        }
        let return_to = authorize::return_to(client, form)?;
        if client.authorization.require_pushed_authorization_requests {
            return Ok(Step::Return(return_to, Err(Refusal::PushedRequestRequired)));
        }
        let request = match authorize::request(client, return_to.clone(), form) {
            Ok(request) => request,
            Err(refusal) => return Ok(Step::Return(return_to, Err(refusal))),
        };
        let flow = Flow {
            request,
            shown_at: moment.now.as_unix_seconds(),
            signed_in: None,
            pushed: None,
            shown: None,
        };
        self.go_on(realm, flow, browser, false, moment).await
    }

    /// Takes a request that its client pushes (RFC 9126 §2): what it says comes back in a reference that only we can open, so that
    /// nothing is stored for it. Its use is remembered when it makes a code.
    ///
    /// # Errors
    ///
    /// A refusal for what the authorization endpoint would refuse; unavailable when the assertion's use is not durable.
    pub async fn push_authorization(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        assertion: Option<AssertionUse>,
        form: &Form<'_>,
        moment: &Moment,
    ) -> Result<String, ServiceError> {
        let client = client.client();
        if form.find("request_uri").is_some() {
            return Err(Refusal::PushedRequestNested.into());
        }
        let return_to = authorize::return_to(client, form)?;
        let request = authorize::request(client, return_to, form)?;
        if let Some(AssertionUse { client, digest, expires_at }) = assertion {
            let change = Change {
                preconditions: vec![Precondition::AssertionUnused { client, digest, expires_at }],
                writes: vec![Write::UseAssertion { client, digest, expires_at }],
                at: moment.now,
            };
            match self.storage.apply(change).await {
                Ok(_) => {}
                Err(ApplyError::Conflict(_)) => return Err(Refusal::ClientAssertionReplayed.into()),
                Err(error) => return Err(error.into()),
            }
        }
        let expires_at = moment.now.plus_seconds(PUSHED_SECONDS).as_unix_seconds();
        let plain = serde_json::to_vec(&PushedRequest { request, expires_at })
            .expect("strings, numbers and lists always serialise");
        let sealed = realm.secrets.seal_carried(&pushed_label(client), &plain, &self.mint(moment));
        if sealed.len() > limits::CARRIED_REQUEST_BYTES_MAX {
            return Err(Refusal::RequestTooLong.into());
        }
        Ok(format!("{PUSHED_PREFIX}{sealed}"))
    }

    /// The flow of a pushed request.
    fn open_pushed(
        &self,
        realm: &RealmState,
        client: &Client,
        reference: &str,
        moment: &Moment,
    ) -> Result<Flow, Refusal> {
        let invalid = Refusal::PushedRequestInvalid;
        let sealed = reference.strip_prefix(PUSHED_PREFIX).ok_or(invalid)?;
        let opened = realm.secrets.open_carried(&pushed_label(client), sealed).ok_or(invalid)?;
        let PushedRequest { request, expires_at } = serde_json::from_slice(&opened).map_err(|_| invalid)?;
        if expires_at <= moment.now.as_unix_seconds() {
            return Err(invalid);
        }
        // The page may be loaded again before the person has signed in; the code is made once.
        let forgotten_at = expires_at + FLOW_SECONDS_MAX * PAGES_MAX;
        let pushed = Some(Pushed { digest: sha256(reference.as_bytes()), forgotten_at });
        Ok(Flow { request, shown_at: moment.now.as_unix_seconds(), signed_in: None, pushed, shown: None })
    }

    /// Goes on with a request after the person has signed in.
    ///
    /// # Errors
    ///
    /// As [`Self::begin_authorization`].
    pub async fn continue_authorization(
        &self,
        realm: &Arc<RealmState>,
        carried: &str,
        browser: &Browser<'_>,
        moment: &Moment,
    ) -> Result<Step, ServiceError> {
        let flow = self.open_flow(realm, carried, browser.mark, moment)?;
        self.go_on(realm, flow, browser, false, moment).await
    }

    /// Ends a request with what the person decided on the consent page.
    ///
    /// # Errors
    ///
    /// As [`Self::begin_authorization`].
    pub async fn decide_consent(
        &self,
        realm: &Arc<RealmState>,
        carried: &str,
        allows: bool,
        browser: &Browser<'_>,
        moment: &Moment,
    ) -> Result<Step, ServiceError> {
        let flow = self.open_flow(realm, carried, browser.mark, moment)?;
        if !allows {
            return Ok(Step::Return(flow.request.return_to, Err(Refusal::AccessDenied)));
        }
        self.go_on(realm, flow, browser, true, moment).await
    }

    /// The request that a browser carries.
    ///
    /// # Errors
    ///
    /// A refusal when it was made for another browser, altered, or is too old.
    pub fn open_flow(
        &self,
        realm: &RealmState,
        carried: &str,
        mark: &str,
        moment: &Moment,
    ) -> Result<Flow, Refusal> {
        let opened = realm.secrets.open_carried(&label(mark), carried).ok_or(Refusal::FlowInvalid)?;
        let flow: Flow = serde_json::from_slice(&opened).map_err(|_| Refusal::FlowInvalid)?;
        let shown_at = Timestamp::from_unix_seconds(flow.shown_at);
        if moment.now.seconds_since(shown_at) > FLOW_SECONDS_MAX {
            return Err(Refusal::FlowExpired);
        }
        Ok(flow)
    }

    /// The same request, signed in by this session, as the browser carries it to the next page.
    pub fn carry_signed_in(
        &self,
        realm: &RealmState,
        flow: Flow,
        recognised: &Recognised,
        mark: &str,
        moment: &Moment,
    ) -> String {
        self.carry(realm, Flow { signed_in: Some(recognised.session.id.as_number()), ..flow }, mark, moment)
    }

    /// The same request, as the browser carries it to the next page.
    pub fn carry_on(&self, realm: &RealmState, flow: Flow, mark: &str, moment: &Moment) -> String {
        self.carry(realm, flow, mark, moment)
    }

    fn carry(&self, realm: &RealmState, flow: Flow, mark: &str, moment: &Moment) -> String {
        let flow = Flow { shown_at: moment.now.as_unix_seconds(), ..flow };
        let plain = serde_json::to_vec(&flow).expect("strings, numbers and lists always serialise");
        realm.secrets.seal_carried(&label(mark), &plain, &self.mint(moment))
    }

    async fn go_on(
        &self,
        realm: &Arc<RealmState>,
        flow: Flow,
        browser: &Browser<'_>,
        agreed: bool,
        moment: &Moment,
    ) -> Result<Step, ServiceError> {
        let request = &flow.request;
        let client = realm.client_by_name(&request.client_id).ok_or(Refusal::ClientUnknown)?;
        if !client.enabled {
            return Err(Refusal::ClientDisabled.into());
        }
        let back = |refusal| Ok(Step::Return(request.return_to.clone(), Err(refusal)));
        let asked = Request {
            scope: request.scope.clone(),
            resources: request.resources.iter().map(String::as_str).collect(),
        };
        let chosen = match audience::choose(Owner::Person, client, &asked, &**realm, &realm.issuer) {
            Ok(chosen) => chosen,
            Err(refusal) => return back(refusal),
        };
        if !client.grant_types.contains(&lydian_oauth_types::GrantType::AuthorizationCode) {
            return back(Refusal::GrantTypeNotAllowed);
        }
        // What a person may not grant is not asked for; who it is, is known after the sign-in.
        let chosen = match browser.recognised {
            Some(recognised) => match policy::narrow(chosen, &recognised.user.profile) {
                Ok(chosen) => chosen,
                Err(refusal) => return back(refusal),
            },
            None => chosen,
        };
        let expected = request.id_token_hint.as_deref().and_then(|hint| subject_of_hint(realm, hint));
        let consents = match browser.recognised {
            Some(recognised) => self.storage.find_consents(recognised.user.id, client.id).await?,
            None => Vec::new(),
        };
        // Who agrees has seen the page, and it showed all of it: another person or another scope is asked for anew.
        let agrees = agreed
            && flow.shown.as_ref().zip(browser.recognised).is_some_and(|(shown, recognised)| {
                shown.session == recognised.session.id.as_number() && chosen.scope.is_subset(&shown.scope)
            });
        let held = match browser.recognised {
            Some(recognised) => self.factors_of(&recognised.user).await?,
            None => HeldFactors::default(),
        };
        let signed_in = browser.recognised.map(|recognised| authorize::SignedIn {
            reachable: held.reachable(),
            authentication: recognised.session.browser.authentication,
            subject: &recognised.user.subject,
            in_this_flow: flow.signed_in == Some(recognised.session.id.as_number()),
        });
        let situation = Situation {
            request,
            client,
            signed_in: signed_in.as_ref(),
            expected_subject: expected.as_deref(),
            scope: &chosen.scope,
            api: chosen.api.map(|api| api.id),
            consents: &consents,
            second_factor_required: realm.demands_second_factor(client),
            agreed_in_this_flow: agrees,
            now: moment.now,
        };
        let next = match authorize::next(&situation) {
            Ok(next) => next,
            Err(refusal) => return back(refusal),
        };
        let application = Application { client: Arc::clone(client), return_to: request.return_to.clone() };
        let ui_locales = request.ui_locales.clone();
        match (next, browser.recognised) {
            (Next::Issue, Some(recognised)) => {
                let code = self.issue_code(realm, client, &flow, &chosen, recognised, agrees, moment).await?;
                Ok(Step::Return(request.return_to.clone(), code))
            }
            (Next::Consent, Some(recognised)) => {
                let session = recognised.session.id.as_number();
                let shown = Some(Shown { session, scope: chosen.scope.clone() });
                Ok(Step::Consent {
                    application,
                    api: chosen.api.cloned(),
                    scope: chosen.scope.clone(),
                    ui_locales,
                    flow: self.carry(realm, Flow { shown, ..flow }, browser.mark, moment),
                })
            }
            (Next::SecondFactor(class), Some(recognised)) => Ok(Step::SecondFactor {
                application,
                question: self.ask_for_more(realm, recognised, &held, class, browser.mark, moment),
                ui_locales,
                flow: self.carry(realm, flow, browser.mark, moment),
            }),
            (Next::Enrol, Some(recognised)) => Ok(Step::Enrol {
                application,
                authenticator: self.begin_authenticator(realm, recognised, browser.mark, moment),
                ui_locales,
                flow: self.carry(realm, flow, browser.mark, moment),
            }),
            (_, _) => {
                let (return_to, login_hint) = (request.return_to.clone(), request.login_hint.clone());
                let flow = self.carry(realm, flow, browser.mark, moment);
                // Better now than after the person has typed a password: the address of the next page would be refused.
                if flow.len() > limits::CARRIED_REQUEST_BYTES_MAX {
                    return Ok(Step::Return(return_to, Err(Refusal::RequestTooLong)));
                }
                Ok(Step::SignIn { application, login_hint, ui_locales, flow })
            }
        }
    }

    /// Makes a code and the grant that it opens, durable before it leaves.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is of its own type, and they are what a code is made of"
    )]
    async fn issue_code(
        &self,
        realm: &Arc<RealmState>,
        client: &Client,
        flow: &Flow,
        chosen: &Chosen<'_>,
        recognised: &Recognised,
        agreed: bool,
        moment: &Moment,
    ) -> Result<Result<Secret, Refusal>, ServiceError> {
        let request = &flow.request;
        let mint = self.mint(moment);
        let (session, user) = (&recognised.session, &recognised.user);
        let expires_at = moment.now.plus_seconds(realm.realm.sign_in.code_seconds);
        let id = self.sequences.next(&*self.storage, expires_at.hour(), self.node.store_generation()).await?;
        let handle = realm.secrets.token_handles().of_token(id);
        let generation = realm.secrets.generation();
        let text = Secret::new(token_string::format_opaque(CODE_PREFIX, generation, handle, mint.bytes()));
        let digest = realm
            .secrets
            .digest(TokenKind::Code, generation, text.expose())
            .ok_or_else(|| Unavailable::because("find the pepper of today"))?;
        // Who agreed to access without a session gets tokens that no session ends.
        let outlives_session = chosen.scope.contains("offline_access");
        let grant = Grant {
            id: GrantId::from_number(mint.number()),
            realm: realm.realm.id,
            client: client.id,
            user: Some(user.id),
            session: (!outlives_session).then_some(session.id),
            api: chosen.api.map(|api| api.id),
            scope: chosen.scope.clone(),
            created_at: moment.now,
            cut_at: Seq::ZERO,
            refresh_token: None,
            idle_expires_at: expires_at,
            expires_at,
            authentication: Some(session.browser.authentication),
            claims: request.claims.clone(),
            rotation: Rotation::default(),
        };
        let code = AuthorizationCode {
            id,
            realm: realm.realm.id,
            client: client.id,
            user: user.id,
            session: session.id,
            grant: grant.id,
            redirect_uri: request.return_to.redirect_uri.clone(),
            code_challenge: request.code_challenge,
            scope: chosen.scope.clone(),
            nonce: request.nonce.clone(),
            issued_at: moment.now,
            expires_at,
            minted_at: moment.minted_at,
            digest,
            redeemed_at: None,
        };
        let mut writes = vec![Write::PutGrant(grant), Write::PutAuthorizationCode(code)];
        if agreed {
            writes.extend(self.consents_after(client, user, chosen, moment).await?);
        }
        let mut preconditions = Vec::new();
        if let Some(Pushed { digest, forgotten_at }) = flow.pushed {
            let expires_at = Timestamp::from_unix_seconds(forgotten_at);
            preconditions.push(Precondition::AssertionUnused { client: client.id, digest, expires_at });
            writes.push(Write::UseAssertion { client: client.id, digest, expires_at });
        }
        match self.storage.apply(Change { preconditions, writes, at: moment.now }).await {
            Ok(_) => Ok(Ok(text)),
            Err(ApplyError::Conflict(Conflict::AssertionUsed)) => Ok(Err(Refusal::PushedRequestInvalid)),
            Err(error) => Err(error.into()),
        }
    }

    /// What the person has agreed to now, beside what it agreed to before.
    pub(crate) async fn consents_after(
        &self,
        client: &Client,
        user: &User,
        chosen: &Chosen<'_>,
        moment: &Moment,
    ) -> Result<Vec<Write>, Unavailable> {
        let before = self.storage.find_consents(user.id, client.id).await?;
        let is_identity = |scope: &&str| lydian_oauth_types::words::IDENTITY_SCOPES.contains(scope);
        let identity: ScopeSet = chosen.scope.iter().filter(is_identity).collect();
        let of_api: ScopeSet = chosen.scope.iter().filter(|scope| !is_identity(scope)).collect();
        let mut parts = vec![(None, identity)];
        if let Some(api) = chosen.api {
            parts.push((Some(api.id), of_api));
        }
        let put = |(api, scope): (Option<_>, ScopeSet)| {
            let known = before.iter().find(|consent| consent.api == api);
            let scope = known.map_or(scope.clone(), |known| known.scope.union(&scope));
            Write::PutConsent(Consent {
                realm: client.realm,
                user: user.id,
                client: client.id,
                api,
                scope,
                given_at: moment.now,
            })
        };
        Ok(parts.into_iter().filter(|(_, scope)| !scope.is_empty()).map(put).collect())
    }
}

/// What seals a pushed request for its client.
fn pushed_label(client: &Client) -> String {
    format!("pushed authorization request of client {}", client.id)
}

/// What seals a flow for one browser.
fn label(mark: &str) -> String {
    format!("authorization request of browser {}", base64url::encode(&sha256(mark.as_bytes())))
}
