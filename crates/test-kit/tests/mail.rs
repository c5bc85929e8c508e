//! Mail goes to a real receiver over SMTP: protected, signed in, tried again, and never where it should not.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::sync::Arc;

use lydian_primitives::{Clock, Mint, SystemEntropy};
use lydian_server::listener::Shutdown;
use lydian_server::mail::mailer::{Mailer, Undelivered};
use lydian_server::mail::{MailConfig, MailTls, postman};
use lydian_service::mail::Letter;
use lydian_test_kit::fixtures::ISSUER;
use lydian_test_kit::mail_server::{MailServer, Way};
use lydian_test_kit::{Request, TestServer};

const PASSWORD: &str = "a password of the mail server";

fn config(receiver: &MailServer, tls: MailTls) -> MailConfig {
    MailConfig {
        ca_file: (tls != MailTls::InsecurePlain).then(|| receiver.certificate_file()),
        from: Some("no-reply@example.com".parse().unwrap()),
        host: "localhost".to_owned(),
        port: receiver.port,
        tls,
        ..MailConfig::default()
    }
}

fn with_password(config: MailConfig, directory: &tempfile::TempDir) -> MailConfig {
    let path = directory.path().join("password");
    std::fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    MailConfig { username: "lydian".to_owned(), password_file: Some(path), ..config }
}

fn mailer(config: &MailConfig) -> Arc<Mailer> {
    Mailer::open(config, "login.example.com").unwrap().unwrap()
}

fn letter(server: &TestServer, to: &str) -> Letter {
    server.service.test_letter(to.to_owned())
}

async fn send(server: &TestServer, mailer: &Mailer, to: &str) -> Result<(), Undelivered> {
    mailer.send(&letter(server, to), &Mint::new(server.clock.now(), &SystemEntropy)).await
}

#[tokio::test]
async fn mail_goes_over_tls_in_both_ways_with_the_password_of_the_mail_server() {
    let server = TestServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    for (way, tls) in [(Way::Tls, MailTls::Required), (Way::StartTls, MailTls::StartTls)] {
        let receiver = MailServer::start(way);
        receiver.want_password(PASSWORD);
        let mailer = mailer(&with_password(config(&receiver, tls), &directory));
        send(&server, &mailer, "marit@harbour.example").await.unwrap();
        let mail = receiver.next_mail();
        assert_eq!(
            (mail.from.as_str(), &mail.to[..]),
            ("no-reply@example.com", &["marit@harbour.example".to_owned()][..])
        );
        assert!(mail.over_tls, "{way:?}");
        assert_eq!(mail.signed_in, Some(("lydian".to_owned(), PASSWORD.to_owned())));
        assert!(mail.text().contains("Mail from Lydian arrives here."), "{}", mail.text());
        assert_eq!(receiver.said()[0], "EHLO login.example.com");
        assert_eq!(mailer.counts(), (1, 0));
    }
    let receiver = MailServer::start(Way::Plain);
    send(&server, &mailer(&config(&receiver, MailTls::InsecurePlain)), "a@b.example").await.unwrap();
    assert!(!receiver.next_mail().over_tls);
}

