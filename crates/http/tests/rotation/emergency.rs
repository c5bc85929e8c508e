//! An emergency rotation, as resource servers and requests under way meet it.

use std::sync::Arc;

use lydian_jose::Algorithm;
use lydian_primitives::limits;
use lydian_service::Service;
use lydian_test_kit::fixtures::{API, APP, AUDITOR, BARE_API, JWT_API};
use lydian_test_kit::{TestServer, WatchedStorage};

use crate::{ALGORITHMS, Validator, active_kid, kid_of, published};

/// Rotates in an emergency, from a thread of its own: the caller stands in the middle of a request.
fn rotate_in_between(service: &Arc<Service>) {
    let service = Arc::clone(service);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(service.rotate_keys(None, None, true)).unwrap();
    })
    .join()
    .unwrap();
}

#[tokio::test]
async fn a_validator_refuses_the_old_key_from_its_next_fetch_and_introspection_at_once() {
    for algorithm in ALGORITHMS {
        let server = TestServer::start().await;
        for api in [JWT_API, BARE_API] {
            server.apply(&format!("[[api]]\naudience = {api:?}\nalgorithm = {:?}\n", algorithm.name())).await;
        }
        let tokens = [server.issue(APP, JWT_API).await, server.issue(APP, BARE_API).await];
        let mut validator = Validator::default();
        for token in &tokens {
            assert!(validator.accepts(&server, token).await, "{algorithm:?}");
        }
        server.service.rotate_keys(None, Some(algorithm), true).await.unwrap();
        for token in &tokens {
            server.introspect(AUDITOR, token).await.inactive();
        }
        // It fetched a moment ago, and may keep what it has until the last second of the lifetime that it was told.
        server.advance_seconds(limits::JWKS_SECONDS_MAX - 1);
        for token in &tokens {
            assert!(validator.accepts(&server, token).await, "{algorithm:?}");
        }
        server.advance_seconds(1);
        for token in &tokens {
            assert!(!validator.accepts(&server, token).await, "{algorithm:?}");
            server.introspect(AUDITOR, token).await.inactive();
        }
        assert!(validator.accepts(&server, &server.issue(APP, JWT_API).await).await, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_token_request_that_an_emergency_overtakes_yields_nothing_under_the_old_key() {
    // A request reads and writes the store a few times; the emergency comes before each of them, and before none.
    for api in [JWT_API, BARE_API] {
        let mut overtaken = 0;
        for step in 0..6 {
            let plain = TestServer::start().await;
            let watched = WatchedStorage::over(Arc::clone(&plain.storage));
            let server = plain.through(Arc::clone(&watched) as _);
            let first = active_kid(&plain);
            let service = Arc::clone(&plain.service);
            interrupt_after(&watched, step, move || rotate_in_between(&service));
            let token = server.issue(APP, api).await;
            let was_overtaken = active_kid(&plain) != first;
            overtaken += usize::from(was_overtaken);
            if !was_overtaken {
                // The request has fewer steps: what comes now comes after it.
                rotate_in_between(&plain.service);
            }
            let is_old = kid_of(&token) == first;
            assert!(is_old || was_overtaken, "{api}: the new key signs only once it is there");
            let reply = plain.introspect(AUDITOR, &token).await;
            if is_old {
                reply.inactive();
            } else {
                reply.active();
            }
            assert!(!published(&plain).await.has_kid(&first));
            assert_eq!(Validator::default().accepts(&plain, &token).await, !is_old);
        }
        assert!(overtaken > 0, "{api}: the emergency came in between");
    }
}

/// Does this before the read or write that follows so many others.
fn interrupt_after(watched: &Arc<WatchedStorage>, others: usize, action: impl FnOnce() + Send + 'static) {
    let Some(rest) = others.checked_sub(1) else { return watched.interrupt(action) };
    let again = Arc::clone(watched);
    watched.interrupt(move || interrupt_after(&again, rest, action));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn token_requests_beside_an_emergency_are_signed_by_the_new_key_or_are_not_active() {
    let server = Arc::new(TestServer::start().await);
    for api in [JWT_API, BARE_API].repeat(4) {
        let first = active_kid(&server);
        let issuing: Vec<_> = (0..16)
            .map(|_| {
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.issue(APP, api).await })
            })
            .collect();
        let opaque = server.issue(APP, API).await;
        let rotated = server.service.rotate_keys(None, Some(Algorithm::Es256), true).await.unwrap();
        for token in issuing {
            let token = token.await.unwrap();
            let reply = server.introspect(AUDITOR, &token).await;
            if kid_of(&token) == rotated[0].kid {
                reply.active();
            } else {
                assert_eq!(kid_of(&token), first);
                reply.inactive();
            }
        }
        server.introspect(AUDITOR, &opaque).await.active();
    }
}
