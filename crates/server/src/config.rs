//! Configuration: defaults, then a file, then the environment, then flags; and one table of all keys.
//!
//! Unknown keys and wrong values are faults, and all of them are reported together. Keys that make the server less safe begin
//! with `insecure_`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lydian_http::client_address::Network;
use lydian_service::Settings;
use lydian_service::settings::RateLimits;

use crate::listener::ListenerSettings;
use crate::mail::{MailConfig, MailTls};
use crate::tls::{TlsFiles, TlsVersions};

/// The file that is read when it exists and no other is named.
pub const DEFAULT_FILE: &str = "lydian.toml";

/// What begins the names of environment variables that set keys.
pub const ENVIRONMENT_PREFIX: &str = "LYDIAN_";

/// Variables with our prefix that set nothing here: those of `demo.env`, for shells that export what they read.
pub const NOT_CONFIGURATION: [&str; 2] = ["LYDIAN_CA", "LYDIAN_URL"];

/// Everything that an operator can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where database, keys and certificates lie.
    pub data_dir: PathBuf,
    /// Where the public listener listens.
    pub listen: Vec<SocketAddr>,
    /// Whether `listen` was set by anybody; the default leaves out what the machine does not have.
    pub listen_is_default: bool,
    /// Where metrics and health are served.
    pub metrics_listen: SocketAddr,
    /// The issuer identifier; made of the public port when absent.
    pub issuer: Option<String>,
    /// The certificate chain and key of the public listener; self-signed ones are made when absent.
    pub tls_certificate: Option<PathBuf>,
    /// See [`Self::tls_certificate`].
    pub tls_key: Option<PathBuf>,
    /// The versions of TLS that are offered.
    pub tls_versions: TlsVersions,
    /// Whether the public listener speaks plain HTTP, behind a proxy that terminates TLS.
    pub insecure_plain_http: bool,
    /// Whether the server may listen beyond this machine with a self-signed certificate, plain HTTP, or an issuer of this machine.
    pub insecure_beyond_loopback: bool,
    /// Memory for token facts, in bytes.
    pub fact_cache_bytes: u64,
    /// The limits of the listeners.
    pub connections_max: usize,
    /// See [`ListenerSettings::connections_per_address_max`].
    pub connections_per_address_max: usize,
    /// How long a stop waits for requests in flight.
    pub drain_seconds: u64,
    /// The rates beyond which callers are slowed down.
    pub rates: RateLimits,
    /// How long one hash of a password shall take, in milliseconds; measured at the first start.
    pub password_hash_milliseconds: u64,
    /// Memory for all hashes of passwords at once, in MiB.
    pub password_memory_mib: u32,
    /// Proxies whose word on a client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// Threads that answer requests; as many as processors when zero.
    pub worker_threads: usize,
    /// How mail is sent.
    pub mail: MailConfig,
    /// How logs are written.
    pub log_format: LogFormat,
    /// What is logged, as a filter of `tracing` (`info`, `debug`, `lydian_http=debug`).
    pub log_level: String,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./lydian-data"),
            listen: vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, 9443)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 9443)),
            ],
            listen_is_default: true,
            metrics_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9445)),
            issuer: None,
            tls_certificate: None,
            tls_key: None,
            tls_versions: TlsVersions::default(),
            insecure_plain_http: false,
            insecure_beyond_loopback: false,
            fact_cache_bytes: 64 * 1024 * 1024,
            connections_max: lydian_primitives::limits::CONNECTIONS_MAX,
            connections_per_address_max: lydian_primitives::limits::CONNECTIONS_PER_ADDRESS_MAX,
            drain_seconds: lydian_primitives::limits::DRAIN_TIMEOUT.as_secs(),
            rates: RateLimits::default(),
            password_hash_milliseconds: 250,
            password_memory_mib: lydian_service::passwords::MEMORY_BUDGET / 1_024,
            trusted_proxies: Vec::new(),
            worker_threads: 0,
            mail: MailConfig::default(),
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
        }
    }
}

/// One configuration key.
pub struct Key {
    /// Its name in the file; in the environment upper case with the prefix `LYDIAN_`.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub help: &'static str,
    read: fn(&Config) -> String,
    write: fn(&mut Config, &str) -> Result<(), String>,
}

macro_rules! keys {
    ($($name:literal, $help:literal, $read:expr, $write:expr;)*) => {
        /// Every configuration key.
        pub const KEYS: &[Key] = &[$(Key { name: $name, help: $help, read: $read, write: $write }),*];
    };
}

