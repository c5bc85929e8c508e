//! Realms, APIs, clients and users, one at a time: list, show, add, enable, disable, and secrets.

use lydian_domain::{Api, Client, ClientSecretHash, RealmName, TokenFormat};
use lydian_oauth_types::ClientAuthMethod;
use lydian_primitives::{Mint, Secret};
use lydian_revocation::RecordKind;
use lydian_storage::{Change, Precondition, Write};
use serde::{Deserialize, Serialize};

use super::AdministrationError;
use super::factors::ListedFactors;
use crate::Service;
use crate::apply::{ApiEntry, ApplyDocumentError, ClientEntry, Document, Outcome, RealmEntry, UserEntry};
use crate::directory::RealmState;

/// The kinds of records that administrators handle one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A resource server, by its audience.
    Api,
    /// A client, by its `client_id`.
    Client,
    /// A tenant, by its name.
    Realm,
    /// A person, by the name with which it signs in.
    User,
}

impl Kind {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Client => "client",
            Self::Realm => "realm",
            Self::User => "user",
        }
    }
}

/// Which record. A realm lies in no realm: its own name is `name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordName {
    /// What kind of record.
    pub kind: Kind,
    /// The realm in which it lies; the default realm when absent.
    pub realm: Option<RealmName>,
    /// Its name: an audience, a `client_id`, the name of a realm, or a user name.
    pub name: String,
}

impl RecordName {
    pub(super) fn realm_name(&self) -> RealmName {
        self.realm.clone().unwrap_or_else(RealmName::default_realm)
    }
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedRecord {
    /// The realm in which it lies.
    pub realm: String,
    /// Its name on the wire.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// What it is, in a few words.
    pub about: String,
}

/// A record, whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShownRecord {
    /// A document with this one entry: applied again, it changes nothing.
    pub document: Document,
    /// The version of the record: grows with each change.
    pub version: u64,
    /// The log position of its last cut: what was minted before it is dead. APIs have none.
    pub cut_at: Option<u64>,
    /// How many secrets are good, for a client.
    pub secrets: Option<usize>,
    /// The issuer identifier, for a realm.
    pub issuer: Option<String>,
    /// The second factors, for a user.
    #[serde(default)]
    pub factors: Option<ListedFactors>,
}

/// A secret that was made. It is shown here, once.
#[derive(Debug)]
pub struct RotatedSecret {
    /// The realm of the client.
    pub realm: RealmName,
    /// The client.
    pub client_id: String,
    /// The new secret.
    pub secret: Secret,
    /// How many secrets are good now, this one included.
    pub good: usize,
}

