//! Tokens of ours that are not good now, each for one reason (RFC 7662 §2.2, §4).

use lydian_domain::{Client, Grant, KeyState, TokenId, User};
use lydian_jose::Algorithm;
use lydian_primitives::Clock;
use lydian_revocation::CutKind;
use lydian_test_kit::fixtures::{
    ACME_APP, API, APP, AUDITOR, BARE_API, CASCADE_APP, JWT_API, OTHER_API, PAGE_CLIENT_B,
};
use lydian_test_kit::seed::{self, Granted, Seed, Write};
use lydian_test_kit::{Request, TestServer, forge};

use crate::alike::{check_active, check_inactive};

const TWO_DAYS: u64 = 2 * 86_400;

fn both(name: &'static str, granted: &Granted) -> [(&'static str, String); 2] {
    [(name, granted.access_token.clone()), (name, granted.refresh_token.clone())]
}

/// Two cases of one name each: the access and the refresh token.
async fn check_both_die(server: &TestServer, name: &'static str, granted: &Granted) {
    check_inactive(server, AUDITOR, &both(name, granted)).await;
    check_inactive(server, APP, &both(name, granted)).await;
}

async fn start() -> (TestServer, Granted) {
    let server = TestServer::start().await;
    let control = Seed::of(APP, Some(API), "read").named("control").put(&server).await;
    (server, control)
}

#[tokio::test]
async fn int_07_int_08_int_09_w25_d14_a_token_is_inactive_from_the_second_it_expires() {
    let (server, control) = start().await;
    let mut tokens = Vec::new();
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let seed = Seed { refresh_token_seconds: 100, ..Seed::of(APP, Some(audience), "read").living(100) };
        tokens.extend(both(username, &seed.named(username).put(&server).await));
    }
    server.advance_seconds(99);
    check_active(&server, AUDITOR, &tokens).await;
    server.advance_seconds(1);
    check_inactive(&server, AUDITOR, &tokens).await;
    server.advance_seconds(100_000);
    check_inactive(&server, AUDITOR, &tokens).await;
    check_inactive(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_09_w25_setting_the_clock_back_over_the_forgetting_mark_revives_nothing() {
    let (server, _) = start().await;
    let granted = Seed::of(APP, Some(API), "read").living(100).put(&server).await;
    server.advance_seconds(101);
    let server = server.restart().await;
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
    server.clock.set_wall(server.clock.now().minus_seconds(50));
    server.introspect(AUDITOR, &granted.access_token).await.inactive();
}

#[tokio::test]
async fn int_07_int_08_int_09_w26_w27_a_revoked_token_is_inactive() {
    let (server, control) = start().await;
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let granted = Seed::of(APP, Some(audience), "read").named(username).put(&server).await;
        check_active(&server, AUDITOR, &both(username, &granted)).await;
        assert_eq!(server.revoke(APP, &granted.access_token).await.status, 200);
        assert_eq!(server.revoke(APP, &granted.refresh_token).await.status, 200);
        check_both_die(&server, username, &granted).await;
    }
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_07_int_08_int_09_w33_w34_each_kind_of_cut_kills_what_was_minted_before_it() {
    let (server, control) = start().await;
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        for kind in [CutKind::Grant, CutKind::Session, CutKind::User] {
            let name = format!("{username} {kind:?}");
            let granted = Seed::of(APP, Some(audience), "read").named(leak(&name)).put(&server).await;
            check_active(&server, AUDITOR, &both(username, &granted)).await;
            let subject = match kind {
                CutKind::Grant => granted.grant.as_number(),
                CutKind::Session => granted.session.as_number(),
                _ => granted.user.as_number(),
            };
            seed::cut(&server, kind, subject).await;
            check_both_die(&server, leak(&name), &granted).await;
        }
    }
    let of_client = Seed::of(PAGE_CLIENT_B, Some(API), "read").named("client").put(&server).await;
    check_active(&server, AUDITOR, &both("client", &of_client)).await;
    seed::cut(&server, CutKind::Client, seed::client_id(&server, PAGE_CLIENT_B).as_number()).await;
    check_both_die(&server, "client", &of_client).await;

    let jwt = server.issue(APP, JWT_API).await;
    let bare = server.issue(APP, BARE_API).await;
    let jwts = [("a JWT", jwt), ("a JWT without a row", bare)];
    check_active(&server, AUDITOR, &jwts).await;
    let key = seed::active_key(&server, Algorithm::Es256).record.id;
    seed::cut(&server, CutKind::Key, key.as_number()).await;
    check_inactive(&server, AUDITOR, &jwts).await;

    check_active(&server, AUDITOR, &both("the control", &control)).await;
    seed::cut(&server, CutKind::Realm, server.realm(None).realm.id.as_number()).await;
    check_both_die(&server, "realm", &control).await;
    // What is minted after a cut lives.
    for audience in [API, JWT_API, BARE_API] {
        let token = server.issue(APP, audience).await;
        server.introspect(AUDITOR, &token).await.active();
    }
}

