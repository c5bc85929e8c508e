//! Clocks that jump, drift and go back, with and without a restart between (R20, R21): nothing that is dead revives, nothing live
//! is deleted, and cleanup waits for a clock that can be believed.

use std::time::Duration;

use lydian_primitives::{Clock, Timestamp};
use lydian_service::forgetting::{Housekeeper, Housekeeping};
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, JWT_API};
use lydian_test_kit::seed::{Granted, Seed};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Where the wall clock goes.
#[derive(Clone, Copy, Debug)]
enum Jump {
    Ahead(u64),
    Back(u64),
    To(u64),
}

impl Jump {
    fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(seconds) => now.plus_seconds(seconds),
            Self::Back(seconds) => now.minus_seconds(seconds),
            Self::To(seconds) => Timestamp::from_unix_seconds(seconds),
        }
    }
}

/// 2038-01-19T03:14:08Z, the first second that 31 bits cannot say; 2106-02-07T06:28:16Z, the first that 32 bits cannot.
const JUMPS: [(&str, Jump); 10] = [
    ("a second ahead", Jump::Ahead(1)),
    ("a second back", Jump::Back(1)),
    ("an hour ahead", Jump::Ahead(HOUR)),
    ("an hour back", Jump::Back(HOUR)),
    ("thirty days ahead", Jump::Ahead(30 * DAY)),
    ("thirty days back", Jump::Back(30 * DAY)),
    ("ten years back", Jump::Back(3_650 * DAY)),
    ("to 2038", Jump::To(1 << 31)),
    ("to 2106", Jump::To(1 << 32)),
    ("to 1970", Jump::To(0)),
];

/// A server with tokens that are live, expired and revoked, and whose mark has moved up to now.
struct Scene {
    server: TestServer,
    housekeeper: Housekeeper,
    hour: Granted,
    week: Granted,
    expired: Granted,
    revoked: Granted,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let housekeeper = Housekeeper::default();
        let seeded = |audience, name, seconds| Seed {
            refresh_token_seconds: 60 * DAY,
            session_seconds: 60 * DAY,
            ..Seed::of(APP, Some(audience), "read").named(name).living(seconds)
        };
        let expired = Seed { refresh_token_seconds: 100, ..seeded(API, "expired", 100) }.put(&server).await;
        let revoked = seeded(JWT_API, "revoked", 20 * HOUR).put(&server).await;
        assert_eq!(server.revoke(APP, &revoked.access_token).await.status, 200);
        assert_eq!(server.revoke(APP, &revoked.refresh_token).await.status, 200);
        housekeeper.round(&server.service).await.expect("the store can be written");
        server.advance_seconds(101);
        housekeeper.round(&server.service).await.expect("the store can be written");
        // Between two rounds the mark lies behind what was issued last.
        server.advance_seconds(5);
        let hour = seeded(JWT_API, "hour", 2 * HOUR).put(&server).await;
        let week = seeded(API, "week", 7 * DAY).put(&server).await;
        Self { server, housekeeper, hour, week, expired, revoked }
    }

    async fn round(&self) -> Housekeeping {
        self.housekeeper.round(&self.server.service).await.expect("the store can be written")
    }

    /// Stops and starts, and forgets what the background work knew.
    async fn restarted(self) -> Self {
        Self { server: self.server.restart().await, housekeeper: Housekeeper::default(), ..self }
    }

    async fn is_active(&self, token: &str) -> bool {
        let reply = self.server.introspect(AUDITOR, token).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["active"].as_bool().expect("an answer says whether")
    }

    /// Whatever the clock says: what was dead is dead.
    async fn check_dead(&self, name: &str) {
        let dead = [&self.expired, &self.revoked];
        for token in dead.into_iter().flat_map(|granted| [&granted.access_token, &granted.refresh_token]) {
            assert!(!self.is_active(token).await, "{name}: a dead token revived");
        }
    }

    /// Whether the token of two hours and the token of a week are active.
    async fn living(&self) -> [bool; 2] {
        [self.is_active(&self.hour.access_token).await, self.is_active(&self.week.access_token).await]
    }
}

