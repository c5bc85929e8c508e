//! A request is judged at the instant at which all of it has arrived (lease protocol, rule 6).

use lydian_primitives::Clock;
use lydian_test_kit::fixtures::{API, POST_APP};
use lydian_test_kit::{Request, TestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_token_that_expires_while_the_question_arrives_is_inactive() {
    let server = TestServer::start().await;
    let by_post = |path| {
        Request::post(path)
            .parameter("client_id", POST_APP.client_id)
            .parameter("client_secret", POST_APP.client_secret)
    };
    let asked = by_post("/oauth2/token").parameter("grant_type", "client_credentials");
    let token = server.issued(asked.parameter("resource", API)).await;
    let question = by_post("/oauth2/introspect").parameter("token", &token);
    let expires_at = server.send(question).await.active()["exp"].as_u64().unwrap();
    let (name, secret) = (POST_APP.client_id, POST_APP.client_secret);
    let body = format!("client_id={name}&client_secret={secret}&token={token}");
    let head = format!(
        "POST /oauth2/introspect HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body: it has seen the head, and waits.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.advance_seconds(expires_at - server.clock.now().as_unix_seconds());
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{\"active\":false}"), "{answer}");
}
