//! A mail server that speaks SMTP on a free port (RFC 5321, STARTTLS, AUTH PLAIN), keeps what it gets, and misbehaves when a test says so.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a test waits for a mail, and the server for a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Without TLS, and without an offer of it.
    Plain,
    /// TLS from the first byte.
    Tls,
    /// TLS after STARTTLS.
    StartTls,
    /// As somebody on the way would make it: the answer to STARTTLS is followed by answers that nobody asked for.
    StartTlsWithInjection,
}

/// What the server got in one transaction.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body.
    pub data: String,
    /// Whether it came over TLS.
    pub over_tls: bool,
    /// User and password of the client.
    pub signed_in: Option<(String, String)>,
}

impl ReceivedMail {
    /// The plain text, decoded.
    pub fn text(&self) -> String {
        let boundary = self.data.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next());
        let boundary = format!("--{}", boundary.expect("the mail has parts"));
        let part = self.data.split(&boundary).find(|part| part.contains("text/plain")).expect("a plain part");
        let (head, body) = part.split_once("\r\n\r\n").expect("a part has a head");
        if head.contains("quoted-printable") {
            unquoted(body)
        } else if head.contains("base64") {
            let packed: String = body.split_ascii_whitespace().collect();
            String::from_utf8(STANDARD.decode(packed).expect("base64")).expect("UTF-8")
        } else {
            body.to_owned()
        }
    }

    /// The address in the text that begins so.
    pub fn link(&self, beginning: &str) -> String {
        let text = self.text();
        let line = text.lines().map(str::trim).find(|line| line.starts_with(beginning));
        line.unwrap_or_else(|| panic!("no {beginning} in {text}")).to_owned()
    }
}

