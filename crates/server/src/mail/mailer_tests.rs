//! Tests of `mailer`: what goes over the wire, and what an operator is told. Delivery itself is tested against a receiver elsewhere.

use lydian_primitives::{SystemEntropy, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn config() -> MailConfig {
    MailConfig {
        from: Some("no-reply@example.com".parse().unwrap()),
        host: "mail.example.com".to_owned(),
        ..MailConfig::default()
    }
}

fn letter(to: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        from_name: "Hafen Größe".to_owned(),
        subject: "Ein neues Passwort für Hafen".to_owned(),
        text: "Guten Tag,\n\nhttps://login.example/oauth2/reset-password?link=abc\n".to_owned(),
        html: "<p>Größe</p>".to_owned(),
        good_until: NOW.plus_seconds(60),
    }
}

fn written(letter: &Letter) -> Result<String, Undelivered> {
    let mailer = Mailer::open(&config(), "login.example.com").unwrap().unwrap();
    let message = mailer.message(letter, &Mint::new(NOW, &SystemEntropy))?;
    Ok(String::from_utf8(message.formatted()).unwrap())
}

fn headers(message: &str) -> Vec<(&str, String)> {
    let head = message.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let mut headers: Vec<(&str, String)> = Vec::new();
    for line in Box::leak(head.into_boxed_str()).split("\r\n") {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no header"));
        headers.push((name, value.to_owned()));
    }
    headers
}

#[test]
fn a_mail_has_both_forms_and_the_headers_that_it_needs() {
    let message = written(&letter("marit@harbour.example")).unwrap();
    let headers = headers(&message);
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    for name in
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name} in {names:?}");
    }
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(message.contains("To: marit@harbour.example\r\n"), "{message}");
    assert!(message.contains("<no-reply@example.com>\r\n"), "{message}");
    assert!(message.contains("Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"), "{message}");
    assert!(message.contains("text/plain") && message.contains("text/html"), "{message}");
    assert!(message.is_ascii() && message.lines().all(|line| line.len() <= 998), "{message}");
    assert_ne!(message, written(&letter("marit@harbour.example")).unwrap(), "each has an id of its own");
}

#[test]
fn nothing_that_stands_in_a_record_begins_a_header_or_another_recipient() {
    let hostile = "x\r\nBcc: all@example.com\r\n\r\nbody\u{0}\u{85}\u{2028}";
    let message = written(&Letter {
        from_name: hostile.to_owned(),
        subject: hostile.to_owned(),
        text: format!("{hostile}\r\n.\r\nMAIL FROM:<x@y.example>"),
        ..letter("marit@harbour.example")
    })
    .unwrap();
    let headers = headers(&message);
    assert_eq!(headers.len(), 8, "{headers:?}");
    assert!(headers.iter().all(|(name, _)| *name != "Bcc"), "{headers:?}");
    for address in [
        "marit@harbour.example\r\nBcc: all@example.com",
        "marit@harbour.example, all@example.com",
        "marit@harbour.example>\r\nRCPT TO:<all@example.com",
        "marit",
        "",
        "@",
        "a b@c.example",
    ] {
        let refused = written(&letter(address)).unwrap_err();
        assert_eq!(
            refused,
            Undelivered::Never("the record holds no address that can be used".to_owned()),
            "{address:?}"
        );
    }
}

#[test]
fn what_an_operator_set_wrongly_is_said_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let absent = directory.path().join("absent");
    let with_password =
        |path: PathBuf| MailConfig { username: "lydian".to_owned(), password_file: Some(path), ..config() };
    let with_ca = |path: PathBuf| MailConfig { ca_file: Some(path), ..config() };
    for (config, said) in [
        (with_password(absent.clone()), "No such file"),
        (with_password(file("empty", "\n")), "there is no password in it"),
        (with_password(file("two", "a\nb\n")), "one line"),
        (with_ca(absent), "No such file"),
        (with_ca(file("ca", "no certificate")), "there is no PEM certificate in it"),
    ] {
        let error = Mailer::open(&config, "localhost").err().expect(said).to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(Mailer::open(&MailConfig::default(), "localhost").unwrap().is_none());
    let good = with_password(file("good", "secret\r\n"));
    assert!(Mailer::open(&good, "localhost").unwrap().is_some());
}
