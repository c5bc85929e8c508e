//! Links that people get by mail: to choose a new password, and to confirm an address.
//!
//! A link carries what it is for, sealed under a key of the realm; nothing is kept of it. The one for a password is bound to the version of
//! the user's record and to its password, so that it works once, and any change kills it (decision 0019). Looking at a link changes nothing.

use lydian_domain::secrets::sha256;
use lydian_domain::{Refusal, User, UserId};
use lydian_pages::Language;
use lydian_primitives::{Mint, Secret, Timestamp, limits};
use lydian_revocation::CutKind;
use lydian_storage::{ApplyError, Change, Precondition, Unavailable, Write};

use crate::account::PasswordFault;
use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::mail::{Errand, Recipient};
use crate::password_rules;
use crate::sessions::Recognised;
use crate::{Moment, Service};

/// For how long a link to choose a new password works, in seconds.
pub const RESET_LINK_SECONDS: u64 = 1_800;

/// For how long a link to confirm an address works, in seconds.
pub const ADDRESS_LINK_SECONDS: u64 = 86_400;

const RESET_LABEL: &str = "link to choose a new password";
const ADDRESS_LABEL: &str = "link to confirm an address";

/// What a link says when it is opened.
struct Opened {
    user: UserId,
    /// What the user's record must still be, as a digest.
    bound_to: [u8; 32],
}

impl Service {
    /// Queues a mail with a link to choose a new password, whoever this is: nothing is looked up before the answer.
    ///
    /// # Errors
    ///
    /// "Too many requests" for an address of the network that asks often.
    pub fn ask_for_reset(
        &self,
        realm: &RealmState,
        typed: &str,
        language: Language,
        address: std::net::IpAddr,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        self.admit_errand(realm, address, moment.boot_now)?;
        self.post(Errand::ResetPassword { realm: realm.realm.id, typed: typed.to_owned(), language });
        Ok(())
    }

    /// Queues a mail with a link to confirm the address of a person who is signed in.
    ///
    /// # Errors
    ///
    /// "Too many requests" for an address of the network that asks often.
    pub fn ask_for_confirmation(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        language: Language,
        address: std::net::IpAddr,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        self.admit_errand(realm, address, moment.boot_now)?;
        let to = Recipient { realm: realm.realm.id, user: recognised.user.id, language };
        self.post(Errand::ConfirmAddress(to));
        Ok(())
    }

    /// Whose password a link is for, while it works.
    ///
    /// # Errors
    ///
    /// [`Refusal::LinkUsed`] when it was used, has expired, or is none of ours.
    pub async fn open_reset_link(
        &self,
        realm: &RealmState,
        link: &str,
        moment: &Moment,
    ) -> Result<User, ServiceError> {
        let opened = self.open_link(realm, RESET_LABEL, link, moment.now).ok_or(Refusal::LinkUsed)?;
        let user = self.user_of(realm, &opened).await?;
        if opened.bound_to != state_of(&user) {
            return Err(Refusal::LinkUsed.into());
        }
        Ok(user)
    }

    /// Chooses a new password by a link. Everything that was granted under the old one is dead, every browser is signed out, and a mail
    /// tells the person.
    ///
    /// # Errors
    ///
    /// [`Refusal::LinkUsed`] as above, also for the second of two at once; unavailable when it is not durable.
    pub async fn reset_password(
        &self,
        realm: &RealmState,
        link: &str,
        new: &Secret,
        repeated: &Secret,
        language: Language,
        moment: &Moment,
    ) -> Result<Result<(), PasswordFault>, ServiceError> {
        let user = self.open_reset_link(realm, link, moment).await?;
        if let Err(fault) = password_rules::check_repeated(&realm.realm, &user, new, repeated) {
            return Ok(Err(fault));
        }
        let password = Some(self.passwords.hash(new, &self.mint(moment)).await?);
        let (id, version) = (user.id, user.version);
        let changed = User { password, version: version + 1, ..user };
        let change = Change {
            preconditions: vec![Precondition::UserUnchanged { user: id, version }],
            writes: vec![
                Write::PutUser(Box::new(changed)),
                Write::Cut { kind: CutKind::User, subject: id.as_number() },
            ],
            at: moment.now,
        };
        self.storage.apply(change).await.map_err(|error| match error {
            ApplyError::Conflict(_) => ServiceError::from(Refusal::LinkUsed),
            ApplyError::Unavailable(unavailable) => unavailable.into(),
        })?;
        self.post(Errand::PasswordChanged(Recipient { realm: realm.realm.id, user: id, language }));
        Ok(Ok(()))
    }

