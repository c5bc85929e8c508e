//! Deleting: the record and its name go at once, its tokens are dead with it, and what it owned goes in bounded steps.

use std::collections::BTreeMap;

use lydian_domain::ApiId;
use lydian_domain::{Client, RealmName};
use lydian_primitives::limits;
use lydian_revocation::{CutKind, RecordKind, Seq};
use lydian_storage::{
    ApplyError, Change, Conflict, OrphanCursor, OwnedKind, Precondition, Unavailable, Write,
};
use serde::{Deserialize, Serialize};

use super::AdministrationError;
use super::records::{Kind, RecordName, find_api, find_client};
use crate::Service;

/// The setting that says that rows without an owner may be left; its value differs for each deletion.
const ORPHANS: &str = "orphans";

/// Clients that one change frees of an API that is deleted.
const CLIENTS_PER_CHANGE: usize = 100;

/// What a deletion did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// What was deleted, for people: `client default/app`.
    pub deleted: String,
    /// The position in the log from which on it is gone.
    pub position: u64,
    /// How many rows went with it, by kind: `grants`, `clients`, ...
    pub removed: BTreeMap<String, usize>,
    /// Clients that named the API and do no longer.
    pub clients_changed: usize,
}

impl Service {
    /// Deletes a realm, an API, a client or a user, whole. Its name is never given again (that of a user is free), and its tokens are dead when this returns; their
    /// rows leave with their hour.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause. Once the record is gone, an error concerns only what it owned, and housekeeping goes on.
    pub async fn delete_record(&self, name: &RecordName) -> Result<Deleted, AdministrationError> {
        let (deleted, clients_changed, position) = match name.kind {
            Kind::Realm => self.delete_realm(&name.name).await?,
            Kind::Api => self.delete_api(name.realm.as_ref(), &name.name).await?,
            Kind::Client => self.delete_client(name.realm.as_ref(), &name.name).await?,
            Kind::User => self.delete_user(name).await?,
        };
        let removed = self.sweep_orphans().await?;
        let removed = removed.into_iter().map(|(kind, count)| (plural(kind).to_owned(), count)).collect();
        Ok(Deleted { deleted, position: position.as_number(), removed, clients_changed })
    }

    async fn delete_realm(&self, name: &str) -> Result<(String, usize, Seq), AdministrationError> {
        let state = self.realm_named(name)?;
        let realm = &state.realm;
        if realm.name.is_default() {
            return Err(AdministrationError::Conflict("the default realm cannot be deleted".to_owned()));
        }
        let cut = Write::Cut { kind: CutKind::Realm, subject: realm.id.as_number() };
        let position =
            self.delete_one(RecordKind::Realm, realm.id.as_number(), realm.version, Some(cut)).await?;
        Ok((format!("realm {name}"), 0, position))
    }

    async fn delete_client(
        &self,
        realm: Option<&RealmName>,
        client_id: &str,
    ) -> Result<(String, usize, Seq), AdministrationError> {
        let state = self.realm_for_administrator(realm)?;
        let client = find_client(&state, client_id)?;
        let id = client.id.as_number();
        let cut = Write::Cut { kind: CutKind::Client, subject: id };
        let position = self.delete_one(RecordKind::Client, id, client.version, Some(cut)).await?;
        Ok((format!("client {}/{client_id}", state.realm.name), 0, position))
    }

    async fn delete_api(
        &self,
        realm: Option<&RealmName>,
        audience: &str,
    ) -> Result<(String, usize, Seq), AdministrationError> {
        let state = self.realm_for_administrator(realm)?;
        let api = find_api(&state, audience)?;
        let naming: Vec<Client> = state
            .clients()
            .filter(|client| names(client, api.id))
            .map(|client| Client::clone(client))
            .collect();
        for clients in naming.chunks(CLIENTS_PER_CHANGE) {
            self.free_clients(clients, api.id).await?;
        }
        let position = self.delete_one(RecordKind::Api, api.id.as_number(), api.version, None).await?;
        Ok((format!("api {}/{audience}", state.realm.name), naming.len(), position))
    }

