//! Codes of authenticator apps and recovery codes: each signs in once, for its person, in its browser.

use lydian_test_kit::fixtures::{BARE_API, JWT_API};
use lydian_test_kit::{Request, TestServer};
use serde_json::{Value, json};

use crate::browser::{Browser, Page, SESSION, text};
use crate::factors::*;
use crate::fixtures::{ALICE, Ask, BOB, PASSWORD, start};

const WRONG: &str = "This code is wrong. Please type the current one.";
const USED: &str = "This code was used already. Please wait for the next one.";
const OTHER_BROWSER: &str = "This form is too old or was not made for you.";

/// The claims of a JWT.
fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&lydian_primitives::base64url::decode(payload.as_bytes()).unwrap()).unwrap()
}

async fn introspected(server: &TestServer, token: &str) -> Value {
    server.introspect(crate::fixtures::WEB, token).await.json()
}

#[tokio::test]
async fn nothing_counts_as_signed_in_before_the_second_factor() {
    let server = start().await;
    let (phone, _) = with_phone(&server).await;
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    assert!(
        page.offers("verify") && page.offers("check-recovery-code") && !page.offers("sign-in"),
        "{}",
        page.text
    );
    assert_eq!((browser.cookie(SESSION), page.problem.as_deref()), (None, None));
    // Neither the request nor the account goes on without it.
    assert!(browser.clone().ask(&server, &Ask::web()).await.unwrap().offers("sign-in"));
    let page_of_account = browser.clone().send(&server, Request::of("GET", "/oauth2/account")).await;
    assert!(page_of_account.offers("sign-in"));
    let page = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    assert!(goes_on(&page) && browser.cookie(SESSION).is_some());
}

#[tokio::test]
async fn atp_05_int_16_tokens_say_how_and_when_the_person_proved_who_it_is_and_a_refresh_keeps_it() {
    let server = start().await;
    let (phone, _) = with_phone(&server).await;
    let of_api = |api| Ask::web().resource(api);
    for ask in [Ask::web(), of_api(JWT_API), of_api(BARE_API)] {
        server.advance_seconds(30);
        let mut browser = Browser::default();
        let page = after_password(&server, &mut browser, &ask).await;
        let at = {
            use lydian_primitives::Clock;
            server.clock.now().as_unix_seconds()
        };
        let page = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
        let first = tokens_after(&server, &mut browser, page, &ask).await;
        server.advance_seconds(100);
        let reply = server.send(ask.refresh(text(&first, "refresh_token"))).await;
        for tokens in [first, reply.json()] {
            let id = claims(text(&tokens, "id_token"));
            let access = introspected(&server, text(&tokens, "access_token")).await;
            assert_eq!(access["active"], true, "{access}");
            let mut all = vec![id, access];
            if text(&tokens, "access_token").matches('.').count() == 2 {
                all.push(claims(text(&tokens, "access_token")));
            }
            for claims in all {
                assert_eq!(claims["amr"], json!(["mfa", "otp", "pwd"]), "{claims}");
                assert_eq!(claims["acr"], "urn:lydian:acr:several-factors");
                assert_eq!(claims["auth_time"], at);
            }
        }
    }
}

#[tokio::test]
async fn a_code_is_accepted_once_and_a_step_early_or_late() {
    let server = start().await;
    let (phone, _) = with_phone(&server).await;
    server.advance_seconds(60);
    let (mut one, mut other) = (Browser::default(), Browser::default());
    let page = after_password(&server, &mut one, &Ask::web()).await;
    let page_of_other = after_password(&server, &mut other, &Ask::web()).await;
    for wrong in [phone.code_in(&server, -2), phone.code_in(&server, 2)] {
        let refused = type_code(&server, &mut one, &page, &wrong).await;
        assert_eq!((refused.reply.status, refused.problem.as_deref()), (200, Some(WRONG)), "{wrong}");
    }
    // A step early: what is good now is older from then on, and used up.
    assert!(goes_on(&type_code(&server, &mut one, &page, &phone.code_in(&server, 1)).await));
    for steps in [1, 0, -1] {
        let refused = type_code(&server, &mut other, &page_of_other, &phone.code_in(&server, steps)).await;
        assert_eq!((refused.reply.status, refused.problem.as_deref()), (200, Some(USED)), "{steps}");
    }
    assert_eq!(other.cookie(SESSION), None);
    server.advance_seconds(90);
    let page = after_password(&server, &mut other, &Ask::web()).await;
    assert!(goes_on(&type_code(&server, &mut other, &page, &phone.code_in(&server, -1)).await));
}

