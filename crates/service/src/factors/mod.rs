//! Second factors as use cases: showing one at a sign-in, adding and removing them.
//!
//! What a browser carries between two pages is sealed for that browser, as an authorization request is, and says for which person and
//! which version of its record it was made: a password that was changed meanwhile ends it. [`proving`] is the sign-in, [`enrolling`] adds
//! and removes, [`passkeys`] speaks with browsers about keys.

pub mod enrolling;
pub mod passkeys;
pub mod proving;

use std::net::IpAddr;
use std::time::Duration;

use lydian_domain::authentication::Acr;
use lydian_domain::secrets::sha256;
use lydian_domain::{Factor, FactorKind, Refusal, User};
use lydian_primitives::{Timestamp, base64url, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::signing_in::SignInLimits;
use crate::{Moment, Service};

/// How often one address may miss a code of one account: five times at once, then every half minute.
const ACCOUNT_AT_ADDRESS: (Duration, u32) = (Duration::from_secs(30), 5);

/// How often the codes of an account may be missed from everywhere: a code has six digits and three of them are good, so a year of
/// trying finds one with odds that a person notices first.
const ACCOUNT: (Duration, u32) = (Duration::from_secs(60), 20);

/// How often an address may miss, whoever it says it is.
const ADDRESS: (Duration, u32) = (Duration::from_secs(1), 100);

/// The limits of second factors.
pub(crate) fn limits_of_codes() -> SignInLimits {
    SignInLimits::with(ACCOUNT_AT_ADDRESS, ACCOUNT, ADDRESS)
}

/// What a person can show besides a password.
#[derive(Clone, Debug, Default)]
pub struct HeldFactors {
    /// Authenticator apps and passkeys.
    pub factors: Vec<Factor>,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
}

impl HeldFactors {
    /// Whether there is none: the password alone signs in.
    pub fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }

    /// The strongest class that the person can reach.
    pub fn reachable(&self) -> Acr {
        if self.passkeys().next().is_some() {
            Acr::PhishingResistant
        } else if self.is_empty() {
            Acr::OneFactor
        } else {
            Acr::SeveralFactors
        }
    }

    /// Whether an authenticator app is among them.
    pub fn has_authenticator(&self) -> bool {
        self.factors.iter().any(|factor| matches!(factor.kind, FactorKind::Authenticator { .. }))
    }

    pub(crate) fn passkeys(&self) -> impl Iterator<Item = &Factor> {
        self.factors.iter().filter(|factor| factor.passkey().is_some())
    }
}

impl Service {
    /// What a person can show besides a password.
    ///
    /// # Errors
    ///
    /// Unavailable when the store cannot be read.
    pub async fn factors_of(&self, user: &User) -> Result<HeldFactors, ServiceError> {
        let factors = self.storage.list_factors(user.id).await?;
        let recovery_codes = match factors.is_empty() {
            true => 0,
            false => self.storage.count_recovery_codes(user.id).await?,
        };
        Ok(HeldFactors { factors, recovery_codes })
    }

    /// Lets a code be tried, and counts it before it is known to be wrong.
    pub(crate) fn admit_code(
        &self,
        realm: &RealmState,
        user: &User,
        address: IpAddr,
        moment: &Moment,
    ) -> Result<(), Duration> {
        let realm = realm.realm.id.as_number();
        self.code_limits.check(realm, &user.username, address, moment.boot_now)?;
        self.code_limits.count(realm, &user.username, address, moment.boot_now);
        Ok(())
    }

    /// Takes back what a code cost that was right.
    pub(crate) fn forgive_code(&self, realm: &RealmState, user: &User, address: IpAddr) {
        self.code_limits.give_back(realm.realm.id.as_number(), &user.username, address);
    }

    /// Seals what this browser carries to the next page.
    pub(crate) fn carry_for(
        &self,
        realm: &RealmState,
        purpose: &str,
        mark: &str,
        carried: &impl Serialize,
        moment: &Moment,
    ) -> String {
        let plain = serde_json::to_vec(carried).expect("strings, numbers and lists always serialise");
        realm.secrets.seal_carried(&label(purpose, mark), &plain, &self.mint(moment))
    }
}

/// Opens what a browser carries; refused when it was made for another browser or purpose, altered, or is too old.
pub(crate) fn open_for<T: DeserializeOwned>(
    realm: &RealmState,
    purpose: &str,
    mark: &str,
    carried: &str,
    shown_at: impl Fn(&T) -> u64,
    moment: &Moment,
) -> Result<T, Refusal> {
    let opened = realm.secrets.open_carried(&label(purpose, mark), carried).ok_or(Refusal::FlowInvalid)?;
    let opened: T = serde_json::from_slice(&opened).map_err(|_| Refusal::FlowInvalid)?;
    let shown_at = Timestamp::from_unix_seconds(shown_at(&opened));
    if moment.now.seconds_since(shown_at) > limits::SECOND_FACTOR_SECONDS_MAX {
        return Err(Refusal::FlowExpired);
    }
    Ok(opened)
}

fn label(purpose: &str, mark: &str) -> String {
    format!("{purpose} of browser {}", base64url::encode(&sha256(mark.as_bytes())))
}
