//! What an administrator is told about a token is what introspection answers about it at the same moment, for every caller.

use lydian_domain::{Client, Grant, KeyState, TokenId, User};
use lydian_jose::Algorithm;
use lydian_primitives::{Clock, Mint, SystemEntropy};
use lydian_revocation::CutKind;
use lydian_service::administration::explain::Explanation;
use lydian_service::administration::records::{Kind, RecordName};
use lydian_service::administration::revoke::Revocable;
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{
    ACME_APP, API, API_CLIENT, APP, AUDITOR, BARE_API, CASCADE_APP, Credentials, JWT_API, JWT_API_CLIENT,
    OTHER_API, OTHER_API_CLIENT, PAGE_CLIENT_A,
};
use lydian_test_kit::seed::{self, Granted, Seed, Write};

const TWO_DAYS: u64 = 2 * 86_400;

/// Whoever may ask: the audience of each token, another API, the owner, a stranger, one who may see everything, and one who is
/// disabled.
const CALLERS: [Credentials; 6] = [API_CLIENT, JWT_API_CLIENT, OTHER_API_CLIENT, APP, AUDITOR, PAGE_CLIENT_A];

async fn start() -> TestServer {
    let server = TestServer::start().await;
    server.service.set_enabled(&client_named(PAGE_CLIENT_A), false).await.expect("the client is there");
    server
}

fn client_named(client: Credentials) -> RecordName {
    RecordName { kind: Kind::Client, realm: None, name: client.client_id.to_owned() }
}

async fn explain(server: &TestServer, token: &str, caller: Option<&str>) -> Explanation {
    server.service.explain(None, token, caller).await.expect("the caller is there")
}

/// Explains the token for nobody and for every caller, and holds each explanation against the endpoint's answer.
#[track_caller]
fn check<'a>(
    server: &'a TestServer,
    token: &'a str,
    reason: &'a str,
) -> impl Future<Output = Explanation> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let whole = explain(server, token, None).await;
        assert_eq!((whole.reason.as_str(), whole.active), (reason, reason == "active"), "{place}: {whole:?}");
        assert!(!whole.explanation.is_empty() && !whole.explanation.contains(token), "{place}: {whole:?}");
        let killed_by = whole.events.iter().any(|event| event.kills);
        let by_the_log = reason == "revoked" || reason.starts_with("cut_");
        assert!(!by_the_log || killed_by || !whole.events_complete, "{place}: no event kills it: {whole:?}");
        let all_stand = whole.chain.iter().all(|link| link.stands);
        assert!(!whole.active || all_stand, "{place}: an active token stands on everything: {whole:?}");
        for caller in CALLERS {
            let told = explain(server, token, Some(caller.client_id)).await;
            assert_eq!(told.active, told.decision.active, "{place}: {told:?}");
            let reply = server.introspect(caller, token).await;
            let name = caller.client_id;
            match (told.active, told.reason.as_str()) {
                (true, _) => {
                    let members = reply.active();
                    assert!(whole.active, "{place}: {name}");
                    assert_eq!(told.decision.scope.as_deref(), members["scope"].as_str(), "{place}: {name}");
                }
                // Too many failures from one address are slowed down.
                (false, "caller_disabled") => {
                    assert!([401, 429].contains(&reply.status), "{place}: {name}: {}", reply.status);
                }
                (false, told_reason) => {
                    reply.inactive();
                    assert_eq!(told.decision.scope, None, "{place}: {name}");
                    // Who may see it is told the cause, and who may not learns nothing by asking.
                    let seen = told_reason == reason || told_reason == "not_for_caller";
                    assert!(seen, "{place}: {name}: {told_reason}");
                }
            }
        }
        whole
    }
}

fn seeded(audience: &'static str, username: &'static str) -> Seed {
    Seed::of(APP, Some(audience), "read").named(username)
}

/// A seed that outlives the horizon of the ledger.
fn long(username: &'static str) -> Seed {
    Seed {
        refresh_token_seconds: 5 * TWO_DAYS,
        session_seconds: 5 * TWO_DAYS,
        ..seeded(API, username).living(TWO_DAYS)
    }
}

