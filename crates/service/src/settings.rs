//! What an operator may set of the use cases.

use std::time::Duration;

use crate::limiter::Rate;
use crate::passwords::MEMORY_BUDGET;

/// The settings of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier of the default realm; other realms add `/t/{realm}`.
    pub issuer: String,
    /// Memory for token facts, in bytes.
    pub fact_cache_bytes: u64,
    /// The rates beyond which callers are slowed down.
    pub limits: RateLimits,
    /// Memory for all hashes of passwords at once, in KiB.
    pub password_memory_kib: u32,
}

/// The rates beyond which callers are slowed down.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Failed client authentications of one address for one client.
    pub failed_authentications: Rate,
    /// Strings that are no token of ours, of one caller.
    pub unknown_tokens: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            failed_authentications: Rate { per_second: 20, burst: 20 },
            unknown_tokens: Rate { per_second: 1_000, burst: 5_000 },
        }
    }
}

impl Settings {
    /// The default settings under this issuer.
    pub fn with_issuer(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            fact_cache_bytes: 64 * 1024 * 1024,
            limits: RateLimits::default(),
            password_memory_kib: MEMORY_BUDGET,
        }
    }
}

/// What a refusal for too many requests tells the caller to wait.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
