//! TLS: the server's configuration, its certificate files, and the self-signed certificate of a first start.
//!
//! One [`TlsReloader`] serves all listeners: its configuration stays, the certificate within is exchanged.
//! Defaults are rustls' with aws-lc-rs: TLS 1.2 and 1.3, no renegotiation, no 0-RTT.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::RwLock;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use lydian_primitives::Timestamp;

/// The ALPN name of HTTP/2 (RFC 9113 §3.1).
pub const ALPN_HTTP2: &[u8] = b"h2";
/// The ALPN name of HTTP/1.1 (RFC 7301 §6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The common name by which our own certificates are known from an operator's.
const SELF_SIGNED_NAME: &str = "Lydian self-signed certificate";
/// Life of a self-signed certificate; clients begin to refuse certificates beyond 397 days.
const SELF_SIGNED_DAYS: u64 = 396;
/// A self-signed certificate is renewed when it has less than this left.
const RENEWAL_DAYS: u64 = 30;
/// How far the beginning of a certificate is put back, for clients whose clock is late.
const BACKDATED: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The files of a certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
}

impl TlsFiles {
    /// `cert.pem` and `key.pem` in this directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { certificate: directory.join("cert.pem"), key: directory.join("key.pem") }
    }
}

/// Which versions of TLS are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12AndTls13,
    /// TLS 1.3 alone.
    Tls13Only,
}

/// The SHA-256 digest of a certificate, to compare by eye: it prints as `AB:CD:..`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a certificate cannot be used or made.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The key is of a kind that cannot serve.
    KeyUnusable {
        /// The key's file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// A certificate could not be made.
    Make(rcgen::Error),
    /// The chain's first certificate is not one, or not for this key.
    Mismatch {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The file holds no PEM section of the kind that is needed, or a broken one.
    Pem {
        /// The file.
        path: PathBuf,
        /// What the PEM reader says.
        source: rustls_pki_types::pem::Error,
    },
    /// The configuration of TLS was refused.
    Protocol(rustls::Error),
    /// The file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the owner may use a private file or directory.
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file or directory cannot be written.
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyUnusable { path, .. } => write!(f, "use private key {}", path.display()),
            Self::Make(_) => f.write_str("make a self-signed certificate"),
            Self::Mismatch { path, .. } => {
                write!(f, "match certificate {} with its private key", path.display())
            }
            Self::Pem { path, .. } => write!(f, "parse {}", path.display()),
            Self::Protocol(_) => f.write_str("configure TLS"),
            Self::Read { path, .. } => write!(f, "read {}", path.display()),
            Self::TooOpen { path, mode } => {
                let path = path.display();
                write!(
                    f,
                    "{path} has mode {mode:04o}, but nobody except its owner may use it; run: chmod go-rwx {path}"
                )
            }
            Self::Write { path, .. } => write!(f, "write {}", path.display()),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::KeyUnusable { source, .. } | Self::Mismatch { source, .. } | Self::Protocol(source) => {
                Some(source)
            }
            Self::Make(source) => Some(source),
            Self::Pem { source, .. } => Some(source),
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            Self::TooOpen { .. } => None,
        }
    }
}

/// The TLS configuration of the listeners, whose certificate can be exchanged while they serve.
#[derive(Clone, Debug)]
pub struct TlsReloader(Arc<Reloadable>);

