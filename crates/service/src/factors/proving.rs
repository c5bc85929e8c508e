//! Showing a factor at a sign-in: after the password, for a stronger session, or a passkey in place of both.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lydian_domain::authentication::{Acr, Authentication, AuthenticationMethod, AuthenticationMethods};
use lydian_domain::factors::totp::{self, Verdict};
use lydian_domain::factors::{recovery, webauthn};
use lydian_domain::{Factor, FactorKind, Refusal, User, UserId};
use lydian_primitives::{Timestamp, base64url};
use lydian_storage::{ApplyError, Change, Conflict, Precondition, Unavailable, Write};
use serde::{Deserialize, Serialize};

use super::passkeys::{self, Home};
use super::{HeldFactors, open_for};
use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::sessions::{NewCookie, Proof, Recognised};
use crate::{Moment, Service};

/// What the sealed state of a second page is for.
const SECOND: &str = "second factor";

/// What the sealed challenge of the first page is for.
const ALONE: &str = "passkey";

/// What a person has proved so far, on the way to the next page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    user: u64,
    /// The version of the record that was checked: a changed password ends what was proved with the old one.
    version: u64,
    /// What was proved.
    methods: u8,
    /// When, in seconds since 1970.
    proven_at: u64,
    /// When the first of these pages was shown.
    shown_at: u64,
    /// The session that is to become stronger; none where a new one begins.
    session: Option<u64>,
    /// Whether a key is asked for, and a code is not enough.
    key_only: bool,
    challenge: [u8; 32],
}

/// The challenge of a sign-in page.
#[derive(Serialize, Deserialize)]
struct Challenge {
    challenge: [u8; 32],
    shown_at: u64,
}

/// What a page asks for.
#[derive(Clone, Debug)]
pub struct FactorQuestion {
    /// Who signs in.
    pub username: String,
    /// Whether a code of an authenticator app is taken.
    pub authenticator: bool,
    /// Whether a recovery code is taken.
    pub recovery: bool,
    /// The question for a passkey, if one is taken.
    pub passkey: Option<String>,
    /// What the browser carries to the answer.
    pub pending: String,
}

/// What a sign-in page asks a passkey.
#[derive(Clone, Debug)]
pub struct PasskeyQuestion {
    /// The question.
    pub options: String,
    /// What the browser carries to the answer.
    pub pending: String,
}

