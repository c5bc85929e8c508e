//! The reference: what the rules say, in as few words as possible, and written from the rules alone.
//!
//! A [`World`] is what an all-knowing observer would hold true. It knows no log, no ledger, no cache and no store: a cut kills the
//! tokens that are there, a token dies when its time has come, and a caller sees what is its own. What the rules leave open, and
//! what a lost answer leaves open, are several worlds: see [`crate::possible`].

use std::collections::BTreeMap;

use crate::names::{Api, Audience, Client, LONGEST_JWT_SECONDS, Realm, SCOPES};
use crate::operation::Scopes;

/// How far ahead of now a token's time of issue may lie.
const ISSUED_AHEAD_SECONDS_MAX: u64 = 12;

/// What was asked of the product, with every choice made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members say what they are")]
pub enum Act {
    /// A client asks for a token.
    Issue { client: Client, audience: Audience, scopes: Scopes },
    /// A client revokes a token.
    Revoke { client: Client, token: usize },
    /// An administrator revokes a token.
    RevokeAsAdministrator { token: usize },
    /// An administrator cuts a client.
    CutClient { client: Client },
    /// An administrator cuts a standing grant.
    CutGrant { client: Client, audience: Audience },
    /// An administrator cuts a key.
    CutKey { key: usize },
    /// An administrator cuts a realm.
    CutRealm { realm: Realm },
    /// An administrator enables or disables a client.
    EnableClient { client: Client, enabled: bool },
    /// An administrator enables or disables an API.
    EnableApi { api: Api, enabled: bool },
    /// An administrator enables or disables the realm that can be disabled.
    EnableAcme { enabled: bool },
    /// An administrator says which scopes an API defines.
    DefineScopes { api: Api, scopes: Scopes },
    /// An administrator says how long the tokens of an API live.
    DefineLifetime { api: Api, seconds: u64 },
    /// An administrator makes a new secret for a client: the one with this number.
    RotateSecret { client: Client, replace: bool, number: usize },
    /// An administrator deletes a client.
    DeleteClient { client: Client },
    /// An administrator deletes an API.
    DeleteApi { api: Api },
    /// An administrator publishes a successor, or has it sign at once and removes the key that signed.
    RotateKeys { removed: Option<usize> },
    /// An administrator takes a key out of the key set.
    RetireKey { key: usize, force: bool },
    /// Time passes.
    Wait { seconds: u64 },
    /// Somebody sets the wall clock.
    SetClock { wall: u64 },
    /// Housekeeping, a stop, a crash: nobody may notice anything.
    Nothing,
}

impl Act {
    /// Whether it is one change of the store: then an error that does not speak of an unknown outcome says that nothing happened.
    pub const fn is_one_change(&self) -> bool {
        !matches!(
            self,
            Self::DeleteClient { .. }
                | Self::DeleteApi { .. }
                | Self::RotateKeys { .. }
                | Self::RetireKey { .. }
        )
    }
}

/// What the product says of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is done.
    Done,
    /// It is refused, for whatever reason.
    Refused,
}

/// What a caller sees of a token that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose it is.
    pub client: Client,
    /// For whom it is.
    pub audience: Audience,
    /// The scopes, in order.
    pub scopes: Vec<&'static str>,
    /// When it was issued, in seconds since 1970.
    pub issued_at: u64,
    /// The first second at which it is not accepted.
    pub expires_at: u64,
}

/// A token as the observer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub client: Client,
    /// For whom it is.
    pub audience: Audience,
    /// What it permits.
    pub scopes: Vec<&'static str>,
    /// When it was issued.
    pub issued_at: u64,
    /// The first second at which it is not accepted.
    pub expires_at: u64,
    /// The number of the key that signed it.
    pub key: Option<usize>,
    /// Whether it was killed, for good.
    pub dead: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ClientState {
    enabled: bool,
    /// The numbers of the secrets that are good, newest first.
    secrets: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ApiState {
    enabled: bool,
    /// Whether clients may name it: a deletion takes it out of them first.
    named: bool,
    lifetime: u64,
    defines: Scopes,
}

/// What is true. What was deleted is not in its map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    wall: u64,
    /// The forgetting mark: time never goes back behind it.
    mark: u64,
    acme_enabled: bool,
    clients: BTreeMap<Client, ClientState>,
    apis: BTreeMap<Api, ApiState>,
    tokens: Vec<Token>,
}

