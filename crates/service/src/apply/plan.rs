//! What a document comes to: faults, preconditions, writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use lydian_domain::authorize::redirect_fault;
use lydian_domain::introspect::HORIZON;
use lydian_domain::key_rotation::RotationPolicy;
use lydian_domain::records::realm::SigningAlgorithm;
use lydian_domain::{
    Api, ApiId, CachePolicy, Client, ClientAuthorization, ClientId, ClientSecretHash, KeyState, Realm,
    RealmId, RealmName, RevocationCascade, TokenFormat,
};
use lydian_jose::{Algorithm, JwkSet};
use lydian_oauth_types::{ClientAuthMethod, GrantType, ResourceIndicator, ScopeSet};
use lydian_primitives::{Mint, Secret, limits};
use lydian_revocation::{CutKind, RecordKind, Seq};
use lydian_storage::{Precondition, Write};

use super::{ApiEntry, ClientEntry, Line, MadeSecret, Outcome, RealmEntry, TokenFormatWord, Verdict};
use crate::Service;
use crate::directory::{Directory, RealmState, id_token_algorithm};
use crate::exchanging::REFRESH_GRACE_SECONDS_MAX;
use crate::key_rotation::new_key;

/// What a document comes to, as it is worked out.
pub(super) struct Plan<'a> {
    pub(super) service: &'a Service,
    pub(super) mint: &'a Mint<'a>,
    directory: Arc<Directory>,
    /// Realms as they will be, by name.
    pub(super) realms: BTreeMap<RealmName, Realm>,
    /// APIs as they will be, by realm and audience.
    apis: BTreeMap<(RealmName, String), Api>,
    /// The algorithms that ID tokens of the document's clients need.
    id_token_algorithms: Vec<(RealmName, Algorithm)>,
    pub(super) preconditions: Vec<Precondition>,
    pub(super) writes: Vec<Write>,
    pub(super) faults: Vec<String>,
    pub(super) outcome: Outcome,
}

