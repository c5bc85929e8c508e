//! Signing keys rotate under load, and nobody who keeps the rules of caching notices (R31).
//!
//! `LYDIAN_ROTATIONS` sets how many rotations the load lives through; 5 without it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod administration;
mod clocks;
mod emergency;
mod load;

use lydian_domain::{KeyState, SigningKeyRecord};
use lydian_jose::{Algorithm, Compact, JwkSet, verify_with_set};
use lydian_primitives::{Clock, Timestamp, limits};
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::{Request, TestServer};

/// The algorithms that a validator accepts: of each family one, and two of ECDSA.
pub(crate) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa];

/// A resource server that keeps the key set for as long as it may, and never asks earlier.
#[derive(Default)]
pub(crate) struct Validator {
    cached: Option<(Timestamp, JwkSet)>,
}

impl Validator {
    /// Whether it accepts the signature of a token now.
    pub(crate) async fn accepts(&mut self, server: &TestServer, token: &str) -> bool {
        let now = server.clock.now();
        let fresh = self
            .cached
            .as_ref()
            .is_some_and(|(fetched, _)| now.seconds_since(*fetched) < limits::JWKS_SECONDS_MAX);
        if !fresh {
            self.cached = Some((now, published(server).await));
        }
        let (_, keys) = self.cached.as_ref().unwrap();
        verify_with_set(token, keys, &ALGORITHMS).is_ok()
    }
}

/// The key set as anybody gets it.
pub(crate) async fn published(server: &TestServer) -> JwkSet {
    let reply = server.send(Request::of("GET", "/oauth2/jwks")).await;
    assert_eq!(reply.status, 200);
    JwkSet::parse(reply.text().as_bytes()).unwrap().keys
}

/// The ES256 keys of the default realm in a state, the oldest first.
pub(crate) fn keys_in(server: &TestServer, state: KeyState) -> Vec<SigningKeyRecord> {
    keys_of(server, Algorithm::Es256, state)
}

/// The keys of the default realm for an algorithm in a state, the oldest first.
pub(crate) fn keys_of(server: &TestServer, algorithm: Algorithm, state: KeyState) -> Vec<SigningKeyRecord> {
    let realm = server.realm(None);
    let mut keys: Vec<_> = realm
        .keys()
        .map(|entry| entry.record.clone())
        .filter(|key| key.state == state && key.algorithm == algorithm)
        .collect();
    keys.sort_by_key(|key| (key.created_at, key.id));
    keys
}

/// The `kid` of the one key that signs.
pub(crate) fn active_kid(server: &TestServer) -> String {
    let active = keys_in(server, KeyState::Active);
    assert_eq!(active.len(), 1, "{active:?}");
    active[0].kid.clone()
}

pub(crate) fn kid_of(token: &str) -> String {
    Compact::parse(token).unwrap().header().kid().unwrap().to_owned()
}

/// Lets time pass in steps, with a round of housekeeping after each.
pub(crate) async fn pass(server: &TestServer, housekeeper: &Housekeeper, seconds: u64, step: u64) {
    let until = server.clock.now().plus_seconds(seconds);
    while server.clock.now() < until {
        server.advance_seconds(until.seconds_since(server.clock.now()).min(step));
        housekeeper.round(&server.service).await.unwrap();
    }
}
