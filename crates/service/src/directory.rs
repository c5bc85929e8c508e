//! Realms, APIs, clients and keys, whole and in memory, as one immutable value that is swapped when a record changes.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use lydian_domain::audience::Apis;
use lydian_domain::authentication::Acr;
use lydian_domain::introspect::HORIZON;
use lydian_domain::secrets::{HandleCipher, RealmSecrets, RootKeys, WrappingKey};
use lydian_domain::{
    Api, ApiId, Client, ClientId, KeyId, KeyState, Realm, RealmId, RealmName, SigningKeyRecord, TokenFormat,
};
use lydian_jose::{Algorithm, JwkSet, SigningKey};
use lydian_oauth_types::metadata::{FeedMetadata, ServerMetadata};
use lydian_oauth_types::{ClientAuthMethod, GrantType, ResourceIndicator, ScopeSet, words};
use lydian_revocation::{CutKind, LeaseTerms, RecordKind, name_key};
use lydian_storage::Record;

use crate::install::key_label;

/// What is needed to make the directory from records.
pub struct DirectoryEnvironment {
    /// The issuer identifier of the default realm.
    pub issuer: String,
    /// Opens the private keys.
    pub wrapping_key: WrappingKey,
    /// From which the secrets of realms are derived.
    pub root_keys: RootKeys,
}

/// All realms.
#[derive(Clone, Default)]
pub struct Directory {
    by_id: HashMap<RealmId, Arc<RealmState>>,
    by_name: HashMap<String, RealmId>,
    default_realm: Option<Arc<RealmState>>,
}

/// A realm with everything in it.
pub struct RealmState {
    /// The record.
    pub realm: Realm,
    /// Its issuer identifier.
    pub issuer: String,
    /// The address of its token endpoint.
    pub token_endpoint: String,
    /// What is derived for it.
    pub secrets: Arc<RealmSecrets>,
    /// The cipher behind the handles in tokens for the issuer itself.
    pub issuer_handles: HandleCipher,
    /// Its published keys as a JWK Set document.
    pub jwks_document: Arc<str>,
    /// Its metadata document (RFC 8414).
    pub metadata_document: Arc<str>,
    /// What says where its revocation feed is.
    pub feed_document: Arc<str>,
    /// The web origins of its applications: scripts of theirs may read what concerns them (S30).
    pub application_origins: HashSet<String>,
    apis: HashMap<ApiId, Arc<ApiState>>,
    apis_by_resource: HashMap<ResourceIndicator, ApiId>,
    clients: HashMap<ClientId, Arc<Client>>,
    clients_by_name: HashMap<String, Arc<Client>>,
    client_keys: HashMap<ClientId, Arc<JwkSet>>,
    keys: HashMap<KeyId, Arc<KeyEntry>>,
    keys_by_kid: HashMap<String, KeyId>,
}

/// An API with what is derived for it.
pub struct ApiState {
    /// The record.
    pub api: Api,
    /// The cipher behind the handles that it sees.
    pub handles: HandleCipher,
}

/// A signing key, opened.
pub struct KeyEntry {
    /// The record.
    pub record: SigningKeyRecord,
    /// The key pair.
    pub key: SigningKey,
}

impl Directory {
    /// The directory of these records.
    pub fn build(environment: &DirectoryEnvironment, records: Vec<Record>) -> Self {
        Self::default().with_records(environment, records)
    }

    /// This directory with these records put in or replaced.
    #[must_use]
    pub fn with_records(&self, environment: &DirectoryEnvironment, records: Vec<Record>) -> Self {
        let mut drafts: HashMap<RealmId, Draft> = HashMap::new();
        let mut removed_realms = Vec::new();
        for record in records {
            let realm = match &record {
                Record::Removed { kind: RecordKind::Realm, id } => {
                    removed_realms.push(RealmId::from_number(*id));
                    continue;
                }
                Record::Removed { kind, id } => match self.realm_of(*kind, *id) {
                    Some(realm) => realm,
                    // It was never published here, or its realm went before it.
                    None => continue,
                },
                Record::Api(api) => api.realm,
                Record::Client(client) => client.realm,
                Record::Key(key) => key.realm,
                Record::Realm(realm) => realm.id,
            };
            let draft = drafts.entry(realm).or_insert_with(|| Draft::of(self.by_id.get(&realm)));
            draft.put(record, environment, realm);
        }
        let mut directory = self.clone();
        for draft in drafts.into_values() {
            let Some(state) = draft.finish(environment) else {
                // Records of a realm arrive after the realm; without it nobody could reach them.
                continue;
            };
            directory.put(Arc::new(state));
        }
        removed_realms.into_iter().for_each(|realm| directory.remove(realm));
        directory
    }