impl<'a> Plan<'a> {
    pub(super) fn new(service: &'a Service, mint: &'a Mint<'a>) -> Self {
        let directory = Arc::clone(&service.directory());
        let realms = directory.realms();
        let apis = realms.iter().flat_map(|state| {
            let name = &state.realm.name;
            state.apis().map(move |api| ((name.clone(), api.api.audience.clone()), api.api.clone()))
        });
        Self {
            apis: apis.collect(),
            realms: realms.iter().map(|state| (state.realm.name.clone(), state.realm.clone())).collect(),
            service,
            mint,
            directory: Arc::clone(&directory),
            id_token_algorithms: Vec::new(),
            preconditions: Vec::new(),
            writes: Vec::new(),
            faults: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn state(&self, realm: &RealmName) -> Option<&Arc<RealmState>> {
        self.directory.find_any(realm.as_str())
    }

    pub(super) fn fault(&mut self, record: &str, what: impl fmt::Display) {
        self.faults.push(format!("{record}: {what}"));
    }

    pub(super) fn realm(&mut self, entry: &RealmEntry) {
        let record = format!("realm {}", entry.name);
        let before = self.realms.get(&entry.name).cloned();
        let mut realm = before.clone().unwrap_or_else(|| {
            Realm::with_defaults(RealmId::from_number(self.mint.number()), entry.name.clone())
        });
        set(&mut realm.enabled, entry.enabled);
        set(&mut realm.opaque_access_token_seconds, entry.opaque_access_token_seconds);
        set(&mut realm.jwt_access_token_seconds, entry.jwt_access_token_seconds);
        set(&mut realm.refresh_token_seconds, entry.refresh_token_seconds);
        set(&mut realm.refresh_token_idle_seconds, entry.refresh_token_idle_seconds);
        set(&mut realm.access_token_prefix, entry.access_token_prefix.clone());
        set(&mut realm.refresh_token_prefix, entry.refresh_token_prefix.clone());
        set(&mut realm.signing_algorithm, entry.signing_algorithm);
        set(&mut realm.reference_members, entry.reference_members);
        set(&mut realm.key_rotation_seconds, entry.key_rotation_seconds);
        set(&mut realm.key_prepublication_seconds, entry.key_prepublication_seconds);
        self.sign_in(&record, entry, &mut realm);
        if let Err(fault) =
            RotationPolicy::check(realm.key_rotation_seconds, realm.key_prepublication_seconds)
        {
            self.fault(&record, fault);
        }
        if realm.name.is_default() && !realm.enabled {
            self.fault(&record, "the default realm cannot be disabled");
        }
        if realm.jwt_access_token_seconds > HORIZON.as_secs() {
            self.fault(
                &record,
                "jwt_access_token_seconds is at most 86400: what lives longer must be opaque",
            );
        }
        for seconds in
            [realm.opaque_access_token_seconds, realm.jwt_access_token_seconds, realm.refresh_token_seconds]
        {
            if !(1..=LIFETIME_SECONDS_MAX).contains(&seconds) {
                self.fault(&record, "a lifetime is at least one second and at most ten years");
            }
        }
        let prefixes = [&realm.access_token_prefix, &realm.refresh_token_prefix];
        let plain = |prefix: &String| {
            (1..=16).contains(&prefix.len())
                && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if !prefixes.into_iter().all(plain) || prefixes[0] == prefixes[1] {
            self.fault(&record, "token prefixes are two different words of 1 to 16 of a-z and 0-9");
        }
        let differences = before.as_ref().map(|before| differences(before, &realm));
        let changed = differences.as_ref().is_none_or(|differences| !differences.is_empty());
        match &before {
            None => {
                self.preconditions.push(Precondition::RealmNameFree { name: realm.name.as_str().to_owned() })
            }
            Some(before) if changed => {
                self.unchanged(RecordKind::Realm, before.id.as_number(), before.version)
            }
            Some(_) => {}
        }
        if changed {
            realm.version = before.as_ref().map_or(1, |before| before.version + 1);
            self.writes.push(Write::PutRealm(realm.clone()));
            if before.is_some_and(|before| before.enabled && !realm.enabled) {
                self.writes.push(Write::Cut { kind: CutKind::Realm, subject: realm.id.as_number() });
            }
        }
        self.line(record, differences);
        self.realms.insert(realm.name.clone(), realm);
    }

    fn sign_in(&mut self, record: &str, entry: &RealmEntry, realm: &mut Realm) {
        let sign_in = &mut realm.sign_in;
        set(&mut sign_in.code_seconds, entry.code_seconds);
        set(&mut sign_in.id_token_seconds, entry.id_token_seconds);
        set(&mut sign_in.session_seconds, entry.session_seconds);
        set(&mut sign_in.session_idle_seconds, entry.session_idle_seconds);
        set(&mut sign_in.refresh_grace_seconds, entry.refresh_grace_seconds);
        set(&mut sign_in.require_second_factor, entry.require_second_factor);
        set_text(&mut sign_in.brand_name, entry.brand_name.as_ref());
        set_text(&mut sign_in.brand_logo_uri, entry.brand_logo_uri.as_ref());
        set_text(&mut sign_in.brand_colour, entry.brand_colour.as_ref());
        let bounds = [
            ("code_seconds", sign_in.code_seconds, 1, 60),
            ("id_token_seconds", sign_in.id_token_seconds, 1, HORIZON.as_secs()),
            ("session_seconds", sign_in.session_seconds, 60, 366 * 86_400),
            ("session_idle_seconds", sign_in.session_idle_seconds, 60, 366 * 86_400),
            ("refresh_grace_seconds", sign_in.refresh_grace_seconds, 0, REFRESH_GRACE_SECONDS_MAX),
        ];
        let is_colour = |text: &str| {
            text.strip_prefix('#').is_some_and(|digits| {
                digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        };
        let colour_is_wrong = sign_in.brand_colour.as_deref().is_some_and(|text| !is_colour(text));
        let logo_is_wrong =
            sign_in.brand_logo_uri.as_deref().is_some_and(|address| !address.starts_with("https://"));
        for (name, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                self.fault(record, format_args!("{name} is at least {least} and at most {most}"));
            }
        }
        if colour_is_wrong {
            self.fault(record, "brand_colour is # and six hexadecimal digits");
        }
        if logo_is_wrong {
            self.fault(record, "brand_logo_uri is an https address");
        }
    }

    pub(super) fn api(&mut self, entry: &ApiEntry) {
        let record = format!("api {}/{}", entry.realm, entry.audience);
        let Some(realm) = self.realms.get(&entry.realm).map(|realm| realm.id) else {
            return self.fault(&record, "there is no such realm: put it into the document");
        };
        let slot = (entry.realm.clone(), entry.audience.clone());
        let before = self.apis.get(&slot).cloned();
        let Some(resource) = ResourceIndicator::parse(&entry.audience) else {
            return self.fault(
                &record,
                "the audience is an absolute URI without a fragment, such as https://api.example.com/",
            );
        };
        let twin = self.apis.iter().any(|((other, audience), _)| {
            *other == entry.realm
                && *audience != entry.audience
                && ResourceIndicator::parse(audience).as_ref() == Some(&resource)
        });
        if twin {
            return self.fault(&record, "another API has the same audience in another spelling");
        }
        let mut api = before.clone().unwrap_or_else(|| Api {
            id: ApiId::from_number(self.mint.number()),
            realm,
            audience: entry.audience.clone(),
            name: entry.audience.clone(),
            scopes: ScopeSet::empty(),
            token_format: TokenFormat::Opaque,
            access_token_seconds: None,
            cache: CachePolicy::default(),
            scope_details: BTreeMap::new(),
            enabled: true,
            version: 0,
        });
        set(&mut api.name, entry.name.clone());
        set(&mut api.enabled, entry.enabled);
        set(&mut api.cache.with_feed_seconds, entry.cache_with_feed_seconds);
        set(&mut api.cache.without_feed_seconds, entry.cache_without_feed_seconds);
        if let Some(scopes) = &entry.scopes {
            match scope_set(scopes) {
                Ok(scopes) => api.scopes = scopes,
                Err(what) => self.fault(&record, what),
            }
        }
        set(&mut api.scope_details, entry.scope_details.clone());
        let unknown = api.scope_details.keys().find(|scope| !api.scopes.contains(scope)).cloned();
        if let Some(scope) = unknown {
            self.fault(&record, format_args!("scope_details: the API defines no scope {scope}"));
        }
        api.token_format = token_format(&api.token_format, entry);
        if entry.access_token_seconds.is_some() {
            api.access_token_seconds = entry.access_token_seconds;
        }
        if let (TokenFormat::Jwt { typ, .. }, seconds) = (&api.token_format, api.access_token_seconds) {
            if seconds.is_some_and(|seconds| seconds > HORIZON.as_secs()) {
                self.fault(
                    &record,
                    "access_token_seconds is at most 86400 for JWTs: what lives longer must be opaque",
                );
            }
            if typ != TokenFormat::AT_JWT && typ != "JWT" {
                self.fault(&record, "typ is at+jwt (RFC 9068), or JWT for validators that insist on it");
            }
        }
        if api.access_token_seconds.is_some_and(|seconds| !(1..=LIFETIME_SECONDS_MAX).contains(&seconds)) {
            self.fault(&record, "access_token_seconds is at least 1 and at most ten years");
        }
        let differences = before.as_ref().map(|before| differences(before, &api));
        let changed = differences.as_ref().is_none_or(|differences| !differences.is_empty());
        match &before {
            None => {
                self.preconditions.push(Precondition::AudienceFree { realm, audience: api.audience.clone() })
            }
            Some(before) if changed => self.unchanged(RecordKind::Api, before.id.as_number(), before.version),
            Some(_) => {}
        }
        if changed {
            api.version = before.as_ref().map_or(1, |before| before.version + 1);
            self.writes.push(Write::PutApi(api.clone()));
        }
        self.line(record, differences);
        self.apis.insert(slot, api);
    }

    pub(super) fn client(&mut self, entry: &ClientEntry) {
        let record = format!("client {}/{}", entry.realm, entry.client_id);
        let Some(realm) = self.realms.get(&entry.realm).map(|realm| realm.id) else {
            return self.fault(&record, "there is no such realm: put it into the document");
        };
        let known =
            self.state(&entry.realm).and_then(|state| state.client_by_name(&entry.client_id)).cloned();
        let before = known.as_deref().cloned();
        if before.is_none() && !is_client_id(&entry.client_id) {
            return self.fault(
                &record,
                "a client_id is 1 to 256 of A-Z a-z 0-9 - . _ ~ and does not begin with usr_",
            );
        }
        let mut client = before.clone().unwrap_or_else(|| self.new_client(realm, entry));
        set(&mut client.name, entry.name.clone());
        set(&mut client.enabled, entry.enabled);
        set(&mut client.auth_methods, entry.auth_methods.clone());
        set(&mut client.assertion_audience_token_endpoint, entry.assertion_audience_token_endpoint);
        set(&mut client.grant_types, entry.grant_types.clone());
        set(&mut client.introspect_any, entry.introspect_any);
        set(&mut client.revocation_cascade, entry.revocation_cascade);
        if entry.access_token_seconds.is_some() {
            client.access_token_seconds = entry.access_token_seconds;
        }
        self.authorization(&record, entry, &mut client);
        self.references(&record, entry, &mut client);
        self.keys_of_client(&record, entry, &mut client);
        self.check_client(&record, &client);
        let mut differences = before.as_ref().map(|before| differences(before, &client));
        let secret_changed = self.secret(&record, entry, &mut client);
        if let (Some(differences), true) = (&mut differences, secret_changed) {
            differences.push("client_secret: replaced".to_owned());
        }
        let changed = differences.as_ref().is_none_or(|differences| !differences.is_empty());
        match &before {
            None => {
                let client_id = client.client_id.clone();
                self.preconditions.push(Precondition::ClientIdFree { realm, client_id });
            }
            Some(before) if changed => {
                self.unchanged(RecordKind::Client, before.id.as_number(), before.version)
            }
            Some(_) => {}
        }
        if let Some(algorithm) = id_token_algorithm(&client) {
            self.id_token_algorithms.push((entry.realm.clone(), algorithm));
        }
        if changed {
            client.version = before.as_ref().map_or(1, |before| before.version + 1);
            let disabled = before.is_some_and(|before| before.enabled && !client.enabled);
            let id = client.id.as_number();
            self.writes.push(Write::PutClient(client));
            if disabled {
                self.writes.push(Write::Cut { kind: CutKind::Client, subject: id });
            }
        }
        self.line(record, differences);
    }

    fn new_client(&self, realm: RealmId, entry: &ClientEntry) -> Client {
        Client {
            id: ClientId::from_number(self.mint.number()),
            realm,
            client_id: entry.client_id.clone(),
            name: entry.client_id.clone(),
            enabled: true,
            cut_at: Seq::ZERO,
            version: 0,
            auth_methods: [ClientAuthMethod::ClientSecretBasic].into(),
            secrets: Vec::new(),
            jwks: None,
            assertion_audience_token_endpoint: false,
            grant_types: BTreeSet::new(),
            allowed: BTreeMap::new(),
            issuer_scopes: ScopeSet::empty(),
            default_api: None,
            api: None,
            introspect_any: false,
            access_token_seconds: None,
            revocation_cascade: RevocationCascade::default(),
            authorization: ClientAuthorization::default(),
        }
    }

    /// What a client registers for people who sign in.
    fn authorization(&mut self, record: &str, entry: &ClientEntry, client: &mut Client) {
        let authorization = &mut client.authorization;
        set(&mut authorization.redirect_uris, entry.redirect_uris.clone());
        set(&mut authorization.post_logout_redirect_uris, entry.post_logout_redirect_uris.clone());
        set(&mut authorization.id_token_algorithm, entry.id_token_signed_response_alg);
        set(&mut authorization.skip_consent, entry.skip_consent);
        set(&mut authorization.require_second_factor, entry.require_second_factor);
        set(
            &mut authorization.require_pushed_authorization_requests,
            entry.require_pushed_authorization_requests,
        );
        set(&mut authorization.rotate_refresh_tokens, entry.rotate_refresh_tokens);
        set_text(&mut authorization.logo_uri, entry.logo_uri.as_ref());
        set_text(&mut authorization.policy_uri, entry.policy_uri.as_ref());
        set_text(&mut authorization.tos_uri, entry.tos_uri.as_ref());
        let pages = [&authorization.logo_uri, &authorization.policy_uri, &authorization.tos_uri];
        let pages_are_wrong = pages.into_iter().flatten().any(|address| !address.starts_with("https://"));
        let faults: Vec<String> = authorization
            .redirect_uris
            .iter()
            .chain(&authorization.post_logout_redirect_uris)
            .filter_map(|address| {
                Some(format!("the redirect address {address} {}", redirect_fault(address)?))
            })
            .collect();
        for fault in faults {
            self.fault(record, fault);
        }
        if pages_are_wrong {
            self.fault(record, "logo_uri, policy_uri and tos_uri are https addresses");
        }
    }

    /// The APIs and scopes that a client names.
    fn references(&mut self, record: &str, entry: &ClientEntry, client: &mut Client) {
        if let Some(allowed) = &entry.allowed {
            client.allowed.clear();
            for (audience, scopes) in allowed {
                let scopes = scope_set(scopes);
                match (self.apis.get(&(entry.realm.clone(), audience.clone())).cloned(), scopes) {
                    (None, _) => {
                        self.fault(record, format_args!("allowed: there is no API {audience} in this realm"))
                    }
                    (_, Err(what)) => self.fault(record, format_args!("allowed: {what}")),
                    (Some(api), Ok(scopes)) => {
                        let unknown = scopes.difference(&api.scopes);
                        if !unknown.is_empty() {
                            self.fault(
                                record,
                                format_args!(
                                    "allowed: the API {audience} defines no scope {}",
                                    unknown.as_str()
                                ),
                            );
                        }
                        client.allowed.insert(api.id, scopes);
                    }
                }
            }
        }
        if let Some(scopes) = &entry.issuer_scopes {
            match scope_set(scopes) {
                Ok(scopes) => client.issuer_scopes = scopes,
                Err(what) => self.fault(record, format_args!("issuer_scopes: {what}")),
            }
        }
        let mut named =
            |member: &str, audience: &Option<String>, slot: &mut Option<ApiId>| match audience.as_deref() {
                None => {}
                Some("") => *slot = None,
                Some(audience) => match self.apis.get(&(entry.realm.clone(), audience.to_owned())) {
                    Some(api) => *slot = Some(api.id),
                    None => self
                        .faults
                        .push(format!("{record}: {member}: there is no API {audience} in this realm")),
                },
            };
        named("default_api", &entry.default_api, &mut client.default_api);
        named("api", &entry.api, &mut client.api);
    }

    fn keys_of_client(&mut self, record: &str, entry: &ClientEntry, client: &mut Client) {
        let Some(jwks) = &entry.jwks else { return };
        let document = match serde_json::to_string(jwks) {
            Ok(document) => document,
            Err(error) => return self.fault(record, format_args!("jwks: {error}")),
        };
        match JwkSet::parse(document.as_bytes()) {
            Ok(reading) if reading.skipped.is_empty() => client.jwks = Some(document),
            Ok(_) => self.fault(
                record,
                "jwks: a key in it cannot be used (private, symmetric, weak, or of an unknown kind)",
            ),
            Err(error) => self.fault(record, format_args!("jwks: {error}")),
        }
    }

    fn check_client(&mut self, record: &str, client: &Client) {
        let public = client.auth_methods.contains(&ClientAuthMethod::None);
        if client.auth_methods.is_empty() || (public && client.auth_methods.len() > 1) {
            self.fault(record, "auth_methods names at least one method, and none stands alone");
        }
        if public && client.grant_types.contains(&GrantType::ClientCredentials) {
            self.fault(record, "client_credentials is for confidential clients only");
        }
        if client.auth_methods.contains(&ClientAuthMethod::PrivateKeyJwt) && client.jwks.is_none() {
            self.fault(record, "private_key_jwt needs jwks");
        }
        let redirects = client.grant_types.contains(&GrantType::AuthorizationCode);
        if redirects && client.authorization.redirect_uris.is_empty() {
            self.fault(record, "authorization_code needs redirect_uris");
        }
        if client.default_api.is_some_and(|api| !client.allowed.contains_key(&api)) {
            self.fault(record, "default_api is one of the APIs in allowed");
        }
        if client.access_token_seconds.is_some_and(|seconds| seconds == 0) {
            self.fault(record, "access_token_seconds is at least 1");
        }
    }

    /// Sets, keeps or makes the secret; whether it changed.
    fn secret(&mut self, record: &str, entry: &ClientEntry, client: &mut Client) -> bool {
        let wants_one = client.auth_methods.iter().any(|method| {
            matches!(method, ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost)
        });
        if let Some(secret) = &entry.client_secret {
            if !wants_one {
                self.fault(record, "client_secret is given, and no method in auth_methods uses it");
            }
            if !(32..=limits::CLIENT_SECRET_BYTES_MAX).contains(&secret.len()) {
                self.fault(record, "client_secret has at least 32 and at most 1024 characters; leave it out to get a random one");
                return false;
            }
            let secret = Secret::new(secret.clone());
            if client.secrets.iter().any(|hash| hash.matches(&secret)) {
                return false;
            }
            client.secrets = vec![ClientSecretHash::of(&secret, self.mint)];
            return true;
        }
        if wants_one && client.secrets.is_empty() {
            let secret = self.mint.client_secret();
            client.secrets = vec![ClientSecretHash::of(&secret, self.mint)];
            let client_id = client.client_id.clone();
            self.outcome.secrets.push(MadeSecret { realm: entry.realm.clone(), client_id, secret });
            return true;
        }
        false
    }

    /// Makes the signing keys that the realms and APIs of this plan need and do not have.
    pub(super) fn keys(&mut self) {
        let mut needed: BTreeMap<RealmName, Vec<Algorithm>> = BTreeMap::new();
        for ((realm, _), api) in &self.apis {
            if let TokenFormat::Jwt { algorithm, .. } = &api.token_format {
                needed.entry(realm.clone()).or_default().push(algorithm.0);
            }
        }
        for (name, realm) in &self.realms {
            needed.entry(name.clone()).or_default().push(realm.signing_algorithm.0);
        }
        for (realm, algorithm) in std::mem::take(&mut self.id_token_algorithms) {
            needed.entry(realm).or_default().push(algorithm);
        }
        for (name, mut algorithms) in needed {
            algorithms.sort_by_key(|algorithm| algorithm.name());
            algorithms.dedup();
            for algorithm in algorithms {
                let there = self.state(&name).is_some_and(|state| state.active_key(algorithm).is_some());
                let realm = self.realms.get(&name).map(|realm| realm.id);
                if let (false, Some(realm)) = (there, realm) {
                    self.key(&name, realm, algorithm);
                }
            }
        }
    }

    fn key(&mut self, name: &RealmName, realm: RealmId, algorithm: Algorithm) {
        let record = format!("key {name}/{}", algorithm.name());
        // Nobody can hold a key set without it: no token of this algorithm has been issued yet.
        let wrapping_key = &self.service.node.environment().wrapping_key;
        match new_key(realm, algorithm, KeyState::Active, wrapping_key, self.mint) {
            Ok(key) => self.writes.push(Write::PutSigningKey(key)),
            Err(error) => return self.fault(&record, error),
        }
        self.line(record, None);
    }

    fn unchanged(&mut self, kind: RecordKind, id: u64, version: u64) {
        self.preconditions.push(Precondition::RecordUnchanged { kind, id, version });
    }

    pub(super) fn line(&mut self, record: String, differences: Option<Vec<String>>) {
        let verdict = match &differences {
            None => Verdict::Made,
            Some(differences) if differences.is_empty() => Verdict::Unchanged,
            Some(_) => Verdict::Changed,
        };
        self.outcome.lines.push(Line { verdict, record, differences: differences.unwrap_or_default() });
    }
}

/// The longest lifetime of a token, in seconds: ten years.
const LIFETIME_SECONDS_MAX: u64 = 10 * 366 * 86_400;

pub(super) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

fn set_text(slot: &mut Option<String>, value: Option<&String>) {
    if let Some(value) = value {
        *slot = Some(value.clone()).filter(|text| !text.is_empty());
    }
}

fn scope_set(scopes: &[String]) -> Result<ScopeSet, String> {
    if let Some(scope) = scopes.iter().find(|scope| scope.contains(' ')) {
        return Err(format!("the scope {scope:?} has a space in it: write one scope per item"));
    }
    ScopeSet::parse(&scopes.join(" ")).map_err(|error| error.to_string())
}

fn token_format(before: &TokenFormat, entry: &ApiEntry) -> TokenFormat {
    let is_jwt = match entry.token_format {
        Some(word) => word == TokenFormatWord::Jwt,
        None => matches!(before, TokenFormat::Jwt { .. }),
    };
    if !is_jwt {
        return TokenFormat::Opaque;
    }
    let (algorithm, typ, record) = match before {
        TokenFormat::Jwt { algorithm, typ, record } => (*algorithm, typ.clone(), *record),
        TokenFormat::Opaque => (SigningAlgorithm(Algorithm::Es256), TokenFormat::AT_JWT.to_owned(), true),
    };
    TokenFormat::Jwt {
        algorithm: entry.algorithm.unwrap_or(algorithm),
        typ: entry.typ.clone().unwrap_or(typ),
        record: entry.record.unwrap_or(record),
    }
}

fn is_client_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (1..=limits::CLIENT_ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with("usr_")
}

/// The members in which two records differ, without those that are secret.
pub(super) fn differences<T: serde::Serialize>(before: &T, after: &T) -> Vec<String> {
    let members = |record: &T| match serde_json::to_value(record) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (members(before), members(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name) && *name != "secrets")
        .map(|name| {
            let show =
                |value: Option<&serde_json::Value>| value.map_or("none".to_owned(), ToString::to_string);
            format!("{name}: {} -> {}", show(before.get(name)), show(after.get(name)))
        })
        .collect()
}