impl World {
    /// The world of the fixtures at this instant, to which the mark has come.
    pub fn at(now: u64) -> Self {
        let client = |client| (client, ClientState { enabled: true, secrets: vec![0] });
        let api = |api: Api| {
            (api, ApiState { enabled: true, named: true, lifetime: api.lifetime(), defines: Scopes::All })
        };
        Self {
            wall: now,
            mark: now,
            acme_enabled: true,
            clients: Client::ALL.into_iter().map(client).collect(),
            apis: Api::ALL.into_iter().map(api).collect(),
            tokens: Vec::new(),
        }
    }

    /// The time that decides: the wall clock, and no earlier than the mark.
    fn now(&self) -> u64 {
        self.wall.max(self.mark)
    }

    /// Sets the mark to where it was seen.
    pub fn set_mark(&mut self, mark: u64) {
        self.mark = mark;
    }

    /// The token of this number.
    pub fn token(&self, token: usize) -> Option<&Token> {
        self.tokens.get(token)
    }

    /// The token that was issued last, to be told which key signed it.
    pub fn newest_token(&mut self) -> Option<&mut Token> {
        self.tokens.last_mut()
    }

    /// Whether a client may ask at all: it is there and enabled, and so is its realm.
    fn may_ask(&self, client: Client) -> bool {
        self.is_enabled(client.realm()) && self.clients.get(&client).is_some_and(|client| client.enabled)
    }

    fn is_enabled(&self, realm: Realm) -> bool {
        realm == Realm::Default || self.acme_enabled
    }

    /// Whether a client is known by the secret of this number.
    pub fn authenticates(&self, client: Client, secret: usize) -> bool {
        self.may_ask(client) && self.clients.get(&client).is_some_and(|state| state.secrets.contains(&secret))
    }

    /// What introspection says of a token to a caller that has authenticated; `None`: inactive.
    pub fn answer(&self, caller: Client, token: usize) -> Option<Shown> {
        let token = self.tokens.get(token)?;
        if !self.is_good(token) || caller.realm() != token.client.realm() {
            return None;
        }
        let scopes = if caller == token.client || caller.sees_everything() {
            token.scopes.clone()
        } else {
            let api = token.audience.api().filter(|api| caller.api() == Some(*api))?;
            let defines = self.apis.get(&api).filter(|api| api.named)?.defines;
            token.scopes.iter().copied().filter(|scope| defines.has(scope)).collect()
        };
        let Token { client, audience, issued_at, expires_at, .. } = *token;
        Some(Shown { client, audience, scopes, issued_at, expires_at })
    }

    /// Whose eyes a bearer of this token has at the introspection endpoint; `None`: it is refused.
    pub fn bearer(&self, token: usize) -> Option<Client> {
        let token = self.tokens.get(token)?;
        let opens = token.audience == Audience::Issuer && token.scopes.contains(&"introspect");
        (opens && self.is_good(token)).then_some(token.client)
    }

    fn is_good(&self, token: &Token) -> bool {
        let api_stands =
            token.audience.api().is_none_or(|api| self.apis.get(&api).is_some_and(|api| api.enabled));
        let has_begun = token.issued_at <= self.now() + ISSUED_AHEAD_SECONDS_MAX;
        let lives = !token.dead && has_begun && self.now() < token.expires_at;
        lives && api_stands && self.is_enabled(token.client.realm())
    }

    /// Whether a token must be known, so that it can be revoked: it was not killed, and it has not expired by the mark. What has
    /// expired by a wall clock that is ahead lives again when the clock is set right.
    fn must_be_known(&self, token: &Token) -> bool {
        !token.dead && self.mark < token.expires_at
    }

