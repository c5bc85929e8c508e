//! Signing in: who a person is, by password, with limits that slow a guesser down and never lock anybody out for ever (S39).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lydian_domain::authentication::{Authentication, AuthenticationMethod, AuthenticationMethods};
use lydian_domain::{PasswordHash, Session, User};
use lydian_primitives::{BootInstant, Secret};
use lydian_storage::{Change, Precondition, Write};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::factors::proving::FactorQuestion;
use crate::limiter::Limiter;
use crate::passwords::Verdict;
use crate::sessions::{NewCookie, Proof, Recognised};
use crate::{Moment, Service};

/// How often one address may fail for one account: ten times at once, then every half minute.
const ACCOUNT_AT_ADDRESS: (Duration, u32) = (Duration::from_secs(30), 10);

/// How often an account may be missed from everywhere.
const ACCOUNT: (Duration, u32) = (Duration::from_secs(5), 100);

/// How often an address may fail, whoever it says it is: many people share one behind a gateway.
const ADDRESS: (Duration, u32) = (Duration::from_secs(1), 100);

/// Counts failed sign-ins.
pub struct SignInLimits {
    account_at_address: Limiter,
    account: Limiter,
    address: Limiter,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self::with(ACCOUNT_AT_ADDRESS, ACCOUNT, ADDRESS)
    }
}

impl SignInLimits {
    /// Limits with these intervals and bursts: for an account at an address, for an account, and for an address.
    pub(crate) fn with(
        account_at_address: (Duration, u32),
        account: (Duration, u32),
        address: (Duration, u32),
    ) -> Self {
        let limiter = |(interval, burst)| Limiter::with_interval(interval, burst);
        Self {
            account_at_address: limiter(account_at_address),
            account: limiter(account),
            address: limiter(address),
        }
    }

    pub(crate) fn check(
        &self,
        realm: u64,
        account: &str,
        address: IpAddr,
        now: BootInstant,
    ) -> Result<(), Duration> {
        self.account_at_address.check(&(realm, account, address), now)?;
        self.account.check(&(realm, account), now)?;
        self.address.check(&(realm, address), now)
    }

    pub(crate) fn count(&self, realm: u64, account: &str, address: IpAddr, now: BootInstant) {
        self.account_at_address.count(&(realm, account, address), now);
        self.account.count(&(realm, account), now);
        self.address.count(&(realm, address), now);
    }

    pub(crate) fn give_back(&self, realm: u64, account: &str, address: IpAddr) {
        self.account_at_address.give_back(&(realm, account, address));
        self.account.give_back(&(realm, account));
        self.address.give_back(&(realm, address));
    }

    /// Forgets those who have recovered.
    pub fn sweep(&self, now: BootInstant) {
        [&self.account_at_address, &self.account, &self.address].into_iter().for_each(|one| one.sweep(now));
    }
}

/// What a person presents, and from where.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The name, as it was typed.
    pub username: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The address of the browser.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
    /// The mark of the browser.
    pub mark: &'a str,
    /// The session that the browser has already, when its person proves again who it is.
    pub before: Option<&'a Session>,
}

/// What became of a sign-in.
#[derive(Debug)]
pub enum SignedIn {
    /// The person is who it says; the session is durable.
    Yes(Box<Recognised>, NewCookie),
    /// The password is right, and a second factor is asked for. Nobody is signed in.
    AskFactor(Box<FactorQuestion>),
    /// Name or password are wrong, or the user is disabled: nobody learns which.
    No,
}

impl Service {
    /// Takes back what a guess cost that was right, or never looked at.
    pub(crate) fn forgive_guess(&self, realm: &RealmState, account: &str, address: IpAddr) {
        self.sign_in_limits.give_back(realm.realm.id.as_number(), account, address);
    }

    /// Lets a password be tried, and counts it before it is known to be wrong: rivals in flight may not guess beyond the limit.
    pub(crate) fn admit_guess(
        &self,
        realm: &RealmState,
        account: &str,
        address: IpAddr,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        let realm_id = realm.realm.id.as_number();
        let limits = &self.sign_in_limits;
        limits.check(realm_id, account, address, moment.boot_now).map_err(ServiceError::TooManyRequests)?;
        limits.count(realm_id, account, address, moment.boot_now);
        Ok(())
    }

