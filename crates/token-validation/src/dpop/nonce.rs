//! Server nonces (RFC 9449 §8, §9) without a store: what a nonce must be follows from a secret and the time.

use aws_lc_rs::hmac;
use lydian_primitives::{SecretBytes, Timestamp, base64url, limits};
use subtle::ConstantTimeEq;

/// Gives out nonces and recognises them. All nodes that share the secret agree.
///
/// Everybody gets the same nonce for a while, and it is good for as long again: it shows that a proof is fresh, not for whom it is.
pub struct Nonces {
    key: hmac::Key,
}

/// Which of our nonces came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceStanding {
    /// The one that is given out now.
    Current,
    /// The one before it: give the current one beside the answer, so that the client has it when this one ends (RFC 9449 §8.2).
    Previous,
}

impl Nonces {
    /// Nonces under this secret.
    pub fn new(secret: &SecretBytes<32>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()) }
    }

    /// The nonce to give out now, for the field DPoP-Nonce.
    pub fn issue(&self, now: Timestamp) -> String {
        base64url::encode(&self.of(period(now)))
    }

    /// Whether a nonce is one of ours that still counts.
    pub fn check(&self, nonce: &str, now: Timestamp) -> Option<NonceStanding> {
        let nonce: [u8; 16] = base64url::decode_array(nonce.as_bytes())?;
        let now = period(now);
        let is = |period: u64| bool::from(self.of(period).ct_eq(&nonce));
        // A node whose clock is ahead may have given out the next one already.
        if is(now) || is(now + 1) {
            return Some(NonceStanding::Current);
        }
        (now > 0 && is(now - 1)).then_some(NonceStanding::Previous)
    }

    fn of(&self, period: u64) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"dpop nonce\0");
        context.update(&period.to_be_bytes());
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(..)")
    }
}

fn period(now: Timestamp) -> u64 {
    now.as_unix_seconds() / limits::DPOP_NONCE_SECONDS
}
