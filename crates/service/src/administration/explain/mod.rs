//! Why a token is or is not active: for administrators, from the same functions that answer.
//!
//! The verdict comes from [`lydian_domain::introspect`], at one moment, under the lease. What is told beside it (the chain of
//! records behind the token, and what the log says about them) explains the verdict and decides nothing.

mod chain;
mod events;
mod unknown;

use std::sync::Arc;

use lydian_domain::introspect::{Inactive, Inspected};
use lydian_domain::secrets::SubjectKind;
use lydian_domain::{
    AccessToken, Audience, Client, RealmName, RefreshToken, TokenForm, TokenId, token_string,
};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::Timestamp;
use lydian_revocation::{Death, Seq, TokenCoordinates};
use lydian_storage::Parents;
use serde::{Deserialize, Serialize};

use super::AdministrationError;
use super::revoke::client_of;
use crate::directory::RealmState;
use crate::facts::Facts;
use crate::introspection::Found;
use crate::{Moment, Service};

/// Why a token is or is not active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether the caller's introspection says "active"; without a caller, whether the token is good.
    pub active: bool,
    /// A stable word for programs.
    pub reason: String,
    /// A sentence for people: why, and since when.
    pub explanation: String,
    /// The decision as it was made.
    pub decision: Decision,
    /// The token, if it is one of ours.
    pub token: Option<TokenFacts>,
    /// The records behind the token, from the realm down to the token itself.
    pub chain: Vec<ChainLink>,
    /// What the log says about the token and its records since it was minted, oldest first.
    pub events: Vec<EventLine>,
    /// Whether the log reaches back to the token's minting and was read to its end.
    pub events_complete: bool,
}

/// The decision as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub active: bool,
    /// The reason, by the name that the decision has for it.
    pub reason: String,
    /// For whom: `client default/orders-api`; nobody in particular when absent.
    pub caller: Option<String>,
    /// The scopes that the caller sees, of an active token.
    pub scope: Option<String>,
    /// The instant, in seconds since 1970.
    pub at: u64,
    /// The log position up to which this node had applied the log.
    pub position: u64,
}

/// What a token is, as its row or its claims say. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    /// `access token` or `refresh token`.
    pub kind: String,
    /// `opaque` or `jwt`.
    pub form: String,
    /// Its realm.
    pub realm: String,
    /// Its public identifier, as answers and JWTs show it.
    pub jti: String,
    /// The client that owns it.
    pub client_id: String,
    /// For whom it is: an API's audience, or the issuer; refresh tokens are for nobody but their client.
    pub audience: Option<String>,
    /// All its scopes.
    pub scope: String,
    /// The name of its user.
    pub username: Option<String>,
    /// The key that signed it.
    pub kid: Option<String>,
    /// The number of its grant, as `lydian revoke --grant` takes it.
    pub grant: String,
    /// When it was issued.
    pub issued_at: u64,
    /// When it expires.
    pub expires_at: u64,
    /// The log position that it carries: cuts after it kill it.
    pub minted_at: u64,
}

/// One record behind a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLink {
    /// `realm`, `client`, `api`, `key`, `user`, `session`, `grant` or `token`.
    pub kind: String,
    /// Its name, for people.
    pub name: String,
    /// How it stands: `enabled`, `retiring`, `missing`, ...
    pub state: String,
    /// The position of its last cut: what was minted before it is dead.
    pub cut_at: Option<u64>,
    /// Whether the token may stand on it.
    pub stands: bool,
}

/// One event of the log that concerns the token or a record behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// Its position in the log.
    pub position: u64,
    /// When it was written, in seconds since 1970.
    pub at: u64,
    /// What happened: `revoked`, `cut` or `changed`.
    pub what: String,
    /// To what: `client default/app`.
    pub subject: String,
    /// Whether it killed the token.
    pub kills: bool,
}

/// A token of ours with everything that an explanation looks at.
pub(super) struct Known {
    pub(super) realm: Arc<RealmState>,
    pub(super) found: Found,
    pub(super) parents: Parents,
}

