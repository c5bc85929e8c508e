//! Mail: what people are told by it, and the queue between a request and the letters that come of it.
//!
//! A request queues an [`Errand`] and goes on: whom it concerns, and whether there is anybody, is looked up behind the queue, so that
//! neither an answer nor its time tells who has an account. Who delivers is outside of this crate: it takes errands from
//! [`Service::open_outbox`] and letters from [`Service::write_letters`].

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lydian_domain::{RealmId, User, UserId};
use lydian_pages::Language;
use lydian_pages::mail::{Mail, MailKind};
use lydian_primitives::{BootInstant, Timestamp, limits};
use lydian_storage::Unavailable;
use tokio::sync::mpsc;

use crate::Service;
use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::limiter::Limiter;
use crate::links::{ADDRESS_LINK_SECONDS, RESET_LINK_SECONDS};

/// How often one address of the network may ask for mail: ten times at once, then every half minute.
const ASKED_BY_ADDRESS: (Duration, u32) = (Duration::from_secs(30), 10);

/// How many letters of one kind an account gets that somebody asks for: three at once, then one every ten minutes.
const LETTERS_OF_ACCOUNT: (Duration, u32) = (Duration::from_secs(600), 3);

/// For how long a letter without a link is worth sending, in seconds.
const NOTICE_SECONDS: u64 = 86_400;

/// Accounts of one address that get a letter: families share one, and no list of people does.
const ACCOUNTS_OF_ADDRESS_MAX: usize = 5;

/// What slows down those who ask for mail to others.
pub struct MailLimits {
    asked: Limiter,
    letters: Limiter,
}

impl Default for MailLimits {
    fn default() -> Self {
        let limiter = |(interval, burst)| Limiter::with_interval(interval, burst);
        Self { asked: limiter(ASKED_BY_ADDRESS), letters: limiter(LETTERS_OF_ACCOUNT) }
    }
}

impl MailLimits {
    /// Forgets those who have recovered.
    pub fn sweep(&self, now: BootInstant) {
        self.asked.sweep(now);
        self.letters.sweep(now);
    }
}

/// Something to tell people by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A person asks for a link to confirm its address.
    ConfirmAddress(Recipient),
    /// The password of a person was changed.
    PasswordChanged(Recipient),
    /// Somebody says that this is its address, and that it forgot its password.
    ResetPassword {
        /// The realm.
        realm: RealmId,
        /// What was typed.
        typed: String,
        /// The language of the page.
        language: Language,
    },
}

/// A person that is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The realm.
    pub realm: RealmId,
    /// The person.
    pub user: UserId,
    /// The language of the page on which it happened.
    pub language: Language,
}

/// A mail that is ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address, as the record has it: whether it is one is for who delivers to say.
    pub to: String,
    /// The name that people know the house by.
    pub from_name: String,
    /// The subject, on one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// The first second at which it is not worth sending any more.
    pub good_until: Timestamp,
}

impl std::fmt::Debug for Letter {
    /// Without the texts: their links are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// The queue of errands; closed until somebody delivers.
#[derive(Default)]
pub struct Outbox {
    queue: OnceLock<mpsc::Sender<Errand>>,
    dropped: AtomicU64,
}

impl Service {
    /// Takes over delivery: from now on errands are queued. `None` when somebody delivers already.
    pub fn open_outbox(&self) -> Option<mpsc::Receiver<Errand>> {
        let (sender, receiver) = mpsc::channel(limits::MAIL_QUEUE_MAX);
        self.outbox.queue.set(sender).ok().map(|()| receiver)
    }

    /// Whether mail is sent from here.
    pub fn sends_mail(&self) -> bool {
        self.outbox.queue.get().is_some()
    }

    /// How many errands were dropped because the queue was full.
    pub fn errands_dropped(&self) -> u64 {
        self.outbox.dropped.load(Ordering::Relaxed)
    }

