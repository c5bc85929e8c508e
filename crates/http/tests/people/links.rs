//! Links from mail: a forgotten password is replaced, an address is confirmed, and nobody learns who has an account.

use std::sync::Arc;

use lydian_domain::{User, UserId};
use lydian_service::administration::records::{Kind, RecordName};
use lydian_service::mail::{Errand, Letter};
use lydian_test_kit::fixtures::{AUDITOR, ISSUER};
use lydian_test_kit::{Request, TestServer, WatchedStorage};
use tokio::sync::mpsc::Receiver;

use crate::account::{account, change_password, signed_in};
use crate::browser::{Browser, Page, text};
use crate::fixtures::{ALICE, Ask, BOB, PASSWORD, WEB, start};
use crate::logout::is_signed_in;

const FORGOTTEN: &str = "/oauth2/forgotten-password";
const EMAIL: &str = "alice@mail.example.com";
const NEW_PASSWORD: &str = "another horse altogether";
const LINK_USED: &str = "This link has expired or was used already.";
const SENT: &str = "Look into your mailbox.";

/// A server whose mail a test reads.
struct Mailing {
    server: TestServer,
    errands: Receiver<Errand>,
}

impl Mailing {
    async fn start() -> Self {
        let server = start().await;
        let errands = server.service.open_outbox().unwrap();
        Self { server, errands }
    }

    /// The letters that wait.
    async fn letters(&mut self) -> Vec<Letter> {
        let mut letters = Vec::new();
        while let Ok(errand) = self.errands.try_recv() {
            letters.extend(self.server.service.write_letters(&errand).await.unwrap());
        }
        letters
    }

    /// Asks for a link as a person does.
    async fn forget(&self, browser: &mut Browser, email: &str) -> Page {
        let page = browser.send(&self.server, Request::of("GET", FORGOTTEN)).await;
        let form = page.form("send-link").clone().with("email", email);
        browser.send(&self.server, form.press("send-link")).await
    }

    /// The path of a fresh link to a new password.
    async fn reset_link(&mut self) -> String {
        let page = self.forget(&mut Browser::default(), EMAIL).await;
        assert!(page.text.contains(SENT), "{}", page.text);
        link_of(&self.letters().await.pop().unwrap())
    }

    /// The path of a fresh link to confirm the address of whoever is signed in.
    async fn address_link(&mut self, browser: &mut Browser) -> String {
        let page = account(&self.server, browser).await;
        let done = browser.press(&self.server, &page, "send-address-link").await.unwrap();
        assert!(done.text.contains("A link is on its way to your address."), "{}", done.text);
        link_of(&self.letters().await.pop().unwrap())
    }

    async fn open(&self, link: &str) -> Page {
        Browser::default().send(&self.server, Request::of("GET", link)).await
    }

    async fn choose(&self, page: &Page, new: &str, repeated: &str) -> Page {
        let form = page.form("save-password").clone();
        let form = form.with("new_password", new).with("repeat_password", repeated);
        Browser::default().send(&self.server, form.press("save-password")).await
    }

    async fn confirm(&self, page: &Page) -> Page {
        let form = page.form("confirm-address");
        Browser::default().send(&self.server, form.press("confirm-address")).await
    }

    async fn user(&self, name: &str) -> User {
        let realm = self.server.realm(None).realm.id;
        self.server.storage.find_user_by_name(realm, name.to_owned()).await.unwrap().unwrap()
    }

    async fn can_sign_in(&self, password: &str) -> bool {
        let mut browser = Browser::default();
        let page = account(&self.server, &mut browser).await;
        browser.sign_in(&self.server, &page, ALICE, password).await.unwrap().problem.is_none()
    }

    /// Asserts that a link opens nothing, whether it is looked at or used.
    async fn assert_dead(&self, link: &str, seen_before: &Page, what: &str) {
        let page = self.open(link).await;
        assert_eq!((page.reply.status, page.problem.as_deref()), (400, Some(LINK_USED)), "{what}");
        let page = self.choose(seen_before, NEW_PASSWORD, NEW_PASSWORD).await;
        assert_eq!((page.reply.status, page.problem.as_deref()), (400, Some(LINK_USED)), "{what}");
    }
}

