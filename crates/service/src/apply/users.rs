//! Users of a document: they are not kept in memory, so that each is read from the store.

use lydian_domain::{PasswordHash, Realm, RealmId, User, UserId, UserProfile};
use lydian_primitives::Secret;
use lydian_revocation::{CutKind, Seq};
use lydian_storage::{Precondition, Write};

use super::plan::{Plan, differences, set};
use super::{ApplyDocumentError, MadePassword, UserEntry};
use crate::account::PasswordFault;
use crate::error::ServiceError;
use crate::password_rules;
use crate::passwords::Verdict;

impl Plan<'_> {
    pub(super) async fn user(&mut self, entry: &UserEntry) -> Result<(), ApplyDocumentError> {
        let record = format!("user {}/{}", entry.realm, entry.username);
        let Some(realm_record) = self.realms.get(&entry.realm).cloned() else {
            self.fault(&record, "there is no such realm: put it into the document");
            return Ok(());
        };
        let realm = realm_record.id;
        let Some(username) = User::canonical_username(&entry.username) else {
            self.fault(&record, "a username is 1 to 128 bytes without spaces and control characters");
            return Ok(());
        };
        let before = self.service.storage.find_user_by_name(realm, username.clone()).await?;
        let mut user = before.clone().unwrap_or_else(|| self.new_user(realm, username));
        set(&mut user.enabled, entry.enabled);
        if let Some(profile) = &entry.profile {
            // What the store stamps is no difference.
            let updated_at = profile.updated_at.or(user.profile.updated_at);
            // Nor is what the person confirmed, as long as the address stays: another one is not confirmed unless the document says so.
            let email_verified = profile.email_verified
                || (user.profile.email_verified && profile.email == user.profile.email);
            user.profile = UserProfile { updated_at, email_verified, ..profile.clone() };
        }
        let mut differences = before.as_ref().map(|before| differences(&shown(before), &shown(&user)));
        let password = self.password(&record, entry, before.as_ref(), (&realm_record, &user)).await?;
        if let (Some(differences), Some(_)) = (&mut differences, &password) {
            differences.push("password: replaced".to_owned());
        }
        let changed = differences.as_ref().is_none_or(|differences| !differences.is_empty());
        if changed {
            let password_changed = password.is_some();
            if password_changed {
                user.password = password;
            }
            if before.as_ref().is_none_or(|before| before.profile != user.profile) {
                user.profile.updated_at = Some(self.mint.now().as_unix_seconds());
            }
            if let Some(before) = &before {
                let (id, version) = (before.id, before.version);
                self.preconditions.push(Precondition::UserUnchanged { user: id, version });
                user.version = before.version + 1;
                let id = user.id.as_number();
                let kills = kills_tokens(before, &user) || password_changed;
                self.writes.push(Write::PutUser(Box::new(user)));
                if kills {
                    self.writes.push(Write::Cut { kind: CutKind::User, subject: id });
                }
            } else {
                self.writes.push(Write::PutUser(Box::new(user)));
            }
        }
        self.line(record, differences);
        Ok(())
    }

    fn new_user(&self, realm: RealmId, username: String) -> User {
        User {
            id: UserId::from_number(self.mint.number()),
            realm,
            subject: format!("usr_{}", lydian_primitives::base64url::encode(&self.mint.bytes::<16>())),
            username,
            enabled: true,
            cut_at: Seq::ZERO,
            version: 1,
            profile: UserProfile::default(),
            password: None,
        }
    }

    /// The new hash, when there is a new password.
    async fn password(
        &mut self,
        record: &str,
        entry: &UserEntry,
        before: Option<&User>,
        (realm, user): (&Realm, &User),
    ) -> Result<Option<PasswordHash>, ApplyDocumentError> {
        let passwords = &self.service.passwords;
        let password = match &entry.password {
            Some(password) => Secret::new(password.clone()),
            // A new user gets one; who is there keeps what it has.
            None if before.is_none() => {
                let password = self.mint.client_secret();
                let (realm, username) = (entry.realm.clone(), entry.username.clone());
                let made = MadePassword { realm, username, password: password.clone() };
                self.outcome.passwords.push(made);
                password
            }
            None => return Ok(None),
        };
        let known = before.and_then(|user| user.password.as_ref());
        if let Some(known) = known {
            let verdict = passwords.verify(Some(known), &password, self.mint).await.map_err(unavailable)?;
            if matches!(verdict, Verdict::Right { .. }) {
                return Ok(None);
            }
        }
        // What stands already is left alone, by whatever rules it was made.
        if let Err(fault) = password_rules::check(realm, user, &password) {
            let text = match fault {
                PasswordFault::Common => "this password is on the list of those that attackers try",
                PasswordFault::Guessable => "this password is a name of the user or of the realm",
                _ => "a password has at least 8 characters and at most 1024 bytes",
            };
            self.fault(record, text);
            return Ok(None);
        }
        Ok(Some(passwords.hash(&password, self.mint).await.map_err(unavailable)?))
    }
}

/// What changes of a user end what was minted for it: what it may do may have become less.
fn kills_tokens(before: &User, after: &User) -> bool {
    (before.enabled && !after.enabled)
        || before.profile.roles != after.profile.roles
        || before.profile.groups != after.profile.groups
}

/// What is compared and shown of a user.
fn shown(user: &User) -> impl serde::Serialize {
    #[derive(serde::Serialize)]
    struct Shown {
        enabled: bool,
        #[serde(flatten)]
        profile: UserProfile,
    }
    Shown { enabled: user.enabled, profile: user.profile.clone() }
}

fn unavailable(error: ServiceError) -> ApplyDocumentError {
    match error {
        ServiceError::Unavailable(unavailable) => unavailable.into(),
        other => lydian_storage::Unavailable::new("hash a password", other).into(),
    }
}