    /// Queues an errand, or drops it: no request waits for mail.
    pub(crate) fn post(&self, errand: Errand) {
        let Some(queue) = self.outbox.queue.get() else { return };
        if queue.try_send(errand).is_err() {
            self.outbox.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets an address of the network ask for mail.
    ///
    /// # Errors
    ///
    /// "Too many requests".
    pub(crate) fn admit_errand(
        &self,
        realm: &RealmState,
        address: IpAddr,
        boot_now: BootInstant,
    ) -> Result<(), ServiceError> {
        let source = (realm.realm.id, address);
        let asked = &self.mail_limits.asked;
        asked.check(&source, boot_now).map_err(ServiceError::TooManyRequests)?;
        asked.count(&source, boot_now);
        Ok(())
    }

    /// The letters of an errand: none when there is nobody to write to, or when it was written to often enough.
    ///
    /// # Errors
    ///
    /// Unavailable when the store cannot be read.
    pub async fn write_letters(&self, errand: &Errand) -> Result<Vec<Letter>, Unavailable> {
        let realm_id = match errand {
            Errand::ConfirmAddress(to) | Errand::PasswordChanged(to) => to.realm,
            Errand::ResetPassword { realm, .. } => *realm,
        };
        let realm = self.directory().find_by_id(realm_id).map(Arc::clone);
        let Some(realm) = realm.filter(|realm| realm.realm.enabled) else {
            return Ok(Vec::new());
        };
        let users = match errand {
            Errand::ConfirmAddress(to) | Errand::PasswordChanged(to) => {
                self.storage.find_user(to.user).await?.into_iter().collect()
            }
            Errand::ResetPassword { typed, .. } => self.users_at(&realm, typed).await?,
        };
        let good = |user: &User| user.realm == realm_id && user.enabled;
        Ok(users
            .iter()
            .filter(|user| good(user))
            .filter_map(|user| self.letter(&realm, user, errand))
            .collect())
    }

    /// Whose address this is, and who signs in with it as a name.
    async fn users_at(&self, realm: &RealmState, typed: &str) -> Result<Vec<User>, Unavailable> {
        let (id, typed) = (realm.realm.id, typed.trim());
        let email = typed.to_ascii_lowercase();
        let mut users = self.storage.find_users_by_email(id, email, ACCOUNTS_OF_ADDRESS_MAX).await?;
        if let Some(username) = User::canonical_username(typed)
            && let Some(user) = self.storage.find_user_by_name(id, username).await?
            && !users.iter().any(|known| known.id == user.id)
        {
            users.push(user);
        }
        Ok(users)
    }

    fn letter(&self, realm: &RealmState, user: &User, errand: &Errand) -> Option<Letter> {
        let to = user.profile.email.clone()?;
        let now = self.node().token_time();
        let (language, link, seconds) = match errand {
            Errand::ConfirmAddress(recipient) => {
                self.admit_letter(user, "address")?;
                let link = self.address_link(realm, user, &to, now);
                (recipient.language, link, ADDRESS_LINK_SECONDS)
            }
            Errand::PasswordChanged(recipient) => (recipient.language, String::new(), NOTICE_SECONDS),
            Errand::ResetPassword { language, .. } => {
                self.admit_letter(user, "password")?;
                (*language, self.reset_link(realm, user, now), RESET_LINK_SECONDS)
            }
        };
        let kind = match errand {
            Errand::ConfirmAddress(_) => MailKind::ConfirmAddress { link: &link, hours: seconds / 3_600 },
            Errand::PasswordChanged(_) => MailKind::PasswordChanged,
            Errand::ResetPassword { .. } => MailKind::ResetPassword { link: &link, minutes: seconds / 60 },
        };
        let brand_name = brand_name(realm);
        let mail = Mail { language, brand_name, username: Some(&user.username), kind };
        Some(Letter::of(&mail, to, now.plus_seconds(seconds)))
    }

    /// Whether an account may get one more letter of a kind that anybody can ask for.
    fn admit_letter(&self, user: &User, kind: &str) -> Option<()> {
        let (key, now) = ((user.id, kind), self.clock().boot_now());
        let letters = &self.mail_limits.letters;
        letters.check(&key, now).ok()?;
        letters.count(&key, now);
        Some(())
    }

    /// The letter by which an administrator tries whether mail arrives.
    pub fn test_letter(&self, to: String) -> Letter {
        let directory = self.directory();
        let name = directory.default_realm().map_or(PRODUCT, |realm| brand_name(realm));
        let mail =
            Mail { language: Language::English, brand_name: name, username: None, kind: MailKind::Test };
        Letter::of(&mail, to, self.node().token_time().plus_seconds(NOTICE_SECONDS))
    }
}

impl Letter {
    fn of(mail: &Mail<'_>, to: String, good_until: Timestamp) -> Self {
        let from_name = mail.brand_name.to_owned();
        Self { to, from_name, subject: mail.subject(), text: mail.text(), html: mail.html(), good_until }
    }
}

/// What a house is called that gave itself no name.
const PRODUCT: &str = "Lydian";

fn brand_name(realm: &RealmState) -> &str {
    realm.realm.sign_in.brand_name.as_deref().unwrap_or(PRODUCT)
}
