//! The operations under which the disk fails: what each needs, how it is asked for, and what is true once it was acknowledged.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::stage::{Answer, OTHER_REALM, Stage};
use crate::crash::load::{APIS, APP, OPAQUE_API};
use crate::server;

/// The API with JWTs that have a record.
const JWT_API: &str = APIS[1];
/// The API with JWTs that have none.
const BARE_API: &str = APIS[2];

/// Cuts after which a checkpoint has come for certain.
const CUTS_UNTIL_CHECKPOINT: usize = 3_000;

/// An operation that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    AddClient,
    Apply,
    Backup,
    /// A realm is cut until the log file is copied into the database.
    Checkpoint,
    CutClient,
    CutRealm,
    DeleteClient,
    DisableClient,
    EnableClient,
    IssueJwt,
    IssueOpaque,
    RevokeJwt,
    RevokeOpaque,
    RotateKeys,
    RotateSecret,
}

/// What an operation is about.
#[derive(Default)]
pub(super) struct Subject {
    /// The client.
    name: String,
    secret: String,
    /// A token that lives before.
    token: String,
}

impl Operation {
    pub(super) const ALL: [Self; 15] = [
        Self::AddClient,
        Self::Apply,
        Self::Backup,
        Self::Checkpoint,
        Self::CutClient,
        Self::CutRealm,
        Self::DeleteClient,
        Self::DisableClient,
        Self::EnableClient,
        Self::IssueJwt,
        Self::IssueOpaque,
        Self::RevokeJwt,
        Self::RevokeOpaque,
        Self::RotateKeys,
        Self::RotateSecret,
    ];

    /// Its words in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AddClient => "add a client",
            Self::Apply => "apply a document",
            Self::Backup => "snapshot of a backup",
            Self::Checkpoint => "cut until a checkpoint",
            Self::CutClient => "cut a client",
            Self::CutRealm => "cut a realm",
            Self::DeleteClient => "delete a client",
            Self::DisableClient => "disable a client",
            Self::EnableClient => "enable a client",
            Self::IssueJwt => "issue a JWT",
            Self::IssueOpaque => "issue an opaque token",
            Self::RevokeJwt => "revoke a JWT without a record",
            Self::RevokeOpaque => "revoke an opaque token",
            Self::RotateKeys => "rotate keys in an emergency",
            Self::RotateSecret => "rotate a secret",
        }
    }

    /// Makes what it needs, while nothing fails.
    ///
    /// # Errors
    ///
    /// When that is refused.
    pub(super) fn prepare(self, stage: &mut Stage) -> Result<Subject> {
        Ok(match self {
            Self::Backup | Self::IssueJwt | Self::IssueOpaque => Subject::default(),
            Self::AddClient | Self::Apply => new_client(stage),
            Self::CutClient | Self::DeleteClient | Self::DisableClient | Self::RotateSecret => {
                added_client(stage)?
            }
            Self::EnableClient => {
                let subject = added_client(stage)?;
                must(Self::DisableClient, stage, &subject)?;
                subject
            }
            Self::Checkpoint | Self::CutRealm => {
                Subject { token: stage.issued(Some(OTHER_REALM), APP, OPAQUE_API)?, ..Subject::default() }
            }
            Self::RotateKeys => {
                Subject { token: stage.issued(Some(OTHER_REALM), APP, JWT_API)?, ..Subject::default() }
            }
            Self::RevokeJwt => Subject { token: stage.issued(None, APP, BARE_API)?, ..Subject::default() },
            Self::RevokeOpaque => {
                Subject { token: stage.issued(None, APP, OPAQUE_API)?, ..Subject::default() }
            }
        })
    }

    /// Asks for it. What is issued is remembered.
    pub(super) fn perform(self, stage: &mut Stage, subject: &Subject) -> Answer {
        let Subject { name, secret, token } = subject;
        let record = json!({ "kind": "client", "realm": null, "name": name });
        let client = json!({
            "client_id": name, "client_secret": secret, "grant_types": ["client_credentials"],
            "allowed": { OPAQUE_API: ["read"] },
        });
        match self {
            Self::AddClient => {
                stage.administer("records.add", &json!({ "document": { "client": [client] } }))
            }
            Self::Apply => {
                let api = json!({ "audience": format!("https://{name}.example/"), "scopes": ["read"] });
                let document = json!({ "api": [api], "client": [client] });
                stage.administer("apply", &json!({ "document": document, "dry_run": false }))
            }
            Self::Backup => stage.administer("backup.snapshot", &json!({})),
            Self::Checkpoint => cut_until_checkpoint(stage),
            Self::CutClient => {
                stage.administer("revoke", &json!({ "realm": null, "subject": { "client": name } }))
            }
            Self::CutRealm => {
                stage.administer("revoke", &json!({ "realm": OTHER_REALM, "subject": "realm" }))
            }
            Self::DeleteClient => stage.administer("records.delete", &json!({ "record": record })),
            Self::DisableClient | Self::EnableClient => {
                let enabled = self == Self::EnableClient;
                stage.administer("records.set_enabled", &json!({ "record": record, "enabled": enabled }))
            }
            Self::IssueJwt => stage.issue(None, APP, JWT_API),
            Self::IssueOpaque => stage.issue(None, APP, OPAQUE_API),
            Self::RevokeJwt | Self::RevokeOpaque => stage.revoke(token),
            Self::RotateKeys => {
                let parameters = json!({ "realm": OTHER_REALM, "algorithm": null, "emergency": true });
                stage.administer("keys.rotate", &parameters)
            }
            Self::RotateSecret => {
                stage.administer("records.rotate_secret", &json!({ "record": record, "replace": true }))
            }
        }
    }

    /// Whether it cannot be performed when one of its calls fails. A checkpoint may come later, and a backup can do without some.
    pub(super) const fn needs_each_call(self) -> bool {
        !matches!(self, Self::Backup | Self::Checkpoint)
    }

    /// Takes note of what is not known any more now that it was answered 503.
    pub(super) fn doubted(self, stage: &mut Stage, subject: &Subject) {
        let Subject { name, token, .. } = subject;
        match self {
            Self::AddClient | Self::Apply | Self::Backup | Self::IssueJwt | Self::IssueOpaque => {}
            Self::Checkpoint | Self::CutRealm => stage.other_realm_died(false, false),
            Self::CutClient | Self::RevokeJwt | Self::RevokeOpaque => stage.died(token, false),
            Self::DeleteClient | Self::DisableClient => {
                stage.died(token, false);
                stage.has_no_secret(name, false);
            }
            Self::EnableClient | Self::RotateSecret => stage.has_no_secret(name, false),
            Self::RotateKeys => stage.other_realm_died(true, false),
        }
    }

    /// Whether this answer to a repetition says that the first time was enough.
    pub(super) fn was_done_before(self, status: u16) -> bool {
        matches!((self, status), (Self::AddClient, 409) | (Self::DeleteClient, 404))
    }

    /// Takes note of what is true now that it was acknowledged.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(super) fn acknowledged(self, stage: &mut Stage, subject: &Subject, said: &Value) -> Result<()> {
        let Subject { name, secret, token } = subject;
        match self {
            Self::AddClient | Self::Apply => {
                let token = stage.issued(None, (name, secret), OPAQUE_API)?;
                stage.has_secret(name, secret, &token);
            }
            Self::Backup => look_at_snapshot(stage, said)?,
            Self::IssueJwt | Self::IssueOpaque => {}
            Self::CutClient | Self::RevokeJwt | Self::RevokeOpaque => stage.died(token, true),
            Self::DeleteClient | Self::DisableClient => {
                stage.died(token, true);
                stage.has_no_secret(name, true);
            }
            Self::EnableClient => stage.has_secret(name, secret, token),
            Self::Checkpoint | Self::CutRealm => stage.other_realm_died(false, true),
            Self::RotateKeys => stage.other_realm_died(true, true),
            Self::RotateSecret => {
                let made = said["client_secret"].as_str().context("a rotation says the new secret")?;
                stage.has_secret(name, made, token);
            }
        }
        Ok(())
    }
}

