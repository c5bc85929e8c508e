//! The product as stories meet it: the use cases over the real embedded store, under a clock, randomness and faults of ours.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lydian_domain::authenticate::AuthenticatedClient;
use lydian_domain::secrets::WrappingKey;
use lydian_domain::{ApiId, ClientId, GrantId, RealmName, TokenId};
use lydian_jose::Compact;
use lydian_oauth_types::{ClientAuthMethod, ScopeSet};
use lydian_primitives::{Clock, Entropy, ManualClock, Secret, SecretBytes, Timestamp};
use lydian_service::administration::AdministrationError;
use lydian_service::administration::records::{Kind, RecordName};
use lydian_service::administration::revoke::Revocable;
use lydian_service::apply::{self, ApiEntry, Document};
use lydian_service::forgetting::Housekeeper;
use lydian_service::limiter::Rate;
use lydian_service::settings::RateLimits;
use lydian_service::{
    ActiveToken, ClientCredentials, Node, Presented, RealmState, Service, ServiceError, Settings,
    TokenRequest,
};
use lydian_storage::{ReadStorage, SharedStorage, Storage};
use lydian_storage_embedded::{EmbeddedStorage, FILE_NAME, Faults, Options};

use crate::names::{self, Api, Audience, Client, Realm, SCOPES};
use crate::operation::{Algorithm, Scopes};
use crate::possible::{Issued, Outcome};
use crate::reference::{Act, Said, Shown};

/// The instant at which every story begins.
pub(crate) const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

const ISSUER: &str = "https://localhost:9443";

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Stories ask fast, and nobody may be told to wait for it.
const NO_LIMIT: Rate = Rate { per_second: 1_000_000, burst: 1_000_000 };

/// Room for some dozens of tokens: what is not in memory is read again.
const FACT_CACHE_BYTES: u64 = 8 * 1024;

/// How often the store is asked whether it works again, one millisecond apart, before it is called stuck.
const RECOVERY_ATTEMPTS: usize = 30_000;

/// Randomness that a seed makes again.
struct Seeded(Mutex<fastrand::Rng>);

impl Seeded {
    fn entropy(seed: u64) -> Arc<dyn Entropy> {
        Arc::new(Self(Mutex::new(fastrand::Rng::with_seed(seed))))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}

/// What a question comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// It was answered.
    Known(T),
    /// The product said that it does not know.
    Unavailable,
}

/// How the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It closes its store.
    Clean,
    /// It leaves everything as it lies on the disk.
    Crash,
}

/// The product with everything around it.
pub(crate) struct Stage {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    entropy: Arc<dyn Entropy>,
    links: Arc<dyn Entropy>,
    pub(crate) faults: Faults,
    storage: Arc<EmbeddedStorage>,
    service: Arc<Service>,
    housekeeper: Housekeeper,
    tokens: Vec<String>,
    /// The `kid` of each key that was seen, by its number.
    keys: Vec<String>,
    /// The secrets of each client by number; one that nobody was told has no text.
    secrets: BTreeMap<Client, Vec<Option<Secret>>>,
    clients: BTreeMap<Client, ClientId>,
    apis: BTreeMap<Api, ApiId>,
}

/// The database with the fixtures, made once.
pub(crate) fn fixtures() -> Result<&'static [u8], String> {
    static FIXTURES: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    FIXTURES.get_or_init(|| runtime()?.block_on(make_fixtures())).as_deref().map_err(String::clone)
}

/// One thread, on which everything but the writer of the store runs.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().build().map_err(in_words("start a runtime"))
}

async fn make_fixtures() -> Result<Vec<u8>, String> {
    let directory = new_directory()?;
    let clock = Arc::new(ManualClock::at(START));
    let (entropy, links, faults) = (Seeded::entropy(1), Seeded::entropy(2), Faults::default());
    let (storage, service) = open(directory.path(), &clock, &entropy, &links, &faults).await?;
    let document = apply::parse(&names::document()).map_err(in_words("read the fixtures"))?;
    service.apply_document(&document, false).await.map_err(in_words("apply the fixtures"))?;
    // The first round stores the mark: from then on it only grows.
    Housekeeper::default().round(&service).await.map_err(in_words("store the mark"))?;
    storage.close().await.map_err(in_words("close the fixtures"))?;
    fs::read(directory.path().join(FILE_NAME)).map_err(in_words("read the database"))
}

