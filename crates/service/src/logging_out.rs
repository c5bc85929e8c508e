//! Logging out (OpenID Connect RP-Initiated Logout 1.0): who may end a session without asking, and where the browser goes then.

use lydian_jose::Compact;
use lydian_oauth_types::Form;
use lydian_primitives::{Timestamp, base64url};
use serde::{Deserialize, Serialize};

use lydian_domain::Refusal;
use lydian_domain::secrets::sha256;

use crate::directory::RealmState;
use crate::sessions::Recognised;
use crate::{Moment, Service};

/// How long the question may stay open, in seconds.
const QUESTION_SECONDS_MAX: u64 = 1_800;

/// What an application asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOutRequest {
    /// An ID token of ours that names the person and the application.
    pub id_token_hint: Option<String>,
    /// The application's name on the wire.
    pub client_id: Option<String>,
    /// Where the browser shall go.
    pub post_logout_redirect_uri: Option<String>,
    /// What the application wants back unchanged.
    pub state: Option<String>,
    /// The languages that the person prefers.
    pub ui_locales: Option<String>,
}

impl LogOutRequest {
    /// Reads the parameters.
    pub fn read(form: &Form<'_>) -> Self {
        let owned = |name| form.find(name).map(str::to_owned);
        Self {
            id_token_hint: owned("id_token_hint"),
            client_id: owned("client_id"),
            post_logout_redirect_uri: owned("post_logout_redirect_uri"),
            state: owned("state"),
            ui_locales: owned("ui_locales"),
        }
    }
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Farewell<'a> {
    /// Nobody is signed in, or the application has proven that it speaks for this person.
    AtOnce,
    /// The person is asked.
    Ask(&'a Recognised),
}

#[derive(Serialize, Deserialize)]
struct Question {
    asked_at: u64,
    request: LogOutRequest,
}

/// Whom an ID token of ours names.
struct Hint {
    subject: String,
    audience: String,
}

impl Service {
    /// Whether the person has to be asked.
    pub fn judge_log_out<'a>(
        &self,
        realm: &RealmState,
        request: &LogOutRequest,
        recognised: Option<&'a Recognised>,
    ) -> Farewell<'a> {
        let Some(recognised) = recognised else {
            return Farewell::AtOnce;
        };
        let hint = request.id_token_hint.as_deref().and_then(|hint| read_hint(realm, hint));
        match hint {
            Some(hint) if hint.subject == recognised.user.subject => Farewell::AtOnce,
            // Anybody can send a browser here: without proof it is the person who decides (§6).
            _ => Farewell::Ask(recognised),
        }
    }

    /// Where the browser goes after a logout; `None` when no registered address is named by a proven application (§3).
    pub fn address_after_log_out(&self, realm: &RealmState, request: &LogOutRequest) -> Option<String> {
        let address = request.post_logout_redirect_uri.as_deref()?;
        let hint = read_hint(realm, request.id_token_hint.as_deref()?)?;
        if request.client_id.as_deref().is_some_and(|client_id| client_id != hint.audience) {
            return None;
        }
        let client = realm.client_by_name(&hint.audience).filter(|client| client.enabled)?;
        let registered = &client.authorization.post_logout_redirect_uris;
        registered.iter().any(|known| known == address).then(|| address.to_owned())
    }

    /// The request as the browser carries it while its person is asked.
    pub fn carry_log_out(
        &self,
        realm: &RealmState,
        request: &LogOutRequest,
        mark: &str,
        moment: &Moment,
    ) -> String {
        let question = Question { asked_at: moment.now.as_unix_seconds(), request: request.clone() };
        let plain = serde_json::to_vec(&question).expect("strings and numbers always serialise");
        realm.secrets.seal_carried(&label(mark), &plain, &self.mint(moment))
    }

    /// The request that a browser carries.
    ///
    /// # Errors
    ///
    /// A refusal when it was made for another browser, altered, or is too old.
    pub fn open_log_out(
        &self,
        realm: &RealmState,
        carried: &str,
        mark: &str,
        moment: &Moment,
    ) -> Result<LogOutRequest, Refusal> {
        let opened = realm.secrets.open_carried(&label(mark), carried).ok_or(Refusal::FlowInvalid)?;
        let question: Question = serde_json::from_slice(&opened).map_err(|_| Refusal::FlowInvalid)?;
        let asked_at = Timestamp::from_unix_seconds(question.asked_at);
        if moment.now.seconds_since(asked_at) > QUESTION_SECONDS_MAX {
            return Err(Refusal::FlowExpired);
        }
        Ok(question.request)
    }
}

fn label(mark: &str) -> String {
    format!("log out of browser {}", base64url::encode(&sha256(mark.as_bytes())))
}

/// Reads an ID token of ours. It may have expired: its signature tells that it was ours (§2).
fn read_hint(realm: &RealmState, hint: &str) -> Option<Hint> {
    let compact = Compact::parse(hint).ok()?;
    let entry = realm.key_by_kid(compact.header().kid()?)?;
    if !entry.record.state.is_published() {
        return None;
    }
    let verified = compact.verify(entry.key.verifying_key()).ok()?;
    let claims = verified.claims().ok()?;
    let is_ours = claims.required_string("iss").is_ok_and(|issuer| issuer == realm.issuer);
    // An access token is no hint, though the same key may have signed it.
    let is_id_token = claims.string("client_id").ok()?.is_none();
    let [audience] = claims.audience().ok()??[..] else {
        return None;
    };
    let subject = claims.required_string("sub").ok()?.to_owned();
    (is_ours && is_id_token).then(|| Hint { subject, audience: audience.to_owned() })
}

/// The subject that an ID token of ours names.
pub(crate) fn subject_of_hint(realm: &RealmState, hint: &str) -> Option<String> {
    read_hint(realm, hint).map(|hint| hint.subject)
}
