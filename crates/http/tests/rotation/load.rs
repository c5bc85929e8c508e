//! A load of issuing, validating and introspecting across many rotations: nothing fails, and every token lives to its end.

use lydian_domain::KeyState;
use lydian_domain::key_rotation::PUBLICATION_SECONDS_MIN;
use lydian_primitives::{Clock, Timestamp, limits};
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{APP, AUDITOR, BARE_API, JWT_API};

use crate::{Validator, active_kid, keys_in};

/// Seconds between two looks while nothing is about to change, and around a change.
const QUIET_STEP: u64 = 1_800;
const CLOSE_STEP: u64 = 20;

/// For how long the looks stay close after a key has begun to sign.
const CLOSE_AFTER_SECONDS: u64 = limits::JWKS_SECONDS_MAX + 60;

/// When the successor of a key is published, in seconds after the key began to sign.
const SUCCESSOR_AFTER_SECONDS: u64 = 86_400 - PUBLICATION_SECONDS_MIN;

/// For how long the looks are close before a successor is published: different each time, so that caches are filled at every
/// distance from the change.
fn close_before_seconds(rotation: usize) -> u64 {
    310 + (rotation as u64 * 47) % 300
}

/// The realm rotates each day, and publishes for the shortest time. One kind of token lives for ten minutes, one for as long as a
/// JWT may.
fn document() -> String {
    format!(
        "[[realm]]\nname = \"default\"\nkey_rotation_seconds = 86400\nkey_prepublication_seconds = {PUBLICATION_SECONDS_MIN}\n\
         [[api]]\naudience = {JWT_API:?}\naccess_token_seconds = 600\n\
         [[api]]\naudience = {BARE_API:?}\naccess_token_seconds = 86400\n"
    )
}

#[derive(Default)]
struct Figures {
    issued: u64,
    validations: u64,
    introspections: u64,
    failed: u64,
    published_max: usize,
}

struct Load {
    server: TestServer,
    /// Three that began to cache at different times.
    validators: [Validator; 3],
    living: Vec<(String, Timestamp)>,
    figures: Figures,
}

impl Load {
    /// Issues tokens of both kinds, and tries everything that lives.
    async fn look(&mut self, turn: usize) {
        let now = self.server.clock.now();
        for (api, seconds) in [(JWT_API, 600), (BARE_API, 86_400)] {
            let token = self.server.issue(APP, api).await;
            self.living.push((token, now.plus_seconds(seconds)));
            self.figures.issued += 1;
        }
        self.living.retain(|(_, expires_at)| *expires_at > now);
        // The newest are tried at each look, of the others some, so that each gets its turn.
        let newest = self.living.len().saturating_sub(4);
        for (place, (token, _)) in self.living.iter().enumerate() {
            if place < newest && !(place + turn).is_multiple_of(16) {
                continue;
            }
            let validator = &mut self.validators[(place + turn) % 3];
            self.figures.validations += 1;
            self.figures.failed += u64::from(!validator.accepts(&self.server, token).await);
            if place >= newest || (place + turn).is_multiple_of(64) {
                self.figures.introspections += 1;
                let active = self.server.introspect(AUDITOR, token).await.json()["active"] == true;
                self.figures.failed += u64::from(!active);
            }
        }
        let published = self.server.realm(None).keys().filter(|key| key.record.state.is_published()).count();
        self.figures.published_max = self.figures.published_max.max(published);
    }
}

#[tokio::test]
async fn rotations_under_load_fail_no_validation_and_cut_no_token_short() {
    let rotations: usize = std::env::var("LYDIAN_ROTATIONS").map_or(5, |text| text.parse().unwrap());
    let server = TestServer::start().await;
    server.apply(&document()).await;
    let housekeeper = Housekeeper::default();
    housekeeper.round(&server.service).await.unwrap();
    let mut load =
        Load { server, validators: Default::default(), living: Vec::new(), figures: Figures::default() };
    let (mut kid, mut changed_at) = (active_kid(&load.server), load.server.clock.now());
    let (mut rotated, mut turn) = (0, 0);
    // After the last rotation everything that lives then lives to its end.
    while rotated < rotations || load.server.clock.now().seconds_since(changed_at) < 80_000 {
        let since_change = load.server.clock.now().seconds_since(changed_at);
        let close_from = SUCCESSOR_AFTER_SECONDS - close_before_seconds(rotated);
        let close = since_change >= close_from
            || !keys_in(&load.server, KeyState::Prepublished).is_empty()
            || (rotated > 0 && since_change < CLOSE_AFTER_SECONDS);
        load.server.advance_seconds(if close {
            CLOSE_STEP
        } else {
            QUIET_STEP.min(close_from - since_change)
        });
        housekeeper.round(&load.server.service).await.unwrap();
        load.look(turn).await;
        turn += 1;
        let now_signing = active_kid(&load.server);
        if now_signing != kid {
            (kid, changed_at) = (now_signing, load.server.clock.now());
            rotated += 1;
        }
        assert_eq!(load.figures.failed, 0, "after {rotated} rotations, at look {turn}");
    }
    let retired = keys_in(&load.server, KeyState::Retired).len();
    let Figures { issued, validations, introspections, failed, published_max } = load.figures;
    // Read by the campaign of the same name.
    println!(
        "rotation: rotations={rotated} issued={issued} validations={validations} introspections={introspections} \
         failed={failed} published_max={published_max} retired={retired}"
    );
    assert_eq!(failed, 0);
    assert!(
        retired + 3 >= rotated,
        "keys leave the key set when their tokens have expired: {retired} of {rotated}"
    );
    assert!(published_max <= 4, "{published_max} keys were published at once");
}
