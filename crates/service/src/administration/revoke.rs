//! Revocation by an administrator: one token, or everything that was minted so far for a grant, client, key or realm.

use std::sync::Arc;

use lydian_domain::{GrantId, RealmName};
use lydian_primitives::Timestamp;
use lydian_revocation::{CutKind, Seq, TokenCoordinates};
use lydian_storage::{Change, Write};

use super::AdministrationError;
use crate::directory::RealmState;
use crate::introspection::Found;
use crate::{Moment, Service};

/// What an administrator may kill.
#[derive(Clone, Copy)]
pub enum Revocable<'a> {
    /// Everything minted for the client of this `client_id`.
    Client(&'a str),
    /// The family of this grant, by its number.
    Grant(u64),
    /// Everything signed with the key of this `kid`.
    Key(&'a str),
    /// Everything minted in the realm.
    Realm,
    /// The token with this string; a refresh token takes its family along (RFC 7009 §2.1).
    Token(&'a str),
}

/// What was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The realm in which it was found.
    pub realm: RealmName,
    /// What was killed, for people; never the string of a token.
    pub what: String,
    /// Whether it was dead before.
    pub was_dead: bool,
    /// The position at which it is dead.
    pub position: Seq,
}

/// A death to be written.
struct Death {
    realm: RealmName,
    what: String,
    was_dead: bool,
    write: Write,
}

impl Service {
    /// Kills what an administrator names. A token is looked for in every realm when none is named.
    ///
    /// When it returns, no request that arrives afterwards is answered "active". What is dead already is killed again: the answer
    /// then comes under the same rule (lease protocol, rule 9).
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn revoke_as_administrator(
        &self,
        realm: Option<&RealmName>,
        what: Revocable<'_>,
    ) -> Result<Revoked, AdministrationError> {
        let moment = self.moment()?;
        let Death { realm, what, was_dead, write } = match what {
            Revocable::Token(token) => self.death_of_token(realm, token, &moment).await?,
            Revocable::Grant(number) => self.death_of_grant(realm, GrantId::from_number(number)).await?,
            Revocable::Client(client_id) => {
                let state = self.realm_for_administrator(realm)?;
                let client = state.client_by_name(client_id).ok_or_else(|| {
                    AdministrationError::NotFound(format!("there is no client {client_id} in this realm"))
                })?;
                cut(
                    &state,
                    CutKind::Client,
                    client.id.as_number(),
                    &format!("client {}/{client_id}", state.realm.name),
                )
            }
            Revocable::Key(kid) => {
                let state = self.realm_for_administrator(realm)?;
                let key = state.key_by_kid(kid).ok_or_else(|| {
                    AdministrationError::NotFound(format!("there is no key {kid} in this realm"))
                })?;
                cut(
                    &state,
                    CutKind::Key,
                    key.record.id.as_number(),
                    &format!("key {}/{kid}", state.realm.name),
                )
            }
            Revocable::Realm => {
                let state = self.realm_for_administrator(realm)?;
                cut(
                    &state,
                    CutKind::Realm,
                    state.realm.id.as_number(),
                    &format!("realm {}", state.realm.name),
                )
            }
        };
        let change = Change { preconditions: Vec::new(), writes: vec![write], at: moment.now };
        let position = self.storage.apply(change).await?.seq;
        Ok(Revoked { realm, what, was_dead, position })
    }

    async fn death_of_token(
        &self,
        realm: Option<&RealmName>,
        token: &str,
        moment: &Moment,
    ) -> Result<Death, AdministrationError> {
        let (state, found) =
            self.find_token_of_any_realm(realm, token, moment).await?.ok_or_else(not_ours)?;
        let realm = state.realm.name.clone();
        let death = match found {
            Found::Access(facts) => {
                let token = &facts.token;
                let marked = token.revoked_at.is_some();
                Death {
                    was_dead: self.is_dead(&token.coordinates(), token.expires_at, marked, moment)?,
                    what: format!("access token of client {realm}/{}", client_of(&state, token.client)),
                    write: Write::RevokeToken {
                        token: token.id,
                        expires_at: token.expires_at,
                        reach: token.reach(),
                    },
                    realm,
                }
            }
            Found::Refresh(stored) => {
                let token = &stored.token;
                let cut_at = stored.parents.grant.as_ref().map_or(Seq::ZERO, |grant| grant.cut_at);
                let marked = token.revoked_at.is_some() || token.minted_at < cut_at;
                Death {
                    was_dead: self.is_dead(&token.coordinates(), token.expires_at, marked, moment)?,
                    what: format!(
                        "grant {} of client {realm}/{}, with this refresh token",
                        token.grant,
                        client_of(&state, token.client)
                    ),
                    write: Write::Cut { kind: CutKind::Grant, subject: token.grant.as_number() },
                    realm,
                }
            }
            Found::Unknown => return Err(not_ours()),
        };
        Ok(death)
    }

    async fn death_of_grant(
        &self,
        realm: Option<&RealmName>,
        id: GrantId,
    ) -> Result<Death, AdministrationError> {
        let not_found = || AdministrationError::NotFound(format!("there is no grant {id}"));
        let grant = self.storage.load_parents(id, None, None).await?.grant.ok_or_else(not_found)?;
        let directory = self.directory();
        let state = directory.realms().into_iter().find(|state| state.realm.id == grant.realm);
        let state =
            state.filter(|state| realm.is_none_or(|name| *name == state.realm.name)).ok_or_else(not_found)?;
        let what = format!("grant {id} of client {}/{}", state.realm.name, client_of(state, grant.client));
        Ok(cut(state, CutKind::Grant, id.as_number(), &what))
    }

    /// Finds a token in the named realm, or in any; `None` when nothing of ours has this string.
    pub(crate) async fn find_token_of_any_realm(
        &self,
        realm: Option<&RealmName>,
        token: &str,
        moment: &Moment,
    ) -> Result<Option<(Arc<RealmState>, Found)>, AdministrationError> {
        for state in self.realms_for_administrator(realm)? {
            match self.find_token(&state, token, None, moment).await? {
                Found::Unknown => {}
                found => return Ok(Some((state, found))),
            }
        }
        Ok(None)
    }

    fn is_dead(
        &self,
        coordinates: &TokenCoordinates,
        expires_at: Timestamp,
        marked: bool,
        moment: &Moment,
    ) -> Result<bool, AdministrationError> {
        let in_ledger = self.view(self.node().clock().boot_now())?.death_of(coordinates).is_some();
        Ok(marked || in_ledger || expires_at <= moment.now)
    }
}

fn not_ours() -> AdministrationError {
    AdministrationError::NotFound(
        "no token of ours has this string, or it was forgotten after its end".to_owned(),
    )
}

fn cut(state: &RealmState, kind: CutKind, subject: u64, what: &str) -> Death {
    Death {
        realm: state.realm.name.clone(),
        what: what.to_owned(),
        // What was minted since the last cut lives until this one.
        was_dead: false,
        write: Write::Cut { kind, subject },
    }
}

/// The name of a client on the wire; a number for one that is gone.
pub(crate) fn client_of(state: &RealmState, id: lydian_domain::ClientId) -> String {
    state.client(id).map_or_else(|| format!("number {id}"), |client| client.client_id.clone())
}