/// The path of the link in a letter, the same in both of its forms.
#[track_caller]
fn link_of(letter: &Letter) -> String {
    let link = letter.text.lines().find(|line| line.starts_with(ISSUER)).expect("a link stands alone");
    assert!(letter.html.contains(&format!("href=\"{link}\"")), "{}", letter.html);
    link.strip_prefix(ISSUER).unwrap().to_owned()
}

#[tokio::test]
async fn who_forgot_the_password_chooses_a_new_one_and_everything_under_the_old_one_ends() {
    let mut mailing = Mailing::start().await;
    let mut there = Browser::default();
    let ask = Ask::web().scope("openid read offline_access");
    let tokens = there.tokens(&mailing.server, &ask).await;
    let sign_in = account(&mailing.server, &mut Browser::default()).await;
    let way = sign_in.elements.iter().find(|element| element.get("id") == "forgot-password").unwrap();
    assert_eq!(way.get("href"), "forgotten-password");
    let asked = mailing.forget(&mut Browser::default(), &format!(" {} ", EMAIL.to_uppercase())).await;
    assert!(asked.text.contains(SENT), "{}", asked.text);
    let [letter] = &mailing.letters().await[..] else { panic!("one letter") };
    assert_eq!((letter.to.as_str(), letter.from_name.as_str()), (EMAIL, "Lydian"));
    assert_eq!(letter.subject, "Choose a new password for Lydian");
    assert!(letter.text.contains("for 30 minutes"), "{}", letter.text);
    let page = mailing.open(&link_of(letter)).await;
    assert!(page.text.contains(ALICE), "{}", page.text);
    assert!(is_signed_in(&mailing.server, &mut there).await, "nothing has happened yet");
    let done = mailing.choose(&page, NEW_PASSWORD, NEW_PASSWORD).await;
    assert!(done.text.contains("Your password is changed."), "{}", done.text);
    assert!(!is_signed_in(&mailing.server, &mut there).await);
    mailing.server.introspect(AUDITOR, text(&tokens, "access_token")).await.inactive();
    mailing.server.introspect(WEB, text(&tokens, "refresh_token")).await.inactive();
    assert!(mailing.can_sign_in(NEW_PASSWORD).await && !mailing.can_sign_in(PASSWORD).await);
    let [notice] = &mailing.letters().await[..] else { panic!("one letter") };
    assert_eq!(
        (notice.to.as_str(), notice.subject.as_str()),
        (EMAIL, "Your password for Lydian was changed")
    );
}

#[tokio::test]
async fn looking_at_a_link_changes_nothing_however_often() {
    let mut mailing = Mailing::start().await;
    let mut browser = signed_in(&mailing.server, ALICE, PASSWORD).await;
    let reset = mailing.reset_link().await;
    mailing
        .server
        .apply(&format!("[[user]]\nusername = {BOB:?}\nprofile = {{ email = \"bob@b.example\" }}"))
        .await;
    let mut bob = signed_in(&mailing.server, BOB, PASSWORD).await;
    let address = mailing.address_link(&mut bob).await;
    let before = (mailing.user(ALICE).await, mailing.user(BOB).await);
    for link in [&reset, &address] {
        for method in ["GET", "HEAD", "GET"] {
            let reply = Request::of(method, link).send_unchecked(mailing.server.address()).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }
    assert_eq!((mailing.user(ALICE).await, mailing.user(BOB).await), before);
    assert!(is_signed_in(&mailing.server, &mut browser).await);
    let page = mailing.open(&reset).await;
    let done = mailing.choose(&page, NEW_PASSWORD, NEW_PASSWORD).await;
    assert!(done.text.contains("Your password is changed."), "{}", done.text);
}

#[tokio::test]
async fn a_reset_link_works_once() {
    let mut mailing = Mailing::start().await;
    let link = mailing.reset_link().await;
    let page = mailing.open(&link).await;
    for wrong in [
        ("short", "short"),
        (NEW_PASSWORD, "another horse"),
        ("password1", "password1"),
        ("alice1852", "alice1852"),
    ] {
        let page = mailing.choose(&page, wrong.0, wrong.1).await;
        assert!(page.problem.is_some() && page.offers("save-password"), "{}", page.text);
    }
    mailing.choose(&page, NEW_PASSWORD, NEW_PASSWORD).await;
    mailing.assert_dead(&link, &page, "it was used").await;
}

#[tokio::test]
async fn of_two_who_use_a_reset_link_at_once_one_has_chosen_the_password() {
    let mut mailing = Mailing::start().await;
    for round in 0..8 {
        mailing.server.advance_seconds(600);
        let link = mailing.reset_link().await;
        let page = mailing.open(&link).await;
        let names = [format!("first horse of {round}"), format!("second horse of {round}")];
        let (one, other) = tokio::join!(
            mailing.choose(&page, &names[0], &names[0]),
            mailing.choose(&page, &names[1], &names[1])
        );
        let done = [one, other].map(|page| page.text.contains("Your password is changed."));
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "round {round}: {done:?}");
        let winner = if done[0] { &names[0] } else { &names[1] };
        assert!(mailing.can_sign_in(winner).await);
        mailing.letters().await;
    }
}