    /// Whose address a link confirms, while it works and the address is the person's.
    ///
    /// # Errors
    ///
    /// [`Refusal::LinkUsed`] when it has expired, the address was changed, or it is none of ours.
    pub async fn open_address_link(
        &self,
        realm: &RealmState,
        link: &str,
        moment: &Moment,
    ) -> Result<User, ServiceError> {
        let opened = self.open_link(realm, ADDRESS_LABEL, link, moment.now).ok_or(Refusal::LinkUsed)?;
        let user = self.user_of(realm, &opened).await?;
        match &user.profile.email {
            Some(email) if opened.bound_to == sha256(email.as_bytes()) => Ok(user),
            _ => Err(Refusal::LinkUsed.into()),
        }
    }

    /// Confirms the address that a link is for. To do so twice is as good as once.
    ///
    /// # Errors
    ///
    /// [`Refusal::LinkUsed`] as above; unavailable when it is not durable.
    pub async fn confirm_address(
        &self,
        realm: &RealmState,
        link: &str,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        for _ in 0..limits::CONFLICT_RETRIES_MAX {
            let mut user = self.open_address_link(realm, link, moment).await?;
            if user.profile.email_verified {
                return Ok(());
            }
            let preconditions = vec![Precondition::UserUnchanged { user: user.id, version: user.version }];
            user.version += 1;
            user.profile.email_verified = true;
            user.profile.updated_at = Some(moment.now.as_unix_seconds());
            let writes = vec![Write::PutUser(Box::new(user))];
            match self.storage.apply(Change { preconditions, writes, at: moment.now }).await {
                Ok(_) => return Ok(()),
                // Somebody changed the user meanwhile: the address is looked at again.
                Err(ApplyError::Conflict(_)) => {}
                Err(ApplyError::Unavailable(unavailable)) => return Err(unavailable.into()),
            }
        }
        Err(Unavailable::because("confirm an address: the user keeps changing").into())
    }

    /// The address of the page on which this user may choose a new password, once.
    pub(crate) fn reset_link(&self, realm: &RealmState, user: &User, now: Timestamp) -> String {
        let expires_at = now.plus_seconds(RESET_LINK_SECONDS);
        let link = self.seal_link(realm, RESET_LABEL, user.id, state_of(user), expires_at);
        format!("{}/reset-password?link={link}", pages_of(realm))
    }

    /// The address of the page on which this user may confirm its address.
    pub(crate) fn address_link(
        &self,
        realm: &RealmState,
        user: &User,
        email: &str,
        now: Timestamp,
    ) -> String {
        let expires_at = now.plus_seconds(ADDRESS_LINK_SECONDS);
        let link = self.seal_link(realm, ADDRESS_LABEL, user.id, sha256(email.as_bytes()), expires_at);
        format!("{}/confirm-address?link={link}", pages_of(realm))
    }

    fn seal_link(
        &self,
        realm: &RealmState,
        label: &str,
        user: UserId,
        bound_to: [u8; 32],
        expires_at: Timestamp,
    ) -> String {
        let plain = [
            &user.as_number().to_le_bytes()[..],
            &expires_at.as_unix_seconds().to_le_bytes(),
            // A restore may bring a version back that was left: what was sealed before it is dead.
            &[self.node.store_generation()],
            &bound_to,
        ]
        .concat();
        let now = self.clock().now();
        realm.secrets.seal_carried(label, &plain, &Mint::new(now, self.entropy()))
    }

    /// What a link says that has not expired; `None` for all others.
    fn open_link(&self, realm: &RealmState, label: &str, link: &str, now: Timestamp) -> Option<Opened> {
        let plain = realm.secrets.open_carried(label, link)?;
        let (user, rest) = plain.split_first_chunk::<8>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (generation, bound_to) = rest.split_first()?;
        let expires_at = Timestamp::from_unix_seconds(u64::from_le_bytes(*expires_at));
        let bound_to = bound_to.try_into().ok()?;
        let is_good = expires_at > now && *generation == self.node.store_generation();
        is_good.then_some(Opened { user: UserId::from_number(u64::from_le_bytes(*user)), bound_to })
    }

    async fn user_of(&self, realm: &RealmState, opened: &Opened) -> Result<User, ServiceError> {
        let user = self.storage.find_user(opened.user).await?;
        let user = user.filter(|user| user.realm == realm.realm.id && user.enabled);
        Ok(user.ok_or(Refusal::LinkUsed)?)
    }
}

/// What any change of a user's record changes, and any change of its password.
fn state_of(user: &User) -> [u8; 32] {
    let password = user.password.as_ref().map(|hash| hash.as_phc()).unwrap_or_default();
    sha256(&[&user.version.to_le_bytes()[..], password.as_bytes()].concat())
}

/// Where the pages of a realm are.
fn pages_of(realm: &RealmState) -> &str {
    realm.token_endpoint.trim_end_matches("/token")
}