#[tokio::test]
async fn live_tokens_of_every_form_are_explained_as_they_are_answered() {
    let server = start().await;
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c"), (OTHER_API, "d")] {
        let granted = seeded(audience, username).put(&server).await;
        let told = check(&server, &granted.access_token, "active").await;
        let facts = told.token.expect("the facts are told");
        assert_eq!(facts.audience.as_deref(), Some(audience));
        assert_eq!(facts.username.as_deref(), Some(username));
        assert_eq!(facts.grant, granted.grant.to_string());
        check(&server, &granted.refresh_token, "active").await;
    }
    let own = server.issue(APP, API).await;
    check(&server, &own, "active").await;
}

#[tokio::test]
async fn a_caller_is_named_by_its_client_id_or_by_the_audience_of_its_api() {
    let server = start().await;
    let token = server.issue(APP, API).await;
    let by_audience = explain(&server, &token, Some(API)).await;
    assert_eq!(by_audience.decision.caller.as_deref(), Some("client default/api-client"));
    assert_eq!(by_audience, explain(&server, &token, Some("api-client")).await);
    let unknown = server.service.explain(None, &token, Some("nobody")).await.unwrap_err();
    assert!(unknown.to_string().contains("there is no client and no API nobody"), "{unknown}");
}

#[tokio::test]
async fn deaths_by_time_are_explained() {
    let server = start().await;
    let short = Seed { refresh_token_seconds: 100, ..seeded(API, "short").living(100) }.put(&server).await;
    let early = Seed { begins_in_seconds: 1_000, ..seeded(API, "early") }.put(&server).await;
    let session = Seed { session_seconds: 100, ..long("session") }.put(&server).await;
    let idle = seeded(API, "idle").put(&server).await;
    let grant = seed::parents(&server, &idle).await.grant.unwrap();
    let idle_expires_at = server.clock.now().plus_seconds(100);
    seed::put(&server, vec![Write::PutGrant(Grant { idle_expires_at, ..grant })]).await;
    check(&server, &early.access_token, "not_yet_valid").await;
    for granted in [&short, &session, &idle] {
        check(&server, &granted.refresh_token, "active").await;
    }
    server.advance_seconds(100);
    check(&server, &short.access_token, "expired").await;
    check(&server, &short.refresh_token, "expired").await;
    check(&server, &session.access_token, "session_over").await;
    check(&server, &session.refresh_token, "session_over").await;
    check(&server, &idle.refresh_token, "refresh_token_idle").await;
    check(&server, &idle.access_token, "active").await;
}

#[tokio::test]
async fn revocations_and_cuts_are_explained_by_their_events() {
    let server = start().await;
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let name = |what: &str| -> &'static str { Box::leak(format!("{username} {what}").into_boxed_str()) };
        let revoked = seeded(audience, name("revoked")).put(&server).await;
        server.revoke(APP, &revoked.access_token).await;
        let told = check(&server, &revoked.access_token, "revoked").await;
        assert_eq!(told.events.last().map(|event| event.what.as_str()), Some("revoked"));
        check(&server, &revoked.refresh_token, "active").await;

        let family = seeded(audience, name("family")).put(&server).await;
        server.revoke(APP, &family.refresh_token).await;
        check(&server, &family.access_token, "cut_grant").await;
        check(&server, &family.refresh_token, "cut_grant").await;

        let session = seeded(audience, name("session")).put(&server).await;
        seed::cut(&server, CutKind::Session, session.session.as_number()).await;
        check(&server, &session.access_token, "cut_session").await;

        let user = seeded(audience, name("user")).put(&server).await;
        seed::disable_user(&server, &user).await;
        let told = check(&server, &user.access_token, "cut_user").await;
        let link = told.chain.iter().find(|link| link.kind == "user").unwrap();
        assert_eq!((link.state.as_str(), link.stands), ("disabled", false));
    }
    let jwt = server.issue(APP, JWT_API).await;
    let kid = seed::active_key(&server, Algorithm::Es256).record.kid.clone();
    server.service.revoke_as_administrator(None, Revocable::Key(&kid)).await.unwrap();
    check(&server, &jwt, "cut_key").await;

    let of_client = server.issue(APP, API).await;
    server.service.revoke_as_administrator(None, Revocable::Client(APP.client_id)).await.unwrap();
    let told = check(&server, &of_client, "cut_client").await;
    assert_eq!(told.events.last().map(|event| event.subject.as_str()), Some("client default/app"));

    let of_realm = server.issue(APP, BARE_API).await;
    check(&server, &of_realm, "active").await;
    server.service.revoke_as_administrator(None, Revocable::Realm).await.unwrap();
    check(&server, &of_realm, "cut_realm").await;
}