/// Names of a table that live as long as the test program.
fn leak(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

#[tokio::test]
async fn int_09_w33_a_disabled_users_tokens_are_inactive() {
    let (server, control) = start().await;
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let granted = Seed::of(APP, Some(audience), "read").named(username).put(&server).await;
        check_active(&server, AUDITOR, &both(username, &granted)).await;
        seed::disable_user(&server, &granted).await;
        check_both_die(&server, username, &granted).await;
        // Enabling admits new tokens only.
        let user = seed::parents(&server, &granted).await.user.unwrap();
        seed::put(&server, vec![Write::PutUser(Box::new(User { enabled: true, ..user }))]).await;
        check_both_die(&server, username, &granted).await;
    }
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_09_a_token_that_outlives_the_horizon_is_judged_by_the_rows_of_its_parents() {
    let (server, control) = start().await;
    let long = |username| Seed {
        refresh_token_seconds: 3 * TWO_DAYS,
        session_seconds: 3 * TWO_DAYS,
        ..Seed::of(APP, Some(API), "read").named(username).living(TWO_DAYS)
    };
    let stands = long("stands").put(&server).await;
    let disabled = long("disabled").put(&server).await;
    let cut = long("cut").put(&server).await;
    let session = Seed { session_seconds: 100, ..long("session") }.put(&server).await;
    let names = [("disabled", &disabled), ("cut", &cut), ("session", &session)];
    for (name, granted) in names {
        check_active(&server, AUDITOR, &both(name, granted)).await;
    }
    let user = seed::parents(&server, &disabled).await.user.unwrap();
    seed::put(&server, vec![Write::PutUser(Box::new(User { enabled: false, ..user }))]).await;
    seed::cut(&server, CutKind::Grant, cut.grant.as_number()).await;
    // The ledger forgets a cut after its horizon, and the row does not.
    server.advance_seconds(TWO_DAYS - 1);
    let server = server.restart().await;
    for (name, granted) in names {
        check_both_die(&server, name, granted).await;
    }
    check_active(&server, AUDITOR, &both("stands", &stands)).await;
    check_inactive(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_09_w34_a_disabled_clients_tokens_are_inactive_for_good() {
    let (server, control) = start().await;
    let granted = Seed::of(CASCADE_APP, Some(API), "read").put(&server).await;
    let own = server.issue(CASCADE_APP, BARE_API).await;
    let [access, refresh] = both("of the client", &granted);
    let tokens = [access, refresh, ("its own", own)];
    check_active(&server, AUDITOR, &tokens).await;
    for enabled in [false, true] {
        let document = format!("[[client]]\nclient_id = \"cascade-app\"\nenabled = {enabled}\n");
        server.apply(&document).await;
        check_inactive(&server, AUDITOR, &tokens).await;
    }
    let fresh = server.issue(CASCADE_APP, BARE_API).await;
    server.introspect(AUDITOR, &fresh).await.active();
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_09_w34_disabling_a_client_refuses_its_tokens_by_itself_and_not_by_the_cut_alone() {
    let (server, control) = start().await;
    let granted = Seed::of(CASCADE_APP, Some(API), "read").put(&server).await;
    let tokens = both("of the client", &granted);
    check_active(&server, AUDITOR, &tokens).await;
    let client = Client::clone(server.realm(None).client_by_name(CASCADE_APP.client_id).unwrap());
    let version = client.version + 1;
    let disabled = Client { enabled: false, version, ..client };
    seed::put(&server, vec![Write::PutClient(disabled)]).await;
    check_inactive(&server, AUDITOR, &tokens).await;
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_09_a_disabled_apis_tokens_are_inactive_while_it_is_disabled() {
    let (server, control) = start().await;
    let granted = Seed::of(APP, Some(OTHER_API), "read").put(&server).await;
    let token = [("of the API", granted.access_token.clone())];
    check_active(&server, AUDITOR, &token).await;
    server.apply(&format!("[[api]]\naudience = {OTHER_API:?}\nenabled = false\n")).await;
    check_inactive(&server, AUDITOR, &token).await;
    check_active(&server, AUDITOR, &[("its refresh token", granted.refresh_token.clone())]).await;
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn int_09_a_refresh_token_dies_with_its_session_and_of_idleness() {
    let (server, control) = start().await;
    let in_session = Seed { session_seconds: 100, ..Seed::of(APP, Some(API), "read").named("a") };
    let in_session = in_session.put(&server).await;
    let idle = Seed::of(APP, Some(API), "read").named("b").put(&server).await;
    let grant = seed::parents(&server, &idle).await.grant.unwrap();
    let idle_expires_at = server.clock.now().plus_seconds(100);
    seed::put(&server, vec![Write::PutGrant(Grant { idle_expires_at, ..grant })]).await;
    let refresh_tokens =
        [("session over", in_session.refresh_token.clone()), ("idle", idle.refresh_token.clone())];
    server.advance_seconds(99);
    check_active(&server, APP, &refresh_tokens).await;
    server.advance_seconds(1);
    check_inactive(&server, APP, &refresh_tokens).await;
    check_active(&server, APP, &both("the control", &control)).await;
}

#[tokio::test]
async fn w36_a_refresh_token_that_was_replaced_is_inactive() {
    let (server, granted) = start().await;
    let grant = seed::parents(&server, &granted).await.grant.unwrap();
    let successor = TokenId::from_number(granted.refresh_token_id.as_number() + 1);
    seed::put(&server, vec![Write::PutGrant(Grant { refresh_token: successor, ..grant })]).await;
    let replaced = [("replaced", granted.refresh_token.clone())];
    check_inactive(&server, APP, &replaced).await;
    check_active(&server, APP, &[("its access token", granted.access_token.clone())]).await;
}

#[tokio::test]
async fn int_09_w30_a_token_is_inactive_until_it_begins_to_be_good() {
    let (server, control) = start().await;
    let mut tokens = Vec::new();
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let seed = Seed { begins_in_seconds: 100, ..Seed::of(APP, Some(audience), "read") };
        tokens.push((username, seed.named(username).put(&server).await.access_token));
    }
    check_inactive(&server, AUDITOR, &tokens).await;
    server.advance_seconds(100);
    check_active(&server, AUDITOR, &tokens).await;
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

#[tokio::test]
async fn w32_int_09_another_realms_tokens_are_inactive_here() {
    let (server, control) = start().await;
    server.apply(&format!("[[api]]\nrealm = \"acme\"\naudience = {JWT_API:?}\nscopes = [\"read\"]\ntoken_format = \"jwt\"\n[[api]]\nrealm = \"acme\"\naudience = {BARE_API:?}\nscopes = [\"read\"]\ntoken_format = \"jwt\"\nrecord = false\n")).await;
    let mut tokens = Vec::new();
    for (audience, username) in [(API, "a"), (JWT_API, "b"), (BARE_API, "c")] {
        let seed = Seed { realm: Some("acme"), ..Seed::of(ACME_APP, Some(audience), "read") };
        tokens.extend(both(username, &seed.named(username).put(&server).await));
    }
    check_inactive(&server, AUDITOR, &tokens).await;
    check_inactive(&server, APP, &tokens).await;
    for (name, token) in &tokens {
        let request = Request::post("/t/acme/oauth2/introspect");
        let request = request.basic(ACME_APP.client_id, ACME_APP.client_secret).parameter("token", token);
        assert!(server.send(request).await.active()["active"] == true, "{name}");
    }
    check_inactive(&server, AUDITOR, &tokens).await;
    check_active(&server, AUDITOR, &both("the control", &control)).await;
}

/// The names of the published keys.
async fn published(server: &TestServer) -> Vec<String> {
    let jwks = server.send(Request::of("GET", "/oauth2/jwks")).await.json();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn w61_jwk_06_a_key_verifies_until_it_is_retired() {
    let (server, _) = start().await;
    let old = server.issue(APP, BARE_API).await;
    let old_kid = forge::header_of(&old)["kid"].as_str().unwrap().to_owned();
    server.advance_seconds(1);
    let new_kid = seed::add_key(&server, Algorithm::Es256).await;
    seed::set_key_state(&server, &old_kid, KeyState::Retiring).await;
    let new = server.issue(APP, BARE_API).await;
    assert_eq!(forge::header_of(&new)["kid"], new_kid.as_str());
    check_active(&server, AUDITOR, &[("old", old.clone()), ("new", new.clone())]).await;
    assert_eq!(published(&server).await.len(), 2);
    seed::set_key_state(&server, &old_kid, KeyState::Retired).await;
    assert_eq!(published(&server).await, [new_kid]);
    check_inactive(&server, AUDITOR, &[("old", old)]).await;
    check_active(&server, AUDITOR, &[("new", new)]).await;
}
