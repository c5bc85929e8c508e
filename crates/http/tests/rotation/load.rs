//! A load of issuing, validating and introspecting across many rotations: nothing fails, and every token lives to its end.

use std::sync::Arc;

use lydian_domain::KeyState;
use lydian_domain::key_rotation::PUBLICATION_SECONDS_MIN;
use lydian_jose::Algorithm;
use lydian_primitives::{Clock, Timestamp, limits};
use lydian_service::forgetting::Housekeeper;
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{AUDITOR, Credentials};
use tokio::task::JoinSet;

use crate::{ALGORITHMS, Validator, keys_of};

/// Seconds between two looks while nothing is about to change, and around a change.
const QUIET_STEP: u64 = 1_800;
const CLOSE_STEP: u64 = 20;

/// For how long the looks stay close after a key has begun to sign.
const CLOSE_AFTER_SECONDS: u64 = limits::JWKS_SECONDS_MAX + 60;

/// When the successor of a key is published, in seconds after the key began to sign.
const SUCCESSOR_AFTER_SECONDS: u64 = 86_400 - PUBLICATION_SECONDS_MIN;

/// Lifetimes of tokens: ten minutes, and as long as a JWT may live.
const LIFETIMES: [u64; 2] = [600, 86_400];

/// Resource servers that validate side by side.
const VALIDATORS: usize = 3;

/// The application of this load.
const LOADER: Credentials =
    Credentials { client_id: "loader", client_secret: "loader-secret-0123456789abcdef0123456" };

/// For how long the looks are close before a successor is published: different each time, so that caches are filled at every
/// distance from the change.
fn close_before_seconds(rotation: usize) -> u64 {
    310 + (rotation as u64 * 47) % 300
}

/// The API whose tokens are signed by this algorithm and live for so long. One of each two keeps no record.
fn audience(algorithm: Algorithm, seconds: u64) -> String {
    format!("https://{}-{seconds}.example.com/", algorithm.name().to_lowercase())
}

/// The realm rotates each day, and publishes for the shortest time.
fn document() -> String {
    let mut text = format!(
        "[[realm]]\nname = \"default\"\nkey_rotation_seconds = 86400\nkey_prepublication_seconds = {PUBLICATION_SECONDS_MIN}\n"
    );
    let mut allowed = Vec::new();
    for (number, algorithm) in ALGORITHMS.into_iter().enumerate() {
        for (place, seconds) in LIFETIMES.into_iter().enumerate() {
            let audience = audience(algorithm, seconds);
            text.push_str(&format!(
                "[[api]]\naudience = {audience:?}\nscopes = [\"read\"]\ntoken_format = \"jwt\"\nalgorithm = {:?}\n\
                 access_token_seconds = {seconds}\nrecord = {}\n",
                algorithm.name(),
                (number + place).is_multiple_of(2)
            ));
            allowed.push(format!("{audience:?} = [\"read\"]"));
        }
    }
    let Credentials { client_id, client_secret } = LOADER;
    text.push_str(&format!(
        "[[client]]\nclient_id = {client_id:?}\nclient_secret = {client_secret:?}\ngrant_types = [\"client_credentials\"]\n\
         allowed = {{ {} }}\n",
        allowed.join(", ")
    ));
    text
}

/// A token, and when it expires.
type Living = (String, Timestamp);

/// What one validator has tried: validations, introspections, failures.
type Tried = (u64, u64, u64);

#[derive(Default)]
struct Figures {
    issued: u64,
    validations: u64,
    introspections: u64,
    failed: u64,
    published_max: usize,
}

struct Load {
    server: Arc<TestServer>,
    housekeeper: Arc<Housekeeper>,
    /// They began to cache at different times.
    validators: Vec<Validator>,
    living: Arc<Vec<Living>>,
    figures: Figures,
}

impl Load {
    /// Rotates, issues tokens of every kind, and tries what lives, all of that side by side; then tries what was issued.
    async fn look(&mut self, turn: usize) {
        let now = self.server.clock.now();
        Arc::make_mut(&mut self.living).retain(|(_, expires_at)| *expires_at > now);
        let (server, housekeeper) = (Arc::clone(&self.server), Arc::clone(&self.housekeeper));
        let rotating = tokio::spawn(async move { housekeeper.round(&server.service).await.map(drop) });
        let server = Arc::clone(&self.server);
        let issuing = tokio::spawn(async move { issue(&server).await });
        // Of those that have lived for a while some are tried at each look, so that each gets its turn.
        self.validate(turn, |place| place.is_multiple_of(16), |place| place.is_multiple_of(64)).await;
        rotating.await.unwrap().unwrap();
        let issued = issuing.await.unwrap();
        self.figures.issued += issued.len() as u64;
        let older = std::mem::replace(&mut self.living, Arc::new(issued));
        self.validate(turn, |_| true, |place| place.is_multiple_of(3)).await;
        let mut living = Arc::unwrap_or_clone(older);
        living.extend_from_slice(&self.living);
        self.living = Arc::new(living);
        for algorithm in ALGORITHMS {
            let realm = self.server.realm(None);
            let keys = realm.keys().map(|entry| &entry.record);
            let published = keys.filter(|key| key.algorithm == algorithm && key.state.is_published()).count();
            self.figures.published_max = self.figures.published_max.max(published);
        }
    }