    /// Signs a person in by password.
    ///
    /// # Errors
    ///
    /// "Too many requests" after many failures; unavailable when it cannot be checked or made durable now.
    pub async fn sign_in(
        &self,
        realm: &Arc<RealmState>,
        presented: &SignIn<'_>,
        moment: &Moment,
    ) -> Result<SignedIn, ServiceError> {
        let name = User::canonical_username(presented.username);
        let account = name.clone().unwrap_or_default();
        self.admit_guess(realm, &account, presented.address, moment)?;
        let signed_in = self.check_password(realm, name, presented, moment).await;
        // Only what was wrong costs: neither who comes often nor a guess that was never looked at.
        if !matches!(signed_in, Ok(SignedIn::No)) {
            self.forgive_guess(realm, &account, presented.address);
        }
        signed_in
    }

    /// Checks name and password, and makes the session durable.
    async fn check_password(
        &self,
        realm: &Arc<RealmState>,
        name: Option<String>,
        presented: &SignIn<'_>,
        moment: &Moment,
    ) -> Result<SignedIn, ServiceError> {
        let mint = self.mint(moment);
        let user = match name {
            Some(name) => self.storage.find_user_by_name(realm.realm.id, name).await?,
            None => None,
        };
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        let verdict = self.passwords.verify(hash, presented.password, &mint).await?;
        let (Verdict::Right { rehashed }, Some(user)) = (verdict, user) else {
            return Ok(SignedIn::No);
        };
        if !user.enabled {
            return Ok(SignedIn::No);
        }
        let held = self.factors_of(&user).await?;
        if !held.is_empty() {
            let user = self.keep_rehashed(user, rehashed, moment).await?;
            let question = self.ask_after_password(realm, &user, &held, presented.mark, moment);
            return Ok(SignedIn::AskFactor(Box::new(question)));
        }
        let methods = AuthenticationMethods::of(&[AuthenticationMethod::Password]);
        let authentication = Authentication { at: moment.now, methods };
        let proof =
            Proof { user: &user, before: presented.before, authentication, user_agent: presented.user_agent };
        let (session, cookie) = self.signed_in_session(realm, &proof, moment, &mint);
        // The user must still be what was checked: a password that was changed meanwhile opens nothing.
        let mut change = Change {
            preconditions: vec![Precondition::UserUnchanged { user: user.id, version: user.version }],
            writes: vec![Write::PutSession(session.clone())],
            at: moment.now,
        };
        if rehashed.is_some() {
            let user = User { password: rehashed, version: user.version + 1, ..user.clone() };
            change.writes.push(Write::PutUser(Box::new(user)));
        }
        match self.storage.apply(change).await {
            Ok(_) => Ok(SignedIn::Yes(Box::new(Recognised { session, user }), cookie)),
            Err(lydian_storage::ApplyError::Conflict(_)) => Ok(SignedIn::No),
            Err(lydian_storage::ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Keeps the stronger hash of a password that was right, if there is one.
    async fn keep_rehashed(
        &self,
        user: User,
        rehashed: Option<PasswordHash>,
        moment: &Moment,
    ) -> Result<User, ServiceError> {
        if rehashed.is_none() {
            return Ok(user);
        }
        let stronger = User { password: rehashed, version: user.version + 1, ..user.clone() };
        let change = Change {
            preconditions: vec![Precondition::UserUnchanged { user: user.id, version: user.version }],
            writes: vec![Write::PutUser(Box::new(stronger.clone()))],
            at: moment.now,
        };
        match self.storage.apply(change).await {
            Ok(_) => Ok(stronger),
            // Somebody changed the person meanwhile: what comes next finds out.
            Err(lydian_storage::ApplyError::Conflict(_)) => Ok(user),
            Err(lydian_storage::ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }
}