fn unquoted(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'=' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let digits = std::str::from_utf8(&digits).expect("two digits");
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// What the server does beside what it should.
#[derive(Debug, Default)]
struct Mood {
    /// Answers that it gives to the next recipients instead of "yes".
    to_recipients: Vec<&'static str>,
    /// The one password that is right.
    password: Option<&'static str>,
    /// How many clients came.
    clients: usize,
    /// What clients said, but for mails.
    said: Vec<String>,
}

/// A mail server.
pub struct MailServer {
    /// Its port on 127.0.0.1 and `localhost`.
    pub port: u16,
    certificate: String,
    mails: Mutex<Receiver<ReceivedMail>>,
    mood: Arc<Mutex<Mood>>,
    place: tempfile::TempDir,
}

impl MailServer {
    /// Starts one. It ends with the process of the test.
    pub fn start(way: Way) -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, chain) = (key.cert.pem(), vec![key.cert.der().clone()]);
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the versions are known")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .expect("the key fits");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (sender, mails) = channel();
        let mood = Arc::new(Mutex::new(Mood::default()));
        let (tls, shared) = (Arc::new(tls), Arc::clone(&mood));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, mood, sender) = (Arc::clone(&tls), Arc::clone(&shared), sender.clone());
                // A client that goes away in the middle is no concern of the test.
                std::thread::spawn(move || drop(serve(stream, way, &tls, &mood, &sender)));
            }
        });
        let place = tempfile::tempdir().expect("a temporary directory");
        Self { port, certificate, mails: Mutex::new(mails), mood, place }
    }

    /// A file with its certificate.
    pub fn certificate_file(&self) -> PathBuf {
        let path = self.place.path().join("ca.pem");
        std::fs::write(&path, &self.certificate).expect("the file can be written");
        path
    }

    /// The next mail; the test fails when none comes.
    pub fn next_mail(&self) -> ReceivedMail {
        let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no mail came; {:?}", self.mood()))
    }

    /// Whether another mail lies there.
    pub fn has_mail(&self) -> bool {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).try_recv().is_ok()
    }

    /// Answers the next recipients so, one after the other.
    pub fn refuse_recipients(&self, answers: &[&'static str]) {
        self.mood().to_recipients = answers.iter().rev().copied().collect();
    }

    /// Takes mail only from clients with this password.
    pub fn want_password(&self, password: &'static str) {
        self.mood().password = Some(password);
    }

    /// How many clients came so far.
    pub fn clients(&self) -> usize {
        self.mood().clients
    }

    /// What clients said so far, but for mails.
    pub fn said(&self) -> Vec<String> {
        self.mood().said.clone()
    }

    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(
    stream: TcpStream,
    way: Way,
    tls: &Arc<ServerConfig>,
    mood: &Mutex<Mood>,
    mails: &Sender<ReceivedMail>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    mood.lock().unwrap_or_else(PoisonError::into_inner).clients += 1;
    let secured = |stream| {
        let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
        io::Result::Ok(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Stream>)
    };
    let mut over_tls = way == Way::Tls;
    let offers = matches!(way, Way::StartTls | Way::StartTlsWithInjection);
    let mut lines = BufReader::new(if over_tls {
        secured(stream.try_clone()?)?
    } else {
        Box::new(stream.try_clone()?) as Box<dyn Stream>
    });
    say(&mut lines, "220 test receiver")?;
    let (mut from, mut to, mut signed_in) = (String::new(), Vec::new(), None);
    loop {
        let line = read_line(&mut lines)?;
        let mut mood = mood.lock().unwrap_or_else(PoisonError::into_inner);
        mood.said.push(line.clone());
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("EHLO ") {
            let more = if offers && !over_tls { "250-STARTTLS\r\n" } else { "" };
            say(&mut lines, &format!("250-localhost\r\n{more}250-8BITMIME\r\n250 AUTH PLAIN LOGIN"))?;
        } else if upper == "STARTTLS" && offers && !over_tls {
            let injected = "220 go on\r\n250-localhost\r\n250 AUTH PLAIN\r\n235 yes\r\n250 yes\r\n250 yes\r\n354 yes\r\n250 taken";
            say(&mut lines, if way == Way::StartTls { "220 go on" } else { injected })?;
            lines = BufReader::new(secured(stream.try_clone()?)?);
            over_tls = true;
        } else if let Some(plain) = upper.starts_with("AUTH PLAIN ").then(|| &line[11..]) {
            let bytes = STANDARD.decode(plain).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut parts = text.split('\0').skip(1).map(str::to_owned);
            let pair = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let is_right = mood.password.is_none_or(|password| password == pair.1);
            signed_in = is_right.then_some(pair);
            say(&mut lines, if is_right { "235 yes" } else { "535 wrong" })?;
        } else if upper.starts_with("MAIL FROM:") {
            if mood.password.is_some() && signed_in.is_none() {
                say(&mut lines, "530 sign in first")?;
                continue;
            }
            from = in_brackets(&line);
            to.clear();
            say(&mut lines, "250 yes")?;
        } else if upper.starts_with("RCPT TO:") {
            to.push(in_brackets(&line));
            let answer = mood.to_recipients.pop().unwrap_or("250 yes");
            say(&mut lines, answer)?;
        } else if upper == "DATA" {
            drop(mood);
            say(&mut lines, "354 go on")?;
            let mut data = String::new();
            loop {
                let line = read_line(&mut lines)?;
                if line == "." {
                    break;
                }
                data.push_str(line.strip_prefix('.').unwrap_or(&line));
                data.push_str("\r\n");
            }
            let mail = ReceivedMail {
                from: from.clone(),
                to: to.clone(),
                data,
                over_tls,
                signed_in: signed_in.clone(),
            };
            // The test may be over.
            let _ = mails.send(mail);
            say(&mut lines, "250 taken")?;
        } else if upper == "QUIT" {
            return say(&mut lines, "221 bye");
        } else if upper == "RSET" || upper == "NOOP" {
            say(&mut lines, "250 yes")?;
        } else {
            say(&mut lines, "502 what?")?;
        }
    }
}

fn in_brackets(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(inner, _)| inner).to_owned()
}

fn read_line(lines: &mut BufReader<Box<dyn Stream>>) -> io::Result<String> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn say(lines: &mut BufReader<Box<dyn Stream>>, text: &str) -> io::Result<()> {
    let stream = lines.get_mut();
    stream.write_all(format!("{text}\r\n").as_bytes())?;
    stream.flush()
}