async fn open(
    directory: &Path,
    clock: &Arc<ManualClock>,
    entropy: &Arc<dyn Entropy>,
    links: &Arc<dyn Entropy>,
    faults: &Faults,
) -> Result<(Arc<EmbeddedStorage>, Arc<Service>), String> {
    let options = Options {
        entropy: Arc::clone(links),
        read_connections: 1,
        faults: faults.clone(),
        ..Options::default()
    };
    let storage = EmbeddedStorage::open(directory, options).map_err(in_words("open the store"))?;
    let settings = Settings {
        fact_cache_bytes: FACT_CACHE_BYTES,
        limits: RateLimits { failed_authentications: NO_LIMIT, unknown_tokens: NO_LIMIT },
        ..Settings::with_issuer(ISSUER)
    };
    let wrapping_key = WrappingKey::new(SecretBytes::new([7; 32]));
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let node = Node::open(&*storage, settings, wrapping_key, clock, Arc::clone(entropy))
        .await
        .map_err(in_words("open the node"))?;
    storage.set_observer(Arc::clone(&node) as _);
    node.hold_lease();
    let service = Service::new(node, Arc::clone(&storage) as SharedStorage);
    Ok((storage, service))
}

impl Stage {
    /// The product with the fixtures, under randomness of this seed.
    pub(crate) async fn new(fixtures: &[u8], seed: u64) -> Result<Self, String> {
        let directory = new_directory()?;
        write_private(&directory.path().join(FILE_NAME), fixtures)?;
        let clock = Arc::new(ManualClock::at(START));
        let (entropy, links, faults) = (Seeded::entropy(seed), Seeded::entropy(!seed), Faults::default());
        let (storage, service) = open(directory.path(), &clock, &entropy, &links, &faults).await?;
        let first_secret = |client: Client| (client, vec![Some(Secret::new(client.first_secret()))]);
        let mut stage = Self {
            directory,
            clock,
            entropy,
            links,
            faults,
            storage,
            service,
            housekeeper: Housekeeper::default(),
            tokens: Vec::new(),
            keys: Vec::new(),
            secrets: Client::ALL.into_iter().map(first_secret).collect(),
            clients: BTreeMap::new(),
            apis: BTreeMap::new(),
        };
        stage.remember_ids()?;
        Ok(stage)
    }

    fn remember_ids(&mut self) -> Result<(), String> {
        for client in Client::ALL {
            let realm = self.realm(client.realm()).ok_or("a realm is missing")?;
            let id = realm.client_by_name(client.client_id()).ok_or("a client is missing")?.id;
            self.clients.insert(client, id);
        }
        for api in Api::ALL {
            let realm = self.realm(api.realm()).ok_or("a realm is missing")?;
            let id = realm.api_by_audience(api.audience()).ok_or("an API is missing")?.api.id;
            self.apis.insert(api, id);
        }
        Ok(())
    }

    /// A realm as callers find it, while it is enabled.
    fn realm(&self, realm: Realm) -> Option<Arc<RealmState>> {
        let directory = self.service.directory();
        let state = match realm {
            Realm::Default => directory.default_realm(),
            Realm::Acme => directory.find(realm.name()),
        };
        state.map(Arc::clone)
    }

    /// How many tokens were issued.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The number that the next secret of a client gets.
    pub(crate) fn next_secret(&self, client: Client) -> usize {
        self.secrets_of(client).len()
    }

    fn secrets_of(&self, client: Client) -> &[Option<Secret>] {
        self.secrets.get(&client).map_or(&[], Vec::as_slice)
    }

    /// The secrets of a client that somebody knows, newest first.
    pub(crate) fn known_secrets(&self, client: Client) -> Vec<usize> {
        let secrets = self.secrets_of(client).iter().enumerate().rev();
        secrets.filter(|(_, secret)| secret.is_some()).map(|(number, _)| number).collect()
    }

    /// Whether a secret of this client was made that nobody was told.
    pub(crate) fn has_lost_secret(&self, client: Client) -> bool {
        self.secrets_of(client).iter().any(Option::is_none)
    }

    /// Whether this node vouches for its ledger.
    pub(crate) fn holds_lease(&self) -> bool {
        self.service.moment().is_ok()
    }

    /// The position in the log that memory has reached.
    pub(crate) fn position(&self) -> u64 {
        self.service.node().ledger().applied().seq.as_number()
    }