    /// The realm to which a record belongs.
    fn realm_of(&self, kind: RecordKind, id: u64) -> Option<RealmId> {
        let holds = |state: &&Arc<RealmState>| match kind {
            RecordKind::Api => state.apis.contains_key(&ApiId::from_number(id)),
            RecordKind::Client => state.clients.contains_key(&ClientId::from_number(id)),
            RecordKind::Key => state.keys.contains_key(&KeyId::from_number(id)),
            RecordKind::Realm => state.realm.id == RealmId::from_number(id),
        };
        self.by_id.values().find(holds).map(|state| state.realm.id)
    }

    /// The key under which validators know a client or signing key.
    pub fn name_key(&self, kind: CutKind, subject: u64) -> Option<u128> {
        let name = |state: &Arc<RealmState>| match kind {
            CutKind::Client => {
                state.clients.get(&ClientId::from_number(subject)).map(|client| name_key(&client.client_id))
            }
            CutKind::Key => {
                state.keys.get(&KeyId::from_number(subject)).map(|entry| name_key(&entry.record.kid))
            }
            CutKind::Grant | CutKind::Realm | CutKind::Session | CutKind::User => None,
        };
        self.by_id.values().find_map(name)
    }

    fn remove(&mut self, realm: RealmId) {
        if let Some(state) = self.by_id.remove(&realm) {
            self.by_name.remove(state.realm.name.as_str());
            self.default_realm = self.default_realm.take().filter(|default| default.realm.id != realm);
        }
    }

    /// The realm at `/oauth2/...`, while it is enabled.
    pub fn default_realm(&self) -> Option<&Arc<RealmState>> {
        self.default_realm.as_ref().filter(|state| state.realm.enabled)
    }

    /// The realm of this name, while it is enabled.
    pub fn find(&self, name: &str) -> Option<&Arc<RealmState>> {
        self.find_any(name).filter(|state| state.realm.enabled)
    }

    /// The realm of this id, whether it is enabled or not.
    pub fn find_by_id(&self, id: RealmId) -> Option<&Arc<RealmState>> {
        self.by_id.get(&id)
    }

    /// The realm of this name, enabled or not.
    pub fn find_any(&self, name: &str) -> Option<&Arc<RealmState>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// All realms, in order of their names.
    pub fn realms(&self) -> Vec<&Arc<RealmState>> {
        let mut realms: Vec<_> = self.by_id.values().collect();
        realms.sort_by(|one, other| one.realm.name.cmp(&other.realm.name));
        realms
    }

    fn put(&mut self, state: Arc<RealmState>) {
        if state.realm.name.is_default() {
            self.default_realm = Some(Arc::clone(&state));
        }
        self.by_name.insert(state.realm.name.as_str().to_owned(), state.realm.id);
        self.by_id.insert(state.realm.id, state);
    }
}

impl RealmState {
    /// Whether people need a second factor for this client.
    pub fn demands_second_factor(&self, client: &Client) -> bool {
        self.realm.sign_in.require_second_factor || client.authorization.require_second_factor
    }

    /// The client of this name on the wire.
    pub fn client_by_name(&self, client_id: &str) -> Option<&Arc<Client>> {
        self.clients_by_name.get(client_id)
    }

    /// The client of this id.
    pub fn client(&self, id: ClientId) -> Option<&Arc<Client>> {
        self.clients.get(&id)
    }

