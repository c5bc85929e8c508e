//! The running server: open, listen, answer, drain, close.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use lydian_admin_api::{AdminApi, CONTROL_SOCKET, Host, SnapshotFacts};
use lydian_http::{AnswerBody, Counters, Endpoints};
use lydian_primitives::{Clock, Mint, SystemClock, SystemEntropy};
use lydian_service::administration::examination::Finding;
use lydian_service::apply::ApplyDocumentError;
use lydian_service::forgetting::Housekeeper;
use lydian_service::mail::Letter;
use lydian_service::{HOUSEKEEPING_INTERVAL, Service, install};
use lydian_storage::{Change, SharedStorage, Write};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::backup;
use crate::config::Config;
use crate::control_socket::ControlSocket;
use crate::data_directory::{DataDirectory, DataDirectoryError, RUN_FILE};
use crate::demo::{DEMO_FILE, Demo};
use crate::examination;
use crate::listener::{
    self, ConnectionInfo, Drained, ListenerMetrics, ListenerSettings, Responder, Shutdown, ShutdownSignal,
};
use crate::mail::{Mailer, MailerError, mailer, postman};
use crate::offline::{OpenStore, OpenStoreError};
use crate::operations::Operations;
use crate::tls::{TlsError, TlsFiles, TlsReloader, ensure_self_signed};

/// Why the server did not start, or did not stop well.
#[derive(Debug)]
pub enum RunError {
    /// The data directory cannot be used.
    DataDirectory(DataDirectoryError),
    /// The demo cannot be made.
    Demo(ApplyDocumentError),
    /// A socket or a signal cannot be used.
    Io(io::Error),
    /// Mail cannot be sent as it is configured.
    Mail(MailerError),
    /// The store cannot be used.
    Store(OpenStoreError),
    /// The certificate cannot be used.
    Tls(TlsError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDirectory(error) => error.fmt(f),
            Self::Demo(error) => write!(f, "make the demo: {error}"),
            Self::Io(error) => error.fmt(f),
            Self::Mail(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::DataDirectory(error) => error.source(),
            Self::Demo(error) => error.source(),
            Self::Io(error) => error.source(),
            Self::Mail(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Tls(error) => error.source(),
        }
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DataDirectoryError> for RunError {
    fn from(error: DataDirectoryError) -> Self {
        Self::DataDirectory(error)
    }
}

/// What is asked of a start beside its configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Whether the fixtures of the demo are made.
    pub demo: bool,
}

/// The process around a running service.
struct RunningHost {
    data_directory: PathBuf,
    certificate: Option<TlsFiles>,
    insecure_options: Vec<&'static str>,
    mailer: Option<Arc<Mailer>>,
}

impl Host for RunningHost {
    fn data_directory(&self) -> &Path {
        &self.data_directory
    }

    fn examine(&self) -> Vec<Finding> {
        let mut findings =
            examination::examine(&self.data_directory, self.certificate.as_ref(), SystemClock.now());
        findings.push(self.mailer.as_ref().map_or_else(mailer::examine_nothing, |mailer| mailer.examine()));
        findings.extend(self.insecure_options.iter().map(|option| {
            Finding::warning("configuration", format!("{option} is on"), "turn it off where it is not needed")
        }));
        findings
    }

    fn send_test_mail(
        &self,
        letter: Letter,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let Some(mailer) = &self.mailer else {
                return Err("no mail is configured: set mail_host and mail_from, and start the server again"
                    .to_owned());
            };
            let mint = Mint::new(SystemClock.now(), &SystemEntropy);
            mailer.send(&letter, &mint).await.map_err(|undelivered| undelivered.to_string())
        })
    }

    fn snapshot(&self) -> Pin<Box<dyn Future<Output = Result<SnapshotFacts, String>> + Send + '_>> {
        let directory = self.data_directory.clone();
        // It reads the whole database: not on a thread that answers.
        let taken = tokio::task::spawn_blocking(move || backup::take_snapshot(&directory, &SystemEntropy));
        Box::pin(async { taken.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string()) })
    }
}

/// The endpoints behind the public listener.
struct Public(Endpoints);

