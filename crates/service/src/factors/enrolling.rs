//! Adding and removing factors, and making recovery codes.
//!
//! Nothing counts before it has worked once: an authenticator app is added by its first code, a passkey by the answer that makes it.

use std::net::IpAddr;
use std::sync::Arc;

use lydian_domain::authentication::{Acr, Authentication, AuthenticationMethod, AuthenticationMethods};
use lydian_domain::factors::totp::{self, Verdict};
use lydian_domain::factors::{base32, recovery, webauthn};
use lydian_domain::{Factor, FactorId, FactorKind, Refusal, User};
use lydian_primitives::{Secret, limits};
use lydian_revocation::CutKind;
use lydian_storage::{ApplyError, Change, Conflict, Precondition, Unavailable, Write};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::passkeys::{self, Home};
use super::proving::{Accepted, FactorFault, Sender, accept_recovery_code, factor_name, unexpected};
use super::{HeldFactors, open_for};
use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::passwords::Verdict as PasswordVerdict;
use crate::sessions::{NewCookie, Proof, Recognised};
use crate::{Moment, Service};

/// For how long after a sign-in a person is not asked again before a factor is added, in seconds.
const FRESH_SECONDS: u64 = 600;

/// What the sealed state of an enrolment is for.
const ENROLMENT: &str = "enrolment";

/// A factor that is about to be added.
#[derive(Clone, Serialize, Deserialize)]
struct Enrolment {
    /// The session in which it is added.
    session: u64,
    version: u64,
    shown_at: u64,
    /// The key of an authenticator app.
    key: [u8; totp::KEY_BYTES],
    /// The challenge for a passkey.
    challenge: [u8; 32],
}

/// What the page of a new authenticator app shows.
#[derive(Debug)]
pub struct NewAuthenticator {
    /// The address for the QR code.
    pub otpauth: Secret,
    /// The key in Base32.
    pub key: Secret,
    /// What the browser carries to the answer.
    pub pending: String,
}

/// What the page of a new passkey shows.
#[derive(Debug)]
pub struct NewPasskey {
    /// The question for the browser.
    pub options: String,
    /// What the browser carries to the answer.
    pub pending: String,
}

/// A factor was added.
#[derive(Debug)]
pub struct Added {
    /// The new cookie of the session, which is stronger now.
    pub cookie: NewCookie,
    /// The recovery codes that came with the first factor: shown once.
    pub recovery_codes: Option<Vec<Secret>>,
}

/// Why a person is not believed to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmationFault {
    /// The code is wrong or was used.
    Code(FactorFault),
    /// The password is wrong.
    Password,
}

impl Service {
    /// Whether a person must show again who it is before it changes what signs it in.
    pub fn needs_confirmation(&self, recognised: &Recognised, held: &HeldFactors, moment: &Moment) -> bool {
        let authentication = recognised.session.browser.authentication;
        let age = moment.now.seconds_since(authentication.at);
        age > FRESH_SECONDS || needs_factor(recognised, held)
    }

    /// Whether a password is not enough for that: there are factors, and this session has seen none.
    pub fn confirms_by_factor_only(&self, recognised: &Recognised, held: &HeldFactors) -> bool {
        needs_factor(recognised, held)
    }

