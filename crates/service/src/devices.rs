//! Devices that cannot show a browser (RFC 8628): they show a code, a person decides elsewhere, and they ask until then.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lydian_domain::audience::{self, Chosen, Owner};
use lydian_domain::authenticate::{AssertionUse, AuthenticatedClient};
use lydian_domain::authentication::Acr;
use lydian_domain::issue;
use lydian_domain::policy;
use lydian_domain::records::device::{canonical_user_code, user_code_of};
use lydian_domain::secrets::TokenKind;
use lydian_domain::{
    Client, DeviceAuthorization, DeviceDecision, Grant, GrantId, Refusal, Rotation, TokenId, introspect,
    token_string,
};
use lydian_oauth_types::GrantType;
use lydian_primitives::{BootInstant, Secret, limits};
use lydian_revocation::Seq;
use lydian_storage::{ApplyError, Change, Conflict, Precondition, StoredDevice, Unavailable, Write};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::exchanging::{FirstTokens, grant_and_user, use_assertion};
use crate::issuing::{IssuedToken, TokenRequest};
use crate::limiter::Limiter;
use crate::sessions::Recognised;
use crate::{Moment, Service};

/// The prefix of device codes.
const DEVICE_PREFIX: &str = "lyd";

/// Lifetime of a device code, in seconds.
pub const DEVICE_SECONDS: u64 = 600;

/// How often a device may ask, in seconds (RFC 8628 §3.2).
pub const DEVICE_INTERVAL_SECONDS: u64 = 5;

/// How much earlier than that it may come: clocks and networks differ, in seconds.
const DEVICE_EARLY: Duration = Duration::from_secs(1);

/// User codes that one address may miss: ten at once, then one every ten seconds (RFC 8628 §5.1).
const MISSED_CODES: (Duration, u32) = (Duration::from_secs(10), 10);

/// What slows devices and guessers down.
pub struct DeviceLimits {
    polls: Limiter,
    missed_codes: Limiter,
}

impl Default for DeviceLimits {
    fn default() -> Self {
        let interval = Duration::from_secs(DEVICE_INTERVAL_SECONDS).saturating_sub(DEVICE_EARLY);
        Self {
            polls: Limiter::with_interval(interval, 1),
            missed_codes: Limiter::with_interval(MISSED_CODES.0, MISSED_CODES.1),
        }
    }
}

impl DeviceLimits {
    /// Forgets those who have recovered.
    pub fn sweep(&self, now: BootInstant) {
        self.polls.sweep(now);
        self.missed_codes.sweep(now);
    }
}

/// What a device is given.
#[derive(Debug)]
pub struct DeviceStart {
    /// With what it asks for its tokens.
    pub device_code: Secret,
    /// What it shows, without its hyphen.
    pub user_code: String,
}

/// A device that waits, as the person sees it.
#[derive(Clone, Debug)]
pub struct WaitingDevice {
    /// The device authorization.
    pub device: DeviceAuthorization,
    /// What runs on it.
    pub client: Arc<Client>,
}