    /// All clients, in no order.
    pub fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }

    /// The keys of a client, for `private_key_jwt`.
    pub fn client_keys(&self, id: ClientId) -> Option<&Arc<JwkSet>> {
        self.client_keys.get(&id)
    }

    /// The API of this id, enabled or not.
    pub fn api(&self, id: ApiId) -> Option<&Arc<ApiState>> {
        self.apis.get(&id)
    }

    /// The API of this audience, enabled or not.
    pub fn api_by_audience(&self, audience: &str) -> Option<&Arc<ApiState>> {
        let id = self.apis_by_resource.get(&ResourceIndicator::parse(audience)?)?;
        self.apis.get(id).filter(|state| state.api.audience == audience)
    }

    /// The API that a resource indicator means, enabled or not.
    pub fn api_by_resource(&self, resource: &ResourceIndicator) -> Option<&Arc<ApiState>> {
        self.apis.get(self.apis_by_resource.get(resource)?)
    }

    /// All APIs, in no order.
    pub fn apis(&self) -> impl Iterator<Item = &Arc<ApiState>> {
        self.apis.values()
    }

    /// The key of this id, in whatever state.
    pub fn key(&self, id: KeyId) -> Option<&Arc<KeyEntry>> {
        self.keys.get(&id)
    }

    /// The key of this `kid`, in whatever state.
    pub fn key_by_kid(&self, kid: &str) -> Option<&Arc<KeyEntry>> {
        self.keys.get(self.keys_by_kid.get(kid)?)
    }

    /// All keys, in whatever state, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<KeyEntry>> {
        self.keys.values()
    }

    /// Whether an API or the realm itself wants tokens of this algorithm.
    pub fn needs_key(&self, algorithm: Algorithm) -> bool {
        self.realm.signing_algorithm.0 == algorithm
            || self.apis.values().any(|state| {
                matches!(&state.api.token_format, TokenFormat::Jwt { algorithm: wanted, .. } if wanted.0 == algorithm)
            })
            || self.clients.values().any(|client| id_token_algorithm(client) == Some(algorithm))
    }

    /// The key that signs with this algorithm now: the newest active one.
    pub fn active_key(&self, algorithm: Algorithm) -> Option<&Arc<KeyEntry>> {
        self.keys
            .values()
            .filter(|entry| entry.record.algorithm == algorithm && entry.record.state == KeyState::Active)
            .max_by_key(|entry| (entry.record.created_at, entry.record.id))
    }

    /// The cipher behind the handles that an audience sees.
    pub fn handles(&self, api: Option<&ApiState>) -> HandleCipher {
        api.map_or_else(|| self.issuer_handles.clone(), |state| state.handles.clone())
    }

    /// The scopes that the issuer itself defines.
    pub fn issuer_scopes() -> ScopeSet {
        [words::INTROSPECT_SCOPE, words::INTROSPECT_SCOPE_OF_MIGRANTS]
            .into_iter()
            .chain(words::IDENTITY_SCOPES)
            .collect()
    }
}

/// The web origins of an application: those of its redirect addresses. An address of another program than a browser page has none.
fn origins_of(client: &Client) -> Vec<String> {
    let addresses = client.authorization.redirect_uris.iter().filter(|_| client.enabled);
    let origin = |address: &String| match url::Url::parse(address).ok()?.origin() {
        origin @ url::Origin::Tuple(..) => Some(origin.ascii_serialization()),
        url::Origin::Opaque(_) => None,
    };
    addresses.filter_map(origin).collect()
}

/// The algorithm of a client's ID tokens; `None` for a client that gets none.
pub(crate) fn id_token_algorithm(client: &Client) -> Option<Algorithm> {
    let gets_some =
        client.grant_types.contains(&GrantType::AuthorizationCode) && client.issuer_scopes.contains("openid");
    gets_some.then_some(client.authorization.id_token_algorithm.0)
}

impl Apis for RealmState {
    fn by_id(&self, id: ApiId) -> Option<&Api> {
        self.apis.get(&id).map(|state| &state.api).filter(|api| api.enabled)
    }

    fn by_resource(&self, resource: &ResourceIndicator) -> Option<&Api> {
        self.api_by_resource(resource).map(|state| &state.api).filter(|api| api.enabled)
    }
}

/// A realm under construction. Its maps are copied: what they hold is shared.
struct Draft {
    realm: Option<Realm>,
    secrets: Option<Arc<RealmSecrets>>,
    apis: HashMap<ApiId, Arc<ApiState>>,
    clients: HashMap<ClientId, Arc<Client>>,
    clients_by_name: HashMap<String, Arc<Client>>,
    client_keys: HashMap<ClientId, Arc<JwkSet>>,
    keys: HashMap<KeyId, Arc<KeyEntry>>,
}

impl Draft {
    fn of(state: Option<&Arc<RealmState>>) -> Self {
        match state {
            Some(state) => Self {
                realm: Some(state.realm.clone()),
                secrets: Some(Arc::clone(&state.secrets)),
                apis: state.apis.clone(),
                clients: state.clients.clone(),
                clients_by_name: state.clients_by_name.clone(),
                client_keys: state.client_keys.clone(),
                keys: state.keys.clone(),
            },
            None => Self {
                realm: None,
                secrets: None,
                apis: HashMap::new(),
                clients: HashMap::new(),
                clients_by_name: HashMap::new(),
                client_keys: HashMap::new(),
                keys: HashMap::new(),
            },
        }
    }

