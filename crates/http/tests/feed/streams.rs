//! Streams: what they say, where they go on, and when they end.

use lydian_primitives::limits;
use lydian_revocation::Seq;
use lydian_revocation::feed::{FeedKind, StreamPosition};
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::{FeedClient, Refused, Verdict};
use lydian_test_kit::fixtures::{
    ACME_API_CLIENT, ACME_APP, API, API_CLIENT, APP, BARE_API, BARE_API_CLIENT, JWT_API, JWT_API_CLIENT,
    OTHER_API_CLIENT,
};

use crate::support::{Follower, facts, next};

#[tokio::test]
async fn a_revoked_token_of_each_form_reaches_its_api_and_no_other() {
    let server = TestServer::start().await;
    let mut stranger = Follower::start(&server, OTHER_API_CLIENT, 9).await;
    for (api, client) in [(API, API_CLIENT), (JWT_API, JWT_API_CLIENT), (BARE_API, BARE_API_CLIENT)] {
        let mut follower = Follower::start(&server, client, 1).await;
        let token = server.issue(APP, api).await;
        let facts = facts(&server, client, &token).await;
        follower.renew(&server).await.unwrap();
        assert_eq!(follower.judge(&server, &facts), Verdict::Good, "{api}");
        assert_eq!(server.revoke(APP, &token).await.status, 200);
        let batch = follower.read().await;
        assert_eq!(
            batch.events.iter().map(|event| (event.kind, event.key)).collect::<Vec<_>>(),
            [(FeedKind::Token, facts.token)]
        );
        assert_eq!(follower.judge(&server, &facts), Verdict::Revoked, "{api}");
    }
    // The stranger is told of nothing, and knows that it missed nothing.
    stranger.renew(&server).await.unwrap();
    assert_eq!(stranger.validator.position().seq, server.service.node().feed().head().seq);
    assert_eq!(stranger.validator.sizes(), (0, 0));
}

#[tokio::test]
async fn another_realm_has_a_feed_of_its_own() {
    let server = TestServer::start().await;
    let client = FeedClient::of_realm(
        server.address(),
        Some("acme"),
        ACME_API_CLIENT.client_id,
        ACME_API_CLIENT.client_secret,
    );
    let mut follower = Follower::begin(&server, client, 1).await;
    let elsewhere = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &elsewhere).await.status, 200);
    let request = |path: &str| {
        lydian_test_kit::Request::post(&format!("/t/acme/oauth2/{path}"))
            .basic(ACME_APP.client_id, ACME_APP.client_secret)
    };
    let token = server.issued(request("token").parameter("grant_type", "client_credentials")).await;
    assert_eq!(server.send(request("revoke").parameter("token", &token)).await.status, 200);
    // The first message that has events has this one alone.
    assert_eq!(follower.read().await.events.len(), 1);
}

#[tokio::test]
async fn fed_01_a_stream_goes_on_after_the_position_that_the_subscriber_names() {
    let server = TestServer::start().await;
    let client = FeedClient::new(server.address(), API_CLIENT);
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    let before = follower.validator.position();
    drop(follower.stream);
    for _ in 0..3 {
        let token = server.issue(APP, API).await;
        assert_eq!(server.revoke(APP, &token).await.status, 200);
    }
    follower.stream = client.stream(Some(before)).await.unwrap();
    let batch = follower.read().await;
    assert_eq!((batch.after.seq, batch.events.len()), (before.seq, 3));
    assert!(batch.digest.is_some(), "who comes back is told what it must hold");

    // The header counts before the parameter: a browser sends both.
    let position = follower.validator.position().to_string();
    let request = client.request("GET", &format!("stream?since={before}")).header("last-event-id", &position);
    let feed = std::sync::Arc::clone(server.service.node().feed());
    let reply = async { tokio::join!(client.send(request), ended(&feed)).0 };
    let reply = reply.await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains(&format!("id: {position}\n")) && !reply.text().contains("\"token\""));
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

/// Ends all streams once one is open.
async fn ended(feed: &lydian_service::feed::Feed) {
    while feed.streams() == 0 {
        tokio::task::yield_now().await;
    }
    feed.close();
}