#[tokio::test]
async fn without_the_tls_that_is_asked_for_neither_mail_nor_password_is_sent() {
    let server = TestServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let other = MailServer::start(Way::Tls);
    for (way, tls) in [
        // Somebody on the way took the offer of STARTTLS out.
        (Way::Plain, MailTls::StartTls),
        (Way::Plain, MailTls::Required),
        // The certificate is another one.
        (Way::Tls, MailTls::Required),
        (Way::StartTls, MailTls::StartTls),
    ] {
        let receiver = MailServer::start(way);
        let config = MailConfig { ca_file: Some(other.certificate_file()), ..config(&receiver, tls) };
        let refused = send(&server, &mailer(&with_password(config, &directory)), "a@b.example").await;
        assert!(matches!(refused, Err(Undelivered::Later(_))), "{way:?}: {refused:?}");
        let said = receiver.said();
        assert!(!said.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{said:?}");
        assert!(!receiver.has_mail(), "{way:?}");
    }
}

#[tokio::test]
async fn answers_that_were_sent_before_tls_move_no_password_and_no_mail_out_of_it() {
    let server = TestServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let receiver = MailServer::start(Way::StartTlsWithInjection);
    let mailer = mailer(&with_password(config(&receiver, MailTls::StartTls), &directory));
    let outcome = send(&server, &mailer, "a@b.example").await;
    // The library takes what was injected for answers: who is on the way can pretend that a mail was taken, and no more. It is one reason
    // why `mail_tls = "required"` is the default.
    assert_eq!(outcome, Ok(()));
    // Whether the mail arrives is the race that the injection begins; that nothing is said in the open is not.
    let said = receiver.said();
    let in_the_open: Vec<&String> = said.iter().take_while(|line| *line != "STARTTLS").collect();
    assert_eq!(in_the_open, ["EHLO login.example.com"]);
}

#[tokio::test]
async fn what_the_mail_server_refuses_for_good_is_told_from_what_may_go_later() {
    let server = TestServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let receiver = MailServer::start(Way::Tls);
    let good = mailer(&config(&receiver, MailTls::Required));
    receiver.refuse_recipients(&["451 later", "550 no such mailbox"]);
    for expected in ["451", "550"] {
        let refused = send(&server, &good, "a@b.example").await.unwrap_err();
        assert_eq!(matches!(refused, Undelivered::Never(_)), expected == "550", "{refused:?}");
        assert!(refused.to_string().contains(expected), "{refused}");
        let finding = good.examine();
        assert!(finding.remedy.is_some() && finding.finding.contains(expected), "{finding:?}");
    }
    send(&server, &good, "a@b.example").await.unwrap();
    assert_eq!((good.examine().remedy, good.counts()), (None, (1, 2)));
    // A wrong password is for the operator to mend: the letter is not lost meanwhile.
    receiver.want_password("another");
    let wrong = mailer(&with_password(config(&receiver, MailTls::Required), &directory));
    let refused = send(&server, &wrong, "a@b.example").await.unwrap_err();
    assert!(matches!(refused, Undelivered::Later(_)), "{refused:?}");
    let nowhere = MailConfig { port: 1, ..config(&receiver, MailTls::Required) };
    let refused = send(&server, &mailer(&nowhere), "a@b.example").await.unwrap_err();
    assert!(matches!(refused, Undelivered::Later(_)), "{refused:?}");
}

#[tokio::test]
async fn a_letter_that_is_not_taken_at_once_arrives_later_and_no_request_waits_for_it() {
    let server = TestServer::start().await;
    server.apply("[[user]]\nusername = \"marit\"\npassword = \"a ship in the harbour\"\nprofile = { email = \"marit@harbour.example\" }\n").await;
    let receiver = MailServer::start(Way::Tls);
    receiver.refuse_recipients(&["451 later"]);
    let errands = server.service.open_outbox().unwrap();
    assert!(server.service.open_outbox().is_none(), "one delivers");
    let (shutdown, signal) = Shutdown::new();
    let mailer = mailer(&config(&receiver, MailTls::Required));
    let delivery =
        tokio::spawn(postman::deliver(Arc::clone(&server.service), Arc::clone(&mailer), errands, signal));
    let page = Request::of("GET", "/oauth2/forgotten-password").send_unchecked(server.address()).await;
    let text = page.text();
    let flow = text.split("name=\"flow\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let mark = page.headers("set-cookie")[0].split(';').next().unwrap().to_owned();
    let asked = Request::post("/oauth2/forgotten-password")
        .header("cookie", &mark)
        .parameter("flow", flow)
        .parameter("email", "marit@harbour.example");
    let told = asked.send_unchecked(server.address()).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let mail = tokio::task::spawn_blocking(move || (receiver.next_mail(), receiver)).await.unwrap();
    let (mail, receiver) = mail;
    assert_eq!(receiver.clients(), 2, "it was tried twice");
    assert!(mail.link(ISSUER).contains("/oauth2/reset-password?link="), "{}", mail.text());
    shutdown.signal();
    delivery.await.unwrap();
    assert_eq!(mailer.counts(), (1, 1));
}
