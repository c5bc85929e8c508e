//! Other products on the same core, to show the scale: node-oidc-provider, in memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::bench::Bench;
use crate::connection::Endpoint;
use crate::generator::Judge;
use crate::process::Server;
use crate::product::{introspections, mint};
use crate::progress::Progress;
use crate::requests::{Request, Requests, basic};
use crate::rounds::Side;

/// The program and what it needs, as `npm ci` wants it.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../peers/oidc-provider/package.json")),
    ("package-lock.json", include_str!("../peers/oidc-provider/package-lock.json")),
    ("server.mjs", include_str!("../peers/oidc-provider/server.mjs")),
];

const CLIENT_ID: &str = "client";
/// A credential of a server that lives for one measurement on the loopback interface.
const CLIENT_SECRET: &str = "not-a-secret-but-long-enough-to-be-taken-for-one";

/// A running node-oidc-provider.
#[derive(Debug)]
pub struct Peer {
    server: Server,
    endpoint: Endpoint,
    authorization: String,
}

impl Peer {
    /// Installs and starts the peer; `None`, said aloud, where there is no Node.
    ///
    /// # Errors
    ///
    /// The packages cannot be installed, or the peer does not become ready.
    pub fn start(bench: &Bench, progress: &Progress) -> Result<Option<Self>> {
        if !is_there("node") || !is_there("npm") {
            eprintln!("SKIPPED: oidc-provider is not measured, because node or npm is not installed");
            return Ok(None);
        }
        let directory = bench.workplace.path("oidc-provider");
        if !directory.exists() {
            progress.now("installing oidc-provider");
            install(&directory)?;
        }
        let mut command = Command::new("node");
        command.arg("server.mjs").args([CLIENT_ID, CLIENT_SECRET]).current_dir(&directory);
        command.env("NODE_ENV", "production");
        let server =
            Server::start("oidc-provider", command, bench.cores.server, &directory.join("server.log"))?;
        let endpoint = Endpoint::plain(server.ready().parse().context("read where oidc-provider listens")?);
        let authorization = basic(CLIENT_ID, CLIENT_SECRET);
        Ok(Some(Self { server, endpoint, authorization }))
    }

    /// Requests about as many tokens as the product is asked about.
    ///
    /// # Errors
    ///
    /// The peer refuses a token.
    pub fn introspections(&self, bench: &Bench) -> Result<Requests> {
        let request = self.token_request();
        let tokens = mint(&self.endpoint, &request, bench.sizes.tokens, bench.plan.connections)?;
        let question = Request { path: "/token/introspection", form: None, ..request };
        Ok(introspections(&question, &tokens).shuffled(bench.seed))
    }

    /// The request for a token.
    pub fn token_requests(&self) -> Requests {
        Requests::one(&self.token_request())
    }

    fn token_request(&self) -> Request<'_> {
        Request {
            method: "POST",
            path: "/token",
            host: self.endpoint.authority(),
            authorization: Some(&self.authorization),
            cookie: None,
            form: Some("grant_type=client_credentials&scope=read+write"),
        }
    }

    /// The peer as one of those that take turns.
    pub fn side<'a>(&'a self, requests: &'a Requests, judge: Box<dyn Judge + 'a>) -> Side<'a> {
        Side {
            name: "oidc-provider (in memory)",
            endpoint: &self.endpoint,
            requests,
            process: self.server.id(),
            judge,
        }
    }
}

fn is_there(program: &str) -> bool {
    let outcome = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    outcome.is_ok_and(|status| status.success())
}

fn install(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    for (name, content) in FILES {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    let output = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(directory)
        .output()
        .context("run npm ci")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "npm ci failed: {errors}");
    Ok(())
}