async fn check_jump(name: &str, jump: Jump, restart: bool) {
    let mut scene = Scene::new().await;
    assert_eq!(scene.living().await, [true, true], "{name}");
    let right = scene.server.clock.now();
    let wrong = jump.from(right);
    scene.server.clock.set_wall(wrong);
    if restart {
        scene = scene.restarted().await;
    }
    scene.check_dead(name).await;
    // Behind the mark, time stands still and nothing dies of it; ahead, what has expired by this clock is not accepted.
    let expected = [wrong < right.plus_seconds(2 * HOUR), wrong < right.plus_seconds(7 * DAY)];
    assert_eq!(scene.living().await, expected, "{name}: by the wrong clock");
    for _ in 0..20 {
        scene.round().await;
        scene.server.clock.advance(Duration::from_secs(5));
    }
    scene.check_dead(name).await;
    // New tokens are good, whatever the clock says.
    let issued = scene.server.issue(APP, API).await;
    assert!(scene.is_active(&issued).await, "{name}: a token issued under the wrong clock");
    // The clock is set right again: nothing was deleted that lives.
    scene.server.clock.set_wall(right.plus_seconds(100));
    if restart {
        scene = scene.restarted().await;
    }
    scene.round().await;
    scene.check_dead(name).await;
    assert_eq!(scene.living().await, [true, true], "{name}: by the right clock");
}

#[tokio::test]
async fn r20_clock_jumps_revive_nothing_and_delete_nothing_live() {
    for (name, jump) in JUMPS {
        check_jump(name, jump, false).await;
    }
}

#[tokio::test]
async fn r21_restarts_under_a_moved_clock_revive_nothing_and_delete_nothing_live() {
    for (name, jump) in JUMPS {
        check_jump(name, jump, true).await;
    }
}

#[tokio::test]
async fn r20_a_slow_drift_keeps_cleanup_going() {
    let scene = Scene::new().await;
    // 500 parts per million for about twelve days, ahead and then back.
    for step in 0..1_000_u64 {
        scene.server.clock.advance(Duration::from_secs(1_000));
        let now = scene.server.clock.now();
        let drift = u64::from(step % 2 == 0);
        let drifted = if step < 500 { now.plus_seconds(drift) } else { now.minus_seconds(drift) };
        scene.server.clock.set_wall(drifted);
        assert!(!scene.round().await.clock_jumped, "step {step}");
    }
    let mark = scene.server.service.node().mark();
    let behind = scene.server.clock.now().seconds_since(mark);
    assert!(behind <= 1_000, "the mark follows: {behind} s behind");
    scene.check_dead("drift").await;
    assert_eq!(scene.living().await, [false, false], "they have expired in these days");
}

#[tokio::test]
async fn r20_a_jump_ahead_stops_cleanup_until_the_clock_has_kept_step_for_a_day() {
    let scene = Scene::new().await;
    let mark = scene.server.service.node().mark();
    let jumped = scene.server.clock.now().plus_seconds(30 * DAY);
    scene.server.clock.set_wall(jumped);
    for _ in 0..23 {
        let round = scene.round().await;
        assert!(round.clock_jumped && round.rows_forgotten == 0, "{round:?}");
        scene.server.clock.advance(Duration::from_secs(HOUR));
    }
    assert_eq!(scene.server.service.node().mark(), mark, "the mark waits");
    scene.server.clock.advance(Duration::from_secs(HOUR));
    let round = scene.round().await;
    assert!(!round.clock_jumped, "it has kept step for a day: {round:?}");
    assert!(scene.server.service.node().mark() > mark.plus_seconds(30 * DAY));
}

#[tokio::test]
async fn r20_an_accepted_clock_lets_cleanup_go_on_at_once() {
    for restart in [false, true] {
        let mut scene = Scene::new().await;
        let accept = async |scene: &Scene| scene.server.service.accept_clock().await;
        let refused = accept(&scene).await.unwrap_err();
        assert!(refused.to_string().contains("there is nothing to accept"), "{refused}");
        scene.server.clock.set_wall(scene.server.clock.now().plus_seconds(30 * DAY));
        if restart {
            scene = scene.restarted().await;
        }
        assert!(scene.round().await.clock_jumped);
        let (before, after) = accept(&scene).await.unwrap();
        assert!(before < after && after == scene.server.clock.now());
        let round = scene.round().await;
        assert!(!round.clock_jumped && round.rows_forgotten > 0, "{round:?}");
        scene.check_dead("accepted").await;
        // It is for good: the clock that goes back revives nothing.
        scene.server.clock.set_wall(scene.server.clock.now().minus_seconds(30 * DAY));
        assert_eq!(scene.living().await, [false, false]);
        let scene = scene.restarted().await;
        assert_eq!(scene.living().await, [false, false]);
    }
}
