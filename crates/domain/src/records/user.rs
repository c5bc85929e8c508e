//! Users (resource owners) and their sessions.

use std::collections::BTreeSet;
use std::fmt;

use lydian_primitives::{Digest, Id, Timestamp};
use lydian_revocation::Seq;
use serde::{Deserialize, Serialize};

use super::realm::RealmId;
use crate::authentication::Authentication;

/// The id of a user.
pub type UserId = Id<User>;

/// The id of a session.
pub type SessionId = Id<Session>;

/// A resource owner (RFC 6749 §1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id, never reused.
    pub id: UserId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// The stable subject identifier in `sub`, never reassigned.
    pub subject: String,
    /// The name with which the user signs in, shown as `username`; lower case, unique within the realm.
    pub username: String,
    /// Whether the user may do anything.
    pub enabled: bool,
    /// Everything minted for this user before this position is dead.
    pub cut_at: Seq,
    /// Grows with each change of this record.
    pub version: u64,
    /// What is known of the person.
    pub profile: UserProfile,
    /// The hash of the password; a user without one cannot sign in by password.
    pub password: Option<PasswordHash>,
}

impl User {
    /// The name as it is stored and looked up: without spaces around it, in lower case. `None` for what cannot be a name.
    pub fn canonical_username(text: &str) -> Option<String> {
        let text = text.trim();
        let plain = |character: char| !character.is_control() && !character.is_whitespace();
        let well_formed = (1..=Self::USERNAME_BYTES_MAX).contains(&text.len()) && text.chars().all(plain);
        well_formed.then(|| text.to_lowercase())
    }

    /// The longest name, in bytes.
    pub const USERNAME_BYTES_MAX: usize = 128;
}

/// The standard claims of a person (OpenID Connect Core §5.1), and the roles and groups that policy asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are the claims of OpenID Connect Core §5.1")]
pub struct UserProfile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthdate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub phone_number_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// When the claims were last changed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<u64>,
    /// What the person may do, in the words of the organisation.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    /// To which groups the person belongs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

/// A postal address (OpenID Connect Core §5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are those of OpenID Connect Core §5.1.1")]
pub struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The argon2id hash of a password as a PHC string: salt and parameters beside the tag. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash that this PHC string says.
    pub fn from_phc(text: String) -> Self {
        Self(text)
    }

    /// The PHC string, for the store and for verification.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A sign-in of a person in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, never reused.
    pub id: SessionId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// Who signed in.
    pub user: UserId,
    /// When the last token that depends on it dies: it ends for tokens then, and can be forgotten.
    pub expires_at: Timestamp,
    /// Everything minted in it before this position is dead, the sign-in itself among it.
    pub cut_at: Seq,
    /// The sign-in as the browser has it.
    pub browser: BrowserSession,
}

/// What a browser needs for its sign-in to be recognised, and what its owner is shown of it.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// The digest of the cookie.
    pub cookie: Digest,
    /// The log position that had been applied before the person's state was read.
    pub minted_at: Seq,
    /// When the person first signed in here.
    pub created_at: Timestamp,
    /// How and when the person last proved who it is.
    pub authentication: Authentication,
    /// The first second at which the browser is not recognised any more, however busy.
    pub signed_in_until: Timestamp,
    /// The first second at which the browser is not recognised any more unless it comes before.
    pub idle_expires_at: Timestamp,
    /// What the browser calls itself, cut short.
    pub user_agent: String,
}

impl PartialEq for BrowserSession {
    fn eq(&self, other: &Self) -> bool {
        let facts = |session: &Self| {
            (
                session.minted_at,
                session.created_at,
                session.authentication,
                session.signed_in_until,
                session.idle_expires_at,
            )
        };
        self.cookie.matches(&other.cookie)
            && facts(self) == facts(other)
            && self.user_agent == other.user_agent
    }
}

impl Eq for BrowserSession {}

impl Default for BrowserSession {
    /// A sign-in that no browser has: its cookie digest belongs to nothing.
    fn default() -> Self {
        Self {
            cookie: Digest::from_bytes([0; 32]),
            minted_at: Seq::ZERO,
            created_at: Timestamp::EPOCH,
            authentication: Authentication::default(),
            signed_in_until: Timestamp::EPOCH,
            idle_expires_at: Timestamp::EPOCH,
            user_agent: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_looked_up_in_lower_case_and_without_spaces_around_it() {
        assert_eq!(User::canonical_username(" Alice@Example.COM "), Some("alice@example.com".to_owned()));
        for text in ["", "  ", "a b", "a\u{0}", "a\nb", &"a".repeat(129)] {
            assert_eq!(User::canonical_username(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_password_hash_does_not_print() {
        let hash = PasswordHash::from_phc("$argon2id$v=19$secret".to_owned());
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }
}