#[tokio::test]
async fn a_reset_link_is_dead_after_any_change_and_after_half_an_hour() {
    let user = |change: &str| format!("[[user]]\nusername = {ALICE:?}\n{change}\n");
    for (what, document) in [
        ("the password was set", user("password = \"a password of an administrator\"")),
        ("the person was disabled", user("enabled = false")),
        ("the address was changed", user("profile = { email = \"new@mail.example.com\" }")),
    ] {
        let mut mailing = Mailing::start().await;
        let link = mailing.reset_link().await;
        let page = mailing.open(&link).await;
        mailing.server.apply(&document).await;
        mailing.assert_dead(&link, &page, what).await;
    }
    let mut mailing = Mailing::start().await;
    let (first, second) = (mailing.reset_link().await, mailing.reset_link().await);
    let page = mailing.open(&first).await;
    mailing.choose(&mailing.open(&second).await, NEW_PASSWORD, NEW_PASSWORD).await;
    mailing.assert_dead(&first, &page, "another link was used").await;

    let mut mailing = Mailing::start().await;
    let mut browser = signed_in(&mailing.server, ALICE, PASSWORD).await;
    let link = mailing.reset_link().await;
    let page = mailing.open(&link).await;
    let changed = change_password(&mailing.server, &mut browser, PASSWORD, NEW_PASSWORD, NEW_PASSWORD).await;
    assert_eq!(changed.problem, None);
    mailing.assert_dead(&link, &page, "the person changed the password").await;

    let mut mailing = Mailing::start().await;
    let link = mailing.reset_link().await;
    let page = mailing.open(&link).await;
    mailing.server.advance_seconds(1_799);
    assert_eq!(mailing.open(&link).await.reply.status, 200);
    mailing.server.advance_seconds(1);
    mailing.assert_dead(&link, &page, "half an hour is over").await;
}