impl Known {
    pub(super) fn inspected(&self) -> Option<Inspected<'_>> {
        match &self.found {
            Found::Access(facts) => Some(Inspected::Access(&facts.token)),
            Found::Refresh(stored) => Some(Inspected::Refresh(&stored.token)),
            Found::Unknown => None,
        }
    }

    pub(super) fn coordinates(&self) -> Option<TokenCoordinates> {
        Some(match self.inspected()? {
            Inspected::Access(token) => token.coordinates(),
            Inspected::Refresh(token) => token.coordinates(),
        })
    }
}

/// A verdict, and how it is told.
struct Verdict {
    decided: Result<Option<ScopeSet>, Inactive>,
    caller: Option<String>,
    /// What decides before any token is looked at.
    before: Option<(&'static str, String)>,
}

impl Service {
    /// Explains a token: for the caller with this `client_id` or for the API with this audience, or for nobody in particular.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause; a token that is none of ours is explained and is no error.
    pub async fn explain(
        &self,
        realm: Option<&RealmName>,
        token: &str,
        caller: Option<&str>,
    ) -> Result<Explanation, AdministrationError> {
        let moment = self.moment()?;
        let known = match self.find_token_of_any_realm(realm, token, &moment).await? {
            Some(found) => Some(found),
            None => self.find_under_retired_key(realm, token, moment.minted_at)?,
        };
        let Some((state, found)) = known else {
            return self.explain_unknown(realm, token, caller, &moment).await;
        };
        let parents = match &found {
            Found::Access(facts) => {
                let token = &facts.token;
                self.storage.load_parents(token.grant, token.session, token.user).await?
            }
            Found::Refresh(stored) => stored.parents.clone(),
            Found::Unknown => Parents::default(),
        };
        let known = Known { realm: state, found, parents };
        let verdict = self.decide(&known, caller, &moment).await?;
        let (events, events_complete) = self.events_of(&known).await?;
        let chain = self.chain_of(&known, &moment);
        let facts = self.facts_of(&known);
        let active = verdict.before.is_none() && verdict.decided.is_ok();
        let (reason, explanation) = tell(&verdict, facts.as_ref(), &chain);
        let decision = Decision {
            active,
            reason: verdict.decided.as_ref().map_or_else(Inactive::code, |_| "active").to_owned(),
            caller: verdict.caller,
            scope: verdict.decided.ok().flatten().filter(|_| active).map(|scope| scope.as_str().to_owned()),
            at: moment.now.as_unix_seconds(),
            position: moment.minted_at.as_number(),
        };
        Ok(Explanation {
            active,
            reason,
            explanation,
            decision,
            token: facts,
            chain,
            events,
            events_complete,
        })
    }

    /// The decision: the very one that the endpoint makes, for this caller or for nobody in particular.
    async fn decide(
        &self,
        known: &Known,
        caller: Option<&str>,
        moment: &Moment,
    ) -> Result<Verdict, AdministrationError> {
        let Known { realm, found, .. } = known;
        let disabled_realm = (!realm.realm.enabled).then(|| {
            let name = &realm.realm.name;
            ("realm_disabled", format!("The realm {name} is disabled: nobody is answered there."))
        });
        let Some(caller) = caller else {
            let decided = self.judge_found(realm, found, moment).await?.map(|()| None);
            return Ok(Verdict { decided, caller: None, before: disabled_realm });
        };
        let client = find_caller(realm, caller)?;
        let decided = self
            .introspect_found(realm, &client, found, moment, |answer| {
                answer.map(|active| Some(active.visible.scope.clone().into_owned()))
            })
            .await?;
        let name = format!("client {}/{}", realm.realm.name, client.client_id);
        let disabled_caller = (!client.enabled).then(|| {
            (
                "caller_disabled",
                format!("The caller, {name}, is disabled: it is refused before any token is looked at."),
            )
        });
        Ok(Verdict { decided, caller: Some(name), before: disabled_realm.or(disabled_caller) })
    }

    async fn explain_unknown(
        &self,
        realm: Option<&RealmName>,
        token: &str,
        caller: Option<&str>,
        moment: &Moment,
    ) -> Result<Explanation, AdministrationError> {
        let (reason, explanation) = self.why_unknown(realm, token, moment).await?;
        let caller = match caller {
            Some(caller) => {
                let state = self.realm_for_administrator(realm)?;
                let client = find_caller(&state, caller)?;
                Some(format!("client {}/{}", state.realm.name, client.client_id))
            }
            None => None,
        };
        Ok(Explanation {
            active: false,
            reason: reason.to_owned(),
            explanation,
            decision: Decision {
                active: false,
                reason: Inactive::Unknown.code().to_owned(),
                caller,
                scope: None,
                at: moment.now.as_unix_seconds(),
                position: moment.minted_at.as_number(),
            },
            token: None,
            chain: Vec::new(),
            events: Vec::new(),
            events_complete: true,
        })
    }