keys! {
    "connections_max", "Most open connections of one listener.",
        |config| config.connections_max.to_string(),
        |config, text| number(text, 1, 1_000_000).map(|value| config.connections_max = value as usize);
    "connections_per_address_max", "Most open connections of one client address (for IPv6, of one /64 network).",
        |config| config.connections_per_address_max.to_string(),
        |config, text| number(text, 1, 1_000_000).map(|value| config.connections_per_address_max = value as usize);
    "data_dir", "Where database, keys and certificates lie. Made with mode 0700 when it is missing.",
        |config| config.data_dir.display().to_string(),
        |config, text| path(text).map(|value| config.data_dir = value);
    "drain_seconds", "How long a stop waits for requests in flight, in seconds.",
        |config| config.drain_seconds.to_string(),
        |config, text| number(text, 0, 3_600).map(|value| config.drain_seconds = value);
    "fact_cache_bytes", "Memory for facts about tokens, in bytes.",
        |config| config.fact_cache_bytes.to_string(),
        |config, text| number(text, 0, 1 << 40).map(|value| config.fact_cache_bytes = value);
    "failed_authentications_burst", "Failed client authentications that one address may have for one client at once.",
        |config| config.rates.failed_authentications.burst.to_string(),
        |config, text| rate(text).map(|value| config.rates.failed_authentications.burst = value);
    "failed_authentications_per_second", "Failed client authentications per second that one address may have for one client; beyond it 429.",
        |config| config.rates.failed_authentications.per_second.to_string(),
        |config, text| rate(text).map(|value| config.rates.failed_authentications.per_second = value);
    "insecure_beyond_loopback", "Allows to listen beyond this machine with a self-signed certificate, with plain HTTP, or with an issuer of this machine.",
        |config| config.insecure_beyond_loopback.to_string(),
        |config, text| boolean(text).map(|value| config.insecure_beyond_loopback = value);
    "insecure_plain_http", "Speaks plain HTTP on the public listener, for a proxy on this machine that terminates TLS.",
        |config| config.insecure_plain_http.to_string(),
        |config, text| boolean(text).map(|value| config.insecure_plain_http = value);
    "issuer", "The issuer identifier (RFC 8414): https, no query, no fragment. Made of the public port when it is left out.",
        |config| config.issuer.clone().unwrap_or_default(),
        |config, text| issuer(text).map(|value| config.issuer = value);
    "listen", "Addresses of the public listener.",
        |config| config.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        |config, text| addresses(text).map(|value| { config.listen = value; config.listen_is_default = false; });
    "log_format", "How logs are written: text or json.",
        |config| match config.log_format { LogFormat::Json => "json", LogFormat::Text => "text" }.to_owned(),
        |config, text| match text {
            "json" => { config.log_format = LogFormat::Json; Ok(()) }
            "text" => { config.log_format = LogFormat::Text; Ok(()) }
            _ => Err("it is text or json".to_owned()),
        };
    "log_level", "What is logged: error, warn, info, debug, trace, or a filter such as info,lydian_http=debug.",
        |config| config.log_level.clone(),
        |config, text| filter(text).map(|value| config.log_level = value);
    "mail_ca_file", "PEM file with the certificates that the mail server may have, and no others. Those of the system when it is left out.",
        |config| config.mail.ca_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        |config, text| path(text).map(|value| config.mail.ca_file = Some(value));
    "mail_from", "The sender of mail: an address, or a name and an address in angle brackets. Without a name that of the realm is used.",
        |config| config.mail.from.as_ref().map(ToString::to_string).unwrap_or_default(),
        |config, text| sender(text).map(|value| config.mail.from = value);
    "mail_host", "The mail server (SMTP) by which mail is sent. No mail is sent when it is left out.",
        |config| config.mail.host.clone(),
        |config, text| host(text).map(|value| config.mail.host = value);
    "mail_password_file", "File with the password for the mail server, without the line end.",
        |config| config.mail.password_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        |config, text| path(text).map(|value| config.mail.password_file = Some(value));
    "mail_port", "The port of the mail server; 0 for 465 with TLS, 587 with STARTTLS, 25 with neither.",
        |config| config.mail.port.to_string(),
        |config, text| number(text, 0, 65_535).map(|value| config.mail.port = u16::try_from(value).unwrap_or_default());
    "mail_tls", "How the way to the mail server is protected: required (TLS from the first byte), starttls, or insecure_plain.",
        |config| config.mail.tls.name().to_owned(),
        |config, text| {
            let known = [MailTls::InsecurePlain, MailTls::Required, MailTls::StartTls];
            let found = known.into_iter().find(|tls| tls.name() == text);
            found.map(|tls| config.mail.tls = tls).ok_or_else(|| "it is required, starttls or insecure_plain".to_owned())
        };
    "mail_username", "Who signs in at the mail server.",
        |config| config.mail.username.clone(),
        |config, text| plain(text).map(|value| config.mail.username = value);
    "metrics_listen", "Address of metrics and health.",
        |config| config.metrics_listen.to_string(),
        |config, text| address(text).map(|value| config.metrics_listen = value);
    "password_hash_milliseconds", "How long one hash of a password shall take on this machine, in milliseconds. It is measured at the first start, and kept; never below the minimum of OWASP.",
        |config| config.password_hash_milliseconds.to_string(),
        |config, text| number(text, 0, 2_000).map(|value| config.password_hash_milliseconds = value);
    "password_memory_mib", "Memory for all hashes of passwords at once, in MiB: it bounds how many people sign in at the same instant.",
        |config| config.password_memory_mib.to_string(),
        |config, text| number(text, 19, 65_536).map(|value| config.password_memory_mib = u32::try_from(value).unwrap_or_default());
    "tls_certificate", "PEM file with the certificate chain of the public listener. A self-signed one is made when it is left out.",
        |config| config.tls_certificate.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        |config, text| path(text).map(|value| config.tls_certificate = Some(value));
    "tls_key", "PEM file with the private key of the public listener.",
        |config| config.tls_key.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        |config, text| path(text).map(|value| config.tls_key = Some(value));
    "tls_versions", "The versions of TLS that are offered: 1.2 (and 1.3), or 1.3 alone.",
        |config| match config.tls_versions { TlsVersions::Tls12AndTls13 => "1.2", TlsVersions::Tls13Only => "1.3" }.to_owned(),
        |config, text| match text {
            "1.2" => { config.tls_versions = TlsVersions::Tls12AndTls13; Ok(()) }
            "1.3" => { config.tls_versions = TlsVersions::Tls13Only; Ok(()) }
            _ => Err("it is 1.2 (for 1.2 and 1.3) or 1.3".to_owned()),
        };
    "trusted_proxies", "Addresses or networks of proxies; their X-Forwarded-For is believed when limits are counted, and nobody else's.",
        |config| config.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        |config, text| networks(text).map(|value| config.trusted_proxies = value);
    "unknown_tokens_burst", "Strings that are no token of ours that one caller may send at once.",
        |config| config.rates.unknown_tokens.burst.to_string(),
        |config, text| rate(text).map(|value| config.rates.unknown_tokens.burst = value);
    "unknown_tokens_per_second", "Strings that are no token of ours that one caller may send per second; beyond it 429.",
        |config| config.rates.unknown_tokens.per_second.to_string(),
        |config, text| rate(text).map(|value| config.rates.unknown_tokens.per_second = value);
    "worker_threads", "Threads that answer requests; 0 for as many as processors.",
        |config| config.worker_threads.to_string(),
        |config, text| number(text, 0, 1_024).map(|value| config.worker_threads = value as usize);
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment variable of this name.
    Environment(String),
    /// The file at this path.
    File(PathBuf),
    /// The flag of this name.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Something wrong with the configuration: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What overrides file and environment.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// Keys by flags: name of the key, name of the flag, value.
    pub values: Vec<(&'static str, &'static str, String)>,
}

