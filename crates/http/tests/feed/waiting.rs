//! `Prefer: wait`: a revocation that is answered when validators know it too (RFC 7240).

use lydian_test_kit::fixtures::{API, API_CLIENT, APP};
use lydian_test_kit::{Reply, Request, TestServer};

use crate::support::Follower;

fn revoke(token: &str, prefer: &str) -> Request {
    let request = Request::post("/oauth2/revoke").basic(APP.client_id, APP.client_secret);
    request.header("prefer", prefer).parameter("token", token)
}

fn applied(reply: &Reply) -> Option<&str> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("preference-applied")
}

#[tokio::test]
async fn fed_02_v36_it_waits_for_every_validator_that_holds_a_lease() {
    let server = TestServer::start().await;
    server.advance_seconds(3);
    let token = server.issue(APP, API).await;
    assert_eq!(applied(&server.send(revoke(&token, "wait=1")).await), Some("wait=1"), "nobody listens");
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    let token = server.issue(APP, API).await;
    let answered = server.send(revoke(&token, "respond-async, wait=9; x=y"));
    let follow = async {
        follower.read().await;
        follower.renew(&server).await.unwrap();
    };
    let (reply, ()) = tokio::join!(answered, follow);
    assert_eq!(applied(&reply), Some("wait=9"));
}

#[tokio::test]
async fn fed_02_v36_it_says_that_it_did_not_wait_for_all_when_one_lags() {
    let server = TestServer::start().await;
    server.advance_seconds(3);
    let _lagging = Follower::start(&server, API_CLIENT, 1).await;
    let token = server.issue(APP, API).await;
    assert_eq!(applied(&server.send(revoke(&token, "wait=0")).await), None);
    // A repeat waits for the same.
    assert_eq!(applied(&server.send(revoke(&token, "wait=0")).await), None);
    // The end of its lease is as good as its word.
    server.clock.advance(server.service.node().feed().terms().wait());
    assert_eq!(applied(&server.send(revoke(&token, "wait=0")).await), Some("wait=0"));
}

#[tokio::test]
async fn a_validator_of_another_api_is_not_waited_for() {
    let server = TestServer::start().await;
    server.advance_seconds(3);
    let _elsewhere = Follower::start(&server, lydian_test_kit::fixtures::JWT_API_CLIENT, 1).await;
    let token = server.issue(APP, API).await;
    assert_eq!(applied(&server.send(revoke(&token, "wait=0")).await), Some("wait=0"));
}

#[tokio::test]
async fn a_server_that_has_just_started_waits_for_leases_that_it_cannot_know() {
    let server = TestServer::start().await;
    server.advance_seconds(3);
    let server = server.restart().await;
    let token = server.issue(APP, API).await;
    assert_eq!(applied(&server.send(revoke(&token, "wait=0")).await), None);
    server.clock.advance(server.service.node().feed().terms().wait());
    assert_eq!(applied(&server.send(revoke(&token, "wait=0")).await), Some("wait=0"));
}

#[tokio::test]
async fn other_preferences_change_nothing() {
    let server = TestServer::start().await;
    for prefer in ["", "wait", "wait=", "wait=x", "wait=-1", "return=minimal"] {
        let token = server.issue(APP, API).await;
        assert_eq!(applied(&server.send(revoke(&token, prefer)).await), None, "{prefer}");
    }
}