    /// What the product may say of an act, and what is true then. Mostly there is one answer.
    pub fn after(&self, act: &Act) -> Vec<(Said, Self)> {
        let done = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            (Said::Done, world)
        };
        let same = |said| (said, self.clone());
        let refused = || vec![same(Said::Refused)];
        match *act {
            Act::Issue { client, audience, scopes } => match self.grantable(client, audience, scopes) {
                Some(granted) => vec![done(&|world| world.issue(client, audience, granted.clone()))],
                None => refused(),
            },
            Act::Revoke { client, token } => self.after_revocation(client, token),
            Act::RevokeAsAdministrator { token } => {
                let revoked = done(&|world| world.kill(|number, _| number == token));
                // What is dead may be forgotten, and then nobody knows it.
                if self.tokens.get(token).is_some_and(|token| self.must_be_known(token)) {
                    vec![revoked]
                } else {
                    vec![revoked, same(Said::Refused)]
                }
            }
            Act::CutClient { client } | Act::DeleteClient { client }
                if !self.clients.contains_key(&client) =>
            {
                refused()
            }
            Act::CutClient { client } => vec![done(&|world| world.kill(|_, token| token.client == client))],
            Act::CutGrant { client, audience } => {
                let cut = done(&|world| world.kill_family(client, audience));
                let owner_is_there = self.clients.contains_key(&client);
                let api_is_there = audience.api().is_none_or(|api| self.apis.contains_key(&api));
                if owner_is_there && api_is_there { vec![cut] } else { vec![cut, same(Said::Refused)] }
            }
            Act::CutKey { key } => vec![done(&|world| world.kill_signed_by(key))],
            Act::CutRealm { realm } => {
                vec![done(&|world| world.kill(|_, token| token.client.realm() == realm))]
            }
            Act::EnableClient { client, enabled } => match self.clients.get(&client) {
                Some(_) => vec![done(&|world| world.enable_client(client, enabled))],
                None => refused(),
            },
            Act::EnableApi { api, enabled } => match self.apis.get(&api) {
                // An API has no cut: its tokens are inactive while it is disabled.
                Some(_) => vec![done(&|world| world.change_api(api, |api| api.enabled = enabled))],
                None => refused(),
            },
            Act::EnableAcme { enabled } => vec![done(&|world| {
                if world.acme_enabled && !enabled {
                    world.kill(|_, token| token.client.realm() == Realm::Acme);
                }
                world.acme_enabled = enabled;
            })],
            Act::DefineScopes { api, scopes } => match self.apis.get(&api) {
                Some(_) => vec![done(&|world| world.change_api(api, |api| api.defines = scopes))],
                // A name is never given again.
                None => refused(),
            },
            Act::DefineLifetime { api, seconds } => match self.apis.get(&api) {
                Some(_) if !api.has_jwts() || seconds <= LONGEST_JWT_SECONDS => {
                    vec![done(&|world| world.change_api(api, |api| api.lifetime = seconds))]
                }
                _ => refused(),
            },
            Act::RotateSecret { client, replace, number } => match self.clients.get(&client) {
                Some(_) => vec![done(&|world| world.rotate_secret(client, replace, number))],
                None => refused(),
            },
            Act::DeleteClient { client } => vec![done(&|world| {
                world.kill(|_, token| token.client == client);
                world.clients.remove(&client);
            })],
            Act::DeleteApi { api } => match self.apis.get(&api) {
                Some(_) => vec![done(&|world| {
                    world.kill(|_, token| token.audience == Audience::Api(api));
                    world.apis.remove(&api);
                })],
                None => refused(),
            },
            // A planned rotation fails no validation; an emergency kills what the key has signed.
            Act::RotateKeys { removed } => vec![done(&|world| {
                removed.into_iter().for_each(|key| world.kill_signed_by(key));
            })],
            // Without force, a key that a live token carries is not taken away.
            Act::RetireKey { force: false, .. } => vec![same(Said::Done), same(Said::Refused)],
            Act::RetireKey { key, force: true } => {
                vec![done(&|world| world.kill_signed_by(key)), same(Said::Refused)]
            }
            Act::Wait { seconds } => vec![done(&|world| world.wall += seconds)],
            Act::SetClock { wall } => vec![done(&|world| world.wall = wall)],
            Act::Nothing => vec![same(Said::Done)],
        }
    }

    /// What is true when an act of several changes came to an end in the middle; `None` when there is no middle that anybody sees.
    pub fn halfway(&self, act: &Act) -> Option<Self> {
        let Act::DeleteApi { api } = *act else { return None };
        let mut world = self.clone();
        world.change_api(api, |api| api.named = false);
        Some(world)
    }

    fn after_revocation(&self, client: Client, number: usize) -> Vec<(Said, Self)> {
        let said = |said| vec![(said, self.clone())];
        let Some(token) = self.tokens.get(number) else { return said(Said::Done) };
        if !self.may_ask(client) {
            return said(Said::Refused);
        }
        // In another realm there is no such token, and revoking what is not there is a success (RFC 7009 §2.2).
        if client.realm() != token.client.realm() {
            return said(Said::Done);
        }
        // Whether a dead token is still known is nobody's business.
        let is_known = self.must_be_known(token);
        if client != token.client {
            let mut branches = said(Said::Refused);
            branches.extend((!is_known).then(|| (Said::Done, self.clone())));
            return branches;
        }
        let mut revoked = self.clone();
        if client.revokes_families() {
            revoked.kill_family(client, token.audience);
        } else {
            revoked.kill(|other, _| other == number);
        }
        let mut branches = vec![(Said::Done, revoked)];
        branches.extend((!is_known).then(|| (Said::Done, self.clone())));
        branches
    }

    /// What a client gets when it asks for these scopes at this audience.
    fn grantable(&self, client: Client, audience: Audience, wanted: Scopes) -> Option<Vec<&'static str>> {
        if !self.may_ask(client) {
            return None;
        }
        let may_have = client.may_have(audience);
        let granted: Vec<&'static str> = match audience {
            Audience::Issuer if wanted == Scopes::All => may_have.to_vec(),
            // The issuer defines neither of the two.
            Audience::Issuer => Vec::new(),
            Audience::Api(api) => {
                let defines = self.apis.get(&api).filter(|api| api.enabled && api.named)?.defines;
                SCOPES
                    .into_iter()
                    .filter(|scope| may_have.contains(scope) && defines.has(scope) && wanted.has(scope))
                    .collect()
            }
        };
        (!granted.is_empty()).then_some(granted)
    }

    fn issue(&mut self, client: Client, audience: Audience, scopes: Vec<&'static str>) {
        // Without an API: the realm's lifetime of opaque tokens.
        let api = audience.api().and_then(|api| self.apis.get(&api));
        let lifetime = api.map_or(3_600, |api| api.lifetime);
        self.tokens.push(Token {
            client,
            audience,
            scopes,
            issued_at: self.now(),
            expires_at: self.now() + lifetime,
            key: None,
            dead: false,
        });
    }

    fn kill(&mut self, whom: impl Fn(usize, &Token) -> bool) {
        for (number, token) in self.tokens.iter_mut().enumerate() {
            token.dead |= whom(number, token);
        }
    }

    /// A client has one standing grant per API for its own tokens.
    fn kill_family(&mut self, client: Client, audience: Audience) {
        self.kill(|_, token| token.client == client && token.audience == audience);
    }

    fn kill_signed_by(&mut self, key: usize) {
        self.kill(|_, token| token.key == Some(key));
    }

    /// Disabling kills for good; enabling admits new tokens only.
    fn enable_client(&mut self, client: Client, enabled: bool) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        let was_enabled = std::mem::replace(&mut state.enabled, enabled);
        if was_enabled && !enabled {
            self.kill(|_, token| token.client == client);
        }
    }

    fn change_api(&mut self, api: Api, change: impl Fn(&mut ApiState)) {
        self.apis.get_mut(&api).into_iter().for_each(change);
    }

    /// The secret before the new one stays good, unless it is replaced.
    fn rotate_secret(&mut self, client: Client, replace: bool, number: usize) {
        if let Some(state) = self.clients.get_mut(&client) {
            state.secrets.insert(0, number);
            state.secrets.truncate(if replace { 1 } else { 2 });
        }
    }
}