    fn put(&mut self, record: Record, environment: &DirectoryEnvironment, realm: RealmId) {
        match record {
            Record::Api(api) => {
                let secrets = self.secrets(environment, realm);
                let handles = secrets.subject_handles(Some(api.id));
                self.apis.insert(api.id, Arc::new(ApiState { api, handles }));
            }
            Record::Client(client) => self.put_client(client),
            Record::Key(record) => self.put_key(record, environment),
            Record::Realm(realm) => self.realm = Some(realm),
            Record::Removed { kind: RecordKind::Api, id } => drop(self.apis.remove(&ApiId::from_number(id))),
            Record::Removed { kind: RecordKind::Client, id } => self.remove_client(ClientId::from_number(id)),
            Record::Removed { kind: RecordKind::Key, id } => drop(self.keys.remove(&KeyId::from_number(id))),
            // The whole realm goes at once, and no draft of it is made.
            Record::Removed { kind: RecordKind::Realm, .. } => {}
        }
    }

    fn remove_client(&mut self, id: ClientId) {
        self.client_keys.remove(&id);
        if let Some(client) = self.clients.remove(&id) {
            self.clients_by_name.remove(&client.client_id);
        }
    }

    fn put_client(&mut self, client: Client) {
        self.client_keys.remove(&client.id);
        if let Some(document) = &client.jwks {
            match JwkSet::parse(document.as_bytes()) {
                Ok(reading) => {
                    self.client_keys.insert(client.id, Arc::new(reading.keys));
                }
                Err(error) => {
                    tracing::warn!(client = %client.id, %error, "the keys of a client cannot be used")
                }
            }
        }
        let client = Arc::new(client);
        self.clients_by_name.insert(client.client_id.clone(), Arc::clone(&client));
        self.clients.insert(client.id, client);
    }

    fn put_key(&mut self, record: SigningKeyRecord, environment: &DirectoryEnvironment) {
        let label = key_label(record.realm, &record.kid);
        let opened = environment
            .wrapping_key
            .unwrap(&label, &record.wrapped_private_key)
            .map_err(|error| error.to_string())
            .and_then(|der| {
                SigningKey::from_pkcs8(record.algorithm, &der).map_err(|error| error.to_string())
            });
        match opened {
            Ok(key) => {
                self.keys.insert(record.id, Arc::new(KeyEntry { record, key }));
            }
            Err(error) => tracing::error!(kid = record.kid, error, "a signing key cannot be opened"),
        }
    }

    fn secrets(&mut self, environment: &DirectoryEnvironment, realm: RealmId) -> &Arc<RealmSecrets> {
        self.secrets.get_or_insert_with(|| Arc::new(RealmSecrets::derive(&environment.root_keys, realm)))
    }

    fn finish(mut self, environment: &DirectoryEnvironment) -> Option<RealmState> {
        let realm = self.realm.take()?;
        let secrets = Arc::clone(self.secrets(environment, realm.id));
        let places = Places::of(&environment.issuer, &realm.name);
        let metadata = metadata(&places, &self.apis);
        let mut published: Vec<&Arc<KeyEntry>> =
            self.keys.values().filter(|entry| entry.record.state.is_published()).collect();
        published.sort_by_key(|entry| (entry.record.created_at, entry.record.id));
        let jwks: Vec<String> =
            published.iter().map(|entry| entry.key.verifying_key().to_jwk_json()).collect();
        Some(RealmState {
            issuer_handles: secrets.subject_handles(None),
            jwks_document: format!("{{\"keys\":[{}]}}", jwks.join(",")).into(),
            metadata_document: serde_json::to_string(&metadata).expect("strings always serialise").into(),
            feed_document: serde_json::to_string(&feed_metadata(&places))
                .expect("strings always serialise")
                .into(),
            application_origins: self.clients.values().flat_map(|client| origins_of(client)).collect(),
            issuer: places.issuer,
            token_endpoint: places.token_endpoint,
            apis_by_resource: self
                .apis
                .values()
                .filter_map(|state| Some((ResourceIndicator::parse(&state.api.audience)?, state.api.id)))
                .collect(),
            keys_by_kid: self
                .keys
                .values()
                .map(|entry| (entry.record.kid.clone(), entry.record.id))
                .collect(),
            secrets,
            realm,
            apis: self.apis,
            clients: self.clients,
            clients_by_name: self.clients_by_name,
            client_keys: self.client_keys,
            keys: self.keys,
        })
    }
}

/// The addresses of a realm's endpoints.
struct Places {
    issuer: String,
    token_endpoint: String,
    base: String,
}

