//! Refresh tokens: each use gives a successor, a lost answer can be asked for again, and who comes back with an old one is a thief.

use lydian_test_kit::fixtures::{API, AUDITOR, JWT_API};
use lydian_test_kit::{Reply, TestServer};
use serde_json::Value;

use crate::browser::{Browser, text};
use crate::codes::at_once;
use crate::fixtures::{Ask, OTHER_WEB, WEB, WEB_CALLBACK, start};

/// How many exchange one refresh token at the same moment.
const RIVALS: usize = 16;
const GENERATIONS: usize = 10;

/// The grace window of the realm, in seconds.
const GRACE: u64 = 10;

async fn refreshed(server: &TestServer, ask: &Ask, refresh_token: &str) -> Value {
    let reply = server.send(ask.refresh(refresh_token)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn refused(server: &TestServer, ask: &Ask, refresh_token: &str) {
    server.send(ask.refresh(refresh_token)).await.refused(400, "invalid_grant");
}

async fn is_active(server: &TestServer, token: &str) -> bool {
    server.introspect(AUDITOR, token).await.json()["active"] == true
}

fn refresh_token(members: &Value) -> String {
    text(members, "refresh_token").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r_04_a_family_has_one_living_leaf_however_many_exchange_at_once() {
    let families: usize = std::env::var("LYDIAN_FAMILIES").map_or(4, |text| text.parse().unwrap());
    let server = start().await;
    let mut browser = Browser::default();
    let (mut exchanges, mut server_errors) = (0, 0);
    for family in 0..families {
        // Both forms of access token, the confidential client and the public one.
        let ask = if family % 2 == 0 { Ask::web() } else { Ask::spa() };
        let ask = if family % 4 < 2 { ask.resource(API) } else { ask.resource(JWT_API) };
        let mut leaf = refresh_token(&browser.tokens(&server, &ask).await);
        let mut seen = vec![leaf.clone()];
        let mut access_tokens = Vec::new();
        for generation in 0..GENERATIONS {
            let requests = (0..RIVALS).map(|_| ask.refresh(&leaf)).collect();
            let replies: Vec<Reply> = at_once(&server, requests).await;
            exchanges += replies.len();
            server_errors += replies.iter().filter(|reply| reply.status >= 500).count();
            let mut successors: Vec<String> = Vec::new();
            for reply in replies {
                assert_eq!(reply.status, 200, "family {family}, generation {generation}: {}", reply.text());
                successors.push(refresh_token(&reply.json()));
                access_tokens.push(text(&reply.json(), "access_token").to_owned());
            }
            assert!(
                successors.iter().all(|one| *one == successors[0]),
                "generation {generation} has two leaves"
            );
            assert!(!seen.contains(&successors[0]), "generation {generation} is an earlier one");
            leaf.clone_from(&successors[0]);
            seen.push(leaf.clone());
        }
        for token in &seen {
            assert_eq!(is_active(&server, token).await, *token == leaf);
        }
        for token in &access_tokens {
            assert!(is_active(&server, token).await);
        }
        access_tokens.sort_unstable();
        access_tokens.dedup();
        assert_eq!(access_tokens.len(), RIVALS * GENERATIONS, "each answer has an access token of its own");
        // Whoever comes back with an old one after the window has stolen it, or was stolen from.
        server.advance_seconds(GRACE);
        refused(&server, &ask, &seen[GENERATIONS - 1]).await;
        refused(&server, &ask, &leaf).await;
        for token in [&leaf, &access_tokens[0], &access_tokens[RIVALS * GENERATIONS - 1]] {
            assert!(!is_active(&server, token).await);
        }
    }
    println!(
        "refresh: families={families} rivals={RIVALS} exchanges={exchanges} server_errors={server_errors}"
    );
    assert_eq!(server_errors, 0);
}

#[tokio::test]
async fn r_04_a_lost_answer_can_be_asked_for_again_within_the_window() {
    let server = start().await;
    let mut browser = Browser::default();
    for (later, survives) in
        [(0, true), (1, true), (GRACE - 1, true), (GRACE, false), (GRACE + 1, false), (3_000, false)]
    {
        let ask = Ask::web();
        let first = browser.tokens(&server, &ask).await;
        let lost = refreshed(&server, &ask, text(&first, "refresh_token")).await;
        server.advance_seconds(later);
        let retried = server.send(ask.refresh(text(&first, "refresh_token"))).await;
        if survives {
            assert_eq!(retried.status, 200, "after {later} seconds: {}", retried.text());
            let retried = retried.json();
            assert_eq!(refresh_token(&retried), refresh_token(&lost));
            assert_ne!(retried["access_token"], lost["access_token"]);
            let next = refreshed(&server, &ask, text(&retried, "refresh_token")).await;
            for members in [&first, &lost, &retried, &next] {
                assert!(is_active(&server, text(members, "access_token")).await, "after {later} seconds");
            }
        } else {
            retried.refused(400, "invalid_grant");
            for members in [&first, &lost] {
                assert!(!is_active(&server, text(members, "access_token")).await, "after {later} seconds");
            }
            refused(&server, &ask, text(&lost, "refresh_token")).await;
            let told = server.service.explain(None, text(&lost, "refresh_token"), None).await.unwrap();
            assert_eq!(told.reason, "cut_grant");
        }
    }
}

#[tokio::test]
async fn the_grandparent_is_refused_within_the_window_and_kills_after_it() {
    let server = start().await;
    let ask = Ask::web();
    let first = Browser::default().tokens(&server, &ask).await;
    let second = refreshed(&server, &ask, text(&first, "refresh_token")).await;
    let third = refreshed(&server, &ask, text(&second, "refresh_token")).await;
    refused(&server, &ask, text(&first, "refresh_token")).await;
    assert!(is_active(&server, text(&third, "refresh_token")).await);
    // Its child can be asked for again still.
    let again = refreshed(&server, &ask, text(&second, "refresh_token")).await;
    assert_eq!(refresh_token(&again), refresh_token(&third));
    server.advance_seconds(GRACE);
    refused(&server, &ask, text(&first, "refresh_token")).await;
    assert!(!is_active(&server, text(&third, "refresh_token")).await);
    refused(&server, &ask, text(&third, "refresh_token")).await;
}

#[tokio::test]
async fn without_a_window_the_second_use_kills_at_once() {
    let server = start().await;
    server.apply("[[realm]]\nname = \"default\"\nrefresh_grace_seconds = 0\n").await;
    let ask = Ask::web();
    let first = Browser::default().tokens(&server, &ask).await;
    let second = refreshed(&server, &ask, text(&first, "refresh_token")).await;
    let third = refreshed(&server, &ask, text(&second, "refresh_token")).await;
    refused(&server, &ask, text(&second, "refresh_token")).await;
    for members in [&first, &second, &third] {
        assert!(!is_active(&server, text(members, "access_token")).await);
    }
    refused(&server, &ask, text(&third, "refresh_token")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_window_rivals_end_the_family_and_nobody_gets_two_leaves() {
    let server = start().await;
    server.apply("[[realm]]\nname = \"default\"\nrefresh_grace_seconds = 0\n").await;
    let ask = Ask::web();
    let mut browser = Browser::default();
    for _ in 0..5 {
        let first = browser.tokens(&server, &ask).await;
        let requests = (0..RIVALS).map(|_| ask.refresh(text(&first, "refresh_token"))).collect();
        let (good, bad): (Vec<Reply>, Vec<Reply>) =
            at_once(&server, requests).await.into_iter().partition(|reply| reply.status == 200);
        assert_eq!(good.len(), 1);
        for reply in bad {
            reply.refused(400, "invalid_grant");
        }
        assert!(!is_active(&server, text(&good[0].json(), "access_token")).await);
        refused(&server, &ask, text(&good[0].json(), "refresh_token")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_whose_tokens_are_not_replaced_keeps_its_refresh_token() {
    let server = start().await;
    server.apply("[[client]]\nclient_id = \"web\"\nrotate_refresh_tokens = false\n").await;
    let ask = Ask::web();
    let first = Browser::default().tokens(&server, &ask).await;
    let kept = refresh_token(&first);
    for _ in 0..3 {
        server.advance_seconds(100);
        let next = refreshed(&server, &ask, &kept).await;
        assert_eq!(refresh_token(&next), kept);
        assert!(is_active(&server, text(&next, "access_token")).await);
    }
    for reply in at_once(&server, (0..RIVALS).map(|_| ask.refresh(&kept)).collect()).await {
        assert_eq!((reply.status, refresh_token(&reply.json())), (200, kept.clone()));
    }
    assert!(is_active(&server, &kept).await);
    assert_eq!(server.revoke(WEB, &kept).await.status, 200);
    refused(&server, &ask, &kept).await;
}

#[tokio::test]
async fn oau_24_oau_25_a_refresh_may_ask_for_less_and_never_for_more() {
    let server = start().await;
    let ask = Ask::web().scope("openid read");
    let first = Browser::default().tokens(&server, &ask).await;
    let mut token = refresh_token(&first);
    for wider in ["openid read write", "write", "email", "openid read only-opaque"] {
        server.send(ask.refresh(&token).parameter("scope", wider)).await.refused(400, "invalid_scope");
    }
    server.send(ask.refresh(&token).parameter("resource", JWT_API)).await.refused(400, "invalid_target");
    server.send(ask.refresh(&token).parameter("scope", " ")).await.refused(400, "invalid_scope");
    for (narrower, has_id_token) in [("read", false), ("openid", true), ("read openid", true)] {
        let reply = server.send(ask.refresh(&token).parameter("scope", narrower)).await;
        assert_eq!(reply.status, 200, "{narrower}: {}", reply.text());
        let members = reply.json();
        let told = server.introspect(AUDITOR, text(&members, "access_token")).await.active();
        assert_eq!(told["scope"], members["scope"], "{narrower}");
        assert_eq!(text(&members, "scope").split(' ').count(), narrower.split(' ').count());
        assert_eq!(members.get("id_token").is_some(), has_id_token, "{narrower}");
        token = refresh_token(&members);
        // What was granted is not narrowed with it.
        assert_eq!(server.introspect(WEB, &token).await.active()["scope"], "openid read");
    }
    let reply = server.send(ask.refresh(&token).parameter("resource", API)).await;
    assert_eq!((reply.status, &reply.json()["scope"]), (200, &"openid read".into()));
}

#[tokio::test]
async fn oau_24_the_refresh_token_of_another_client_is_refused_and_harms_nobody() {
    let server = start().await;
    let mut browser = Browser::default();
    let (ask, other, spa) = (Ask::web(), Ask::of(OTHER_WEB.client_id, WEB_CALLBACK), Ask::spa());
    let first = browser.tokens(&server, &ask).await;
    let second = refreshed(&server, &ask, text(&first, "refresh_token")).await;
    server.advance_seconds(GRACE + 1);
    for thief in [&other, &spa] {
        // A living one, and one that would kill the family if its own client came with it.
        for members in [&second, &first] {
            refused(&server, thief, text(members, "refresh_token")).await;
        }
    }
    let nobody = lydian_test_kit::Request::post("/oauth2/token")
        .parameter("grant_type", "refresh_token")
        .parameter("refresh_token", text(&second, "refresh_token"));
    server.send(nobody).await.refused(401, "invalid_client");
    let token = text(&second, "refresh_token");
    for mistaken in [&token[..token.len() - 1], &token.to_uppercase(), &format!("{token}A")] {
        refused(&server, &ask, mistaken).await;
    }
    let third = refreshed(&server, &ask, token).await;
    assert!(is_active(&server, text(&third, "access_token")).await);
}

#[tokio::test]
async fn oau_26_a_refresh_token_dies_of_idleness_and_of_age() {
    const DAY: u64 = 86_400;
    let server = start().await;
    let mut browser = Browser::default();
    // Offline, because a session is long over by then.
    let ask = Ask::web().scope("openid read offline_access");
    let idle = browser.tokens(&server, &ask).await;
    server.advance_seconds(7 * DAY - 1);
    let idle = refreshed(&server, &ask, text(&idle, "refresh_token")).await;
    server.advance_seconds(7 * DAY);
    assert!(!is_active(&server, text(&idle, "refresh_token")).await);
    refused(&server, &ask, text(&idle, "refresh_token")).await;
    let told = server.service.explain(None, text(&idle, "refresh_token"), None).await.unwrap();
    assert_eq!(told.reason, "refresh_token_idle");
    let mut token = refresh_token(&browser.tokens(&server, &ask).await);
    for _ in 0..5 {
        server.advance_seconds(6 * DAY - 1);
        token = refresh_token(&refreshed(&server, &ask, &token).await);
    }
    server.advance_seconds(4);
    token = refresh_token(&refreshed(&server, &ask, &token).await);
    server.advance_seconds(1);
    assert!(!is_active(&server, &token).await);
    refused(&server, &ask, &token).await;
}