    /// Takes an API out of clients that name it.
    async fn free_clients(&self, clients: &[Client], api: ApiId) -> Result<(), AdministrationError> {
        let preconditions = clients.iter().map(|client| Precondition::RecordUnchanged {
            kind: RecordKind::Client,
            id: client.id.as_number(),
            version: client.version,
        });
        let freed = clients.iter().cloned().map(|mut client| {
            client.allowed.remove(&api);
            client.default_api = client.default_api.filter(|id| *id != api);
            client.api = client.api.filter(|id| *id != api);
            client.version += 1;
            Write::PutClient(client)
        });
        let at = self.node().clock().now();
        let change = Change { preconditions: preconditions.collect(), writes: freed.collect(), at };
        self.storage.apply(change).await?;
        Ok(())
    }

    async fn delete_one(
        &self,
        kind: RecordKind,
        id: u64,
        version: u64,
        cut: Option<Write>,
    ) -> Result<Seq, AdministrationError> {
        let mut writes: Vec<Write> = cut.into_iter().collect();
        writes.push(Write::Delete { kind, id });
        writes.push(self.orphans_left());
        let preconditions = vec![Precondition::RecordUnchanged { kind, id, version }];
        let at = self.node().clock().now();
        Ok(self.storage.apply(Change { preconditions, writes, at }).await?.seq)
    }

    /// Says that rows without an owner may be left.
    pub(super) fn orphans_left(&self) -> Write {
        let mut mark = [0; 8];
        self.node().entropy().fill(&mut mark);
        Write::PutSetting { name: ORPHANS, value: mark.to_vec() }
    }

    /// Whether rows without an owner may be left.
    pub(super) async fn has_orphans(&self) -> Result<bool, Unavailable> {
        Ok(self.storage.find_setting(ORPHANS).await?.is_some_and(|mark| !mark.is_empty()))
    }

    /// Removes every row whose owner is gone, in steps that look at a bounded number of rows each; the counts by kind.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the store cannot be written; housekeeping tries again.
    pub async fn sweep_orphans(&self) -> Result<BTreeMap<OwnedKind, usize>, Unavailable> {
        let mut removed = BTreeMap::new();
        let Some(mark) = self.storage.find_setting(ORPHANS).await?.filter(|mark| !mark.is_empty()) else {
            return Ok(removed);
        };
        let mut next = Some(OrphanCursor::default());
        while let Some(after) = next {
            let step = self.storage.sweep_orphans(after, limits::FORGET_ROWS_MAX).await?;
            for (kind, count) in step.removed {
                *removed.entry(kind).or_default() += count;
            }
            next = step.next;
        }
        // A deletion that came meanwhile has another mark, and its sweep is still to be made.
        let change = Change {
            preconditions: vec![Precondition::SettingIs { name: ORPHANS, value: Some(mark) }],
            writes: vec![Write::PutSetting { name: ORPHANS, value: Vec::new() }],
            at: self.node().clock().now(),
        };
        match self.storage.apply(change).await {
            Ok(_) | Err(ApplyError::Conflict(Conflict::SettingChanged)) => Ok(removed),
            Err(ApplyError::Conflict(conflict)) => Err(Unavailable::new("end the sweep", conflict)),
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable),
        }
    }
}

fn names(client: &Client, api: ApiId) -> bool {
    client.allowed.contains_key(&api) || client.default_api == Some(api) || client.api == Some(api)
}

fn plural(kind: OwnedKind) -> &'static str {
    match kind {
        OwnedKind::Api => "apis",
        OwnedKind::Client => "clients",
        OwnedKind::Consent => "consents",
        OwnedKind::Factor => "second factors",
        OwnedKind::Grant => "grants",
        OwnedKind::Key => "keys",
        OwnedKind::RecoveryCode => "recovery codes",
        OwnedKind::Session => "sessions",
        OwnedKind::User => "users",
    }
}