impl Places {
    fn of(default_issuer: &str, realm: &RealmName) -> Self {
        let base = default_issuer.trim_end_matches('/');
        let (issuer, base) = if realm.is_default() {
            (default_issuer.to_owned(), base.to_owned())
        } else {
            let base = format!("{base}/t/{realm}");
            (base.clone(), base)
        };
        Self { issuer, token_endpoint: format!("{base}/oauth2/token"), base }
    }
}

fn with_public_clients(mut methods: Vec<String>) -> Vec<String> {
    methods.push(ClientAuthMethod::None.as_str().to_owned());
    methods
}

/// The claims of ID tokens and of UserInfo answers.
fn claims_supported() -> Vec<String> {
    const OF_THE_TOKEN: [&str; 10] =
        ["acr", "amr", "at_hash", "aud", "auth_time", "azp", "exp", "iat", "iss", "sub"];
    let mut claims: Vec<String> = OF_THE_TOKEN.into_iter().map(str::to_owned).collect();
    claims.extend(["nonce", "sid"].map(str::to_owned));
    claims.extend(lydian_domain::claims::supported().map(str::to_owned));
    claims.sort_unstable();
    claims
}

fn feed_metadata(places: &Places) -> FeedMetadata {
    let place = |name: &str| format!("{}/oauth2/revocations/{name}", places.base);
    let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    FeedMetadata {
        issuer: places.issuer.clone(),
        snapshot_endpoint: place("snapshot"),
        stream_endpoint: place("stream"),
        lease_endpoint: place("lease"),
        propagation_endpoint: place("propagation"),
        lease_ms: milliseconds(LeaseTerms::VALIDATORS.length),
        margin_ms: milliseconds(LeaseTerms::VALIDATORS.margin),
        horizon_seconds: HORIZON.as_secs(),
    }
}

fn metadata(places: &Places, apis: &HashMap<ApiId, Arc<ApiState>>) -> ServerMetadata {
    let methods = || -> Vec<String> {
        ClientAuthMethod::OFFERED.iter().map(|method| method.as_str().to_owned()).collect()
    };
    let algorithms =
        || -> Vec<String> { Algorithm::ALL.iter().map(|algorithm| algorithm.name().to_owned()).collect() };
    let scopes = apis
        .values()
        .filter(|state| state.api.enabled)
        .fold(RealmState::issuer_scopes(), |scopes, state| scopes.union(&state.api.scopes));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let mut introspection_methods = methods();
    introspection_methods.push("Bearer".to_owned());
    // A public client proves nothing, and may give its own tokens back all the same (RFC 7009 §2.1).
    let revocation_methods = with_public_clients(methods());
    ServerMetadata {
        issuer: places.issuer.clone(),
        token_endpoint: places.token_endpoint.clone(),
        jwks_uri: format!("{}/oauth2/jwks", places.base),
        introspection_endpoint: format!("{}/oauth2/introspect", places.base),
        revocation_endpoint: format!("{}/oauth2/revoke", places.base),
        authorization_endpoint: format!("{}/oauth2/authorize", places.base),
        device_authorization_endpoint: format!("{}/oauth2/device_authorize", places.base),
        pushed_authorization_request_endpoint: format!("{}/oauth2/par", places.base),
        require_pushed_authorization_requests: false,
        userinfo_endpoint: format!("{}/oauth2/userinfo", places.base),
        end_session_endpoint: format!("{}/oauth2/logout", places.base),
        response_types_supported: words(&["code"]),
        response_modes_supported: words(&["query", "form_post"]),
        code_challenge_methods_supported: words(&["S256"]),
        authorization_response_iss_parameter_supported: true,
        subject_types_supported: words(&["public"]),
        id_token_signing_alg_values_supported: algorithms(),
        claims_supported: claims_supported(),
        acr_values_supported: Acr::ALL.iter().map(|acr| acr.as_str().to_owned()).collect(),
        ui_locales_supported: words(&["en", "de"]),
        grant_types_supported: GrantType::OFFERED.iter().map(|grant| grant.as_str().to_owned()).collect(),
        scopes_supported: scopes.iter().map(str::to_owned).collect(),
        token_endpoint_auth_methods_supported: with_public_clients(methods()),
        token_endpoint_auth_signing_alg_values_supported: algorithms(),
        introspection_endpoint_auth_methods_supported: introspection_methods,
        introspection_endpoint_auth_signing_alg_values_supported: algorithms(),
        revocation_endpoint_auth_methods_supported: revocation_methods,
        revocation_endpoint_auth_signing_alg_values_supported: algorithms(),
        request_uri_parameter_supported: false,
        request_parameter_supported: false,
        claims_parameter_supported: true,
    }
}
