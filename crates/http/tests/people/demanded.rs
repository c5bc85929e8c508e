//! A second factor that a realm or a client demands: who has none adds one on the way.

use lydian_test_kit::TestServer;

use crate::browser::{Browser, SESSION};
use crate::factors::*;
use crate::fixtures::{ALICE, Ask, PASSWORD, start};

async fn check(document: &str, ask: Ask, other: Option<Ask>) {
    let server: TestServer = start().await;
    let mut browser = Browser::default();
    // A session from before the demand is not enough either.
    browser.code(&server, &ask).await;
    server.apply(document).await;
    let silent = browser.clone().ask(&server, &ask.clone().with("prompt", "none")).await.unwrap_err();
    silent.refused("login_required");
    for fresh in [false, true] {
        let mut browser = if fresh { Browser::default() } else { browser.clone() };
        let mut page = browser.ask(&server, &ask).await.unwrap();
        if fresh {
            page = browser.sign_in(&server, &page, ALICE, PASSWORD).await.unwrap();
        }
        assert!(
            page.offers("verify") && page.text.contains("Your account needs a second step"),
            "{}",
            page.text
        );
        // Going around it leads back to it.
        assert!(browser.ask(&server, &ask).await.unwrap().offers("verify"));
        let wrong = type_code(&server, &mut browser, &page, "000000").await;
        assert!(wrong.offers("verify") && wrong.problem.is_some(), "{}", wrong.text);
        if let Some(other) = &other {
            assert!(
                browser.clone().ask(&server, other).await.unwrap().offers("allow"),
                "another client demands none"
            );
        }
        if !fresh {
            continue;
        }
        let phone = Phone::of(&page);
        let page = type_code(&server, &mut browser, &page, &phone.code(&server)).await;
        assert_eq!(recovery_codes(&page).len(), 10, "{}", page.text);
        let step = browser.press(&server, &page, "codes-kept").await;
        let returned = match step {
            Ok(page) => browser.press(&server, &page, "allow").await.unwrap_err(),
            Err(returned) => returned,
        };
        assert_eq!(server.send(ask.redeem(&returned.code())).await.status, 200);
        assert!(browser.cookie(SESSION).is_some());
        // From now on the app is asked for.
        server.advance_seconds(30);
        let mut next = Browser::default();
        let page = after_password(&server, &mut next, &ask).await;
        assert!(goes_on(&type_code(&server, &mut next, &page, &phone.code(&server)).await));
    }
}

#[tokio::test]
async fn a_realm_demands_a_second_factor_of_everybody() {
    check("[[realm]]\nname = \"default\"\nrequire_second_factor = true\n", Ask::web(), None).await;
}

#[tokio::test]
async fn a_client_demands_a_second_factor_of_its_people() {
    let other = Ask::of("other-web", crate::fixtures::OTHER_WEB_CALLBACK);
    check("[[client]]\nclient_id = \"web\"\nrequire_second_factor = true\n", Ask::web(), Some(other)).await;
}

#[tokio::test]
async fn an_enrolment_of_another_browser_is_refused_on_the_way() {
    let server = start().await;
    server.apply("[[realm]]\nname = \"default\"\nrequire_second_factor = true\n").await;
    let (mut browser, mut thief) = (Browser::default(), Browser::default());
    let page = after_password(&server, &mut browser, &Ask::web()).await;
    let page_of_thief = after_password(&server, &mut thief, &Ask::web()).await;
    let phone = Phone::of(&page_of_thief);
    // A key that the thief knows does not get into the account of the victim.
    let mixed = page.form("verify").clone().with("pending", page_of_thief.form("verify").input("pending"));
    let refused = browser.send(&server, mixed.with("code", &phone.code(&server)).press("verify")).await;
    assert_eq!(refused.reply.status, 400, "{}", refused.text);
}