impl Responder for Public {
    fn respond(
        &self,
        request: Request<Incoming>,
        connection: &ConnectionInfo,
    ) -> impl Future<Output = Response<AnswerBody>> + Send {
        self.0.respond(request, connection.peer.ip())
    }
}

/// Makes this process keep its secrets: private files, no core dumps.
///
/// # Errors
///
/// [`io::Error`] when the operating system refuses.
pub fn harden_process() -> io::Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Runs the server until a signal ends it.
///
/// `say` gets what belongs on standard output: the line `ready: ...`, and with the demo the commands to paste.
///
/// # Errors
///
/// [`RunError`] by cause; the text says what to do.
pub async fn run(config: Config, options: RunOptions, say: impl Fn(&str)) -> Result<(), RunError> {
    let directory = DataDirectory::open(&config.data_dir)?;
    directory.remove(RUN_FILE);
    let sockets = Sockets::open(&config)?;
    let url = sockets.url(&config);
    let issuer = config.issuer.clone().unwrap_or_else(|| url.clone());
    let tls = load_tls(&config, &directory)?;
    let mailer = Mailer::open(&config.mail, host_of(&issuer)).map_err(RunError::Mail)?;

    let mut last_issuer = None;
    let store = OpenStore::open_in(directory, |last| {
        last_issuer = last;
        config.settings(issuer.clone())
    })
    .await
    .map_err(RunError::Store)?;
    remember_issuer(&store.storage, &issuer, last_issuer.as_deref()).await?;
    let target = Duration::from_millis(config.password_hash_milliseconds);
    store.service.calibrate_passwords(target).await.map_err(io::Error::other)?;

    let now = SystemClock.now();
    let demo = if options.demo {
        let mint = Mint::new(now, &SystemEntropy);
        Some(Demo::make(&store.service, &store.directory, &mint).await.map_err(RunError::Demo)?)
    } else {
        None
    };
    let certificate = tls.as_ref().map(|tls| tls.files.certificate.clone());
    let demo_file = match &demo {
        Some(demo) => {
            let variables = demo.variables(&url, certificate.as_deref());
            Some(store.directory.write(DEMO_FILE, variables.as_bytes())?)
        }
        None => None,
    };

    for option in config.insecure_options() {
        tracing::warn!(option, "an insecure option is on");
    }
    if let Some(tls) = &tls {
        let fingerprint = tls.reloader.fingerprint();
        tracing::info!(certificate = %tls.files.certificate.display(), sha256 = %fingerprint, "TLS certificate");
    }

    let counters = Arc::new(Counters::default());
    let public_metrics = Arc::new(ListenerMetrics::default());
    let (shutdown, signal) = Shutdown::new();
    // From here on a signal drains: whoever reads the ready line may send one at once.
    let signals = Signals::open()?;
    let operations = Arc::new(Operations::new(
        Arc::clone(&store.service),
        Arc::clone(&counters),
        Arc::clone(&public_metrics),
        signal.clone(),
        config.insecure_options(),
    ));
    let mut public_settings = config.listener_settings();
    public_settings.tls = tls.as_ref().map(|tls| tls.reloader.clone());
    let mut endpoints =
        Endpoints::new(Arc::clone(&store.service), counters).behind(config.trusted_proxies.clone());
    if tls.as_ref().is_some_and(|tls| !tls.reloader.is_self_signed()) {
        endpoints = endpoints.with_strict_transport();
    }
    let public = tokio::spawn(listener::serve(
        sockets.public,
        public_settings,
        Arc::new(Public(endpoints)),
        signal.clone(),
        public_metrics,
    ));
    let metrics = tokio::spawn(listener::serve(
        vec![sockets.metrics],
        ListenerSettings::default(),
        Arc::clone(&operations),
        // Operators see the end too: this listener closes after the public one.
        signal.clone(),
        Arc::new(ListenerMetrics::default()),
    ));
    let housekeeping =
        tokio::spawn(keep_house(Arc::clone(&store.service), operations, tls.clone(), signal.clone()));
    let delivery = mailer.clone().zip(store.service.open_outbox()).map(|(mailer, errands)| {
        tokio::spawn(postman::deliver(Arc::clone(&store.service), mailer, errands, signal.clone()))
    });
    let control = ControlSocket::bind(store.directory.path()).map_err(|source| {
        let path = store.directory.path().join(CONTROL_SOCKET);
        RunError::DataDirectory(DataDirectoryError::Io { path, source })
    })?;
    let host = RunningHost {
        data_directory: store.directory.path().to_owned(),
        certificate: tls.as_ref().map(|tls| tls.files.clone()),
        insecure_options: config.insecure_options(),
        mailer,
    };
    let api = Arc::new(AdminApi::new(Arc::clone(&store.service), Arc::new(host)));
    let control = tokio::spawn(control.serve(api, signal.clone()));
    let signals = tokio::spawn(signals.follow(shutdown, tls));
    // Streams never come to an end by themselves: they end where the drain begins.
    tokio::spawn({
        let (feed, signal) = (Arc::clone(store.service.node().feed()), signal.clone());
        async move {
            signal.draining().await;
            feed.close();
        }
    });

    store
        .directory
        .write(RUN_FILE, run_file(&issuer, &sockets.public_addresses, sockets.metrics_address).as_bytes())?;
    say(&format!("ready: {url}"));
    if let Some(file) = &demo_file {
        say(&Demo::commands(file, certificate.is_some()));
    }

    let drained = joined(public.await)?;
    match drained {
        Drained::Complete => tracing::info!("all requests were answered"),
        Drained::TimedOut { connections } => tracing::warn!(connections, "the time to drain is over"),
        Drained::AtOnce { connections } => tracing::warn!(connections, "stopped at once"),
    }
    joined(metrics.await)?;
    if let Some(delivery) = delivery {
        delivery.await.map_err(io::Error::other)?;
    }
    control.await.map_err(io::Error::other)?;
    signals.abort();
    housekeeping.abort();
    // An aborted task still runs until its next await: the store closes after it.
    let _ = housekeeping.await;
    store.directory.remove(RUN_FILE);
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store did not close cleanly; it is checked at the next start");
    }
    Ok(())
}

