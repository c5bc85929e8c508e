//! Leases: granted from memory, under the node's own, and on the same history alone.

use lydian_revocation::feed::{LeaseRequest, ValidatorId};
use lydian_revocation::{CutKind, Link, LogPosition, Seq};
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::{FeedClient, Refused, Verdict};
use lydian_test_kit::fixtures::{API, API_CLIENT, APP};
use lydian_test_kit::seed;

use crate::support::{Follower, facts};

#[tokio::test]
async fn a_node_without_a_lease_grants_none() {
    let server = TestServer::start().await;
    let mut follower = Follower::start(&server, API_CLIENT, 1).await;
    server.service.node().ledger().give_up_lease();
    assert_eq!(follower.renew(&server).await, Err(Refused::Status(503)));
    server.service.node().hold_lease();
    assert_eq!(follower.renew(&server).await, Ok(()));
}

#[tokio::test]
async fn another_history_and_a_position_of_the_future_are_told_to_begin_anew() {
    let server = TestServer::start().await;
    let follower = Follower::start(&server, API_CLIENT, 1).await;
    let good = follower.validator.request();
    let at = |seq, link| LogPosition { seq, link };
    let head = good.applied;
    for (what, wrong) in [
        ("epoch", LeaseRequest { epoch: good.epoch + 1, ..good }),
        ("link", LeaseRequest { applied: at(head.seq, Link::from_bits(1)), ..good }),
        ("future", LeaseRequest { applied: at(head.seq.next(), head.link), ..good }),
        ("beginning", LeaseRequest { applied: at(Seq::ZERO, Link::from_bits(1)), ..good }),
    ] {
        assert_eq!(follower.client.lease(&wrong).await, Err(Refused::Status(409)), "{what}");
    }
    assert!(follower.client.lease(&good).await.is_ok());
}

#[tokio::test]
async fn a_lease_request_is_strict_json() {
    let server = TestServer::start().await;
    let client = FeedClient::new(server.address(), API_CLIENT);
    let feed = server.service.node().feed();
    let body =
        LeaseRequest { validator: ValidatorId(1), epoch: feed.epoch(), applied: feed.head() }.to_json();
    let send = |content_type: &str, body: &str| {
        client.send(client.request("POST", "lease").content_type(content_type).body(body))
    };
    let good = send("application/json; charset=utf-8", &body).await;
    assert_eq!(good.status, 200, "{}", good.text());
    send("application/x-www-form-urlencoded", &body).await.refused(400, "invalid_request");
    send("", &body).await.refused(400, "invalid_request");
    for wrong in ["", "{}", "[]", &body.replace("\"epoch\":", "\"epoch\":-"), &format!("{body}x")] {
        send("application/json", wrong).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_lease_says_up_to_where_the_view_must_be_applied_and_waits_for_it() {
    let server = TestServer::start().await;
    for by_cut in [false, true] {
        let mut follower = Follower::start(&server, API_CLIENT, 1).await;
        let token = server.issue(APP, API).await;
        let token = (facts(&server, API_CLIENT, &token).await, token);
        if by_cut {
            seed::cut(&server, CutKind::Client, seed::client_id(&server, APP).as_number()).await;
        } else {
            assert_eq!(server.revoke(APP, &token.1).await.status, 200);
        }
        server.clock.advance(server.service.node().feed().terms().length);
        // The event lies in the stream, unread: the new lease counts only with it.
        follower.renew(&server).await.unwrap();
        assert_eq!(follower.judge(&server, &token.0), Verdict::NotFresh, "{by_cut}");
        follower.read().await;
        assert_eq!(follower.judge(&server, &token.0), Verdict::Revoked, "{by_cut}");
    }
}

#[tokio::test]
async fn v36_the_propagation_tells_who_has_applied_what_until_their_leases_end() {
    let server = TestServer::start().await;
    // The leases of a process before this one have ended.
    server.advance_seconds(3);
    let mut one = Follower::start(&server, API_CLIENT, 1).await;
    let mut two = Follower::start(&server, API_CLIENT, 2).await;
    let token = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    let seq = server.service.node().feed().head().seq.as_number();
    one.read().await;
    one.renew(&server).await.unwrap();
    let told = one.client.propagation(seq).await.unwrap();
    assert_eq!((told.connected, told.applied, told.lagging.len()), (2, 1, 1));
    assert_eq!(told.lagging[0].validator, Some(ValidatorId(2)));
    // Another API is not told of them.
    let other = FeedClient::new(server.address(), lydian_test_kit::fixtures::JWT_API_CLIENT);
    assert_eq!(other.propagation(seq).await.unwrap().connected, 0);
    two.read().await;
    two.renew(&server).await.unwrap();
    assert!(one.client.propagation(seq).await.unwrap().is_complete());
    let terms = server.service.node().feed().terms();
    server.clock.advance(terms.length);
    assert_eq!(one.client.propagation(seq).await.unwrap().connected, 2, "clocks may differ by the margin");
    server.clock.advance(terms.margin);
    assert_eq!(one.client.propagation(seq).await.unwrap().connected, 0);
    let wrong = one.client.request("GET", &format!("propagation?seq={}", seq + 1));
    one.client.send(wrong).await.refused(400, "invalid_request");
}