/// Reads the configuration from all its sources.
///
/// # Errors
///
/// Every fault of every source.
pub fn load(
    flags: &Flags,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Vec<Fault>> {
    let mut config = Config::default();
    let mut faults = Vec::new();
    let default_file = PathBuf::from(DEFAULT_FILE);
    let file = flags.config.clone().or_else(|| default_file.exists().then_some(default_file));
    if let Some(file) = file {
        read_file(&mut config, &file, &mut faults);
    }
    let is_ours = |name: &str| name.starts_with(ENVIRONMENT_PREFIX) && !NOT_CONFIGURATION.contains(&name);
    let mut environment: Vec<_> = environment.filter(|(name, _)| is_ours(name)).collect();
    environment.sort();
    for (name, value) in environment {
        let key = name[ENVIRONMENT_PREFIX.len()..].to_ascii_lowercase();
        set(&mut config, &key, &value, &Source::Environment(name), &mut faults);
    }
    for (key, flag, value) in &flags.values {
        set(&mut config, key, value, &Source::Flag(flag), &mut faults);
    }
    check(&config, &mut faults);
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

/// Reads the configuration from the text of a file alone: `path` only names it in faults.
///
/// # Errors
///
/// Every fault of the text.
pub fn parse(text: &str, path: &Path) -> Result<Config, Vec<Fault>> {
    let mut config = Config::default();
    let mut faults = Vec::new();
    set_all(&mut config, text, path, &mut faults);
    check(&config, &mut faults);
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

fn read_file(config: &mut Config, path: &Path, faults: &mut Vec<Fault>) {
    match std::fs::read_to_string(path) {
        Ok(text) => set_all(config, &text, path, faults),
        Err(error) => faults.push(Fault(format!("read {}: {error}", path.display()))),
    }
}

fn set_all(config: &mut Config, text: &str, path: &Path, faults: &mut Vec<Fault>) {
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => return faults.push(Fault(format!("read {}: {error}", path.display()))),
    };
    let source = Source::File(path.to_owned());
    // The keys of mail may stand in a table of their own.
    let (mut keys, mut tables) = (Vec::new(), Vec::new());
    for (name, value) in table {
        match value {
            toml::Value::Table(table) if name == "mail" => tables.extend(table),
            value => keys.push((name, value)),
        }
    }
    keys.extend(tables.into_iter().map(|(name, value)| (format!("mail_{name}"), value)));
    for (name, value) in keys {
        match text_of(&value) {
            Some(value) => set(config, &name, &value, &source, faults),
            None => faults.push(Fault(format!(
                "{name} ({source}): it is a text, a number, true or false, or a list of texts"
            ))),
        }
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

fn set(config: &mut Config, name: &str, value: &str, source: &Source, faults: &mut Vec<Fault>) {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        let near = KEYS.iter().map(|key| key.name).min_by_key(|known| distance(known, name));
        let hint = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
        return faults.push(Fault(format!("{name} ({source}): there is no such key{hint}")));
    };
    if let Err(what) = (key.write)(config, value.trim()) {
        faults.push(Fault(format!("{name} ({source}): {what}")));
    }
}

/// What no single key can tell.
fn check(config: &Config, faults: &mut Vec<Fault>) {
    if config.tls_certificate.is_some() != config.tls_key.is_some() {
        faults.push(Fault("tls_certificate, tls_key: give both, or neither".to_owned()));
    }
    if config.insecure_plain_http && config.tls_certificate.is_some() {
        faults.push(Fault(
            "insecure_plain_http: a certificate is configured too; leave one of them out".to_owned(),
        ));
    }
    if config.listen.is_empty() {
        faults.push(Fault("listen: name at least one address".to_owned()));
    }
    let beyond: Vec<String> =
        config.listen.iter().filter(|address| !is_loopback(address.ip())).map(ToString::to_string).collect();
    if !beyond.is_empty() && !config.insecure_beyond_loopback {
        let beyond = beyond.join(", ");
        let remedy = "or set insecure_beyond_loopback = true if you know who can reach it";
        if config.insecure_plain_http {
            faults.push(Fault(format!("listen: {beyond} is beyond this machine and insecure_plain_http is on: everybody on the way could read tokens. Listen on 127.0.0.1, {remedy}")));
        } else if config.tls_certificate.is_none() {
            faults.push(Fault(format!("listen: {beyond} is beyond this machine and the certificate would be self-signed. Set tls_certificate and tls_key, {remedy}")));
        }
        if config.issuer.as_deref().is_none_or(is_issuer_of_this_machine) {
            faults.push(Fault(format!("listen: {beyond} is beyond this machine and the issuer names this machine only. Set issuer to the address that clients use, {remedy}")));
        }
    }
    faults.extend(config.mail.faults().into_iter().map(Fault));
    let issuer_is_plain = config.issuer.as_deref().is_some_and(|issuer| issuer.starts_with("http://"));
    if issuer_is_plain && !config.insecure_plain_http {
        faults.push(Fault("issuer: it must begin with https:// (RFC 8414 §2); plain http goes with insecure_plain_http alone".to_owned()));
    }
}

/// A host by name or address.
fn host(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if text.len() <= 253 && text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("it is the name or the address of a machine, without a port".to_owned())
    }
}

fn sender(text: &str) -> Result<Option<lettre::message::Mailbox>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        "it is an address such as no-reply@example.com, or a name and an address: Example <no-reply@example.com>".to_owned()
    };
    let is_plain = !text.chars().any(char::is_control);
    text.parse().ok().filter(|_| is_plain).map(Some).ok_or_else(wrong)
}

