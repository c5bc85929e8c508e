//! One run of the bench: what is measured with what, and in which order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::client::fetch;
use crate::connection::Endpoint;
use crate::floor::{Floor, FloorStart};
use crate::machine::Cores;
use crate::process::Workplace;
use crate::product::{Product, Start, without_settings};
use crate::requests::Request;
use crate::rounds::Plan;

/// Everything that the rows share.
#[derive(Debug)]
pub struct Bench {
    /// Which core does what.
    pub cores: Cores,
    /// The executable of the product.
    pub lydian: PathBuf,
    /// The executable of the bench, which runs the floors.
    pub own: PathBuf,
    /// Where data directories lie.
    pub workplace: Workplace,
    /// How many rounds, how long.
    pub plan: Plan,
    /// How much there is to ask and to store.
    pub sizes: Sizes,
    /// The order of requests depends on this number alone.
    pub seed: u64,
    /// Whether other products are measured too.
    pub peers: bool,
}

/// How much there is to ask and to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Different tokens that are asked about.
    pub tokens: usize,
    /// Tokens of each round that have never been seen before.
    pub fresh_tokens: usize,
    /// Expired rows in the store of P7 and P8.
    pub expired_rows: u32,
    /// Entries of the ledger at the start of P8.
    pub ledger_entries: u32,
}

impl Sizes {
    /// The sizes that the targets name.
    pub const FULL: Self =
        Self { tokens: 100_000, fresh_tokens: 20_000, expired_rows: 10_000_000, ledger_entries: 1_000_000 };

    /// Sizes that show that all works.
    pub const QUICK: Self =
        Self { tokens: 3_000, fresh_tokens: 1_000, expired_rows: 100_000, ledger_entries: 10_000 };
}

/// How a row wants the product to be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// TLS instead of plain HTTP.
    pub tls: bool,
    /// No memory for facts about tokens: each request goes to the store.
    pub without_facts: bool,
}

impl Bench {
    /// Starts the product over the data directory with this name, which may exist from an earlier start.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub fn start_product(&self, name: &str, wish: Wish) -> Result<Product> {
        // A set issuer, so that tokens of an earlier start at another port stay good.
        let mut configuration = "issuer = \"https://localhost:9443\"\n".to_owned();
        if wish.without_facts {
            configuration.push_str("fact_cache_bytes = 0\n");
        }
        let file = self.workplace.path(&format!("{name}.toml"));
        fs::write(&file, configuration).with_context(|| format!("write {}", file.display()))?;
        Product::start(&Start {
            executable: &self.lydian,
            data_directory: self.data_directory(name),
            tls: wish.tls,
            configuration: Some(&file),
            core: self.cores.server,
        })
    }

    /// Applies a document to the data directory of a stopped server.
    ///
    /// # Errors
    ///
    /// The product refuses the document.
    pub fn apply(&self, name: &str, document: &str) -> Result<()> {
        let file = self.workplace.path(&format!("{name}-document.toml"));
        fs::write(&file, document).with_context(|| format!("write {}", file.display()))?;
        let mut command = Command::new(&self.lydian);
        command.args(["apply", "--data-dir"]).arg(self.data_directory(name)).arg("-f").arg(&file);
        without_settings(&mut command);
        let output = command.output().context("run lydian apply")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "lydian apply was refused: {said}");
        Ok(())
    }

    /// The data directory with this name.
    pub fn data_directory(&self, name: &str) -> PathBuf {
        self.workplace.path(name)
    }

    /// Starts a floor that gives the answer which the product gives to `request`.
    ///
    /// # Errors
    ///
    /// The product does not answer 200, or the floor does not become ready.
    pub fn start_floor(
        &self,
        name: &str,
        product: &Product,
        request: &Request<'_>,
        durable: bool,
    ) -> Result<Floor> {
        let answer =
            fetch(product.endpoint(), request)?.ok().context("get an answer for the floor to copy")?;
        let tls = product.certificate().and_then(Path::parent).map(Path::to_owned);
        Floor::start(&FloorStart {
            executable: &self.own,
            name,
            directory: self.workplace.path(&format!("{name} of {}", product.endpoint().address().port())),
            answer: &answer,
            tls,
            durable,
            core: self.cores.server,
        })
    }
}

/// A request to introspect one token.
pub fn introspection<'a>(endpoint: &'a Endpoint, authorization: &'a str, form: &'a str) -> Request<'a> {
    Request {
        method: "POST",
        path: "/oauth2/introspect",
        host: endpoint.authority(),
        authorization: Some(authorization),
        cookie: None,
        form: Some(form),
    }
}
