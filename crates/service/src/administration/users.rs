//! Users, as administrators handle them.

use std::sync::Arc;

use lydian_domain::{User, UserId};
use lydian_primitives::{Mint, Secret, Timestamp, limits};
use lydian_revocation::Seq;
use lydian_storage::{Change, Precondition, Write};

use super::AdministrationError;
use super::records::{ListedRecord, RecordName};
use crate::Service;
use crate::apply::{Document, Outcome, UserEntry};
use crate::directory::RealmState;
use crate::links::RESET_LINK_SECONDS;

/// A link with which a user chooses a new password.
#[derive(Debug)]
pub struct ResetLink {
    /// Whose it is.
    pub username: String,
    /// The link: who has it has the account.
    pub link: Secret,
    /// The first second at which it does not work any more.
    pub expires_at: Timestamp,
}

impl Service {
    /// All users of a realm, in order of their names.
    pub(super) async fn list_users_of(
        &self,
        realm: &RealmState,
    ) -> Result<Vec<ListedRecord>, AdministrationError> {
        let mut list = Vec::new();
        let mut after = UserId::from_number(0);
        loop {
            let page = self.storage.list_users(realm.realm.id, after, limits::PAGE_MAX).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            list.extend(page.iter().map(|user| listed(realm, user)));
        }
        list.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(list)
    }

    /// The user of this name, with its realm.
    pub(super) async fn find_user_for_administrator(
        &self,
        name: &RecordName,
    ) -> Result<(Arc<RealmState>, User), AdministrationError> {
        let state = self.realm_for_administrator(name.realm.as_ref())?;
        let found = match User::canonical_username(&name.name) {
            Some(username) => self.storage.find_user_by_name(state.realm.id, username).await?,
            None => None,
        };
        let user = found.ok_or_else(|| {
            AdministrationError::NotFound(format!(
                "there is no user {} in the realm {}",
                name.name, state.realm.name
            ))
        })?;
        Ok((state, user))
    }

    /// Deletes a user: everything minted for it is dead when this returns, and its name is free again.
    pub(super) async fn delete_user(
        &self,
        name: &RecordName,
    ) -> Result<(String, usize, Seq), AdministrationError> {
        let (state, user) = self.find_user_for_administrator(name).await?;
        let now = self.node().clock().now();
        let change = Change {
            preconditions: vec![Precondition::UserUnchanged { user: user.id, version: user.version }],
            writes: vec![Write::DeleteUser(user.id), self.orphans_left()],
            at: now,
        };
        let position = self.storage.apply(change).await?;
        Ok((format!("user {}/{}", state.realm.name, user.username), 0, position.seq))
    }

    /// Makes a link with which a user chooses a new password, once.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn make_reset_link(&self, name: &RecordName) -> Result<ResetLink, AdministrationError> {
        let (state, user) = self.find_user_for_administrator(name).await?;
        if !user.enabled {
            return Err(AdministrationError::Conflict(format!(
                "the user {} is disabled: enable it first",
                user.username
            )));
        }
        let now = self.node().token_time();
        let link = Secret::new(self.reset_link(&state, &user, now));
        Ok(ResetLink { username: user.username, link, expires_at: now.plus_seconds(RESET_LINK_SECONDS) })
    }

    /// Sets the password of a user, or makes a random one. Everything minted for the user so far is dead with the old one.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] by cause.
    pub async fn set_password(
        &self,
        name: &RecordName,
        password: Option<Secret>,
    ) -> Result<(Outcome, Option<Secret>), AdministrationError> {
        let (state, user) = self.find_user_for_administrator(name).await?;
        let now = self.node().clock().now();
        let made = password.is_none().then(|| Mint::new(now, self.node().entropy()).client_secret());
        let password = password.as_ref().or(made.as_ref()).map(|secret| secret.expose().to_owned());
        let entry = UserEntry { password, ..UserEntry::named(state.realm.name.clone(), &user.username) };
        let document = Document { users: vec![entry], ..Document::default() };
        Ok((self.apply_document(&document, false).await?, made))
    }
}

fn listed(realm: &RealmState, user: &User) -> ListedRecord {
    let mut about = user.profile.email.clone().unwrap_or_default();
    if user.password.is_none() {
        about.push_str(" no password");
    }
    ListedRecord {
        realm: realm.realm.name.to_string(),
        name: user.username.clone(),
        title: user.profile.name.clone().unwrap_or_default(),
        enabled: user.enabled,
        about: about.trim().to_owned(),
    }
}