#[tokio::test]
async fn a_position_that_this_log_never_had_is_gone_and_a_malformed_one_is_refused() {
    let server = TestServer::start().await;
    let client = FeedClient::new(server.address(), API_CLIENT);
    let feed = server.service.node().feed();
    let (epoch, head) = (feed.epoch(), feed.head().seq);
    for (epoch, seq) in [(epoch, head.next()), (epoch + 1, head), (epoch + 1, Seq::ZERO)] {
        let position = StreamPosition { epoch, seq };
        assert_eq!(client.stream(Some(position)).await.err(), Some(Refused::Status(410)), "{position}");
    }
    for wrong in ["stream?since=", "stream?since=1", "stream?since=1:x", "stream?since=0:1&since=0:1"] {
        client.send(client.request("GET", wrong)).await.refused(400, "invalid_request");
    }
    let wrong = client.request("GET", "stream").header("last-event-id", "x");
    client.send(wrong).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_stream_survives_a_restart_of_the_server_without_a_snapshot() {
    let server = TestServer::start().await;
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    let token = server.issue(APP, API).await;
    let token_facts = facts(&server, API_CLIENT, &token).await;
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    let server = server.restart().await;
    follower.client = FeedClient::new(server.address(), API_CLIENT);
    follower.stream = follower.client.stream(Some(follower.validator.position())).await.unwrap();
    follower.read().await;
    follower.renew(&server).await.unwrap();
    assert_eq!(follower.judge(&server, &token_facts), Verdict::Revoked);
}

#[tokio::test]
async fn a_stream_ends_when_its_api_is_disabled_or_its_client_is_changed() {
    for change in [
        format!(
            "[[api]]\naudience = {API:?}\nscopes = [\"read\", \"write\", \"only-opaque\"]\nenabled = false\n"
        ),
        format!(
            "[[client]]\nclient_id = {:?}\nclient_secret = \"another-secret-of-the-api-that-is-long-enough\"\ngrant_types = [\"client_credentials\"]\nissuer_scopes = [\"introspect\"]\napi = {API:?}\n",
            API_CLIENT.client_id
        ),
    ] {
        let server = TestServer::start().await;
        let mut follower = Follower::start(&server, API_CLIENT, 1).await;
        let mut beside = Follower::start(&server, JWT_API_CLIENT, 1).await;
        server.apply(&change).await;
        assert_eq!(next(&mut follower.stream).await, None, "{change}");
        assert!(follower.renew(&server).await.is_err(), "{change}");
        // Another API goes on.
        let token = server.issue(APP, JWT_API).await;
        assert_eq!(server.revoke(APP, &token).await.status, 200);
        assert_eq!(beside.read().await.events.len(), 1);
    }
}

#[tokio::test]
async fn the_streams_of_an_api_are_bounded_and_their_places_come_back() {
    let server = TestServer::start().await;
    let client = FeedClient::new(server.address(), API_CLIENT);
    let feed = server.service.node().feed();
    let api = server.realm(None).api_by_audience(API).unwrap().api.id;
    let places: Vec<_> = (0..limits::FEED_STREAMS_PER_API_MAX).map(|_| feed.open_stream(api)).collect();
    assert!(places.iter().all(Option::is_some));
    assert_eq!(client.stream(None).await.err(), Some(Refused::Status(429)));
    let other = FeedClient::new(server.address(), JWT_API_CLIENT);
    assert!(other.stream(None).await.is_ok());
    drop(places);
    assert!(client.stream(None).await.is_ok());
}

#[tokio::test]
async fn more_than_a_batch_holds_comes_in_several_that_follow_each_other() {
    let server = TestServer::start().await;
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    let before = follower.validator.position();
    drop(follower.stream);
    let realm = server.realm(None);
    let api = realm.api_by_audience(API).unwrap().api.id.as_number();
    let reach = lydian_revocation::Reach::api(realm.realm.id.as_number(), api);
    let expires_at = lydian_test_kit::server::START.plus_seconds(60);
    let count = limits::FEED_BATCH_EVENTS_MAX as u32 * 2 + 5;
    let token = |number| lydian_domain::TokenId::from_parts(expires_at.hour(), 0, number);
    let writes = (1..=count)
        .map(|number| lydian_test_kit::seed::Write::RevokeToken { token: token(number), expires_at, reach })
        .collect();
    lydian_test_kit::seed::put(&server, writes).await;
    follower.stream = follower.client.stream(Some(before)).await.unwrap();
    let mut sizes = Vec::new();
    while follower.validator.position().seq < server.service.node().feed().head().seq {
        sizes.push(follower.read().await.events.len());
    }
    assert_eq!(sizes, [1_000, 1_000, 5]);
    assert_eq!(follower.validator.sizes().0, count as usize);
}
