//! What the log says about a token and the records behind it.

use lydian_domain::introspect::Inspected;
use lydian_domain::{Audience, TokenForm};
use lydian_revocation::{CutKind, Event, LogRow, RecordKind};

use super::{EventLine, Known};
use crate::Service;
use crate::administration::AdministrationError;
use crate::administration::revoke::client_of;

/// Rows of the log that one read brings.
const PAGE: usize = 10_000;

/// Rows of the log that an explanation looks at, at most.
const ROWS_MAX: usize = 1_000_000;

/// Events that an explanation shows, at most: the newest.
const EVENTS_MAX: usize = 100;

impl Service {
    /// The events that concern a token, oldest first, and whether they are all of them.
    pub(super) async fn events_of(
        &self,
        known: &Known,
    ) -> Result<(Vec<EventLine>, bool), AdministrationError> {
        let Some(coordinates) = known.coordinates() else { return Ok((Vec::new(), true)) };
        let mut after = coordinates.minted_at;
        let mut looked_at = 0;
        let mut events = Vec::new();
        let mut complete = true;
        loop {
            let rows = self.storage.log_after(after, PAGE).await?;
            if let Some(first) = rows.first().filter(|_| looked_at == 0) {
                // The log is cut at its old end after the horizon: then it does not reach back to the minting.
                complete = first.seq.as_number() <= after.as_number() + 1;
            }
            let Some(last) = rows.last() else { break };
            after = last.seq;
            looked_at += rows.len();
            events.extend(rows.iter().filter_map(|row| event_line(known, row)));
            if rows.len() < PAGE {
                break;
            }
            if looked_at >= ROWS_MAX {
                complete = false;
                break;
            }
        }
        if events.len() > EVENTS_MAX {
            complete = false;
            events.drain(..events.len() - EVENTS_MAX);
        }
        Ok((events, complete))
    }
}

fn event_line(known: &Known, row: &LogRow) -> Option<EventLine> {
    let token = known.coordinates()?;
    let (what, subject, kills) = match row.event {
        Event::Revoked { token: id, .. } => {
            (id == token.token).then(|| ("revoked", "this token".to_owned(), true))?
        }
        Event::Cut { kind, subject } => {
            let concerned = match kind {
                CutKind::Client => Some(token.client),
                CutKind::Grant => Some(token.grant),
                CutKind::Key => token.key,
                CutKind::Realm => Some(token.realm),
                CutKind::Session => token.session,
                CutKind::User => token.user,
            };
            (concerned == Some(subject))
                .then(|| ("cut", name(known, kind, subject), token.minted_at < row.seq))?
        }
        Event::RecordChanged { kind, record } => ("changed", changed(known, kind, record)?, false),
        Event::UserChanged { user } => {
            (token.user == Some(user)).then(|| ("changed", name(known, CutKind::User, user), false))?
        }
    };
    Some(EventLine {
        position: row.seq.as_number(),
        at: row.at.as_unix_seconds(),
        what: what.to_owned(),
        subject,
        kills,
    })
}

/// A subject of the token, by its name.
fn name(known: &Known, kind: CutKind, subject: u128) -> String {
    let realm = &known.realm;
    let realm_name = &realm.realm.name;
    match (kind, known.inspected()) {
        (CutKind::Client, Some(Inspected::Access(token))) => {
            format!("client {realm_name}/{}", client_of(realm, token.client))
        }
        (CutKind::Client, Some(Inspected::Refresh(token))) => {
            format!("client {realm_name}/{}", client_of(realm, token.client))
        }
        (CutKind::Key, Some(Inspected::Access(token))) => match token.form {
            TokenForm::Jwt(key) => {
                format!(
                    "key {}",
                    realm.key(key).map_or_else(|| format!("number {key}"), |entry| entry.record.kid.clone())
                )
            }
            TokenForm::Opaque => format!("key number {subject}"),
        },
        (CutKind::Realm, _) => format!("realm {realm_name}"),
        (CutKind::User, _) => match &known.parents.user {
            Some(user) => format!("user {realm_name}/{}", user.username),
            None => format!("user number {subject}"),
        },
        (kind, _) => format!("{} number {subject}", kind.name()),
    }
}

/// A record behind the token that was changed, by its name.
fn changed(known: &Known, kind: RecordKind, record: u128) -> Option<String> {
    let token = known.coordinates()?;
    let realm = &known.realm;
    match kind {
        RecordKind::Client if token.client == record => Some(name(known, CutKind::Client, record)),
        RecordKind::Key if token.key == Some(record) => Some(name(known, CutKind::Key, record)),
        RecordKind::Realm if token.realm == record => Some(name(known, CutKind::Realm, record)),
        RecordKind::Api => match known.inspected()? {
            Inspected::Access(access) => match access.audience {
                Audience::Api(id) if u128::from(id.as_number()) == record => Some(format!(
                    "api {}",
                    realm.api(id).map_or_else(|| format!("number {id}"), |state| state.api.audience.clone())
                )),
                _ => None,
            },
            Inspected::Refresh(_) => None,
        },
        _ => None,
    }
}