/// What a person shows.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// A code of an authenticator app.
    Code(&'a str),
    /// What a passkey says.
    Passkey(&'a str),
    /// A recovery code.
    RecoveryCode(&'a str),
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The mark of the browser.
    pub mark: &'a str,
    /// The address of the browser.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
    /// Its session, when its person is signed in.
    pub recognised: Option<&'a Recognised>,
}

/// Why what a person showed was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorFault {
    /// The passkey was refused.
    PasskeyRefused,
    /// Too many were wrong: wait this long.
    TooMany(Duration),
    /// The code was right, and was used before.
    Used,
    /// The code is wrong.
    Wrong,
}

/// What became of what a person showed.
#[derive(Debug)]
pub enum Proved {
    /// The page is shown again.
    No(FactorQuestion, FactorFault),
    /// The person is who it says; the session is durable. `true`: it was there before, and is stronger now.
    Yes(Box<Recognised>, NewCookie, bool),
}

/// A factor that was accepted, and what makes sure that it is accepted once.
pub(crate) struct Accepted {
    pub(crate) methods: AuthenticationMethods,
    pub(crate) change: Change,
}

impl Service {
    /// Asks a person who has just shown its password for a second factor.
    pub(crate) fn ask_after_password(
        &self,
        realm: &RealmState,
        user: &User,
        held: &HeldFactors,
        mark: &str,
        moment: &Moment,
    ) -> FactorQuestion {
        let now = moment.now.as_unix_seconds();
        let pending = Pending {
            user: user.id.as_number(),
            version: user.version,
            methods: AuthenticationMethods::of(&[AuthenticationMethod::Password]).as_bits(),
            proven_at: now,
            shown_at: now,
            session: None,
            key_only: false,
            challenge: [0; 32],
        };
        self.ask_for_factor(realm, user, held, pending, mark, moment)
    }

    /// Asks a person who is signed in for what is missing to reach a class.
    pub(crate) fn ask_for_more(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        held: &HeldFactors,
        class: Acr,
        mark: &str,
        moment: &Moment,
    ) -> FactorQuestion {
        let authentication = recognised.session.browser.authentication;
        let pending = Pending {
            user: recognised.user.id.as_number(),
            version: recognised.user.version,
            methods: authentication.methods.as_bits(),
            // The oldest proof counts for the age of the sign-in.
            proven_at: authentication.at.as_unix_seconds(),
            shown_at: moment.now.as_unix_seconds(),
            session: Some(recognised.session.id.as_number()),
            key_only: class == Acr::PhishingResistant,
            challenge: [0; 32],
        };
        self.ask_for_factor(realm, &recognised.user, held, pending, mark, moment)
    }

    fn ask_for_factor(
        &self,
        realm: &RealmState,
        user: &User,
        held: &HeldFactors,
        pending: Pending,
        mark: &str,
        moment: &Moment,
    ) -> FactorQuestion {
        let pending = Pending { challenge: self.mint(moment).bytes(), ..pending };
        let home = Home::of(realm).filter(|_| held.passkeys().next().is_some());
        FactorQuestion {
            username: user.username.clone(),
            authenticator: held.has_authenticator() && !pending.key_only,
            recovery: held.recovery_codes > 0 && !pending.key_only,
            passkey: home.map(|home| home.ask(&pending.challenge, held.passkeys(), "preferred")),
            pending: self.carry_for(realm, SECOND, mark, &pending, moment),
        }
    }

    /// Whether browsers make passkeys for this realm.
    pub fn takes_passkeys(&self, realm: &RealmState) -> bool {
        Home::of(realm).is_some()
    }

    /// What a sign-in page asks any passkey of this house; `None` where there can be none.
    pub fn ask_any_passkey(
        &self,
        realm: &RealmState,
        mark: &str,
        moment: &Moment,
    ) -> Option<PasskeyQuestion> {
        let home = Home::of(realm)?;
        let shown_at = moment.now.as_unix_seconds();
        let carried = Challenge { challenge: self.mint(moment).bytes(), shown_at };
        Some(PasskeyQuestion {
            options: home.ask(&carried.challenge, std::iter::empty(), "required"),
            pending: self.carry_for(realm, ALONE, mark, &carried, moment),
        })
    }

    /// Takes a second factor.
    ///
    /// # Errors
    ///
    /// A refusal for what was made for another browser, is too old, or was asked of somebody who has changed since; unavailable when it
    /// cannot be checked or made durable now.
    pub async fn prove_second_factor(
        &self,
        realm: &Arc<RealmState>,
        carried: &str,
        shown: Shown<'_>,
        sender: &Sender<'_>,
        moment: &Moment,
    ) -> Result<Proved, ServiceError> {
        let pending: Pending =
            open_for(realm, SECOND, sender.mark, carried, |one: &Pending| one.shown_at, moment)?;
        let before = sender.recognised.filter(|recognised| recognised.user.id.as_number() == pending.user);
        let is_stronger = pending.session.is_some();
        if is_stronger && before.map(|before| before.session.id.as_number()) != pending.session {
            return Err(Refusal::FlowInvalid.into());
        }
        let user = self.storage.find_user(UserId::from_number(pending.user)).await?;
        let unchanged = |user: &User| user.enabled && user.version == pending.version;
        let user = user.filter(unchanged).ok_or(Refusal::FlowExpired)?;
        let held = self.factors_of(&user).await?;
        if held.is_empty() {
            return Err(Refusal::FlowExpired.into());
        }
        let again = |fault| {
            let question = self.ask_for_factor(realm, &user, &held, pending.clone(), sender.mark, moment);
            Ok(Proved::No(question, fault))
        };
        if let Err(wait) = self.admit_code(realm, &user, sender.address, moment) {
            return again(FactorFault::TooMany(wait));
        }
        let accepted = match shown {
            _ if pending.key_only && !matches!(shown, Shown::Passkey(_)) => Err(FactorFault::Wrong),
            Shown::Code(typed) => self.accept_code(realm, &held, typed, moment),
            Shown::RecoveryCode(typed) => accept_recovery_code(&user, typed, moment),
            Shown::Passkey(answer) => self.accept_second_key(realm, &held, &pending, answer, moment),
        };
        let Accepted { methods, mut change } = match accepted {
            Ok(accepted) => accepted,
            Err(fault) => return again(fault),
        };
        let proven = AuthenticationMethods::from_bits(pending.methods).union(methods);
        let authentication =
            Authentication { at: Timestamp::from_unix_seconds(pending.proven_at), methods: proven };
        let proof = Proof {
            user: &user,
            before: before.map(|before| &before.session),
            authentication,
            user_agent: sender.user_agent,
        };
        let (session, cookie) = self.signed_in_session(realm, &proof, moment, &self.mint(moment));
        // The person must still be what was asked: nothing is opened with a password that was changed meanwhile.
        change.preconditions.push(Precondition::UserUnchanged { user: user.id, version: user.version });
        change.writes.push(Write::PutSession(session.clone()));
        match self.storage.apply(change).await {
            Ok(_) => {
                self.forgive_code(realm, &user, sender.address);
                Ok(Proved::Yes(Box::new(Recognised { session, user }), cookie, is_stronger))
            }
            Err(ApplyError::Conflict(Conflict::FactorUsed)) => match shown {
                Shown::Passkey(_) => again(FactorFault::PasskeyRefused),
                _ => again(FactorFault::Used),
            },
            Err(ApplyError::Conflict(Conflict::RecoveryCodeUsed)) => again(FactorFault::Wrong),
            Err(ApplyError::Conflict(Conflict::AssertionUsed)) => again(FactorFault::PasskeyRefused),
            Err(ApplyError::Conflict(_)) => Err(Refusal::FlowExpired.into()),
            Err(ApplyError::Unavailable(unavailable)) => {
                self.forgive_code(realm, &user, sender.address);
                Err(unavailable.into())
            }
        }
    }

    /// Signs a person in by a passkey alone: the authenticator must have checked its user.
    ///
    /// # Errors
    ///
    /// As [`Self::prove_second_factor`]; `Ok(None)` when the passkey was refused.
    pub async fn sign_in_by_passkey(
        &self,
        realm: &Arc<RealmState>,
        carried: &str,
        answer: &str,
        sender: &Sender<'_>,
        moment: &Moment,
    ) -> Result<Option<(Recognised, NewCookie)>, ServiceError> {
        let opened: Challenge =
            open_for(realm, ALONE, sender.mark, carried, |one: &Challenge| one.shown_at, moment)?;
        let home = Home::of(realm).ok_or(Refusal::FlowInvalid)?;
        let assertion = match webauthn::assertion(answer) {
            Ok(assertion) => assertion,
            Err(fault) => return Ok(refused(realm, fault)),
        };
        let found = self.storage.find_passkey(realm.realm.id, assertion.credential.clone()).await?;
        let Some(factor) = found else { return Ok(None) };
        let Some(user) = self.storage.find_user(factor.user).await?.filter(|user| user.enabled) else {
            return Ok(None);
        };
        // Who is found by its passkey alone is named by it too (Web Authentication §7.2, step 6).
        if assertion.user_handle.as_deref() != Some(&passkeys::user_handle(realm, &user)) {
            return Ok(refused(realm, webauthn::Fault::UserHandle));
        }
        let expected = home.expects(&opened.challenge, true);
        let accepted = match accept_key(&factor, &assertion, &expected, opened.shown_at, moment) {
            Ok(accepted) => accepted,
            Err(fault) => return Ok(refused(realm, fault)),
        };
        let Accepted { methods, mut change } = accepted;
        let proof = Proof {
            user: &user,
            before: sender.recognised.map(|before| &before.session),
            authentication: Authentication { at: moment.now, methods },
            user_agent: sender.user_agent,
        };
        let (session, cookie) = self.signed_in_session(realm, &proof, moment, &self.mint(moment));
        change.preconditions.push(Precondition::UserUnchanged { user: user.id, version: user.version });
        change.writes.push(Write::PutSession(session.clone()));
        match self.storage.apply(change).await {
            Ok(_) => Ok(Some((Recognised { session, user }, cookie))),
            Err(ApplyError::Conflict(_)) => Ok(None),
            Err(ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Judges a code of an authenticator app.
    pub(crate) fn accept_code(
        &self,
        realm: &RealmState,
        held: &HeldFactors,
        typed: &str,
        moment: &Moment,
    ) -> Result<Accepted, FactorFault> {
        let mut fault = FactorFault::Wrong;
        for factor in &held.factors {
            let FactorKind::Authenticator { sealed_key } = &factor.kind else { continue };
            let Some(key) = realm.secrets.open_factor(factor.id, sealed_key) else { continue };
            match totp::judge(&key, typed, moment.now, factor.mark) {
                Verdict::Accepted { step } => {
                    let change = use_factor(factor, step, moment);
                    let methods = AuthenticationMethods::of(&[AuthenticationMethod::OneTimePassword]);
                    return Ok(Accepted { methods, change });
                }
                Verdict::Used => fault = FactorFault::Used,
                Verdict::Wrong => {}
            }
        }
        Err(fault)
    }

    fn accept_second_key(
        &self,
        realm: &RealmState,
        held: &HeldFactors,
        pending: &Pending,
        answer: &str,
        moment: &Moment,
    ) -> Result<Accepted, FactorFault> {
        let judge = || {
            let assertion = webauthn::assertion(answer)?;
            // Only keys of this very person were asked for.
            let its_own = |factor: &&Factor| {
                factor.passkey().is_some_and(|passkey| passkey.credential == assertion.credential)
            };
            let factor = held.passkeys().find(its_own).ok_or(webauthn::Fault::UserHandle)?;
            let home = Home::of(realm).ok_or(webauthn::Fault::RelyingParty)?;
            let expected = home.expects(&pending.challenge, false);
            accept_key(factor, &assertion, &expected, pending.shown_at, moment)
        };
        judge().map_err(|fault| {
            refused::<()>(realm, fault);
            FactorFault::PasskeyRefused
        })
    }
}

/// Judges what a passkey says.
fn accept_key(
    factor: &Factor,
    assertion: &webauthn::Assertion,
    expected: &webauthn::Expected<'_>,
    shown_at: u64,
    moment: &Moment,
) -> Result<Accepted, webauthn::Fault> {
    let proven = webauthn::prove(assertion, factor, expected)?;
    let mut change = use_factor(factor, proven.counter.into(), moment);
    let challenge = expected.challenge.try_into().map_err(|_| webauthn::Fault::Challenge)?;
    passkeys::use_challenge(&mut change, &challenge, shown_at);
    let passkey = factor.passkey().ok_or(webauthn::Fault::UserHandle)?;
    Ok(Accepted { methods: passkeys::methods(passkey, proven.user_verified), change })
}

pub(crate) fn accept_recovery_code(
    user: &User,
    typed: &str,
    moment: &Moment,
) -> Result<Accepted, FactorFault> {
    let digest = recovery::digest_of(user.id, typed).ok_or(FactorFault::Wrong)?;
    let change = Change {
        preconditions: vec![Precondition::RecoveryCodeUnused { user: user.id, digest }],
        writes: vec![Write::UseRecoveryCode { user: user.id, digest }],
        at: moment.now,
    };
    let methods = AuthenticationMethods::of(&[AuthenticationMethod::RecoveryCode]);
    Ok(Accepted { methods, change })
}

/// The change that moves the mark of a factor, if nobody did so since it was read.
fn use_factor(factor: &Factor, mark: u64, moment: &Moment) -> Change {
    Change {
        preconditions: vec![Precondition::FactorUnused { factor: factor.id, mark: factor.mark }],
        writes: vec![Write::UseFactor { factor: factor.id, mark, at: moment.now }],
        at: moment.now,
    }
}

/// Tells the log why a passkey was refused; the person learns that it was.
fn refused<T>(realm: &RealmState, fault: webauthn::Fault) -> Option<T> {
    let realm = realm.realm.name.as_str();
    if fault == webauthn::Fault::Counter {
        tracing::warn!(realm, "the counter of a passkey did not grow: there may be a copy of it");
    } else {
        tracing::debug!(realm, ?fault, "a passkey was refused");
    }
    None
}

/// The store's word for a change that could not be made although nothing rivals it.
pub(crate) fn unexpected(doing: &'static str, error: ApplyError) -> ServiceError {
    match error {
        ApplyError::Unavailable(unavailable) => unavailable.into(),
        ApplyError::Conflict(conflict) => Unavailable::new(doing, conflict).into(),
    }
}

/// What names a factor to its person and to administrators.
pub fn factor_name(factor: &Factor) -> String {
    base64url::encode(&factor.id.as_number().to_be_bytes())
}