    /// Lets each validator, as a task of its own, try its share of the tokens whose place is chosen.
    async fn validate(
        &mut self,
        turn: usize,
        is_tried: fn(usize) -> bool,
        is_introspected: fn(usize) -> bool,
    ) {
        let mut tasks: JoinSet<(Validator, Tried)> = JoinSet::new();
        for (number, mut validator) in std::mem::take(&mut self.validators).into_iter().enumerate() {
            let (server, living) = (Arc::clone(&self.server), Arc::clone(&self.living));
            tasks.spawn(async move {
                let mut tried = Tried::default();
                for (place, (token, _)) in living.iter().enumerate() {
                    if place % VALIDATORS != number || !is_tried(place / VALIDATORS + turn) {
                        continue;
                    }
                    tried.0 += 1;
                    tried.2 += u64::from(!validator.accepts(&server, token).await);
                    if is_introspected(place / VALIDATORS + turn) {
                        tried.1 += 1;
                        let active = server.introspect(AUDITOR, token).await.json()["active"] == true;
                        tried.2 += u64::from(!active);
                    }
                }
                (validator, tried)
            });
        }
        for (validator, (validations, introspections, failed)) in tasks.join_all().await {
            self.validators.push(validator);
            self.figures.validations += validations;
            self.figures.introspections += introspections;
            self.figures.failed += failed;
        }
    }
}

/// A token of each kind.
async fn issue(server: &TestServer) -> Vec<Living> {
    let now = server.clock.now();
    let mut issued = Vec::new();
    for algorithm in ALGORITHMS {
        for seconds in LIFETIMES {
            let token = server.issue(LOADER, &audience(algorithm, seconds)).await;
            issued.push((token, now.plus_seconds(seconds)));
        }
    }
    issued
}

/// The `kid` of the key that signs, for each algorithm.
fn signing(server: &TestServer) -> Vec<String> {
    let active = |algorithm| keys_of(server, algorithm, KeyState::Active);
    ALGORITHMS
        .into_iter()
        .map(|algorithm| match active(algorithm).as_slice() {
            [key] => key.kid.clone(),
            keys => panic!("one key signs for each algorithm: {keys:?}"),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_under_load_fail_no_validation_and_cut_no_token_short() {
    let rotations: usize = std::env::var("LYDIAN_ROTATIONS").map_or(5, |text| text.parse().unwrap());
    let server = Arc::new(TestServer::start().await);
    server.apply(&document()).await;
    let housekeeper = Arc::new(Housekeeper::default());
    housekeeper.round(&server.service).await.unwrap();
    let mut load = Load {
        server,
        housekeeper,
        validators: std::iter::repeat_with(Validator::default).take(VALIDATORS).collect(),
        living: Arc::default(),
        figures: Figures::default(),
    };
    let (mut kids, mut changed_at) = (signing(&load.server), load.server.clock.now());
    let (mut rotated, mut turn) = (0, 0);
    // After the last rotation everything that lives then lives to its end.
    while rotated < rotations || load.server.clock.now().seconds_since(changed_at) < 80_000 {
        let since_change = load.server.clock.now().seconds_since(changed_at);
        let close_from = SUCCESSOR_AFTER_SECONDS - close_before_seconds(rotated);
        let waits = |algorithm| !keys_of(&load.server, algorithm, KeyState::Prepublished).is_empty();
        let close = since_change >= close_from
            || ALGORITHMS.into_iter().any(waits)
            || (rotated > 0 && since_change < CLOSE_AFTER_SECONDS);
        load.server.advance_seconds(if close {
            CLOSE_STEP
        } else {
            QUIET_STEP.min(close_from - since_change)
        });
        load.look(turn).await;
        turn += 1;
        let now_signing = signing(&load.server);
        if now_signing != kids {
            let changed = now_signing.iter().zip(&kids).filter(|(one, other)| one != other).count();
            assert_eq!(changed, ALGORITHMS.len(), "keys that began together change together");
            (kids, changed_at) = (now_signing, load.server.clock.now());
            rotated += 1;
        }
        assert_eq!(load.figures.failed, 0, "after {rotated} rotations, at look {turn}");
    }
    let retired_of = |algorithm| keys_of(&load.server, algorithm, KeyState::Retired).len();
    let retired = ALGORITHMS.into_iter().map(retired_of).min().unwrap();
    let Figures { issued, validations, introspections, failed, published_max } = load.figures;
    // Read by the campaign of the same name.
    println!(
        "rotation: rotations={rotated} algorithms={} validators={VALIDATORS} issued={issued} validations={validations} \
         introspections={introspections} failed={failed} published_max={published_max} retired={retired}",
        ALGORITHMS.len()
    );
    assert_eq!(failed, 0);
    assert!(
        retired + 3 >= rotated,
        "keys leave the key set when their tokens have expired: {retired} of {rotated}"
    );
    assert!(published_max <= 4, "{published_max} keys of one algorithm were published at once");
}