/// The host of an issuer, with which we greet a mail server.
fn host_of(issuer: &str) -> &str {
    let host = issuer.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    // Without a port; an IPv6 address ends in a bracket.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    if host.is_empty() { "localhost" } else { host }
}

fn joined(outcome: Result<io::Result<Drained>, tokio::task::JoinError>) -> io::Result<Drained> {
    outcome.map_err(io::Error::other)?
}

/// The sockets of a start, before anything is answered on them.
struct Sockets {
    public: Vec<TcpListener>,
    public_addresses: Vec<SocketAddr>,
    metrics: TcpListener,
    metrics_address: SocketAddr,
}

impl Sockets {
    fn open(config: &Config) -> Result<Self, RunError> {
        let public =
            if config.listen_is_default { bind_default(&config.listen)? } else { bind(&config.listen)? };
        // With a free port for the public listener, the others take free ports too.
        let free = config.listen.iter().any(|address| address.port() == 0);
        let metrics_address = if free && config.metrics_listen == Config::default().metrics_listen {
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        } else {
            config.metrics_listen
        };
        let metrics = bind(&[metrics_address])?.swap_remove(0);
        let public_addresses = public.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        Ok(Self { public_addresses, metrics_address: metrics.local_addr()?, public, metrics })
    }

    /// The address under which clients on this machine reach the public listener.
    fn url(&self, config: &Config) -> String {
        let scheme = if config.insecure_plain_http { "http" } else { "https" };
        let address = self.public_addresses[0];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            format!("{scheme}://localhost:{}", address.port())
        } else {
            format!("{scheme}://{address}")
        }
    }
}

fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    listener::bind(addresses).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            let remedy = "another process listens there; stop it, or name another address with --listen";
            return io::Error::new(error.kind(), format!("{error}: {remedy}"));
        }
        error
    })
}

