//! The mails that people get: a subject, a plain text, and the same as simple HTML.
//!
//! As pages do, they say what the caller fills in and nothing else. There is no picture and no address in them but the link, so that
//! reading one tells nobody anything.

use askama::Template;

use crate::language::{Language, MailText, Messages};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind<'a> {
    /// The person is asked to confirm the address.
    ConfirmAddress {
        /// Where it does so.
        link: &'a str,
        /// For how long the link works.
        hours: u64,
    },
    /// The password was changed.
    PasswordChanged,
    /// The person may choose a new password.
    ResetPassword {
        /// Where it does so.
        link: &'a str,
        /// For how long the link works.
        minutes: u64,
    },
    /// An administrator tries the settings.
    Test,
}

/// A mail to a person.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The language of the mail.
    pub language: Language,
    /// The name that people know, as on the pages.
    pub brand_name: &'a str,
    /// To whom it speaks; nobody by name when it is absent.
    pub username: Option<&'a str>,
    /// What it is about.
    pub kind: MailKind<'a>,
}

/// What both forms of a mail are made of.
struct Parts<'a> {
    language: Language,
    t: &'static Messages,
    subject: String,
    greeting: String,
    intro: String,
    /// The text of the link, and its address.
    link: Option<(&'static str, &'a str)>,
    validity: Option<String>,
    otherwise: &'static str,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a>(&'a Parts<'a>);

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a>(&'a Parts<'a>);

impl<'a> Mail<'a> {
    /// The subject, on one line.
    pub fn subject(&self) -> String {
        one_line(&self.words().subject.fill(self.brand_name))
    }

    /// The plain text.
    pub fn text(&self) -> String {
        Text(&self.parts()).render().expect("strings print themselves")
    }

    /// The same as HTML.
    pub fn html(&self) -> String {
        Html(&self.parts()).render().expect("strings print themselves")
    }

    fn words(&self) -> MailText {
        (self.language.messages().mail_of)(self.kind)
    }

    fn parts(&self) -> Parts<'a> {
        let (t, words) = (self.language.messages(), self.words());
        let (link, number) = match self.kind {
            MailKind::ConfirmAddress { link, hours } => (Some(link), hours),
            MailKind::ResetPassword { link, minutes } => (Some(link), minutes),
            MailKind::PasswordChanged | MailKind::Test => (None, 0),
        };
        Parts {
            language: self.language,
            t,
            subject: self.subject(),
            greeting: self
                .username
                .map_or(t.mail_greeting_to_nobody.to_owned(), |name| one_line(&t.mail_greeting.fill(name))),
            intro: one_line(&words.intro.fill(self.brand_name)),
            link: words.action.zip(link),
            validity: words.validity.map(|validity| validity.fill(number)),
            otherwise: words.otherwise,
        }
    }
}

/// The text without what would begin a new line, or a new header.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://login.example/oauth2/reset-password?link=abc";

    fn kinds() -> [MailKind<'static>; 4] {
        [
            MailKind::ConfirmAddress { link: LINK, hours: 24 },
            MailKind::PasswordChanged,
            MailKind::ResetPassword { link: LINK, minutes: 30 },
            MailKind::Test,
        ]
    }

    fn each(brand_name: &str, username: Option<&str>, ask: impl Fn(Mail<'_>)) {
        for language in Language::ALL {
            for kind in kinds() {
                ask(Mail { language, brand_name, username, kind });
            }
        }
    }

    #[test]
    fn both_forms_name_the_house_and_the_person_and_carry_the_link() {
        each("Harbour Town", Some("marit@harbour.example"), |mail| {
            assert!(mail.subject().contains("Harbour Town"), "{mail:?}");
            for form in [mail.text(), mail.html()] {
                assert!(form.contains("Harbour Town"), "{form}");
                assert!(form.contains("marit@harbour.example"), "{form}");
                let links =
                    matches!(mail.kind, MailKind::ConfirmAddress { .. } | MailKind::ResetPassword { .. });
                assert_eq!(form.contains(LINK), links, "{form}");
            }
            assert!(mail.text().lines().all(|line| line.len() < 998), "RFC 5322 §2.1.1");
            assert!(mail.html().contains(&format!("lang=\"{}\"", mail.language.tag())));
        });
    }

    #[test]
    fn the_link_stands_alone_on_its_line_of_the_plain_text() {
        each("Harbour Town", None, |mail| {
            if let MailKind::ResetPassword { link, .. } = mail.kind {
                assert!(mail.text().lines().any(|line| line == link), "{}", mail.text());
            }
        });
    }

    #[test]
    fn no_name_becomes_a_header_a_line_or_markup() {
        let hostile = "x\r\nBcc: all@example.com\u{2028}<script>\"'&";
        each(hostile, Some(hostile), |mail| {
            assert!(!mail.subject().contains(['\r', '\n']), "{:?}", mail.subject());
            assert!(!mail.text().lines().any(|line| line.starts_with("Bcc")), "{}", mail.text());
            assert!(!mail.html().contains("<script"), "{}", mail.html());
        });
    }

    #[test]
    fn nothing_in_a_mail_is_loaded_from_anywhere() {
        each("Harbour Town", None, |mail| {
            for word in ["src=", "<img", "<link", "url(", "<script"] {
                assert!(!mail.html().contains(word), "{word} in {}", mail.html());
            }
        });
    }
}