fn new_client(stage: &mut Stage) -> Subject {
    let name = stage.new_name();
    let secret = (0..43).map(|_| stage.rng.alphanumeric()).collect();
    Subject { name, secret, token: String::new() }
}

/// A client that was acknowledged, with a token.
fn added_client(stage: &mut Stage) -> Result<Subject> {
    let mut subject = new_client(stage);
    let answer = stage.until_available(|stage| Operation::AddClient.perform(stage, &subject))?;
    let Answer::Done(_) = answer else { bail!("a client was added: {answer}") };
    subject.token = stage.issued(None, (&subject.name, &subject.secret), OPAQUE_API)?;
    stage.has_secret(&subject.name, &subject.secret, &subject.token);
    Ok(subject)
}

/// Performs an operation while nothing fails.
fn must(operation: Operation, stage: &mut Stage, subject: &Subject) -> Result<()> {
    match stage.until_available(|stage| operation.perform(stage, subject))? {
        Answer::Done(said) => operation.acknowledged(stage, subject, &said),
        other => bail!("{}: {other}", operation.name()),
    }
}

fn cut_until_checkpoint(stage: &mut Stage) -> Answer {
    for _ in 0..CUTS_UNTIL_CHECKPOINT {
        let answer = Operation::CutRealm.perform(stage, &Subject::default());
        if !matches!(answer, Answer::Done(_)) {
            return answer;
        }
        stage.other_realm_died(false, true);
        if stage.control.failed().is_ok_and(|failed| failed > 0) {
            return answer;
        }
    }
    Answer::Other(0, "there was no checkpoint".to_owned())
}

/// A snapshot that was acknowledged is whole.
fn look_at_snapshot(stage: &Stage, said: &Value) -> Result<()> {
    let path = Path::new(said["path"].as_str().context("a snapshot has a path")?);
    let directory = tempfile::tempdir_in(&stage.place).context("make a place for the snapshot")?;
    fs::copy(path, directory.path().join("lydian.db")).context("copy the snapshot")?;
    fs::remove_file(path).context("remove the snapshot")?;
    for entry in fs::read_dir(stage.data())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains("key") && entry.file_type()?.is_file() {
            fs::copy(entry.path(), directory.path().join(entry.file_name())).context("copy the key")?;
        }
    }
    let check = server::command(directory.path(), &["check"])?.output().context("run lydian check")?;
    if !check.status.success() {
        let (said, complaint) =
            (String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
        bail!("a snapshot that was acknowledged is not whole: {said}{complaint}");
    }
    Ok(())
}