/// The record alone may not bring a link back: the password is in it too.
#[tokio::test]
async fn a_reset_link_is_bound_to_the_password_and_to_the_generation_of_the_store() {
    use lydian_domain::PasswordHash;
    use lydian_test_kit::seed;
    let mut mailing = Mailing::start().await;
    let link = mailing.reset_link().await;
    let page = mailing.open(&link).await;
    let user = mailing.user(ALICE).await;
    let hash = Some(PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$dGFn".to_owned()));
    // As a restore or a repair by hand would leave it: another password under the same version.
    seed::put(&mailing.server, vec![seed::Write::PutUser(Box::new(User { password: hash, ..user }))]).await;
    mailing.assert_dead(&link, &page, "the password is another one").await;
}

#[tokio::test]
async fn a_link_for_one_purpose_realm_or_person_opens_nothing_else() {
    let mut mailing = Mailing::start().await;
    mailing.server.apply("[[realm]]\nname = \"acme\"\n").await;
    let reset = mailing.reset_link().await;
    let value = reset.split_once('=').unwrap().1.to_owned();
    let altered = format!("{}A", &value[..value.len() - 1]);
    for path in [
        format!("/oauth2/confirm-address?link={value}"),
        format!("/t/acme{reset}"),
        format!("/oauth2/reset-password?link={altered}"),
        "/oauth2/reset-password?link=".to_owned(),
        "/oauth2/reset-password".to_owned(),
        "/oauth2/confirm-address".to_owned(),
        format!("/oauth2/reset-password?link={}", "A".repeat(4_000)),
    ] {
        if altered == value && path.ends_with(&altered) {
            continue;
        }
        mailing.open(&path).await.refused(400, LINK_USED);
    }
    let page = mailing.open(&reset).await;
    let cross_site = page
        .form("save-password")
        .clone()
        .with("new_password", NEW_PASSWORD)
        .with("repeat_password", NEW_PASSWORD)
        .press("save-password")
        .header("sec-fetch-site", "cross-site");
    let refused = Browser::default().send(&mailing.server, cross_site).await;
    assert_eq!(refused.reply.status, 400);
    assert!(mailing.can_sign_in(PASSWORD).await);
}

#[tokio::test]
async fn nobody_learns_from_the_answer_or_the_work_for_it_who_has_an_account() {
    let plain = start().await;
    plain
        .apply("[[user]]\nusername = \"gone\"\nenabled = false\nprofile = { email = \"gone@b.example\" }\n")
        .await;
    let watched = WatchedStorage::over(Arc::clone(&plain.storage));
    let server = plain.through(Arc::clone(&watched) as Arc<_>);
    let mut errands = server.service.open_outbox().unwrap();
    let mut answers = Vec::new();
    for email in [EMAIL, "nobody@mail.example.com", "gone@b.example", "\"odd'--\"@[::1]", ALICE] {
        let mut browser = Browser::default();
        let page = browser.send(&server, Request::of("GET", FORGOTTEN)).await;
        let request = page.form("send-link").clone().with("email", email).press("send-link");
        let before = watched.asked();
        let page = browser.send(&server, request).await;
        assert_eq!(watched.asked(), before, "{email}: nothing is looked up before the answer");
        answers.push((page.reply.status, page.reply.text()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.1.contains(SENT)), "{answers:?}");
    let mut letters = Vec::new();
    while let Ok(errand) = errands.try_recv() {
        letters.push(server.service.write_letters(&errand).await.unwrap().len());
    }
    // Who signs in with an address as a name gets the letter at the address that is known.
    assert_eq!(letters, [1, 0, 0, 0, 1]);
}

#[tokio::test]
async fn people_who_share_an_address_get_a_letter_each_and_no_list_of_people_does() {
    let mut mailing = Mailing::start().await;
    let users: Vec<String> = (0..8)
        .map(|number| {
            format!("[[user]]\nusername = \"u{number}\"\npassword = \"{PASSWORD}\"\nprofile = {{ email = \"all@b.example\" }}\n")
        })
        .collect();
    mailing.server.apply(&users.concat()).await;
    mailing.forget(&mut Browser::default(), "ALL@b.example").await;
    let letters = mailing.letters().await;
    assert_eq!(letters.len(), 5);
    assert!(letters.iter().all(|letter| letter.to == "all@b.example"));
}

#[tokio::test]
async fn an_account_is_not_flooded_and_an_address_of_the_network_does_not_flood() {
    let mut mailing = Mailing::start().await;
    let mut sent = 0;
    for _ in 0..10 {
        assert!(mailing.forget(&mut Browser::default(), EMAIL).await.text.contains(SENT));
        sent += mailing.letters().await.len();
    }
    assert_eq!(sent, 3, "the answer is the same, and the mailbox is spared");
    let refused = mailing.forget(&mut Browser::default(), "somebody@else.example").await;
    assert_eq!(refused.reply.status, 429, "{}", refused.text);
    assert_eq!(mailing.errands.try_recv().ok(), None);
    mailing.server.advance_seconds(30);
    assert!(mailing.forget(&mut Browser::default(), EMAIL).await.text.contains(SENT));
    assert_eq!(mailing.letters().await.len(), 0, "the account waits longer");
    mailing.server.advance_seconds(600);
    mailing.forget(&mut Browser::default(), EMAIL).await;
    assert_eq!(mailing.letters().await.len(), 1);
}

#[tokio::test]
async fn a_full_queue_holds_no_request_up() {
    let mut mailing = Mailing::start().await;
    let address = mailing.server.address();
    for _ in 0..110 {
        mailing.server.advance_seconds(300);
        for _ in 0..10 {
            let mut browser = Browser::default();
            let page = mailing.forget(&mut browser, "nobody@mail.example.com").await;
            assert_eq!(page.reply.status, 200, "{address}");
        }
    }
    assert_eq!(mailing.server.service.errands_dropped(), 100);
    let mut waiting = 0;
    while mailing.errands.try_recv().is_ok() {
        waiting += 1;
    }
    assert_eq!(waiting, 1_000);
}

#[tokio::test]
async fn what_is_no_address_is_said_and_a_form_of_another_browser_is_refused() {
    let mut mailing = Mailing::start().await;
    let long = format!("{}@b.example", "a".repeat(250));
    for email in ["", "alice", "@b.example", "a@", "a b@c.example", &long] {
        let page = mailing.forget(&mut Browser::default(), email).await;
        assert_eq!(page.problem.as_deref(), Some("This is not an email address."), "{email}");
    }
    let page = Browser::default().send(&mailing.server, Request::of("GET", FORGOTTEN)).await;
    let request = page.form("send-link").clone().with("email", EMAIL).press("send-link");
    let stranger = Browser::default().send(&mailing.server, request.clone()).await;
    assert_eq!(stranger.reply.status, 400);
    let mut other = signed_in(&mailing.server, ALICE, PASSWORD).await;
    assert_eq!(other.send(&mailing.server, request).await.reply.status, 400);
    assert!(mailing.errands.try_recv().is_err());
}

#[tokio::test]
async fn without_mail_the_page_says_whom_to_ask_and_an_administrators_link_does_the_same() {
    let server = start().await;
    let mut browser = Browser::default();
    let page = browser.send(&server, Request::of("GET", FORGOTTEN)).await;
    assert!(page.text.contains("Please ask those who look after your account."), "{}", page.text);
    let mut alice = signed_in(&server, ALICE, PASSWORD).await;
    assert!(!account(&server, &mut alice).await.offers("send-address-link"));
    let name = RecordName { kind: Kind::User, realm: None, name: ALICE.to_owned() };
    let made = server.service.make_reset_link(&name).await.unwrap();
    let link = made.link.expose().strip_prefix(ISSUER).unwrap().to_owned();
    let page = browser.send(&server, Request::of("GET", &link)).await;
    let form = page.form("save-password").clone();
    let form = form.with("new_password", NEW_PASSWORD).with("repeat_password", NEW_PASSWORD);
    let done = browser.send(&server, form.press("save-password")).await;
    assert!(done.text.contains("Your password is changed."), "{}", done.text);
    let _ = signed_in(&server, ALICE, NEW_PASSWORD).await;
}

async fn claims(server: &TestServer) -> (serde_json::Value, serde_json::Value) {
    let ask = Ask::web().scope("openid email read");
    let mut browser = Browser::default();
    let code = browser.go(server, &ask, BOB).await.code();
    let tokens = server.send(ask.redeem(&code)).await.json();
    let userinfo = Request::of("GET", "/oauth2/userinfo").bearer(text(&tokens, "access_token"));
    let told = server.send(userinfo).await.json();
    (told["email"].clone(), told["email_verified"].clone())
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_link_and_another_one_is_unconfirmed() {
    let mut mailing = Mailing::start().await;
    let bob = |email: &str| format!("[[user]]\nusername = {BOB:?}\nprofile = {{ email = {email:?} }}\n");
    mailing.server.apply(&bob("bob@b.example")).await;
    assert_eq!(claims(&mailing.server).await, ("bob@b.example".into(), false.into()));
    let mut browser = signed_in(&mailing.server, BOB, PASSWORD).await;
    let page = account(&mailing.server, &mut browser).await;
    assert!(page.text.contains("bob@b.example") && page.text.contains("Not confirmed yet"), "{}", page.text);
    let link = mailing.address_link(&mut browser).await;
    let asks = mailing.open(&link).await;
    assert!(asks.text.contains("bob@b.example"), "{}", asks.text);
    assert_eq!(claims(&mailing.server).await.1, false);
    for _ in 0..2 {
        let done = mailing.confirm(&asks).await;
        assert!(done.text.contains("Your email address is confirmed."), "{}", done.text);
    }
    assert_eq!(claims(&mailing.server).await, ("bob@b.example".into(), true.into()));
    let page = account(&mailing.server, &mut browser).await;
    assert!(page.text.contains("Confirmed") && !page.offers("send-address-link"), "{}", page.text);
    // The same document again leaves what the person did; another address begins anew.
    mailing.server.apply(&bob("bob@b.example")).await;
    assert_eq!(claims(&mailing.server).await.1, true);
    mailing.server.apply(&bob("other@b.example")).await;
    assert_eq!(claims(&mailing.server).await, ("other@b.example".into(), false.into()));
    mailing.open(&link).await.refused(400, LINK_USED);
    mailing.confirm(&asks).await.refused(400, LINK_USED);
    assert_eq!(claims(&mailing.server).await.1, false);
}

#[tokio::test]
async fn links_to_confirm_an_address_are_limited_and_end_after_a_day() {
    let mut mailing = Mailing::start().await;
    mailing
        .server
        .apply(&format!("[[user]]\nusername = {BOB:?}\nprofile = {{ email = \"b@b.example\" }}\n"))
        .await;
    let mut browser = signed_in(&mailing.server, BOB, PASSWORD).await;
    let link = mailing.address_link(&mut browser).await;
    let page = mailing.open(&link).await;
    let account = account(&mailing.server, &mut browser).await;
    let mut sent = 0;
    for _ in 0..5 {
        browser.press(&mailing.server, &account, "send-address-link").await.unwrap();
        sent += mailing.letters().await.len();
    }
    assert_eq!(sent, 2, "three with the first one");
    mailing.server.advance_seconds(86_399);
    assert_eq!(mailing.open(&link).await.reply.status, 200);
    mailing.server.advance_seconds(1);
    mailing.open(&link).await.refused(400, LINK_USED);
    mailing.confirm(&page).await.refused(400, LINK_USED);
}

#[tokio::test]
async fn mail_speaks_the_language_of_the_page_and_in_the_name_of_the_realm() {
    let mut mailing = Mailing::start().await;
    mailing.server.apply("[[realm]]\nname = \"default\"\nbrand_name = \"Harbour\"\n").await;
    let mut browser = Browser::default();
    let german = Request::of("GET", FORGOTTEN).header("accept-language", "de");
    let page = browser.send(&mailing.server, german).await;
    let form = page.form("send-link").clone().with("email", EMAIL);
    let done = browser.send(&mailing.server, form.press("send-link").header("accept-language", "de")).await;
    assert!(done.text.contains("Sehen Sie in Ihr Postfach."), "{}", done.text);
    let [letter] = &mailing.letters().await[..] else { panic!("one letter") };
    let names = (letter.subject.as_str(), letter.from_name.as_str());
    assert_eq!(names, ("Ein neues Passwort für Harbour wählen", "Harbour"));
    assert!(letter.text.contains("30 Minuten"), "{}", letter.text);
}

#[tokio::test]
async fn an_errand_for_nobody_or_for_a_realm_that_is_gone_writes_no_letter() {
    use lydian_domain::RealmId;
    use lydian_pages::Language;
    use lydian_service::mail::Recipient;
    let mailing = Mailing::start().await;
    let realm = mailing.server.realm(None).realm.id;
    let alice = mailing.user(ALICE).await.id;
    let bob = mailing.user(BOB).await.id;
    for (realm, user) in [(realm, UserId::from_number(1)), (RealmId::from_number(77), alice), (realm, bob)] {
        let to = Recipient { realm, user, language: Language::English };
        for errand in [Errand::PasswordChanged(to), Errand::ConfirmAddress(to)] {
            assert_eq!(mailing.server.service.write_letters(&errand).await.unwrap(), []);
        }
    }
}
