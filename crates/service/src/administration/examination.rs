//! What `lydian doctor` finds: each finding says what is, whether that is well, and what to do.

use lydian_domain::KeyState;
use lydian_primitives::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AdministrationError, instant};
use crate::Service;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Well,
    /// Works, and somebody should look.
    Warning,
    /// Does not work.
    Failure,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How well it is.
    pub health: Health,
    /// What was found.
    pub finding: String,
    /// What to do, when something is to be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn well(subject: &str, finding: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), health: Health::Well, finding: finding.into(), remedy: None }
    }

    /// Something that somebody should look at.
    pub fn warning(subject: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { health: Health::Warning, remedy: Some(remedy.into()), ..Self::well(subject, finding) }
    }

    /// Something that does not work.
    pub fn failure(subject: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { health: Health::Failure, remedy: Some(remedy.into()), ..Self::well(subject, finding) }
    }
}

/// How far wall clock and forgetting mark may lie apart before the clock counts as jumped, in seconds: the step of the mark and
/// some rounds of housekeeping.
const CLOCK_AHEAD_SECONDS: u64 = 3_600 + 60;

impl Service {
    /// Looks at the store, the clock, the ledger and the keys.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![self.examine_store().await];
        findings.push(self.examine_clock());
        findings.push(self.examine_ledger());
        findings.push(match self.has_orphans().await {
            Ok(false) => Finding::well("deletions", "nothing is left of deleted records"),
            Ok(true) => Finding::warning(
                "deletions",
                "rows of deleted records are left",
                "housekeeping removes them while the server runs",
            ),
            Err(error) => Finding::failure("deletions", error.to_string(), "see the store"),
        });
        let cost = self.passwords.cost();
        findings.push(Finding::well(
            "passwords",
            format!("are hashed by argon2id with {} KiB in {} passes", cost.memory, cost.passes),
        ));
        findings.extend(self.examine_keys());
        findings
    }

    async fn examine_store(&self) -> Finding {
        match self.check_writable().await {
            Ok(()) => Finding::well("store", "takes writes and makes them durable"),
            Err(error) => Finding::failure(
                "store",
                format!("cannot be written: {error}"),
                "free space on its file system, or look at the disk; the server recovers by itself",
            ),
        }
    }

    fn examine_clock(&self) -> Finding {
        let (now, mark) = (self.node().clock().now(), self.node().mark());
        if now > mark.plus_seconds(CLOCK_AHEAD_SECONDS) {
            return Finding::warning(
                "clock",
                format!(
                    "the wall clock says {} and is ahead of the forgetting mark, {}: it jumped, or the server was stopped for long; cleanup waits",
                    instant(now),
                    instant(mark)
                ),
                "if the wall clock is right: lydian doctor --accept-clock; if not, set it",
            );
        }
        if now.plus_seconds(1) < mark {
            return Finding::warning(
                "clock",
                format!(
                    "the wall clock says {} and is behind the forgetting mark, {}",
                    instant(now),
                    instant(mark)
                ),
                "set the wall clock; until it has passed the mark, tokens expire by the mark",
            );
        }
        Finding::well("clock", format!("{}, the forgetting mark is {}", instant(now), instant(mark)))
    }

    fn examine_ledger(&self) -> Finding {
        let ledger = self.node().ledger();
        let sizes = ledger.sizes();
        let position = ledger.applied().seq.as_number();
        if ledger.view(self.node().clock().boot_now()).is_none() {
            return Finding::failure(
                "ledger",
                "this node holds no lease: it answers nothing",
                "see the store: the lease comes back when its log has been read again",
            );
        }
        Finding::well(
            "ledger",
            format!("log position {position}, {} revoked tokens, {} cuts", sizes.revoked, sizes.cuts),
        )
    }

    fn examine_keys(&self) -> Vec<Finding> {
        let directory = self.directory();
        let mut findings = Vec::new();
        for state in directory.realms() {
            let name = &state.realm.name;
            let subject = format!("keys of {name}");
            let mut needed: Vec<_> = state
                .apis()
                .filter_map(|api| match &api.api.token_format {
                    lydian_domain::TokenFormat::Jwt { algorithm, .. } => Some(algorithm.0),
                    lydian_domain::TokenFormat::Opaque => None,
                })
                .chain([state.realm.signing_algorithm.0])
                .collect();
            needed.sort_by_key(|algorithm| algorithm.name());
            needed.dedup();
            for algorithm in needed {
                findings.push(match state.active_key(algorithm) {
                    Some(entry) => {
                        debug_assert_eq!(entry.record.state, KeyState::Active);
                        let made: Timestamp = entry.record.created_at;
                        Finding::well(
                            &subject,
                            format!(
                                "{} signs with {}, made {}",
                                algorithm.name(),
                                entry.record.kid,
                                instant(made)
                            ),
                        )
                    }
                    None => Finding::failure(
                        &subject,
                        format!("no active key for {}", algorithm.name()),
                        "restart the server, which makes one; if it does not, look at its log",
                    ),
                });
            }
        }
        findings
    }

    /// Believes the wall clock from now on: moves the forgetting mark to it, so that cleanup goes on at once.
    ///
    /// What expires before the wall clock's time is expired for good then, whatever the clock says later.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::Conflict`] when the wall clock has not jumped ahead of the mark.
    pub async fn accept_clock(&self) -> Result<(Timestamp, Timestamp), AdministrationError> {
        let (now, mark) = (self.node().clock().now(), self.node().mark());
        if now <= mark.plus_seconds(CLOCK_AHEAD_SECONDS) {
            return Err(AdministrationError::Conflict(format!(
                "the wall clock says {} and has not jumped ahead of the forgetting mark, {}: there is nothing to accept",
                instant(now),
                instant(mark)
            )));
        }
        self.move_mark_to(now).await?;
        Ok((mark, self.node().mark()))
    }
}
