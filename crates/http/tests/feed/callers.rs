//! Who may listen, and how callers prove who they are.

use lydian_test_kit::feed::{FeedClient, Refused};
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, AUDITOR, Credentials};
use lydian_test_kit::{Request, TestServer};

const PLACES: [(&str, &str); 4] =
    [("GET", "stream"), ("GET", "snapshot"), ("GET", "propagation"), ("POST", "lease")];

fn request(method: &str, place: &str) -> Request {
    Request::of(method, &format!("/oauth2/revocations/{place}")).content_type("application/json")
}

#[tokio::test]
async fn nobody_but_an_api_gets_any_of_it() {
    let server = TestServer::start().await;
    for (method, place) in PLACES {
        server.send(request(method, place)).await.refused(401, "invalid_client");
        let wrong = Credentials { client_secret: "wrong", ..API_CLIENT };
        let wrong = request(method, place).basic(wrong.client_id, wrong.client_secret);
        server.send(wrong).await.refused(401, "invalid_client");
        for caller in [APP, AUDITOR] {
            let other = request(method, place).basic(caller.client_id, caller.client_secret);
            server.send(other).await.refused(400, "unauthorized_client");
        }
        let in_query = request(method, &format!("{place}?client_secret=x"));
        server.send(in_query).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_disabled_api_gets_none_of_it() {
    let server = TestServer::start().await;
    let api = format!("[[api]]\naudience = {API:?}\nscopes = [\"read\"]\nenabled = false\n");
    server.apply(&api).await;
    for (method, place) in PLACES {
        let caller = request(method, place).basic(API_CLIENT.client_id, API_CLIENT.client_secret);
        let reply = server.send(caller).await;
        assert!([400, 401].contains(&reply.status), "{place}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_bearer_token_opens_a_stream_for_as_long_as_it_is_good() {
    let server = TestServer::start().await;
    let token = server.introspect_token(API_CLIENT).await;
    for (method, place) in PLACES {
        if place != "stream" && place != "lease" {
            assert_eq!(server.send(request(method, place).bearer(&token)).await.status, 200, "{place}");
        }
    }
    let open = server.send(request("GET", "stream").bearer(&token));
    let revoke = async {
        while server.service.node().feed().streams() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.revoke(API_CLIENT, &token).await.status, 200);
        // Something that concerns the API, so that the stream looks around at once.
        let other = server.issue(APP, API).await;
        assert_eq!(server.revoke(APP, &other).await.status, 200);
    };
    // The answer is whole only when the stream has ended.
    let (reply, ()) = tokio::join!(open, revoke);
    assert_eq!(reply.status, 200);
    server.send(request("GET", "stream").bearer(&token)).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn a_stream_and_a_lease_take_no_other_method_and_say_so() {
    let server = TestServer::start().await;
    for (method, place) in PLACES {
        let other = if method == "GET" { "POST" } else { "GET" };
        let reply = server.send(request(other, place)).await.refused(405, "invalid_request");
        assert_eq!(reply.header("allow"), Some(method));
    }
}

#[tokio::test]
async fn scripts_of_no_origin_may_read_it() {
    let server = TestServer::start().await;
    let client = FeedClient::new(server.address(), API_CLIENT);
    let reply =
        client.send(client.request("GET", "snapshot").header("origin", "https://app.example.com")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
    assert_eq!(client.stream(None).await.err(), None::<Refused>);
}
