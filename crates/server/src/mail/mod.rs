//! Delivery of mail by SMTP: what an operator sets, how one letter is sent ([`mailer`]), and the queue with its retries ([`postman`]).

pub mod mailer;
pub mod postman;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;

pub use mailer::{Mailer, MailerError};

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    InsecurePlain,
    /// TLS from the first byte (RFC 8314 §3.3).
    #[default]
    Required,
    /// TLS after STARTTLS, and nothing without it (RFC 3207).
    StartTls,
}

impl MailTls {
    /// Its word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InsecurePlain => "insecure_plain",
            Self::Required => "required",
            Self::StartTls => "starttls",
        }
    }

    /// The port that is used when none is named.
    pub const fn port(self) -> u16 {
        match self {
            Self::InsecurePlain => 25,
            Self::Required => 465,
            Self::StartTls => 587,
        }
    }
}

/// What an operator sets.
#[derive(Clone, Debug, Default)]
pub struct MailConfig {
    /// Certificates to trust, and no others; those of the system when absent.
    pub ca_file: Option<PathBuf>,
    /// The sender.
    pub from: Option<Mailbox>,
    /// The mail server; nothing is sent without one.
    pub host: String,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// Its port; that of `tls` when zero.
    pub port: u16,
    /// How the way is protected.
    pub tls: MailTls,
    /// Who signs in at the mail server.
    pub username: String,
}

impl MailConfig {
    /// Whether mail is sent.
    pub fn is_set(&self) -> bool {
        !self.host.is_empty()
    }

    /// What is wrong between the keys.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |text: &str| faults.push(text.to_owned());
        let others = self.from.is_some()
            || !self.username.is_empty()
            || self.password_file.is_some()
            || self.ca_file.is_some()
            || self.port != 0;
        if !self.is_set() {
            if others {
                fault(
                    "mail_host: other mail keys are set and this one is not; name the mail server, or leave all of them out",
                );
            }
            return faults;
        }
        if self.from.is_none() {
            fault("mail_from: name the sender, such as no-reply@example.com");
        }
        if self.username.is_empty() != self.password_file.is_none() {
            fault("mail_username, mail_password_file: give both, or neither");
        }
        if self.tls == MailTls::InsecurePlain {
            if self.ca_file.is_some() {
                fault(
                    "mail_ca_file: with mail_tls = \"insecure_plain\" no certificate is looked at; leave one of them out",
                );
            }
            if !self.username.is_empty() && !self.is_of_this_machine() {
                fault(
                    "mail_tls: the password would cross the network readable; use \"required\" or \"starttls\"",
                );
            }
        }
        faults
    }

    fn is_of_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        if self.port == 0 { self.tls.port() } else { self.port }
    }
}

impl fmt::Display for MailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.host, self.port(), self.tls.name())?;
        match &self.from {
            Some(from) => write!(f, " as {}", from.email),
            None => Ok(()),
        }
    }
}
