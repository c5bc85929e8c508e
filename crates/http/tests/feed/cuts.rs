//! Every way in which tokens die reaches the validators of their APIs, and so does what changes facts about them.

use lydian_revocation::CutKind;
use lydian_revocation::feed::FeedKind;
use lydian_service::administration::records::{Kind, RecordName};
use lydian_service::administration::revoke::Revocable;
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::{TokenFacts, Verdict};
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, JWT_API, JWT_API_CLIENT};
use lydian_test_kit::seed::{self, Granted, Seed};

use crate::support::{Follower, facts};

async fn seeded(server: &TestServer) -> (Granted, TokenFacts, TokenFacts) {
    let granted = Seed::of(APP, Some(JWT_API), "read").put(server).await;
    let facts_of_user = facts(server, JWT_API_CLIENT, &granted.access_token).await;
    let own = server.issue(APP, JWT_API).await;
    (granted, facts_of_user, facts(server, JWT_API_CLIENT, &own).await)
}

#[tokio::test]
async fn a_cut_of_every_kind_reaches_those_who_could_hold_what_it_kills() {
    for kind in CutKind::ALL {
        let server = TestServer::start().await;
        let (granted, of_user, own) = seeded(&server).await;
        let mut follower = Follower::start(&server, JWT_API_CLIENT, 1).await;
        let mut opaque = Follower::start(&server, API_CLIENT, 1).await;
        assert_eq!(follower.judge(&server, &of_user), Verdict::Good, "{kind:?}");
        let realm = server.realm(None);
        let subject = match kind {
            CutKind::Client => seed::client_id(&server, APP).as_number(),
            CutKind::Grant => granted.grant.as_number(),
            CutKind::Key => seed::active_key(&server, lydian_jose::Algorithm::Es256).record.id.as_number(),
            CutKind::Realm => realm.realm.id.as_number(),
            CutKind::Session => granted.session.as_number(),
            CutKind::User => granted.user.as_number(),
        };
        seed::cut(&server, kind, subject).await;
        let batch = follower.read().await;
        assert_eq!(batch.events.iter().map(|event| event.kind).collect::<Vec<_>>(), [FeedKind::from(kind)]);
        assert_eq!(follower.judge(&server, &of_user), Verdict::Revoked, "{kind:?}");
        let reaches_own = matches!(kind, CutKind::Client | CutKind::Key | CutKind::Realm);
        let expected = if reaches_own { Verdict::Revoked } else { Verdict::Good };
        assert_eq!(follower.judge(&server, &own), expected, "{kind:?}");
        // Another API hears of it under another name, if it has one.
        let elsewhere = opaque.read().await.events[0];
        let same_name = elsewhere.key == batch.events[0].key;
        assert_eq!(same_name, reaches_own, "{kind:?}");
        // What is minted afterwards lives.
        let after = Seed { username: "later", ..Seed::of(APP, Some(JWT_API), "read") }.put(&server).await;
        let after = facts(&server, JWT_API_CLIENT, &after.access_token).await;
        follower.renew(&server).await.unwrap();
        assert_eq!(follower.judge(&server, &after), Verdict::Good, "{kind:?}");
    }
}

#[tokio::test]
async fn what_administrators_and_clients_kill_reaches_validators() {
    let server = TestServer::start().await;
    let (granted, of_user, own) = seeded(&server).await;
    let mut follower = Follower::start(&server, JWT_API_CLIENT, 1).await;
    assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
    assert_eq!(follower.read().await.events[0].kind, FeedKind::Grant);
    assert_eq!(follower.judge(&server, &of_user), Verdict::Revoked);
    assert_eq!(follower.judge(&server, &own), Verdict::Good);
    let kid = seed::active_key(&server, lydian_jose::Algorithm::Es256).record.kid.clone();
    server.service.revoke_as_administrator(None, Revocable::Key(&kid)).await.expect("the key is there");
    let mut kinds = Vec::new();
    while !kinds.contains(&FeedKind::Key) {
        kinds.extend(follower.read().await.events.iter().map(|event| event.kind));
    }
    assert_eq!(follower.judge(&server, &own), Verdict::Revoked);
}

#[tokio::test]
async fn a_client_that_is_disabled_or_deleted_dies_at_validators_too() {
    for deleted in [false, true] {
        let server = TestServer::start().await;
        let (_, _, own) = seeded(&server).await;
        let mut follower = Follower::start(&server, JWT_API_CLIENT, 1).await;
        let name = RecordName { kind: Kind::Client, realm: None, name: APP.client_id.to_owned() };
        if deleted {
            server.service.delete_record(&name).await.expect("the client is there");
        } else {
            server.service.set_enabled(&name, false).await.expect("the client is there");
        }
        while !follower.read().await.events.iter().any(|event| event.kind == FeedKind::Client) {}
        assert_eq!(follower.judge(&server, &own), Verdict::Revoked);
        // A validator that comes later learns it from the snapshot, also after a restart.
        let server = server.restart().await;
        let later = Follower::start(&server, JWT_API_CLIENT, 2).await;
        assert_eq!(later.judge(&server, &own), Verdict::Revoked);
    }
}

#[tokio::test]
async fn changed_facts_of_users_and_apis_are_told_to_be_read_again() {
    let server = TestServer::start().await;
    let (granted, of_user, _) = seeded(&server).await;
    let mut follower = Follower::start(&server, JWT_API_CLIENT, 1).await;
    let user = seed::parents(&server, &granted).await.user.expect("the user is there");
    let renamed = lydian_domain::User { username: "renamed".to_owned(), ..user };
    seed::put(&server, vec![seed::Write::PutUser(Box::new(renamed))]).await;
    let event = follower.read().await.events[0];
    assert_eq!((event.kind, Some(event.key)), (FeedKind::SubjectFacts, of_user.subject));
    assert_eq!(follower.judge(&server, &of_user), Verdict::Good);
    for (audience, told) in [(API, false), (JWT_API, true)] {
        let api = server.realm(None).api_by_audience(audience).unwrap().api.clone();
        seed::put(&server, vec![seed::Write::PutApi(lydian_domain::Api { version: api.version + 1, ..api })])
            .await;
        if told {
            assert_eq!(follower.read().await.events[0].kind, FeedKind::ApiFacts);
        }
    }
}