fn plain(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) { Err("it is one line".to_owned()) } else { Ok(text.to_owned()) }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_issuer_of_this_machine(issuer: &str) -> bool {
    let host = issuer.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local))
}

impl Config {
    /// The configuration as a file that says the same, with what each key is for.
    pub fn print(&self) -> String {
        let mut text = String::new();
        let defaults = Self::default();
        for key in KEYS {
            let value = (key.read)(self);
            text.push_str(&format!("# {}\n", key.help));
            let line = match key.name {
                name @ ("listen" | "trusted_proxies") if !value.is_empty() => {
                    let items: Vec<String> = value.split(',').map(quoted).collect();
                    format!("{name} = [{}]\n", items.join(", "))
                }
                name if value.is_empty() && (key.read)(&defaults).is_empty() => {
                    format!("# {name} = \"\"\n")
                }
                name if is_number(&value) || value.parse::<bool>().is_ok() => {
                    format!("{name} = {value}\n")
                }
                name => format!("{name} = {}\n", quoted(&value)),
            };
            text.push_str(&line);
        }
        text
    }

    /// The options that make this server less safe, by their keys.
    pub fn insecure_options(&self) -> Vec<&'static str> {
        let options = [
            ("insecure_plain_http", self.insecure_plain_http),
            ("insecure_beyond_loopback", self.insecure_beyond_loopback),
            ("mail_tls", self.mail.is_set() && self.mail.tls == MailTls::InsecurePlain),
        ];
        options.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
    }

    /// The settings of the use cases under this issuer.
    pub fn settings(&self, issuer: String) -> Settings {
        Settings {
            issuer,
            fact_cache_bytes: self.fact_cache_bytes,
            limits: self.rates,
            password_memory_kib: self.password_memory_mib.saturating_mul(1_024),
        }
    }

    /// The settings of a listener, without TLS.
    pub fn listener_settings(&self) -> ListenerSettings {
        ListenerSettings {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            drain_timeout: Duration::from_secs(self.drain_seconds),
            ..ListenerSettings::default()
        }
    }

    /// The configured certificate files.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key })
    }
}

