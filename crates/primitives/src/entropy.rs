//! Randomness, from the operating system or from a seed.

use crate::base64url;
use crate::secret::{Secret, SecretBytes};
use crate::timestamp::Timestamp;

/// Where randomness comes from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The random numbers of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    ///
    /// When the operating system has no randomness to give: nothing that this product does is safe then.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system for randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides randomness");
    }
}

/// Makes ids and secrets for one request: its time is read once, its randomness comes from outside.
pub struct Mint<'a> {
    now: Timestamp,
    entropy: &'a dyn Entropy,
}

impl<'a> Mint<'a> {
    /// A mint for a request that arrived at `now`.
    pub fn new(now: Timestamp, entropy: &'a dyn Entropy) -> Self {
        Self { now, entropy }
    }

    /// The time of the request.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// 32 random bytes that erase themselves.
    pub fn key(&self) -> SecretBytes<32> {
        SecretBytes::new(self.bytes())
    }

    /// A random positive number that fits the signed integers of the stores.
    pub fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes()) >> 1
    }

    /// A secret of 256 random bits in 43 characters that survive form encoding (RFC 6749 §2.3.1).
    pub fn client_secret(&self) -> Secret {
        Secret::new(base64url::encode(&self.bytes::<32>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_survives_form_encoding() {
        let mint = Mint::new(Timestamp::EPOCH, &SystemEntropy);
        let secret = mint.client_secret();
        assert_eq!(secret.expose().len(), 43);
        assert!(
            secret.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        );
        assert_ne!(secret.expose(), mint.client_secret().expose());
    }

    #[test]
    fn numbers_fit_the_signed_integers_of_the_stores() {
        let mint = Mint::new(Timestamp::EPOCH, &SystemEntropy);
        assert!((0..1_000).all(|_| i64::try_from(mint.number()).is_ok()));
    }
}