impl Service {
    /// All records of a kind, in order of their names; of one realm, or of all when none is named.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::NotFound`] for a realm that is not there.
    pub async fn list_records(
        &self,
        kind: Kind,
        realm: Option<&RealmName>,
    ) -> Result<Vec<ListedRecord>, AdministrationError> {
        let mut list = Vec::new();
        for state in self.realms_for_administrator(realm)? {
            let first = list.len();
            match kind {
                Kind::Api => list.extend(state.apis().map(|api| listed_api(&state, &api.api))),
                Kind::Client => list.extend(state.clients().map(|client| listed_client(&state, client))),
                Kind::Realm => list.push(listed_realm(&state)),
                Kind::User => list.extend(self.list_users_of(&state).await?),
            }
            list[first..].sort_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(list)
    }

    /// A record, whole.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::NotFound`].
    pub async fn show_record(&self, name: &RecordName) -> Result<ShownRecord, AdministrationError> {
        let mut document = Document::default();
        let shown = |document, version, cut_at| ShownRecord {
            document,
            version,
            cut_at,
            secrets: None,
            issuer: None,
            factors: None,
        };
        match name.kind {
            Kind::User => {
                let (state, user) = self.find_user_for_administrator(name).await?;
                document.users.push(UserEntry::of(&state.realm.name, &user));
                let factors = Some(self.list_factors(name).await?);
                Ok(ShownRecord { factors, ..shown(document, user.version, Some(user.cut_at.as_number())) })
            }
            Kind::Realm => {
                let state = self.realm_named(&name.name)?;
                let realm = &state.realm;
                document.realms.push(RealmEntry::of(realm));
                let issuer = Some(state.issuer.clone());
                Ok(ShownRecord { issuer, ..shown(document, realm.version, Some(realm.cut_at.as_number())) })
            }
            Kind::Api => {
                let state = self.realm_for_administrator(name.realm.as_ref())?;
                let api = find_api(&state, &name.name)?;
                document.apis.push(ApiEntry::of(&state.realm.name, &api));
                Ok(shown(document, api.version, None))
            }
            Kind::Client => {
                let state = self.realm_for_administrator(name.realm.as_ref())?;
                let client = find_client(&state, &name.name)?;
                document.clients.push(ClientEntry::of(&state, &client));
                let secrets = Some(client.secrets.len());
                Ok(ShownRecord {
                    secrets,
                    ..shown(document, client.version, Some(client.cut_at.as_number()))
                })
            }
        }
    }

    /// Makes the one record of this document, which must not be there yet.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::Conflict`] when it is there; [`AdministrationError::Invalid`] for what cannot be.
    pub async fn add_record(&self, document: &Document) -> Result<Outcome, AdministrationError> {
        let names: Vec<RecordName> = names_of(document);
        let [name] = names.as_slice() else {
            return Err(AdministrationError::Invalid(
                "one record is added at a time; lydian apply takes many".to_owned(),
            ));
        };
        match self.show_record(name).await {
            Ok(_) => Err(AdministrationError::Conflict(format!(
                "there is a {} {} already; lydian apply changes what is there",
                name.kind.name(),
                name.name
            ))),
            // A realm that is missing is told by the plan, with what to do.
            Err(AdministrationError::NotFound(_)) => Ok(self.apply_document(document, false).await?),
            Err(error) => Err(error),
        }
    }

    /// Enables or disables a record. Disabling cuts: what was minted so far is dead for good; enabling admits new tokens only.
    /// (An API has no cut: its tokens are inactive while it is disabled.)
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn set_enabled(
        &self,
        name: &RecordName,
        enabled: bool,
    ) -> Result<Outcome, AdministrationError> {
        self.show_record(name).await?;
        let mut document = Document::default();
        let enabled = Some(enabled);
        match name.kind {
            Kind::Realm => {
                let realm = self.realm_named(&name.name)?.realm.name.clone();
                document.realms.push(RealmEntry { enabled, ..RealmEntry::named(realm) });
            }
            Kind::User => {
                document.users.push(UserEntry { enabled, ..UserEntry::named(name.realm_name(), &name.name) });
            }
            Kind::Api => {
                document.apis.push(ApiEntry { enabled, ..ApiEntry::named(name.realm_name(), &name.name) });
            }
            Kind::Client => {
                document
                    .clients
                    .push(ClientEntry { enabled, ..ClientEntry::named(name.realm_name(), &name.name) });
            }
        }
        Ok(self.apply_document(&document, false).await?)
    }

    /// Makes a new secret for a client, or for the client that holds an API's credentials. The secret before it stays good beside
    /// it, until the next rotation or at once when `replace` says so.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn rotate_secret(
        &self,
        name: &RecordName,
        replace: bool,
    ) -> Result<RotatedSecret, AdministrationError> {
        let state = self.realm_for_administrator(name.realm.as_ref())?;
        let mut client = match name.kind {
            Kind::Realm => {
                return Err(AdministrationError::Invalid(
                    "a realm has no secret; lydian keys rotate replaces its keys".to_owned(),
                ));
            }
            Kind::User => {
                return Err(AdministrationError::Invalid(
                    "a user has a password: lydian user set-password replaces it".to_owned(),
                ));
            }
            Kind::Client => find_client(&state, &name.name)?,
            Kind::Api => {
                let api = find_api(&state, &name.name)?;
                let mut holders: Vec<&str> = state
                    .clients()
                    .filter(|client| client.api == Some(api.id))
                    .map(|client| client.client_id.as_str())
                    .collect();
                holders.sort_unstable();
                match holders.as_slice() {
                    [one] => find_client(&state, one)?,
                    [] => {
                        return Err(AdministrationError::Conflict(format!(
                            "no client holds the credentials of the API {}: add one with its api",
                            name.name
                        )));
                    }
                    many => {
                        return Err(AdministrationError::Conflict(format!(
                            "several clients hold the credentials of this API: name one of {}",
                            many.join(", ")
                        )));
                    }
                }
            }
        };
        let uses_secrets = |method: &ClientAuthMethod| {
            matches!(method, ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost)
        };
        if !client.auth_methods.iter().any(uses_secrets) {
            return Err(AdministrationError::Conflict(format!(
                "the client {} authenticates without a secret: replace its jwks with lydian apply",
                client.client_id
            )));
        }
        let now = self.node().clock().now();
        let mint = Mint::new(now, self.node().entropy());
        let secret = mint.client_secret();
        let before = RecordUnchanged::of(&client);
        client.secrets.insert(0, ClientSecretHash::of(&secret, &mint));
        client.secrets.truncate(if replace { 1 } else { 2 });
        client.version += 1;
        let good = client.secrets.len();
        let client_id = client.client_id.clone();
        let writes = vec![Write::PutClient(client)];
        self.storage.apply(Change { preconditions: vec![before.0], writes, at: now }).await?;
        Ok(RotatedSecret { realm: state.realm.name.clone(), client_id, secret, good })
    }