#[derive(Debug)]
struct Reloadable {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate that handshakes use now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

impl TlsReloader {
    /// Loads the files and configures TLS with them.
    ///
    /// # Errors
    ///
    /// [`TlsError::Read`], [`TlsError::Pem`], [`TlsError::KeyUnusable`], [`TlsError::Mismatch`] by what is
    /// wrong with the files.
    pub fn load(files: TlsFiles, versions: TlsVersions) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let certified_key = load_certified_key(&files, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified_key))));
        let versions: &[_] = match versions {
            TlsVersions::Tls12AndTls13 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersions::Tls13Only => &[&rustls::version::TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(TlsError::Protocol)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        // Resumption without memory per client; its keys live six hours and never leave the process.
        config.ticketer = Ticketer::new().map_err(TlsError::Protocol)?;
        Ok(Self(Arc::new(Reloadable { files, provider, current, config: Arc::new(config) })))
    }

    /// Reads the files again; handshakes from now on use what they hold.
    ///
    /// # Errors
    ///
    /// As [`Self::load`]; the certificate in use then stays in use.
    pub fn reload(&self) -> Result<Fingerprint, TlsError> {
        let certified_key = load_certified_key(&self.0.files, &self.0.provider)?;
        *self.0.current.0.write() = Arc::new(certified_key);
        Ok(self.fingerprint())
    }

    /// The fingerprint of the certificate in use.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0.current.0.read().cert[0])
    }

    /// The configuration for a TLS acceptor. It stays the same when the certificate changes.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.config)
    }

    /// Whether the certificate in use is one that [`ensure_self_signed`] made.
    pub fn is_self_signed(&self) -> bool {
        is_our_own(&self.0.current.0.read().cert[0])
    }
}

fn load_certified_key(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    certified_key(files, &read(&files.certificate)?, &read(&files.key)?, provider)
}

/// Reads a chain and its key from the contents of their files; `files` only names them in errors.
///
/// # Errors
///
/// [`TlsError::Pem`], [`TlsError::KeyUnusable`], [`TlsError::Mismatch`] by what is wrong with them.
pub fn certified_key(
    files: &TlsFiles,
    certificate: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let TlsFiles { certificate: path, key: key_path } = files;
    let chain =
        CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<Vec<_>, _>>()
            .and_then(|chain| {
                if chain.is_empty() { Err(rustls_pki_types::pem::Error::NoItemsFound) } else { Ok(chain) }
            })
            .map_err(|source| TlsError::Pem { path: path.clone(), source })?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|source| TlsError::Pem { path: key_path.clone(), source })?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|source| TlsError::KeyUnusable { path: key_path.clone(), source })?;
    let certified_key = CertifiedKey::new(chain, key);
    certified_key.keys_match().map_err(|source| TlsError::Mismatch { path: path.clone(), source })?;
    Ok(certified_key)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// Sees to it that this directory holds `cert.pem` and `key.pem`, and renews them while they are ours.
///
/// Made when absent, and anew when less than 30 days are left, the two do not match (a crash between the
/// two writes), or the certificate does not hold yet. A certificate that an operator put there stays
/// untouched. Returns whether files were written: a [`TlsReloader`] in use is then to be reloaded.
///
/// The certificate is valid for `localhost`, `127.0.0.1`, `::1`, this machine's name and `names`. It is no
/// authority: a client that trusts it (`curl --cacert cert.pem`) trusts this server and nothing else.
///
/// # Errors
///
/// [`TlsError::TooOpen`] if others may enter the directory or read the key; [`TlsError::Read`],
/// [`TlsError::Write`], [`TlsError::Make`].
pub fn ensure_self_signed(directory: &Path, names: &[&str], now: Timestamp) -> Result<bool, TlsError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| TlsError::Write { path: directory.to_owned(), source })?;
    refuse_open_mode(directory)?;

    let files = TlsFiles::in_directory(directory);
    let has_key = exists(&files.key)?;
    if has_key {
        refuse_open_mode(&files.key)?;
    }
    if exists(&files.certificate)? && !must_be_renewed(&files, now)? {
        return Ok(false);
    }

    let key = if has_key && !exists(&files.certificate)? {
        // Never overwrite a key whose certificate is only missing: it may be somebody's.
        let pem = String::from_utf8(read(&files.key)?)
            .map_err(|_| TlsError::Make(rcgen::Error::CouldNotParseKeyPair))?;
        KeyPair::from_pem(&pem).map_err(TlsError::Make)?
    } else {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Make)?
    };
    let certificate = self_signed_params(names, now).self_signed(&key).map_err(TlsError::Make)?;
    write_private(&files.key, key.serialize_pem().as_bytes())?;
    write_private(&files.certificate, certificate.pem().as_bytes())?;
    Ok(true)
}

