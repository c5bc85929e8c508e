//! One letter to the mail server, over TLS by rustls. What is sent is built by a library that knows the rules of headers, of values that hold
//! no line ends.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, Tls, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use lydian_primitives::{Mint, base64url, limits};
use lydian_service::administration::examination::Finding;
use lydian_service::mail::Letter;
use parking_lot::Mutex;

use super::{MailConfig, MailTls};

/// How long one answer of the mail server may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest password of a mail server, in bytes.
const PASSWORD_BYTES_MAX: usize = 4_096;

/// How much is kept of what a mail server said.
const SAID_CHARACTERS_MAX: usize = 300;

/// Answers of the mail server that say that our sign-in is wrong (RFC 4954 §6): an operator may mend it, and the letter waits.
const SIGN_IN_REFUSED: [u16; 4] = [530, 534, 535, 538];

/// Why no mail can be sent as it is configured.
#[derive(Debug)]
pub enum MailerError {
    /// A file cannot be used.
    File(PathBuf, String),
    /// The TLS library does not take the certificates or the name.
    Tls(lettre::transport::smtp::Error),
}

impl fmt::Display for MailerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, what) => write!(f, "mail: {}: {what}", path.display()),
            Self::Tls(_) => f.write_str("mail: TLS to the mail server cannot be prepared"),
        }
    }
}

impl std::error::Error for MailerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(..) => None,
            Self::Tls(error) => Some(error),
        }
    }
}

/// Why a letter was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It may be tried again.
    Later(String),
    /// It will never be taken.
    Never(String),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(what) | Self::Never(what) => f.write_str(what),
        }
    }
}

/// Sends letters.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    place: String,
    sent: AtomicU64,
    failed: AtomicU64,
    last_failure: Mutex<Option<String>>,
}

impl Mailer {
    /// Reads the files and prepares TLS; nothing is sent. `None` when no mail is configured. `own_host` is how we greet the mail server.
    ///
    /// # Errors
    ///
    /// [`MailerError`] by cause.
    pub fn open(config: &MailConfig, own_host: &str) -> Result<Option<Arc<Self>>, MailerError> {
        let Some(from) = config.from.clone().filter(|_| config.is_set()) else {
            return Ok(None);
        };
        let tls = match config.tls {
            MailTls::InsecurePlain => Tls::None,
            MailTls::Required => Tls::Wrapper(tls_parameters(config)?),
            MailTls::StartTls => Tls::Required(tls_parameters(config)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port())
            .tls(tls)
            .hello_name(ClientId::Domain(own_host.to_owned()))
            .timeout(Some(COMMAND_TIMEOUT));
        if let Some(file) = &config.password_file {
            builder = builder.credentials(Credentials::new(config.username.clone(), read_password(file)?));
        }
        Ok(Some(Arc::new(Self {
            transport: builder.build(),
            from,
            place: config.to_string(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_failure: Mutex::new(None),
        })))
    }

    /// Hands a letter to the mail server, once.
    ///
    /// # Errors
    ///
    /// [`Undelivered`].
    pub async fn send(&self, letter: &Letter, mint: &Mint<'_>) -> Result<(), Undelivered> {
        let outcome = self.try_send(letter, mint).await;
        match &outcome {
            Ok(()) => {
                self.sent.fetch_add(1, Ordering::Relaxed);
                if self.last_failure.lock().take().is_some() {
                    tracing::info!("mail is delivered again");
                }
            }
            Err(undelivered) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let before = self.last_failure.lock().replace(undelivered.to_string());
                // Once for each time that it begins: a mail server that is down fills no log.
                if before.is_none() {
                    tracing::warn!(error = %undelivered, "a mail was not delivered");
                }
            }
        }
        outcome
    }

    async fn try_send(&self, letter: &Letter, mint: &Mint<'_>) -> Result<(), Undelivered> {
        let message = self.message(letter, mint)?;
        let sent = tokio::time::timeout(limits::MAIL_SEND_TIMEOUT, self.transport.send(message)).await;
        match sent {
            Err(_) => Err(Undelivered::Later("the mail server takes too long".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let text = said(&error);
                let is_ours = error.status().is_some_and(|code| SIGN_IN_REFUSED.contains(&u16::from(code)));
                if error.is_permanent() && !is_ours {
                    Err(Undelivered::Never(text))
                } else {
                    Err(Undelivered::Later(text))
                }
            }
        }
    }

    /// The letter as it goes over the wire.
    fn message(&self, letter: &Letter, mint: &Mint<'_>) -> Result<Message, Undelivered> {
        let never = |what: &str| Undelivered::Never(what.to_owned());
        let to: Address =
            letter.to.parse().map_err(|_| never("the record holds no address that can be used"))?;
        let name = self.from.name.clone().unwrap_or_else(|| letter.from_name.clone());
        let from = Mailbox::new(Some(without_controls(&name)), self.from.email.clone());
        let random = || base64url::encode(&mint.bytes::<18>());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(mint.now().as_unix_seconds());
        let parts = MultiPart::alternative()
            .boundary(random())
            .singlepart(SinglePart::plain(letter.text.clone()))
            .singlepart(SinglePart::html(letter.html.clone()));
        let own =
            |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        Message::builder()
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(without_controls(&letter.subject))
            .date(now)
            .message_id(Some(format!("<{}@{}>", random(), self.from.email.domain())))
            // No machine is to answer (RFC 3834 §5), and no program that copies mail around is to keep the link.
            .raw_header(own("Auto-Submitted", "auto-generated"))
            .multipart(parts)
            .map_err(|_| never("the letter cannot be written as a mail"))
    }

    /// How many letters the mail server took, and how often one was not taken.
    pub fn counts(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// What there is to be found.
    pub fn examine(&self) -> Finding {
        let place = &self.place;
        match &*self.last_failure.lock() {
            None => Finding::well("mail", format!("goes through {place}")),
            Some(failure) => Finding::warning(
                "mail",
                format!("goes through {place}, and the last one did not: {failure}"),
                "lydian mail test ADDRESS tries it; look at the mail keys of the configuration, and at the mail server",
            ),
        }
    }
}

/// What is found where no mail is configured.
pub fn examine_nothing() -> Finding {
    Finding::well("mail", "is not configured: administrators help people who forgot their password")
}

fn tls_parameters(config: &MailConfig) -> Result<TlsParameters, MailerError> {
    let mut builder = TlsParametersBuilder::new(config.host.clone());
    if let Some(file) = &config.ca_file {
        let unusable = |what: String| MailerError::File(file.clone(), what);
        let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
        let no_certificate = || unusable("there is no PEM certificate in it".to_owned());
        if !pem.windows(11).any(|window| window == b"-----BEGIN ") {
            return Err(no_certificate());
        }
        let certificates = Certificate::from_pem(&pem).map_err(|_| no_certificate())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    builder.build().map_err(MailerError::Tls)
}

fn read_password(file: &std::path::Path) -> Result<String, MailerError> {
    let unusable = |what: &str| MailerError::File(file.to_owned(), what.to_owned());
    let text = std::fs::read_to_string(file).map_err(|error| unusable(&error.to_string()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(unusable("there is no password in it"));
    }
    if password.len() > PASSWORD_BYTES_MAX || password.contains(['\r', '\n', '\0']) {
        return Err(unusable("a password is one line of at most 4096 bytes"));
    }
    Ok(password.to_owned())
}

/// What a mail server said, with its causes, as a terminal may show it.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    without_controls(&text).chars().take(SAID_CHARACTERS_MAX).collect()
}

fn without_controls(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
#[path = "mailer_tests.rs"]
mod tests;
