//! What the tests of the feed share: a validator that is in step with its server.

use std::time::Duration;

use lydian_primitives::Clock;
use lydian_revocation::feed::Batch;
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::{FeedClient, FeedStream, Refused, TokenFacts, Validator, Verdict};
use lydian_test_kit::fixtures::Credentials;

/// A validator with its stream, in the hand of the test.
pub(crate) struct Follower {
    pub(crate) client: FeedClient,
    pub(crate) validator: Validator,
    pub(crate) stream: FeedStream,
}

impl Follower {
    /// Snapshot, stream and first lease.
    pub(crate) async fn start(server: &TestServer, api: Credentials, id: u128) -> Self {
        Self::begin(server, FeedClient::new(server.address(), api), id).await
    }

    pub(crate) async fn begin(server: &TestServer, client: FeedClient, id: u128) -> Self {
        let mut validator = Validator::new(id);
        client.load(&mut validator).await.expect("a snapshot");
        let stream = client.stream(Some(validator.position())).await.expect("a stream");
        let mut follower = Self { client, validator, stream };
        follower.read().await;
        follower.renew(server).await.expect("a lease");
        follower
    }

    /// Takes the next message.
    pub(crate) async fn read(&mut self) -> Batch {
        let batch = next(&mut self.stream).await.expect("the stream goes on");
        self.validator.take(&batch).expect("the message follows");
        batch
    }

    /// Asks for a lease.
    pub(crate) async fn renew(&mut self, server: &TestServer) -> Result<(), Refused> {
        let asked_at = server.clock.boot_now();
        let grant = self.client.lease(&self.validator.request()).await?;
        self.validator.granted(asked_at, grant).expect("the same history");
        Ok(())
    }

    pub(crate) fn judge(&self, server: &TestServer, token: &TokenFacts) -> Verdict {
        self.validator.judge(token, server.clock.boot_now())
    }
}

/// The next message of a stream; the test fails when none comes for very long.
pub(crate) async fn next(stream: &mut FeedStream) -> Option<Batch> {
    tokio::time::timeout(Duration::from_secs(60), stream.next())
        .await
        .expect("the stream says something or ends")
}

/// The facts of a token, as its API learns them.
pub(crate) async fn facts(server: &TestServer, api: Credentials, token: &str) -> TokenFacts {
    let members = server.introspect(api, token).await.active();
    let kid = token.split_once('.').map(|(head, _)| {
        let head = lydian_primitives::base64url::decode(head.as_bytes()).expect("a JWT");
        let head: serde_json::Value = serde_json::from_slice(&head).expect("a JWT");
        head["kid"].as_str().expect("our JWTs name their key").to_owned()
    });
    TokenFacts::of(&members, kid.as_deref())
}
