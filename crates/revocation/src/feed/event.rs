//! One event as an API sees it.

use lydian_jose::json::Value;
use lydian_primitives::Timestamp;

use super::json::{self, FeedError};
use crate::event::CutKind;
use crate::position::Seq;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedKind {
    /// What was read about this API is out of date: scopes, audience, format. Cached facts are read again.
    ApiFacts,
    /// Tokens of the client with this key (see [`name_key`](crate::event::name_key)) minted before the event are dead.
    Client,
    /// Tokens with this `lyd_grant` minted before the event are dead.
    Grant,
    /// Tokens signed by the key with this name's key minted before the event are dead.
    Key,
    /// Every token of the issuer minted before the event is dead.
    Realm,
    /// Tokens with this `lyd_session` minted before the event are dead.
    Session,
    /// Tokens with this `lyd_subject` minted before the event are dead.
    Subject,
    /// What was read about the user with this `lyd_subject` is out of date: the user name.
    SubjectFacts,
    /// The token with this `jti` is dead.
    Token,
}

impl FeedKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::ApiFacts,
        Self::Client,
        Self::Grant,
        Self::Key,
        Self::Realm,
        Self::Session,
        Self::Subject,
        Self::SubjectFacts,
        Self::Token,
    ];

    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiFacts => "api_facts",
            Self::Client => "client",
            Self::Grant => "grant",
            Self::Key => "key",
            Self::Realm => "realm",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::SubjectFacts => "subject_facts",
            Self::Token => "token",
        }
    }

    /// The kind of this word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether an event of this kind names something; the others concern everything that the subscriber sees.
    pub const fn has_key(self) -> bool {
        !matches!(self, Self::ApiFacts | Self::Realm)
    }
}

impl From<CutKind> for FeedKind {
    fn from(kind: CutKind) -> Self {
        match kind {
            CutKind::Client => Self::Client,
            CutKind::Grant => Self::Grant,
            CutKind::Key => Self::Key,
            CutKind::Realm => Self::Realm,
            CutKind::Session => Self::Session,
            CutKind::User => Self::Subject,
        }
    }
}

/// One event as an API sees it.
///
/// A cut kills what carries a `minted_at` below its `seq`: positions compare, no clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// Its number in the log.
    pub seq: Seq,
    /// What it is about.
    pub kind: FeedKind,
    /// Whom it is about, in the subscriber's own handles; zero for kinds without one.
    pub key: u128,
    /// From when on it can be forgotten: nothing that it killed can be good any more.
    pub until: Timestamp,
}

impl FeedEvent {
    /// Writes it as a JSON object. `prev` is the number up to which the subscriber has been told everything before it.
    pub fn write(&self, prev: Option<Seq>, text: &mut String) {
        text.push_str("{\"seq\":");
        json::write_number(self.seq.as_number(), text);
        if let Some(prev) = prev {
            text.push_str(",\"prev\":");
            json::write_number(prev.as_number(), text);
        }
        text.push_str(",\"kind\":\"");
        text.push_str(self.kind.name());
        text.push('"');
        if self.kind.has_key() {
            text.push_str(",\"key\":\"");
            json::write_key(self.key, text);
            text.push('"');
        }
        text.push_str(",\"until\":");
        json::write_number(self.until.as_unix_seconds(), text);
        text.push('}');
    }

    /// Reads one. A kind that is not known is an error: whoever passes over it would not know what was revoked.
    ///
    /// # Errors
    ///
    /// [`FeedError::Member`] with the name of the member.
    pub fn read(value: Value<'_>) -> Result<Self, FeedError> {
        let kind = value.get("kind").and_then(|value| value.as_str()).and_then(FeedKind::parse);
        let kind = kind.ok_or(FeedError::Member("kind"))?;
        let key = match (kind.has_key(), value.get("key")) {
            (true, _) => json::key(value, "key")?,
            (false, None) => 0,
            (false, Some(_)) => return Err(FeedError::Member("key")),
        };
        Ok(Self {
            seq: json::seq(value, "seq")?,
            kind,
            key,
            until: Timestamp::from_unix_seconds(json::number(value, "until")?),
        })
    }
}
