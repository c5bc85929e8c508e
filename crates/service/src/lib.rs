//! The use cases: load, decide, commit.
//!
//! `domain` decides; this crate loads what a decision needs, and commits what it wants done. It owns what a node keeps in memory:
//! the [`directory`] of realms, APIs, clients and keys, the ledger, and the cache of token facts. Start with [`Service`].
#![forbid(unsafe_code)]

pub mod account;
pub mod administration;
pub mod apply;
pub mod authorizing;
pub mod client_authentication;
pub mod devices;
pub mod directory;
pub mod error;
pub mod exchanging;
pub mod factors;
pub mod facts;
pub mod feed;
pub mod forgetting;
mod hashing_threads;
pub mod id_tokens;
pub mod install;
pub mod introspection;
pub mod issuing;
pub mod key_rotation;
pub mod known_callers;
pub mod limiter;
pub mod links;
pub mod logging_out;
pub mod mail;
pub mod node;
pub mod password_rules;
pub mod passwords;
pub mod revocation;
pub mod scopes;
pub mod sequences;
pub mod sessions;
pub mod settings;
pub mod signing_in;
pub mod standing_grants;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use lydian_primitives::{BootInstant, Clock, Entropy, Mint, Timestamp};
use lydian_revocation::{Seq, View};
use lydian_storage::{Change, SharedStorage, Storage, Unavailable, Write};

pub use client_authentication::{ClientCredentials, Presented};
pub use directory::{ApiState, Directory, KeyEntry, RealmState};
pub use error::ServiceError;
pub use exchanging::CodeRequest;
pub use introspection::ActiveToken;
pub use issuing::{IssuedToken, TokenRequest};
pub use node::{Node, OpenError};
pub use settings::Settings;

/// The authorization server without its wires: every use case of the endpoints is a method of it.
pub struct Service {
    node: Arc<Node>,
    storage: SharedStorage,
    sequences: sequences::Sequences,
    standing_grants: standing_grants::StandingGrants,
    scopes: scopes::SharedScopes,
    known_callers: known_callers::KnownCallers,
    failed_authentications: limiter::Limiter,
    unknown_tokens: limiter::Limiter,
    issued: issuing::IssuedCounts,
    publications: key_rotation::Publications,
    passwords: passwords::Passwords,
    sign_in_limits: signing_in::SignInLimits,
    code_limits: signing_in::SignInLimits,
    device_limits: devices::DeviceLimits,
    outbox: mail::Outbox,
    mail_limits: mail::MailLimits,
}

/// One request at one instant, after all of it has arrived.
///
/// The position was read first and the directory after it: what is minted in this request carries a position that is no later
/// than the state it was decided on (lease protocol, rule 12).
pub struct Moment {
    /// The wall clock, and no earlier than the forgetting mark.
    pub now: Timestamp,
    /// The boot clock.
    pub boot_now: BootInstant,
    /// The log position that tokens minted now carry.
    pub minted_at: Seq,
}

impl Service {
    /// A service over an open node and its store.
    pub fn new(node: Arc<Node>, storage: SharedStorage) -> Arc<Self> {
        let limits = node.settings().limits;
        Arc::new(Self {
            sequences: sequences::Sequences::default(),
            standing_grants: standing_grants::StandingGrants::default(),
            scopes: scopes::SharedScopes::default(),
            known_callers: known_callers::KnownCallers::new(node.entropy()),
            failed_authentications: limiter::Limiter::new(limits.failed_authentications),
            unknown_tokens: limiter::Limiter::new(limits.unknown_tokens),
            issued: issuing::IssuedCounts::default(),
            publications: key_rotation::Publications::default(),
            passwords: passwords::Passwords::new(
                node.settings().password_memory_kib,
                &Mint::new(node.clock().now(), node.entropy()),
            ),
            sign_in_limits: signing_in::SignInLimits::default(),
            code_limits: factors::limits_of_codes(),
            device_limits: devices::DeviceLimits::default(),
            outbox: mail::Outbox::default(),
            mail_limits: mail::MailLimits::default(),
            node,
            storage,
        })
    }

    /// What this node keeps in memory.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The store.
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The realms, APIs, clients and keys as they are now.
    pub fn directory(&self) -> Guard<Arc<Directory>> {
        self.node.directory()
    }

    /// The instant of a request. Call it once the whole request has arrived, and take the realm from the directory after it.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`] while this node holds no lease.
    pub fn moment(&self) -> Result<Moment, ServiceError> {
        let boot_now = self.clock().boot_now();
        let minted_at = self.view(boot_now)?.applied();
        Ok(Moment { now: self.node.token_time(), boot_now, minted_at })
    }

    /// Whether the store takes writes: what "ready" means.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when it does not.
    pub async fn check_writable(&self) -> Result<(), Unavailable> {
        let now = self.clock().now();
        let value = now.as_unix_seconds().to_le_bytes().to_vec();
        let write = Write::PutSetting { name: "last_write_check", value };
        let change = Change { preconditions: Vec::new(), writes: vec![write], at: now };
        match self.storage.apply(change).await {
            Ok(_) => Ok(()),
            Err(lydian_storage::ApplyError::Unavailable(unavailable)) => Err(unavailable),
            Err(lydian_storage::ApplyError::Conflict(conflict)) => {
                Err(Unavailable::new("write a setting", conflict))
            }
        }
    }

    /// Makes hashes of passwords for the cost that is kept with the install; none is kept before the first start of a server.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the store cannot be read.
    pub async fn take_over_password_cost(&self) -> Result<Option<passwords::Cost>, Unavailable> {
        let kept = self.storage.find_setting(install::PASSWORD_COST).await?;
        let kept = kept.as_deref().and_then(passwords::Cost::from_bytes);
        if let Some(cost) = kept {
            self.passwords.set_cost(cost, &Mint::new(self.clock().now(), self.entropy()));
        }
        Ok(kept)
    }

    /// The same; at the first start of a server measures the cost whose hash takes about so long, and keeps it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the store cannot be used.
    pub async fn calibrate_passwords(&self, target: Duration) -> Result<passwords::Cost, Unavailable> {
        let cost = match self.take_over_password_cost().await? {
            Some(cost) => cost,
            None => {
                let cost = self.passwords.calibrate(target, || self.clock().boot_now())?;
                let value = cost.to_bytes().to_vec();
                let write = Write::PutSetting { name: install::PASSWORD_COST, value };
                let change =
                    Change { preconditions: Vec::new(), writes: vec![write], at: self.clock().now() };
                match self.storage.apply(change).await {
                    Ok(_) => cost,
                    Err(lydian_storage::ApplyError::Unavailable(unavailable)) => return Err(unavailable),
                    Err(lydian_storage::ApplyError::Conflict(conflict)) => {
                        return Err(Unavailable::new("keep the cost of passwords", conflict));
                    }
                }
            }
        };
        self.passwords.set_cost(cost, &Mint::new(self.clock().now(), self.entropy()));
        Ok(cost)
    }

    fn view(&self, boot_now: BootInstant) -> Result<View<'_>, ServiceError> {
        self.node.ledger().view(boot_now).ok_or(ServiceError::no_lease())
    }

    fn clock(&self) -> &dyn Clock {
        self.node.clock()
    }

    fn entropy(&self) -> &dyn Entropy {
        self.node.entropy()
    }

    fn mint(&self, moment: &Moment) -> Mint<'_> {
        Mint::new(moment.now, self.entropy())
    }
}

/// How often the background work runs: the cleanup, and the counts of issued tokens.
pub const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(5);