    /// The realm of this name, enabled or not.
    pub(crate) fn realm_named(&self, name: &str) -> Result<std::sync::Arc<RealmState>, AdministrationError> {
        let parsed = RealmName::parse(name);
        let not_found = || AdministrationError::NotFound(format!("there is no realm {name}"));
        self.realm_for_administrator(Some(&parsed.ok_or_else(not_found)?))
    }
}

/// The condition that a client is as it was read.
struct RecordUnchanged(Precondition);

impl RecordUnchanged {
    fn of(client: &Client) -> Self {
        let (id, version) = (client.id.as_number(), client.version);
        Self(Precondition::RecordUnchanged { kind: RecordKind::Client, id, version })
    }
}

pub(super) fn find_api(realm: &RealmState, audience: &str) -> Result<Api, AdministrationError> {
    let found = realm.api_by_audience(audience).map(|state| state.api.clone());
    found.ok_or_else(|| {
        AdministrationError::NotFound(format!("there is no API {audience} in the realm {}", realm.realm.name))
    })
}

pub(super) fn find_client(realm: &RealmState, client_id: &str) -> Result<Client, AdministrationError> {
    let found = realm.client_by_name(client_id).map(|client| Client::clone(client));
    found.ok_or_else(|| {
        AdministrationError::NotFound(format!(
            "there is no client {client_id} in the realm {}",
            realm.realm.name
        ))
    })
}

fn names_of(document: &Document) -> Vec<RecordName> {
    let realms = document.realms.iter().map(|entry| RecordName {
        kind: Kind::Realm,
        realm: None,
        name: entry.name.to_string(),
    });
    let apis = document.apis.iter().map(|entry| RecordName {
        kind: Kind::Api,
        realm: Some(entry.realm.clone()),
        name: entry.audience.clone(),
    });
    let clients = document.clients.iter().map(|entry| RecordName {
        kind: Kind::Client,
        realm: Some(entry.realm.clone()),
        name: entry.client_id.clone(),
    });
    let users = document.users.iter().map(|entry| RecordName {
        kind: Kind::User,
        realm: Some(entry.realm.clone()),
        name: entry.username.clone(),
    });
    realms.chain(apis).chain(clients).chain(users).collect()
}

fn listed_realm(state: &RealmState) -> ListedRecord {
    let realm = &state.realm;
    ListedRecord {
        realm: realm.name.to_string(),
        name: realm.name.to_string(),
        title: state.issuer.clone(),
        enabled: realm.enabled,
        about: format!("{} APIs, {} clients", state.apis().count(), state.clients().count()),
    }
}

fn listed_api(state: &RealmState, api: &Api) -> ListedRecord {
    let format = match &api.token_format {
        TokenFormat::Jwt { algorithm, record: true, .. } => format!("jwt {}", algorithm.0.name()),
        TokenFormat::Jwt { algorithm, record: false, .. } => {
            format!("jwt {} without records", algorithm.0.name())
        }
        TokenFormat::Opaque => "opaque".to_owned(),
    };
    ListedRecord {
        realm: state.realm.name.to_string(),
        name: api.audience.clone(),
        title: api.name.clone(),
        enabled: api.enabled,
        about: format!(
            "{format}; scopes {}",
            if api.scopes.is_empty() { "none" } else { api.scopes.as_str() }
        ),
    }
}

fn listed_client(state: &RealmState, client: &Client) -> ListedRecord {
    let methods: Vec<&str> = client.auth_methods.iter().map(|method| method.as_str()).collect();
    let mut about = methods.join(" ");
    for grant in &client.grant_types {
        about.push_str(", ");
        about.push_str(grant.as_str());
    }
    if let Some(api) = client.api.and_then(|id| state.api(id)) {
        about.push_str(&format!(", credentials of {}", api.api.audience));
    }
    if client.introspect_any {
        about.push_str(", sees every token");
    }
    ListedRecord {
        realm: state.realm.name.to_string(),
        name: client.client_id.clone(),
        title: client.name.clone(),
        enabled: client.enabled,
        about,
    }
}

impl From<ApplyDocumentError> for AdministrationError {
    fn from(error: ApplyDocumentError) -> Self {
        match error {
            ApplyDocumentError::Invalid(faults) => Self::Invalid(faults.join("\n")),
            ApplyDocumentError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}
