//! Exchanging an authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6).

use aws_lc_rs::digest;
use lydian_primitives::{Digest, Timestamp};

use crate::introspect::{self, World};
use crate::records::{AuthorizationCode, Client};
use crate::refusal::Refusal;

/// What a client presents beside the code.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The parameter `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// The parameter `code_verifier`.
    pub code_verifier: Option<&'a str>,
}

/// Why a code is refused, and whether its grant dies with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the caller is told.
    pub refusal: Refusal,
    /// Whether everything that came of it is to be killed: somebody has used it twice.
    pub kills_grant: bool,
}

/// Decides whether a code may be exchanged.
///
/// Only the second use by its own client, with everything right, kills: nobody else can burn a code.
///
/// # Errors
///
/// A [`Rejection`].
pub fn redeem(
    code: &AuthorizationCode,
    client: &Client,
    presented: Presented<'_>,
    world: &World<'_>,
) -> Result<(), Rejection> {
    let reject = |refusal| Err(Rejection { refusal, kills_grant: false });
    if code.client != client.id || code.realm != client.realm {
        return reject(Refusal::CodeOfAnotherClient);
    }
    if presented.redirect_uri != Some(code.redirect_uri.as_str()) {
        return reject(Refusal::RedirectUriMismatch);
    }
    let Some(verifier) = presented.code_verifier else {
        return reject(Refusal::CodeVerifierMissing);
    };
    if !verifies(verifier, &code.code_challenge) {
        return reject(Refusal::CodeVerifierWrong);
    }
    if code.redeemed_at.is_some() {
        return Err(Rejection { refusal: Refusal::CodeReplayed, kills_grant: true });
    }
    if expired(code, world.now) {
        return reject(Refusal::CodeExpired);
    }
    match introspect::code_is_good(code, world) {
        Ok(()) => Ok(()),
        Err(_) => reject(Refusal::CodeRevoked),
    }
}

fn expired(code: &AuthorizationCode, now: Timestamp) -> bool {
    code.expires_at <= now
}

/// Whether a verifier fits an S256 challenge (RFC 7636 §4.1, §4.6).
pub fn verifies(verifier: &str, challenge: &[u8; 32]) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let hashed = digest::digest(&digest::SHA256, verifier.as_bytes());
    let hashed: Option<[u8; 32]> = hashed.as_ref().try_into().ok();
    hashed.is_some_and(|hashed| Digest::from_bytes(hashed).matches(&Digest::from_bytes(*challenge)))
}

#[cfg(test)]
#[path = "redeem_tests.rs"]
mod tests;
