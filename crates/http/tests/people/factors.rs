//! What people have besides a password, as tests hold it: a telephone that shows codes, the paper with recovery codes.

use lydian_domain::factors::totp;
use lydian_test_kit::{Request, TestServer};

use crate::browser::{Browser, Page};
use crate::fixtures::{ALICE, Ask, PASSWORD};

/// An authenticator app with one key.
#[derive(Clone, Debug)]
pub(crate) struct Phone(Vec<u8>);

impl Phone {
    /// The app after its person typed the key of this page.
    #[track_caller]
    pub(crate) fn of(page: &Page) -> Self {
        let secret = page.elements.iter().find(|element| element.get("id") == "secret");
        let text = &secret.unwrap_or_else(|| panic!("no key is shown: {}", page.text)).text;
        let bits: String = text
            .chars()
            .filter(|character| *character != ' ')
            .map(|character| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(character).unwrap())
            .map(|number| format!("{number:05b}"))
            .collect();
        Self(bits.as_bytes().chunks_exact(8).map(byte_of).collect())
    }

    /// The code that it shows now.
    pub(crate) fn code(&self, server: &TestServer) -> String {
        self.code_in(server, 0)
    }

    /// The code that it shows so many steps later.
    pub(crate) fn code_in(&self, server: &TestServer, steps: i64) -> String {
        use lydian_primitives::Clock;
        let step = totp::step_of(server.clock.now()).saturating_add_signed(steps);
        format!("{:06}", totp::code_at(&self.0, step))
    }
}

fn byte_of(bits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap()
}

/// The account page of a person, signing in by password where that is asked for.
pub(crate) async fn account(server: &TestServer, browser: &mut Browser, username: &str) -> Page {
    let page = browser.send(server, Request::of("GET", "/oauth2/account")).await;
    if !page.offers("sign-in") {
        return page;
    }
    browser.sign_in(server, &page, username, PASSWORD).await.unwrap()
}

/// Adds an authenticator app; the app and the recovery codes that came with it, if any did.
pub(crate) async fn add_phone(
    server: &TestServer,
    browser: &mut Browser,
    username: &str,
) -> (Phone, Vec<String>) {
    let page = account(server, browser, username).await;
    let page = browser.press(server, &page, "add-authenticator").await.unwrap();
    let phone = Phone::of(&page);
    let form = page.form("verify").clone().with("code", &phone.code(server));
    let page = browser.send(server, form.press("verify")).await;
    let page = browser.follow(server, page).await.unwrap();
    (phone, recovery_codes(&page))
}

/// The recovery codes that a page shows.
pub(crate) fn recovery_codes(page: &Page) -> Vec<String> {
    let list = page.elements.iter().find(|element| element.get("id") == "codes");
    list.map(|list| list.text.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// A person with an authenticator app, half a minute later: the code that added it is used up.
pub(crate) async fn with_phone(server: &TestServer) -> (Phone, Vec<String>) {
    let (phone, codes) = add_phone(server, &mut Browser::default(), ALICE).await;
    server.advance_seconds(30);
    (phone, codes)
}

/// The page after the password was right.
pub(crate) async fn after_password(server: &TestServer, browser: &mut Browser, ask: &Ask) -> Page {
    let page = browser.ask(server, ask).await.unwrap();
    browser.sign_in(server, &page, ALICE, PASSWORD).await.unwrap()
}

/// Types a code; the next answer, without following it.
pub(crate) async fn type_code(server: &TestServer, browser: &mut Browser, page: &Page, code: &str) -> Page {
    browser.send(server, page.form("verify").clone().with("code", code).press("verify")).await
}

/// Types a recovery code; the next answer, without following it.
pub(crate) async fn type_recovery_code(
    server: &TestServer,
    browser: &mut Browser,
    page: &Page,
    code: &str,
) -> Page {
    let form = page.form("check-recovery-code").clone().with("recovery_code", code);
    browser.send(server, form.press("check-recovery-code")).await
}

/// Whether an answer goes on, signed in.
pub(crate) fn goes_on(page: &Page) -> bool {
    page.reply.status == 303
}

/// Tokens of a person who is on the way: it agrees to everything.
pub(crate) async fn tokens_after(
    server: &TestServer,
    browser: &mut Browser,
    page: Page,
    ask: &Ask,
) -> serde_json::Value {
    let mut step = browser.follow(server, page).await;
    let returned = loop {
        match step {
            Err(returned) => break returned,
            Ok(page) => step = browser.press(server, &page, "allow").await,
        }
    };
    let reply = server.send(ask.redeem(&returned.code())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