fn self_signed_params(names: &[&str], now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, SELF_SIGNED_NAME);
    let begins = now.as_unix_seconds().saturating_sub(BACKDATED.as_secs());
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(begins);
    params.not_after = params.not_before + SELF_SIGNED_DAYS as u32 * DAY;
    // An end entity that is trusted directly. With `cA` TRUE webpki would not take it as a server's
    // certificate; with a plain CA a stolen key could speak for any host.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

    let host_name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    for &name in ["localhost", host_name.as_str()].iter().chain(names) {
        let alternative = match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if !is_dns_name(name) => continue,
            Err(_) => match name.try_into() {
                Ok(name) => SanType::DnsName(name),
                Err(_) => continue,
            },
        };
        add(&mut params.subject_alt_names, alternative);
    }
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        add(&mut params.subject_alt_names, SanType::IpAddress(address));
    }
    params
}

fn add(alternatives: &mut Vec<SanType>, alternative: SanType) {
    if !alternatives.contains(&alternative) {
        alternatives.push(alternative);
    }
}

/// Whether a certificate can carry this name (RFC 5280 §4.2.1.6): some machines have names that are none.
fn is_dns_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Whether the certificate of these files is within its dates at this time.
///
/// # Errors
///
/// [`TlsError`] when the files cannot be used.
pub fn is_valid_at(files: &TlsFiles, time: Timestamp) -> Result<bool, TlsError> {
    load_certified_key(files, &default_provider())?;
    let der = CertificateDer::from_pem_slice(&read(&files.certificate)?);
    let Ok(der) = der else { return Ok(false) };
    let (Ok(end_entity), Ok(anchor)) = (EndEntityCert::try_from(&der), anchor_from_trusted_cert(&der)) else {
        return Ok(false);
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time.as_unix_seconds()));
    let anchors = [anchor];
    let verified = end_entity.verify_for_usage(
        default_provider().signature_verification_algorithms.all,
        &anchors,
        &[],
        time,
        KeyUsage::server_auth(),
        None,
        None,
    );
    // The dates are looked at before the issuer: who signed it, only clients can judge.
    Ok(!matches!(
        verified.err(),
        Some(webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. })
    ))
}

/// Whether these files are our own and no longer good enough. An operator's are never ours to judge.
fn must_be_renewed(files: &TlsFiles, now: Timestamp) -> Result<bool, TlsError> {
    let Ok(certificate) = CertificateDer::from_pem_slice(&read(&files.certificate)?) else {
        return Ok(false);
    };
    if !is_our_own(&certificate) {
        return Ok(false);
    }
    let later = Timestamp::from_unix_seconds(now.as_unix_seconds() + RENEWAL_DAYS * DAY.as_secs());
    if !holds_at(&certificate, now) || !holds_at(&certificate, later) {
        return Ok(true);
    }
    Ok(load_certified_key(files, &default_provider()).is_err())
}

fn is_our_own(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| {
        let name = SELF_SIGNED_NAME.as_bytes();
        certificate.issuer() == certificate.subject()
            && certificate.subject().windows(name.len()).any(|window| window == name)
    })
}

/// Whether a client that trusts exactly this certificate accepts it at this time.
fn holds_at(certificate: &CertificateDer<'_>, time: Timestamp) -> bool {
    let (Ok(end_entity), Ok(anchor)) =
        (EndEntityCert::try_from(certificate), anchor_from_trusted_cert(certificate))
    else {
        return false;
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time.as_unix_seconds()));
    end_entity
        .verify_for_usage(
            default_provider().signature_verification_algorithms.all,
            &[anchor],
            &[],
            time,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .is_ok()
}

fn exists(path: &Path) -> Result<bool, TlsError> {
    path.try_exists().map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn refuse_open_mode(path: &Path) -> Result<(), TlsError> {
    let metadata = fs::metadata(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TlsError::TooOpen { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Writes a file that is whole or absent at any moment, and that nobody else may read at any moment.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    let write = || {
        let temporary = path.with_extension("new");
        // What a crash left behind: the name is ours.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| TlsError::Write { path: path.to_owned(), source })
}