    /// A JWT under a key that is retired: no endpoint looks into it any more, and it can be explained all the same.
    fn find_under_retired_key(
        &self,
        realm: Option<&RealmName>,
        token: &str,
        read_at: Seq,
    ) -> Result<Option<(Arc<RealmState>, Found)>, AdministrationError> {
        for state in self.realms_for_administrator(realm)? {
            let Some(access) = unknown::token_under_retired_key(&state, token) else { continue };
            let api = match access.audience {
                Audience::Api(id) => state.api(id).map(|api| &**api),
                Audience::Issuer => None,
            };
            let facts = Facts {
                // It never enters the cache.
                key: self.node.facts().key_of(token),
                jti: state.secrets.token_handles().of_token(access.id),
                grant_handle: state.handles(api).of_subject(SubjectKind::Grant, access.grant.as_number()),
                token: access,
                user: None,
                read_at,
            };
            return Ok(Some((state, Found::Access(Arc::new(facts)))));
        }
        Ok(None)
    }

    fn facts_of(&self, known: &Known) -> Option<TokenFacts> {
        let realm = &known.realm;
        let jti = |id: TokenId| token_string::format_jti(realm.secrets.token_handles().of_token(id));
        let username = known.parents.user.as_ref().map(|user| user.username.clone());
        Some(match known.inspected()? {
            Inspected::Access(token) => access_facts(realm, token, jti(token.id), username),
            Inspected::Refresh(token) => refresh_facts(realm, token, jti(token.id), username),
        })
    }
}

fn access_facts(
    realm: &RealmState,
    token: &AccessToken,
    jti: String,
    username: Option<String>,
) -> TokenFacts {
    let audience = match token.audience {
        Audience::Api(id) => {
            realm.api(id).map_or_else(|| format!("API number {id}"), |state| state.api.audience.clone())
        }
        Audience::Issuer => realm.issuer.clone(),
    };
    let (form, kid) = match token.form {
        TokenForm::Jwt(key) => (
            "jwt",
            Some(realm.key(key).map_or_else(|| format!("number {key}"), |entry| entry.record.kid.clone())),
        ),
        TokenForm::Opaque => ("opaque", None),
    };
    TokenFacts {
        kind: "access token".to_owned(),
        form: form.to_owned(),
        realm: realm.realm.name.to_string(),
        jti,
        client_id: client_of(realm, token.client),
        audience: Some(audience),
        scope: token.scope.as_str().to_owned(),
        username,
        kid,
        grant: token.grant.to_string(),
        issued_at: token.issued_at.as_unix_seconds(),
        expires_at: token.expires_at.as_unix_seconds(),
        minted_at: token.minted_at.as_number(),
    }
}

fn refresh_facts(
    realm: &RealmState,
    token: &RefreshToken,
    jti: String,
    username: Option<String>,
) -> TokenFacts {
    TokenFacts {
        kind: "refresh token".to_owned(),
        form: "opaque".to_owned(),
        realm: realm.realm.name.to_string(),
        jti,
        client_id: client_of(realm, token.client),
        audience: None,
        scope: token.scope.as_str().to_owned(),
        username,
        kid: None,
        grant: token.grant.to_string(),
        issued_at: token.issued_at.as_unix_seconds(),
        expires_at: token.expires_at.as_unix_seconds(),
        minted_at: token.minted_at.as_number(),
    }
}

/// The caller by its `client_id`, or the client of the API with this audience.
fn find_caller(realm: &RealmState, name: &str) -> Result<Arc<Client>, AdministrationError> {
    if let Some(client) = realm.client_by_name(name) {
        return Ok(Arc::clone(client));
    }
    let realm_name = &realm.realm.name;
    let Some(api) = realm.api_by_audience(name) else {
        return Err(AdministrationError::NotFound(format!(
            "there is no client and no API {name} in the realm {realm_name}"
        )));
    };
    // Enabled clients first, then by name: which one is taken does not change from run to run.
    let clients = realm.clients().filter(|client| client.api == Some(api.api.id));
    let client = clients.min_by_key(|client| (!client.enabled, client.client_id.clone()));
    client.cloned().ok_or_else(|| {
        AdministrationError::NotFound(format!(
            "no client holds the credentials of the API {name}: it cannot ask"
        ))
    })
}

/// The word and the sentence for a verdict.
fn tell(verdict: &Verdict, facts: Option<&TokenFacts>, chain: &[ChainLink]) -> (String, String) {
    if let Some((reason, sentence)) = &verdict.before {
        return ((*reason).to_owned(), sentence.clone());
    }
    let client = facts.map_or("", |facts| &facts.client_id);
    let name_of = |kind: &str| {
        chain.iter().find(|link| link.kind == kind).map_or_else(|| kind.to_owned(), |link| link.name.clone())
    };
    let cut = |kind: &str, position: Seq| {
        let sentence = format!(
            "Everything minted before log position {position} for the {kind} {} is dead: a cut killed it.",
            name_of(kind),
            position = position.as_number()
        );
        (format!("cut_{kind}"), sentence)
    };
    let reason = match &verdict.decided {
        Ok(_) => return ("active".to_owned(), active_sentence(verdict, facts)),
        Err(reason) => *reason,
    };
    let sentence = match reason {
        Inactive::Dead(Death::Cut(kind, position)) => return cut(kind.name(), position),
        Inactive::MarkedDead(position) => {
            let by = chain.iter().find(|link| !link.stands && link.cut_at == Some(position.as_number()));
            return match by {
                Some(link) if link.kind != "token" => cut(&link.kind, position),
                _ => ("revoked".to_owned(), revoked_sentence(position)),
            };
        }
        Inactive::Dead(Death::Revoked(position)) => revoked_sentence(position),
        Inactive::ApiGone => format!("Its API {} is disabled or was deleted.", name_of("api")),
        Inactive::ClientGone => format!("The client {client} that owns it is disabled or was deleted."),
        Inactive::Expired => {
            let end = facts.map_or(Timestamp::from_unix_seconds(0), |facts| {
                Timestamp::from_unix_seconds(facts.expires_at)
            });
            format!("It expired at {}.", super::instant(end))
        }
        Inactive::KeyGone => format!("The key {} that signed it is retired.", name_of("key")),
        Inactive::NotForCaller => format!(
            "It is good, but not for {}: the caller is not its audience, does not own it, and may not see every token.",
            verdict.caller.as_deref().unwrap_or("this caller")
        ),
        Inactive::NotYetValid => {
            "It begins to be good later: the clock of who issued it is ahead.".to_owned()
        }
        Inactive::ParentMissing => {
            let missing =
                chain.iter().find(|link| link.state == "missing").map_or("record", |link| &link.kind);
            format!("The {missing} that it depends on is gone.")
        }
        Inactive::RefreshTokenReplaced => {
            "It was used: a newer refresh token has taken its place, or its grant has none.".to_owned()
        }
        Inactive::RefreshTokenIdle => {
            "It was not used for longer than the idle lifetime of refresh tokens.".to_owned()
        }
        Inactive::SessionOver => "The session in which it was granted has ended.".to_owned(),
        Inactive::Unknown => "No token of ours has this string.".to_owned(),
        Inactive::UserDisabled => format!("Its user {} is disabled.", name_of("user")),
    };
    (reason.code().to_owned(), sentence)
}

fn revoked_sentence(position: Seq) -> String {
    format!("It was revoked at log position {}.", position.as_number())
}

fn active_sentence(verdict: &Verdict, facts: Option<&TokenFacts>) -> String {
    let end = facts.map_or(String::new(), |facts| {
        format!(" until {}", super::instant(Timestamp::from_unix_seconds(facts.expires_at)))
    });
    match (&verdict.caller, &verdict.decided) {
        (Some(caller), Ok(Some(scope))) => {
            format!("It is good{end}, and {caller} sees it with the scopes \"{}\".", scope.as_str())
        }
        _ => format!("It is good{end}, for callers who may see it."),
    }
}