    /// Believes a person who shows its password or a code once more.
    ///
    /// # Errors
    ///
    /// "Too many requests" after many wrong ones; unavailable when it cannot be checked or made durable now.
    pub async fn confirm_person(
        &self,
        realm: &Arc<RealmState>,
        recognised: &Recognised,
        held: &HeldFactors,
        shown: (&Secret, &str),
        address: IpAddr,
        moment: &Moment,
    ) -> Result<Result<(), ConfirmationFault>, ServiceError> {
        let (password, code) = shown;
        let user = &recognised.user;
        if code.is_empty() {
            if needs_factor(recognised, held) {
                return Ok(Err(ConfirmationFault::Code(FactorFault::Wrong)));
            }
            self.admit_guess(realm, &user.username, address, moment)?;
            let mint = self.mint(moment);
            let verdict = self.passwords.verify(user.password.as_ref(), password, &mint).await;
            if !matches!(verdict, Ok(PasswordVerdict::Wrong)) {
                self.forgive_guess(realm, &user.username, address);
            }
            return Ok(match verdict? {
                PasswordVerdict::Right { .. } => Ok(()),
                PasswordVerdict::Wrong => Err(ConfirmationFault::Password),
            });
        }
        self.admit_code(realm, user, address, moment).map_err(ServiceError::TooManyRequests)?;
        let fault = |fault| Ok(Err(ConfirmationFault::Code(fault)));
        let accepted = match self.accept_code(realm, held, code, moment) {
            Err(FactorFault::Wrong) => accept_recovery_code(user, code, moment),
            other => other,
        };
        let Accepted { mut change, .. } = match accepted {
            Ok(accepted) => accepted,
            Err(what) => return fault(what),
        };
        change.preconditions.push(Precondition::UserUnchanged { user: user.id, version: user.version });
        match self.storage.apply(change).await {
            Ok(_) => {
                self.forgive_code(realm, user, address);
                Ok(Ok(()))
            }
            Err(ApplyError::Conflict(Conflict::FactorUsed)) => fault(FactorFault::Used),
            Err(ApplyError::Conflict(_)) => fault(FactorFault::Wrong),
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Begins to add an authenticator app.
    pub fn begin_authenticator(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        mark: &str,
        moment: &Moment,
    ) -> NewAuthenticator {
        let enrolment = self.new_enrolment(recognised, moment);
        self.show_authenticator(realm, recognised, &enrolment, mark, moment)
    }

    fn show_authenticator(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        enrolment: &Enrolment,
        mark: &str,
        moment: &Moment,
    ) -> NewAuthenticator {
        let house = realm.realm.sign_in.brand_name.as_deref().unwrap_or("Lydian");
        NewAuthenticator {
            otpauth: Secret::new(totp::otpauth(house, &recognised.user.username, &enrolment.key)),
            key: Secret::new(base32(&enrolment.key)),
            pending: self.carry_for(realm, ENROLMENT, mark, enrolment, moment),
        }
    }

    /// Begins to add a passkey; `None` where browsers make none.
    pub fn begin_passkey(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        held: &HeldFactors,
        mark: &str,
        moment: &Moment,
    ) -> Option<NewPasskey> {
        let home = Home::of(realm)?;
        let enrolment = self.new_enrolment(recognised, moment);
        Some(NewPasskey {
            options: home.ask_for_new(&enrolment.challenge, realm, &recognised.user, held.passkeys()),
            pending: self.carry_for(realm, ENROLMENT, mark, &enrolment, moment),
        })
    }

    fn new_enrolment(&self, recognised: &Recognised, moment: &Moment) -> Enrolment {
        let mint = self.mint(moment);
        Enrolment {
            session: recognised.session.id.as_number(),
            version: recognised.user.version,
            shown_at: moment.now.as_unix_seconds(),
            key: mint.bytes(),
            challenge: mint.bytes(),
        }
    }

    fn open_enrolment(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        carried: &str,
        mark: &str,
        moment: &Moment,
    ) -> Result<Enrolment, Refusal> {
        let opened: Enrolment =
            open_for(realm, ENROLMENT, mark, carried, |one: &Enrolment| one.shown_at, moment)?;
        if opened.session != recognised.session.id.as_number() {
            return Err(Refusal::FlowInvalid);
        }
        if opened.version != recognised.user.version { Err(Refusal::FlowExpired) } else { Ok(opened) }
    }

    /// Adds an authenticator app whose first code is right.
    ///
    /// # Errors
    ///
    /// A refusal for an enrolment of another browser or session, or one that is too old; unavailable when it is not durable.
    pub async fn add_authenticator(
        &self,
        realm: &Arc<RealmState>,
        carried: &str,
        typed: &str,
        sender: &Sender<'_>,
        moment: &Moment,
    ) -> Result<Result<Added, (NewAuthenticator, FactorFault)>, ServiceError> {
        let recognised = sender.recognised.ok_or(Refusal::FlowInvalid)?;
        let enrolment = self.open_enrolment(realm, recognised, carried, sender.mark, moment)?;
        let user = &recognised.user;
        let again = |fault| {
            let shown = self.show_authenticator(realm, recognised, &enrolment, sender.mark, moment);
            Ok(Err((shown, fault)))
        };
        if let Err(wait) = self.admit_code(realm, user, sender.address, moment) {
            return again(FactorFault::TooMany(wait));
        }
        let Verdict::Accepted { step } = totp::judge(&enrolment.key, typed, moment.now, 0) else {
            return again(FactorFault::Wrong);
        };
        self.forgive_code(realm, user, sender.address);
        let mint = self.mint(moment);
        let id = FactorId::from_number(mint.number());
        let factor = Factor {
            id,
            realm: realm.realm.id,
            user: user.id,
            name: String::new(),
            created_at: moment.now,
            last_used_at: Some(moment.now),
            mark: step,
            kind: FactorKind::Authenticator {
                sealed_key: realm.secrets.seal_factor(id, &enrolment.key, &mint),
            },
        };
        let methods = AuthenticationMethods::of(&[AuthenticationMethod::OneTimePassword]);
        // The same page sent twice adds one app, and not two with one key.
        let mut change = Change { at: moment.now, ..Change::default() };
        passkeys::use_challenge(&mut change, &enrolment.challenge, enrolment.shown_at);
        self.add_factor(realm, recognised, factor, methods, change, moment).await.map(Ok)
    }

    /// Adds a passkey that was just made; `Ok(None)` when its answer is refused.
    ///
    /// # Errors
    ///
    /// As [`Self::add_authenticator`].
    pub async fn add_passkey(
        &self,
        realm: &Arc<RealmState>,
        carried: &str,
        answer: &str,
        name: &str,
        sender: &Sender<'_>,
        moment: &Moment,
    ) -> Result<Option<Added>, ServiceError> {
        let recognised = sender.recognised.ok_or(Refusal::FlowInvalid)?;
        let enrolment = self.open_enrolment(realm, recognised, carried, sender.mark, moment)?;
        let home = Home::of(realm).ok_or(Refusal::FlowInvalid)?;
        let made = match webauthn::register(answer, &home.expects(&enrolment.challenge, false)) {
            Ok(made) => made,
            Err(fault) => {
                tracing::debug!(realm = realm.realm.name.as_str(), ?fault, "a new passkey was refused");
                return Ok(None);
            }
        };
        let methods = passkeys::methods(&made.passkey, made.user_verified);
        let factor = Factor {
            id: FactorId::from_number(self.mint(moment).number()),
            realm: realm.realm.id,
            user: recognised.user.id,
            name: Factor::canonical_name(name, ""),
            created_at: moment.now,
            last_used_at: None,
            mark: made.counter.into(),
            kind: FactorKind::Passkey(made.passkey),
        };
        let mut change = Change { at: moment.now, ..Change::default() };
        passkeys::use_challenge(&mut change, &enrolment.challenge, enrolment.shown_at);
        match self.add_factor(realm, recognised, factor, methods, change, moment).await {
            Err(ServiceError::Refused(Refusal::FactorNotAdded)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes a factor durable, with the session that has seen it, and recovery codes beside the first one.
    async fn add_factor(
        &self,
        realm: &Arc<RealmState>,
        recognised: &Recognised,
        factor: Factor,
        methods: AuthenticationMethods,
        mut change: Change,
        moment: &Moment,
    ) -> Result<Added, ServiceError> {
        let (user, session) = (&recognised.user, &recognised.session);
        let mint = self.mint(moment);
        let before = session.browser.authentication;
        let proof = Proof {
            user,
            before: Some(session),
            authentication: Authentication { at: before.at, methods: before.methods.union(methods) },
            user_agent: &session.browser.user_agent,
        };
        let (session, cookie) = self.signed_in_session(realm, &proof, moment, &mint);
        let recovery_codes = match self.storage.count_recovery_codes(user.id).await? {
            0 => Some(recovery::make(&mint)),
            _ => None,
        };
        // A session that has seen no factor adds the first one alone: an old password does not open what a factor guards.
        let is_weak = before.methods.acr() < Acr::SeveralFactors;
        let limit = if is_weak { 1 } else { limits::FACTORS_MAX };
        change.preconditions.extend([
            Precondition::UserUnchanged { user: user.id, version: user.version },
            Precondition::FactorsBelow { user: user.id, limit },
        ]);
        change.writes.push(Write::PutFactor(Box::new(factor)));
        change.writes.push(Write::PutSession(session));
        change.writes.extend(recovery_codes.as_deref().map(|codes| replaced(realm, user, codes)));
        match self.storage.apply(change).await {
            Ok(_) => Ok(Added { cookie, recovery_codes }),
            Err(ApplyError::Conflict(Conflict::RecordChanged)) => Err(Refusal::FlowExpired.into()),
            Err(ApplyError::Conflict(Conflict::TooManyFactors)) if is_weak => {
                Err(Refusal::FlowExpired.into())
            }
            Err(ApplyError::Conflict(Conflict::TooManyFactors)) => Err(Refusal::TooManyFactors.into()),
            Err(ApplyError::Conflict(_)) => Err(Refusal::FactorNotAdded.into()),
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Makes new recovery codes; those before them are dead.
    ///
    /// # Errors
    ///
    /// A refusal for a person without any factor; unavailable when they are not durable.
    pub async fn new_recovery_codes(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        moment: &Moment,
    ) -> Result<Vec<Secret>, ServiceError> {
        let user = &recognised.user;
        if self.storage.list_factors(user.id).await?.is_empty() {
            return Err(Refusal::FormMalformed.into());
        }
        let codes = recovery::make(&self.mint(moment));
        let change = Change {
            preconditions: vec![Precondition::UserUnchanged { user: user.id, version: user.version }],
            writes: vec![replaced(realm, user, &codes)],
            at: moment.now,
        };
        match self.storage.apply(change).await {
            Ok(_) => Ok(codes),
            Err(ApplyError::Conflict(_)) => Err(Refusal::FlowExpired.into()),
            Err(error) => Err(unexpected("make recovery codes", error)),
        }
    }

    /// Removes a factor of this person. Everything that was granted so far is dead and every other browser is signed out, as after a new
    /// password; this one gets a new cookie. With the last factor the recovery codes go.
    ///
    /// # Errors
    ///
    /// A refusal for a factor that is not its own; unavailable when it is not durable.
    pub async fn remove_own_factor(
        &self,
        realm: &Arc<RealmState>,
        recognised: &Recognised,
        name: &str,
        moment: &Moment,
    ) -> Result<NewCookie, ServiceError> {
        let user = &recognised.user;
        let changed = self.remove_factor_of(user, name, moment).await?.ok_or(Refusal::FormMalformed)?;
        self.restart_session(realm, &recognised.session, &changed).await
    }

    /// Removes a factor of a user; `None` when there is none of this name. Returns the user as it is then.
    pub(crate) async fn remove_factor_of(
        &self,
        user: &User,
        name: &str,
        moment: &Moment,
    ) -> Result<Option<User>, ServiceError> {
        let factors = self.storage.list_factors(user.id).await?;
        let Some(factor) = factors.iter().find(|factor| factor_name(factor) == name) else {
            return Ok(None);
        };
        let write = match factors.len() {
            1 => Write::DeleteFactorsOf(user.id),
            _ => Write::DeleteFactor(factor.id),
        };
        self.change_factors(user, write, moment).await.map(Some)
    }

    /// Makes a change of what signs a user in: all that was granted so far is dead.
    pub(crate) async fn change_factors(
        &self,
        user: &User,
        write: Write,
        moment: &Moment,
    ) -> Result<User, ServiceError> {
        let changed = User { version: user.version + 1, ..user.clone() };
        let change = Change {
            preconditions: vec![Precondition::UserUnchanged { user: user.id, version: user.version }],
            writes: vec![
                write,
                Write::PutUser(Box::new(changed.clone())),
                Write::Cut { kind: CutKind::User, subject: user.id.as_number() },
            ],
            at: moment.now,
        };
        match self.storage.apply(change).await {
            Ok(_) => Ok(changed),
            Err(ApplyError::Conflict(conflict)) => {
                Err(Unavailable::new("change a person twice at once", conflict).into())
            }
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }
}

/// Whether this session is weaker than the person can be.
fn needs_factor(recognised: &Recognised, held: &HeldFactors) -> bool {
    let class = recognised.session.browser.authentication.methods.acr();
    !held.is_empty() && class < Acr::SeveralFactors
}

fn replaced(realm: &RealmState, user: &User, codes: &[Secret]) -> Write {
    let digests = codes.iter().filter_map(|code| recovery::digest_of(user.id, code.expose())).collect();
    Write::ReplaceRecoveryCodes { realm: realm.realm.id, user: user.id, digests }
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        let _erased = Zeroizing::new(std::mem::take(&mut self.key));
    }
}
