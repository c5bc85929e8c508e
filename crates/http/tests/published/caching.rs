//! How long the documents may be kept, and how a reader learns that nothing changed (RFC 9110 §8.8.3, §13.1.2).

use lydian_jose::Algorithm;
use lydian_primitives::limits::JWKS_SECONDS_MAX;
use lydian_test_kit::{Request, TestServer, seed};

use crate::{JWKS, METADATA, get};

#[tokio::test]
async fn jwk_08_the_documents_have_a_type_a_lifetime_and_an_entity_tag() {
    let server = TestServer::start().await;
    for (path, content_type) in [(JWKS, "application/jwk-set+json"), (METADATA, "application/json")] {
        let reply = get(&server, path).await;
        assert_eq!(reply.header("content-type"), Some(content_type));
        let lifetime = format!("public, max-age={JWKS_SECONDS_MAX}");
        assert_eq!(reply.header("cache-control"), Some(lifetime.as_str()));
        let tag = reply.header("etag").expect("an entity tag");
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
        assert_eq!(reply.header("pragma"), None);
        assert_eq!(get(&server, path).await.header("etag"), Some(tag), "it stays while nothing changes");
    }
}

#[tokio::test]
async fn jwk_08_a_reader_that_has_the_document_is_told_so() {
    let server = TestServer::start().await;
    for path in [JWKS, METADATA] {
        let whole = get(&server, path).await;
        let tag = whole.header("etag").unwrap();
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let reply = server.send(Request::of("GET", path).header("if-none-match", &known)).await;
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{known}");
            assert_eq!(reply.header("etag"), Some(tag));
            assert_eq!(reply.header("cache-control"), whole.header("cache-control"));
        }
        for unknown in ["\"x\"", "x", "", &tag[1..]] {
            let reply = server.send(Request::of("GET", path).header("if-none-match", unknown)).await;
            assert_eq!((reply.status, &reply.body), (200, &whole.body), "{unknown}");
        }
    }
}

#[tokio::test]
async fn jwk_08_a_new_key_and_a_new_scope_change_the_entity_tag() {
    let server = TestServer::start().await;
    let tags = async || {
        let (keys, metadata) = (get(&server, JWKS).await, get(&server, METADATA).await);
        (keys.header("etag").unwrap().to_owned(), metadata.header("etag").unwrap().to_owned())
    };
    let first = tags().await;
    seed::add_key(&server, Algorithm::EdDsa).await;
    let second = tags().await;
    assert!(second.0 != first.0 && second.1 == first.1);
    server.apply("[[api]]\naudience = \"https://new.example.com/\"\nscopes = [\"new\"]\n").await;
    let third = tags().await;
    assert!(third.0 == second.0 && third.1 != second.1);
    let stale = server.send(Request::of("GET", JWKS).header("if-none-match", &first.0)).await;
    assert_eq!(stale.status, 200);
}

#[tokio::test]
async fn jwk_08_head_is_get_without_the_body() {
    let server = TestServer::start().await;
    for path in [JWKS, METADATA, "/t/acme/.well-known/openid-configuration"] {
        let whole = get(&server, path).await;
        let head = server.send(Request::of("HEAD", path)).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let without_date = |headers: &[(String, String)]| {
            let mut headers = headers.to_vec();
            headers.retain(|(name, _)| name != "date");
            headers.sort();
            headers
        };
        assert_eq!(without_date(&head.headers), without_date(&whole.headers), "{path}");
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn jwk_08_documents_follow_a_restart_byte_for_byte() {
    let server = TestServer::start().await;
    let before = (get(&server, JWKS).await.body, get(&server, METADATA).await.body);
    let server = server.restart().await;
    assert_eq!((get(&server, JWKS).await.body, get(&server, METADATA).await.body), before);
}