/// Sends the same forms at once; how many of the answers go on.
async fn at_once(server: &TestServer, rivals: Vec<(Browser, Request)>) -> usize {
    let tasks = rivals
        .into_iter()
        .map(|(mut browser, request)| async move { goes_on(&browser.send(server, request).await) });
    let mut signed_in = 0;
    let mut running: Vec<_> = tasks.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        running.retain_mut(|task| match task.as_mut().poll(context) {
            std::task::Poll::Ready(went_on) => {
                signed_in += usize::from(went_on);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    signed_in
}

#[tokio::test]
async fn of_many_who_present_one_code_at_once_exactly_one_signs_in() {
    let server = start().await;
    let (phone, codes) = with_phone(&server).await;
    for (round, code) in codes.iter().take(3).enumerate() {
        server.advance_seconds(120);
        let (mut by_app, mut by_paper) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let mut browser = Browser::default();
            let page = after_password(&server, &mut browser, &Ask::web()).await;
            let form = page.form("verify").clone().with("code", &phone.code(&server));
            by_app.push((browser.clone(), form.press("verify")));
            let form = page.form("check-recovery-code").clone().with("recovery_code", code);
            by_paper.push((browser, form.press("check-recovery-code")));
        }
        assert_eq!(at_once(&server, by_app).await, 1, "round {round}");
        assert_eq!(at_once(&server, by_paper).await, 1, "round {round}");
    }
}

#[tokio::test]
async fn who_misses_too_often_waits_and_recovers() {
    let server = start().await;
    let (phone, codes) = with_phone(&server).await;
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    for _ in 0..5 {
        let refused = type_code(&server, &mut browser, &page, "000000").await;
        assert_eq!((refused.reply.status, refused.problem.as_deref()), (200, Some(WRONG)));
    }
    // What is right is not looked at, by whatever way, in whatever browser.
    let mut other = Browser::default();
    let page_of_other = after_password(&server, &mut other, &Ask::web()).await;
    let refused = type_code(&server, &mut other, &page_of_other, &phone.code(&server)).await;
    assert_eq!(refused.reply.status, 429);
    let seconds: u64 = refused.reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(type_recovery_code(&server, &mut other, &page_of_other, &codes[0]).await.reply.status, 429);
    assert_eq!(other.cookie(SESSION), None);
    server.advance_seconds(30);
    assert!(goes_on(&type_code(&server, &mut other, &page_of_other, &phone.code(&server)).await));
    // What was right has cost nothing.
    server.advance_seconds(30);
    assert!(goes_on(&type_code(&server, &mut browser, &page, &phone.code(&server)).await));
}

#[tokio::test]
async fn a_recovery_code_works_once_and_a_new_set_ends_the_old_one() {
    let server = start().await;
    let (_, codes) = with_phone(&server).await;
    assert_eq!(codes.len(), 10);
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    // However it is typed.
    let typed = codes[0].to_uppercase().replace('-', " ");
    assert!(goes_on(&type_recovery_code(&server, &mut browser, &page, &typed).await));
    let page = account(&server, &mut browser, ALICE).await;
    assert!(page.text.contains("9 left"), "{}", page.text);
    let mut second = Browser::default();
    let again = after_password(&server, &mut second, &Ask::web()).await;
    for wrong in [codes[0].as_str(), "aaaa-aaaa-aaaa-aaaa", ""] {
        let refused = type_recovery_code(&server, &mut second, &again, wrong).await;
        assert_eq!(refused.problem.as_deref(), Some(WRONG), "{wrong}");
    }
    let page = browser.press(&server, &page, "new-recovery-codes").await.unwrap();
    let new = recovery_codes(&page);
    assert_eq!((new.len(), new.contains(&codes[1])), (10, false));
    let page = browser.press(&server, &page, "codes-kept").await.unwrap();
    assert!(page.text.contains("10 left"), "{}", page.text);
    let refused = type_recovery_code(&server, &mut second, &again, &codes[1]).await;
    assert_eq!(refused.problem.as_deref(), Some(WRONG));
    assert!(goes_on(&type_recovery_code(&server, &mut second, &again, &new[1]).await));
}

#[tokio::test]
async fn codes_of_one_person_are_nothing_to_another() {
    let server = start().await;
    let (phone, codes) = with_phone(&server).await;
    let (_, of_bob) = add_phone(&server, &mut Browser::default(), BOB).await;
    server.advance_seconds(30);
    let mut browser = Browser::default();
    let page = browser.ask(&server, &Ask::web()).await.unwrap();
    let page = browser.sign_in(&server, &page, BOB, PASSWORD).await.unwrap();
    let refused = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    assert_eq!(refused.problem.as_deref(), Some(WRONG));
    let refused = type_recovery_code(&server, &mut browser, &page, &codes[0]).await;
    assert_eq!(refused.problem.as_deref(), Some(WRONG));
    assert!(goes_on(&type_recovery_code(&server, &mut browser, &page, &of_bob[0]).await));
}

#[tokio::test]
async fn what_was_proved_is_good_in_its_browser_alone_and_unaltered() {
    let server = start().await;
    let (phone, _) = with_phone(&server).await;
    let mut browser = Browser::default();
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    let form = page.form("verify").clone().with("code", &phone.code(&server));
    // Somebody else's browser, with a request of its own.
    let mut thief = Browser::default();
    let page_of_thief = thief.ask(&server, &Ask::web()).await.unwrap();
    let stolen = form.clone().with("flow", page_of_thief.form("sign-in").input("flow"));
    thief.send(&server, stolen.press("verify")).await.refused(400, OTHER_BROWSER);
    thief.send(&server, form.press("verify")).await.refused(400, OTHER_BROWSER);
    let pending = form.input("pending");
    for other in ["", "AAAA", &pending[..pending.len() - 2], form.input("flow")] {
        let altered = form.clone().with("pending", other);
        browser.send(&server, altered.press("verify")).await.refused(400, OTHER_BROWSER);
    }
    // A request's own state is none of a factor's, and a page of another site sends nothing.
    let crossed = form.press("verify").header("sec-fetch-site", "cross-site");
    browser.send(&server, crossed).await.refused(400, OTHER_BROWSER);
    assert_eq!((thief.cookie(SESSION), browser.cookie(SESSION)), (None, None));
    assert!(goes_on(&browser.send(&server, form.press("verify")).await));
}

#[tokio::test]
async fn what_was_proved_ends_with_its_time_and_with_every_change_of_the_person() {
    const EXPIRED: &str = "This request has expired.";
    enum Meanwhile {
        Apply(&'static str),
        Remove,
        Wait,
    }
    let cases = [
        ("expired", Meanwhile::Wait),
        ("disabled", Meanwhile::Apply("[[user]]\nusername = \"alice@example.com\"\nenabled = false\n")),
        (
            "another password",
            Meanwhile::Apply("[[user]]\nusername = \"alice@example.com\"\npassword = \"another password\"\n"),
        ),
        ("factor removed", Meanwhile::Remove),
    ];
    for (what, meanwhile) in cases {
        let server = start().await;
        let mut owner = Browser::default();
        let (phone, codes) = add_phone(&server, &mut owner, ALICE).await;
        server.advance_seconds(30);
        let mut browser = Browser::default();
        let page = after_password(&server, &mut browser, &Ask::web()).await;
        match meanwhile {
            Meanwhile::Apply(document) => server.apply(document).await,
            Meanwhile::Wait => server.advance_seconds(601),
            Meanwhile::Remove => {
                let page = account(&server, &mut owner, ALICE).await;
                remove_factor(&server, &mut owner, &page).await;
            }
        }
        let refused = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
        assert_eq!((refused.reply.status, browser.cookie(SESSION)), (400, None), "{what}");
        assert!(
            refused.problem.as_deref().is_some_and(|problem| problem.starts_with(EXPIRED)),
            "{what}: {}",
            refused.text
        );
        let refused = type_recovery_code(&server, &mut browser, &page, &codes[0]).await;
        assert_eq!((refused.reply.status, browser.cookie(SESSION)), (400, None), "{what}");
    }
}

/// Removes the first factor of an account page, by password.
async fn remove_factor(server: &TestServer, browser: &mut Browser, page: &Page) -> Page {
    let form = page.forms.iter().find(|form| form.action.contains("remove-factor")).unwrap().clone();
    let request = form_request(&form);
    let page = browser.send(server, request).await;
    let form = page.form("confirm-password").clone().with("password", PASSWORD);
    let page = browser.send(server, form.press("confirm-password")).await;
    browser.follow(server, page).await.unwrap()
}

/// The request of a form whose button has no id.
fn form_request(form: &crate::browser::Form) -> Request {
    form.press("")
}

#[tokio::test]
async fn an_app_is_added_by_its_first_code_and_not_before() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = account(&server, &mut browser, ALICE).await;
    assert!(!page.offers("new-recovery-codes"));
    let enrolment = browser.press(&server, &page, "add-authenticator").await.unwrap();
    let phone = Phone::of(&enrolment);
    let qr = enrolment.elements.iter().find(|element| element.name == "svg");
    assert!(qr.is_some_and(|qr| qr.get("role") == "img"));
    let wrong = type_code(&server, &mut browser, &enrolment, "000000").await;
    assert_eq!((wrong.reply.status, wrong.problem.as_deref()), (200, Some(WRONG)));
    // The page keeps the key, and nothing is asked at a sign-in yet.
    assert_eq!(Phone::of(&wrong).code(&server), phone.code(&server));
    assert!(after_password(&server, &mut Browser::default(), &Ask::web()).await.offers("allow"));
    let form = wrong.form("verify").clone().with("code", &phone.code(&server));
    // Another session of the same person cannot finish it.
    let mut other = Browser::default();
    account(&server, &mut other, ALICE).await;
    other.send(&server, form.press("verify")).await.refused(400, OTHER_BROWSER);
    let before = browser.cookie(SESSION).unwrap().to_owned();
    let page = browser.send(&server, form.press("verify")).await;
    assert_eq!(recovery_codes(&page).len(), 10, "{}", page.text);
    assert_ne!(browser.cookie(SESSION), Some(before.as_str()), "a stronger session has another cookie");
    // Sent twice, it is added once.
    let again = browser.send(&server, form.press("verify")).await;
    assert_eq!(again.reply.status, 400, "{}", again.text);
    let page = account(&server, &mut browser, ALICE).await;
    assert_eq!(page.forms.iter().filter(|form| form.action.contains("remove-factor")).count(), 1);
    assert!(page.offers("new-recovery-codes") && page.text.contains("10 left"), "{}", page.text);
}

#[tokio::test]
async fn an_enrolment_ends_with_its_time_and_with_a_changed_password() {
    for (seconds, document) in
        [(601, ""), (0, "[[user]]\nusername = \"alice@example.com\"\npassword = \"another password\"\n")]
    {
        let server = start().await;
        let mut browser = Browser::default();
        let page = account(&server, &mut browser, ALICE).await;
        let page = browser.press(&server, &page, "add-authenticator").await.unwrap();
        let phone = Phone::of(&page);
        server.advance_seconds(seconds);
        if !document.is_empty() {
            server.apply(document).await;
        }
        let answer = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
        // A changed password has ended the session: the browser is asked to sign in.
        assert!(answer.reply.status == 400 || answer.offers("sign-in"), "{}", answer.text);
        let user = server.storage.find_user_by_name(server.realm(None).realm.id, ALICE.to_owned()).await;
        assert_eq!(server.storage.list_factors(user.unwrap().unwrap().id).await.unwrap(), []);
    }
}

#[tokio::test]
async fn who_signed_in_long_ago_shows_once_more_who_it_is_before_a_factor_is_added() {
    let server = start().await;
    let mut browser = Browser::default();
    account(&server, &mut browser, ALICE).await;
    server.advance_seconds(601);
    let page = account(&server, &mut browser, ALICE).await;
    let asked = browser.press(&server, &page, "add-authenticator").await.unwrap();
    assert!(asked.offers("confirm-password") && !asked.offers("verify"), "{}", asked.text);
    let form = asked.form("confirm-password").clone();
    let wrong = browser.send(&server, form.clone().with("password", "wrong").press("confirm-password")).await;
    assert!(wrong.offers("confirm-password") && wrong.problem.is_some(), "{}", wrong.text);
    let page = browser.send(&server, form.with("password", PASSWORD).press("confirm-password")).await;
    assert!(Phone::of(&page).code(&server).len() == 6);
}

#[tokio::test]
async fn removing_a_factor_asks_again_and_ends_everything_else() {
    let server = start().await;
    let (mut owner, mut other) = (Browser::default(), Browser::default());
    let tokens = other.tokens(&server, &Ask::web()).await;
    let (phone, _) = add_phone(&server, &mut owner, ALICE).await;
    let page = account(&server, &mut owner, ALICE).await;
    let form = page.forms.iter().find(|form| form.action.contains("remove-factor")).unwrap().clone();
    let asked = owner.send(&server, form_request(&form)).await;
    assert!(asked.offers("confirm-password") && asked.offers("verify"), "{}", asked.text);
    let confirm = asked.form("confirm-password").clone();
    let wrong =
        owner.send(&server, confirm.clone().with("password", "wrong").press("confirm-password")).await;
    assert!(wrong.problem.is_some());
    // Used up by the enrolment.
    let used = type_code(&server, &mut owner, &asked, &phone.code(&server)).await;
    assert_eq!(used.problem.as_deref(), Some(USED));
    // A session that has seen the password alone does not remove what guards against stolen passwords.
    let page_of_other = account(&server, &mut other, ALICE).await;
    let form_of_other =
        page_of_other.forms.iter().find(|form| form.action.contains("remove-factor")).unwrap();
    let asked_of_other = other.send(&server, form_request(form_of_other)).await;
    assert!(asked_of_other.offers("verify") && !asked_of_other.offers("confirm-password"));
    let forced = form_request(form_of_other).parameter("password", PASSWORD);
    assert!(other.send(&server, forced).await.offers("verify"));
    // Somebody else cannot name it either.
    let mut bob = Browser::default();
    account(&server, &mut bob, BOB).await;
    let page_of_bob = account(&server, &mut bob, BOB).await;
    let flow = page_of_bob.form("log-out").input("flow").to_owned();
    let request = Request::post("/oauth2/account?do=remove-factor")
        .parameter("flow", &flow)
        .parameter("factor", form.input("factor"))
        .parameter("password", PASSWORD);
    assert_eq!(bob.send(&server, request).await.reply.status, 400);

    server.advance_seconds(30);
    let before = owner.cookie(SESSION).unwrap().to_owned();
    let page = type_code(&server, &mut owner, &asked, &phone.code(&server)).await;
    let page = owner.follow(&server, page).await.unwrap();
    assert!(page.text.contains("The second step was removed."), "{}", page.text);
    assert!(!page.forms.iter().any(|form| form.action.contains("remove-factor")));
    assert!(!page.offers("new-recovery-codes"), "the recovery codes went with the last factor");
    assert_ne!(owner.cookie(SESSION), Some(before.as_str()));
    assert_eq!(introspected(&server, text(&tokens, "access_token")).await, json!({ "active": false }));
    assert!(other.send(&server, Request::of("GET", "/oauth2/account")).await.offers("sign-in"));
    // The password alone signs in again.
    let mut browser = Browser::default();
    assert!(!browser.go(&server, &Ask::web(), ALICE).await.code().is_empty());
}

#[tokio::test]
async fn nobody_has_more_factors_than_there_may_be() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = account(&server, &mut browser, ALICE).await;
    let late = browser.press(&server, &page, "add-authenticator").await.unwrap();
    for number in 0..lydian_primitives::limits::FACTORS_MAX {
        let (_, codes) = add_phone(&server, &mut browser, ALICE).await;
        assert_eq!(codes.is_empty(), number > 0, "codes come with the first one alone");
    }
    let page = account(&server, &mut browser, ALICE).await;
    assert!(!page.offers("add-authenticator") && !page.offers("add-passkey"));
    // Nor does a page help that was opened before.
    let phone = Phone::of(&late);
    assert_eq!(type_code(&server, &mut browser, &late, &phone.code(&server)).await.reply.status, 400);
    let user = server.storage.find_user_by_name(server.realm(None).realm.id, ALICE.to_owned()).await;
    let held = server.storage.list_factors(user.unwrap().unwrap().id).await.unwrap();
    assert_eq!(held.len(), lydian_primitives::limits::FACTORS_MAX);
}

#[tokio::test]
async fn a_factor_serves_the_account_page_too() {
    let server = start().await;
    let (phone, _) = with_phone(&server).await;
    let mut browser = Browser::default();
    let page = account(&server, &mut browser, ALICE).await;
    assert!(page.offers("verify"), "{}", page.text);
    let page = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
    let page = browser.follow(&server, page).await.unwrap();
    assert!(page.offers("log-out") && page.text.contains("Authenticator app"), "{}", page.text);
}

#[tokio::test]
async fn an_administrator_sees_and_ends_the_factors_of_a_person_who_lost_them() {
    use lydian_service::administration::AdministrationError;
    use lydian_service::administration::records::{Kind, RecordName};
    let server = start().await;
    let name = RecordName { kind: Kind::User, realm: None, name: ALICE.to_owned() };
    let mut browser = Browser::default();
    let (_, codes) = add_phone(&server, &mut browser, ALICE).await;
    add_phone(&server, &mut browser, ALICE).await;
    let tokens = browser.tokens(&server, &Ask::web()).await;
    let listed = server.service.list_factors(&name).await.unwrap();
    assert_eq!((listed.factors.len(), listed.recovery_codes), (2, 10));
    assert_eq!(listed.factors[0].kind, "authenticator");
    assert_eq!(server.service.show_record(&name).await.unwrap().factors.as_ref(), Some(&listed));
    let said = format!("{listed:?}");
    assert!(!codes.iter().any(|code| said.contains(code.as_str())));
    for nothing in ["", "AAAAAAAAAAA", &listed.factors[0].id[1..]] {
        let refused = server.service.remove_factor(&name, nothing).await;
        assert!(matches!(refused, Err(AdministrationError::NotFound(_))), "{nothing}");
    }
    let left = server.service.remove_factor(&name, &listed.factors[0].id).await.unwrap();
    assert_eq!((left.factors.as_slice(), left.recovery_codes), (&listed.factors[1..], 10));
    // What was granted is dead, and the browser is signed out.
    assert_eq!(introspected(&server, text(&tokens, "access_token")).await, json!({ "active": false }));
    assert!(browser.send(&server, Request::of("GET", "/oauth2/account")).await.offers("sign-in"));
    assert!(after_password(&server, &mut Browser::default(), &Ask::web()).await.offers("verify"));
    assert_eq!(server.service.reset_factors(&name).await.unwrap(), left);
    assert_eq!(server.service.list_factors(&name).await.unwrap(), Default::default());
    assert!(account(&server, &mut Browser::default(), ALICE).await.offers("log-out"));
}

#[tokio::test]
async fn a_session_that_has_seen_no_factor_adds_the_first_one_alone() {
    let server = start().await;
    let mut weak = Browser::default();
    let page = account(&server, &mut weak, ALICE).await;
    let enrolment = weak.press(&server, &page, "add-authenticator").await.unwrap();
    // The person adds one elsewhere meanwhile.
    add_phone(&server, &mut Browser::default(), ALICE).await;
    let phone = Phone::of(&enrolment);
    let refused = type_code(&server, &mut weak, &enrolment, &phone.code(&server)).await;
    assert_eq!(refused.reply.status, 400, "{}", refused.text);
    // It is asked for a code before it begins anew, and the password is not enough.
    let page = account(&server, &mut weak, ALICE).await;
    for button in ["add-authenticator", "add-passkey", "new-recovery-codes"] {
        let asked = weak.press(&server, &page, button).await.unwrap();
        assert!(asked.offers("verify") && !asked.offers("confirm-password"), "{button}: {}", asked.text);
    }
}

#[tokio::test]
async fn a_device_of_a_client_that_demands_a_second_factor_gets_nothing_from_a_weak_session() {
    let server = start().await;
    server
        .apply(
            "[[client]]\nclient_id = \"tv\"\nauth_methods = [\"none\"]\nissuer_scopes = [\"openid\"]\n\
             grant_types = [\"urn:ietf:params:oauth:grant-type:device_code\"]\nrequire_second_factor = true\n",
        )
        .await;
    let mut browser = Browser::default();
    account(&server, &mut browser, ALICE).await;
    for strong in [false, true] {
        if strong {
            add_phone(&server, &mut browser, ALICE).await;
        }
        let device = Request::post("/oauth2/device_authorize").parameter("client_id", "tv");
        let device = server.send(device.parameter("scope", "openid")).await.json();
        let path = format!("/oauth2/device?user_code={}", text(&device, "user_code"));
        let page = browser.send(&server, Request::of("GET", &path)).await;
        let answer = browser.send(&server, page.form("continue").press("continue")).await;
        assert_eq!((answer.reply.status, answer.offers("allow")), (if strong { 200 } else { 400 }, strong));
    }
}
