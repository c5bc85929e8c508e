//! What every command that asks a server has in common: where the server is, how it is asked, how the answer is shown.

use std::process::ExitCode;

use lydian_admin_api::Operation;
use lydian_server::control::{Absent, Control};
use serde::Serialize;

use crate::Sources;
use crate::output;

/// Which server, and how its answer is shown.
#[derive(clap::Args)]
pub(crate) struct Target {
    #[command(flatten)]
    sources: Sources,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

impl Target {
    /// Whether the answer is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Performs one operation: by the server of the data directory if it runs, in this process if it is stopped.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was said.
    pub(crate) fn perform<O: Operation>(
        &self,
        doing: &str,
        absent: Absent,
        operation: O,
    ) -> Result<O::Outcome, ExitCode> {
        self.with_server(doing, absent, async |control| {
            control.perform(operation).await.map_err(|error| output::failed(doing, &error))
        })
    }

    /// Does several things with the server of the data directory.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was said.
    pub(crate) fn with_server<T>(
        &self,
        doing: &str,
        absent: Absent,
        work: impl AsyncFnOnce(&Control) -> Result<T, ExitCode>,
    ) -> Result<T, ExitCode> {
        let config = self.sources.load()?;
        let runtime = output::runtime(1)?;
        runtime.block_on(async {
            let control = Control::open(&config.data_dir, absent)
                .await
                .map_err(|error| output::failed(doing, &error))?;
            let outcome = work(&control).await;
            let closed = control.close().await;
            let outcome = outcome?;
            closed.map_err(|error| output::failed("close the store", &error))?;
            Ok(outcome)
        })
    }

    /// Shows an outcome: as it came for programs, as the text for people.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was said.
    pub(crate) fn show(
        &self,
        outcome: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<ExitCode, ExitCode> {
        let shown = if self.json {
            serde_json::to_string(outcome).expect("outcomes are made of strings, numbers and lists")
        } else {
            text()
        };
        output::print(&shown)?;
        Ok(ExitCode::SUCCESS)
    }
}