#[tokio::test]
async fn what_is_disabled_retired_or_replaced_is_explained() {
    let server = start().await;
    let replaced = seeded(API, "replaced").put(&server).await;
    let grant = seed::parents(&server, &replaced).await.grant.unwrap();
    let successor = TokenId::from_number(replaced.refresh_token_id.as_number() + 1);
    seed::put(&server, vec![Write::PutGrant(Grant { refresh_token: successor, ..grant })]).await;
    check(&server, &replaced.refresh_token, "refresh_token_replaced").await;
    check(&server, &replaced.access_token, "active").await;

    let of_user = long("disabled").put(&server).await;
    let user = seed::parents(&server, &of_user).await.user.unwrap();
    seed::put(&server, vec![Write::PutUser(Box::new(User { enabled: false, ..user }))]).await;
    check(&server, &of_user.access_token, "user_disabled").await;

    let jwt = seeded(JWT_API, "jwt").put(&server).await;
    let bare = seeded(BARE_API, "bare").put(&server).await;
    let kid = seed::active_key(&server, Algorithm::Es256).record.kid.clone();
    seed::set_key_state(&server, &kid, KeyState::Retired).await;
    for token in [&jwt.access_token, &bare.access_token] {
        let told = check_unless_unknown(&server, token).await;
        let facts = told.token.expect("it is told what it was");
        assert_eq!(facts.kid.as_deref(), Some(kid.as_str()));
    }
    seed::set_key_state(&server, &kid, KeyState::Active).await;

    let of_api = seeded(OTHER_API, "api").put(&server).await;
    server.apply(&format!("[[api]]\naudience = {OTHER_API:?}\nenabled = false\n")).await;
    check(&server, &of_api.access_token, "api_gone").await;

    let of_client = Seed::of(CASCADE_APP, Some(API), "read").named("client").put(&server).await;
    let client = Client::clone(server.realm(None).client_by_name(CASCADE_APP.client_id).unwrap());
    let version = client.version + 1;
    seed::put(&server, vec![Write::PutClient(Client { enabled: false, version, ..client })]).await;
    check(&server, &of_client.access_token, "client_gone").await;
}

/// A JWT under a retired key: no endpoint looks into it, and the explanation says all the same what it was.
async fn check_unless_unknown(server: &TestServer, token: &str) -> Explanation {
    for caller in CALLERS.into_iter().filter(|caller| caller.client_id != PAGE_CLIENT_A.client_id) {
        server.introspect(caller, token).await.inactive();
        assert!(!explain(server, token, Some(caller.client_id)).await.active);
    }
    let told = explain(server, token, None).await;
    assert_eq!((told.active, told.reason.as_str()), (false, "key_retired"), "{told:?}");
    told
}

#[tokio::test]
async fn what_was_deleted_is_explained_and_dead() {
    let server = start().await;
    let of_client = Seed::of(CASCADE_APP, Some(API), "read").named("client").put(&server).await;
    let bare = Seed::of(CASCADE_APP, Some(BARE_API), "read").named("bare").put(&server).await;
    let told = server.service.delete_record(&client_named(CASCADE_APP)).await.unwrap();
    assert_eq!(told.removed.get("grants"), Some(&2));
    check(&server, &of_client.access_token, "cut_client").await;
    check_inactive_everywhere(&server, &bare.access_token, "client_gone").await;

    let of_api = seeded(JWT_API, "api").put(&server).await;
    let without_row = seeded(BARE_API, "rowless").put(&server).await;
    for audience in [JWT_API, BARE_API] {
        let api = RecordName { kind: Kind::Api, realm: None, name: audience.to_owned() };
        let told = server.service.delete_record(&api).await.unwrap();
        assert!(told.clients_changed >= 1, "{told:?}");
    }
    check_inactive_everywhere(&server, &of_api.access_token, "api_gone").await;
    check_inactive_everywhere(&server, &without_row.access_token, "api_gone").await;

    let realm = RecordName { kind: Kind::Realm, realm: None, name: "acme".to_owned() };
    let told = server.service.delete_record(&realm).await.unwrap();
    assert_eq!((told.removed.get("apis"), told.removed.get("clients")), (Some(&1), Some(&2)), "{told:?}");
    assert!(server.service.directory().find_any("acme").is_none());
    // Everything is as it was after a restart.
    let server = server.restart().await;
    assert!(server.service.directory().find_any("acme").is_none());
    check_inactive_everywhere(&server, &bare.access_token, "api_gone").await;
    check_inactive_everywhere(&server, &of_api.access_token, "api_gone").await;
    let again = server
        .service
        .add_record(&lydian_service::apply::parse("[[realm]]\nname = \"acme\"\n").unwrap())
        .await;
    assert!(again.unwrap_err().to_string().contains("has, or had, this name"));
}