impl Service {
    /// Begins with a device (RFC 8628 §3.1).
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of the request; unavailable when it is not durable.
    pub async fn begin_device(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        assertion: Option<AssertionUse>,
        request: &TokenRequest<'_>,
        moment: &Moment,
    ) -> Result<DeviceStart, ServiceError> {
        issue::may_use(client, GrantType::DeviceCode)?;
        let client = client.client();
        let chosen = audience::choose(Owner::Person, client, request, &**realm, &realm.issuer)?;
        let mint = self.mint(moment);
        let expires_at = moment.now.plus_seconds(DEVICE_SECONDS);
        for _ in 0..limits::CONFLICT_RETRIES_MAX {
            let Some(user_code) = user_code_of(mint.bytes()) else { continue };
            let generation = self.node.store_generation();
            let id = self.sequences.next(&*self.storage, expires_at.hour(), generation).await?;
            let handle = realm.secrets.token_handles().of_token(id);
            let generation = realm.secrets.generation();
            let text = token_string::format_opaque(DEVICE_PREFIX, generation, handle, mint.bytes());
            let digest = realm
                .secrets
                .digest(TokenKind::Device, generation, &text)
                .ok_or_else(|| Unavailable::because("find the pepper of today"))?;
            let device = DeviceAuthorization {
                id,
                realm: realm.realm.id,
                client: client.id,
                digest,
                user_code: user_code.clone(),
                api: chosen.api.map(|api| api.id),
                scope: chosen.scope.clone(),
                issued_at: moment.now,
                expires_at,
                decision: None,
                redeemed_at: None,
            };
            let writes = vec![Write::PutDeviceAuthorization(device)];
            let mut change = Change { preconditions: Vec::new(), writes, at: moment.now };
            use_assertion(&mut change, assertion);
            match self.storage.apply(change).await {
                Ok(_) => return Ok(DeviceStart { device_code: Secret::new(text), user_code }),
                // Another device waits under this code: take another one.
                Err(ApplyError::Conflict(Conflict::UserCodeTaken)) => {}
                Err(ApplyError::Conflict(Conflict::AssertionUsed)) => {
                    return Err(Refusal::ClientAssertionReplayed.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Unavailable::because("find a free user code").into())
    }

    /// The device that waits under a code that a person typed; `None` when there is none, or somebody decided over it.
    ///
    /// # Errors
    ///
    /// "Too many requests" for an address that misses often.
    pub async fn find_waiting_device(
        &self,
        realm: &Arc<RealmState>,
        typed: &str,
        address: IpAddr,
        moment: &Moment,
    ) -> Result<Option<WaitingDevice>, ServiceError> {
        let source = (realm.realm.id, address);
        let missed = &self.device_limits.missed_codes;
        missed.check(&source, moment.boot_now).map_err(ServiceError::TooManyRequests)?;
        let found = match canonical_user_code(typed) {
            Some(code) => self.storage.find_device_by_user_code(realm.realm.id, code).await?,
            None => None,
        };
        let waits = found.filter(|device| device.expires_at > moment.now && device.decision.is_none());
        let waiting = waits.and_then(|device| {
            let client = realm.client(device.client).filter(|client| client.enabled)?;
            Some(WaitingDevice { client: Arc::clone(client), device })
        });
        if waiting.is_none() {
            missed.count(&source, moment.boot_now);
        }
        Ok(waiting)
    }

    /// What a waiting device asks for, as far as this person may grant it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when nothing is left.
    pub fn asked_by_device<'a>(
        &self,
        realm: &'a RealmState,
        waiting: &WaitingDevice,
        recognised: &Recognised,
    ) -> Result<Chosen<'a>, Refusal> {
        use lydian_domain::audience::Apis;
        let class = recognised.session.browser.authentication.methods.acr();
        if realm.demands_second_factor(&waiting.client) && class < Acr::SeveralFactors {
            return Err(Refusal::UnmetAuthenticationRequirements);
        }
        let api = match waiting.device.api {
            Some(id) => Some(realm.by_id(id).ok_or(Refusal::ResourceUnknown)?),
            None => None,
        };
        policy::narrow(Chosen { api, scope: waiting.device.scope.clone() }, &recognised.user.profile)
    }

    /// Keeps what a person decided over a device.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when somebody decided before; unavailable when it is not durable.
    pub async fn decide_device(
        &self,
        realm: &Arc<RealmState>,
        waiting: &WaitingDevice,
        allows: bool,
        recognised: &Recognised,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        let device = &waiting.device;
        let mut writes = Vec::new();
        let mut opened = None;
        if allows {
            let chosen = self.asked_by_device(realm, waiting, recognised)?;
            let (session, user) = (&recognised.session, &recognised.user);
            let outlives_session = chosen.scope.contains("offline_access");
            let grant = Grant {
                id: GrantId::from_number(self.mint(moment).number()),
                realm: realm.realm.id,
                client: device.client,
                user: Some(user.id),
                session: (!outlives_session).then_some(session.id),
                api: device.api,
                scope: chosen.scope.clone(),
                created_at: moment.now,
                cut_at: Seq::ZERO,
                refresh_token: None,
                idle_expires_at: device.expires_at,
                expires_at: device.expires_at,
                authentication: Some(session.browser.authentication),
                claims: None,
                rotation: Rotation::default(),
            };
            opened = Some(grant.id);
            writes.push(Write::PutGrant(grant));
            writes.extend(self.consents_after(&waiting.client, user, &chosen, moment).await?);
        }
        let decision = DeviceDecision { at: moment.now, grant: opened, minted_at: moment.minted_at };
        writes.push(Write::DecideDevice { device: device.id, decision });
        let preconditions = vec![Precondition::DeviceUndecided { device: device.id }];
        match self.storage.apply(Change { preconditions, writes, at: moment.now }).await {
            Ok(_) => Ok(()),
            Err(ApplyError::Conflict(Conflict::DeviceDecided)) => Err(Refusal::FormMalformed.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a device its tokens, once its person has agreed (RFC 8628 §3.4).
    ///
    /// # Errors
    ///
    /// `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, or `invalid_grant`.
    pub async fn redeem_device(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        assertion: Option<AssertionUse>,
        device_code: &str,
        request: &TokenRequest<'_>,
        moment: &Moment,
    ) -> Result<IssuedToken, ServiceError> {
        issue::may_use(client, GrantType::DeviceCode)?;
        let client = client.client();
        let invalid = Refusal::DeviceCodeInvalid;
        let StoredDevice { device, parents } = self.find_device(realm, device_code).await?.ok_or(invalid)?;
        if device.client != client.id || device.redeemed_at.is_some() {
            return Err(invalid.into());
        }
        if device.expires_at <= moment.now {
            return Err(Refusal::DeviceCodeExpired.into());
        }
        let Some(decision) = device.decision else {
            return Err(self.pending(device.id, moment).into());
        };
        if decision.grant.is_none() {
            return Err(Refusal::AccessDenied.into());
        }
        let (grant, user) = grant_and_user(&parents).ok_or(invalid)?;
        let world = self.world_of_parents(realm, device.client, &parents, moment)?;
        introspect::grant_is_good(grant, decision.minted_at, &world).map_err(|_| invalid)?;
        let first =
            FirstTokens { grant, user, resources: &request.resources, nonce: None, session: grant.session };
        let (issued, mut change) = self.make_first_tokens(realm, client, &first, moment).await?;
        change.preconditions.push(Precondition::DeviceUnredeemed { device: device.id });
        change.writes.push(Write::RedeemDevice { device: device.id, at: moment.now });
        use_assertion(&mut change, assertion);
        match self.storage.apply(change).await {
            Ok(_) => Ok(issued),
            Err(ApplyError::Conflict(Conflict::DeviceRedeemed)) => Err(invalid.into()),
            Err(ApplyError::Conflict(Conflict::AssertionUsed)) => {
                Err(Refusal::ClientAssertionReplayed.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a device is told that has to wait: longer, when it comes too early.
    fn pending(&self, device: TokenId, moment: &Moment) -> Refusal {
        let polls = &self.device_limits.polls;
        let early = polls.check(&device, moment.boot_now).is_err();
        polls.count(&device, moment.boot_now);
        if early { Refusal::DeviceTooFast } else { Refusal::DevicePending }
    }

    async fn find_device(
        &self,
        realm: &RealmState,
        device_code: &str,
    ) -> Result<Option<StoredDevice>, ServiceError> {
        let Some(parts) = token_string::parse_opaque(DEVICE_PREFIX, device_code) else {
            return Ok(None);
        };
        let Some(id) = realm.secrets.token_handles().token_of(parts.handle) else {
            return Ok(None);
        };
        let Some(presented) = realm.secrets.digest(TokenKind::Device, parts.generation, device_code) else {
            return Ok(None);
        };
        let stored = self.storage.find_device(id).await?;
        Ok(stored.filter(|stored| {
            let digest = &stored.device.digest;
            stored.device.realm == realm.realm.id
                && digest.generation == presented.generation
                && digest.digest.matches(&presented.digest)
        }))
    }
}