    /// The wall clock, in seconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        self.clock.now().as_unix_seconds()
    }

    /// The forgetting mark, in seconds since 1970.
    pub(crate) fn mark(&self) -> u64 {
        self.service.node().mark().as_unix_seconds()
    }

    /// The numbers of all keys of the default realm, in one order whatever their names are.
    pub(crate) async fn keys(&mut self) -> Option<Vec<usize>> {
        let listed = self.service.list_keys(Some(&realm_name(Realm::Default))).await.ok()?;
        Some(listed.into_iter().map(|key| self.key_number(&key.kid)).collect())
    }

    /// The number of the key that signs with this algorithm.
    pub(crate) async fn active_key(&mut self, algorithm: Algorithm) -> Option<usize> {
        let realm = self.realm(Realm::Default)?;
        let kid = realm.active_key(real(algorithm))?.record.kid.clone();
        Some(self.key_number(&kid))
    }

    fn key_number(&mut self, kid: &str) -> usize {
        self.keys.iter().position(|known| known == kid).unwrap_or_else(|| {
            self.keys.push(kid.to_owned());
            self.keys.len() - 1
        })
    }

    /// Authenticates a client with the secret of this number.
    pub(crate) fn authenticate(
        &self,
        client: Client,
        number: usize,
    ) -> Result<Answer<Option<AuthenticatedClient>>, String> {
        let Some(Some(secret)) = self.secrets_of(client).get(number) else { return Ok(Answer::Known(None)) };
        let Ok(moment) = self.service.moment() else { return Ok(Answer::Unavailable) };
        let Some(realm) = self.realm(client.realm()) else { return Ok(Answer::Known(None)) };
        let method = ClientAuthMethod::ClientSecretBasic;
        let credentials = ClientCredentials::Secret { method, client_id: client.client_id(), secret };
        match self.service.authenticate_client(&realm, &credentials, PEER, &moment) {
            Ok((client, _)) => Ok(Answer::Known(Some(client))),
            Err(ServiceError::Refused(_)) => Ok(Answer::Known(None)),
            Err(ServiceError::Unavailable(_)) => Ok(Answer::Unavailable),
            Err(error) => Err(format!("{client:?} is told: {error}")),
        }
    }

    /// Asks for a token as a client that has authenticated.
    pub(crate) async fn introspect(
        &self,
        realm: Realm,
        caller: &AuthenticatedClient,
        token: usize,
    ) -> Result<Answer<Option<Shown>>, String> {
        self.introspect_text(realm, caller, &self.tokens[token]).await
    }

    /// Asks for a token that differs from one of ours in one character.
    pub(crate) async fn introspect_forged(
        &self,
        realm: Realm,
        caller: &AuthenticatedClient,
        token: usize,
    ) -> Result<Answer<Option<Shown>>, String> {
        let mut text = self.tokens[token].clone().into_bytes();
        let place = text.len() - 12;
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(text).map_err(in_words("forge a token"))?;
        self.introspect_text(realm, caller, &text).await
    }

    async fn introspect_text(
        &self,
        realm: Realm,
        caller: &AuthenticatedClient,
        text: &str,
    ) -> Result<Answer<Option<Shown>>, String> {
        let Ok(moment) = self.service.moment() else { return Ok(Answer::Unavailable) };
        let Some(state) = self.realm(realm) else { return Ok(Answer::Known(None)) };
        let render =
            |answer: Result<&ActiveToken<'_>, _>| answer.ok().map(|active| self.shown(realm, active));
        match self.service.introspect(&state, caller, text, None, &moment, render).await {
            Ok(None) => Ok(Answer::Known(None)),
            Ok(Some(shown)) => Ok(Answer::Known(Some(shown?))),
            Err(ServiceError::Unavailable(_)) => Ok(Answer::Unavailable),
            Err(error) => Err(format!("a caller is told: {error}")),
        }
    }

    /// Asks for a token by way of another one; inside: `None` when the bearer is refused.
    pub(crate) async fn introspect_as_bearer(
        &self,
        realm: Realm,
        bearer: usize,
        token: usize,
    ) -> Result<Answer<Option<Option<Shown>>>, String> {
        let Ok(moment) = self.service.moment() else { return Ok(Answer::Unavailable) };
        let Some(state) = self.realm(realm) else { return Ok(Answer::Known(None)) };
        let presented = Presented::Bearer(&self.tokens[bearer]);
        let caller = match self.service.authenticate_introspector(&state, &presented, PEER, &moment).await {
            Ok(caller) => caller,
            Err(ServiceError::Refused(_)) => return Ok(Answer::Known(None)),
            Err(ServiceError::Unavailable(_)) => return Ok(Answer::Unavailable),
            Err(error) => return Err(format!("a bearer is told: {error}")),
        };
        Ok(match self.introspect(realm, &caller, token).await? {
            Answer::Known(shown) => Answer::Known(Some(shown)),
            Answer::Unavailable => Answer::Unavailable,
        })
    }

    fn shown(&self, realm: Realm, active: &ActiveToken<'_>) -> Result<Shown, String> {
        let owner = |client: &Client| {
            client.realm() == realm && self.clients.get(client).is_some_and(|id| *id == active.client.id)
        };
        let client = Client::ALL.into_iter().find(owner).ok_or("a token of nobody")?;
        let audience = match active.api {
            None => Audience::Issuer,
            Some(state) => {
                let api = self.apis.iter().find(|(_, id)| **id == state.api.id);
                Audience::Api(*api.ok_or("a token for no API")?.0)
            }
        };
        let known = SCOPES.into_iter().chain(["introspect"]);
        let mut scopes = Vec::new();
        for scope in active.visible.scope.iter() {
            scopes.push(known.clone().find(|known| *known == scope).ok_or("a scope that nobody defines")?);
        }
        let token = active.visible.as_access_token().ok_or("no access token")?;
        Ok(Shown {
            client,
            audience,
            scopes,
            issued_at: token.issued_at.as_unix_seconds(),
            expires_at: token.expires_at.as_unix_seconds(),
        })
    }

    /// Moves both clocks.
    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sets the wall clock alone.
    pub(crate) fn set_clock(&self, wall: u64) {
        self.clock.set_wall(Timestamp::from_unix_seconds(wall));
    }

    /// One round of housekeeping.
    pub(crate) async fn keep_house(&self) -> Outcome {
        match self.housekeeper.round(&self.service).await {
            Ok(_) => Outcome::Said(Said::Done),
            Err(error) => Outcome::Unavailable { unknown: error.outcome_is_unknown() },
        }
    }

    /// Asks for a token, as a client that has authenticated.
    pub(crate) async fn issue(
        &mut self,
        client: Client,
        authenticated: &AuthenticatedClient,
        audience: Audience,
        scopes: Scopes,
    ) -> Result<Outcome, String> {
        let Ok(moment) = self.service.moment() else { return Ok(Outcome::Unavailable { unknown: false }) };
        let Some(realm) = self.realm(client.realm()) else { return Ok(Outcome::Said(Said::Refused)) };
        let scope = match scopes {
            Scopes::All => None,
            Scopes::Read => Some("read"),
            Scopes::Write => Some("write"),
        };
        let scope = scope.map(ScopeSet::parse).transpose().map_err(in_words("write a scope"))?;
        let resource = match audience {
            Audience::Api(api) => api.audience(),
            Audience::Issuer => realm.issuer.as_str(),
        };
        let request = TokenRequest { scope, resources: vec![resource] };
        let issued =
            self.service.issue_client_credentials(&realm, authenticated, None, &request, &moment).await;
        let issued = match issued {
            Ok(issued) => issued,
            Err(error) => return of_service(error),
        };
        let text = issued.access_token.expose().to_owned();
        let key = Compact::parse(&text).ok().and_then(|compact| compact.header().kid().map(str::to_owned));
        let key = key.map(|kid| self.key_number(&kid));
        self.tokens.push(text);
        let scopes = issued.scope.iter().map(str::to_owned).collect();
        Ok(Outcome::Issued(Issued { scopes, lifetime: issued.expires_in, key }))
    }

    /// Revokes a token, as a client that has authenticated.
    pub(crate) async fn revoke(
        &self,
        client: Client,
        authenticated: &AuthenticatedClient,
        token: usize,
    ) -> Result<Outcome, String> {
        let Ok(moment) = self.service.moment() else { return Ok(Outcome::Unavailable { unknown: false }) };
        let Some(realm) = self.realm(client.realm()) else { return Ok(Outcome::Said(Said::Refused)) };
        match self.service.revoke(&realm, authenticated, &self.tokens[token], None, &moment).await {
            Ok(_) => Ok(Outcome::Said(Said::Done)),
            Err(error) => of_service(error),
        }
    }

    /// Does what an administrator is told; `None` when there is nothing that it could be done to.
    pub(crate) async fn administer(&mut self, act: &Act) -> Result<Option<Outcome>, String> {
        let service = Arc::clone(&self.service);
        let done = match *act {
            Act::RevokeAsAdministrator { token } => {
                service.revoke_as_administrator(None, Revocable::Token(&self.tokens[token])).await.map(drop)
            }
            Act::CutClient { client } => {
                let what = Revocable::Client(client.client_id());
                service.revoke_as_administrator(Some(&realm_name(client.realm())), what).await.map(drop)
            }
            Act::CutGrant { client, audience } => {
                let Some(grant) = self.standing_grant(client, audience).await? else { return Ok(None) };
                service.revoke_as_administrator(None, Revocable::Grant(grant)).await.map(drop)
            }
            Act::CutKey { key } => {
                service.revoke_as_administrator(None, Revocable::Key(&self.keys[key])).await.map(drop)
            }
            Act::CutRealm { realm } => {
                service.revoke_as_administrator(Some(&realm_name(realm)), Revocable::Realm).await.map(drop)
            }
            Act::EnableClient { client, enabled } => {
                service.set_enabled(&record(client), enabled).await.map(drop)
            }
            Act::EnableApi { api, enabled } => service.set_enabled(&api_record(api), enabled).await.map(drop),
            Act::EnableAcme { enabled } => {
                let name = Realm::Acme.name().to_owned();
                let record = RecordName { kind: Kind::Realm, realm: None, name };
                service.set_enabled(&record, enabled).await.map(drop)
            }
            Act::DefineScopes { api, scopes } => {
                let defined = SCOPES.into_iter().filter(|scope| scopes.has(scope)).map(str::to_owned);
                self.set_api(ApiEntry { scopes: Some(defined.collect()), ..entry(api) }).await
            }
            Act::DefineLifetime { api, seconds } => {
                self.set_api(ApiEntry { access_token_seconds: Some(seconds), ..entry(api) }).await
            }
            Act::RotateSecret { client, replace, .. } => {
                let made = service.rotate_secret(&record(client), replace).await;
                // One whose making was answered with an error was told to nobody.
                let told = made.as_ref().ok().map(|made| Secret::new(made.secret.expose().to_owned()));
                self.secrets.entry(client).or_default().push(told);
                made.map(drop)
            }
            Act::DeleteClient { client } => service.delete_record(&record(client)).await.map(drop),
            Act::DeleteApi { api } => service.delete_record(&api_record(api)).await.map(drop),
            Act::RetireKey { key, force } => {
                let realm = realm_name(Realm::Default);
                service.retire_key(Some(&realm), &self.keys[key], force).await.map(drop)
            }
            _ => return Ok(None),
        };
        Ok(Some(of_administration(done)))
    }

    async fn set_api(&self, entry: ApiEntry) -> Result<(), AdministrationError> {
        let document = Document { apis: vec![entry], ..Document::default() };
        self.service.apply_document(&document, false).await?;
        Ok(())
    }

    /// Lets so much time pass that everything is over, with rounds of housekeeping; what is left then, in words.
    pub(crate) async fn outlive(&mut self) -> Result<Option<String>, String> {
        // A clock that jumped is believed after a day.
        const LONG: u64 = 100_000;
        self.wait(self.mark().saturating_sub(self.wall()));
        for _ in 0..4 {
            self.wait(LONG);
            self.housekeeper.round(&self.service).await.map_err(in_words("keep house"))?;
        }
        let sizes = self.service.node().ledger().sizes();
        if sizes.revoked + sizes.cuts > 0 {
            return Ok(Some(format!("{sizes:?} in the ledger")));
        }
        for client in Client::ALL {
            let id = *self.clients.get(&client).ok_or("a client without an id")?;
            for audience in Audience::ALL {
                let Some(grant) = self.standing_grant(client, audience).await? else { continue };
                let first = TokenId::from_number(0).ok_or("the first token id")?;
                let Some(realm) = self.realm(client.realm()) else { continue };
                let scanned = self.storage.scan_access_tokens(
                    realm.realm.id,
                    GrantId::from_number(grant),
                    first,
                    usize::from(u16::MAX),
                );
                let (rows, _) = scanned.await.map_err(in_words("scan the rows"))?;
                if !rows.is_empty() {
                    return Ok(Some(format!("{} rows of tokens of client {id}", rows.len())));
                }
            }
        }
        Ok(None)
    }

    /// Rotates the keys of one algorithm; `removed` is the key that an emergency must remove.
    pub(crate) async fn rotate_keys(
        &mut self,
        algorithm: Algorithm,
        removed: Option<usize>,
    ) -> Result<Outcome, String> {
        let realm = realm_name(Realm::Default);
        let emergency = removed.is_some();
        let rotated = self.service.rotate_keys(Some(&realm), Some(real(algorithm)), emergency).await;
        if let Ok(rotated) = &rotated {
            for one in rotated {
                let found = one.removed.as_ref().map(|stranded| self.key_number(&stranded.kid));
                if found != removed {
                    return Err(format!("key {found:?} was removed instead of {removed:?}"));
                }
                self.key_number(&one.kid);
            }
        }
        Ok(of_administration(rotated.map(drop)))
    }

    async fn standing_grant(&self, client: Client, audience: Audience) -> Result<Option<u64>, String> {
        let id = *self.clients.get(&client).ok_or("a client without an id")?;
        let api = audience.api().and_then(|api| self.apis.get(&api)).copied();
        let found = self.storage.find_standing_grant(id, api).await;
        Ok(found.ok().flatten().map(|grant| grant.as_number()))
    }

    /// Ends all faults, and waits until the store works again.
    pub(crate) async fn recover(&self) -> Result<(), String> {
        self.faults.clear();
        for _ in 0..RECOVERY_ATTEMPTS {
            if self.service.check_writable().await.is_ok() && self.holds_lease() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("the store does not recover although nothing fails any more".to_owned())
    }

    /// Stops the server, and starts it again with an empty memory.
    pub(crate) async fn start_again(&mut self, stop: Stop) -> Result<(), String> {
        self.faults.clear();
        if stop == Stop::Crash {
            let left = copy_of(self.directory.path())?;
            let crashed = std::mem::replace(&mut self.directory, left);
            let closed = self.storage.close().await;
            drop((crashed, closed));
        } else {
            // A store that has lost its connection says so, and nothing of what it acknowledged is lost with it.
            let closed = self.storage.close().await;
            drop(closed);
        }
        let Self { directory, clock, entropy, links, faults, .. } = self;
        (self.storage, self.service) = open(directory.path(), clock, entropy, links, faults).await?;
        self.housekeeper = Housekeeper::default();
        Ok(())
    }
}