/// The default addresses; what this machine does not have is left out with a notice.
fn bind_default(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut sockets = Vec::new();
    for address in addresses {
        match bind(&[*address]) {
            Ok(socket) => sockets.extend(socket),
            Err(error) if address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse => {
                tracing::info!(%address, %error, "this machine has no IPv6: left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

/// The certificate of a start.
#[derive(Clone)]
struct Tls {
    files: TlsFiles,
    reloader: TlsReloader,
    /// Where the self-signed certificate lies that we renew; `None` for the operator's own.
    own: Option<PathBuf>,
}

fn load_tls(config: &Config, directory: &DataDirectory) -> Result<Option<Tls>, RunError> {
    if config.insecure_plain_http {
        return Ok(None);
    }
    let (files, own) = match config.tls_files() {
        Some(files) => (files, None),
        None => {
            let own = directory.path().join("tls");
            ensure_self_signed(&own, &[], SystemClock.now()).map_err(RunError::Tls)?;
            (TlsFiles::in_directory(&own), Some(own))
        }
    };
    let reloader = TlsReloader::load(files.clone(), config.tls_versions).map_err(RunError::Tls)?;
    Ok(Some(Tls { files, reloader, own }))
}

/// Warns when the issuer is another one than at the last start: tokens of the old one are not ours any more.
async fn remember_issuer(storage: &SharedStorage, issuer: &str, last: Option<&str>) -> Result<(), RunError> {
    if last == Some(issuer) {
        return Ok(());
    }
    if let Some(last) = last {
        tracing::warn!(
            last,
            issuer,
            "the issuer is not the one of the last start: JWTs issued under it are inactive now"
        );
    }
    let write = Write::PutSetting { name: install::ISSUER, value: issuer.as_bytes().to_vec() };
    let change = Change { preconditions: Vec::new(), writes: vec![write], at: SystemClock.now() };
    storage.apply(change).await.map_err(io::Error::other)?;
    Ok(())
}

/// What scripts read to find a running server.
fn run_file(issuer: &str, public: &[SocketAddr], metrics: SocketAddr) -> String {
    let public: Vec<String> = public.iter().map(ToString::to_string).collect();
    serde_json::json!({
        "pid": std::process::id(),
        "issuer": issuer,
        "public": public,
        "metrics": metrics.to_string(),
    })
    .to_string()
}

/// The background work: cleanup, counts, and the renewal of our own certificate.
async fn keep_house(
    service: Arc<Service>,
    operations: Arc<Operations>,
    tls: Option<Tls>,
    signal: ShutdownSignal,
) {
    let housekeeper = Housekeeper::default();
    let mut interval = tokio::time::interval(HOUSEKEEPING_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_jumped = false;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = signal.draining() => return,
        }
        match housekeeper.round(&service).await {
            Ok(round) => {
                operations.note_clock(round.clock_jumped);
                if round.clock_jumped && !was_jumped {
                    tracing::error!(
                        "the wall clock jumped ahead: cleanup stops until it has kept step for a day"
                    );
                }
                was_jumped = round.clock_jumped;
            }
            Err(error) => tracing::warn!(%error, "housekeeping could not write"),
        }
        if let Some(Tls { own: Some(own), reloader, .. }) = &tls {
            renew(own, reloader);
        }
    }
}

fn renew(own: &Path, reloader: &TlsReloader) {
    match ensure_self_signed(own, &[], SystemClock.now()) {
        Ok(false) => {}
        Ok(true) => reload(reloader),
        Err(error) => tracing::warn!(%error, "the self-signed certificate could not be renewed"),
    }
}

fn reload(reloader: &TlsReloader) {
    match reloader.reload() {
        Ok(fingerprint) => tracing::info!(sha256 = %fingerprint, "TLS certificate read again"),
        Err(error) => {
            tracing::error!(%error, "the TLS certificate could not be read again: the old one stays")
        }
    }
}

/// The signals that a running server follows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over: until then each of them ends the process where it stands.
    fn open() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the certificate again.
    async fn follow(mut self, shutdown: Shutdown, tls: Option<Tls>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => shutdown.signal(),
                _ = self.interrupt.recv() => shutdown.signal(),
                _ = self.hang_up.recv() => if let Some(tls) = &tls { reload(&tls.reloader) },
            }
        }
    }
}