/// The reference of all keys, as Markdown.
pub fn reference() -> String {
    let defaults = Config::default();
    let mut text =
        String::from("| key | environment | default | what it is for |\n| --- | --- | --- | --- |\n");
    for key in KEYS {
        let default = (key.read)(&defaults);
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        let environment = format!("{ENVIRONMENT_PREFIX}{}", key.name.to_ascii_uppercase());
        text.push_str(&format!("| `{}` | `{environment}` | {default} | {} |\n", key.name, key.help));
    }
    text
}

/// A text as TOML has it: its escapes are not those of Rust.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Whether the text is a number that TOML reads and that prints as the same text: a folder may be called `007`.
fn is_number(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let value = text.replace('_', "").parse::<u64>().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| format!("it is a number from {least} to {most}"))
}

fn rate(text: &str) -> Result<u32, String> {
    number(text, 1, 1_000_000_000).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "it is true or false".to_owned())
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("it is a path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it is an address with a port, such as 127.0.0.1:9445 or [::1]:9445".to_owned())
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    text.split(',').map(|item| address(item.trim())).collect()
}

fn networks(text: &str) -> Result<Vec<Network>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| item.parse().map_err(str::to_owned)).collect()
}

fn filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("it is no filter of logs: {error}")),
    }
}

/// An issuer is an address without query and fragment (RFC 8414 §2); our well-known paths want it without a path too.
fn issuer(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host_is_plain = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    match rest {
        Some(host) if host_is_plain(host) => Ok(Some(text.to_owned())),
        _ => Err("it is https:// and a host with an optional port, without path, query and fragment, such as https://login.example.com".to_owned()),
    }
}

/// How many letters differ, roughly: for a hint.
fn distance(one: &str, other: &str) -> usize {
    let same = one.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
    one.len().max(other.len()) - same
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
