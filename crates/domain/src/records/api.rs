//! APIs: resource servers with an audience, scopes and a form of token.

use std::collections::{BTreeMap, BTreeSet};

use lydian_oauth_types::ScopeSet;
use lydian_primitives::Id;
use serde::{Deserialize, Serialize};

use super::realm::{RealmId, SigningAlgorithm, no_id};

/// The id of an API.
pub type ApiId = Id<Api>;

/// A resource server (RFC 6749 §1.1): what access tokens are made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Its id, never reused.
    #[serde(skip, default = "no_id")]
    pub id: ApiId,
    /// The realm to which it belongs.
    #[serde(skip, default = "no_id")]
    pub realm: RealmId,
    /// Its identifier in `resource` and `aud` (RFC 8707 §2), unique within the realm.
    pub audience: String,
    /// Its name for people.
    pub name: String,
    /// The scopes that it defines.
    pub scopes: ScopeSet,
    /// The form of its access tokens.
    pub token_format: TokenFormat,
    /// Lifetime of its access tokens, in seconds; the realm's when absent.
    pub access_token_seconds: Option<u64>,
    /// How long its validators may keep facts.
    pub cache: CachePolicy,
    /// What is said of its scopes, and who may grant them; a scope without an entry is open to everybody.
    #[serde(default)]
    pub scope_details: BTreeMap<String, ScopeDetail>,
    /// Whether tokens are issued for it, and shown to it.
    pub enabled: bool,
    /// Grows with each change of this record.
    #[serde(skip)]
    pub version: u64,
}

/// What is said of a scope, and who may grant it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeDetail {
    /// What it permits, as the end of "the application would like to".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who has one of these roles may grant it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    /// Who belongs to one of these groups may grant it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

impl ScopeDetail {
    /// Whether only some people may grant it.
    pub fn is_restricted(&self) -> bool {
        !self.roles.is_empty() || !self.groups.is_empty()
    }
}

/// The form of an API's access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TokenFormat {
    /// A self-contained JWT (RFC 9068).
    Jwt {
        /// The algorithm that signs it.
        algorithm: SigningAlgorithm,
        /// The header member `typ`: `at+jwt`, or `JWT` for validators that insist on it.
        typ: String,
        /// Whether each token is kept in the store. Without a record the ledger alone revokes it.
        record: bool,
    },
    /// A random string that only this server can read.
    Opaque,
}

impl TokenFormat {
    /// The `typ` of RFC 9068 §2.1.
    pub const AT_JWT: &'static str = "at+jwt";
}

/// How long a validator of this API may keep what it learned, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachePolicy {
    /// With the revocation feed.
    pub with_feed_seconds: u64,
    /// Without it.
    pub without_feed_seconds: u64,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self { with_feed_seconds: 3_600, without_feed_seconds: 5 }
    }
}
