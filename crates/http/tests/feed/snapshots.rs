//! Snapshots: what they hold, and how they travel.

use std::io::Read;

use lydian_revocation::CutKind;
use lydian_revocation::feed::SnapshotReader;
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::{FeedClient, Validator};
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, JWT_API_CLIENT};
use lydian_test_kit::seed;

async fn sizes(client: &FeedClient) -> (usize, usize) {
    let mut validator = Validator::new(1);
    client.load(&mut validator).await.expect("a snapshot");
    validator.sizes()
}

#[tokio::test]
async fn a_snapshot_holds_what_can_still_matter_to_its_api() {
    let server = TestServer::start().await;
    let [mine, other] = [API_CLIENT, JWT_API_CLIENT].map(|api| FeedClient::new(server.address(), api));
    let token = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    seed::cut(&server, CutKind::Client, seed::client_id(&server, APP).as_number()).await;
    assert_eq!((sizes(&mine).await, sizes(&other).await), ((1, 1), (0, 1)));
    // What has expired by the forgetting mark matters no more; a cut stays for the horizon.
    server.advance_seconds(3_600);
    let housekeeper = lydian_service::forgetting::Housekeeper::default();
    for _ in 0..2 {
        server.advance_seconds(60);
        housekeeper.round(&server.service).await.expect("the store takes writes");
    }
    assert_eq!((sizes(&mine).await, sizes(&other).await), ((0, 1), (0, 1)));
    // A node that starts again knows the same from its log.
    let server = server.restart().await;
    let mine = FeedClient::new(server.address(), API_CLIENT);
    assert_eq!(sizes(&mine).await, (0, 1));
}

#[tokio::test]
async fn fed_03_a_snapshot_comes_compressed_to_who_takes_it_so_and_not_twice_to_who_has_it() {
    let server = TestServer::start().await;
    let client = FeedClient::new(server.address(), API_CLIENT);
    let token = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    let get = |name: &str, value: &str| client.send(client.request("GET", "snapshot").header(name, value));
    let read = |bytes: &[u8]| {
        let mut reader = SnapshotReader::default();
        let mut count = 0;
        reader.push(bytes, |_| count += 1).unwrap();
        (reader.finish().unwrap().0, count)
    };
    let plain = get("accept-encoding", "gzip;q=0, br").await;
    assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
    assert_eq!(plain.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(plain.header("cache-control"), Some("private, no-cache"));
    let compressed = get("accept-encoding", "br, gzip").await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*unchunked(&compressed.body)).read_to_end(&mut text).unwrap();
    assert_eq!(read(&text), read(&unchunked(&plain.body)));
    let etag = plain.header("etag").expect("a snapshot has a tag").to_owned();
    let known = get("if-none-match", &etag).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let token = server.issue(APP, API).await;
    assert_eq!(server.revoke(APP, &token).await.status, 200);
    assert_eq!(get("if-none-match", &etag).await.status, 200);
}

/// The bytes of a chunked body.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size =
            std::str::from_utf8(&body[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a chunk begins with its size");
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
        if size == 0 {
            break;
        }
    }
    whole
}