/// What introspection cannot even read any more: it is told why.
async fn check_inactive_everywhere(server: &TestServer, token: &str, reason: &str) {
    for caller in [API_CLIENT, OTHER_API_CLIENT, APP, AUDITOR] {
        server.introspect(caller, token).await.inactive();
        assert!(!explain(server, token, Some(caller.client_id)).await.active, "{}", caller.client_id);
    }
    let told = explain(server, token, None).await;
    assert_eq!((told.active, told.reason.as_str()), (false, reason), "{told:?}");
}

#[tokio::test]
async fn strings_that_are_no_tokens_are_told_apart() {
    let server = start().await;
    let live = server.issue(APP, API).await;
    let jwt = server.issue(APP, JWT_API).await;
    let realm = server.realm(None);
    let mint = Mint::new(server.clock.now(), &SystemEntropy);
    let prefix = &realm.realm.access_token_prefix;
    let future = seed::token_id(&server, server.clock.now().plus_seconds(7_200)).await;
    let past = TokenId::from_parts(server.clock.now().minus_seconds(90_000).hour(), 1, 7);
    let generation = server.service.node().store_generation() + 1;
    let other = TokenId::from_parts(server.clock.now().plus_seconds(7_200).hour(), generation, 7);
    let live_id = lydian_domain::token_string::parse_opaque(prefix, &live)
        .and_then(|parts| realm.secrets.token_handles().token_of(parts.handle))
        .expect("a live token has an id");
    let (head, signature) = jwt.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let cases: [(&str, String); 10] = [
        ("not_a_token", "hello".to_owned()),
        ("not_a_token", String::new()),
        ("mistyped", format!("{live}x")),
        ("mistyped", live[..live.len() - 3].to_owned()),
        ("altered", seed::opaque(&realm, prefix, live_id, &mint)),
        ("not_in_store", seed::opaque(&realm, prefix, future, &mint)),
        ("expired_and_forgotten", seed::opaque(&realm, prefix, past, &mint)),
        ("of_another_store", seed::opaque(&realm, prefix, other, &mint)),
        ("bad_signature", format!("{head}.{flipped}{}", &signature[1..])),
        ("too_long", "a".repeat(20_000)),
    ];
    for (reason, token) in cases {
        let told = explain(&server, &token, None).await;
        assert_eq!((told.active, told.reason.as_str()), (false, reason), "{token}: {told:?}");
        assert_eq!((told.decision.reason.as_str(), told.token), ("unknown", None));
        if !token.is_empty() && token.len() < 16_000 {
            server.introspect(AUDITOR, &token).await.inactive();
        }
    }
}

#[tokio::test]
async fn a_disabled_realm_answers_nobody_and_is_explained() {
    let server = start().await;
    let seed = Seed { realm: Some("acme"), ..Seed::of(ACME_APP, Some(API), "read") };
    let granted: Granted = seed.put(&server).await;
    let acme = lydian_domain::RealmName::parse("acme").unwrap();
    let explain = async || server.service.explain(Some(&acme), &granted.access_token, None).await.unwrap();
    assert!(explain().await.active);
    let realm = RecordName { kind: Kind::Realm, realm: None, name: "acme".to_owned() };
    server.service.set_enabled(&realm, false).await.unwrap();
    assert_eq!(explain().await.reason, "realm_disabled");
    server.service.set_enabled(&realm, true).await.unwrap();
    assert_eq!(explain().await.reason, "cut_realm", "disabling is for good");
}
