//! Realms: tenants with an issuer and keys of their own.

use std::fmt;

use lydian_jose::Algorithm;
use lydian_primitives::Id;
use lydian_revocation::Seq;
use serde::{Deserialize, Deserializer, Serialize};

/// The id of a realm.
pub type RealmId = Id<Realm>;

/// The name of a realm in paths: `/t/{name}/oauth2/...`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RealmName(String);

impl RealmName {
    /// The name of the realm that lives at `/oauth2/...`.
    pub const DEFAULT: &'static str = "default";

    /// Reads a name: 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter or digit.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let well_formed =
            (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The name of the default realm.
    pub fn default_realm() -> Self {
        Self(Self::DEFAULT.to_owned())
    }

    /// Whether this is the default realm.
    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RealmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RealmName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("a realm name is 1 to 63 of a-z, 0-9 and -, and does not begin with -")
        })
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realm {
    /// Its id, never reused.
    #[serde(skip, default = "no_id")]
    pub id: RealmId,
    /// Its name in paths.
    pub name: RealmName,
    /// Whether it answers at all. A disabled realm is unknown to callers.
    pub enabled: bool,
    /// Everything minted before this position is dead.
    #[serde(skip)]
    pub cut_at: Seq,
    /// Grows with each change of this record.
    #[serde(skip)]
    pub version: u64,
    /// Lifetime of opaque access tokens, in seconds.
    pub opaque_access_token_seconds: u64,
    /// Lifetime of JWT access tokens, in seconds.
    pub jwt_access_token_seconds: u64,
    /// Absolute lifetime of refresh tokens, in seconds.
    pub refresh_token_seconds: u64,
    /// Idle lifetime of refresh tokens, in seconds.
    pub refresh_token_idle_seconds: u64,
    /// The prefix of access tokens, before the underscore.
    pub access_token_prefix: String,
    /// The prefix of refresh tokens, before the underscore.
    pub refresh_token_prefix: String,
    /// The algorithm that signs what belongs to the issuer itself.
    pub signing_algorithm: SigningAlgorithm,
    /// Whether answers carry `aut`, and `Refresh` as the type of refresh tokens, as on the reference page.
    pub reference_members: bool,
    /// For how long a key signs before its successor does, in seconds; 0: until an administrator rotates it.
    #[serde(default = "key_rotation_seconds")]
    pub key_rotation_seconds: u64,
    /// For how long a key is published before it signs, in seconds.
    #[serde(default = "key_prepublication_seconds")]
    pub key_prepublication_seconds: u64,
    /// How people sign in.
    #[serde(default)]
    pub sign_in: SignInSettings,
}

/// How people sign in at a realm, and how long what comes of it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignInSettings {
    /// Lifetime of authorization codes, in seconds; at most 60.
    pub code_seconds: u64,
    /// Lifetime of ID tokens, in seconds.
    pub id_token_seconds: u64,
    /// For how long a browser stays signed in at most, in seconds.
    pub session_seconds: u64,
    /// For how long a browser stays signed in that does not come back, in seconds.
    pub session_idle_seconds: u64,
    /// For how long a replaced refresh token still gives its successor, in seconds; 0 to 60.
    pub refresh_grace_seconds: u64,
    /// Whether everybody needs a second factor; who has none adds one at the next sign-in.
    pub require_second_factor: bool,
    /// The name that the pages show.
    pub brand_name: Option<String>,
    /// The address of the logo that the pages show.
    pub brand_logo_uri: Option<String>,
    /// The colour of buttons and links, as `#rrggbb`.
    pub brand_colour: Option<String>,
}

impl Default for SignInSettings {
    fn default() -> Self {
        Self {
            code_seconds: 60,
            id_token_seconds: 3_600,
            session_seconds: 12 * 3_600,
            session_idle_seconds: 2 * 3_600,
            refresh_grace_seconds: 10,
            require_second_factor: false,
            brand_name: None,
            brand_logo_uri: None,
            brand_colour: None,
        }
    }
}

/// Ninety days.
fn key_rotation_seconds() -> u64 {
    90 * 86_400
}

/// A day.
fn key_prepublication_seconds() -> u64 {
    86_400
}

impl Realm {
    /// A realm with the default settings.
    pub fn with_defaults(id: RealmId, name: RealmName) -> Self {
        Self {
            id,
            name,
            enabled: true,
            cut_at: Seq::ZERO,
            version: 0,
            opaque_access_token_seconds: 3_600,
            jwt_access_token_seconds: 900,
            refresh_token_seconds: 30 * 86_400,
            refresh_token_idle_seconds: 7 * 86_400,
            access_token_prefix: "lya".to_owned(),
            refresh_token_prefix: "lyr".to_owned(),
            signing_algorithm: SigningAlgorithm(Algorithm::Es256),
            reference_members: true,
            key_rotation_seconds: key_rotation_seconds(),
            key_prepublication_seconds: key_prepublication_seconds(),
            sign_in: SignInSettings::default(),
        }
    }
}

/// A signature algorithm by its registered name (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningAlgorithm(pub Algorithm);

impl Serialize for SigningAlgorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for SigningAlgorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Algorithm::from_name(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom("the algorithm is one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA")
        })
    }
}

pub(crate) fn no_id<T>() -> Id<T> {
    Id::from_number(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_name_is_safe_in_a_path() {
        for name in ["default", "a", "tenant-1", "0"] {
            assert!(RealmName::parse(name).is_some(), "{name}");
        }
        for name in ["", "-a", "A", "a/b", "..", "a b", "\u{e9}", "a_b", &"a".repeat(64)] {
            assert!(RealmName::parse(name).is_none(), "{name}");
        }
    }
}