/// In memory where that can be: no story is about a disk that loses what was synced, and syncing is what takes time.
fn new_directory() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).map_err(in_words("make a directory"))
}

/// The files of the database as they lie there now: what a process leaves that is killed.
fn copy_of(directory: &Path) -> Result<tempfile::TempDir, String> {
    let copy = new_directory()?;
    for suffix in ["", "-wal"] {
        let name = format!("{FILE_NAME}{suffix}");
        match fs::read(directory.join(&name)) {
            Ok(bytes) => write_private(&copy.path().join(&name), &bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("copy {name}: {error}")),
        }
    }
    Ok(copy)
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
    written.map_err(in_words("write the database"))
}

fn realm_name(realm: Realm) -> RealmName {
    RealmName::parse(realm.name()).expect("the names of the fixtures are well formed")
}

fn entry(api: Api) -> ApiEntry {
    ApiEntry::named(realm_name(api.realm()), api.audience())
}

fn record(client: Client) -> RecordName {
    let name = client.client_id().to_owned();
    RecordName { kind: Kind::Client, realm: Some(realm_name(client.realm())), name }
}

fn api_record(api: Api) -> RecordName {
    let name = api.audience().to_owned();
    RecordName { kind: Kind::Api, realm: Some(realm_name(api.realm())), name }
}

fn real(algorithm: Algorithm) -> lydian_jose::Algorithm {
    match algorithm {
        Algorithm::Es256 => lydian_jose::Algorithm::Es256,
        Algorithm::EdDsa => lydian_jose::Algorithm::EdDsa,
    }
}

fn of_service(error: ServiceError) -> Result<Outcome, String> {
    match error {
        ServiceError::Refused(_) => Ok(Outcome::Said(Said::Refused)),
        ServiceError::Unavailable(error) => Ok(Outcome::Unavailable { unknown: error.outcome_is_unknown() }),
        ServiceError::TooManyRequests(_) => Err(format!("a client is told: {error}")),
    }
}

fn of_administration(done: Result<(), AdministrationError>) -> Outcome {
    match done {
        Ok(()) => Outcome::Said(Said::Done),
        Err(AdministrationError::Unavailable(error)) => {
            Outcome::Unavailable { unknown: error.outcome_is_unknown() }
        }
        Err(
            AdministrationError::Conflict(_)
            | AdministrationError::Invalid(_)
            | AdministrationError::NotFound(_),
        ) => Outcome::Said(Said::Refused),
    }
}

fn in_words<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{doing}: {error}")
}
