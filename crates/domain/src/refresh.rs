//! Exchanging a refresh token (RFC 6749 §6, RFC 9700 §4.14).

use crate::introspect::{self, Inactive, Inspected, World};
use crate::records::{Client, Grant, RefreshToken};
use crate::redeem::Rejection;
use crate::refusal::Refusal;

/// What an exchange gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The same refresh token goes on: the client's profile forbids to replace it.
    Keep,
    /// The answer was lost: the successor that is there already, once more.
    Repeat,
    /// A successor.
    Replace,
}

/// Decides what the exchange of a refresh token gives.
///
/// # Errors
///
/// A [`Rejection`]. A token that was replaced before the grace window kills its family: two parties have it.
pub fn exchange(
    token: &RefreshToken,
    client: &Client,
    grant: Option<&Grant>,
    grace_seconds: u64,
    world: &World<'_>,
) -> Result<Exchange, Rejection> {
    let reject = |refusal| Err(Rejection { refusal, kills_grant: false });
    if token.client != client.id || token.realm != client.realm {
        return reject(Refusal::RefreshTokenInvalid);
    }
    match introspect::is_good(Inspected::Refresh(token), world) {
        Ok(()) if client.authorization.rotate_refresh_tokens => return Ok(Exchange::Replace),
        Ok(()) => return Ok(Exchange::Keep),
        Err(Inactive::RefreshTokenReplaced) => {}
        Err(_) => return reject(Refusal::RefreshTokenInvalid),
    }
    let Some((grant, replaced_at)) = grant.zip(token.replaced_at) else {
        return reject(Refusal::RefreshTokenInvalid);
    };
    if replaced_at.plus_seconds(grace_seconds) <= world.now {
        return Err(Rejection { refusal: Refusal::RefreshTokenReused, kills_grant: true });
    }
    let is_previous = grant.rotation.previous == Some(token.id);
    if is_previous && grant.rotation.sealed_successor.is_some() {
        return Ok(Exchange::Repeat);
    }
    // The successor has been used, or the window is over for it: a late repeat, and no theft yet.
    reject(Refusal::RefreshTokenInvalid)
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
